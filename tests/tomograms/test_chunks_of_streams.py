"""A stream of tiles of an OME-Zarr tomogram reads each chunk once, across its shards, here and on a server."""

import json
import math

import numpy as np
import pytest

from builders import load_dataset
from builders.io.net import remote
from builders.io.scattered import fetching
from builders.io.scattered.shelf import Shelf
from builders.stacks.picked import boxes
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
    kept, used = [], Shelf.used

    def watched(shelf, key, count):
        used(shelf, key, count)
        kept.append(shelf.size)

    asked, codes = [], fetching.codes
    monkeypatch.setattr(fetching, "codes", lambda request, grid: asked.append(request.where) or codes(request, grid))
    monkeypatch.setattr(Shelf, "used", watched)
    monkeypatch.setattr(boxes, "_TOGETHER_HERE", 4 * 16**3 * 4)  # four tiles
    tiles({"data_dir": str(project)}, tmp_path)
    assert len(asked) == len(set(asked)) == COUNT
    assert max(kept) > 0
    assert kept[-1] == 0


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
