"""The envelope, and the constant that makes phases of potentials."""

import math

import pytest
import torch

import perc_transforms as T
from perc_transforms import functional as F

DOUBLE = torch.zeros(1, dtype=torch.float64)


@pytest.mark.parametrize(("voltage", "constant"), [(100.0, 9.244e-4), (200.0, 7.288e-4), (300.0, 6.526e-4)])
def test_the_interaction_constant_is_that_of_tables(voltage, constant):
    """In rad / (V Å); Kirkland's and Reimer's tables."""
    assert float(F.interaction_constant(voltage)) == pytest.approx(constant, rel=1e-4)


def test_the_interaction_constant_is_2_pi_m_e_lambda_over_h_squared():
    e, h, m0, c = 1.602176634e-19, 6.62607015e-34, 9.1093837015e-31, 299792458.0
    volts = 1e5 * torch.arange(1, 11, dtype=torch.float64)
    mass = m0 + e * volts / c**2
    wavelength = h / (2 * m0 * e * volts * (1 + e * volts / (2 * m0 * c**2))).sqrt()
    expected = 2 * math.pi * mass * e * wavelength / h**2 * 1e-10
    torch.testing.assert_close(F.interaction_constant(volts / 1000), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("sizes", [(16, 16), (15, 20), (9, 8, 7)])
def test_an_envelope_convolves_with_a_gaussian(sizes):
    """exp(-B k^2 / 4) is the transform of a Gaussian of variance B / (8 pi^2)."""
    x = torch.randn(sizes, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = F.envelope(sizes, pixel_size=2.0, b_factor=1500.0, like=x)
    found = F.filter_rows(x, weights, len(sizes))
    variance = 1500.0 / (8 * math.pi**2) / 2.0**2  # pixels
    for axis, n in enumerate(sizes):
        place = torch.arange(-8 * n, 8 * n + 1, dtype=torch.float64)
        kernel = torch.exp(-(place**2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)
        x = sum(weight * x.roll(int(by), axis) for weight, by in zip(kernel, place, strict=True))
    torch.testing.assert_close(found, x, atol=1e-4, rtol=1e-3)


def test_rows_have_their_own_b_factor_and_pixel_size():
    b, size = torch.tensor([0.0, 80.0, -50.0]), torch.tensor([1.0, 1.5, 2.0])
    found = F.envelope((6, 7), pixel_size=size, b_factor=b, like=DOUBLE)
    each = [
        F.envelope((6, 7), pixel_size=float(s), b_factor=float(f), like=DOUBLE) for f, s in zip(b, size, strict=True)
    ]
    torch.testing.assert_close(found, torch.stack(each))
    torch.testing.assert_close(found[0], torch.ones(6, 4, dtype=torch.float64))
    assert float(found[2].min()) == 1.0


def test_two_envelopes_are_one_of_both_and_a_negative_one_undoes_it():
    row = {"image": torch.randn(2, 16, 15), "pixel_size": 1.5}
    once = T.Envelope(90.0, spatial_dims=2)
    torch.testing.assert_close(
        T.Envelope(60.0, spatial_dims=2)(once(row))["image"], T.Envelope(150.0, spatial_dims=2)(row)["image"]
    )
    undone = T.Envelope(-90.0, spatial_dims=2)(once(row))["image"]
    torch.testing.assert_close(undone, row["image"], atol=1e-4, rtol=1e-4)


def test_what_is_no_envelope_is_refused():
    with pytest.raises(T.TransformError, match="b_factor is nan: expected Å\\^2, a finite number"):
        T.Envelope(math.nan)
    with pytest.raises(T.TransformError, match="pixel_size is None: expected Å above 0"):
        T.Envelope(50.0)({"image": torch.ones(4, 4)})
