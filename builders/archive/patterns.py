"""Globs and regular expressions for the paths of an entry's files: which files fit, which folders to look into."""

import re
from collections.abc import Callable
from pathlib import PurePath

from builders.errors import OptionError
from builders.io.files.hidden import is_hidden, is_named
from builders.io.formats.known import suffixes


def matcher(
    pattern: str | PurePath | None, regex: bool, recursive: bool
) -> tuple[Callable[[str], int], Callable[[str], bool]]:
    """What a pattern says: whether a file fits, and whether a folder has to be looked into, by paths below the start.

    Brackets may be a set of characters, or stand in a name: a file that fits tells by which number of reading, from 1,
    and where several readings find files, the first one is meant. 0 is a file that does not fit.

    Args:
        pattern: a glob (`*` and `?` stay in a folder, `**` crosses folders) or a regular expression for the whole
            path; None: every format that can be read.
        regex: which of both.
        recursive: look into all folders.

    Raises:
        OptionError: not a valid regular expression, none with `regex`, or no text at all.

    Example:
        >>> fits, enters = matcher("**/x_?.mrc", regex=False, recursive=False)
        >>> fits("a/b/x_1.mrc"), fits("x_10.mrc"), enters("a")
        (1, 0, True)
    """
    if pattern is None:
        if regex:
            msg = "regex=True needs a pattern: a regular expression for the path below the directory"
            raise OptionError(msg)
        return _is_image, lambda folder: recursive
    pattern = pattern.as_posix() if isinstance(pattern, PurePath) else pattern
    if not isinstance(pattern, str):
        msg = f"pattern is {pattern!r}: expected text, a glob or a regular expression"
        raise OptionError(msg)
    if regex:
        whole = _expression(pattern)
        return lambda path: whole.fullmatch(path) is not None, lambda folder: recursive
    parts = pattern.strip("/").split("/")
    readings = [re.compile(reading) for reading in _readings(parts)]
    levels = [re.compile(_either(part)) for part in parts[:-1]]
    by_name = recursive and len(parts) == 1

    def fits(path: str) -> int:
        names = (path, path.rpartition("/")[2]) if by_name else (path,)
        found = (n for n, reading in enumerate(readings, 1) if any(map(reading.fullmatch, names)))
        return next(found, 0)

    def enters(folder: str) -> bool:
        if recursive or "**" in pattern:
            return True
        names = folder.split("/")
        return len(names) <= len(levels) and all(level.fullmatch(n) for level, n in zip(levels, names, strict=False))

    return fits, enters


def taker(pattern: str | PurePath | None, regex: bool) -> Callable[[str], bool]:
    """Whether a file or folder may be looked at, by its name: it is not hidden, or the pattern names it.

    A glob does so as in a shell, a regular expression by the name's very letters.

    Example:
        >>> takes = taker("**/.snapshot/*.mrc", regex=False)
        >>> takes("x.mrc"), takes(".snapshot"), takes("._x.mrc")
        (True, True, False)
    """
    text = str(pattern or "")
    letters = text.replace("\\", "")
    return lambda name: not is_hidden(name) or (name in letters if regex else is_named(name, [text]))


def _expression(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as err:
        msg = f"pattern is {pattern!r}: not a regular expression: {err}"
        raise OptionError(msg) from err


def _readings(parts: list[str]) -> list[str]:
    """A pattern as regular expressions, in the order in which they are meant.

    With brackets they are: the path that it spells; the pattern in folders that are spelled so, or in any; and last
    its wildcards alone.
    """
    whole = "/".join(parts)
    if "[" not in whole:
        return [_glob(whole)]
    folders, name = [f"{part}/" for part in parts[:-1]], parts[-1]
    spelled = "".join(_glob(folder, sets=False) for folder in folders)
    either = "".join(map(_either, folders))
    return [re.escape(whole), spelled + _glob(name), either + _glob(name), _glob(whole, sets=False)]


def _either(part: str) -> str:
    """A part of a glob with its brackets as sets, or as brackets."""
    return f"(?:{_glob(part)}|{_glob(part, sets=False)})" if "[" in part else _glob(part)


def _glob(pattern: str, sets: bool = True) -> str:
    """A glob as a regular expression; without `sets`, brackets are brackets."""
    wild = r"\*\*/|\*\*|\*|\?|\[!?(?:\][^\]/]*|[^\]/]+)\]|." if sets else r"\*\*/|\*\*|\*|\?|."
    meanings = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.findall(wild, pattern, re.DOTALL)
    return "".join(meanings.get(t) or (_glob_set(t) if len(t) > 1 else re.escape(t)) for t in tokens)


def _glob_set(token: str) -> str:
    """A glob's set of characters; one that makes no sense, such as `[z-a]`, stands for itself."""
    inside = re.sub(r"([\\\[\]^&~|])", r"\\\1", token[1:-1].removeprefix("!"))
    inside = re.sub(r"(?<![0-9A-Za-z])-|-(?![0-9A-Za-z])", r"\-", inside)
    meaning = f"[{'^/' * token.startswith('[!')}{inside}]"
    try:
        re.compile(meaning)
    except re.error:
        return re.escape(token)
    return meaning


def _is_image(path: str) -> bool:
    """Whether a name is that of an image; NumPy's arrays and pictures, which may be anything, a pattern has to name."""
    return path.lower().endswith(suffixes(sure=True))
