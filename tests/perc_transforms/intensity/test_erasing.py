"""Cutout: boxes whole inside the image, everywhere alike, and nothing else touched."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import perc_transforms as T
from perc_transforms.functional.intensity.erasing import cutout

SIDES = {2: st.integers(1, 65), 3: st.integers(1, 20)}


def image(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@st.composite
def cases(draw):
    """Sizes of images, a size that fits, and how many."""
    dims = draw(st.sampled_from([2, 3]))
    sizes = [draw(SIDES[dims]) for _ in range(dims)]
    return sizes, [draw(st.integers(1, n)) for n in sizes], draw(st.integers(0, 4))


def cut_by_hand(x, corners, size, value):
    """One image, box after box."""
    expected = x.numpy().copy()
    for corner in corners:
        expected[tuple(slice(c, c + m) for c, m in zip(corner, size, strict=True))] = value
    return expected


@settings(max_examples=40)
@given(cases(), st.sampled_from(["mean", 0, -2.5]), st.sampled_from([torch.float32, torch.float64]))
def test_the_recorded_boxes_are_replaced_and_nothing_else(case, fill, dtype):
    sizes, size, number = case
    x = image(*sizes).to(dtype)
    before = x.clone()
    done = T.Cutout(size, number, fill, record=True)({"image": x, "id": 1})
    [record] = done["transforms"]
    assert len(record["corner"]) == number
    assert record["size"] == size[::-1]
    corners = [corner[::-1] for corner in record["corner"]]
    assert all(0 <= c <= n - m for corner in corners for c, n, m in zip(corner, sizes, size, strict=True))
    value = float(x.double().mean()) if fill == "mean" else fill
    np.testing.assert_allclose(done["image"], cut_by_hand(x, corners, size, value), rtol=1e-6, atol=1e-7)
    assert done["image"].dtype == dtype
    assert torch.equal(x, before)
    assert number or torch.equal(done["image"], x)


@settings(max_examples=25)
@given(cases())
def test_images_with_boxes_of_their_own_equal_one_by_one(case):
    sizes, size, number = case
    dims = len(sizes)
    x = image(2, 3, *sizes)
    corners = torch.stack(
        [torch.randint(0, n - m + 1, (2, 3, max(number, 1))) for n, m in zip(sizes, size, strict=True)], -1
    )
    found = cutout(x, corners, torch.tensor(size), spatial_dims=dims)
    for i, j in np.ndindex(2, 3):
        expected = cut_by_hand(x[i, j], corners[i, j].tolist(), size, float(x[i, j].mean()))
        np.testing.assert_allclose(found[i, j], expected)
    one = cutout(x, corners[0, 0], torch.tensor(size), spatial_dims=dims, fill=3.0)
    np.testing.assert_allclose(one[1, 2], cut_by_hand(x[1, 2], corners[0, 0].tolist(), size, 3.0))


@pytest.mark.parametrize("value", [0.1, -7.7, 1e6, 123.456])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_image_stays_it(value, dtype):
    x = torch.full((31, 64), value, dtype=dtype)
    torch.testing.assert_close(T.Cutout(9, 3)(x), x, rtol=8 * torch.finfo(dtype).eps, atol=0)


def test_every_place_is_as_likely():
    count = 2000
    batch = {"image": torch.zeros(count, 4, 5), "id": list(range(count))}
    records = T.Cutout((2, 3), fill=1.0, record=True)(batch)["transforms"]
    corners = np.array([record["corner"][0] for [record] in records])
    met, times = np.unique(corners, axis=0, return_counts=True)
    assert len(met) == 9
    expected = count / 9
    assert ((times - expected) ** 2 / expected).sum() < 26.1  # chi squared of 8, one in a thousand


def test_a_size_in_angstrom_is_by_each_rows_pixel_size():
    rows = {"image": [torch.ones(20, 20)] * 3, "pixel_size": [1.0, 2.0, 100.0], "id": [0, 1, 2]}
    cut = T.Cutout(size_angstrom=10.0, fill=0.0, record=True)(rows)
    assert [int((one == 0).sum()) for one in cut["image"]] == [100, 25, 1]
    assert [record["size"] for [record] in cut["transforms"]] == [[10, 10], [5, 5], [1, 1]]
    per_axis = T.Cutout(size_angstrom=(10.0, 4.0), fill=0.0)(rows)
    assert [int((one == 0).sum()) for one in per_axis["image"]] == [40, 10, 1]
    for missing in (None, math.nan, 0.0):
        with pytest.raises(T.TransformError, match=r"Cutout\(.*pixel_size is .*give size in pixels"):
            T.Cutout(size_angstrom=10.0)({"image": torch.ones(20, 20), "pixel_size": missing})


def test_the_frames_of_a_movie_lose_the_same_places_and_keep_their_means():
    movie = torch.arange(3.0)[:, None, None] + image(3, 8, 8).float()
    done = T.Cutout(3, spatial_dims=2, record=True)({"image": movie, "path": "a"})
    x, y = done["transforms"][0]["corner"][0]
    for frame, before in zip(done["image"], movie, strict=True):
        torch.testing.assert_close(frame[y : y + 3, x : x + 3], before.mean().expand(3, 3))
    assert torch.equal((done["image"] != movie).sum((1, 2)), torch.tensor([9, 9, 9]))


def test_gradients_flow_past_the_boxes_and_through_the_mean():
    x = image(2, 4, 5).requires_grad_()
    corners, size = torch.tensor([[[0, 1]], [[2, 2]]]), torch.tensor([2, 3])
    assert torch.autograd.gradcheck(lambda x: cutout(x, corners, size, spatial_dims=2), (x,))
    assert torch.autograd.gradcheck(lambda x: cutout(x, corners, size, spatial_dims=2, fill=2.0), (x,))


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: T.Cutout(), "expected size"),
        (lambda: T.Cutout(2, size_angstrom=2), "one of them"),
        (lambda: T.Cutout(0), "size=0"),
        (lambda: T.Cutout(2.5), "size=2.5"),
        (lambda: T.Cutout(True), "size=True"),
        (lambda: T.Cutout(()), r"size=\(\)"),
        (lambda: T.Cutout((3, -1)), r"size=\(3, -1\)"),
        (lambda: T.Cutout(size_angstrom=-3.0), "size_angstrom=-3.0"),
        (lambda: T.Cutout(size_angstrom=(3.0, "a")), "size_angstrom="),
        (lambda: T.Cutout(2, -1), "number is -1"),
        (lambda: T.Cutout(2, 1.5), "number is 1.5"),
        (lambda: T.Cutout(2, fill="median"), "fill is 'median': expected 'mean' or a number"),
        (lambda: T.Cutout(2, fill=None), "fill is None"),
        (lambda: T.Cutout(9)(torch.ones(8, 12)), r"\(9, 9\) pixels of an image of \(8, 12\)"),
        (lambda: T.Cutout((2, 2))(torch.ones(4, 4, 4)), "2 numbers for an image of 3"),
    ],
)
def test_wrong_options_and_sizes_are_told(make, complaint):
    with pytest.raises(T.TransformError, match="Cutout.*" + complaint) as caught:
        make()
    assert "expected" in str(caught.value)
