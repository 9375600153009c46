"""What readers of rows have in common: they read runs of them ahead of their use, and leave out what is damaged."""

import atexit
import contextlib
import inspect
import logging
import os
import weakref
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from builders.errors import ChangedError, MissingPackageError, PercError
from builders.hf.stream_blocks import Places
from builders.hf.streaming import Step
from builders.io.blocks import read_ahead
from builders.io.files import local, location
from builders.io.files.header_store import HeaderStore
from builders.io.finite import are_finite, is_finite
from builders.io.layout import Range, joined
from builders.io.net import remote
from builders.io.net.threads import fork_safe_lock
from builders.io.pixels import read_layout
from builders.options import with_advice
from builders.quarantine import Quarantine, without_path
from builders.stacks.blocks import Bytes, Read, Refuse, RunBlock
from builders.stacks.rows import Images, Reading
from builders.stacks.runs import BLOCK, Run

logger = logging.getLogger(__name__)

_AHEAD = 8
_MOST_TOLD = 10
"""Reasons why rows of one file are left out that are logged; a quarantine lists all."""
_MOST_AHEAD = 4 * BLOCK
"""Bytes under way at once, or waiting to be used."""

_Read = tuple[Run, Read | None] | None
_Steps = TypeVar("_Steps", bound=Generator[Any, None, None])


@dataclass(slots=True)
class Tally:
    """What was left out.

    Attributes:
        stretches: how many files, or stretches of them.
        rows: how many rows, as far as that is known.
        told: reasons that were told, by file: each is told once, and not of every row.
    """

    stretches: int = 0
    rows: int = 0
    told: dict[str, set[str]] = field(default_factory=dict)


class RunReader(ABC):
    """Reads rows run by run, those that come next ahead of their use.

    Attributes:
        reading: how files become rows.
        folder: of the cache, for headers.
        quarantine: file of a table of what is left out.
    """

    reading: Reading
    folder: str | None
    quarantine: str | None

    @property
    def most_ahead(self) -> int:
        """Bytes under way at once, or waiting to be used."""
        return _MOST_AHEAD

    @property
    def at_once(self) -> int:
        """Runs that are read at once, each in a thread of its own."""
        return _AHEAD

    @abstractmethod
    def runs(self, shards: Iterable[Any], skip: int, only: Sequence[Places] | None) -> Generator[Run, None, None]:
        """The runs of shards, by headers that are read ahead; see `builders.hf.stream_blocks.BlockReader.blocks`."""

    @abstractmethod
    def block(self, run: Run, raw: Read | None, refuse: Refuse) -> RunBlock:
        """A run as a block, whose bytes may have been fetched."""

    @abstractmethod
    def steps(self, run: Run, raw: Read | None, refuse: Refuse) -> Iterator[Step]:
        """The rows of a run one by one."""

    @abstractmethod
    def counted(self, tally: Tally) -> str:
        """How much was left out, in words."""

    def fetched(self, images: Images, ranges: Sequence[Range]) -> NDArray[np.uint8]:
        """Stretches of a server's file, one after another."""
        if len(ranges) == 1:
            (start, stop), where = ranges[0], images.file.location
            return location.read(where, start, stop, images.image.etag, max(BLOCK, location.at_once(stop - start)))
        return location.read_ranges(images.file.location, ranges, images.image.etag)

    def __call__(self, shards: Iterable[Any], skip: int) -> Generator[Step, None, None]:
        """See `builders.hf.streaming.Reader`."""
        return _held(self._steps(shards, skip))

    def blocks(
        self, shards: Iterable[Any], skip: int, only: Sequence[Places] | None = None
    ) -> Generator[RunBlock | None, None, None]:
        """See `builders.hf.stream_blocks.BlockReader`."""
        return _held(self._blocks(shards, skip, only))

    def _steps(self, shards: Iterable[Any], skip: int) -> Generator[Step, None, None]:
        tally = Tally()
        with contextlib.closing(self._read_runs(shards, skip, tally)) as runs:
            for found in runs:
                if found is None:
                    yield None
                    continue
                run, raw = found
                yield from self.steps(run, raw, partial(self._refuse, run, tally))

    def _blocks(
        self, shards: Iterable[Any], skip: int, only: Sequence[Places] | None
    ) -> Generator[RunBlock | None, None, None]:
        tally = Tally()
        with contextlib.closing(self._read_runs(shards, skip, tally, only)) as runs:
            for found in runs:
                if found is None:
                    yield None
                    continue
                run, raw = found
                with contextlib.closing(self.block(run, raw, partial(self._refuse, run, tally))) as block:
                    yield block

    def _read_runs(
        self, shards: Iterable[Any], skip: int, tally: Tally, only: Sequence[Places] | None = None
    ) -> Generator[_Read, None, None]:
        """The runs that can be read, with their bytes where these were fetched, and None after each shard.

        Args:
            shards: whose.
            skip: rows of the first one that are not wanted.
            tally: of what is refused; it is told at the end.
            only: for each shard, the places of the rows that are wanted; None: all.
        """
        wanted = self.runs(shards, skip, only)
        runs = read_ahead(
            *(wanted, self._read, self.at_once, lambda run: run.size, self.most_ahead, _sharers),
            is_slow=lambda run: run.is_slow,
            waiting=2 * _AHEAD,
        )
        try:
            for run, raw in runs:
                if run.images is None:
                    yield None
                    continue
                self._tell(run, tally)
                if isinstance(run.images, PercError):
                    continue
                if isinstance(raw, PercError):
                    self._refuse(run, tally, raw, len(run.rows))
                    continue
                yield run, raw
        finally:
            runs.close()
            wanted.close()
            if tally.stretches:
                counted = self.reading.builder, self.counted(tally), self.reading.source
                logger.warning("%s: %s of %s were left out", *counted)

    def _tell(self, run: Run, tally: Tally) -> None:
        """Say what of a file is missing, by the first run for which that is so."""
        if isinstance(run.images, PercError):
            if str(run.images) in tally.told.get(run.path, ()):
                tally.rows += len(run.rows)
                return
            self._refuse(run, tally, run.images, len(run.rows))
        elif isinstance(run.images, Images) and run.images.lost:
            self._report(run, tally, run.images.lost)

    def _refuse(self, run: Run, tally: Tally, error: PercError, rows: int) -> None:
        if isinstance(error, ChangedError) and isinstance(run.images, Images):
            HeaderStore(self.folder).forget([run.images.file.location])
        if self.reading.on_error == "raise" or isinstance(error, MissingPackageError):
            raise with_advice(error)
        self._report(run, tally, error)
        tally.stretches += 1
        tally.rows += rows

    def _report(self, run: Run, tally: Tally, reason: object) -> None:
        """Say once why something of a file is left out."""
        text, told = str(reason), tally.told.setdefault(run.path, set())
        if text in told:
            return
        told.add(text)
        Quarantine(self.quarantine).add(run.path, text)
        if len(told) <= _MOST_TOLD:
            last = "; of more of it only their number is said" if len(told) == _MOST_TOLD else ""
            why = without_path(run.path, text)
            logger.warning("%s: leaving out of %s: %s%s", self.reading.builder, run.path, why, last)

    def _read(self, run: Run) -> Read | PercError | None:
        """The bytes of a remote run's rows, in another thread; what fails is said where the run is used.

        Of an image that comes in steps, it is the image: its bytes are never here all at once.
        """
        images = run.images
        if not isinstance(images, Images) or not images.lies_apart:
            return None
        where = images.file.location
        if run.made:
            return _made(run, images)
        if run.data is not None:
            whole = np.frombuffer(run.data, np.uint8)
            raw = joined([whole[start:stop] for start, stop in run.ranges])
        elif not location.is_remote(where):
            local.will_read(where, run.ranges)
            return None
        else:
            try:
                raw = self.fetched(images, run.ranges)
            except PercError as err:
                return err
        return raw, are_finite(raw, images.image.layout)


def _made(run: Run, images: Images) -> Bytes | PercError:
    """The image of a run that comes in steps."""
    layout = run.layout(0)
    try:
        if run.data is None:
            made = read_layout(images.file.location, layout, images.image.etag)
        else:
            whole = np.frombuffer(run.data, np.uint8)
            made = layout.decode(joined([whole[start:stop] for start, stop in layout.ranges]))
    except PercError as err:
        return err
    return made, is_finite(made)


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
