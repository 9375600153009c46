"""The fields of CryoSPARC's table, and what they are made of."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from builders.errors import MixedError
from builders.particles.writing.optics import Survey
from builders.particles.writing.rotations import rotation_vectors
from builders.particles.writing.rows import EXTRA

logger = logging.getLogger(__name__)

Values = NDArray[Any]

UID = "uid"
_SHAPE = "location/micrograph_shape"
_PLACE = ("coordinate_x", "coordinate_y")
_NEUTRAL: dict[str, dict[str, tuple[tuple[Any, ...], Any]]] = {
    "blob": {"sign": (("<f4",), 1), "import_sig": (("<u8",), 0)},
    "ctf": {
        **{"type": (("S9",), b"imported"), "scale": (("<f4",), 1), "scale_const": (("<f4",), 0)},
        **{f"{name}_A": (("<f4", (2,)), 0) for name in ("shift", "tilt", "trefoil")},
        **{"tetra_A": (("<f4", (4,)), 0), "anisomag": (("<f4", (4,)), 0), "bfactor": (("<f4",), 0)},
    },
    "alignment": {
        **dict.fromkeys(("error", "error_min", "resid_pow", "slice_pow", "image_pow", "cross_cor"), (("<f4",), 0)),
        **dict.fromkeys(("alpha", "alpha_min", "weight", "class_posterior", "class_ess"), (("<f4",), 1)),
        **dict.fromkeys(("pose_ess", "shift_ess"), (("<f4",), 0)),
    },
}
"""What CryoSPARC expects beside what particles have, and its neutral value: no aberration, every weight 1."""


@dataclass(frozen=True)
class Rows:
    """Some rows of a piece, of which fields are made.

    Attributes:
        table: the rows.
        stacks: paths of the piece's stacks, as the table is to have them.
        groups: the optics group of each row.
        first: number of the first row, of all.
    """

    table: pa.Table
    stacks: Values
    groups: Values
    first: int

    def numbers(self, name: str) -> Values:
        """A column of numbers, of which none is null, float64."""
        return np.asarray(self.table[name].to_numpy(), np.float64)

    def texts(self, name: str) -> list[bytes]:
        """A column of texts, UTF-8; empty where there is none."""
        return [(text or "").encode() for text in self.table[name].to_pylist()]


@dataclass(frozen=True)
class Field:
    """A field: its type, as NumPy has it after the name, and what makes its values."""

    dtype: tuple[Any, ...]
    made: Callable[[Rows], Any]


Fields = dict[str, Field]


def fields_of(found: Survey, before: int, shape: tuple[int, int] | None, seed: str) -> Fields:
    """The fields of a table, by name.

    Args:
        found: what is in the rows.
        before: bytes that the table has before the name of a stack.
        shape: `(ny, nx)` of the micrographs, where somebody tells it.
        seed: what the `uid` of rows that have none is made of.

    Raises:
        MixedError: some rows have a value, and others lack it.
    """
    stack = before + found.longest["stack"]
    own: Fields = {
        "blob/path": Field((f"S{stack}",), lambda rows: rows.stacks[rows.table["stack"].to_numpy()]),
        "blob/idx": Field(("<u4",), lambda rows: rows.table["slice"].to_numpy()),
        "blob/shape": Field(("<u4", (2,)), lambda rows: np.repeat(rows.table["size"].to_numpy()[:, None], 2, 1)),
        "blob/psize_A": Field(("<f4",), lambda rows: rows.numbers("pixel_size")),
        **_of_ctf(found),
        **_of_alignment(found),
        **_of_location(found, shape),
    }
    neutral = {UID: Field(("<u8",), lambda rows: made_uids(seed, rows.first, len(rows.table)))}
    for group in dict.fromkeys(name.partition("/")[0] for name in own):
        of = _NEUTRAL.get("alignment" if group.startswith("alignments") else group, {})
        neutral |= {f"{group}/{name}": Field(dtype, _constant(value)) for name, (dtype, value) in of.items()}
    for column in sorted(found.known):
        name = column.removeprefix(EXTRA)
        if name != column and (name == UID or "/" in name) and name not in own:
            neutral[name] = _extra(column, name, found, neutral.get(name))
    return {UID: neutral.pop(UID), **own, **neutral}


def _constant(value: Any) -> Callable[[Rows], Any]:
    return lambda rows: value


def _all(found: Survey, column: str) -> str:
    """A column that is known of every row.

    Raises:
        MixedError: it is null in some, for which CryoSPARC has no word.
    """
    if column not in found.whole:
        msg = f"{column.removeprefix(EXTRA)!r} is null in some rows, which a table of CryoSPARC has in all or in none"
        msg += ": leave the ones or the others out by filter(), or write format='star'"
        raise MixedError(msg)
    return column


def _single(found: Survey, columns: Mapping[str, str], by: Callable[[Values], Values] = np.asarray) -> Fields:
    """Fields of one number each, of columns that are known."""

    def field(column: str) -> Field:
        return Field(("<f4",), lambda rows: by(rows.numbers(column)))

    return {name: field(_all(found, column)) for name, column in columns.items() if column in found.known}


def _of_ctf(found: Survey) -> Fields:
    if "defocus_u" not in found.known:
        return {}
    microscope = {"accel_kv": "voltage", "cs_mm": "spherical_aberration", "amp_contrast": "amplitude_contrast"}
    lengths = {"df1_A": "defocus_u", "df2_A": "defocus_v"}
    angles = {"df_angle_rad": "defocus_angle", "phase_shift_rad": "phase_shift"}
    return {
        "ctf/exp_group_id": Field(("<u4",), lambda rows: rows.groups - 1),
        **_single(found, {f"ctf/{name}": column for name, column in (microscope | lengths).items()}),
        **_single(found, {f"ctf/{name}": column for name, column in angles.items()}, np.radians),
    }


def _of_alignment(found: Survey) -> Fields:
    """Where particles have all three angles, of a reconstruction; where they have psi alone, of 2-D classes."""
    is_flat = not {"rot", "tilt"} & found.known and "psi" in found.known
    group = "alignments2D" if is_flat else "alignments3D"
    fields: Fields = {}
    if is_flat:
        fields |= _single(found, {f"{group}/pose": "psi"}, np.radians)
    elif {"rot", "tilt", "psi"} & found.known:
        angles = [_all(found, name) for name in ("rot", "tilt", "psi")]
        fields[f"{group}/pose"] = Field(("<f4", (3,)), lambda rows: rotation_vectors(*map(rows.numbers, angles)))
    if {"shift_x", "shift_y"} & found.known:
        shifts = [_all(found, name) for name in ("shift_x", "shift_y")]

        def in_pixels(rows: Rows) -> Values:
            return np.stack([rows.numbers(name) for name in shifts], 1) / rows.numbers("pixel_size")[:, None]

        fields[f"{group}/shift"] = Field(("<f4", (2,)), in_pixels)
    elif fields:
        fields[f"{group}/shift"] = Field(("<f4", (2,)), _constant(0))
    if fields:
        fields[f"{group}/psize_A"] = Field(("<f4",), lambda rows: rows.numbers("pixel_size"))
    if "half_set" in found.known:
        halves = _all(found, "half_set")
        fields[f"{group}/split"] = Field(("<u4",), lambda rows: rows.numbers(halves) - 1)
    if "class_number" in found.known:
        classes = _all(found, "class_number")
        fields[f"{group}/class"] = Field(("<u4",), lambda rows: rows.numbers(classes) - 1)
    return fields


def _of_location(found: Survey, shape: tuple[int, int] | None) -> Fields:
    """The micrograph's name; the place in it as a fraction, where its shape is known."""
    if "micrograph" not in found.known:
        return {}
    longest = found.longest["micrograph"]
    fields = {
        "location/micrograph_path": Field((f"S{longest}",), lambda rows: rows.texts("micrograph")),
        "location/micrograph_uid": Field(("<u8",), lambda rows: list(map(_digest, rows.texts("micrograph")))),
        "location/exp_group_id": Field(("<u4",), lambda rows: rows.groups - 1),
    }
    column = EXTRA + _SHAPE
    if not set(_PLACE) <= found.known:
        return fields
    if shape is None and column not in found.whole:
        logger.warning(
            "coordinates are left out: CryoSPARC's are fractions of micrographs: micrograph_shape= tells theirs"
        )
        return fields

    def shapes(rows: Rows) -> Values:
        told = [shape] * len(rows.table) if shape is not None else rows.table[column].to_pylist()
        return np.array(told, np.float64).reshape(-1, 2)

    def fraction(axis: int) -> Callable[[Rows], Values]:
        name = _all(found, _PLACE[axis])
        return lambda rows: rows.numbers(name) / shapes(rows)[:, 1 - axis]

    fields[_SHAPE] = Field(("<u4", (2,)), shapes)
    return fields | {f"location/center_{'xy'[axis]}_frac": Field(("<f4",), fraction(axis)) for axis in (0, 1)}


def _extra(column: str, name: str, found: Survey, neutral: Field | None) -> Field:
    """A column of the dataset that has a name of CryoSPARC's; what fills 64 bits is in an int64 here."""
    kind = found.kinds[column]
    if pa.types.is_string(kind):
        return Field((f"S{found.longest[column]}",), lambda rows: rows.texts(column))
    _all(found, column)
    if pa.types.is_list(kind):
        dtype = neutral.dtype if neutral is not None else ("<f4", (found.lengths[column],))
        return Field(dtype, lambda rows: np.array(rows.table[column].to_pylist()))
    if name.endswith(UID):
        return Field(("<u8",), lambda rows: rows.table[column].to_numpy().astype(np.int64).view(np.uint64))
    own = "<f4" if pa.types.is_floating(kind) else "?" if pa.types.is_boolean(kind) else "<i8"
    return Field(neutral.dtype if neutral is not None else (own,), lambda rows: rows.table[column].to_numpy())


def _digest(text: bytes) -> int:
    return xxhash.xxh3_64_intdigest(text)


def made_uids(seed: str, first: int, count: int) -> Values:
    """Numbers of 64 bits that no two rows share and that are the same every time: splitmix64 of rows' numbers.

    Args:
        seed: what they depend on besides.
        first: number of the first row.
        count: of rows.
    """
    with np.errstate(over="ignore"):
        numbers = np.arange(first, first + count, dtype=np.uint64) + np.uint64(_digest(seed.encode()))
        numbers *= np.uint64(0x9E3779B97F4A7C15)
        numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(numbers ^ (numbers >> np.uint64(31)))
