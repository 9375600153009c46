"""The grid of chunks that an array of Zarr is divided into: which a box crosses, how they are called and coded."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError, MissingPackageError
from builders.io.codecs.codec import Part, bytes_of
from builders.io.codecs.known import codec_of
from builders.io.layout import Array, Range, encoded_size, native_dtype

MOST_AXES = 8
MOST_BYTES = 2**54
"""Of an array, as an MRC header can speak of."""
MOST_CHUNK = 2**31
"""Bytes of a decoded chunk, more than Blosc can hold."""
MOST_CHUNKS = 2**22
"""That one read crosses."""
KEYS = (".", "/", "c/", "c.")
"""How chunks are called: the letter in front, if any, and what stands between numbers."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Shards:
    """Files of several chunks each, with an index of where these lie: the codec `sharding_indexed` of Zarr 3.

    Attributes:
        shape: of a file's pixels, of all axes of the array: multiples of a chunk's sides.
        index: codec of the index, `"raw"` or `"crc32c"`.
        at_start: whether the index is in front of the chunks, not behind them.
    """

    shape: tuple[int, ...]
    index: str = "raw"
    at_start: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """How an array is divided into chunks, and how each is stored.

    Attributes:
        shape: of the array, all axes.
        chunk: shape of a chunk; those at the far edges are full, too.
        encoding: of a pixel, in the byte order in which it is stored.
        codec: as `builders.io.codecs.known.codec_of` reads it.
        order: in which the chunk's axes are stored, slowest first; None: as they are.
        fill: the bytes of a pixel that is nowhere stored, in the order of `encoding`; empty: 0.
        key: how chunks are called, one of `KEYS`.
        shards: files of several chunks; None: each chunk is a file of its own.
        name: of the array, for errors.

    Raises:
        FormatError: any of these contradict each other.
    """

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    encoding: str
    codec: str = "raw"
    order: tuple[int, ...] | None = None
    fill: bytes = b""
    key: str = "/"
    shards: Shards | None = None
    name: str = "array"

    def __post_init__(self) -> None:
        native_dtype(self.encoding)
        codec_of(self.codec, self.name)
        axes, sides = len(self.shape), (*self.shape, *self.chunk)
        if not 0 < axes <= MOST_AXES or len(self.chunk) != axes or min(sides) < 1:
            told = f"chunks of shape {self.chunk} of shape {self.shape}"
            msg = f"{self.name}: {told}: expected 1 to {MOST_AXES} axes, each of length 1 at least"
            raise FormatError(msg)
        if encoded_size(self.encoding, self.shape) > MOST_BYTES or self.nbytes > MOST_CHUNK:
            told = f"shape {self.shape} of {self.encoding!r} in chunks of {self.chunk}"
            msg = f"{self.name}: {told}: expected at most {MOST_BYTES} bytes, of a chunk {MOST_CHUNK}"
            raise FormatError(msg)
        if self.order is not None and sorted(self.order) != list(range(axes)):
            msg = f"{self.name}: chunks with axes in the order {self.order}: expected each of {axes} once"
            raise FormatError(msg)
        if self.key not in KEYS or len(self.fill) not in (0, np.dtype(self.encoding).itemsize):
            told = f"chunks called {self.key!r}, {len(self.fill)} bytes of a fill value"
            msg = f"{self.name}: {told}: expected one of {KEYS}, and as many as a pixel has"
            raise FormatError(msg)
        if self.shards is not None:
            self._check(self.shards)

    def _check(self, shards: Shards) -> None:
        pairs = list(zip(shards.shape, self.chunk, strict=False))
        if len(shards.shape) != len(self.chunk) or any(whole < 1 or whole % part for whole, part in pairs):
            msg = f"{self.name}: shards of shape {shards.shape} in chunks of {self.chunk}: expected multiples of these"
            raise FormatError(msg)
        if self.chunks_a_file > MOST_CHUNKS:
            msg = f"{self.name}: shards of {self.chunks_a_file} chunks: expected at most {MOST_CHUNKS}"
            raise FormatError(msg)
        codec_of(shards.index, self.name)

    @property
    def told(self) -> dict[str, Any]:
        """What a reference says of it besides the array's shape and the encoding of its pixels."""
        said: dict[str, Any] = {"chunk": list(self.chunk), "codec": self.codec, "key": self.key}
        if self.order is not None:
            said["order"] = list(self.order)
        if any(self.fill):
            said["fill"] = self.fill.hex()
        if self.shards is not None:
            at_start = self.shards.at_start
            said["shards"] = {"shape": list(self.shards.shape), "index": self.shards.index, "at_start": at_start}
        return said

    @property
    def nbytes(self) -> int:
        """Bytes of a decoded chunk."""
        return encoded_size(self.encoding, self.chunk)

    @property
    def counts(self) -> tuple[int, ...]:
        """Of chunks along each axis: those that a shard has beyond the array are none of them."""
        return tuple(-(-side // length) for side, length in zip(self.shape, self.chunk, strict=True))

    @property
    def chunks_of_file(self) -> tuple[int, ...]:
        """How many chunks a file has along each axis."""
        if self.shards is None:
            return (1,) * len(self.chunk)
        return tuple(whole // part for whole, part in zip(self.shards.shape, self.chunk, strict=True))

    @property
    def chunks_a_file(self) -> int:
        """How many chunks a file has."""
        return math.prod(self.chunks_of_file)

    @property
    def value(self) -> np.generic:
        """The value of a pixel that is nowhere stored."""
        raw = self.fill or bytes(np.dtype(self.encoding).itemsize)
        pixel: np.generic = np.frombuffer(raw, self.encoding).astype(native_dtype(self.encoding))[0]
        return pixel

    def crossed(self, bounds: Sequence[Range]) -> Numbers:
        """The chunks that a box crosses, `(count, axes)`, in C order.

        Raises:
            FormatError: they are more than `MOST_CHUNKS`.

        Example:
            >>> Grid((9, 9), (4, 4), "<f4").crossed([(3, 5), (8, 9)]).tolist()
            [[0, 2], [1, 2]]
        """
        along = [(a // n, -(-b // n)) for (a, b), n in zip(bounds, self.chunk, strict=True)]
        if (count := math.prod(stop - start for start, stop in along)) > MOST_CHUNKS:
            msg = f"{self.name}: a box of {count} chunks of shape {self.chunk}: expected at most {MOST_CHUNKS}"
            raise FormatError(msg)
        grid = np.meshgrid(*(np.arange(start, stop, dtype=np.int64) for start, stop in along), indexing="ij")
        return np.stack(grid, -1).reshape(-1, len(along))

    def file_of(self, chunk: Sequence[int]) -> str:
        """The file of a chunk, below the folder of the array.

        Example:
            >>> Grid((9, 9), (4, 4), "<f4", key="c/").file_of((1, 2))
            'c/1/2'
        """
        numbers = (str(n // each) for n, each in zip(chunk, self.chunks_of_file, strict=True))
        separator = self.key[-1]
        return separator.join((self.key[0], *numbers) if len(self.key) > 1 else numbers)

    def place_in_file(self, chunk: Sequence[int]) -> int:
        """Which of its file's chunks one is, in C order."""
        place = 0
        for n, each in zip(chunk, self.chunks_of_file, strict=True):
            place = place * each + n % each
        return place

    def corner(self, chunk: Sequence[int]) -> tuple[int, ...]:
        """The first pixel of a chunk."""
        return tuple(n * side for n, side in zip(chunk, self.chunk, strict=True))

    def decode(self, code: NDArray[np.uint8], where: str) -> Array:
        """The pixels of a chunk as they are stored: a view with the axes in their order, in any byte order.

        Args:
            code: the bytes of the chunk.
            where: the chunk lies, for errors.

        Raises:
            FormatError: they are damaged, or hold more or less than a chunk.
        """
        codec, size = codec_of(self.codec, self.name), self.nbytes
        if size > codec.ratio * code.size:
            msg = f"{where}: {code.size} bytes cannot hold a chunk of {size} bytes: damaged"
            raise FormatError(msg)
        stored = self.chunk if self.order is None else tuple(self.chunk[axis] for axis in self.order)
        try:
            content = bytes_of(codec.decode(code, Part(stored, stored, self.encoding)))
        except MemoryError:
            raise
        except MissingPackageError as err:
            msg = f"{where}: chunks coded by {self.codec} need the package imagecodecs: pip install 'perc-cryoem[tomo]'"
            raise MissingPackageError(msg) from err
        except Exception as err:  # a codec's library has errors of its own
            msg = f"{where}: the chunk is damaged: {self.codec}: {err}"
            raise FormatError(msg) from err
        if content.size != size:
            msg = f"{where}: a chunk of {content.size} bytes, expected {size} for shape {self.chunk}"
            raise FormatError(msg)
        pixels: Array = np.ndarray(stored, np.dtype(self.encoding), content)
        return pixels if self.order is None else pixels.transpose(np.argsort(self.order))
