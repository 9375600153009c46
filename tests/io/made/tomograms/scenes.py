"""Molecules and recipes that tests of made tomograms share."""

import torch

from builders.io.made.recipe import Noise, Optics, Recipe, Source

PIXEL_SIZE = 10.0


def blobs(size, *each):
    """A volume of Gaussian blobs: of each (x, y, z) from voxel n // 2, its standard deviation and height."""
    axis = torch.arange(size, dtype=torch.float64) - size // 2
    volume = torch.zeros(size, size, size, dtype=torch.float64)
    for x, y, z, width, height in each:
        squares = (axis[:, None, None] - z) ** 2 + (axis[:, None] - y) ** 2 + (axis - x) ** 2
        volume += height * torch.exp(-squares / (2 * width**2))
    return volume.float()


def hand():
    """A volume that no rotation leaves as it is."""
    return blobs(24, (0, 0, 0, 1.5, 3.0), (5, 0, 0, 1.2, 2.0), (0, 4, 0, 1.2, 2.0), (0, 0, 3, 1.2, 2.0))


def ball():
    """A small one, round."""
    return blobs(16, (0, 0, 0, 1.5, 3.0))


VOLUMES = (hand(), ball())


def recipe(*, noise=None, optics=None, contrast="dark", orientations=None, seed=42, **scene):
    """Two classes, `hand` and `ball`, in a small tomogram."""
    scene = {"tomogram_shape": (24, 40, 48), "particles": (3, 6)} | scene
    return Recipe(
        "tomogram",
        seed,
        24,
        PIXEL_SIZE,
        ("hand", "ball"),
        (Source("hand.npy", 0, 0), Source("ball.npy", 1, 0)),
        optics or Optics(defocus=(30_000.0, 50_000.0)),
        noise or Noise(),
        orientations=orientations or {"kind": "uniform"},
        contrast=contrast,
        scene=scene,
    )
