"""What recipes measure by: places that are found, and likeness to what is true."""

import numpy as np
import pytest
import torch

from examples import fidelity, picking


def test_peaks_are_the_highest_within_a_radius_and_come_in_order():
    maps = torch.zeros(2, 16, 20)
    maps[0, 3, 4], maps[0, 4, 6], maps[0, 12, 15], maps[1, 8, 2] = 5.0, 4.0, 1.0, 3.0
    heights, places = picking.peaks(maps, 3)
    assert heights.tolist() == [5.0, 3.0, 1.0]
    assert places.tolist() == [[0, 3, 4], [1, 8, 2], [0, 12, 15]]


def test_a_pick_is_found_once_and_only_from_near():
    maps = torch.zeros(1, 32, 32)
    maps[0, 10, 10], maps[0, 10, 14], maps[0, 25, 25] = 3.0, 2.0, 1.0  # two about one pick, one about another
    precision, recall = picking.precision_and_recall(maps, [[[12.0, 10.0], [24.0, 26.0], [2.0, 30.0], [30.0, 2.0]]], 3)
    assert precision.tolist() == pytest.approx([1, 1 / 2, 2 / 3])
    assert recall.tolist() == pytest.approx([1 / 4, 1 / 4, 2 / 4])
    _, none = picking.precision_and_recall(maps, [torch.empty(0, 2)], 3)
    assert none.tolist() == [0, 0, 0]


def test_correlation_is_one_where_nothing_but_the_scale_differs_and_none_of_noise():
    rng = torch.Generator().manual_seed(0)
    images, noise = torch.randn(2, 4, 64, 64, generator=rng)
    assert fidelity.ring_correlation(3 * images + 1, images)[1:].numpy() == pytest.approx(np.ones(31))
    assert fidelity.ring_correlation(images, -images)[1:].numpy() == pytest.approx(-np.ones(31))
    assert fidelity.ring_correlation(images, noise)[4:].abs().max() < 0.3


@pytest.mark.parametrize("ring", [3, 17])
def test_correlation_is_told_of_the_right_ring(ring):
    x = torch.arange(64) * (2 * torch.pi / 64)
    wave = torch.cos(ring * x).expand(1, 64, 64)
    noise = torch.randn(1, 64, 64, generator=torch.Generator().manual_seed(0))
    correlation = fidelity.ring_correlation(wave + 0.1 * noise, wave - 0.1 * noise)
    assert int(correlation[1:].argmax()) + 1 == ring


def test_peak_signal_to_noise_counts_the_range_of_the_clean_image():
    clean = torch.linspace(0, 4, 100).reshape(1, 10, 10)
    assert fidelity.psnr(clean + 0.4, clean) == pytest.approx(20.0, abs=1e-3)
    assert fidelity.psnr(10 * clean + 4, 10 * clean) == pytest.approx(20.0, abs=1e-3)
