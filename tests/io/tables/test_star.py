import tracemalloc

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from builders.errors import FolderError, FormatError, NotFoundError, PercError, TruncatedError
from builders.io.tables import star
from builders.io.tables.star import blocks, packing, rows, text
from builders.io.tables.star.tokens import tokens
from tests.io.tables.stars import loop, simple


def read_text(data, **options):
    return star.read(data.encode(), "a.star", **options)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a 1.5\tb\r", ["a", "1.5", "b"]),
        ("  'a b' \"c d\"  ", ["a b", "c d"]),
        ("it's 5\" x'y'z", ["it's", '5"', "x'y'z"]),
        ("'it's' \"\" ''", ["it's", "", ""]),
        ("a#b c # d 'e", ["a#b", "c"]),
        ("'# x' y #", ["# x", "y"]),
        ("# all of it", []),
        (" \t\v\f\r", []),
    ],
)
def test_tokens_are_those_of_star(line, expected):
    assert [token.text.decode() for token in tokens(line.encode())] == expected


def test_names_stay_as_they_are_spelled():
    names = ["007", "24_01", "1e5", "+1", "a#b", "it's", "0x10", "1_000", "TS_01/2", "µ.mrc", "data_1/x.mrc", "_x"]
    (block,) = read_text(loop("x", ["rlnTomoName", "rlnX"], [(name, 1) for name in names]))
    assert block.columns["rlnTomoName"].to_pylist() == names


def test_values_that_are_not_there_are_null():
    spelled = ["None", "null", "<NA>", "nan", "NaN"]
    data = loop("x", ["a", "b"], [(value, value) for value in [*spelled, "1.5"]])
    (block,) = read_text(data, select=lambda _, labels: {"a": star.TEXT, "b": star.NUMBER})
    assert block.columns["a"].to_pylist() == [None] * len(spelled) + ["1.5"]
    assert block.columns["b"].to_pylist() == [None] * len(spelled) + [1.5]


def test_what_occurs_in_files_is_read():
    data = (
        "\ufeff# version 30001\r\n\r\ndata_\r\nloop_ \r\n\t_a #1\r\n_b\r\n 1\t x \r\n\r\n# between\r\n2 y # so\r\n"
        "data_optics\n_c 'a b'\n\n# version 30001\ndata_optics\nloop_\n_d\n\ndata_empty\n"
    )
    one, two, three, four = star.read(data.encode(), "a.star")
    assert (one.name, one.columns.to_pydict(), one.line) == ("", {"a": ["1", "2"], "b": ["x", "y"]}, 3)
    assert [one.lines.of(row) for row in range(2)] == [7, 10]
    assert (two.name, two.is_loop, two.columns.to_pydict()) == ("optics", False, {"c": ["a b"]})
    assert (three.name, three.is_loop, three.rows, three.columns.to_pydict()) == ("optics", True, 0, {"d": []})
    assert (four.name, four.rows, four.labels) == ("empty", 0, ())


@pytest.mark.parametrize(
    ("data", "line", "said"),
    [
        (
            loop("x", ["a", "b"], ["1 2", "", "1 2 3", "1 2"]),
            8,
            "3 values: expected 2, one for each label of block 'x'",
        ),
        (loop("x", ["a", "b"], ["1 2", "1", "1 2"]), 7, "1 value: expected 2"),
        (loop("x", ["a", "b"], ["1 2", "1 'x", "1 2"]), 7, "the quote before 'x' is not closed"),
        (loop("x", ["a", "b"], ["1 2", "1 x\0"]), 7, "a NUL byte"),
        (loop("x", ["a", "b"], ["1 2", "that is all"]), 7, "3 values: expected 2"),
        (loop("x", ["a"], ["1", "loop_", "_b"]), 6, "another loop_ in block 'x'"),
        (loop("x", ["a", "b", "a"], ["1 2 3"]), 6, "a second _a: the first is in line 4"),
        (loop("x", [], ["1 2 3"]), 4, "no labels after loop_"),
        (loop("x", ["a b"], ["1"]), 4, "'b' after '_a': expected one label a line"),
        (simple("x", {"a": ""}), 3, "0 values after _a: expected one"),
        (simple("x", {"a": "b c"}), 3, "2 values after _a: expected one"),
        (simple("x", {"a": "b", "c": "d\n_a e"}), 5, "a second _a: the first is in line 3"),
        (simple("x", {"a": "b\nloop_\n_c\n1"}), 4, "a loop_ after single values in block 'x'"),
        ("data_x\n_ 1\n", 2, "a label of no name"),
        ("data_x y\n", 1, "'y' after the name of a block"),
        ("data_x\nstray\n", 2, "'stray' in block 'x': expected a label, loop_ or data_"),
        ("data_x\nloop_ _a\n1\n", 2, "'_a' in the line of a loop_"),
        ("\n\nhello\ndata_x\n", 3, "'hello': expected data_ and the name of a block"),
        ("# no block\n\n", None, "no data_ in it: expected a STAR file"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(data, line, said):
    where = "a.star: " if line is None else f"a.star: line {line}: "
    with pytest.raises(FormatError) as caught:
        read_text(data)
    assert str(caught.value).startswith(where + said), caught.value
    assert not isinstance(caught.value, TruncatedError)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"", "an empty file"),
        (b"\n \n", "a file of nothing but blanks"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:76\n", "a pointer of Git LFS"),
        (b"\n<!DOCTYPE html>\n<html>", "an HTML page"),
        (b"<HTML><body>", "an HTML page"),
        (b"<?xml version='1.0'?>", "an XML file"),
        (b'{"error": 404}', "a JSON file"),
        (b"\x1f\x8b\x08\x00", "compressed by gzip"),
        (b"BZh91AY", "compressed by bzip2"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x93NUMPY\x01\x00", "a file of NumPy's format"),
        (b"\x95CSDAT", "a table of CryoSPARC"),
        (b"\x80\x04\x95", "a pickle, which is never loaded"),
        (b"\xff\xfed\x00a\x00", "text in UTF-16"),
        (bytes(208) + b"MAP DA\0\0", "an MRC file of images"),
    ],
)
def test_what_is_no_star_file_is_told(head, said):
    with pytest.raises(FormatError, match=rf"^a.star: {said}.*: expected a STAR file"):
        star.read(head, "a.star")


def test_a_file_that_ends_within_a_row_is_truncated(tmp_path):
    path = tmp_path / "cut.star"
    path.write_text(loop("x", ["a", "b", "c"], ["1 2 3", "1 2"], end=""))
    with pytest.raises(TruncatedError, match=r"cut.star: line 8: 2 values: expected 3.*the file ends there"):
        star.read(path)


def test_a_last_line_without_end_is_doubted_once(caplog):
    data = loop("x", ["a", "b"], ["1 2", "1 2"], end="")
    assert read_text(data)[0].rows == read_text(data)[0].rows == 2
    assert len(caplog.records) == 1
    assert "a.star: its last line has no end" in caplog.text


def test_what_cannot_be_opened_is_told(tmp_path):
    with pytest.raises(NotFoundError, match=r"no\.star: no such file"):
        star.read(tmp_path / "no.star")
    with pytest.raises(FolderError, match="a folder: expected a STAR file"):
        star.read(tmp_path)


def test_bytes_that_are_not_utf8_are_told_where_they_are_read():
    data = loop("x", ["a", "b"], ["1 2", "1 ?", "1 2"]).encode().replace(b"?", b"\xb5m")
    with pytest.raises(FormatError, match=r"line 7: b is '\\\\xb5m': expected UTF-8"):
        star.read(data, "a.star")
    (block,) = star.read(data, "a.star", lambda _, labels: {"a": star.TEXT})
    assert block.columns.to_pydict() == {"a": ["1", "1", "1"]}


def test_a_row_may_begin_as_a_block_does():
    data = loop("x", ["name", "b"], ["data_1/x.mrc 1", "data_2 2"]) + loop("y", ["c"], ["1"])
    one, two = read_text(data)
    assert one.columns["name"].to_pylist() == ["data_1/x.mrc", "data_2"]
    assert (two.name, two.columns.to_pydict()) == ("y", {"c": ["1"]})


def test_rows_of_a_large_table_are_known_by_their_lines(monkeypatch):
    monkeypatch.setattr(rows, "PIECE", 4096)
    monkeypatch.setattr(rows, "_SMALL", 512)
    lines = [f"{number} x" for number in range(3000)]
    lines[1234] = "\n  # between\n\n1234 'x y'"
    data = loop("x", ["a", "b"], lines) + loop("y", ["a", "b"], ["1 2"])
    one, two = read_text(data)
    assert one.columns["a"].to_pylist() == [str(number) for number in range(3000)]
    told = data.split("\n")
    for row in (0, 1, 1233, 1234, 1235, 2999):
        assert told[one.lines.of(row) - 1].split()[0] == str(row)
    assert told[two.line - 1] == "data_y"
    assert told[two.lines.of(0) - 1] == "1 2"
    wrong = data.replace("\n2345 x\n", "\n2345\n")
    with pytest.raises(FormatError, match=rf"line {1 + told.index('2345 x')}: 1 value: expected 2"):
        read_text(wrong)


VALUES = st.one_of(
    st.sampled_from(["1", "-2.5", "1e5", "+3", "007", "None", "nan", "<NA>", "inf", "NAN", "''", '""', "'a b'", '"c"']),
    st.sampled_from(
        ["a#b", "#", "# c", "it's", "'", '"x', "data_", "data_x", "loop_", "_a", "x\x01y", "\x0b", "0x10", "1."]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=4),
)
BLANKS = st.sampled_from([" ", "  ", "\t", " \t ", "\r", ""])
LINES = st.lists(st.lists(st.tuples(BLANKS, VALUES), max_size=4), max_size=12)
TYPES = {"a": star.TEXT, "b": star.NUMBER, "c": pa.dictionary(pa.int32(), pa.string())}


def outcome(data):
    """What reading gives: values and lines, or the error."""
    try:
        blocks = star.read(
            data, "a.star", lambda _, labels: {label: TYPES[label] for label in labels if label in TYPES}
        )
    except FormatError as err:
        return str(err)
    return [
        (b.name, b.labels, [str(row) for row in b.columns.to_pylist()], [b.lines.of(row) for row in range(b.rows)])
        for b in blocks
    ]


@pytest.mark.parametrize("small", [1, 64])
@given(lines=LINES, ends=st.sampled_from(["", "\n", "\r\n", "\n\n"]))
@example(lines=[[("", "x"), (" ", "1e400"), (" ", "y")], [("", "x"), (" ", "nan(1)"), (" ", "y")]], ends="\n")
def test_the_fast_and_the_exact_way_agree(small, lines, ends):
    body = "\n".join("".join(blank + value for blank, value in line) for line in lines)
    data = f"data_x\nloop_\n_a\n_b\n_c\n{body}{ends}".encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "pack", refuse)
        exact = outcome(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "_SMALL", small)
        assert outcome(data) == exact


def refuse(_lines):
    raise packing.OddError


@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(st.sampled_from([*"\n\n\n \t'\"#_\0\xff", "data_", "loop_", "_a", "1", "x"]), max_size=60).map(
            lambda parts: "".join(parts).encode("latin-1")
        ),
    )
)
def test_any_bytes_give_blocks_or_an_error_of_ours(data):
    for whole in (data, b"data_x\nloop_\n_a\n_b\n" + data):
        try:
            assert all(isinstance(block, star.Block) for block in star.read(whole, "a.star"))
        except PercError as err:
            assert str(err).startswith("a.star: ")  # noqa: PT017


def test_a_line_without_end_is_not_held_forever():
    asked = []

    def endless(count):
        asked.append(count)
        assert len(asked) < 10
        return b"x" * count

    with pytest.raises(FormatError, match="line 1: has more than 1048576 bytes"):
        text.Text(endless, "a.star").next()


def test_tables_take_memory_by_their_bytes():
    labels = "".join(f"_l{number}\n" for number in range(blocks.MAX_LABELS + 1))
    with pytest.raises(FormatError, match="more than 4096 labels"):
        star.read(f"data_x\nloop_\n{labels}".encode(), "a.star")
    with pytest.raises(FormatError, match="line 100001: more than 100000 blocks"):
        star.read(b"data_\n" * (blocks.MAX_BLOCKS + 1), "a.star")


def test_many_small_tables_are_gone_through_once(monkeypatch):
    packed = []
    pack = packing.pack
    monkeypatch.setattr(rows, "pack", lambda lines: packed.append(len(lines)) or pack(lines))
    data = "".join(loop(f"x{number}", ["a"], ["1", "2"]) for number in range(2000))
    assert len(read_text(data)) == 2000
    assert max(packed) <= 32 * 1024


def test_a_large_table_is_read_in_little_memory(tmp_path):
    path = tmp_path / "large.star"
    with path.open("w") as file:
        file.write(loop("x", ["a", "b", "c"], []))
        for _ in range(100):
            file.write(f"{'x' * 80}   {'y' * 80}   1.5 \n" * 1000)
    tracemalloc.start()
    try:
        (block,) = star.read(path, select=lambda _, labels: {"c": star.NUMBER})
        assert tracemalloc.get_traced_memory()[1] < 48 * 2**20
    finally:
        tracemalloc.stop()
    assert block.rows == 100_000
    assert block.columns["c"].to_pylist() == [1.5] * 100_000


@pytest.mark.filterwarnings("default")
def test_plain_tables_are_those_of_starfile(tmp_path):
    starfile = pytest.importorskip("starfile")
    values = [(f"{number:06d}@a/{number % 7}.mrcs", number / 7, -number, f"1e{number % 30}") for number in range(2000)]
    path = tmp_path / "plain.star"
    path.write_text(loop("x", ["rlnImageName", "rlnA", "rlnB", "rlnC"], values))
    theirs = starfile.read(path)
    types = {"rlnImageName": star.TEXT, "rlnA": star.NUMBER, "rlnB": star.NUMBER, "rlnC": star.NUMBER}
    (ours,) = star.read(path, select=lambda _, labels: types)
    for label in types:
        assert ours.columns[label].to_pylist() == theirs[label].tolist()
