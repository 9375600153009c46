"""A table of what a builder left out, and why, for `on_error="skip"`."""

from pathlib import Path

from builders.errors import NotFoundError, OptionError


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

    def begin(self) -> None:
        """Make an empty table in place of an older one."""
        if self.path is not None:
            temporary = self.path.with_name(f"{self.path.name}.tmp")
            temporary.write_text("path\treason\n", encoding="utf-8")
            temporary.replace(self.path)

    def add(self, path: str, reason: object) -> None:
        """Add a line, unless it is there: each epoch meets the same files."""
        if self.path is None:
            return
        line = f"{_cell(path)}\t{_cell(str(reason))}\n".encode("utf-8", "surrogateescape")
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
    if on_error != "skip":
        msg = f"quarantine={str(path)!r} lists files left out: it needs on_error='skip'"
        raise OptionError(msg)
    if not table.parent.is_dir():
        msg = f"quarantine={str(path)!r}: its folder does not exist"
        raise NotFoundError(msg)
    return str(table)


def _cell(text: str) -> str:
    """Text without what ends a cell or a line of a table."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
