"""A stream of tiles of an OME-Zarr tomogram reads each chunk once, across its shards, here and on a server."""

import json
import math

import numpy as np
import pytest

from builders import load_dataset
from builders.io.net import remote
from builders.io.scattered import fetching
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
