"""Tomograms of the CryoET Data Portal's layout: in a mirror, or at an address that the caller names."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from builders.archive.tree import Tree, shown
from builders.errors import AccessError, FormatError, NotFoundError, PercError
from builders.io.files import location
from builders.io.files.natural_order import natural_path_key
from builders.io.net import remote
from builders.io.tables.picks import Picks
from builders.tomograms.sources.asked import Asked
from builders.tomograms.sources.candidates import Candidate, Listed, Stored
from builders.tomograms.sources.names import called, stem_of
from builders.tomograms.sources.pairing import paired
from builders.tomograms.sources.picks import labelled, read_all, unlike
from builders.tomograms.sources.portal.annotations import Annotation, annotations
from builders.tomograms.sources.portal.layout import Reconstruction, reconstructions, runs, spacings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """A run.

    Attributes:
        name: what its tomogram is called.
        found: its tomograms.
        annotated: what was annotated, where that is asked for.
    """

    name: str
    found: tuple[Reconstruction, ...]
    annotated: tuple[Annotation, ...]


def listed(asked: Asked) -> Listed:
    """The tomograms of a mirror's folder or an address: of one run, of a dataset, or of several datasets.

    Raises:
        NotFoundError: nothing is there, or nothing that is wanted.
        FormatError: metadata or picks cannot be read.
    """
    portal = str(asked.portal)
    if location.is_remote(portal):
        remote.permit(portal)
        tree = Tree(portal)
    else:
        tree = Tree(os.path.abspath(Path(portal).expanduser()))  # noqa: PTH100 - resolving links would rename
    tree.require("portal")
    paths = sorted(runs(tree), key=natural_path_key)
    if not paths:
        msg = f"portal is {tree}: no run in it, with tomograms in Reconstructions/VoxelSpacing*; there are: "
        raise NotFoundError(msg + shown(list(tree.names())))
    names = called([path or tree.base.rpartition("/")[2] for path in paths])
    wanted = [(path, name) for path, name in zip(paths, names.values(), strict=True) if asked.wants(name)]

    def look(one: tuple[str, str]) -> Run | PercError:
        try:
            return _run(tree, *one, asked)
        except PercError as err:
            return err

    looked = list(remote.each(look, wanted, "listings"))
    _require_fitting(tree, [run for run in looked if isinstance(run, Run)], asked)
    candidates, left_out = [], []
    for (_, name), run in zip(wanted, looked, strict=True):
        try:
            candidates.append(_candidate(run, asked))
        except (NotFoundError, FormatError, AccessError) as err:
            if not asked.skips:
                raise
            left_out.append((name, str(err)))
    return Listed(tuple(candidates), str(tree), tuple(names.values()), tuple(left_out))


def _run(tree: Tree, path: str, name: str, asked: Asked) -> Run:
    there = spacings(tree, path)
    found = [one for spacing in there for one in reconstructions(tree, spacing)]
    annotated = (
        [one for spacing in there for one in annotations(tree, spacing)] if asked.picks or asked.segmentation else []
    )
    return Run(name, tuple(found), tuple(annotated))


def _require_fitting(tree: Tree, among: Sequence[Run], asked: Asked) -> None:
    """Refuse names of objects that were annotated in no run.

    Raises:
        NotFoundError: lists what there is.
    """
    for option, words in (("picks", asked.picks), ("segmentation", asked.segmentation)):
        there = [one for run in among for one in run.annotated if (one.points if option == "picks" else one.masks)]
        for word in words:
            if not any(one.fits(word) for one in there):
                known = shown(sorted({one.name for one in there}))
                msg = f"{option} is {word!r}: {tree} has none of it in {len(among)} runs; there are: {known}"
                raise NotFoundError(msg)


def _candidate(run: Run | PercError, asked: Asked) -> Candidate:
    """A run's tomogram with its picks and masks.

    Raises:
        NotFoundError: it lacks what is wanted; the message tells what it has.
        FormatError: its metadata or picks cannot be read.
    """
    if isinstance(run, PercError):
        raise run
    fitting = [one for one in run.found if one.fits(asked.tomogram)]
    if not fitting:
        there = shown(list(map(str, run.found)))
        msg = f"{run.name}: no tomogram {asked.tomogram or ''!r}; there are: {there}"
        raise NotFoundError(msg)
    images, targets = _halves(run, fitting, asked) if asked.pairs else (tuple(one.stored for one in fitting), ())
    annotated = [one for one in run.annotated if _is_on(one, fitting)]
    masks = {
        word: tuple(mask for one in annotated if one.fits(word) for mask in one.masks) for word in asked.segmentation
    }
    missing = [word for word, found in masks.items() if not found]
    if missing:
        there = shown([one.name for one in annotated if one.masks])
        msg = f"{run.name}: no mask of {shown(missing)}; there are: {there}"
        raise NotFoundError(msg)
    return Candidate(run.name, images, targets, masks, _picks(annotated, fitting, asked))


def _halves(run: Run, fitting: Sequence[Reconstruction], asked: Asked) -> tuple[tuple[Stored, ...], tuple[Stored, ...]]:
    def stem(one: Reconstruction) -> str:
        return f"{one.spacing.nominal}/{stem_of(one.stored.file.path.rpartition('/')[2])}"

    pairs, _ = paired(fitting, stem, run.name, asked.skips)
    return tuple(even.stored for even, _ in pairs.values()), tuple(odd.stored for _, odd in pairs.values())


def _is_on(annotation: Annotation, among: Sequence[Reconstruction]) -> bool:
    """Whether something was annotated on one of some tomograms: of its spacing, and of its alignment if it says so."""
    of_it = [one for one in among if one.spacing == annotation.spacing]
    alike = [
        one for one in of_it if None in (one.alignment, annotation.alignment) or one.alignment == annotation.alignment
    ]
    if of_it and not alike:
        logger.warning("%s: passing over %s: made on another alignment", annotation.spacing.path, annotation.name)
    return bool(alike)


def _picks(annotated: Sequence[Annotation], among: Sequence[Reconstruction], asked: Asked) -> tuple[Picks, ...]:
    """The picks of a run that are wanted, labelled by their objects; the same ones count once.

    Raises:
        FormatError: they cannot be read, or no metadata tell the size of their voxels.
    """
    wanted = [(one, file) for one in annotated if any(map(one.fits, asked.picks)) for file in one.points]
    sizes = {one.spacing: one.stored.pixel_size for one in among}
    found: list[Picks] = []
    for (one, file), read in zip(wanted, read_all([file for _, file in wanted]), strict=True):
        if isinstance(read, PercError):
            raise read
        size = sizes[one.spacing]
        if size is None:
            msg = f"{file.path}: points in voxels, whose size no tomogram_metadata.json tells"
            raise FormatError(msg)
        picks = replace(labelled(read, one.name), pixel_size=size)
        found += [picks] if unlike(picks, found) else []
    return tuple(found)
