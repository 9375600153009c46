"""Which files there are: a folder's listing, each file with its class, and a fingerprint of it all."""

import hashlib
import logging
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from builders.errors import AccessError, NotFoundError, OptionError
from builders.io.files.hidden import is_hidden
from builders.io.files.location import why_no_text
from builders.io.files.natural_order import natural_path_key
from builders.local_classes.names import NO_CLASS, ClassName, Naming

logger = logging.getLogger(__name__)


_BY_NAME = Naming()


@dataclass(frozen=True, slots=True)
class ClassFile:
    """A file with a class in its name.

    Attributes:
        location: its absolute path.
        path: its path relative to the folder, `/`-separated.
        name: what its name says.
        state: size and times, which change when it does.
    """

    location: str
    path: str
    name: ClassName
    state: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder, in natural order of their paths.

    Attributes:
        source: the folder, or what else errors should call it.
        files: those with a class.
        skipped: the others: path and reason.
        hidden: paths of hidden files and folders that would have been looked at under another name.
        folders: paths of folders that were not looked into.
        naming: where classes were looked for.
    """

    source: str
    files: tuple[ClassFile, ...]
    skipped: tuple[tuple[str, str], ...]
    hidden: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    naming: Naming = _BY_NAME


def list_folder(
    folder: str,
    recursive: bool = False,
    extension: str | None = None,
    tolerant: bool = False,
    naming: Naming = _BY_NAME,
) -> Listing:
    """List a folder's class files.

    Args:
        folder: an existing folder. Hidden names in it are passed over; symbolic links are followed.
        recursive: look into its folders, too; so it is done where a folder is a class.
        extension: only files with this one.
        tolerant: pass over folders in it that may not be looked into.
        naming: where the class of a file stands.

    Raises:
        NotFoundError: there is no such folder.
        AccessError: it, or a folder in it, may not be looked into.
    """
    root = Path(folder)
    try:
        is_folder = stat.S_ISDIR(root.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError) as err:
        parent = next(p for p in root.parents if _exists(p))
        msg = f"data_dir {folder}: no such folder ({parent} is there)"
        raise NotFoundError(msg) from err
    except (OSError, ValueError) as err:
        msg = f"data_dir {folder[:200]}: cannot be looked at: {err}"
        raise AccessError(msg) from err
    if not is_folder:
        msg = f"data_dir {folder}: not a folder: pass a single file as data_files"
        raise NotFoundError(msg)
    walk = _Walk(root, recursive or naming.class_from == "folder", lambda name: _is_wanted(name, extension, naming))
    listing = _sorted_listing(folder, walk.files(), root, extension, naming)
    if walk.closed and (not tolerant or not listing.files):
        msg = f"{Path(folder, walk.closed[0][0])}: {walk.closed[0][1]}"
        raise AccessError(msg)
    hidden, folders = (tuple(sorted(paths, key=natural_path_key)) for paths in (walk.hidden, walk.folders))
    return replace(listing, skipped=(*listing.skipped, *walk.closed), hidden=hidden, folders=folders)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def list_named(
    locations: Iterable[str], folder: str | None, extension: str | None = None, naming: Naming = _BY_NAME
) -> Listing:
    """List files that the caller named.

    Args:
        locations: paths of local files.
        folder: what the rows' paths are relative to; None: the deepest folder common to all.
        extension: only files with this one.
        naming: where the class of a file stands; in the path of its folder, that is relative, too.

    Raises:
        OptionError: one is not a local file.
        NotFoundError: one does not exist.
    """
    paths = []
    for location in dict.fromkeys(locations):
        if "://" in location:
            msg = f"data_files names {location}: expected files of this machine"
            raise OptionError(msg)
        path = Path(os.path.abspath(location))  # noqa: PTH100 - Path.resolve would follow links out of the folder
        if not path.is_file():
            msg = f"data_files names {location}: no such file"
            raise NotFoundError(msg)
        paths.append(path)
    if folder and all(path.is_relative_to(folder) for path in paths):
        return _sorted_listing("data_files", paths, Path(folder), extension, naming)
    root = Path(os.path.commonpath([p.parent for p in paths])) if paths else Path()
    return _sorted_listing("data_files", paths, root, extension, naming, root.name)


def without(listing: Listing, path: str | None) -> Listing:
    """A listing without one file, which is no example of a class but a gain reference."""
    files = tuple(file for file in listing.files if file.location != path)
    return listing if len(files) == len(listing.files) else replace(listing, files=files)


def fingerprint(listings: Iterable[Listing]) -> str:
    """A digest that changes when a file is added, removed or changed."""
    digest = hashlib.sha256()
    for listing in listings:
        for file in listing.files:
            digest.update(repr((file.location, file.path, file.state)).encode("utf-8", "surrogateescape"))
        digest.update(b"\0")
    return digest.hexdigest()


def require_files(listing: Listing) -> None:
    """Refuse a listing without files, and say what was there instead; report what was passed over.

    Raises:
        NotFoundError: no file has a class and a known extension.
    """
    reasons = Counter(reason for _, reason in listing.skipped)
    summary = "; ".join(f"{count} with {reason}" for reason, count in reasons.most_common(5))
    examples = ", ".join(path for path, _ in listing.skipped[:3])
    if not listing.files:
        found = f"{len(listing.skipped)} other files ({summary}; such as {examples})" if reasons else "no files at all"
        found += f", and hidden ones, such as {listing.hidden[0]}" if listing.hidden else ""
        msg = f"{listing.source}: no image files {listing.naming.form}, {'but' if reasons else 'and'} {found}"
        if listing.folders:
            msg += f"; of the {len(listing.folders)} folders in it (such as {listing.folders[0]}) recursive=True looks "
            msg += "into all, and class_from='folder' makes classes"
        elif NO_CLASS in reasons:
            msg += "; class_pattern is for names made otherwise, such as '([A-Za-z]+)' for T1.mrc of class T"
        raise NotFoundError(msg)
    count = len(listing.hidden)
    hidden = f"{count} hidden name{'s' * (count != 1)} (such as {listing.hidden[0]})" if count else ""
    if reasons:
        passed = f"{len(listing.skipped)} files: {summary} (such as {examples})"
        hidden = f"{passed}; and {hidden}" if hidden else passed
    if hidden:
        logger.warning("local_classes: passing over %s", hidden)


class _Walk:
    """Goes through a folder, each folder once even when links make circles, and keeps what it does not enter.

    Attributes:
        closed: folders that may not be looked into, and why.
        hidden: folders that would have been looked into under another name, and files that are wanted by theirs.
        folders: those that were not looked into.
    """

    def __init__(self, root: Path, recursive: bool, wants: Callable[[str], bool]) -> None:
        self._root, self._recursive, self._wants = root, recursive, wants
        self.closed: list[tuple[str, str]] = []
        self.hidden: list[str] = []
        self.folders: list[str] = []

    def files(self) -> Iterator[Path]:
        """Files that are not hidden."""
        seen = set()
        waiting = [self._root]
        while waiting:
            folder = waiting.pop()
            try:
                status = folder.stat()
                entries = list(os.scandir(folder))
            except OSError as err:
                self.closed.append((self._inside(folder), f"cannot be looked into: {err.strerror}"))
                continue
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            for entry in entries:
                if is_hidden(entry.name):
                    if self._wants(entry.name) or (self._recursive and entry.is_dir(follow_symlinks=False)):
                        self.hidden.append(self._inside(entry.path))
                elif not entry.is_dir():
                    if entry.is_file() or entry.is_symlink():
                        yield Path(entry.path)
                elif self._recursive:
                    waiting.append(Path(entry.path))
                else:
                    self.folders.append(self._inside(entry.path))

    def _inside(self, path: str | Path) -> str:
        return Path(path).relative_to(self._root).as_posix()


def _sorted_listing(
    source: str, paths: Iterable[Path], root: Path, extension: str | None, naming: Naming, at_root: str = ""
) -> Listing:
    """The files sorted out; `at_root` is what the folder of those in `root` itself is called."""
    files, skipped = [], []
    for path in paths:
        relative = path.relative_to(root).as_posix()
        name = naming(path.name, relative.rpartition("/")[0] or at_root)
        no_text = why_no_text(str(path))
        if no_text:
            skipped.append((relative.encode("utf-8", "backslashreplace").decode(), no_text))
        elif isinstance(name, str):
            skipped.append((relative, name))
        elif extension is not None and name.extension != extension:
            skipped.append((relative, f"another extension than {extension}"))
        else:
            files.append(ClassFile(str(path), relative, name, _state(path)))
    files.sort(key=lambda file: natural_path_key(file.path))
    skipped.sort(key=lambda item: natural_path_key(item[0]))
    return Listing(source, tuple(files), tuple(skipped), naming=naming)


def _is_wanted(file_name: str, extension: str | None, naming: Naming) -> bool:
    name = naming(file_name, "a folder")
    return not isinstance(name, str) and extension in (None, name.extension)


def _state(path: Path) -> tuple[int, int, int]:
    """What changes when the file does; a link to nothing is left for the reader to refuse."""
    try:
        status = path.stat()
    except OSError:
        return -1, -1, -1
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
