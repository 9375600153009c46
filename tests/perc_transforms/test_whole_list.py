"""What holds for every transform of the list, in every form that data comes in."""

import copy
import dataclasses
import inspect
import math
import pickle

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, Value
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, default_collate

import perc_transforms as T
from builders import EMImage
from tests.perc_transforms import catalogue
from tests.perc_transforms.catalogue import CASES, IDS, OTHERS, batch, rows

everything = pytest.mark.parametrize(("name", "transform", "dims"), CASES, ids=IDS)


def agree(found, expected, name=""):
    """Whether two rows are the same, but for the kind of container that a value is in."""
    if isinstance(expected, dict):
        assert set(found) == set(expected), name
        for key in expected:
            agree(found[key], expected[key], f"{name}.{key}")
    elif expected is None and isinstance(found, dict):  # as the torch format has a struct that is null
        agree(found, dict.fromkeys(found), name)
    elif isinstance(expected, str) or expected is None:
        assert found == expected or (expected is None and math.isnan(found)), name
    elif isinstance(expected, list):
        assert len(found) == len(expected), name
        for one, other in zip(found, expected, strict=True):
            agree(one, other, name)
    else:
        found, expected = (np.asarray(v, np.float64) for v in (found, expected))
        np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-4, err_msg=name)


def at(data, place):
    """One row of a batch, whatever its columns are."""
    if isinstance(data, dict):
        return {name: at(values, place) for name, values in data.items()}
    return data[place]


def test_every_transform_is_in_the_catalogue():
    public = {
        name for name in T.__all__ if inspect.isclass(getattr(T, name)) and issubclass(getattr(T, name), T.Transform)
    }
    assert public - {"Transform", "RandomTransform"} == {name.split()[0] for name, _, _ in CASES} | OTHERS


@everything
def test_every_form_gives_what_one_row_gives(name, transform, dims):
    data = rows(dims)
    expected = [transform(row) for row in data]
    for one in expected:
        assert isinstance(one["image"], torch.Tensor)
        assert one["image"].dtype == torch.float32
        assert one["label"] in (0, 1, 2)
    listed = transform(batch(data))
    collated = transform(default_collate(data))
    assert isinstance(listed["image"], list)
    assert isinstance(collated["image"], torch.Tensor)
    reversed_batch = transform(batch(data[::-1]))
    for place, one in enumerate(expected):
        agree(at(listed, place), one, name)
        agree(at(reversed_batch, len(data) - 1 - place), one, name)
        if not (name == "RandomFlip" and any(row["pose"] is None for row in expected)):
            agree(at(collated, place), one, name)


@everything
def test_a_list_of_unequal_sizes_gives_what_one_row_gives(name, transform, dims):
    data = rows(dims)
    data[1]["image"] = np.ascontiguousarray(np.pad(data[1]["image"], 1, mode="edge"))
    expected = [transform(row) for row in data]
    mixed = transform(batch(data))
    for place, one in enumerate(expected):
        agree(at(mixed, place), one, name)


@settings(max_examples=80)
@given(st.sampled_from(CASES), st.data())
def test_a_batch_of_any_sizes_gives_what_one_row_gives(case, data):
    name, transform, dims = case
    sides = st.integers(1, 65 if dims == 2 else 14)
    shapes = data.draw(st.lists(st.tuples(*[sides] * dims), min_size=1, max_size=2))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    some = [catalogue.row(number, data.draw(st.sampled_from(shapes))) for number in range(3)]
    for one in some:
        one["image"] = one["image"].astype(dtype)
    try:
        expected = [transform(one) for one in some]
    except T.TransformError:  # an image too small for it
        with pytest.raises(T.TransformError):
            transform(batch(some))
        return
    found = transform(batch(some))
    for place, one in enumerate(expected):
        agree(at(found, place), one, name)


@everything
def test_the_input_is_left_alone_and_the_result_is_not_its_memory(name, transform, dims):
    data = rows(dims)
    before = copy.deepcopy(data)
    results = [transform(row) for row in data] + [transform(batch(data))]
    for one in results[:-1]:
        if name != "ToTensor":
            one["image"].mul_(0)
    for row, old in zip(data, before, strict=True):
        agree(row, old)


@everything
def test_it_pickles_and_its_repr_makes_it_again(name, transform, dims):
    data = rows(dims)[1]
    expected = transform(data)
    agree(pickle.loads(pickle.dumps(transform))(data), expected)
    if name != "Compose":
        again = eval(repr(transform), {public: getattr(T, public) for public in T.__all__})
        assert repr(again) == repr(transform)
        agree(again(data), expected)


OPTIONS = [
    (name, transform, option)
    for name, transform, dims in CASES
    if dims == 2 and name != "Compose"
    for option in dataclasses.fields(transform)
    if isinstance(getattr(transform, option.name), int | float | None)
]


@pytest.mark.parametrize(("name", "transform", "option"), OPTIONS, ids=[f"{n} {o.name}" for n, _, o in OPTIONS])
def test_a_numpy_number_is_an_option_and_a_truth_value_is_none(name, transform, option):
    value, flag = getattr(transform, option.name), isinstance(option.default, bool)
    if value is not None:
        same = dataclasses.replace(transform, **{option.name: np.array(value)[()]})
        assert repr(same) == repr(transform)
        agree(same(rows(2)[0]), transform(rows(2)[0]), name)
    for wrong in ("yes", 1, None) if flag else (True, False, np.bool_(True)):
        with pytest.raises(T.TransformError, match="expected"):
            dataclasses.replace(transform, **{option.name: wrong})


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
@pytest.mark.parametrize(
    ("make", "option"),
    [
        *[(make, "shape") for make in (T.Rescale, T.FourierCrop, T.FourierPad)],
        *[
            (make, option)
            for make in (T.CenterCrop, T.RandomCrop, T.Pad, T.Cutout)
            for option in ("size", "size_angstrom")
        ],
        *[(T.RandomGaussianBlur, option) for option in ("sigma", "sigma_angstrom")],
    ],
)
def test_numbers_for_each_axis_may_be_an_array(make, option, kind):
    transform = make(**{option: kind([8, 9])})
    assert repr(transform) == repr(make(**{option: (8, 9)}))
    for wrong in ([0, -1], [[8, 9]], ["a", "b"] if kind is np.array else []):
        with pytest.raises(T.TransformError, match="expected"):
            make(**{option: kind(wrong)})


@pytest.mark.parametrize("dims", [2.0, np.float32(3), True, "2", (2, 3), 4])
def test_spatial_dims_are_a_whole_number(dims):
    with pytest.raises(T.TransformError, match=r"Normalize: spatial_dims is .*: expected 2, 3 or None"):
        T.Normalize(spatial_dims=dims)
    assert repr(T.Normalize(spatial_dims=np.int64(2))) == "Normalize(spatial_dims=2)"


@everything
def test_gradients_flow_and_double_precision_stays(name, transform, dims):
    data = rows(dims)[0]
    image = torch.from_numpy(data["image"]).double().requires_grad_()
    result = transform({**data, "image": image})["image"]
    assert result.dtype == torch.float64
    agree(result.detach(), transform(data)["image"], name)
    result.square().sum().backward()
    assert torch.isfinite(image.grad).all()
    assert image.grad.any()


@everything
def test_autocast_does_not_cost_precision(name, transform, dims):
    data = rows(dims)
    with torch.autocast("cpu"):
        found = transform(batch(data))["image"]
    for one, other in zip(found, transform(batch(data))["image"], strict=True):
        assert torch.equal(one, other)


@everything
def test_a_broken_image_does_not_spoil_its_neighbours(name, transform, dims):
    data = rows(dims)
    expected = [transform(row) for row in data]
    data[1]["image"] = data[1]["image"].copy()
    data[1]["image"][(3,) * dims] = np.nan
    broken = transform(batch(data))
    agree(at(broken, 0), expected[0], name)
    agree(at(broken, 2), expected[2], name)


@everything
def test_bare_images_need_no_row(name, transform, dims):
    needs_row = {"Lowpass", "Highpass", "Bandpass", "FourierCrop by pixel size", "CTF", "PhaseFlip", "WienerFilter"}
    needs_row |= {"Envelope", "ShotNoise"}
    images = [row["image"] for row in rows(dims)]
    if name in needs_row:
        with pytest.raises(T.TransformError, match="pixel_size"):
            transform(images[0])
        return
    expected = [transform(image) for image in images]
    listed = transform(images)
    flat = copy.copy(transform)
    flat.spatial_dims = dims
    stacked = flat(torch.from_numpy(np.stack(images)))
    assert isinstance(listed, list)
    for place, one in enumerate(expected):
        agree(listed[place], one, name)
        agree(stacked[place], one, name)


def dataset(data):
    """Rows as a dataset that declares their columns, as ours do."""
    numbers = {name: {key: Value("float64") for key in data[0][name]} for name in ("pose", "ctf")}
    texts = {name: Value("string") for name in ("path", "micrograph")}
    coordinates = {name: Value("float64") for name in ("coordinate_x", "coordinate_y")}
    integers = {name: Value("int64") for name in ("index", "label")}
    columns = {"image": EMImage(), "pixel_size": Value("float32"), **numbers, **texts, **coordinates, **integers}
    return Dataset.from_dict(batch(data), features=Features({name: columns[name] for name in data[0]}))


@pytest.mark.parametrize(("name", "transform", "dims"), CASES[::3], ids=IDS[::3])
def test_datasets_and_streams_give_what_one_row_gives(name, transform, dims):
    data = rows(dims)
    expected = [transform(row) for row in data]
    ds = dataset(data)
    stream = ds.to_iterable_dataset()
    results = {
        "with_transform": [ds.with_transform(transform)[place] for place in range(3)],
        "map": list(ds.map(transform).with_format("numpy")),
        "batched map": list(ds.map(transform, batched=True, batch_size=2).with_format("numpy")),
        "numpy rows": [transform(row) for row in ds.with_format("numpy")],
        "numpy batch": [at(whole, place) for whole in [transform(ds.with_format("numpy")[:])] for place in range(3)],
        "stream": list(stream.map(transform, batched=True, batch_size=2)),
        "torch stream": list(stream.with_format("torch").map(transform, batched=True, batch_size=2)),
    }
    for how, found in results.items():
        for one, other in zip(found, expected, strict=True):
            agree(one, other, f"{name} {how}")


def test_a_loader_with_workers_gives_what_one_row_gives():
    ds = dataset(rows(2, 8))
    chain = T.Compose([T.CTF(), T.RandomRotate(), T.RandomShift(2.0), T.AddNoise(snr=1.0), T.NormalizeBackground()])
    expected = [chain(row) for row in rows(2, 8)]
    for collate in (None, T.collate):
        loader = DataLoader(ds.with_transform(chain), batch_size=3, num_workers=2, collate_fn=collate)
        found = [at(one, place) for one in loader for place in range(len(one["image"]))]
        for one, other in zip(found, expected, strict=True):
            agree(one, other)


@pytest.mark.parametrize("wrong", [True, math.nan, math.inf, "1"])
@pytest.mark.parametrize(
    "make",
    [
        T.GaussianBlur,
        lambda value: T.RandomGaussianBlur((0, value)),
        T.RandomRotate,
        T.RandomShift,
        T.Mixup,
        T.AddNoise,
        lambda value: T.AddNoise(std=value),
        lambda value: T.PercentileClip(value, 99),
        lambda value: T.Pad(8, value=value),
        lambda value: T.Cutout(2, fill=value),
        lambda value: T.RandomFlip(seed=value),
    ],
)
def test_what_is_no_finite_number_is_refused_by_all_alike(make, wrong):
    """A truth value is a number to Python, and NaN to every comparison that asks for more than it."""
    with pytest.raises(T.TransformError, match="expected"):
        make(wrong)
