"""Electron events of a frame, as EER files have them: decoded to pixels, or added to those of other frames.

A frame is a stream of bits, the lowest of a byte first. A number of some bits tells how many pixels, in the order of
rows, have no event; behind it stands where in the next pixel the event was, in two small numbers. The largest number
that fits its bits stands for as many pixels without an event behind them. Format after Thermo Fisher's "EER file format
documentation 3.0" (2023), section 4, as imagecodecs reads it.

imagecodecs ends without a word where a stream does, however few pixels that are. So bits that lead beyond the frame,
which it refuses, are put behind each stream: a whole one ends before them. That finds all but one of some hundred
streams that were cut: what is left of a frame may just be a multiple of the longest run.
"""

import contextlib
import functools
import math
import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.codecs.codec import Bytes, Codec, Content, Part
from builders.io.codecs.extra import imagecodecs
from builders.io.layout import Array

MOST_MAGNIFIED = 4
_SPELLING = re.compile(r"([0-9]{1,2})\.([0-9])\.([0-9])\.([124])")
_NAME = "eer:"
_SURE = 30.0
"""Events that should be in the rest of a frame by those before it, for a stream that ends before it to be damaged: none
of so many are there by chance once in 10^13 frames."""


@dataclass(frozen=True, slots=True)
class Coding:
    """How the events of a file are coded, and how they are rendered.

    Attributes:
        skip: bits of a number of pixels without an event.
        horizontal: bits of where in its pixel an event is along x.
        vertical: the same along y.
        times: pixels that are made of one, along each axis.
    """

    skip: int
    horizontal: int
    vertical: int
    times: int = 1

    def __str__(self) -> str:
        return f"{self.skip}+{self.horizontal}+{self.vertical} bits"

    @property
    def spelling(self) -> str:
        """As references have it, such as `"eer:7.2.2.1"`."""
        return f"{_NAME}{self.skip}.{self.horizontal}.{self.vertical}.{self.times}"

    @staticmethod
    def of(spelling: str) -> "Coding | None":
        """The coding that is spelled so; None where it is another one."""
        found = _SPELLING.fullmatch(spelling.removeprefix(_NAME)) if spelling.startswith(_NAME) else None
        return None if found is None else Coding(*map(int, found.groups()))

    def least(self, pixels: int) -> int:
        """Bytes that a frame of so many pixels of the camera takes at the least: those of one without an event."""
        return pixels // ((1 << self.skip) - 1) * self.skip // 8

    def checked(self, name: str) -> "Coding":
        """Itself, if there can be such a coding.

        Raises:
            FormatError: there cannot.
        """
        total = self.skip + self.horizontal + self.vertical
        if not (4 <= self.skip < 15 and 1 <= self.horizontal < 5 and 1 <= self.vertical < 5 and 8 < total < 17):
            msg = f"{name}: events of {self}: expected 4 to 14 bits and twice 1 to 4, 9 to 16 in all"
            raise FormatError(msg)
        return self

    def magnified(self, times: int, name: str) -> "Coding":
        """The same, rendered on a grid so many times as fine.

        Raises:
            FormatError: places of events are not told so finely.
        """
        finest = 2 ** min(self.horizontal, self.vertical)
        if times not in (1, 2, MOST_MAGNIFIED) or times > finest:
            msg = f"{name}: events of {self}, {times} times as fine: expected 1, 2 or 4, and at most {finest}"
            raise FormatError(msg)
        return replace(self, times=times)


def codec(argument: str) -> Codec:
    """The codec of what stands behind `"eer:"`.

    Raises:
        ValueError: it is no coding.
    """
    coding = Coding.of(_NAME + argument)
    if coding is None:
        msg = "expected numbers of bits, and 1, 2 or 4, such as '7.2.2.1'"
        raise ValueError(msg)
    coding.checked("EER").magnified(coding.times, "EER")
    ratio = 8 * (2**coding.skip - 1) / coding.skip * coding.times**2
    decode, add = functools.partial(decoded, coding), functools.partial(added, coding)
    return Codec(decode, math.ceil(ratio), add=add, largest=1)


def decoded(coding: Coding, code: Bytes, part: Part) -> Content:
    """The pixels of a frame, or of a strip of its rows: 1 where an event was, else 0."""
    pixels = np.zeros(part.cut, np.uint8)
    added(coding, code, Part(part.cut, part.cut, part.encoding), pixels)
    return pixels


def added(coding: Coding, code: Bytes, part: Part, total: Array) -> None:
    """Add the events of a frame to an array of its shape, uint8 or uint16, in C order.

    Raises:
        ValueError: the stream ends before the frame does, or leads beyond it.
    """
    _check(coding, code, part)
    beyond = _beyond(coding.skip, math.prod(part.shape) // coding.times**2)
    stream = np.concatenate([code, np.zeros(code.size % 2, np.uint8), beyond])
    package = imagecodecs("EER")
    try:
        _add(coding, stream, total)
    except package.EerError:
        spoilt = np.zeros(part.shape, np.uint8)
        with contextlib.suppress(package.EerError):
            _add(coding, stream, spoilt)  # the same as was added before
        np.subtract(total, spoilt, out=total, casting="unsafe")
        np.add(total, _unfinished(coding, code, part), out=total, casting="unsafe")


def _add(coding: Coding, stream: Bytes, total: Array) -> None:
    bits = coding.skip, coding.horizontal, coding.vertical
    finer = coding.times.bit_length() - 1
    imagecodecs("EER").eer_decode(stream, total.shape, *bits, superres=finer, out=total)


def _unfinished(coding: Coding, code: Bytes, part: Part) -> NDArray[np.uint8]:
    """A frame whose stream does not lead just to its end: whole all the same, if no event can be missing.

    Thermo Fisher's own reader warns of such streams and goes on.

    Raises:
        ValueError: some are missing.
    """
    frame = np.zeros(part.shape, np.uint8)
    stream = code if code.size % 2 == 0 else np.append(code, np.uint8(0))
    with contextlib.suppress(imagecodecs("EER").EerError):  # what leads beyond the frame: events before that are there
        _add(coding, stream, frame)
    events = frame.sum(axis=1, dtype=np.int64)
    rows = int(np.flatnonzero(events).max(initial=-1)) + 1
    if not rows or events.sum() / rows * (len(frame) - rows) > _SURE:
        msg = f"its events end after {rows} of {len(frame)} rows"
        raise ValueError(msg)
    return frame


def _check(coding: Coding, code: Bytes, part: Part) -> None:
    ny, nx = part.shape
    if ny % coding.times or nx % coding.times:
        msg = f"a frame of {ny} x {nx} pixels, {coding.times} times as fine as the camera's"
        raise ValueError(msg)
    least = max(2, coding.least(ny * nx // coding.times**2))
    if code.size < least:
        msg = f"{code.size} bytes, where {least} are those of a frame without an event"
        raise ValueError(msg)


@functools.lru_cache(8)
def _beyond(skip: int, pixels: int) -> Bytes:
    """Bits that lead beyond a frame from wherever its stream ends: ones, as many as it takes.

    At first some zeros: a stream that ends with the last pixel ends there.
    """
    count = Coding(skip, 1, 1).least(pixels) + 8
    bits = np.full(4 + count + count % 2, 0xFF, np.uint8)
    bits[:4] = 0
    bits.flags.writeable = False
    return bits
