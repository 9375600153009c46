"""Atoms drawn: the potential of each is five Gaussians of the tables for electrons, and its B factor."""

import functools
import itertools
import math

import gemmi
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from builders.synthetic.potentials.atoms import Atoms
from builders.synthetic.potentials.spectra import Grids, cropped_transform, placed

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
_UNLIKE = 2e-3
"""Of an element's forward amplitude, by which what stands for it may differ."""
_WIDTHS = (0.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 80.0, 160.0)
"""Å²: B factors of Gaussians that likenesses of elements are made of."""
_MOST = 4
"""Gaussians of a likeness, and the frequencies at which it is one."""
_SAMPLES = 64


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

    The atoms are drawn as Gaussians, of their B factors and some blur, on a finer grid. All have the shape of the
    most frequent element, which is a factor in Fourier space, as is what takes the blur away; the others are a few
    Gaussians more.

    Args:
        atoms: what is drawn.
        center: Å, `(x, y, z)`: what lies in the middle of voxel n // 2.
        b_factors: Å², 0 or more, of each atom.
        grids: of the volume, and the one to draw on.

    Returns:
        Complex, as `rfftn` orders it.
    """
    elements, counts = np.unique(atoms.element, return_counts=True)
    common = str(elements[counts.argmax()])
    places, widths, weights = _parts(atoms, common, grids)
    fineness = grids.fine / grids.n
    widths += b_factors[places]
    blur = -4 * math.log(_ALIASED) * grids.voxel**2 / (fineness * (fineness - 1)) - float(widths.min())
    sigma = ((widths + blur) / 8) ** 0.5 / math.pi / grids.step
    points = ((atoms.coordinates - center)[:, ::-1] / grids.step)[places]
    reach = math.ceil(_REACH * float(sigma.max()))
    origin = np.floor(points.min(0)).astype(np.int64) - reach
    block = torch.zeros(*(np.ceil(points.max(0)).astype(np.int64) + reach + 1 - origin).tolist())
    _spread(block, points - origin, sigma, weights)
    shape = form_factor(common, grids.frequencies) * np.exp(blur * grids.frequencies**2 / 4)
    spectrum = cropped_transform(block, grids)
    torch.view_as_real(spectrum).mul_(grids.radial(shape * grids.limit() * (VOLTS / grids.voxel**3))[..., None])
    return placed(spectrum, origin, grids)


def _parts(
    atoms: Atoms, common: str, grids: Grids
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """The Gaussians of all atoms: of which atom each is, its width as a B factor, its weight."""
    places, widths, weights = [], [], []
    for element in dict.fromkeys(atoms.element.tolist()):
        of = np.flatnonzero(atoms.element == element)
        for width, weight in _likened(element, common, 0.5 / grids.voxel):
            places.append(of)
            widths.append(np.full(len(of), width))
            weights.append(weight * atoms.occupancy[of])
    return np.concatenate(places), np.concatenate(widths), np.concatenate(weights)


@functools.lru_cache(maxsize=256)
def _likened(element: str, common: str, highest: float) -> list[tuple[float, float]]:
    """An element's scattering amplitude over another's, to some frequency in 1/Å, as Gaussians: widths, weights.

    They are as few as differ from it by no more than `_UNLIKE` of the forward amplitude, which is exact; at most four,
    which for a few elements, in voxels below 0.5 Å, differ by twice as much.
    """
    frequencies = np.linspace(0, highest, _SAMPLES)
    wanted, given = form_factor(element, frequencies), form_factor(common, frequencies)
    exactly = np.where(frequencies == 0, 1e3, 1.0)
    found: list[tuple[float, tuple[float, ...], NDArray[np.float64]]] = []
    for count in range(1, _MOST + 1):
        for widths in itertools.combinations(_WIDTHS, count):
            parts = given * np.exp(-np.outer(widths, frequencies**2 / 4))
            weights = np.linalg.lstsq((parts * exactly).T, wanted * exactly, rcond=None)[0]
            found.append((float(np.abs(weights @ parts - wanted).max() / wanted[0]), widths, weights))
        if min(error for error, _, _ in found) < _UNLIKE:
            break
    _, widths, weights = min(found, key=lambda one: one[0])
    return list(zip(widths, weights.tolist(), strict=True))


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
