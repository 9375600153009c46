"""One entry of the archive, to look around in."""

import os
from typing import BinaryIO

from builders.archive.archive import Archive, Found, segments_of
from builders.archive.catalogue import EntryInfo, ImageSet, entry_number
from builders.archive.patterns import matcher, taker


class Entry:
    """An EMPIAR entry: its metadata and its files. Nothing is asked for before it is needed.

    Args:
        entry: 10943, `"10943"` or `"EMPIAR-10943"`.
        archive: base URL of another server, or folder of a mirror, that holds `<entry>/data/...`.
        api: base URL of another API for metadata.

    Raises:
        OptionError: `entry` is none, or `archive` or `api` names nothing.
        NotFoundError: `archive` is a folder that does not exist.

    Example:
        >>> Entry("EMPIAR-10943").url("data/Tiff/a b.tiff")
        'https://ftp.ebi.ac.uk/empiar/world_availability/10943/data/Tiff/a%20b.tiff'
    """

    def __init__(
        self, entry: str | int, *, archive: str | os.PathLike[str] | None = None, api: str | None = None
    ) -> None:
        self.number = entry_number(entry)
        self.archive = Archive(archive, api)
        self._info: EntryInfo | None = None

    @property
    def info(self) -> EntryInfo:
        """All metadata.

        Raises:
            NotFoundError: there is no such entry.
            AccessError: it is not released.
        """
        if self._info is None:
            self._info = self.archive.info(self.number)
        return self._info

    @property
    def title(self) -> str:
        """Its title."""
        return self.info.title

    @property
    def imagesets(self) -> tuple[ImageSet, ...]:
        """Its image sets, in the archive's order."""
        return self.info.imagesets

    @property
    def size(self) -> str:
        """Size of all its data, as text, such as `"1.3 TB"`."""
        return self.info.size

    @property
    def citation(self) -> str:
        """How to cite its papers, a line for each, with all authors; or itself, where there are none."""
        return self.info.citation

    def ls(self, path: str = "data") -> list[str]:
        """Names in a folder, in natural order, hidden ones, too; those of folders end in `/`.

        Raises:
            NotFoundError: there is no such folder; the message shows what is there.
        """
        return [child.name + "/" * child.is_folder for child in self.archive.listing(self.number, path)]

    def find(
        self, pattern: str | None = None, regex: bool = False, *, directory: str = "data", recursive: bool = False
    ) -> list[str]:
        """Paths inside the entry of files below a directory, in natural order.

        Hidden names (`.snapshot`, `._x.mrc`, `lost+found`) are passed over but where `pattern` or `directory` has them.

        Args:
            pattern: a glob or regular expression for the path below `directory`; None: every image format we read.
            regex: which of both.
            directory: where to look.
            recursive: look into its folders.

        Raises:
            NotFoundError: there is no such directory.
            OptionError: `pattern` is no regular expression, or none is given with `regex`.
        """
        return [file.path for file in self.search(pattern, regex, directory, recursive).files]

    def search(
        self, pattern: str | None = None, regex: bool = False, directory: str = "data", recursive: bool = False
    ) -> Found:
        """As `find`, with what was looked at."""
        folder = "/".join(segments_of(directory))
        fits = matcher(pattern, regex, recursive)
        return self.archive.find(self.number, folder, *fits, takes=taker(pattern, regex))

    def url(self, path: str) -> str:
        """The URL of a path inside the entry; in a mirror, where the file is."""
        return self.archive.locate(self.number, path)

    def open(self, path: str) -> BinaryIO:
        """A file of the entry as a file object: seekable, and only what is read is fetched.

        Raises:
            NotFoundError: there is no such file.
            FolderError: it is a folder.
        """
        return self.archive.open(self.number, path)

    def __repr__(self) -> str:
        return f"Entry('EMPIAR-{self.number}')"
