"""Made projects: tomograms that have a bright voxel at every pick, laid out as people and programs lay them out.

Voxel values tell where one is: a pick of object k (from 0) has value `100 * (k + 1) + its number`, all others lie below
10. Sides are unlike, so that no order of axes goes unnoticed.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from builders.io import mrc

SHAPE = (20, 24, 28)
CHUNKS = (8, 16, 12)
PIXEL_SIZE = 10.0
OBJECTS = ("ribosome", "apoferritin")


@dataclass
class Run:
    """A tomogram.

    Attributes:
        name: of the run.
        voxels: (nz, ny, nx), float32.
        picks: of each object: (N, 3) whole numbers, (x, y, z) voxels.
        rotations: of each object: (N, 3, 3), object -> tomogram.
        labels: (nz, ny, nx), int8: the number of the object, from 1, in a cross around each of its picks.
    """

    name: str
    voxels: np.ndarray
    picks: Mapping[str, np.ndarray]
    rotations: Mapping[str, np.ndarray]
    labels: np.ndarray


@dataclass
class Project:
    """Some tomograms, of one pixel size.

    Attributes:
        runs: the tomograms.
        pixel_size: Å.
    """

    runs: tuple[Run, ...]
    pixel_size: float = PIXEL_SIZE
    shape: tuple[int, int, int] = field(default=SHAPE)


def make(names=("TS_1", "TS_2"), picks=4, shape=SHAPE, pixel_size=PIXEL_SIZE, seed=3) -> Project:
    """A project of so many picks an object and tomogram, none of them at the edge."""
    rng = np.random.default_rng(seed)
    return Project(tuple(_run(name, picks, shape, rng) for name in names), pixel_size, shape)


def _run(name, picks, shape, rng) -> Run:
    voxels = rng.uniform(0, 9, shape).astype(np.float32)
    labels = np.zeros(shape, np.int8)
    inside = [side - 2 for side in shape]
    places = rng.choice(int(np.prod(inside)), picks * len(OBJECTS), replace=False)
    z, y, x = (axis + 1 for axis in np.unravel_index(places, inside))
    points = dict(zip(OBJECTS, np.split(np.stack([x, y, z], 1), len(OBJECTS)), strict=True))
    for number, object_points in enumerate(points.values()):
        for place, (x, y, z) in enumerate(object_points):
            labels[z - 1 : z + 2, y, x] = labels[z, y - 1 : y + 2, x] = labels[z, y, x - 1 : x + 2] = number + 1
            voxels[z, y, x] = 100 * (number + 1) + place
    turned = {one: np.stack([_rotation(rng) for _ in object_points]) for one, object_points in points.items()}
    return Run(name, voxels, points, turned, labels)


def _rotation(rng) -> np.ndarray:
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return turn * np.sign(np.linalg.det(turn))


def halved(voxels: np.ndarray) -> np.ndarray:
    """Block means of 2 x 2 x 2 voxels, odd sides padded with zeros, as copick makes its levels."""
    padded = np.pad(voxels, [(0, side % 2) for side in voxels.shape])
    nz, ny, nx = (side // 2 for side in padded.shape)
    return padded.reshape(nz, 2, ny, 2, nx, 2).mean((1, 3, 5)).astype(voxels.dtype)


def write_zarr(folder: Path, levels, pixel_size=PIXEL_SIZE, version="0.4", unit="angstrom", chunks=CHUNKS, axes="zyx"):
    """An OME-Zarr group of some levels, each half as fine as the one before: Zarr 2 packed by zlib, 3 as it is.

    Args:
        folder: the group, `x.zarr`.
        levels: arrays, `(nz, ny, nx)` each.
        pixel_size: Å, of the first one.
        version: `"0.4"` (Zarr 2) or `"0.5"` (Zarr 3).
        unit: of the scales; None: none is told.
        chunks: (z, y, x) voxels.
        axes: names of them.
    """
    told = [{"name": axis, "type": "space"} | ({"unit": unit} if unit else {}) for axis in axes]
    data = [
        {"path": str(n), "coordinateTransformations": [{"type": "scale", "scale": [pixel_size * 2**n] * 3}]}
        for n in range(len(levels))
    ]
    multiscales = [{"axes": told, "datasets": data, "name": "/", "version": version}]
    if version == "0.4":
        _json(folder / ".zgroup", {"zarr_format": 2})
        _json(folder / ".zattrs", {"multiscales": multiscales})
    else:
        attributes = {"ome": {"version": version, "multiscales": multiscales}}
        _json(folder / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": attributes})
    for number, array in enumerate(levels):
        _write_array(folder / str(number), array, chunks, 2 if version == "0.4" else 3)


def _write_array(folder: Path, array, chunks, zarr_format) -> None:
    little = array.astype(array.dtype.newbyteorder("<"))
    if zarr_format == 2:
        known = {"zarr_format": 2, "shape": array.shape, "chunks": chunks, "dtype": little.dtype.str, "order": "C"}
        more = {"compressor": {"id": "zlib", "level": 1}, "fill_value": 0, "filters": None}
        _json(folder / ".zarray", known | more | {"dimension_separator": "/"})
    else:
        grid = {"name": "regular", "configuration": {"chunk_shape": chunks}}
        keys = {"name": "default", "configuration": {"separator": "/"}}
        codecs = [{"name": "bytes", "configuration": {"endian": "little"}}]
        known = {"zarr_format": 3, "node_type": "array", "shape": array.shape, "data_type": array.dtype.name}
        more = {"chunk_grid": grid, "chunk_key_encoding": keys, "codecs": codecs, "fill_value": 0, "attributes": {}}
        _json(folder / "zarr.json", known | more)
    counts = [-(-side // chunk) for side, chunk in zip(array.shape, chunks, strict=True)]
    for place in np.ndindex(*counts):
        whole = np.zeros(chunks, little.dtype)
        part = little[tuple(slice(n * chunk, (n + 1) * chunk) for n, chunk in zip(place, chunks, strict=True))]
        whole[tuple(map(slice, part.shape))] = part
        path = Path(folder, *([] if zarr_format == 2 else ["c"]), *map(str, place))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(zlib.compress(whole.tobytes(), 1) if zarr_format == 2 else whole.tobytes())


def write_mrc_folder(root: Path, project: Project) -> Path:
    """MRC files `TS_1.mrc`, with `TS_1.csv` (x, y, z voxels and a class) and masks `masks/TS_1.mrc`."""
    (root / "masks").mkdir(parents=True)
    for run in project.runs:
        mrc.write(root / f"{run.name}.mrc", run.voxels, project.pixel_size)
        mrc.write(root / "masks" / f"{run.name}.mrc", run.labels, project.pixel_size)
        _write_csv(root / f"{run.name}.csv", run)
    return root


def write_zarr_folder(root: Path, project: Project, version="0.4", levels=2) -> Path:
    """Groups `TS_1.zarr` of some levels, with `TS_1.csv` (x, y, z voxels of the finest level and a class)."""
    for run in project.runs:
        write_zarr(root / f"{run.name}.zarr", _levels(run.voxels, levels), project.pixel_size, version)
        _write_csv(root / f"{run.name}.csv", run)
    return root


def _levels(voxels, count) -> list[np.ndarray]:
    levels = [voxels]
    while len(levels) < count:
        levels.append(halved(levels[-1]))
    return levels


def _write_csv(path: Path, run: Run) -> None:
    rows = [f"{x},{y},{z},{one}" for one, points in run.picks.items() for x, y, z in points]
    path.write_text("\n".join(["x,y,z,class", *rows]) + "\n")


def write_copick(root: Path, project: Project, version="0.4", levels=2, types=("wbp",), static=True, base=None) -> Path:
    """A project of copick 1.31; its config JSON, `config.json`.

    Static: tomograms, and picks of `data` in session 1. Overlay: picks of `user` (the first object's, shifted
    by a voxel along x) and segmentations: one of each object, and `labels`, of all of them.

    Args:
        root: folder of it.
        project: what is written.
        version: of OME-Zarr.
        levels: of each tomogram and mask.
        types: of tomograms; a second one is the negative.
        static: whether there is a static root beside the overlay; else all is in the overlay.
        base: what roots in the config begin with; None: the folder.
    """
    overlay, fixed = root / "overlay", root / ("static" if static else "overlay")
    for run in project.runs:
        place, name = fixed / "ExperimentRuns" / run.name, f"{project.pixel_size:.3f}"
        for sign, one in zip((1, -1, 1, -1), types, strict=False):
            levels_of = _levels(sign * run.voxels, levels)
            write_zarr(place / f"VoxelSpacing{name}" / f"{one}.zarr", levels_of, project.pixel_size, version)
        above = overlay / "ExperimentRuns" / run.name
        for number, (one, points) in enumerate(run.picks.items()):
            picks = points * project.pixel_size
            write_copick_picks(place / "Picks" / f"data_1_{one}.json", run, picks, run.rotations[one])
            mask = (run.labels == number + 1).astype(np.int8)
            mine = above / "Segmentations" / f"{name}_user_1_{one}.zarr"
            write_zarr(mine, [mask[:: 2**n, :: 2**n, :: 2**n] for n in range(levels)], project.pixel_size, version)
        shifted = run.picks[OBJECTS[0]] * project.pixel_size + [project.pixel_size, 0, 0]
        write_copick_picks(above / "Picks" / f"user_2_{OBJECTS[0]}.json", run, shifted, run.rotations[OBJECTS[0]])
        every = [run.labels[:: 2**n, :: 2**n, :: 2**n] for n in range(levels)]
        write_zarr(
            above / "Segmentations" / f"{name}_user_1_labels-multilabel.zarr", every, project.pixel_size, version
        )
    start = f"local://{root}" if base is None else base
    known = [{"name": one, "is_particle": True, "label": n + 1, "radius": 60} for n, one in enumerate(OBJECTS)]
    config = {"config_type": "filesystem", "name": "made", "description": "a made project", "version": "1.31.0"}
    config |= {"pickable_objects": [known[1], known[0]], "overlay_root": f"{start}/overlay"}
    _json(root / "config.json", config | ({"static_root": f"{start}/static"} if static else {}))
    return root / "config.json"


def write_copick_picks(path: Path, run: Run, points, rotations, trusted=True) -> None:
    """A JSON of picks: points, (N, 3) Å, are told as half location, half translation."""
    user, session, one = path.stem.split("_")
    told = []
    for point, turn in zip(points, rotations, strict=True):
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = turn, np.asarray(point) / 2
        location = dict(zip("xyz", map(float, np.asarray(point) / 2), strict=True))
        told.append({"location": location, "transformation_": matrix.tolist(), "instance_id": 0, "score": 1.0})
    known = {"pickable_object_name": one, "user_id": user, "session_id": session, "run_name": run.name}
    _json(path, known | {"voxel_spacing": None, "unit": "angstrom", "points": told, "trust_orientation": trusted})


def write_portal(root: Path, project: Project, version="0.4", levels=2, old=False, dataset="10000") -> Path:
    """The layout of the CryoET Data Portal: tomograms (MRC and Zarr), oriented points, points and masks.

    The first object's picks are oriented points, the second's points; each has a mask. The MRC file's own pixel size
    is wrong, as it may be there.

    Args:
        root: folder of it, which holds datasets.
        project: what is written.
        version: of OME-Zarr.
        levels: of each tomogram.
        old: the layout before reconstructions had numbers.
        dataset: its number.
    """
    for run in project.runs:
        spacing = f"VoxelSpacing{project.pixel_size:.3f}"
        place = root / dataset / run.name / (f"Tomogram{spacing}" if old else f"Reconstructions/{spacing}")
        tomogram = place / ("CanonicalTomogram" if old else "Tomograms/100")
        write_zarr(tomogram / f"{run.name}.zarr", _levels(run.voxels, levels), project.pixel_size, version)
        mrc.write(tomogram / f"{run.name}.mrc", run.voxels, project.pixel_size * 1.7)
        known = {"run_name": run.name, "voxel_spacing": project.pixel_size, "reconstruction_method": "WBP"}
        size = dict(zip("zyx", run.voxels.shape, strict=True))
        more = {"processing": "raw", "omezarr_dir": f"{run.name}.zarr", "mrc_files": [f"{run.name}.mrc"], "size": size}
        _json(tomogram / "tomogram_metadata.json", known | more)
        for number, one in enumerate(run.picks):
            _write_annotation(root, place / "Annotations", run, number, one, project, version, old)
    return root


def _write_annotation(root, folder, run, number, one, project, version, old) -> None:
    where = folder if old else folder / str(100 + number)
    stem = f"author-{one}-1.0" if old else f"{one}-1.0"
    shape = "OrientedPoint" if number == 0 else "Point"
    lines = []
    for point, turn in zip(run.picks[one], run.rotations[one], strict=True):
        line = {"type": shape[0].lower() + shape[1:], "location": dict(zip("xyz", map(float, point), strict=True))}
        lines.append(line | ({"xyz_rotation_matrix": turn.tolist()} if number == 0 else {}))
    points = where / f"{stem}_{shape.lower()}.ndjson"
    points.parent.mkdir(parents=True, exist_ok=True)
    points.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    mask = (run.labels == number + 1).astype(np.int8)
    masks = where / f"{stem}_segmentationmask"
    write_zarr(masks.with_name(f"{masks.name}.zarr"), [mask], project.pixel_size, version)
    mrc.write(masks.with_name(f"{masks.name}.mrc"), mask, project.pixel_size)
    made = [(points, "ndjson", shape), *((f"{masks}.{end}", end, "SegmentationMask") for end in ("zarr", "mrc"))]
    files = [{"format": f, "path": str(Path(p).relative_to(root)), "shape": s} for p, f, s in made]
    known = {"annotation_object": {"id": f"GO:{number}", "name": one}, "files": files, "object_count": len(lines)}
    _json(where / f"{stem}.json", known | {"version": "1.0", "ground_truth_status": True})


def _json(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1))
