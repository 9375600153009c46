"""What is in a set of tilt series: of each, how its images were taken; as words and as JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from builders.terminal import printable

_SHOWN = 20
_DEGREE = 0.5
"""Steps of less are none."""


@dataclass(frozen=True)
class Summary:
    """One series; None is unknown.

    Attributes:
        name: its own.
        images: how many.
        angles: tilt angles, degrees, in the order of the rows.
        order: of each image, when it was taken, from 0.
        pre_exposure: of each, e/Å² before it.
        exposure: of each, e/Å².
        axis_angle: degrees, the mean.
        pixel_size: Å.
        defocus: Å, the least and the most.
        aligned: how many images have a shift.
        has_ctf: how many have an estimated CTF.
    """

    name: str
    images: int
    angles: tuple[float | None, ...]
    order: tuple[int | None, ...]
    pre_exposure: tuple[float | None, ...]
    exposure: tuple[float | None, ...]
    axis_angle: float | None
    pixel_size: float | None
    defocus: tuple[float, float] | None
    aligned: int
    has_ctf: int

    @property
    def scheme(self) -> str | None:
        """How the angles followed each other; see `scheme_of`."""
        if None in self.order or None in self.angles:
            return None
        places = sorted(range(self.images), key=lambda place: self.order[place] or 0)
        return scheme_of([self.angles[place] or 0.0 for place in places])

    @property
    def dose(self) -> float | None:
        """e/Å² of all images."""
        known = [dose for dose in self.exposure if dose is not None]
        return sum(known) if known and len(known) == len(self.exposure) else None


def scheme_of(angles: Sequence[float]) -> str:
    """How tilt angles followed each other, as they were taken.

    Example:
        >>> scheme_of([0, 3, -3, -6, 6]), scheme_of([0, 3, 6, -3, -6]), scheme_of([-6, -3, 0, 3])
        ('dose-symmetric', 'bidirectional', 'continuous')
    """
    steps = [after - before for before, after in pairwise(angles) if abs(after - before) > _DEGREE]
    ways = [step > 0 for step in steps]
    turns = sum(one != other for one, other in pairwise(ways))
    if not turns:
        return "continuous"
    if turns == 1:
        return "bidirectional"
    above = [angle - angles[0] for angle in angles if angle >= angles[0]]
    below = [angles[0] - angle for angle in angles if angle <= angles[0]]
    grow = all(after > before - _DEGREE for side in (above, below) for before, after in pairwise(side))
    return "dose-symmetric" if grow else "irregular"


def summarise(columns: Mapping[str, Sequence[Any]]) -> list[Summary]:
    """The series of a dataset of `unit="tilt"`, by its columns."""
    rows: dict[str, list[int]] = {}
    for place, name in enumerate(columns["tilt_series"]):
        rows.setdefault(name, []).append(place)
    return [
        _summary(name, {key: [values[place] for place in places] for key, values in columns.items()})
        for name, places in rows.items()
    ]


def _summary(name: str, of: Mapping[str, Sequence[Any]]) -> Summary:
    defocus = [value for value in of["defocus"] if value is not None]
    return Summary(
        name=name,
        images=len(of["tilt_angle"]),
        angles=tuple(of["tilt_angle"]),
        order=tuple(of["acquisition_order"]),
        pre_exposure=tuple(of["pre_exposure"]),
        exposure=tuple(of["exposure"]),
        axis_angle=_mean(of["axis_angle"]),
        pixel_size=_mean(of["pixel_size"]),
        defocus=(min(defocus), max(defocus)) if defocus else None,
        aligned=sum(value is not None for value in of["shift_x"]),
        has_ctf=sum(value is not None for value in of["ctf"]),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def as_json(summaries: Sequence[Summary]) -> str:
    """All that is known, as JSON."""
    return json.dumps([asdict(one) | {"scheme": one.scheme, "dose": one.dose} for one in summaries], indent=2)


def describe(summaries: Sequence[Summary], source: str) -> str:
    """Series for people, as a terminal may get them; a long list is cut."""
    count, images = len(summaries), sum(one.images for one in summaries)
    lines = [f"{source}: {count} tilt series, {images:,} images"]
    lines += [f"  {_line(one)}" for one in summaries[:_SHOWN]]
    lines += [f"  and {count - _SHOWN} more"] if count > _SHOWN else []
    return printable("\n".join(line.replace("\n", "?") for line in lines))


def _line(one: Summary) -> str:
    known = [angle for angle in one.angles if angle is not None]
    told = [f"{one.name}: {one.images} image{'s' * (one.images != 1)}"]
    told += [f"{min(known):.1f} to {max(known):.1f} degrees"] if known else ["no tilt angles"]
    told += [one.scheme or "order of acquisition unknown"]
    told += ["no doses" if one.dose is None else f"{one.dose:.4g} e/Å2"]
    told += ["" if one.axis_angle is None else f"axis {one.axis_angle:.1f}"]
    told += ["" if one.pixel_size is None else f"{one.pixel_size:.4g} Å"]
    if one.defocus is not None:
        low, high = (value / 1e4 for value in one.defocus)
        told += [f"{low:.2f} µm" if high - low < 0.01 else f"{low:.2f} to {high:.2f} µm"]
    told += [f"{one.aligned} aligned" if one.aligned else "", f"CTF of {one.has_ctf}" if one.has_ctf else ""]
    return ", ".join(filter(None, told))
