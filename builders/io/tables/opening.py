"""Files of tables, opened; and what a file is that is none."""

import io
from pathlib import Path

from builders.errors import FolderError, FormatError
from builders.io.files import local
from builders.io.formats import foreign

HEAD = 1024
"""Bytes from which a file is told."""
NUMPY = b"\x93NUMPY"
CSDAT = b"\x95CSDAT"
_OWN = "a file of NumPy's format, as CryoSPARC's tables are"


def opened(path: Path, name: str) -> io.FileIO:
    """A file of this machine, opened.

    Raises:
        PercError: it is not there, is a folder, or may not be read.
    """
    if path.is_dir():
        msg = f"{name}: a folder: expected a STAR file or a .cs file of CryoSPARC"
        raise FolderError(msg)
    return local.opened(str(path))


def refuse_others(head: bytes, name: str, expected: str) -> None:
    """Refuse what its first bytes tell to be something else.

    Args:
        head: the first bytes, `HEAD` or more unless there are fewer.
        name: of the file, for errors.
        expected: what it should have been.

    Raises:
        FormatError: says what it is.
    """
    said = _OWN if head.startswith(NUMPY) else foreign.told(head)
    if said is not None:
        msg = f"{name}: {said}: expected {expected}"
        raise FormatError(msg)
