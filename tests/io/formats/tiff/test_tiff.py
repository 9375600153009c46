"""TIFF files of every kind against tifffile, upside down."""

import gzip
import io
import struct
import sys

import imagecodecs
import numpy as np
import pytest
import tifffile

from builders.errors import FormatError, MissingPackageError, TruncatedError
from builders.io import image_file, upside_down
from builders.io.flipped import Flipped, unflipped
from builders.io.formats.tiff import pages
from builders.io.formats.tiff.format import Tiff
from builders.io.layout import Layout, is_fresh

RANDOM = np.random.default_rng(4)


def numbers(shape, dtype):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return RANDOM.normal(size=shape).astype(dtype)
    lowest = max(-50, np.iinfo(dtype).min)
    return RANDOM.integers(lowest, 100, shape).astype(dtype)


def written(array, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, array, **{"photometric": "minisblack", "metadata": None} | options)
    return file.getvalue()


def read(data):
    """What we read of a file, and what tifffile does."""
    return image_file.read_bytes(data, name="x.tif"), tifffile.imread(io.BytesIO(data))


def described(tmp_path, data, name="x.tif"):
    path = tmp_path / name
    path.write_bytes(data)
    return image_file.describe(path)


def same(data):
    ours, theirs = read(data)
    assert ours.dtype == theirs.dtype.newbyteorder("=")
    assert ours.flags.c_contiguous
    np.testing.assert_array_equal(ours, theirs[..., ::-1, :])


def page(tags, pixels=b"", order="<"):
    """A classic file of one page: (tag, type, count, value), and pixels at byte 8."""
    entries = b"".join(struct.pack(f"{order}HHII", *tag) for tag in sorted(tags))
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8 + len(pixels))
    return head + pixels + struct.pack(f"{order}H", len(tags)) + entries + bytes(4)


def tags_of(columns, rows, bits=8, **changed):
    tags = {
        256: columns,
        257: rows,
        258: bits,
        259: 1,
        262: 1,
        273: 8,
        277: 1,
        278: rows,
        279: min(columns * rows * bits // 8, 10**9),
    }
    tags |= {int(tag[1:]): value for tag, value in changed.items()}
    return [(tag, 4, 1, value) for tag, value in tags.items() if value is not None]


TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8"]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("byteorder", "<>")
def test_pixels_of_every_type_are_tifffiles(dtype, byteorder):
    array = numbers((3, 20, 33), dtype)
    for options in ({}, {"compression": "zlib"}, {"tile": (16, 16)}, {"bigtiff": True, "compression": "lzw"}):
        same(written(array, byteorder=byteorder, **options))


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", 32946, "packbits", "zstd", "jpeg"])
@pytest.mark.parametrize("parts", [{}, {"rowsperstrip": 7}, {"tile": (32, 16)}])
def test_every_compression_in_strips_and_tiles_is_tifffiles(compression, parts):
    array = numbers((2, 50, 70), "u1" if compression == "jpeg" else "u2")
    same(written(array, compression=compression, **parts))
    same(written(array[0], compression=compression, **parts))


@pytest.mark.parametrize("compression", ["lzw", "zlib", "zstd"])
@pytest.mark.parametrize(("predictor", "dtype"), [(2, "u1"), (2, "i2"), (2, "u4"), (3, "f2"), (3, "f4"), (3, "f8")])
@pytest.mark.parametrize("byteorder", "<>")
def test_predictors_are_undone(compression, predictor, dtype, byteorder):
    array = numbers((45, 37), dtype)
    for parts in ({"rowsperstrip": 7}, {"tile": (16, 32)}):
        same(written(array, compression=compression, predictor=predictor, byteorder=byteorder, **parts))


@pytest.mark.parametrize("compression", [1, 5, 8, 32773])
def test_bits_may_be_stored_in_the_other_order(compression):
    encode = {1: bytes, 5: imagecodecs.lzw_encode, 8: imagecodecs.zlib_encode, 32773: imagecodecs.packbits_encode}
    array = numbers((20, 30), "u1")
    code = imagecodecs.bitorder_encode(encode[compression](array.tobytes()))
    same(page(tags_of(30, 20, t259=compression, t266=2, t279=len(code)), bytes(code)))


def test_four_bits_a_pixel_are_two_pixels_a_byte_the_left_one_in_the_high_half():
    array = numbers((20, 31), "u1") % 16
    wide = np.pad(array, [(0, 0), (0, 1)])
    packed = (wide[:, ::2] << 4 | wide[:, 1::2]).tobytes()
    for compression, encode in ((1, bytes), (5, imagecodecs.lzw_encode)):
        code = encode(packed)
        same(page(tags_of(31, 20, 4, t259=compression, t279=len(code)), code))


@pytest.mark.parametrize(("columns", "rows"), [(5760, 8184), (4092, 11520), (3710, 7676), (3838, 7420), (11520, 4092)])
def test_the_sizes_of_super_resolution_frames_are_those_that_relion_knows(columns, rows):
    data = page(tags_of(columns, rows))
    layout = Tiff().describe(lambda start, count: data[start : start + count], None, "x.tif").layout
    assert (layout.shape, layout.encoding) == ((rows, 2 * columns), "4bit")
    data = page(tags_of(columns, rows + 1))
    layout = Tiff().describe(lambda start, count: data[start : start + count], None, "x.tif").layout
    assert (layout.shape, layout.encoding) == ((rows + 1, columns), "|u1")


@pytest.mark.parametrize("compression", [1, 5])
@pytest.mark.parametrize("turned", [False, True])
def test_super_resolution_frames_are_two_pixels_a_byte_the_left_one_in_the_low_half(
    tmp_path, monkeypatch, compression, turned
):
    monkeypatch.setattr(pages, "_HALF_WIDTHS", frozenset({(30, 40)}))
    array = numbers((30, 80) if turned else (40, 60), "u1") % 16
    packed = (array[:, ::2] | array[:, 1::2] << 4).astype(np.uint8)
    code = imagecodecs.lzw_encode(packed.tobytes()) if compression == 5 else packed.tobytes()
    rows, columns = packed.shape
    data = page(tags_of(columns, rows, t259=compression, t279=len(code)), code)
    np.testing.assert_array_equal(image_file.read_bytes(data), array[::-1])
    assert "read as twice as many of 4 bits" in described(tmp_path, data).contents.deviations[0]


def test_pages_one_after_another_are_a_plain_layout(tmp_path):
    array = numbers((4, 20, 30), "u2")
    layout = described(tmp_path, written(array, rowsperstrip=6)).layout
    assert isinstance(layout, Flipped)
    assert type(layout.whole) is Layout
    assert layout.whole.shape == (4, 20, 30)
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as tiff:
        for image in array:
            tiff.write(image, contiguous=False, photometric="minisblack")
    apart = described(tmp_path, file.getvalue(), "y.tif").layout
    assert type(apart.whole) is not Layout
    assert type(apart.slice(2, "").whole) is Layout, "one page is plain pixels all the same"
    np.testing.assert_array_equal(image_file.read_bytes(file.getvalue()), array[:, ::-1])


def test_slices_boxes_and_packed_files_are_read(tmp_path):
    array = numbers((3, 50, 70), "u2")
    data = written(array, compression="zlib", rowsperstrip=8)
    for name, content in (("x.tif", data), ("x.tif.gz", gzip.compress(data))):
        file = described(tmp_path, content, name)
        np.testing.assert_array_equal(image_file.read(file.path), array[:, ::-1])
        np.testing.assert_array_equal(image_file.read(file.path, 1), array[1, ::-1])
        box = file.layout.slice(2, "").box([(3, 11), (20, 60)])
        pixels = image_file.read_layout(file.path, box)
        np.testing.assert_array_equal(pixels, array[2, ::-1][3:11, 20:60])
    assert box.nbytes < file.layout.slice(2, "").nbytes / 2
    np.testing.assert_array_equal(image_file.read_layout(str(tmp_path / "x.tif"), unflipped(file.layout)), array)


def test_a_stack_of_imagej_over_4_gb_has_one_page(tmp_path):
    array = numbers((5, 20, 30), ">u2")
    text = b"ImageJ=1.54f\nimages=5\nslices=5\nunit=nm\n"
    data = page([*tags_of(30, 20, 16), (270, 2, len(text), 8 + array.nbytes)], array.tobytes() + text, ">")
    np.testing.assert_array_equal(image_file.read_bytes(data), array[:, ::-1])
    same(data)
    cut = page([*tags_of(30, 20, 16), (270, 2, len(text), 8 + 1200)], array[0].tobytes() + text, ">")
    file = described(tmp_path, cut)
    assert file.layout.shape == (20, 30)
    assert "there are no bytes of more" in file.contents.deviations[0]


def test_the_pages_of_which_there_are_most_are_the_movie(tmp_path):
    file, frames = io.BytesIO(), numbers((3, 20, 30), "u2")
    with tifffile.TiffWriter(file) as tiff:
        tiff.write(np.zeros((4, 5), np.uint8), photometric="minisblack", contiguous=False)
        for image in frames:
            tiff.write(image, photometric="minisblack", contiguous=False)
            tiff.write(np.zeros((6, 6, 3), np.uint8), photometric="rgb", contiguous=False)
    found = described(tmp_path, file.getvalue())
    np.testing.assert_array_equal(image_file.read(found.path), frames[:, ::-1])
    assert found.contents.deviations[0].startswith("7 pages, of which 3 are read (20 x 30 pixels of <u2, raw)")


def test_of_an_image_and_its_thumbnail_the_image_is_read(tmp_path):
    file, image = io.BytesIO(), numbers((20, 30), "u2")
    with tifffile.TiffWriter(file) as tiff:
        for small in (image[::2, ::2], image[::4, ::4]):
            tiff.write(small, photometric="minisblack", subfiletype=1, contiguous=False)
        tiff.write(image, photometric="minisblack", subifds=1)
        tiff.write(image[::2, ::2], photometric="minisblack", subfiletype=1)
    np.testing.assert_array_equal(image_file.read_bytes(file.getvalue()), image[::-1])


SIZES = {
    "cm": ({"resolution": (1e8 / 1.25, 1e8 / 1.25), "resolutionunit": "centimeter"}, 1.25),
    "inch": ({"resolution": (2.54e8 / 2, 2.54e8 / 2), "resolutionunit": "inch"}, 2.0),
    "a screen": ({"resolution": (72, 72), "resolutionunit": "inch"}, None),
    "no unit": ({"resolution": (1e8, 1e8), "resolutionunit": 1}, None),
    "none": ({}, None),
    "ImageJ": ({"imagej": True, "resolution": (4, 4), "metadata": {"unit": "nm"}}, 2.5),
    "ImageJ, micron": ({"imagej": True, "resolution": (1e4, 1e4), "metadata": {"unit": "micron"}}, 1.0),
    "ImageJ, angstrom": ({"imagej": True, "resolution": (0.5, 0.5), "metadata": {"unit": "\\u00c5"}}, 2.0),
    "FEI": ({"extratags": [(34682, "s", 0, "[Scan]\r\nPixelWidth=1.5e-10\r\n", True)]}, 1.5),
    "FEI, far": ({"extratags": [(34680, "s", 0, "[Scan]\nPixelWidth=3e-6\n", True)]}, None),
}


@pytest.mark.parametrize("what", SIZES)
def test_a_pixel_size_is_taken_where_it_is_plausible(tmp_path, what):
    options, expected = SIZES[what]
    found = described(tmp_path, written(numbers((4, 5), "u2"), **options)).pixel_size
    assert found == (expected and pytest.approx(expected, rel=1e-5))


def test_bytes_of_strips_need_not_be_told_of_plain_pixels():
    array = numbers((20, 30), "u1")
    for told in (None, 0, 601, 2**31):
        data = page(tags_of(30, 20, t279=told), array.tobytes())
        np.testing.assert_array_equal(image_file.read_bytes(data), array[::-1])


REFUSED = {
    "colours": (tags_of(5, 4, t277=3), r"3 samples a pixel \(RGB\): expected grey values"),
    "bits": (tags_of(8, 4, 1, t279=4), "pixels of 1 bits, sample format 1"),
    "twelve bits": (tags_of(8, 4, 12, t279=48), "pixels of 12 bits"),
    "three bytes": (tags_of(5, 4, 24, t339=3), "pixels of 24 bits, sample format 3"),
    "complex integers": (tags_of(5, 4, 32, t339=5), "pixels of 32 bits, sample format 5"),
    "old JPEG": (tags_of(5, 4, t259=6), r"compression 6 \(old JPEG\): expected none, LZW"),
    "unknown": (tags_of(5, 4, t259=1234), "compression 1234: expected none, LZW"),
    "predictor": (tags_of(5, 4, t259=5, t317=7), "predictor 7 of pixels"),
    "float predictor": (tags_of(5, 4, t259=5, t317=3), r"predictor 3 of pixels of \|u1"),
    "deep JPEG": (tags_of(5, 4, 16, t259=7), "JPEG pixels of <u2: expected 8 bits"),
    "planes": (tags_of(5, 4, t32997=3), "3 planes"),
    "no side": (tags_of(0, 4), "4 x 0 pixels: expected at least one"),
    "a huge tile": (
        tags_of(8, 6, t259=50000, t322=30000, t323=30000, t324=8, t325=20),
        "tiles of 30000 x 30000 pixels for an image of 6 x 8: expected at most",
    ),
    "half a tile": (tags_of(5, 4, t322=16), "parts of 0 x 16 pixels"),
    "huge": (tags_of(2**31, 2**31), "expected at most 68719476736 bytes"),
    "many strips": (tags_of(5, 2**31, t278=1), "1 strips or tiles: expected 2147483648"),
    "no strips": (tags_of(5, 4, t273=None), "0 strips or tiles: expected 1"),
    "no place": (tags_of(5, 4, t273=0), "no byte of pixels"),
    "no sizes": (tags_of(5, 4, t259=5, t279=None), "sizes of 0 strips"),
    "size 0": (tags_of(5, 4, t259=5, t279=0), "no byte of pixels"),
    "short": (tags_of(5, 4, t279=19), "19 bytes of strip or tile 0: expected 20"),
    "beyond": (tags_of(5, 4, t273=10**6), "the file is truncated"),
    "beyond, coded": (tags_of(5, 4, t259=5, t279=10**6), "the file is truncated"),
    "bomb": (tags_of(2**17, 2**17, t259=5, t279=20), "cannot hold the 17179869184"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_read_is_one_error(tmp_path, what):
    tags, match = REFUSED[what]
    with pytest.raises(FormatError, match=match) as said:
        described(tmp_path, page(tags, bytes(20)))
    assert "x.tif" in str(said.value)


def pages_in_several_ways(array, *ways):
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as tiff:
        for number, image in enumerate(array):
            options = ways[min(number, len(ways) - 1)]
            tiff.write(image, photometric="minisblack", contiguous=False, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("ways", "match"),
    [
        (({"rowsperstrip": 50}, {"rowsperstrip": 25}), "as raw in parts of 50 x 60 and as raw in parts of 25 x 60"),
        (({"compression": "lzw"}, {}), "as lzw in parts of 50 x 60 and as raw in parts of 50 x 60"),
    ],
)
def test_frames_that_are_stored_in_several_ways_are_told_and_none_is_dropped(ways, match):
    data = pages_in_several_ways(numbers((5, 50, 60), "u1"), *ways)
    with pytest.raises(
        FormatError, match=rf"x\.tif: pages 0 and 1, both 50 x 60, are stored {match}: expected one way"
    ):
        image_file.read_bytes(data, name="x.tif")


@pytest.mark.parametrize("compression", [1, 5])
def test_pages_that_share_their_bytes_are_damage(tmp_path, compression):
    side, count = 2048, 40
    size = 2 + 12 * 9 + 4
    strip = 8 + count * size
    entries = sorted(tags_of(side, side, t259=compression, t273=strip))
    data = bytearray(struct.pack("<2sHI", b"II", 42, 8))
    for number in range(count):
        data += struct.pack("<H", 9) + b"".join(struct.pack("<HHII", *tag) for tag in entries)
        data += struct.pack("<I", 8 + (number + 1) * size if number < count - 1 else 0)
    with pytest.raises(FormatError, match=rf"40 pages of {count * side**2} bytes .* which share {side**2}: damaged"):
        described(tmp_path, bytes(data) + bytes(side * side))


def test_what_libtiff_passes_over_is_passed_over(tmp_path):
    array = numbers((20, 30), "u1")
    np.testing.assert_array_equal(image_file.read_bytes(page(tags_of(30, 20, t278=0), array.tobytes())), array[::-1])
    places = struct.pack("<4I", 8, 0, 600, 0)
    tags = [tag for tag in tags_of(30, 20) if tag[0] not in (273, 279)]
    data = page([*tags, (273, 4, 2, 608), (279, 4, 2, 616)], array.tobytes() + places)
    np.testing.assert_array_equal(image_file.read_bytes(data), array[::-1])
    code = imagecodecs.packbits_encode(array.tobytes())
    file = described(tmp_path, page(tags_of(30, 20, t259=32773, t279=len(code), t317=2), code))
    np.testing.assert_array_equal(image_file.read(file.path), array[::-1])
    assert file.contents.deviations == ("predictor 2 with PackBits, which has none: passed over, as libtiff does",)


@pytest.mark.parametrize("zeroed", [False, True])
def test_a_jpeg_that_is_cut_off_is_damage(zeroed):
    code = imagecodecs.jpeg8_encode(numbers((64, 64), "u1"))
    half = code[: len(code) // 2] + (bytes(len(code) - len(code) // 2) if zeroed else b"")
    with pytest.raises(FormatError, match="no mark of its end"):
        image_file.read_bytes(page(tags_of(64, 64, t259=7, t279=len(half)), half))
    image_file.read_bytes(page(tags_of(64, 64, t259=7, t279=len(code) + 1), code + b"\0"))


def test_a_jpeg_that_speaks_of_more_is_damage(tmp_path):
    code = imagecodecs.jpeg8_encode(np.zeros((16, 16), np.uint8)).replace(b"\0\x10\0\x10", b"\xff\xff\xff\xff", 1)
    file = described(tmp_path, page(tags_of(16, 16, t259=7, t279=len(code)), code))
    with pytest.raises(FormatError, match="a picture of 65535 rows of 65535"):
        image_file.read(file.path)


def test_without_imagecodecs_what_needs_none_is_read(monkeypatch):
    array = numbers((3, 20, 30), "u2")
    files = [written(array, compression=kind, predictor=kind == "zlib") for kind in (None, "zlib", "packbits")]
    coded = [written(array, compression=kind) for kind in ("lzw", "zstd")]
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    for data in files:
        np.testing.assert_array_equal(image_file.read_bytes(data), array[:, ::-1])
    for data in coded:
        with pytest.raises(MissingPackageError, match=r"pip install 'perc-cryoem\[movies\]'"):
            image_file.read_bytes(data)


@pytest.mark.parametrize("dtype", ["u1", ">u2", "<f4"])
@pytest.mark.parametrize("rows", [0, 10, 1024])
def test_plain_images_are_turned_while_they_are_read(tmp_path, monkeypatch, dtype, rows):
    monkeypatch.setattr(upside_down, "_PIECE", 1000)
    if rows:
        monkeypatch.setattr(upside_down, "_MOST_ROWS", rows)
    else:
        monkeypatch.setattr(upside_down, "_preadv", lambda: None)
    array = numbers((3, 101, 67), dtype)
    file = described(tmp_path, written(array, byteorder=">" if dtype[0] == ">" else "<"))
    for layout, expected in ((file.layout, array), (file.part(1), array[1])):
        pixels = image_file.read_layout(file.path, layout, file.etag)
        assert is_fresh(pixels)
        assert pixels.flags.c_contiguous
        np.testing.assert_array_equal(pixels, expected[..., ::-1, :])


def test_a_file_that_becomes_shorter_while_it_is_read_is_told(tmp_path):
    array = numbers((50, 60), "u2")
    file = described(tmp_path, written(array))
    with (tmp_path / "x.tif").open("r+b", buffering=0) as raw:
        raw.truncate(file.layout.offset + 31 * 120 + 7)
        with pytest.raises(TruncatedError, match=r"x\.tif: .* end within row 18 of an image"):
            upside_down.read_turned(raw, file.layout, file.path)
