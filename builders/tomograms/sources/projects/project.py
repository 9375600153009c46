"""Projects of copick: runs with tomograms, picks and segmentations, in a static root and an overlay.

The layout is copick's own (1.31): `ExperimentRuns/<run>/VoxelSpacing<x>/<type>.zarr`,
`Picks/<user>_<session>_<object>.json` and `Segmentations/<x>_<user>_<session>_<name>[-multilabel].zarr`. What both
roots have is the static one's, but for picks, of which it gives both.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from builders.archive.listing import Child
from builders.archive.tree import Tree, shown
from builders.errors import FormatError, NotFoundError, PercError
from builders.io.files.natural_order import natural_key
from builders.io.net import remote
from builders.io.tables.picks import Picks
from builders.stacks.files import SourceFile
from builders.tomograms.sources.asked import Asked
from builders.tomograms.sources.candidates import ZARR, Candidate, Listed, Stored
from builders.tomograms.sources.names import half_of
from builders.tomograms.sources.pairing import paired
from builders.tomograms.sources.picks import labelled, read_all, unlike
from builders.tomograms.sources.projects.config import Config, read_config
from builders.tomograms.sources.projects.words import Word, word_of

logger = logging.getLogger(__name__)

_SPACING = "VoxelSpacing"
_MULTILABEL = "-multilabel"


@dataclass(frozen=True, slots=True)
class Named:
    """A file of a run, by what its name says.

    Attributes:
        name: of the object, the segmentation or the type of tomogram.
        user: who made it; empty of tomograms.
        session: in which it was made; empty of tomograms.
        spacing: Å of a voxel, as it is spelled; empty of picks.
        multilabel: whether a segmentation is of several objects.
        stored: where it is.
    """

    name: str
    user: str
    session: str
    spacing: str
    multilabel: bool
    stored: Stored

    def fits(self, word: Word) -> bool:
        """Whether a word means it."""
        return word.fits(self.name, self.user, self.session, self.spacing, self.multilabel)

    def __str__(self) -> str:
        made = f":{self.user}/{self.session}" if self.user else ""
        return f"{self.name}{made}{f'@{self.spacing}' * bool(self.spacing)}"


@dataclass(frozen=True, slots=True)
class Run:
    """A run, as the folders of all roots tell it.

    Attributes:
        name: of it.
        tomograms: by type and spacing.
        picks: by object, user and session.
        segmentations: by name, user, session and spacing.
    """

    name: str
    tomograms: tuple[Named, ...]
    picks: tuple[Named, ...]
    segmentations: tuple[Named, ...]


def listed(asked: Asked) -> Listed:
    """The tomograms of a project.

    Raises:
        NotFoundError: no such project, or nothing in it that is wanted.
        FormatError: picks or the config cannot be read.
        OptionError: words of copick that are none.
    """
    config = read_config(str(asked.copick))
    words = {option: [(text, word_of(option, text)) for text in texts] for option, texts in _texts(asked).items()}
    names = sorted({name for tree in config.roots for name in _runs(tree)}, key=natural_key)
    names = names if config.runs is None else [name for name in config.runs if name in names]
    wanted = [name for name in names if asked.wants(name)]
    runs = list(remote.each(lambda name: _run(config, name, asked), wanted, "listings"))
    _require_fitting(config, runs, words)
    candidates, left_out = [], []
    for run in runs:
        try:
            candidates.append(_candidate(run, words, asked))
        except (NotFoundError, FormatError) as err:
            if not asked.skips:
                raise
            left_out.append((run.name, str(err)))
    candidates, more = _with_picks(candidates, {run.name: run for run in runs}, words["picks"], asked)
    objects = config.objects if asked.picks else None
    classes = objects and (*objects, *_unknown(candidates, objects))
    return Listed(tuple(candidates), config.place, tuple(names), (*left_out, *more), classes)


def _texts(asked: Asked) -> dict[str, tuple[str, ...]]:
    tomogram = () if asked.tomogram is None else (asked.tomogram,)
    return {"picks": asked.picks, "segmentation": asked.segmentation, "tomogram": tomogram}


_Words = Mapping[str, Sequence[tuple[str, Word]]]


def _runs(tree: Tree) -> list[str]:
    return [name for name, child in tree.names("ExperimentRuns").items() if child.is_folder]


def _run(config: Config, name: str, asked: Asked) -> Run:
    """What the roots have of a run; of picks and segmentations, if they are asked for."""
    place = f"ExperimentRuns/{name}"
    tomograms: dict[tuple[str, ...], Named] = {}
    segmentations: dict[tuple[str, ...], Named] = {}
    picks = []
    for tree in config.roots:
        inside = tree.names(place)
        for named in _tomograms(tree, place, inside):
            tomograms.setdefault((named.name, named.spacing), named)
        if asked.picks and "Picks" in inside:
            picks += list(_picks(tree, f"{place}/Picks"))
        if asked.segmentation and "Segmentations" in inside:
            for named in _segmentations(tree, f"{place}/Segmentations"):
                segmentations.setdefault((str(named), str(named.multilabel)), named)
    return Run(name, tuple(tomograms.values()), tuple(picks), tuple(segmentations.values()))


def _tomograms(tree: Tree, place: str, inside: Mapping[str, Child]) -> Iterator[Named]:
    for folder, child in inside.items():
        if not (child.is_folder and folder.startswith(_SPACING)):
            continue
        spacing = folder.removeprefix(_SPACING)
        for name, group in tree.names(f"{place}/{folder}").items():
            if group.is_folder and name.endswith(ZARR) and "features" not in name:
                stored = Stored(tree.file(f"{place}/{folder}/{name}", group), is_zarr=True, nominal=spacing)
                yield Named(name.removesuffix(ZARR), "", "", spacing, False, stored)


def _picks(tree: Tree, place: str) -> Iterator[Named]:
    for name, child in tree.names(place).items():
        parts = name.removesuffix(".json").split("_")
        if child.is_folder or not name.endswith(".json"):
            continue
        if len(parts) != 3:
            logger.warning("%s/%s: passing over a name that is not user_session_object.json", place, name)
            continue
        yield Named(parts[2], parts[0], parts[1], "", False, Stored(tree.file(f"{place}/{name}", child)))


def _segmentations(tree: Tree, place: str) -> Iterator[Named]:
    for name, child in tree.names(place).items():
        stem = name.removesuffix(ZARR)
        parts = stem.removesuffix(_MULTILABEL).split("_")
        if not child.is_folder or not name.endswith(ZARR):
            continue
        if len(parts) != 4:
            logger.warning("%s/%s: passing over a name that is not spacing_user_session_name.zarr", place, name)
            continue
        stored = Stored(tree.file(f"{place}/{name}", child), is_zarr=True, nominal=parts[0])
        yield Named(parts[3], parts[1], parts[2], parts[0], stem.endswith(_MULTILABEL), stored)


def _require_fitting(config: Config, runs: Sequence[Run], words: _Words) -> None:
    """Refuse words that mean nothing in any run.

    Raises:
        NotFoundError: lists what there is.
    """
    of_runs = {"picks": [run.picks for run in runs], "segmentation": [run.segmentations for run in runs]}
    for option, among in of_runs.items():
        there = {str(named): named for files in among for named in files}
        for text, word in words[option]:
            if not any(named.fits(word) for named in there.values()):
                known = shown(sorted(there, key=natural_key))
                msg = f"{option} is {text!r}: {config.place} has none in {len(runs)} runs; there are: {known}"
                raise NotFoundError(msg)


def _candidate(run: Run, words: _Words, asked: Asked) -> Candidate:
    """A run's tomogram with its masks.

    Raises:
        NotFoundError: it lacks what is wanted; the message tells what it has.
    """
    images, targets = _images(run, words["tomogram"], asked)
    masks = {}
    for text, word in words["segmentation"]:
        masks[text] = tuple(named.stored for named in run.segmentations if named.fits(word))
        if not masks[text]:
            there = shown([str(named) for named in run.segmentations])
            msg = f"{run.name}: no segmentation {text!r}; there are: {there}"
            raise NotFoundError(msg)
    return Candidate(run.name, images, targets, masks)


def _images(run: Run, words: Sequence[tuple[str, Word]], asked: Asked) -> tuple[tuple[Stored, ...], tuple[Stored, ...]]:
    """Where a run's tomogram may lie, and of pairs the other half."""
    word = words[0][1] if words else Word("*")
    there = shown([str(named) for named in run.tomograms])
    if not asked.pairs:
        found = [named for named in run.tomograms if named.fits(word)]
        if not found:
            msg = f"{run.name}: no tomogram {asked.tomogram or ''!r}; there are: {there}"
            raise NotFoundError(msg)
        return tuple(named.stored for named in found), ()
    halves = [named for named in run.tomograms if _is_half(named, word)]
    pairs, _ = paired(halves, lambda named: f"{named.spacing}/{named.name}", f"{run.name} ({there})", asked.skips)
    return tuple(even.stored for even, _ in pairs.values()), tuple(odd.stored for _, odd in pairs.values())


def _is_half(named: Named, word: Word) -> bool:
    """Whether a type is a half of the one that is meant."""
    half = half_of(named.name)
    return half is not None and (named.fits(word) or word.fits(half[0], spacing=named.spacing))


def _with_picks(
    candidates: Sequence[Candidate], runs: Mapping[str, Run], words: Sequence[tuple[str, Word]], asked: Asked
) -> tuple[list[Candidate], list[tuple[str, str]]]:
    """Tomograms with their picks, all of which are read at once.

    Raises:
        FormatError: some cannot be read.
    """
    wanted = [
        (number, named)
        for number, candidate in enumerate(candidates)
        for named in runs[candidate.name].picks
        if any(named.fits(word) for _, word in words)
    ]
    files: list[SourceFile] = [named.stored.file for _, named in wanted]
    picks: list[list[Picks]] = [[] for _ in candidates]
    wrong: dict[int, str] = {}
    for (number, named), read in zip(wanted, read_all(files), strict=True):
        found = read if isinstance(read, PercError) else _checked(read, named)
        if isinstance(found, Picks):
            picks[number] += [found] if unlike(found, picks[number]) else []
        elif asked.leaves_out(found):
            wrong.setdefault(number, str(found))
        else:
            raise found
    good = [
        Candidate(one.name, one.images, one.targets, one.masks, tuple(picks[number]))
        for number, one in enumerate(candidates)
        if number not in wrong
    ]
    return good, [(candidates[number].name, reason) for number, reason in wrong.items()]


def _checked(picks: Picks, named: Named) -> Picks | FormatError:
    """Picks of the object that their file is called by."""
    told = set(picks.labels or ())
    if told - {named.name}:
        return FormatError(f"{picks.name}: picks of {told.pop()!r}: expected those of {named.name!r}, as it is called")
    return labelled(picks, named.name)


def _unknown(candidates: Sequence[Candidate], objects: Sequence[str]) -> list[str]:
    """Objects of picks that the config does not know."""
    found = {label for one in candidates for picks in one.picks for label in set(picks.labels or ())}
    return sorted(found - set(objects), key=natural_key)
