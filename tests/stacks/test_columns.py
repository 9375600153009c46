"""Rows as columns are the rows that files give one by one, whatever the files hold and in whichever order."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset, Features, Value
from hypothesis import given
from hypothesis import strategies as st

from builders.errors import FormatError
from builders.hf.features import EMImage
from builders.hf.image_storage import STORAGE
from builders.io.coded import Coded
from builders.io.image_file import ImageFile
from builders.io.layout import Layout
from builders.stacks.columns import PIECE, Selection, all_rows, bounds
from builders.stacks.files import SourceFile
from builders.stacks.rows import Images, Reading
from tests.io import test_coded
from tests.io.test_image_reference import plain_files

READING = Reading("empiar", "E", (("entry", "E"), ("imageset", None)), None, "auto", True, "raise")
FEATURES = Features(
    {
        "image": EMImage(),
        "pixel_size": Value("float32"),
        "path": Value("string"),
        "index": Value("int64"),
        "entry": Value("string"),
        "imageset": Value("string"),
    }
)
SCHEMA = FEATURES.arrow_schema

PLAIN = Layout((5, 4, 3), "<f4", 1024)
LAYOUTS = {
    "a stack": PLAIN,
    "a stack of one": Layout((1, 4, 3), ">i2", 1024),
    "an image": Layout((4, 3), "|i1", 80),
    "volumes": Layout((3, 2, 4, 3), "<f4", 2**40),
    "sections of one section": Layout((3, 1, 4, 3), "<f4", 0),
    "columns first, images apart": Layout((3, 4, 2), "<f4", 128, (0, 2, 1)),
    "images that do not lie apart": Layout((3, 4, 2), "<f4", 128, (2, 1, 0)),
    "half bytes": Layout((3, 4, 3), "4bit", 1024),
    "complex": Layout((3, 4, 3), "<ci2", 1024),
}


def images(number, layout, by_slice, pixel_size=1.5):
    name = f"s_{number}.mrcs"
    file = SourceFile(f"data/{name}", f"/held/{name}", 0, "stamp")
    return Images(file, ImageFile(file.location, layout, pixel_size, f"etag {number}", False), by_slice)


def one_by_one(files, which, numbers, reading=READING):
    """The rows as `datasets` writes them: encoded one after another."""
    rows = [files[f].row(int(n), reading) for f, n in zip(which, numbers, strict=True)]
    return pa.Table.from_pylist([FEATURES.encode_example(row) for row in rows], SCHEMA)


def all_of(files):
    return zip(*((f, n) for f, file in enumerate(files) for n in range(file.count)), strict=True)


def same(table, expected):
    assert table.schema.equals(expected.schema, check_metadata=True)
    assert table.column("image").chunk(0).null_count == 0
    assert table.to_pylist() == expected.to_pylist()
    assert table.equals(expected)


@pytest.mark.parametrize("by_slice", [True, False])
@pytest.mark.parametrize("kind", LAYOUTS)
def test_columns_are_the_rows_of_a_file(kind, by_slice):
    files = [images(7, LAYOUTS[kind], by_slice)]
    (piece,) = all_rows(files)
    same(piece.table(READING, SCHEMA), one_by_one(files, *all_of(files)))


@pytest.mark.parametrize("told", [None, 0.1])
def test_what_files_do_not_say_is_null_or_what_the_options_say(told):
    files = [images(0, PLAIN, True, None), images(1, PLAIN, False, 1.1), images(2, PLAIN, True, 2.0)]
    columns = (("entry", None), ("imageset", "Set é"))
    reading = Reading("empiar", "E", columns, None, "auto", True, "raise", pixel_size=told)
    (piece,) = all_rows(files)
    table = piece.table(reading, SCHEMA)
    same(table, one_by_one(files, *all_of(files), reading))
    assert table.column("pixel_size").null_count == (5 if told is None else 0)
    assert table.column("index").null_count == 1
    assert table.column("entry").null_count == 11


@st.composite
def chosen(draw):
    """Files of all kinds, and rows of them in any order, some of them twice."""
    made = draw(st.lists(plain_files() | test_coded.files(), min_size=1, max_size=4))
    sizes = st.none() | st.floats(0.25, 9, width=32)
    files = [images(n, layout, draw(st.booleans()), draw(sizes)) for n, (_, _, layout) in enumerate(made)]
    places = draw(st.lists(st.sampled_from(list(zip(*all_of(files), strict=True))), min_size=1, max_size=9))
    return files, *(np.array(column) for column in zip(*places, strict=True))


@given(chosen())
def test_any_rows_of_any_files_can_be_had(made):
    files, which, numbers = made
    same(Selection(files, which, numbers).table(READING, SCHEMA), one_by_one(files, which, numbers))


@pytest.mark.parametrize(
    ("which", "number", "told"), [(0, 5, "s_0.mrcs: no row 5: expected 0 to 4"), (1, 1, "0 to 0"), (0, -1, "row -1")]
)
def test_rows_that_a_file_does_not_have_are_no_reference(which, number, told):
    files = [images(0, PLAIN, True), images(1, PLAIN, False)]
    with pytest.raises(FormatError, match=told):
        Selection(files, np.array([0, which]), np.array([4, number])).references()


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=6), st.integers(1, 12))
def test_all_rows_come_once_in_order_in_pieces(kinds, most):
    shapes = [((count, 4, 3), (2, 1, 0) if apart else None) for count, apart in kinds]
    files = [images(n, Layout(shape, "<f4", 0, axes), True) for n, (shape, axes) in enumerate(shapes)]
    pieces = list(all_rows(files, most))
    assert all(0 < len(piece.numbers) <= most for piece in pieces)
    assert all({*range(len(piece.files))} == {*piece.which.tolist()} for piece in pieces)
    rows = [(piece.files[f].file.path, n) for piece in pieces for f, n in zip(piece.which, piece.numbers, strict=True)]
    assert rows == [(file.file.path, n) for file in files for n in range(file.count)]


@given(st.lists(st.tuples(st.integers(1, 500), st.booleans()), min_size=1, max_size=9), st.integers(64, 300))
def test_a_piece_is_as_long_as_it_may_be_and_spells_few_layouts_out(kinds, most):
    counts, regular = zip(*kinds, strict=True)
    cuts = bounds(counts, regular, most)
    loads = np.repeat(np.where(regular, 1, 64), counts)
    assert (cuts[0], cuts[-1]) == (0, len(loads))
    for number, (start, stop) in enumerate(itertools.pairwise(cuts), 1):
        assert loads[start:stop].sum() < most + 64
        assert loads[:stop].sum() > (number * most) - 64 or stop == len(loads)


def test_nothing_gives_nothing():
    assert bounds([], []) == [0]
    assert list(all_rows([])) == []


def test_coded_images_are_told_apart_by_their_parts():
    """Each row has a text of its own, and none of a neighbour's."""
    starts = np.arange(100, 700, 100)
    parts = starts, starts + np.arange(10, 70, 10)
    layout = Coded((3, 4, 3), "<u2", 0, None, "zlib", (2, 3), *parts, "x.tif")
    files = [images(0, PLAIN, True), images(1, layout, True), images(2, PLAIN, True)]
    (piece,) = all_rows(files)
    stored = piece.references()
    assert stored.type == STORAGE
    assert len(set(stored.field("dtype").to_pylist()[5:8])) == 3
    same(piece.table(READING, SCHEMA), one_by_one(files, *all_of(files)))


def test_rows_of_large_stacks_are_those_that_the_stock_writer_makes(tmp_path):
    """They lie in several pieces, and some at their edges."""
    files = [images(n, Layout((40_000, 64, 64), "<f4", 1024), True) for n in range(5)]
    pieces = list(all_rows(files))
    assert [len(piece.numbers) for piece in pieces] == [PIECE] * 3 + [200_000 - 3 * PIECE]
    table = pa.concat_tables(piece.table(READING, SCHEMA) for piece in pieces)
    places = [0, 39_999, 40_000, PIECE - 1, PIECE, 199_999]
    rows = [files[place // 40_000].row(place % 40_000, READING) for place in places]
    stock = Dataset.from_generator(lambda: iter(rows), features=FEATURES, cache_dir=str(tmp_path))
    assert table.take(places).to_pylist() == stock.data.table.to_pylist()
