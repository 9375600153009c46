"""Project: images of rows' volumes, and what becomes of their columns."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch.utils.data import default_collate

import perc_transforms as T
from perc_transforms import functional as F
from perc_transforms.spatial.euler import matrix_of


def blob(n, places, sigma=1.5):
    """Gaussian blobs at places (x, y, z) from the centre."""
    grid = torch.arange(n) - n // 2
    volume = torch.zeros(n, n, n)
    for weight, place in enumerate(places, 1):
        x, y, z = (torch.exp(-0.5 * (grid - p) ** 2 / sigma**2) for p in place)
        volume += weight * z[:, None, None] * y[:, None] * x
    return volume


PLACES = [(5.0, -2.0, 3.0), (-4.0, 4.0, -1.0), (0.0, 1.0, 6.0)]


def row(volume, number=0, **more):
    return {"image": volume, "pixel_size": 2.0, "path": "maps", "index": number, **more}


def test_given_angles_make_the_projection_at_them():
    volume, angles = blob(24, PLACES), (30.0, 50.0, 70.0)
    done = T.Project(angles)(row(volume))
    expected = F.project(F.volume_transform(volume), torch.from_numpy(matrix_of(*angles))[None])[0]
    assert torch.equal(done["image"], expected)
    assert done["pose"] == pytest.approx({"rot": 30, "tilt": 50, "psi": 70, "shift_x": 0, "shift_y": 0})
    sum_along_z = T.Project((0, 0, 0), oversampling=3)(row(volume))["image"]
    torch.testing.assert_close(sum_along_z, volume.sum(0), atol=1e-3, rtol=1e-3)
    assert torch.equal(T.Project(angles)(volume), expected)


def test_the_pose_is_that_with_which_the_image_is_one_of_the_volume():
    volume = blob(24, PLACES)
    for number in range(4):
        done = T.Project()(row(volume, number))
        pose = done["pose"]
        matrix = matrix_of(pose["rot"], pose["tilt"], pose["psi"])
        expected = F.project(F.volume_transform(volume), torch.from_numpy(matrix)[None])[0]
        torch.testing.assert_close(done["image"], expected, atol=1e-3, rtol=1e-3)


def test_a_volume_with_a_pose_gives_images_of_what_that_is_a_pose_of():
    """The reference turned and moved, projected: as the reference projected at the pose that is written."""
    reference, given = blob(32, PLACES), {"rot": 20.0, "tilt": 60.0, "psi": -40.0}
    matrix = matrix_of(*given.values())
    origin = np.array([4.0, -6.0, 2.0])  # Å: content lies at minus that
    turned = blob(32, np.array(PLACES) @ matrix.T - origin / 2.0)
    pose = {**given, **dict(zip(("shift_x", "shift_y", "shift_z"), origin, strict=True))}
    done = T.Project((80.0, 35.0, 10.0))(row(turned, pose=pose))
    assert set(done["pose"]) == set(pose)  # shift_z is the depth, now
    angles = torch.tensor([[done["pose"][name] for name in ("rot", "tilt", "psi")]])
    shift = -torch.tensor([[done["pose"]["shift_x"], done["pose"]["shift_y"]]]) / 2.0
    expected = F.project(F.volume_transform(reference), F.matrices_of(angles), shifts=shift)[0]
    torch.testing.assert_close(done["image"], expected, atol=5e-3, rtol=1e-2)


def test_random_directions_are_uniform_over_so3():
    """Moments of matrices of Haar measure: entries have mean 0 and variance 1/3; Kolmogorov and Smirnov's for tilts."""
    project = T.Project(views=400, record=True, oversampling=1)
    [record] = project(row(torch.zeros(2, 2, 2)))["transforms"]
    angles = np.array(record["angles"])
    matrices = F.matrices_of(torch.from_numpy(angles)).numpy()
    assert np.abs(matrices.mean(0)).max() < 4 / np.sqrt(3 * 400)
    assert np.abs((matrices**2).mean(0) - 1 / 3).max() < 4 * np.sqrt(4 / 45 / 400)
    cosines = np.sort(np.cos(np.deg2rad(angles[:, 1])))
    assert np.abs((cosines + 1) / 2 - (np.arange(400) + 0.5) / 400).max() < 1.63 / np.sqrt(400)
    assert np.abs(Rotation.from_matrix(matrices).as_matrix() - matrices).max() < 1e-6


def test_views_have_a_pose_each():
    volume = blob(16, [(3.0, -2.0, 1.0)])
    given = [(0.0, 0.0, 0.0), (10.0, 20.0, 30.0), (50.0, 60.0, 70.0)]
    done = T.Project(given)(row(volume))
    assert done["image"].shape == (3, 16, 16)
    for angles, pose, image in zip(given, done["pose"], done["image"], strict=True):
        one = T.Project(angles)(row(volume))
        assert pose == pytest.approx(one["pose"])
        torch.testing.assert_close(image, one["image"])
    assert T.Project(views=2)(volume).shape == (2, 16, 16)
    data = default_collate([row(volume, number, pose=dict(done["pose"][0])) for number in range(2)])
    batch = T.Project(views=2)(data)
    assert batch["image"].shape == (2, 2, 16, 16)
    assert [len(poses) for poses in batch["pose"]] == [2, 2]
    moved = T.RandomShift(1.0, spatial_dims=2)(done)
    assert [pose["shift_x"] != 0 for pose in moved["pose"]] == [True] * 3


def test_batches_lists_and_records_give_what_rows_give():
    rows = [row(blob(n, [(2.0, -1.0, 1.0)]), number) for number, n in enumerate((12, 13, 12))]
    project = T.Project(record=True)
    alone = [project(one) for one in rows]
    batch = {name: [one[name] for one in rows] for name in rows[0]}
    together = project(batch)
    for place, one in enumerate(alone):
        torch.testing.assert_close(together["image"][place], one["image"])
        assert together["pose"][place] == pytest.approx(one["pose"])
        again = project.replay(rows[place], one["transforms"])
        assert torch.equal(again["image"], one["image"])
        assert again["pose"] == one["pose"]
    project.set_epoch(1)
    assert project(rows[0])["pose"] != alone[0]["pose"]
    assert T.Project()(torch.zeros(2, 3, 8, 8, 8)).shape == (2, 3, 8, 8)


def test_what_comes_after_is_of_the_image():
    """A CTF, shot noise and a shift: the whole of a simple simulation."""
    ctf = {"defocus_u": 9000.0, "defocus_angle": 20.0, "voltage": 300.0}
    ctf |= {"spherical_aberration": 2.7, "amplitude_contrast": 0.1}
    chain = T.Compose([T.RandomRotate(), T.Project(), T.RandomShift(2.0), T.CTF(), T.Envelope(50.0), T.ShotNoise(20.0)])
    done = chain(row(0.01 * blob(16, [(2.0, -1.0, 1.0)]), ctf=ctf, coordinate_x=9.0, coordinate_y=4.0))
    assert done["image"].shape == (16, 16)
    assert done["ctf"]["defocus_u"] == 9000.0
    assert done["pose"]["shift_x"] != 0


def test_places_in_a_volume_turn_with_it():
    volume = blob(24, [(5.0, -2.0, 3.0)])
    picks = {"pixels": [[17.0, 10.0, 15.0]], "label": [0]}
    done = T.Project((30.0, 50.0, 70.0))(row(volume, picks=picks, target=2 * volume))
    x, y = done["picks"]["pixels"][0][:2]
    image = done["image"]
    centre = [float((image.sum(axis) * torch.arange(24)).sum() / image.sum()) for axis in (0, 1)]
    assert [x, y] == pytest.approx(centre, abs=0.02)
    torch.testing.assert_close(done["target"], 2 * image)


def test_gradients_reach_the_volume():
    volume = blob(6, [(1.0, 0.0, 0.0)]).double().requires_grad_()
    assert torch.autograd.gradcheck(T.Project((10.0, 20.0, 30.0)), (volume,))


def test_what_cannot_be_projected_is_said():
    for options, said in (
        ({"rotation": "uniform"}, "expected 'random', .rot, tilt, psi. in degrees"),
        ({"rotation": (1.0, 2.0)}, "expected 'random'"),
        ({"rotation": (1.0, 2.0, 3.0), "views": 2}, "views is 2: expected a number of random ones"),
        ({"views": 0}, "views is 0"),
        ({"oversampling": 0.5}, "oversampling is 0.5: expected 1 or more"),
        ({"spatial_dims": 2}, "spatial_dims is 2: expected 3"),
    ):
        with pytest.raises(T.TransformError, match=said):
            T.Project(**options)
    with pytest.raises(T.TransformError, match=r"an image of shape \(4, 4, 5\): expected a cube"):
        T.Project()(torch.zeros(4, 4, 5))
    with pytest.raises(T.TransformError, match="expected a cube"):
        T.Project()(torch.zeros(4, 4))
    with pytest.raises(T.TransformError, match="segmentation beside the volume"):
        T.Project()(row(torch.zeros(4, 4, 4), segmentation=np.zeros((4, 4, 4), np.int64)))
