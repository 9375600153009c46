"""Gain references: which file, turned how, and the factors that frames of a size are multiplied by."""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError, OptionError
from builders.io import image_file
from builders.io.net.threads import fork_safe_lock
from builders.io.pixels import read_layout

Factors = NDArray[np.float32]

KEPT = 2
"""References whose factors a process keeps: those of an 8K movie are 256 MiB."""

_alone = fork_safe_lock()
_kept: OrderedDict[tuple["Gain", tuple[int, int]], Factors] = OrderedDict()


@dataclass(frozen=True, slots=True)
class Gain:
    """A gain reference as frames need it.

    Attributes:
        path: the file, or its URL.
        etag: its version, as `image_file.describe` tells it.
        rotation: quarter turns, 0 to 3: `numpy.rot90(g, -rotation)`.
        flip: after that: 0, none; 1, upside down (`g[::-1]`); 2, left to right (`g[:, ::-1]`).
        counts: it is a mean of counts, by which frames are divided, as for EER movies; else frames are multiplied.
        flip_y: a TIFF file is read upside down, as TIFF movies are. No `.gain` file is.

    Raises:
        OptionError: no such rotation or flip.
    """

    path: str
    etag: str
    rotation: int = 0
    flip: int = 0
    counts: bool = False
    flip_y: bool = True

    def __post_init__(self) -> None:
        for name, value, count in (("rotation", self.rotation, 4), ("flip", self.flip, 3)):
            if type(value) is not int or not 0 <= value < count:
                msg = f"gain {name} {value!r}: expected {', '.join(map(str, range(count - 1)))} or {count - 1}"
                raise OptionError(msg)


def factors(gain: Gain, shape: tuple[int, int]) -> Factors:
    """What frames of a shape are multiplied by; kept in the process for the next frame.

    Args:
        gain: the reference.
        shape: of a frame, `(ny, nx)`.

    Returns:
        `(ny, nx)`, not to be written to.

    Raises:
        ChangedError: the file is not the one that was looked at.
        FormatError: it is no single image, or fits the frames in no way.
    """
    key = gain, shape
    with _alone:
        if key not in _kept:
            found = _read(gain, shape)
            _kept[key] = found
            while len(_kept) > KEPT:
                _kept.popitem(last=False)
        _kept.move_to_end(key)
        return _kept[key]


def _read(gain: Gain, shape: tuple[int, int]) -> Factors:
    from perc_transforms.errors import TransformError
    from perc_transforms.functional.intensity.gain import gain_factors

    layout = image_file.describe(gain.path).layout.squeezed()
    pixels = read_layout(gain.path, layout, gain.etag)
    try:
        found = gain_factors(pixels, shape, rotation=gain.rotation, flip=gain.flip, counts=gain.counts)
    except TransformError as err:
        msg = f"{gain.path}: {err}"
        raise FormatError(msg) from err
    made: Factors = found.numpy()
    made.flags.writeable = False
    return made
