"""What a codec is, and what it is told of the part that it decodes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.io.layout import Array, encoded_size

Bytes = NDArray[np.uint8]
Content = bytes | bytearray | NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Part:
    """What a part of an image should hold.

    Attributes:
        shape: of a whole part, `(ny, nx)` or another number of axes.
        cut: as much of it as lies in the image: less than all at the far edges.
        encoding: of its pixels, as in `builders.io.layout`.
    """

    shape: tuple[int, ...]
    cut: tuple[int, ...]
    encoding: str

    @property
    def size(self) -> int:
        """Bytes of a whole one: no codec gives more."""
        return encoded_size(self.encoding, self.shape)

    @property
    def row(self) -> int:
        """Bytes of a row of pixels."""
        return encoded_size(self.encoding, (1, self.shape[-1]))

    @property
    def least(self) -> int:
        """Bytes up to the last one that is needed: rows below the image may be left out."""
        return encoded_size(self.encoding, self.cut if self.cut[1:] == self.shape[1:] else self.shape)


@dataclass(frozen=True, slots=True)
class Codec:
    """What decodes the parts of images.

    Attributes:
        decode: bytes of a part, and what it should hold -> the bytes that it holds. Damage is any exception, best a
            `ValueError` that says what.
        ratio: how many bytes one byte can stand for at the most.
        is_heavy: it takes so long that cores share the parts of an image.
        add: adds what a part holds to an array of its shape, uint8 or uint16, in C order, where that is less work than
            to decode it; it may leave anything in the array where it raises.
        largest: the largest number that a pixel can be, where that is less than its type holds.
    """

    decode: Callable[[Bytes, Part], Content]
    ratio: float
    is_heavy: bool = True
    add: Callable[[Bytes, Part, Array], None] | None = None
    largest: int | None = None


def bytes_of(content: Content) -> Bytes:
    """What a codec gave, as bytes, without a copy where that can be."""
    if isinstance(content, np.ndarray):
        return np.ascontiguousarray(content).reshape(-1).view(np.uint8)
    return np.frombuffer(content, np.uint8)
