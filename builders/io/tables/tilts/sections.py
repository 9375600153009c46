"""SerialEM's `.mdoc` files as they are: keys and values of each section; nothing is carried from one to another."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from builders.errors import FormatError, TruncatedError
from builders.io.tables.tilts.lines import lines_of
from builders.io.tables.tilts.series import MOST_TILTS

_HEADING = re.compile(r"\[\s*([A-Za-z]\w*)\s*=\s*(.*?)\s*\]")
_EXPECTED = "an .mdoc of SerialEM"
_OURS = frozenset(
    (
        *("TiltAngle", "ExposureDose", "PriorRecordDose", "PixelSpacing", "RotationAngle", "TargetDefocus"),
        *("SubFramePath", "DateTime", "PieceCoordinates"),
    )
)
"""Keys that are used: a section says each once."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section of an mdoc.

    Attributes:
        kind: `"ZValue"`, `"FrameSet"`, `"MontSection"` or another one.
        number: as its heading has it.
        line: of its heading, from 1.
        values: what it says, as it is spelled.
    """

    kind: str
    number: str
    line: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Mdoc:
    """What an mdoc says.

    Attributes:
        name: of the file.
        header: what stands before the first section.
        titles: its `[T = ...]`.
        sections: the others, in order.
    """

    name: str
    header: Mapping[str, str]
    titles: tuple[str, ...]
    sections: tuple[Section, ...]


def parse(data: bytes, name: str) -> Mdoc:
    r"""The keys and values of an mdoc.

    A value may hold `=`, lines may end in any way, and text of the header that is no key and value is passed over.

    Raises:
        FormatError: it is none, or a line in a section is no key and value.
        TruncatedError: so is its last line.

    Example:
        >>> mdoc = parse(b"PixelSpacing = 5.4\r\n\r\n[ZValue = 0]\r\nTiltAngle = 3.0\r\n", "x.mdoc")
        >>> mdoc.header, mdoc.sections[0].values
        ({'PixelSpacing': '5.4'}, {'TiltAngle': '3.0'})
    """
    header: dict[str, str] = {}
    titles: list[str] = []
    sections: list[Section] = []
    values = header
    last = 0
    wrong = None
    for line, text in lines_of(data, name, _EXPECTED):
        if wrong is not None:
            raise FormatError(wrong)
        last = line
        heading = _HEADING.fullmatch(text)
        if heading is not None and heading[1] == "T":
            titles.append(heading[2])
        elif heading is not None:
            if len(sections) == MOST_TILTS:
                msg = f"{name}, line {line}: more than {MOST_TILTS} sections: expected fewer"
                raise FormatError(msg)
            values = {}
            sections.append(Section(heading[1], heading[2], line, values))
        else:
            key, mark, value = (part.strip() for part in text.partition("="))
            if mark and key == "T" and not sections:
                titles.append(value)
            elif mark and key:
                _add(values, key, value, name, line)
            elif sections and not text.startswith("#"):
                wrong = f"{name}, line {line}: {text[:80]!r}: expected a key and a value, or a section's heading"
    if wrong is not None:
        msg = f"{wrong} (its last line: the file is cut)"
        raise TruncatedError(msg)
    if not last:
        msg = f"{name}: empty: expected {_EXPECTED}"
        raise FormatError(msg)
    return Mdoc(name, header, tuple(titles), tuple(sections))


def _add(values: dict[str, str], key: str, value: str, name: str, line: int) -> None:
    if key in _OURS and values.get(key, value) != value:
        msg = f"{name}, line {line}: {key} is {value[:80]!r} and, above, {values[key][:80]!r}: expected it once"
        raise FormatError(msg)
    values[key] = value
