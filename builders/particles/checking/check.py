"""Which conventions a dataset of particles follows."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from builders.options import check_integer, check_pixel_size
from builders.particles.checking import comparison, maps, picture, verdict
from builders.particles.checking.comparison import Comparison, Names
from builders.particles.checking.gathering import FEWEST, gather
from builders.particles.checking.scoring import Band
from builders.particles.checking.verdict import name_of


@dataclass(frozen=True)
class Checked:
    """What was found out about the conventions of particles.

    Attributes:
        best: a sentence: it begins with "as stated", or tells the convention that fits instead.
        scores: how well each convention fits: the mean correlation of images and projections in Fourier space, best
            first. Names are what differs from the table: "as stated", "contrast inverted", "shifts opposite, contrast
            inverted", ...
        breaks: what differs in the one that fits; none: nothing. None: no convention fits, or several fit alike.
        notes: what cannot be told, and which rows were left out.
        images: how many were compared.
    """

    best: str
    scores: dict[str, float] = field(repr=False)
    breaks: tuple[str, ...] | None
    notes: tuple[str, ...]
    images: int
    _rows: list[tuple[str, Tensor]] = field(repr=False)

    @property
    def as_stated(self) -> bool:
        """Whether the table is right, as far as can be told."""
        return self.breaks == ()

    @property
    def picture(self) -> Image.Image:
        """The first images beside their projections, as stated and by the convention that fits best."""
        return picture.draw(self._rows)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture to a file, in the format of its suffix."""
        self.picture.save(path)
        return Path(path)


def check(
    dataset: Any,
    volume: Any = None,
    *,
    images: int = 256,
    voxel_size: float | None = None,
    emdb: str | None = None,
) -> Checked:
    """Find out whether particles are what their table says, or which convention fits better.

    A volume is projected at the poses, with shifts and CTF, and correlated with the images: as stated, and as it would
    be if the table had wrong what tables do have wrong: contrast, images upside down, inverse or exchanged rotations,
    the hand, sign and unit of the shifts, the signs and the angle of the defocus, images that are premultiplied, phase
    flipped or without CTF. Pairs of these are tried, too. One convention is said to fit only if it does better than
    all others by four standard errors, and better than at random orientations.

    Without a volume, images are correlated with their mean: that tells the contrast, and whether the shifts centre
    them. Boxes that were cut at wrong places (`flip_y`) show no particles: then nothing fits.

    Args:
        dataset: of `load_dataset("particles", ...)`, one split, map-style (particles from all over it are taken) or
            streamed (the first ones); or a list of such rows.
        volume: in the frame of the poses: an array `(nz, ny, nx)`, a map's path or URL, or "EMD-1234": EMDB's map.
        images: how many to compare at the most.
        voxel_size: the volume's, in Å; None: what its file says, or that of the images if they are as many pixels wide.
        emdb: another base for EMDB: a URL, or a folder that is laid out as it is.

    Raises:
        OptionError: an option that is not allowed; a dict of splits.
        FormatError: too few particles with poses, or no volume.
        NotFoundError: no such map.

    Example:
        >>> check(particles, "map.mrc").best                                                    # doctest: +SKIP
        'not as stated: the shifts have the opposite sign (correlation 0.291, ...'
    """
    check_integer("images", images, FEWEST)
    check_pixel_size(voxel_size)
    with torch.no_grad():
        if volume is None:
            return _without_volume(dataset, images)
        values, known = maps.read_volume(volume, voxel_size, emdb)
        particles = gather(dataset, images, posed=True)
        box, pixel_size = particles.images.shape[-1], particles.pixel_size
        size = maps.known_voxel_size(values, known, box, pixel_size)
        band = Band.of(box, pixel_size, finest=2 * max(size, pixel_size))
        transform, step = maps.transform(values, size, box, pixel_size)
        compared = comparison.with_volume(particles, transform, step, band)
        scores = dict(compared.scores())
        return _checked(compared, scores, verdict.judge(compared, scores), particles.notes)


def _without_volume(dataset: Any, images: int) -> Checked:
    particles = gather(dataset, images, posed=False)
    compared = comparison.alone(particles, Band.of(particles.images.shape[-1], particles.pixel_size))
    scores = dict(compared.scores())
    return _checked(compared, scores, verdict.judge_alone(compared, scores), particles.notes)


def _checked(
    compared: Comparison, scores: dict[Names, Tensor], found: verdict.Verdict, left_out: tuple[str, ...]
) -> Checked:
    means = {name_of(names): float(each.mean()) for names, each in scores.items()}
    shown, stated = compared.pictures((), found.shown, picture.SHOWN)
    rows = [("images", shown), ("as stated", stated)]
    if found.shown:
        images, projections = compared.pictures(found.shown, found.shown, picture.SHOWN)
        rows += [("images, flipped", images)] if images.ne(shown).any() else []
        rows.append((name_of(found.shown), projections))
    return Checked(
        best=found.best,
        scores=dict(sorted(means.items(), key=lambda item: -item[1])),
        breaks=found.breaks,
        notes=(*found.notes, *left_out),
        images=len(scores[()]),
        _rows=rows,
    )
