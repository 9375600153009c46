"""Arrays of Zarr as layouts, and many boxes of one read at once: each chunk is fetched and decoded once."""

import json
import math
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, wait
from dataclasses import dataclass, field, replace

import numpy as np

from builders.errors import FormatError, NotFoundError, ReadError
from builders.io.codecs import threads
from builders.io.codecs.known import codec_of
from builders.io.files import location
from builders.io.layout import Array, Range
from builders.io.net import remote
from builders.io.scattered import fetching, missing
from builders.io.scattered.base import Scattered
from builders.io.scattered.grid import Grid
from builders.io.scattered.held import Held
from perc_transforms.core import buffers

MOST_BYTES = 2**36
"""Of one box: a file of few bytes can speak of any number of them."""

MOST_UNASKED = 2**30
"""Bytes of one box whatever its chunks have; more of them only from as many as a codec needs for them at least."""

Bounds = Sequence[Range]
Chunk = tuple[int, ...]
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

    def as_strict(self) -> "Chunked":
        """The same array where a chunk that is not there is an error, also for those who read references to it."""
        return replace(self, strict=True)

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
        try:
            pixels: Array = np.ndarray(shape, self.dtype, buffers.take(size))
        except (MemoryError, ValueError, OSError) as err:
            msg = f"{path}: not enough memory for an image of shape {shape}"
            raise ReadError(msg) from err
        _Reading(path, self, [bounds], [pixels], None, is_weighed=size > MOST_UNASKED).run()
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
    _Reading(path, image, bounds, outs, held).run()


class _Reading:
    """One call of `read_parts`."""

    def __init__(
        self,
        path: str,
        image: Chunked,
        bounds: Sequence[Bounds],
        outs: Sequence[Array],
        held: Held | None,
        is_weighed: bool = False,
    ) -> None:
        left_out = len(image.grid.shape) - len(image.shape)
        self._path, self._image, self._grid, self._held = path, image, image.grid, held
        self._outs = [out[(None,) * left_out] for out in outs]
        self._wishes = _wishes(image, bounds)
        self._is_weighed, self._size = is_weighed, sum(out.nbytes for out in outs)
        self._came: list[int] = []
        self._empty: list[Chunk] = []
        self._missing: list[Chunk] = []

    def run(self) -> None:
        """Read them all."""
        if self._held is None:
            self._read(list(self._wishes))
        else:
            self._read_with(self._held)
        came = sum(self._came)
        if self._is_weighed and self._size > codec_of(self._grid.codec, self._path).ratio * came:
            msg = f"{self._path}: {came} bytes of chunks cannot hold the {self._size} of the image: expected more"
            raise FormatError(msg)
        value = self._grid.value
        if value != 0 or not self._is_weighed:  # that much memory is fresh: zeros that take no room yet
            for chunk in self._empty:
                for number, into, _ in self._wishes[chunk]:
                    self._outs[number][into] = value
        if self._missing:
            missing.tell(self._path, self._missing, len(self._wishes), str(value))

    def _read_with(self, held: Held) -> None:
        """Read what is not held, and take what is, or what another thread reads by now."""
        mine, theirs = held.claim(self._wishes)
        try:
            self._read(mine)
        finally:
            held.give_up(mine)
        again = []
        for chunk, future in theirs:
            try:
                self._put(chunk, future.result())
            except CancelledError:
                again.append(chunk)
                continue
            held.used(chunk, len(self._wishes[chunk]))
        self._held = None  # whoever read them failed: that may be due to him
        self._read(again)

    def _read(self, chunks: list[Chunk]) -> None:
        """Fetch and decode chunks, and put them where they belong, many at once."""
        wanted, gone, left_out = fetching.requests_for(self._path, self._grid, chunks)
        for chunk in gone:
            self._is_missing(chunk, fetching.place_of(self._path, self._grid.file_of(chunk)))
        for chunk in (*gone, *left_out):
            self._has(chunk, None)
        if location.is_remote(self._path):
            with remote.Reads() as reads:  # after a failure, none is left that would write
                waiting = [reads.submit(self._fetch, request, pool="chunks") for request in wanted]
                done, _ = wait(waiting, return_when=FIRST_EXCEPTION)
                for future in waiting:
                    if future in done:
                        future.result()
        else:
            threads.shared(self._fetch, wanted)

    def _fetch(self, request: fetching.Request) -> None:
        for chunk, code in fetching.codes(request, self._grid):
            if code is None:
                self._is_missing(chunk, request.where)
                self._has(chunk, None)
            else:
                self._came.append(code.size)
                pixels = self._grid.decode(code, request.where)
                if self._held is not None and len(request.parts) > 1 and self._grid.codec == "raw":
                    pixels = pixels.copy()  # else one that is kept would keep all that came with it
                self._has(chunk, pixels)

    def _is_missing(self, chunk: Chunk, where: str) -> None:
        if self._image.strict:
            msg = f"{where}: not there: expected all chunks of the array, one of which is missing"
            raise NotFoundError(msg)
        self._missing.append(chunk)

    def _has(self, chunk: Chunk, pixels: Array | None) -> None:
        self._put(chunk, pixels)
        if self._held is not None:
            self._held.keep(chunk, pixels)
            self._held.used(chunk, len(self._wishes[chunk]))

    def _put(self, chunk: Chunk, pixels: Array | None) -> None:
        if pixels is None:
            self._empty.append(chunk)
            return
        for number, into, part in self._wishes[chunk]:
            self._outs[number][into] = pixels[part]


def _wishes(image: Chunked, bounds: Sequence[Bounds]) -> dict[Chunk, list[Wish]]:
    """What of each chunk goes where."""
    grid = image.grid
    found: dict[Chunk, list[Wish]] = {}
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
