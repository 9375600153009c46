"""What a row is, a slice of a file or all of it: by what is said of the file, else its suffix, else its header.

A header comes last, since programs differ in what they write: ISPG 1 stands in many stacks of particles, and 0 in many
volumes. `docs/builders/stacks.md` has the same for users.
"""

from collections.abc import Mapping

from builders.io.formats.compression import plain_name
from builders.io.formats.contents import Header

ITEMS = ("auto", "slice", "file", "frame")

SUFFIXES: Mapping[str, str] = {".mrcs": "slice", ".st": "file", ".ali": "file", ".rec": "volume", ".map": "volume"}
"""What suffixes say, where nothing else is said."""


def before_header(item: str, said: str | None, path: str) -> str | None:
    """Whether rows are slices, frames or files, as far as it is known of a file that was not looked at.

    Args:
        item: what was asked for, one of `ITEMS`.
        said: what metadata say: `"slice"`, `"file"`, `"volume"` (a file, but one that may be a stack of volumes, as its
            header tells), or None.
        path: of the file.

    Returns:
        None where its header has to decide. Whatever was decided, a stack of volumes (which has four axes) gives a row
        for each volume, unless files were asked for.

    Example:
        >>> before_header("auto", "file", "a.mrcs"), before_header("auto", None, "a.mrcs.gz")
        ('file', 'slice')
        >>> before_header("auto", "volume", "a.mrc") is None
        True
    """
    meaning = _meaning(item, said, path)
    return None if meaning == "volume" else meaning


def is_by_slice(item: str, said: str | None, path: str, header: Header | None) -> bool:
    """Whether each entry along a file's first axis is a row: a slice, or a volume of a stack of volumes.

    Args:
        item: what was asked for, one of `ITEMS`.
        said: what metadata say: `"slice"`, `"file"`, `"volume"` (a file, but one that may be a stack of volumes, as its
            header tells), or None.
        path: of the file.
        header: the file's; None where it has none that says so.
    """
    meaning = _meaning(item, said, path)
    if item != "auto" or header is None:
        return meaning in ("slice", "frame")
    if header.is_volume_stack:
        return True
    if meaning is not None:
        return meaning == "slice"
    return header.calls_itself_stack


def _meaning(item: str, said: str | None, path: str) -> str | None:
    """What is known without the header: `"slice"`, `"file"`, `"frame"`, `"volume"` or None."""
    if item != "auto":
        return item
    name = plain_name(path)
    return said or next((SUFFIXES[suffix] for suffix in SUFFIXES if name.endswith(suffix)), None)
