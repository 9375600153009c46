import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import perc_transforms as T
from perc_transforms.functional.spatial.cropping import center_crop, crop, pad, pad_with_noise
from perc_transforms.spatial.cropping import CenterCrop, Pad, RandomCrop


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@st.composite
def boxes(draw, margin=0):
    """A smaller and a larger shape."""
    dims = draw(st.sampled_from([2, 3]))
    side = st.integers(1, 65 if dims == 2 else 14)
    small = tuple(draw(side) for _ in range(dims))
    return small, tuple(n + draw(st.integers(margin, 20 if dims == 2 else 9)) for n in small)


some = settings(max_examples=25)


@some
@given(boxes(), st.sampled_from(["constant", "reflect", "noise"]), st.sampled_from([torch.float32, torch.float64]))
def test_a_crop_undoes_a_pad(shapes, mode, dtype):
    small, large = shapes
    x = randn(2, *small, dtype=dtype)
    padded = Pad(large, mode, spatial_dims=len(small))(x)
    assert padded.shape == (2, *large)
    assert padded.dtype == dtype
    assert torch.equal(CenterCrop(small, spatial_dims=len(small))(padded), x)


@some
@given(boxes())
def test_the_centre_stays_the_centre(shapes):
    small, large = shapes
    for sizes, change in ((large, lambda x: center_crop(x, small, spatial_dims=x.ndim)), (small, enlarged(large))):
        x = torch.zeros(sizes)
        x[tuple(n // 2 for n in sizes)] = 1
        y = change(x)
        assert y.sum() == 1
        assert y[tuple(n // 2 for n in y.shape)] == 1


def enlarged(shape):
    return lambda x: pad(x, shape, spatial_dims=x.ndim)


@some
@given(boxes(), st.sampled_from(["constant", "reflect"]))
def test_pad_is_numpys(shapes, mode):
    small, large = shapes
    x = randn(*small)
    before = [m // 2 - n // 2 for n, m in zip(small, large, strict=True)]
    sides = [(b, m - n - b) for b, n, m in zip(before, small, large, strict=True)]
    expected = np.pad(x.numpy(), sides, mode=mode, **({"constant_values": 7.5} if mode == "constant" else {}))
    y = pad(x, large, spatial_dims=len(small), mode=mode, value=7.5)
    np.testing.assert_array_equal(y.numpy(), expected)


def test_a_mirror_of_one_pixel_is_that_pixel():
    assert torch.equal(pad(torch.full((1, 1), 3.0), (4, 5), spatial_dims=2, mode="reflect"), torch.full((4, 5), 3.0))


@pytest.mark.parametrize("shape", [(32, 32), (31, 40), (16, 17, 18)])
def test_noise_has_the_mean_and_the_deviation_of_the_background(shape):
    dims = len(shape)
    x = 1000 + 3 * randn(2, *shape)
    axes = [np.arange(n) - n // 2 for n in shape]
    radius = np.sqrt(sum(a**2 for a in np.meshgrid(*axes, indexing="ij")))
    outside = torch.from_numpy(radius > 0.375 * min(shape))
    x[:, ~outside] += 500
    large = tuple(4 * n if dims == 2 else 2 * n for n in shape)
    y = Pad(large, "noise", spatial_dims=dims)(x)
    added = torch.ones(large, dtype=torch.bool)
    start = [m // 2 - n // 2 for n, m in zip(shape, large, strict=True)]
    added[tuple(slice(s, s + n) for s, n in zip(start, shape, strict=True))] = False
    for one, padded in zip(x, y, strict=True):
        noise, mean, std = padded[added], one[outside].mean(), one[outside].std(correction=0)
        pixels = len(noise)
        assert abs(noise.mean() - mean) < 4 * std / math.sqrt(pixels)
        assert abs(noise.std() - std) < 4 * std / math.sqrt(2 * pixels)
    assert not torch.equal(y[0][added], y[1][added])


@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (3, 3), (1, 9), (5, 1, 2)])
def test_noise_around_the_smallest_images_is_finite_and_of_constant_ones_constant(shape):
    padded = Pad(12, "noise")(torch.full(shape, -7.3))
    assert torch.equal(padded, torch.full_like(padded, -7.3))
    assert Pad(12, "noise")(randn(*shape)).isfinite().all()


def test_only_noise_is_drawn_and_recorded():
    row = {"image": randn(6, 6), "path": "a", "index": 1}
    noisy = Pad(12, "noise", record=True)
    out = noisy(row)
    assert [sorted(record) for record in out["transforms"]] == [["seed", "transform"]]
    assert torch.equal(noisy.replay(row, out["transforms"])["image"], out["image"])
    assert torch.equal(noisy({**row, "other": 1})["image"], out["image"])
    assert not torch.equal(noisy({**row, "index": 2})["image"], out["image"])
    assert not torch.equal(Pad(12, "noise", seed=1)(row)["image"], out["image"])
    assert "transforms" not in Pad(12, record=True)(row)
    chain = T.Compose([Pad(12, record=True), RandomCrop(5, record=True), Pad(9, "reflect")])
    out = chain(row)
    assert [record["transform"] for record in out["transforms"]] == ["RandomCrop"]
    assert torch.equal(chain.replay(row, out["transforms"])["image"], out["image"])


# random crops


@some
@given(boxes(), st.integers(0, 5))
def test_a_random_crop_is_the_part_from_its_corner(shapes, seed):
    small, large = shapes
    row = {"image": randn(*large), "path": "a", "index": seed}
    out = RandomCrop(small, record=True, spatial_dims=len(large))(row)
    corner = out["transforms"][0]["corner"][::-1]
    assert all(type(c) is int and 0 <= c <= n - m for c, n, m in zip(corner, large, small, strict=True))
    part = tuple(slice(c, c + m) for c, m in zip(corner, small, strict=True))
    assert torch.equal(out["image"], row["image"][part])


def test_corners_are_uniform_over_all_that_fit():
    x = torch.arange(4 * 5.0).view(4, 5)
    count = 480
    y = RandomCrop((3, 2), spatial_dims=2)(x.expand(count, 4, 5) + torch.arange(count)[:, None, None] * 100)
    corners = (y[:, 0, 0] - torch.arange(count) * 100).long()
    met = torch.bincount(corners, minlength=20).double()
    possible = torch.tensor([r * 5 + c for r in range(2) for c in range(4)])
    assert met[possible].sum() == count
    expected = count / 8
    chi_squared = float(((met[possible] - expected) ** 2 / expected).sum())
    assert chi_squared < 24.3, "7 degrees of freedom: less often than once in a thousand"


def test_a_random_crop_of_the_whole_is_the_whole():
    x = randn(3, 7, 8)
    assert torch.equal(RandomCrop((7, 8), spatial_dims=2)(x), x)


def test_a_corner_that_does_not_fit_is_told():
    for corner in ([4, 0], [0, -1]):
        with pytest.raises(T.TransformError, match=r"RandomCrop.*of an image of \(6, 6\): expected one inside"):
            RandomCrop(3).replay(randn(6, 6), {"corner": corner})


def test_a_movie_is_cropped_as_one():
    movie = randn(5, 9, 9)
    out = RandomCrop(4, spatial_dims=2)({"image": movie, "path": "a"})["image"]
    frame = RandomCrop(4, spatial_dims=2)({"image": movie[2], "path": "a"})["image"]
    assert out.shape == (5, 4, 4)
    assert torch.equal(out[2], frame)


# sizes in Å


ANGSTROM = [
    CenterCrop(size_angstrom=24.0),
    RandomCrop(size_angstrom=24.0, record=True),
    Pad(size_angstrom=48.0),
    Pad(None, "noise", size_angstrom=48.0, record=True),
    Pad(None, "reflect", size_angstrom=[48.0, 60.0]),
]


@pytest.mark.parametrize("transform", ANGSTROM, ids=repr)
def test_sizes_in_angstrom_go_by_each_rows_pixel_size(transform):
    sizes, wanted = [2.0, 3.0, 2.0, 2.9], transform.size_angstrom
    rows = [
        {"image": randn(16, 16, seed=place), "pixel_size": size, "path": "a", "index": place}
        for place, size in enumerate(sizes)
    ]
    batch = transform({name: [row[name] for row in rows] for name in rows[0]})
    for place, row in enumerate(rows):
        lengths = wanted if isinstance(wanted, list) else [wanted] * 2
        one = transform(row)
        assert one["image"].shape == tuple(round(length / row["pixel_size"]) for length in lengths)
        assert torch.equal(batch["image"][place], one["image"])
        assert batch["pixel_size"][place] == row["pixel_size"]
        if "transforms" in one:
            assert batch["transforms"][place] == one["transforms"]
            assert torch.equal(transform.replay(row, one["transforms"])["image"], one["image"])
    stacked = transform({"image": torch.stack([r["image"] for r in rows]), "pixel_size": sizes, "path": ["a"] * 4})
    assert len(stacked["image"]) == 4
    assert CenterCrop(size_angstrom=0.1)(rows[0])["image"].shape == (1, 1)
    for missing in (None, 0.0, math.nan):
        with pytest.raises(T.TransformError, match=r"pixel_size is .*: give size in pixels, or a pixel_size in Å"):
            transform({**rows[0], "pixel_size": missing})


# bad input


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: CenterCrop(), r"CenterCrop\(\): expected size"),
        (lambda: CenterCrop(4, size_angstrom=3.0), r"size_angstrom=3.0\): expected size"),
        (lambda: CenterCrop(0), r"CenterCrop\(size=0\): expected"),
        (lambda: CenterCrop(2.5), r"CenterCrop\(size=2.5\): expected"),
        (lambda: CenterCrop(True), r"CenterCrop\(size=True\): expected"),
        (lambda: CenterCrop([]), r"CenterCrop\(size=\[\]\): expected"),
        (lambda: RandomCrop(size_angstrom=-1.0), r"RandomCrop\(size_angstrom=-1.0\): expected"),
        (lambda: RandomCrop(size_angstrom=math.nan), r"RandomCrop\(size_angstrom=nan\): expected"),
        (lambda: RandomCrop(size_angstrom="9"), r"RandomCrop\(size_angstrom='9'\): expected"),
        (lambda: Pad(), r"Pad\(\): expected size"),
        (lambda: Pad(5, "edge"), "mode is 'edge': expected 'constant', 'reflect' or 'noise'"),
        (lambda: CenterCrop(9)(randn(8, 9)), r"CenterCrop\(size=9\): .*\(9, 9\) of an image of \(8, 9\).*Pad it first"),
        (lambda: RandomCrop(9)(randn(8, 9)), r"RandomCrop\(size=9\): .*\(9, 9\) of an image of \(8, 9\).*Pad it"),
        (lambda: Pad(8)(randn(8, 9)), r"Pad\(size=8\): a box of \(8, 8\) for an image of \(8, 9\).*CenterCrop"),
        (lambda: Pad(8, "noise")(randn(8, 9)), r"Pad\(size=8.*: a box of \(8, 8\) for an image of \(8, 9\)"),
        (
            lambda: CenterCrop((2, 2))(randn(4, 4, 4)),
            r"2 numbers for an image of 3 spatial axes \(4, 4, 4\): expected 3",
        ),
        (lambda: Pad(8, value="x"), "value is 'x': expected a number"),
        (lambda: Pad(8, value=math.inf), "value is inf: expected a number"),
    ],
)
def test_what_is_wrong_is_told(make, complaint):
    with pytest.raises(T.TransformError, match=complaint):
        make()


# the functions


def test_gradients_flow_and_inputs_are_left_alone():
    x = randn(2, 5, 6)
    made = randn(2, 9, 9, seed=1)
    functions = {
        "center_crop": lambda x: center_crop(x, (3, 6), spatial_dims=2),
        "crop": lambda x: crop(x, [(0, 0), (1, 2)], (4, 3)),
        "constant": lambda x: pad(x, (9, 7), spatial_dims=2, value=2.0),
        "reflect": lambda x: pad(x, (17, 6), spatial_dims=2, mode="reflect"),
        "same": lambda x: pad(x, (5, 6), spatial_dims=2, mode="reflect"),
        "same constant": lambda x: pad(x, (5, 6), spatial_dims=2),
        "same crop": lambda x: center_crop(x, (5, 6), spatial_dims=2),
        "noise": lambda x: pad_with_noise(x, made, spatial_dims=2),
    }
    for name, function in functions.items():
        before = x.clone()
        function(x).mul_(0)
        assert torch.equal(x, before), name
        assert torch.autograd.gradcheck(function, x.clone().requires_grad_()), name
    constant = torch.ones(1, 4, 4, requires_grad=True)
    pad_with_noise(constant, made[:1].float(), spatial_dims=2).sum().backward()
    assert constant.grad.isfinite().all()
