"""A made copick project: tomograms with two kinds of particles, noise and a missing wedge, and their picks."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from examples.projections import barrel, random_rotation, rod

PIXEL_SIZE = 10.0
SHAPE = (64, 128, 144)
CHUNK = 32
OBJECTS = {"barrel": barrel() * 1.3, "rod": rod() * 1.1}
"""Centres of blobs, Å, of the particles to be found."""
SPACING = 16
"""Voxels between two particles, at least."""
_BLOB = 12.0
_TILTED = 60.0
"""Degrees to which the specimen was tilted: what no tilt shows is missing."""

Volume = NDArray[np.float32]


def make(folder: Path, tomograms: int = 4, particles: int = 24, seed: int = 6) -> Path:
    """Write a copick project; gives its configuration.

    Args:
        folder: where to.
        tomograms: how many, called TS_1, TS_2, ...
        particles: of each object, in each tomogram.
        seed: decides places, orientations and noise.
    """
    rng = np.random.default_rng(seed)
    overlay = folder / "overlay"
    for number in tqdm(range(1, tomograms + 1), "Generating tomograms", unit=" tomograms", disable=None):
        run = overlay / "ExperimentRuns" / f"TS_{number}"
        placed = _places(len(OBJECTS) * particles, rng)
        volume = np.zeros(SHAPE, np.float32)
        for name, places in zip(OBJECTS, np.split(placed, len(OBJECTS)), strict=True):
            rotations = np.stack([random_rotation(rng) for _ in places])
            for place, rotation in zip(places, rotations, strict=True):
                _add(volume, OBJECTS[name] @ rotation.T / PIXEL_SIZE + place)
            _write_picks(run / "Picks" / f"demo_0_{name}.json", run.name, name, places * PIXEL_SIZE, rotations)
        noisy = volume / volume.std() + rng.normal(0, 1.6, SHAPE).astype(np.float32)
        _write_zarr(run / f"VoxelSpacing{PIXEL_SIZE:.3f}" / "wbp.zarr", _with_missing_wedge(noisy))
    config = folder / "copick.json"
    known = {"config_type": "filesystem", "name": "demo", "version": "1.31.0", "user_id": "demo", "session_id": "0"}
    objects = [{"name": name, "is_particle": True, "label": label} for label, name in enumerate(OBJECTS, 1)]
    config.write_text(json.dumps(known | {"pickable_objects": objects, "overlay_root": f"local://{overlay.resolve()}"}))
    return config


def _places(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Where particles lie, (x, y, z) in voxels, none of them near another or at the edge."""
    found: list[NDArray[np.float64]] = []
    low, high = np.full(3, SPACING / 2), np.array(SHAPE[::-1]) - SPACING / 2
    while len(found) < count:
        place = rng.uniform(low, high)
        if all(np.linalg.norm(place - other) >= SPACING for other in found):
            found.append(place)
    return np.array(found)


def _add(volume: Volume, blobs: NDArray[np.float64]) -> None:
    """Add Gaussian blobs at places (x, y, z) in voxels."""
    width = _BLOB / PIXEL_SIZE
    for x, y, z in blobs:
        corner = [max(0, round(at) - 4) for at in (z, y, x)]
        part = volume[tuple(slice(first, first + 9) for first in corner)]
        sides = (np.arange(n) + first - at for n, first, at in zip(part.shape, corner, (z, y, x), strict=True))
        along = [np.exp(-0.5 * (side / width) ** 2) for side in sides]
        part += np.einsum("z,y,x->zyx", *along).astype(np.float32)


def _with_missing_wedge(volume: Volume) -> Volume:
    """What tilts about y, up to 60 degrees, show of a volume."""
    kz, kx = (np.fft.fftfreq(SHAPE[0])[:, None], np.fft.rfftfreq(SHAPE[2])[None])
    seen = np.abs(kz) <= np.tan(np.radians(_TILTED)) * np.abs(kx)
    seen[0, 0] = True
    return np.fft.irfftn(np.fft.rfftn(volume) * seen[:, None], SHAPE, (0, 1, 2)).astype(np.float32)


def _write_picks(path: Path, run: str, name: str, places: NDArray[np.float64], rotations: NDArray[np.float64]) -> None:
    """Points as copick has them: Å from the first voxel, and how the object is turned there."""
    points = []
    for place, rotation in zip(places, rotations, strict=True):
        turn = np.eye(4)
        turn[:3, :3] = rotation
        location = dict(zip("xyz", place.tolist(), strict=True))
        points.append({"location": location, "transformation_": turn.tolist(), "instance_id": 0, "score": 1.0})
    known = {"pickable_object_name": name, "user_id": "demo", "session_id": "0", "run_name": run}
    more = {"voxel_spacing": PIXEL_SIZE, "unit": "angstrom", "points": points}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known | more))


def _write_zarr(group: Path, volume: Volume) -> None:
    """An OME-Zarr of one level, in chunks that are not compressed."""
    axes = [{"name": name, "type": "space", "unit": "angstrom"} for name in "zyx"]
    scale = [{"type": "scale", "scale": [PIXEL_SIZE] * 3}]
    level = {"path": "0", "coordinateTransformations": scale}
    told = {"multiscales": [{"version": "0.4", "axes": axes, "datasets": [level]}]}
    layout: Mapping[str, object] = {
        **{"zarr_format": 2, "shape": SHAPE, "chunks": [CHUNK] * 3, "dtype": "<f4", "order": "C", "fill_value": 0},
        **{"compressor": None, "filters": None, "dimension_separator": "/"},
    }
    counts = [-(-side // CHUNK) for side in SHAPE]
    padded = np.pad(volume, [(0, n * CHUNK - side) for n, side in zip(counts, SHAPE, strict=True)])
    for place in np.ndindex(*counts):
        path = Path(group, "0", *map(str, place))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(padded[tuple(slice(n * CHUNK, (n + 1) * CHUNK) for n in place)].astype("<f4").tobytes())
    (group / ".zgroup").write_text(json.dumps({"zarr_format": 2}))
    (group / ".zattrs").write_text(json.dumps(told))
    (group / "0" / ".zarray").write_text(json.dumps(layout))
