"""Subtomograms at the picks of a copick project, beside copick-torch's own dataset: rate and memory."""

import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import zarr

from benchmarks.memory import Measured, run
from benchmarks.row import Row, per_item

SIDE, COUNT, TOMOGRAMS = 48, 10_000, 20
SHAPE, CHUNK = (160, 512, 512), 64
VOXEL = 10.0
"""Å."""
OBJECTS = ("ribosome", "apoferritin")
BATCH = 32

_MEASURED = """
import pathlib, re, sys, time
def memory(what):
    return int(re.search(what + r":\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]) / 1024
config, count, cache = sys.argv[1], int(sys.argv[2]), sys.argv[3]
import torch
{imports}
torch.set_num_threads(1)
pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
held = memory("VmRSS")
{prepare}
start = time.perf_counter()
rows = 0
for images in batches:
    assert images.dtype == torch.float32
    rows += len(images)
took = time.perf_counter() - start
assert rows == count, rows
print(took, memory("VmHWM") - held, memory("VmHWM"))
"""
"""As `benchmarks.memory.MEASURED`, but that what a dataset takes when it is made counts, too."""

_OURS = """
options = dict(copick=config, tomogram="wbp", unit="subtomogram", picks="*", box_size=48, shuffle_memory=64)
stream = load_dataset("tomograms", split="train", streaming=True, cache_dir=cache, **options)
{shuffled}
normalize = T.Normalize(spatial_dims=3)
batches = (normalize(batch["image"]) for batch in stream.with_format("torch").batch(32))
"""
_IMPORTS = """
import perc_transforms as T
import perc_transforms.functional
from builders import load_dataset
"""
_SHUFFLED = _MEASURED.format(
    imports=_IMPORTS, prepare=_OURS.format(shuffled="stream = stream.shuffle(seed=0, buffer_size=1000)")
)
_IN_ORDER = _MEASURED.format(imports=_IMPORTS, prepare=_OURS.format(shuffled=""))
_COPICK_TORCH = _MEASURED.format(
    imports="""
import copick
from copick_torch.minimal_dataset import MinimalCopickDataset
""",
    prepare="""
dataset = MinimalCopickDataset(copick.from_file(config), boxsize=(48, 48, 48), voxel_spacing=10.0, preload=False)
batches = (images for images, labels in torch.utils.data.DataLoader(dataset, 32, shuffle=True))
""",
)


def make_project(folder: Path, tomograms: int = TOMOGRAMS, count: int = COUNT) -> Path:
    """A copick project of noise with so many picks in all; its config JSON."""
    rng, each = np.random.default_rng(0), count // tomograms
    for number in range(tomograms):
        run = folder / "ExperimentRuns" / f"TS_{number + 1}"
        group = zarr.open_group(run / f"VoxelSpacing{VOXEL:.3f}" / "wbp.zarr", mode="w", zarr_format=2)
        scale = {"type": "scale", "scale": [VOXEL] * 3}
        axes = [{"name": axis, "type": "space", "unit": "angstrom"} for axis in "zyx"]
        told = {"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": [scale]}]}
        group.attrs["multiscales"] = [told]
        chunks = {"chunks": (CHUNK,) * 3, "chunk_key_encoding": {"name": "v2", "separator": "/"}}
        array = group.create_array("0", shape=SHAPE, dtype="float32", **chunks)
        array[:] = rng.standard_normal(SHAPE, np.float32)
        half = SIDE // 2
        points = rng.uniform([half] * 3, np.array(SHAPE[::-1]) - half - 1, (each, 3)) * VOXEL
        for place, name in enumerate(OBJECTS):
            _write_picks(run / "Picks" / f"tool_0_{name}.json", run.name, name, points[place :: len(OBJECTS)])
    known = [{"name": n, "is_particle": True, "label": k, "radius": 100} for k, n in enumerate(OBJECTS, 1)]
    root = {"config_type": "filesystem", "name": "noise", "version": "1.31.0", "pickable_objects": known}
    config = folder / "config.json"
    config.write_text(json.dumps(root | {"overlay_root": f"local://{folder}"}))
    return config


def _write_picks(path: Path, run: str, name: str, points: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    eye = np.eye(4).tolist()
    told = [
        {"location": dict(zip("xyz", point, strict=True)), "transformation_": eye, "instance_id": 0, "score": 1.0}
        for point in points.tolist()
    ]
    user, session = path.name.split("_")[:2]
    known = {"pickable_object_name": name, "user_id": user, "session_id": session, "run_name": run}
    path.write_text(json.dumps(known | {"unit": "angstrom", "trust_orientation": True, "points": told}))


def subtomogram_rows(folder: Path, rounds: int, copick_torch: str | None) -> Iterator[Row]:
    """Passes over normalized cubes, by processes in turn; making the dataset counts in memory, not in time."""
    config = str(make_project(folder))
    programs = {"ours, shuffled": (sys.executable, _SHUFFLED), "ours, in order": (sys.executable, _IN_ORDER)}
    if copick_torch is not None:
        programs["theirs"] = copick_torch, _COPICK_TORCH
    passes: dict[str, list[Measured]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, (python, program) in programs.items():
            passes[name].append(run(python, program, config, str(COUNT), str(folder / "cache")))
    seconds = {name: statistics.median(one.seconds for one in found) for name, found in passes.items()}
    added = {name: statistics.median(one.added for one in found) for name, found in passes.items()}
    for name in list(programs)[:2]:
        what = f"{COUNT} subtomograms of {SIDE}^3 ({name[6:]})"
        rate, mine = per_item(seconds[name], COUNT), f"{added[name]:.0f} MiB"
        if "theirs" not in seconds:
            yield Row(f"{what}: rate", rate, "", 0, 0)
            yield Row(f"{what}: memory", mine, "", added[name], 0)
            continue
        theirs = per_item(seconds["theirs"], COUNT), f"{added['theirs']:.0f} MiB"
        yield Row(f"{what}: rate / copick-torch", rate, theirs[0], seconds["theirs"] / seconds[name], 1)
        yield Row(f"{what}: memory / copick-torch", mine, theirs[1], added[name] / added["theirs"], 0.1, False)
