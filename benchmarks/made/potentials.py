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


def density_rows(folder: Path, rounds: int) -> Iterator[Row]:
    """From the file to the volume, with and without solvent; of B factors that gemmi needs no blur for."""
    folder.mkdir(parents=True)
    path = str(make_structure(folder / "large.cif", ATOMS, RADIUS))
    torch.set_num_threads(1)
    draw = functools.partial(density, path, pixel_size=VOXEL, box=BOX)
    _check(draw(solvent=False), _by_gemmi(path))
    contenders = {
        "bare": lambda: draw(solvent=False),
        "in solvent": lambda: draw(solvent=True),
        "gemmi": lambda: _by_gemmi(path),
    }
    times = medians(contenders, rounds)
    for name, bound in (("bare", 1.3), ("in solvent", 0)):
        what = f"density of {ATOMS} atoms, {BOX}^3 at {VOXEL:g} Å, {name}, time / gemmi"
        yield Row(what, f"{times[name]:.2f} s", f"{times['gemmi']:.2f} s", times[name] / times["gemmi"], bound, False)


def _by_gemmi(path: str) -> np.ndarray:
    """`(z, y, x)`, Å^-2: one model in P 1, in the middle of the cell."""
    structure = gemmi.read_structure(path)
    model, middle = structure[0], BOX // 2 * VOXEL
    shift = gemmi.Vec3(middle, middle, middle) - gemmi.Vec3(*model.calculate_center_of_mass().tolist())
    model.transform_pos_and_adp(gemmi.Transform(gemmi.Mat33(), shift))
    calculator = gemmi.DensityCalculatorE()
    calculator.grid.set_unit_cell(gemmi.UnitCell(*[BOX * VOXEL] * 3, 90, 90, 90))
    calculator.grid.spacegroup = gemmi.SpaceGroup("P 1")
    calculator.grid.set_size(BOX, BOX, BOX)
    calculator.add_model_density_to_grid(model)
    return np.array(calculator.grid).transpose(2, 1, 0)


def _check(ours: np.ndarray, theirs: np.ndarray) -> None:
    """That both drew the same."""
    alike = np.corrcoef(ours.ravel(), theirs.ravel())[0, 1]
    assert alike > 0.99, f"correlation {alike:.3f}"
