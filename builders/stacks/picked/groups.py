"""Groups: rows of a catalogue that stand together and are of one file, and which of these a file cannot give."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError, PercError
from builders.hf.stream_blocks import Places
from builders.stacks.files import SourceFile
from builders.stacks.picked.catalogue import Catalogue, Numbers, Side
from builders.stacks.rows import Images

Shard = tuple[int, int]
"""Rows of a catalogue: the first one, and the one after the last."""
WHOLE = -1
"""In place of a slice: all of the file."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one file that stand together.

    Attributes:
        file: the file.
        first: the first one, counted in the catalogue.
        stop: the one after the last.
        place: of the first one in its shard.
        companion: of which further image of theirs the file is; empty: of the image itself.
    """

    file: SourceFile
    first: int
    stop: int
    place: int
    companion: str = ""


def edges_of(values: NDArray[np.signedinteger]) -> list[int]:
    """Where stretches of equal values begin, and the end of the last one.

    Example:
        >>> edges_of(np.array([5, 5, 7, 5]))
        [0, 2, 3, 4]
    """
    return [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)] if len(values) else [0]


def groups_of(
    catalogue: Catalogue, shards: Iterable[Shard], skip: int, only: Sequence[Places] | None
) -> Iterator[list[Group]]:
    """The groups of each shard; before one, those of the files of its rows' further images.

    Args:
        catalogue: whose rows.
        shards: which of them.
        skip: rows of the first shard that are left out.
        only: for each shard, the places of the rows that are wanted, in rising order; None: all.
    """
    files = {name: catalogue.files_of(name) for name in (*catalogue.companions, "")}
    for number, (start, stop) in enumerate(shards):
        first = start + (0 if number else skip)
        edges = np.unique([edge for which in files.values() for edge in edges_of(which[first:stop])]).tolist()
        groups = [
            Group(catalogue.files[which[first + low]], first + low, first + high, first + low - start, name)
            for low, high in pairwise(edges)
            for name, which in files.items()
        ]
        yield groups if only is None else [group for group in groups if _is_wanted(group, only[number])]


def _is_wanted(group: Group, places: Places) -> bool:
    low, high = np.searchsorted(places, [group.place, group.place + group.stop - group.first])
    return bool(high > low)


def usable(count: int | Numbers, slices: Numbers) -> NDArray[np.bool_]:
    """Which rows there are, by their slices and by how many their files have."""
    there: NDArray[np.bool_] = (slices == WHOLE) | ((slices >= 0) & (slices < count))
    return there


def whole(images: Images) -> Images:
    """A file as one row."""
    return replace(images, by_slice=False)


def as_mask(images: Images) -> Images:
    """A file whose values are names of things: beyond its edges they are 0."""
    image = images.image
    return replace(images, image=replace(image, layout=replace(image.layout, is_mask=True)))


def as_told(looked: Images | PercError, side: Side | None) -> Images | PercError:
    """A stack as it was looked at; what is wrong with it where its images are not of the size that a table says."""
    if not isinstance(looked, Images) or side is None:
        return looked
    shape = looked.layout(0).shape
    if shape == (side[0], side[0]):
        count = side[2] if len(side) > 2 else looked.count
        if looked.count == count:
            return looked
        msg = f"{looked.file.path}: it has {looked.count} images, the table says that there are {count}"
        return FormatError(msg)
    has = " x ".join(map(str, reversed(shape)))
    msg = f"{looked.file.path}: it has images of {has} pixels, {side[1]} says {side[0]} x {side[0]}"
    return FormatError(msg)


def misfit(images: object, other: Images, name: str) -> FormatError | None:
    """What is wrong with a file of further images that is to have the same boxes as another one; None: nothing.

    Args:
        images: the other one, if it can be read.
        other: the file.
        name: the column of these images.
    """
    if not isinstance(images, Images) or images.image.layout.squeezed().shape == other.image.layout.squeezed().shape:
        return None
    has, wanted = (" x ".join(map(str, one.image.layout.shape)) for one in (other, images))
    msg = f"{other.file.path}: {name} of {has} pixels: expected {wanted}, as {images.file.path} beside it has"
    return FormatError(msg)


def beyond(images: Images, slices: Numbers, rows: Numbers, source: str) -> FormatError:
    """What is wrong with rows of a file that is shorter than a table says.

    Args:
        images: the file.
        slices: of it, which it does not have.
        rows: of the table, from 0, which name them.
        source: the table's name.
    """
    shown = [str(row + 1) for row in islice(rows.tolist(), _SHOWN)]
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    low, high = int(slices.min()), int(slices.max())
    named = f"slice {low}" if low == high else f"slices {low} to {high}"
    msg = f"{images.file.path}: row{'s' * (len(rows) > 1)} {', '.join(shown)}{more} of {source}, counted from 1, "
    msg += f"name{'s' * (len(rows) == 1)} {named}: expected 0 to {images.count - 1}, since the file has "
    msg += f"{images.count}"
    return FormatError(f"{msg} ({images.lost})" if images.lost else msg)
