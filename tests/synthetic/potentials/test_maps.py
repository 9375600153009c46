"""Maps in place of structures: an analytic Gaussian comes out as itself, however it was sampled."""

import gzip
import logging

import numpy as np
import pytest

from builders.errors import FormatError, TruncatedError
from builders.synthetic import densities, density
from tests.mrc_encoder import header

SIGMA, AT = 5.0, np.array([3.0, -4.5, 2.0])
"""Å; the place as z, y, x from the middle of voxel n // 2."""


def gaussian(shape, voxel):
    """A Gaussian blob, about a point that lies off the middle."""
    voxels = np.broadcast_to(voxel, 3)
    axes = [(np.arange(n) - n // 2) * size - at for n, size, at in zip(shape, voxels, AT, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return np.exp(-(z**2 + y**2 + x**2) / (2 * SIGMA**2)).astype(np.float32)


def write(path, volume, voxel, mapcrs=(1, 2, 3)):
    """A map whose axes are stored in some order; voxel is Å, one or `(z, y, x)`."""
    order = [3 - axis for axis in mapcrs[::-1]]  # of z, y, x, the slowest first
    stored = np.ascontiguousarray(volume.transpose(order))
    nz, ny, nx = stored.shape
    cell = [float(size) * n for size, n in zip(np.broadcast_to(voxel, 3), volume.shape, strict=True)][::-1]
    head = bytearray(header(nx, ny, nz, 2, ispg=1, cell=cell, mapcrs=mapcrs))
    head[28:40] = np.array(volume.shape[::-1], "<i4").tobytes()  # MX, MY, MZ are of x, y, z
    path.write_bytes(bytes(head) + stored.astype("<f4").tobytes())
    return path


@pytest.mark.parametrize("n", [48, 31])
@pytest.mark.parametrize(
    ("shape", "voxel"), [((60, 60, 60), 1.5), ((40, 50, 45), 2.0), ((30, 31, 33), (2.6, 2.4, 2.2))]
)
def test_a_gaussian_is_itself_in_voxels_of_any_size(tmp_path, n, shape, voxel):
    path = write(tmp_path / "made.mrc", gaussian(shape, voxel), voxel)
    found = density(path, pixel_size=2.3, box=n)
    assert found.dtype == np.float32
    assert np.abs(found - gaussian((n, n, n), 2.3)).max() < 2e-3


def test_a_map_of_the_same_voxels_stays_what_it_is(tmp_path, caplog):
    volume = gaussian((40, 40, 40), 2.0)
    path = write(tmp_path / "made.map", volume, 2.0)
    assert np.abs(density(path, pixel_size=2.0) - volume).max() < 1e-4
    assert np.abs(density(path, pixel_size=2.0, solvent=False, b_factor=100.0) - volume).max() < 1e-4
    padded, cut = (density(path, pixel_size=2.0, box=n) for n in (50, 30))
    assert not caplog.records
    assert np.abs(padded[5:-5, 5:-5, 5:-5] - volume).max() < 1e-3
    assert np.abs(cut - volume[5:-5, 5:-5, 5:-5]).max() < 2e-3


def test_frequencies_end_at_the_ball_of_the_coarser_voxels(tmp_path):
    noise = np.random.default_rng(0).standard_normal((32, 32, 32)).astype(np.float32)
    path = write(tmp_path / "noise.mrc", noise, 3.0)
    for voxel, n, last in ((2.0, 48, 16), (4.0, 24, 12)):  # Nyquist's of 3 Å, and of 4 Å, in a box of 96 Å
        spectrum = np.abs(np.fft.fftn(density(path, pixel_size=voxel, box=n)))
        shell = np.sqrt(sum(np.square(k) for k in np.meshgrid(*[np.fft.fftfreq(n, 1 / n)] * 3)))
        assert spectrum[shell >= last].max() < 1e-4 * spectrum[shell < last - 2].mean()
        assert spectrum[(shell >= last - 3) & (shell < last - 2)].mean() > 0.5 * spectrum[shell < last - 2].mean()


def test_the_order_of_a_files_axes_and_packing_are_nothing_to_it(tmp_path):
    volume = gaussian((30, 34, 38), 2.0)
    wanted = density(write(tmp_path / "plain.mrc", volume, 2.0), pixel_size=2.0, box=38)
    for mapcrs in ((3, 2, 1), (2, 1, 3), (2, 3, 1)):
        path = write(tmp_path / "turned.ccp4", volume, 2.0, mapcrs)
        np.testing.assert_allclose(density(path, pixel_size=2.0, box=38), wanted, atol=1e-6)
    packed = tmp_path / "packed.map.gz"
    packed.write_bytes(gzip.compress((tmp_path / "plain.mrc").read_bytes()))
    np.testing.assert_array_equal(density(packed, pixel_size=2.0, box=38), wanted)


def test_several_maps_are_states(tmp_path):
    one = write(tmp_path / "one.mrc", gaussian((20, 20, 20), 2.0), 2.0)
    other = write(tmp_path / "other.mrc", 2 * gaussian((20, 20, 20), 2.0), 2.0)
    first, second = densities([one, other], pixel_size=2.0)
    np.testing.assert_allclose(second, 2 * first, atol=1e-5)


def test_a_map_without_voxel_size_has_that_of_the_box(tmp_path, caplog):
    volume = gaussian((24, 24, 24), 2.5)
    path = write(tmp_path / "bare.mrc", volume, 0.0)
    with caplog.at_level(logging.WARNING):
        found = density(path, pixel_size=2.5)
    assert np.abs(found - volume).max() < 1e-2
    assert "taken to be 2.5 Å" in caplog.text


def test_a_box_that_cuts_a_map_is_told(tmp_path, caplog):
    path = write(tmp_path / "large.mrc", gaussian((40, 40, 40), 2.0), 2.0)
    with caplog.at_level(logging.WARNING):
        assert density(path, pixel_size=1.0, box=16).shape == (16, 16, 16)
    assert "of its squared density, one of 80 all of it" in caplog.text


def test_bad_maps_are_told(tmp_path):
    path = tmp_path / "bad.mrc"
    with pytest.raises(FormatError, match=r"bad\.mrc: all of its voxels are 0"):
        density(write(path, np.zeros((8, 8, 8), np.float32), 1.0), pixel_size=1.0)
    with pytest.raises(FormatError, match="infinite or NaN"):
        density(write(path, np.full((8, 8, 8), np.nan, np.float32), 1.0), pixel_size=1.0)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TruncatedError):
        density(path, pixel_size=1.0)
    path.write_bytes(b"no map")
    with pytest.raises(FormatError):
        density(path, pixel_size=1.0)
