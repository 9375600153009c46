"""A stream of tiles of an OME-Zarr tomogram reads each chunk once, across its shards, here and on a server."""

import json
import math

import numpy as np
import pytest

from builders import load_dataset
from builders.io.net import remote
from builders.io.scattered import fetching
from builders.io.scattered.shelf import Shelf
from builders.stacks.picked import boxes, keeping
from tests.io.scattered.arrays import multiscale, write
from tests.server import serve

SHAPE, CHUNK = (40, 48, 56), (16, 16, 16)
COUNT = math.prod(-(-side // length) for side, length in zip(SHAPE, CHUNK, strict=True))
PIXELS = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)


@pytest.fixture
def project(tmp_path):
    write(tmp_path / "project" / "tomo.zarr" / "0", PIXELS, CHUNK)
    (tmp_path / "project" / "tomo.zarr" / ".zattrs").write_text(json.dumps(multiscale([(10, 10, 10)])))
    return tmp_path / "project"


def tiles(where, tmp_path):
    options = {
        "unit": "tile",
        "tile": (16, 16, 16),
        "overlap": 4,
        "split": "train",
        "cache_dir": str(tmp_path / "cache"),
    }
    stream = load_dataset("tomograms", streaming=True, **where, **options).with_format("numpy")
    for row in stream:
        z, y, x = row["origin"]
        assert np.array_equal(row["image"], PIXELS[z : z + 16, y : y + 16, x : x + 16])


def test_of_a_folder(project, tmp_path, monkeypatch):
    asked, codes = [], fetching.codes
    monkeypatch.setattr(fetching, "codes", lambda request, grid: asked.append(request.where) or codes(request, grid))
    tiles({"data_dir": str(project)}, tmp_path)
    assert len(asked) == len(set(asked)) == COUNT


def test_a_chunk_that_is_missing_is_told_once_and_not_of_every_tile(project, tmp_path, caplog):
    missing = [project / "tomo.zarr" / "0" / "0" / "1" / name for name in "12"]
    for path in missing:
        path.unlink()
    options = {"unit": "tile", "tile": 4, "on_missing": "raise", "on_error": "skip", "split": "train"}
    table = tmp_path / "left_out.tsv"
    where = {"data_dir": str(project), "quarantine": str(table), "cache_dir": str(tmp_path / "cache")}
    rows = list(load_dataset("tomograms", streaming=True, **where, **options))
    left_out = 2 * 4**3
    assert len(rows) == 10 * 12 * 14 - left_out
    told = [message for message in caplog.messages if "leaving out" in message]
    assert len(told) == len(set(told)) == 2
    assert all(message.count("tomo.zarr") == 2 for message in told)  # of the array, and of the chunk
    assert f"{left_out} rows" in caplog.text
    assert [line.split("\t")[0] for line in table.read_text().splitlines()[1:]] == ["tomo.zarr/0/.zarray"] * 2
    assert all(str(path) in table.read_text() for path in missing)


def test_what_a_stream_keeps_goes_with_its_last_box(project, tmp_path, monkeypatch):
    asked, codes = [], fetching.codes
    monkeypatch.setattr(fetching, "codes", lambda request, grid: asked.append(request.where) or codes(request, grid))
    kept = watch(monkeypatch)
    monkeypatch.setattr(boxes, "_TOGETHER_HERE", 4 * 16**3 * 4)  # four tiles
    tiles({"data_dir": str(project)}, tmp_path)
    assert len(asked) == len(set(asked)) == COUNT
    assert max(kept) > 0
    assert kept[-1] == 0


def cubes_of(folder, count=300, side=12):
    """A project of one tomogram of 4 x 8 x 8 chunks, and its picks: a CSV of voxels."""
    sides = np.array([64, 128, 128])
    voxels = np.random.default_rng(1).standard_normal(sides).astype(np.float32)
    write(folder / "tomo.zarr" / "0", voxels, CHUNK)
    (folder / "tomo.zarr" / ".zattrs").write_text(json.dumps(multiscale([(10, 10, 10)])))
    picks = np.random.default_rng(2).integers(side // 2, sides - side // 2, (count, 3))[:, ::-1]
    (folder / "tomo.csv").write_text("x,y,z\n" + "".join(f"{x},{y},{z}\n" for x, y, z in picks.tolist()))
    picked = {"unit": "subtomogram", "picks": "*.csv", "box_size": side, "cache_dir": str(folder / "cache")}
    return voxels, {"data_dir": str(folder), "split": "train", "streaming": True, **picked}


def watch(monkeypatch):
    """Bytes of chunks that are kept, after each use of one."""
    kept, used = [], Shelf.used

    def watched(shelf, key, count):
        used(shelf, key, count)
        kept.append(shelf.size)

    monkeypatch.setattr(Shelf, "used", watched)
    return kept


def read_cubes(stream, voxels, side=12):
    places = set()
    for row in stream.with_format("numpy"):
        z, y, x = row["origin"]
        assert np.array_equal(row["image"], voxels[z : z + side, y : y + side, x : x + side])
        places.add((z, y, x))
    return places


def test_a_stream_of_cubes_reads_each_chunk_once_and_keeps_less_than_a_layer_of_them(tmp_path, monkeypatch):
    voxels, options = cubes_of(tmp_path)
    asked, codes = [], fetching.codes
    monkeypatch.setattr(fetching, "codes", lambda request, grid: asked.append(request.where) or codes(request, grid))
    monkeypatch.setattr(boxes, "_TOGETHER_HERE", 4 * 12**3 * 4)  # four cubes
    kept = watch(monkeypatch)
    read_cubes(load_dataset("tomograms", **options), voxels)
    assert len(asked) == len(set(asked))
    layer = 8 * 8 * math.prod(CHUNK) * 4
    assert 0 < max(kept) < layer  # by sections, it would be two
    assert kept[-1] == 0


def test_a_shuffled_stream_keeps_half_as_many_bytes_of_chunks_as_it_may_hold_of_rows(tmp_path, monkeypatch):
    voxels, options = cubes_of(tmp_path)
    monkeypatch.setattr(keeping, "_LEAST", 0)
    monkeypatch.setattr(boxes, "_TOGETHER_HERE", 4 * 12**3 * 4)
    kept, most, places = watch(monkeypatch), {}, []
    for memory in (1, 512):
        stream = load_dataset("tomograms", shuffle_memory=memory, **options).shuffle(seed=0, buffer_size=64)
        places.append(read_cubes(stream, voxels))
        most[memory] = max(kept)
        kept.clear()
    assert most[1] <= 2**20 // 2 < most[512]
    assert places[0] == places[1]


def test_of_a_copick_project_on_a_server(project, tmp_path):
    config = {"config_type": "filesystem", "name": "p", "version": "1", "pickable_objects": []}
    runs = tmp_path / "served" / "ExperimentRuns" / "r1" / "VoxelSpacing10.000"
    runs.mkdir(parents=True)
    (project / "tomo.zarr").rename(runs / "wbp.zarr")
    with serve() as server:
        remote.permit(server.base)
        (tmp_path / "served" / "config.json").write_text(json.dumps(config | {"overlay_root": server.url("/")}))
        server.publish(tmp_path / "served")
        folder = "/ExperimentRuns/r1/VoxelSpacing10.000/wbp.zarr"
        tiles({"copick": server.url("/config.json"), "tomogram": "wbp"}, tmp_path)
        chunks = [r.path for r in server.requests if r.path.startswith(f"{folder}/0/") and r.path[-1].isdigit()]
    assert len(chunks) == len(set(chunks)) == COUNT
