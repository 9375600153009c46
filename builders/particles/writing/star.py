"""Particles as a STAR file of RELION 3.1: a table of optics groups and one of particles."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.compute as pc

from builders.errors import FormatError
from builders.particles.writing.optics import GROUP, Survey, keys_of
from builders.particles.writing.pieces import Piece
from builders.particles.writing.rows import EXTRA

_OPTICS = {
    "voltage": "rlnVoltage",
    "spherical_aberration": "rlnSphericalAberration",
    "amplitude_contrast": "rlnAmplitudeContrast",
}
_PARTICLES = {
    "micrograph": "rlnMicrographName",
    "coordinate_x": "rlnCoordinateX",
    "coordinate_y": "rlnCoordinateY",
    "defocus_u": "rlnDefocusU",
    "defocus_v": "rlnDefocusV",
    "defocus_angle": "rlnDefocusAngle",
    "phase_shift": "rlnPhaseShift",
    "rot": "rlnAngleRot",
    "tilt": "rlnAngleTilt",
    "psi": "rlnAnglePsi",
    "shift_x": "rlnOriginXAngst",
    "shift_y": "rlnOriginYAngst",
    "half_set": "rlnRandomSubset",
    "class_number": "rlnClassNumber",
}
_UNKNOWN: dict[str, float] = {
    **dict.fromkeys(("coordinate_x", "coordinate_y", "rot", "tilt", "psi", "class_number"), -999),
    **dict.fromkeys(("shift_x", "shift_y", "half_set"), 0),
}
"""What RELION writes where it does not know a value: -999; an origin is then 0, and so is the half of neither."""
RESERVED = frozenset(
    {
        *_OPTICS.values(),
        *_PARTICLES.values(),
        *("rlnImageName", "rlnOpticsGroup", "rlnOpticsGroupName", "rlnImagePixelSize", "rlnImageSize"),
        # other spellings of the same: of before the rows' transforms, as far as these changed them
        *("rlnImageDimensionality", "rlnOriginX", "rlnOriginY", "rlnDetectorPixelSize", "rlnMagnification"),
        *("rlnPixelSize", "rlnAngstromsPerPixel"),
    }
)
"""Labels that are not written of columns of these names, since the particle's own columns tell them."""

_PLAIN = re.compile(r"""[^\s#"'_$;\[\]][^\s#"']*""")
_WORDS = re.compile(r"(data_|loop_|save_|stop_|global_).*", re.IGNORECASE | re.DOTALL)
_BATCH = 10_000


def write_star(file: TextIO, pieces: Iterable[Piece], found: Survey, folder: str, is_scaled: bool) -> None:
    """Write the tables.

    Args:
        file: where to.
        pieces: all of them, in order.
        found: what is in them.
        folder: in which the stacks lie, relative to where names of the table begin; `""`, or one that ends in `/`.
        is_scaled: coordinates are in pixels of the images, whose size the table has to tell then.

    Raises:
        FormatError: STAR has no way to write a name.
    """
    file.write("\n# version 30001\n\ndata_optics\n\n")
    _write_optics(file, found, is_scaled)
    file.write("\n\n# version 30001\n\ndata_particles\n\n")
    known = [name for name in _PARTICLES if name in found.known]
    extras = sorted(name for name in found.known if name.startswith(EXTRA) and _is_kept(name, found))
    labels = ["rlnImageName", "rlnOpticsGroup", *(_PARTICLES[name] for name in known), *map(_own, extras)]
    _write_loop(file, labels)
    for piece in pieces:
        for start in range(0, len(piece.rows), _BATCH):
            file.writelines(_lines(piece, piece.rows.slice(start, _BATCH), [*known, *extras], found, folder))
    file.write("\n")


def _is_kept(name: str, found: Survey) -> bool:
    return _own(name) not in RESERVED and not pa.types.is_list(found.kinds[name])


def _own(name: str) -> str:
    return name.removeprefix(EXTRA).removeprefix("_")


def _write_loop(file: TextIO, labels: Sequence[str]) -> None:
    file.write("loop_ \n")
    file.writelines(f"_{label} #{number}\n" for number, label in enumerate(labels, 1))


def _write_optics(file: TextIO, found: Survey, is_scaled: bool) -> None:
    known = [name for name in _OPTICS if name in found.known]
    labels = ["rlnOpticsGroupName", "rlnOpticsGroup", *(_OPTICS[name] for name in known), "rlnImagePixelSize"]
    labels += ["rlnImageSize", "rlnImageDimensionality", *(["rlnMicrographPixelSize"] if is_scaled else [])]
    _write_loop(file, labels)
    for key, number in sorted(found.groups.items(), key=lambda item: item[1]):
        of = dict(zip(GROUP, key, strict=True))
        size, *optics = _shortest(pa.array([of["pixel_size"], *(of[name] for name in known)], pa.float32())).to_pylist()
        values = [f"opticsGroup{number}", str(number), *optics, size, str(of["size"])]
        file.write(" ".join([*values, "2", *([size] if is_scaled else [])]) + "\n")


def _lines(piece: Piece, rows: pa.Table, names: Sequence[str], found: Survey, folder: str) -> Iterator[str]:
    """The rows of a table as lines of text."""
    stacks = [folder + stack.name for stack in piece.stacks]
    numbers = rows["slice"].to_pylist()
    images = [f"{at + 1:06d}@{stacks[of]}" for at, of in zip(numbers, rows["stack"].to_pylist(), strict=True)]
    columns: list[list[Any]] = [_quoted(images), [found.groups[key] for key in keys_of(rows)]]
    formats = ["%s", "%d"]
    for name in names:
        values, how = _column(rows[name], _UNKNOWN.get(name))
        columns.append(values)
        formats.append(how)
    line = " ".join(formats) + "\n"
    return (line % values for values in zip(*columns, strict=True))


def _column(column: pa.ChunkedArray, unknown: float | None) -> tuple[list[Any], str]:
    """Values of a column, and how one is formatted: numbers by the fewest digits that they come back from exactly."""
    kind = column.type
    if pa.types.is_floating(kind):
        values = pc.fill_null(column, float("nan") if unknown is None else unknown)
        return (values.to_pylist(), "%r") if pa.types.is_float64(kind) else (_shortest(values).to_pylist(), "%s")
    if pa.types.is_string(kind):
        return _quoted(["None" if value is None else value for value in column.to_pylist()]), "%s"
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    missing = "<NA>" if unknown is None else str(int(unknown))
    return pc.fill_null(column.cast(pa.string()), missing).to_pylist(), "%s"


def _shortest(values: Any) -> Any:
    """Numbers of single precision as texts: 2.7, which as a double is 2.70000005; nine digits at the most."""
    return values.cast(pa.float32()).cast(pa.string())


def _quoted(texts: Sequence[str]) -> list[str]:
    seen = {text: quoted(text) for text in set(texts)}
    return [seen[text] for text in texts]


def quoted(text: str) -> str:
    r"""A text as one value of STAR: as it is, or in quotes where it has blanks, `#` or quotes itself.

    Raises:
        FormatError: there is no way to write it: it has several lines, or both kinds of quotes before blanks.

    Example:
        >>> quoted("a.mrc"), quoted("my grid #2.mrc"), quoted('6" wafer.mrc')
        ('a.mrc', '"my grid #2.mrc"', '\'6" wafer.mrc\'')
    """
    if _PLAIN.fullmatch(text) and not _WORDS.fullmatch(text):
        return text
    fitting = [quote for quote in "\"'" if quote not in text]
    fitting += [quote for quote in "\"'" if not re.search(rf"{quote}(\s|$)", text)]
    if not fitting or len(text.splitlines()) > 1:
        msg = f"{text!r}: a STAR file cannot hold this text in one line: expected no line breaks, and not both kinds of"
        msg += " quotes"
        raise FormatError(msg)
    return f"{fitting[0]}{text}{fitting[0]}"
