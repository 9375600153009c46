"""AreTomo's `.aln` files: rotation, shift and tilt of the sections that were aligned."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from builders.errors import FormatError
from builders.io.tables.tilts.lines import lines_of, number, whole
from builders.io.tables.tilts.lists import Alignment, spread
from builders.io.tables.tilts.series import MOST_TILTS, turned

_EXPECTED = "an .aln of AreTomo"
_COLUMNS = ("SEC", "ROT", "GMAG", "TX", "TY", "SMEAN", "SFIT", "SCALE", "BASE", "TILT")
_MOST_APART = 5.0
"""Degrees that a refined tilt angle may differ from the stage's, besides what all do."""


@dataclass(frozen=True, slots=True)
class Aln:
    """What an `.aln` says.

    Attributes:
        name: of the file.
        raw_size: `(nx, ny, nz)` of the stack, where that is told.
        sections: which sections of the stack were aligned, as the file counts them.
        alignments: of each, shifts in pixels of the stack.
        tilt_angles: of each, degrees.
        dark: sections that were left out.
    """

    name: str
    raw_size: tuple[int, int, int] | None
    sections: tuple[int, ...]
    alignments: tuple[Alignment, ...]
    tilt_angles: tuple[float, ...]
    dark: tuple[int, ...]

    def places(self, count: int, angles: Sequence[float] | None) -> list[int]:
        """Which image of a series each of the aligned sections is, from 0.

        Programs count sections from 0 or from 1; which of these it is, the numbers tell where one is 0 or the last, and
        else the tilt angles.

        Args:
            count: how many images the series has.
            angles: of each, where they are known, in the order of the stack.

        Raises:
            FormatError: sections are missing, or the angles are others.
        """
        known = {*self.sections, *self.dark}
        bases = [base for base in (0, 1) if min(known) >= base and max(known) - base < count]
        if not bases:
            msg = (
                f"{self.name}: sections {min(known)} to {max(known)} of a series of {count} images: expected the same "
            )
            msg += "number"
            raise FormatError(msg)
        if angles is not None:
            apart = {base: spread([angles[s - base] for s in self.sections], self.tilt_angles) for base in bases}
            best = min(bases, key=lambda base: apart[base][0])
            far, which = apart[best]
            if far > _MOST_APART:
                msg = f"{self.name}: section {self.sections[which]} has a tilt of {self.tilt_angles[which]:g} degrees, "
                msg += f"the image {angles[self.sections[which] - best]:g}: expected angles of one stack, in its order"
                raise FormatError(msg)
            return [section - best for section in self.sections]
        if len(bases) > 1:
            msg = f"{self.name}: sections {min(known)} to {max(known)} of {count} images, counted from 0 or from 1: "
            msg += "expected a .rawtlt, .tlt or .mdoc beside it, which tells"
            raise FormatError(msg)
        return [section - bases[0] for section in self.sections]


def read_aln(data: bytes, name: str) -> Aln:
    r"""Read an `.aln`.

    AreTomo moves by (-TX, -TY) first and turns by -ROT then (its own export to IMOD: theta = -ROT, (dx, dy) = R(theta)
    (-TX, -TY)): what `Alignment` is.

    Raises:
        FormatError: it is none, has no aligned section, or one twice.

    Example:
        >>> text = b"# RawSize = 40 30 3\n# SEC ROT GMAG TX TY SMEAN SFIT SCALE BASE TILT\n"
        >>> aln = read_aln(text + b"1 85.3 1.0 2.5 -4.0 1 1 1 0 -60.0\n# Local Alignment\n0 0 1 2 3\n", "x.aln")
        >>> aln.raw_size, aln.sections, aln.alignments[0].shift_x, aln.tilt_angles
        ((40, 30, 3), (1,), -2.5, (-60.0,))
    """
    size: tuple[int, int, int] | None = None
    dark: list[int] = []
    rows: dict[int, tuple[Alignment, float]] = {}
    for line, text in lines_of(data, name, _EXPECTED):
        if text.startswith("#"):
            told = text[1:].strip()
            key, _, value = (part.strip() for part in told.partition("="))
            if told.lower().startswith("local alignment"):
                break
            if key == "RawSize":
                sides = [whole(side, name, line, "RawSize") for side in value.split()]
                size = (sides[0], sides[1], sides[2]) if len(sides) == 3 else None
            elif key == "DarkFrame" and len(value.split()) > 1:
                dark.append(whole(value.split()[1], name, line, "the section of a DarkFrame"))
            continue
        section, row = _row(text, name, line)
        if section in rows:
            msg = f"{name}, line {line}: section {section} a second time: expected it once"
            raise FormatError(msg)
        rows[section] = row
    if not 0 < len(rows) <= MOST_TILTS:
        msg = f"{name}: {len(rows)} sections in it: expected {_EXPECTED}, with {' '.join(_COLUMNS)} of each section"
        raise FormatError(msg)
    alignments, angles = zip(*rows.values(), strict=True)
    return Aln(name, size, tuple(rows), alignments, angles, tuple(dark))


def _row(text: str, name: str, line: int) -> tuple[int, tuple[Alignment, float]]:
    texts = text.split()
    if len(texts) < len(_COLUMNS):
        msg = f"{name}, line {line}: {text[:80]!r}: expected ten numbers, {' '.join(_COLUMNS)}"
        raise FormatError(msg)
    at = dict(zip(_COLUMNS, texts, strict=False))
    rot, x, y, tilt = (number(at[key], name, line, key) for key in ("ROT", "TX", "TY", "TILT"))
    if math.hypot(x, y) > 1e7:
        msg = f"{name}, line {line}: a shift of {x:g}, {y:g} pixels: expected one within the image"
        raise FormatError(msg)
    return whole(texts[0], name, line, "SEC"), (Alignment(turned(rot), 0.0 - x, 0.0 - y), tilt)
