"""Where the object of a particle lies in its tomogram -> how it appears in each tilt."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perc_transforms.functional import angles_of, matrices_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Objects:
    """Particles in their tomograms.

    Attributes:
        rotations: `(N, 3, 3)`, object -> tomogram.
        origins: `(N, 3)`, Å in the tomogram's frame: the object lies at the stack's centre minus that.
        centres: `(N, 3)`, Å from the tomogram's centre, of where stacks have theirs; NaN: not known.
    """

    rotations: Floats
    origins: Floats
    centres: Floats

    @classmethod
    def of(cls, angles: Floats, turns: Floats, origins: Floats, centres: Floats) -> "Objects":
        """Particles as RELION 5 tells of them: `A = A(turns) A(angles)`, and origins in the frame of `turns`.

        Its `ParticleSet::getMatrix3x3` and `getPosition` (src/jaz/tomography/particle_set.cpp).

        Args:
            angles: `(N, 3)`, rlnAngleRot, rlnAngleTilt, rlnAnglePsi, degrees.
            turns: `(N, 3)`, rlnTomoSubtomogramRot and so on.
            origins: `(N, 3)`, rlnOriginXAngst and so on.
            centres: `(N, 3)`, rlnCenteredCoordinateXAngst and so on.
        """
        frames = matrices_of(turns)
        return cls(frames @ matrices_of(angles), np.einsum("nij,nj->ni", frames, origins), centres)

    def take(self, places: NDArray[np.int64]) -> "Objects":
        """Some of them."""
        return Objects(self.rotations[places], self.origins[places], self.centres[places])

    def seen(self, projections: Floats) -> tuple[Floats, Floats, Floats]:
        """How particles appear in tilts, one for each.

        Args:
            projections: `(N, 3, 3)`, tomogram -> image.

        Returns:
            RELION's angles `(N, 3)`, of the projection; origins `(N, 2)` along x and y, Å; and how far each particle is
            above its tomogram's centre along the beam, `(N,)`, Å.
        """
        turned: Floats = projections @ self.rotations
        angles: Floats = angles_of(turned)
        shifts = np.einsum("nij,nj->ni", projections[:, :2], self.origins)
        depths = np.einsum("nj,nj->n", projections[:, 2], self.centres - self.origins)
        return angles, shifts, depths
