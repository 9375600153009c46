"""ShotNoise: that it counts as Poisson has it, and each row for itself."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

import perc_transforms as T
from perc_transforms import functional as F


def contrast(*shape, seed=0):
    return 0.2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def row(image, name="a.mrc", pixel_size=1.5):
    return {"image": image, "pixel_size": pixel_size, "path": name, "index": 0}


@pytest.mark.parametrize("electrons", [0.3, 4.0, 11.9, 12.0, 40.0, 500.0])
def test_counts_are_quantiles_of_poissons_distribution(electrons):
    """Beside scipy's, far into the tails; those of large means may be wrong by one count, seldom."""
    white = torch.linspace(-7, 7, 20001)
    counts = F.poisson_counts(torch.full_like(white, electrons), white).numpy()
    expected = stats.poisson.ppf(stats.norm.cdf(white.double().numpy()), electrons)
    held = np.isfinite(expected)
    assert np.abs(counts - expected)[held].max() <= (electrons >= 12)
    weights = stats.norm.pdf(white.numpy())
    assert weights[held & (counts != expected)].sum() <= 1e-3 * weights.sum()


@pytest.mark.parametrize("electrons", [0.5, 20.0, 90.0])
def test_mean_and_variance_are_what_is_expected_within_3_sigma(electrons):
    image = torch.cat([torch.zeros(200, 200), torch.full((200, 200), 0.5)])
    counts = T.ShotNoise(electrons=electrons)(row(image))["image"].double()
    assert bool((counts == counts.round()).all())
    for part, n in ((counts[:200], electrons), (counts[200:], 1.5 * electrons)):
        error = 3 / math.sqrt(part.numel())
        assert float(part.mean()) == pytest.approx(n, abs=error * math.sqrt(n))
        assert float(part.var()) == pytest.approx(n, abs=error * math.sqrt(n + 2 * n**2))


def test_a_dose_is_one_per_area():
    shot = T.ShotNoise(40.0, record=True)
    for size in (1.0, 1.5, 2.0):
        [record] = shot(row(contrast(8, 8), pixel_size=size))["transforms"]
        assert record["electrons"] == pytest.approx(40 * size**2)
    drawn = [
        T.ShotNoise((20.0, 60.0), record=True)(row(contrast(8, 8), name=str(k)))["transforms"][0]["electrons"] / 2.25
        for k in range(20)
    ]
    assert 20 <= min(drawn) < max(drawn) <= 60
    assert len(set(drawn)) == 20


def test_many_electrons_leave_the_contrast():
    image = contrast(32, 31)
    found = T.ShotNoise(electrons=1e6, counts=False)(image)
    torch.testing.assert_close(found, image, atol=6e-3, rtol=0)
    few = T.ShotNoise(electrons=25.0)(row(image))["image"]
    torch.testing.assert_close(T.ShotNoise(electrons=25.0, counts=False)(row(image))["image"], few / 25 - 1)


def test_no_electron_passes_where_the_contrast_is_below_minus_1():
    assert float(T.ShotNoise(electrons=100.0)(torch.full((16, 16), -1.2)).abs().max()) == 0


def test_the_target_is_what_is_expected():
    image = contrast(16, 16)
    found = T.ShotNoise(electrons=30.0)({**row(image), "target": image})["target"]
    torch.testing.assert_close(found, 30 * (1 + image))
    same = T.ShotNoise(electrons=30.0, counts=False)({**row(image), "target": image})["target"]
    assert torch.equal(same, image)


def test_gradients_are_those_of_expected_counts():
    image = contrast(8, 9).requires_grad_()
    counts = T.ShotNoise(electrons=30.0)(image)
    assert bool((counts == counts.round()).all())
    counts.sum().backward()
    torch.testing.assert_close(image.grad, torch.full((8, 9), 30.0))


def test_rows_and_epochs_have_their_own_noise_which_is_replayed():
    shot = T.ShotNoise(20.0, record=True)
    movie = contrast(3, 8, 8)
    one, other = shot(row(contrast(8, 8))), shot(row(contrast(8, 8), name="b.mrc"))
    assert not torch.equal(one["image"], other["image"])
    assert torch.equal(shot.replay(row(contrast(8, 8)), one["transforms"])["image"], one["image"])
    shot.set_epoch(1)
    assert not torch.equal(shot(row(contrast(8, 8)))["image"], one["image"])
    frames = T.ShotNoise(20.0, spatial_dims=2)(row(movie))["image"]
    assert len(frames.flatten(1).unique(dim=0)) == 3


def test_what_cannot_be_counted_is_said():
    for options, said in (
        ({}, "expected dose .* or electrons"),
        ({"dose": 1.0, "electrons": 2.0}, "one of them"),
        ({"dose": 0.0}, "a number above 0"),
        ({"dose": (5.0, 2.0)}, r"\(low, high\)"),
        ({"dose": 1.0, "spatial_dims": 3}, "spatial_dims is 3"),
    ):
        with pytest.raises(T.TransformError, match=said):
            T.ShotNoise(**options)
    with pytest.raises(T.TransformError, match="a volume of shape"):
        T.ShotNoise(electrons=1.0)(torch.zeros(4, 4, 4))
    with pytest.raises(T.TransformError, match="pixel_size is None: give electrons in pixels, or a pixel_size in Å"):
        T.ShotNoise(1.0)(torch.zeros(4, 4))
