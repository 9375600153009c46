"""PNG and JPEG: shape by the first bytes, pixels by Pillow, which is asked directly for comparison."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from builders.archive.patterns import matcher
from builders.errors import FormatError, PercError, TruncatedError
from builders.hf.features import EMImage
from builders.io import image_file
from builders.io.formats.known import suffixes
from builders.io.formats.pictures import MOST_PIXELS
from builders.io.image_reference import layout_of, told
from builders.io.net import remote
from builders.io.pixels import read_layout
from tests.server import serve

RNG = np.random.default_rng(8)
GREY = RNG.integers(0, 256, (13, 17), np.uint8)
COLOUR = RNG.integers(0, 256, (13, 17, 3), np.uint8)


def saved(picture, format="PNG", **options):
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(columns, rows, depth=8, kind=0, interlaced=0, data=b""):
    head = struct.pack(">IIBBBBB", columns, rows, depth, kind, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def interlaced(pixels):
    """A PNG of Adam7's seven passes."""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [pixels[y::down, x::along] for y, x, down, along in passes]
    lines = b"".join(b"\0" + line.astype(pixels.dtype.newbyteorder(">")).tobytes() for part in parts for line in part)
    return png(pixels.shape[1], pixels.shape[0], 8 * pixels.itemsize, 0, 1, lines)


def luminance(colours):
    red, green, blue = np.moveaxis(colours[..., :3].astype(float), -1, 0)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_grey_pictures_are_read_as_they_are():
    deep = RNG.integers(0, 2**16, (13, 17)).astype(np.uint16)
    for expected in (GREY, deep):
        for data in (saved(Image.fromarray(expected)), interlaced(expected)):
            found = image_file.read_bytes(data)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)
    bits = GREY > 99
    np.testing.assert_array_equal(image_file.read_bytes(saved(Image.fromarray(bits))), 255 * bits.astype(np.uint8))
    nibbles = png(4, 1, 4, 0, 0, b"\0\x0f\x3c")
    np.testing.assert_array_equal(image_file.read_bytes(nibbles), [[0, 255, 51, 204]])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L+A"])
def test_of_colours_the_luminance_is_read_and_transparency_is_ignored(mode, caplog):
    alpha = RNG.integers(0, 256, (13, 17, 1), np.uint8)
    if mode == "L+A":
        picture, expected = Image.fromarray(np.concatenate([GREY[..., None], alpha], -1), "LA"), GREY
    elif mode == "P":
        palette = RNG.integers(0, 256, (256, 3), np.uint8)
        picture = Image.fromarray(GREY, "P")
        picture.putpalette(palette.tobytes())
        picture.info["transparency"] = bytes(range(256))
        expected = luminance(palette[GREY])
    else:
        colours = COLOUR if mode == "RGB" else np.concatenate([COLOUR, alpha], -1)
        picture, expected = Image.fromarray(colours), luminance(COLOUR)
    found = image_file.read_bytes(saved(picture), name="x.png")
    assert found.dtype == np.uint8
    assert np.abs(found - expected).max() <= (0 if mode == "L+A" else 0.51)
    assert ("in colour, read as its luminance" in caplog.text) == (mode != "L+A")
    assert ("a transparency, which is not read" in caplog.text) == (mode in ("RGBA", "L+A"))


def test_colours_of_16_bits_are_told_to_lose_the_lower_8(caplog):
    lines = b"".join(b"\0" + bytes(range(y, y + 12)) for y in (0, 100))
    found = image_file.read_bytes(png(2, 2, 16, 2, 0, lines))
    upper = np.frombuffer(lines, np.uint8).reshape(2, 13)[:, 1::2].reshape(2, 2, 3)
    assert np.abs(found - luminance(upper)).max() <= 0.51
    assert "of the upper 8 bits" in caplog.text


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": b"Exif\0\0" + bytes(9000)}])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpegs_are_what_pillow_makes_of_them(options, mode):
    smooth = np.add.outer(np.arange(64), 2 * np.arange(90)).astype(np.uint8)
    picture = Image.fromarray(smooth).convert(mode)
    data = saved(picture, "JPEG", quality=95, **options)
    found = image_file.read_bytes(data)
    np.testing.assert_array_equal(found, np.asarray(Image.open(io.BytesIO(data)).convert("L")))
    assert np.abs(found.astype(int) - smooth)[:, 10:20].max() < 12


def test_the_turn_that_exif_tells_is_not_made():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert image_file.read_bytes(saved(Image.fromarray(GREY), "JPEG", exif=exif)).shape == GREY.shape


def test_of_an_animation_the_first_picture_is_read(caplog):
    first, second = Image.fromarray(GREY), Image.fromarray(255 - GREY)
    np.testing.assert_array_equal(
        image_file.read_bytes(saved(first, save_all=True, append_images=[second]), name="x.png"), GREY
    )
    assert "an animated picture, of which the first one is read" in caplog.text


def test_references_and_boxes_give_it(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(saved(Image.fromarray(GREY)))
    file = image_file.describe(path)
    assert (file.pixel_size, file.contents.format, file.layout.shape) == (None, "png", GREY.shape)
    fields = told(file.layout)
    layout = layout_of(tuple(fields["shape"]), fields["dtype"], fields["offset"], None, "x.png")
    np.testing.assert_array_equal(read_layout(str(path), layout), GREY)
    np.testing.assert_array_equal(read_layout(str(path), layout.box([(2, 5), (3, 11)])), GREY[2:5, 3:11])
    np.testing.assert_array_equal(EMImage(dtype=None).decode_example({"path": str(path)}), GREY)


def test_a_remote_picture_is_told_by_its_head_and_read_in_one_request():
    pixels = RNG.integers(0, 256, (300, 400), np.uint8)
    with serve() as server:
        remote.permit(server.base)
        server.files |= {"/x.png": saved(Image.fromarray(pixels)), "/x.jpg": saved(Image.fromarray(pixels), "JPEG")}
        for name in ("/x.png", "/x.jpg"):
            server.requests.clear()
            file = image_file.describe(server.url(name))
            assert (len(server.requests), file.layout.shape) == (1, pixels.shape)
            found = read_layout(file.path, file.layout, file.etag)
            assert (len(server.requests), found.shape) == (2, pixels.shape)


def test_in_an_entry_a_pattern_has_to_name_them():
    fits, _ = matcher(None, regex=False, recursive=False)
    assert not any(map(fits, ("x.png", "x.jpg", "x.JPEG", "x.npy")))
    assert all(map(fits, ("x.mrc", "x.dm4", "x.dm4.gz")))
    assert {".png", ".jpg", ".jpeg", ".dm3"} <= set(suffixes())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (png(2**31 - 1, 2**31 - 1), "a picture of 2147483647 x 2147483647 pixels: expected 1 to 178956970"),
        (png(MOST_PIXELS // 100 + 1, 100), "pixels: expected 1 to 178956970"),
        (png(0, 5), "a picture of 0 x 5 pixels"),
        (png(9000, 9000), "cannot hold as many pixels"),
        (png(5, 5, 16), "damaged: png: "),
        (png(5, 5, 7), "a PNG of 7 bits of kind 0"),
        (png(5, 5, 8, 5), "a PNG of 8 bits of kind 5"),
        (saved(Image.fromarray(GREY))[:20] + b"\1" + saved(Image.fromarray(GREY))[21:], "a damaged PNG: its first"),
        (saved(Image.fromarray(GREY))[:200], "damaged: png"),
        (saved(Image.fromarray(COLOUR), "JPEG")[:640], "damaged: jpg"),
        (b"\xff\xd8\xff\xd9" + bytes(2000), r"a damaged JPEG: b'\\xff\\xd9"),
        (b"\xff\xd8" + b"\xff" * 9000, "none of 4096 segments tells its size"),
        (b"\xff\xd8\xff\xc0\x00\x0b\x0c\x00\x05\x00\x05\x01" + bytes(50), "1 samples of 12 bits"),
        (b"\xff\xd8\xff\xc0\x00\x0b\x08\x20\x00\x20\x00\x01" + bytes(50), "cannot hold as many pixels"),
        (b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x00\x20\x00\x01" + bytes(50), "a picture of 8192 x 0 pixels"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_damage_is_told_with_the_name(data, said):
    with pytest.raises(FormatError, match=rf"x\.pic: .*{said}"):
        image_file.read_bytes(data, name="x.pic")


@pytest.mark.parametrize("data", [saved(Image.fromarray(GREY))[:25], b"\xff\xd8\xff\xe0\x40\x00JFIF"])
def test_a_head_that_is_cut_off_is_truncated(data):
    with pytest.raises(TruncatedError, match=r"x\.pic: .* of header at byte"):
        image_file.read_bytes(data, name="x.pic")


WHOLE = [saved(Image.fromarray(GREY)), saved(Image.fromarray(COLOUR)), saved(Image.fromarray(GREY), "JPEG")]


@given(st.sampled_from(WHOLE), st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), max_size=4), st.integers())
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damage_is_one_of_our_errors(data, changes, end):
    damaged = bytearray(data)
    for place, byte in changes:
        damaged[place % len(data)] = byte
    damaged = bytes(damaged[: end % (len(data) + 1)] if end % 2 else damaged)
    try:
        found = image_file.read_bytes(damaged, name="x.pic")
        assert found.nbytes <= 1032 * 8 * len(damaged)
    except PercError as err:
        assert "x.pic" in str(err)  # noqa: PT017
