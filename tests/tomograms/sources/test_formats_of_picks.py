"""Each format of picks, beside a tomogram that has a bright voxel at every pick."""

import numpy as np
import pytest

from builders.io import mrc
from builders.tomograms.picking import placed
from builders.tomograms.sources import Asked, find
from builders.tomograms.subtomograms import voxels_of
from tests.io.tables.picks import test_copick, test_dynamo, test_imod, test_portal
from tests.io.tables.stars import loop, simple
from tests.tomograms import projects

SERIES = 2.5
"""Å of a pixel of the tilt series: a quarter of a voxel's side."""


def csv(points, names):
    return "\n".join([",".join(names), *(",".join(map(str, point)) for point in points.tolist())]).encode()


def star(labels, points, optics=""):
    return (optics + loop("particles", ["rlnTomoName", *labels], [("TS_1", *p) for p in points.tolist()])).encode()


def centred(points):
    nz, ny, nx = projects.SHAPE
    labels = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]
    return star(labels, points * projects.PIXEL_SIZE - np.array([nx, ny, nz]) * projects.PIXEL_SIZE / 2)


def voxels(points):
    optics = simple("optics", {"rlnOpticsGroup": 1, "rlnTomoTiltSeriesPixelSize": SERIES})
    return star([f"rlnCoordinate{axis}" for axis in "XYZ"], points * projects.PIXEL_SIZE / SERIES, optics)


FORMATS = {
    "TS_1.csv": lambda points: csv(points, "xyz"),
    "TS_1_angstrom.csv": lambda points: csv(points * projects.PIXEL_SIZE, ["x_angstrom", "y_angstrom", "z_angstrom"]),
    "TS_1_napari.csv": lambda points: csv(points[:, ::-1], ["axis-0", "axis-1", "axis-2"]),
    "TS_1.txt": lambda points: csv(points, "xyz").replace(b",", b"  "),
    "TS_1.json": lambda points: test_copick.document(
        *(test_copick.point(*point) for point in (points * projects.PIXEL_SIZE).tolist())
    ),
    "TS_1.ndjson": lambda points: test_portal.lines(*(test_portal.point(*point) for point in points.tolist())),
    "TS_1.mod": lambda points: test_imod.model(
        test_imod.an_object("ribosome", test_imod.contour(points + np.array([0.5, 0.5, 0])))
    ),
    "centred.star": centred,
    "voxels.star": voxels,
}


@pytest.mark.parametrize("name", FORMATS)
def test_picks_lie_at_bright_voxels(tmp_path, name):
    (run,) = projects.make(names=("TS_1",)).runs
    mrc.write(tmp_path / "TS_1.mrc", run.voxels, projects.PIXEL_SIZE)
    points = np.concatenate(list(run.picks.values()))
    (tmp_path / name).write_bytes(FORMATS[name](points))
    require_bright(tmp_path, name, run, points)


def test_picks_of_dynamo_lie_at_bright_voxels(tmp_path):
    (run,) = projects.make(names=("1",)).runs  # its tomograms are numbers
    mrc.write(tmp_path / "1.mrc", run.voxels, projects.PIXEL_SIZE)
    points = np.concatenate(list(run.picks.values()))
    rows = [test_dynamo.row(position=point, shift=(1, -2, 3)) for point in points + 0.5 - np.array([1, -2, 3])]
    (tmp_path / "all.tbl").write_bytes(test_dynamo.table(*rows))
    require_bright(tmp_path, "all.tbl", run, points)


def require_bright(folder, name, run, points):
    (tomogram,) = find(Asked(data_dir=str(folder), picks=(name,))).tomograms
    found = voxels_of(placed(tomogram, ()).pixels)
    assert found.tolist() == points[:, ::-1].tolist()
    assert (run.voxels[tuple(found.T)] >= 100).all()
