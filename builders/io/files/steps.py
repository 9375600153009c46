"""Bytes of a file step by step: those of one frame of a movie while the next ones are on their way, never all at once.

Both functions give a `Fetch`: for some steps, each some stretches of the file in rising order, it gives the
bytes of each, one stretch after another.
"""

import io
import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from builders.io.blocks import read_ahead
from builders.io.files import local, location
from builders.io.layout import Fetch, Range, joined, merged
from builders.io.net import remote
from builders.io.net.answers import RemoteFile, known_of

Bytes = NDArray[np.uint8]
Steps = Iterable[Sequence[Range]]

_AHEAD = 3
_MOST_AHEAD = 3 * remote.PIECE
"""Bytes that are on their way or wait for their turn."""


class Stretches:
    """Stretches of a file whose bytes were read one after another.

    Args:
        ranges: from and to in the file, in rising order; none touches another.

    Example:
        >>> Stretches([(10, 12), (20, 24)]).cut(np.arange(6, dtype=np.uint8), [(21, 23)])
        array([3, 4], dtype=uint8)
    """

    def __init__(self, ranges: Sequence[Range]) -> None:
        edges = np.array(ranges, np.int64).reshape(-1, 2)
        self._starts = edges[:, 0]
        self._before = np.cumsum(edges[:, 1] - edges[:, 0]) - (edges[:, 1] - edges[:, 0])

    def cut(self, raw: Bytes, ranges: Sequence[Range]) -> Bytes:
        """The bytes of some ranges, each of which lies in one of the stretches."""
        found = []
        for start, stop in ranges:
            number = int(np.searchsorted(self._starts, start, "right")) - 1
            first = int(self._before[number] + start - self._starts[number])
            found.append(raw[first : first + stop - start])
        return joined(found)


def of_open(raw: io.FileIO, name: str) -> Fetch:
    """Steps of a file of this machine that is open; the system reads the next one while one is used.

    It does so by itself where the next one follows; elsewhere it is told.

    Raises:
        TruncatedError: where the file ends before a step does.
    """

    def fetch(steps: Steps) -> Iterator[Bytes]:
        for ranges, following in itertools.pairwise(itertools.chain(steps, [()])):
            if following and ranges and following[0][0] != ranges[-1][1]:
                local.will_read(name, following)
            yield location.fill_ranges(raw, ranges, name)

    return fetch


def of_url(url: str, etag: str | None) -> Fetch:
    """Steps of a file of a server; several small ones come by one request, the next ones while one is used.

    Raises:
        ChangedError: where the file is of another version.
        TruncatedError: where it ends before a step does.
    """

    def fetch(steps: Steps) -> Iterator[Bytes]:
        version = etag
        if not version:  # all of them have to be of one version
            version = known_of(remote.client().head(url), RemoteFile(url, None, None)).etag
        several = read_ahead(
            *(_together(steps), lambda some: location.read_ranges(url, some[1], version), _AHEAD),
            *(lambda some: sum(stop - start for start, stop in some[1]), _MOST_AHEAD),
        )
        try:
            for (some, ranges), raw in several:
                held = Stretches(ranges)
                for step in some:
                    yield held.cut(raw, step)
        finally:
            several.close()

    return fetch


def _together(steps: Steps) -> Iterator[tuple[list[Sequence[Range]], tuple[Range, ...]]]:
    """Steps of which the bytes are asked for together: about as many as a request may bring, and what they need."""
    some: list[Sequence[Range]] = []
    size = 0
    for step in steps:
        needed = sum(stop - start for start, stop in step)
        if some and size + needed > remote.PIECE:
            yield some, merged([stretch for one in some for stretch in one])
            some, size = [], 0
        some.append(step)
        size += needed
    if some:
        yield some, merged([stretch for one in some for stretch in one])
