"""`builders.synthetic.density`: the electrostatic potential of a structure."""

import logging
import math
import numbers
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from builders.errors import FormatError, OptionError
from builders.options import check_flag, check_integer, check_positive
from builders.synthetic.potentials.molecules import Body, Drawing
from builders.synthetic.potentials.sources import Endpoints, states_of_source
from perc_transforms import functional

logger = logging.getLogger(__name__)


def density(
    structure: Any,
    *,
    pixel_size: float,
    box: int | None = None,
    resolution: float | None = None,
    b_factor: float | None = None,
    solvent: bool = True,
    endpoints: Endpoints = None,
) -> NDArray[np.float32]:
    """The electrostatic potential of a structure, in V: of its first state, see `densities`.

    Example:
        >>> row = {"coordinates": [[0.0, 0.0, 0.0]], "element": ["C"], "b_factor": [20.0]}
        >>> volume = density(row, pixel_size=1.0, box=32, solvent=False)
        >>> volume.shape, round(float(volume.sum()), 1)  # its scattering amplitude, 2.509 Å, times 47.878 V Å²
        ((32, 32, 32), 120.1)
    """
    options = {"pixel_size": pixel_size, "resolution": resolution, "b_factor": b_factor, "solvent": solvent}
    drawing, bodies = drawing_of(**options), states_of_source(structure, endpoints)
    return _drawn(bodies[:1], drawing, box)[0]


def densities(
    structure: Any,
    *,
    pixel_size: float,
    box: int | None = None,
    resolution: float | None = None,
    b_factor: float | None = None,
    solvent: bool = True,
    endpoints: Endpoints = None,
) -> list[NDArray[np.float32]]:
    """The electrostatic potentials of a structure's states, in V.

    Each model is a state, and so is each alternative that a model describes. Those of one structure lie in one frame:
    the centre of mass of the first is in the middle of voxel n // 2 (n may be odd).

    Atoms are what they are alone: five Gaussians (International Tables for Crystallography C, table 4.3.2.2) and a B
    factor, times h² / (2 pi m e) = 47.878 V Å². Occupancies weigh; in a state, an atom has those of all its
    alternatives together. What the file has is drawn once, without its crystal's symmetry; hydrogens only where it has
    them. Frequencies end at Nyquist's, in all directions, as with a low-pass filter.

    With `solvent`, what counts is the difference from vitreous ice: within the molecule's mask (van der Waals radii,
    grown by 1.11 Å and shrunk by 0.9 Å, as Jiang and Brunger, J. Mol. Biol. 243, 100 (1994); an edge of 1 Å) the 3.6 V
    of ice are subtracted. The value and such masks, which do nearly as well as atoms of water: Shang and Sigworth, J.
    Struct. Biol. 180, 10 (2012).

    Args:
        structure: the path of a structure (mmCIF, PDB, also `.gz`) or of a map (`.mrc`, `.map`, also packed); an id
            that `load_dataset("structures")` knows; a row of it, or rows; or a list of such, each one or more states.
            A map is taken to be in V as it is, with nothing outside, its middle voxel in the box's middle; solvent
            and B factors are nothing to it.
        pixel_size: Å, of the voxels; that of a map is its header's, or else this.
        box: voxels of a side; None: the molecule and some room, or the map's own.
        resolution: Å, of a low-pass filter as `perc_transforms.functional.lowpass`; None: to Nyquist's frequency.
        b_factor: Å², of all atoms; None: those of the file, or 30 where it has none but zeros or, predicted, has
            confidences instead.
        solvent: take away the solvent that the molecule is in place of.
        endpoints: of `structures`, for ids.

    Returns:
        Float32, `(n, n, n)`, `(z, y, x)`, one a state.

    Raises:
        OptionError: an option has a value that is not allowed; the molecule does not fit into the box: the message says
            into which it would.
        FormatError: no structure, no atoms, an element that is not known, nothing but zeros.
        NotFoundError: no such file or entry.

    Example:
        >>> row = {"coordinates": [[0, 0, 0], [1.2, 0, 0]], "element": ["C", "O"], "altloc": ["", ""]}
        >>> [volume.shape for volume in densities([row, row], pixel_size=2.0, box=24, b_factor=50.0)]
        [(24, 24, 24), (24, 24, 24)]
    """
    options = {"pixel_size": pixel_size, "resolution": resolution, "b_factor": b_factor, "solvent": solvent}
    drawing, bodies = drawing_of(**options), states_of_source(structure, endpoints)
    return _drawn(bodies, drawing, box)


def tell(bodies: list[Body], drawing: Drawing) -> None:
    """Log what else callers might not know of."""
    for remark in dict.fromkeys(filter(None, (body.remark(drawing) for body in bodies))):
        logger.warning("%s", remark)


def drawing_of(pixel_size: Any, resolution: Any, b_factor: Any, solvent: Any) -> Drawing:
    """Options of a drawing, checked.

    Raises:
        OptionError: one of them has a value that is not allowed.
    """
    voxel = check_positive("pixel_size", pixel_size, "Å")
    if voxel is None:
        msg = "pixel_size is None: expected a number above 0, in Å"
        raise OptionError(msg)
    finest = check_positive("resolution", resolution, "Å")
    if finest is not None and finest < 2 * voxel:
        msg = f"resolution is {resolution!r}: expected {2 * voxel:g} Å or more, twice the pixel size"
        raise OptionError(msg)
    if b_factor is not None and not (_is_number(b_factor) and 0 <= b_factor < math.inf):
        msg = f"b_factor is {b_factor!r}: expected a number, 0 or more, in Å², or None"
        raise OptionError(msg)
    check_flag("solvent", solvent)
    return Drawing(voxel, finest, None if b_factor is None else float(b_factor), solvent)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def volume_in(body: Body, n: int, drawing: Drawing) -> NDArray[np.float32]:
    """A volume, as it is asked for.

    Raises:
        FormatError: it is zero everywhere.
    """
    volume = body.volume(n, drawing)
    if drawing.resolution is not None:
        volume = functional.lowpass(
            volume, resolution=drawing.resolution, pixel_size=drawing.pixel_size, spatial_dims=3
        )
    if not bool(torch.any(volume)):
        msg = f"{body.name}: its density is zero everywhere in a box of {n} voxels of {drawing.pixel_size:g} Å"
        raise FormatError(msg)
    values: NDArray[np.float32] = volume.numpy()
    return values


def box_of(bodies: list[Body], box: Any, pixel_size: float) -> int:
    """Voxels of a side of a box that holds all of them.

    Raises:
        OptionError: one does not go into it.
    """
    if box is None:
        return max(body.box(pixel_size) for body in bodies)
    check_integer("box", box, least=2)
    for body in bodies:
        body.check_box(int(box), pixel_size)
    return int(box)


def _drawn(bodies: list[Body], drawing: Drawing, box: int | None) -> list[NDArray[np.float32]]:
    n = box_of(bodies, box, drawing.pixel_size)
    tell(bodies, drawing)
    return [volume_in(body, n, drawing) for body in bodies]
