"""Tomograms of a folder, of this machine or of an entry: MRC files and OME-Zarr, what belongs together by its name."""

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builders.archive.archive import Archive
from builders.archive.catalogue import entry_number
from builders.archive.tree import Tree, shown
from builders.errors import FormatError, NotFoundError, OptionError, PercError
from builders.io.files.natural_order import natural_path_key
from builders.io.tables.picks import Picks
from builders.tomograms.sources.asked import Asked
from builders.tomograms.sources.candidates import ZARR, Candidate, Listed, Stored
from builders.tomograms.sources.folders.belonging import Names, by_tomogram, owners_of, picks_by_tomogram
from builders.tomograms.sources.folders.globs import Place, is_volume_of, masks_named, picks_named, stored_at
from builders.tomograms.sources.names import called, is_volume, stem_of
from builders.tomograms.sources.pairing import paired
from builders.tomograms.sources.picks import named_in, read_all

logger = logging.getLogger(__name__)

LeftOut = list[tuple[str, str]]


def listed(asked: Asked) -> Listed:
    """The tomograms of a folder of this machine, those of folders in it, too.

    Raises:
        NotFoundError: no such folder, or nothing in it that is wanted.
        OptionError: what belongs together is not clear.
    """
    folder = os.path.abspath(Path(str(asked.data_dir)).expanduser())  # noqa: PTH100 - resolving links would rename
    tree = Tree(folder)
    _require_folder(folder)
    tree.require("data_dir")
    place = Place(tree, folder)
    return _listed(place, asked.tomogram or place.everywhere, asked)


def _require_folder(path: str) -> None:
    """Refuse one tomogram where the folder of tomograms is to be named.

    Raises:
        OptionError: it is a file, or a group of Zarr.
    """
    if Path(path).is_file() or path.lower().endswith(ZARR):
        above, name = os.path.split(path)
        msg = f"data_dir is {path}: expected the folder above it: data_dir={above!r}, tomogram={name!r}"
        raise OptionError(msg)


def listed_entry(asked: Asked) -> Listed:
    """The tomograms of an entry of EMPIAR, or of a mirror of it, in one directory unless the pattern has `**`.

    Raises:
        NotFoundError: no such directory, or nothing in it that is wanted.
        OptionError: what belongs together is not clear.
    """
    number = entry_number(str(asked.entry))
    archive = Archive(asked.archive, asked.api)
    archive.listing(number, asked.directory)  # of what is not there, it tells what there is
    tree = Tree(archive.locate(number, asked.directory))
    place = Place(tree, f"EMPIAR-{number}", asked.directory.strip("/"), "*")
    return _listed(place, asked.pattern or asked.tomogram or place.everywhere, asked)


@dataclass(frozen=True, slots=True)
class _Beside:
    """What was asked for beside the tomograms, by the paths of files."""

    picks: Mapping[str, Stored]
    labels: Mapping[str, str]
    masks: Mapping[str, Mapping[str, Stored]]


def _picks(place: Place, asked: Asked) -> tuple[dict[str, Stored], dict[str, str]]:
    """The files of picks that are wanted, and by their places the classes that were told of them.

    Raises:
        NotFoundError: a word means no file.
        OptionError: a file was told two classes.
    """
    files: dict[str, Stored] = {}
    said: dict[str, str | None] = {}
    for word, label in zip(asked.picks, asked.labels or (None,) * len(asked.picks), strict=True):
        found = picks_named(place, word)
        for path, stored in found.items():
            if said.setdefault(stored.file.location, label) != label:
                msg = f"picks: {path} is of the class {said[stored.file.location]!r}, and of {label!r}: expected one"
                raise OptionError(msg)
        files |= found
    return files, {where: label for where, label in said.items() if label is not None}


def _listed(place: Place, pattern: str, asked: Asked) -> Listed:
    masks = {word: masks_named(place, word) for word in asked.segmentation}
    picks, labels = _picks(place, asked)
    seen = stored_at(place, pattern)
    taken = {path for files in masks.values() for path in files}
    chosen = {path: stored for path, stored in seen.items() if is_volume_of(stored) and path not in taken}
    others = [path for path in stored_at(place, place.everywhere) if path not in taken and path not in chosen]
    if not chosen:
        there = shown(others)
        msg = f"{place.name}: no tomogram (.mrc, .rec, .map, .st, .zarr) that fits {pattern!r}; there are: {there}"
        raise NotFoundError(msg)
    stems, left_out = _stems(chosen, place, asked)
    names = called(list(stems))
    known = Names(names.values(), place.name, [stem_of(path) for path in others if is_volume(path)])
    candidates, more = _joined(stems, names, _Beside(picks, labels, masks), known, asked)
    candidates.sort(key=lambda candidate: natural_path_key(candidate.name))
    return Listed(tuple(candidates), place.name, tuple(names.values()), (*left_out, *more))


def _stems(chosen: dict[str, Stored], place: Place, asked: Asked) -> tuple[dict[str, tuple[Stored, ...]], LeftOut]:
    """Tomograms, or pairs of halves, by their paths without a suffix.

    Raises:
        OptionError: one stands there under two suffixes, or is the same half as another.
        NotFoundError: halves lack the other one.
    """
    if asked.pairs:
        pairs, left_out = paired(list(chosen), stem_of, place.name, asked.skips)
        return {stem: (chosen[even], chosen[odd]) for stem, (even, odd) in pairs.items()}, left_out
    counts = Counter(map(stem_of, chosen))
    twice = [path for path in chosen if counts[stem_of(path)] > 1]
    if twice:
        option = "pattern" if asked.entry is not None else "tomogram"
        msg = f"{place.name}: {shown(twice)} have one name: {option}= chooses, as in '**/*.mrc'"
        raise OptionError(msg)
    return {stem_of(path): (one,) for path, one in chosen.items()}, []


def _joined(
    stems: Mapping[str, tuple[Stored, ...]], names: Mapping[str, str], beside: _Beside, known: Names, asked: Asked
) -> tuple[list[Candidate], LeftOut]:
    """Tomograms with their picks and masks.

    Raises:
        NotFoundError: picks or masks belong to no tomogram, or a tomogram has no mask.
        PercError: picks cannot be read.
    """
    left_out = _LeftOut(asked.skips)
    tables, damaged = _tables(beside, known, asked)
    picks, orphans = picks_by_tomogram(tables, known)
    _warn_of_one_class(picks)
    left_out.orphans(orphans, "picks", known)
    masks = {}
    for word, files in beside.masks.items():
        masks[word], orphans = by_tomogram(files, known)
        left_out.orphans(orphans, f"masks ({word})", known)
    candidates = []
    for stem, one in stems.items():
        name = names[stem]
        missing = [word for word, found in masks.items() if name not in found]
        if asked.wants(name) and name in damaged:
            left_out.told.append((name, damaged[name]))
            continue
        if not asked.wants(name) or (missing and left_out.missing(name, f"no mask {shown(missing)}")):
            continue
        of_it = {word: tuple(found[name]) for word, found in masks.items()}
        candidates.append(Candidate(name, one[:1], one[1:], of_it, tuple(picks.get(name, ()))))
    return candidates, left_out.told


def _tables(beside: _Beside, known: Names, asked: Asked) -> tuple[list[Picks], dict[str, str]]:
    """Picks of files, and what is wrong with others, by the names of the tomograms that these would have been of.

    Without some of its picks a tomogram would teach that there is nothing where they lie.

    Raises:
        PercError: one cannot be read, and that is to be told; or it is the server's or the disk's fault; or no name
            tells which tomograms it is of.
    """
    good: list[Picks] = []
    damaged: dict[str, str] = {}
    read = read_all([stored.file for stored in beside.picks.values()], asked.picks_pixel_size, beside.labels)
    for (path, stored), one in zip(beside.picks.items(), read, strict=True):
        if not isinstance(one, PercError):
            good.append(one)
            continue
        if not asked.leaves_out(one):
            raise one
        owners = _owners(path, stored, known)
        if owners is None:
            msg = f"{one}: it may have picks of any tomogram, so that there is none to leave out for it"
            raise type(one)(msg) from one
        for name in owners:
            damaged.setdefault(name, str(one))
    return good, damaged


def _owners(path: str, stored: Stored, known: Names) -> list[str] | None:
    """The tomograms that a damaged file of picks is of; None: nothing tells."""
    try:
        return owners_of(path, named_in(stored.file), known)
    except FormatError:
        return None


def _warn_of_one_class(picks: Mapping[str, Sequence[Picks]]) -> None:
    """Say once that files which tell no class are of one class in all, where a tomogram has several of them."""
    for tomogram, tables in picks.items():
        names = list(dict.fromkeys(table.name for table in tables if table.labels is None))
        if len(names) > 1:
            words = "tomograms: %s tell no class, and their picks in %s are all of one: a dict of classes and their "
            words += "files, such as picks={%r: %r, ...}, tells them apart"
            logger.warning(words, shown(names), tomogram, stem_of(names[0]).rpartition("/")[2], names[0])
            return


class _LeftOut:
    """What is left out, where that is allowed; else it is an error."""

    def __init__(self, skips: bool) -> None:
        self.skips = skips
        self.told: LeftOut = []

    def orphans(self, found: Sequence[str], what: str, names: Names) -> None:
        if not self.skips:
            names.require_all(found, what)
        self.told += [(one, "it belongs to no tomogram") for one in found]

    def missing(self, name: str, reason: str) -> bool:
        if not self.skips:
            msg = f"{name}: {reason}"
            raise NotFoundError(msg)
        self.told.append((name, reason))
        return True
