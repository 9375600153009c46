"""Whether bytes of a file look like its pixels: evidence, where sizes leave more than one reading of a header."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.io.formats.mrc.header import HEADER_BYTES, MrcHeader
from builders.io.layout import PACKED

Peek = Callable[[int, int], bytes]
"""Bytes of the (decompressed) file, from and to."""

SAMPLE = 16 * 1024
"""Bytes that are looked at in one place."""
_SHARE, _FAR = 0.05, 8.0
"""A stretch of pixels varies at least that share of those beside it, and its mean is no more of their deviations away:
what is none differs by powers of ten..."""
_SHARE_OF_BYTES, _FAR_OF_BYTES = 0.5, 1.0
"""... but for bytes, which cannot."""
_SENSIBLE = 1e30
_TINY = float(np.finfo(np.float32).tiny)
_BYTES = ("|i1", "|u1", PACKED)
_LINE, _GLIMPSE, _GLANCE = 80, 256, 4096
"""Bytes that are looked at to see whether a file is to be doubted: of text, of what is doubted, and beside it..."""
_SHARE_BESIDE, _FAR_BESIDE = 0.2, 4.0
"""... and how much alike they are, as those above."""
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
        start = max(start, HEADER_BYTES, stop - SAMPLE)
        if self.peek is not None and 0 < len(held := set(self.peek(start, stop))) == 1:
            after = self.peek(stop, stop + SAMPLE)
            if len(set(after)) > 1 and set(after[:_LINE]) == held:
                return None  # a frame of zeros, or what fills up an extended header
        return self._alike((start, stop), (stop, stop + SAMPLE), from_end=True)

    def is_like_pixels_at_start(self, count: int) -> bool | None:
        """Whether the first bytes after the header, `count` of them, are like those that follow."""
        first, stop = self.header.data_offset, self.header.layout.end
        held = first + min(count, stop - first, SAMPLE)
        return self._alike((first, held), (first + count, min(stop, first + count + SAMPLE)))

    def starts_with_no_pixels(self, count: int) -> bool:
        """Whether the first bytes after the header, `count` of them, are surely none: text, or no sensible floats."""
        first = self.header.data_offset
        raw = b"" if self.peek is None else self.peek(first, first + min(count, SAMPLE))
        if _is_text(raw) or self.header.layout.dtype.kind not in "fc" or "i2" in self.header.encoding:
            return _is_text(raw)
        sizes = np.abs(_values(raw, self.header.encoding))
        return not bool((sizes < _SENSIBLE).all() and (sizes[sizes > 0] > 1 / _SENSIBLE).all())

    def varies(self, start: int, stop: int) -> bool:
        """Whether bytes are not all the same."""
        return self.peek is not None and len(set(self.peek(start, min(stop, start + SAMPLE)))) > 1

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

    def ends_with_pixels(self, stop: int) -> bool:
        """Whether the last few bytes of what is said to be an extended header look like the pixels after it."""
        start = max(HEADER_BYTES, stop - _GLIMPSE)
        limits = _SHARE_BESIDE, _FAR_BESIDE
        is_alike = self._alike((start, stop), self._beside(stop), from_end=True, limits=limits)
        return is_alike is True and self._varies_as_numbers(start, stop)

    def begins_with_no_pixels(self, start: int) -> bool:
        """Whether the first few bytes after the header are rather those of an extended header that it does not tell."""
        if self.peek is None:
            return False
        stop = start + _GLIMPSE
        first, other = self.peek(start, start + _LINE), self.peek(*self._beside(stop))
        other = other[len(other) // 2 // 8 * 8 :]  # an extended header may go on for a while
        values, others = _values(self.peek(start, stop), self.header.encoding), _values(other, self.header.encoding)
        if self.header.encoding in _BYTES:
            if len(set(first)) == 1 or not _is_text(first) or not others.size:
                return False
            printable = sum(map(_PRINTABLE.__contains__, other))
            return printable < 0.9 * len(other) or abs(values.mean() - others.mean()) > _FAR_OF_BYTES * others.std()
        return (_is_text(first) and not _is_text(other)) or _are_beyond(values, others)

    def _beside(self, start: int) -> tuple[int, int]:
        return start, max(start, min(start + _GLANCE, self.header.layout.end))

    def _varies_as_numbers(self, start: int, stop: int) -> bool:
        raw = b"" if self.peek is None else self.peek(start, stop)
        values = _values(raw, self.header.encoding, from_end=True)
        return values.size > 1 and bool((values != values[0]).any())

    def is_like_pixels_at_end(self, count: int) -> bool | None:
        """Whether the last bytes of the file, `count` of them, are like those before."""
        first, stop = self.header.data_offset, self.header.layout.end
        assert self.size is not None
        held = min(count, stop - first, SAMPLE)
        return self._alike((self.size - held, self.size), (max(first + count, stop - SAMPLE), stop))

    def _alike(
        self,
        stretch: tuple[int, int],
        beside: tuple[int, int],
        from_end: bool = False,
        limits: tuple[float, float] = (_SHARE, _FAR),
    ) -> bool | None:
        if self.peek is None:
            return None
        raw = self.peek(*stretch)
        other = self.peek(*beside) if beside[1] > beside[0] else b""
        if not raw or len(set(raw)) == 1 != len(set(other)):
            return False
        if _is_text(raw) and not _is_text(other):
            return False
        encoding = self.header.encoding
        if encoding in _BYTES:
            limits = _SHARE_OF_BYTES, _FAR_OF_BYTES
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


def _are_beyond(some: NDArray[np.float64], others: NDArray[np.float64]) -> bool:
    """Whether numbers are too large, or too odd, for pixels of the image that has the others; it may fade."""
    if some.size < 2 or others.size < 2 or (some == some[0]).all() or (others == others[0]).all():
        return False
    sizes = np.abs(some)
    if not (sizes < _SENSIBLE).all() or np.count_nonzero((sizes > 0) & (sizes < _TINY)) > some.size / 4:
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        spread, usual, distance = some.std(), others.std(), abs(some.mean() - others.mean())
    return bool(spread > usual / _SHARE or distance > _FAR * usual)


def _distance(some: NDArray[np.unsignedinteger], others: NDArray[np.unsignedinteger]) -> float:
    """Kolmogorov and Smirnov's distance of two samples of one size: 0 of the same distribution, 1 of numbers apart."""
    some, others = np.sort(some), np.sort(others)
    values = np.concatenate([some, others])
    counts = np.searchsorted(some, values, "right") - np.searchsorted(others, values, "right")
    return float(np.abs(counts).max() / some.size)
