"""The classes of listings: their ids, and what may be wrong with them."""

import logging
from collections.abc import Iterable, Sequence

from builders.errors import OptionError
from builders.io.files.natural_order import natural_key
from builders.local_classes.folder import Listing
from builders.local_classes.labels import look_alike, of_several_folders, pattern_of_both, second_parts, spelled
from builders.local_classes.names import Naming

logger = logging.getLogger(__name__)

_SHOWN = 3


def class_names(listings: Iterable[Listing], wanted: list[str] | None) -> list[str]:
    """The classes, in the order of their ids: those wanted, or all that there are, naturally sorted.

    What may be wrong with them is said.

    Raises:
        OptionError: a wanted class has no file; the message lists those that have.
    """
    listings = list(listings)
    there = sorted({file.name.label for listing in listings for file in listing.files}, key=natural_key)
    missing = [name for name in wanted or () if name not in there]
    if missing:
        msg = f"classes: no file of class {spelled(missing, there)} in {listings[0].source}: "
        msg += f"there are {spelled(there, missing)}"
        raise OptionError(msg)
    for doubt in doubts(listings, wanted):
        logger.warning("local_classes: %s", doubt)
    if wanted is None:
        return there
    ignored = [name for name in there if name not in wanted]
    if ignored:
        logger.warning("local_classes: ignoring %d classes not asked for: %s", len(ignored), ", ".join(ignored))
    return wanted


def doubts(listings: Sequence[Listing], wanted: Iterable[str] | None = None) -> list[str]:
    """What may be wrong with classes: some look alike, some seem to be several, or one is that of several folders.

    Args:
        listings: files with classes.
        wanted: classes that were chosen by name: only what looks like them is worth a word.
    """
    files = [file for listing in listings for file in listing.files]
    names = [file.name for file in files]
    chosen = None if wanted is None else set(wanted)
    groups = [g for g in look_alike(name.label for name in names) if chosen is None or not chosen.isdisjoint(g)]
    found = [f"classes that differ in case, blanks or spelling alone: {spelled(g, ())}: are they one?" for g in groups]
    naming = listings[0].naming if listings else Naming()
    if chosen is not None or naming.class_pattern is not None:
        return found
    if naming.class_from == "folder":
        shared = of_several_folders((file.name.label, file.path.rpartition("/")[0]) for file in files)
        for label, folders in list(shared.items())[:_SHOWN]:
            found.append(f"class {label!r} is that of {len(folders)} folders, such as {' and '.join(folders[:2])}: ")
            found[-1] += "with class_pattern='([^/]+)' the first folder of a path is the class"
        return found
    for label, parts in list(second_parts(names).items())[:_SHOWN]:
        shown = ", ".join(map(repr, parts[:_SHOWN])) + (", ..." if len(parts) > _SHOWN else "")
        pattern = pattern_of_both(name for name in names if name.label == label)
        found.append(f"second parts of names look like classes, too: {shown} of {label!r}: ")
        found[-1] += f"with class_pattern={pattern!r} they are"
    return found
