"""Whether bytes of a file look like its pixels: evidence, where sizes leave more than one reading of a header."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.io.layout import PACKED
from builders.io.mrc import HEADER_BYTES, MrcHeader

Peek = Callable[[int, int], bytes]
"""Bytes of the (decompressed) file, from and to."""

_SAMPLE = 16 * 1024
"""Bytes that are looked at in one place."""
_SHARE, _FAR = 0.05, 8.0
"""A stretch of pixels varies at least that share of those beside it, and its mean is no more of their deviations away:
what is none differs by powers of ten..."""
_SHARE_OF_BYTES, _FAR_OF_BYTES = 0.5, 1.0
"""... but for bytes, which cannot."""
_SENSIBLE = 1e30
_MANY = 64 * 1024
"""Bytes that are looked at to tell the width of numbers..."""
_FEW = 256
"""... of which that many must be there at the least..."""
_APART, _TOGETHER = 0.1, 0.02
"""... and by how much distributions (Kolmogorov and Smirnov's distance) differ that are not the same, or are."""
_PRINTABLE = frozenset(range(32, 127)) | set(b"\t\r\n")


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes of a file, looked at to tell pixels from what is none. Each answer is None where it cannot be had."""

    header: MrcHeader
    size: int | None
    peek: Peek | None

    def is_like_pixels_before(self, stop: int, start: int = 0) -> bool | None:
        """Whether the bytes before the first pixel are like those after it; `start`: where they begin at the least."""
        start = max(start, HEADER_BYTES, stop - _SAMPLE)
        return self._alike((start, stop), (stop, stop + _SAMPLE), from_end=True)

    def is_like_pixels_at_start(self, count: int) -> bool | None:
        """Whether the first bytes after the header, `count` of them, are like those that follow."""
        first, stop = self.header.data_offset, self.header.layout.end
        held = first + min(count, stop - first, _SAMPLE)
        return self._alike((first, held), (first + count, min(stop, first + count + _SAMPLE)))

    def starts_with_no_pixels(self, count: int) -> bool:
        """Whether the first bytes after the header, `count` of them, are surely none: text, or no sensible floats."""
        first = self.header.data_offset
        raw = b"" if self.peek is None else self.peek(first, first + min(count, _SAMPLE))
        if _is_text(raw) or self.header.layout.dtype.kind not in "fc" or "i2" in self.header.encoding:
            return _is_text(raw)
        sizes = np.abs(_values(raw, self.header.encoding))
        return not bool((sizes < _SENSIBLE).all() and (sizes[sizes > 0] > 1 / _SENSIBLE).all())

    def varies(self, start: int, stop: int) -> bool:
        """Whether bytes are not all the same."""
        return self.peek is not None and len(set(self.peek(start, min(stop, start + _SAMPLE)))) > 1

    def is_of_wider_numbers(self, bits: int, wider: int) -> bool | None:
        """Whether the last half of the pixels are numbers of `wider` bits rather than of `bits`.

        The parts of a wide number are not distributed alike, as neighbouring pixels are.
        """
        assert self.size is not None
        if self.peek is None or self.size <= self.header.data_offset:
            return None
        held = min(self.size - self.header.data_offset, self.header.layout.nbytes)
        middle, reach = (held - min(held, _MANY)) // 2, min(held, _MANY)
        unit = max(1, wider // 8)
        start = self.header.data_offset + (self.size - held + middle - self.header.data_offset) // unit * unit
        raw = np.frombuffer(self.peek(start, start + reach // unit * unit), np.uint8)
        if bits < 8:
            raw = np.stack([raw & 15, raw >> 4], 1).ravel()
        dtype = np.dtype(f"{self.header.byte_order}u{max(1, bits // 8)}")
        times = wider // bits
        parts = raw[: raw.size // (dtype.itemsize * times) * dtype.itemsize * times].view(dtype).reshape(-1, times)
        if len(parts) < _FEW or (raw == raw[0]).all():
            return None
        distance = max(_distance(parts[:, 0], parts[:, part]) for part in range(1, times))
        by_chance = 1.36 * np.sqrt(2 / len(parts))
        return True if distance > by_chance + _APART else False if distance < by_chance + _TOGETHER else None

    def is_like_pixels_at_end(self, count: int) -> bool | None:
        """Whether the last bytes of the file, `count` of them, are like those before."""
        first, stop = self.header.data_offset, self.header.layout.end
        assert self.size is not None
        held = min(count, stop - first, _SAMPLE)
        return self._alike((self.size - held, self.size), (max(first + count, stop - _SAMPLE), stop))

    def _alike(self, stretch: tuple[int, int], beside: tuple[int, int], from_end: bool = False) -> bool | None:
        if self.peek is None:
            return None
        raw = self.peek(*stretch)
        other = self.peek(*beside) if beside[1] > beside[0] else b""
        if not raw or len(set(raw)) == 1 != len(set(other)):
            return False
        if _is_text(raw) and not _is_text(other):
            return False
        encoding = self.header.encoding
        strict = encoding in ("|i1", "|u1", PACKED)
        limits = (_SHARE_OF_BYTES, _FAR_OF_BYTES) if strict else (_SHARE, _FAR)
        return _are_alike(_values(raw, encoding, from_end), _values(other, encoding), *limits)


def _is_text(data: bytes) -> bool:
    return bool(data) and _PRINTABLE.issuperset(data)


def _values(data: bytes, encoding: str, from_end: bool = False) -> NDArray[np.float64]:
    """Bytes as numbers of the encoding's kind; what is no whole one is left out at one end."""
    dtype = np.dtype(np.uint8 if encoding == PACKED else encoding.replace("ci2", "i2").replace("c8", "f4"))
    odd = len(data) % dtype.itemsize
    whole = data[odd:] if from_end else data[: len(data) - odd]
    with np.errstate(invalid="ignore"):
        return np.frombuffer(whole, dtype).astype(np.float64)


def _are_alike(some: NDArray[np.float64], others: NDArray[np.float64], share: float, far: float) -> bool:
    """Whether numbers could be pixels of the image that has the others."""
    if not some.size or not np.isfinite(some).all():
        return False
    others = others[np.isfinite(others)]
    if not others.size:
        return bool(np.ptp(some) > 0 and np.abs(some).max() < np.finfo(np.float32).max / 2)
    with np.errstate(over="ignore", invalid="ignore"):
        spread, usual = float(some.std()), float(others.std())
        distance = abs(float(some.mean()) - float(others.mean()))
    if usual == 0:
        return spread == 0 and distance == 0
    return bool(distance <= far * usual and share * usual <= spread <= usual / share)


def _distance(some: NDArray[np.unsignedinteger], others: NDArray[np.unsignedinteger]) -> float:
    """Kolmogorov and Smirnov's distance of two samples of one size: 0 of the same distribution, 1 of numbers apart."""
    some, others = np.sort(some), np.sort(others)
    values = np.concatenate([some, others])
    counts = np.searchsorted(some, values, "right") - np.searchsorted(others, values, "right")
    return float(np.abs(counts).max() / some.size)
