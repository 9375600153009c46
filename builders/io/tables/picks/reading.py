"""The bytes of any file of picks -> `Picks`."""

from pathlib import PurePosixPath

from builders.errors import FormatError
from builders.io.tables.picks import copick, separated
from builders.io.tables.picks.picks import Picks

SUFFIXES = (".json", ".csv", ".tsv", ".txt")
"""Of files that `read` reads."""


def read(data: bytes, name: str, *, pixel_size: float | None = None, label: str | None = None) -> Picks:
    r"""Read a file of picks.

    Args:
        data: the file's bytes.
        name: of the file, whose suffix tells the format, and for errors.
        pixel_size: Å, of the voxels that a file in voxels counts; None: those of the tomogram.
        label: what points are of which the file does not say it.

    Raises:
        FormatError: it is something else, or is damaged: names the line or the point, the value and what was expected.

    Example:
        >>> picks = read(b"x,y,z,class\n4,2,1,ribosome\n", "picks.csv")
        >>> picks.unit, picks.points.tolist(), picks.labels
        ('voxel', [[4.0, 2.0, 1.0]], ('ribosome',))
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".json":
        return copick.read(data, name)
    if suffix in (".csv", ".tsv", ".txt"):
        return separated.read(data, name, pixel_size, label)
    msg = f"{name}: a name that ends in none of {', '.join(SUFFIXES)}: expected a file of picks"
    raise FormatError(msg)
