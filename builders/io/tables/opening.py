"""Files of tables, opened; and what a file is that is none."""

import io
from pathlib import Path

from builders.errors import FolderError, FormatError
from builders.io.files import local

HEAD = 1024
"""Bytes from which a file is told."""
NUMPY = b"\x93NUMPY"
CSDAT = b"\x95CSDAT"
_BEGINNINGS = (
    (b"version https://git-lfs.github.com/spec/", "a pointer of Git LFS, not the file: `git lfs pull` brings that"),
    (b"\x1f\x8b", "compressed by gzip: unpack it first"),
    (b"BZh", "compressed by bzip2: unpack it first"),
    (b"\xfd7zXZ\x00", "compressed by xz: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd: unpack it first"),
    (b"PK\x03\x04", "a zip archive: unpack it first"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"%PDF", "a PDF"),
    (b"SQLite format 3\x00", "a database of SQLite"),
    (b"II*\x00", "a TIFF file"),
    (b"MM\x00*", "a TIFF file"),
    (NUMPY, "a file of NumPy's format, as CryoSPARC's tables are"),
    (CSDAT, "a table of CryoSPARC"),
    (b"\x80\x02", "a pickle, which is never loaded"),
    (b"\x80\x03", "a pickle, which is never loaded"),
    (b"\x80\x04", "a pickle, which is never loaded"),
    (b"\x80\x05", "a pickle, which is never loaded"),
    (b"\xff\xfe", "text in UTF-16: save it in UTF-8"),
    (b"\xfe\xff", "text in UTF-16: save it in UTF-8"),
)
_TEXTS = (
    (b"<!doctype html", "an HTML page, as servers give it in place of a file"),
    (b"<html", "an HTML page, as servers give it in place of a file"),
    (b"<?xml", "an XML file"),
    (b"<", "an XML file or an HTML page"),
    (b"{", "a JSON file"),
)
_MRC = slice(208, 212)


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
    said = _told(head)
    if said is not None:
        msg = f"{name}: {said}: expected {expected}"
        raise FormatError(msg)


def _told(head: bytes) -> str | None:
    if not head.strip():
        return "an empty file" if not head else "a file of nothing but blanks"
    if head[_MRC] == b"MAP ":
        return "an MRC file of images"
    text = head.lstrip().lower()
    for beginning, said in _BEGINNINGS:
        if head.startswith(beginning):
            return said
    for beginning, said in _TEXTS:
        if text.startswith(beginning):
            return said
    return None
