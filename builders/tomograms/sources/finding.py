"""`find`: from a source to tomograms, all volumes of one level each."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from builders.archive.tree import shown
from builders.errors import NotFoundError, OptionError, PercError
from builders.io.tables.picks import Picks
from builders.tomograms.sources import mistaken
from builders.tomograms.sources.asked import Asked
from builders.tomograms.sources.candidates import Candidate, Listed, Stored
from builders.tomograms.sources.folders import folder
from builders.tomograms.sources.found import Found, Tomogram, Volume
from builders.tomograms.sources.portal import portal
from builders.tomograms.sources.projects import project
from builders.tomograms.sources.volumes import Pyramid, pyramids, stamped

logger = logging.getLogger(__name__)

_SOURCES = {"data_dir": folder.listed, "entry": folder.listed_entry, "copick": project.listed, "portal": portal.listed}


def find(asked: Asked) -> Found:
    """The tomograms of a source, with the picks, masks and halves that were asked for.

    Listings, metadata, picks and the headers of volumes are read, several at once; no voxel is.

    Args:
        asked: the source, and what of it is wanted.

    Raises:
        NotFoundError: there is no such source, or nothing in it that is wanted; the message tells what there is.
        OptionError: what is wanted may be one of several things, which the message lists.
        FormatError: metadata, picks or headers are damaged, or contradict one another.
        UnsafeAddressError: a project's config names another host than its own.
        UnsafePathError: it names a folder of this machine, and is not on this machine itself.

    Example:
        >>> found = find(Asked(data_dir="tomograms"))  # doctest: +SKIP
        >>> [tomogram.name for tomogram in found.tomograms]  # doctest: +SKIP
        ['TS_01', 'TS_02']
    """
    listed = _SOURCES[asked.kind](asked)
    _require_named(asked, listed)
    candidates = listed.candidates
    _require_voxels(asked, candidates)
    if asked.apart:
        candidates = tuple(one for candidate in candidates for one in candidate.apart())
    stored = [one for candidate in candidates for one in candidate.all_stored]
    read = pyramids(stored, listed.name, asked.cache)
    tomograms, left_out = [], list(listed.left_out)
    for candidate in candidates:
        try:
            tomograms.append(_tomogram(candidate, read, asked))
        except PercError as err:
            if not asked.leaves_out(err):
                raise
            left_out.append((candidate.name, str(err)))
    for name, reason in left_out:
        logger.warning("tomograms: leaving out %s: %s", name, reason)
    if asked.kind in ("data_dir", "entry") and not asked.pairs:
        mistaken.warn_of_halves([one.name for one in tomograms])
        mistaken.warn_of_masks(_dtypes(listed.candidates, read))
    if not tomograms:
        first = f"; the first one: {left_out[0][0]}: {left_out[0][1]}" if left_out else ""
        msg = f"{listed.name}: none of {len(candidates) + len(listed.left_out)} tomograms can be read{first}"
        raise NotFoundError(msg)
    return Found(tuple(_stamped(tomograms)), listed.name, tuple(left_out), listed.classes)


def _dtypes(candidates: Sequence[Candidate], read: Mapping[str, Pyramid | PercError]) -> dict[str, str]:
    """The types of voxels of tomograms, where these are known."""
    found = {one.name: read[one.images[0].file.location] for one in candidates}
    return {name: pyramid.dtype for name, pyramid in found.items() if isinstance(pyramid, Pyramid) and pyramid.dtype}


def _require_named(asked: Asked, listed: Listed) -> None:
    """Refuse names of tomograms that are not there."""
    missing = [name for name in asked.tomograms or () if name not in listed.names]
    if missing:
        msg = f"tomograms names {shown(missing)}: not in {listed.name}, which has {shown(listed.names)}"
        raise OptionError(msg)


def _require_voxels(asked: Asked, candidates: Sequence[Candidate]) -> None:
    """Refuse a size of the voxels of picks where none are in voxels.

    Raises:
        OptionError: it would do nothing.
    """
    units = {picks.unit for candidate in candidates for picks in candidate.picks}
    if asked.picks_pixel_size is not None and units == {"angstrom"}:
        msg = f"picks_pixel_size={asked.picks_pixel_size:g} does nothing: all picks are in Å"
        raise OptionError(msg)


def _tomogram(candidate: Candidate, read: Mapping[str, Pyramid | PercError], asked: Asked) -> Tomogram:
    volume, place = _chosen(candidate.name, candidate.images, read, asked)
    target = None
    if candidate.targets:
        target = _pyramid(candidate.targets[place], read).of_shape(volume.shape, candidate.name)
    masks = {name: _mask(candidate.name, name, among, read, volume) for name, among in candidate.masks.items()}
    first = _pyramid(candidate.images[place], read).levels[0]
    finest = volume if volume.file.location == first.file.location else first
    return Tomogram(candidate.name, volume, target, masks, tuple(_of_finest(one, finest) for one in candidate.picks))


def _of_finest(picks: Picks, finest: Volume) -> Picks:
    """Picks whose table tells no size of voxels, or of the tomogram, with those of the finest level of a pyramid."""
    if finest.pixel_size is None or (picks.pixel_size or picks.extent) is not None:
        return picks
    if picks.unit == "voxel":
        return replace(picks, pixel_size=finest.pixel_size)
    nz, ny, nx = (side * finest.pixel_size for side in finest.shape)
    return replace(picks, extent=(nx, ny, nz)) if picks.unit == "centred" else picks


def _chosen(
    name: str, among: Sequence[Stored], read: Mapping[str, Pyramid | PercError], asked: Asked
) -> tuple[Volume, int]:
    """The volume that is meant, and which of the places it lies in.

    Raises:
        OptionError: several may be.
    """
    if len(among) == 1:
        return _pyramid(among[0], read).level(asked.level, asked.pixel_size), 0
    fitting, refused = [], []
    for place, stored in enumerate(among):
        try:
            fitting.append((_pyramid(stored, read).level(asked.level, asked.pixel_size), place))
        except OptionError as err:
            refused.append(err)
    if not fitting:
        raise refused[0]
    if len(fitting) > 1 and asked.pixel_size is not None:  # a coarse level of one is the finest of another
        finest = [(volume, place) for volume, place in fitting if volume.offset == (0.0, 0.0, 0.0)]
        fitting = finest if len(finest) == 1 else fitting
    if len(fitting) > 1:
        there = [f"{among[place].file.path} ({volume.pixel_size} Å)" for volume, place in fitting]
        msg = f"{name}: several tomograms may be meant, {shown(there)}: tomogram= or pixel_size= chooses"
        raise OptionError(msg)
    return fitting[0]


def _mask(
    tomogram: str, name: str, among: Sequence[Stored], read: Mapping[str, Pyramid | PercError], volume: Volume
) -> Volume:
    """The mask of a tomogram, of its shape: of several, the one that has it.

    Raises:
        FormatError: none has.
        OptionError: several have.
    """
    fitting, refused = [], []
    for stored in among:
        try:
            fitting.append(_pyramid(stored, read).of_shape(volume.shape, tomogram))
        except PercError as err:
            refused.append(err)
    if not fitting:
        raise refused[0]
    if len(fitting) > 1:
        there = shown([mask.file.path for mask in fitting])
        msg = f"segmentation {name!r} of {tomogram} may be several masks, {there}: name one of them"
        raise OptionError(msg)
    return replace(fitting[0], pixel_size=volume.pixel_size)


def _pyramid(stored: Stored, read: Mapping[str, Pyramid | PercError]) -> Pyramid:
    found = read[stored.file.location]
    if isinstance(found, PercError):
        raise found
    return found


def _stamped(tomograms: Sequence[Tomogram]) -> list[Tomogram]:
    """Tomograms whose files are known by size and stamp, those of servers too."""
    volumes = [volume for one in tomograms for volume in (one.volume, one.target, *one.masks.values()) if volume]
    known = {volume.file.location: volume.file for volume in stamped(volumes)}

    def filed(volume: Volume) -> Volume:
        return replace(volume, file=known[volume.file.location])

    return [
        replace(
            one,
            volume=filed(one.volume),
            target=one.target and filed(one.target),
            masks={name: filed(mask) for name, mask in one.masks.items()},
        )
        for one in tomograms
    ]
