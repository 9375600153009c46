"""What formats say of themselves, as tables for documents, where they replace what stands between marks.

$ python -m builders.io.formats.table docs/builders/formats.md
"""

import argparse
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from builders.errors import FormatError
from builders.io.formats import compression
from builders.io.formats.known import formats
from builders.io.formats.protocol import Format

_MARKS = re.compile(r"(<!-- formats: (\w+) -->\n).*?(<!-- end of formats -->)", re.DOTALL)
_HEADINGS = ("format", "suffixes", "a row may be", "read from a server", "needs")
_WIDE = 120
_INSTALL = "pip install 'perc-cryoem[{}]'"


def short() -> str:
    """The table of all formats."""
    rows = [_HEADINGS, tuple("---" for _ in _HEADINGS), *(_cells(format) for format in _in_order())]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def full() -> str:
    """The table, and below it what users have to know of each format."""
    told = [f"- **{title_of(format)}.** {' '.join(format.notes)}" for format in _in_order() if format.notes]
    return f"{short()}\n" + "".join(f"{textwrap.fill(text, _WIDE, subsequent_indent='  ')}\n" for text in told)


TABLES: dict[str, Callable[[], str]] = {"short": short, "full": full}
"""By the name that a document has in its marks."""


def title_of(format: Format) -> str:
    """What people call a format."""
    return format.title or format.name.upper()


def _in_order() -> list[Format]:
    return sorted(formats(), key=lambda format: title_of(format).lower())


def _cells(format: Format) -> tuple[str, ...]:
    suffixes = " ".join(f"`{suffix}`" for suffix in (*format.suffixes, *format.names))
    if format.is_packed:
        suffixes += f", also {' '.join(f'`{suffix}`' for suffix in compression.SUFFIXES)}"
    reading = "an image's own bytes" if format.by_range else "the whole file"
    needs = f"`{_INSTALL.format(format.extra)}`" if format.extra else ""
    return title_of(format), suffixes, ", ".join(format.items), reading, needs


def renewed(text: str, name: str = "document") -> str:
    r"""A document with its tables of formats as they are now.

    Args:
        text: of it.
        name: what errors call it.

    Raises:
        FormatError: it has no place for one, or one for a table that there is not.

    Example:
        >>> renewed("<!-- formats: short -->\n<!-- end of formats -->").count("`.dm4`")
        1
    """

    def table(found: re.Match[str]) -> str:
        if found[2] not in TABLES:
            msg = f"{name}: a table of formats called {found[2]!r}: expected one of {', '.join(TABLES)}"
            raise FormatError(msg)
        return found[1] + TABLES[found[2]]() + found[3]

    text, count = _MARKS.subn(table, text)
    if not count:
        msg = f"{name}: no place for a table: expected <!-- formats: short --> and <!-- end of formats --> in it"
        raise FormatError(msg)
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Bring the tables of documents up to date."""
    parser = argparse.ArgumentParser(prog="python -m builders.io.formats.table", description="Renew tables of formats.")
    parser.add_argument("documents", nargs="+", metavar="DOCUMENT", type=Path)
    for path in parser.parse_args(arguments).documents:
        path.write_text(renewed(path.read_text("utf-8"), str(path)), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
