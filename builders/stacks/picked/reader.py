"""The reader of picked rows: streams of those that a catalogue names."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from builders.errors import PercError
from builders.hf.image_storage import Row, fetched
from builders.hf.shuffling.memory import fresh, fresh_image, size_of
from builders.hf.stream_blocks import Places
from builders.hf.streaming import Step
from builders.io.codecs.threads import cores
from builders.io.files import location
from builders.io.layout import Range
from builders.stacks.blocks import Read, Refuse, Several
from builders.stacks.headers import Headers
from builders.stacks.picked.blocks import PickedBlock, SliceBlock, Told
from builders.stacks.picked.box_blocks import BoxBlock, fetched_rows
from builders.stacks.picked.catalogue import Catalogue, Numbers
from builders.stacks.picked.groups import Shard, groups_of
from builders.stacks.picked.keeping import Keeping
from builders.stacks.picked.runs import PickedRun, runs_of
from builders.stacks.picked.shards import pieces_of, row_sizes
from builders.stacks.picked.volume_blocks import VolumeBlock, read_ahead
from builders.stacks.pieces import in_turn, those_with
from builders.stacks.reader import RunReader, Tally
from builders.stacks.rows import Images, Reading
from builders.stacks.runs import Run

_TOGETHER = 1024 * 1024
"""Bytes of rows that are read at once, where they are given one by one: the file is opened once for them."""
_BOXES_TOGETHER = 16 * 1024 * 1024
"""The same of boxes: those that are read together share rows of pixels, which are much longer than they."""
_AHEAD_HERE = 16 * 1024 * 1024
"""Bytes of boxes of volumes on this machine that are under way or waiting."""
_ROWS = 1024
"""Rows whose columns are made Python objects at once."""


@dataclass(frozen=True)
class PickedReader(RunReader):
    """Reads the rows of a catalogue: headers first, then pixels, both ahead of their use.

    Args:
        reading: how files become rows.
        catalogue: which rows.
        folder: of the cache, for headers.
        quarantine: file of a table of what is left out.
        memory: bytes of pixels that a shuffled stream may hold; a stream keeps half as many of chunks at the most.
    """

    reading: Reading
    catalogue: Catalogue
    folder: str | None = None
    quarantine: str | None = None
    memory: int = 512 * 1024 * 1024

    @cached_property
    def most_ahead(self) -> int:
        """See `RunReader`: of volumes on this machine, what keeps its cores at work, since no request waits."""
        return _AHEAD_HERE if self._are_volumes_here else super().most_ahead

    @cached_property
    def at_once(self) -> int:
        """See `RunReader`: of volumes on this machine, one a core; each thread that decodes has memory of its own."""
        return max(2, cores()) if self._are_volumes_here else super().at_once

    @cached_property
    def _are_volumes_here(self) -> bool:
        """Whether rows are boxes of volumes on this machine."""
        are_here = not any(location.is_remote(file.location) for file in self.catalogue.files)
        return are_here and len(self.catalogue.box or ()) > 2

    def pieces(self, shards: Sequence[Shard], at_once: int, rows: int, seeds: Sequence[int]) -> list[Shard]:
        """See `builders.hf.shuffling.drawing.PieceReader`."""
        wanted = rows / max(1, 2 * at_once)
        return in_turn(shards, at_once, seeds, lambda shard: pieces_of(self.catalogue, self._sizes, shard, wanted))

    def rows(self, shard: Shard) -> int:
        """How many rows a shard has."""
        return shard[1] - shard[0]

    def name(self, shard: Shard) -> str:
        """See `builders.hf.streaming.Reader`."""
        files, slices = self.catalogue.numbers("file"), self.catalogue.numbers("slice")
        ends = (f"{self.catalogue.files[files[row]].path}#{slices[row]}" for row in (shard[0], shard[1] - 1))
        return "|".join((f"{shard[0]}:{shard[1]}", *ends))

    def runs(self, shards: Iterable[Shard], skip: int, only: Sequence[Places] | None) -> Generator[Run, None, None]:
        """See `RunReader`."""
        shards = list(shards)
        groups = groups_of(self.catalogue, shards, skip, only)
        keeping = Keeping(self.catalogue, shards, skip, only is None, self.memory)
        with closing(Headers(self.reading, self.folder).read_ahead(groups)) as headers:
            runs = runs_of(headers, self.catalogue, self.reading.source, keeping)
            yield from runs if only is None else those_with(runs, only)

    def block(self, run: Run, raw: Read | None, refuse: Refuse) -> PickedBlock:
        """See `RunReader`."""
        assert isinstance(run, PickedRun)
        boxes = run.boxes
        kind = SliceBlock if boxes is None else BoxBlock if len(boxes.shape) < 3 else VolumeBlock
        return kind(run, raw, self.reading, self._told, refuse)

    def _read(self, run: Run) -> Read | PercError | None:
        """See `RunReader`; with the bytes of further images."""
        if not isinstance(run, PickedRun) or not isinstance(run.images, Images):
            return super()._read(run)
        own = read_ahead(run) if run.made and run.boxes is not None else super()._read(run)
        if isinstance(own, PercError) or not run.beside:
            return own
        read = {}
        for name in run.beside:
            other = self._read(run.companion(name))
            if isinstance(other, PercError):
                return other
            assert not isinstance(other, Several)
            read[name] = other
        assert not isinstance(own, Several)
        return Several(own, read)

    def fetched(self, images: Images, ranges: Sequence[Range]) -> NDArray[np.uint8]:
        """See `RunReader`."""
        are_images = self.catalogue.box is not None and len(self.catalogue.box) == 2
        return fetched_rows(images, ranges) if are_images else super().fetched(images, ranges)

    def steps(self, run: Run, raw: Read | None, refuse: Refuse) -> Iterator[Step]:
        """See `RunReader`."""
        with closing(self.block(run, raw, refuse)) as block:
            most = _TOGETHER if self.catalogue.box is None else _BOXES_TOGETHER
            count = max(1, min(_ROWS, most // max(1, size_of(block))))
            place = 0
            while place < block.count:
                stop = min(place + count, block.count)
                yield from _rows(block, place, stop)
                place = stop

    def counted(self, tally: Tally) -> str:
        """See `RunReader`."""
        return f"{tally.rows} rows"

    @cached_property
    def _told(self) -> Told:
        return Told(self.catalogue.values)

    @cached_property
    def _sizes(self) -> Numbers:
        return row_sizes(self.catalogue)

    def __reduce__(self) -> "tuple[type[PickedReader], tuple[object, ...]]":
        return type(self), (self.reading, self.catalogue, self.folder, self.quarantine, self.memory)


def _rows(block: PickedBlock, start: int, stop: int) -> Iterator[Step]:
    """Some rows of a block, each in memory of its own."""
    own = fresh_image(block) if stop - start == 1 else None
    stack = fresh(stop - start, block) if own is None else own[None]
    came, finite = block.fill(stack, start, stop)
    if not came:
        return
    places = np.asarray(came, np.int64)
    told = {name: column.values(places + block.first) for name, column in block.told.items()}
    varying = {name: column[places].tolist() for name, column in block.varying.items()}
    for place, number in enumerate(came):
        pixels = own
        if pixels is None:
            pixels = fresh_image(block)
            pixels[...] = stack[place]
        row = Row(dict.fromkeys(block.names))
        row |= block.shared
        row[block.image] = fetched(block.stored(number), pixels, finite)
        row |= {name: values[place] for columns in (told, varying) for name, values in columns.items()}
        yield block.place + number, block.key(number), row
