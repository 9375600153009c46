"""The classes of picks, in the order of their ids."""

import logging
from collections.abc import Iterable, Sequence

from builders.errors import OptionError
from builders.io.files.natural_order import natural_key
from builders.tomograms.background import LABEL

logger = logging.getLogger(__name__)

UNNAMED = "particle"
"""Of picks of which no source tells the class."""


def class_names(
    there: Iterable[str], declared: Sequence[str] | None, wanted: Sequence[str] | None, background: bool
) -> list[str]:
    """The names of classes, whose places are their ids.

    Args:
        there: classes of the picks.
        declared: those that a project names, in its order, such as copick's pickable objects; None: it does not.
        wanted: those that were asked for, in the order of their ids; None: all.
        background: whether cubes without a pick are to be labelled, too; theirs is the last class.

    Raises:
        OptionError: a wanted class has no pick, nor does the project name it.

    Example:
        >>> class_names({"ribosome_10", "ribosome_2"}, None, None, background=True)
        ['ribosome_2', 'ribosome_10', 'background']
        >>> class_names({"apo", "virus"}, ["virus", "ribosome", "apo"], None, background=False)
        ['virus', 'ribosome', 'apo']
    """
    found = set(there)
    ordered = list(dict.fromkeys(declared or ()))
    known = ordered + sorted(found.difference(ordered), key=natural_key)
    missing = [name for name in wanted or () if name not in known]
    if missing:
        shown = ", ".join(known) or "none"
        msg = f"classes: no pick is of class {', '.join(map(repr, missing))}: there are {shown}"
        raise OptionError(msg)
    if wanted is not None and (ignored := [name for name in known if name in found and name not in wanted]):
        logger.warning("tomograms: picks of classes that were not asked for: %s", ", ".join(ignored))
    names = known if wanted is None else list(wanted)
    return [*(name for name in names if name != LABEL), LABEL] if background else names
