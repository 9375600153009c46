"""Where tables and images lie, on this machine or in an entry of the archive, and in which folders they are found."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from builders.archive.archive import Archive
from builders.archive.listing import Child
from builders.archive.named.finding import Stage
from builders.archive.remembered import Folder, asked, revived_folder
from builders.archive.scheme import SCHEME, entry_and_path
from builders.errors import AccessError, FormatError, NotFoundError, OptionError, ReadError
from builders.io.files import location
from builders.io.files.hidden import is_hidden
from builders.io.files.local import etag_of
from builders.options import check_named
from builders.stacks.files import SourceFile

_MOST_FOLDERS = 100_000
"""Folders in which base names are looked for, at the most."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder.

    Attributes:
        path: absolute on this machine; inside the entry.
        entry: of the archive; None: on this machine.
    """

    path: str
    entry: str | None = None

    @property
    def parent(self) -> "Place | None":
        """The folder that it lies in; None for that of a whole entry, or of a whole disk."""
        if self.entry is not None:
            return Place(self.path.rpartition("/")[0], self.entry) if self.path else None
        parent = os.path.dirname(self.path)  # noqa: PTH120 - of a path that is one already
        return Place(parent) if os.path.dirname(parent) != parent else None  # noqa: PTH120

    def __str__(self) -> str:
        return self.path if self.entry is None else f"{SCHEME}{self.entry}/{self.path}"


def place_of(option: str, value: Any) -> Place:
    """The place that an option names.

    Raises:
        OptionError: it names none.

    Example:
        >>> place_of("root", "empiar://EMPIAR-10943/data/./particles/")
        Place(path='data/particles', entry='10943')
    """
    if not isinstance(value, str | os.PathLike):
        msg = f"{option} is {value!r}: expected a path, or {SCHEME}ENTRY/path"
        raise OptionError(msg)
    text = os.fspath(value)
    check_named(option, text)
    if text.startswith(SCHEME):
        entry, path = entry_and_path(option, text)
        return Place(path, entry)
    if "://" in text:
        msg = f"{option} is {text!r}: expected a path of this machine, or {SCHEME}ENTRY/path"
        raise OptionError(msg)
    return Place(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100 - resolving links would rename the files


class LocalTree:
    """A folder of this machine; see `finding.Tree`. Links in it are followed: who has the folder has made them.

    Args:
        path: absolute.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        self._folders: dict[str, bool] = {}

    def require(self, option: str) -> None:
        """Refuse a folder that is not there.

        Raises:
            NotFoundError: it is none, or not there.
        """
        if not os.path.isdir(self.name):  # noqa: PTH112
            msg = f"{option} {self.name}: no such folder"
            raise NotFoundError(msg)

    def inside(self, path: str) -> str | None:
        """See `finding.Tree`."""
        prefix = f"{self.name.rstrip('/')}/"
        return path.removeprefix(prefix) if path.startswith(prefix) else None

    def file(self, path: str) -> SourceFile | None:
        """See `finding.Tree`."""
        folder = path.rpartition("/")[0]
        is_there = self._folders.get(folder)
        if is_there is None:  # of ten thousand names in a folder that is elsewhere, one is looked at
            is_there = self._folders[folder] = os.path.isdir(f"{self.name}/{folder}")  # noqa: PTH112
        if not is_there:
            return None
        where = f"{self.name}/{path}"
        try:
            status = os.stat(where)  # noqa: PTH116 - there may be very many
        except OSError:
            return None
        if stat.S_ISDIR(status.st_mode):
            return None
        return SourceFile(path, where, status.st_size, etag_of(status))

    def beside(self, path: str) -> list[str]:
        """See `finding.Tree`."""
        try:
            return os.listdir(f"{self.name}/{path.rpartition('/')[0]}")  # noqa: PTH208
        except OSError:
            return []

    def paths(self) -> Iterator[str]:
        """See `finding.Tree`.

        Raises:
            FormatError: the folders do not end.
        """
        seen: set[tuple[int, int]] = set()
        waiting = [""]
        bar = tqdm(desc=f"Looking through {self.name}", unit=" folders", disable=None, delay=1, leave=False)
        with bar:
            while waiting:
                folder = waiting.pop()
                try:
                    status = os.stat(f"{self.name}/{folder}")  # noqa: PTH116
                    with os.scandir(f"{self.name}/{folder}") as items:
                        entries = [item for item in items if not is_hidden(item.name)]
                except OSError:  # what nobody may look into holds nothing for us
                    continue
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                bar.update()
                if len(seen) > _MOST_FOLDERS:
                    msg = f"{self.name}: more than {_MOST_FOLDERS} folders in it: root= names the one of the images"
                    raise FormatError(msg)
                for entry in entries:
                    path = f"{folder}/{entry.name}".lstrip("/")
                    if entry.is_dir():
                        waiting.append(path)
                    else:
                        yield path


class ArchiveTree:
    """A folder of an entry, on a server or in a mirror, each of whose folders is listed once; see `finding.Tree`.

    Args:
        archive: where the entry is.
        place: the folder.
        cache: folder of the cache, in which listings are remembered for when nobody can be reached.
    """

    def __init__(self, archive: Archive, place: Place, cache: str | None) -> None:
        assert place.entry is not None
        self.name = str(place)
        self._archive, self._entry, self._base, self._cache = archive, place.entry, place.path, cache
        self._folders: dict[str, dict[str, Child] | None] = {}

    def require(self, option: str) -> None:
        """Refuse a folder that is not there.

        Raises:
            NotFoundError: it is none, or not there; the message shows what is there.
        """
        if self._listed("") is None:
            try:
                self._archive.listing(self._entry, self._base)
            except NotFoundError as err:
                msg = f"{option} is {self.name}: {err}"
                raise NotFoundError(msg) from err

    def inside(self, path: str) -> str | None:
        """See `finding.Tree`: no absolute path leads into an entry."""
        return None

    def file(self, path: str) -> SourceFile | None:
        """See `finding.Tree`; of a file that no listing tells the size of, that is asked for later."""
        folder, _, name = path.rpartition("/")
        child = (self._listed(folder) or {}).get(name)
        if child is None or child.is_folder:
            return None
        where = self._archive.locate(self._entry, self._inside(path))
        return SourceFile(path, where, child.most or 0, child.stamp)

    def beside(self, path: str) -> list[str]:
        """See `finding.Tree`."""
        return list(self._listed(path.rpartition("/")[0]) or ())

    def paths(self) -> Iterator[str]:
        """See `finding.Tree`."""
        walked = self._archive.walk(self._entry, self._base, lambda path: not is_hidden(path.rpartition("/")[2]))
        for path, (children, _) in walked.items():
            folder = path[len(self._base) :].lstrip("/")
            self._folders[folder] = {child.name: child for child in children}
            for child in children:
                if not child.is_folder and not is_hidden(child.name):
                    yield f"{folder}/{child.name}".lstrip("/")

    def _listed(self, folder: str) -> dict[str, Child] | None:
        """What a folder holds; None where it is not there. Only what the folder above names is asked for."""
        if folder not in self._folders:
            above, _, name = folder.rpartition("/")
            child = (self._listed(above) or {}).get(name) if folder else None
            is_named = not folder or (child is not None and child.is_folder)
            self._folders[folder] = self._asked(folder) if is_named else None
        return self._folders[folder]

    def _asked(self, folder: str) -> dict[str, Child] | None:
        path = self._inside(folder)

        def ask() -> Folder:
            return Folder(tuple(self._archive.children(self._entry, path)[0]))

        try:
            if location.is_remote(str(self._archive.base)):
                question = self._archive.base, self._entry, path
                children = asked(question, ask, revived_folder, self._cache).children
            else:
                children = ask().children
        except (NotFoundError, AccessError, ReadError):
            return None
        return {child.name: child for child in children}

    def _inside(self, path: str) -> str:
        return f"{self._base}/{path}".strip("/")


def stages_of(root: Place | None, tables: Sequence[Place], archive: Archive, cache: str | None) -> list[Stage]:
    """Where images are looked for: in `root`, then in the tables' own folders and in those above these.

    Base names are looked for in `root`, else in the tables' own folders.

    Raises:
        NotFoundError: `root` is not there.
    """

    def tree(place: Place) -> LocalTree | ArchiveTree:
        return LocalTree(place.path) if place.entry is None else ArchiveTree(archive, place, cache)

    own = list(dict.fromkeys(place for table in tables if (place := table.parent) is not None))
    places = list(own)
    for place in own:
        above = place.parent
        while above is not None:
            places.append(above)
            above = above.parent
    around = [tree(place) for place in dict.fromkeys(places) if place != root]
    if root is None:
        return [Stage(around, len(own))]
    named = tree(root)
    named.require("root")
    return [Stage([named], 1), Stage(around, 0)]
