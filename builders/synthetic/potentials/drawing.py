"""Atoms drawn: the potential of each is five Gaussians of the tables for electrons, and its B factor."""

import math
from typing import overload

import gemmi
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from builders.synthetic.potentials.atoms import Atoms
from builders.synthetic.potentials.spectra import Grids, cropped_transform, good_size, placed

VOLTS = 47.87764
"""V Å²: h² / (2 pi m e), of a scattering amplitude in Å and a density of it."""
_ALIASED = 1e-2
"""What is drawn of a frequency at Nyquist's, relative to it, that the grid cannot tell from it."""
_REACH = 4.5
"""Deviations of a Gaussian to which it is drawn: 7e-6 of it lies beyond."""
_CELL = 16
_REACHES = (8, 12, 16, 24, 32)
"""Voxels: Gaussians that go no farther are drawn together."""
_AT_ONCE = 2**20
"""Numbers that are held at a time."""
_LENGTHS = 2**17
"""Lengths of frequencies of which scattering amplitudes are worked out."""


def form_factor(element: str, frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scattering amplitude of an element for electrons, Å, at frequencies in 1/Å.

    Five Gaussians: International Tables for Crystallography C, table 4.3.2.2 (Peng et al. 1996), of neutral atoms, as
    gemmi has it; without a relativistic factor, which belongs to the interaction constant.

    Example:
        >>> form_factor("C", np.array([0.0, 0.5])).round(3).tolist()
        [2.509, 1.169]
    """
    a, b = np.array(gemmi.Element(element).c4322.get_coefs()).reshape(2, 5)
    amplitude: NDArray[np.float64] = (a * np.exp(-b * frequencies[:, None] ** 2 / 4)).sum(1)
    return amplitude


def spectrum_of(atoms: Atoms, center: NDArray[np.float64], b_factors: NDArray[np.float64], grids: Grids) -> Tensor:
    """The transform of the atoms' potential, in V times voxels, to Nyquist's frequency.

    The atoms of each element are drawn as Gaussians of their B factors and some blur on a finer grid, which is
    convolved with what an atom of the element looks like; the blur is taken away in the end.

    Args:
        atoms: what is drawn.
        center: Å, `(x, y, z)`: what lies in the middle of voxel n // 2.
        b_factors: Å², 0 or more, of each atom.
        grids: of the volume, and the one to draw on.

    Returns:
        Complex, as `rfftn` orders it.
    """
    fineness = grids.fine / grids.n
    blur = -4 * math.log(_ALIASED) * grids.voxel**2 / (fineness * (fineness - 1)) - float(b_factors.min())
    blurred, origin = _drawn(atoms, (atoms.coordinates - center)[:, ::-1] / grids.step, b_factors + blur, grids.step)
    after = grids.limit() * np.exp(blur * grids.frequencies**2 / 4) * (VOLTS / grids.voxel**3)
    spectrum = cropped_transform(blurred, grids)
    torch.view_as_real(spectrum).mul_(grids.radial(after)[..., None])
    return placed(spectrum, origin, grids)


def _drawn(
    atoms: Atoms, points: NDArray[np.float64], b_factors: NDArray[np.float64], step: float
) -> tuple[Tensor, NDArray[np.int64]]:
    """Atoms at places `(z, y, x)` in voxels of some Å: the block that holds them, and where its first voxel is."""
    elements = list(dict.fromkeys(atoms.element.tolist()))
    widest = max(gemmi.Element(element).c4322.b[-1] for element in elements)
    margin = math.ceil(_REACH * _deviation(float(b_factors.max()) + widest) / step)
    origin = np.floor(points.min(0)).astype(np.int64) - margin
    shape = [good_size(int(extent)) for extent in np.ceil(points.max(0)).astype(np.int64) + margin + 1 - origin]
    squares = _squared_frequencies(shape, step)
    scale = (_LENGTHS - 1) / float(squares.max())
    places = (squares * scale).round_().to(torch.int32).view(-1)
    lengths = np.sqrt(np.arange(_LENGTHS) / scale)
    whole = torch.zeros(*shape[:2], shape[2] // 2 + 1, dtype=torch.complex64)
    for element in elements:
        of = np.flatnonzero(atoms.element == element)
        block = torch.zeros(*shape)
        _spread(block, points[of] - origin, _deviation(b_factors[of]) / step, atoms.occupancy[of])
        factors = torch.from_numpy(form_factor(element, lengths).astype(np.float32)).index_select(0, places)
        part = torch.view_as_real(torch.fft.rfftn(block))
        torch.view_as_real(whole).addcmul_(part, factors.view(*whole.shape, 1))
    blurred: Tensor = torch.fft.irfftn(whole, s=shape)
    return blurred, origin


def _squared_frequencies(shape: list[int], step: float) -> Tensor:
    """1/Å², as `rfftn` orders them."""
    z, y = (torch.fft.fftfreq(size, step, dtype=torch.float64).square() for size in shape[:2])
    x = torch.fft.rfftfreq(shape[2], step, dtype=torch.float64).square()
    squares: Tensor = (z[:, None, None] + y[:, None] + x).float()
    return squares


@overload
def _deviation(b_factor: float) -> float: ...
@overload
def _deviation(b_factor: NDArray[np.float64]) -> NDArray[np.float64]: ...
def _deviation(b_factor: float | NDArray[np.float64]) -> float | NDArray[np.float64]:
    """Å, of the Gaussian of a B factor in Å²."""
    return (b_factor / 8) ** 0.5 / math.pi


def _spread(
    block: Tensor, points: NDArray[np.float64], sigma: NDArray[np.float64], weights: NDArray[np.float64]
) -> None:
    """Add a Gaussian for each point: deviations and places in voxels `(z, y, x)`, its sum is the weight.

    Points are gathered in cells: all of a cell are one product of matrices.
    """
    reaches = np.ceil(_REACH * sigma).astype(np.int64)
    classes = np.array(_REACHES)[np.searchsorted(_REACHES, reaches.clip(None, _REACHES[-1]))]
    classes = np.where(reaches > _REACHES[-1], -(-reaches // 32) * 32, classes)
    for reach in np.unique(classes).tolist():
        of = np.flatnonzero(classes == reach)
        _spread_alike(block, points[of], sigma[of], weights[of], reach)


def _spread_alike(
    block: Tensor, points: NDArray[np.float64], sigma: NDArray[np.float64], weights: NDArray[np.float64], reach: int
) -> None:
    whole = block.numpy()
    size = max(_CELL, reach)
    side = size + 2 * reach
    cells = np.floor(points / size).astype(np.int64)
    keys = np.ravel_multi_index(tuple(cells.T), tuple(cells.max(0) + 1))
    by_cell = np.argsort(keys, kind="stable")
    _, starts, counts = np.unique(keys[by_cell], return_index=True, return_counts=True)
    corners = cells[by_cell[starts]] * size - reach
    profiles = _profiles(points - cells * size + reach, sigma, weights, side)
    order = np.argsort(counts, kind="stable")
    place = 0
    while place < len(order):
        held = max(1, _AT_ONCE // (side * side * int(counts[order[place]])))
        held = max(1, min(held, _AT_ONCE // (side * side * int(counts[order[min(place + held, len(order)) - 1]]))))
        some = order[place : place + held]
        most = int(counts[some].max())
        members = starts[some][:, None] + np.arange(most)
        valid = np.arange(most) < counts[some][:, None]
        picked = torch.from_numpy(by_cell[np.where(valid, members, 0)])
        z, y, x = (profile[picked] for profile in profiles)
        z *= torch.from_numpy(valid)[..., None]
        plane = (y[..., :, None] * x[..., None, :]).flatten(2)
        parts = torch.bmm(z.transpose(1, 2), plane).view(len(some), side, side, side).numpy()
        for corner, part in zip(corners[some].tolist(), parts, strict=True):
            _add(whole, part, corner)
        place += held


def _profiles(
    points: NDArray[np.float64], sigma: NDArray[np.float64], weights: NDArray[np.float64], side: int
) -> list[Tensor]:
    """Along each axis, `(points, side)`, the Gaussians whose product is what a point has in each voxel."""
    norm = 1 / (sigma * math.sqrt(2 * math.pi))
    voxels = torch.arange(side, dtype=torch.float32)
    profiles = []
    for axis, factor in enumerate([norm * weights, norm, norm]):
        at, inverse, scale = (
            torch.from_numpy(values.astype(np.float32))[:, None] for values in (points[:, axis], 1 / sigma, factor)
        )
        profiles.append(((voxels - at) * inverse).square_().mul_(-0.5).exp_().mul_(scale))
    return profiles


def _add(block: NDArray[np.float32], part: NDArray[np.float32], corner: list[int]) -> None:
    """Add a part to a block, where it lies within it."""
    ends = [start + size for start, size in zip(corner, part.shape, strict=True)]
    if min(corner) < 0 or any(end > size for end, size in zip(ends, block.shape, strict=True)):
        inside = [slice(max(-start, 0), size - start) for start, size in zip(corner, block.shape, strict=True)]
        part, corner = part[tuple(inside)], [max(start, 0) for start in corner]
        ends = [start + size for start, size in zip(corner, part.shape, strict=True)]
    (z, y, x), (last_z, last_y, last_x) = corner, ends
    block[z:last_z, y:last_y, x:last_x] += part
