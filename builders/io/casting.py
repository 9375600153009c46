"""Decoded pixels to the type that was asked for: rounded where it must be, but never to another number."""

import logging
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from builders.errors import FormatError
from builders.io.layout import Array
from perc_transforms.core import buffers

logger = logging.getLogger(__name__)

_HALF = 2
"""Bytes of the only floats that are too small for some whole numbers."""
_warned: set[str] = set()


def cast(array: Array, dtype: DTypeLike | None, name: str, advice: str = "ask for a wider one") -> Array:
    """Convert pixels to a type; None keeps them as they are.

    Floats are rounded to the nearest of a smaller type, fractions cut off where whole numbers are asked for (with one
    warning); infinity and NaN stay what they are among floats. Values are looked at only where their type alone does
    not tell that they fit.

    Args:
        array: pixels of any shape.
        dtype: the type.
        name: what errors call the image.
        advice: what they end with.

    Raises:
        FormatError: a value does not fit the type, or complex pixels would lose their imaginary part.

    Example:
        >>> cast(np.array([[300.0]], np.float32), "uint8", "x.mrc")
        Traceback (most recent call last):
        builders.errors.FormatError: x.mrc: 300.0 does not fit dtype='uint8' (0 to 255): ask for a wider one
    """
    if dtype is None:
        return array
    wanted: np.dtype[Any] = np.dtype(dtype)
    if array.dtype == wanted:
        return array
    if array.dtype.kind == "c" and wanted.kind != "c":
        msg = f"{name}: complex pixels ({array.dtype}) do not fit dtype={wanted.name!r}: read them with dtype=None"
        raise FormatError(msg)
    if not array.size or is_sure(array.dtype, wanted):
        result: Array = np.ndarray(array.shape, wanted, buffers.take(array.size * wanted.itemsize))
        copy(array, result)
        return result
    convert = _as_whole if wanted.kind in "biu" else _as_float
    return convert(array, wanted, name, advice)


def is_sure(given: np.dtype[Any], wanted: np.dtype[Any]) -> bool:
    """Whether every number of a type fits another one, rounded at the most."""
    is_rounded = given.kind in "biu" and wanted.kind in "fc" and wanted.itemsize > _HALF
    return is_rounded or bool(np.can_cast(given, wanted, "safe"))


def copy(array: Array, out: Array) -> None:
    """Convert pixels of a type that `is_sure` into others, of as many axes, in C order."""
    is_half = array.dtype == np.float16 and array.dtype.isnative and array.flags.writeable
    if is_half and out.dtype == np.float32:
        from perc_transforms.core.halves import widen

        widen(array, out)
        return
    with np.errstate(invalid="ignore"):  # a NaN that signals is passed on as others are
        np.copyto(out, array, casting="unsafe")


def _as_float(array: Array, wanted: np.dtype[Any], name: str, advice: str) -> Array:
    """Numbers as floats of a type that may be too small for them."""
    numbers: Any = array
    with np.errstate(over="ignore", invalid="ignore"):
        result: Array = array.astype(wanted)
        if array.dtype.kind != "c" and np.isfinite(np.stack([numbers.min(), numbers.max()]).astype(wanted)).all():
            return result
    lost = numbers[np.isfinite(numbers) & ~np.isfinite(result)]
    if lost.size:
        most = float(np.finfo(wanted).max)
        raise _misfit(lost[0], wanted, f"{-most:g} to {most:g}", name, advice)
    return result


def _as_whole(array: Array, wanted: np.dtype[Any], name: str, advice: str) -> Array:
    """Numbers as whole ones of a type that may not hold them."""
    least, most = (0, 1) if wanted.kind == "b" else (int(np.iinfo(wanted).min), int(np.iinfo(wanted).max))
    numbers: Any = array
    for value in (numbers.min(), numbers.max()):
        if not np.isfinite(value) or not least <= int(value) <= most:
            raise _misfit(value, wanted, f"{least} to {most}", name, advice)
    result: Array = array.astype(wanted)
    if array.dtype.kind == "f" and (wanted.kind == "b" or wanted.name not in _warned):
        cut = array[result != array]
        if cut.size and wanted.kind == "b":
            raise _misfit(cut[0], wanted, "0 and 1", name, advice)
        if cut.size:
            _warned.add(wanted.name)
            logger.warning("%s: fractions are cut off, as of %s, for dtype=%r (said once)", name, cut[0], wanted.name)
    return result


def _misfit(value: Any, wanted: np.dtype[Any], range_: str, name: str, advice: str) -> FormatError:
    return FormatError(f"{name}: {value} does not fit dtype={wanted.name!r} ({range_}): {advice}")
