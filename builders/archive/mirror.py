"""A local mirror, laid out as the archive is: its folder, and what its folders hold, told as a server's page would."""

import logging
import os
from pathlib import Path

from builders.archive.listing import Child, is_one_segment
from builders.errors import AccessError, NotFoundError, OptionError, ReadError
from builders.io.files.natural_order import natural_key

logger = logging.getLogger(__name__)


def mirror_folder(folder: str) -> str:
    """The absolute path of a mirror's folder.

    Raises:
        NotFoundError: it is not there.
        OptionError: it is in the home of somebody unknown.
    """
    try:
        path = os.path.abspath(Path(folder).expanduser())  # noqa: PTH100 - resolving links would rename the files
    except RuntimeError as err:
        msg = f"archive is {folder!r}: {err}"
        raise OptionError(msg) from err
    if not _is_dir(Path(path)):
        parent = next(p for p in Path(path).parents if _is_dir(p))
        msg = f"archive {path}: no such folder ({parent} is there): expected a mirror with ENTRY/data in it"
        raise NotFoundError(msg)
    return path


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, or in a folder that nobody may look into
        return False


def local_children(folder: str) -> list[Child]:
    """What a folder of this machine holds, in natural order.

    Raises:
        NotFoundError: there is no such folder.
        AccessError: it may not be looked into.
        ReadError: the disk fails.
    """
    try:
        with os.scandir(folder) as items:
            children = children_of(folder, list(items))
    except (FileNotFoundError, NotADirectoryError) as err:
        msg = f"{folder}: no such folder"
        raise NotFoundError(msg) from err
    except PermissionError as err:
        msg = f"{folder}: no permission to look into it"
        raise AccessError(msg) from err
    except OSError as err:
        msg = f"{folder}: cannot be looked into: {err.strerror}"
        raise ReadError(msg) from err
    return sorted(children, key=lambda child: natural_key(child.name))


def children_of(folder: str, items: "list[os.DirEntry[str]]") -> list[Child]:
    """What a mirror's folder holds, but for what a server's page could not name, and links back to a folder above."""
    named = [item for item in items if is_one_segment(item.name)]
    children = [_local_child(item) for item in named if not _leads_back(item)]
    if len(named) < len(items):
        logger.warning("%s: passing over %d names that no path can hold", folder, len(items) - len(named))
    if len(children) < len(named):
        logger.warning("%s: passing over %d links to folders that hold it", folder, len(named) - len(children))
    return children


def _leads_back(item: "os.DirEntry[str]") -> bool:
    """Whether this is a link to a folder that it is in, by whichever way: who follows it goes round in circles."""
    try:
        if not (item.is_symlink() and item.is_dir()):
            return False
        return any(os.path.samestat(item.stat(), parent.stat()) for parent in Path(item.path).parents)
    except OSError:  # reading it will say so
        return False


def _local_child(item: "os.DirEntry[str]") -> Child:
    try:
        status = item.stat()
    except OSError:  # a link to nothing: reading it will say so
        return Child(item.name, False, 0, "gone")
    if item.is_dir():
        return Child(item.name, True)
    return Child(item.name, False, status.st_size, f"{status.st_size:x}-{status.st_mtime_ns:x}")
