"""Weighted back-projection: what comes back, and what does not."""

import math

import pytest
import torch

from builders.io.made.tomograms.reconstruction import reconstructed, shares
from builders.io.made.tomograms.slices import Slices
from perc_transforms.functional import gaussian_blur
from perc_transforms.functional.fourier.wedge import wedge

SHAPE = (32, 8, 64)


def content():
    """Blurred noise in the middle of a volume."""
    volume = torch.zeros(SHAPE)
    volume[8:-8, :, 12:-12] = torch.randn(16, 8, 40, generator=torch.Generator().manual_seed(5))
    return gaussian_blur(volume, 1.0, spatial_dims=3)


def back_and_forth(volume, angles, width=80):
    slices = Slices((volume.shape[0], volume.shape[2]), angles, width)
    return reconstructed(slices, slices.of(volume))


@pytest.mark.parametrize("angles", [range(-90, 91), range(-90, 90, 2), range(-89, 90, 2)])
def test_all_around_the_volume_comes_back(angles):
    volume = content()
    found = back_and_forth(volume, [float(angle) for angle in angles])
    assert float((found - volume).norm() / volume.norm()) < 0.02
    assert float((found * volume).sum() / volume.square().sum()) == pytest.approx(1, abs=2e-3)


def test_the_missing_wedge_is_missing_and_nothing_else():
    volume = torch.zeros(64, 2, 64)
    volume[24:40, :, 24:40] = torch.randn(16, 2, 16, generator=torch.Generator().manual_seed(7))
    found = back_and_forth(volume, [float(angle) for angle in range(-60, 61, 1)], 96)
    power, asked = (torch.fft.rfftn(x).abs().square() for x in (found, volume))
    inside, outside = (wedge(volume.shape, min_angle=-edge, max_angle=edge, axis="y", like=volume) for edge in (55, 66))
    z, x = torch.fft.fftfreq(64)[:, None, None], torch.fft.rfftfreq(64)
    seen = (z.square() + x.square() < 0.45**2) & (z.square() + x.square() > 0.05**2)
    kept = (power * inside * seen).sum() / (asked * inside * seen).sum()
    lost = (power * (1 - outside) * seen).sum() / (asked * (1 - outside) * seen).sum()
    assert float(kept) == pytest.approx(1, abs=0.03)
    assert float(lost) < 0.01


@pytest.mark.parametrize(
    ("angles", "expected"),
    [
        ([-60.0, 0.0, 60.0], [60.0, 60.0, 60.0]),
        ([-60.0, -20.0, 20.0, 60.0], [40.0] * 4),
        ([10.0, 0.0, 40.0], [20.0, 10.0, 30.0]),
        ([-90.0, 0.0, 90.0], [45.0, 90.0, 45.0]),
        ([-90.0, -30.0, 30.0], [60.0] * 3),
        ([17.0], [180.0]),
    ],
)
def test_what_each_tilt_stands_for(angles, expected):
    assert [math.degrees(share) for share in shares(angles)] == pytest.approx(expected)
