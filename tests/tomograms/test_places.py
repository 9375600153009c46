"""Every layout of projects gives the same rows: a bright voxel at each pick, of each level, with its rotation."""

import numpy as np
import pytest

from builders import load_dataset
from builders.errors import NotFoundError
from tests.server import serve
from tests.tomograms import projects
from tests.tomograms.made import voxel

TILE = 10, 12, 14


@pytest.fixture(scope="module")
def project():
    return projects.make()


def write(kind, root, project):
    """A project as somebody lays it out, and the options that name it."""
    if kind == "mrc":
        projects.write_mrc_folder(root, project)
        return {"data_dir": str(root), "tomogram": "*.mrc", "picks": "*.csv", "segmentation": "masks/*.mrc"}
    if kind.startswith("zarr"):
        projects.write_zarr_folder(root, project, version=kind.removeprefix("zarr "))
        return {"data_dir": str(root), "picks": "*.csv"}
    if kind.startswith("copick"):
        place = projects.write_copick(root, project, version=kind.removeprefix("copick "))
        return {"copick": str(place), "picks": "*:data", "segmentation": "labels"}
    projects.write_portal(root, project)
    return {"portal": str(root), "picks": ["*"], "segmentation": "ribosome"}


KINDS = "mrc", "zarr 0.4", "zarr 0.5", "copick 0.4", "copick 0.5", "portal"


@pytest.fixture
def load(tmp_path):
    def load(**options):
        return load_dataset("tomograms", **{"split": "train", "cache_dir": str(tmp_path / "cache")} | options)

    return load


def value_of(features, label, project, run, place):
    """Of the bright voxel of a pick, by its class and its place, x, y, z in voxels of the finest level."""
    name = features.int2str(int(label))
    assert name in projects.OBJECTS
    number = np.flatnonzero((run.picks[name] == np.rint(place)).all(1))
    assert len(number) == 1
    return name, int(number[0]), 100 * (projects.OBJECTS.index(name) + 1) + int(number[0])


def run_of(project, row):
    return next(run for run in project.runs if run.name == row["tomogram"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_bright_voxel_at_each_pick_of_a_tile(kind, project, tmp_path, load):
    given = write(kind, tmp_path / "data", project)
    ds = load(**given, unit="tile", tile=TILE)
    label = ds.features["picks"]["label"].feature
    seen = 0
    for row in ds:
        run, picks, image = run_of(project, row), row["picks"], np.asarray(row["image"])
        whole = run.voxels[tuple(slice(at, at + side) for at, side in zip(row["origin"], TILE, strict=True))]
        np.testing.assert_array_equal(image[tuple(map(slice, whole.shape))], whole)
        for number, (place, pixels) in enumerate(zip(picks["coordinates"], picks["pixels"], strict=True)):
            name, which, value = value_of(label, picks["label"][number], project, run, np.array(place) / 10)
            assert image[voxel(pixels)] == value
            if picks["rotation"] is not None and picks["rotation"][number] is not None:
                np.testing.assert_allclose(picks["rotation"][number], run.rotations[name][which], atol=1e-5)
            seen += 1
        if "segmentation" in given:
            mask = np.asarray(row["segmentation"])
            assert mask.dtype.kind in "iu"
            wanted = run.labels if kind != "portal" else run.labels == 1
            part = wanted[tuple(slice(at, at + side) for at, side in zip(row["origin"], TILE, strict=True))]
            np.testing.assert_array_equal(mask[tuple(map(slice, part.shape))], part)
            assert np.count_nonzero(mask) == np.count_nonzero(part)
    assert seen == 16


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "mrc"])
def test_a_level_has_its_picks_in_its_own_voxels(kind, project, tmp_path, load):
    given = {**write(kind, tmp_path / "data", project), "segmentation": None}
    for level in ({"level": 1}, {"pixel_size": 20.0}):
        ds = load(**given, **level, unit="subtomogram", box_size=4)
        assert len(ds) == 16
        for row in ds:
            run, image = run_of(project, row), np.asarray(row["image"])
            _, _, value = value_of(ds.features["label"], row["label"], project, run, np.array(row["coordinates"]) / 10)
            assert row["pixel_size"] == 20
            assert voxel(row["pixels"]) == (2, 2, 2)
            assert value / 8 <= image[2, 2, 2] <= value / 8 + 9


@pytest.mark.parametrize("kind", ["copick 0.4", "portal"])
def test_orientations_become_poses(kind, project, tmp_path, load):
    from scipy.spatial.transform import Rotation

    ds = load(**{**write(kind, tmp_path / "data", project), "segmentation": None}, unit="subtomogram", box_size=4)
    turned = 0
    for row in ds:
        run = run_of(project, row)
        name, which, _ = value_of(ds.features["label"], row["label"], project, run, np.array(row["coordinates"]) / 10)
        if row["rotation"] is None:
            assert row["pose"] is None
            continue
        np.testing.assert_allclose(row["rotation"], run.rotations[name][which], atol=1e-5)
        pose = row["pose"]
        angles = [pose["rot"], pose["tilt"], pose["psi"]]
        matrix = Rotation.from_euler("ZYZ", angles, degrees=True).as_matrix().T
        np.testing.assert_allclose(matrix, row["rotation"], atol=1e-5)
        np.testing.assert_allclose([pose[f"shift_{axis}"] for axis in "xyz"], 0, atol=1e-4)
        turned += 1
    assert turned >= 8


def test_a_server_gives_what_the_folder_does(project, tmp_path, load):
    given = {**write("copick 0.5", tmp_path / "data", project), "unit": "tile", "tile": TILE, "overlap": 3}
    wanted = list(load(**given))
    with serve() as server:
        projects.write_copick(tmp_path / "data", project, version="0.5", base=server.base)
        server.publish(tmp_path / "data")
        given["copick"] = f"{server.base}/config.json"
        for options in ({}, {"streaming": True}):
            for row, one in zip(load(**given, **options), wanted, strict=True):
                np.testing.assert_array_equal(row["image"], one["image"])
                np.testing.assert_array_equal(row["segmentation"], one["segmentation"])
                assert row["origin"] == one["origin"]
        there = load(**given, download=True)
    for row, one in zip(there, wanted, strict=True):
        np.testing.assert_array_equal(row["image"], one["image"])
        np.testing.assert_array_equal(row["segmentation"], one["segmentation"])


def test_halves_are_image_and_target(tmp_path, load):
    rng = np.random.default_rng(0)
    halves = {half: rng.normal(size=(12, 14, 16)).astype(np.float32) for half in ("even", "odd")}
    for half, voxels in halves.items():
        (tmp_path / "data").mkdir(exist_ok=True)
        projects.mrc.write(tmp_path / "data" / f"TS_1_{half}.mrc", voxels, 10.0)
    for options in ({}, {"streaming": True}):
        ds = load(data_dir=str(tmp_path / "data"), pairs=True, unit="tile", tile=(6, 7, 8), **options)
        count = 0
        for row in ds:
            part = tuple(slice(at, at + side) for at, side in zip(row["origin"], (6, 7, 8), strict=True))
            np.testing.assert_array_equal(row["image"], halves["even"][part])
            np.testing.assert_array_equal(row["target"], halves["odd"][part])
            count += 1
        assert count == 8


def test_a_chunk_that_is_missing_is_zeros_or_an_error(project, tmp_path, load, caplog):
    given = write("copick 0.4", tmp_path / "data", project) | {"unit": "tile", "tile": TILE, "tomograms": ["TS_1"]}
    chunk = tmp_path / "data/static/ExperimentRuns/TS_1/VoxelSpacing10.000/wbp.zarr/0/2/0/1"
    chunk.unlink()  # (8, 16, 12) voxels from (16, 0, 12)
    whole = project.runs[0].voxels.copy()
    whole[16:24, :16, 12:24] = 0
    for streaming in (False, True):
        for row in load(**given, streaming=streaming):
            part = whole[tuple(slice(at, at + side) for at, side in zip(row["origin"], TILE, strict=True))]
            np.testing.assert_array_equal(np.asarray(row["image"])[tuple(map(slice, part.shape))], part)
        with pytest.raises(NotFoundError, match=r"0/2/0/1: not there"):
            list(load(**given, streaming=streaming, on_missing="raise"))
    assert "missing" in caplog.text
    table = tmp_path / "left_out.tsv"
    kept = load(**given, streaming=True, on_missing="raise", on_error="skip", quarantine=str(table))
    origins = [row["origin"] for row in kept]
    assert len(origins) == 8 - 4
    assert all(z == 0 for z, _, _ in origins)
    assert "0/2/0/1: not there" in table.read_text()
