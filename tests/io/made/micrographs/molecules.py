"""Molecules of Gaussian blobs, whose projections are known, and the images that NumPy makes of them."""

import numpy as np
import torch

from builders.io.made.recipe import Noise, Optics, Recipe, Source

N, SIZE, SIGMA = 48, 2.0, 5.0
"""Voxels of a side, Å of one, Å of a blob's standard deviation."""
BLOBS = [
    np.array([[14.0, -8.0, 4.0], [-12.0, -10.0, -6.0], [0.0, 15.0, 9.0], [3.0, 2.0, -16.0]]),
    np.array([[0.0, 0.0, 12.0], [10.0, 0.0, -9.0]]),
]
"""Å from the centre, x, y, z."""
HEIGHT = 12.0
"""V, in the middle of a blob."""


def volumes():
    axis = (np.arange(N) - N // 2) * SIZE
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    made = []
    for blobs in BLOBS:
        squares = [(x - p[0]) ** 2 + (y - p[1]) ** 2 + (z - p[2]) ** 2 for p in blobs]
        made.append(torch.from_numpy(sum(HEIGHT * np.exp(-0.5 * s / SIGMA**2) for s in squares).astype(np.float32)))
    return made


def recipe(*, optics=None, noise=None, seed=42, contrast="dark", box_size=N, **scene):
    given = {"micrograph_shape": (160, 220), "particles": (5, 9), "min_distance": 70.0} | scene
    return Recipe(
        unit="micrograph",
        seed=seed,
        box_size=box_size,
        pixel_size=SIZE,
        labels=("four", "two"),
        sources=(Source("a.npy", 0, 0), Source("b.npy", 1, 0)),
        optics=optics or Optics(defocus=(8000.0, 12000.0), astigmatism=800.0, b_factor=60.0),
        noise=noise or Noise(),
        contrast=contrast,
        scene=given,
    )


def turn(rot, tilt, psi):
    """RELION's matrix, written out."""
    a, b, g = np.radians([rot, tilt, psi])

    def about_z(t):
        return np.array([[np.cos(t), np.sin(t), 0], [-np.sin(t), np.cos(t), 0], [0, 0, 1]])

    about_y = np.array([[np.cos(b), 0, -np.sin(b)], [0, 1, 0], [np.sin(b), 0, np.cos(b)]])
    return about_z(g) @ about_y @ about_z(a)


def interaction_constant(kilovolts):
    """2 pi m e lambda / h^2 of relativistic electrons, rad / (V Å), of the SI's constants."""
    h, rest, charge, light = 6.62607015e-34, 9.1093837e-31, 1.602176634e-19, 299792458.0
    energy = charge * kilovolts * 1e3
    wavelength = h / np.sqrt(2 * rest * energy * (1 + energy / (2 * rest * light**2)))
    return 2 * np.pi * (rest + energy / light**2) * charge * wavelength / h**2 * 1e-10


def projection(shape, places, labels, poses, voltage=300.0):
    """The contrast before the CTF of particles at (x, y) pixels, integrated by hand."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape)
    for (px, py), label, angles in zip(places, labels, poses, strict=True):
        for blob in BLOBS[label]:
            dx, dy, _ = turn(*angles) @ blob / SIZE
            squares = ((x - px - dx) ** 2 + (y - py - dy) ** 2) * SIZE**2
            image += HEIGHT * SIGMA * np.sqrt(2 * np.pi) * np.exp(-0.5 * squares / SIGMA**2)  # V Å
    return 2 * float(interaction_constant(voltage)) * image


def transfer(shape, ctf, b_factor):
    """The CTF of `FACTS` times the envelope, on NumPy's whole spectrum."""
    ky, kx = (np.fft.fftfreq(n, SIZE) for n in shape)
    kx, ky = np.meshgrid(kx, ky)
    squares = kx**2 + ky**2
    volts = ctf["voltage"] * 1e3
    wavelength = 12.2643247 / np.sqrt(volts * (1 + 0.978466e-6 * volts))
    angle = np.arctan2(ky, kx) - np.radians(ctf["defocus_angle"])
    u, v = ctf["defocus_u"], ctf["defocus_v"]
    defocus = 0.5 * (u + v + (u - v) * np.cos(2 * angle))
    q = ctf["amplitude_contrast"]
    phase = -np.pi * wavelength * defocus * squares
    phase += 0.5 * np.pi * ctf["spherical_aberration"] * 1e7 * wavelength**3 * squares**2
    phase -= np.radians(ctf["phase_shift"]) + np.arctan(q / np.sqrt(1 - q**2))
    return -np.sin(phase) * np.exp(-b_factor / 4 * squares)


def poses_of(row):
    return [(pose["rot"], pose["tilt"], pose["psi"]) for pose in row["pose"]]


def expected_clean(row, shape, b_factor, margin=64):
    """The clean dark micrograph that a row's columns tell of, made by NumPy."""
    larger = tuple(n + 2 * margin for n in shape)
    places = np.array(row["picks"]) + margin
    before = projection(larger, places, row["label"], poses_of(row))
    after = np.fft.ifft2(np.fft.fft2(before) * transfer(larger, row["ctf"], b_factor)).real
    return -after[margin:-margin, margin:-margin]
