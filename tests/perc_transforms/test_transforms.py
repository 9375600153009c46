import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, Value
from torch.utils.data import DataLoader

import perc_transforms as T
import perc_transforms.functional as F
from builders import EMImage
from builders.errors import PercError

TRANSFORMS = [
    T.Normalize(),
    T.MinMax(),
    T.GaussianBlur(1.5),
    T.Rescale(6),
    T.Rescale((6, 7)),
    T.Rescale(5, stretch=True),
    T.ToTensor(),
    T.Compose([T.Rescale(6), T.Normalize(), torch.abs, T.MinMax()]),
]


def images(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def close(a, b):
    torch.testing.assert_close(torch.as_tensor(a), torch.as_tensor(b), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
def test_every_form_gives_what_one_image_gives(transform):
    arrays = images((8, 9), (8, 9), (8, 9))
    expected = [transform(a) for a in arrays]
    stack = torch.stack([torch.from_numpy(a) for a in arrays])
    sizes = [1.0, None, 3.0]

    for one in expected:
        assert isinstance(one, torch.Tensor)
        assert one.dtype == torch.float32
    close(transform(torch.from_numpy(arrays[0])), expected[0])
    for result in (transform(arrays), transform([torch.from_numpy(a) for a in arrays])):
        assert isinstance(result, list)
        close(torch.stack(result), torch.stack(expected))
    rows = [transform({"image": a, "pixel_size": s, "path": "x"}) for a, s in zip(arrays, sizes, strict=True)]
    batch = transform({"image": arrays, "pixel_size": sizes, "path": ["x"] * 3})
    assert isinstance(batch["image"], list)
    tensors = transform({"image": stack, "pixel_size": torch.tensor([1.0, math.nan, 3.0]), "path": ["x"] * 3})
    assert isinstance(tensors["image"], torch.Tensor)
    for place, (row, one) in enumerate(zip(rows, expected, strict=True)):
        close(row["image"], one)
        close(batch["image"][place], one)
        close(tensors["image"][place], one)
        np.testing.assert_allclose(batch["pixel_size"][place], row["pixel_size"], rtol=1e-6)
        np.testing.assert_allclose(tensors["pixel_size"][place], row["pixel_size"], rtol=1e-6)
        assert row["path"] == "x"


@pytest.mark.parametrize("transform", [t for t in TRANSFORMS if "(6, 7)" not in repr(t)], ids=repr)
def test_lists_of_unequal_sizes_equal_one_by_one(transform):
    arrays = images((8, 9), (5, 4), (8, 9), (3, 4, 5), (16, 2))
    expected = [transform(a) for a in arrays]
    for result in (transform(arrays), transform({"image": arrays, "path": ["x"] * 5})["image"]):
        for one, other in zip(result, expected, strict=True):
            close(one, other)


@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
def test_a_stack_with_spatial_dims_equals_one_by_one(transform):
    stack = torch.from_numpy(np.stack(images((8, 9), (8, 9), (8, 9))))
    flat = pickle.loads(pickle.dumps(transform))
    flat.spatial_dims = 2
    expected = torch.stack([transform(image) for image in stack])
    close(flat(stack), expected)
    close(flat({"image": stack, "pixel_size": 1.0})["image"], expected)


def test_two_axes_are_an_image_and_three_a_volume():
    stack = torch.from_numpy(np.stack(images((8, 9), (8, 9), (8, 9))))
    assert T.Rescale(6)(stack).shape == (6, 6, 6)
    assert T.Rescale(6, spatial_dims=2)(stack).shape == (3, 6, 6)
    assert T.Compose([T.Rescale(6)], spatial_dims=2)(stack).shape == (3, 6, 6)
    assert T.Compose([T.Rescale(6, spatial_dims=3)], spatial_dims=2)(stack).shape == (6, 6, 6)
    assert abs(float(T.Normalize()(stack)[0].mean())) > 1e-4, "a volume is normalised as a whole"
    assert T.Rescale(6)(stack[None]).shape == (1, 6, 6, 6)


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        ({}, 0),
        ({"label": torch.tensor([1, 2, 3])}, 3),
        ({"path": ["a", "b", "c"]}, 3),
        ({"my_class": [1, 2, 3], "score": np.ones(3)}, 3),
        ({"my_class": 1}, 0),
        ({"my_class": torch.tensor(1)}, 0),
        ({"chains": ["A", "B"]}, 0),
    ],
)
def test_a_stack_beside_columns_is_a_batch_and_a_volume_beside_values_is_a_row(columns, rows):
    stack = torch.from_numpy(np.stack(images((8, 9), (8, 9), (8, 9))))
    out = T.Rescale(6)({"image": stack, **columns})
    assert out["image"].shape == ((rows, 6, 6) if rows else (6, 6, 6))
    assert T.Rescale(6)({"image": torch.ones(3, 3), "picks": [1.0, 2.0, 3.0]})["image"].shape == (6, 6)


@pytest.mark.parametrize("sides", [(5, 6), (4, 5, 6)])
def test_rows_of_nested_lists_as_datasets_gives_them_without_a_format(sides):
    # features such as Array2D, those of a published dataset, come as nested lists, one row or several
    images = torch.rand(2, *sides).numpy()
    data = {"image": images.tolist(), "path": ["a", "b"], "index": [0, 1], "shifts": [[0.5, 1.0], [0.0, 2.0]]}
    ds = Dataset.from_dict(data)
    transform = T.Compose([T.Normalize(), T.RandomShift(1.0)])
    expected = transform({**data, "image": images})["image"]
    for got in [[transform(row)["image"] for row in ds], transform(ds[:])["image"], ds.map(transform)["image"]]:
        for image, one in zip(got, expected, strict=True):
            torch.testing.assert_close(torch.as_tensor(image), one)


def test_a_callable_that_works_in_place_does_so_on_a_copy():
    array = images((4, 4))[0]
    before = array.copy()
    out = T.Compose([lambda image: image.mul_(5)])(array)
    np.testing.assert_array_equal(array, before)
    close(out, 5 * before)


@pytest.mark.parametrize("kind", ["numpy", "torch", "list"])
def test_integer_pixel_sizes_become_what_is_true(kind):
    sizes = {"numpy": np.array([1, 3]), "torch": torch.tensor([1, 3]), "list": [1, 3]}[kind]
    out = T.Rescale(4)({"image": [np.ones((6, 6))] * 2, "pixel_size": sizes})
    assert [float(s) for s in out["pixel_size"]] == [1.5, 4.5]
    assert float(T.Rescale(4)({"image": np.ones((6, 6)), "pixel_size": sizes[1]})["pixel_size"]) == 4.5


def test_a_rows_values_stay_what_they_were():
    for size in (np.float32(1.5), torch.tensor(1.5), np.array(1.5)):
        out = T.Rescale(4)({"image": np.ones((6, 6)), "pixel_size": size})["pixel_size"]
        assert (type(out), out.dtype, float(out)) == (type(size), size.dtype, 2.25)
    batch = T.Rescale(4)({"image": [np.ones((6, 6))], "pixel_size": np.array([1.5], np.float32)})
    assert batch["pixel_size"].dtype == np.float32


FORKED = """
import numpy as np, torch, perc_transforms as T
from datasets import Dataset, Features
from builders import EMImage
rows = {"image": [np.full((64, 64), i, np.float32) for i in range(8)]}
ds = Dataset.from_dict(rows, features=Features({"image": EMImage()}))
chain = T.Compose([T.Rescale(8), T.GaussianBlur(1.0), T.Normalize()])
torch.rand(500, 500) @ torch.rand(500, 500)
first = ds.map(chain, batched=True)
print(len(ds.map(chain, batched=True, batch_size=2, num_proc=2)))
"""


def test_a_map_of_several_processes_after_use_in_the_parent_ends():
    run = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=120)
    assert run.stdout.strip() == "8", run.stderr[-2000:]


def test_the_input_is_never_changed():
    array = images((8, 9))[0]
    before = array.copy()
    row = {"image": array, "pixel_size": 2.0}
    for transform in TRANSFORMS:
        out = transform(row)
        assert out is not row
        if not isinstance(transform, T.ToTensor):
            out["image"].mul_(0)
    np.testing.assert_array_equal(array, before)
    assert row == {"image": array, "pixel_size": 2.0}


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float64", "float16", "bool", ">f4", ">i2"])
def test_other_number_types_become_float32(dtype):
    array = np.arange(12).reshape(3, 4).astype(dtype)
    out = T.ToTensor()(array)
    assert out.dtype == torch.float32
    np.testing.assert_array_equal(out, array.astype(np.float32))


def test_float64_tensors_stay_and_odd_strides_are_fine():
    assert T.Normalize()(torch.rand(4, 4, dtype=torch.float64)).dtype == torch.float64
    assert T.Normalize()(torch.rand(4, 4, dtype=torch.float16)).dtype == torch.float32
    both = T.Normalize()([torch.rand(4, 4), torch.rand(4, 4, dtype=torch.float64)])
    assert [image.dtype for image in both] == [torch.float32, torch.float64]
    array = images((6, 8))[0]
    close(T.ToTensor()(array[::-1, ::2]), array[::-1, ::2].copy())
    frozen = array.copy()
    frozen.flags.writeable = False
    close(T.ToTensor()(frozen), array)


# metadata


@pytest.mark.parametrize(
    ("transform", "shape", "factor"),
    [
        (T.Rescale(32), (64, 64, 64), 2),
        (T.Rescale(32), (64, 48), 2),
        (T.Rescale(32), (48, 64), 2),
        (T.Rescale(64), (32, 32), 0.5),
        (T.Rescale(33), (65, 65), 65 / 33),
        (T.Rescale((16, 32)), (64, 64), 4),
        (T.Rescale(32, stretch=True), (96, 64), 2),
        (T.Compose([T.Rescale(32), T.Normalize(), T.Rescale(16)]), (64, 64), 4),
    ],
    ids=repr,
)
def test_pixel_size_follows_the_scale(transform, shape, factor):
    row = transform({"image": np.ones(shape, np.float32), "pixel_size": 1.5, "label": 3})
    assert row["pixel_size"] == pytest.approx(1.5 * factor)
    assert row["label"] == 3
    tensor_row = transform({"image": torch.ones(shape), "pixel_size": torch.tensor(1.5), "label": torch.tensor(3)})
    assert float(tensor_row["pixel_size"]) == pytest.approx(1.5 * factor)
    assert "pixel_size" not in transform({"image": torch.ones(shape)})


def test_unequal_sides_keep_their_aspect_and_are_filled_with_the_mean():
    image = torch.zeros(40, 20)
    image[:, :] = 2.0
    image[15:25, 5:15] = 7.0
    out = T.Rescale(20)(image)
    assert out.shape == (20, 20)
    mean = float(image.mean())
    close(out[:, :5], torch.full((20, 5), mean))
    close(out[:, 15:], torch.full((20, 5), mean))
    close(out[:, 5:15], T.Rescale((20, 10))(image))
    square = T.Rescale(20, stretch=True)(image)
    assert not torch.allclose(square[:, :5], torch.full((20, 5), mean), atol=0.1)


def test_blur_in_angstrom_uses_each_rows_pixel_size():
    arrays = images((16, 16), (16, 16))
    out = T.GaussianBlur(sigma_angstrom=6.0)({"image": arrays, "pixel_size": [2.0, 4.0]})
    close(out["image"][0], T.GaussianBlur(3.0)(arrays[0]))
    close(out["image"][1], T.GaussianBlur(1.5)(arrays[1]))
    for missing in (None, math.nan, 0.0):
        with pytest.raises(T.TransformError, match=r"pixel_size is .*give sigma in pixels"):
            T.GaussianBlur(sigma_angstrom=6.0)({"image": arrays[0], "pixel_size": missing})
    with pytest.raises(T.TransformError, match="pixel_size"):
        T.GaussianBlur(sigma_angstrom=6.0)(arrays[0])


# bad input


def batch_of(*shapes, **columns):
    return {"image": images(*shapes), **columns}


PLACES = {"path": ["p/a.mrc", "p/b.mrc", "p/c.mrcs"], "index": [None, math.nan, 7654321]}


@pytest.mark.parametrize("missing", [None, math.nan, 0.0])
@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (T.Lowpass(20.0), "give the row a pixel_size"),
        (T.GaussianBlur(sigma_angstrom=6.0), "give sigma in pixels"),
        (T.RandomShift(max_shift_angstrom=6.0), "give max_shift in pixels"),
        (T.Pad(size_angstrom=60.0, mode="noise"), "give size in pixels"),
        (T.FourierCrop(pixel_size=4.0), "give shape in pixels"),
        (T.Compose([T.Normalize(), T.Highpass(99.0)]), "give the row a pixel_size"),
    ],
)
def test_a_row_without_a_pixel_size_is_named_and_how_it_gets_one(transform, words, missing):
    said = rf": \w+\(.*\): the row's pixel_size is .*{words}.*load_dataset\(\.\.\., pixel_size=1\.5\) does"
    for place, name in enumerate(("p/a.mrc", "p/b.mrc", "p/c.mrcs, index 7654321")):
        sizes = [2.0 if n != place else missing for n in range(3)]
        for shapes in ([(16, 16)] * 3, [(16, 16), (18, 18), (16, 16)]):
            with pytest.raises(T.TransformError, match=rf"^{name}{said}$"):
                transform(batch_of(*shapes, pixel_size=sizes, **PLACES))
        row = {"image": images((16, 16))[0], "pixel_size": missing, "path": PLACES["path"][place]}
        with pytest.raises(T.TransformError, match=rf"^{row['path']}{said}$"):
            transform(row)
    with pytest.raises(T.TransformError, match=r"^x1: "):
        transform({"image": images((16, 16))[0], "pixel_size": missing, "id": "x1"})


def test_a_column_that_is_absent_is_told_as_such():
    gone = r"There is no column 'pixel_size' at all: .*\(a Trainer with remove_unused_columns=True\) is to keep it$"
    for data in ({"image": images((8, 8))[0], "label": 1}, batch_of((8, 8), (8, 8), label=[0, 1])):
        with pytest.raises(T.TransformError, match=rf"^Lowpass\(.*{gone}"):
            T.Lowpass(20.0)(data)
    with pytest.raises(T.TransformError, match=r"^a\.mrc: PhaseFlip.*There is no column 'ctf' at all"):
        T.PhaseFlip()({"image": images((8, 8))[0], "pixel_size": 1.5, "path": "a.mrc"})
    with pytest.raises(T.TransformError, match=r"^Lowpass.*pixel_size=1\.5\) does$"):
        T.Lowpass(20.0)(images((8, 8))[0])


def test_whatever_is_wrong_with_one_row_is_told_with_its_name():
    with pytest.raises(
        T.TransformError, match=r"^p/b\.mrc: CenterCrop\(.*a part of \(16, 16\) of an image of \(8, 8\)"
    ):
        T.CenterCrop(16)(batch_of((16, 16), (8, 8), (20, 20), **PLACES))
    with pytest.raises(T.TransformError, match=r"^p/c\.mrcs, index 7654321: Normalize: a complex image"):
        T.Normalize()(PLACES | {"image": [np.ones((4, 4)), np.ones((4, 4)), np.ones((4, 4), complex)]})
    with pytest.raises(T.TransformError, match=r"^b: collate: a complex image"):
        T.collate([{"image": np.ones((4, 4)), "id": "a"}, {"image": np.ones((4, 4), complex), "id": "b"}])


def test_collate_names_files_of_each_shape():
    rows = [{"image": torch.zeros(4, 4), "path": f"a_{n}.mrc"} for n in range(5)]
    rows.insert(2, {"image": torch.zeros(4, 6), "path": "b.mrc"})
    said = r"shapes \(4, 4\), \(4, 6\) do not stack \(a_0\.mrc, a_1\.mrc and 3 more; b\.mrc\): .*Rescale"
    with pytest.raises(T.TransformError, match=said):
        T.collate(rows)
    with pytest.raises(T.TransformError, match=r"shapes \(4, 4\), \(4, 6\) do not stack: bring"):
        T.collate([{"image": row["image"]} for row in rows])


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (np.ones((3, 3), np.complex64), "complex image"),
        (torch.ones(3, 3, dtype=torch.complex64), "complex image"),
        (np.array([["a", "b"]]), "expected numbers"),
        (np.ones(3), "expected 2 axes or more"),
        (np.ones((0, 3)), "none empty"),
        ([[1.0], [2.0, 3.0]], "expected 2 axes or more|different lengths"),
        ([], "empty batch"),
        ({"image": []}, "empty batch"),
        ({"picture": np.ones((3, 3))}, "without a column 'image'"),
        ({"image": None}, "NoneType"),
        ("x.mrc", "cannot transform str"),
    ],
)
def test_what_cannot_be_transformed_is_told_by_the_transform(data, complaint):
    with pytest.raises(T.TransformError, match=complaint) as caught:
        T.Normalize()(data)
    assert "Normalize" in str(caught.value)
    with pytest.raises(T.TransformError):
        T.Compose([T.Normalize()])(data)


@pytest.mark.parametrize("make", [np.array, np.int32, torch.tensor, lambda a: torch.tensor(a).abs().to(torch.uint32)])
def test_integers_that_float32_would_round_are_told(make):
    for sign in (1, -1):
        assert abs(T.ToTensor()(make([[0, sign * 2**24]]))[0, 1]) == 2**24
        with pytest.raises(
            T.TransformError, match=r"the value -?16777217, which float32 cannot hold: give it as float64"
        ):
            T.ToTensor()(make([[0, sign * (2**24 + 1)]]))


def test_floats_that_float32_would_make_infinite_are_told():
    array = np.array([[0.0, -np.inf, np.nan, 3e38]])
    np.testing.assert_array_equal(T.ToTensor()(array), array.astype(np.float32))
    array[0, 0] = -1e39
    with pytest.raises(
        T.TransformError, match=r"the value -1e\+39, which float32 cannot hold: give it as a torch tensor"
    ):
        T.ToTensor()(array)
    assert T.ToTensor()(torch.from_numpy(array))[0, 0] == -1e39


def test_errors_are_of_one_family():
    assert issubclass(T.TransformError, PercError)
    assert issubclass(T.TransformError, ValueError)


@pytest.mark.parametrize(
    "make",
    [
        lambda: T.Rescale(0),
        lambda: T.Rescale(2.5),
        lambda: T.Rescale(()),
        lambda: T.Rescale(True),
        lambda: T.GaussianBlur("1"),
        lambda: T.GaussianBlur(),
        lambda: T.GaussianBlur(-1),
        lambda: T.GaussianBlur(1, sigma_angstrom=1),
        lambda: T.GaussianBlur(math.nan),
        lambda: T.Normalize(spatial_dims=4),
        lambda: T.Normalize(spatial_dims=1),
        lambda: T.Compose([1]),
        lambda: T.Compose(None),
        lambda: T.Compose(T.Normalize()),
        lambda: T.Compose([T.Normalize]),
        lambda: T.Compose([T.Rescale(4)])("text"),
        lambda: T.Rescale((4, 4))(torch.ones(5, 5, 5)),
        lambda: T.Normalize(spatial_dims=3)(torch.ones(5, 5)),
        lambda: T.Compose([lambda image: "text"])(torch.ones(5, 5)),
    ],
)
def test_wrong_options_are_told(make):
    with pytest.raises(T.TransformError, match="expected"):
        make()


# composing


def test_compose_is_one_after_another():
    array = images((9, 9))[0]
    close(T.Compose([T.Rescale(5), T.MinMax()])(array), T.MinMax()(T.Rescale(5)(array)))
    close(T.Compose([])(array), array)
    nested = T.Compose([T.Compose([T.Rescale(5)]), T.MinMax()])
    close(nested(array), T.MinMax()(T.Rescale(5)(array)))


def test_chains_are_equal_when_their_transforms_are():
    chain = T.Compose([T.Rescale(5), torch.abs])
    assert chain == T.Compose([T.Rescale(5), torch.abs])
    for other in ([T.Rescale(6), torch.abs], [T.Rescale(5)], [torch.abs, T.Rescale(5)], []):
        assert chain != T.Compose(other)
    assert chain != T.Compose(chain.transforms, spatial_dims=2)
    assert T.Compose([]) != T.ToTensor()
    assert T.Compose([T.Normalize()], record=True) != T.Compose([T.Normalize()])


def test_any_callable_is_given_each_image():
    shapes = []

    def flip(image):
        shapes.append(tuple(image.shape))
        return image.flip(-1)

    arrays = images((4, 5), (4, 5), (3, 3))
    out = T.Compose([flip, T.ToTensor(channel=True)])({"image": arrays, "path": ["a", "b", "c"]})
    assert shapes == [(4, 5), (4, 5), (3, 3)]
    for array, one in zip(arrays, out["image"], strict=True):
        close(one[0], array[:, ::-1].copy())


def test_a_compose_stacks_equal_images_once(monkeypatch):
    calls = []
    monkeypatch.setattr(torch, "stack", lambda items, _stack=torch.stack, **k: calls.append(1) or _stack(items, **k))
    T.Compose([T.Rescale(4), T.Normalize(), T.MinMax()])({"image": images((8, 8), (8, 8)), "path": ["a", "b"]})
    assert len(calls) == 1


def test_to_tensor_with_a_channel():
    assert T.ToTensor(channel=True)(np.zeros((4, 5))).shape == (1, 4, 5)
    assert T.ToTensor(channel=True)({"image": images((4, 5), (4, 5)), "path": ["", ""]})["image"][0].shape == (1, 4, 5)


@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
def test_transforms_pickle_and_say_what_they_are(transform):
    again = pickle.loads(pickle.dumps(transform))
    array = images((8, 9))[0]
    assert torch.equal(again(array), transform(array))
    assert repr(again) == repr(transform)


def test_reprs_can_be_read():
    assert repr(T.Compose([T.Rescale(32), T.GaussianBlur(sigma_angstrom=6.0), torch.abs], spatial_dims=2)) == (
        "Compose([Rescale(shape=32), GaussianBlur(sigma_angstrom=6.0), abs], spatial_dims=2)"
    )


# with datasets


@pytest.fixture
def rows():
    data = {"image": images(*[(8, 8)] * 6), "pixel_size": [1.0, 2.0, None, 1.0, 2.0, 3.0], "path": list("abcdef")}
    features = Features({"image": EMImage(), "pixel_size": Value("float32"), "path": Value("string")})
    return Dataset.from_dict(data, features=features)


CHAIN = T.Compose([T.Rescale(4), T.Normalize()])


def test_with_transform_map_and_streams_agree(rows):
    expected = torch.stack([CHAIN(row["image"]) for row in rows])
    lazily = rows.with_transform(CHAIN)
    results = {
        "row by row": [lazily[i] for i in range(6)],
        "batch": lazily[:],
        "map": list(rows.map(CHAIN)),
        "batched map": list(rows.map(CHAIN, batched=True, batch_size=4)),
        "torch map": list(rows.with_format("torch").map(CHAIN, batched=True, batch_size=4)),
        "stream": list(rows.to_iterable_dataset().map(CHAIN)),
        "batched stream": list(rows.to_iterable_dataset().map(CHAIN, batched=True, batch_size=4)),
        "torch stream": list(rows.to_iterable_dataset().with_format("torch").map(CHAIN, batched=True, batch_size=4)),
        "numpy stream": list(rows.to_iterable_dataset().with_format("numpy").map(CHAIN, batched=True, batch_size=4)),
    }
    for name, result in results.items():
        found = result if isinstance(result, dict) else {k: [row[k] for row in result] for k in result[0]}
        stacked = torch.stack([torch.as_tensor(np.asarray(i)) for i in found["image"]])
        torch.testing.assert_close(stacked, expected, msg=lambda text, name=name: f"{name}: {text}")
        sizes = [math.nan if s is None else float(s) for s in found["pixel_size"]]
        np.testing.assert_allclose(sizes, [2, 4, math.nan, 2, 4, 6], err_msg=name)
        assert list(found["path"]) == list("abcdef"), name


@pytest.mark.parametrize("collate", [None, T.collate])
def test_a_loader_stacks_them(rows, collate):
    batch = next(iter(DataLoader(rows.with_transform(CHAIN), batch_size=6, collate_fn=collate)))
    assert batch["image"].shape == (6, 4, 4)
    np.testing.assert_allclose(batch["pixel_size"], [2, 4, math.nan, 2, 4, 6])
    assert batch["path"] == list("abcdef")


def test_collate_keeps_what_belongs_together():
    image = np.zeros((2, 2))
    pose = {"rot": 1.0, "psi": None}
    soft = [{"image": image, "label": [0.25, 0.75], "pose": pose}, {"image": image, "label": [1.0, 0.0], "pose": None}]
    batch = T.collate(soft)
    assert batch["label"].tolist() == [[0.25, 0.75], [1.0, 0.0]]
    np.testing.assert_equal(batch["pose"]["rot"].numpy(), [1.0, math.nan])
    assert batch["pose"]["psi"].isnan().all()
    uneven = [{"image": image, "picks": [1.0], "words": ["a"]}, {"image": image, "picks": [1.0, 2.0], "words": ["b"]}]
    assert T.collate(uneven)["picks"] == [[1.0], [1.0, 2.0]]
    assert T.collate(uneven)["words"] == [["a"], ["b"]]
    records = [{"image": image, "transforms": [{"transform": "RandomShift", "shift": [1.0, 2.0]}]}] * 2
    assert T.collate(records)["transforms"] == [row["transforms"] for row in records]


@pytest.mark.parametrize("images", [list, np.stack, lambda images: torch.from_numpy(np.stack(images))])
def test_a_batch_comes_out_as_its_rows_would(images):
    poses = [{"rot": 1.0, "psi": None}, None, {"rot": 3.0, "psi": 2.0}]
    rows = [{"image": np.full((2, 3), n, np.float32), "id": f"{n}", "n": n, "pose": poses[n]} for n in range(3)]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    batch, expected = T.collate(columns | {"image": images(columns["image"])}), T.collate(rows)
    assert batch["image"].dtype == torch.float32
    for name in ("image", "n"):
        torch.testing.assert_close(batch[name], expected[name])
    torch.testing.assert_close(batch["pose"], expected["pose"], equal_nan=True)
    assert batch["id"] == expected["id"]
    with pytest.raises(T.TransformError, match=r"^collate: one row, of image, id, n, pose: expected a list of rows"):
        T.collate(rows[0])


def test_collate_takes_nulls_and_refuses_unequal_shapes(rows):
    batch = T.collate([rows[0], rows[2]])
    np.testing.assert_allclose(batch["pixel_size"], [1, math.nan])
    mixed = [{"image": np.zeros((2, 2)), "n": 1, "extra": {"a": None}}, {"image": np.ones((2, 2)), "n": 2, "extra": 3}]
    assert T.collate(mixed)["n"].tolist() == [1, 2]
    assert T.collate(mixed)["extra"] == [{"a": None}, 3]
    image = np.zeros((2, 2))
    one, other = {"image": image, "more": 1}, {"image": image, "less": 1}
    for wrong in ([], [{"image": image}, one], [one, other]):
        with pytest.raises(T.TransformError, match="all with the same columns"):
            T.collate(wrong)
    with pytest.raises(T.TransformError, match=r"shapes \(2, 2\), \(2, 3\) do not stack.*Rescale\(N\)"):
        T.collate([{"image": np.zeros((2, 2))}, {"image": np.zeros((2, 3))}])


@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools.lru_cache`:UserWarning")
# it compiles what the cache would keep, which is right
@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools.lru_cache`")
@pytest.mark.filterwarnings(
    "ignore:'_UnionGenericAlias' is deprecated:DeprecationWarning"
)  # torch's own, of Python 3.14
def test_they_compile_to_one_graph_and_are_right_where_it_breaks():
    def chain(x, by):
        x = F.fourier_shift(F.percentile_clip(x, 1.0, 99.0, spatial_dims=2), by, spatial_dims=2)
        x = F.lowpass(x, resolution=8.0, pixel_size=2.0, spatial_dims=2)
        x = F.rescale(F.gaussian_blur(x, 1.0, spatial_dims=2), (5, 5), spatial_dims=2)
        return F.minmax(F.normalize(x, spatial_dims=2), spatial_dims=2)

    x, by = torch.rand(2, 8, 8), torch.tensor([[1.5, 0.5], [0.0, 2.0]])
    close(torch.compile(chain, backend="eager", fullgraph=True)(x, by), chain(x, by))

    def breaking(x):
        return F.soft_mask(x, 3.0, spatial_dims=2)

    close(torch.compile(breaking, backend="eager")(x), breaking(x))


def test_collate_has_nan_for_null_in_lists_too():
    one = {"image": np.zeros((2, 2)), "dose": [None, 2.0], "pose": {"rot": [None, None]}, "names": ["a", None]}
    batch = T.collate([one, one | {"dose": [1.0, 3.0]}])
    np.testing.assert_equal(batch["dose"].numpy(), [[math.nan, 2], [1, 3]])
    assert batch["pose"]["rot"].shape == (2, 2)
    assert batch["pose"]["rot"].isnan().all()
    assert batch["names"] == [["a", None]] * 2
    longer = one | {"dose": [1.0, None, 3.0], "pose": {"rot": [[1.0, None], None, [0.0]]}}
    batch = T.collate([one, longer])
    np.testing.assert_equal(batch["dose"], [[math.nan, 2.0], [1.0, math.nan, 3.0]])
    np.testing.assert_equal(batch["pose"]["rot"][1], [[1.0, math.nan], math.nan, [0.0]])
