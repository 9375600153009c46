"""What builders of movies are asked: which frames make a row, and what is done to them; checked once for all."""

import numbers
import os
from dataclasses import dataclass
from typing import Any

from builders.errors import OptionError
from builders.io.movies.gain import Gain
from builders.options import READ_WITH, check_flag, check_integer, check_named, check_positive
from builders.stacks.movies.development import Development

SUPERRES = (1, 2, 4)
_ROTATIONS, _FLIPS = (0, 1, 2, 3), (0, 1, 2)
_OF_MOVIES = ("frames", "sum_frames", "frame_group", "group_dose", "frame_dose", "gain", "align")
"""Options that mean nothing where a file is no movie but a stack of images."""


@dataclass
class MovieOptions:
    """Options of builders whose files may be movies.

    Attributes:
        frames: which raw frames of a movie are read, from 0: `(start, stop)` or a `slice` without a step; negative ends
            count from the last one, None is open. Default: all.
        sum_frames: a movie is the sum of its frames, `(ny, nx)`.
        frame_group: so many neighbouring frames are summed to one; those that are left over at the end are dropped.
        group_dose: as `frame_group`, but as many frames as come closest to this dose, in e/Å².
        frame_dose: dose of a raw frame, in e/Å², where files do not say it.
        superres: how many times finer than the camera's pixels EER movies are rendered: 1, 2 or 4.
        gain: the gain reference that frames are corrected with: a path inside the entry or below the folder, another
            one of this machine, a URL, or `"auto"`, the one that is there and fits.
        gain_rotation: quarter turns of the gain reference, 0 to 3, as RELION counts them.
        gain_flip: after that, 1 flips it upside down, 2 left to right.
        flip_y: TIFF images come upside down as compared to their files, as in all programs of the field; False: in
            their files' order.
        align: shifts of frames, which are undone: the path of a table for all movies, or a pattern or `"auto"` for
            tables beside each movie (RELION's STAR or IMOD's `.xf`).
    """

    frames: Any = None
    sum_frames: bool = False
    frame_group: int | None = None
    group_dose: float | None = None
    frame_dose: float | None = None
    superres: int = 1
    gain: str | None = None
    gain_rotation: int = 0
    gain_flip: int = 0
    flip_y: bool = True
    align: str | None = None

    def check_movies(self, item: str) -> None:
        """Check the options, each by itself and all together; `frames` becomes a pair.

        Args:
            item: what a row is to be.

        Raises:
            OptionError: says what was expected.
        """
        self.frames = checked_frames(self.frames)
        check_flag("sum_frames", self.sum_frames)
        check_flag("flip_y", self.flip_y)
        if self.frame_group is not None:
            check_integer("frame_group", self.frame_group, least=1)
        for name in ("group_dose", "frame_dose"):
            setattr(self, name, check_positive(name, getattr(self, name), "e/Å²"))
        for name, allowed in (("superres", SUPERRES), ("gain_rotation", _ROTATIONS), ("gain_flip", _FLIPS)):
            _check_number(name, getattr(self, name), allowed)
        for name in ("gain", "align"):
            setattr(self, name, _checked_path(name, getattr(self, name)))
        self._check_together(item)

    def _check_together(self, item: str) -> None:
        """Refuse options that contradict each other, and those that would do nothing.

        Raises:
            OptionError: names both.
        """
        if item == "slice":
            given = next((name for name in _OF_MOVIES if getattr(self, name) not in (None, False)), None)
            if given is not None:
                msg = f"{given}={getattr(self, given)!r} does nothing for item='slice': it is for 'file' and 'frame'"
                raise OptionError(msg)
        grouped = "frame_group" if self.frame_group is not None else "group_dose"
        if self.sum_frames and item == "frame":
            msg = "sum_frames=True sums all frames of a movie, item='frame' gives a row for each: drop one of them "
            msg += "(frame_group=N sums N of them to a row)"
            raise OptionError(msg)
        if self.sum_frames and getattr(self, grouped) is not None:
            msg = f"sum_frames=True sums all frames, {grouped}={getattr(self, grouped)!r} some of them: drop one"
            raise OptionError(msg)
        if self.frame_group is not None and self.group_dose is not None:
            msg = f"frame_group={self.frame_group} and group_dose={self.group_dose} both say how many frames are "
            msg += "summed: drop one of them"
            raise OptionError(msg)
        if self.frame_dose is not None and item != "frame" and self.group_dose is None:
            msg = f"frame_dose={self.frame_dose} does nothing: it is for item='frame', whose rows tell their dose, and "
            msg += "for group_dose"
            raise OptionError(msg)
        for name in ("gain_rotation", "gain_flip"):
            if getattr(self, name) and self.gain is None:
                msg = f"{name}={getattr(self, name)} does nothing without gain="
                raise OptionError(msg)

    def read_with(self, item: str, gain: Gain | None) -> str:
        """A line that tells which options made rows of movies; empty where all are as they are by default.

        Args:
            item: what a row is.
            gain: the reference that `gain="auto"` found.
        """
        given = {name: getattr(self, name) for name in NAMES}
        given = {
            name: value for name, value in given.items() if value != MovieOptions.__dataclass_fields__[name].default
        }
        if gain is not None:
            given["gain"] = gain.path
        if item == "frame":
            given = {"item": item} | given
        told = ", ".join(f"{name}={value!r}" for name, value in given.items())
        return told and f"{READ_WITH}{told}"

    def development(self, item: str) -> Development:
        """What becomes of movies, but for their gain and shifts, which files tell."""
        start, stop = self.frames or (None, None)
        return Development(
            by_frame=item == "frame",
            start=start,
            stop=stop,
            summed=self.sum_frames,
            group=self.frame_group,
            group_dose=self.group_dose,
            frame_dose=self.frame_dose,
            superres=self.superres,
            flip_y=self.flip_y,
        )


NAMES = tuple(MovieOptions.__dataclass_fields__)
"""Those options."""


def checked_frames(value: Any) -> tuple[int | None, int | None] | None:
    """The first frame and the one after the last, as far as they are said; None: all.

    Raises:
        OptionError: it is no such pair, has a step, or has no frames.

    Example:
        >>> checked_frames(slice(2, None)), checked_frames((0, -1)), checked_frames([None, None])
        ((2, None), (0, -1), None)
    """
    if value is None:
        return None
    if isinstance(value, slice):
        if value.step not in (None, 1):
            msg = f"frames is {value!r}: expected no step: neighbouring frames, such as frames=(0, 10)"
            raise OptionError(msg)
        value = (value.start, value.stop)
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(map(_is_end, value)):
        msg = f"frames is {value!r}: expected (start, stop), such as (0, 10), or a slice of frames"
        raise OptionError(msg)
    start, stop = (None if end is None else int(end) for end in value)
    first = start or 0
    if stop is not None and (first < 0) == (stop < 0) and stop <= first:
        msg = f"frames is {value!r}: expected a stop behind the start: this is no frame at all"
        raise OptionError(msg)
    return None if start in (None, 0) and stop is None else (start, stop)


def _is_end(value: Any) -> bool:
    return value is None or (isinstance(value, numbers.Integral) and not isinstance(value, bool))


def _check_number(name: str, value: Any, allowed: tuple[int, ...]) -> None:
    """Refuse a number that is not one of `allowed`.

    Raises:
        OptionError: lists what is allowed.
    """
    if isinstance(value, bool) or value not in allowed:
        msg = f"{name} is {value!r}: expected {', '.join(map(str, allowed[:-1]))} or {allowed[-1]}"
        raise OptionError(msg)


def _checked_path(name: str, value: Any) -> str | None:
    """A path as text; None stays None.

    Raises:
        OptionError: it is none.
    """
    if value is None:
        return None
    if not isinstance(value, str | os.PathLike):
        msg = f"{name} is {value!r}: expected a path, a URL or 'auto'"
        raise OptionError(msg)
    check_named(name, value)
    return str(os.fspath(value))
