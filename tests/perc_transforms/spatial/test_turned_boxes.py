"""Boxes cut along axes of their own, and the angles of such axes: against SciPy."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial.transform import Rotation

import perc_transforms.functional as F
from perc_transforms.functional.spatial import turned_boxes
from perc_transforms.spatial import euler


def rng(seed=0):
    return np.random.default_rng(seed)


def rotations(dims, count, seed=0):
    if dims == 3:
        return Rotation.random(count, random_state=seed).as_matrix()
    angles = rng(seed).uniform(-np.pi, np.pi, count)
    return np.array([[[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]] for a in angles])


def scipys(x, matrix, shape, center, fill):
    """SciPy's, whose vectors are in the order of the axes."""
    inverse = matrix.T[::-1, ::-1]
    offset = center[::-1] - inverse @ [m // 2 for m in shape]
    return ndimage.affine_transform(
        x, inverse, offset, shape, order=1, mode="grid-constant", cval=fill, output=np.float64
    )


@pytest.mark.parametrize(
    ("sizes", "shape", "spread"),
    [
        ((9, 12, 15), None, 0.0),
        ((17, 20, 19), (6, 7, 5), 0.5),
        ((9, 12, 15), (4, 9, 8), 6.0),
        ((9, 12, 15), (3, 4, 5), 60.0),
        ((1, 2, 3), (4, 3, 2), 1.0),
        ((11, 14), (6, 5), 3.0),
    ],
)
@pytest.mark.parametrize("fill", [0.0, 2.5])
def test_a_box_is_scipys_to_rounding(sizes, shape, spread, fill):
    dims, count = len(sizes), 3
    x, matrices = rng().standard_normal((count, *sizes)), rotations(dims, count)
    middle = np.array([n // 2 for n in reversed(sizes)])
    centers = middle + rng(1).uniform(-spread, spread, (count, dims))
    options = {"centers": torch.from_numpy(centers)} if spread else {}
    boxes = F.rotate_volume(torch.from_numpy(x), torch.from_numpy(matrices), shape, fill=fill, **options)
    for box, volume, matrix, center in zip(boxes, x, matrices, centers if spread else [middle] * count, strict=True):
        np.testing.assert_allclose(box, scipys(volume, matrix, shape or sizes, center, fill), atol=1e-9)
    single = F.rotate_volume(
        torch.from_numpy(x).float(), torch.from_numpy(matrices).float(), shape, fill=fill, **options
    )
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), boxes, atol=2e-5, rtol=0)


def test_many_boxes_are_those_of_one_by_one_each_with_its_own_filling(monkeypatch):
    x, matrices = torch.randn(5, 2, 7, 8, 9), torch.from_numpy(rotations(3, 5))
    centers, fill = torch.rand(5, 3) * 8, torch.arange(5.0)
    options = [{"centers": c[None], "fill": f[None]} for c, f in zip(centers, fill, strict=True)]
    each = [F.rotate_volume(x[[i]], matrices[[i]], (4, 5, 6), **options[i]) for i in range(5)]
    assert torch.equal(F.rotate_volume(x, matrices, (4, 5, 6), centers=centers, fill=fill), torch.cat(each))
    monkeypatch.setattr(turned_boxes, "_AT_ONCE", 250)
    assert torch.equal(F.rotate_volume(x, matrices, (4, 5, 6), centers=centers, fill=fill), torch.cat(each))


def test_a_whole_volume_is_rotates_and_a_particle_stands_upright():
    x, matrices = torch.randn(2, 9, 9, 9), torch.from_numpy(rotations(3, 2))
    torch.testing.assert_close(F.rotate_volume(x, matrices), F.rotate(x, matrices, spatial_dims=3, padding="zeros"))
    blob, lies = np.array([5.0, -2.0, 3.0]), rotations(3, 1)[0]
    place = np.array([14.3, 12.6, 13.8]) + lies @ blob
    axes = [np.exp(-0.5 * ((np.arange(28) - p) / 2) ** 2) for p in place]
    volume = torch.from_numpy(np.einsum("z,y,x->zyx", *axes[::-1]))
    center = torch.tensor([[14.3, 12.6, 13.8]])
    upright = F.rotate_volume(volume[None], torch.from_numpy(lies.T[None]), (15, 15, 15), centers=center)[0]
    z, y, x = np.unravel_index(int(upright.argmax()), upright.shape)
    assert (x - 7, y - 7, z - 7) == tuple(blob)


def test_gradients_flow():
    x, matrices = torch.randn(1, 3, 4, 3, dtype=torch.float64), torch.from_numpy(rotations(3, 1))
    assert torch.autograd.gradcheck(lambda v: F.rotate_volume(v, matrices, (2, 3, 2)), x.requires_grad_())
    center = torch.tensor([[1.3, 1.6, 1.2]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c: F.rotate_volume(x.detach(), matrices, (1, 2, 2), centers=c), center)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_angles_are_scipys_there_and_back_of_any_shape(kind):
    angles = rng().uniform((-180, 1, -180), (180, 179, 180), (4, 2, 3))
    matrices = F.matrices_of(kind(angles))
    expected = Rotation.from_euler("ZYZ", angles.reshape(-1, 3), degrees=True).as_matrix().transpose(0, 2, 1)
    np.testing.assert_allclose(matrices, expected.reshape(4, 2, 3, 3), atol=1e-12)
    back = F.angles_of(matrices)
    assert type(back) is type(matrices)
    np.testing.assert_allclose(back, angles, atol=1e-9)
    assert F.angles_of(matrices[:0]).shape == (0, 2, 3)


def test_angles_of_rotations_about_z_and_of_one_matrix():
    angles = np.array([[30.0, 0.0, 20.0], [30.0, 180.0, 20.0]])
    back = F.angles_of(F.matrices_of(angles))
    np.testing.assert_allclose(back, [[0.0, 0.0, 50.0], [0.0, 180.0, -10.0]], atol=1e-9)
    np.testing.assert_allclose(F.matrices_of(back), F.matrices_of(angles), atol=1e-12)
    assert euler.angles_of(euler.matrix_of(10, 20, 30)) == pytest.approx((10, 20, 30))
    assert euler.matrices_of is F.matrices_of
