"""Picks drawn as labels: against the definition, pixel by pixel."""

import pickle

import numpy as np
import pytest
import torch

import perc_transforms as T
import perc_transforms.functional as F
from perc_transforms.functional.spatial import pick_map

SHAPES = {2: (17, 21), 3: (11, 14, 16)}


def row(dims, count=9, seed=0, classes=4):
    rng = np.random.default_rng(seed)
    shape = SHAPES[dims]
    points = rng.uniform(-3, np.array(shape[::-1]) + 2, (count, dims))
    picks = {"pixels": points, "label": rng.integers(0, classes, count), "rotation": None}
    return {"image": torch.zeros(shape), "pixel_size": 2.0, "picks": picks, "path": "a", "index": seed}


def distances(one):
    """Of every pixel from every pick, `(picks, *shape)`; least over all pixels, of a pick in an endless image."""
    points = one["picks"]["pixels"]
    axes = np.meshgrid(*map(np.arange, one["image"].shape), indexing="ij")
    squares = [sum((axis - c) ** 2 for axis, c in zip(axes, point[::-1], strict=True)) for point in points]
    return np.sqrt(squares), np.linalg.norm(points - np.floor(points + 0.5), axis=1)


def drawn_labels(one, radii):
    apart, least = distances(one)
    radii = np.maximum(radii, least + 1e-9).reshape(-1, *[1] * (apart.ndim - 1))
    apart = np.where(apart <= radii, apart, np.inf)
    return np.where(np.isinf(apart.min(0)), 0, one["picks"]["label"][apart.argmin(0)] + 1)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("radius", [0.2, 1.0, 3.3, 40.0])
def test_a_pixel_within_the_radius_is_of_the_nearest_pick(dims, radius):
    for seed in range(3):
        one = row(dims, seed=seed)
        out = T.PickMap(radius)(one)
        np.testing.assert_array_equal(out["labels"].numpy(), drawn_labels(one, np.full(9, radius)))
        assert out["labels"].dtype == torch.int64
        assert all(out["picks"][name] is value for name, value in one["picks"].items())
        in_angstrom = T.PickMap(radius_angstrom=2 * radius)(one)["labels"]
        assert torch.equal(in_angstrom, out["labels"])


@pytest.mark.parametrize("dims", [2, 3])
def test_radii_by_class_and_classes_that_are_left_out(dims):
    one = row(dims)
    radii = {0: 1.5, 1: 2.0, 2: 4.0, 3: 3.0}
    expected = drawn_labels(one, np.array([radii[label] for label in one["picks"]["label"]]))
    for transform in (T.PickMap(radii), T.PickMap(list(radii.values())), T.PickMap(radii, classes=4)):
        np.testing.assert_array_equal(transform(one)["labels"].numpy(), expected)
    some = np.isin(one["picks"]["label"], (1, 3))
    fewer = {**one, "picks": {name: one["picks"][name][some] for name in ("pixels", "label")}}
    expected = T.PickMap(2.5)(fewer)["labels"]
    assert {0} < set(expected.unique().tolist()) <= {0, 2, 4}
    assert torch.equal(T.PickMap(2.5, classes=[1, 3])(one)["labels"], expected)
    assert torch.equal(T.PickMap({1: 2.5, 3: 2.5})(one)["labels"], expected)
    channels = T.PickMap(2.5, classes=[3, 1], channels=True)(one)["labels"]
    assert (channels.shape, channels.dtype) == ((2, *SHAPES[dims]), torch.float32)
    for channel, label in zip(channels, (3, 1), strict=True):
        assert torch.equal(channel, (T.PickMap(2.5, classes=[label])(one)["labels"] > 0).float())


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("radius", [0.4, 3.0, 5.5])
def test_a_gaussian_is_one_where_a_pick_is(dims, radius):
    one = row(dims)
    apart, least = distances(one)
    least = least.reshape(-1, *[1] * dims)
    values = np.exp(-(apart**2 - least**2) / (2 * (radius / 3) ** 2))
    values[apart > np.maximum(radius, least + 1e-9)] = 0
    heat = T.PickMap(radius, shape="gaussian")(one)["labels"]
    assert heat.dtype == torch.float32
    np.testing.assert_allclose(heat.numpy(), values.max(0), atol=1e-5)
    inside = np.floor(one["picks"]["pixels"] + 0.5).astype(int)
    inside = inside[((inside >= 0) & (inside < SHAPES[dims][::-1])).all(1)]
    assert len(inside)
    assert (heat.numpy()[tuple(inside.T[::-1])] == 1).all()
    channels = T.PickMap(radius, shape="gaussian", classes=4, channels=True)(one)["labels"]
    assert torch.equal(channels.amax(0), heat)


def test_of_equally_near_picks_the_lower_class_wins_in_any_order():
    for order in ([0, 1], [1, 0]):
        points, labels = torch.tensor([[1.0, 0.0], [3.0, 0.0]])[order], torch.tensor([7, 2])[order]
        drawn = F.pick_map(points, torch.full((2,), 2.0), (1, 1, 5), labels=labels)
        assert drawn.flatten().tolist() == [8, 8, 3, 3, 3]


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("options", [{}, {"shape": "gaussian"}, {"classes": 4, "channels": True}])
@pytest.mark.parametrize("radius", [7.2, 150.0, 1e9, 1e300])
def test_what_is_looked_at_grows_with_the_image_and_not_with_the_radius(dims, options, radius, monkeypatch):
    one, seen, arange = row(dims, count=3), [], torch.arange

    def counted(*args, **known):
        seen.append(arange(*args, **known))
        return seen[-1]

    monkeypatch.setattr(torch, "arange", counted)
    whole = T.PickMap(radius, **options)(one)["labels"]
    assert seen
    assert max(map(len, seen)) <= max(SHAPES[dims])
    monkeypatch.setattr(pick_map, "_AT_ONCE", 50)  # layer by layer
    seen.clear()
    assert torch.equal(T.PickMap(radius, **options)(one)["labels"], whole)
    assert len(seen) > 3 * dims
    if not options:
        np.testing.assert_array_equal(whole.numpy(), drawn_labels(one, np.full(3, radius)))


@pytest.mark.parametrize("place", [-0.5, -0.6, 5.5])
def test_a_small_pick_whose_nearest_pixel_is_outside_draws_nothing(place):
    drawn = F.pick_map(torch.tensor([[place, 0.0]]), torch.tensor([0.2]), (1, 1, 6))
    assert drawn.any() == (place == -0.5)  # which is as near to pixel 0 as to the one outside, and counts as its


def test_rows_of_all_forms_and_of_no_picks(monkeypatch):
    rows = [row(3, count, seed) for seed, count in enumerate((5, 0, 9))]
    transform = pickle.loads(pickle.dumps(T.PickMap({0: 2.0, 1: 1.0, 2: 3.0, 3: 1.5})))
    expected = [transform(one)["labels"] for one in rows]
    assert not expected[1].any()
    monkeypatch.setattr(pick_map, "_AT_ONCE", 100)

    def made(change):
        return [
            {**one, "picks": {k: None if v is None else change(v) for k, v in one["picks"].items()}} for one in rows
        ]

    lists, tensors = made(np.ndarray.tolist), made(torch.tensor)
    for some in (rows, lists, tensors):
        batch = transform({name: [one[name] for one in some] for name in some[0]})
        assert all(map(torch.equal, batch["labels"], expected))
        assert torch.equal(transform(T.collate(some))["labels"], torch.stack(expected))
    assert torch.equal(T.collate([transform(one) for one in tensors])["labels"], torch.stack(expected))


def test_a_micrographs_picks_are_of_one_class():
    image = {"image": torch.rand(9, 12), "picks": [[3.0, 4.0], [10.6, 1.0]]}
    labels = T.PickMap(1.0)(image)["labels"]
    assert labels.nonzero().tolist() == [[1, 10], [1, 11], [3, 3], [4, 2], [4, 3], [4, 4], [5, 3]]
    assert labels.max() == 1


@pytest.mark.parametrize("transform", [T.RandomRotate90(), T.RandomFlip(), T.RandomCrop((8, 9, 10)), T.CenterCrop(9)])
def test_balls_drawn_before_a_move_are_those_drawn_after_it(transform):
    one = row(3, 60)
    inside = ((one["picks"]["pixels"] > 3) & (one["picks"]["pixels"] < np.array(SHAPES[3][::-1]) - 4)).all(1)
    few = {**one, "picks": {name: one["picks"][name][inside] for name in ("pixels", "label")}}
    assert inside.any()
    first, last = (T.Compose(chain)(few) for chain in ([T.PickMap(2.3), transform], [transform, T.PickMap(2.3)]))
    both = (last["labels"] > 0) & (first["labels"] > 0)
    assert torch.equal(first["labels"][both], last["labels"][both])
    if "Crop" not in repr(transform):  # which drops picks whose balls reach in
        assert torch.equal(first["labels"], last["labels"])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, r"expected radius \(pixels\) or radius_angstrom"),
        ({"radius": 2.0, "radius_angstrom": 20.0}, "one of them"),
        ({"radius": 0.0}, "above 0"),
        ({"radius": {"ribosome": 3.0}}, "by class, whole numbers from 0"),
        ({"radius": []}, "expected radius"),
        ({"radius": 2.0, "shape": "cube"}, "shape is 'cube': expected 'ball' or 'gaussian'"),
        ({"radius": 2.0, "classes": 0}, "classes is 0"),
        ({"radius": 2.0, "classes": [1, 1]}, r"classes is \[1, 1\]"),
        ({"radius": 2.0, "channels": True}, "channels=True needs classes="),
        ({"radius": 2.0, "channels": 1}, "expected True or False"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, told):
    with pytest.raises(T.TransformError, match=told):
        T.PickMap(**options)


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_places_alone_are_of_the_classes_beside_them(kind):
    one = row(2)
    points, labels = one["picks"]["pixels"][:, :2], one["picks"]["label"]
    alone = {**one, "picks": kind(points.tolist())}
    of_classes = T.PickMap(3.0)({**alone, "label": kind(labels.tolist())})
    assert torch.equal(of_classes["labels"], T.PickMap(3.0)(one)["labels"])
    assert np.array_equal(of_classes["label"], labels)
    nothing = {**one["picks"], "label": np.zeros_like(labels)}
    of_one = T.PickMap(3.0)({**one, "picks": nothing})["labels"]
    for label in (None, 3):  # the row's own class, or none: nothing of its picks
        assert torch.equal(T.PickMap(3.0)({**alone, "label": label})["labels"], of_one)


def test_rows_that_cannot_be_drawn_are_named():
    one = row(3)
    with pytest.raises(T.TransformError, match=r"^a, index 0: PickMap.*are null.*There is no column 'picks' at all"):
        T.PickMap(2.0)({name: value for name, value in one.items() if name != "picks"})
    with pytest.raises(T.TransformError, match=r"expected places \(x, y, z\)"):
        T.PickMap(2.0)({**one, "picks": [[1.0, 2.0]]})
    with pytest.raises(T.TransformError, match=r"a pick of class [23]: expected a radius for it"):
        T.PickMap([1.0, 2.0], classes=4)(one)
    with pytest.raises(T.TransformError, match="expected 9 classes from 0"):
        T.PickMap(2.0)({**one, "picks": {**one["picks"], "label": one["picks"]["label"] - 2}})
    with pytest.raises(T.TransformError, match="give radius in pixels"):
        T.PickMap(radius_angstrom=20.0)({**one, "pixel_size": None})
    with pytest.raises(T.TransformError, match="PickMap"):
        T.PickMap(2.0)(torch.zeros(4, 4))


def test_repr_makes_it_again():
    for transform in (
        T.PickMap(2.0),
        T.PickMap(radius_angstrom={0: 80.0}, shape="gaussian", classes=[0], channels=True),
    ):
        assert repr(eval(repr(transform), {"PickMap": T.PickMap})) == repr(transform)
