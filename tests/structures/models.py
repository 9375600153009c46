"""Small structures made by code, as the archives write them.

The geometry is a helix of spheres and the sequences are drawn: only names, numbers and records are as in real files.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

import gemmi

_SIDE_CHAINS = {"HIS": ("CG", "ND1", "CE1", "NE2", "CD2"), "MSE": ("CG", "SE", "CE"), "MET": ("CG", "SD", "CE")}
_LIGAND = ("C1", "O1", "C2", "O2", "C3", "O3")  # glycerol's


@dataclass(frozen=True)
class Chain:
    """A protein chain.

    Attributes:
        sequence: in one letter each.
        name: of the author.
        uniprot: accession, and the position there of the chain's first residue; None: no reference.
        author_start: the author's number of the first residue.
        missing: residues at the start that are in the sequence but have no atoms.
    """

    sequence: str
    name: str = "A"
    uniprot: tuple[str, int] | None = None
    author_start: int = 1
    missing: int = 0


def protein(
    sequence: str,
    chain: str = "A",
    *,
    name: str = "1TST",
    uniprot: tuple[str, int] | None = ("P45523", 1),
    author_start: int = 1,
    missing: int = 0,
    second_chain: Chain | None = None,
    title: str = "A PROTEIN MADE BY CODE",
    method: str | None = "X-RAY DIFFRACTION",
    resolution: float | None = 2.0,
    waters: int = 3,
    ligand: bool = True,
    hydrogens: bool = True,
    modified: bool = True,
    altlocs: int = 0,
    models: int = 1,
) -> gemmi.Structure:
    """A structure of one or two protein chains, with UniProt references and sequence records.

    Args:
        sequence: of the first chain; the other arguments up to `missing` are as for `Chain`.
        chain: its author name.
        name: the entry's id.
        uniprot: as for `Chain`.
        author_start: as for `Chain`.
        missing: as for `Chain`.
        second_chain: another one; of the same entity when its sequence is the same.
        title: of the entry.
        method: of the experiment.
        resolution: Å.
        waters: how many.
        ligand: a glycerol (GOL, 6 atoms) and a mercury ion (HG), both of the first chain's author name.
        hydrogens: H and HA on each residue (glycine HA2, proline no H), two on each water; the first water has D.
        modified: methionines are selenomethionines, written as HETATM.
        altlocs: so many residues from the first have CB twice: A with occupancy 0.4, B with 0.6.
        models: copies, each moved by 0.1 Å along x.
    """
    chains = [Chain(sequence, chain, uniprot, author_start, missing), *filter(None, [second_chain])]
    structure = gemmi.Structure()
    structure.name = name
    for key, value in {"_entry.id": name, "_struct.title": title, "_exptl.method": method}.items():
        if value is not None:
            structure.info[key] = value
    if method == "X-RAY DIFFRACTION":
        structure.cell, structure.spacegroup_hm = gemmi.UnitCell(100, 110, 120, 90, 90, 90), "P 1"
    model = gemmi.Model(1)
    for number, each in enumerate(chains):
        model.add_chain(_polymer(each, number, structure, hydrogens, modified, altlocs))
    labels = iter("CDEFGH")
    first = gemmi.Chain(chain)  # as in the archive, behind all polymers
    if ligand:
        first.add_residue(_other("GOL", _LIGAND, 901, next(labels), structure))
        first.add_residue(_other("HG", ("HG",), 902, next(labels), structure))
    label = next(labels)
    for number in range(waters):
        atoms = ("O", "H1", "H2") if hydrogens else ("O",)
        first.add_residue(_other("HOH", atoms, 1001 + number, label, structure))
        if hydrogens and number == 0:
            first[-1][1].element = gemmi.Element("D")
            first[-1][1].name = "D1"
    if len(first):
        model.add_chain(first)
    for number in range(models):
        copy = model.clone()
        copy.num = number + 1
        copy.transform_pos_and_adp(gemmi.Transform(gemmi.Mat33(), gemmi.Vec3(0.1 * number, 0, 0)))
        structure.add_model(copy)
    structure.assign_serial_numbers()
    return _with_records(structure, chains, method, resolution)


def alphafold_model(accession: str, sequence: str) -> gemmi.Structure:
    """A model as AlphaFold DB has them: one chain, the whole sequence, pLDDT (50 to 99) in place of B."""
    structure = protein(
        sequence,
        name=f"AF-{accession}-F1",
        uniprot=(accession, 1),
        title=f"AlphaFold monomer v2.0 prediction for {accession}",
        method=None,
        resolution=None,
        waters=0,
        ligand=False,
        hydrogens=False,
        modified=False,
    )
    for number, residue in enumerate(structure[0]["A"]):
        for atom in residue:
            atom.b_iso = 50 + number % 50
    return structure


def as_cif(structure: gemmi.Structure) -> str:
    """As wwPDB and AlphaFold DB write mmCIF: lines of `#` between the categories and at the end."""
    document = structure.make_mmcif_document()
    if (
        dict(structure.info).get("_exptl.method") == "ELECTRON MICROSCOPY"
    ):  # gemmi reads this resolution and writes it not
        document.sole_block().set_pair("_em_3d_reconstruction.resolution", f"{structure.resolution:g}")
    text = document.as_string(gemmi.cif.WriteOptions(gemmi.cif.Style.Pdbx))
    while "#\n#\n" in text:
        text = text.replace("#\n#\n", "#\n")
    return text if structure.name.startswith("AF-") else text.replace("\n#\n", "\n# \n")


def as_pdb(structure: gemmi.Structure) -> str:
    """As wwPDB and AlphaFold DB write PDB files; those of AlphaFold DB name no entry in them."""
    lines = structure.make_pdb_string().splitlines()
    is_model = structure.name.startswith("AF-")
    code = "    " if is_model else structure.name[:4]
    if not lines[0].startswith("HEADER"):
        lines.insert(0, "HEADER")
    lines[0] = f"{lines[0][:62]:62}{code:18}"
    reference = "XXXX" if is_model else code
    lines = [f"DBREF  {reference}{line[11:]}" if line.startswith("DBREF ") else line for line in lines]
    return "".join(f"{line:80}\n" for line in lines)


def _polymer(
    chain: Chain, number: int, structure: gemmi.Structure, hydrogens: bool, modified: bool, altlocs: int
) -> gemmi.Chain:
    names = gemmi.expand_one_letter_sequence(chain.sequence, gemmi.ResidueKind.AA)
    names = ["MSE" if modified and name == "MET" else name for name in names]
    label = "AB"[number]
    entity = next((e for e in structure.entities if list(e.full_sequence) == names), None)
    if entity is None:
        entity = _entity(structure, gemmi.EntityType.Polymer)
        entity.full_sequence = names
        entity.polymer_type = gemmi.PolymerType.PeptideL
    entity.subchains = [*entity.subchains, label]
    made = gemmi.Chain(chain.name)
    for i in range(chain.missing, len(names)):
        residue = _residue(names[i], chain.author_start + i, label, entity)
        residue.label_seq = i + 1
        residue.het_flag = "H" if names[i] == "MSE" else "A"
        for at, atom_name in enumerate(_atom_names(names[i], hydrogens)):
            doubled = atom_name == "CB" and i - chain.missing < altlocs
            for altloc, occupancy in [("A", 0.4), ("B", 0.6)] if doubled else [("\0", 1.0)]:
                atom = _atom(atom_name, i, at, 30.0 * number + (altloc == "B"))
                atom.altloc, atom.occ = altloc, occupancy
                residue.add_atom(atom)
        made.add_residue(residue)
    return made


def _atom_names(residue_name: str, hydrogens: bool) -> Iterator[str]:
    yield from ("N", "CA", "C", "O")
    if residue_name != "GLY":
        yield "CB"
    yield from _SIDE_CHAINS.get(residue_name, ())
    if hydrogens:
        if residue_name != "PRO":
            yield "H"
        yield "HA2" if residue_name == "GLY" else "HA"


def _atom(name: str, residue: int, at: int, shift: float) -> gemmi.Atom:
    """An atom of a helix with a rise of 1.5 Å, 100 degrees a residue."""
    angle, radius = math.radians(residue * 100 + at * 23), 2.3 + 0.4 * at
    place = (radius * math.cos(angle) + shift, radius * math.sin(angle), 1.5 * residue + 0.3 * at)
    atom = gemmi.Atom()
    atom.name = name
    atom.element = gemmi.Element(name if name in ("SE", "HG") else name[0])
    atom.b_iso = 20.0
    atom.pos = gemmi.Position(*(round(x, 3) for x in place))
    return atom


def _residue(name: str, number: int, label: str, entity: gemmi.Entity) -> gemmi.Residue:
    residue = gemmi.Residue()
    residue.name, residue.seqid = name, gemmi.SeqId(number, " ")
    residue.subchain, residue.entity_id, residue.entity_type = label, entity.name, entity.entity_type
    return residue


def _other(name: str, atoms: tuple[str, ...], number: int, label: str, structure: gemmi.Structure) -> gemmi.Residue:
    """A ligand, an ion or a water; all waters are one entity."""
    kind = gemmi.EntityType.Water if name == "HOH" else gemmi.EntityType.NonPolymer
    entity = next((e for e in structure.entities if label in e.subchains), None)
    if entity is None:
        entity = _entity(structure, kind)
        entity.subchains = [label]
    residue = _residue(name, number, label, entity)
    residue.het_flag = "H"
    for at, atom_name in enumerate(atoms):
        residue.add_atom(_atom(atom_name, number % 100, at, -20.0 if name == "HOH" else -40.0))
    return residue


def _entity(structure: gemmi.Structure, kind: gemmi.EntityType) -> gemmi.Entity:
    entity = gemmi.Entity(str(len(structure.entities) + 1))
    entity.entity_type = kind
    structure.entities.append(entity)
    return structure.entities[-1]


def _with_records(
    structure: gemmi.Structure, chains: list[Chain], method: str | None, resolution: float | None
) -> gemmi.Structure:
    """The same with its references and resolution: what gemmi takes from a file only."""
    block = structure.make_mmcif_document().sole_block()
    referred = [chain for chain in chains if chain.uniprot is not None]
    ids = {chain.name: entity.name for chain, entity in zip(chains, _entities(structure, len(chains)), strict=True)}
    refs = block.init_loop(
        "_struct_ref.", ["id", "db_name", "db_code", "pdbx_db_accession", "pdbx_db_isoform", "entity_id"]
    )
    tags = ["align_id", "ref_id", "pdbx_PDB_id_code", "pdbx_strand_id", "seq_align_beg", "seq_align_end"]
    tags += ["pdbx_db_accession", "db_align_beg", "db_align_end", "pdbx_auth_seq_align_beg", "pdbx_auth_seq_align_end"]
    spans = block.init_loop("_struct_ref_seq.", tags)
    for number, chain in enumerate(referred, 1):
        accession, start = chain.uniprot or ("", 0)
        length, last = len(chain.sequence), chain.author_start + len(chain.sequence) - 1
        refs.add_row([str(number), "UNP", f"{accession}_TEST", accession, "?", ids[chain.name]])
        row: list[object] = [number, number, structure.name, chain.name, 1, length, accession, start]
        spans.add_row([str(value) for value in [*row, start + length - 1, chain.author_start, last]])
    if resolution is not None:
        if method == "ELECTRON MICROSCOPY":
            block.set_pair("_em_3d_reconstruction.resolution", str(resolution))
        else:
            for tag, value in {"entry_id": structure.name, "pdbx_refine_id": "?", "ls_d_res_high": resolution}.items():
                block.set_pair(f"_refine.{tag}", str(value))
    return gemmi.make_structure_from_block(block)


def _entities(structure: gemmi.Structure, count: int) -> list[gemmi.Entity]:
    return [next(e for e in structure.entities if label in e.subchains) for label in "AB"[:count]]


def drawn_sequence(accession: str, length: int) -> str:
    """A protein sequence that is always the same for an accession; it begins with M."""
    rng = random.Random(accession)
    return "M" + "".join(rng.choice("ACDEFGHIKLMNPQRSTVWY") for _ in range(length - 1))
