import collections
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import perc_transforms as T
from perc_transforms.functional.spatial.orientation import orient, quarter_turns, turned_sizes
from perc_transforms.functional.spatial.rotation import rotate
from perc_transforms.spatial.orientation import RandomFlip, RandomRotate90

some = settings(max_examples=25)


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def symmetries(dims):
    """The 8 of the square, or the 48 of the cube."""
    for order in itertools.permutations(range(dims)):
        for signs in itertools.product((1, -1), repeat=dims):
            yield tuple(tuple(s * (o == place) for place in range(dims)) for o, s in zip(order, signs, strict=True))


def moved_pixel_by_pixel(x, element):
    """Content at p goes to element @ p, p = (x, y[, z]) from pixel n // 2, around the edges of even sides."""
    sizes = np.array(x.shape[::-1])
    y = torch.empty_like(x)
    for index in np.ndindex(*x.shape):
        place = np.array(index[::-1]) - sizes // 2
        goes_to = (np.array(element) @ place + sizes // 2) % sizes
        y[tuple(goes_to[::-1])] = x[index]
    return y


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("dims", [2, 3])
def test_each_symmetry_takes_each_pixel_where_its_matrix_says(n, dims):
    elements = list(symmetries(dims))
    x = randn(len(elements), *[n] * dims)
    y = orient(x, elements, spatial_dims=dims)
    for one, element, image in zip(x, elements, y, strict=True):
        assert torch.equal(image, moved_pixel_by_pixel(one, element))
        assert torch.equal(orient(one[None], [element], spatial_dims=dims)[0], image)


@some
@given(st.lists(st.integers(1, 9), min_size=2, max_size=3), st.data())
def test_unequal_sides_too(sizes, data):
    fitting = [e for e in symmetries(len(sizes)) if turned_sizes(sizes, e) == tuple(sizes)]
    element = data.draw(st.sampled_from(fitting))
    x = randn(*sizes)
    assert torch.equal(orient(x[None], [element], spatial_dims=x.ndim)[0], moved_pixel_by_pixel(x, element))


def test_there_are_4_and_24_rotations():
    for dims, count in ((2, 4), (3, 24)):
        turns = quarter_turns(dims)
        assert len(set(turns)) == count
        assert set(turns) == {e for e in symmetries(dims) if round(np.linalg.det(e)) == 1}


@pytest.mark.parametrize("n", [5, 6])
def test_at_odd_sizes_it_is_torchs_and_at_even_ones_line_0_stays(n):
    x = randn(1, n, n)
    flipped = orient(x, [((-1, 0), (0, 1))], spatial_dims=2)
    turned = orient(x, [((0, -1), (1, 0))], spatial_dims=2)  # from +x to +y: from columns to rows
    assert torch.equal(flipped, x.flip(-1) if n % 2 else x.flip(-1).roll(1, -1))
    expected = torch.rot90(x, 1, (2, 1))
    assert torch.equal(turned, expected if n % 2 else expected.roll(1, -1))
    if n % 2 == 0:
        assert torch.equal(flipped[..., 0], x[..., 0])


@pytest.mark.parametrize(("sizes", "dims"), [((7, 7), 2), ((8, 8), 2), ((5, 5, 5), 3), ((6, 6, 6), 3)])
@pytest.mark.parametrize("padding", ["mean", "reflection"])
def test_rotation_by_a_quarter_equals_random_rotate_90s(sizes, dims, padding):
    turns = quarter_turns(dims)
    x = randn(len(turns), *sizes)
    exact = orient(x, turns, spatial_dims=dims)
    y = rotate(x, torch.tensor(turns, dtype=torch.float64), spatial_dims=dims, padding=padding)
    inside = (..., *[slice(1 - n % 2, None) for n in sizes])  # line 0 of an even side has no other to come from
    torch.testing.assert_close(y[inside], exact[inside], atol=1e-9, rtol=0)


# drawing


@pytest.mark.parametrize(("dims", "flips", "turns", "both"), [(2, 4, 4, 8), (3, 8, 24, 48)])
def test_all_are_drawn_uniformly(dims, flips, turns, both):
    """And flips and rotations together give every symmetry as often as any other."""
    count = both * 16
    x = torch.arange(3.0**dims).view([3] * dims).expand(count, *[3] * dims) + torch.arange(count).view(-1, *[1] * dims)
    chain = [RandomFlip(spatial_dims=dims), RandomRotate90(spatial_dims=dims)]
    for transform, number in zip([*chain, T.Compose(chain)], [flips, turns, both], strict=True):
        y = transform(x) - torch.arange(count).view(-1, *[1] * dims)
        met = collections.Counter(image.numpy().tobytes() for image in y)
        assert len(met) == number
        expected = count / number
        chi_squared = sum((found - expected) ** 2 / expected for found in met.values())
        assert chi_squared < number + 4 * (2 * number) ** 0.5


@pytest.mark.parametrize(("axes", "dims"), [("x", 2), ("y", 3), ("zx", 3), (None, 3)])
def test_only_the_axes_asked_for_are_mirrored(axes, dims):
    rows = {"image": [randn(3, 4, 5)[:, :, :] if dims == 3 else randn(4, 5)] * 40, "path": list(map(str, range(40)))}
    out = RandomFlip(axes, record=True)(rows)
    flips = [record[0]["flip"] for record in out["transforms"]]
    for place, letter in enumerate("xyz"[:dims]):
        assert {flip[place] for flip in flips} == ({0, 1} if axes is None or letter in axes else {0})
    for image, flip in zip(out["image"], flips, strict=True):
        element = np.diag([-1 if f else 1 for f in flip])
        assert torch.equal(image, moved_pixel_by_pixel(rows["image"][0], element))


@pytest.mark.parametrize(
    ("sizes", "number"), [((4, 6), 2), ((4, 4, 6), 8), ((6, 4, 4), 8), ((3, 4, 5), 4), ((4, 4), 4)]
)
def test_unequal_sides_get_the_rotations_that_keep_them(sizes, number):
    images = [randn(*sizes)] * 150
    rows = {"image": images, "path": list(map(str, range(len(images))))}
    out = RandomRotate90(record=True)(rows)
    assert {tuple(image.shape) for image in out["image"]} == {sizes}
    assert len({str(record[0]["matrix"]) for record in out["transforms"]}) == number


@pytest.mark.parametrize("transform", [RandomFlip(record=True), RandomRotate90(record=True)], ids=repr)
@pytest.mark.parametrize("sizes", [(6, 6), (5, 5), (4, 4, 4), (2, 7, 7)])
def test_forms_agree_replay_repeats_and_the_input_stays(transform, sizes):
    images = [randn(*sizes, seed=seed) for seed in range(6)]
    before = [image.clone() for image in images]
    names = [{"path": "a", "index": place} for place in range(6)]
    one_by_one = [transform({"image": image, **name}) for image, name in zip(images, names, strict=True)]
    batch = transform({"image": torch.stack(images), "path": ["a"] * 6, "index": list(range(6))})
    for place, row in enumerate(one_by_one):
        assert torch.equal(batch["image"][place], row["image"])
        again = transform.replay({"image": images[place]}, row["transforms"])
        assert torch.equal(again["image"], row["image"])
        values = next(v for v in row["transforms"][0].values() if not isinstance(v, str))
        assert {type(v) for v in np.array(values, object).flatten()} == {int}
        row["image"].mul_(0)
    batch["image"].mul_(0)
    assert all(map(torch.equal, images, before))


def test_flipping_twice_is_the_identity():
    for sizes in ((5, 8), (6, 3, 4)):
        x = randn(*sizes)
        flip = RandomFlip()
        record = {"flip": [1] * len(sizes)}
        assert torch.equal(flip.replay(flip.replay(x, record), record), x)


def test_gradients_flow():
    elements = [((0, -1), (1, 0)), ((1, 0), (0, 1)), ((0, 1), (1, 0))]
    x = randn(3, 4, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: orient(x, elements, spatial_dims=2), x)
    assert torch.autograd.gradcheck(lambda x: orient(x, elements[:1] * 3, spatial_dims=2), x)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: RandomFlip("xw"), "RandomFlip.*axes is 'xw': expected different letters"),
        (lambda: RandomFlip("xx"), "axes is 'xx': expected"),
        (lambda: RandomFlip(""), "axes is '': expected"),
        (lambda: RandomFlip(0), "axes is 0: expected"),
        (
            lambda: RandomFlip("z")(randn(4, 4)),
            r"axes is 'z' for an image \(4, 4\) of the axes yx: expected .*'x', 'y'",
        ),
        (lambda: RandomFlip().replay(randn(4, 4), {"flip": [1, 0, 1]}), "a flip of 3 axes .*expected 2"),
        (lambda: RandomRotate90().replay(randn(4, 6), {"matrix": [[0, -1], [1, 0]]}), r"\(4, 6\): .*keeps the shape"),
        (lambda: RandomRotate90().replay(randn(4, 4), {"matrix": [[-1, 0], [0, 1]]}), "expected one by quarter turns"),
        (lambda: RandomRotate90(spatial_dims=4), "spatial_dims is 4"),
    ],
)
def test_what_is_wrong_is_told(make, complaint):
    with pytest.raises(T.TransformError, match=complaint):
        make()
