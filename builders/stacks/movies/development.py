"""What becomes of the frames of movies: which of them make which row, and what dose that row has."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.flipped import unflipped
from builders.io.formats.eer.format import is_eer, magnified
from builders.io.image_file import ImageFile
from builders.io.layout import Layout
from builders.io.movies import gain as gains
from builders.io.movies import shifts
from builders.io.movies.developed import developed
from builders.io.movies.gain import Gain
from builders.io.reports import report_once
from builders.stacks.movies.tables import Tables

COLUMNS = {"frame": "int64", "dose": "float32", "pre_exposure": "float32"}
"""What rows of frames have besides: the first raw frame of each, from 0; the dose of the row and that before, e/Å²."""


@dataclass(frozen=True, slots=True)
class Movie:
    """The frames of one file, and how they become rows.

    Attributes:
        start: the first raw frame that is read.
        stop: the one after the last.
        group: how many neighbouring frames are summed; None: each stays as it is.
        summed: all of them are summed.
        by_frame: each frame, or group, is a row.
        frame_dose: of a raw frame, e/Å²; None where that is not known.
        gain: what each frame is multiplied by.
        shifts: of each frame that is read, pixels along y and x, by which it is moved.
    """

    start: int
    stop: int
    group: int | None = None
    summed: bool = False
    by_frame: bool = False
    frame_dose: float | None = None
    gain: Gain | None = None
    shifts: tuple[tuple[float, float], ...] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether rows are frames as they lie in the file: a movie of one group may lack its first axis there."""
        is_alone = self.group is None or (self.by_frame and self.group == 1)
        return is_alone and not self.summed and self.gain is None and self.shifts is None

    @property
    def step(self) -> int:
        """Raw frames of a row that is one of several."""
        return self.group or 1

    @property
    def count(self) -> int:
        """How many frames, or groups of them."""
        return (self.stop - self.start) // self.step

    def layout(self, frames: Layout, row: int | None, name: str) -> Layout:
        """Where the pixels of a row lie.

        Args:
            frames: of the file, `(count, ny, nx)`, or the one of a file that holds no more.
            row: which frame or group, from 0; None: all of them.
            name: of the file, for errors.
        """
        if row is not None and self.is_plain:
            return frames.slice(self.start + row, name).squeezed() if len(frames.shape) > 2 else frames
        first, stop = self.start, self.stop
        if row is not None:
            if not 0 <= row < self.count:
                msg = f"{name}: no row {row}: expected 0 to {self.count - 1}"
                raise FormatError(msg)
            first, stop = self.start + row * self.step, self.start + (row + 1) * self.step
        moved = self.shifts and self.shifts[first - self.start : stop - self.start]
        how: dict[str, Any] = {"gain": self.gain, "shifts": moved, "name": name}
        if row is not None:
            return developed(frames, first, stop, summed=True, **how)
        made = developed(frames, first, stop, group=self.group, summed=self.summed, **how)
        return made.squeezed() if self.group is None else made  # of groups, one is a movie, too

    def columns(self, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """What is known of some rows of frames or groups: their first raw frames and their dose, if that is known.

        The dose before a row is that of all raw frames before it, whichever are read.
        """
        frames = self.start + rows * self.step
        if self.frame_dose is None:
            return {"frame": frames}
        dose = np.full(len(rows), self.frame_dose * self.step, np.float32)
        return {"frame": frames, "dose": dose, "pre_exposure": (self.frame_dose * frames).astype(np.float32)}

    def told(self, row: int) -> dict[str, Any]:
        """The columns of one row, null where nothing is known."""
        known = {name: values[0].item() for name, values in self.columns(np.array([row])).items()}
        return dict.fromkeys(COLUMNS) | known


@dataclass(frozen=True, slots=True)
class Development:
    """What is asked for of movies; the same for all files.

    Attributes:
        by_frame: each frame, or group of frames, is a row.
        start: the first raw frame; negative: from the end; None: the first there is.
        stop: the one after the last; negative: from the end; None: that after the last there is.
        summed: all frames are summed.
        group: how many neighbouring frames are summed.
        group_dose: as many neighbouring frames are summed as come closest to it, e/Å².
        frame_dose: of a raw frame where files do not say it, e/Å².
        superres: how many times finer than its pixels a camera's counts are rendered.
        flip_y: TIFF images are turned upside down.
        gain: what frames are multiplied by, of movies that are no EER files.
        tables: those of shifts.
    """

    by_frame: bool = False
    start: int | None = None
    stop: int | None = None
    summed: bool = False
    group: int | None = None
    group_dose: float | None = None
    frame_dose: float | None = None
    superres: int = 1
    flip_y: bool = True
    gain: Gain | None = None
    tables: Tables | None = None

    @property
    def is_of_frames(self) -> bool:
        """Whether files are movies: rows are frames, or made of them."""
        asked = (self.start, self.stop, self.group, self.group_dose, self.gain, self.tables)
        return self.by_frame or self.summed or any(value is not None for value in asked)

    def rendered(self, image: ImageFile) -> ImageFile:
        """A file whose pixels come as they are wanted: finer, or in the order of the file.

        Raises:
            FormatError: finer, of a file that cannot be.
        """
        layout = image.layout
        if not self.flip_y:
            layout = unflipped(layout)
        if self.superres != 1:
            if not is_eer(layout):
                msg = f"{image.path}: superres={self.superres} is for EER movies, whose electrons are known finer than "
                msg += "their pixels: expected one (pattern= or extension= chooses them)"
                raise FormatError(msg)
            layout = magnified(layout, self.superres)
            image = image.with_pixel_size(image.pixel_size and image.pixel_size / self.superres)
        return image if layout is image.layout else image.with_layout(layout)

    def rows(self, count: int, group: int | None) -> int:
        """How many rows a movie of so many frames gives, as far as is known: at least one."""
        ends = (end if end is None or end >= 0 else count + end for end in (self.start, self.stop))
        start, stop = (count if end is None else min(max(end, 0), count) for end in ends)
        return max(1, (stop - (0 if self.start is None else start)) // (group or 1))

    def movie(self, image: ImageFile, path: str) -> Movie | None:
        """The frames of a file as rows; None where files are not asked for as movies.

        Args:
            image: the file, `rendered`.
            path: the file's, as tables of shifts are found by it.

        Raises:
            FormatError: it is no movie, has fewer frames than are asked for, its dose, which has to be known, is not,
                there are no shifts of its frames, or its gain reference does not fit.
        """
        if not self.is_of_frames:
            return None
        shape = image.layout.shape
        if len(shape) not in (2, 3) or 0 in shape:
            msg = f"{image.path}: an array of shape {shape}: expected a movie (frames, ny, nx), or one frame (ny, nx)"
            raise FormatError(msg)
        count = shape[0] if len(shape) > 2 else 1
        start, stop = self.span(count, image.path)
        said = None if image.contents is None else image.contents.frame_dose
        dose = self.frame_dose if said is None else said
        group = self._group_of(dose, image.path)
        if group is not None and group > stop - start:
            msg = f"{image.path}: {stop - start} frames, fewer than the {group} that are summed to one"
            raise FormatError(msg)
        moved = None if self.tables is None else self._shifts_of(image, path, count)[start:stop]
        if self.gain is None and gains.speaks_of_gain(path):
            told = "looks like a gain reference and is read as a movie: gain='auto' corrects by it, "
            report_once(f"{told}pattern= or data_files= leaves it out", path)
        return Movie(start, stop, group, self.summed, self.by_frame, dose, self._gain_of(image), moved)

    def _shifts_of(self, image: ImageFile, path: str, count: int) -> tuple[tuple[float, float], ...]:
        assert self.tables is not None
        is_turned = not self.flip_y and image.contents is not None and image.contents.format == "tiff"
        ny, nx = image.layout.shape[-2:]
        found = shifts.read(self.tables.of(path), count, (ny, nx), upside_down=is_turned)
        return tuple((float(y), float(x)) for y, x in found)

    def _gain_of(self, image: ImageFile) -> Gain | None:
        if self.gain is None:
            return None
        ny, nx = image.layout.shape[-2:]
        try:
            gains.check(self.gain, (ny, nx))
        except FormatError as err:
            msg = f"{image.path}: {err}"
            raise FormatError(msg) from err
        return gains.suited(self.gain, eer=is_eer(image.layout))

    def span(self, count: int, name: str) -> tuple[int, int]:
        """The first of a movie's frames, and the one after the last.

        Raises:
            FormatError: it has not so many.
        """
        start, stop = (end if end is None or end >= 0 else count + end for end in (self.start, self.stop))
        start, stop = 0 if start is None else start, count if stop is None else stop
        if not 0 <= start < stop <= count:
            msg = f"{name}: {count} frame{'s' * (count != 1)}, too few for frames=({self.start}, {self.stop})"
            raise FormatError(msg)
        return start, stop

    def _group_of(self, frame_dose: float | None, name: str) -> int | None:
        if self.group_dose is None:
            return self.group
        if frame_dose is None:
            msg = f"{name}: it does not say the dose of its frames, which group_dose={self.group_dose} goes by: "
            msg += "frame_dose= tells it, in e/Å² a raw frame (or frame_group= the number of frames)"
            raise FormatError(msg)
        group = int(self.group_dose / frame_dose + 0.5)
        if group < 1:
            told = f"less than half the dose of a frame, {frame_dose:g} e/Å²: frames stay alone"
            report_once(told, f"group_dose={self.group_dose:g}")
        return max(1, group)
