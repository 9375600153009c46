"""What may be printed of text that others wrote: file names, servers' answers."""


def printable(text: str) -> str:
    r"""Text as a terminal may get it: what would move its cursor, colour it or turn it around is a `?`; lines stay.

    Example:
        >>> printable("a\x1b[31m\u202eb\nc")
        'a?[31m?b\nc'
    """
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
