"""Picked rows of one file as blocks: each slice is read once for all rows of a run that name it."""

from collections.abc import Generator, Iterator
from functools import cached_property
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from builders.errors import PercError
from builders.hf.batches.mapped import MappedTable, TableColumn
from builders.hf.stream_blocks import Filled, Lies, Places
from builders.io.files import location
from builders.io.files.steps import Stretches
from builders.io.layout import Array, Layout
from builders.io.pixels import decoded, read_each, read_into
from builders.stacks.blocks import Pixels, Read, Refuse, RunBlock, Several, decompressed, gathered, pixels_in
from builders.stacks.picked.beside import Beside
from builders.stacks.picked.runs import PickedRun
from builders.stacks.rows import Images, Reading

Pixel = tuple[Array | PercError, bool]
"""An image, or what is wrong with it, and whether it is known to be finite."""


class PickedBlock(RunBlock):
    """The rows of a run that a catalogue names: their columns.

    Args:
        run: which rows, of a file whose header was read.
        raw: their bytes, where they were fetched already.
        reading: how files become rows.
        told: the catalogue's columns.
        refuse: what to do with damage.
    """

    def __init__(self, run: PickedRun, raw: Read | None, reading: Reading, told: "Told", refuse: Refuse) -> None:
        super().__init__(run, raw.own if isinstance(raw, Several) else raw, run.layout(0), refuse)
        images = cast(Images, run.images)
        self.rows, self.first = run, run.rows.start
        size = reading.pixel_size if images.image.pixel_size is None else images.image.pixel_size
        self.told = told.of_pixel_size(size)
        shared = {"pixel_size": size, "path": run.path, "index": None, **dict(reading.columns)}
        self.varying = {"index": run.slices} if images.by_slice else {}
        read = raw.beside if isinstance(raw, Several) else {}
        self._beside = {
            name: Beside(type(self)(run.companion(name), read.get(name), reading, told, refuse)) for name in run.beside
        }
        self.varying |= self._beside
        self.more = sum(column.size for column in self._beside.values())
        self.names = (self.image, *self._beside, *dict.fromkeys((*shared, *self.told)))
        self.shared = {name: value for name, value in shared.items() if name not in (*self.told, *self.varying)}
        self.lies = None

    def layout(self, number: int) -> Layout:
        """See `RunBlock`."""
        return self.rows.layout(number)

    def key(self, number: int) -> str:
        """See `RunBlock`."""
        return f"{self.rows.path}#{self.rows.slices[number]}@{self.first + number}"

    def fill(self, out: Array, start: int, stop: int, places: Places | None = None) -> Filled:
        """See `RunBlock`; a row comes if all of its images do."""
        came, finite = self._filled(out, start, stop, places)
        for column in self._beside.values():
            there = column.read(came)
            if len(there) == len(came):
                continue
            kept = [number for number, row in enumerate(came) if row in set(there)]
            for place, number in enumerate(kept):  # the others take the places of those that did not come
                here, of = (place, number) if places is None else (places[place], places[number])
                out[here] = out[of]
            came = there
        return came, finite

    def _filled(self, out: Array, start: int, stop: int, places: Places | None) -> Filled:
        """What `fill` does with the rows' own images."""
        return super().fill(out, start, stop, places)

    def close(self) -> None:
        """Let go of the bytes of rows; further images that nobody took yet stay with who holds their rows."""
        super().close()
        for column in self._beside.values():
            column.close()


class SliceBlock(PickedBlock):
    """Slices of a file, or all of it; for the arguments, see `PickedBlock`."""

    def __init__(self, run: PickedRun, raw: Read | None, reading: Reading, told: "Told", refuse: Refuse) -> None:
        super().__init__(run, raw, reading, told, refuse)
        images = self._images
        if self._lies_as_it_is and not self._beside and not location.is_remote(images.file.location):
            stored = np.dtype(self._layout.encoding)
            self.lies = Lies(images.file.location, images.image.etag, self._offsets, stored)
        self._packed: Generator[Pixel, None, None] | None = None
        self._came = -1
        self._last: Pixel | None = None
        self._held: list[Pixel] = []

    @cached_property
    def _offsets(self) -> NDArray[np.int64]:
        """Where the pixels of each row begin, of a file of plain ones."""
        return self._images.layout(0).offset + self.rows.slices * self._layout.nbytes

    @cached_property
    def _distinct(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The different slices, in rising order, and which of them each row names."""
        slices, which = np.unique(self.rows.slices, return_inverse=True)
        return slices, which

    @cached_property
    def _is_consecutive(self) -> bool:
        return bool((np.diff(self.rows.slices) == 1).all())

    @cached_property
    def _is_rising(self) -> bool:
        return bool((np.diff(self.rows.slices) >= 0).all())

    def close(self) -> None:
        """Let go of the rows' bytes, and of the file that is read from its start, if it is open."""
        super().close()
        self._held = []
        if self._packed is not None:
            self._packed.close()

    def _copied(self, out: Array, start: int, stop: int, places: Places | None) -> bool:
        count, layout = stop - start, self._layout
        if self._raw is not None:
            raw, finite = self._raw
            pixels, which = pixels_in(raw, layout), self._distinct[1][start:stop]
            if places is None and pixels.dtype == out.dtype:
                np.take(pixels, which, axis=0, out=out[:count], mode="clip")  # "raise" would copy once more
            else:
                out[slice(count) if places is None else places] = pixels[which]
            return finite
        offsets = self._offsets[start:stop]
        if places is None and self._is_consecutive:
            where, etag = self._images.file.location, self._images.image.etag
            return read_into(where, int(offsets[0]), layout.encoding, out[:count], etag)
        distinct, firsts, which = np.unique(offsets, return_index=True, return_inverse=True)
        places = np.arange(count) if places is None else places
        finite = gathered(self._images, layout, distinct, out, places[firsts])
        if len(distinct) < count:
            again = np.ones(count, bool)
            again[firsts] = False
            out[places[again]] = out[places[firsts[which[again]]]]
        return finite

    def _pixels(self, start: int, stop: int) -> Pixels:
        if not self._images.lies_apart:
            return map(self._unpacked, range(start, stop))
        if self._raw is not None:
            return self._cut(*self._raw, start, stop)
        where, etag = self._images.file.location, self._images.image.etag
        return read_each(where, map(self.layout, range(start, stop)), etag)

    def _cut(self, raw: NDArray[np.uint8], finite: bool, start: int, stop: int) -> Iterator[tuple[Any, bool]]:
        """Images out of the bytes of the run."""
        held = Stretches(self._run.ranges)
        for number in range(start, stop):
            layout = self.layout(number)
            if layout.comes_in_steps:  # then it is the image
                yield raw, finite
                continue
            yield decoded(layout, held.cut(raw, layout.ranges)), finite

    def _unpacked(self, number: int) -> Pixel:
        """The image of a row, of a file that is read from its start: once, if rows are asked for as they stand in it.

        Raises:
            PercError: nothing more can be read.
        """
        slices, which = self._distinct
        if self._packed is None:
            self._packed = decompressed(self._run, map(self._images.layout, slices.tolist()))
        if self._is_rising:
            while self._last is None or self._came < which[number]:
                self._last = next(self._packed)
                self._came += 1
            return self._last
        if not self._held:
            self._held = [*_until_damage(self._packed, len(slices))]
        return self._held[int(which[number])]


def _until_damage(images: Iterator[Pixel], count: int) -> Iterator[Pixel]:
    """Some images; in place of those that cannot be read any more, why."""
    done = 0
    try:
        for image in images:
            yield image
            done += 1
    except PercError as err:
        yield from [(err, False)] * (count - done)


class Told:
    """A catalogue's columns of other values than places.

    Args:
        values: the columns; of pixel sizes, none where each is null: then the file's is the same in all of its rows.
    """

    def __init__(self, values: pa.Table) -> None:
        told = {name: values.column(name) for name in values.column_names}
        if "pixel_size" in told and told["pixel_size"].null_count == len(told["pixel_size"]):
            del told["pixel_size"]
        self._columns = MappedTable({name: TableColumn(column) for name, column in told.items()})
        self._of: dict[float | None, MappedTable] = {}

    def of_pixel_size(self, size: float | None) -> MappedTable:
        """The columns, with the pixel size of a file where its rows have none."""
        own = self._columns.get("pixel_size")
        if own is None or own.filled(size) is own:
            return self._columns
        if size not in self._of:
            self._of[size] = MappedTable({**self._columns, "pixel_size": own.filled(size)})
        return self._of[size]
