"""Numbers and sizes that transforms are asked for, in pixels or Å, and rows of one shape that come out in several."""

import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

from perc_transforms.core.batch import Groups, Rows
from perc_transforms.errors import MissingValueError, TransformError


def is_number(value: object) -> TypeGuard[float]:
    """Whether something is a finite real number.

    Example:
        >>> is_number(1), is_number("1"), is_number(True), is_number(float("nan"))
        (True, False, False, False)
    """
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: object) -> TypeGuard[int]:
    """Whether something is an integer, and no truth value.

    Example:
        >>> is_whole(1), is_whole(1.0), is_whole(True)
        (True, False, False)
    """
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_side(n: object) -> bool:
    """Whether something can be the number of pixels along an axis."""
    return is_whole(n) and n > 0


def are_sides(size: object) -> bool:
    """Whether something is a number of pixels, or one for each of some axes."""
    sides = list(size) if isinstance(size, Sequence) else [size]
    return bool(sides) and all(map(is_side, sides))


def is_length(length: object) -> bool:
    """Whether something is a length: a positive number."""
    return is_number(length) and length > 0


def are_lengths(size: object) -> bool:
    """Whether something is a length, or one for each of some axes."""
    lengths = list(size) if isinstance(size, Sequence) else [size]
    return bool(lengths) and all(map(is_length, lengths))


def for_each_axis(size: Any, sizes: Sequence[int], transform: object) -> tuple[Any, ...]:
    """One value for each axis: those given, or one for all.

    Args:
        size: a number, or a sequence of them in the order of the image's axes.
        sizes: the image's.
        transform: for the error.

    Raises:
        TransformError: the image has another number of axes.

    Example:
        >>> for_each_axis(8, (16, 16, 16), "a transform")
        (8, 8, 8)
    """
    values = tuple(size) if isinstance(size, Sequence) else (size,) * len(sizes)
    if len(values) != len(sizes):
        msg = f"{transform!r}: {len(values)} numbers for an image of {len(sizes)} spatial axes {tuple(sizes)}: "
        msg += f"expected {len(sizes)}, or one for all"
        raise TransformError(msg)
    return values


def known_pixel_size(pixel_size: float | None, transform: object, instead: str | None = None) -> float:
    """A row's pixel size where one is needed.

    Args:
        pixel_size: in Å.
        transform: for the error.
        instead: the option in pixels that would do without, if there is one.

    Raises:
        MissingValueError: it is null, or not positive.
    """
    if pixel_size is None or not is_length(pixel_size):
        pixels = f"give {instead} in pixels, or a pixel_size in Å"
        row = "expected Å above 0: give the row a pixel_size, as in {'image': x, 'pixel_size': 1.5}"
        msg = f"{transform!r}: the row's pixel_size is {pixel_size!r}: {pixels if instead else row}"
        msg += "; where files say none, load_dataset(..., pixel_size=1.5) does"
        error = MissingValueError(msg)
        error.column = "pixel_size"
        raise error
    return pixel_size


def known_pixel_sizes(rows: Rows, transform: object) -> list[float]:
    """The pixel size of every row, in Å, for a transform that cannot do without.

    Raises:
        TransformError: a row has none, or one that is not positive.
    """
    return [known_pixel_size(size, transform) for size in rows.columns["pixel_size"]]


def sides_of(size: Any, size_angstrom: Any, rows: Rows, number: int, transform: object) -> tuple[int, ...]:
    """Pixels along each axis that a row is asked for, in pixels or in Å: then round(Å / pixel_size), and 1 at least.

    Args:
        size: in pixels, one number or one for each axis; None: what counts is `size_angstrom`.
        size_angstrom: likewise, in Å.
        rows: rows of one shape.
        number: which of them.
        transform: for errors.
    """
    if size is not None:
        return tuple(map(int, for_each_axis(size, rows.sizes, transform)))
    pixel_size = known_pixel_size(rows.columns["pixel_size"][number], transform, "size")
    lengths = for_each_axis(size_angstrom, rows.sizes, transform)
    return tuple(max(1, round(length / pixel_size)) for length in lengths)


def parted(groups: Groups, shape: Callable[[Rows, int], tuple[int, ...]]) -> Groups:
    """Groups of rows, parted by the shape that each row is to get: rows of several pixel sizes may get several.

    Args:
        groups: places in the batch, and the rows there.
        shape: of the rows and a row's number among them, the shape that it is to get.
    """
    parts: Groups = []
    for places, rows in groups:
        chosen: dict[tuple[int, ...], list[int]] = {}
        for number in range(len(rows.images)):
            chosen.setdefault(shape(rows, number), []).append(number)
        if len(chosen) == 1:
            parts.append((places, rows))
            continue
        for some in chosen.values():
            parts.append(([places[number] for number in some], rows.some(some)))
    return parts
