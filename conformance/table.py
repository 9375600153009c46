"""One line of the table: what we give, what another package gives, and what it should give by its formula."""

import math
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

MOST_VALUES = 4
"""Numbers that a cell shows as they are; of more than that, it shows the root of their mean square."""

TRANSCRIBED = {
    "RELION": "`ctf.h`, `fftw.cpp`, `mask.cpp`, formulas transcribed",
}
"""Programs that are not installed: their formulas stand in `conformance/references.py`."""


@dataclass
class Row:
    """One convention, in one case, of one other package.

    Attributes:
        convention: what is compared.
        case: sizes and parameters.
        ours: one number, some, or a whole image.
        theirs: the same of the other package.
        package: its name on PyPI, or one of `TRANSCRIBED`.
        call: what of it was called.
        predicted: what `theirs` should be where it is not what `ours` is, by the formula in `why`. None: the same.
        why: where they differ, the formula that says how.
        tolerance: how far `theirs` may be from what it should be.
        digits: that a cell shows, of each number.
    """

    convention: str
    case: str
    ours: Any
    theirs: Any
    package: str
    call: str
    predicted: Any = None
    why: str = ""
    tolerance: float = 1e-5
    digits: int = field(default=4, kw_only=True)

    def __post_init__(self) -> None:
        if (self.predicted is not None) != bool(self.why):
            msg = f"{self.name}: a predicted value and its formula go together"
            raise ValueError(msg)

    @property
    def name(self) -> str:
        """The row in words, for messages."""
        return f"{self.convention}, {self.case}, {self.package}"

    @property
    def error(self) -> float:
        """How far `theirs` is from what it should be; infinite where shapes differ."""
        should = self.ours if self.predicted is None else self.predicted
        return distance(should, self.theirs)

    @property
    def difference(self) -> float:
        """How far `theirs` is from `ours`."""
        return distance(self.ours, self.theirs)

    def cells(self) -> tuple[str, ...]:
        """The row as it is printed."""
        if self.predicted is None:
            difference = f"0 (< {self.tolerance:.0e})".replace("e-0", "e-")
        else:
            difference = number(self.difference, 2, 1e-10) if math.isfinite(self.difference) else "-"
        theirs = f"{shown(self.theirs, self.digits)}"
        package = self.package if self.package in TRANSCRIBED else f"{self.package} {version(self.package)}"
        return (
            self.convention,
            self.case,
            shown(self.ours, self.digits),
            theirs,
            f"{package}: {self.call}",
            difference,
            self.why,
        )


def as_values(values: Any) -> Values:
    """Numbers, arrays or tensors as float64."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.asarray(values, np.float64)


def distance(one: Any, other: Any) -> float:
    """The largest difference of two values, 0 where both are NaN; infinite where shapes differ."""
    a, b = as_values(one), as_values(other)
    if a.shape != b.shape:
        return math.inf
    same = np.isnan(a) & np.isnan(b)
    apart = np.where(same, 0.0, np.abs(np.where(same, 0.0, a) - np.where(same, 0.0, b)))
    return math.inf if np.isnan(apart).any() else float(apart.max(initial=0.0))


def number(value: float, digits: int, rounding: float = 1e-6) -> str:
    """A number as it is printed: what is left of rounding is 0."""
    return f"{0.0 if abs(value) < rounding else value:.{digits}g}"


def shown(values: Any, digits: int) -> str:
    """A cell: some numbers, or the root of the mean square of an image."""
    array = as_values(values)
    if array.size <= MOST_VALUES:
        return ", ".join(number(value, digits) for value in array.ravel().tolist())
    shape = " x ".join(map(str, array.shape))
    return f"{shape}, rms {number(float(np.sqrt(np.square(array).mean())), digits)}"


def failures(rows: list[Row]) -> list[str]:
    """What is not as it should be, a line each."""
    lines = []
    for row in rows:
        if not row.error <= row.tolerance:
            should = row.ours if row.predicted is None else row.predicted
            lines.append(
                f"{row.name}: theirs is {shown(row.theirs, 8)}, expected {shown(should, 8)} (ours "
                f"{shown(row.ours, 8)}): off by {row.error:.3g}, tolerance {row.tolerance:.0e}"
            )
    return lines
