"""Many stretches of remote files at once, in rising order, neighbours by one request: what a batch is made of."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from operator import itemgetter
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from builders.io.finite import is_finite
from builders.io.net import remote
from builders.io.net.answers import RemoteFile

_R = TypeVar("_R")

_SMALL = 1024 * 1024
"""Bytes that take a usual connection no longer than a round trip: of such requests, more than usual are under way."""

Wanted = tuple[str, str, int, int, int]
"""A stretch of a file: URL, ETag, from and to, and the place in the batch of the one who wants it."""
Group = tuple[str, str, NDArray[np.int64], NDArray[np.int64] | None]
"""Stretches of one size in a file: URL, ETag, where they begin, and a row for each; None: one after another."""
Run = Sequence[Wanted]
"""What one request brings: stretches of a file, in rising order, with nothing between them."""


def fetch(wanted: Iterable[Wanted], reads: remote.Reads) -> Iterator[tuple[Run, "Future[NDArray[np.uint8]]"]]:
    """Begin to read some stretches. Nothing else is read than was asked for.

    Args:
        wanted: which, at the most one for each place.
        reads: what the reads belong to.

    Yields:
        What each request brings, and the bytes of it, from the first one's beginning.
    """
    for run in runs(wanted):
        file, start, stop = _bounds(run)
        yield run, _submit(reads, run, remote.read, file, start, stop, remote.PIECE, _is_small(run))


def gather(groups: Iterable[Group], out: NDArray[np.uint8], floats: np.dtype[Any] | None = None) -> bool:
    """Read stretches of remote files, each into a row of `out`; `builders.io.gathering` does it for files at hand.

    After a failure, or an interruption, no read is left that would write into `out`.

    Args:
        groups: the files, each once, and what is wanted of them, in any order, also several times the same.
        out: `(rows, size)` in C order, where `size` are the bytes of each stretch.
        floats: the type of pixels that are to be looked at while others are on their way; None: none.

    Returns:
        Whether all pixels are known to be finite; False says nothing, as where `floats` is None.

    Raises:
        PercError: as `remote.read` of the first stretch that cannot be read.
    """
    size = out.shape[1]
    wanted = [
        (path, etag, start, start + size, place)
        for path, etag, starts, places in groups
        for start, place in zip(starts.tolist(), range(len(starts)) if places is None else places.tolist(), strict=True)
    ]
    with remote.Reads() as reads:
        waiting = [_submit(reads, run, _fill, run, out, floats) for run in runs(wanted)]
        done, _ = wait(waiting, return_when=FIRST_EXCEPTION)
        are_finite = [future.result() for future in waiting if future in done]
    return floats is not None and all(are_finite)


def _fill(run: Run, out: NDArray[np.uint8], floats: np.dtype[Any] | None) -> bool:
    """Read a run into the rows that want it, straight where they lie one after another as it does."""
    file, start, stop = _bounds(run)
    size, first = out.shape[1], run[0][-1]
    is_straight = all((item[2], item[-1]) == (start + n * size, first + n) for n, item in enumerate(run))
    raw = out[first : first + len(run)].reshape(-1) if is_straight else np.empty(stop - start, np.uint8)
    remote.read_into(file, raw, start, is_hurried=_is_small(run))
    if not is_straight:
        for _, _, begins, ends, place in run:
            out[place] = raw[begins - start : ends - start]
    return floats is not None and is_finite(raw.view(floats))


def _submit(reads: remote.Reads, run: Run, task: Callable[..., _R], *arguments: object) -> "Future[_R]":
    return reads.submit(task, *arguments, pool=remote.BURSTS if _is_small(run) else "rows")


def _is_small(run: Run) -> bool:
    _, start, stop = _bounds(run)
    return stop - start <= _SMALL


def runs(wanted: Iterable[Wanted]) -> list[Run]:
    """What is to be read by one request each; long runs are cut so that all connections have a share.

    Example:
        >>> runs([("x", "", 20, 30, 0), ("x", "", 5, 9, 1), ("x", "", 10, 20, 2)])
        [[('x', '', 5, 9, 1)], [('x', '', 10, 20, 2), ('x', '', 20, 30, 0)]]
    """
    ordered = sorted(wanted)
    share = sum(stop - start for _, _, start, stop, _ in ordered) // remote.CONNECTIONS
    most = min(max(share, _SMALL), remote.PIECE)
    found: list[list[Wanted]] = []
    first = end = 0
    for item in ordered:
        path, etag, start, stop, _ = item
        follows = bool(found) and found[-1][0][:2] == (path, etag) and start <= end
        if not follows or max(stop, end) - first > most:
            found.append([])
            first = end = start
        found[-1].append(item)
        end = max(end, stop)
    return list[Run](found)


def _bounds(run: Run) -> tuple[RemoteFile, int, int]:
    path, etag, start, _, _ = run[0]
    return RemoteFile(path, None, etag or None), start, max(map(itemgetter(3), run))
