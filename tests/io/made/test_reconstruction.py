"""Thousands of particles give the volume back, as well as their signal-to-noise ratio lets them."""

import numpy as np
import torch

from builders.io.made.imaging import contrast_of
from builders.io.made.particles import ParticleMaker
from builders.io.made.recipe import Noise, Optics, Recipe, Source
from perc_transforms.functional import ctf, matrices_of

N, ROWS = 32, 5000


def test_particles_give_the_volume_back_as_their_noise_predicts():
    """Direct Fourier inversion, by linear interpolation; what it makes of the volume is known, and so is its noise."""
    volume = structure()
    recipe = Recipe("particle", 5, N, 3.0, ("a",), (Source("a.npy", 0, 0),), Optics(), Noise((0.02, 0.02)))
    recipe = Recipe(**vars(recipe) | {"max_shift": 9.0, "contrast": "bright", "scene": {"clean": True}})
    maker = ParticleMaker(recipe, [volume])
    table, both = maker.columns(np.arange(ROWS)), maker.pixels(np.arange(ROWS), ["image", "clean"])
    pose, optics = (table.column(name).combine_chunks() for name in ("pose", "ctf"))
    angles, origins = (
        np.stack([pose.field(name).to_numpy() for name in names], 1).astype(float)
        for names in (("rot", "tilt", "psi"), ("shift_x", "shift_y"))
    )
    values = {field.name: torch.tensor(optics.field(field.name).to_numpy()) for field in optics.type}
    through = ctf((N, N), pixel_size=3.0, like=torch.zeros(1), **values).numpy()
    spectra = np.fft.rfft2(both["image"])
    ky, kx = np.meshgrid(np.fft.fftfreq(N) * N, np.fft.rfftfreq(N) * N, indexing="ij")
    centre = N // 2 - origins / 3.0
    spectra *= np.exp(2j * np.pi / N * (kx * centre[:, :1, None] + ky * centre[:, 1:, None]))
    inside = np.hypot(kx, ky) < N / 2 - 1
    turns = matrices_of(angles)[:, :2]
    points = np.einsum("nad,ap->npd", turns, np.stack([kx[inside], ky[inside]]))
    noise = both["clean"].var((1, 2)) / 0.02 * N**2
    found, variance = inverted(points, spectra[:, inside], through[:, inside], noise)

    # interpolation multiplies the volume by sinc^2 along each axis
    window = np.sinc((np.arange(N) - N // 2) / N) ** 2
    truth = contrast_of(recipe, volume).numpy() * window * window[:, None] * window[:, None, None]
    truth = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(truth)))
    for shell in range(2, 13):
        own = shells() == shell
        signal = (np.abs(truth[own]) ** 2).sum()
        expected = np.sqrt(signal / (signal + variance[own].sum()))
        correlation = (found[own] * truth[own].conj()).sum().real
        correlation /= np.sqrt(signal * (np.abs(found[own]) ** 2).sum())
        assert abs(correlation - expected) < 0.05, (shell, correlation, expected)
        assert (0.2 < expected < 0.98) or shell < 9


def inverted(points, spectra, through, noise):
    """Mean spectrum of a volume by images of it, weighted by their CTF, and what variance their noise leaves."""
    sums = [np.zeros(N**3) for _ in range(4)]
    first = np.floor(points)
    part = points - first
    for corner in np.ndindex(2, 2, 2):
        weights = np.prod(np.where(corner, part, 1 - part), -1)
        places = ((first + corner).astype(int) + N // 2)[..., ::-1]
        at = np.ravel_multi_index(np.moveaxis(places, -1, 0), (N, N, N)).ravel()
        terms = (
            *(weights * through * spectra.real, weights * through * spectra.imag),
            *(weights * through**2, weights**2 * through**2 * noise[:, None]),
        )
        for total, term in zip(sums, terms, strict=True):
            total += np.bincount(at, term.ravel(), minlength=N**3)
    real, imaginary, weight, variance = (total.reshape(N, N, N) for total in sums)
    both = [(real + 1j * imaginary), weight, variance]
    mirrored = [np.roll(one[::-1, ::-1, ::-1], 1, (0, 1, 2)) for one in both]
    real, weight, variance = (one + other for one, other in zip(both, [mirrored[0].conj(), *mirrored[1:]], strict=True))
    is_there = weight > 1e-3 * weight.max()
    weight = np.where(is_there, weight, np.inf)
    return real / weight, variance / weight**2


def shells():
    z, y, x = np.meshgrid(*[np.arange(N) - N // 2] * 3, indexing="ij")
    return np.sqrt(x**2 + y**2 + z**2).round().astype(int)


def structure():
    """Some forty points near the middle, blurred."""
    rng = np.random.default_rng(0)
    z, y, x = np.meshgrid(*[np.arange(N) - N // 2] * 3, indexing="ij")
    volume = np.zeros((N, N, N))
    for place in rng.normal(0, 2.6, (40, 3)):
        volume += 6 * np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2 + (z - place[2]) ** 2) / (2 * 1.1**2))
    return torch.from_numpy(volume.astype(np.float32))
