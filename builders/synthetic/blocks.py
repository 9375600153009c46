"""Rows that are made as blocks of a stream: their images are made when they are wanted, many at once."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.hf.batches.mapped import MappedTable, TableColumn
from builders.hf.image_storage import stored_value
from builders.hf.stream_blocks import Filled, Lies, Places
from builders.io.image_reference import told
from builders.io.layout import Array
from builders.io.made.layout import Made
from builders.io.made.maker import Maker
from builders.stacks.picked.beside import Beside

Images = Mapping[str, NDArray[np.generic]]


class MadeImages:
    """One column of images of rows; see `builders.hf.stream_blocks.Block`.

    Args:
        maker: makes the rows.
        where: path of its recipe, and the recipe's digest.
        indices: of the rows.
        place: of the first one in its shard.
        image: the column.
    """

    names: tuple[str, ...] = ()
    shared: Mapping[str, Any]
    varying: "Mapping[str, NDArray[Any] | Beside]"
    more = 0
    first = 0
    lies: Lies | None = None

    def __init__(self, maker: Maker, where: tuple[str, str], indices: range, place: int, image: str) -> None:
        self._maker, self._where, self._indices = maker, where, indices
        self.place, self.count, self.image = place, len(indices), image
        self.shape, self.dtype = maker.shape, maker.images[image]
        self.shared, self.varying = {}, {}
        self.made: tuple[int, Images] = 0, {}

    @property
    def told(self) -> Mapping[str, TableColumn]:
        """See `builders.hf.stream_blocks.Block`."""
        return {}

    def fill(self, out: Array, start: int, stop: int, places: Places | None = None) -> Filled:
        """See `builders.hf.stream_blocks.Block`: with the images that were made for it."""
        stop = min(stop, self.count)
        first, images = self.made
        out[slice(stop - start) if places is None else places] = images[self.image][start - first : stop - first]
        return range(start, stop), False

    def stored(self, number: int) -> dict[str, Any]:
        """See `builders.hf.stream_blocks.Block`."""
        layout = Made(self.shape, self.dtype.str, 0, None, self.image, self._indices[number])
        path, digest = self._where
        return stored_value(path=path, etag=digest, **told(layout))

    def key(self, number: int) -> str:
        """See `builders.hf.stream_blocks.Block`."""
        return str(self._indices[number])

    def index(self, number: int) -> int:
        """Of a row."""
        return self._indices[number]

    def close(self) -> None:
        """Let go of images that were made."""
        self.made = 0, {}


class MadeBlock(MadeImages):
    """Rows with all of their columns.

    Args:
        maker: makes the rows.
        where: path of its recipe, and the recipe's digest.
        indices: of the rows.
        place: of the first one in its shard.
        shared: columns that all rows have in common.
    """

    def __init__(
        self, maker: Maker, where: tuple[str, str], indices: range, place: int, shared: Mapping[str, Any]
    ) -> None:
        image, *others = maker.images
        super().__init__(maker, where, indices, place, image)
        companions = {name: MadeImages(maker, where, indices, place, name) for name in others}
        self._companions = list(companions.values())
        self.columns_of_images: Mapping[str, MadeImages] = {image: self, **companions}
        beside = {name: Beside(companion) for name, companion in companions.items()}
        self._beside = list(beside.values())
        self.varying = {"index": np.arange(indices.start, indices.stop), **beside}
        self.more = sum(column.size for column in self._beside)
        self.shared = shared
        self.names = (image, *others, *shared, "index", *maker.schema.names)

    @cached_property
    def told(self) -> MappedTable:
        """See `builders.hf.stream_blocks.Block`."""
        table = self._maker.columns(np.arange(self._indices.start, self._indices.stop))
        return MappedTable({name: TableColumn(table.column(name)) for name in table.column_names})

    def images(self, start: int, stop: int) -> Images:
        """All images of some rows."""
        indices = np.arange(self._indices[start], self._indices[start] + stop - start)
        return self._maker.pixels(indices, [*self._maker.images])

    def fill(self, out: Array, start: int, stop: int, places: Places | None = None) -> Filled:
        """See `builders.hf.stream_blocks.Block`."""
        stop = min(stop, self.count)
        if start >= stop:
            return range(start, start), True
        made = self.images(start, stop)
        out[slice(stop - start) if places is None else places] = made[self.image]
        for companion, column in zip(self._companions, self._beside, strict=True):
            companion.made = start, made
            column.read(range(start, stop))
            companion.close()
        return range(start, stop), False
