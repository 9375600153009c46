"""What files of a RELION project tell of the tomograms that particles are in."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

import pyarrow as pa

from builders.errors import FormatError, UnsafePathError
from builders.io.tables import star
from builders.io.tables.picks.checking import shown

FILES = ("rlnTomoParticlesFile", "rlnTomoTomogramsFile")
SERIES_PIXELS = "rlnTomoTiltSeriesPixelSize"
_NAME = "rlnTomoName"
_SIZES = ("rlnTomoSizeX", "rlnTomoSizeY", "rlnTomoSizeZ")
_MOST = 1e9
Extent = tuple[float, float, float]
"""Å along x, y, z."""


class Files(NamedTuple):
    """What an optimisation set names: paths relative to its project.

    Attributes:
        particles: the file of particles.
        tomograms: that of tomograms; None where it names none.
    """

    particles: str
    tomograms: str | None


def files_of(blocks: list[star.Block], name: str) -> Files | None:
    """The files that an optimisation set names; None of another file.

    Args:
        blocks: of the file, with those of `FILES` that are there.
        name: of the file, for errors.

    Raises:
        FormatError: it names no particles, or several files of them.
        UnsafePathError: a path leads out of the project.
    """
    block = next((block for block in blocks if FILES[0] in block.labels), None)
    if block is None:
        return None
    if block.rows != 1:
        msg = f"{name}: {block.rows} rows in block {block.name!r}: expected one, which names a file of particles"
        raise FormatError(msg)
    named = {label: block.columns[label][0].as_py() for label in FILES if label in block.labels}
    if not named[FILES[0]]:
        msg = f"{name}: no {FILES[0]} in block {block.name!r}: expected a path"
        raise FormatError(msg)
    for label, path in named.items():
        if path is not None and not _is_inside(path):
            msg = f"{name}: {label} is {shown(path)}: expected a path below the project's folder, without '..'"
            raise UnsafePathError(msg)
    return Files(named[FILES[0]], named.get(FILES[1]) or None)


def _is_inside(path: str) -> bool:
    is_plain = path.isprintable() and "\\" not in path and ":" not in path
    return is_plain and not path.startswith("/") and ".." not in PurePosixPath(path).parts


def extents_of(data: bytes, name: str) -> Mapping[str, Extent]:
    r"""How large the tomograms of a file of tomograms (`tomograms.star`) are, unbinned.

    Args:
        data: the file's bytes.
        name: of the file, for errors.

    Raises:
        FormatError: it has no tomograms with sizes, or two of one name: with the line.

    Example:
        >>> labels = ["rlnTomoName", "rlnTomoSizeX", "rlnTomoSizeY", "rlnTomoSizeZ", "rlnTomoTiltSeriesPixelSize"]
        >>> text = "data_global\n\nloop_\n" + "".join(f"_{label}\n" for label in labels) + "TS_1 4000 3000 1000 1.5\n"
        >>> extents_of(text.encode(), "tomograms.star")
        {'TS_1': (6000.0, 4500.0, 1500.0)}
    """
    wanted = {_NAME: star.TEXT, **dict.fromkeys((*_SIZES, SERIES_PIXELS), star.NUMBER)}

    def select(_block: str, there: tuple[str, ...]) -> Mapping[str, pa.DataType]:
        return {label: kind for label, kind in wanted.items() if label in there} if _NAME in there else {}

    blocks = [block for block in star.read(data, name, select) if {*wanted} <= {*block.labels}]
    if len(blocks) != 1:
        said = "no block" if not blocks else f"{len(blocks)} blocks"
        msg = f"{name}: {said} with {', '.join(wanted)}: expected one, a table of tomograms"
        raise FormatError(msg)
    (block,) = blocks
    extents: dict[str, Extent] = {}
    columns = [block.columns[label].to_pylist() for label in wanted]
    for row, (tomogram, *sizes, pixels) in enumerate(zip(*columns, strict=True)):
        where = f"{name}: line {block.lines.of(row)}"
        if tomogram is None or tomogram in extents:
            said = f"no {_NAME}" if tomogram is None else f"a second tomogram {shown(tomogram)}"
            msg = f"{where}: {said}: expected a name of its own for each"
            raise FormatError(msg)
        for label, value in zip((*_SIZES, SERIES_PIXELS), (*sizes, pixels), strict=True):
            if value is None or not 0 < value < _MOST:
                msg = f"{where}: {label} is {shown(value)}: expected a number above 0"
                raise FormatError(msg)
        extents[tomogram] = (sizes[0] * pixels, sizes[1] * pixels, sizes[2] * pixels)
    return extents
