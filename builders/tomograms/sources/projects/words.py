"""Words of copick: which picks, segmentations and tomograms are meant, as its own URIs say it."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import parse_qs

from builders.errors import OptionError

_PICKS = re.compile(r"(?P<name>[^:/@?]+)(?::(?P<user>[^:/@?]+)(?:/(?P<session>[^:/@?]+))?)?")
_SEGMENTATION = re.compile(_PICKS.pattern + r"(?:@(?P<spacing>[^:/@?]+))?(?:\?(?P<query>[^?]*))?")
_TOMOGRAM = re.compile(r"(?P<name>[^:/@?]+)(?:@(?P<spacing>[^:/@?]+))?")
_FORMS = {
    "picks": (_PICKS, "object:user/session"),
    "segmentation": (_SEGMENTATION, "name:user/session@spacing"),
    "tomogram": (_TOMOGRAM, "type@spacing"),
}
_APART = 5e-4
"""Å: half of the last decimal of the spacings that copick writes."""


@dataclass(frozen=True, slots=True)
class Word:
    """Which of a project's files are meant; `*` stands for any.

    Attributes:
        name: of the object, the segmentation or the type of tomogram.
        user: who made it.
        session: in which it was made.
        spacing: Å of a voxel.
        multilabel: whether a segmentation is of several objects; None: either.
    """

    name: str
    user: str = "*"
    session: str = "*"
    spacing: str = "*"
    multilabel: bool | None = None

    def fits(self, name: str, user: str = "", session: str = "", spacing: str = "", multilabel: bool = False) -> bool:
        """Whether a file is meant, by what its name says."""
        pairs = ((self.name, name), (self.user, user), (self.session, session))
        is_right = self.multilabel is None or self.multilabel == multilabel
        return is_right and self._is_spacing(spacing) and all(fnmatchcase(text, glob) for glob, text in pairs)

    def _is_spacing(self, spacing: str) -> bool:
        try:
            return abs(float(self.spacing) - float(spacing)) <= _APART
        except ValueError:
            return fnmatchcase(spacing, self.spacing)


def word_of(option: str, text: str) -> Word:
    """What a word means.

    Args:
        option: `"picks"`, `"segmentation"` or `"tomogram"`.
        text: the word.

    Raises:
        OptionError: it is none of copick's.

    Example:
        >>> word_of("picks", "ribosome:alice/*").fits("ribosome", "alice", "12")
        True
        >>> word_of("tomogram", "wbp@10").fits("wbp", spacing="10.000")
        True
    """
    form, expected = _FORMS[option]
    match = form.fullmatch(text)
    if match is None or text.startswith("re:"):
        msg = f"{option} is {text!r}: expected {expected}, of which all but the first may be left out, and * is any"
        raise OptionError(msg)
    told = {key: value for key, value in match.groupdict().items() if value and key != "query"}
    query = parse_qs(match.groupdict().get("query") or "")
    if set(query) - {"multilabel"}:
        msg = f"{option} is {text!r}: expected nothing but multilabel=true or multilabel=false behind ?"
        raise OptionError(msg)
    multilabel = query["multilabel"][0].lower() in ("true", "1", "yes") if query else None
    return Word(**told, multilabel=multilabel)
