"""Rows of a dataset of particles as tensors of one size."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from builders.errors import FormatError, OptionError
from perc_transforms.core.forms import plain

FEWEST = 8
"""Particles without which nothing is told."""
_ANGLES = ("rot", "tilt", "psi")
_NEEDED = ("defocus_u", "voltage", "spherical_aberration", "amplitude_contrast")
_DEFAULTS: dict[str, float | None] = {"defocus_v": None, "defocus_angle": 0.0, "phase_shift": 0.0}


@dataclass(frozen=True)
class Particles:
    """Particles of one size.

    Attributes:
        images: float32, `(N, n, n)`.
        pixel_size: Å.
        angles: rot, tilt and psi, degrees, `(N, 3)`; None: they have none.
        origins: `shift_x` and `shift_y`, Å, `(N, 2)`.
        ctf: parameters of `perc_transforms.functional.ctf` by name, `(N,)` each; None: they have none.
        notes: what was left out, in words.
    """

    images: Tensor
    pixel_size: float
    angles: Tensor | None
    origins: Tensor
    ctf: dict[str, Tensor] | None
    notes: tuple[str, ...] = ()


def gather(dataset: Any, count: int, *, posed: bool) -> Particles:
    """Some particles of a dataset: spread evenly over a map-style one or a list, the first ones of a stream.

    Args:
        dataset: of rows with `image`, `pixel_size`, `pose` and `ctf`; of one split.
        count: how many.
        posed: leave out rows without a pose.

    Raises:
        OptionError: a dict of several splits.
        FormatError: fewer than 8 particles that can be used.
    """
    if isinstance(dataset, Mapping):
        msg = f"check: a dict of {', '.join(map(repr, dataset))}: expected one dataset: choose with split="
        raise OptionError(msg)
    notes: list[str] = []
    found = [_usable(row) for row in _some(dataset, count)]
    rows: list[dict[str, Any]] = _left(
        found, [row is not None for row in found], "no pixel size, or no square image of numbers", notes
    )
    if posed:
        rows = _left(rows, [row["angles"] is not None for row in rows], "no pose", notes)
    has_ctf = any(row["ctf"] is not None for row in rows)
    rows = _left(rows, [(row["ctf"] is not None) is has_ctf for row in rows], "no CTF", notes)
    kinds = Counter((len(row["image"]), round(row["pixel_size"], 4)) for row in rows)
    chosen = kinds.most_common(1)[0][0] if kinds else None
    is_chosen = [(len(row["image"]), round(row["pixel_size"], 4)) == chosen for row in rows]
    rows = _left(rows, is_chosen, "another size of box or pixel", notes)
    if len(rows) < FEWEST:
        msg = f"check: {len(rows)} particles that can be checked: expected {FEWEST} or more"
        msg += "".join(f"; {note}" for note in notes)
        raise FormatError(msg)
    posed = all(row["angles"] is not None for row in rows)
    return Particles(
        images=torch.from_numpy(np.stack([row["image"] for row in rows])),
        pixel_size=float(rows[0]["pixel_size"]),
        angles=torch.tensor([row["angles"] for row in rows], dtype=torch.float64) if posed else None,
        origins=torch.tensor([row["origin"] for row in rows], dtype=torch.float64),
        ctf=_columns([row["ctf"] for row in rows]) if has_ctf else None,
        notes=tuple(notes),
    )


def _some(dataset: Any, count: int) -> Iterator[Mapping[str, Any]]:
    """Rows of a dataset, in its order."""
    if not hasattr(dataset, "__len__"):
        return itertools.islice(dataset, count)
    places = sorted({round(place) for place in np.linspace(0, len(dataset) - 1, min(count, len(dataset)))})
    if isinstance(dataset, list | tuple):
        return iter([dataset[place] for place in places])
    columns = dataset[places]  # which reads many at once
    return (dict(zip(columns, values, strict=True)) for values in zip(*map(_unstruct, columns.values()), strict=True))


def _unstruct(column: Any) -> Iterable[Any]:
    """A column's values; of a struct that is a dict of columns, a dict each."""
    if not isinstance(column, Mapping):
        return list(column)
    return [dict(zip(column, values, strict=True)) for values in zip(*map(_unstruct, column.values()), strict=True)]


def _usable(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is needed of a row; None where it has no image that can be used."""
    image = np.ascontiguousarray(np.asarray(row["image"], np.float32))
    pixel_size = plain(row.get("pixel_size"))
    if image.ndim != 2 or image.shape[0] != image.shape[1] or not pixel_size or not np.isfinite(image).all():
        return None
    pose, ctf = plain(row.get("pose")) or {}, plain(row.get("ctf")) or {}
    angles = [pose.get(name) for name in _ANGLES]
    return {
        "image": image,
        "pixel_size": pixel_size,
        "angles": None if None in angles else angles,
        "origin": [pose.get("shift_x") or 0.0, pose.get("shift_y") or 0.0],
        "ctf": None if any(ctf.get(name) is None for name in _NEEDED) else ctf,
    }


def _left(rows: list[Any], fine: list[bool], what: str, notes: list[str]) -> list[Any]:
    """Rows that are fine; how many are not is noted."""
    if not all(fine):
        notes.append(f"{fine.count(False)} of {len(fine)} rows left out: {what}")
    return [row for row, is_fine in zip(rows, fine, strict=True) if is_fine]


def _columns(structs: list[dict[str, Any]]) -> dict[str, Tensor]:
    """Parameters of CTFs by name; V is U where it is not known."""
    columns = {name: [ctf[name] for ctf in structs] for name in _NEEDED}
    for name, default in _DEFAULTS.items():
        given = [ctf.get(name) for ctf in structs]
        filled = columns["defocus_u"] if default is None else [default] * len(given)
        columns[name] = [other if value is None else value for value, other in zip(given, filled, strict=True)]
    return {name: torch.tensor(values, dtype=torch.float64) for name, values in columns.items()}
