"""RELION 5's tables of tilt series -> how each tilt projects its tomogram."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.tables import star
from builders.io.tables.relion.optics import Rows
from builders.io.tables.star.blocks import Select

_NAME, _HAND, _SLOPE = "rlnTomoName", "rlnTomoHand", "rlnTomoDefocusSlope"
_ANGLES = ("rlnTomoXTilt", "rlnTomoYTilt", "rlnTomoZRot")
_MATRIX = tuple(f"rlnTomoProj{axis}" for axis in "XYZ")
_MOST_ROWS = 100_000
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Projections:
    """How the tilts of a series project its tomogram.

    Attributes:
        rotations: `(tilts, 3, 3)`: a point p (x, y, z) of the tomogram, counted from its centre, appears at
            `(rotation @ p)[:2]` from that of the image, but for the image's shift.
        hand: times the third of these, in Å, a point's defocus is larger than that of the image's centre; None: the
            table does not tell.
    """

    rotations: NDArray[np.float64]
    hand: float | None


def read_hands(data: bytes, name: str) -> dict[str, float]:
    r"""Of each series of a list (`tilt_series.star`, `tomograms.star`), how its defocus grows with the depth.

    Args:
        data: of the file.
        name: the file's, for errors.

    Raises:
        FormatError: it is no STAR file, or a value is none.

    Example:
        >>> read_hands(b"data_global\n\nloop_\n_rlnTomoName #1\n_rlnTomoHand #2\nTS_01 -1\n", "tomograms.star")
        {'TS_01': -1.0}
    """
    for block in star.read(data, name, _numbers_of((_HAND, _SLOPE), (_NAME,))):
        if {_NAME, _HAND} <= set(block.labels):
            rows = Rows(block, None, name)
            hands, slopes = rows.numbers(_HAND), rows.numbers(_SLOPE)
            slope = [1.0] * rows.count if slopes is None else slopes.to_pylist()
            named = zip(rows.texts(_NAME).to_pylist(), [] if hands is None else hands.to_pylist(), slope, strict=True)
            return {one: hand * (1.0 if times is None else times) for one, hand, times in named if one and hand}
    return {}


def read_projections(data: bytes, name: str, series: str, hand: float | None = None) -> Projections | None:
    r"""The projections of a series, by its own STAR file, in its order.

    They are `Rz(rlnTomoZRot) Ry(rlnTomoYTilt) Rx(rlnTomoXTilt)` of active matrices, as RELION 5 composes them
    (`Tomogram::setProjectionMatrix`, src/jaz/tomography/tomogram.cpp), or the matrices that RELION 4 wrote.

    Args:
        data: of the file.
        name: the file's, for errors.
        series: rlnTomoName, where the file has several.
        hand: what `read_hands` says of it.

    Returns:
        None of a series that was not aligned.

    Raises:
        FormatError: it is no such file, or a value is none: with the line's number.

    Example:
        >>> text = b"data_x\n\nloop_\n_rlnTomoYTilt #1\n_rlnTomoZRot #2\n0.0 90.0\n"
        >>> read_projections(text, "x.star", "x").rotations[0].round(6).tolist()
        [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    blocks = [
        block
        for block in star.read(data, name, _numbers_of(_ANGLES, _MATRIX))
        if set(_ANGLES[1:]) <= set(block.labels) or set(_MATRIX) <= set(block.labels)
    ]
    blocks = [block for block in blocks if block.name == series] or blocks
    if not blocks:
        return None
    if len(blocks) > 1 or blocks[0].rows > _MOST_ROWS:
        has = f"{len(blocks)} blocks" if len(blocks) > 1 else f"{blocks[0].rows} rows"
        msg = f"{name}: {has} of projections: expected one block, of the tilts of {series!r}"
        raise FormatError(msg)
    rows = Rows(blocks[0], None, name)
    is_old = set(_MATRIX) <= set(blocks[0].labels)
    return Projections(_matrices(rows) if is_old else _of_angles(rows), hand)


def _numbers_of(numbers: tuple[str, ...], texts: tuple[str, ...]) -> Select:
    def select(_block: str, labels: tuple[str, ...]) -> Mapping[str, pa.DataType]:
        wanted = {**dict.fromkeys(numbers, star.NUMBER), **dict.fromkeys(texts, star.TEXT)}
        return {label: wanted[label] for label in labels if label in wanted}

    return select


def _of_angles(rows: Rows) -> NDArray[np.float64]:
    found = []
    for label in _ANGLES:
        numbers = rows.numbers(label)
        if numbers is None:
            numbers = pa.array(np.zeros(rows.count))
        if numbers.null_count:
            raise rows.error(numbers.to_pylist().index(None), f"no {label}: expected degrees")
        found.append(np.deg2rad(numbers.to_numpy()))
    about_x, about_y, about_z = (_about(axis, angles) for axis, angles in enumerate(found))
    turned: NDArray[np.float64] = about_z @ about_y @ about_x
    return turned


def _about(axis: int, angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Active rotations about an axis: that of x takes y to z."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    found = np.zeros((len(angles), 3, 3))
    found[:, axis, axis] = 1
    found[:, first, first] = found[:, second, second] = np.cos(angles)
    found[:, second, first] = np.sin(angles)
    found[:, first, second] = -np.sin(angles)
    return found


def _matrices(rows: Rows) -> NDArray[np.float64]:
    found = np.empty((rows.count, 3, 3))
    for axis, label in enumerate(_MATRIX):
        for row, text in enumerate(rows.texts(label).to_pylist()):
            try:
                found[row, axis] = [float(part) for part in (text or "").strip("[]").split(",")[:3]]
            except ValueError as err:
                said = f"{label} is {(text or '')[:_SHOWN]!r}: expected four numbers, as in [1,0,0,5.5]"
                raise rows.error(row, said) from err
    scale = np.linalg.norm(found, axis=2, keepdims=True)
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        msg = f"{rows.name}: {', '.join(_MATRIX)} hold no rotation: expected the rows of a matrix"
        raise FormatError(msg)
    rotations: NDArray[np.float64] = found / scale
    return rotations
