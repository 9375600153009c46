"""AreTomo's `.aln` files: rotation, shift and tilt of the sections that were aligned."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from builders.errors import FormatError
from builders.io.tables.tilts.lines import ANGLE, lines_of, number, whole
from builders.io.tables.tilts.lists import Alignment, spread
from builders.io.tables.tilts.series import MOST_SHIFT, MOST_TILTS, turned

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
        alpha_offset: degrees that were added to all tilt angles, where that is told.
    """

    name: str
    raw_size: tuple[int, int, int] | None
    sections: tuple[int, ...]
    alignments: tuple[Alignment, ...]
    tilt_angles: tuple[float, ...]
    dark: tuple[int, ...]
    alpha_offset: float | None = None

    def places(self, count: int, angles: Sequence[float] | None) -> list[int]:
        """Which image of a series each of the aligned sections is, from 0.

        Programs count sections from 0 or from 1: the numbers tell which, where one is 0 or the last, and else the
        angles. They may count only those that are left once dark ones were taken out: so it is where a number is that
        of a dark one, too.

        Args:
            count: how many images the series has.
            angles: of each, where they are known, in the order of the stack.

        Raises:
            FormatError: sections are missing, or the angles are others.
        """
        if self.raw_size is not None and self.raw_size[2] != count:
            msg = f"{self.name}: of a stack of {self.raw_size[2]} sections, the series has {count}: expected the same"
            raise FormatError(msg)
        found = {base: places for base in (0, 1) if (places := self._counted_from(base, count)) is not None}
        if not found:
            msg = f"{self.name}: sections {min(self.sections)} to {max((*self.sections, *self.dark))} of a series of "
            msg += f"{count} images: expected the same number"
            raise FormatError(msg)
        if angles is None:
            if len(found) > 1:
                msg = f"{self.name}: sections {min(self.sections)} to {max(self.sections)} of {count} images, counted "
                msg += "from 0 or from 1: expected a .rawtlt, .tlt or .mdoc beside it, which tells"
                raise FormatError(msg)
            return next(iter(found.values()))
        apart = {base: self._apart([angles[place] for place in places]) for base, places in found.items()}
        best = min(found, key=lambda base: apart[base][0])
        far, which = apart[best]
        if far > _MOST_APART:
            msg = f"{self.name}: section {self.sections[which]} has a tilt of {self.tilt_angles[which]:g} degrees, the "
            msg += f"image {angles[found[best][which]]:g}: expected angles of one stack, in its order"
            raise FormatError(msg)
        return found[best]

    def _counted_from(self, base: int, count: int) -> list[int] | None:
        """The places of sections that are counted from 0 or 1; None where they cannot be."""
        dark = {section - base for section in self.dark}
        places = [section - base for section in self.sections]
        if dark & set(places):
            left = [place for place in range(count) if place not in dark]
            places = [left[place] if 0 <= place < len(left) else -1 for place in places]
        is_there = all(0 <= place < count for place in (*places, *dark))
        return places if is_there else None

    def _apart(self, angles: Sequence[float]) -> tuple[float, int]:
        """How far aligned tilts are from those of the stage at the most, but for the offset of all, and where."""
        if self.alpha_offset is None:
            return spread(angles, self.tilt_angles)
        far = [abs(t - self.alpha_offset - angle) for t, angle in zip(self.tilt_angles, angles, strict=True)]
        return max(far), far.index(max(far))


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
    offset: float | None = None
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
            elif key == "AlphaOffset":
                offset = number(value, name, line, key, ANGLE)
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
    return Aln(name, size, tuple(rows), alignments, angles, tuple(dark), offset)


def _row(text: str, name: str, line: int) -> tuple[int, tuple[Alignment, float]]:
    texts = text.split()
    if len(texts) < len(_COLUMNS):
        msg = f"{name}, line {line}: {text[:80]!r}: expected ten numbers, {' '.join(_COLUMNS)}"
        raise FormatError(msg)
    at = dict(zip(_COLUMNS, texts, strict=False))
    rot, tilt = (number(at[key], name, line, key, ANGLE) for key in ("ROT", "TILT"))
    x, y = (number(at[key], name, line, key) for key in ("TX", "TY"))
    if math.hypot(x, y) > MOST_SHIFT:
        msg = f"{name}, line {line}: a shift of {x:g}, {y:g} pixels: expected one within the image"
        raise FormatError(msg)
    return whole(texts[0], name, line, "SEC"), (Alignment(turned(rot), 0.0 - x, 0.0 - y), tilt)
