"""Streams of an entry: its files cut or grouped into shards by their sizes alone, and the reader of such shards."""

import io
import logging
import threading
from collections import OrderedDict
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from builders.empiar.archive import ArchiveFile
from builders.empiar.rows import Images, Reading, bytes_of_rows, look, rows_of_part
from builders.errors import PercError
from builders.features import Fetched
from builders.io import image_file, location
from builders.io.blocks import read_ahead
from builders.io.finite import are_finite
from builders.io.header_store import Head, HeaderStore
from builders.io.layout import Array, Layout
from builders.streaming import Step
from perc_transforms import buffers

logger = logging.getLogger(__name__)

LARGEST = 32 * 1024 * 1024
"""Bytes of a shard, but for the last slice's remainder: twice that at the most, or a single row."""
SMALLEST = 1024 * 1024
_AIM = 16
_EVEN = 8
_BLOCK = 8 * 1024 * 1024
_WHOLE = 1024 * 1024
_AHEAD = 8
_MOST_AHEAD = 4 * _BLOCK
"""Bytes under way at once: four large blocks, or eight small ones."""
_REMEMBERED = 32


@dataclass(frozen=True, slots=True)
class Part:
    """One of several equal parts of a file's rows."""

    file: ArchiveFile
    part: int
    parts: int


Shard = tuple[Part, ...]
_Bytes = tuple[NDArray[np.uint8], bool]
"""Bytes of rows, and whether all of their pixels are known to be finite."""


def make_shards(files: Sequence[ArchiveFile], item: str) -> list[Shard]:
    """Cut large files and group small ones, in order, without asking anything of them.

    More than eight shards are filled up with empty ones to a multiple of eight, so that 2, 4 or 8 nodes get shards of
    their own: of a number that they do not divide, `datasets` has every node read all.
    """
    total = sum(file.most for file in files)
    size = min(LARGEST, max(SMALLEST, total // _AIM))
    shards: list[Shard] = []
    group: list[Part] = []
    grouped = 0
    for file in files:
        whole = item == "file" or location.is_compressed(file.path)
        parts = 1 if whole else max(1, -(-file.most // size))
        if group and (parts > 1 or grouped + file.most > size):
            shards.append(tuple(group))
            group, grouped = [], 0
        if parts > 1:
            shards.extend((Part(file, part, parts),) for part in range(parts))
        else:
            group.append(Part(file, 0, 1))
            grouped += file.most
    if group:
        shards.append(tuple(group))
    if len(shards) > _EVEN:
        shards.extend(() for _ in range(-len(shards) % _EVEN))
    return shards


@dataclass(frozen=True, slots=True)
class _Found:
    """A part whose file's header was read: its place in the shard, and the file's bytes where they came along."""

    images: Images | PercError
    rows: range
    first_place: int
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Run:
    """Rows that are read by one request; without images, the end of a shard."""

    images: Images | PercError | None = None
    rows: range = range(0)
    place: int = 0
    data: bytes | None = None

    @property
    def size(self) -> int:
        if not isinstance(self.images, Images) or self.images.image.compressed:
            return 0
        start, stop = bytes_of_rows(self.images, self.rows.start, self.rows.stop)
        return stop - start


@dataclass(frozen=True)
class ShardReader:
    """Reads shards of an entry: headers first, then pixels, both ahead of their use.

    Args:
        reading: how files become rows.
        folder: of the cache, for headers.
    """

    reading: Reading
    folder: str | None = None

    def __call__(self, shards: Iterable[Any], skip: int) -> Generator[Step, None, None]:
        """See `builders.streaming.Reader`."""
        left_out = 0
        headers = read_ahead(_flattened(shards), _Headers(self.reading, self.folder), _AHEAD)
        runs = read_ahead(_runs(headers, skip), self._read, _AHEAD, lambda run: run.size, _MOST_AHEAD)
        try:
            for run, raw in runs:
                if run.images is None:
                    yield None
                    continue
                error = run.images if isinstance(run.images, PercError) else raw
                if isinstance(error, PercError):
                    left_out += self._refuse(error)
                    continue
                rows = self._rows(run, cast(_Bytes | None, raw))
                while True:
                    try:  # not around the yield: errors of whoever uses the row are not the file's
                        place, row = next(rows)
                    except StopIteration:
                        break
                    except PercError as err:
                        left_out += self._refuse(err)
                        break
                    yield place, f"{row['path']}#{row['index'] or 0}", row
        finally:
            runs.close()
            headers.close()
            if left_out:
                logger.warning("empiar: %d files or stretches of %s were left out", left_out, self.reading.entry)

    def _refuse(self, error: PercError) -> int:
        if self.reading.on_error == "raise":
            raise error
        logger.warning("empiar: leaving out %s", error)
        return 1

    def _read(self, run: _Run) -> "_Bytes | PercError | None":
        """The bytes of a run's rows, in another thread; what fails is said where the run is used."""
        images = run.images
        if not isinstance(images, Images) or images.image.compressed:
            return None
        start, stop = bytes_of_rows(images, run.rows.start, run.rows.stop)
        if run.data is not None:
            raw = np.frombuffer(run.data, np.uint8)[start:stop]
        else:
            try:
                raw = location.read(images.file.location, start, stop, images.image.etag)
            except PercError as err:
                return err
        return raw, are_finite(raw, images.layout(run.rows.start))

    def _rows(self, run: _Run, data_and_finite: "_Bytes | None") -> Iterator[tuple[int, dict[str, Any]]]:
        images = cast(Images, run.images)
        if data_and_finite is None:
            yield from self._decompressed(images, run)
            return
        raw, finite = data_and_finite
        base = images.layout(run.rows.start).offset if run.rows else 0
        for place, number in enumerate(run.rows, run.place):
            layout = images.layout(number)
            data = raw[layout.offset - base : layout.offset - base + layout.nbytes]
            pixels = _decoded(data, layout, shared=len(run.rows) > 1 or run.data is not None)
            yield place, _with_pixels(images.row(number, self.reading, layout), pixels, finite)

    def _decompressed(self, images: Images, run: _Run) -> Iterator[tuple[int, dict[str, Any]]]:
        """Rows of a compressed file, as they come out of it."""
        where = images.file.location
        layouts = [images.layout(number) for number in run.rows]
        file: BinaryIO
        if run.data is not None:
            file = io.BytesIO(run.data)
        elif location.is_remote(where):
            size, etag = location.size_and_etag(where)
            file = location.open_version(where, size, images.image.etag or etag)
        else:
            file = location.open_file(where)
        with file:
            for place, (number, pixels) in enumerate(
                zip(run.rows, image_file.read_open(file, layouts, where), strict=True), run.place
            ):
                yield place, _with_pixels(images.row(number, self.reading), pixels)


class _Headers:
    """Reads the header of a part's file, once for all its parts that are read together."""

    def __init__(self, reading: Reading, folder: str | None) -> None:
        self._reading, self._store = reading, HeaderStore(folder)
        self._lock = threading.Lock()
        self._found: OrderedDict[str, Future[tuple[Images | PercError, bytes | None]]] = OrderedDict()

    def __call__(self, part: Part | None) -> tuple[Images | PercError, bytes | None] | None:
        if part is None:
            return None
        key = part.file.location
        with self._lock:
            future = self._found.get(key)
            is_first = future is None
            if future is None:
                future = self._found[key] = Future()
                while len(self._found) > _REMEMBERED:
                    self._found.popitem(last=False)
        if is_first:
            try:
                future.set_result(self._look(part.file))
            except BaseException as err:
                future.set_exception(err)
        return future.result()

    def _look(self, file: ArchiveFile) -> tuple[Images | PercError, bytes | None]:
        try:
            if not location.is_remote(file.location):
                return look(file, self._reading), None
            known = self._store.get({file.location: file.stamp}).get(file.location)
            if known is None or file.most <= _WHOLE:
                known = location.head(file.location, max(file.most if file.most <= _WHOLE else 0, location.HEAD))
                head: Head = known[0][: location.HEAD], known[1], known[2]
                self._store.put({file.location: (file.stamp, head)})
            data = known[0] if len(known[0]) == known[1] else None
            return look(file, self._reading, known), data
        except PercError as err:
            return err, None


def _flattened(shards: Iterable[Shard]) -> Iterator[Part | None]:
    for shard in shards:
        yield from shard
        yield None


def _runs(headers: Iterable[tuple[Part | None, Any]], skip: int) -> Iterator[_Run]:
    """The runs of rows to read, without the first `skip` rows of the first shard, and the ends of shards."""
    place = 0
    for part, found in headers:
        if part is None:
            yield _Run()
            place = skip = 0
            continue
        images, data = found
        if isinstance(images, PercError):
            if part.part == 0:
                yield _Run(images)
            continue
        rows = _rows_of(images, part)
        wanted = rows[max(0, skip - place) :]
        place += len(rows) - len(wanted)
        if images.image.compressed:
            if wanted:
                yield _Run(images, wanted, place, data)
        else:
            step = max(1, _BLOCK // max(1, images.layout(0).nbytes))
            for first in range(0, len(wanted), step):
                yield _Run(images, wanted[first : first + step], place + first, data)
        place += len(wanted)


def _rows_of(images: Images, part: Part) -> range:
    """A part's rows; those of a file that is one row belong to its first part."""
    if images.by_slice:
        return rows_of_part(images.count, part.part, part.parts)
    return range(1 if part.part == 0 else 0)


def _decoded(data: NDArray[np.uint8], layout: Layout, shared: bool) -> Array:
    """Pixels in memory of their own, so that one that is kept does not keep its neighbours."""
    if shared:
        own = buffers.take(data.size)
        own[:] = data
        data = own
    return layout.decode(data).view(np.ndarray)


def _with_pixels(row: dict[str, Any], pixels: Array, finite: bool = False) -> dict[str, Any]:
    image = Fetched(row["image"])
    image.pixels, image.finite = lambda: pixels, finite
    row["image"] = image
    return row
