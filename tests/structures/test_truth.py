import gzip
import json
import re
from collections import Counter

import numpy as np
import pytest

from builders.errors import FormatError, TruncatedError
from builders.structures.arrays import atoms_of, chains_of
from builders.structures.reading.kinds import WATER
from tests.structures.samples import SHARED, read, residues_of, words

TRUTH = {}


if (SHARED / "TRUTH.json").is_file():
    facts = json.loads((SHARED / "TRUTH.json").read_text())
    TRUTH = {key.removeprefix("struct/"): value for key, value in facts.items() if key.startswith("struct/")}


READERS = ("gemmi", "biotite", "biopython")


MALFORMED = {
    "1AKE_err_a.pdb": (FormatError, "SD  MET A   1 .*expected three numbers"),
    "1AKE_err_b.pdb": (TruncatedError, "CB  MET'.*up to column 54"),
    "HEM.cif": (FormatError, "a chemical component"),
    "2242624.cif": (FormatError, "a small-molecule CIF"),
    "1yjp-sf.cif": (FormatError, "structure factors"),
}


READABLE = sorted(set(TRUTH) - set(MALFORMED))


# What independent readers of a file disagree about: what we say, and why.
CHOICES = {
    # Biopython keeps one residue of several that share a position and a label (PRO/SER 22, LEU/ILE 25).
    ("pdb1ejg.pdb", "atoms"): 831,
    ("pdb1ejg.pdb", "hydrogen_atoms"): 415,
    # No element columns, and names that start in column 13 ("HB2 ", "HE21"): by the names, and as biotite, all
    # hydrogens are; gemmi and Biopython take helium and its like for what is left-aligned.
    ("helix_amber.pdb", "hydrogen_atoms"): 189,
    # WAT in ATOM records; Biopython goes by the record.
    ("noChainNameTerRecords.pdb", "water_atoms"): 9,
    ("noChainNameTerRecords.pdb", "water_residues"): 3,
    # MODEL without a number, and 892 atoms after its ENDMDL: another model for gemmi and Biopython, as for us.
    ("a_structure.pdb", "models"): 2,
    ("a_structure.pdb", "atoms"): 9,
    ("a_structure.pdb", "atoms_all_models"): 901,
    ("a_structure.pdb", "chains"): ["A"],
    ("a_structure.pdb", "water_atoms"): 0,
    ("a_structure.pdb", "water_residues"): 0,
    ("a_structure.pdb", "residues_with_insertion_code"): 0,
    ("a_structure.pdb", "atoms_with_altloc"): 0,
}


def counts_of(loaded):
    """What TRUTH.json counts, of every alternative."""
    models = [atoms_of(loaded, model) for model in range(len(loaded.structure))]
    first = models[0]
    residues = residues_of(first)
    water = [residue for residue in residues if residue[1] in WATER]
    return {
        "models": len(models),
        "atoms": len(first.hetero),
        "atoms_all_models": sum(len(atoms.hetero) for atoms in models),
        "chains": list(dict.fromkeys(words(first.chain))),
        "hydrogen_atoms": int(np.isin(first.element, [b"H", b"D"]).sum()),
        "residues_with_insertion_code": sum(1 for residue in residues if residue[2]),
        "water_atoms": sum(residues[residue] for residue in water),
        "water_residues": len(water),
        "atoms_with_altloc": int((first.altloc != b"").sum()),
    }


def answers_of(truth, key):
    """What each reader says of a file, ourselves left out."""
    raw = {**truth["raw"], **truth["raw"]["model_1"]}
    if key == "hydrogen_atoms" and raw["atoms_without_element"]:
        raw["hydrogen_atoms"] = raw["hydrogen_atoms_by_name"]
    answers = [raw.get(key), *(truth[reader].get(key) for reader in READERS if truth[reader]["ok"])]
    return [answer for answer in answers if answer is not None]


@pytest.mark.parametrize("name", READABLE)
def test_atoms_are_those_that_independent_readers_find(name):
    counts = counts_of(read(name))
    for key, ours in counts.items():
        answers = answers_of(TRUTH[name], key)
        agreed = all(answer == answers[0] for answer in answers)
        expected = CHOICES[name, key] if (name, key) in CHOICES else answers[0]
        assert ours == expected, f"{key}: {ours}, others say {answers}"
        assert agreed or (name, key) in CHOICES, f"{key}: others say {answers}"


@pytest.mark.parametrize("name", sorted(MALFORMED))
def test_malformed_files_are_refused_by_name(shared, name):
    error, said = MALFORMED[name]
    with pytest.raises(error, match=rf"^{re.escape(name)}: .*{said}"):
        read(name)


@pytest.mark.parametrize("name", READABLE)
def test_sequences_are_the_full_ones(name):
    # In TRUTH.json modified residues are X; here they are their parents.
    known = [sequence for sequence in TRUTH[name]["gemmi"].get("full_sequences", []) if sequence]
    ours = {chain.sequence for chain in chains_of(read(name), 0)}
    for sequence in known:
        pattern = re.compile(sequence.replace("X", "[A-Z]"))
        assert any(pattern.fullmatch(chain) for chain in ours), sequence


# Elements that TRUTH.json has otherwise, by two readers that disagree: names in capitals there, and D as in the file.
ELEMENTS_BY = {
    # Sodium called Na+, in an ATOM record, without element: biotite takes it for nitrogen.
    "noChainNameTerRecords.pdb": "gemmi",
    "helix_amber.pdb": "biotite",
    # The carbon of "CA  " in pyroglutamate, without element: gemmi takes it for calcium; biotite reads another model.
    "a_structure.pdb": None,
    # Sodium, without element, its name in columns 14-15 as if it were nitrogen; the residue is called NA.
    "3eiy_stripped_no_ele.pdb": None,
    # Carbons: biotite takes the line numbers of the old format for elements, gemmi refuses the file.
    "pdb1gdr.ent": None,
}


@pytest.mark.parametrize("name", READABLE)
def test_elements_are_those_that_independent_readers_find(name):
    reader = ELEMENTS_BY.get(name, "gemmi" if TRUTH[name]["gemmi"]["ok"] else "biotite")
    if reader is not None:
        expected = {element.upper(): count for element, count in TRUTH[name][reader]["elements"].items()}
        assert Counter(element.upper() for element in words(atoms_of(read(name), 0).element)) == expected


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    "name",
    "1aki.cif 1aki.pdb 2d7t.pdb 2d7t.cif 1GBT.cif 4ZJK.pdb.gz P04629.pdb 1bna.cif 1A8O.pdb 1v5a-3models.cif "
    "AF-P29373-F1-model_v4.cif.gz fibronectin_af_ca_1358_1537.cif pdb1gdr.ent".split(),
)
def test_coordinates_are_those_of_biopython(shared, name):
    pytest.importorskip("Bio.PDB")
    ours = read(name)
    for number, theirs in enumerate(read_with_biopython(name)):
        atoms = atoms_of(ours, number)
        expected = {}
        for atom in (a for chain in theirs for residue in chain for a in residue.get_unpacked_list()):
            residue = atom.get_parent()
            key = residue.get_parent().id.strip(), residue.resname.strip(), *residue.id[1:], atom.id, atom.altloc
            expected[key] = (*atom.coord.tolist(), np.float32(atom.bfactor), np.float32(atom.occupancy))
        keys = zip(
            words(atoms.chain),
            words(atoms.residue_name),
            atoms.residue_number.tolist(),
            [code or " " for code in words(atoms.insertion_code)],
            words(atoms.atom_name),
            [label or " " for label in words(atoms.altloc)],
            strict=True,
        )
        values = zip(*atoms.coordinates.T.tolist(), atoms.b_factor, atoms.occupancy, strict=True)
        assert dict(zip(keys, values, strict=True)) == expected


def read_with_biopython(name):
    from Bio.PDB.MMCIFParser import MMCIFParser
    from Bio.PDB.PDBParser import PDBParser

    path = SHARED / "struct" / name
    parser = (MMCIFParser if ".cif" in name else PDBParser)(QUIET=True)
    opened = gzip.open(path, "rt") if name.endswith(".gz") else path.open()
    with opened as file:
        return parser.get_structure(name, file)
