"""Tomograms, made row by row."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from builders.errors import OptionError
from builders.io.made.draws import Indices
from builders.io.made.imaging import contrast_of
from builders.io.made.maker import Maker, Volumes
from builders.io.made.particles import names_of
from builders.io.made.recipe import Recipe
from builders.io.made.tomograms.molecules import Molecule, molecule
from builders.io.made.tomograms.placing import ROUNDS
from builders.io.made.tomograms.reconstruction import reconstructed
from builders.io.made.tomograms.scene import scene_of
from builders.io.made.tomograms.slices import Slices
from builders.io.made.tomograms.specimen import Specimen, potential, segmentation, specimen
from builders.io.made.tomograms.tilting import Field, acquired, exposures, field_of, images_of
from builders.io.made.views import optics_of, snr_of
from builders.io.net.threads import fork_safe_lock
from builders.io.tables.picks.arrow import lists_of_picks

_VECTOR = pa.list_(pa.float32(), 3)
_PICKS = pa.struct(
    {
        "coordinates": pa.list_(_VECTOR),
        "pixels": pa.list_(_VECTOR),
        "label": pa.list_(pa.int64()),
        "rotation": pa.list_(pa.list_(_VECTOR, 3)),
    }
)
"""As `builders.io.tables.picks.arrow.lists_of_picks` makes them."""
SCHEMA = pa.schema(
    {
        "tomogram": pa.string(),
        "picks": _PICKS,
        "defocus": pa.float32(),  # Å, the mean of U and V
        "tilts": pa.list_(pa.float32()),  # degrees
        "acquisition_order": pa.list_(pa.int64()),  # of the tilts: 0 is the first that was taken
        "pre_exposure": pa.list_(pa.float32()),  # e/Å², of the tilts: before each; null without a dose
        "snr": pa.float32(),  # of the tilts' images; null without one
        "id": pa.string(),
    }
)
_FLOAT = np.dtype(np.float32)
_alone = fork_safe_lock()
"""Held while a tomogram is made: threads that make one each would need the memory of them all."""
_TRIAL = 4
"""By how much fewer tries a trial has than rows have: what it finds room for, they do."""


class TomogramMaker(Maker):
    """Makes tomograms: columns `image`, `segmentation`, `clean` and those of `SCHEMA`.

    `image` is contrast a voxel of depth: what a tilt series, weighted and back-projected, says of `clean`. That is the
    truth as nobody sees it, without CTF, missing wedge and noise: potential in V times twice the interaction constant
    times the pixel size, negative for dark images. `segmentation` is 0 for background, label + 1 for molecules and the
    number of labels + 1 for membranes, uint8 where that is enough, else uint16.

    The tilt axis is y and the beam z, as in `perc_transforms.functional.missing_wedge` and in reconstructions of IMOD
    that were turned to lie flat: what lies at (x, z), from the middle, is seen at `x cos(tilt) + z sin(tilt)`.

    Args:
        recipe: how; its `scene` as `builders.io.made.tomograms.scene.Scene` tells.
        volumes: of its sources.

    Raises:
        OptionError: the scene has options that cannot be, or a volume has nothing in it.
    """

    def __init__(self, recipe: Recipe, volumes: Volumes) -> None:
        super().__init__(recipe, volumes)
        self.scene = scene_of(recipe)

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Maker`."""
        return self.scene.tomogram_shape

    @property
    def images(self) -> Mapping[str, np.dtype[np.generic]]:
        """See `Maker`."""
        masks = {"segmentation": np.dtype(np.uint8 if self._membrane < 2**8 else np.uint16)}
        more = {**(masks if self.scene.segmentation else {}), **({"clean": _FLOAT} if self.scene.clean else {})}
        return {"image": _FLOAT, **more}

    @property
    def schema(self) -> pa.Schema:
        """See `Maker`."""
        return SCHEMA

    def columns(self, indices: Indices) -> pa.Table:
        """See `Maker`."""
        recipe, scene, count = self.recipe, self.scene, len(indices)
        names, optics = names_of(recipe, indices), optics_of(recipe, indices)
        doses, snr = exposures(recipe, scene), snr_of(recipe, indices)
        columns = [
            names,
            self._picks([self._specimen(index) for index in indices.tolist()]),
            pa.array((optics["defocus_u"] + optics["defocus_v"]) / 2),
            pa.array([scene.tilts] * count, SCHEMA.field("tilts").type),
            pa.array([acquired(scene.tilts)] * count, SCHEMA.field("acquisition_order").type),
            pa.array([doses] * count, SCHEMA.field("pre_exposure").type),
            pa.nulls(count, pa.float32()) if snr is None else pa.array(snr),
            names,
        ]
        return pa.table(columns, schema=SCHEMA)

    @torch.inference_mode()
    def pixels(self, indices: Indices, names: Sequence[str]) -> dict[str, NDArray[np.generic]]:
        """See `Maker`."""
        out = {name: np.empty((len(indices), *self.shape), self.images[name]) for name in names}
        for row, index in enumerate(indices.tolist()):
            with _alone:
                self._make(index, {name: images[row] for name, images in out.items()})
        return out

    def _make(self, index: int, out: "Mapping[str, NDArray[np.generic]]") -> None:
        """Write a row's images to where they belong."""
        made = self._specimen(index)
        if "segmentation" in out:
            out["segmentation"][:] = self._mask(made)
        if out.keys() <= {"segmentation"}:
            return
        contrast = contrast_of(self.recipe, potential(made, self._molecules, self.scene.tomogram_shape))
        if "clean" in out:
            out["clean"][:] = contrast if self.recipe.contrast == "bright" else -contrast
        if "image" in out:
            out["image"][:] = self._tomogram(contrast, index)

    def check(self) -> None:
        """Refuse a recipe whose molecules do not fit into its tomograms: one without membranes is tried.

        Where membranes leave no room, tomograms have fewer.

        Raises:
            OptionError: says about how many fit.
        """
        sizes, size = self.scene.tomogram_shape, self.recipe.pixel_size
        for source, found in self._molecules.items():
            if 2 * found.radius > min(sizes) - 1:
                name = self.recipe.labels[self.recipe.sources[source].label]
                side = (min(sizes) - 1) * size
                msg = f"{name} is {2 * found.radius * size:.0f} Å across, and tomogram_shape={sizes} has a side of "
                msg += f"{side:.0f} Å: expected {int(2 * found.radius) + 2} voxels or more along each axis"
                raise OptionError(msg)
        high = self.scene.particles[1]
        if not self._fit(high):
            fit = bisect_left(range(1, high), True, key=lambda count: not self._fit(count))
            msg = (
                f"particles={self.scene.particles} in tomogram_shape={sizes} of {size:g} Å: about {fit} fit: expected "
            )
            msg += "fewer, or a larger volume"
            raise OptionError(msg)

    def _fit(self, count: int) -> bool:
        scene, rounds = replace(self.scene, membranes=0.0), ROUNDS // _TRIAL
        return len(specimen(self.recipe, scene, self._radii, 0, count=count, rounds=rounds).sources) == count

    def _specimen(self, index: int) -> Specimen:
        return specimen(self.recipe, self.scene, self._radii, index)

    @property
    def _radii(self) -> Mapping[int, float]:
        return {source: found.radius for source, found in self._molecules.items()}

    def _tomogram(self, contrast: Tensor, index: int) -> Tensor:
        projections = self._slices.of(contrast)
        return reconstructed(self._slices, images_of(self.recipe, self.scene, self._field, projections, index))

    def _mask(self, made: Specimen) -> NDArray[np.generic]:
        labels = {number: source.label for number, source in enumerate(self.recipe.sources)}
        return segmentation(made, self._molecules, labels, self._membrane, self.scene.tomogram_shape)

    def _picks(self, rows: Sequence[Specimen]) -> pa.StructArray:
        pixels = np.concatenate([made.centres for made in rows])
        labels = np.array([source.label for source in self.recipe.sources])
        sources = np.concatenate([made.sources for made in rows])
        turns = np.concatenate([made.rotations for made in rows])
        counts = np.array([len(made.sources) for made in rows])
        return lists_of_picks(counts, pixels * self.recipe.pixel_size, pixels, labels[sources], turns)

    @property
    def _membrane(self) -> int:
        return len(self.recipe.labels) + 1

    @cached_property
    def _molecules(self) -> Mapping[int, Molecule]:
        names = [self.recipe.labels[source.label] for source in self.recipe.sources]
        pairs = enumerate(zip(self.volumes, names, strict=True))
        return {number: molecule(volume, self.recipe.pixel_size, name) for number, (volume, name) in pairs}

    @cached_property
    def _field(self) -> Field:
        return field_of(self.recipe, self.scene)

    @cached_property
    def _slices(self) -> Slices:
        nz, _, nx = self.scene.tomogram_shape
        return Slices((nz, nx), self.scene.tilts, self._field.width)


def check(recipe: Recipe, volumes: Volumes) -> None:
    """Refuse a recipe by which no tomograms can be made.

    Raises:
        OptionError: an option cannot be, or the molecules do not fit into a tomogram; then it says about how many do.
    """
    TomogramMaker(recipe, volumes).check()
