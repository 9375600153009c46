"""Text of others in Markdown: whatever it holds, it is shown and does nothing."""

import re

from builders.terminal import printable

_ACTIVE = re.compile(r"[\\`*_{}\[\]|~$:@!#]|(?<=www)\.", re.IGNORECASE)
_BEGINS_A_BLOCK = re.compile(r"(?:[-+=]|[0-9]+(?=[.)]))")
_NAME = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escaped(text: str) -> str:
    r"""Text in one line, in which nothing is markup, a link or HTML; it may stand in a table, too.

    Example:
        >>> escaped("<b>*a*</b> | b\n---")
        '&lt;b&gt;\\*a\\*&lt;/b&gt; \\| b ---'
    """
    line = " ".join(printable(text).split())
    line = _ACTIVE.sub(lambda match: f"\\{match[0]}", line)
    line = "".join(_ENTITIES.get(c, c) for c in line)
    start = _BEGINS_A_BLOCK.match(line)
    if start is None:
        return line
    end = start.end()
    return f"\\{line}" if line[0] in "-+=" else f"{line[:end]}\\{line[end:]}"


def code(name: str) -> str:
    r"""A name as code, or escaped where code could not hold it.

    Example:
        >>> code("pixel_size"), code("a`|b")
        ('`pixel_size`', 'a\\`\\|b')
    """
    return f"`{name}`" if _NAME.fullmatch(name) else escaped(name)


def fenced(text: str, language: str = "text") -> str:
    """Lines as a block of code that ends where they do, whatever is in them.

    Example:
        >>> print(fenced("@article{a}"))
        ```text
        @article{a}
        ```
    """
    lines = "\n".join(printable(line) for line in text.splitlines())
    longest = max(map(len, re.findall("`+", lines)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{lines}\n{fence}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table of cells that are Markdown already.

    Example:
        >>> print(table(["split", "rows"], [["train", "12"]]))
        | split | rows |
        |---|---|
        | train | 12 |
    """
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])
