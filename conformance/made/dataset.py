"""Rows of `load_dataset("synthetic")`: what their columns say, handed over, gives the same image without noise."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import mrcfile
import numpy as np
from scipy import constants

from builders import load_dataset
from conformance.images import Values
from conformance.made import particle
from conformance.made.particle import SIDE, SIZE, Shown
from conformance.table import Row

COUNT, VOLTS = 4, 10.0
TO_INVERSE_AREA = constants.m_e * constants.e / (2 * np.pi * constants.hbar**2) * 1e-20
"""V to cryoJAX's 1/Å², of its documentation."""
CASE = f"{COUNT} rows of a map in V, 64^3 at {SIZE} Å: defocus 8000 to 20000 Å, astigmatism to 500 Å, shifts to 6 Å"


def rows() -> Iterator[Row]:
    """Images of both packages in the units of ours: the intensity, less that of the beam, over that of the beam."""
    with tempfile.TemporaryDirectory() as folder:
        ds = load_dataset("synthetic", structures=_map(Path(folder)), cache_dir=folder, **_asked())
        made = list(ds.with_format("numpy"))
        ours = np.stack([row["clean"] for row in made]).astype(np.float64)
    shown = [_shown(row) for row in made]

    volume = particle.blobs() * VOLTS * TO_INVERSE_AREA
    options = {"interp": "cubic", "pad_scale": 2.0, "quantity_mode": "intensity"}
    theirs = np.stack([particle.in_cryojax(volume, one, **options) for one in shown]) - 1
    yield from _compared(ours, theirs, "cryojax", "`quantity_mode='intensity'` of V m e / (2 pi hbar^2), less 1")

    theirs = np.stack([particle.in_aspire(particle.blobs() * VOLTS, one) for one in shown])
    call = "`Simulation.clean_images`, times n, pixel size and 2 sigma, 1 / (V Å)"
    yield from _compared(ours, theirs * SIDE * SIZE * 2 * _sigma(300.0), "aspire", call)


def _compared(ours: Values, theirs: Values, package: str, call: str) -> Iterator[Row]:
    what, unit = "images without noise, contrast='dark'", np.square(ours).mean() ** 0.5
    apart = np.square(theirs - ours).mean() ** 0.5 / unit
    yield Row(
        f"{what}: contrast, rms", CASE, unit, np.square(theirs).mean() ** 0.5, package, call, tolerance=1e-2 * unit
    )
    yield Row(f"{what}: relative difference, rms", CASE, 0.0, apart, package, call, tolerance=1e-2, digits=1)


def _asked() -> dict[str, Any]:
    datasets.disable_progress_bars()
    optics = {"defocus": (8000, 20000), "astigmatism": 500, "max_shift": 6}
    return {"box_size": SIDE, "pixel_size": SIZE, "num_examples": COUNT, "clean": True, "split": "train", **optics}


def _map(folder: Path) -> str:
    path = folder / "blobs.mrc"
    with mrcfile.new(path) as file:
        file.set_data((particle.blobs() * VOLTS).astype(np.float32))
        file.voxel_size = SIZE
    return str(path)


def _shown(row: dict[str, Any]) -> Shown:
    pose = {name: float(value) for name, value in row["pose"].items()}
    optics = {name: float(value) for name, value in row["ctf"].items()}
    return Shown(pose["rot"], pose["tilt"], pose["psi"], pose["shift_x"], pose["shift_y"], optics)


def _sigma(kilovolts: float) -> float:
    """2 pi m e lambda / h^2 of relativistic electrons, in 1 / (V Å), from h, m, e, c."""
    energy, rest = kilovolts * 1e3 * constants.e, constants.m_e * constants.c**2
    momentum = np.sqrt(energy * (energy + 2 * rest)) / constants.c
    mass = constants.m_e * (1 + energy / rest)
    return float(mass * constants.e / (constants.hbar * momentum) * 1e-10)
