"""Coded images against slices of the array that was encoded, part by part with zlib, wherever the parts lie."""

import itertools
import math
import tracemalloc
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from builders.errors import FormatError
from builders.io.coded import Coded, packed, unpacked
from tests.io.boxes import ENCODINGS, boxes_in, cut, encode, numbers


def grid(shape, part):
    """Slices of each part, images and grid in C order, cut off at the edge."""
    lengths = (1,) * (len(shape) - len(part)) + part
    sides = [range(0, side, length) for side, length in zip(shape, lengths, strict=True)]
    return [
        tuple(slice(at, min(at + n, side)) for at, n, side in zip(corner, lengths, shape, strict=True))
        for corner in itertools.product(*sides)
    ]


def file_of(array, encoding, part, full=False, order=None, gaps=(), zeros=False, shared=False, codec="zlib"):
    """A file's bytes, and the layout of an array that was encoded into it.

    Args:
        array: the pixels.
        encoding: of them.
        part: shape of a part.
        full: parts at the edge are filled up, with what is no pixel of the image.
        order: in which parts lie in the file; None: as they are numbered.
        gaps: bytes before parts, over and over.
        zeros: parts of zeros alone have no bytes.
        shared: parts of the same pixels lie in the same bytes.
        codec: of the parts.
    """
    places = grid(array.shape, part)
    starts, stops = np.zeros(len(places), np.int64), np.zeros(len(places), np.int64)
    content, known, spaces = b"head", {}, itertools.cycle(gaps or (0,))
    for number in range(len(places)) if order is None else order:
        pixels = array[places[number]]
        pixels = pixels.reshape(pixels.shape[array.ndim - len(part) :])
        if zeros and not pixels.any():
            continue
        if full:
            room = [(0, n - side) for n, side in zip(part, pixels.shape, strict=True)]
            pixels = np.pad(pixels, room, constant_values=7)
        code = encode(pixels, encoding)
        code = zlib.compress(code) if codec == "zlib" else code
        if not (shared and code in known):
            content += b"-" * next(spaces)
            known[code] = len(content), len(content) + len(code)
            content += code
        starts[number], stops[number] = known[code]
    layout = Coded.of(array.shape, encoding, codec, part, starts, stops, "x.tif")
    return content + b"tail", layout


def read(file, layout):
    """The array at a layout, out of the bytes at its ranges, which are looked at."""
    ranges = layout.ranges
    assert all(start < stop for start, stop in ranges)
    assert all(stop < start for (_, stop), (start, _) in itertools.pairwise(ranges))
    assert not ranges or (ranges[0][0] >= 0 and ranges[-1][1] == layout.end <= len(file))
    assert layout.nbytes == sum(stop - start for start, stop in ranges)
    return layout.decode(np.frombuffer(b"".join(file[start:stop] for start, stop in ranges), np.uint8))


def same(array, expected):
    assert array.dtype == expected.dtype
    assert array.flags.c_contiguous
    np.testing.assert_array_equal(array, expected)


@st.composite
def files(draw):
    """An array, and a file of it."""
    shape = tuple(draw(st.lists(st.integers(1, 7), min_size=2, max_size=3)))
    part = tuple(draw(st.lists(st.integers(1, 8), min_size=1, max_size=len(shape))))
    encoding = draw(st.sampled_from(ENCODINGS))
    array = numbers(shape, encoding, draw(st.integers(0, 9)))
    if draw(st.booleans()):
        array = np.where(np.arange(math.prod(shape)).reshape(shape) % 9 < 5, array, 0).astype(array.dtype)
    order = draw(st.none() | st.permutations(range(len(grid(shape, part)))))
    gaps = draw(st.lists(st.integers(0, 3), max_size=3))
    full, zeros, shared = (draw(st.booleans()) for _ in range(3))
    codec = draw(st.sampled_from(["zlib", "raw"]))
    return array, *file_of(array, encoding, part, full, order, gaps, zeros, shared, codec)


@given(files(), st.data())
def test_images_slices_and_boxes_are_those_that_were_encoded(made, data):
    array, file, layout = made
    same(read(file, layout), array)
    squeezed = layout.squeezed()
    same(read(file, squeezed), array[0] if array.ndim == 3 and len(array) == 1 else array)
    bounds = data.draw(boxes_in(array.shape))
    inner = data.draw(boxes_in([stop - start for start, stop in bounds]))
    box = layout.box(bounds, "x")
    same(read(file, box), array[cut(bounds)])
    same(read(file, box.box(inner, "x")), array[cut(bounds)][cut(inner)])
    if array.ndim < 3:
        assert layout.slice(0, "x") is layout
        return
    for index, section in enumerate(array):
        same(read(file, layout.slice(index, "x")), section)
        same(read(file, layout.slice(index, "x").box(bounds[1:], "x")), section[cut(bounds[1:])])
    for index, section in enumerate(array[cut(bounds)]):
        same(read(file, box.slice(index, "x")), section)
        same(read(file, box.slice(index, "x").box(inner[1:], "x")), section[cut(inner[1:])])


@given(files(), st.data())
def test_a_box_needs_the_parts_that_it_crosses_and_no_others(made, data):
    array, file, layout = made
    bounds = data.draw(boxes_in(array.shape))
    needed = set()
    places = np.zeros(array.shape, bool)
    places[cut(bounds)] = True
    for place, start, stop in zip(grid(array.shape, layout.part), layout.starts, layout.stops, strict=True):
        if places[place].any():
            needed |= set(range(start, stop))
    box = layout.box(bounds, "x")
    assert {byte for start, stop in box.ranges for byte in range(start, stop)} == needed
    damaged = bytes(byte if place in needed else 255 - byte for place, byte in enumerate(file))
    same(read(damaged, box), array[cut(bounds)])


@given(files(), st.data())
def test_of_a_file_that_ends_early_the_first_entries_are_kept(made, data):
    array, file, layout = made
    size = data.draw(st.integers(0, len(file)))
    kept = layout.count_before(size)
    places = zip(grid(array.shape, layout.part), layout.starts, layout.stops, strict=True)
    lost = {place[0].start for place, start, stop in places if start < stop and stop > size}
    assert kept == min(lost, default=len(array))
    same(read(file[:size], layout.first(kept)), array[:kept])


@pytest.mark.parametrize("index", [-1, 3, 10**30])
@pytest.mark.parametrize("part", [(2, 2), (2, 2, 2), (5,)])
def test_there_are_no_other_slices(index, part):
    _, layout = file_of(numbers((3, 4, 5), "<f4"), "<f4", part)
    for one in (layout, layout.box([(0, 3), (1, 4), (1, 5)], "x")):
        with pytest.raises(FormatError, match=r"y\.tif: no slice"):
            one.slice(index, "y.tif")
        image = one.slice(2, "y.tif")
        with pytest.raises(FormatError, match=r"y\.tif: no slice"):
            image.slice(1, "y.tif")
        assert image.slice(0, "y.tif") is image


def test_parts_of_no_bytes_are_zeros_and_nothing_is_read_for_them():
    file, layout = file_of(np.zeros((3, 6, 5), np.float32), "<f4", (2, 2), zeros=True)
    for one in (layout, layout.slice(1, "x"), layout.box([(0, 1), (2, 4), (0, 5)], "x"), layout.squeezed()):
        assert (one.ranges, one.nbytes) == ((), 0)
        same(read(file, one), np.zeros(one.shape, np.float32))


@pytest.mark.parametrize("shape", [(0, 4, 5), (3, 0, 5), (2**40, 0, 5), (0, 2**15, 2**15)])
def test_images_of_no_pixels_are_read(shape):
    none = np.empty(0, np.int64)
    array = read(b"", Coded.of(shape, "<f4", "zlib", (2, 2), none, none, "x"))
    assert (array.shape, array.dtype) == (shape, np.float32)


FULL = numbers((8, 8), "<u2", 1)


def damaged(change, part=(4, 4)):
    """A file of which one part's code is another; that part, and the layout."""
    file, layout = file_of(FULL, "<u2", part)
    number = 1
    start, stop = int(layout.starts[number]), int(layout.stops[number])
    code = change(file[start:stop])
    starts, stops = layout.starts.copy(), layout.stops.copy()
    starts[number], stops[number] = len(file), len(file) + len(code)
    return file + code, replace(layout, starts=starts, stops=stops)


def of_size(count):
    return lambda _code: zlib.compress(b"\x01" * count)


DAMAGE = {
    "cut": lambda code: code[:-1],
    "cut to its head": lambda code: code[:2],
    "no zlib": lambda code: b"II*\x00" + code,
    "fewer pixels": of_size(31),
    "more pixels": of_size(33),
    "no pixels": of_size(0),
    "another size": of_size(16),
    "many more": of_size(10**7),
    "a dictionary": lambda _code: _with_dictionary(),
}


def _with_dictionary():
    deflater = zlib.compressobj(zdict=b"\x01\x02")
    return deflater.compress(b"\x01\x02" * 16) + deflater.flush()


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_told_with_file_and_part(what):
    file, layout = damaged(DAMAGE[what])
    with pytest.raises(FormatError, match=r"^x\.tif: the part at bytes "):
        read(file, layout)
    same(read(file, layout.box([(4, 8), (0, 8)], "x")), FULL[4:])


@pytest.mark.parametrize("full", [False, True])
def test_no_flipped_bit_changes_pixels(full):
    file, layout = file_of(FULL[:7], "<u2", (4, 8), full)
    noticed = 0
    for place, bit in itertools.product(range(layout.offset, layout.end), range(8)):
        wrong = bytearray(file)
        wrong[place] ^= 1 << bit
        number = int(place >= layout.starts[1])
        try:
            same(read(bytes(wrong), layout), FULL[:7])
        except FormatError as err:
            noticed += str(err).startswith(f"x.tif: the part at bytes {layout.starts[number]} to ")
    assert noticed >= 8 * layout.nbytes - 2 * 7  # bits that fill up the last byte of a stream are nothing's


def test_what_follows_a_stream_in_its_part_does_not_matter():
    file, layout = damaged(lambda code: code + b"\0\0padding")
    same(read(file, layout), FULL)


def test_no_more_is_inflated_than_a_part_can_hold():
    file, layout = damaged(of_size(2**26))
    tracemalloc.start()
    with pytest.raises(FormatError, match="more than 32 bytes"):
        read(file, layout)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**21


CONTRADICTIONS = {
    "codec": {"codec": "rar"},
    "no codec": {"codec": ""},
    "encoding": {"encoding": "|O"},
    "half a type": {"encoding": "nonsense"},
    "part of no axis": {"part": ()},
    "part of more axes": {"part": (1, 4, 4)},
    "empty part": {"part": (0, 4)},
    "negative part": {"part": (-4, 4)},
    "negative side": {"shape": (-8, 8)},
    "no axes": {"shape": ()},
    "smaller parts": {"part": (2, 4)},
    "larger parts": {"part": (8, 8)},
    "more images": {"shape": (2, 8, 8)},
    "no images": {"shape": (0, 8, 8)},
    "huge": {"shape": (2**40, 2**40), "part": (2**39, 2**39)},
    "overflow": {"shape": (2**32, 2**32), "part": (2**31, 2**31)},
    "overflow to the size": {"shape": (2**62 + 8, 2**62 + 8)},
    "huge count": {"shape": (2**62, 8, 8)},
    "huge parts": {"part": (2**70, 2**70)},
    "before the file": {"starts": np.array([-1, 1, 2, 3])},
    "stop before start": {"stops": np.array([4, 0, 5, 6])},
    "starts": {"starts": np.arange(3)},
    "stops": {"stops": np.arange(100, 105)},
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_a_layout_that_contradicts_itself_is_refused(what):
    facts = {"shape": (8, 8), "encoding": "<u2", "codec": "zlib", "part": (4, 4), "name": "x.tif"}
    facts |= {"starts": np.arange(4), "stops": np.arange(100, 104)} | CONTRADICTIONS[what]
    with pytest.raises(FormatError):
        Coded.of(**facts)
    with pytest.raises(FormatError):
        Coded(offset=0, **facts)


@pytest.mark.parametrize("kind", ["<u4", ">u8", "<u8", ">i8"])
def test_places_may_be_of_the_types_that_files_have(kind):
    file, layout = file_of(FULL, "<u2", (4, 4), order=[3, 0, 2, 1], gaps=(3,))
    facts = {"shape": (8, 8), "encoding": "<u2", "codec": "zlib", "part": (4, 4), "name": "x.tif"}
    as_read = Coded.of(starts=layout.starts.astype(kind), stops=layout.stops.astype(kind), **facts)
    same(read(file, as_read), FULL)
    code = packed(as_read.starts, as_read.stops, as_read.offset)
    np.testing.assert_array_equal(unpacked(code, as_read.offset, "x"), (layout.starts, layout.stops))
    if kind.endswith("u8"):
        far = np.full(4, 2**64 - 1, kind)
        with pytest.raises(FormatError, match=r"x\.tif: "):
            Coded.of(starts=layout.starts.astype(kind), stops=far, **facts)
        with pytest.raises(FormatError, match=r"x\.tif: "):
            Coded.of(starts=far - np.array(1, kind), stops=far, **facts)


@pytest.mark.parametrize("count", [1, 200_000])
@pytest.mark.parametrize("of", ["no bytes", "the same bytes"])
def test_few_bytes_do_not_become_an_image_without_end(count, of):
    part = (2**17, 2**17) if count == 1 else (2**9, 2**10)
    shape = part if count == 1 else (count, *part)
    stops = np.full(count, 0 if of == "no bytes" else 16)
    layout = Coded.of(shape, "<f4", "zlib", part, np.zeros_like(stops), stops, "x.tif")
    with pytest.raises(FormatError, match=r"x\.tif: "):
        layout.decode(np.zeros(layout.nbytes, np.uint8))
    bounds = [(0, 1)] * (len(shape) - 2) + [(1, 3), (2, 5)]
    if of == "no bytes":
        same(read(b"", layout.box(bounds, "x")), np.zeros([stop - start for start, stop in bounds], np.float32))


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**40)), max_size=6), st.integers(0, 2**40))
@example([(0, 255), (255, 1)], 0)
@example([(2**62, 2**62 - 1)], 0)
@example([(0, 0), (2**62, 5)], 2**61)
def test_packed_places_are_unpacked(parts, offset):
    starts = np.array([start for start, _ in parts], np.int64)
    stops = starts + np.array([size for _, size in parts], np.int64)
    again = unpacked(packed(starts, stops, offset), offset, "x")
    np.testing.assert_array_equal(again, (starts, stops))


@given(st.binary(max_size=40), st.integers(0, 2**63 - 1))
def test_places_of_any_bytes_are_none_or_some(code, offset):
    try:
        starts, stops = unpacked(code, offset, "x.tif")
    except FormatError:
        return
    assert starts.dtype == stops.dtype == np.int64
    assert len(starts) == len(stops)


def test_places_of_parts_beside_each_other_take_a_byte_or_two_each():
    sizes = np.arange(100, 200)
    stops = np.cumsum(sizes) + 1000
    assert len(packed(stops - sizes, stops, 1000)) == 2 + 100


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_may_be_coded(encoding):
    array = numbers((4, 5), encoding)
    file, layout = file_of(array, encoding, (2, 3))
    assert layout.dtype == array.dtype
    same(read(file, layout), array)
