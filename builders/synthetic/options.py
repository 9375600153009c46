"""What is wrong with an option of `synthetic`."""

import math
import numbers
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from builders.errors import OptionError
from builders.io.made.known import MAKERS
from builders.io.made.recipe import Between
from builders.io.made.recipe_file import LARGEST_BOX

UNITS = tuple(MAKERS)
NUMBERS = {
    "pixel_size": (1e-2, 1e3, "Å, above 0"),
    "resolution": (1e-2, 1e4, "Å, above 0, or None"),
    "density_b_factor": (0, 1e4, "Å², 0 or more, or None"),
    "astigmatism": (0, 1e6, "Å, 0 or more"),
    "voltage": (1, 1e4, "kV, such as 300"),
    "spherical_aberration": (0, 100, "mm, such as 2.7"),
    "amplitude_contrast": (0, 1, "a number from 0 to 1"),
    "phase_shift": (-360, 360, "degrees"),
    "b_factor": (0, 1e5, "Å², 0 or more"),
    "max_shift": (0, 1e5, "Å, 0 or more"),
}
"""Options that are a number: the least, the most, and what it is."""
_MAY_BE_NONE = ("resolution", "density_b_factor")
_DEFAULT_SNR = 0.1
_MOST_ORIENTATIONS = 1_000_000
_ORIENTATIONS = (
    "'uniform', {'axes': [[x, y, z], ...], 'kappa': number}, or a table: rows of rot, tilt, psi in degrees, or the "
    "path of a STAR file"
)


def check_number(name: str, value: Any) -> float | None:
    """A number of `NUMBERS`.

    Raises:
        OptionError: it is none, or none that can be.
    """
    least, most, what = NUMBERS[name]
    if value is None and name in _MAY_BE_NONE:
        return None
    if not _is_number(value) or not least <= float(value) <= most:
        msg = f"{name} is {value!r}: expected {what}"
        raise OptionError(msg)
    return float(value)


def check_box(value: int) -> None:
    """Refuse a box that has no middle, or that no memory holds.

    Raises:
        OptionError: says what was expected.
    """
    if value % 2 or value > LARGEST_BOX:
        msg = f"box_size is {value}: expected an even number of pixels up to {LARGEST_BOX}"
        raise OptionError(msg)


def check_between(name: str, value: Any) -> Between:
    """One number, or the lowest and the highest of those that are drawn.

    Raises:
        OptionError: it is neither.
    """
    pair = [value, value] if _is_number(value) else list(value) if isinstance(value, list | tuple) else []
    if len(pair) != 2 or not all(map(_is_number, pair)) or pair[0] > pair[1]:
        msg = f"{name} is {value!r}: expected a number, or the lowest and the highest, such as (8000, 25000)"
        raise OptionError(msg)
    return float(pair[0]), float(pair[1])


def check_noise(snr: Any, dose: Any, ice_snr: Any) -> tuple[Between | None, float | None, float | None]:
    """The fields of a recipe's noise.

    Raises:
        OptionError: one is not above 0, or there are `snr` and `dose`.
    """
    for name, value in (("dose", dose), ("ice_snr", ice_snr)):
        if value is not None and not (_is_number(value) and value > 0):
            msg = f"{name} is {value!r}: expected a number above 0, or None"
            raise OptionError(msg)
    of_dose, of_ice = (None if value is None else float(value) for value in (dose, ice_snr))
    if snr is None or (snr == "auto" and dose is not None):
        return None, of_dose, of_ice
    if dose is not None:
        msg = f"snr is {snr!r} and dose is {dose!r}: expected one of them, from which the other follows"
        raise OptionError(msg)
    low, high = check_between("snr", _DEFAULT_SNR if snr == "auto" else snr)
    if low <= 0:
        msg = f"snr is {snr!r}: expected numbers above 0 (None: images without noise)"
        raise OptionError(msg)
    return (low, high), None, of_ice


def check_shift(value: float, side: float) -> None:
    """Refuse shifts out of the image.

    Args:
        value: Å.
        side: of images, Å.

    Raises:
        OptionError: says how far it may be.
    """
    if value > side / 2:
        msg = f"max_shift is {value:g}: expected at most half of the box of {side:g} Å"
        raise OptionError(msg)


def check_orientations(value: Any) -> dict[str, Any]:
    """Orientations as a recipe has them.

    Raises:
        OptionError: they are none.
        PercError: the table cannot be read.
    """
    if isinstance(value, str) and value == "uniform":
        return {"kind": "uniform"}
    if isinstance(value, str | Path):
        return {"kind": "table", "angles": _of_table(str(value))}
    if isinstance(value, Mapping):
        axes: Any = value.get("axes")
        kappa: Any = value.get("kappa")
        if value.keys() != {"axes", "kappa"} or not _is_number(kappa) or not 0 <= kappa <= 1e9:
            msg = f"orientations is {value!r:.200}: expected {_ORIENTATIONS}"
            raise OptionError(msg)
        rows = _rows(axes if np.ndim(axes) == 2 else [axes], value)
        if not all(any(row) for row in rows):
            msg = f"orientations has an axis of length 0 in {axes!r:.200}: expected directions (x, y, z)"
            raise OptionError(msg)
        return {"kind": "axes", "axes": rows, "kappa": float(kappa)}
    return {"kind": "table", "angles": _rows(value, value)}


def _rows(values: Any, given: Any) -> list[list[float]]:
    """Rows of three finite numbers."""
    try:
        table = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        table = np.empty(0)
    if table.ndim != 2 or table.shape[1] != 3 or not np.isfinite(table).all():
        msg = f"orientations is {given!r:.200}: expected {_ORIENTATIONS}"
        raise OptionError(msg)
    if not 0 < len(table) <= _MOST_ORIENTATIONS:
        msg = f"orientations has {len(table)} rows: expected 1 to {_MOST_ORIENTATIONS}"
        raise OptionError(msg)
    rows: list[list[float]] = table.tolist()
    return rows


def _of_table(path: str) -> list[list[float]]:
    """The angles of particles in a table."""
    from builders.io.tables.reading import read_particles

    if not Path(path).exists():
        msg = f"orientations is {path!r}: no such file: expected {_ORIENTATIONS}"
        raise OptionError(msg)
    pose = read_particles([(path, Path(path))], pixel_size=1.0).rows.column("pose").combine_chunks()
    angles = np.stack([pose.field(name).to_numpy(zero_copy_only=False) for name in ("rot", "tilt", "psi")], 1)
    angles = angles[~np.isnan(angles).any(1)]
    if not len(angles):
        msg = f"orientations: {path} has no particle with rot, tilt and psi: expected a table of poses"
        raise OptionError(msg)
    return _rows(angles, path)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
