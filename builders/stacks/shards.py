"""The reader of shards: headers first, then pixels, both ahead of their use."""

import atexit
import contextlib
import inspect
import io
import logging
import os
import weakref
from collections import OrderedDict, deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from builders.errors import ChangedError, PercError
from builders.hf.features import Fetched, Row
from builders.hf.streaming import Step
from builders.io import image_file
from builders.io.blocks import read_ahead
from builders.io.files import location
from builders.io.files.header_store import Head, HeaderStore
from builders.io.finite import are_finite
from builders.io.layout import Array, InterleavedSlice, Layout
from builders.io.net import remote
from builders.io.net.threads import Stop, fork_safe_lock
from builders.options import with_advice
from builders.quarantine import Quarantine
from builders.stacks.cutting import LARGEST, Part, Shard
from builders.stacks.files import SourceFile
from builders.stacks.rows import Images, Reading, bytes_of_rows, look
from perc_transforms.core import buffers

logger = logging.getLogger(__name__)

_BLOCK = 16 * 1024 * 1024
"""Bytes of a request of a long stream: the archive limits how many it takes in an hour."""
_FIRST_BLOCK = 1024 * 1024
"""The first request of a stream is small, so that its rows are there soon."""
_GROWTH = 32
"""A later one is doubled once the stream has asked for so many of it, up to a block."""
_WHOLE = 1024 * 1024
_AHEAD = 8
_MOST_AHEAD = 4 * _BLOCK
"""Bytes under way at once, or waiting to be used."""
_REMEMBERED = 32


_Header = tuple[Images | PercError | None, bytes | None]
"""A file as its header says, and all of its bytes where they came along."""
_Bytes = tuple[NDArray[np.uint8], bool]
"""Bytes of rows, and whether all of their pixels are known to be finite."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Rows that are read by one request; without images, the end of a shard.

    Attributes:
        images: the file, or what is wrong with it.
        path: the file's, as rows have it.
        rows: of the file.
        place: of the first row in its shard.
        data: the file's bytes, where they came along with its header.
        start: first byte of the rows in a plain file.
        stop: the byte after their last.
    """

    images: Images | PercError | None = None
    path: str = ""
    rows: range = range(0)
    place: int = 0
    data: bytes | None = None
    start: int = 0
    stop: int = 0

    @property
    def size(self) -> int:
        return self.stop - self.start

    @property
    def is_fetched(self) -> bool:
        """Whether its bytes come from a server, by a request of their own."""
        plain = isinstance(self.images, Images) and self.size and self.data is None
        return bool(plain) and location.is_remote(cast(Images, self.images).file.location)


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
        headers = _Headers(self.reading, self.folder).read_ahead(shards)
        runs = read_ahead(
            _runs(headers, skip),
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
                    yield from self._rows(run, raw)
                except PercError as err:
                    left_out += self._refuse(run, err)
        finally:
            runs.close()
            headers.close()
            if left_out:
                counted = self.reading.builder, left_out, self.reading.source
                logger.warning("%s: %d files or stretches of %s were left out", *counted)

    def _refuse(self, run: _Run, error: PercError) -> int:
        if isinstance(error, ChangedError) and isinstance(run.images, Images):
            HeaderStore(self.folder).forget([run.images.file.location])
        if self.reading.on_error == "raise":
            raise with_advice(error)
        self._report(run, error)
        return 1

    def _report(self, run: _Run, reason: object) -> None:
        logger.warning("%s: leaving out of %s: %s", self.reading.builder, run.path, reason)
        Quarantine(self.quarantine).add(run.path, reason)

    def _read(self, run: _Run) -> "_Bytes | PercError | None":
        """The bytes of a remote run's rows, in another thread; what fails is said where the run is used."""
        images = run.images
        if not isinstance(images, Images) or not run.size:
            return None
        where = images.file.location
        if run.data is not None:
            raw = np.frombuffer(run.data, np.uint8)[run.start : run.stop]
        elif not location.is_remote(where):
            image_file.will_read(where, run.start, run.stop)
            return None
        else:
            try:
                raw = location.read(where, run.start, run.stop, images.image.etag, _BLOCK)
            except PercError as err:
                return err
        return raw, are_finite(raw, images.image.layout)

    def _rows(self, run: _Run, fetched: "_Bytes | None") -> Iterator[Step]:
        images, count = cast(Images, run.images), len(run.rows)
        first = images.layout(run.rows.start)
        size = first.nbytes
        if not images.lies_apart:
            pixels = self._decompressed(images, run)
        elif fetched is None:
            pixels = image_file.read_slices(images.file.location, first, count, images.image.etag)
        else:
            pixels = _cut(*fetched, first, count, shared=count > 1 or run.data is not None)
        values = images.row(run.rows.start, self.reading, first)
        stored, path, by_bytes = values["image"], images.file.path, not isinstance(first, InterleavedSlice)
        for number, (array, finite) in enumerate(pixels):
            image = Fetched(stored)
            image.held, image.finite = array, finite
            row = Row(values)
            row["image"] = image
            if number:
                row["index"] = run.rows[number]
                if by_bytes:
                    image["offset"], image["shape"] = first.offset + number * size, list(first.shape)
                else:
                    image["index"] = run.rows[number]
            yield run.place + number, f"{path}#{run.rows[number]}", row

    def _decompressed(self, images: Images, run: _Run) -> Iterator[tuple[Array, bool]]:
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
                image_file.check_version(file.raw, where, images.image.etag)
            for pixels in image_file.read_open(file, map(images.layout, run.rows), where, images.image.etag):
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


class _Headers:
    """Reads the header of a part's file, once for all its parts that are read together."""

    def __init__(self, reading: Reading, folder: str | None) -> None:
        self._reading, self._store = reading, HeaderStore(folder)
        self._asked: OrderedDict[str, Future[_Header]] = OrderedDict()
        self._fresh: dict[str, tuple[str, Head]] = {}
        self._stop = Stop()

    def read_ahead(self, shards: Iterable[Shard]) -> Generator[tuple[Part | None, "_Header"], None, None]:
        """Parts with their files' headers, in order; those of the next parts are under way."""
        waiting: deque[tuple[Part | None, Future[_Header] | None]] = deque()
        try:
            for shard in shards:
                new = [
                    p.file for p in shard if location.is_remote(p.file.location) and p.file.location not in self._asked
                ]
                known = self._store.get({file.location: file.stamp for file in new}) if new else {}
                for part in [*shard, None]:
                    waiting.append((part, None if part is None else self._ask(part.file, known)))
                    if len(waiting) > _AHEAD:
                        yield _waited_for(waiting.popleft())
                if len(self._fresh) >= _REMEMBERED:
                    self._remember()
            while waiting:
                yield _waited_for(waiting.popleft())
        finally:
            for _, future in waiting:
                if future is not None:
                    future.cancel()
            self._stop.set()
            self._remember()

    def _remember(self) -> None:
        fresh, self._fresh = self._fresh, {}
        self._store.put(dict(fresh))  # a thread may still add to it

    def _ask(self, file: SourceFile, known: dict[str, Head]) -> "Future[_Header]":
        future = self._asked.get(file.location)
        if future is None:
            task = self._look, file, known.get(file.location)
            future = self._asked[file.location] = remote.submit(*task, pool="headers", stop=self._stop)
            while len(self._asked) > _REMEMBERED:
                self._asked.popitem(last=False)
        return future

    def _look(self, file: SourceFile, known: Head | None) -> "_Header":
        try:
            if not location.is_remote(file.location):
                return look(file, self._reading), None
            if known is None or file.most <= _WHOLE:
                known = location.head(file.location, max(file.most if file.most <= _WHOLE else 0, location.HEAD))
                head: Head = known[0][: location.HEAD], known[1], known[2]
                self._fresh[file.location] = file.stamp, head
            data = known[0] if len(known[0]) == known[1] else None
            return look(file, self._reading, known), data
        except PercError as err:
            return err, None


def _waited_for(asked: "tuple[Part | None, Future[_Header] | None]") -> "tuple[Part | None, _Header]":
    part, future = asked
    return part, (None, None) if future is None else future.result()


def _runs(headers: Iterable[tuple[Part | None, _Header]], skip: int) -> Iterator[_Run]:
    """The runs of rows to read, without the first `skip` rows of the first shard, and the ends of shards."""
    place = asked = 0
    for part, (images, data) in headers:
        if part is None:
            yield _Run()
            place = skip = 0
            continue
        if not isinstance(images, Images):
            yield _Run(images, part.file.path)
            place += part.stop - part.first  # as many as were counted, should the file be there again at a resumption
            continue
        rows = part.rows(images.count)
        wanted = rows[max(0, skip - place) :]
        place += len(rows) - len(wanted)
        if not images.lies_apart:
            if wanted:
                yield _Run(images, part.file.path, wanted, place, data)
        elif wanted:
            size, first = images.layout(0).nbytes, 0
            is_remote = location.is_remote(images.file.location)
            while first < len(wanted):
                block = _block_after(asked) if is_remote else LARGEST
                some = wanted[first : first + max(1, block // size)]
                stretch = bytes_of_rows(images, some.start, some.stop)
                yield _Run(images, part.file.path, some, place + first, data, *stretch)
                first += len(some)
                asked += len(some) * size
        place += len(wanted)


def _block_after(asked: int) -> int:
    """Bytes of the next request of a stream; few different ones, so that their memory can be used again."""
    block = _FIRST_BLOCK
    while block < _BLOCK and block * _GROWTH <= asked:
        block *= 2
    return block
