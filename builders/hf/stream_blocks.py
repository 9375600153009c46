"""Blocks: rows of a stream that lie together in a file, whose pixels are put into memory that somebody has for them.

What readers of shards give where whole batches are wanted, or rows kept as they are in their files: no object a row.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from builders.hf.batches.mapped import TableColumn
from builders.hf.image_storage import Fetched, fetched
from builders.io.layout import Array

Filled = tuple[Sequence[int], bool]
"""Which rows of a block came, and whether all of their pixels are known to be finite."""
Places = NDArray[np.int64]


Stored = Callable[[int], dict[str, Any]]


@dataclass(slots=True)
class Piece:
    """Images of one shape and type.

    Attributes:
        pixels: `(rows, ..., ny, nx)`, of the file's own type.
        finite: whether all are known to be finite.
        stored: the reference to each, by its place.
    """

    pixels: Array
    finite: bool
    stored: Stored

    def __len__(self) -> int:
        return len(self.pixels)

    def part(self, start: int, stop: int) -> "Piece":
        """Some of them."""
        stored = self.stored
        return Piece(self.pixels[start:stop], self.finite, lambda place: stored(start + place))

    def values(self) -> list[Fetched]:
        """Each as a row has it."""
        return [fetched(self.stored(place), pixels, self.finite) for place, pixels in enumerate(self.pixels)]


@dataclass(frozen=True, slots=True)
class Lies:
    """Where plain pixels of rows lie in a file of this machine.

    Attributes:
        path: the file.
        etag: its version.
        offsets: bytes before those of each row.
        stored: the type of pixels, in the file's byte order.
    """

    path: str
    etag: str
    offsets: NDArray[np.int64]
    stored: np.dtype[Any]


class Further(ABC):
    """A column of further images of a block's rows, which are there once the rows were filled: each is taken once."""

    @abstractmethod
    def __getitem__(self, chosen: Any) -> "Further":
        """Those of some rows: a slice of them, or their numbers as a list or an array."""

    @abstractmethod
    def pieces(self) -> "list[Piece]":
        """Them as a batch has images; what they are in is there for others once nobody has these any more."""

    @abstractmethod
    def item(self, number: int) -> Fetched:
        """One of them as a row has it, in memory of its own."""

    def tolist(self) -> list[Fetched]:
        """Them as rows have them."""
        return [value for piece in self.pieces() for value in piece.values()]


class Block(Protocol):
    """Rows of one file, one after another, with images of one shape and type.

    Its pixels are there until the next block is asked for. Rows whose pixels cannot be read without those before them
    (of a compressed file) are to be asked for in rising order, each once.
    """

    @property
    def place(self) -> int:
        """Where its first row stands in the shard; the others come after it."""
        ...

    @property
    def count(self) -> int:
        """How many rows: fewer once it is known that the last ones cannot be read."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an image, `(ny, nx)` or `(nz, ny, nx)`."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """The file's own type of pixels, in this machine's byte order."""
        ...

    @property
    def image(self) -> str:
        """The column of the images."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """All columns, in order."""
        ...

    @property
    def shared(self) -> Mapping[str, Any]:
        """Columns besides the images that have one value in all rows, and that value."""
        ...

    @property
    def varying(self) -> "Mapping[str, NDArray[Any] | Further]":
        """Columns whose values stand in an array, and those row by row; of further images, once they are filled."""
        ...

    @property
    def more(self) -> int:
        """Bytes of further images that each row holds besides its pixels."""
        ...

    @property
    def told(self) -> Mapping[str, TableColumn]:
        """The others: columns of a table."""
        ...

    @property
    def first(self) -> int:
        """Which row of that table the first one is; the others come after it."""
        ...

    @property
    def lies(self) -> Lies | None:
        """Where the pixels are, if they can be read from there at any time, in any order."""
        ...

    def fill(self, out: Array, start: int, stop: int, places: Places | None = None) -> Filled:
        """Put the pixels of rows `start` to `stop` (not included) into an array.

        What is damaged is refused as the reader refuses rows: raised, or reported, and the rows that come after it take
        its place. Of a block in which nothing more can be read, no more rows come.

        Args:
            out: `(rows, *shape)`, of `dtype`, C order.
            start: the first row, counted in the block.
            stop: the one after the last.
            places: where they go in the array; None: to its first places.

        Returns:
            Those that came: they went to these places in this order, the last ones of which others may be left over.
        """
        ...

    def stored(self, number: int) -> dict[str, Any]:
        """The reference to a row's image, as it is stored."""
        ...

    def key(self, number: int) -> str:
        """What a row is called."""
        ...


class BlockReader(Protocol):
    """Reads shards block by block; pickled, it goes to a loader's workers."""

    def blocks(
        self, shards: Iterable[Any], skip: int, only: Sequence[Places] | None = None
    ) -> Generator[Block | None, None, None]:
        """The blocks of shards, and None after each shard.

        Args:
            shards: which.
            skip: rows of the first shard that are left out.
            only: for each shard, which of its rows are wanted, by their places in rising order: blocks without any are
                left out.
        """
        ...
