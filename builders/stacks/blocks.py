"""Runs of rows as blocks: their pixels are read when, and to where, they are wanted."""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from builders.errors import PercError
from builders.hf.batches.mapped import TableColumn
from builders.hf.image_storage import reference
from builders.hf.stream_blocks import Filled, Further, Lies, Places
from builders.io.files import local, location
from builders.io.finite import floats_of, is_finite
from builders.io.gathering import gather
from builders.io.layout import Array, Layout, Range, joined
from builders.io.pixels import decoded, read_each, read_into, read_open, read_slices
from builders.stacks.rows import Images, Reading
from builders.stacks.runs import Run
from perc_transforms.core import buffers

Bytes = tuple[NDArray[Any], bool]
"""Bytes of rows, or the image of one that comes in steps, and whether all of their pixels are known to be finite."""


class Several(NamedTuple):
    """Bytes of rows that have further images.

    Attributes:
        own: those of the images.
        beside: those of the others, by column.
    """

    own: Bytes | None
    beside: "Mapping[str, Bytes | None]"


Read = Bytes | Several
Refuse = Callable[[PercError, int], None]
"""What is done with damage, and how many rows it costs."""
Pixels = Iterator[tuple[Array | PercError, bool]]
"""Images, or what is wrong with them, and whether they are known to be finite."""


class RunBlock(ABC):
    """The rows of a run; see `builders.hf.stream_blocks.Block`.

    Args:
        run: which rows, of a file whose header was read.
        raw: their bytes, where they were fetched already.
        layout: where the pixels of the first one lie.
        refuse: what to do with damage.
    """

    image = "image"
    names: tuple[str, ...]
    shared: dict[str, Any]
    varying: dict[str, NDArray[Any] | Further]
    more = 0
    told: Mapping[str, TableColumn]
    first: int
    lies: Lies | None

    def __init__(self, run: Run, raw: Bytes | None, layout: Layout, refuse: Refuse) -> None:
        images = cast(Images, run.images)
        self._run, self._raw, self._refuse = run, raw, refuse
        self._images, self._layout = images, layout
        self.place, self.count = run.place, len(run.rows)
        self.shape, self.dtype = layout.shape, layout.dtype
        self._lies_as_it_is = images.lies_apart and images.is_regular and layout.is_plain and layout.axes is None

    @abstractmethod
    def layout(self, number: int) -> Layout:
        """Where the pixels of a row lie."""

    @abstractmethod
    def key(self, number: int) -> str:
        """See `builders.hf.stream_blocks.Block`."""

    @abstractmethod
    def _copied(self, out: Array, start: int, stop: int, places: Places | None) -> bool:
        """Fill places of an array with plain pixels as they lie; whether all are known to be finite."""

    @abstractmethod
    def _pixels(self, start: int, stop: int) -> Pixels:
        """The images of some rows, one by one."""

    def fill(self, out: Array, start: int, stop: int, places: Places | None = None) -> Filled:
        """See `builders.hf.stream_blocks.Block`."""
        came: list[int] = []
        finite, stop, done = True, min(stop, self.count), start
        try:
            if self._lies_as_it_is and start < stop:
                return range(start, stop), self._copied(out, start, stop, places)
            for number, (array, is_finite) in zip(range(start, stop), self._pixels(start, stop), strict=False):
                done = number + 1
                if isinstance(array, PercError):
                    self._refuse(array, 1)
                    continue
                out[len(came) if places is None else places[len(came)]] = array
                came.append(number)
                finite = finite and is_finite
        except PercError as err:
            lost, self.count = self.count - done, start + len(came)  # what comes after it cannot be read either
            self._refuse(err, lost)
        return came, finite

    def stored(self, number: int) -> dict[str, Any]:
        """See `builders.hf.stream_blocks.Block`."""
        return reference(self._images.image, self.layout(number) if number else self._layout)

    def close(self) -> None:
        """Let go of the rows' bytes."""
        self._raw = None


class FileBlock(RunBlock):
    """Rows of a file that stand in it one after another.

    Args:
        run: which rows, of a file whose header was read.
        raw: their bytes, where they were fetched already.
        reading: how files become rows.
        refuse: what to do with damage.
    """

    def __init__(self, run: Run, raw: Bytes | None, reading: Reading, refuse: Refuse) -> None:
        images, first = cast(Images, run.images), run.rows.start
        layout = images.layout(first)
        super().__init__(run, raw, layout, refuse)
        values = images.row(first, reading, layout)
        self.names = tuple(values)
        self.varying = {**images.varying(run.rows)}
        self.shared = {name: value for name, value in values.items() if name not in (self.image, *self.varying)}
        self.told, self.first = {}, 0
        self.lies = None
        if self._lies_as_it_is and raw is None:
            offsets = layout.offset + np.arange(self.count) * layout.nbytes
            self.lies = Lies(images.file.location, images.image.etag, offsets, np.dtype(layout.encoding))
        self._packed: Generator[tuple[Array | PercError, bool], None, None] | None = None
        self._next = 0

    def layout(self, number: int) -> Layout:
        """See `RunBlock`."""
        return self._images.layout(self._run.rows[number])

    def key(self, number: int) -> str:
        """See `RunBlock`."""
        return f"{self._run.path}#{self._run.rows[number]}"

    def close(self) -> None:
        """Let go of the rows' bytes, and of the file that is read from its start, if it is open."""
        super().close()
        if self._packed is not None:
            self._packed.close()

    def _copied(self, out: Array, start: int, stop: int, places: Places | None) -> bool:
        layout, images = self._layout, self._images
        if self._raw is not None:
            raw, finite = self._raw
            out[slice(stop - start) if places is None else places] = pixels_in(raw, layout)[start:stop]
            return finite
        where, etag = images.file.location, images.image.etag
        if places is None:
            offset = layout.offset + start * layout.nbytes
            return read_into(where, offset, layout.encoding, out[: stop - start], etag)
        offsets = np.arange(start, stop) * layout.nbytes + layout.offset
        return gathered(images, layout, offsets, out, places)

    def _pixels(self, start: int, stop: int) -> Pixels:
        if self._images.lies_apart:
            return pixels_of(self._run, self._raw, start, stop)
        if self._packed is None:
            self._packed = decompressed(self._run, map(self._images.layout, self._run.rows))
        for _ in range(start - self._next):
            next(self._packed, None)
        self._next = stop
        return self._packed


def gathered(images: Images, layout: Layout, offsets: Places, out: Array, places: Places | None) -> bool:
    """Fill places of an array with plain pixels that lie anywhere in a file of this machine.

    Args:
        images: the file.
        layout: of an image.
        offsets: where each of them begins.
        out: `(rows, *shape)`.
        places: of each in it; None: one after another.

    Returns:
        Whether all are known to be finite.
    """
    stored = np.dtype(layout.encoding)
    raw = out.reshape(len(out), -1).view(np.uint8)
    finite = gather(images.file.location, offsets, raw, places, images.image.etag, floats_of(layout))
    if stored.isnative:
        return finite or stored.kind not in "fc"
    chosen = slice(len(offsets)) if places is None else places
    out[chosen] = rows = out[chosen].byteswap()
    return is_finite(rows)


def pixels_in(raw: NDArray[np.uint8], layout: Layout) -> Array:
    """Images of one layout whose plain pixels lie one after another in some bytes."""
    pixels: Array = raw.view(np.dtype(layout.encoding)).reshape(-1, *layout.shape)
    return pixels


def pixels_of(run: Run, raw: Bytes | None, start: int, stop: int, layouts: Sequence[Layout] = ()) -> Pixels:
    """The images of some rows of a run, of a file in which each lies apart, in memory of their own.

    Args:
        run: the run.
        raw: its bytes, where they were fetched already.
        start: the first row, counted in the run.
        stop: the one after the last.
        layouts: theirs, where they are not regular and known already.
    """
    images, rows = cast(Images, run.images), run.rows[start:stop]
    where, etag = images.file.location, images.image.etag
    if images.is_regular:
        first = images.layout(rows.start)
        if raw is None:
            return read_slices(where, first, len(rows), etag)
        size = first.nbytes
        own = raw[0][start * size : stop * size]
        return _cut(own, raw[1], first, shared=len(run.rows) > 1 or run.data is not None)
    layouts = layouts or [images.layout(row) for row in rows]
    return read_each(where, layouts, etag) if raw is None else _picked(*raw, layouts, run.ranges)


def decompressed(run: Run, layouts: Iterable[Layout]) -> Generator[tuple[Array | PercError, bool], None, None]:
    """The images of a run, of a file that is read from its start: it is compressed, or its slices do not lie apart.

    Args:
        run: the run.
        layouts: theirs, in rising order.
    """
    images = cast(Images, run.images)
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
        for pixels in read_open(file, layouts, where, images.image.etag):
            yield pixels, False


def _cut(raw: NDArray[np.uint8], finite: bool, first: Layout, shared: bool) -> Iterator[tuple[Array, bool]]:
    """Images out of the bytes of several, each in memory of its own: one that is kept does not keep its neighbours."""
    size = first.nbytes
    for start in range(0, len(raw), size):
        data = raw[start : start + size]
        if shared:
            own = buffers.take(size)
            own[:] = data
            data = own
        yield first.decode(data), finite


def _picked(
    raw: NDArray[Any], finite: bool, layouts: Iterable[Layout], ranges: Sequence[Range]
) -> Iterator[tuple[Array | PercError, bool]]:
    """Images out of the bytes of some stretches: of all of them in one, or of one image in several."""
    first = ranges[0][0] if ranges else 0
    for layout in layouts:
        if layout.comes_in_steps:
            yield raw, finite
            continue
        is_all = layout.ranges == tuple(ranges)
        own = raw if is_all else joined([raw[start - first : stop - first] for start, stop in layout.ranges])
        yield decoded(layout, own), finite
