"""From a table to a batch: the pose of a row tells where things are in its image, whatever was done to it.

A blob at p (Å, from the map's centre) has to be at `(A p)[:2] - origin` from the centre of its image, with A and the
origin those of the row as it comes out.
"""

import numpy as np
import pytest
import torch

import perc_transforms as T
from builders import load_dataset
from perc_transforms import functional as F
from perc_transforms.spatial.euler import matrices_of
from tests.particles import blobs

SIDE, SIZE, COUNT = 48, 2.0, 12
POINT = np.array([18.0, -12.0, 8.0])
"""The test point of RELION's conventions, (9, -6, 4) pixels, in Å."""
TRANSFORMS = {
    "nothing": T.ToTensor(),
    "RandomRotate": T.RandomRotate(seed=1),
    "RandomShift": T.RandomShift(3.0, seed=1),
    "FourierCrop": T.FourierCrop(36),
    "FourierCrop odd": T.FourierCrop(pixel_size=SIZE * 48 / 35),
    "FourierPad": T.FourierPad(63),
    "Rescale": T.Rescale(33),
    "CenterCrop": T.CenterCrop(45),
    "Pad": T.Pad(55),
    "RandomRotate90": T.RandomRotate90(seed=1),
    "Compose": T.Compose([T.RandomShift(2.0, seed=2), T.RandomRotate(seed=3), T.FourierCrop(40), T.Normalize()]),
}
STATED = [(30.0, 50.0, 70.0, 0.0, 0.0), (30.0, 50.0, 70.0, 6.0, -4.0), (0.0, 0.0, 0.0, 0.0, 0.0)]


def image(angles, origin):
    """A blob's image by the formula, noise-free."""
    x, y, _ = (blobs.matrix(*angles) @ POINT - np.append(origin, 0.0)) / SIZE
    axis = np.arange(SIDE) - SIDE // 2
    return np.exp(-0.5 * ((axis[:, None] - y) ** 2 + (axis - x) ** 2) / 2.0**2).astype(np.float32)


def rows():
    """Rows at the test's poses and at random ones."""
    rng = np.random.default_rng(0)
    drawn = [(*rng.uniform((-180, 0, -180), 180), *rng.uniform(-5, 5, 2)) for _ in range(COUNT - len(STATED))]
    ctf = {"defocus_u": 12000.0, "defocus_v": 10000.0, "defocus_angle": 25.0, "voltage": 300.0}
    ctf |= {"spherical_aberration": 2.7, "amplitude_contrast": 0.1, "phase_shift": 0.0}
    for number, (*angles, x, y) in enumerate([*STATED, *drawn]):
        pose = dict(zip(("rot", "tilt", "psi"), map(float, angles), strict=True), shift_x=float(x), shift_y=float(y))
        yield {
            **{"image": image(angles, (x, y)), "pixel_size": SIZE, "path": "stack.mrcs", "index": number},
            **{"ctf": ctf, "pose": pose, "micrograph": "micrograph.mrc"},
        }


@pytest.fixture
def table(tmp_path):
    return blobs.write_project(tmp_path, rows())


def places(images):
    """Where the blob is, (x, y) in pixels from the centre."""
    images = torch.as_tensor(images).double()
    weights = (images - 0.3 * images.amax((-2, -1), keepdim=True)).clamp(min=0.0)
    y, x = (torch.arange(n, dtype=torch.float64) - n // 2 for n in images.shape[-2:])
    total = weights.sum((-2, -1))
    return torch.stack([(weights.sum(-2) @ x) / total, (weights.sum(-1) @ y) / total], -1)


def predicted(batch):
    """Where a batch's poses and pixel sizes say that it is."""
    pose = batch["pose"]
    if not isinstance(pose, dict):
        pose = {name: [one[name] for one in pose] for name in pose[0]}
    columns = {name: torch.as_tensor(np.asarray(values), dtype=torch.float64) for name, values in pose.items()}
    matrices = matrices_of(torch.stack([columns["rot"], columns["tilt"], columns["psi"]], -1))
    angstrom = (matrices @ torch.from_numpy(POINT))[:, :2] - torch.stack([columns["shift_x"], columns["shift_y"]], -1)
    return angstrom / torch.as_tensor(np.asarray(batch["pixel_size"]), dtype=torch.float64)[:, None]


def agree(batch, count=COUNT):
    images = batch["image"] if isinstance(batch["image"], torch.Tensor) else torch.stack(list(batch["image"]))
    assert len(images) == count
    assert (places(images) - predicted(batch)).abs().max() < 0.05
    return batch


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("kind", ["map-style", "stream", "map"])
def test_the_pose_of_a_row_tells_where_its_content_is(table, name, kind):
    transform = TRANSFORMS[name]
    if kind == "stream":
        stream = load_dataset("particles", star=str(table), split="train", streaming=True).map(transform)
        agree(T.collate(list(stream)))
        return
    dataset = load_dataset("particles", star=str(table), split="train")
    if kind == "map-style":
        batch = agree(dataset.with_transform(transform)[:])
        one = dataset.with_transform(transform)[1]
        np.testing.assert_allclose(np.asarray(one["image"]), np.asarray(batch["image"][1]), atol=1e-5)
        return
    agree(dataset.map(transform, batched=True, batch_size=5).with_format("torch")[:])


def test_the_test_point_comes_through(table):
    """(-9.11, -3.33) pixels from n // 2, and less the origin by the pixel size."""
    batch = load_dataset("particles", star=str(table), split="train").with_transform(T.ToTensor())[:]
    found = places(torch.stack(list(batch["image"])))
    expected = torch.tensor([[-9.11, -3.33], [-9.11 - 3.0, -3.33 + 2.0], [9.0, -6.0]])
    assert (found[:3] - expected).abs().max() < 0.02


def test_projections_of_a_volume_at_the_rows_poses_are_the_images(table):
    """`project` and the table agree: rotations by A, shifts by minus the origin."""
    axis = (torch.arange(SIDE) - SIDE // 2).double()
    x, y, z = (torch.exp(-0.5 * (axis - p / SIZE) ** 2 / 2.0**2) for p in POINT)
    volume = z[:, None, None] * y[:, None] * x
    batch = load_dataset("particles", star=str(table), split="train").with_transform(
        T.Compose([T.RandomShift(2.0), T.ToTensor()])
    )[:]
    pose = [[one[name] for name in ("rot", "tilt", "psi", "shift_x", "shift_y")] for one in batch["pose"]]
    angles, origins = torch.tensor(pose, dtype=torch.float64).split([3, 2], 1)
    images = F.project(F.volume_transform(volume), matrices_of(angles), shifts=-origins / SIZE)
    images = images / (np.sqrt(2 * np.pi) * 2.0)
    given = torch.stack(list(batch["image"])).double()
    assert (images - given).norm() / given.norm() < 5e-3


def test_a_mirror_leaves_no_pose_and_rows_that_were_not_mirrored_keep_theirs(table):
    dataset = load_dataset("particles", star=str(table), split="train")
    batch = dataset.with_transform(T.RandomFlip(seed=1, record=True))[:]
    flipped = [one[0]["flip"] for one in batch["transforms"]]
    assert [pose is None for pose in batch["pose"]] == [sum(axes) % 2 == 1 for axes in flipped]
    assert 0 < sum(pose is None for pose in batch["pose"]) < COUNT
    kept = [number for number, pose in enumerate(batch["pose"]) if pose is not None]
    agree({name: [batch[name][k] for k in kept] for name in ("image", "pixel_size", "pose")}, len(kept))


@pytest.mark.parametrize("kind", [T.RandomRotate, T.RandomFlip, T.RandomRotate90])
def test_the_angle_of_defocus_turns_with_the_image(kind):
    """What a point looks like through its CTF, turned, is what one looks like through the turned CTF."""
    ctf = {"defocus_u": 9000.0, "defocus_v": 4000.0, "defocus_angle": 25.0, "voltage": 300.0}
    ctf |= {"spherical_aberration": 2.7, "amplitude_contrast": 0.1, "phase_shift": 0.0}
    axis = np.arange(64) - 32
    blob = np.exp(-0.5 * (axis[:, None] ** 2 + axis**2) / 1.5**2).astype(np.float32)
    rows = [{"image": blob, "pixel_size": 2.0, "ctf": ctf, "path": "a", "index": k} for k in range(6)]
    transform = kind(seed=4)
    through = [transform(T.CTF()(row)) for row in rows]
    again = [T.CTF()({**row, "image": blob}) for row in through]
    turned = {row["ctf"]["defocus_angle"] for row in through}
    assert len(turned) > 1
    for one, other in zip(through, again, strict=True):
        assert torch.cosine_similarity(one["image"].flatten(), other["image"].flatten(), 0) > 0.97
