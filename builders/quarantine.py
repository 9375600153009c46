"""A table of what a builder left out, and why, for `on_error="skip"`."""

import contextlib
import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

from builders.errors import NotFoundError, OptionError

logger = logging.getLogger(__name__)

KEPT = "left_out.tsv"
"""The table that a dataset in the cache has beside it."""
CONTRADICTED = "other_sizes.tsv"
"""Another, of files that were read though their sizes contradict their headers; missing where there are none."""
STACKS = "stacks.tsv"
"""Another, of files that are stacks of images though each is one row; missing where there are none."""


class Quarantine:
    """A text file of lines `path`, tab, `reason`, that several processes may add to.

    Args:
        path: the file; None keeps no table.

    Example:
        >>> table = Quarantine("left_out.tsv")
        >>> table.begin()
        >>> table.add("data/x.mrc", "it is empty")
        >>> print(Path("left_out.tsv").read_text().replace(chr(9), " | "))
        path | reason
        data/x.mrc | it is empty
        <BLANKLINE>
    """

    def __init__(self, path: str | None) -> None:
        self.path = None if path is None else Path(path)

    def begin(self, left_out: Iterable[tuple[str, object]] = ()) -> None:
        """Make a table, of paths and reasons, in place of an older one."""
        if self.path is not None:
            temporary = self.path.with_name(f"{self.path.name}.tmp")
            lines = dict.fromkeys(_line(path, reason) for path, reason in left_out)
            temporary.write_bytes(b"".join([b"path\treason\n", *lines]))
            temporary.replace(self.path)

    def add(self, path: str, reason: object) -> None:
        """Add a line, unless it is there: each epoch meets the same files."""
        if self.path is None:
            return
        line = _line(path, reason)
        with self.path.open("a+b") as file:  # what is appended by one write stays in one piece
            file.seek(0)
            if line not in file:
                file.write(line)


def check_quarantine(path: object, on_error: str) -> str | None:
    """The path of a table that can be written; None stays None.

    Raises:
        OptionError: nothing would be left out.
        NotFoundError: its folder does not exist.
    """
    if path is None:
        return None
    try:
        table = Path(path).expanduser().absolute()  # type: ignore[arg-type]
    except TypeError as err:
        msg = f"quarantine is {path!r}: expected the path of a file to write"
        raise OptionError(msg) from err
    if not str(path) or table.is_dir():
        msg = f"quarantine is {str(path)!r}: expected the path of a file to write"
        raise OptionError(msg)
    if on_error != "skip":
        msg = f"quarantine={str(path)!r} lists files left out: it needs on_error='skip'"
        raise OptionError(msg)
    if not table.parent.is_dir():
        msg = f"quarantine={str(path)!r}: its folder does not exist"
        raise NotFoundError(msg)
    return str(table)


def keep(folder: str, left_out: Iterable[tuple[str, object]]) -> None:
    """Keep beside a dataset in the cache what was left out of it: paths and reasons.

    Args:
        folder: the dataset's; nothing is kept where it is not of this machine.
        left_out: none, too, are worth knowing.
    """
    if Path(folder).is_dir():
        with contextlib.suppress(OSError):  # of others' cache, which may only be read
            Quarantine(str(Path(folder, KEPT))).begin(left_out)


def say_again(folder: str, owner: str, what: str, table: str | None) -> bool:
    """Say what was left out of a dataset that comes from the cache, and write the table of it that is wanted.

    Args:
        folder: the dataset's.
        owner: the builder's name.
        what: it leaves out, such as `"files"`.
        table: path of the table; None for none.

    Returns:
        Whether it is known.
    """
    kept = Path(folder, KEPT)
    if not kept.is_file():
        return False
    if table is not None:
        shutil.copyfile(kept, table)
    if count := kept.read_bytes().count(b"\n") - 1:
        logger.warning(
            "%s: %s left out of the dataset in the cache: %d, listed in %s", owner, what, count, table or kept
        )
    return True


def keep_contradicted(folder: str, files: Iterable[tuple[str, object]]) -> None:
    """Keep beside a dataset in the cache which of its files have another size than their headers say.

    Args:
        folder: the dataset's; nothing is kept where it is not of this machine.
        files: paths, and how they are read.
    """
    _keep_some(Path(folder, CONTRADICTED), files)


def say_contradicted_again(folder: str, owner: str) -> None:
    """Say how many files of a dataset that comes from the cache have another size than their headers say."""
    kept = Path(folder, CONTRADICTED)
    if kept.is_file():
        count = kept.read_bytes().count(b"\n") - 1
        logger.warning(
            "%s: files of the dataset in the cache that have another size than their headers say: %d, listed in %s",
            *(owner, count, kept),
        )


def keep_stacks(folder: str, files: Iterable[tuple[str, object]]) -> None:
    """Keep beside a dataset in the cache which of its rows are stacks of images.

    Args:
        folder: the dataset's; nothing is kept where it is not of this machine.
        files: paths, and how many images each holds.
    """
    _keep_some(Path(folder, STACKS), files)


def stacks_kept(folder: str) -> list[tuple[str, str]]:
    """Paths of those rows of a dataset in the cache that are stacks of images, and how many each holds."""
    kept = Path(folder, STACKS)
    if not kept.is_file():
        return []
    lines = kept.read_bytes().decode("utf-8", "surrogateescape").split("\n")[1:-1]
    return [(path, images) for path, _, images in (line.partition("\t") for line in lines)]


def _keep_some(table: Path, files: Iterable[tuple[str, object]]) -> None:
    """Write a table, where there is anything to write and the folder is of this machine."""
    if (lines := list(files)) and table.parent.is_dir():
        with contextlib.suppress(OSError):
            Quarantine(str(table)).begin(lines)


def without_path(path: str, reason: object) -> str:
    """A reason without the file's path before it, for messages that have named it already.

    Example:
        >>> without_path("data/x.mrc", "/mirror/data/x.mrc: it is empty"), without_path("x.mrc", "cut: x.mrc")
        ('it is empty', 'cut: x.mrc')
    """
    head, mark, rest = str(reason).partition(": ")
    return rest if mark and (head == path or head.endswith(f"/{path}")) else str(reason)


def _line(path: str, reason: object) -> bytes:
    return f"{_cell(path)}\t{_cell(str(reason))}\n".encode("utf-8", "surrogateescape")


def _cell(text: str) -> str:
    """Text without what ends a cell or a line of a table."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
