"""DM3 and DM4: the image behind the thumbnail, by a walk along tags that nobody believes."""

import bz2
import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.errors import FormatError, PercError, TruncatedError
from builders.io import image_file
from builders.io.formats.dm import tags
from builders.io.formats.dm.format import Dm
from builders.io.movies import gain
from builders.io.net import remote
from tests.io.formats.dm import KINDS, Writer, encode, image, thumbnail, tree, value
from tests.server import serve

VARIANTS = [(3, "<"), (3, ">"), (4, "<"), (4, ">")]
RNG = np.random.default_rng(4)


def pixels_of(kind, shape=(3, 5)):
    numbers = RNG.integers(0, 100, shape)
    return (numbers + 1j * numbers[::-1] if kind[0] == "c" else numbers).astype(kind)


def described(data, name="x.dm4"):
    contents = Dm().describe(lambda offset, count: data[offset : offset + count], len(data), name)
    return contents


@pytest.mark.parametrize(("version", "order"), VARIANTS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_type_is_read_in_either_byte_order(version, order, kind):
    for shape in ((3, 5), (4, 3, 5)):
        pixels = pixels_of(kind, shape)
        data = encode(pixels, version, order)
        assert Dm().recognises(data[:1024])
        found = image_file.read_bytes(data)
        assert found.dtype == pixels.dtype
        np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("name", ["x.dm3", "x.dm4.gz", "x.dm4.bz2"])
def test_files_may_be_packed_and_slices_are_read_alone(tmp_path, name):
    pack = {"gz": gzip.compress, "z2": bz2.compress}.get(name[-2:], bytes)
    pixels = pixels_of("u2", (6, 7, 9))
    (tmp_path / name).write_bytes(pack(encode(pixels, 3 if "dm3" in name else 4)))
    file = image_file.describe(tmp_path / name)
    assert (file.layout.shape, file.contents.format, file.contradicts_header) == ((6, 7, 9), "dm", False)
    np.testing.assert_array_equal(image_file.read(tmp_path / name, 4), pixels[4])


def test_gain_references_are_turned_over_as_those_in_tiff_files(tmp_path):
    values = RNG.uniform(0.9, 1.1, (32, 40)).astype(np.float32)
    path = tmp_path / "CountRef.dm4"
    path.write_bytes(encode(values))
    for flip_y, expected in ((True, values[::-1]), (False, values)):
        reference = gain.of(str(path), eer=False, flip_y=flip_y)
        np.testing.assert_allclose(gain.factors(reference, (32, 40)), expected)


@pytest.mark.parametrize(
    ("scale", "units", "expected"),
    [
        *((0.125, "nm", 1.25), (0.5, "Å", 0.5), (0.5, "A", 0.5), (64.0, "pm", 0.64), (0.0625, "µm", 625.0)),
        *((0.0625, "\u03bcm", 625.0), (2.0, "\u212b", 2.0), (0.5, "nm\x00", 5.0)),
        *((0.1, "1/nm", None), (1.0, "", None), (1.0, "eV", None), (0.0, "nm", None), (-1.0, "nm", None)),
        *((float("nan"), "nm", None), (float("inf"), "nm", None), (1e30, "µm", None), (1.0, "n" * 5000, None)),
    ],
)
def test_the_pixel_size_is_the_calibration_along_x_in_angstrom(scale, units, expected):
    for version, order in VARIANTS[1:3]:
        assert described(encode(pixels_of("i2"), version, order, scale=scale, units=units)).pixel_size == expected


def test_the_image_is_the_first_that_is_not_in_colour():
    first, second = pixels_of("f4"), pixels_of("f4", (2, 2))
    for images in ((image(first), image(second)), (thumbnail(), thumbnail(4), image(first), image(second))):
        np.testing.assert_array_equal(image_file.read_bytes(Writer().file(tree(*images))), first)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ([], "images in its tags: none"),
        ([thumbnail()], "1 in colour and no other"),
        ([image(pixels_of("f4", (7,)))], r"an array of 1 axes \(7\)"),
        ([image(pixels_of("u1", (2, 2, 2, 3)))], r"4 axes \(3 x 2 x 2 x 2\)"),
        ([image(pixels_of("c8"), kind=27)], "half of a Fourier transform"),
        ([image(pixels_of("f4"), kind=99)], "DataType 99"),
        ([image(pixels_of("u1"), kind=2)], "15 bytes of pixels, where sides 5 x 3 of f4 take 60"),
    ],
)
def test_what_is_no_image_is_refused(images, said):
    with pytest.raises(FormatError, match=rf"x\.dm4: .*{said}"):
        described(Writer().file(tree(*images)))


def test_axes_of_length_one_behind_the_second_are_none_and_more_pixels_are_told():
    pixels = pixels_of("i4", (1, 1, 4, 3))
    np.testing.assert_array_equal(image_file.read_bytes(Writer().file(tree(image(pixels)))), pixels[0, 0])
    tags_of = image(pixels_of("i4", (4, 3)))
    tags_of["ImageData"]["Dimensions"] = {"#0": 3, "#1": 3}
    assert described(Writer().file(tree(tags_of))).deviations[0].startswith("more pixels than its sides say (12 bytes")


def test_values_of_every_kind_are_passed_over():
    odd = {
        "text": value([18, 3], "abc".encode("utf-16-le")),
        "records": value([20, 15, 0, 2, 0, 5, 0, 12, 7], bytes(7 * 12)),
        "arrays": value([20, 20, 3, 2, 5], bytes(40)),
        "empty": {},
        "#none": 5,
    }
    pixels = pixels_of("u1")
    np.testing.assert_array_equal(image_file.read_bytes(Writer(3).file(odd | tree(image(pixels)))), pixels)


def hostile():
    """Trees that lie: of depth, of counts, of sizes, of types."""
    deep = {}
    for _ in range(100):
        deep = {"x": deep}
    huge = 2**63 - 1
    yield "groups of tags in more than 64", Writer().file({"x": deep})
    yield "a type of 0 numbers", Writer().file({"x": value([], b"")})
    yield "a type of 2000 numbers", Writer().file({"x": value([20] * 2000, b"")})
    yield r"a value of type \(99,\)", Writer().file({"x": value([99], b"")})
    yield "expected what a file can hold", Writer().file({"x": value([20, 20, 3, huge, huge], b"")})
    yield r"a value of type \(15, 0, 9", Writer().file({"x": value([15, 0, 9], b"")})
    yield "expected b'%%%%' before a value", Writer().file(tree()).replace(b"%%%%", b"%%&%", 1)
    sides = image(pixels_of("u1"))
    sides["ImageData"]["Dimensions"] = {"#0": 2**32 - 1, "#1": 2**32 - 1}
    yield "expected 1 or more each, and what a file can hold", Writer().file(tree(sides))
    few = image(pixels_of("u1"))
    few["ImageData"]["Dimensions"] = {"#0": 0, "#1": 5}
    yield "sides 0 x 5", Writer().file(tree(few))
    text = image(pixels_of("u1"))
    text["ImageData"]["DataType"] = "two"
    yield "ImageList.#0.ImageData.DataType is of type", Writer().file(tree(text))


HOSTILE = dict(hostile())


@pytest.mark.parametrize(("said", "data"), HOSTILE.items(), ids=list(HOSTILE))
def test_what_a_file_says_is_not_believed(said, data):
    with pytest.raises(FormatError, match=rf"x\.dm4: .*{said}"):
        described(data)


def test_tags_are_not_without_end(monkeypatch):
    monkeypatch.setattr(tags, "MOST_TAGS", 100)
    with pytest.raises(FormatError, match="more than 100 tags"):
        described(Writer().file({str(n): n for n in range(200)}))
    endless = Writer().file({})[:18] + struct.pack(">Q", 2**64 - 1)
    with pytest.raises(TruncatedError, match=r"x\.dm4: 0 bytes of tags at byte 26, expected 3"):
        list(tags.walk(lambda offset, count: endless[offset : offset + count], tags.Head(4, "<"), "x.dm4"))


@pytest.mark.parametrize("version", [3, 4])
def test_a_file_that_is_cut_off_says_so(version):
    pixels = pixels_of("u2", (40, 50))
    data = encode(pixels, version)
    start = described(data).layout.offset
    for end in (30, 400, start, start + 999, start + pixels.nbytes + 4):
        with pytest.raises(TruncatedError, match=r"x\.dm4: .*the file is truncated"):
            described(data[:end])


def test_big_endian_mrc_files_of_three_columns_are_none():
    header = bytearray(1024)
    struct.pack_into(">4i", header, 0, 3, 5, 1, 2)
    assert not Dm().recognises(bytes(header))
    assert not Dm().recognises(bytes(4))
    assert not Dm().recognises(b"")


def test_a_remote_file_takes_few_requests_whatever_stands_between_its_tags():
    pixels = pixels_of("u2", (5, 300, 400))
    with serve() as server:
        remote.permit(server.base)
        server.files["/x.dm4"] = Writer().file(tree(thumbnail(300), image(pixels, scale=0.125, units="nm")))
        file = image_file.describe(server.url("/x.dm4"))
        assert (file.layout.shape, file.pixel_size) == (pixels.shape, 1.25)
        assert len(server.requests) == 4, "the head, tags before the thumbnail, behind it, and behind the image"
        assert server.bytes_sent < 3 * 17_000 + 2000
        server.requests.clear()
        np.testing.assert_array_equal(image_file.read_layout(file.path, file.layout.slice(2, ""), file.etag), pixels[2])
        assert len(server.requests) == 1


SMALL = [encode(pixels_of("u2"), version, order, scale=0.1, units="nm") for version, order in VARIANTS]


@given(
    st.sampled_from(SMALL), st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=6), st.integers()
)
def test_damage_is_one_of_our_errors(data, changes, end):
    damaged = bytearray(data)
    for place, byte in changes:
        damaged[place % len(data)] = byte
    damaged = bytes(damaged[: end % (len(data) + 1)] if end % 2 else damaged)
    try:
        contents = described(damaged)
        if not contents.cut:
            assert contents.layout.end <= len(damaged)
    except PercError as err:
        assert "x.dm4" in str(err)  # noqa: PT017
