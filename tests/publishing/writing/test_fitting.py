"""Cutting and padding move pixels, and change none."""

import numpy as np
import pytest

from builders.publishing.writing.fitting import Fitting

RNG = np.random.default_rng(1)


def moved(image, shape):
    """An image about the centre of a box, and where in the box it came to lie."""
    sizes = [(min(n, m), n // 2, m // 2) for n, m in zip(image.shape, shape, strict=True)]
    box, there = np.zeros(shape, image.dtype), np.zeros(shape, bool)
    into = tuple(slice(half - size // 2, half - size // 2 + size) for size, _, half in sizes)
    box[into] = image[tuple(slice(half - size // 2, half - size // 2 + size) for size, half, _ in sizes)]
    there[into] = True
    return box, there


def any_bits(dtype, shape):
    """Pixels of all kinds that are there: of floats also denormals, and some of any magnitude."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return RNG.random(shape) < 0.3
    if kind.itemsize == 8 and kind.kind in "iu":
        return RNG.integers(0, 2**24, shape).astype(dtype)  # more are refused: no tensor of floats holds them
    pixels = np.frombuffer(RNG.bytes(int(np.prod(shape)) * kind.itemsize), kind).reshape(shape)
    return np.where(np.isfinite(pixels), pixels, kind.type(-0.0))


@pytest.mark.parametrize("shape", [(7, 10), (4, 5, 7)])
@pytest.mark.parametrize(
    "dtype", "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64".split()
)
def test_every_pixel_that_is_kept_keeps_its_bits(dtype, shape):
    pixels = any_bits(dtype, shape)
    for image in (pixels, pixels[..., ::-1], np.asfortranarray(pixels), pixels.astype(np.dtype(dtype).newbyteorder())):
        for crop, pad, size in [(3, None, 3), (None, 12, 12), (6, 6, 6), (5, 9, 9)]:
            found = Fitting(crop, pad)({"image": image})["image"]
            cut, _ = moved(image, [min(n, crop or n) for n in image.shape])
            expected, there = moved(cut, [size] * len(shape))
            assert found.dtype == dtype
            assert found.shape == there.shape
            assert found[there].tobytes() == expected[there].astype(dtype).tobytes()


@pytest.mark.parametrize("share", [0.2, 0.8])
def test_a_mask_is_padded_with_what_most_of_it_is(share):
    mask = np.arange(100).reshape(10, 10) < 100 * share
    found = Fitting(pad=12)({"image": mask})["image"]
    assert found.dtype == bool
    assert found.sum() == mask.sum() + 44 * (share > 0.5)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("pixels", [[1, 3, np.nan, np.inf], [np.nan, -np.inf, np.inf, np.nan]])
def test_pixels_that_are_not_finite_do_not_decide_what_is_padded_with(pixels, dtype):
    image = np.array([pixels], dtype)
    finite = image[np.isfinite(image)]
    expected = np.full((3, 4), finite.mean() if finite.size else 0, dtype)
    expected[1] = image
    np.testing.assert_array_equal(Fitting(pad=(3, 4))({"image": image})["image"], expected)


POSE = {"rot": 0.1, "tilt": 33.3, "psi": None, "shift_x": 0.5, "shift_y": None}


@pytest.mark.parametrize("others", [{}, {"label": [0.1, 0.2, 0.3, 0.4]}, {"path": "a.mrc", "pose": POSE}])
@pytest.mark.parametrize("shape", [(4, 9), (4, 5, 9)])
def test_columns_follow_whatever_lists_stand_beside_them(shape, others):
    """A list may be as long as a volume is deep."""
    row = {
        **{"image": np.zeros(shape, np.int8), "angles": [1, 2, 3, 4]},
        **{"coordinate_x": [1.5, 2.0, 8.0, 0.0], "coordinate_y": [1.0, 2.0, 3.0, 0.0]},
        **others,
    }
    found = Fitting(crop=3)(row)
    assert found.pop("image").shape == (3,) * len(shape)
    moved = {"coordinate_x": [x - 3 for x in row["coordinate_x"]]}
    moved["coordinate_y"] = [y - (shape[-2] // 2 - 1) for y in row["coordinate_y"]]
    assert found == {name: moved.get(name, value) for name, value in row.items() if name != "image"}
