"""How the rows of a catalogue are divided for workers and nodes, and into pieces for a buffer."""

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from builders.io.files import location
from builders.io.formats.compression import is_packed
from builders.stacks.cutting import Count, divided, how_many
from builders.stacks.files import SourceFile
from builders.stacks.picked.boxes import band_edges
from builders.stacks.picked.catalogue import Catalogue, Numbers
from builders.stacks.picked.groups import Shard, edges_of
from builders.stacks.pieces import largest_piece

_MANY = 32
"""Images of this machine, of which boxes are cut, from which on each of them is whole in one shard."""
_FEW = 16
"""Boxes of one depth, or what else stays together, are as many at least, or they are parted further."""
_DEEPEST = 4
"""Bytes of a pixel, of boxes: their files have not been looked at."""


def shards_of(catalogue: Catalogue) -> list[Shard]:
    """The shards of a catalogue's rows, in order, of as many rows each, but for one more in the first ones.

    Rows of one file stay together where parts of them would need the same bytes (`_stays_whole`); of a volume, boxes of
    the same sections do, or at least those of the same rows: shards are as even as these allow.
    """
    files = catalogue.numbers("file")
    wholes = np.array([_stays_whole(catalogue, file) for file in catalogue.files], bool)
    units = edges_of(np.where(wholes[files], files, -1))
    can_be_cut = ~wholes[files[units[:-1]]] if len(units) > 1 else np.empty(0, bool)
    if catalogue.box is not None and len(catalogue.box) > 2:
        units, can_be_cut = _sections(catalogue, wholes)
    counts = [Count(stop - start, bool(cut)) for (start, stop), cut in zip(pairwise(units), can_be_cut, strict=True)]
    sizes = row_sizes(catalogue)
    rows = np.bincount(files, minlength=len(sizes))
    number = how_many(counts, int(rows @ sizes), int(sizes[rows > 0].max(initial=0)))
    return [(units[some[0][0]] + some[0][1], units[some[-1][0]] + some[-1][2]) for some in divided(counts, number)]


def _sections(catalogue: Catalogue, wholes: NDArray[np.bool_]) -> tuple[list[int], NDArray[np.bool_]]:
    """Where boxes begin that need other sections of a volume; where these are few, other rows of them.

    Returns:
        Edges of what stays together, and whether each of these can be cut.
    """
    files, corners = catalogue.numbers("file"), catalogue.corners(slice(None))
    changes = np.diff(files) != 0
    loose = changes | ~wholes[files[1:]]
    for axes in (1, 2):
        edges = np.flatnonzero(changes | (loose & (corners[1:, :axes] != corners[:-1, :axes]).any(1))) + 1
        if len(edges) >= _FEW:
            break
    units = [0, *edges.tolist(), len(files)]
    return units, np.zeros(len(units) - 1, bool)


def _stays_whole(catalogue: Catalogue, file: SourceFile) -> bool:
    """Whether rows of a file are not parted: it is read from its start, or boxes of it need the same rows of pixels."""
    are_boxes = catalogue.box is not None and len(catalogue.box) == 2
    many_share = location.is_remote(file.location) or len(catalogue.files) >= _MANY
    return is_packed(file.path) or (are_boxes and many_share)


def row_sizes(catalogue: Catalogue) -> Numbers:
    """Bytes of a row of each file, about: of a slice, by how many the file has room for if it has those that are named.

    Files are not looked at; stacks of one set have slices of one size, so it is the middle one of all.
    """
    most = np.array([file.most for file in catalogue.files], np.int64)
    if catalogue.box is not None:
        return np.full(len(most), math.prod(catalogue.box) * _DEEPEST)
    files, slices = catalogue.numbers("file"), catalogue.numbers("slice")
    last = np.full(len(most), -1, np.int64)
    np.maximum.at(last, files, slices)
    has_slices = last >= 0
    if has_slices.any():
        most[has_slices] = int(np.median(most[has_slices] // (last[has_slices] + 1)))
    return np.maximum(most, 1)


def pieces_of(catalogue: Catalogue, sizes: Numbers, shard: Shard, wanted: float) -> list[Shard]:
    """A shard in pieces of so many rows, but of some size; what `_stays_whole` stays together.

    Args:
        catalogue: which rows these are.
        sizes: of a row of each file, as `row_sizes` has it.
        shard: to be cut.
        wanted: rows of a piece.
    """
    start, stop = shard
    files = catalogue.numbers("file")[start:stop]
    edges = [0]
    for first, last in pairwise(edges_of(files)):
        file, size = catalogue.files[files[first]], int(sizes[files[first]])
        most = max(1, largest_piece(file.location, int(wanted * size)) // size)
        if last - edges[-1] <= most:
            continue
        if first > edges[-1]:
            edges.append(first)
        count = 1 if _stays_whole(catalogue, file) else -(-(last - first) // most)
        inner = np.array([first + (last - first) * number // count for number in range(1, count)], np.int64)
        if catalogue.box is not None and len(catalogue.box) > 2:  # those that are cut out of the same rows
            bands = first + np.array(band_edges(catalogue.corners(slice(start + first, start + last))))
            inner = np.unique(bands[np.searchsorted(bands, inner)])
        edges += inner[inner < last].tolist()
    return [(start + first, start + last) for first, last in pairwise([*edges, stop - start])]
