"""A made project as copick reads it, and as we do: voxels, picks, orientations, masks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import copick
import numpy as np
import zarr

from builders import load_dataset
from conformance.table import Row
from tests.tomograms import projects

PICKED = "data"
MASKED = "ribosome"


def rows(folder: Path) -> Iterator[Row]:
    """Of a project that was laid out here, and of one that copick wrote: everything of all runs."""
    made, odd = projects.make(), projects.make(shape=(21, 24, 27), seed=4)
    yield from _of(made, str(projects.write_copick(folder / "laid out", made)), folder / "cache", "")
    yield from _of(odd, _written(folder / "written", odd), folder / "other cache", ", written by copick")


def _written(folder: Path, made: projects.Project) -> str:
    """A project that copick itself writes, with a pyramid of three levels."""
    empty = projects.Project((), made.pixel_size, made.shape)
    path = projects.write_copick(folder, empty, static=False)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"overlay_fs_args": {"auto_mkdir": True}}))
    root = copick.from_file(config := str(path))
    for run in made.runs:
        own = root.new_run(run.name)
        own.new_voxel_spacing(made.pixel_size).new_tomogram("wbp").from_numpy(run.voxels, levels=3)
        for one, points in run.picks.items():
            turns = np.tile(np.eye(4), (len(points), 1, 1))
            turns[:, :3, :3] = run.rotations[one]
            own.new_picks(one, "1", PICKED).from_numpy(points * made.pixel_size, turns)
        number = list(run.picks).index(MASKED) + 1
        mask = own.new_segmentation(made.pixel_size, MASKED, "1", is_multilabel=False, user_id="user")
        mask.from_numpy((run.labels == number).astype(np.uint8), levels=1)
    return config


def _of(made: projects.Project, config: str, folder: Path, said: str) -> Iterator[Row]:
    theirs = copick.from_file(config)
    runs = sorted(theirs.runs, key=lambda run: run.name)
    asked = {"copick": config, "tomogram": "wbp", "split": "train", "cache_dir": str(folder)}
    ours = load_dataset("tomograms", picks=[f"*:{PICKED}/1"], segmentation=f"{MASKED}:user/1", **asked)
    case = f"{len(made.runs)} runs, {' x '.join(map(str, made.shape))} voxels of {made.pixel_size:g} Å{said}"
    names = sorted(ours["tomogram"])
    yield _row("runs", case, len(names), len(runs), "root.runs", 0)
    if names != [run.name for run in runs]:
        msg = f"runs are {names}, copick has {[run.name for run in runs]}"
        raise ValueError(msg)
    mine = {row["tomogram"]: row for row in ours}
    groups = {run.name: _group(run, made.pixel_size) for run in runs}
    of_all = [(mine[run.name], groups[run.name], run) for run in runs]
    voxels = [
        np.stack(found) for found in zip(*((row["image"], group["0"][:]) for row, group, _ in of_all), strict=True)
    ]
    yield _row("voxels, finest level", case, *voxels, 'zarr.open(tomogram.zarr())["0"]', 0)
    halves = load_dataset("tomograms", level=1, **asked)
    level = [np.stack(list(halves["image"])), np.stack([groups[name]["1"][:] for name in halves["tomogram"]])]
    yield _row("voxels, second level", case, *level, 'zarr.open(tomogram.zarr())["1"]', 0)
    spacing = [spacing.voxel_size for run in runs for spacing in run.voxel_spacings]
    yield _row("Å a voxel", case, [row["pixel_size"] for row, *_ in of_all], spacing, "voxel_spacing.voxel_size", 1e-5)
    masks = [np.stack([row["segmentation"] for row, *_ in of_all]), np.stack([_mask(run) for run in runs])]
    yield _row("masks", f"{MASKED}, {case}", *masks, "segmentation.numpy()", 0)
    yield from _picks(of_all, list(ours.features["picks"]["label"].feature.names), made.pixel_size, said)


def _picks(of_all: list[tuple[dict[str, Any], Any, Any]], classes: list[str], size: float, said: str) -> Iterator[Row]:
    coordinates, turns, values, known = [], [], [], []
    for row, group, run in of_all:
        picks, voxels = row["picks"], group["0"][:]
        at, label = np.asarray(picks["coordinates"]), np.asarray(picks["label"])
        turned, pixels = np.asarray(picks["rotation"]), np.asarray(picks["pixels"])
        for one in sorted(classes):
            found = run.get_picks(object_name=one, user_id=PICKED, session_id="1")[0]
            points, matrices = found.numpy()
            where = np.array([(p.location.x, p.location.y, p.location.z) for p in found.points]) + matrices[:, :3, 3]
            chosen = label == classes.index(one)
            own, theirs = np.lexsort(at[chosen].T), np.lexsort(where.T)
            coordinates.append((at[chosen][own], where[theirs]))
            turns.append((turned[chosen][own], matrices[theirs, :3, :3]))
            place = np.rint(pixels[chosen][own]).astype(int)
            z, y, x = np.rint(where[theirs] / size).astype(int).T[::-1]
            values.append((row["image"][place[:, 2], place[:, 1], place[:, 0]], voxels[z, y, x]))
            known.append((len(own), len(points)))
    case = f"{sum(count for count, _ in known)} picks of {len(classes)} objects, by name{said}"
    located = "point.location + transformation[:3, 3]"
    yield _row("coordinates, Å, (x, y, z)", case, *map(np.concatenate, zip(*coordinates, strict=True)), located, 1e-3)
    yield _row(
        "object -> tomogram", case, *map(np.concatenate, zip(*turns, strict=True)), "transformation[:3, :3]", 1e-6
    )
    at_picks = map(np.concatenate, zip(*values, strict=True))
    yield _row("voxels at picks", case, *at_picks, "voxels[rint((z, y, x) / voxel_size)]", 0)


def _group(run: Any, size: float) -> Any:
    (tomogram,) = run.get_voxel_spacing(size).get_tomograms("wbp")
    return zarr.open(tomogram.zarr(), "r")


def _mask(run: Any) -> Any:
    (mask,) = run.get_segmentations(name=MASKED, user_id="user", session_id="1")
    return mask.numpy()


def _row(convention: str, case: str, ours: Any, theirs: Any, call: str, tolerance: float) -> Row:
    return Row(convention, case, ours, theirs, "copick", call, tolerance=max(tolerance, 1e-12))
