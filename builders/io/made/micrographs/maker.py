"""Rows of micrographs, or movies of them."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from builders.io.made.draws import Floats, Indices
from builders.io.made.expected import ExpectedSnr
from builders.io.made.maker import Maker, Volumes
from builders.io.made.micrographs.motion import drifts
from builders.io.made.micrographs.picture import Painter
from builders.io.made.micrographs.scene import completed, scene_of
from builders.io.made.micrographs.specimen import Specimen, specimens
from builders.io.made.particles import names_of
from builders.io.made.recipe import Recipe
from builders.io.made.views import OPTICS, optics_of, snr_of
from builders.io.tables.particle_table import CTF, POSE

_PICKS = pa.list_(pa.list_(pa.float32(), 2))
_NOTHING = {
    "places": np.zeros((0, 2), np.float32),
    "angles": np.zeros((0, 3), np.float32),
    "sources": np.zeros(0, np.int64),
    "crowded": np.zeros(0, np.bool_),
}
"""What there is of particles where there is no micrograph."""
_FRAMES = ("dose", "pre_exposure", "shift_x", "shift_y")


class MicrographMaker(Maker):
    """Makes micrographs, `recipe.unit == "micrograph"`; options of `scene_of` and of `recipe` say what is in them.

    **Columns.** `picks` are the centres of all particles, (x, y) in pixels of the image, from 0, row 0 first, exact to
    a fraction of a pixel. `pose`, `label`, `state` and `crowded` are lists in the order of the picks: poses have
    origins of 0, and crowded are particles that lie closer than `min_distance` to another one, in aggregates or under
    them. `ctf` is that of the whole micrograph. A movie has of each frame its `dose` and `pre_exposure` (e/Å²), and
    `shift_x`, `shift_y`: Å by which its content has to be moved to lie as in the first frame, where picks are. (Of a
    movie that was cropped, what these are more than the first frame's: transforms take them for those of tilts.)

    **Images.** Projections of all particles are added up with their centres at the picks. The spectrum of the whole is
    multiplied by the CTF (and the envelope) once, on a field that is larger by a box, so that nothing comes in on the
    other side: what is cut by the micrograph's rim is cut. `clean` is that, without ice, carbon or other noise, on the
    scale of the image.

    **Noise.** Let P and S be the variances of a particle's own projection over its box (before the CTF), averaged over
    all particles, and of the clean micrograph over the box about a pick (as far as it lies in the micrograph), averaged
    over those that are not crowded. With `ice_snr`, white noise of variance P / ice_snr goes in before the CTF, and on
    with the specimen through all frames. With `snr`, white Gaussian noise makes the expected variance of all noise
    S / snr. With `dose`, pixels are Poisson counts, and the column `snr` is what the power spectra of the particles'
    sources give, as for single particles. Carbon's texture comes on top, and a gradient of ice changes the ice's noise
    about its mean: `snr` is that of the middle of the hole. If C is the contrast of particles, ice and film together,
    negative where they are dark, and T the background's transmission (see `backdrop`), what is seen is (1 + C) T - 1;
    bright images are minus what dark ones are.

    **Movies.** The particles' amplitudes in frame i, from 0, have faded to exp(-D / 2 Ne), with the dose D at the
    frame's middle, (i + 1/2) frame_dose, and `perc_transforms.functional.fourier.dose.critical_dose`. With `snr`, a
    frame has as many times the variance of Gaussian noise as there are frames, so that their mean has that of an image
    (S is of what has not faded). With `dose`, which is that of the whole movie, the counts of all frames are summed to
    those of an image.

    Args:
        recipe: how.
        volumes: of its sources.

    Raises:
        OptionError: the recipe is none of micrographs that can be made.
    """

    def __init__(self, recipe: Recipe, volumes: Volumes) -> None:
        super().__init__(completed(recipe, volumes), volumes)
        self._scene = scene_of(self.recipe)
        self._painter = Painter(self.recipe, self._scene, volumes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of each image, `(ny, nx)`, or of each movie, `(frames, ny, nx)`."""
        return self._scene.shape

    @property
    def images(self) -> Mapping[str, np.dtype[np.generic]]:
        """See `Maker`."""
        return dict.fromkeys(("image", "clean") if self._scene.clean else ("image",), np.dtype(np.float32))

    @property
    def schema(self) -> pa.Schema:
        """See the class."""
        columns = {
            "picks": _PICKS,
            "pose": pa.list_(POSE),
            "ctf": CTF,
            "label": pa.list_(pa.int64()),
            "state": pa.list_(pa.int64()),
            "crowded": pa.list_(pa.bool_()),
            "snr": pa.float32(),
            "id": pa.string(),
        }
        if self._scene.frames is not None:
            columns |= dict.fromkeys(_FRAMES, pa.list_(pa.float32()))
        return pa.schema(columns)

    def columns(self, indices: Indices) -> pa.Table:
        """See `Maker`."""
        drawn, optics = specimens(self.recipe, self._scene, indices), optics_of(self.recipe, indices)
        offsets = pa.array(np.cumsum([0, *(len(one.sources) for one in drawn)]), pa.int32())
        places, angles, sources, crowded = (
            np.concatenate([nothing, *(getattr(one, name) for one in drawn)]) for name, nothing in _NOTHING.items()
        )
        of = np.array([(source.label, source.state) for source in self.recipe.sources], np.int64)[sources]
        lists = {
            "picks": pa.FixedSizeListArray.from_arrays(pa.array(places.reshape(-1)), 2),
            "pose": pa.StructArray.from_arrays([*angles.T.copy(), *np.zeros_like(places).T.copy()], fields=list(POSE)),
            **{"label": pa.array(of[:, 0].copy()), "state": pa.array(of[:, 1].copy())},
            "crowded": pa.array(crowded),
        }
        values = {name: pa.ListArray.from_arrays(offsets, column) for name, column in lists.items()}
        values["ctf"] = pa.StructArray.from_arrays([optics[name] for name in OPTICS], fields=list(CTF))
        values |= {"snr": self._snr(indices, drawn, optics), "id": names_of(self.recipe, indices)}
        if self._scene.frames is not None:
            values |= self._frames(indices, self._scene.frames)
        return pa.table(values, schema=self.schema)

    def _snr(self, indices: Indices, drawn: Sequence[Specimen], optics: Mapping[str, NDArray[np.float32]]) -> pa.Array:
        asked = snr_of(self.recipe, indices)
        if asked is not None:
            return pa.array(asked)
        if self._expected is None:
            return pa.nulls(len(indices), pa.float32())
        found = []
        for row, specimen in enumerate(drawn):
            sources, counts = np.unique(specimen.sources, return_counts=True)
            of_row = {name: np.repeat(values[row : row + 1], len(sources)) for name, values in optics.items()}
            found.append(np.average(self._expected.of(sources, of_row), weights=counts))
        return pa.array(np.array(found, np.float32))

    @cached_property
    def _expected(self) -> ExpectedSnr | None:
        dose = self.recipe.noise.dose
        return (
            None
            if dose is None
            else ExpectedSnr(self.recipe, self._painter.transforms, dose * self.recipe.pixel_size**2)
        )

    def _frames(self, indices: Indices, frames: int) -> dict[str, pa.Array]:
        dose = np.broadcast_to(np.float64(self._scene.frame_dose or 0.0), (len(indices), frames))
        path = drifts(self.recipe.seed, indices, frames, self._scene.drift)
        told = dose, dose * np.arange(frames), 0.0 - path[..., 0], 0.0 - path[..., 1]
        return {name: pa.array(list(values.astype(np.float32))) for name, values in zip(_FRAMES, told, strict=True)}

    @torch.inference_mode()
    def pixels(self, indices: Indices, names: Sequence[str]) -> dict[str, NDArray[np.generic]]:
        """Images of some rows, `(rows, *shape)`."""
        made: dict[str, NDArray[np.generic]] = {
            name: np.empty((len(indices), *self.shape), np.float32) for name in names
        }
        movie = (self._scene.frames or 1, *self._scene.micrograph_shape)
        frames = {name: images.reshape(-1, *movie) for name, images in made.items()}
        drawn = specimens(self.recipe, self._scene, indices)
        optics, ratios = optics_of(self.recipe, indices), snr_of(self.recipe, indices)
        paths = self._paths(indices)
        for row, (index, specimen) in enumerate(zip(indices.tolist(), drawn, strict=True)):
            microscope = {name: values[row : row + 1] for name, values in optics.items()}
            snr = None if ratios is None else float(ratios[row])
            self._painter.paint(
                index, specimen, microscope, snr, paths[row], {name: image[row] for name, image in frames.items()}
            )
        return made

    def _paths(self, indices: Indices) -> Floats:
        """Pixels by which the specimen moved in each frame: `(rows, frames, 2)`."""
        frames = self._scene.frames or 1
        return drifts(self.recipe.seed, indices, frames, self._scene.drift) / self.recipe.pixel_size
