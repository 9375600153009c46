"""What a microscope records, before there are particles or tomograms: movies with their gain, and a tilt series."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from builders.io import mrc
from examples.projections import PIXEL_SIZE, barrel, random_rotation, ring, rod, tripod

FRAMES, FRAME_DOSE = 8, 1.2
"""Of a movie: how many, and e/Å² of each."""
MOVIE_SHAPE = (256, 320)
TILTS = range(-60, 61, 3)
"""Degrees."""
TILT_SHAPE, TILT_PIXEL_SIZE, TILT_DOSE = (160, 192), 8.0, 3.0
"""Pixels (ny, nx), Å, and e/Å² of each image."""
_BLOB = 6.0
_AXIS = 85.0
_MDOC = """PixelSpacing = {pixel_size}
Voltage = 300
ImageFile = {name}
ImageSize = {nx} {ny}

[T =     Tilt axis angle = {axis}, binning = 1]
"""
_SECTION = """
[ZValue = {section}]
TiltAngle = {angle}
ExposureDose = {dose}
TargetDefocus = -4
DateTime = 30-Nov-26  15:{minute:02d}:00
"""


def movies(folder: Path, count: int = 2, seed: int = 7) -> None:
    """Write movies as counts of electrons, and the gain reference that they have not been multiplied by.

    Args:
        folder: where to; it is made.
        count: how many.
        seed: decides places, orientations, noise and the gain.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    gain = rng.normal(1.0, 0.08, MOVIE_SHAPE).clip(0.7, 1.4).astype(np.float32)
    mrc.write(folder / "gain.mrc", gain, pixel_size=PIXEL_SIZE)
    extent = np.array(MOVIE_SHAPE[::-1]) * PIXEL_SIZE
    for number in range(1, count + 1):
        molecules = [ring(), rod(), barrel(), tripod()] * 3
        places = [rng.uniform(0.1, 0.9, 2) * extent for _ in molecules]
        points = [
            (blobs @ random_rotation(rng).T)[:, :2] + place for blobs, place in zip(molecules, places, strict=True)
        ]
        dose = FRAME_DOSE * PIXEL_SIZE**2 * (1 - 0.15 * _drawn(np.concatenate(points), MOVIE_SHAPE, PIXEL_SIZE))
        frames = rng.poisson(np.clip(dose, 0, None) / gain, (FRAMES, *MOVIE_SHAPE))
        mrc.write(folder / f"FoilHole_{number}_fractions.mrc", frames.astype(np.int16), pixel_size=PIXEL_SIZE)


def tilt_series(folder: Path, name: str = "TS_1", seed: int = 8) -> None:
    """Write a tilt series as SerialEM does: a stack by rising angles and its `.mdoc`, recorded dose-symmetrically.

    Args:
        folder: where to; it is made.
        name: of the series.
        seed: decides what is in the specimen, and the noise.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    half = np.array([0.8 * TILT_SHAPE[1], 0.8 * TILT_SHAPE[0], 0.2 * TILT_SHAPE[0]]) * TILT_PIXEL_SIZE / 2
    places = rng.uniform(-half, half, (40, 3))
    points = np.concatenate([barrel() @ random_rotation(rng).T + place for place in places])
    middle = np.array(TILT_SHAPE[::-1]) * TILT_PIXEL_SIZE / 2
    angle = np.deg2rad(_AXIS - 90)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])  # the axis is near the image's y
    images = []
    for tilt in np.deg2rad(TILTS):
        x = points[:, 0] * np.cos(tilt) + points[:, 2] * np.sin(tilt)
        seen = np.stack([x, points[:, 1]], 1) @ turn.T + middle
        drawn = _drawn(seen, TILT_SHAPE, TILT_PIXEL_SIZE)
        images.append(rng.normal(-drawn / drawn.std(), 2.0))
    stack = np.stack(images).astype(np.float32)
    mrc.write(folder / f"{name}.mrc", stack, pixel_size=TILT_PIXEL_SIZE, stack=True)
    (folder / f"{name}.mrc.mdoc").write_text(_mdoc(f"{name}.mrc"), encoding="ascii")


def _mdoc(name: str) -> str:
    """Angle, dose and time of each section: the least angles come first, on either side in turn."""
    ny, nx = TILT_SHAPE
    head = _MDOC.format(pixel_size=TILT_PIXEL_SIZE, name=name, nx=nx, ny=ny, axis=_AXIS)
    recorded = sorted(TILTS, key=lambda angle: (abs(angle), -angle))
    return head + "".join(
        _SECTION.format(section=section, angle=angle, dose=TILT_DOSE, minute=recorded.index(angle))
        for section, angle in enumerate(TILTS)
    )


def _drawn(points: NDArray[np.float64], shape: tuple[int, int], pixel_size: float) -> NDArray[np.float64]:
    """Sum of Gaussian blobs at places (x, y) in Å: `(ny, nx)`."""
    y, x = (
        np.exp(-0.5 * ((np.arange(n) * pixel_size - points[:, [column]]) / _BLOB) ** 2)
        for n, column in zip(shape, (1, 0), strict=True)
    )
    return np.einsum("ny,nx->yx", y, x)
