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
from builders.io.hidden import is_hidden
from builders.io.order import natural_key, natural_path_key
from builders.local_classes.names import ClassName, parse_name

logger = logging.getLogger(__name__)


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
    """

    source: str
    files: tuple[ClassFile, ...]
    skipped: tuple[tuple[str, str], ...]
    hidden: tuple[str, ...] = ()


def list_folder(folder: str, recursive: bool = False, extension: str | None = None, tolerant: bool = False) -> Listing:
    """List a folder's class files.

    Args:
        folder: an existing folder. Hidden names in it are passed over; symbolic links are followed.
        recursive: look into its folders, too.
        extension: only files with this one.
        tolerant: pass over folders in it that may not be looked into.

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
    closed: list[tuple[str, str]] = []
    hidden: list[str] = []
    files = _walk(root, recursive, closed, lambda name: _is_wanted(name, extension), hidden)
    listing = _sorted_listing(folder, files, root, extension)
    if closed and (not tolerant or not listing.files):
        msg = f"{Path(folder, closed[0][0])}: {closed[0][1]}"
        raise AccessError(msg)
    return replace(listing, skipped=(*listing.skipped, *closed), hidden=tuple(sorted(hidden, key=natural_path_key)))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def list_named(locations: Iterable[str], folder: str | None, extension: str | None = None) -> Listing:
    """List files that the caller named.

    Args:
        locations: paths of local files.
        folder: what the rows' paths are relative to; None: the deepest folder common to all.
        extension: only files with this one.

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
    root = Path(folder) if folder else Path(os.path.commonpath([p.parent for p in paths])) if paths else Path()
    if not all(path.is_relative_to(root) for path in paths):
        root = Path(os.path.commonpath([p.parent for p in paths]))
    return _sorted_listing("data_files", paths, root, extension)


def fingerprint(listings: Iterable[Listing]) -> str:
    """A digest that changes when a file is added, removed or changed."""
    digest = hashlib.sha256()
    for listing in listings:
        for file in listing.files:
            digest.update(repr((file.location, file.path, file.state)).encode("utf-8", "surrogateescape"))
        digest.update(b"\0")
    return digest.hexdigest()


def class_names(listings: Iterable[Listing], wanted: list[str] | None) -> list[str]:
    """The classes, in the order of their ids: those wanted, or all that there are, naturally sorted.

    Raises:
        OptionError: a wanted class has no file; the message lists those that have.
    """
    listings = list(listings)
    there = sorted({file.name.label for listing in listings for file in listing.files}, key=natural_key)
    if wanted is None:
        return there
    missing = [name for name in wanted if name not in there]
    if missing:
        msg = f"classes: no file of class {', '.join(map(repr, missing))} in {listings[0].source}: "
        msg += f"there are {', '.join(map(repr, there))}"
        raise OptionError(msg)
    ignored = [name for name in there if name not in wanted]
    if ignored:
        logger.warning("local_classes: ignoring %d classes not asked for: %s", len(ignored), ", ".join(ignored))
    return wanted


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
        msg = f"{listing.source}: no image files named CLASS_suffix.ext, but {found}"
        raise NotFoundError(msg)
    count = len(listing.hidden)
    hidden = f"{count} hidden name{'s' * (count != 1)} (such as {listing.hidden[0]})" if count else ""
    if reasons:
        passed = f"{len(listing.skipped)} files: {summary} (such as {examples})"
        hidden = f"{passed}; and {hidden}" if hidden else passed
    if hidden:
        logger.warning("local_classes: passing over %s", hidden)


def _walk(
    root: Path, recursive: bool, closed: list[tuple[str, str]], wants: Callable[[str], bool], hidden: list[str]
) -> Iterator[Path]:
    """Files below a folder, without hidden ones, each folder once even when links make circles.

    Folders that may not be looked into are added to `closed`; to `hidden`, those that would have been, under another
    name, and files that are wanted by theirs.
    """
    seen = set()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            status = folder.stat()
            entries = list(os.scandir(folder))
        except OSError as err:
            closed.append((folder.relative_to(root).as_posix(), f"cannot be looked into: {err.strerror}"))
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        for entry in entries:
            if is_hidden(entry.name):
                if wants(entry.name) or (recursive and entry.is_dir(follow_symlinks=False)):
                    hidden.append(Path(entry.path).relative_to(root).as_posix())
            elif entry.is_dir():
                waiting.extend([Path(entry.path)] if recursive else [])
            elif entry.is_file() or entry.is_symlink():
                yield Path(entry.path)


def _sorted_listing(source: str, paths: Iterable[Path], root: Path, extension: str | None) -> Listing:
    files, skipped = [], []
    for path in paths:
        relative = path.relative_to(root).as_posix()
        name = parse_name(path.name)
        if not _is_text(str(path)):
            skipped.append((relative.encode("utf-8", "backslashreplace").decode(), "a name that is not UTF-8"))
        elif isinstance(name, str):
            skipped.append((relative, name))
        elif extension is not None and name.extension != extension:
            skipped.append((relative, f"another extension than {extension}"))
        else:
            files.append(ClassFile(str(path), relative, name, _state(path)))
    files.sort(key=lambda file: natural_path_key(file.path))
    skipped.sort(key=lambda item: natural_path_key(item[0]))
    return Listing(source, tuple(files), tuple(skipped))


def _is_wanted(file_name: str, extension: str | None) -> bool:
    name = parse_name(file_name)
    return not isinstance(name, str) and extension in (None, name.extension)


def _is_text(name: str) -> bool:
    """Whether a name can be written into a table: the system's may hold bytes that are no UTF-8."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _state(path: Path) -> tuple[int, int, int]:
    """What changes when the file does; a link to nothing is left for the reader to refuse."""
    try:
        status = path.stat()
    except OSError:
        return -1, -1, -1
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
