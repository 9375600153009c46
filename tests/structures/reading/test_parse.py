import gzip
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.errors import FormatError
from builders.structures.arrays import atoms_of, chains_of, table_columns
from builders.structures.reading.parse import load, select
from tests.structures.samples import CIF, pdb, read, rows_of


def test_models(shared):
    for name, all_models in (("1v5a-3models.cif", 3), ("1v5a-2models-1st-trunc.cif", 2), ("multi-model.pdb", 2)):
        loaded = read(name)
        select(loaded, models="all")
        assert len(loaded.structure) == all_models
        last = atoms_of(loaded, all_models - 1)
        select(loaded)
        assert len(loaded.structure) == 1
        assert not np.array_equal(atoms_of(loaded, 0).coordinates, last.coordinates)


@pytest.mark.parametrize("value", ["?", ".", "abc", "1e400", "nan", "1e35"])
def test_coordinates_are_numbers(value):
    with pytest.raises(FormatError, match=r"^a\.cif: coordinates of atom 3 of model 1 \(CA of residue 21\)"):
        load(CIF.replace("1.0 2.0 5.0", f"1.0 {value} 5.0").encode(), "a.cif")
    field = "nan" if value == "." else value
    text = pdb("CA _ GLY A 1 1 1 C").replace(b"   0.000", f"{field:>8}".encode(), 1)
    with pytest.raises(FormatError, match=r"^a\.pdb: "):
        load(text, "a.pdb")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<html>", "an HTML page in place"),
        (b"", "empty"),
        (b"HEADER    HYDROLASE\nEND\n", "no atoms"),
        (b"data_x\n_entry.id x\n", "a CIF file without atoms"),
        (b"data_x\nloop_\n_atom_site.id\n_atom_site.Cartn_x\n1 2\n", "no atoms"),
        (CIF.encode() + b"data_x\n", "not readable as mmCIF: .*duplicate block name"),
        (CIF.encode() + b"'open", "not readable as mmCIF: .*unterminated 'string'"),
        (CIF.encode() + b"ATOM 5", "not readable as mmCIF: .*Wrong number of values.*; it may break off"),
    ],
)
def test_what_is_no_structure_is_named(data, said):
    with pytest.raises(FormatError, match=f"^1abc: {said}"):
        load(data, "1abc")


def test_a_format_that_was_not_asked_for():
    with pytest.raises(FormatError, match=r"^a: mmCIF where PDB was expected"):
        load(CIF.encode(), "a", "pdb")
    with pytest.raises(FormatError, match=r"^a: PDB where mmCIF was expected"):
        load(pdb("CA _ GLY A 1 1 1 C"), "a", "cif")
    assert load(CIF.encode(), "a", "cif").format == "cif"


def test_what_does_not_matter_changes_nothing():
    plain = CIF.encode()
    expected = table_columns(atoms_of(load(plain, "a"), 0))
    other = b"data_other\n_entry.id other\n"
    for data in (
        gzip.compress(plain),
        b"\xef\xbb\xbf# comment\n" + plain,
        plain.replace(b"\n", b"\r\n"),
        other + plain,
        plain + other,
        plain + b"_struct.title 'caf\xe9'\n",
        plain + "_struct.title 'café'\n".encode(),
    ):
        assert table_columns(atoms_of(load(data, "a"), 0)) == expected
    text = b"TITLE     \xc5ngstr\xf6m\n" + pdb("CA _ GLY A 1 1 1 C")
    expected = table_columns(atoms_of(load(text, "a"), 0))
    for data in (gzip.compress(text), text.replace(b"\n", b"\r\n"), text.replace(b"\n", b"\r"), text + bytes(10)):
        assert table_columns(atoms_of(load(data, "a"), 0)) == expected


def test_only_the_first_block_with_atoms_is_read(caplog):
    loaded = load(CIF.encode() + CIF.replace("data_x", "data_y").encode(), "a.cif")
    assert len(atoms_of(loaded, 0).hetero) == 4
    assert "a.cif: 2 blocks have atoms; only 'x' is read" in caplog.text


def test_atoms_after_the_end_are_missed_aloud(caplog):
    loaded = load(pdb("CA _ GLY A 1 1 1 C") * 2, "a.pdb")
    assert len(atoms_of(loaded, 0).hetero) == 1
    assert "a.pdb: 1 of 2 atoms stand after the END record" in caplog.text


@pytest.mark.parametrize("name", ["5i55.cif", "1SSU_mod.cif", "4m4b-minimal-w-assembly.cif"])
def test_a_cut_mmcif_never_gives_half_a_row(shared, name):
    data = (shared / "data" / "struct" / name).read_bytes()
    whole = rows_of(atoms_of(load(data, name), 0))
    rng = random.Random(name)
    for length in [rng.randrange(len(data)) for _ in range(150)]:
        try:
            rows = rows_of(atoms_of(load(data[:length], name), 0))
        except FormatError as err:
            assert str(err).startswith(f"{name}: ")  # noqa: PT017 - either all is right or all is refused
        else:
            assert set(rows[:-1]) <= set(whole)


TEXTS = [CIF.encode(), pdb("N _ GLY A 1 1 1 N", "CA A GLY A 1A 2 1 _", "O _ HOH B 1 3 1 O")]


JUNK = [b"?", b"\n", b"'", b";", b"\xff", b"\0", b"9" * 12, b"nan", b"\nEND\n", b"\nMODEL\n", b"loop_\n", b"data_x\n"]


@given(st.sampled_from(TEXTS), st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 9), st.sampled_from(JUNK))))
def test_damaged_files_are_read_or_refused(data, damage):
    for place, length, junk in damage:
        place %= len(data)
        data = data[:place] + junk + data[place + length :]
    try:
        loaded = load(data, "1abc")
    except FormatError as err:
        assert str(err).startswith("1abc: ")  # noqa: PT017 - both outcomes are right
    else:
        select(loaded)
        columns = table_columns(atoms_of(loaded, 0))
        assert len({len(column) for column in columns.values()}) == 1
        assert chains_of(loaded, 0)


def test_nothing_speaks_of_what_was_not_selected(shared):
    for path in (shared / "data" / "struct" / "4ZKK.cif", shared / "wire" / "rcsb" / "7n0r.cif.gz"):
        loaded = load(path.read_bytes(), path.name)
        bonds = len(loaded.structure.connections)
        select(loaded, altlocs="first")
        model, connections = loaded.structure[0], list(loaded.structure.connections)
        assert 0 < len(connections) < bonds
        assert all(model.find_cra(end).atom for bond in connections for end in (bond.partner1, bond.partner2))


def test_what_is_selected_whole_keeps_all_that_speaks_of_it(shared):
    for name in ("4hhb.cif", "4hhb.pdb"):
        loaded = load((shared / "wire" / "rcsb" / name).read_bytes(), name)
        remarks, helices = list(loaded.structure.raw_remarks), len(loaded.structure.helices)
        select(loaded, models="first", altlocs="first")
        assert (loaded.structure.raw_remarks, len(loaded.structure.helices)) == (remarks, helices)


def test_residues_between_gaps_are_placed_by_the_numbers_of_the_author(shared):
    lines = (shared / "data" / "struct" / "1aki.pdb").read_text().splitlines()
    gone = {*range(1, 10), *range(11, 27), *range(71, 81), *range(82, 86)}  # alanine 10 and serine 81 fit elsewhere
    kept = [x for x in lines if not (x[:6] in ("ATOM  ", "ANISOU") and int(x[22:26]) in gone)]
    loaded = load("\n".join(kept).encode(), "x.pdb")
    atoms = atoms_of(loaded, 0)
    assert (atoms.sequence_position == atoms.residue_number)[~atoms.hetero].all()
    assert [(s.first, s.last, s.uniprot_first) for s in loaded.segments] == [(1, 129, 19)]
    # Numbers that do not run along the sequence place nothing.
    moved = [f"{x[:22]}{int(x[22:26]) + (int(x[22:26]) > 40):4}{x[26:]}" if x[:4] == "ATOM" else x for x in lines]
    atoms = atoms_of(load("\n".join(moved).encode(), "x.pdb"), 0)
    assert sorted(set(atoms.sequence_position[~atoms.hetero].tolist())) == list(range(1, 130))
