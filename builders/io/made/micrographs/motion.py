"""How a movie's frames differ: the specimen drifts, and what it shows fades."""

import math

import numpy as np
import torch
from torch import Tensor

from builders.io.made.draws import Floats, Indices, uniforms
from perc_transforms.functional.fourier.dose import critical_dose
from perc_transforms.functional.grids import spatial_frequency

_SLOWING = 3.0
"""How many times the time constant of the drift a movie is long: it is fast at first, and slows down."""
_BEND = 0.5
"""Four times what the path leaves the straight line by at the most, of the drift."""


def drifts(seed: int, indices: Indices, frames: int, drift: float) -> Floats:
    """Where the specimen is in each frame of rows, from where it was in the first: `(rows, frames, 2)`, x and y, Å.

    From the first frame to the last one it moves by `drift` in a drawn direction; ever slower, as `1 - exp(-3 t)` with
    t from 0 to 1, on a path that is bent to one side by up to an eighth of that.

    Args:
        seed: of the recipe.
        indices: of rows.
        frames: how many.
        drift: Å.
    """
    drawn = uniforms(seed, "drift", indices, 2)
    angle, bend = 2 * math.pi * drawn[:, 0], _BEND * (2 * drawn[:, 1] - 1)
    t = np.arange(frames) / max(frames - 1, 1)
    along = np.expm1(-_SLOWING * t) / math.expm1(-_SLOWING)
    across = bend[:, None] * (along * (1 - along))
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    path: Floats = drift * np.stack([along * cosine - across * sine, along * sine + across * cosine], -1)
    return path


def fading(sizes: tuple[int, int], pixel_size: float, voltage: float, like: Tensor) -> Tensor:
    """How fast amplitudes fade: `-1 / (2 Ne)`, Å²/e, as `rfftn` orders them; `exp` of it times the dose is left.

    Args:
        sizes: pixels, `(ny, nx)`.
        pixel_size: Å.
        voltage: kV: 300, 200 or 100.
        like: a tensor of the precision and device of the result.
    """
    frequency = spatial_frequency(sizes, like) / pixel_size
    return (-0.5 / critical_dose(frequency, voltage=voltage)).to(like)


def faded(rate: Tensor, frame: int, frame_dose: float) -> Tensor:
    """What amplitudes of a frame have left: that of the dose at its middle.

    Args:
        rate: of `fading`.
        frame: from 0.
        frame_dose: e/Å².
    """
    return torch.exp(rate * ((frame + 0.5) * frame_dose))
