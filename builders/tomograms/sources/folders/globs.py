"""Files of a folder that a glob, a path or a name means."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builders.archive.patterns import matcher
from builders.archive.tree import Tree, shown
from builders.errors import NotFoundError
from builders.io.tables.picks import SUFFIXES
from builders.tomograms.sources.candidates import ZARR, Stored
from builders.tomograms.sources.names import is_volume, stem_of

_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that files are looked for in.

    Attributes:
        tree: the folder.
        name: of the source, for messages.
        under: what stands before paths below it, in rows.
        everywhere: glob of all that is looked at where nothing says how deep.
    """

    tree: Tree
    name: str
    under: str = ""
    everywhere: str = "**"


def stored_at(place: Place, pattern: str) -> dict[str, Stored]:
    """Files and groups of Zarr whose paths below a place fit a glob: `*` stays in a folder, `**` crosses folders.

    Args:
        place: the folder.
        pattern: `**` alone is all below it.
    """
    fits, enters = matcher(pattern, regex=False, recursive=False)
    found = {}
    for path, child in place.tree.walk(lambda folder: not _is_group(folder) and enters(folder)):
        if (not child.is_folder or _is_group(path)) and fits(path):
            found[path] = Stored(place.tree.file(path, child, place.under), child.is_folder)
    return found


def _is_group(path: str) -> bool:
    return path.lower().endswith(ZARR)


def is_volume_of(stored: Stored) -> bool:
    """Whether this may be a tomogram or a mask, by its name."""
    return stored.is_zarr or is_volume(stored.file.path)


def fitting(place: Place, word: str, option: str) -> dict[str, Stored]:
    """The files that a path or glob means: below a place, or else on this machine.

    Args:
        place: the folder.
        word: a path or glob; an absolute one, or one that fits nothing below the place, is of this machine.
        option: what errors call it.

    Returns:
        Files by their paths: below the place, or absolute.

    Raises:
        NotFoundError: nothing fits; the message tells what is there.
    """
    found = {} if Path(word).expanduser().is_absolute() else stored_at(place, word.removeprefix("./"))
    found = found or _of_this_machine(word)
    if not found:
        msg = f"{option} is {word!r}: nothing in {place.name} fits, nor on this machine; there are: "
        raise NotFoundError(msg + shown([path for path, _ in place.tree.walk(lambda _: False)]))
    return found


def _of_this_machine(word: str) -> dict[str, Stored]:
    """Files of this machine that a path or glob means, by their absolute paths."""
    whole = os.path.abspath(Path(word).expanduser())  # noqa: PTH100 - resolving links would rename the files
    parts = whole.split("/")
    wild = next((n for n, part in enumerate(parts) if _WILD.search(part)), len(parts) - 1)
    tree = Tree("/".join(parts[:wild]) or "/")
    try:
        found = stored_at(Place(tree, str(tree), str(tree)), "/".join(parts[wild:]))
    except NotFoundError:
        return {}
    return {tree.locate(path): stored for path, stored in found.items()}


def picks_named(place: Place, word: str) -> dict[str, Stored]:
    """The files of picks that a word means: a path or glob, or `*`: all that there are below the place.

    A glob means files of picks alone, by their suffixes, and not RELION's `tomograms.star`, which has none.

    Raises:
        NotFoundError: there are none; the message tells what is there.
    """
    found = stored_at(place, place.everywhere) if word == "*" else fitting(place, word, "picks")
    if not _WILD.search(word):
        return found
    wanted = {path: stored for path, stored in found.items() if _may_hold_picks(path)}
    if not wanted:
        msg = f"picks is {word!r}: no file of picks ({', '.join(SUFFIXES)}) in {place.name} fits; there are: "
        raise NotFoundError(msg + shown([path for path, _ in place.tree.walk(lambda _: False)]))
    return wanted


def _may_hold_picks(path: str) -> bool:
    name = path.rpartition("/")[2].lower()
    return name.endswith(SUFFIXES) and name != "tomograms.star"


def masks_named(place: Place, word: str) -> Mapping[str, Stored]:
    """The masks that a word means: a path or glob; or a name, of a folder that they are in, or at the end of theirs.

    Raises:
        NotFoundError: there are none.

    Example:
        >>> masks_named(Place(Tree("/data"), "/data"), "membrane")  # doctest: +SKIP
        {'TS_1_membrane.mrc': Stored(...)}
    """
    if _WILD.search(word) or "/" in word or stem_of(word) != word:
        return {path: stored for path, stored in fitting(place, word, "segmentation").items() if is_volume_of(stored)}
    within = stored_at(place, place.everywhere) | stored_at(place, f"{word}/*")
    seen = {path: stored for path, stored in within.items() if is_volume_of(stored)}
    found = {path: stored for path, stored in seen.items() if _is_called(path, word)}
    if not found:
        msg = f"segmentation is {word!r}: no volume in a folder {word}/, and none whose name ends in it, in "
        msg += f"{place.name}; there are: {shown(list(seen))}"
        raise NotFoundError(msg)
    return found


def _is_called(path: str, word: str) -> bool:
    *folders, base = stem_of(path).split("/")
    return word in folders or (base.endswith(word) and base[: -len(word)][-1:] in ("_", "-", "."))
