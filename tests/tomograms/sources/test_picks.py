"""Picks of RELION's projects: with the files beside them, and with those that they name."""

import numpy as np
import pytest

from builders.errors import NotFoundError, UnsafePathError
from builders.io import mrc
from builders.tomograms.sources import Asked, find
from tests.empiar import deposit
from tests.io.tables.stars import loop, simple
from tests.server import serve

CENTRED = ["rlnTomoName", *(f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ")]
PARTICLES = loop("particles", CENTRED, [("TS_1", 0, 0, 0), ("TS_1", 10, -20, 30)])
TOMOGRAMS = loop(
    "global",
    ["rlnTomoName", *(f"rlnTomoSize{axis}" for axis in "XYZ"), "rlnTomoTiltSeriesPixelSize"],
    [("TS_1", 57, 49, 41, 5.0)],  # a binned tomogram has no half voxels: its own size is less
)
SET = simple("", {"rlnTomoParticlesFile": "Extract/particles.star", "rlnTomoTomogramsFile": "Tomograms/tomograms.star"})
TRUE = (np.array([57, 49, 41]) * 5.0 / 2 + [[0, 0, 0], [10, -20, 30]]).tolist()
OWN = (np.array([28, 24, 20]) * 10.0 / 2 + [[0, 0, 0], [10, -20, 30]]).tolist()


@pytest.fixture
def project(tmp_path):
    (tmp_path / "Tomograms").mkdir()
    (tmp_path / "Extract").mkdir()
    mrc.write(tmp_path / "Tomograms" / "TS_1.mrc", np.zeros((20, 24, 28), np.float32), 10.0)
    (tmp_path / "Extract" / "particles.star").write_text(PARTICLES)
    return tmp_path


def coordinates(folder, picks):
    (one,) = find(Asked(data_dir=str(folder), picks=(picks,))).tomograms
    (table,) = one.picks
    return table.coordinates(one.volume.shape, one.volume.pixel_size).tolist()


def test_a_file_of_tomograms_beside_tells_their_sizes(project):
    assert coordinates(project, "Extract/particles.star") == OWN
    (project / "Extract" / "tomograms.star").write_text(TOMOGRAMS)
    assert coordinates(project, "Extract/particles.star") == TRUE


@pytest.mark.parametrize("place", ["set.star", "Extract/set.star", "Extract/job1/set.star"])
def test_an_optimisation_set_names_files_from_a_folder_above_it(project, place):
    (project / "Tomograms" / "tomograms.star").write_text(TOMOGRAMS)
    (project / place).parent.mkdir(exist_ok=True)
    (project / place).write_text(SET)
    assert coordinates(project, place) == TRUE


def test_what_a_set_names_stays_within_the_source(project):
    (project / "Extract" / "set.star").write_text(SET)
    with pytest.raises(
        NotFoundError, match=r"Extract/set.star names 'Tomograms/tomograms.star': there is no such file"
    ):
        coordinates(project, "Extract/set.star")
    inner = project / "Extract" / "inner"
    inner.mkdir()
    mrc.write(inner / "TS_1.mrc", np.zeros((20, 24, 28), np.float32), 10.0)
    (inner / "set.star").write_text(SET)  # the files lie above this source's folder
    with pytest.raises(NotFoundError, match=r"set.star names 'Tomograms/tomograms.star'"):
        coordinates(inner, "set.star")
    (inner / "set.star").write_text(simple("", {"rlnTomoParticlesFile": "../particles.star"}))
    with pytest.raises(UnsafePathError, match=r"rlnTomoParticlesFile is '\.\./particles\.star'"):
        coordinates(inner, "set.star")


def test_on_a_server_too(project):
    root = project / "archive"
    data = root / deposit.ENTRY / "data"
    data.mkdir(parents=True)
    deposit.write_xml(root)
    for name in ("Tomograms", "Extract"):
        (project / name).rename(data / name)
    (data / "Tomograms" / "tomograms.star").write_text(TOMOGRAMS)
    (data / "Extract" / "set.star").write_text(SET)
    asked = {"entry": deposit.ENTRY, "directory": "data", "pattern": "**/*.mrc", "picks": ("Extract/set.star",)}
    with serve() as archive:
        archive.publish(root)
        (one,) = find(Asked(**asked, archive=archive.base)).tomograms
    (table,) = one.picks
    assert table.coordinates(one.volume.shape, one.volume.pixel_size).tolist() == TRUE
