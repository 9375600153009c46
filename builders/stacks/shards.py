"""The reader of shards: headers first, then pixels, both ahead of their use."""

import atexit
import contextlib
import inspect
import logging
import os
import weakref
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np

from builders.errors import ChangedError, PercError
from builders.hf.image_storage import Fetched, Row, reference
from builders.hf.stream_blocks import Places
from builders.hf.streaming import Step
from builders.io.blocks import read_ahead
from builders.io.files import local, location
from builders.io.files.header_store import HeaderStore
from builders.io.finite import are_finite
from builders.io.layout import InterleavedSlice, joined
from builders.io.net import remote
from builders.io.net.threads import fork_safe_lock
from builders.options import with_advice
from builders.quarantine import Quarantine
from builders.stacks.blocks import Bytes, FileBlock, decompressed, pixels_of
from builders.stacks.cutting import Shard
from builders.stacks.headers import Headers
from builders.stacks.pieces import in_turn, those_with
from builders.stacks.rows import Images, Reading
from builders.stacks.runs import BLOCK, Run, runs_of

logger = logging.getLogger(__name__)

_AHEAD = 8
_MOST_AHEAD = 4 * BLOCK
"""Bytes under way at once, or waiting to be used."""

_Read = tuple[Run, Bytes | None] | None
_Steps = TypeVar("_Steps", bound=Generator[Any, None, None])


@dataclass(frozen=True)
class ShardReader:
    """Reads shards: headers first, then pixels, both ahead of their use.

    Args:
        reading: how files become rows.
        folder: of the cache, for headers.
        quarantine: file of a table of what is left out.
        memory: bytes of pixels that a shuffled stream may hold.
    """

    reading: Reading
    folder: str | None = None
    quarantine: str | None = None
    memory: int = 512 * 1024 * 1024

    def __call__(self, shards: Iterable[Any], skip: int) -> Generator[Step, None, None]:
        """See `builders.hf.streaming.Reader`."""
        return _held(self._steps(shards, skip))

    def blocks(
        self, shards: Iterable[Any], skip: int, only: Sequence[Places] | None = None
    ) -> Generator[FileBlock | None, None, None]:
        """See `builders.hf.stream_blocks.BlockReader`."""
        return _held(self._blocks(shards, skip, only))

    def pieces(self, shards: Sequence[Shard], at_once: int, rows: int, seeds: Sequence[int]) -> list[Shard]:
        """See `builders.hf.shuffling.drawing.PieceReader`."""
        return in_turn(shards, at_once, rows, seeds)

    def rows(self, shard: Shard) -> int:
        """How many rows its parts are thought to have."""
        return sum(part.stop - part.first for part in shard)

    def name(self, shard: Shard) -> str:
        """See `builders.hf.streaming.Reader`."""
        return "|".join(f"{part.file.path}:{part.first}:{part.stop}" for part in shard)

    def _steps(self, shards: Iterable[Shard], skip: int) -> Generator[Step, None, None]:
        left_out: list[str] = []
        runs = self._runs(shards, skip, left_out)
        try:
            for found in runs:
                if found is None:
                    yield None
                    continue
                run, raw = found
                try:
                    yield from self._rows(run, raw, left_out)
                except PercError as err:
                    self._refuse(run, left_out, err)
        finally:
            runs.close()

    def _blocks(
        self, shards: Iterable[Shard], skip: int, only: Sequence[Places] | None
    ) -> Generator[FileBlock | None, None, None]:
        left_out: list[str] = []
        runs = self._runs(shards, skip, left_out, only)
        try:
            for found in runs:
                if found is None:
                    yield None
                    continue
                run, raw = found
                with contextlib.closing(
                    FileBlock(run, raw, self.reading, partial(self._refuse, run, left_out))
                ) as block:
                    yield block
        finally:
            runs.close()

    def _runs(
        self, shards: Iterable[Shard], skip: int, left_out: list[str], only: Sequence[Places] | None = None
    ) -> Generator[_Read, None, None]:
        """The runs that can be read, with their bytes where these were fetched, and None after each shard.

        Args:
            shards: whose.
            skip: rows of the first one that are not wanted.
            left_out: what is refused is put here, by path; it is counted at the end.
            only: for each shard, the places of the rows that are wanted; None: all.
        """
        told: set[str] = set()
        headers = Headers(self.reading, self.folder).read_ahead(shards)
        runs = read_ahead(
            runs_of(headers, skip) if only is None else those_with(runs_of(headers, skip), only),
            *(self._read, _AHEAD, lambda run: run.size, _MOST_AHEAD, _sharers),
            is_slow=lambda run: run.is_fetched,
            waiting=2 * _AHEAD,
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
                        self._refuse(run, left_out, lost)
                    else:
                        self._report(run, lost)
                if isinstance(run.images, PercError):
                    continue
                if isinstance(raw, PercError):
                    self._refuse(run, left_out, raw)
                    continue
                yield run, raw
        finally:
            runs.close()
            headers.close()
            if left_out:
                counted = self.reading.builder, len(left_out), self.reading.source
                logger.warning("%s: %d files or stretches of %s were left out", *counted)

    def _refuse(self, run: Run, left_out: list[str], error: PercError) -> None:
        if isinstance(error, ChangedError) and isinstance(run.images, Images):
            HeaderStore(self.folder).forget([run.images.file.location])
        if self.reading.on_error == "raise":
            raise with_advice(error)
        self._report(run, error)
        left_out.append(run.path)

    def _report(self, run: Run, reason: object) -> None:
        logger.warning("%s: leaving out of %s: %s", self.reading.builder, run.path, reason)
        Quarantine(self.quarantine).add(run.path, reason)

    def _read(self, run: Run) -> Bytes | PercError | None:
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

    def _rows(self, run: Run, fetched: Bytes | None, left_out: list[str]) -> Generator[Step, None, None]:
        """The rows of a run."""
        images = cast(Images, run.images)
        first = images.layout(run.rows.start)
        size, is_regular, is_interleaved = first.nbytes, images.is_regular, isinstance(first, InterleavedSlice)
        layouts = [] if is_regular or is_interleaved else [images.layout(row) for row in run.rows]
        if images.lies_apart:
            pixels = pixels_of(run, fetched, 0, len(run.rows), layouts)
        else:
            pixels = decompressed(run)
        values = images.row(run.rows.start, self.reading, first)
        stored, path = values["image"], images.file.path
        for number, (array, finite) in enumerate(pixels):
            if isinstance(array, PercError):
                self._refuse(run, left_out, array)
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


_live: "weakref.WeakSet[Generator[Any, None, None]]" = weakref.WeakSet()
"""Readers that somebody holds: a shuffled stream has ten at once."""
_alone = fork_safe_lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_live.clear)  # those of the parent are not read here


def _held(steps: _Steps) -> _Steps:
    with _alone:
        _live.add(steps)
    return steps


def _readers() -> list[Generator[Any, None, None]]:
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
