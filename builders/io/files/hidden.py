"""Names that systems and programs put among people's files, and that nobody means who says "all files of a folder"."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

_SYSTEM = frozenset(
    (
        *("__macosx", "__pycache__"),  # what macOS's zip files hold besides; Python's
        "lost+found",  # of a disk's check
        *("~snapshot", "~snapmirror", "#snapshot", "@snapshot", "@recently-snapshot"),  # NetApp, Synology, QNAP
        *("@eadir", "#recycle", "@recycle", "@tmp", "@sharebin"),  # previews and bins of such stores
        *("$recycle.bin", "recycler", "system volume information"),  # Windows
        *("network trash folder", "temporary items", "thevolumesettingsfolder"),  # macOS, on others' disks
    )
)
_PREVIOUS = re.compile(r"@gmt-[0-9]{4}\.[0-9]{2}\.[0-9]{2}-[0-9]{2}\.[0-9]{2}\.[0-9]{2}")
"""What Windows' shares call a folder as it was before."""


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is passed over unless it is named itself.

    That is what begins with a dot (`._x.mrc` of macOS, `.snapshot`, `.git`) and what disks and stores keep among the
    files: `lost+found`, `__MACOSX`, `~snapshot`, `@eaDir`, `#recycle` and their like, however they are spelt.

    Example:
        >>> is_hidden("._x.mrc"), is_hidden("lost+found"), is_hidden("__MACOSX"), is_hidden("x_1.mrc")
        (True, True, True, False)
    """
    if name.startswith("."):
        return name not in (".", "..")
    lowered = name.lower()
    return lowered in _SYSTEM or _PREVIOUS.fullmatch(lowered) is not None


def is_named(name: str, patterns: Iterable[str]) -> bool:
    """Whether some pattern names a hidden file or folder: one of its segments fits, and is itself hidden.

    Args:
        name: of a file or folder.
        patterns: globs, `/`-separated.

    Example:
        >>> is_named(".snapshot", ["**/.snapshot/*.mrc"]), is_named("._x.mrc", ["*/*"]), is_named("._x.mrc", [".*"])
        (True, False, True)
    """
    segments = (segment for pattern in patterns for segment in pattern.split("/"))
    return any(is_hidden(segment) and (name == segment or fnmatchcase(name, segment)) for segment in segments)
