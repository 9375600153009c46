"""What volumes are made of: molecules of atoms, and maps."""

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from builders.errors import OptionError
from builders.synthetic.potentials.atoms import DEFAULT_B, Atoms, b_factors_of, without_b_factors
from builders.synthetic.potentials.drawing import spectrum_of
from builders.synthetic.potentials.solvent import ICE, mask_of
from builders.synthetic.potentials.spectra import Grids, good_size, volume_of

_MARGIN = 3.0
"""Å about the atoms' centres that a box has to hold."""
_ROOM = 1.25
"""Side of a box that is chosen, over the diameter of what it holds."""


@dataclass(frozen=True)
class Drawing:
    """How volumes are made.

    Attributes:
        pixel_size: Å.
        resolution: Å, of a low-pass filter; None: to Nyquist's frequency.
        b_factor: Å², of all atoms; None: their own.
        solvent: subtract the solvent that the molecule takes the place of.
    """

    pixel_size: float
    resolution: float | None = None
    b_factor: float | None = None
    solvent: bool = True


class Body(Protocol):
    """What a volume can be made of."""

    @property
    def name(self) -> str:
        """Of it, for errors."""

    @property
    def digest(self) -> bytes:
        """What tells it from all others."""

    def box(self, pixel_size: float) -> int:
        """Voxels of a side of the box that it goes into where none is said."""

    def check_box(self, n: int, pixel_size: float) -> None:
        """Refuse a box that it does not go into.

        Raises:
            OptionError: says which box it needs.
        """

    def remark(self, drawing: Drawing) -> str | None:
        """What there is to say of how it is drawn."""

    def volume(self, n: int, drawing: Drawing) -> Tensor:
        """It in V, float32 `(n, n, n)`, `(z, y, x)`, to Nyquist's frequency."""


@dataclass(frozen=True)
class Molecule:
    """A state of a structure.

    Attributes:
        atoms: of it.
        center: Å, `(x, y, z)`: what lies in the middle of a box.
    """

    atoms: Atoms
    center: NDArray[np.float64]

    @property
    def name(self) -> str:
        """Of the structure."""
        return self.atoms.name

    @cached_property
    def digest(self) -> bytes:
        """Of all that is drawn."""
        atoms = self.atoms
        digest = hashlib.blake2b(b"molecule of predicted" if atoms.is_predicted else b"molecule", digest_size=16)
        digest.update(" ".join(atoms.element.tolist()).encode())
        own = np.zeros(0) if atoms.b_factor is None else atoms.b_factor
        for numbers in (atoms.coordinates, atoms.occupancy, own, self.center):
            digest.update(np.ascontiguousarray(numbers, "<f8").tobytes())
        return digest.digest()

    def box(self, pixel_size: float) -> int:
        """One that holds it with some room, however it is turned."""
        return good_size(math.ceil(2 * _ROOM * self._radius / pixel_size))

    def check_box(self, n: int, pixel_size: float) -> None:
        """Refuse a box that does not hold it, however it is turned."""
        needed = 2 * math.ceil(self._radius / pixel_size)
        if n < needed:
            msg = f"{self.name}: a molecule of {2 * self._radius:.0f} Å in diameter, which a box of {n} voxels of "
            msg += f"{pixel_size:g} Å does not hold: expected {needed} or more"
            raise OptionError(msg)

    def remark(self, drawing: Drawing) -> str | None:
        """Why its own B factors are not what it is drawn with."""
        why = without_b_factors(self.atoms) if drawing.b_factor is None else None
        other = "density_b_factor= of load_dataset, or b_factor= of density, gives another"
        return why and f"{self.name}: {why}: drawn with {DEFAULT_B:g} Å²; {other}"

    def volume(self, n: int, drawing: Drawing) -> Tensor:
        """Its potential."""
        voxel = drawing.pixel_size
        b_factors = b_factors_of(self.atoms, drawing.b_factor)
        spectrum = spectrum_of(self.atoms, self.center, b_factors, Grids.of(n, voxel))
        if drawing.solvent:
            spectrum -= ICE * mask_of(self.atoms, self.center, n, voxel)
        return volume_of(spectrum)

    @property
    def _radius(self) -> float:
        """Å, of the ball about the centre that holds it."""
        return float(np.linalg.norm(self.atoms.coordinates - self.center, axis=1).max()) + _MARGIN
