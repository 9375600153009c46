"""What a row is, a slice of a file or all of it: by the image set's category, else the suffix, else the header.

A header comes last, since programs differ in what they write: ISPG 1 stands in many stacks of particles, and 0 in many
volumes. `docs/stacks.md` has the same for users.
"""

import functools
import re
from collections.abc import Mapping

from builders.io.compression import plain_name
from builders.io.mrc import MrcHeader

ITEMS = ("auto", "slice", "file")

CATEGORIES: Mapping[str, str] = {
    "micrographs - single frame": "file",
    "micrographs - multiframe": "file",
    "micrographs - focal pairs - unprocessed": "file",
    "micrographs - focal pairs - contrast inverted": "file",
    "picked particles - single frame - unprocessed": "slice",
    "picked particles - multiframe - unprocessed": "slice",
    "picked particles - single frame - processed": "slice",
    "picked particles - multiframe - processed": "slice",
    "tilt series": "file",
    "class averages": "slice",
    "stitched maps": "file",
    "diffraction images": "file",
    "reconstructed volumes": "volume",
    "subtomograms": "volume",
}
"""What EMPIAR's categories say, in the order of their codes T1 to T14. A `"volume"` is a file, too, but one that may be
a stack of volumes, as its header tells."""

SUFFIXES: Mapping[str, str] = {".mrcs": "slice", ".st": "file", ".ali": "file", ".rec": "volume", ".map": "volume"}
"""What suffixes say, where a category does not."""

_WORDS = (
    ("slice", re.compile(r"particle|\bclass(?:es)? average|\bclass sum|\b2 ?d (?:class|average)")),
    ("volume", re.compile(r"tomogra|volume|reconstruction|\bmaps?\b|\bmasks?\b|segmentation")),
    ("file", re.compile(r"micrograph|movie|\btilt(?!ed)|\bfocal|diffraction|stitched|montage|\batlas")),
)
_FOR_SURE = re.compile(r"\bsub ?(?:tomogra|volume)|\b3 ?d (?:class|average|particle|volume|map)")
"""Volumes, though such a text may speak of particles, too."""
_ELSE_FILES = re.compile(r"frames?\b|\bfractions?\b")


@functools.lru_cache
def said_by(category: str) -> str | None:
    """What a category says: `"slice"`, `"file"`, `"volume"`, or None where it does not decide.

    Free text (EMPIAR writes `(OT,...)`) is read for its words, which do not decide where they contradict each other.

    Example:
        >>> said_by("tilt series"), said_by("(OT,polished particles)"), said_by("(OT,lamellae)")
        ('file', 'slice', None)
    """
    words = _plain(category)
    if words in _KNOWN:
        return _KNOWN[words]
    if _FOR_SURE.search(words):
        return "volume"
    found = [meaning for meaning, expression in _WORDS if expression.search(words)]
    if not found:
        return "file" if _ELSE_FILES.search(words) else None
    return None if found[0] == "slice" and len(found) > 1 else found[0]


def before_header(item: str, category: str, path: str) -> str | None:
    """Whether rows are slices (`"slice"`) or files (`"file"`), as far as it is known of a file that was not looked at.

    Args:
        item: what was asked for, one of `ITEMS`.
        category: of the file's image set; empty when there is none.
        path: of the file.

    Returns:
        None where its header has to decide. Whatever was decided, a stack of volumes (which has four axes) gives a row
        for each volume, unless files were asked for.

    Example:
        >>> before_header("auto", "tilt series", "a.mrcs"), before_header("auto", "", "a.mrcs.gz")
        ('file', 'slice')
        >>> before_header("auto", "subtomograms", "a.mrc") is None
        True
    """
    meaning = _meaning(item, category, path)
    return None if meaning == "volume" else meaning


def is_by_slice(item: str, category: str, path: str, header: MrcHeader | None) -> bool:
    """Whether each entry along a file's first axis is a row: a slice, or a volume of a stack of volumes.

    Args:
        item: what was asked for, one of `ITEMS`.
        category: of the file's image set; empty when there is none.
        path: of the file.
        header: the file's; None where it is none of MRC.
    """
    meaning = _meaning(item, category, path)
    if item != "auto" or header is None:
        return meaning == "slice"
    if header.is_volume_stack:
        return True
    if meaning is not None:
        return meaning == "slice"
    return header.calls_itself_stack


def _meaning(item: str, category: str, path: str) -> str | None:
    """What is known without the header: `"slice"`, `"file"`, `"volume"` or None."""
    if item != "auto":
        return item
    name = plain_name(path)
    return said_by(category) or next((SUFFIXES[suffix] for suffix in SUFFIXES if name.endswith(suffix)), None)


def _plain(text: str) -> str:
    """Lower-case words with single blanks between them, without the code of free text."""
    return re.sub(r"[\W_]+", " ", text.lower()).strip().removeprefix("ot ")


_KNOWN = {_plain(name): meaning for name, meaning in CATEGORIES.items()}
_KNOWN |= {f"t{number}": meaning for number, meaning in enumerate(CATEGORIES.values(), 1)}
