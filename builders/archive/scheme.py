"""`empiar://ENTRY/path`: how a file or folder of an entry is named where paths are named, too."""

from builders.archive.archive import segments_of
from builders.archive.catalogue import entry_number

SCHEME = "empiar://"


def entry_and_path(option: str, text: str) -> tuple[str, str]:
    """The entry that a text in this scheme names, and the path inside it.

    Args:
        option: what errors call it.
        text: it.

    Raises:
        OptionError: no entry, or a path that leads out of it.

    Example:
        >>> entry_and_path("root", "empiar://EMPIAR-10943/data/./particles/")
        ('10943', 'data/particles')
    """
    entry, _, path = text.removeprefix(SCHEME).partition("/")
    return entry_number(entry), "/".join(segments_of(path, option))
