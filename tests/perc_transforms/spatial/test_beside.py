"""Picks, rotations, masks and targets go with the image, whatever moves it."""

import logging
import pickle

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value
from scipy import ndimage
from scipy.spatial.transform import Rotation

import perc_transforms as T
import perc_transforms.functional as F
from builders import EMImage
from perc_transforms.core.batch import Batch
from perc_transforms.spatial import motion
from perc_transforms.spatial.euler import matrix_of
from tests.perc_transforms import catalogue

GEOMETRY = [case for case in catalogue.CASES if case[0] != "Project" and case[1].columns == motion.COLUMNS]
OTHERS = [case for case in catalogue.CASES if case[0] != "Compose" and case[1].columns != motion.COLUMNS]
SHAPES = {2: (15, 16), 3: (12, 13, 14)}
SEGMENTATION = "segmentation_membrane"


@pytest.fixture(autouse=True)
def _not_yet_said():
    motion._warned.clear()


def ids(cases):
    return [f"{name} {dims}-D" for name, _, dims in cases]


def tile(dims, index=0, count=6):
    """An image of blobs at picks, with masks that have the pick's class there, and a target."""
    rng = np.random.default_rng(index)
    shape = SHAPES[dims]
    points = rng.uniform(0, np.array(shape[::-1]) - 1, (count, dims)).round(2)
    labels = rng.integers(0, 9, count)
    axes = np.meshgrid(*map(np.arange, shape), indexing="ij")
    squares = [sum((axis - c) ** 2 for axis, c in zip(axes, point[::-1], strict=True)) for point in points]
    nearest = np.argmin(squares, 0)
    inside = np.min(squares, 0) <= 2.2**2
    mask = np.where(inside, labels[nearest] + 1, 0)
    image = sum(np.exp(-square / 3) for square in squares).astype(np.float32)
    rotations = Rotation.random(count, random_state=index).as_matrix().astype(np.float32)
    picks = {"coordinates": 10 * points, "pixels": points, "label": labels, "rotation": rotations}
    return {
        "image": image,
        "pixel_size": 2.0,
        "path": "tomogram.mrc",
        "index": index,
        "picks": picks if dims == 3 else {**picks, "rotation": None},
        **{f"coordinate_{axis}": points[:, number] for number, axis in enumerate("xyz"[:dims])},
        "labels": mask,
        SEGMENTATION: mask.astype(np.uint8),
        "target": 3 * image[::-1].copy(),
    }


def test_there_are_all_kinds_of_geometry():
    names = {name for name, _, _ in GEOMETRY}
    assert names >= {"Rescale", "FourierCrop", "CenterCrop", "RandomCrop", "Pad", "RandomRotate90", "RandomFlip"}
    assert names >= {"RandomRotate", "RandomShift", "FourierPad", "Pad noise"}


@pytest.mark.parametrize(("name", "transform", "dims"), GEOMETRY, ids=ids(GEOMETRY))
def test_what_is_bright_at_a_pick_is_at_the_moved_pick_with_its_label(name, transform, dims):
    for index in range(4):
        row = tile(dims, index)
        out = transform(row)
        shape = tuple(out["image"].shape)
        picks = out["picks"]
        went = np.stack([out[f"coordinate_{axis}"] for axis in "xyz"[:dims]], 1)
        sides = np.array(shape[::-1])
        if name in ("RandomFlip", "RandomRotate90", "RandomShift"):
            went = (went + 0.5) % sides - 0.5
        kept = ((went >= -0.5) & (went < sides - 0.5)).all(1)
        np.testing.assert_allclose(picks["pixels"], went[kept], atol=1e-9)
        for column in ("label", "coordinates"):
            np.testing.assert_array_equal(picks[column], row["picks"][column][kept])
        assert out["labels"].shape == out[SEGMENTATION].shape == out["target"].shape == out["image"].shape
        assert (out["labels"].dtype, out[SEGMENTATION].dtype) == (torch.int64, torch.uint8)
        assert torch.equal(out["labels"], out[SEGMENTATION].long())
        for number, (point, label) in enumerate(zip(picks["pixels"], picks["label"], strict=True)):
            place = tuple(np.floor(np.asarray(point) + 0.5).astype(int)[::-1])
            others = np.delete(picks["pixels"], number, 0)
            alone = np.linalg.norm(others - point, axis=1).min(initial=9) > 3
            assert out["labels"][place] == label + 1 or not alone, (index, point)
            filled = name == "Rescale" and not all(0 < p < n - 1 for p, n in zip(place, shape, strict=True))
            assert filled or float(out["image"][place]) > (0.3 if "Crop" in name or name == "Rescale" else 0.5)


@pytest.mark.parametrize(("name", "transform", "dims"), GEOMETRY, ids=ids(GEOMETRY))
def test_a_target_gets_what_its_image_gets(name, transform, dims):
    rows = [tile(dims, index) for index in range(3)]
    recording = pickle.loads(pickle.dumps(transform))
    recording.record = True
    for row in rows:
        out = recording(row)
        params = out.get("transforms", {})
        if name == "Pad noise":
            inside = (slice(3, 15),) * dims
            assert not torch.equal(out["target"], recording.replay({**row, "image": row["target"]}, params)["image"])
            assert torch.equal(recording.replay(row, params)["target"], out["target"])
            assert out["target"][inside].max() == row["target"].max()
            continue
        again = recording.replay({"image": row["target"], "pixel_size": 2.0, "path": "other"}, params)
        torch.testing.assert_close(out["target"], again["image"], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("shape", [(12, 13, 14), (15, 16)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int64, np.bool_, np.float32])
def test_a_turned_mask_is_scipys_of_order_0(shape, dtype):
    dims = len(shape)
    mask = np.random.default_rng(0).integers(0, 2 if dtype is np.bool_ else 200, shape).astype(dtype)
    row = {"image": np.zeros(shape, np.float32), "segmentation": mask, "path": "a"}
    quaternion = {"quaternion": [0.7, 0.2, -0.4, 0.5]}
    out = T.RandomRotate().replay(row, {"angle": 33.0} if dims == 2 else quaternion)["segmentation"]
    matrix = np.array(
        [[np.cos(np.radians(33)), -np.sin(np.radians(33))], [np.sin(np.radians(33)), np.cos(np.radians(33))]]
    )
    if dims == 3:
        matrix = Rotation.from_quat([0.2, -0.4, 0.5, 0.7]).as_matrix()
    inverse = matrix.T[::-1, ::-1]
    centre = np.array([n // 2 for n in shape])
    moved = ndimage.affine_transform(
        mask.astype(np.float64), inverse, centre - inverse @ centre, order=0, mode="grid-constant"
    )
    assert out.numpy().dtype == dtype
    np.testing.assert_array_equal(out.numpy(), moved.astype(dtype))


def test_rotations_turn_as_poses_do_and_are_null_in_mirrors(caplog):
    pose = {"rot": 10.0, "tilt": 40.0, "psi": -30.0, "shift_x": 0.0, "shift_y": 0.0, "shift_z": 0.0}
    matrix = matrix_of(10, 40, -30)
    row = {
        **tile(3),
        "pose": pose,
        "rotation": matrix.tolist(),
        "pixels": [6.2, 6.0, 5.9],
        "coordinates": [1.0, 2.0, 3.0],
    }
    row["picks"] = {"pixels": [[6.2, 6.0, 5.9], [5.0, 5.0, 5.0]], "label": [3, 4], "rotation": [matrix.tolist(), None]}
    chain = T.Compose([T.RandomRotate(), T.RandomRotate90(), T.RandomShift(1.0), T.FourierCrop(pixel_size=2.2)])
    out = chain(row)
    expected = matrix_of(*(out["pose"][name] for name in ("rot", "tilt", "psi")))
    np.testing.assert_allclose(out["rotation"], expected, atol=1e-6)
    np.testing.assert_allclose(out["picks"]["rotation"][0], expected, atol=1e-6)
    assert out["picks"]["rotation"][1] is None
    np.testing.assert_allclose(out["pixels"], out["picks"]["pixels"][0])
    assert out["coordinates"] == [1.0, 2.0, 3.0]
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            mirrored = T.RandomFlip().replay(row, {"flip": [1, 0, 0]})
    assert (mirrored["pose"], mirrored["rotation"], mirrored["picks"]["rotation"]) == (None, None, None)
    assert mirrored["picks"]["label"] == [3, 4]
    assert sum("the rotation of its objects becomes null" in record.getMessage() for record in caplog.records) == 1
    assert T.CenterCrop((2, 2, 2))(row)["pixels"] == pytest.approx([0.2, 1.0, 0.9]), "a cube's pick is never dropped"


def test_picks_that_leave_a_crop_are_dropped_with_all_that_is_told_of_them():
    row = tile(3)
    row["picks"] = {
        "coordinates": [[1.0, 1, 1], [2, 2, 2], [3, 3, 3]],
        "pixels": [[0.0, 0.0, 0.0], [7.0, 6.0, 6.0], [6.6, 6.0, 5.2]],
        "label": [4, 5, 6],
        "rotation": None,
    }
    out = T.CenterCrop((3, 4, 5))(row)["picks"]
    assert out == {
        "coordinates": [[2, 2, 2], [3, 3, 3]],
        "pixels": [[2.0, 2.0, 1.0], pytest.approx([1.6, 2.0, 0.2])],
        "label": [5, 6],
        "rotation": None,
    }
    nothing = T.CenterCrop((1, 1, 1))({**row, "picks": {"pixels": torch.zeros(0), "label": torch.zeros(0).long()}})
    assert nothing["picks"]["pixels"].shape == (0, 3)
    assert nothing["picks"]["label"].dtype == torch.int64


def test_a_micrographs_picks_and_the_poses_beside_them_follow():
    poses = [{"psi": 10.0, "shift_x": 1.0, "shift_y": 0.0}, {"psi": 20.0, "shift_x": 0.0, "shift_y": 2.0}]
    row = {"image": torch.rand(9, 11), "picks": [[6.0, 4.0], [10.0, 1.0]], "pose": poses, "label": [1, 2], "path": "a"}
    out = T.RandomRotate90().replay(row, {"matrix": [[-1, 0], [0, -1]]})
    assert out["picks"] == [[4.0, 4.0], [0.0, 7.0]]
    assert [pose["psi"] for pose in out["pose"]] == pytest.approx([-170.0, -160.0])
    assert out["pose"][0]["shift_x"] == pytest.approx(-1.0)
    cut = T.CenterCrop((3, 3))(row)
    assert cut["picks"] == [[2.0, 1.0], [6.0, -2.0]], "all are kept: other columns are lists in their order"
    assert out["label"] == [1, 2]


# intensities


@pytest.mark.parametrize(("name", "transform", "dims"), OTHERS, ids=ids(OTHERS))
def test_intensities_leave_masks_alone_and_a_target_that_is_the_image_stays_it(name, transform, dims):
    row = {**catalogue.rows(dims, 1)[0]}
    mask = np.random.default_rng(1).integers(0, 4, row["image"].shape).astype(np.int16)
    out = transform({**row, "segmentation": mask, "target": row["image"]})
    np.testing.assert_array_equal(out["segmentation"].numpy(), mask)
    if name in ("AddNoise", "AddNoise colour", "Cutout", "ShotNoise"):
        np.testing.assert_array_equal(out["target"].numpy(), row["image"])
        assert not torch.equal(out["image"], out["target"])
    else:
        torch.testing.assert_close(out["target"], out["image"], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "transform",
    [T.Normalize(), T.MinMax(), T.NormalizeBackground(4.0, dust=2.0), T.Whiten(), T.PercentileClip(5, 95)],
    ids=repr,
)
def test_a_target_goes_by_the_statistics_of_its_image(transform):
    row = catalogue.rows(3, 1)[0]
    other = np.random.default_rng(5).standard_normal(row["image"].shape).astype(np.float32)
    alone, half, far = (
        transform({**row, "target": t})["target"] for t in (other, (other + row["image"]) / 2, other * 9)
    )
    own = transform(row)["image"]
    if not isinstance(transform, T.PercentileClip | T.NormalizeBackground):  # which clip
        torch.testing.assert_close(half, (alone + own) / 2, atol=1e-4, rtol=1e-4)
    bounds = np.percentile(row["image"], [5, 95])
    if isinstance(transform, T.PercentileClip):
        np.testing.assert_allclose([far.min(), far.max()], bounds, rtol=1e-5)
    if isinstance(transform, T.Normalize):
        torch.testing.assert_close(alone, torch.from_numpy((other - row["image"].mean()) / row["image"].std()))


def test_contrast_is_inverted_together_and_mixtures_have_no_masks():
    dark = -np.exp(-((np.arange(9) - 4.0) ** 2) / 4).astype(np.float32) * np.ones((9, 1), np.float32)
    both = T.InvertContrast("auto")({"image": dark, "target": -dark})
    assert torch.equal(both["target"], -both["image"])
    batch = {"image": torch.rand(2, 4, 5), "path": ["a", "b"], "labels": torch.ones(2, 3, 4, 5)}
    batch["target"] = batch["image"] + 1
    mixed = T.Mixup(5.0)(batch)
    torch.testing.assert_close(mixed["target"], mixed["image"] + 1)
    with pytest.raises(T.TransformError, match=r"the mask 'labels' \(torch.int64\)"):
        T.Mixup(5.0)({**batch, "labels": torch.ones(2, 4, 5).long()})


def test_a_channel_is_for_image_and_target():
    out = T.ToTensor(channel=True)(tile(3))
    assert out["image"].shape == out["target"].shape == (1, *SHAPES[3])
    assert out["labels"].shape == SHAPES[3]
    turned = T.RandomRotate90()(T.ToTensor(channel=True)({**tile(3), "image": np.ones((4, 4, 4)), **cubes(4)}))
    assert turned["target"].shape == (1, 4, 4, 4)


def cubes(n):
    mask = np.arange(n**3).reshape(n, n, n)
    return {"labels": mask, SEGMENTATION: mask, "target": mask.astype(np.float32)}


# forms


def as_given(row, kind):
    if kind == "torch":
        return (
            {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else as_given(v, kind) for k, v in row.items()}
            if (isinstance(row, dict))
            else row
        )
    if kind == "list" and isinstance(row, dict):
        return {k: v if k in ("image", "target") else as_given(v, kind) for k, v in row.items()}
    return row.tolist() if kind == "list" and isinstance(row, np.ndarray) else row


def same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, dict):
            same(value, other[name])
        elif isinstance(value, list | np.ndarray | torch.Tensor):
            np.testing.assert_allclose(np.asarray(value), np.asarray(other[name]), atol=1e-5, err_msg=name)
        else:
            assert value == other[name], name


CHAIN = T.Compose([T.RandomCrop((9, 10, 11)), T.RandomRotate90(), T.Normalize(), T.RandomRotate(20.0), T.PickMap(2.0)])


@pytest.mark.parametrize("kind", ["numpy", "torch", "list"])
def test_every_form_of_row_and_batch_gives_the_same(kind):
    rows = [tile(3, index, count=4 + index) for index in range(3)]
    small = {**tile(3, 3), **cubes(12), "image": np.random.default_rng(3).random((12, 12, 12), np.float32)}
    expected = [CHAIN(row) for row in [*rows, small]]
    given = [as_given(row, kind) for row in [*rows, small]]
    for one, row in zip(expected, given, strict=True):
        same(one, CHAIN(row))
    batch = {name: [row[name] for row in given] for name in given[0]}
    out = CHAIN(batch)
    for place, one in enumerate(expected):
        same(one, {name: out[name][place] for name in one})
    collated = T.collate([as_given(row, "torch") for row in rows])
    assert collated["labels"].shape == (3, *SHAPES[3])
    out = T.Compose([T.RandomRotate90(), T.Normalize()])(collated)
    assert isinstance(out["target"], torch.Tensor)
    for place, row in enumerate(rows):
        one = T.Compose([T.RandomRotate90(), T.Normalize()])(as_given(row, "torch"))
        for name in ("image", "target", "labels"):
            torch.testing.assert_close(out[name][place], one[name], atol=1e-5, rtol=1e-5)
        same(one["picks"], {name: values[place] for name, values in out["picks"].items()})


def test_datasets_rows_batches_and_streams():
    rows = [tile(3, index, count=4 + index) for index in range(3)]
    point = List(Value("float32"), length=3)
    features = Features(
        {
            **{"image": EMImage(), "target": EMImage(), "segmentation": EMImage("uint8"), "path": Value("string")},
            **{"index": Value("int64"), "pixel_size": Value("float32")},
            "picks": {
                **{
                    "coordinates": List(point),
                    "pixels": List(point),
                    "label": List(ClassLabel(names=list("abcdefghi"))),
                },
                "rotation": List(List(point, length=3)),
            },
        }
    )
    data = [{name: {"segmentation": row[SEGMENTATION], **row}[name] for name in features} for row in rows]
    chain = T.Compose([T.RandomCrop((9, 10, 11)), T.RandomRotate90(), T.RandomRotate(20.0)], record=True)
    expected = [chain(row) for row in data]
    ds = Dataset.from_list([{**row, "picks": as_given(row["picks"], "list")} for row in data], features=features)
    transformed = ds.with_transform(chain)
    stream = ds.to_iterable_dataset().map(chain, batched=True, batch_size=2)
    for form in ([transformed[i] for i in range(3)], list(stream), [ds.with_format("torch")[i] for i in range(3)]):
        for one, row in zip(expected, form, strict=True):
            row = row if "transforms" in row else chain(row)
            for name in ("image", "target", "segmentation", "picks"):
                same({name: one[name]}, {name: row[name]})
    assert transformed[0]["segmentation"].dtype == torch.uint8
    again = chain.replay(data[1], expected[1]["transforms"])
    same(expected[1]["picks"], again["picks"])
    batch = T.collate([transformed[i] for i in range(3)])
    assert [len(points) for points in batch["picks"]["pixels"]] == [len(one["picks"]["pixels"]) for one in expected]


def test_collate_keeps_picks_ragged_and_stacks_rotations():
    rows = [
        {"image": torch.zeros(2, 2, 2), "picks": {"pixels": torch.zeros(2, 3), "label": [1, 2], "rotation": None}}
    ] * 2
    batch = T.collate([{**row, "rotation": r} for row, r in zip(rows, [None, np.eye(3).tolist()], strict=True)])
    assert [len(points) for points in batch["picks"]["pixels"]] == [2, 2]
    assert batch["picks"]["label"] == [[1, 2], [1, 2]]
    assert batch["rotation"].shape == (2, 3, 3)
    assert batch["rotation"][0].isnan().all()
    turned = T.RandomRotate90()({**batch, "path": ["a", "b"]})
    assert turned["rotation"].shape == (2, 3, 3)
    assert T.collate([{"image": torch.zeros(3, 3), "picks": [[1.0, 2.0]]}] * 2)["picks"] == [[[1.0, 2.0]]] * 2


# columns that only have the name


def test_columns_of_other_things_are_left_alone():
    row = {"image": torch.rand(6, 6, 6), "labels": 3, "target": 0.5, "rotation": 30.0, "pixels": 4096, "picks": "none"}
    out = T.Compose([T.RandomRotate90(), T.Normalize(), T.RandomFlip()])(row)
    assert {name: out[name] for name in row if name != "image"} == {name: row[name] for name in row if name != "image"}
    batch = {
        "image": torch.rand(2, 6, 6),
        "labels": torch.tensor([1, 2]),
        "target": torch.rand(2, 4),
        "path": ["a", "b"],
    }
    out = T.RandomRotate90()(batch)
    assert out["labels"] is batch["labels"]
    assert out["target"] is batch["target"]
    matrix = T.RandomRotate90()({"image": torch.rand(6, 6, 6), "target": np.eye(3)})["target"]
    assert isinstance(matrix, np.ndarray)


def test_masks_of_other_sides_are_refused_by_name():
    rows = {"image": [np.zeros((5, 6))] * 2, "segmentation": [np.zeros((5, 6)), np.zeros((6, 5))], "path": ["a", "b"]}
    told = r"^b: Normalize: segmentation of shape \(6, 5\) beside an image of \(5, 6\): expected the same sides"
    with pytest.raises(T.TransformError, match=told):
        T.Normalize()(rows)
    with pytest.raises(T.TransformError, match=r"labels of shape \(2, 5, 6\) beside an image of \(3, 5, 6\)"):
        T.CenterCrop(2)({"image": np.zeros((3, 5, 6)), "labels": np.zeros((2, 5, 6), int), "path": "a"})
    with pytest.raises(T.TransformError, match="target of shape"):
        T.CenterCrop(2)({"image": np.zeros((3, 5, 6)), "target": np.zeros((1, 3, 5, 6)), "path": "a"})


def test_a_mask_that_is_null_in_some_rows_stays_null_there():
    rows = {"image": [np.zeros((5, 6))] * 2, "segmentation": [None, np.ones((5, 6), np.uint8)], "path": ["a", "b"]}
    out = T.CenterCrop(3)(rows)["segmentation"]
    assert out[0] is None
    assert out[1].shape == (3, 3)


def test_a_volume_beside_its_mask_is_a_row_and_not_a_batch():
    out = T.Rescale(6)({"image": torch.ones(8, 8, 8), "labels": torch.ones(8, 8, 8).int()})
    assert out["image"].shape == out["labels"].shape == (6, 6, 6)


def test_motion_of_ones_own_is_given_the_function_where_there_is_a_target():
    rows = Batch(tile(3), "Own").groups(motion.COLUMNS)[0][1]
    with pytest.raises(T.TransformError, match="Own: a row with a 'target'"):
        motion.moved(rows, rows.images.clone(), motion.Motion(), owner="Own")
    assert motion.moved(rows, torch.clone, motion.Motion(), owner="Own").beside["target"].shape == (1, *SHAPES[3])


def test_by_is_there_for_functions_too():
    x, other = torch.randn(2, 8, 9), torch.randn(2, 8, 9)
    for function in (F.normalize, F.minmax, F.whiten):
        torch.testing.assert_close(function(x, spatial_dims=2, by=x), function(x, spatial_dims=2))
        assert not torch.allclose(function(x, spatial_dims=2, by=other), function(x, spatial_dims=2))


# images without noise


@pytest.mark.parametrize(("name", "transform", "dims"), catalogue.CASES, ids=ids(catalogue.CASES))
def test_a_clean_image_gets_what_a_target_gets(name, transform, dims):
    row = catalogue.rows(dims, 1)[0]
    second = row["image"][..., ::-1].copy()
    asked = transform({**row, "target": second})
    out = transform({**row, "clean": second})
    assert torch.equal(out["clean"], asked["target"])
    assert torch.equal(out["image"], asked["image"])
    both = transform({**row, "target": second, "clean": second})
    assert torch.equal(both["clean"], out["clean"])
    assert torch.equal(both["target"], out["clean"])


def test_what_is_called_clean_and_is_no_image_is_left_alone():
    for value in (True, "yes", None, np.eye(3)):
        out = T.Compose([T.RandomRotate90(), T.Normalize()])({"image": torch.rand(6, 6, 6), "clean": value})
        assert out["clean"] is value
