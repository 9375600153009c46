import gzip
import random
import re
import zlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from builders.errors import FormatError, TruncatedError
from builders.structures.reading.content import check_complete, plain, sniff
from builders.structures.reading.parse import load

CIF = b"data_1ABC\n# \n_entry.id 1ABC\n# \nloop_\n_a.x\n_a.y\n1 2\n# \n"
PDB = b"HEADER    HYDROLASE\nATOM      1\nMASTER    " + b"    0" * 8 + b"    1    1    0    0\nEND   \n"

# Files of data/struct that an archive would not send: made, cut or edited by hand or by other programs.
NOT_OF_AN_ARCHIVE = {
    "1AKE_err_a.pdb",
    "1AKE_err_b.pdb",
    "1yjp-sf.cif",
    "2d7t.pdb",
    "a_structure.pdb",
    "helix_amber.pdb",
    "lowerCaseResname.pdb",
    "model_4.pdb",
    "occupancy.pdb",
    "pdb2k39_truncated.pdb",
}


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.integers(0, 600))
def test_gzip_gives_back_what_it_holds(parts, padding):
    held = b"".join(parts)
    assume(not held.startswith((b"\xff\xfe", b"\xfe\xff")))  # text in UTF-16 comes as UTF-8
    data = b"".join(gzip.compress(part) for part in parts) + bytes(padding)
    assert plain(data, "x") == held


def test_what_is_not_gzip_stays():
    assert plain(CIF, "x") is CIF


@pytest.mark.parametrize("kind", ["plain", "a bomb", "many members"])
def test_no_more_than_allowed_is_taken(kind):
    data = {
        "plain": lambda: bytes(10**6),
        "a bomb": lambda: gzip.compress(bytes(10**9 // 4), 1),
        "many members": lambda: gzip.compress(bytes(1000)) * 1000,
    }[kind]()
    with pytest.raises(FormatError, match=r"x\.pdb\.gz: .*999999"):
        plain(data, "x.pdb.gz", most=999_999)
    assert len(plain(gzip.compress(bytes(999_999)), "x", most=999_999)) == 999_999


def test_a_small_file_is_not_inflated_to_the_most_that_a_large_one_may_have():
    """Several are read at once: a thousand times a file's size is no structure."""
    zeros = gzip.compress(bytes(2**26 + 1))
    with pytest.raises(FormatError, match=f"inflates to more than {2**26} bytes"):
        plain(zeros, "x.cif.gz")
    noise = random.Random(1).randbytes(2**20)
    assert len(plain(gzip.compress(noise, 1) + zeros, "x.cif.gz")) == 2**20 + 2**26 + 1


def test_a_gzip_that_breaks_off_anywhere():
    data = gzip.compress(random.Random(0).randbytes(500))
    for length in range(2, len(data)):
        with pytest.raises(TruncatedError, match=r"^x: its gzip breaks off"):
            plain(data[:length], "x")


def test_damaged_gzip():
    data = bytearray(gzip.compress(CIF))
    data[-6] ^= 1
    for wrong in (bytes(data), gzip.compress(CIF) + b"garbage", b"\x1f\x8b" + bytes(100)):
        with pytest.raises(FormatError, match=r"^x: damaged gzip") as caught:
            plain(wrong, "x")
        assert not isinstance(caught.value, TruncatedError)


@pytest.mark.parametrize(
    ("data", "format"),
    [
        (CIF, "cif"),
        (CIF.replace(b"\n", b"\r\n"), "cif"),
        (b"\xef\xbb\xbf# made by hand\r\n\r\n \tDATA_x", "cif"),
        (b"#" * 100_000 + b"\n" * 100_000 + b"data_", "cif"),
        (PDB, "pdb"),
        (b"\n\nREMARK 465\n", "pdb"),
        (b"ATOM  100000  N", "pdb"),
        (b"END", "pdb"),
        (PDB + bytes(4), "pdb"),
    ],
)
def test_formats_are_known_by_their_first_words(data, format):
    assert sniff(data, "x") == format


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b" \n# only this", "nothing but blanks"),
        (b"<!DOCTYPE html>\n<html>data_", "an HTML page in place of a structure, beginning '<!DOCTYPE"),
        (b"\n<?xml version='1.0'?><html>", "an HTML page"),
        (b"<?xml version='1.0'?><Error>", "XML in place"),
        (b'{"message": "x"}', "JSON in place"),
        (b"[]", "JSON in place"),
        (b"Title page not found", "not a structure file, beginning 'Title page"),
        (b"\x83\xa7encoder\xacciftools", "BinaryCIF, which is not read"),
        (b"HEADER\0\0x", "binary data"),
        (b"\xff\x1b[31m", r"beginning '\xff\?\[31m'"),
    ],
)
def test_what_is_no_structure_is_described(data, said):
    with pytest.raises(FormatError, match=rf"^1abc: .*{said}"):
        sniff(data, "1abc")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_format_or_our_error(data):
    try:
        assert sniff(data, "1abc") in ("cif", "pdb")
    except FormatError as err:
        assert str(err).isprintable()  # noqa: PT017 - both outcomes are right


def test_files_as_recorded(shared):
    for path in (shared / "wire" / "rcsb").iterdir():
        if path.suffix in (".json", ".txt", ".bcif"):
            with pytest.raises(FormatError, match=re.escape(path.name)):
                sniff(path.read_bytes(), path.name)


def whole_files(shared):
    folders = shared / "data" / "struct", shared / "wire" / "rcsb", shared / "wire" / "alphafold"
    for path in sorted(path for folder in folders for path in folder.iterdir()):
        if re.search(r"\.(cif|pdb|pdb1|ent)(\.gz)?$", path.name):
            data = plain(path.read_bytes(), path.name)
            yield path.name, data, sniff(data, path.name)


def test_files_of_the_archives_are_whole(shared):
    refused = set()
    for name, data, format in whole_files(shared):
        try:
            check_complete(data, format, name)
        except TruncatedError as err:
            assert name in str(err)  # noqa: PT017 - the set of them is compared
            refused.add(name)
    assert refused == NOT_OF_AN_ARCHIVE


@pytest.mark.parametrize(
    "name", ["1aki.cif", "1aki.pdb", "2mnr.cif", "4hhb.pdb", "AF-P01308-F1-model_v6.cif", "AF-P05067-2-F1-model_v6.pdb"]
)
def test_a_file_cut_anywhere_is_noticed(shared, name):
    data, format = next((data, format) for n, data, format in whole_files(shared) if n == name)
    content = data.rstrip()
    rng = random.Random(name)
    lines = [match.end() for match in re.finditer(rb"\n", content)]
    for length in [rng.randrange(len(content)) for _ in range(30)] + rng.sample(lines, 30):
        cut = data[:length]
        if format == "cif" and b"\n_atom_site.id" in cut and cut.rstrip().endswith(b"\n#"):
            # Between two categories after the atoms, nothing shows.
            continue
        with pytest.raises(FormatError, match=re.escape(name)):
            _read(cut, format, name)


def _read(data, format, name):
    check_complete(data, format, name)
    load(data, name)


def test_what_is_missing_is_said():
    check_complete(CIF, "cif", "x")
    check_complete(CIF.replace(b"# \n", b""), "cif", "x")
    check_complete(PDB, "pdb", "x")
    for data, format, said in [
        (CIF[:-3], "cif", "x: breaks off at '1 2': expected a final '#'"),
        (PDB[:-8], "pdb", "expected a final END record"),
        (PDB.replace(b"ATOM  ", b"REMARK"), "pdb", "expected the 1 atoms of its MASTER record, found 0"),
        (b"MODEL        1\nATOM\nEND", "pdb", "expected ENDMDL after each of 1 MODEL records, found 0"),
    ]:
        with pytest.raises(TruncatedError, match=re.escape(said)):
            check_complete(data, format, "x")


def test_gzip_is_what_zlib_says_it_is():
    raw = zlib.compressobj(wbits=31)
    assert plain(raw.compress(PDB) + raw.flush(), "x") == PDB
