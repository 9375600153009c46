"""Lines through spectra: the sums that they stand for, and the way back."""

import math

import pytest
import torch

from builders.io.made.tomograms.slices import Slices, fast_size

ANGLES = [-90.0, -61.5, -30.0, 0.0, 13.0, 45.0, 90.0]


def summed(volume, angles, width):
    """The Fourier sums themselves."""
    nz, _, nx = volume.shape
    k = torch.arange(width // 2 + 1, dtype=torch.float64)[:, None, None] / width
    z, x = torch.arange(nz, dtype=torch.float64)[:, None] - nz // 2, torch.arange(nx, dtype=torch.float64) - nx // 2
    lines = []
    for angle in map(math.radians, angles):
        waves = torch.exp(-2j * math.pi * k * (x * math.cos(angle) + z * math.sin(angle)))
        lines.append(torch.einsum("kzx,zyx->ky", waves, volume.to(waves.dtype)))
    return torch.stack(lines)


@pytest.mark.parametrize(("nz", "nx", "width"), [(7, 10, 13), (8, 13, 20), (20, 31, 40), (33, 64, 72), (1, 5, 6)])
def test_lines_are_the_fourier_sums(nz, nx, width):
    volume = torch.randn(nz, 3, nx, generator=torch.Generator().manual_seed(nx))
    lines, expected = Slices((nz, nx), ANGLES, width).of(volume), summed(volume, ANGLES, width)
    assert (lines - expected).abs().square().mean().sqrt() < 1e-5 * expected.abs().square().mean().sqrt()


@pytest.mark.parametrize(("nz", "nx", "width"), [(7, 10, 13), (20, 31, 40)])
def test_the_way_back_is_the_adjoint(nz, nx, width):
    random = torch.Generator().manual_seed(nx)
    volume = torch.randn(nz, 3, nx, generator=random)
    slices = Slices((nz, nx), ANGLES, width)
    there = slices.of(volume)
    lines = torch.complex(*torch.randn(2, *there.shape, generator=random))
    back = slices.back(lines)
    assert back.shape == volume.shape
    product = float((lines.conj() * there).real.sum())
    assert abs(float((back * volume).sum()) - product) < 1e-4 * float(lines.abs().square().sum().sqrt() * volume.norm())


def test_untilted_is_the_sum_along_z():
    volume = torch.rand(12, 5, 20, generator=torch.Generator().manual_seed(0))
    image = torch.fft.irfft(Slices((12, 20), [0.0], 20).of(volume)[0], n=20, dim=0).T.roll(10, 1)
    assert (image - volume.sum(0)).abs().max() < 3e-5 * volume.sum(0).max()


@pytest.mark.parametrize("angle", [-50.0, 0.0, 30.0, 90.0])
def test_what_lies_at_x_and_z_is_seen_at_u(angle):
    x, z, width = 9, -6, 1.7  # voxels from the middle
    axes = [torch.arange(n, dtype=torch.float64) - n // 2 for n in (40, 60)]
    volume = torch.exp(-((axes[0][:, None] - z) ** 2 + (axes[1] - x) ** 2) / (2 * width**2))[:, None].float()
    image = torch.fft.irfft(Slices((40, 60), [angle], 80).of(volume)[0], n=80, dim=0)[:, 0].roll(40)
    u = x * math.cos(math.radians(angle)) + z * math.sin(math.radians(angle))
    there = torch.arange(80, dtype=torch.float64) - 40 - u
    expected = width * math.sqrt(2 * math.pi) * torch.exp(-there.square() / (2 * width**2))
    assert (image - expected).abs().max() < 1e-4


def test_rows_are_the_same_in_parts(monkeypatch):
    volume = torch.rand(6, 7, 10)
    slices = Slices((6, 10), ANGLES, 12)
    whole = slices.of(volume)
    back = slices.back(whole)
    monkeypatch.setattr("builders.io.made.tomograms.slices._AT_ONCE", 1000)
    assert slices._at_once < 7
    assert torch.allclose(slices.of(volume), whole, atol=1e-5)
    assert torch.allclose(slices.back(whole), back, atol=1e-4)


@pytest.mark.parametrize("n", [1, 2, 31, 97, 385])
def test_fast_sizes(n):
    size = fast_size(n)
    assert size >= n
    assert size % 2 == 0
    assert 60**12 % size == 0
