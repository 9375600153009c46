"""Small pictures: what is seen in them, whatever the image."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from builders.errors import FormatError
from builders.io import image_file
from builders.publishing.writing.preview import class_caption, preview_png, thumbnail_sheet

RNG = np.random.default_rng(3)
DTYPES = ["float16", "float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint64", ">f4", ">i2", "bool"]


@pytest.fixture(autouse=True)
def _small_tiles():
    """None here: the sheets are looked at."""


def drawn(data):
    picture = Image.open(io.BytesIO(data))
    assert (picture.format, picture.mode) == ("PNG", "L")
    return np.asarray(picture).astype(int)


TILE, GAP, WORDS = 384, 16, 38


def sheet_of(*arguments):
    """The greys of a sheet of thumbnails."""
    picture = Image.open(io.BytesIO(thumbnail_sheet(*arguments)))
    assert (picture.format, picture.mode) == ("PNG", "P")
    return np.asarray(picture.convert("L")).astype(int)


def ramp(ny, nx):
    return np.add.outer(np.arange(ny), np.arange(nx)).astype(np.float64)


@pytest.mark.parametrize("dtype", DTYPES)
def test_brighter_pixels_are_brighter_in_every_type(dtype):
    values = RNG.random((40, 30))
    image = values > 0.5 if dtype == "bool" else (values * 100).astype(dtype)
    grey = drawn(preview_png(image))
    assert grey.shape == (40, 30)
    order = np.argsort(image, axis=None, kind="stable")
    assert (np.diff(grey.ravel()[order]) >= 0).all()
    assert (grey.min(), grey.max()) == (0, 255)


@given(st.floats(1e-20, 1e20), st.floats(-1e20, 1e20))
def test_neither_scale_nor_offset_of_the_values_matters(scale, offset):
    image = RNG.standard_normal((16, 16))
    offset = np.clip(offset, -1e3 * scale, 1e3 * scale)  # farther away, rounding takes the image itself
    difference = drawn(preview_png(image * scale + offset)) - drawn(preview_png(image))
    assert np.abs(difference).max() <= 1


def test_a_few_hot_pixels_do_not_decide_the_contrast():
    image = RNG.standard_normal((64, 64))
    spoilt = image.copy()
    spoilt[3, 5:10] = 1e9
    assert drawn(preview_png(spoilt)).std() > 0.9 * drawn(preview_png(image)).std()


@pytest.mark.parametrize("shape", [(512, 512), (300, 1000), (257, 256), (1023, 3), (5000, 1)])
def test_large_images_are_averaged_down_in_their_proportions(shape):
    image = RNG.standard_normal(shape) + 5 * ramp(*shape) / sum(shape)
    grey = drawn(preview_png(image, side=128))
    assert max(grey.shape) == 128
    assert grey.shape == tuple(max(1, round(n * 128 / max(shape))) for n in shape)
    if min(shape) > 100:  # the noise of many pixels has gone, and the slope is there
        line = np.corrcoef(grey.ravel(), ramp(*grey.shape).ravel())[0, 1]
        assert line > np.corrcoef(image.ravel(), ramp(*shape).ravel())[0, 1]


def test_averages_are_those_of_blocks():
    image = RNG.random((96, 64))
    means = image.reshape(48, 2, 32, 2).mean((1, 3))
    np.testing.assert_array_equal(drawn(preview_png(image, side=48)), drawn(preview_png(means, side=48)))


def test_of_a_volume_the_middle_slice_is_drawn_and_of_complex_pixels_the_amplitude():
    volume = RNG.standard_normal((7, 20, 30)).astype(np.complex64) * np.exp(1j * RNG.random((7, 20, 30)))
    assert preview_png(volume) == preview_png(np.abs(volume[3]))
    assert preview_png(volume[:6]) == preview_png(np.abs(volume[3]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", [64, 16])
def test_nan_and_infinite_pixels_spoil_nothing_beside_them(bad, side):
    image = ramp(64, 64)
    spoilt = image.copy()
    spoilt[20:22, 20:22] = bad
    grey = drawn(preview_png(spoilt, side))
    whole = drawn(preview_png(image, side))
    here = slice(20 * side // 64, -(-22 * side // 64))
    near = np.zeros(grey.shape, bool)
    near[here, here] = True
    assert np.abs(grey - whole)[~near].max() <= 1
    assert (grey[near] == 0).all() if side == 64 else (np.abs(grey - whole)[near] <= 8).all()


def test_images_without_contrast_are_pictures_too():
    assert set(drawn(preview_png(np.full((8, 8), 3.5))).ravel()) == {128}
    assert set(drawn(preview_png(np.full((8, 8), np.nan))).ravel()) == {0}
    assert set(drawn(preview_png(np.zeros((8, 8), bool))).ravel()) == {128}
    mask = np.zeros((100, 100))
    mask[50, 50] = 1
    grey = drawn(preview_png(mask))
    assert (grey[50, 50], grey.sum()) == (255, 255)
    huge = drawn(preview_png(np.array([[-1.7e308, 1.7e308], [np.nan, 0]])))
    assert huge.shape == (2, 2)


def test_the_same_image_gives_the_same_bytes():
    image = RNG.standard_normal((300, 200)).astype(np.float32)
    assert preview_png(image) == preview_png(image.copy(order="F")) == preview_png(image[:, :])


@pytest.mark.parametrize("shape", [(4,), (0, 4), (4, 0, 4), (2, 2, 2, 2), ()])
def test_what_is_no_image_is_told(shape):
    with pytest.raises(FormatError, match="expected an image"):
        preview_png(np.zeros(shape))


def test_something_is_seen_of_real_images(shared):
    seen = 0
    for name in ("1b23_12-321-215.mrcs", "EMD-3001.map", "fei1_crop.mrc", "serialem_test_000_crop.mrc"):
        image = np.asarray(image_file.read(str(shared / "data" / "mrc" / name)))
        seen += drawn(preview_png(image, 64)).std() > 30
    assert seen == 4


@pytest.mark.parametrize("count", [1, 2, 4, 5, 16, 20])
def test_a_sheet_shows_each_thumbnail_in_rows_of_four(count):
    bits = [[0, 1, *(n >> bit & 1 for bit in range(5))] for n in range(count)]  # a bar code for each
    pngs = [preview_png(np.kron([code], np.ones((28, 4)))) for code in bits]
    grey = sheet_of(pngs, [f"picture {n}" for n in range(count)])
    shown = min(count, 16)
    columns = min(shown, 4)
    assert grey.shape == (-(-shown // columns) * (TILE + WORDS + GAP) + GAP, columns * (TILE + GAP) + GAP)
    for place in range(shown):
        y, x = GAP + place // columns * (TILE + WORDS + GAP), GAP + place % columns * (TILE + GAP)
        assert (grey[y + TILE // 2, x + TILE // 14 : x + TILE : TILE // 7] > 128).astype(int).tolist() == bits[place]
        assert (grey[y + TILE + 2 : y + TILE + WORDS, x : x + TILE] < 128).any()  # and words below
    assert thumbnail_sheet(pngs) == thumbnail_sheet(pngs)


@pytest.mark.parametrize(
    "caption",
    ["", "x" * 5000, "a\nb\x1b[31m\u202e", "\u00c5 \u4e2d\u6587 \U0001f600", "micrographs/very/long/" * 9 + "7.mrc"],
)
def test_any_caption_stays_below_its_picture(caption):
    png = preview_png(ramp(20, 20))
    alone, both = sheet_of([png, png], ["", "b"]), sheet_of([png, png], [caption, "b"])
    np.testing.assert_array_equal(alone[:, GAP + TILE + GAP :], both[:, GAP + TILE + GAP :])
    np.testing.assert_array_equal(alone[: GAP + TILE], both[: GAP + TILE])


def test_every_character_of_a_caption_is_drawn_readably():
    png = preview_png(ramp(20, 20))

    def caption(text):
        return sheet_of([png], [text])[GAP + TILE :]

    names = {
        "Größe": "Grosse",
        "Ångström αβ": "Angstrom alphabeta",
        "A\u030angstr\u00f6m Ω": "Angstrom Omega",
        "70S\u201350S": "70S-50S",
        "Łódź m²": "Lodz m2",
        "Ĳsel µm": "IJsel um",
        "核糖体": "???",
    }
    for name, readable in names.items():
        np.testing.assert_array_equal(caption(name), caption(readable))
    assert len({caption(f"class {n}").tobytes() for n in range(3)}) == 3


def test_a_class_whose_name_cannot_be_drawn_is_shown_by_its_number():
    shown = [
        class_caption(name, number)
        for number, name in enumerate(["a_b", "Größe", "αβ", "核糖体", "рибосома", "?", "核1"])
    ]
    assert shown == ["a_b", "Größe", "αβ", "class 3", "class 4", "?", "class 6: ?1"]


def test_what_is_no_picture_is_told():
    with pytest.raises(FormatError, match="at least one"):
        thumbnail_sheet([])
    good = preview_png(ramp(20, 20))
    for bad in (b"", b"GIF89a", good[:60], good[:8] + b"\0" * 100):
        with pytest.raises(FormatError, match="thumbnail 1"):
            thumbnail_sheet([good, bad])
    with pytest.raises(FormatError, match="5000"):
        thumbnail_sheet([preview_png(np.zeros((5000, 2)), side=5000)])
