"""The reader of shards: headers first, then pixels, both ahead of their use."""

import atexit
import contextlib
import inspect
import io
import logging
import os
import weakref
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from builders.errors import ChangedError, PercError
from builders.hf.image_storage import Fetched, Row, reference
from builders.hf.streaming import Step
from builders.io.blocks import read_ahead
from builders.io.files import local, location
from builders.io.files.header_store import HeaderStore
from builders.io.finite import are_finite
from builders.io.layout import Array, InterleavedSlice, Layout, Range, joined
from builders.io.net import remote
from builders.io.net.threads import fork_safe_lock
from builders.io.pixels import decoded, read_each, read_open, read_slices
from builders.options import with_advice
from builders.quarantine import Quarantine
from builders.stacks.cutting import Shard
from builders.stacks.headers import Headers
from builders.stacks.rows import Images, Reading
from builders.stacks.runs import BLOCK, Run, runs_of
from perc_transforms.core import buffers

logger = logging.getLogger(__name__)

_AHEAD = 8
_MOST_AHEAD = 4 * BLOCK
"""Bytes under way at once, or waiting to be used."""

_Bytes = tuple[NDArray[np.uint8], bool]
"""Bytes of rows, and whether all of their pixels are known to be finite."""


@dataclass(frozen=True)
class ShardReader:
    """Reads shards: headers first, then pixels, both ahead of their use.

    Args:
        reading: how files become rows.
        folder: of the cache, for headers.
        quarantine: file of a table of what is left out.
    """

    reading: Reading
    folder: str | None = None
    quarantine: str | None = None

    def __call__(self, shards: Iterable[Any], skip: int) -> Generator[Step, None, None]:
        """See `builders.hf.streaming.Reader`."""
        steps = self._steps(shards, skip)
        with _alone:
            _live.add(steps)
        return steps

    def rows(self, shard: Shard) -> int:
        """How many rows its parts are thought to have."""
        return sum(part.stop - part.first for part in shard)

    def _steps(self, shards: Iterable[Shard], skip: int) -> Generator[Step, None, None]:
        left_out = 0
        told: set[str] = set()
        headers = Headers(self.reading, self.folder).read_ahead(shards)
        runs = read_ahead(
            runs_of(headers, skip),
            *(self._read, _AHEAD, lambda run: run.size, _MOST_AHEAD, _sharers),
            is_slow=lambda run: run.is_fetched,
        )
        try:
            for run, raw in runs:
                if run.images is None:
                    yield None
                    continue
                lost = run.images if isinstance(run.images, PercError) else run.images.lost
                if lost and run.path not in told:  # by the first of its parts that is read here
                    told.add(run.path)
                    if isinstance(lost, PercError):
                        left_out += self._refuse(run, lost)
                    else:
                        self._report(run, lost)
                if isinstance(run.images, PercError):
                    continue
                if isinstance(raw, PercError):
                    left_out += self._refuse(run, raw)
                    continue
                try:
                    left_out += yield from self._rows(run, raw)
                except PercError as err:
                    left_out += self._refuse(run, err)
        finally:
            runs.close()
            headers.close()
            if left_out:
                counted = self.reading.builder, left_out, self.reading.source
                logger.warning("%s: %d files or stretches of %s were left out", *counted)

    def _refuse(self, run: Run, error: PercError) -> int:
        if isinstance(error, ChangedError) and isinstance(run.images, Images):
            HeaderStore(self.folder).forget([run.images.file.location])
        if self.reading.on_error == "raise":
            raise with_advice(error)
        self._report(run, error)
        return 1

    def _report(self, run: Run, reason: object) -> None:
        logger.warning("%s: leaving out of %s: %s", self.reading.builder, run.path, reason)
        Quarantine(self.quarantine).add(run.path, reason)

    def _read(self, run: Run) -> "_Bytes | PercError | None":
        """The bytes of a remote run's rows, in another thread; what fails is said where the run is used."""
        images = run.images
        if not isinstance(images, Images) or not images.lies_apart:
            return None
        where = images.file.location
        if run.data is not None:
            whole = np.frombuffer(run.data, np.uint8)
            raw = joined([whole[start:stop] for start, stop in run.ranges])
        elif not location.is_remote(where):
            for start, stop in run.ranges:
                local.will_read(where, start, stop)
            return None
        else:
            try:
                if len(run.ranges) == 1:
                    raw = location.read(where, *run.ranges[0], images.image.etag, BLOCK)
                else:
                    raw = location.read_ranges(where, run.ranges, images.image.etag)
            except PercError as err:
                return err
        return raw, are_finite(raw, images.image.layout)

    def _rows(self, run: Run, fetched: "_Bytes | None") -> Generator[Step, None, int]:
        """The rows of a run; gives the number of those that were left out, each by itself."""
        images, count = cast(Images, run.images), len(run.rows)
        first = images.layout(run.rows.start)
        size, is_regular = first.nbytes, images.is_regular
        is_interleaved = isinstance(first, InterleavedSlice)
        layouts = [] if is_regular or is_interleaved else [images.layout(row) for row in run.rows]
        pixels: Iterator[tuple[Array | PercError, bool]]
        if not images.lies_apart:
            pixels = self._decompressed(images, run)
        elif fetched is None and is_regular:
            pixels = read_slices(images.file.location, first, count, images.image.etag)
        elif fetched is None:
            pixels = read_each(images.file.location, layouts, images.image.etag)
        elif is_regular:
            pixels = _cut(*fetched, first, count, shared=count > 1 or run.data is not None)
        else:
            pixels = _picked(*fetched, layouts, run.ranges)
        values = images.row(run.rows.start, self.reading, first)
        stored, path = values["image"], images.file.path
        lost = 0
        for number, (array, finite) in enumerate(pixels):
            if isinstance(array, PercError):
                lost += self._refuse(run, array)
                continue
            image = Fetched(stored)
            image.held, image.finite = array, finite
            row = Row(values)
            row["image"] = image
            if number:
                row["index"] = run.rows[number]
                if is_regular:
                    image["offset"], image["shape"] = first.offset + number * size, list(first.shape)
                elif is_interleaved:
                    image["index"] = run.rows[number]
                else:
                    image.update(reference(images.image, layouts[number]))
            yield run.place + number, f"{path}#{run.rows[number]}", row
        return lost

    def _decompressed(self, images: Images, run: Run) -> Iterator[tuple[Array, bool]]:
        """Rows of a file that is read from its start: a compressed one, or one whose slices do not lie apart."""
        where = images.file.location
        file: BinaryIO
        if run.data is not None:
            file = io.BytesIO(run.data)
        elif location.is_remote(where):
            size, etag = location.size_and_etag(where)
            file = location.open_version(where, size, images.image.etag or etag)
        else:
            file = location.open_file(where)
        with file:
            if isinstance(file, io.BufferedReader) and isinstance(file.raw, io.FileIO):
                local.check_version(file.raw, where, images.image.etag)
            for pixels in read_open(file, map(images.layout, run.rows), where, images.image.etag):
                yield pixels, False


_live: "weakref.WeakSet[Generator[Step, None, None]]" = weakref.WeakSet()
"""Readers that somebody holds: a shuffled stream has ten at once."""
_alone = fork_safe_lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_live.clear)  # those of the parent are not read here


def _readers() -> list[Generator[Step, None, None]]:
    with _alone:
        return list(_live)


def _sharers() -> int:
    """How many readers, in all processes of a loader, divide what one alone may have under way."""
    return sum(inspect.getgeneratorstate(steps) != inspect.GEN_CLOSED for steps in _readers()) * remote.sharers()


@atexit.register
def _close_readers() -> None:
    """End them while the modules that they need are still there."""
    for steps in _readers():
        with contextlib.suppress(ValueError):  # one that is running, in another thread
            steps.close()


def _cut(raw: NDArray[np.uint8], finite: bool, first: Layout, count: int, shared: bool) -> Iterator[tuple[Array, bool]]:
    """Images out of the bytes of several, each in memory of its own: one that is kept does not keep its neighbours."""
    size = first.nbytes
    for start in range(0, count * size, size):
        data = raw[start : start + size]
        if shared:
            own = buffers.take(size)
            own[:] = data
            data = own
        yield first.decode(data), finite


def _picked(
    raw: NDArray[np.uint8], finite: bool, layouts: Iterable[Layout], ranges: Sequence[Range]
) -> Iterator[tuple[Array | PercError, bool]]:
    """Images out of the bytes of some stretches: of all of them in one, or of one image in several."""
    first = ranges[0][0] if ranges else 0
    for layout in layouts:
        is_all = layout.ranges == tuple(ranges)
        own = raw if is_all else joined([raw[start - first : stop - first] for start, stop in layout.ranges])
        yield decoded(layout, own), finite
