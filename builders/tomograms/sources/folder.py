"""Tomograms of a folder, of this machine or of an entry: MRC files and OME-Zarr, what belongs together by its name."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builders.archive.archive import Archive
from builders.archive.catalogue import entry_number
from builders.archive.listing import Child
from builders.archive.patterns import matcher
from builders.archive.tree import Tree, shown
from builders.errors import NotFoundError, OptionError
from builders.io.files.natural_order import natural_path_key
from builders.tomograms.sources.asked import Asked
from builders.tomograms.sources.candidates import ZARR, Candidate, Listed, Stored
from builders.tomograms.sources.names import is_volume, stem_of
from builders.tomograms.sources.pairing import paired


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that tomograms are looked for in.

    Attributes:
        tree: the folder.
        name: of the source, for messages.
        under: what stands before paths below it, in rows.
        pattern: glob of the tomograms; None: all.
        enters: whether folders in it are looked into where no pattern says so.
    """

    tree: Tree
    name: str
    under: str
    pattern: str | None
    enters: bool


def listed(asked: Asked) -> Listed:
    """The tomograms of a folder of this machine, those of folders in it, too.

    Raises:
        NotFoundError: no such folder, or nothing in it that is wanted.
        OptionError: what belongs together is not clear.
    """
    folder = os.path.abspath(Path(str(asked.data_dir)).expanduser())  # noqa: PTH100 - resolving links would rename
    tree = Tree(folder)
    tree.require("data_dir")
    return _listed(Place(tree, folder, "", asked.tomogram, enters=True), asked)


def listed_entry(asked: Asked) -> Listed:
    """The tomograms of an entry of EMPIAR, or of a mirror of it, in one directory unless the pattern has `**`.

    Raises:
        NotFoundError: no such directory, or nothing in it that is wanted.
        OptionError: what belongs together is not clear.
    """
    number = entry_number(str(asked.entry))
    archive = Archive(asked.archive, asked.api)
    archive.listing(number, asked.directory)  # of what is not there, it tells what there is
    pattern = asked.pattern or asked.tomogram
    name = f"EMPIAR-{number}"
    tree = Tree(archive.locate(number, asked.directory))
    return _listed(Place(tree, name, asked.directory.strip("/"), pattern, enters=False), asked)


def _listed(place: Place, asked: Asked) -> Listed:
    seen = [(path, child) for path, child in _walk(place) if _is_volume(path, child)]
    fits, _ = matcher(place.pattern or "**", regex=False, recursive=place.enters)
    chosen = {path: child for path, child in seen if fits(path)}
    if not chosen:
        wanted = f"that fits {place.pattern!r}" if place.pattern else "(.mrc, .rec, .map, .st or .zarr)"
        msg = f"{place.name}: no tomogram {wanted}; there are: {shown([path for path, _ in seen])}"
        raise NotFoundError(msg)
    stored = {path: _stored(place, path, child) for path, child in chosen.items()}
    if asked.pairs:
        pairs, left_out = paired(list(stored), stem_of, place.name, asked.skips)
        stems: dict[str, tuple[Stored, ...]] = {one: (stored[even], stored[odd]) for one, (even, odd) in pairs.items()}
    else:
        stems, left_out = _by_stem(stored, place), []
    names = _names(list(stems))
    candidates = [Candidate(names[stem], (one[0],), one[1:]) for stem, one in stems.items() if asked.wants(names[stem])]
    candidates.sort(key=lambda candidate: natural_path_key(candidate.name))
    return Listed(tuple(candidates), place.name, tuple(names.values()), tuple(left_out))


def _walk(place: Place) -> list[tuple[str, Child]]:
    """All files and Zarr groups below a place."""
    _, enters = matcher(place.pattern, regex=False, recursive=place.enters)
    return list(place.tree.walk(lambda path: not path.lower().endswith(ZARR) and enters(path)))


def _is_volume(path: str, child: Child) -> bool:
    return not child.is_folder and is_volume(child.name)


def _stored(place: Place, path: str, child: Child) -> Stored:
    return Stored(place.tree.file(path, child, place.under), child.is_folder)


def _by_stem(stored: dict[str, Stored], place: Place) -> dict[str, tuple[Stored, ...]]:
    """Tomograms by their paths without a suffix.

    Raises:
        OptionError: one stands there under two suffixes.
    """
    counts = Counter(map(stem_of, stored))
    twice = [path for path in stored if counts[stem_of(path)] > 1]
    if twice:
        msg = f"{place.name}: {shown(twice)} have one name: tomogram= (of an entry, pattern=) chooses, as in '**/*.mrc'"
        raise OptionError(msg)
    return {stem_of(path): (one,) for path, one in stored.items()}


def _names(stems: Sequence[str]) -> dict[str, str]:
    """What tomograms are called: their base names, or where two have the same one, their paths."""
    bases = [stem.rpartition("/")[2] for stem in stems]
    if len(set(bases)) < len(bases):
        return {stem: stem for stem in stems}
    return dict(zip(stems, bases, strict=True))
