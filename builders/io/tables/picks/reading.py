"""The bytes of any file of picks -> `Picks`."""

from pathlib import PurePosixPath

from builders.errors import FormatError
from builders.io.tables.picks import dynamo, imod, relion, separated
from builders.io.tables.picks.documents import copick, portal
from builders.io.tables.picks.picks import Picks
from builders.io.tables.picks.relion import Beside

SUFFIXES = (".json", ".ndjson", ".star", ".tbl", ".mod", *separated.SUFFIXES)
"""Of files that `read` reads."""


def read(
    data: bytes,
    name: str,
    *,
    pixel_size: float | None = None,
    label: str | None = None,
    tomograms: bytes | None = None,
    beside: Beside | None = None,
) -> Picks:
    r"""Read a file of picks.

    Args:
        data: the file's bytes.
        name: of the file, whose suffix tells the format, and for errors.
        pixel_size: Å, of the voxels that a file in voxels counts, in place of what the file tells; None: what it tells,
            else those of the tomogram.
        label: what points are of which the file does not say it.
        tomograms: the bytes of RELION's file of tomograms (`tomograms.star`), which tells their unbinned size.
        beside: gives the bytes of a file that an optimisation set of RELION names, by its path in the project.

    Raises:
        FormatError: it is something else, or is damaged: names the line or the point, the value and what was expected.
        TruncatedError: it ends too early.
        UnsafePathError: it names a file outside of its project.

    Example:
        >>> picks = read(b"x,y,z,class\n4,2,1,ribosome\n", "picks.csv")
        >>> picks.unit, picks.points.tolist(), picks.labels
        ('voxel', [[4.0, 2.0, 1.0]], ('ribosome',))
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".json":
        return copick.read(data, name)
    if suffix == ".ndjson":
        return portal.read(data, name, pixel_size, label)
    if suffix == ".star":
        return relion.read(data, name, pixel_size, label, tomograms, beside)
    if suffix == ".tbl":
        return dynamo.read(data, name, pixel_size, label)
    if suffix == ".mod":
        return imod.read(data, name, pixel_size, label)
    if suffix in separated.SUFFIXES:
        return separated.read(data, name, pixel_size, label)
    msg = f"{name}: a name that ends in none of {', '.join(SUFFIXES)}: expected a file of picks"
    raise FormatError(msg)


def tomograms_named(data: bytes, name: str) -> tuple[str, ...] | None:
    r"""The tomograms that the points of a damaged file are of, as far as a table in text tells them.

    Args:
        data: the file's bytes.
        name: of the file, whose suffix tells the format, and for errors.

    Returns:
        What its column of tomograms names; None: it has none, or is in another format.

    Raises:
        FormatError: that column cannot be read either.

    Example:
        >>> tomograms_named(b"tomogram,x,y,z\nTS_1,1,2,nan\n", "picks.csv")
        ('TS_1',)
    """
    return separated.tomograms_named(data, name) if name.lower().endswith(separated.SUFFIXES) else None
