"""The solvent that a molecule takes the place of."""

import math

import gemmi
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from builders.synthetic.potentials.atoms import Atoms
from builders.synthetic.potentials.spectra import Grids, cropped_transform, placed

ICE = 3.6
"""V, of vitreous ice: Shang and Sigworth, J. Struct. Biol. 180, 10 (2012); measured, 3.5 +- 1.2 V (Harscher and Lichte,
ICEM-14, 1998). Isolated atoms would make 4.5 V of it."""
_PROBE, _SHRINK = 1.11, 0.9
"""Å: by how much van der Waals radii are made larger, and how much of the surface is then taken off again."""
_EDGE = 1.0
"""Å: deviation of the Gaussian that the mask is smoothed by."""
_COARSEST = 0.6
"""Å, of the voxels in which molecules are told from solvent."""
_LARGEST = 2**27
"""Voxels of a mask, at most; of larger molecules they are coarser."""


def mask_of(atoms: Atoms, center: NDArray[np.float64], n: int, voxel: float) -> Tensor:
    """The transform of a molecule's mask: 1 in it, 0 in solvent, a smooth edge; in voxels, as `rfftn` orders it.

    The mask of Jiang and Brunger (J. Mol. Biol. 243, 100, 1994) by gemmi: van der Waals radii grown by a probe of 1.11
    Å, and shrunk by 0.9 Å.

    Args:
        atoms: of the molecule.
        center: Å, `(x, y, z)`: what lies in the middle of voxel n // 2.
        n: voxels of a side of the box.
        voxel: Å.
    """
    margin = 5.0
    extent = np.ptp(atoms.coordinates, axis=0) + 2 * margin
    grids = Grids.of(n, voxel, max(_COARSEST, float(extent.prod() / _LARGEST) ** (1 / 3)))
    points = (atoms.coordinates - center) / grids.step
    space = margin / grids.step
    origin = np.floor(points.min(0) - space).astype(np.int64)
    shape = np.ceil(points.max(0) + space).astype(np.int64) + 1 - origin
    mask = torch.from_numpy(_molecule(atoms.element, points - origin, shape, grids.step))
    spectrum = cropped_transform(mask.permute(2, 1, 0), grids)
    smooth = np.exp(-2 * (math.pi * _EDGE * grids.frequencies) ** 2) * grids.limit() * (grids.step / voxel) ** 3
    torch.view_as_real(spectrum).mul_(grids.radial(smooth)[..., None])
    return placed(spectrum, origin[::-1], grids)


def _molecule(
    elements: NDArray[np.str_], points: NDArray[np.float64], shape: NDArray[np.int64], step: float
) -> NDArray[np.float32]:
    """1 in the molecule, 0 in solvent, `(x, y, z)`."""
    grid = gemmi.FloatGrid(*shape.tolist())
    grid.set_unit_cell(gemmi.UnitCell(*(float(side) for side in (*(shape * step), 90, 90, 90))))
    grid.spacegroup = gemmi.SpaceGroup("P 1")
    residue = gemmi.Residue()
    residue.name, residue.seqid = "UNK", gemmi.SeqId("1")
    kinds = {symbol: gemmi.Element(symbol) for symbol in set(elements.tolist())}
    for symbol, point in zip(elements.tolist(), (points * step).tolist(), strict=True):
        atom = gemmi.Atom()
        atom.name, atom.element, atom.pos = symbol, kinds[symbol], gemmi.Position(*point)
        residue.add_atom(atom)
    chain, model = gemmi.Chain("A"), gemmi.Model(1)
    chain.add_residue(residue)
    model.add_chain(chain)
    masker = gemmi.SolventMasker(gemmi.AtomicRadiiSet.VanDerWaals)
    masker.rprobe, masker.rshrink, masker.ignore_hydrogen = _PROBE, _SHRINK, False
    masker.put_mask_on_float_grid(grid, model)
    molecule: NDArray[np.float32] = 1 - np.array(grid)
    return molecule
