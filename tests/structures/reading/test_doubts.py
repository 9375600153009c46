"""Doubtful things do not pass silently: each is told once a file; and what is as it should be is not told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.structures.arrays import atoms_of
from builders.structures.reading.doubts import doubts
from builders.structures.reading.flat import flatten
from builders.structures.reading.parse import load, select
from tests.structures.models import Chain, as_cif, as_pdb, protein
from tests.structures.samples import pdb


def told(data, caplog):
    load(data, "x")
    assert len(caplog.messages) <= 1
    return caplog.text


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            pdb("CA _ GLY A 1 1 1 C", "CA _ GLY A 1 2 1 C", "N _ GLY A 1 2 1 N"),
            "1 of 3 atoms have the chain, residue n",
        ),
        (
            pdb("CA _ GLY A 1 1 1 C", "CA _ ALA A 1 2 1 C", "N _ GLY A 1 2 1 N"),
            "the first is CA of residue 1 in chain 'A'",
        ),
        (pdb("O _ HOH W 1 1 1 O", "O _ HOH W 2 3 1 O", "O _ HOH W 1 2 1 O"), "1 of 3 atoms have the chain"),
        (pdb("CA A GLY A 1 1 .5 C", "CA A GLY A 1 2 .5 C", "N _ GLY A 1 2 1 N"), "1 of 3 atoms have the chain"),
        (pdb(*["CA _ GLY A 1 1 1 C", "N _ GLY A 1 2 1 N"] * 2), "2 of 4 atoms .* (several models under one number?)"),
        (pdb(*["CA _ GLY A 1 1 0 C", "N _ GLY A 1 2 0 N"]), "all its atoms have occupancy 0"),
        (pdb(*["CA _ GLY A 1 1 1.5 C", "N _ GLY A 1 2 -1 N"]), "2 atoms have an occupancy that is none from 0 to 1"),
        (pdb("QQ _ LIG A 1 1 1 X", "N _ GLY A 2 2 1 N", "MW _ SOL A 3 3 1 X"), "1 atoms are of no known element: QQ"),
        (pdb(*["CA _ GLY A 1 0 1 C", "N _ GLY A 1 0 1 N", "C _ GLY A 1 9999 1 C"]), "3 atoms are at 0, 0, 0 or beyond"),
    ],
)
def test_what_is_doubtful_is_told(data, said, caplog):
    text = told(data, caplog)
    for part in said.split(" .* "):
        assert part in text
    assert "WARNING" in text


@pytest.mark.parametrize(
    "data",
    [
        as_cif(protein("MKHMKHW", altlocs=3, models=3, second_chain=Chain("GGSH", "B"))).encode(),
        as_pdb(protein("MKHMKHW", altlocs=3, models=3)).encode(),
        pdb("CA A GLY A 1 1 .5 C", "CA B GLY A 1 2 .5 C"),
        pdb("CA A GLY A 1 1 .5 C", "CA B ALA A 1 2 .5 C"),  # several residues at one place
        pdb("CA _ GLY A 1 1 1 C", "CA _ GLY A 1A 2 1 C", "CA _ GLY B 1 3 1 C", "CA _ GLY A 2 3 0 C"),
        pdb("CA _ GLY A 1 0 1 C"),
    ],
)
def test_what_is_as_it_should_be_is_not(data, caplog):
    assert told(data, caplog) == ""


def test_models_of_one_number_in_an_mmcif_file(caplog):
    text = as_cif(protein("MKH", models=3)).split("\n")
    one = [
        line.rsplit(" ", 1)[0] + " 1" if line.startswith(("ATOM", "HETATM")) and line.split()[-1] != "1" else line
        for line in text
    ]
    assert "several models under one number?" in told("\n".join(one).encode(), caplog)


def test_atoms_that_are_told_are_kept():
    loaded = load(pdb("CA _ GLY A 1 1 1 C", "CA _ GLY A 1 2 1 C"), "x")
    select(loaded)
    assert atoms_of(loaded, 0).coordinates[:, 0].tolist() == [1, 2]


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ABC"), st.integers(1, 4), st.sampled_from(("CA", "N", "LONGNAME9")), st.sampled_from("_AB")
        ),
        min_size=1,
        max_size=40,
    )
)
def test_the_count_of_repeated_names_is_that_of_a_set(atoms):
    rows = "".join(
        f"ATOM {i} C {name} {label.replace('_', '.')} GLY {chain} {number} {i + 1}.0 1 1 1 1 {number} {chain}\n"
        for i, (chain, number, name, label) in enumerate(atoms)
    )
    tags = (
        "group_PDB id type_symbol label_atom_id label_alt_id label_comp_id label_asym_id label_seq_id Cartn_x Cartn_y"
    )
    tags += " Cartn_z occupancy B_iso_or_equiv auth_seq_id auth_asym_id"
    text = "data_x\nloop_\n" + "".join(f"_atom_site.{tag}\n" for tag in tags.split()) + rows
    flat = flatten(load(text.encode(), "x").structure[0])
    (said,) = list(doubts([flat])) or [f"{0} of "]
    assert int(said.split(" of ")[0]) == len(atoms) - len(set(atoms))


def test_many_atoms_are_told_from_each_other(caplog):
    rng = np.random.default_rng(0)
    flat = flatten(protein("MKHW" * 5)[0])
    many = type(flat)(**{name: np.repeat(getattr(flat, name), 500, axis=0) for name in type(flat).__dataclass_fields__})
    object.__setattr__(many, "residue_numbers", np.arange(len(many.names), dtype=np.int32))
    assert list(doubts([many])) == []
    many.residue_numbers[rng.integers(len(many.names))] = 7
    said = list(doubts([many]))
    expected = len(set(zip(many.residue_numbers.tolist(), many.names.tolist(), many.chains.tolist(), strict=True)))
    assert [int(text.split(" of ")[0]) for text in said] == (
        [len(many.names) - expected] if expected < len(many.names) else []
    )
