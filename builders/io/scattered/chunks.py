"""Arrays of Zarr as layouts, and many boxes of one read at once: each chunk is fetched and decoded once."""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from builders.errors import FormatError, NotFoundError
from builders.io.codecs import threads
from builders.io.files import location
from builders.io.layout import Array, Range
from builders.io.net import remote
from builders.io.scattered import fetching
from builders.io.scattered.base import Scattered
from builders.io.scattered.grid import Grid
from builders.io.scattered.held import Held
from builders.io.scattered.missing import told_missing
from perc_transforms.core import buffers

MOST_BYTES = 2**36
"""Of one box: a file of few bytes can speak of any number of them."""

Bounds = Sequence[Range]
Wish = tuple[int, tuple[slice, ...], tuple[slice, ...]]
"""A box by its number, the part of it that a chunk has, and the part of the chunk that it has."""


@dataclass(frozen=True, slots=True)
class Chunked(Scattered):
    """An array of Zarr, whose metadata file (`.zarray`, `zarr.json`) a reference names.

    Attributes:
        shape: of the array without leading axes of length 1 that are left out.
        encoding: of its pixels, as they are stored.
        offset: 0.
        axes: None.
        grid: its chunks; of all axes.
        strict: a chunk that is not there is an error, and not the fill value.
    """

    grid: Grid = field(default_factory=lambda: Grid((1,), (1,), "|u1"))
    strict: bool = False

    @classmethod
    def of(cls, grid: Grid, axes: int = 3, strict: bool = False) -> "Chunked":
        """An array without those of its leading axes that have length 1, as long as it has more than `axes`."""
        shape = grid.shape
        while len(shape) > axes and shape[0] == 1:
            shape = shape[1:]
        return cls(shape, grid.encoding, 0, None, grid, strict)

    @property
    def spelling(self) -> str:
        """As `builders.io.scattered.spelling` reads it."""
        said = self.grid.told | ({"strict": True} if self.strict else {})
        return f"%zarr{json.dumps(said, separators=(',', ':'))}"

    def full(self, bounds: Bounds) -> list[Range]:
        """Bounds along all axes of the array."""
        return [(0, 1)] * (len(self.grid.shape) - len(self.shape)) + list(bounds)

    def read(self, path: str, etag: str | None, bounds: Bounds) -> Array:
        """Read a box of it; see `Scattered.read`.

        Raises:
            FormatError: a chunk is damaged, or the box is larger than anything that is read at once.
        """
        shape = tuple(stop - start for start, stop in bounds)
        size = math.prod(shape) * self.dtype.itemsize
        if size > MOST_BYTES:
            msg = f"{path}: {size} bytes of shape {shape}: expected at most {MOST_BYTES} at once"
            raise FormatError(msg)
        fetching.check_version(path, etag)
        pixels: Array = np.ndarray(shape, self.dtype, buffers.take(size))
        read_parts(path, self, [bounds], [pixels])
        return pixels


def read_parts(
    path: str, image: Chunked, bounds: Sequence[Bounds], outs: Sequence[Array], held: Held | None = None
) -> None:
    """Read many boxes of an array, each chunk once, many at once.

    Args:
        path: the array's metadata file, or its URL.
        image: the array.
        bounds: of each box, from and to along each axis of `image.shape`, all inside.
        outs: for each box an array of its shape, in any order of memory, and of `image.dtype`.
        held: keeps chunks for the boxes that follow; None: nothing is kept.

    Raises:
        AccessError: a server refuses a chunk.
        FormatError: a chunk is damaged, or of another size.
        NotFoundError: a chunk is missing, of an array that is `strict`.
    """
    grid, left_out = image.grid, len(image.grid.shape) - len(image.shape)
    wishes = _wishes(image, bounds)
    missing: list[tuple[int, ...]] = []

    def put(chunk: tuple[int, ...]) -> None:
        pixels = held.get(chunk, fetch) if held is not None else fetch(chunk)
        if pixels is None:
            missing.append(chunk)
        for number, into, part in wishes[chunk]:
            out = outs[number][(None,) * left_out]
            if pixels is None:
                out[into].fill(grid.value)
            else:
                out[into] = pixels[part]

    def fetch(chunk: tuple[int, ...]) -> Array | None:
        where = fetching.place_of(path, grid.file_of(chunk))
        code = fetching.whole(where, grid)
        if code is None and image.strict:
            msg = f"{where}: not there: a chunk of {path} is missing"
            raise NotFoundError(msg)
        return None if code is None else grid.decode(code, where)

    _each(put, list(wishes), location.is_remote(path))
    if missing:
        told_missing(path, len(missing), len(wishes), str(grid.value))


def _each(task: Callable[[tuple[int, ...]], None], chunks: list[tuple[int, ...]], is_remote: bool) -> None:
    if not is_remote:
        threads.shared(task, chunks)
        return
    done: Iterable[None] = remote.each(task, chunks, pool="chunks")
    for _ in done:
        pass


def _wishes(image: Chunked, bounds: Sequence[Bounds]) -> dict[tuple[int, ...], list[Wish]]:
    """What of each chunk goes where."""
    grid = image.grid
    found: dict[tuple[int, ...], list[Wish]] = {}
    for number, box in enumerate(bounds):
        full = image.full(box)
        for row in grid.crossed(full).tolist():
            chunk = tuple(row)
            into, part = [], []
            for (start, stop), at, side in zip(full, grid.corner(chunk), grid.chunk, strict=True):
                first, last = max(start, at), min(stop, at + side)
                into.append(slice(first - start, last - start))
                part.append(slice(first - at, last - at))
            found.setdefault(chunk, []).append((number, tuple(into), tuple(part)))
    return found
