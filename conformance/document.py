"""The table as a document: docs/conformance.md."""

import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from conformance.table import TRANSCRIBED, Row

HEADINGS = ("convention", "size and parameters", "ours", "theirs", "package", "difference", "note")
LIBRARIES = ("torch", "numpy")
TOMOGRAPHY = "## Tomograms, picks, tilt series"
MADE = "## Images made of a structure"
FURTHER = (TOMOGRAPHY, MADE)
"""Parts that follow the first one, each of an environment of its own, by their headings."""

INTRODUCTION = """\
# Conformance

What `perc_transforms` gives beside what other packages give for the same sizes and parameters, and what they read of
particles that `builders.particles.write` has written: every sign, unit and centre on which the field disagrees. Written
by `make conformance` (`python -m conformance`), which fails where a value of ours or of theirs is not what this table
says: where the column `difference` is 0, both are the same; where it is not, theirs is what the formula in the note
gives, to the rounding of the package. So this file changes only when a package does.

- Cells hold up to four numbers as they are. Of whole images, volumes and filters they hold the shape and the root of
  the mean square; `difference` is always the largest of all elements. "0 (< 1e-5)": none is further apart than that.
- Images are `(ny, nx)`, n pixels an axis, the centre at pixel n // 2; "64 → 32" is a change from n = 64 to m = 32.
- Places and shifts are in pixels `(y, x)`, angles in degrees.
"""


OF_TOMOGRAPHY = """\
What `builders` reads of tomograms, picks and tilt series beside what the packages of the field read of the same files.
Written by `make conformance-tomo` (`python -m conformance.tomography`), in an environment of its own, for copick wants
zarr < 3; as above, it fails where a value is not what this table says.
"""


OF_MADE = """\
What our functions and `load_dataset("synthetic")` make of a volume beside what cryoJAX and ASPIRE make of the same one,
at the same pose and with the same CTF, once these have been handed over as the packages want them: that is what the
column of calls says. Written by `make conformance-made` (`python -m conformance.made`), in an environment of its own;
as above, it fails where a value is not what this table says.

- Values of images are in units of the root of the mean square of ours: "0 (< 2e-3)" is two thousandths of that
  in the pixel that differs most.
- cryoJAX takes boxes of even sides alone.
"""


def further(heading: str, words: str, subjects: Mapping[str, Sequence[Row]]) -> str:
    """A part of the document that follows the first one."""
    return "\n".join([f"{heading}\n", words, *(section(name, rows, "###") for name, rows in subjects.items())])


def replaced(text: str, part: str) -> str:
    """The document, `text`, with this part in place of the one of its heading, or of the first one."""
    found = _parts(text) | _parts(part)
    return "\n".join(found[heading] for heading in ("", *FURTHER) if heading in found)


def _parts(text: str) -> dict[str, str]:
    parts: dict[str, list[str]] = {}
    heading = ""
    for line in text.split("\n"):
        heading = line if line in FURTHER else heading
        parts.setdefault(heading, []).append(line)
    return {name: "\n".join(lines) for name, lines in parts.items() if any(lines)}


def document(subjects: Mapping[str, Sequence[Row]]) -> str:
    """The whole document."""
    rows = [row for of_subject in subjects.values() for row in of_subject]
    parts = [INTRODUCTION, _versions(rows)]
    for heading, of_subject in subjects.items():
        parts.append(section(heading, of_subject))
    return "\n".join(parts)


def _versions(rows: Sequence[Row]) -> str:
    packages = dict.fromkeys(row.package for row in rows)
    lines = ["| program | version |", "| --- | --- |"]
    lines.append(f"| Python | {sys.version_info.major}.{sys.version_info.minor} |")
    for package in (*LIBRARIES, *(p for p in packages if p not in (*TRANSCRIBED, *LIBRARIES))):
        lines.append(f"| {package} | {version(package)} |")
    lines += [f"| {program} | {TRANSCRIBED[program]} |" for program in packages if program in TRANSCRIBED]
    return "\n".join([*lines, ""])


def section(heading: str, rows: Sequence[Row], level: str = "##") -> str:
    """A table of some rows, as Markdown, with its notes below."""
    notes = {why: place for place, why in enumerate(dict.fromkeys(row.why for row in rows if row.why), 1)}
    lines = [f"{level} {heading}", "", _line(HEADINGS), _line(["---"] * len(HEADINGS))]
    for row in rows:
        *cells, why = row.cells()
        lines.append(_line([*cells, f"({notes[why]})" if why else ""]))
    lines += ["", "Theirs:", ""] if notes else [""]
    lines += [f"{place}. {why}." for why, place in notes.items()]
    return "\n".join([*lines, ""] if notes else lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")
