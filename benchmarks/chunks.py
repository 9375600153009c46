"""Tiles of OME-Zarr: a stream beside zarr, which reads them one by one; from a server beside the chunks they cross."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks import link
from benchmarks.row import Row, per_second
from benchmarks.timing import medians
from builders import load_dataset

SHAPE, CHUNK, TILE, OVERLAP = (256, 512, 512), 64, 64, 16
"""Float32, some 0.3 of its size when it is packed."""
_PLACE = Path("ExperimentRuns", "run", "VoxelSpacing10.000", "wbp.zarr")


def chunk_rows(folder: Path, cache: Path, rounds: int) -> Iterator[Row]:
    """Tiles a second of a disk, warm; bytes and requests of a server."""
    write_project(folder)
    yield from _local(folder, cache, rounds)
    yield from _remote(folder, cache)


def write_project(folder: Path) -> None:
    """Write a tomogram of chunks, where a copick project has it."""
    import zarr

    rng = np.random.default_rng(0)
    pixels = (rng.standard_normal(SHAPE, np.float32) * 20).round() / 20
    axes = [{"name": name, "type": "space", "unit": "angstrom"} for name in "zyx"]
    steps = [{"type": "scale", "scale": [10.0, 10.0, 10.0]}]
    image = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": steps}]}
    ome = {"ome": {"version": "0.5", "multiscales": [image]}}
    group = zarr.create_group(folder / _PLACE, attributes=ome)
    group.create_array("0", data=pixels, chunks=(CHUNK,) * 3)
    config = {"config_type": "filesystem", "name": "made", "version": "1", "pickable_objects": []}
    (folder / "local.json").write_text(json.dumps(config | {"overlay_root": str(folder)}))


def _options(cache: Path) -> dict[str, object]:
    unit = {"unit": "tile", "tile": (TILE,) * 3, "overlap": OVERLAP, "tomogram": "wbp"}
    return unit | {"split": "train", "streaming": True, "cache_dir": str(cache)}


def _local(folder: Path, cache: Path, rounds: int) -> Iterator[Row]:
    import zarr

    stream = load_dataset("tomograms", copick=str(folder / "local.json"), **_options(cache)).with_format("numpy")
    array = zarr.open_array(folder / _PLACE / "0", mode="r", zarr_format=3)
    corners = [tuple(row["origin"]) for row in stream.select_columns(["origin"])]
    first = next(iter(stream))["image"]
    z, y, x = corners[0]
    assert np.array_equal(first, array[z : z + TILE, y : y + TILE, x : x + TILE])

    def ours() -> None:
        assert sum(row["image"].shape == (TILE,) * 3 for row in stream) == len(corners)

    def theirs() -> None:
        for z, y, x in corners:
            assert array[z : z + TILE, y : y + TILE, x : x + TILE].shape == (TILE,) * 3

    times = medians({"ours": ours, "theirs": theirs}, rounds)
    columns = (per_second(times[name], len(corners)) for name in ("ours", "theirs"))
    what = f"OME-Zarr, tiles of {TILE}^3 as a stream, rate / zarr one by one"
    yield Row(what, *columns, times["theirs"] / times["ours"], 3)


def _remote(folder: Path, cache: Path) -> Iterator[Row]:
    chunks = [path for path in (folder / _PLACE / "0" / "c").rglob("*") if path.is_file()]
    needed = sum(path.stat().st_size for path in chunks)
    with link.serve(folder, limited=False) as server:
        config = json.loads((folder / "local.json").read_text()) | {"overlay_root": server.base}
        (folder / "remote.json").write_text(json.dumps(config))
        stream = load_dataset("tomograms", copick=f"{server.base}/remote.json", **_options(cache))
        before, asked = server.bytes_sent(), server.requests()
        assert sum(1 for _ in stream)
        moved, requests = server.bytes_sent() - before, server.requests() - asked
    megabytes = f"{moved / 1e6:.0f} MB", f"{needed / 1e6:.0f} MB"
    yield Row("OME-Zarr of a server, bytes / chunks that tiles cross", *megabytes, moved / needed, 1.1, False)
    counts = str(requests), str(len(chunks))
    yield Row("OME-Zarr of a server, requests / chunks", *counts, requests / len(chunks), 1.1, False)
