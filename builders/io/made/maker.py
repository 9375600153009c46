"""What makes rows of a recipe: one class for each unit."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from torch import Tensor

from builders.io.made.draws import Indices
from builders.io.made.recipe import Recipe

Volumes = Sequence[Tensor]
"""Those of a recipe's sources, in their order: float32, `(n, n, n)`, V."""


class Maker(ABC):
    """Makes rows of one unit.

    Nothing but the recipe and a row's index decides what it is: rows may be asked for in any order, one by one or many
    at once, and come out the same (pixels but for the rounding of batched arithmetic).

    Args:
        recipe: how.
        volumes: of its sources.
    """

    def __init__(self, recipe: Recipe, volumes: Volumes) -> None:
        self.recipe, self.volumes = recipe, volumes

    def check(self) -> None:  # noqa: B027
        """Refuse a recipe by which no rows can be made, before there are any; most have nothing to look at.

        Raises:
            OptionError: says what cannot be, and what was expected.
        """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of each of a row's images, `(ny, nx)` or `(nz, ny, nx)`."""

    @property
    @abstractmethod
    def images(self) -> Mapping[str, np.dtype[np.generic]]:
        """Columns of images and the types of their pixels, `image` first."""

    @property
    @abstractmethod
    def schema(self) -> pa.Schema:
        """Columns besides the images, `pixel_size`, `path` and `index`."""

    @abstractmethod
    def columns(self, indices: Indices) -> pa.Table:
        """Rows of `schema`: all that is drawn for them. It takes no images to be made."""

    @abstractmethod
    def pixels(self, indices: Indices, names: Sequence[str]) -> dict[str, NDArray[np.generic]]:
        """Images of some rows: of each column asked for `(rows, *shape)`, C order, of its type."""
