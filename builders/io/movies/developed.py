"""Frames of a movie as the image that a row has of them: summed, gain-corrected, shifted into register.

A reference spells it as that of the frames with what is done to them behind a `#`, as JSON: `"|u1#{}"` is one sum of
all frames, `"|u1#{"each":8}"` sums of eight each.
"""

import itertools
import json
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.files.steps import Stretches
from builders.io.flipped import unflipped
from builders.io.layout import Array, Fetch, Layout, Range
from builders.io.movies.gain import Gain
from builders.io.movies.summing import Shifts, Sums, kind_of

MOST_FRAMES = 2**20
"""Of one image: a reference can speak of any number, and each takes time though it may have no bytes."""
_MOST_SHIFT = 2.0**30
_BAND = 512 * 1024
"""Bytes of plain pixels that are read in one go."""
_DIGITS = 6
"""Of a shift, behind the point: a millionth of a pixel."""


def developed(
    frames: Layout,
    start: int = 0,
    stop: int | None = None,
    *,
    group: int | None = None,
    summed: bool = False,
    gain: Gain | None = None,
    shifts: Sequence[Sequence[float]] | NDArray[Any] | None = None,
    name: str = "movie",
) -> Layout:
    """The layout of what is made of some frames of a movie.

    The gain multiplies each frame before it is shifted; a shift moves a frame's content by a fraction of pixels in
    Fourier space, what leaves on one side enters on the other.

    Args:
        frames: the movie, `(count, ny, nx)`, or one frame `(ny, nx)`.
        start: the first frame, from 0.
        stop: the one after the last; None: all that follow.
        group: frames that are summed at a time; the last ones, if they are fewer, are dropped, as RELION does.
        summed: all frames are summed to one image.
        gain: what each frame is multiplied by.
        shifts: `(frames, 2)`, pixels along y and x by which each of the frames from `start` to `stop` is moved.
        name: of the file, for errors.

    Returns:
        A layout of one sum, `(ny, nx)`; of sums of groups, `(groups, ny, nx)`; or of the frames, `(frames, ny, nx)`,
        in their own type unless something is done to them. Sums of 8-bit and of EER frames are uint16 where that holds
        any of them, those of whole numbers of 32 bits and more and of float64 float64, others float32 (of whole numbers
        exact up to 2^24), as is all that a gain or shifts change.

    Raises:
        FormatError: there are no such frames, fewer than make a group, or pixels that nobody can sum.

    Example:
        >>> movie = Layout((40, 4092, 5760), "|u1", 1024)
        >>> developed(movie, group=8).shape, developed(movie, 3, 7).offset
        ((5, 4092, 5760), 70710784)
    """
    total = frames.shape[0] if len(frames.shape) > 2 else 1
    stop = total if stop is None else stop
    if len(frames.shape) not in (2, 3) or not 0 <= start < stop <= total:
        msg = f"{name}: frames {start} to {stop} of shape {frames.shape}: expected some of 0 to {total}"
        raise FormatError(msg)
    some = frames if (start, stop) == (0, total) else frames.between(start, stop, name)
    is_alone = group is None or (group == 1 and len(frames.shape) > 2)
    if is_alone and not summed and gain is None and shifts is None:
        return some
    each = None if summed else (group or 1)
    moved = None if shifts is None else as_shifts(shifts, name)
    return Developed.of(some, each, gain, moved, name)


@dataclass(frozen=True, slots=True)
class Developed(Layout):
    """What is made of frames of a movie; `developed` makes it.

    Attributes:
        shape: `(ny, nx)` of one sum, or `(groups, ny, nx)`.
        encoding: NumPy's name of the type of what is made.
        offset: that of the frames.
        axes: None.
        frames: those that are used, and no others.
        each: how many of them make an image; None: all, which is then of two axes.
        gain: what each is multiplied by.
        shifts: of each, pixels along y and x.
        name: of the file, for errors.
    """

    frames: Layout = field(default_factory=lambda: Layout((1, 1), "|u1", 0))
    each: int | None = None
    gain: Gain | None = None
    shifts: Shifts | None = None
    name: str = field(default="", compare=False)

    @classmethod
    def of(cls, frames: Layout, each: int | None, gain: Gain | None, shifts: Shifts | None, name: str) -> "Developed":
        """What is made of frames, without those that fill no group.

        Raises:
            FormatError: they are too few, or of no kind that is summed; see `developed`.
        """
        total = frames.shape[0] if len(frames.shape) > 2 else 1
        if len(frames.shape) not in (2, 3) or min(frames.shape) < 1 or total > MOST_FRAMES:
            msg = f"{name}: frames of shape {frames.shape}: expected (frames, ny, nx), at most {MOST_FRAMES} frames"
            raise FormatError(msg)
        if each is not None and not 1 <= each <= total:
            msg = f"{name}: groups of {each} frames of {total}: expected 1 to {total} frames in a group"
            raise FormatError(msg)
        if shifts is not None and len(shifts) != total:
            msg = f"{name}: shifts of {len(shifts)} frames for {total} of the movie: expected one for each frame"
            raise FormatError(msg)
        kind = kind_of(frames, each or total, gain is not None or shifts is not None, name)
        shape = frames.shape[-2:]
        if each is not None:
            count = total // each
            if count * each < total:
                frames, shifts = frames.between(0, count * each, name), shifts and shifts[: count * each]
            shape = (count, *shape)
        return cls(shape, kind.str, frames.offset, None, frames, each, gain, shifts, name)

    @property
    def count(self) -> int:
        """How many frames are used."""
        return self.frames.shape[0] if len(self.frames.shape) > 2 else 1

    @property
    def nbytes(self) -> int:
        """Bytes that have to be read."""
        return sum(stop - start for start, stop in self.ranges)

    @property
    def end(self) -> int:
        """The byte after the last one that is needed."""
        return self.frames.end

    @property
    def ranges(self) -> tuple[Range, ...]:
        """The stretches of the file that hold the frames."""
        return self.frames.ranges

    @property
    def is_plain(self) -> bool:
        """False."""
        return False

    @property
    def comes_in_steps(self) -> bool:
        """True: frame by frame."""
        return True

    @property
    def slices_lie_apart(self) -> bool:
        """Whether the frames do."""
        return self.frames.slices_lie_apart

    @property
    def told(self) -> dict[str, Any]:
        """What is done to the frames, as a reference has it."""
        gain, shifts = self.gain and asdict(self.gain), self.shifts and [list(shift) for shift in self.shifts]
        said = {"each": self.each, "gain": gain, "shifts": shifts}
        return {name: value for name, value in said.items() if value is not None}

    @property
    def spelling(self) -> str:
        """What stands behind that of the frames."""
        return f"#{json.dumps(self.told, separators=(',', ':'))}"

    def slice(self, index: int, name: str) -> Layout:
        """The layout of one group's sum.

        Raises:
            FormatError: there is no such group.
        """
        self.count_for(index, name)
        if self.each is None:
            return self
        return self._groups(index, index + 1, name, None)

    def between(self, start: int, stop: int, name: str) -> Layout:
        """The layout of some groups' sums, one after another.

        Raises:
            FormatError: there are no such groups.
        """
        self.checked_between(start, stop, name)
        return self if self.each is None else self._groups(start, stop, name, self.each)

    def _groups(self, start: int, stop: int, name: str, each: int | None) -> "Developed":
        size = self.each or 1
        first, last = start * size, stop * size
        frames = self.frames if len(self.frames.shape) < 3 else self.frames.between(first, last, name)
        return Developed.of(frames, each, self.gain, self.shifts and self.shifts[first:last], self.name)

    def count_before(self, size: int) -> int:
        """How many groups lie whole in the first bytes of a file."""
        return min(self.frames.count_before(size) // (self.each or self.count), self.shape[0])

    def first(self, count: int) -> Layout:
        """The layout of the first groups' sums."""
        return self.between(0, count, self.name)

    def squeezed(self) -> Layout:
        """The same image without a leading axis of length one."""
        return self.slice(0, self.name) if len(self.shape) > 2 and self.shape[0] == 1 else self

    def ranges_of(self, bounds: Sequence[Range]) -> tuple[Range, ...]:
        """All, whatever the box: of frames that are shifted, any pixel needs all of them."""
        return self.ranges

    def decode_box(self, raw: NDArray[np.uint8], bounds: Sequence[Range]) -> Array:
        """A box, out of all frames."""
        return self.decode(raw)[tuple(slice(*side) for side in bounds)]

    def decode(self, raw: NDArray[np.uint8]) -> Array:
        """What is made of the frames, out of the bytes of all at once."""
        held = Stretches(self.ranges)
        return self.develop(lambda steps: (held.cut(raw, ranges) for ranges in steps))

    def develop(self, fetch: Fetch) -> Array:
        """What is made of the frames, of which no more than one or two are here at a time, besides the sum."""
        each, (ny, nx) = self.each or self.count, self.shape[-2:]
        sums = Sums((self.count // each, ny, nx), self.dtype, each, self.gain, self.shifts, self.name)
        frames = self._frames(fetch)
        try:
            for frame, rows, raw in frames:
                sums.add(frame, rows, raw)
        finally:
            frames.close()
        pixels = sums.finished()
        return pixels[0] if self.each is None else pixels

    def _frames(self, fetch: Fetch) -> Generator[tuple[Layout, Range, NDArray[np.uint8]], None, None]:
        """Each frame, or some rows of it after others, with their bytes."""
        ny, count = self.shape[-2], self.count
        first = self.frames.slice(0, self.name)
        if count > 1 and first.ranges == self.ranges:  # they do not lie apart: each would be read as all
            for pixels in self.frames.decode(next(fetch([self.ranges]))):
                raw = np.ascontiguousarray(pixels).reshape(-1).view(np.uint8)
                yield Layout(pixels.shape, pixels.dtype.str, 0), (0, ny), raw
            return
        parts, wanted = itertools.tee(self._parts(_band(first) if self.shifts is None else ny))
        came = fetch(part.ranges for part, _ in wanted)
        try:
            for (part, rows), raw in zip(parts, came, strict=True):
                yield part, rows, raw
        finally:
            if isinstance(came, Generator):
                came.close()

    def _parts(self, step: int) -> Iterator[tuple[Layout, Range]]:
        """Frames one after another, by so many rows: never a list, since a reference can speak of any number."""
        ny, nx = self.shape[-2:]
        for number in range(self.count):
            frame = self.frames.slice(number, self.name)
            if step >= ny:
                yield frame, (0, ny)
                continue
            for first in range(0, ny, step):
                rows = first, min(first + step, ny)
                yield frame.box([rows, (0, nx)]), rows


def _band(frame: Layout) -> int:
    """Rows that are read together: of plain pixels few enough that they are still in the cache when they are added."""
    is_plain = type(unflipped(frame)) is Layout and frame.axes is None
    return max(1, _BAND * frame.shape[0] // max(1, frame.nbytes)) if is_plain else frame.shape[0]


def as_shifts(shifts: Any, name: str) -> Shifts:
    """Shifts of frames as numbers that a reference spells exactly.

    Raises:
        FormatError: they are no finite numbers, two of each frame.

    Example:
        >>> as_shifts([(0, 1.5)], "x.tif")
        ((0.0, 1.5),)
    """
    try:
        moved = np.asarray(shifts, np.float64)
    except (ValueError, TypeError, OverflowError) as err:
        msg = f"{name}: shifts {shifts!r:.100}: expected pixels along y and x of each frame"
        raise FormatError(msg) from err
    if moved.ndim != 2 or moved.shape[1] != 2 or not (np.abs(moved) < _MOST_SHIFT).all():
        msg = f"{name}: shifts of shape {moved.shape}: expected (frames, 2) finite numbers, pixels along y and x"
        raise FormatError(msg)
    return tuple((float(y), float(x)) for y, x in moved.round(_DIGITS) + 0.0)
