"""Tables of how far each frame of a movie moved as a whole: RELION's STAR files of motion correction, IMOD's `.xf`.

Either tells what was found to bring frames together, in pixels of the movie: the content of a frame is moved by it, not
back. Tables speak of TIFF movies as programs see them, whose rows are turned over.
"""

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError, OptionError
from builders.io.files import location
from builders.io.formats import compression
from builders.io.reports import report_once
from builders.io.tables import star
from builders.io.tables.star import NUMBER, Block

Shifts = NDArray[np.float64]

TABLE, LIST = "global_shift", "general"
"""Blocks of RELION's file: the table of shifts, and what is said of the movie."""
FRAME, X, Y = "rlnMicrographFrameNumber", "rlnMicrographShiftX", "rlnMicrographShiftY"
NX, NY, GROUPED = "rlnImageSizeX", "rlnImageSizeY", "rlnEERGrouping"
NOT_OBSERVED = -9999.0
"""What RELION writes where a frame took no part in the alignment."""
MOST_BYTES = 16 * 1024 * 1024
"""Of a table, far above those of thousands of frames."""
SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""How many times finer a movie's grid may be than the one that its table speaks of."""
ENDINGS = (".star", ".xf", "_shifts.star", "_shifts.xf")
"""Behind a movie's name, those of its tables."""
_ROUNDING = 1e-5
"""How far a matrix of IMOD's, written with seven decimals, may be from that of no rotation."""
_PACKED = re.compile(r"(\.gz|\.bz2)$", re.IGNORECASE)
_SHOWN = 10


def read(table: str, frames: int, shape: tuple[int, int], *, upside_down: bool = False) -> Shifts:
    r"""By how much the content of each frame of a movie is to be moved, as a table tells it.

    A STAR file of RELION's motion correction has `_rlnMicrographShiftX` and `Y` in its `data_global_shift`, by the
    number of the frame from 1 (`MotioncorrRunner::alignPatch` moves frames by them as they stand). Where it tells the
    size of the movie, and that is 2 or 4 times finer or coarser, shifts are scaled. Where it groups EER frames, all
    raw frames of a group have its shift, and those behind the last group that of the last one. A frame that took no
    part (-9999) has the shift of the one before, or else of the first that did, as in `Micrograph::getShiftAt`.

    Of IMOD's `.xf`, each line `A11 A12 A21 A22 DX DY` is of a frame, and no more than a shift.

    Args:
        table: the file, or its URL.
        frames: how many the movie has.
        shape: of a frame, `(ny, nx)`.
        upside_down: the movie's rows are not in the order in which programs read them, as those of TIFF files with
            `flip_y=False`: shifts along y change their sign.

    Returns:
        `(frames, 2)`, along y and x, in pixels.

    Raises:
        NotFoundError: no such file.
        FormatError: it is no such table, is of another number of frames or another size, lacks a frame, turns one, or
            moves one out of itself.

    Example:
        >>> import tempfile, pathlib
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "movie.xf"
        >>> _ = file.write_text("1 0 0 1 0.0 0.0\n1 0 0 1 1.5 -0.5\n")
        >>> read(str(file), 2, (4092, 5760)).tolist()
        [[0.0, 0.0], [-0.5, 1.5]]
    """
    size, etag = location.size_and_etag(table)
    if size is None or size > MOST_BYTES:
        msg = f"{table}: {'an unknown number of' if size is None else size} bytes: expected a table of shifts, of at "
        msg += f"most {MOST_BYTES}"
        raise FormatError(msg)
    data = location.read(table, 0, size, etag).tobytes() if size else b""
    if compression.plain_name(table).endswith(".xf"):
        found = _of_xf(data, frames, table)
    else:
        found = _of_star(data, frames, shape, table)
    _check_far(found, shape, table)
    return found * (-1.0, 1.0) if upside_down else found


def names_beside(movie: str) -> tuple[str, ...]:
    """Names that a movie's table may have: that of the movie, with other endings.

    RELION makes underscores of dots in it.

    Args:
        movie: its path.

    Example:
        >>> names_beside("data/a.b_fractions.tiff.gz")[:2]
        ('data/a.b_fractions.star', 'data/a_b_fractions.star')
    """
    folder, slash, name = movie.rpartition("/")
    stem = _PACKED.sub("", name).rpartition(".")[0] or name
    stems = dict.fromkeys((stem, stem.replace(".", "_")))
    return tuple(f"{folder}{slash}{stem}{ending}" for ending in ENDINGS for stem in stems)


def beside(movie: str, files: Collection[str]) -> str | None:
    """The table of a movie among files, such as those of its folder; None where there is none.

    Raises:
        OptionError: there are several.
    """
    found = [name for name in names_beside(movie) if name in files]
    if len(found) > 1:
        msg = f"{movie}: {len(found)} files may tell the shifts of its frames: {', '.join(found)}: expected one"
        raise OptionError(msg)
    return found[0] if found else None


def _check_far(found: Shifts, shape: tuple[int, int], name: str) -> None:
    """Refuse shifts by more than a frame's sides, which no camera sees.

    Raises:
        FormatError: names the first.
    """
    far = np.argwhere(np.abs(found) > shape)
    if far.size:
        frame, axis = far[0]
        msg = f"{name}: frame {frame + 1} is shifted by {found[frame, axis]:g} pixels along {'yx'[axis]}: expected at "
        msg += f"most the {shape[axis]} of its side"
        raise FormatError(msg)


def _of_star(data: bytes, frames: int, shape: tuple[int, int], name: str) -> Shifts:
    blocks = {block.name: block for block in star.read(data, name, _selected)}
    table = blocks.get(TABLE)
    if table is None or not {FRAME, X, Y} <= set(table.labels):
        msg = f"{name}: no data_{TABLE} with {FRAME}, {X} and {Y}: expected a STAR file of RELION's motion correction"
        raise FormatError(msg)
    told = _values(blocks.get(LIST))
    group = int(told.get(GROUPED) or 0)
    rows = _rows(table, name)
    if rows != frames and not (group > 1 and rows == frames // group):
        groups = f" in groups of {group}" if group > 1 else ""
        msg = f"{name}: shifts of {rows} frames{groups}: expected those of the movie's {frames}"
        raise FormatError(msg)
    found = _in_order(table, rows, name) * _scale(told, shape, name)
    return found if rows == frames else found[np.minimum(np.arange(frames) // group, rows - 1)]


def _selected(block: str, labels: tuple[str, ...]) -> Mapping[str, Any]:
    wanted = {TABLE: (FRAME, X, Y), LIST: (NX, NY, GROUPED)}.get(block, ())
    return {label: NUMBER for label in labels if label in wanted}


def _values(block: Block | None) -> Mapping[str, float]:
    """The numbers of a list that are there."""
    if block is None or block.rows != 1:
        return {}
    (row,) = block.columns.to_pylist()
    return {label: value for label, value in row.items() if value is not None and math.isfinite(value)}


def _rows(table: Block, name: str) -> int:
    if not table.rows:
        msg = f"{name}: no row in data_{TABLE}: expected one for each frame"
        raise FormatError(msg)
    return table.rows


def _scale(told: Mapping[str, float], shape: tuple[int, int], name: str) -> float:
    """How many of the movie's pixels one of the table's is."""
    if NX not in told or NY not in told:
        return 1.0
    along = [side / told[label] if told[label] > 0 else 0.0 for side, label in zip(shape, (NY, NX), strict=True)]
    if along[0] != along[1] or along[0] not in SCALES:
        there = int(told[NY]), int(told[NX])
        msg = (
            f"{name}: shifts of a movie of {there}, (ny, nx), for one of {shape}: expected the same size, or one 2 or "
        )
        msg += "4 times finer or coarser"
        raise FormatError(msg)
    return along[0]


def _in_order(table: Block, rows: int, name: str) -> Shifts:
    """The shifts of frame 1 and those after it."""
    numbers, x, y = (np.array(table.columns[label].to_pylist(), np.float64) for label in (FRAME, X, Y))
    if not np.isfinite(numbers + x + y).all():
        msg = f"{name}: a frame without a number or shift in data_{TABLE}: expected numbers"
        raise FormatError(msg)
    missing = np.setdiff1d(np.arange(1.0, rows + 1), numbers)
    if missing.size:
        shown = ", ".join(f"{number:.0f}" for number in missing[:_SHOWN]) + (", ..." if missing.size > _SHOWN else "")
        msg = f"{name}: {rows} shifts, but none of frame {shown}: expected frames 1 to {rows}, each once"
        raise FormatError(msg)
    found = np.stack([y, x], 1)[np.argsort(numbers)]
    return _observed(found, name)


def _observed(found: Shifts, name: str) -> Shifts:
    """Shifts of all frames, by those that took part."""
    took_part = (found != NOT_OBSERVED).all(1)
    if took_part.all():
        return found
    if not took_part.any():
        msg = f"{name}: no frame was aligned ({NOT_OBSERVED:.0f}): expected a shift of one at least"
        raise FormatError(msg)
    report_once(f"{(~took_part).sum()} frames were not aligned: moved as those before them", name)
    last = np.maximum.accumulate(np.where(took_part, np.arange(len(found)), -1))
    return found[np.where(last < 0, took_part.argmax(), last)]


def _of_xf(data: bytes, frames: int, name: str) -> Shifts:
    found = []
    lines = [line for line in enumerate(data.decode("utf-8", "replace").splitlines(), 1) if line[1].strip()]
    for number, line in lines:
        try:
            values = np.array(line.split(), np.float64)
        except ValueError:
            values = np.empty(0)
        if values.size != 6 or not np.isfinite(values).all():
            msg = f"{name}, line {number}: {line.strip()[:80]!r}: expected six numbers, A11 A12 A21 A22 DX DY"
            raise FormatError(msg)
        if np.abs(values[:4] - (1, 0, 0, 1)).max() > _ROUNDING:
            msg = f"{name}, line {number}: the matrix {values[:4].tolist()}: expected 1 0 0 1, a shift and no more"
            raise FormatError(msg)
        found.append((values[5], values[4]))
    if len(found) != frames:
        msg = f"{name}: shifts of {len(found)} frames: expected those of the movie's {frames}"
        raise FormatError(msg)
    return np.array(found, np.float64)
