"""The reader of shards: headers first, then pixels, both ahead of their use."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import cast

from builders.errors import PercError
from builders.hf.image_storage import Fetched, Row, reference
from builders.hf.stream_blocks import Places
from builders.hf.streaming import Step
from builders.io.layout import InterleavedSlice
from builders.stacks.blocks import Bytes, FileBlock, Read, Refuse, Several, decompressed, pixels_of
from builders.stacks.cutting import Shard
from builders.stacks.headers import Headers
from builders.stacks.pieces import in_turn, pieces_of, those_with
from builders.stacks.reader import RunReader, Tally
from builders.stacks.rows import Images, Reading
from builders.stacks.runs import Run, runs_of


@dataclass(frozen=True)
class ShardReader(RunReader):
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

    def pieces(self, shards: Sequence[Shard], at_once: int, rows: int, seeds: Sequence[int]) -> list[Shard]:
        """See `builders.hf.shuffling.drawing.PieceReader`."""
        return in_turn(shards, at_once, seeds, lambda shard: pieces_of(shard, rows / max(1, 2 * at_once)))

    def rows(self, shard: Shard) -> int:
        """How many rows its parts are thought to have."""
        return sum(part.stop - part.first for part in shard)

    def name(self, shard: Shard) -> str:
        """See `builders.hf.streaming.Reader`."""
        return "|".join(f"{part.file.path}:{part.first}:{part.stop}" for part in shard)

    def runs(self, shards: Iterable[Shard], skip: int, only: Sequence[Places] | None) -> Generator[Run, None, None]:
        """See `RunReader`."""
        with closing(Headers(self.reading, self.folder).read_ahead(shards)) as headers:
            runs = runs_of(headers, skip)
            yield from runs if only is None else those_with(runs, only)

    def block(self, run: Run, raw: Read | None, refuse: Refuse) -> FileBlock:
        """See `RunReader`."""
        assert not isinstance(raw, Several), "its rows have one image each"
        return FileBlock(run, raw, self.reading, refuse)

    def counted(self, tally: Tally) -> str:
        """See `RunReader`."""
        return f"{tally.stretches} files or stretches"

    def steps(self, run: Run, raw: Read | None, refuse: Refuse) -> Iterator[Step]:
        """See `RunReader`."""
        assert not isinstance(raw, Several), "its rows have one image each"
        try:
            yield from self._rows(run, raw, refuse)
        except PercError as err:
            refuse(err, 0)

    def _rows(self, run: Run, fetched: Bytes | None, refuse: Refuse) -> Iterator[Step]:
        images = cast(Images, run.images)
        first = images.layout(run.rows.start)
        size, is_regular, is_interleaved = first.nbytes, images.is_regular, isinstance(first, InterleavedSlice)
        layouts = [] if is_regular or is_interleaved else [images.layout(row) for row in run.rows]
        if images.lies_apart:
            pixels = pixels_of(run, fetched, 0, len(run.rows), layouts)
        else:
            pixels = decompressed(run, map(images.layout, run.rows))
        values = images.row(run.rows.start, self.reading, first)
        stored, path = values["image"], images.file.path
        of_frames = [] if images.movie is None else list(images.varying(run.rows).items())
        for number, (array, finite) in enumerate(pixels):
            if isinstance(array, PercError):
                refuse(array, 1)
                continue
            image = Fetched(stored)
            image.held, image.finite = array, finite
            row = Row(values)
            row["image"] = image
            if number:
                row["index"] = run.rows[number]
                for name, column in of_frames:
                    row[name] = column[number].item()
                if is_regular:
                    image["offset"], image["shape"] = first.offset + number * size, list(first.shape)
                elif is_interleaved:
                    image["index"] = run.rows[number]
                else:
                    image.update(reference(images.image, layouts[number]))
            yield run.place + number, f"{path}#{run.rows[number]}", row
