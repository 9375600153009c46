import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from builders.errors import FormatError, UnsafePathError
from builders.io.tables import picks
from tests.io.tables.stars import loop, simple

CENTRED = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]
VOXELS = [f"rlnCoordinate{axis}" for axis in "XYZ"]
ORIGIN = [f"rlnOrigin{axis}Angst" for axis in "XYZ"]
ANGLES = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
FRAME = [f"rlnTomoSubtomogram{angle}" for angle in ("Rot", "Tilt", "Psi")]
SIZES = [f"rlnTomoSize{axis}" for axis in "XYZ"]
TOMOGRAMS = loop(
    "global",
    ["rlnTomoName", *SIZES, "rlnTomoTiltSeriesPixelSize"],
    [("007", 400, 300, 101, 1.5), ("7", 40, 30, 11, 2.0)],
)


def particles(labels, *rows, optics=""):
    return optics + loop(
        "particles", ["rlnTomoName", *labels], [("007" if i % 2 else "7", *r) for i, r in enumerate(rows, 1)]
    )


def read(text, **options):
    return picks.read(text.encode(), "p.star", **options)


def refused(text, said, error=FormatError, **options):
    with pytest.raises(error) as caught:
        read(text, **options)
    assert str(caught.value).startswith(f"p.star: {said}"), caught.value


def matrix(angles):
    """RELION's A, of passive elementary matrices."""
    return Rotation.from_euler("ZYZ", angles, degrees=True).as_matrix().T


def optics(**values):
    return simple("optics", {"rlnOpticsGroup": 1, **values})


def test_centred_coordinates_count_from_the_middle_of_the_unbinned_tomogram():
    text = particles(CENTRED, (0, 0, 0), (10, -20, 5))
    found = read(text, label="ribosome")
    assert (found.unit, found.extent, found.labels) == ("centred", None, ("ribosome",) * 2)
    assert found.points.tolist() == [[0, 0, 0], [10, -20, 5]]
    assert found.tomograms == ("007", "7")
    known = read(text, tomograms=TOMOGRAMS.encode())
    assert known.unit == "angstrom"
    assert known.points.tolist() == [[300, 225, 75.75], [10 + 40, -20 + 30, 5 + 11]]


def test_a_particle_lies_at_its_coordinate_minus_its_turned_origin():
    row = (10, -20, 5, 1, 2, 3, 30, 50, 70, -10, 20, 40)
    found = read(particles([*CENTRED, *ORIGIN, *FRAME, *ANGLES], row))
    frame, turn = matrix([30, 50, 70]), matrix([-10, 20, 40])
    assert np.allclose(found.points, np.array([10, -20, 5]) - frame @ [1, 2, 3])
    assert np.allclose(found.rotations, frame @ turn)
    alone = read(particles([*CENTRED, *FRAME], row[:3] + row[6:9]))
    assert np.allclose(alone.rotations, frame)
    assert np.allclose(read(particles([*CENTRED, *ANGLES], row[:3] + row[9:])).rotations, turn)
    assert read(particles(CENTRED, row[:3])).rotations is None


def test_voxels_are_those_of_the_tilt_series():
    group = optics(rlnTomoTiltSeriesPixelSize=1.5, rlnImagePixelSize=6.0)
    found = read(particles([*VOXELS, *ORIGIN, *FRAME], (100, 200, 50, 3, -6, 1.5, 30, 50, 70), optics=group))
    assert (found.unit, found.pixel_size) == ("voxel", 1.5)
    assert np.allclose(found.points, np.array([100, 200, 50]) - matrix([30, 50, 70]) @ [2, -4, 1])
    asked = read(particles([*VOXELS, *ORIGIN], (100, 200, 50, 3, -6, 1.5), optics=group), pixel_size=3.0)
    assert asked.pixel_size == 3
    assert np.allclose(asked.points, [[99, 202, 49.5]])


def test_groups_of_unlike_sizes_are_put_into_angstrom():
    groups = loop("optics", ["rlnOpticsGroup", "rlnTomoTiltSeriesPixelSize"], [(1, 1.5), (2, 3.0)])
    found = read(particles([*VOXELS, "rlnOpticsGroup"], (10, 20, 30, 2), (10, 20, 30, 1), optics=groups))
    assert (found.unit, found.pixel_size) == ("angstrom", None)
    assert found.points.tolist() == [[30, 60, 90], [15, 30, 45]]


def test_voxels_that_have_no_size_are_those_of_the_tomogram():
    found = read(particles(VOXELS, (10, 20, 30)))
    assert (found.unit, found.pixel_size) == ("voxel", None)
    pixels = [f"rlnOrigin{axis}" for axis in "XYZ"]
    assert read(particles([*VOXELS, *pixels], (10, 20, 30, 1, -2, 3))).points.tolist() == [[9, 22, 27]]
    said = "line 12: rlnOriginXAngst is in Å, and the table does not tell the pixel size of rlnCoordinateX"
    refused(particles([*VOXELS, *ORIGIN], (1, 2, 3, 0, 0, 0), (1, 2, 3, 0, 1, 0)), said)


def test_an_optimisation_set_names_its_files():
    files = {"rlnTomoParticlesFile": "Extract/job1/particles.star", "rlnTomoTomogramsFile": "Tomograms/t.star"}
    there = {
        "Extract/job1/particles.star": particles(CENTRED, (0, 0, 0)).encode(),
        "Tomograms/t.star": TOMOGRAMS.encode(),
    }
    found = read(simple("", files), beside=there.__getitem__)
    assert (found.name, found.unit) == ("Extract/job1/particles.star", "angstrom")
    assert found.points.tolist() == [[300, 225, 75.75]]
    refused(simple("", files), "an optimisation set, which names 'Extract/job1/particles.star'")
    for path in ("../p.star", "/p.star", "a/../../p.star", "https://host/p.star", "a\\..\\p.star"):
        said = "rlnTomoParticlesFile is"
        refused(simple("", files | {"rlnTomoParticlesFile": path}), said, UnsafePathError, beside=there.__getitem__)
    two = loop("", list(files), [list(files.values())] * 2)
    refused(two, "2 rows in block '': expected one", beside=there.__getitem__)


def test_a_set_that_names_a_set_goes_no_further():
    files = simple("", {"rlnTomoParticlesFile": "p.star"}).encode()
    with pytest.raises(FormatError, match="an optimisation set, which names"):
        read(files.decode(), beside=lambda _: files)


def test_what_is_wrong_is_told_by_its_line():
    refused(particles(CENTRED, (1, 2, 3), (1, "None", 3)), "line 9: no rlnCenteredCoordinateYAngst: expected a number")
    refused(
        particles(CENTRED, (1, 2, 3), (1, "inf", 3)), "line 9: rlnCenteredCoordinateYAngst is inf: expected a finite"
    )
    refused(particles([*CENTRED, *ANGLES], (1, 2, 3, 0, "nan", 0)), "line 11: no rlnAngleTilt: expected a number")
    refused(particles(CENTRED, (1, 2)), "line 8: 3 values: expected 4", FormatError)
    refused(loop("p", ["rlnTomoName", *CENTRED], [("None", 1, 2, 3)]), "line 8: no rlnTomoName")
    refused(loop("p", CENTRED, [(1, 2, 3)]), "no rlnTomoName and no rlnMicrographName in block 'p'")
    refused(loop("p", ["rlnTomoName", *VOXELS[:2]], [("a", 1, 2)]), "rlnCoordinateX and no rlnCoordinateZ")
    refused(TOMOGRAMS, "a table of tomograms, or of particles in them that have no images yet: expected particles in")
    refused(particles(CENTRED, (1, 2, 3)) * 2, "2 blocks of particles: 'particles' (line 1), 'particles' (line 9)")
    refused("hello", "line 1: 'hello': expected data_")


def test_what_the_file_of_tomograms_does_not_tell_is_told():
    text = particles(CENTRED, (1, 2, 3), (1, 2, 3))
    labels = ["rlnTomoName", *SIZES, "rlnTomoTiltSeriesPixelSize"]

    def tomograms(*rows):
        return loop("global", labels, rows).encode()

    said = "line 9: tomogram '7' is not in the file of tomograms: expected one of '007'"
    refused(text, said, tomograms=tomograms(("007", 1, 2, 3, 1)))
    for rows, told in (
        ([("7", 1, 2, 3, 1)] * 2, "line 10: a second tomogram '7': expected a name of its own for each"),
        ([("7", 1, -2, 3, 1)], "line 9: rlnTomoSizeY is -2.0: expected a number above 0"),
        ([("7", 1, 2, 3, "nan")], "line 9: rlnTomoTiltSeriesPixelSize is null"),
    ):
        with pytest.raises(FormatError) as caught:
            read(text, tomograms=tomograms(*rows))
        assert str(caught.value).startswith(f"tomograms of p.star: {told}"), caught.value
    with pytest.raises(FormatError, match="no block with rlnTomoName"):
        read(text, tomograms=text.encode())


def test_real_files(shared):
    folder = shared / "data" / "star"

    def of(name, **options):
        return picks.read((folder / name).read_bytes(), name, **options)

    third = of("relion_3_star.star")  # with origins in pixels
    assert np.allclose(third.points[0], [5.2, 10.4, 15.2])
    assert third.pixel_size == pytest.approx(1.7005)
    assert third.names() == ("tomo_1.tomostar", "tomo_2.tomostar", "tomo_3.tomostar")
    assert np.allclose(third.rotations[0], matrix([90, 45, 180]))
    fourth = of("relion_4_star.star")
    assert np.allclose(fourth.points[0], [5.2, 10.4, 15.2])
    assert (fourth.unit, fourth.pixel_size, fourth.names()) == ("voxel", 1, ("TS_001", "TS_002", "TS_003"))
    fifth = of("run_it025_data.star")
    assert fifth.unit == "centred"
    expected = matrix([174.931305, 90.261512, -129.54646]) @ matrix([27.128677, 92.568990, 6.654494])
    assert np.allclose(fifth.of("TS_01").rotations[0], expected)
    there = {
        "Picks/job_picks/particles.star": particles(CENTRED, (0, 0, 0)).replace("007", "TS_01").encode(),
        "Tomograms/job_tomo/tomograms.star": (folder / "tomograms.star").read_bytes(),
    }
    named = of("optimisation_set.star", beside=there.__getitem__)
    assert np.allclose(named.points, np.array([84, 136, 44]) * 10.52 / 2)
