"""Particles: projections of a source from any direction, through a microscope, one in the middle of each image."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from builders.io.made.draws import Indices
from builders.io.made.expected import ExpectedSnr
from builders.io.made.imaging import Recorded, recorded, transfer, variance_of
from builders.io.made.maker import Maker, Volumes
from builders.io.made.projecting import Transforms
from builders.io.made.recipe import Recipe
from builders.io.made.views import OPTICS, optics_of, orientations_of, origins_of, snr_of, sources_of
from builders.io.tables.particle_table import CTF, POSE
from perc_transforms.functional import central_slices, matrices_of

_PIXELS = 2**19
"""Pixels of images that are made at a time: what of them is under way stays in a processor's cache."""
SCHEMA = pa.schema(
    {"pose": POSE, "ctf": CTF, "label": pa.int64(), "state": pa.int64(), "snr": pa.float32(), "id": pa.string()}
)
_FLOAT = np.dtype(np.float32)


class ParticleMaker(Maker):
    """Makes particles: columns `image`, `clean` and those of `SCHEMA`.

    The scene's `clean` says whether there are clean images. With a dose, `snr` is what a row's optics make of views of
    its source on average.

    Args:
        recipe: how.
        volumes: of its sources.
    """

    def __init__(self, recipe: Recipe, volumes: Volumes) -> None:
        super().__init__(recipe, volumes)
        self._transforms = Transforms(recipe, volumes)

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Maker`."""
        return self.recipe.box_size, self.recipe.box_size

    @property
    def images(self) -> Mapping[str, np.dtype[np.generic]]:
        """See `Maker`."""
        return {"image": _FLOAT} | ({"clean": _FLOAT} if self.recipe.scene.get("clean") else {})

    @property
    def schema(self) -> pa.Schema:
        """See `Maker`."""
        return SCHEMA

    def columns(self, indices: Indices) -> pa.Table:
        """See `Maker`."""
        recipe = self.recipe
        angles, origins = orientations_of(recipe, indices)[:, 0], origins_of(recipe, indices)
        optics, sources = optics_of(recipe, indices), sources_of(recipe, indices)[:, 0]
        labels, states = self._numbers
        columns = [
            pa.StructArray.from_arrays([*angles.T.copy(), *origins.T.copy()], fields=list(POSE)),
            pa.StructArray.from_arrays([optics[name] for name in OPTICS], fields=list(CTF)),
            *(pa.array(labels[sources]), pa.array(states[sources])),
            self._snr(indices, sources, optics),
            names_of(recipe, indices),
        ]
        return pa.table(columns, schema=SCHEMA)

    @torch.inference_mode()
    def pixels(self, indices: Indices, names: Sequence[str]) -> dict[str, NDArray[np.generic]]:
        """See `Maker`."""
        sources, together = sources_of(self.recipe, indices)[:, 0], max(1, _PIXELS // self.recipe.box_size**2)
        out = {name: torch.empty(len(indices), *self.shape) for name in names}
        for source in np.unique(sources).tolist():
            own = np.flatnonzero(sources == source)
            for rows in np.split(own, range(together, len(own), together)):
                made = self._recorded(source, indices[rows])._asdict()
                for name, images in out.items():
                    images[torch.from_numpy(rows)] = made[name]
        return {name: images.numpy() for name, images in out.items()}

    def _recorded(self, source: int, indices: Indices) -> Recorded:
        """Images of rows that are all of one source."""
        recipe, n = self.recipe, self.recipe.box_size
        turns = matrices_of(torch.from_numpy(orientations_of(recipe, indices)[:, 0].astype(np.float64)))
        shifts = torch.from_numpy(origins_of(recipe, indices) / -np.float32(recipe.pixel_size))
        spectra = central_slices(self._transforms[source], turns, shifts=shifts if recipe.max_shift else None)
        through = transfer(recipe, (n, n), optics_of(recipe, indices), spectra.real)
        ice = None
        if recipe.noise.ice_snr is not None:
            ice = variance_of(spectra, n) / recipe.noise.ice_snr, through
        torch.view_as_real(spectra).mul_(through[..., None])
        contrast = torch.fft.irfft2(spectra, s=(n, n))
        return recorded(contrast, recipe.seed, indices, snr=snr_of(recipe, indices), electrons=self._electrons, ice=ice)

    @property
    def _electrons(self) -> float | None:
        """Expected in a pixel."""
        dose = self.recipe.noise.dose
        return None if dose is None else dose * self.recipe.pixel_size**2

    @cached_property
    def _numbers(self) -> tuple[Indices, Indices]:
        """Labels and states of the sources."""
        sources = self.recipe.sources
        return np.array([source.label for source in sources]), np.array([source.state for source in sources])

    def _snr(self, indices: Indices, sources: Indices, optics: "Mapping[str, NDArray[np.float32]]") -> pa.Array:
        asked = snr_of(self.recipe, indices)
        if asked is not None:
            return pa.array(asked)
        if self._electrons is None:
            return pa.nulls(len(indices), pa.float32())
        return pa.array(self._expected.of(sources, optics))

    @cached_property
    def _expected(self) -> ExpectedSnr:
        return ExpectedSnr(self.recipe, self._transforms, self._electrons or 0.0)


def names_of(recipe: Recipe, indices: Indices) -> pa.Array:
    """The column `id`: which recipe, and which of its rows."""
    digits = pc.utf8_lpad(pa.array(indices).cast(pa.string()), 7, padding="0")
    return pc.binary_join_element_wise(pa.scalar(recipe.digest[:8]), digits, "-")
