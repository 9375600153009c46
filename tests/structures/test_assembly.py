import numpy as np
import pytest

from builders.errors import NotFoundError
from builders.structures.arrays import atoms_of, chains_of
from builders.structures.parse import load, select
from builders.structures.references import Segment
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
