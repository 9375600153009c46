"""Ids as people write them: any case, any list, any file; what is none is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.errors import NotFoundError, OptionError
from builders.structures.ids import accession_of, parse_id, read_ids
from builders.structures.resolve import parse_all
from builders.structures.sources import sources

CLAIMS = {name: source.claim for name, source in sources().items()}


@pytest.mark.parametrize(
    ("text", "id", "databases"),
    [
        ("4v1w", "4v1w", ("pdb",)),
        ("4V1W", "4v1w", ("pdb",)),
        (" 4v1w\n", "4v1w", ("pdb",)),
        ("pdb_00004v1w", "4v1w", ("pdb",)),
        ("P45523", "P45523", ("pdb", "alphafold")),
        ("F4HvG8", "F4HVG8", ("pdb", "alphafold")),
        ("A0A023FDY8", "A0A023FDY8", ("pdb", "alphafold")),
        ("p05067-2", "P05067-2", ("pdb", "alphafold")),
        ("af-p45523-f1", "AF-P45523-F1", ("alphafold",)),
        ("AF-P05067-2-F1", "AF-P05067-2-F1", ("alphafold",)),
        ("1cukA01", "1cukA01", ("cath",)),
        ("1CUKa01", "1cuka01", ("cath",)),
    ],
)
def test_an_id_is_spelled_as_its_databases_spell_it(text, id, databases):
    found = parse_id(text, CLAIMS)
    assert (found.text, found.sources) == (id, databases)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "4v1",
        "v41w",
        "P4552",
        "P455233",
        "PDB",
        "AF-XYZ-F1",
        "AF-P45523-F0",
        "../4v1w",
        "4v1w/..",
        "\uff14v1w",
        "1a\u017faA01",
        "1cuk\u212a01",
        None,
        7,
    ],
)
def test_what_is_no_id_is_an_error_that_names_it(text):
    with pytest.raises(OptionError, match="is no id: expected a PDB id") as caught:
        parse_id(text, CLAIMS)
    assert repr(text)[:20] in str(caught.value)


@given(st.text(max_size=30))
def test_whatever_is_accepted_is_safe_in_a_url_and_in_a_file_name(text):
    try:
        found = parse_id(text, CLAIMS)
    except OptionError:
        return
    assert found.text.replace("-", "").isalnum()
    assert found.text.isascii()
    assert parse_id(found.text, CLAIMS) == found


def test_a_list_in_a_file(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_bytes(b"\xef\xbb\xbf# ours\r\n4v1w   # apoferritin\r\n\r\n  P45523\r\n#1abc\r\n")
    assert read_ids(str(path), CLAIMS) == read_ids(path, CLAIMS) == ["4v1w", "P45523"]


def test_a_single_id_needs_no_list():
    assert read_ids("4v1w", CLAIMS) == ["4v1w"]


@pytest.mark.parametrize("ids", [[], (), None, 5, b"4v1w", {"4v1w": 1}])
def test_no_ids_are_an_error(ids):
    with pytest.raises(OptionError, match="ids is"):
        read_ids(ids, CLAIMS)


def test_an_empty_file_and_a_missing_one_are_errors_that_name_them(tmp_path):
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(OptionError, match=r"empty\.txt: no id in it"):
        read_ids(tmp_path / "empty.txt", CLAIMS)
    with pytest.raises(NotFoundError, match=r"'missing\.txt': neither an id .* nor a file"):
        read_ids("missing.txt", CLAIMS)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(OptionError, match="not a text file"):
        read_ids(tmp_path / "picture.png", CLAIMS)


def test_a_text_that_is_neither_an_id_nor_a_path_is_taken_for_an_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_ids("nonsense", CLAIMS) == ["nonsense"]
    (tmp_path / "nonsense").write_text("4v1w\n")
    assert read_ids("nonsense", CLAIMS) == ["4v1w"]


def test_an_id_in_several_spellings_is_one():
    known, refused = parse_all(["4v1w", "4V1W", "p45523", "P45523"])
    assert [id.text for id in known] == ["4v1w", "P45523"]
    assert refused == []


def test_what_is_no_id_can_be_left_out():
    known, refused = parse_all(["4v1w", "nonsense"], "skip")
    assert [id.text for id in known] == ["4v1w"]
    assert [text for text, _ in refused] == ["nonsense"]


def test_accessions_have_the_form_that_uniprot_states():
    assert accession_of("q9y6k9") == "Q9Y6K9"
    assert accession_of("A0A140VJM9") == "A0A140VJM9"
    for text in ("4v1w", "P45523-0", "AB12345", "P0A", "A0A140VJM"):
        assert accession_of(text) is None, text
