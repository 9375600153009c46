"""The protocol of a format: what a module of this folder has to say, and all that anything above it asks."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from builders.io.formats.contents import Contents

Read = Callable[[int, int], bytes]
"""Bytes of the (decompressed) file by offset and number, fewer where it ends: whether it lies here, on a server or in
memory. Each call may be a request, so few and larger ones are better; what came is remembered."""

HEAD = 1024
"""Bytes at the start of a file that are there before a format is asked."""


class Format(ABC):
    """A format of image files; see `npy.py` for a short one.

    Attributes:
        name: as messages call it.
        suffixes: of its files' names, in lower case, with the dot.
        names: of its files, whole, where suffixes do not tell them; no builder looks for such files in a folder.
        is_packed: files of it are also read where they are compressed as a whole (`.gz`, `.bz2`).
        title: as people call it, where that is not its name in capitals; the others are what `table.py` tells of it.
        items: what a row may be: the `"file"`, a `"slice"` of it, a `"frame"`.
        by_range: an image, or a part of one, is read by its own bytes of a file on a server; else all of the file is.
        extra: of this package, without which pixels cannot be decoded; empty: none is needed.
        by_name: its files may be anything, such as previews of others: where all images of an entry are asked for, they
            are not meant, unless a pattern names them.
        notes: sentences for users: what is flipped, where its pixel size stands, what is refused.
    """

    name: str = ""
    suffixes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    is_packed: bool = False
    title: str = ""
    items: tuple[str, ...] = ("file", "slice", "frame")
    by_range: bool = True
    extra: str = ""
    by_name: bool = False
    notes: tuple[str, ...] = ()

    @abstractmethod
    def recognises(self, head: bytes) -> bool:
        """Whether the first bytes of a file, `HEAD` of them or all, are those of one of its files."""

    @abstractmethod
    def describe(self, read: Read, size: int | None, name: str) -> Contents:
        """What a file holds, read by as many small reads as that takes.

        Args:
            read: gives bytes of it.
            size: its bytes; None where that is not known, as of a stream that is decompressed.
            name: what errors call it.

        Raises:
            FormatError: it is none of its files, or damaged.
            TruncatedError: it ends before what has to be read.
        """

    def is_doubtful(self, contents: Contents, read: Read) -> bool:
        """Whether bytes of a file whose size is not known say that pixels may lie elsewhere than it says."""
        return False
