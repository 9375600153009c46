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
from builders.options import check_integer

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
_PAIRS = {
    "defocus": (-1e6, 1e6, " Å", "10000 or (8000, 25000)"),
    "snr": (1e-12, 1e12, "", "0.1 or (0.05, 0.2)"),
}
"""Options that are a number or two: the least, the most, their unit, and what they look like."""
_MOST_NOISE = {"dose": (1e-12, 1e6, "e/Å²"), "ice_snr": (1e-12, 1e12, "a ratio")}
_MOST_DEGREES = 1e5
_AXES = 1e-6, 1e6
"""Lengths of directions, at the least and at the most."""
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


def plain(value: Any) -> Any:
    """Numbers, and lists of them, of Python, where they are NumPy's, or of what makes arrays of itself.

    Example:
        >>> plain((np.int64(3), np.arange(2))), plain({"axes": range(2)}), plain("uniform")
        ((3, [0, 1]), {'axes': [0, 1]}, 'uniform')
    """
    if isinstance(value, str | bytes | bool | type):
        return value
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "__array__"):
        return np.asarray(value).tolist()
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, list | tuple | range):
        kind = tuple if isinstance(value, tuple) else list
        return kind(plain(one) for one in value)
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    return value


def check_count(name: str, value: Any, least: int, most: int, what: str = "a whole number") -> None:
    """Refuse what is no whole number between two others.

    Raises:
        OptionError: says what was expected.
    """
    check_integer(name, value, least)
    if value > most:
        msg = f"{name} is {value}: expected {what} from {least} to {most}"
        raise OptionError(msg)


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
    least, most, unit, such = _PAIRS[name]
    pair = [value, value] if _is_number(value) else list(value) if isinstance(value, list | tuple) else []
    if len(pair) != 2 or not all(map(_is_number, pair)) or pair[0] > pair[1]:
        msg = f"{name} is {value!r}: expected a number, or the lowest and the highest, such as {such}"
        raise OptionError(msg)
    if not least <= pair[0] <= pair[1] <= most:
        msg = f"{name} is {value!r}: expected a number from {least:g} to {most:g}{unit}, or two"
        raise OptionError(msg)
    return float(pair[0]), float(pair[1])


def check_noise(snr: Any, dose: Any, ice_snr: Any) -> tuple[Between | None, float | None, float | None]:
    """The fields of a recipe's noise.

    Raises:
        OptionError: one is not above 0, or there are `snr` and `dose`.
    """
    for name, value in (("dose", dose), ("ice_snr", ice_snr)):
        least, most, unit = _MOST_NOISE[name]
        if value is not None and not (_is_number(value) and least <= value <= most):
            msg = f"{name} is {value!r}: expected a number above 0, up to {most:g} ({unit}), or None"
            raise OptionError(msg)
    of_dose, of_ice = (None if value is None else float(value) for value in (dose, ice_snr))
    if snr is None or (snr == "auto" and dose is not None):
        return None, of_dose, of_ice
    if dose is not None:
        msg = f"snr is {snr!r} and dose is {dose!r}: expected one of them, from which the other follows"
        raise OptionError(msg)
    if any(_is_number(one) and one <= 0 for one in (snr if isinstance(snr, list | tuple) else [snr])):
        msg = f"snr is {snr!r}: expected numbers above 0 (None: images without noise)"
        raise OptionError(msg)
    return check_between("snr", _DEFAULT_SNR if snr == "auto" else snr), None, of_ice


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
        for length in map(math.hypot, *zip(*rows, strict=True)):
            if not _AXES[0] <= length <= _AXES[1]:
                msg = f"orientations has an axis of length {length:g} in {axes!r:.200}: expected directions (x, y, z) "
                msg += "of length 1 or so"
                raise OptionError(msg)
        return {"kind": "axes", "axes": rows, "kappa": float(kappa)}
    return {"kind": "table", "angles": _angles(value, value)}


def _angles(values: Any, given: Any) -> list[list[float]]:
    """Rows of angles, degrees."""
    rows = _rows(values, given)
    if not np.abs(rows).max() <= _MOST_DEGREES:
        msg = f"orientations is {given!r:.200}: expected degrees from -{_MOST_DEGREES:g} to {_MOST_DEGREES:g}"
        raise OptionError(msg)
    return rows


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
    return _angles(angles, path)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
