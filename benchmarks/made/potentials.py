"""What drawing the potential of a large structure takes, beside gemmi's own drawing of its electron scattering."""

import functools
from collections.abc import Iterator
from pathlib import Path

import gemmi
import numpy as np
import torch

from benchmarks.made.structure import make_structure
from benchmarks.row import Row
from benchmarks.timing import medians
from builders.synthetic import density

ATOMS, RADIUS, BOX, VOXEL = 50_000, 90.0, 256, 1.0


BLURRED = 25 * VOXEL**2
"""Å²: with B factors and blur of no less, gemmi's Gaussians are what a grid of such voxels can hold."""


def density_rows(folder: Path, rounds: int) -> Iterator[Row]:
    """From the file to the volume, without solvent and with it; gemmi's is drawn blurred, and sharpened again."""
    folder.mkdir(parents=True)
    path = str(make_structure(folder / "large.cif", ATOMS, RADIUS))
    torch.set_num_threads(1)
    draw = functools.partial(density, path, pixel_size=VOXEL, box=BOX)
    _check(draw(solvent=False), _sharpened(*_drawn(path)))
    contenders = {
        "ours": lambda: draw(solvent=False),
        "ours, in solvent": lambda: draw(solvent=True),
        "gemmi": lambda: _sharpened(*_drawn(path)),
        "gemmi, blurred": lambda: _drawn(path),
    }
    times = medians(contenders, rounds)
    for name, reference, bound in (
        ("ours", "gemmi", 1.3),
        ("ours, in solvent", "gemmi", 0),
        ("ours", "gemmi, blurred", 0),
    ):
        what = f"{ATOMS} atoms, {BOX}^3 at {VOXEL:g} Å{name[4:]}: time / {reference}"
        columns = f"{times[name]:.2f} s", f"{times[reference]:.2f} s"
        yield Row(what, *columns, times[name] / times[reference], bound, False)


def _drawn(path: str) -> tuple[gemmi.FloatGrid, float]:
    """`(x, y, z)`, Å^-2, and the blur, Å²: one model in P 1, in the middle of the cell."""
    model, middle = gemmi.read_structure(path)[0], BOX // 2 * VOXEL
    shift = gemmi.Vec3(middle, middle, middle) - gemmi.Vec3(*model.calculate_center_of_mass().tolist())
    model.transform_pos_and_adp(gemmi.Transform(gemmi.Mat33(), shift))
    calculator = gemmi.DensityCalculatorE()
    calculator.grid.set_unit_cell(gemmi.UnitCell(*[BOX * VOXEL] * 3, 90, 90, 90))
    calculator.grid.spacegroup = gemmi.SpaceGroup("P 1")
    calculator.grid.set_size(BOX, BOX, BOX)
    calculator.blur = max(0.0, BLURRED - model.calculate_b_iso_range()[0])
    calculator.add_model_density_to_grid(model)
    return calculator.grid, calculator.blur


def _sharpened(grid: gemmi.FloatGrid, blur: float) -> np.ndarray:
    """`(z, y, x)`: without the blur, to Nyquist's frequency."""
    spectrum = gemmi.transform_map_to_f_phi(grid, half_l=True)
    full, half = np.fft.fftfreq(BOX, VOXEL) ** 2, np.fft.rfftfreq(BOX, VOXEL) ** 2
    squares = (full[:, None, None] + full[:, None] + half).astype(np.float32)
    values = np.array(spectrum, copy=False)
    values *= np.where(squares <= 0.25 / VOXEL**2, np.exp(blur / 4 * squares), 0)
    return np.array(gemmi.transform_f_phi_grid_to_map(spectrum)).transpose(2, 1, 0)


def _check(ours: np.ndarray, theirs: np.ndarray) -> None:
    """That both drew the same."""
    alike = np.corrcoef(ours.ravel(), theirs.ravel())[0, 1]
    assert alike > 0.999, f"correlation {alike:.5f}"
