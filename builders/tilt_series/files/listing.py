"""Which files there are: images and tables below a folder of this machine, or of an entry of the archive."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from builders.archive.archive import Archive
from builders.archive.patterns import matcher
from builders.archive.remembered import asked, revived_found
from builders.archive.tree import Tree, read_small
from builders.errors import PercError
from builders.io.files import location
from builders.io.files.natural_order import natural_path_key
from builders.io.net import remote
from builders.io.tables.tilts.series import MOST_BYTES
from builders.stacks.files import SourceFile
from builders.tilt_series.files.names import is_image, table_kind


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a source.

    Attributes:
        name: of the source, for messages.
        images: those that may be of tilt series, in natural order.
        tables: `.mdoc` and the like.
    """

    name: str
    images: tuple[SourceFile, ...]
    tables: tuple[SourceFile, ...]

    @property
    def version(self) -> str:
        """Changes when a file is added, removed or changed."""
        return version_of((*self.images, *self.tables))


def version_of(files: Iterable[SourceFile]) -> str:
    """A digest that changes when any of these files does."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(repr((file.path, file.location, file.most, file.stamp)).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def of_folder(folder: str, pattern: str | None, recursive: bool) -> Listing:
    """The files of a folder of this machine.

    Raises:
        NotFoundError: there is no such folder.
    """
    tree = Tree(folder)
    tree.require("data_dir")
    fits, enters = _wanted(pattern, recursive)
    files = [tree.file(path, child) for path, child in tree.walk(enters) if not child.is_folder and fits(path)]
    return _listing(folder, files)


def of_entry(
    archive: Archive, entry: str, directory: str, pattern: str | None, recursive: bool, cache: str | None
) -> Listing:
    """The files of a directory of an entry, on a server or in a mirror; of a server's, the last known if it is away.

    Raises:
        NotFoundError: there is no such directory.
    """
    fits, enters = _wanted(pattern, recursive)

    if location.is_remote(str(archive.base)):
        question = "tilt_series", archive.base, entry, directory, pattern, recursive
        found = asked(question, lambda: archive.find(entry, directory, fits, enters), revived_found, cache)
    else:
        found = archive.find(entry, directory, fits, enters)
    return _listing(f"EMPIAR-{entry}", found.files)


def _wanted(pattern: str | None, recursive: bool) -> tuple[Callable[[str], int], Callable[[str], bool]]:
    """Whether a file is wanted, and whether a folder is looked into: patterns choose images, and no tables."""
    chosen, enters = matcher(pattern or "**", regex=False, recursive=recursive)

    def fits(path: str) -> int:
        return int(table_kind(path) is not None or (is_image(path) and bool(chosen(path))))

    return fits, enters if pattern is not None else lambda _: recursive


def _listing(name: str, files: Iterable[SourceFile]) -> Listing:
    ordered = sorted(files, key=lambda file: (natural_path_key(file.path), file.path))
    is_table = [table_kind(file.path) is not None for file in ordered]
    images = tuple(file for file, told in zip(ordered, is_table, strict=True) if not told)
    return Listing(name, images, tuple(file for file, told in zip(ordered, is_table, strict=True) if told))


def read_all(files: Sequence[SourceFile]) -> list[bytes | PercError]:
    """The content of small files, several at once; what cannot be read takes its place."""

    def one(file: SourceFile) -> bytes | PercError:
        try:
            return read_small(file.location, MOST_BYTES)
        except PercError as err:
            return err

    if any(location.is_remote(file.location) for file in files):
        return list(remote.each(one, files, pool="tables"))
    return list(map(one, files))
