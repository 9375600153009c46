"""Projections are integrals through the volume, at RELION's angles."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial.transform import Rotation

import perc_transforms.functional as F
from perc_transforms import TransformError
from perc_transforms.functional import grids
from perc_transforms.functional.fourier import projection
from perc_transforms.spatial.euler import matrices_of, matrix_of


def grid(n):
    return torch.arange(n, dtype=torch.float64) - n // 2


def blobs(n, places, sigma):
    """Gaussian blobs of weights 1, 2, 3, ... at places (x, y, z) from the centre."""
    volume = torch.zeros(n, n, n, dtype=torch.float64)
    for weight, place in enumerate(places, 1):
        x, y, z = (torch.exp(-0.5 * (grid(n) - p) ** 2 / sigma**2) for p in place)
        volume += weight * z[:, None, None] * y[:, None] * x
    return volume


def images_of_blobs(n, places, sigma):
    """Their integrals along z, `(n, n)`."""
    image = torch.zeros(n, n, dtype=torch.float64)
    for weight, (px, py, _) in enumerate(places, 1):
        x, y = (torch.exp(-0.5 * (grid(n) - p) ** 2 / sigma**2) for p in (px, py))
        image += weight * math.sqrt(2 * math.pi) * sigma * y[:, None] * x
    return image


def relative(found, expected):
    return float((found - expected).norm() / expected.norm())


def rotations(count, seed=0):
    return torch.from_numpy(Rotation.random(count, random_state=seed).as_matrix())


def places_within(radius, count=12, seed=0):
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return radius * directions * rng.uniform(0, 1, (count, 1)) ** (1 / 3)


@pytest.mark.parametrize("n", [15, 16, 32, 33])
def test_without_a_rotation_it_is_the_sum_along_z_whatever_the_volume(n):
    volume = torch.randn(n, n, n, generator=torch.Generator().manual_seed(n))
    for oversampling, error in ((2.0, 1.2e-2), (3.0, 2e-3)):
        image = F.project(F.volume_transform(volume, oversampling=oversampling), torch.eye(3)[None])
        assert image.dtype == torch.float32
        assert relative(image[0], volume.sum(0)) < error


@pytest.mark.parametrize("n", [32, 33])
def test_three_taps_are_as_good_all_over_the_box(n):
    """Beside sums along z and slices of four taps that are sampled finely, of noise within a sphere."""
    inside = grids.radii((n, n, n), torch.zeros(1)) < 0.4 * n
    volume = torch.randn(n, n, n, generator=torch.Generator().manual_seed(n)) * inside
    some = torch.cat([torch.eye(3)[None].double(), rotations(4)])
    expected = F.project(F.volume_transform(volume, oversampling=5), some)
    assert relative(expected[0], volume.sum(0)) < 1e-3
    for oversampling, error in ((1.5, 8e-3), (2.0, 7e-3)):
        images = F.project(F.volume_transform(volume, oversampling=oversampling, taps=3), some)
        assert relative(images, expected) < error


@pytest.mark.parametrize("n", [48, 49])
@pytest.mark.parametrize(("radius", "error"), [(0.2, 1e-4), (0.3, 5e-4), (0.36, 2e-3)])
def test_blobs_lie_where_a_takes_them(n, radius, error):
    """Analytically: a blob at p is one at (A p)[:2]."""
    places = places_within(radius * n)
    transform = F.volume_transform(blobs(n, places, 2.0))
    for matrix in rotations(5):
        expected = images_of_blobs(n, places @ matrix.numpy().T, 2.0)
        assert relative(F.project(transform, matrix[None])[0], expected) < error


def test_the_test_point_lies_where_relion_has_it():
    """p = (9, -6, 4) at rot 30, tilt 50, psi 70: at (-9.11, -3.33) from n // 2, less the origin over the pixel size."""
    n, matrix = 48, torch.from_numpy(matrix_of(30, 50, 70))
    transform = F.volume_transform(blobs(n, [(9, -6, 4)], 1.5))
    origin, pixel_size = torch.tensor([[6.0, -4.0]]), 1.6
    for shifts, x, y in ((None, -9.11, -3.33), (-origin / pixel_size, -9.11 - 3.75, -3.33 + 2.5)):
        image = F.project(transform, matrix[None], shifts=shifts)[0]
        expected = images_of_blobs(n, [(matrix @ torch.tensor([9.0, -6, 4]).double()).tolist()], 1.5)
        found = (image.sum(0) @ grid(n)) / image.sum(), (image.sum(1) @ grid(n)) / image.sum()
        assert found[0].item() == pytest.approx(x, abs=0.01)
        assert found[1].item() == pytest.approx(y, abs=0.01)
        if shifts is None:
            assert relative(image, expected) < 2e-3


def test_it_is_a_sum_in_real_space():
    """Beside scipy's: the volume turned by splines, and summed along z."""
    n = 40
    volume = blobs(n, places_within(0.25 * n), 2.0)
    transform = F.volume_transform(volume)
    centre = np.full(3, n // 2)
    for matrix in rotations(3, seed=1):
        backwards = matrix.numpy().T[::-1, ::-1]  # scipy's axes are (z, y, x)
        turned = ndimage.affine_transform(volume.numpy(), backwards, centre - backwards @ centre, order=3)
        assert relative(F.project(transform, matrix[None])[0], torch.from_numpy(turned.sum(0))) < 5e-3


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_quarter_turn_is_a_quarter_turn(axis):
    """About z of an odd box it is np.rot90 of the image; about x and y another axis is summed along."""
    n = 15
    volume = torch.randn(n, n, n, generator=torch.Generator().manual_seed(0))
    matrix = torch.from_numpy(Rotation.from_euler("xyz"[axis], 90, degrees=True).as_matrix())
    turned = np.rot90(volume.numpy(), 1, {2: (2, 1), 1: (0, 2), 0: (1, 0)}[axis])
    image = F.project(F.volume_transform(volume, oversampling=3), matrix[None])[0]
    assert relative(image, torch.from_numpy(turned.sum(0).copy())) < 3e-3


def test_slices_are_those_of_a_real_volume():
    """Friedel: the slice seen from behind, mirrored, is the conjugate; and slices are spectra of the images."""
    volume = torch.randn(16, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    transform, some = F.volume_transform(volume), rotations(3)
    slices, images = F.central_slices(transform, some), F.project(transform, some)
    torch.testing.assert_close(torch.fft.irfftn(slices, s=(16, 16), dim=(1, 2)), images)
    behind = torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64)) @ some
    inner = F.central_slices(transform, behind)[:, 1:8, 1:8]
    torch.testing.assert_close(inner, slices[:, 9:, 1:8].flip(1))
    half_turn = torch.diag(torch.tensor([-1.0, -1.0, 1.0], dtype=torch.float64)) @ some
    about_centre = torch.tensor([(-1.0) ** (x + y) for y in range(16) for x in range(9)]).view(16, 9)
    turned = F.central_slices(transform, half_turn) * about_centre
    torch.testing.assert_close(turned[:, 1:8, 1:8], (slices * about_centre)[:, 1:8, 1:8].conj())


def test_a_batch_is_its_images_one_by_one_in_any_pieces(monkeypatch):
    volume = torch.randn(9, 9, 9, generator=torch.Generator().manual_seed(0))
    transform, some, shifts = F.volume_transform(volume), rotations(5), torch.randn(5, 2)
    whole = F.project(transform, some, shifts=shifts)
    monkeypatch.setattr(projection, "_PIXELS", 2 * 81)
    monkeypatch.setattr(projection, "_AT_ONCE", {"cpu": 7})
    torch.testing.assert_close(F.project(transform, some, shifts=shifts), whole)
    torch.testing.assert_close(F.project(transform, some), F.project(transform, some, shifts=torch.zeros(5, 2)))
    one = [F.project(transform, some[k : k + 1], shifts=shifts[k : k + 1])[0] for k in range(5)]
    torch.testing.assert_close(torch.stack(one), whole)
    assert F.project(transform, some[:0]).shape == (0, 9, 9)


def test_a_shift_moves_the_content():
    volume = torch.randn(8, 8, 8, generator=torch.Generator().manual_seed(0))
    transform, some = F.volume_transform(volume), rotations(2)
    by = torch.tensor([[2.0, -1.0], [0.0, 3.0]])
    still, moved = F.project(transform, some), F.project(transform, some, shifts=by)
    torch.testing.assert_close(moved[0], still[0].roll((-1, 2), (0, 1)))
    torch.testing.assert_close(moved[1], still[1].roll(3, 0))
    torch.testing.assert_close(
        F.fourier_shift(still, by / 3, spatial_dims=2), F.project(transform, some, shifts=by / 3)
    )


@pytest.mark.parametrize(("size", "step"), [(20, 1.6), (21, 32 / 21), (40, 0.8), (32, 1.5), (28, 1.0)])
def test_images_of_other_pixels_show_the_same(size, step):
    """Blobs that both samplings hold, of sums over voxels."""
    places = [(2.0, -2.0, 1.0), (-3.0, 1.0, 2.0)]
    transform, matrix = F.volume_transform(blobs(32, places, 2.8)), rotations(1)[0]
    image = F.project(transform, matrix[None], shifts=torch.tensor([[0.5, -1.0]]), size=size, step=step)[0]
    fine = (np.array(places) @ matrix.numpy().T) / step + (0.5, -1.0, 0)
    assert relative(image, images_of_blobs(size, fine, 2.8 / step) * step) < 3e-3


@pytest.mark.parametrize("taps", [3, 4])
@pytest.mark.parametrize(("n", "cutoff"), [(16, 0.5), (17, 0.5), (16, 0.3), (24, 0.1)])
def test_a_cutoff_leaves_what_is_within_it(n, cutoff, taps):
    """Of other pixels, too: it is told in cycles a voxel."""
    volume = torch.randn(n, n, n, generator=torch.Generator().manual_seed(0))
    whole, cut = F.volume_transform(volume, taps=taps), F.volume_transform(volume, cutoff=cutoff, taps=taps)
    assert cut.values.numel() <= (whole.values.numel() if cutoff == 0.5 else 0.5 * whole.values.numel())
    for size, step in ((n, 1.0), (15, 1.6), (20, 0.8)):
        options = {"size": size, "step": step, "shifts": torch.tensor([[0.7, -1.2]]).expand(3, 2)}
        kept = grids.spatial_frequency((size, size), volume) / step <= cutoff + 1e-9
        expected = F.central_slices(whole, rotations(3), **options) * kept
        torch.testing.assert_close(F.central_slices(cut, rotations(3), **options), expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_coarse_products_of_matrices_are_not_taken(precision):
    transform, some = F.volume_transform(torch.randn(8, 8, 8)), rotations(2)
    expected = F.project(transform, some)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        found = F.project(transform, some)
    finally:
        torch.set_float32_matmul_precision(before)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(F.project(transform, some), expected, atol=1e-5, rtol=1e-5)


def test_gradients_flow():
    volume = torch.randn(4, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    angles = torch.tensor([[20.0, 50.0, -30.0]], dtype=torch.float64, requires_grad=True)
    shifts = torch.tensor([[0.3, -0.2]], dtype=torch.float64, requires_grad=True)

    for cutoff, taps in ((None, 4), (0.4, 4), (None, 3)):

        def images(volume, angles, shifts, cutoff=cutoff, taps=taps):
            transform = F.volume_transform(volume, cutoff=cutoff, taps=taps)
            return F.project(transform, matrices_of(angles), shifts=shifts)

        assert torch.autograd.gradcheck(images, (volume, angles, shifts))


def test_it_compiles_to_one_graph():
    volume, some = torch.randn(6, 6, 6), rotations(2)

    def images(volume, some):
        return F.project(F.volume_transform(volume), some)

    compiled = torch.compile(images, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(volume, some), images(volume, some))


def test_what_it_was_given_stays_as_it_was():
    volume = torch.randn(5, 5, 5)
    transform, before = F.volume_transform(volume), volume.clone()
    values = transform.values.clone()
    F.project(transform, torch.eye(3)[None]).zero_()
    assert torch.equal(volume, before)
    assert torch.equal(transform.values, values)
    assert transform.to("cpu").size == 5


@pytest.mark.parametrize("n", [1, 2, 3])
def test_small_volumes(n):
    volume = torch.rand(n, n, n)
    image = F.project(F.volume_transform(volume, oversampling=4), torch.eye(3)[None])[0]
    torch.testing.assert_close(image, volume.sum(0), atol=5e-3, rtol=5e-3)


def test_what_cannot_be_projected_is_said():
    transform = F.volume_transform(torch.ones(4, 4, 4))
    for call, said in (
        (lambda: F.volume_transform(torch.ones(4, 4, 5)), r"shape \(4, 4, 5\): expected a cube"),
        (lambda: F.volume_transform(torch.ones(4, 4)), "expected a cube"),
        (lambda: F.volume_transform(torch.ones(4, 4, 4, dtype=torch.int64)), "int64"),
        (lambda: F.volume_transform(torch.ones(4, 4, 4), oversampling=0.5), "oversampling is 0.5: expected 1 or more"),
        (
            lambda: F.volume_transform(torch.ones(4, 4, 4), cutoff=0.6),
            "cutoff is 0.6: expected cycles a voxel, above 0",
        ),
        (lambda: F.volume_transform(torch.ones(4, 4, 4), taps=2), "taps is 2: expected 3 or 4"),
        (lambda: F.volume_transform(torch.ones(4, 4, 4), cutoff=0), "cutoff is 0: expected cycles a voxel, above 0"),
        (lambda: F.project(transform, torch.eye(3)[None], size=9), "9 pixels of 1.0 voxels each: .* than 8 voxels"),
        (lambda: F.project(transform, torch.eye(3)[None], step=0.0), "4 pixels of 0.0 voxels"),
        (
            lambda: F.project(transform, torch.eye(3)[None], size=0),
            "0 pixels of 1.0 voxels each: expected both above 0",
        ),
        (lambda: F.project(transform, torch.eye(3)[None], size=1.5), "size is 1.5: expected pixels of a side"),
        (lambda: F.project(torch.ones(4, 4, 4), torch.eye(3)[None]), "a Tensor where a volume's transform is expected"),
        (lambda: F.project(transform, torch.full((1, 3, 3), torch.nan)), "rotations that are NaN or infinite"),
        (lambda: F.volume_transform(torch.ones(4, 4, 4, dtype=torch.float16)), "float16.*: expected .*32 or 64 bits"),
        (lambda: F.project(transform, torch.eye(3)), r"rotations of shape \(3, 3\)"),
        (lambda: F.project(transform, torch.eye(3)[None], shifts=torch.zeros(2, 2)), r"shifts of shape \(2, 2\) for 1"),
    ):
        with pytest.raises(TransformError, match=said):
            call()


def test_matrices_of_many_are_those_of_one_and_scipys():
    angles = np.random.default_rng(0).uniform(-180, 180, (20, 3))
    expected = Rotation.from_euler("ZYZ", angles, degrees=True).as_matrix().transpose(0, 2, 1)
    np.testing.assert_allclose(matrices_of(angles), expected, atol=1e-12)
    np.testing.assert_allclose(matrices_of(torch.from_numpy(angles)).numpy(), expected, atol=1e-12)
    np.testing.assert_array_equal(matrix_of(*angles[3]), matrices_of(angles)[3])
    assert matrices_of(torch.zeros(2, 5, 3)).shape == (2, 5, 3, 3)
