"""The files that `data_files=` names: an existing name is that file, whatever a pattern would make of its brackets.

`datasets` reads `[1]` in any name as a set of characters, those of `data_dir` and the working directory too, and `::`
as a chain of file systems, so that `br[1]/*.mrc` finds nothing, or the files of `br1`. A `*` stays what it is: a stray
file of such a name must not hide others.
"""

import glob
import logging
import os
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from datasets.data_files import DataFilesDict, DataFilesList, resolve_pattern, sanitize_patterns

from builders.errors import NotFoundError, OptionError
from builders.io.files.hidden import is_hidden, is_named

logger = logging.getLogger(__name__)

_LOCAL = ("file://", "local://")


def named_files(data_files: Any, base: str | os.PathLike[str] | None, owner: str) -> DataFilesDict:
    """The files of each split.

    Args:
        data_files: paths or patterns, alone or in lists, of one split or by split, as elsewhere in `datasets`.
        base: the folder that they are relative to; None: the working directory.
        owner: the builder's name, for errors.

    Raises:
        NotFoundError: a split has no file, or a name is not there.
        OptionError: `data_files` is nothing of the kind, or names files of another machine.
    """
    folder = os.path.abspath(Path(base or "").expanduser())  # noqa: PTH100 - Path.resolve would follow links
    found = DataFilesDict()
    for split, patterns in _by_split(data_files, owner).items():
        if isinstance(patterns, DataFilesList):
            found[split] = patterns
            continue
        files: list[str] = []
        for pattern in patterns:
            try:
                files += _unhidden(_files(pattern, folder), pattern, folder)
            except FileNotFoundError as err:
                if isinstance(err, NotFoundError) or not glob.has_magic(pattern):
                    msg = f"{owner}: data_files={data_files!r} name no file: {err}"
                    raise NotFoundError(msg) from err
            except ValueError as err:
                msg = f"{owner}: data_files names {pattern!r}: {err}"
                raise OptionError(msg) from err
        if not files:
            msg = f"{owner}: data_files name no file for the split {split!r}: {patterns}"
            msg += f" in {base or 'the working directory'}"
            raise NotFoundError(msg)
        found[split] = DataFilesList(files, [])
    return found


def _by_split(data_files: Any, owner: str) -> dict[str, Any]:
    if isinstance(data_files, os.PathLike):
        data_files = os.fspath(data_files)
    try:
        by_split = sanitize_patterns(data_files)
        return {split: _texts(patterns) for split, patterns in by_split.items()}
    except TypeError as err:
        msg = f"{owner}: data_files is {data_files!r}: expected a path, a list of paths, or a dict of them by split"
        raise OptionError(msg) from err


def _texts(patterns: Any) -> Any:
    if isinstance(patterns, DataFilesList):
        return patterns
    flat = [item for one in patterns for item in (one if isinstance(one, list | tuple | set) else [one])]
    return [str(os.fspath(item)) for item in flat]


def _files(pattern: str, folder: str) -> list[str]:
    """The files that a path names, or a pattern finds: with its brackets as sets, or else as they are written.

    Raises:
        ValueError: it can name none.
        FileNotFoundError: there are none.
        NotFoundError: a folder has that name.
    """
    for scheme in _LOCAL:
        pattern = pattern.removeprefix(scheme)
    if "://" in pattern:
        msg = "expected files of this machine"
        raise ValueError(msg)
    if any("**" in part and part != "**" for part in PurePath(pattern).parts):  # Python 3.13 makes * of it
        msg = "'**' can only be an entire path component"
        raise ValueError(msg)
    path = _absolute(pattern, folder)
    if ("[" in pattern or not glob.has_magic(pattern)) and Path(path).is_file():
        return [path]
    root, rest = _literal_part(path, folder)
    if not rest:
        msg = f"{path} is a folder: name it as data_dir"
        raise NotFoundError(msg)
    if glob.has_magic(root) or "::" in path:
        found = sorted(_glob(root, rest))
    else:
        try:
            return list(resolve_pattern(path, ""))
        except FileNotFoundError:
            if "[" not in rest:
                raise
            found = []
    return found or sorted(_glob(root, rest.replace("[", "[[]")))


def _unhidden(files: list[str], pattern: str, folder: str) -> list[str]:
    """The files without those in hidden folders that the pattern does not name: `datasets` knows some of these."""
    named = [pattern if "://" in pattern else _absolute(pattern, folder)]
    hidden = {name for file in files for name in file.split("/") if is_hidden(name) and not is_named(name, named)}
    if not hidden:
        return files
    meant = [file for file in files if hidden.isdisjoint(file.split("/"))]
    some = ", ".join(sorted(hidden))
    logger.warning(
        "data_files %s: passing over %d files in hidden folders (%s)", pattern, len(files) - len(meant), some
    )
    return meant


def _absolute(pattern: str, folder: str) -> str:
    path = os.path.abspath(os.path.join(folder, Path(pattern).expanduser()))  # noqa: PTH100, PTH118 - links stay
    return f"/{path.lstrip('/')}" if path.startswith("//") else path


def _literal_part(path: str, folder: str) -> tuple[str, str]:
    """The folders that a path begins with, which are there by these very names, and the rest: a pattern.

    Below `folder` a name with a `*` or a `?` is a pattern, which finds what is called so, too.
    """
    root = Path(folder) if Path(path).is_relative_to(folder) and Path(folder).is_dir() else Path(Path(path).anchor)
    rest = Path(path).relative_to(root).parts
    for place, part in enumerate(rest):
        if "*" in part or "?" in part or not (root / part).is_dir():
            return str(root), "/".join(rest[place:])
        root /= part
    return str(root), ""


def _glob(root: str, pattern: str) -> Iterator[str]:
    """Files below a folder, by the rules of `datasets`: no hidden ones, and none in folders called `__...`, unasked."""
    asked = _unusual(PurePath(pattern))
    for path in Path(root).glob(f"{pattern}/*" if pattern.endswith("**") else pattern):
        if _unusual(path.relative_to(root)) == asked and path.is_file():
            yield str(path)


def _unusual(path: PurePath) -> tuple[int, int]:
    """How many names in a path are hidden, and how many of its folders are called `__...`."""
    return sum(p.startswith(".") for p in path.parts), sum(p.startswith("__") for p in path.parent.parts)
