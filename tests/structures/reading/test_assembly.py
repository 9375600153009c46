import gemmi
import numpy as np
import pytest

from builders.errors import FormatError, NotFoundError
from builders.structures.arrays import atoms_of, chains_of
from builders.structures.cleaning.writing import write
from builders.structures.reading.parse import load, select
from builders.structures.uniprot.references import Segment
from tests.structures.models import Chain, as_cif, as_pdb, protein
from tests.structures.samples import pdb, read, rows_of


def test_a_biological_assembly(shared):
    folder = shared / "wire" / "rcsb"
    for name, made in (("4hhb.cif", "4hhb-assembly1.cif.gz"), ("4hhb.pdb", "4hhb.pdb1.gz")):
        loaded = load((folder / name).read_bytes(), name)
        alone = load((folder / name).read_bytes(), name)
        select(loaded, assembly=1)
        expected = load((folder / made).read_bytes(), made)
        ours, theirs = atoms_of(loaded, 0), atoms_of(expected, 0)
        assert sorted(rows_of(ours)) == sorted(rows_of(theirs))
        assert loaded.segments == alone.segments
        assert chains_of(loaded, 0) == chains_of(alone, 0)


def test_copies_in_an_assembly_have_names_of_their_own(shared):
    loaded = read("4m4b-minimal-w-assembly.cif")
    loaded.segments = [Segment("A", "P00001", 1, 10, 5, "file"), Segment("B", "P00002", 1, 10, 5, "file")]
    single = atoms_of(loaded, 0)
    select(loaded, assembly=1)
    # The file makes two copies of B; A, which is not part of it, lends its name to none.
    assert [(c.name, c.label, c.entity, c.uniprot) for c in chains_of(loaded, 0)] == [
        ("B", "B", "2", ["P00002"]),
        ("C", "B-2", "2", ["P00002"]),
    ]
    atoms = atoms_of(loaded, 0)
    b = single.coordinates[single.chain == b"B"]
    np.testing.assert_array_equal(atoms.coordinates[atoms.chain == b"B"], b)
    np.testing.assert_allclose(atoms.coordinates[atoms.chain == b"C"], b[:, [1, 0, 2]] * [1, 1, -1], rtol=1e-6)
    assert (atoms.uniprot_position == atoms.sequence_position + 4).all()


@pytest.mark.parametrize(("name", "said"), [("4hhb.cif", "expected 1$"), ("7n0r.cif.gz", "expected 1 or 2$")])
def test_an_assembly_that_is_not_there(shared, name, said):
    loaded = load((shared / "wire" / "rcsb" / name).read_bytes(), name)
    with pytest.raises(NotFoundError, match=f"^{name}: no assembly 9: {said}"):
        select(loaded, assembly=9)


def test_no_assembly_at_all():
    with pytest.raises(NotFoundError, match="defines no assembly"):
        select(load(pdb("CA _ GLY A 1 1 1 C"), "a.pdb"), assembly=1)


def made_of(assembly_chains, shifts):
    """Two chains of one protein, each with a helix, a sheet and a cis peptide; of which the assembly copies some."""
    letters = "MKRLLAAAWTYVEDKSTPQF"
    second = Chain(letters[1:], "B", ("P45523", 2), author_start=2)
    structure = protein(letters, second_chain=second, waters=0, ligand=False)
    for name in "AB":
        named = {r.seqid.num: r.name for r in structure[0][name]}
        ends = [gemmi.AtomAddress(name, gemmi.SeqId(str(n)), named[n], "") for n in range(21) if n in named]
        helix, sheet, strand, peptide = gemmi.Helix(), gemmi.Sheet(name), gemmi.Sheet.Strand(), gemmi.CisPep()
        helix.start, helix.end, helix.length = ends[4], ends[8], 5
        strand.start, strand.end = ends[10], ends[14]
        sheet.strands.append(strand)
        peptide.partner_c, peptide.partner_n = ends[15], ends[16]
        structure.helices.append(helix)
        structure.sheets.append(sheet)
        structure.cispeps = [*structure.cispeps, peptide]
    assembly, generator = gemmi.Assembly("1"), gemmi.Assembly.Gen()
    generator.chains = generator.subchains = list(assembly_chains)
    for number, shift in enumerate(shifts, 1):
        operator = gemmi.Assembly.Operator()
        operator.name, operator.transform = str(number), gemmi.Transform(gemmi.Mat33(), gemmi.Vec3(shift, 0, 0))
        generator.operators.append(operator)
    assembly.generators.append(generator)
    structure.assemblies.append(assembly)
    return structure


@pytest.mark.parametrize("text", [as_cif, as_pdb])
@pytest.mark.parametrize(("copied", "named"), [("A", "AC"), ("B", "BC"), ("AB", "ABCD")])
def test_what_speaks_of_a_chain_is_copied_with_it_and_with_no_other(text, copied, named):
    loaded = load(text(made_of(copied, (0, 50))).encode(), "x")
    select(loaded, assembly=1)
    again = load(write(loaded), "again")
    for structure in (loaded.structure, again.structure):
        assert {chain.name for chain in structure[0]} == set(named)
        there = {(c.name, str(r.seqid), r.name) for c in structure[0] for r in c}
        assert sorted(helix.start.chain_name for helix in structure.helices) == sorted(named)
        assert sorted(s.start.chain_name for sheet in structure.sheets for s in sheet.strands) == sorted(named)
        assert len({sheet.name for sheet in structure.sheets}) == len(named)
        assert sorted(peptide.partner_c.chain_name for peptide in structure.cispeps) == sorted(named)
        ends = [end for helix in structure.helices for end in (helix.start, helix.end)]
        assert {(end.chain_name, str(end.res_id.seqid), end.res_id.name) for end in ends} <= there


def test_an_assembly_does_not_say_how_to_make_it_once_more(shared):
    loaded = load((shared / "wire" / "rcsb" / "4hhb.pdb").read_bytes(), "4hhb.pdb")
    select(loaded, assembly=1)
    with pytest.raises(NotFoundError, match="defines no assembly"):
        select(load(write(loaded), "4hhb.pdb"), assembly=1)


def test_an_assembly_that_leads_nowhere():
    text = as_cif(made_of("A", (0, 50))).replace(" 1 0 0 50 ", " 1 0 0 ? ")
    with pytest.raises(FormatError, match=r"^x: coordinates of atom .* are \[nan, .*expected numbers"):
        select(load(text.encode(), "x"), assembly=1)
