"""A stack of images that is written image by image, and is there whole or not at all."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from builders.io.files.cache import disk_error
from builders.io.formats.mrc.header import HEADER_BYTES
from builders.io.formats.mrc.stack_header import Statistics, stack_header

_PIECE = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class WrittenStack:
    """A stack that is there whole.

    Attributes:
        name: its path in the folder, `/`-separated.
        images: how many it holds.
        digest: of their pixels, hexadecimal.
    """

    name: str
    images: int
    digest: str

    def is_in(self, folder: Path) -> bool:
        """Whether it is there, and its pixels are those that were written."""
        digest = xxhash.xxh3_128()
        try:
            with (folder / self.name).open("rb") as file:
                file.seek(HEADER_BYTES)
                while piece := file.read(_PIECE):
                    digest.update(piece)
        except OSError:
            return False
        return digest.hexdigest() == self.digest


class StackFile:
    """A stack on its way: `commit` puts it in its place, `discard` removes it.

    Args:
        folder: below which it is to be.
        name: its path there, `/`-separated.
        side: pixels of each side of every image.
        pixel_size: Å.

    Raises:
        DiskFullError: there is no room.
        PercError: the disk fails.
    """

    def __init__(self, folder: Path, name: str, side: int, pixel_size: float) -> None:
        self.name, self.images = name, 0
        self._side, self._pixel_size = side, pixel_size
        self._path = folder / name
        self._temporary = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}.tmp")
        self._digest, self._statistics = xxhash.xxh3_128(), Statistics()
        with self._disk():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._temporary.open("xb")
            self._file.write(bytes(HEADER_BYTES))

    def add(self, image: NDArray[np.float32]) -> None:
        """Add an image `(ny, nx)`.

        Raises:
            DiskFullError: there is no room.
            PercError: the disk fails.
        """
        pixels = np.ascontiguousarray(image, "<f4")
        self._digest.update(pixels.data)
        self._statistics.add(pixels)
        with self._disk():
            self._file.write(pixels.data)
        self.images += 1

    def commit(self) -> WrittenStack:
        """Put the file in its place.

        Raises:
            DiskFullError: there is no room.
            PercError: the disk fails.
        """
        sides = self._side, self._side
        with self._disk():
            self._file.seek(0)
            self._file.write(stack_header(sides, self.images, self._pixel_size, self._statistics))
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._temporary.replace(self._path)
        return WrittenStack(self.name, self.images, self._digest.hexdigest())

    def discard(self) -> None:
        """Remove what is there of it, unless it is in its place."""
        with contextlib.suppress(OSError, AttributeError):  # it may not have been opened
            self._file.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink()

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as err:
            self.discard()
            raise disk_error(err, self._path.parent, self._path.name) from err
