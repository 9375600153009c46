"""Rows of a dataset as particles that tables can hold: what is in them, checked, as Arrow columns and an image."""

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import ClassLabel, Features, Value
from numpy.typing import NDArray

from builders.errors import FormatError, MixedError
from builders.io.casting import cast
from builders.io.tables.particle_table import CTF, POSE
from builders.publishing.writing.pixels import as_array
from builders.publishing.writing.schema import Row
from builders.publishing.writing.values import plain

CTF_FIELDS = tuple(field.name for field in CTF)
POSE_FIELDS = tuple(field.name for field in POSE)
NUMBERS = ("optics_group", "half_set", "class_number")
KNOWN = ("image", "pixel_size", "path", "index", "ctf", "pose", "micrograph", "coordinate_x", "coordinate_y", *NUMBERS)
"""Columns of a particle's row that have places of their own in tables, or, as `path` and `index`, none."""
EXTRA = "extra:"
"""What the names of other columns begin with, among the columns of `schema`."""

_KINDS = {"f": pa.float64(), "i": pa.int64(), "u": pa.int64(), "b": pa.bool_(), "U": pa.string()}
_VECTOR = pa.list_(pa.float64())
_OPTIONAL = "phase_shift"
"""Of the CTF: RELION takes it for 0 where it is not there."""


@dataclass(frozen=True)
class Columns:
    """What is written of every row.

    Attributes:
        ctf: fields of `ctf` that rows have; all of them, or none of them, in each row.
        extras: other columns and their Arrow types.
    """

    ctf: tuple[str, ...]
    extras: tuple[tuple[str, pa.DataType], ...]

    @property
    def schema(self) -> pa.Schema:
        """Of the rows of a piece: where the image lies (number of the stack in the piece, slice from 0), and values."""
        return pa.schema(
            {
                "stack": pa.int32(),
                "slice": pa.int64(),
                "size": pa.int64(),
                "pixel_size": pa.float32(),
                "micrograph": pa.string(),
                **dict.fromkeys(("coordinate_x", "coordinate_y", *CTF_FIELDS, *POSE_FIELDS), pa.float32()),
                **dict.fromkeys(NUMBERS, pa.int64()),
                **{f"{EXTRA}{name}": kind for name, kind in self.extras},
            }
        )


def columns_of(sample: Sequence[Row], features: Features | None) -> tuple[Columns, list[str]]:
    """What can be written of rows like some of them, and the names of columns that cannot.

    Args:
        sample: some rows.
        features: of the dataset, as far as they are known.
    """
    first = [fields(row, "ctf", name_of(row, place)) for place, row in enumerate(sample)]
    ctf = tuple(
        name
        for name in CTF_FIELDS
        if name != _OPTIONAL and any(number(row.get(name), name, "a row") is not None for row in first)
    )
    extras, left_out = [], []
    for name in sample[0]:
        if name in KNOWN:
            continue
        values = [plain(row.get(name)) for row in sample]
        kind = _kind(values, (features or {}).get(name)) or (_VECTOR if "/" in name and _are_vectors(values) else None)
        if kind is None or name.split() != [name]:
            left_out.append(name)
        else:
            extras.append((name, kind))
    return Columns(ctf, tuple(extras)), left_out


def _kind(values: list[Any], feature: Any) -> pa.DataType | None:
    """The type of a column of numbers or texts; None of any other."""
    if isinstance(feature, ClassLabel):
        return pa.int64()
    if isinstance(feature, Value):
        kind = feature.pa_type
        is_plain = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
        if (is_plain or pa.types.is_string(kind)) and _holds(values, kind):
            return kind
    there = [value for value in values if value is not None]
    if not there or any(isinstance(value, list | tuple | Mapping | bytes) for value in there):
        return None
    return _KINDS.get(np.asarray(there).dtype.kind)


def _are_vectors(values: list[Any]) -> bool:
    """Whether they are lists of as many numbers each, as CryoSPARC has some."""
    there = [value for value in values if value is not None]
    lengths = {len(value) if isinstance(value, list) else 0 for value in there}
    return len(lengths) == 1 and lengths != {0} and _holds(there, _VECTOR)


def _holds(values: list[Any], kind: pa.DataType) -> bool:
    try:
        pa.array(values, kind)
    except (TypeError, ValueError, OverflowError, pa.ArrowException):
        return False
    return True


def name_of(row: Row, place: int) -> str:
    """What errors call a row.

    Example:
        >>> name_of({"path": "a.mrcs", "index": 7}, 0), name_of({}, 5)
        ('a.mrcs, image 7', 'row 5')
    """
    path, index = row.get("path"), plain(row.get("index"))
    if not isinstance(path, str):
        return f"row {place}"
    return path if index is None else f"{path}, image {index}"


def image_of(row: Row, name: str) -> NDArray[np.float32]:
    """A row's image `(n, n)`, float32.

    Raises:
        FormatError: there is none, it is a stack of tilts, or not a square image of real numbers that fit.
    """
    _refuse_stack(row, name)
    value = row.get("image")
    if value is None:
        msg = f"{name}: no image, which every particle needs: leave such rows out by filter()"
        raise FormatError(msg)
    pixels = as_array(value, "image")
    if pixels.ndim == 3 and len(pixels) == 1:  # a channel
        pixels = pixels[0]
    if pixels.ndim != 2 or pixels.shape[0] != pixels.shape[1]:
        msg = f"{name}: an image of shape {pixels.shape}: expected (n, n), since a particle's box is square in RELION"
        msg += " and CryoSPARC: crop or pad it (CenterCrop, Pad)"
        raise FormatError(msg)
    return np.asarray(cast(pixels, np.float32, name, "particles are written as float32"), np.float32)


def values_of(row: Row, columns: Columns, name: str) -> dict[str, Any]:
    """What tables say of a row, by the names of the columns' schema, without where its image lies.

    NaN is null. Of a pose of null, or of a place that is not known, each number is null.

    Raises:
        FormatError: a value is of no such kind.
        MixedError: the row has no CTF where others have one, or the other way round.
    """
    size = number(row.get("pixel_size"), "pixel_size", name)
    if size is None or size <= 0:
        msg = f"{name}: pixel_size is {row.get('pixel_size')}: expected Å, above 0: neither RELION nor CryoSPARC reads"
        msg += " particles without one: load_dataset(..., pixel_size=...) tells it"
        raise FormatError(msg)
    micrograph = row.get("micrograph")
    if micrograph is not None and (not isinstance(micrograph, str) or len(micrograph.splitlines()) > 1):
        msg = f"{name}: micrograph is {micrograph!r}: expected a name in one line, or null"
        raise FormatError(msg)
    values: dict[str, Any] = {"pixel_size": size, "micrograph": micrograph}
    values |= {place: number(row.get(place), place, name) for place in ("coordinate_x", "coordinate_y")}
    values |= _ctf(row, columns, name)
    pose = fields(row, "pose", name)
    values |= {field: number(pose.get(field), f"pose[{field!r}]", name) for field in POSE_FIELDS}
    values |= {field: _whole(row.get(field), field, name) for field in NUMBERS}
    return values | {f"{EXTRA}{extra}": plain(row.get(extra)) for extra, _ in columns.extras}


def _ctf(row: Row, columns: Columns, name: str) -> dict[str, float | None]:
    ctf = fields(row, "ctf", name)
    values = {field: number(ctf.get(field), f"ctf[{field!r}]", name) for field in CTF_FIELDS}
    for field in CTF_FIELDS:
        if field != _OPTIONAL and (values[field] is None) is (field in columns.ctf):
            has, have = ("no", "others have one") if field in columns.ctf else ("a", "others have none")
            msg = f"{name}: {has} {field} in its ctf, where {have}: a table has it for all particles or for none:"
            msg += " leave the ones or the others out by filter()"
            raise MixedError(msg)
    if columns.ctf and values[_OPTIONAL] is None:
        values[_OPTIONAL] = 0.0
    return values


def fields(row: Row, column: str, name: str) -> Mapping[str, Any]:
    """A row's `ctf` or `pose`; empty where it is null.

    Raises:
        FormatError: it is no dict, or the row is a stack of tilts.
    """
    _refuse_stack(row, name)
    value = row.get(column)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        msg = f"{name}: {column} is {value!r}: expected a dict of numbers, or null"
        raise FormatError(msg)
    return value


def _refuse_stack(row: Row, name: str) -> None:
    """Refuse rows that are several images each.

    Raises:
        FormatError: one is, as its columns tell.
    """
    for column in ("ctf", "pose", "tilt"):
        value = row.get(column)
        if value is not None and (isinstance(value, list | tuple) or getattr(value, "ndim", 0) > 0):
            msg = f"{name}: {column} is a list of {len(value)}, as of a stack of tilts: expected particles of one image"
            msg += " (n, n) each; stacks of tilts are RELION's to write: make a table of fewer of its rows, if need be"
            raise FormatError(msg)


def number(value: Any, what: str, name: str) -> float | None:
    """A number of single precision; None of null and of NaN.

    Raises:
        FormatError: it is no number, or an infinite one.
    """
    if value is None:
        return None
    try:
        single = float(np.float32(float(value)))
    except (TypeError, ValueError) as err:
        msg = f"{name}: {what} is {value!r}: expected a number, or null"
        raise FormatError(msg) from err
    if math.isinf(single):
        msg = f"{name}: {what} is {value!r}: expected a finite number of single precision, or null"
        raise FormatError(msg)
    return None if math.isnan(single) else single


def _whole(value: Any, what: str, name: str) -> int | None:
    value = plain(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    try:
        return operator.index(int(value) if isinstance(value, float) and value.is_integer() else value)
    except TypeError as err:
        msg = f"{name}: {what} is {value!r}: expected a whole number, or null"
        raise FormatError(msg) from err


def table_of(rows: Iterable[Mapping[str, Any]], columns: Columns) -> pa.Table:
    """Rows' values, with where their images lie, as a table of the columns' schema.

    Raises:
        MixedError: a value of another column is not of the kind that the first rows have.
    """
    rows, schema = list(rows), columns.schema
    arrays = []
    for field in schema:
        try:
            arrays.append(pa.array([row[field.name] for row in rows], field.type))
        except (TypeError, ValueError, OverflowError, pa.ArrowException) as err:
            msg = f"column {field.name.removeprefix(EXTRA)!r}: a value does not fit {field.type}, which earlier rows"
            msg += f" are: {err}"
            raise MixedError(msg) from err
    return pa.table(arrays, schema=schema)
