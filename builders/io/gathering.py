"""Many stretches of one file, of one size each, straight into the rows of one array: what a batch is made of."""

import contextlib
import io
import itertools
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError, TruncatedError
from builders.io.files import local, location
from builders.io.files.seen import SEEN, Images
from builders.io.finite import sum_of_products
from builders.io.formats import compression

_PIECE = 256 * 1024
"""Bytes that are read in one go: so many are still in the processor's cache when they are looked at."""
_MOST_PLACES = 512
"""Of memory that one call to the system fills."""
_HEAD = 3
"""Bytes that tell a packed file."""

Places = Sequence["memoryview[int]"]
Read = tuple[int, int, Sequence[tuple[int, int]]]
"""Where a read begins in the file, how many bytes it is, and from where to where they go in memory."""


class PackedError(FormatError):
    """The file is compressed as a whole: what lies where in it, only its stream tells."""


def gather(
    path: str,
    offsets: NDArray[np.int64],
    out: NDArray[np.uint8],
    places: NDArray[np.int64] | None = None,
    etag: str | None = None,
    floats: np.dtype[Any] | None = None,
) -> bool:
    """Read stretches of a plain file of this machine, each into a row of `out`.

    The file is opened and checked once. It is read in rising order, whatever the order of `offsets`; what lies side by
    side comes together.

    Args:
        path: the file.
        offsets: where the stretches begin, in any order, also several times the same.
        out: `(rows, size)` in C order, where `size` are the bytes of each stretch.
        places: the row for each; None: one after another, from the first.
        etag: the file's version; None or empty: any.
        floats: the type of pixels that are to be looked at while they are warm; None: none.

    Returns:
        Whether all pixels are known to be finite; False says nothing, as where `floats` is None.

    Raises:
        ChangedError: the file is of another version.
        PackedError: it is compressed.
        TruncatedError: it ends before the last stretch does.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "x")
        ...     done = path.write_bytes(bytes(range(10)))
        ...     out = np.empty((2, 3), np.uint8)
        ...     finite = gather(str(path), np.array([6, 1]), out)
        >>> out
        array([[6, 7, 8],
               [1, 2, 3]], dtype=uint8)
    """
    size = out.shape[1]
    images = None if floats is None else Images(path, etag, floats.str, size, offsets)
    is_known = images is not None and images in SEEN
    with opened_plain(path, etag, int(offsets.max(initial=-size)) + size) as raw:
        finite = _fill(raw, path, offsets, out, places, None if is_known else floats)
    if finite and images is not None:
        SEEN.note(images)
    return finite or is_known


@contextlib.contextmanager
def opened_plain(path: str, etag: str | None, end: int) -> Iterator[io.FileIO]:
    """A plain file of this machine, opened to be read up to some byte.

    Raises:
        ChangedError: the file is of another version than `etag`.
        PackedError: it is compressed.
        TruncatedError: it ends before `end`.
    """
    with local.opened(path) as raw, compression.damage_named(path):
        file_size = local.check_version(raw, path, etag)
        if compression.packing_of(_head(raw)) is not None:
            msg = f"{path}: compressed as a whole: expected a plain file"
            raise PackedError(msg)
        if end > file_size:
            msg = f"{path}: {file_size} bytes, expected {end}: the file is truncated"
            raise TruncatedError(msg)
        yield raw


def fill_exactly(raw: io.FileIO, path: str, offset: int, place: "memoryview[int]") -> None:
    """Fill memory with the bytes of an open file from `offset` on.

    Raises:
        TruncatedError: it ends before that.
    """
    done = getattr(os, "preadv", _no_preadv)(raw.fileno(), [place], offset)
    if done < len(place):
        _read_on(raw, path, offset, len(place), [place], done)


def together(offsets: NDArray[np.int64], size: int, gap: int = location.GAP) -> list[tuple[int, int]]:
    """Stretches of a file that hold others of one size each, in rising order: few, where bytes between may come along.

    Args:
        offsets: where these begin, in any order.
        size: bytes of each.
        gap: the most bytes that nobody asked for between two of them.

    Example:
        >>> together(np.array([70, 0, 10, 10]), 10, gap=20)
        [(0, 20), (70, 80)]
    """
    if not len(offsets):
        return []
    starts = offsets if (offsets[1:] > offsets[:-1]).all() else np.unique(offsets)
    edges = np.flatnonzero(np.diff(starts) > size + gap) + 1
    firsts, lasts = starts[np.append(0, edges)], starts[np.append(edges - 1, -1)]
    return list(zip(firsts.tolist(), (lasts + size).tolist(), strict=True))


def _head(raw: io.FileIO) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(raw.fileno(), _HEAD, 0)
    raw.seek(0)
    return raw.read(_HEAD) or b""


def _fill(
    raw: io.FileIO,
    path: str,
    offsets: NDArray[np.int64],
    out: NDArray[np.uint8],
    places: NDArray[np.int64] | None,
    floats: np.dtype[Any] | None,
) -> bool:
    size, flat = out.shape[1], out.reshape(-1)
    memory = flat.data
    pixels: Any = None if floats is None else flat.view(floats)
    width = 1 if floats is None else floats.itemsize
    preadv, number, total = getattr(os, "preadv", _no_preadv), raw.fileno(), 0.0
    offsets, starts, apart = _rising(offsets, size, places)
    if size <= _PIECE and 2 * np.count_nonzero(apart) >= len(apart):  # of nearly all batches that are drawn at random;
        # what is done below, without lists: with the processor's cache full of pixels, each step of Python costs more
        for offset, start, stop in zip(offsets.tolist(), starts.tolist(), (starts + size).tolist(), strict=True):
            part = memory[start:stop]
            done = preadv(number, (part,), offset)
            if done < size:
                _read_on(raw, path, offset, size, (part,), done)
            if pixels is not None:
                total += sum_of_products(pixels[start // width : stop // width])
        return pixels is not None and math.isfinite(total)
    for offset, count, spans in _merged(offsets.tolist(), starts.tolist(), apart, size):
        parts = [memory[start:stop] for start, stop in spans]
        done = preadv(number, parts, offset)
        if done < count:
            _read_on(raw, path, offset, count, parts, done)
        if pixels is not None:
            for start, stop in spans:
                total += sum_of_products(pixels[start // width : stop // width])
    return pixels is not None and math.isfinite(total)


def _no_preadv(number: int, places: Places, offset: int) -> int:
    """Stands for the system's call where there is none: nothing came yet."""
    return 0


def _read_on(raw: io.FileIO, path: str, offset: int, count: int, places: Places, done: int) -> None:
    """Fill what is left of memory with `count` bytes that lie one after another in a file, of which `done` are there.

    Raises:
        TruncatedError: the file ends before that.
    """
    raw.seek(offset + done)
    filled = done
    for place in places:
        rest = place[min(filled, len(place)) :]
        filled -= len(place) - len(rest)
        done += local.fill(raw, rest)
    if done < count:
        msg = f"{path}: {offset + done} bytes, expected {offset + count}: the file is truncated"
        raise TruncatedError(msg)


def _rising(
    offsets: NDArray[np.int64], size: int, places: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Where stretches lie in a file, in rising order, and in memory, and whether each is followed by another one."""
    if places is None:
        places = np.arange(len(offsets), dtype=np.int64)
    steps = offsets[1:] - offsets[:-1]
    if len(steps) and steps.min() < 0:
        order = offsets.argsort(kind="stable")
        offsets, places = offsets[order], places[order]
        steps = offsets[1:] - offsets[:-1]
    return offsets, places * size, steps != size


def _merged(froms: list[int], starts: list[int], apart: NDArray[np.bool_], size: int) -> Iterator[Read]:
    """The reads of stretches of which some lie side by side."""
    edges = [0, *(np.flatnonzero(apart) + 1).tolist(), len(froms)] if froms else []
    for first, last in itertools.pairwise(edges):
        some, whole = starts[first:last], (last - first) * size
        if size and some == list(range(some[0], some[0] + whole, size)):
            yield from _pieces(froms[first], some[:1], whole)
        else:
            yield from _pieces(froms[first], some, size)


def _pieces(offset: int, starts: list[int], size: int) -> Iterator[Read]:
    """Stretches that lie side by side in the file from `offset` on, in pieces."""
    spans: list[tuple[int, int]] = []
    held = 0
    for start in starts:
        done = 0
        while done < size:
            count = min(size - done, _PIECE - held)
            place = start + done
            if spans and spans[-1][1] == place:
                spans[-1] = spans[-1][0], place + count
            else:
                spans.append((place, place + count))
            done, held = done + count, held + count
            if held == _PIECE or len(spans) == _MOST_PLACES:
                yield offset, held, spans
                offset, spans, held = offset + held, [], 0
    if spans:
        yield offset, held, spans
