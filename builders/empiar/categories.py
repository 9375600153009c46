"""What EMPIAR's categories of image sets say of their files: whether slices are rows, or files are.

`docs/builders/stacks.md` has the same for users.
"""

import functools
import re
from collections.abc import Mapping

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


def _plain(text: str) -> str:
    """Lower-case words with single blanks between them, without the code of free text."""
    return re.sub(r"[\W_]+", " ", text.lower()).strip().removeprefix("ot ")


_KNOWN = {_plain(name): meaning for name, meaning in CATEGORIES.items()}
_KNOWN |= {f"t{number}": meaning for number, meaning in enumerate(CATEGORIES.values(), 1)}
