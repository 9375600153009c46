"""Files of tables -> a `ParticleTable`, whichever program wrote them."""

from collections.abc import Sequence
from pathlib import Path

from builders.errors import OptionError, ReadError
from builders.io.tables import cryosparc, relion
from builders.io.tables.opening import CSDAT, NUMPY, opened
from builders.io.tables.particle_table import ParticleTable


def read_particles(
    files: Sequence[tuple[str, Path]], columns: Sequence[str] = (), pixel_size: float | None = None
) -> ParticleTable:
    r"""Read a table of particles, of coordinates or of micrographs.

    Which program wrote a file is told by its first bytes, not by its name.

    Args:
        files: name (for messages) and path on this machine: one STAR file, or one `.cs` file, the first of several
            where others (CryoSPARC's passthrough files) tell more of the same particles.
        columns: what is read besides, by its own name: labels of RELION without the `_`, fields of CryoSPARC. `uid`
            and other 64-bit numbers without sign are given as `int64` of the same bits.
        pixel_size: of the images, Å, where a table does not tell it: origins in pixels need it.

    Returns:
        All rows, in the file's order.

    Raises:
        FormatError: a file is no such table, or is damaged: with the line's number, where it has lines.
        OptionError: a column is not there; several files that do not go together.
        PercError: a file cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "particles.star"
        ...     _ = path.write_text("data_particles\n\nloop_\n_rlnImageName #1\n_rlnDefocusU #2\n000003@a.mrcs 9000\n")
        ...     table = read_particles([("particles.star", path)])
        >>> table.rows["image"][0].as_py(), table.rows["slice"][0].as_py(), table.rows["ctf"][0]["defocus_u"].as_py()
        ('a.mrcs', 2, 9000.0)
    """
    if not files:
        msg = "no files: expected a STAR file or .cs files"
        raise OptionError(msg)
    programs = [_is_cryosparc(name, path) for name, path in files]
    if all(programs):
        return cryosparc.read(files, columns)
    names = ", ".join(name for name, _ in files)
    if any(programs):
        msg = f"{names}: STAR files and .cs files: expected one STAR file, or .cs files alone"
        raise OptionError(msg)
    if len(files) > 1:
        msg = (
            f"{names}: several STAR files: expected one (only .cs files have others that tell more of their particles)"
        )
        raise OptionError(msg)
    ((name, path),) = files
    return relion.read(path, name, columns, pixel_size)


def _is_cryosparc(name: str, path: Path) -> bool:
    with opened(path, name) as file:
        try:
            return (file.read(len(NUMPY)) or b"").startswith((NUMPY, CSDAT))
        except OSError as err:
            msg = f"{name}: cannot be read: {err}"
            raise ReadError(msg) from err
