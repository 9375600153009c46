"""`.cs` files -> a `ParticleTable`: radians to degrees, fractions to pixels, numbers from 0 to numbers from 1."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.reports import report_once
from builders.io.tables.asked import check_columns
from builders.io.tables.cryosparc import arrays
from builders.io.tables.cryosparc.files import Fields, read_fields
from builders.io.tables.cryosparc.joining import UID, join
from builders.io.tables.cryosparc.rotations import euler_angles
from builders.io.tables.particle_table import CTF, NAME, POSE, SCHEMA, ParticleTable

_PATH, _IDX = "blob/path", "blob/idx"
_MICROGRAPHS = ("location/micrograph_path", "micrograph_blob/path", "micrograph_blob_non_dw/path")
_MICROGRAPH_PIXELS = ("location/micrograph_psize_A", "micrograph_blob/psize_A", "micrograph_blob_non_dw/psize_A")
_FRACTIONS = {"coordinate_x": ("location/center_x_frac", 1), "coordinate_y": ("location/center_y_frac", 0)}
"""Fractions of the micrograph, and which side of its shape `(y, x)` they are of."""
_SHAPE = "location/micrograph_shape"
_CTF = {
    "defocus_u": "ctf/df1_A",
    "defocus_v": "ctf/df2_A",
    "defocus_angle": "ctf/df_angle_rad",
    "voltage": "ctf/accel_kv",
    "spherical_aberration": "ctf/cs_mm",
    "amplitude_contrast": "ctf/amp_contrast",
    "phase_shift": "ctf/phase_shift_rad",
}
_OF_MICROSCOPE = {"voltage": "mscope_params/accel_kv", "spherical_aberration": "mscope_params/cs_mm"}
"""What tells them where no CTF was fitted."""
_ALIGNMENTS = ("alignments3D", "alignments2D")
"""The better one first."""
_DEGREES = 180 / np.pi
_MOST = 2**53
_GROUPS = ("ctf/exp_group_id", "location/exp_group_id", "mscope_params/exp_group_id")
_KNOWN = frozenset(
    (
        *(_PATH, _IDX, UID, "blob/shape", "blob/psize_A", _SHAPE, *_MICROGRAPHS, *_MICROGRAPH_PIXELS),
        *(field for field, _ in _FRACTIONS.values()),
        *(*_CTF.values(), *_OF_MICROSCOPE.values(), *_GROUPS),
        *(
            f"{alignment}/{what}"
            for alignment in _ALIGNMENTS
            for what in ("pose", "shift", "psize_A", "split", "class")
        ),
    )
)


def read(files: Sequence[tuple[str, Path]], columns: Sequence[str] = ()) -> ParticleTable:
    """Read a table of particles, or of micrographs.

    Poses are those of `alignments3D`. Without it, those of `alignments2D`, where the pose is one angle in the plane:
    psi, as pyem's csparc2star has it, and rot and tilt are 0.

    Args:
        files: name and path of a `.cs` file, and of others that tell more of the same particles.
        columns: fields that are read besides, under their own names: vectors as lists, integers as `int64`; `uid` and
            other `uint64` are the same bits as `int64`.

    Raises:
        FormatError: a file is something else, is damaged, or has no particles and no micrographs.
        MixedError: files tell different particles, or unlike values.
        OptionError: a column is not there.
    """
    name = ", ".join(name for name, _ in files)
    there: set[str] = set()

    def wanted(fields: tuple[str, ...]) -> list[str]:
        there.update(fields)
        return [field for field in fields if field in _KNOWN or field in columns]

    tables = [(said, read_fields(path, said, wanted)) for said, path in files]
    check_columns(columns, there, name)
    fields = join(tables)
    if _PATH not in fields and not any(field in fields for field in _MICROGRAPHS):
        some = ", ".join(sorted(there)[:8])
        expected = f"{_PATH} (particles), {_MICROGRAPHS[0]} or {_MICROGRAPHS[1]}; a passthrough file may have it"
        msg = f"{name}: its fields include {some}: expected {expected}"
        raise FormatError(msg)
    table = _Table(name, fields)
    found = table.columns()
    rows = pa.table([found[field.name] for field in SCHEMA], SCHEMA)
    return ParticleTable(
        name=name,
        program="cryosparc",
        rows=rows,
        extra=pa.table({column: arrays.column(fields[column]) for column in columns}),
        has_poses=rows["pose"].null_count < len(rows),
        has_ctf=rows["ctf"].null_count < len(rows),
    )


class _Table:
    def __init__(self, name: str, fields: Fields) -> None:
        self.name, self.fields = name, fields
        self.count = len(next(iter(fields.values())))

    def columns(self) -> dict[str, pa.Array]:
        """All columns of `SCHEMA`."""
        alignment = next((a for a in _ALIGNMENTS if f"{a}/pose" in self.fields), _ALIGNMENTS[0])
        return {
            "image": self._names((_PATH,)),
            "slice": self._slices(),
            "pixel_size": self._above_0(("blob/psize_A",)),
            "image_size": self._sides(),
            "micrograph": self._names(_MICROGRAPHS),
            "micrograph_pixel_size": self._above_0(_MICROGRAPH_PIXELS),
            "micrograph_height": self._heights(),
            **{column: self._coordinates(*place) for column, place in _FRACTIONS.items()},
            "ctf": self._ctf(),
            "pose": self._pose(alignment),
            "optics_group": self._from_1(next((field for field in _GROUPS if field in self.fields), _GROUPS[0])),
            "half_set": self._half_sets(alignment),
            "class_number": self._from_1(f"{alignment}/class"),
        }

    def _values(self, field: str, width: int | None = None) -> NDArray[Any] | None:
        """A field of numbers, one a row, or vectors of `width`."""
        values = self.fields.get(field)
        shape = (self.count,) if width is None else (self.count, width)
        if values is None or (isinstance(values, np.ndarray) and values.dtype.kind in "iuf" and values.shape == shape):
            return values
        msg = f"{self.name}: {field} is {_told(values)}: expected {width or 'one'} number{'s' if width else ''} a row"
        raise FormatError(msg)

    def _names(self, fields: Sequence[str]) -> pa.Array:
        """Paths as they are spelled, but for the `>` with which CryoSPARC begins those of its projects."""
        field = next((field for field in fields if field in self.fields), None)
        if field is None:
            return pa.nulls(self.count, NAME)
        spelled = self.fields[field]
        if isinstance(spelled, np.ndarray):
            msg = f"{self.name}: {field} is {_told(spelled)}: expected text"
            raise FormatError(msg)
        plain = pc.utf8_ltrim(spelled.dictionary, ">").dictionary_encode()
        return pa.DictionaryArray.from_arrays(plain.indices.take(spelled.indices), plain.dictionary)

    def _whole(self, field: str, width: int | None = None) -> NDArray[np.int64] | None:
        """A field of whole numbers from 0."""
        values = self._values(field, width)
        if values is None:
            return None
        with np.errstate(invalid="ignore"):
            wrong = np.argwhere(~((values >= 0) & (values < _MOST) & (np.mod(values, 1) == 0)))
        if len(wrong):
            row, found = wrong[0][0], values[tuple(wrong[0])]
            msg = f"{self.name}: {field} of row {row} is {found}: expected a whole number from 0 to 2^53"
            raise FormatError(msg)
        return values.astype(np.int64)

    def _slices(self) -> pa.Array:
        slices = self._whole(_IDX)
        return pa.array(np.zeros(self.count, np.int64) if slices is None else slices)

    def _from_1(self, field: str) -> pa.Array:
        values = self._whole(field)
        return pa.nulls(self.count, pa.int64()) if values is None else pa.array(values + 1)

    def _half_sets(self, alignment: str) -> pa.Array:
        sets = self._from_1(f"{alignment}/split")
        if len(sets) and pc.max(sets).as_py() == 1:
            report_once(
                f"{alignment}/split is 0 in every row: its particles were not divided into half-sets", self.name
            )
            return pa.nulls(self.count, pa.int64())
        row = pc.index(pc.greater(sets, 2), True).as_py()
        if row >= 0:
            msg = f"{self.name}: {alignment}/split of row {row} is {sets[row].as_py() - 1}: expected 0 or 1"
            raise FormatError(msg)
        return sets

    def _numbers(self, field: str, scale: float | NDArray[np.int64] = 1.0) -> pa.Array:
        values = self._values(field)
        return pa.nulls(self.count, pa.float32()) if values is None else arrays.numbers(values, scale)

    def _above_0(self, fields: Sequence[str]) -> pa.Array:
        sizes = self._numbers(next((field for field in fields if field in self.fields), fields[0]))
        return pc.if_else(pc.greater(sizes, 0), sizes, pa.scalar(None, pa.float32()))

    def _sides(self) -> pa.Array:
        """Pixels of a side; null of images that are not square."""
        shapes = self._whole("blob/shape", 2)
        if shapes is None:
            return pa.nulls(self.count, pa.int64())
        return pa.array(shapes[:, 0], mask=shapes[:, 0] != shapes[:, 1])

    def _heights(self) -> pa.Array:
        shapes = self._whole(_SHAPE, 2)
        return pa.nulls(self.count, pa.int64()) if shapes is None else pa.array(shapes[:, 0])

    def _coordinates(self, field: str, side: int) -> pa.Array:
        shapes = self._whole(_SHAPE, 2)
        return pa.nulls(self.count, pa.float32()) if shapes is None else self._numbers(field, shapes[:, side])

    def _ctf(self) -> pa.Array:
        """Null where there is no defocus."""
        values = {}
        for column, field in _CTF.items():
            known = field if field in self.fields else _OF_MICROSCOPE.get(column, field)
            values[column] = self._numbers(known, _DEGREES if field.endswith("_rad") else 1.0)
        return _struct(values, CTF, ("defocus_u", "defocus_v"))

    def _pose(self, alignment: str) -> pa.Array:
        """Null where there is no pose."""
        is_3d = alignment == _ALIGNMENTS[0]
        given = self._values(f"{alignment}/pose", 3 if is_3d else None)
        if given is None:
            return pa.nulls(self.count, POSE)
        if is_3d:
            angles = euler_angles(given)
        else:
            angles = np.zeros((self.count, 3))
            with np.errstate(invalid="ignore"):
                angles[:, 2] = np.multiply(given, _DEGREES, dtype=np.float64)
        values = {column: arrays.numbers(angles[:, place]) for place, column in enumerate(("rot", "tilt", "psi"))}
        shifts, size = self._values(f"{alignment}/shift", 2), self._values(f"{alignment}/psize_A")
        for place, column in enumerate(("shift_x", "shift_y")):
            if shifts is None or size is None:
                values[column] = pa.nulls(self.count, pa.float32())
            else:
                values[column] = arrays.numbers(shifts[:, place], size)
        if shifts is not None and size is None:
            report_once(f"{alignment}/shift is in pixels, and no {alignment}/psize_A tells their size", self.name)
        return _struct(values, POSE, ("rot", "tilt", "psi"))


def _struct(values: Mapping[str, pa.Array], kind: pa.StructType, deciding: Sequence[str]) -> pa.Array:
    """Values together; null where none of the deciding ones is there."""
    is_null = pc.is_null(values[deciding[0]])
    for name in deciding[1:]:
        is_null = pc.and_(is_null, pc.is_null(values[name]))
    return pa.StructArray.from_arrays([values[field.name] for field in kind], fields=list(kind), mask=is_null)


def _told(values: Any) -> str:
    """What a field holds, in words."""
    return f"of type {values.dtype.str} and shape {values.shape[1:]}" if isinstance(values, np.ndarray) else "text"
