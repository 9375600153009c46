"""Gain references: which file, turned how, and the factors that frames of a size are multiplied by."""

import functools
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from builders.errors import ChangedError, FormatError, NotFoundError, OptionError
from builders.io import image_file
from builders.io.files import location
from builders.io.files.natural_order import natural_path_key
from builders.io.flipped import flipped, unflipped
from builders.io.formats import compression
from builders.io.image_file import ImageFile
from builders.io.layout import Layout
from builders.io.net.threads import fork_safe_lock
from builders.io.pixels import read_layout
from builders.io.reports import report_once

Factors = NDArray[np.float32]
Key = tuple["Gain", tuple[int, int]]

KEPT = 2
"""References whose factors a process keeps: those of an 8K movie are 256 MiB."""
MULTIPLIED = ".gain"
"""What ends the names of references that EER frames are multiplied by: TIFF files whose rows are not turned over."""
SUFFIXES = (".mrc", ".mrcs", ".tif", ".tiff", MULTIPLIED, ".dm4", ".dm3", ".npy")
"""Of files that may be a gain reference, where none is named."""
MOST_LOOKED_AT = 20
"""Files whose headers are read to find it."""
MOST_TOLD = 10
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

_alone = fork_safe_lock()
_kept: OrderedDict[Key, Factors] = OrderedDict()
_readers: dict[int, threading.Lock] = {}
"""By process, what lets one thread read a reference while others wait: a child that is forked has its own."""


@dataclass(frozen=True, slots=True)
class Gain:
    """A gain reference as frames need it; `of` makes one that is known to be there.

    Attributes:
        path: the file, or its URL.
        etag: its version, as `image_file.describe` tells it.
        rotation: quarter turns, 0 to 3: `numpy.rot90(g, -rotation)`.
        flip: after that: 0, none; 1, upside down (`g[::-1]`); 2, left to right (`g[:, ::-1]`).
        counts: it is a mean of counts, by which frames are divided, as for EER movies; else frames are multiplied.
        flip_y: where it is a TIFF or a DM file, its rows are turned over, as those of TIFF movies are.

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
        for name, value, count in (("gain_rotation", self.rotation, 4), ("gain_flip", self.flip, 3)):
            if type(value) is not int or not 0 <= value < count:
                msg = f"{name} {value!r}: expected {', '.join(map(str, range(count - 1)))} or {count - 1}"
                raise OptionError(msg)


def of(path: str, *, eer: bool, rotation: int = 0, flip: int = 0, flip_y: bool = True) -> Gain:
    """A gain reference for movies, whose file is looked at.

    Frames are multiplied by it; those of EER movies are divided by it, a mean of counts, unless its name ends with
    `.gain`: such a file is multiplied by, too, and is as EER frames are, which are not turned over (RELION's
    `loadEERGain`).

    Args:
        path: the file, or its URL.
        eer: the movies are EER files.
        rotation: see `Gain`.
        flip: see `Gain`.
        flip_y: whether rows of TIFF movies are turned over, and so those of a TIFF reference.

    Raises:
        NotFoundError: no such file.
        FormatError: no image, or more than one.
        OptionError: no such rotation or flip.
    """
    gain = suited(Gain(path, "", rotation, flip, flip_y=flip_y), eer=eer)
    file = image_file.describe(path)
    image_of(file)
    return replace(gain, etag=file.etag)


def suited(gain: Gain, *, eer: bool) -> Gain:
    """The same reference for movies of EER files, or for others: which of them is multiplied by, see `of`.

    Args:
        gain: as it is for movies that are no EER files.
        eer: the movies are EER files.

    Example:
        >>> suited(Gain("gain.mrc", ""), eer=True).counts, suited(Gain("x.gain", ""), eer=True).flip_y
        (True, False)
    """
    is_multiplied = eer and _is_multiplied(gain.path)
    return replace(gain, counts=eer and not is_multiplied, flip_y=gain.flip_y and not is_multiplied)


def find(candidates: Iterable[str], shape: tuple[int, int], *, rotation: int = 0) -> str:
    """The one file among several that is the gain reference of frames: by its name, format and size.

    Names speak of a gain or a reference, such as `CountRef_x.mrc` or `EER_GainReference.gain`, in any letters; the size
    is that of frames, or 2 or 4 times finer or coarser.

    Args:
        candidates: paths or URLs, as of a folder's files.
        shape: of a frame, `(ny, nx)`.
        rotation: see `Gain`.

    Raises:
        NotFoundError: none is; says which were looked at, and why each is not.
        OptionError: several are; lists them.
    """
    named = sorted(filter(speaks_of_gain, candidates), key=natural_path_key)
    if len(named) > MOST_LOOKED_AT:
        msg = f"gain='auto': {len(named)} files are called a gain or a reference: {_listed(named)}: expected at most "
        msg += f"{MOST_LOOKED_AT} to look at: give the path of one"
        raise OptionError(msg)
    fitting, why_not = [], []
    for path in named:
        try:
            _check_fits(image_of(image_file.describe(path)).shape, shape, rotation, path)
            fitting.append(path)
        except FormatError as err:
            why_not.append(str(err))
    if len(fitting) > 1:
        msg = f"gain='auto': {len(fitting)} files fit frames of {shape}: {_listed(fitting)}: give the path of one"
        raise OptionError(msg)
    if not fitting:
        told = f"looked at {len(named)} files: {'; '.join(why_not)}" if named else "no file is called one"
        msg = f"gain='auto': no gain reference for frames of {shape}: {told}: give its path, or gain=None"
        raise NotFoundError(msg)
    report_once("taken as the gain reference (gain='auto')", fitting[0])
    return fitting[0]


def speaks_of_gain(path: str) -> bool:
    """Whether a file's name calls it a gain reference, and its ending an image.

    Args:
        path: the file, or its URL.

    Example:
        >>> speaks_of_gain("CountRef_x.mrc"), speaks_of_gain("refined.mrc"), speaks_of_gain("dark_gain.mrc")
        (True, False, False)
    """
    name = unquote(urlsplit(path).path).rpartition("/")[2] if location.is_remote(path) else Path(path).name
    if not compression.plain_name(name).endswith(SUFFIXES):
        return False
    words = [word.lower() for word in _WORD.findall(name)]
    if any(word.startswith(("dark", "defect")) for word in words):
        return False
    return any(word.startswith("gain") or word.endswith(("gain", "ref", "reference")) for word in words)


def _listed(paths: Sequence[str]) -> str:
    told = ", ".join(paths[:MOST_TOLD])
    return f"{told} and {len(paths) - MOST_TOLD} more" if len(paths) > MOST_TOLD else told


def check(gain: Gain, shape: tuple[int, int]) -> None:
    """Refuse frames that a reference does not fit, by its header, which is read once.

    Args:
        gain: the reference.
        shape: of a frame, `(ny, nx)`.

    Raises:
        FormatError: says both shapes.
    """
    _check_fits(_shape_of(gain.path, gain.etag), shape, gain.rotation, gain.path)


@functools.lru_cache(maxsize=16)
def _shape_of(path: str, etag: str) -> tuple[int, ...]:
    """`(ny, nx)` of a reference of this version."""
    return image_of(image_file.describe(path)).shape


def _check_fits(reference: Sequence[int], shape: tuple[int, int], rotation: int, path: str) -> None:
    from perc_transforms.errors import TransformError
    from perc_transforms.functional.intensity.gain import check_fits

    try:
        check_fits(reference, shape, rotation)
    except TransformError as err:
        msg = f"{path}: {err}"
        raise FormatError(msg) from err


def image_of(file: ImageFile) -> Layout:
    """Where the pixels of a gain reference lie, `(ny, nx)`: of a `.gain` file of several pages the first, as in RELION.

    Raises:
        FormatError: the file holds none, or several images.
    """
    layout = file.layout.squeezed()
    if len(layout.shape) == 3 and _is_multiplied(file.path):
        report_once(f"{layout.shape[0]} pages: the first one is taken as the gain reference", file.path)
        layout = layout.slice(0, file.path)
    if len(layout.shape) != 2 or layout.dtype.kind == "c":
        what = "complex numbers" if layout.dtype.kind == "c" else f"shape {layout.shape}"
        msg = f"{file.path}: {what}: expected a gain reference, which is one image (ny, nx)"
        raise FormatError(msg)
    if file.contents is not None and file.contents.format == "dm":
        return flipped(layout)  # it lies as the TIFF files of its camera do, whose rows are turned over
    return layout


def _is_multiplied(path: str) -> bool:
    """Whether EER frames, too, are multiplied by it."""
    return compression.plain_name(path).endswith(MULTIPLIED)


def factors(gain: Gain, shape: tuple[int, int]) -> Factors:
    """What frames of a shape are multiplied by; kept in the process for the next frame.

    What is wrong with pixels of the reference is said once: how many are 0, not finite, or far from all others.

    Args:
        gain: the reference.
        shape: of a frame, `(ny, nx)`.

    Returns:
        `(ny, nx)`, float32, not to be written to.

    Raises:
        ChangedError: the file is not the one that was looked at.
        FormatError: it is no single image, or fits the frames in no way.
    """
    key = gain, shape
    if (found := _known(key)) is not None:
        return found
    with _readers.setdefault(os.getpid(), threading.Lock()):
        if (found := _known(key)) is None:
            found = _read(gain, shape)
            with _alone:
                _kept[key] = found
                while len(_kept) > KEPT:
                    _kept.popitem(last=False)
    return found


def _known(key: Key) -> Factors | None:
    with _alone:
        if key in _kept:
            _kept.move_to_end(key)
        return _kept.get(key)


def _read(gain: Gain, shape: tuple[int, int]) -> Factors:
    from perc_transforms.functional.intensity.gain import gain_defects, gain_factors

    file = image_file.describe(gain.path)
    if gain.etag and file.etag != gain.etag:
        msg = f"{gain.path}: changed since the dataset was loaded ({gain.etag} then, {file.etag} now): "
        msg += "call load_dataset again"
        raise ChangedError(msg)
    layout = image_of(file)
    _check_fits(layout.shape, shape, gain.rotation, gain.path)
    pixels = read_layout(gain.path, layout if gain.flip_y else unflipped(layout), file.etag)
    found = gain_factors(pixels, shape, rotation=gain.rotation, flip=gain.flip, counts=gain.counts)
    defects = gain_defects(pixels)
    if any(defects):
        told = f"{defects.dark} of value 0, {defects.not_finite} not finite, {defects.outlying} beyond 5 sigma"
        report_once(f"a gain reference with defects: {told}, of {pixels.size} pixels", gain.path)
    made: Factors = found.numpy()
    made.flags.writeable = False
    return made
