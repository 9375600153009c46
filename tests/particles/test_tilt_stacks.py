"""RELION 5's particles as stacks of tilts: each slice with the values of its tilt, held against plain geometry."""

import logging

import mrcfile
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import perc_transforms as T
from builders import load_dataset
from builders.errors import FormatError, NotFoundError
from builders.particles import write

SIDE, PIXEL = 16, 2.5
TILTS = (-40.0, -20.0, 0.0, 20.0, 40.0)
DOSES = (12.0, 6.0, 0.0, 3.0, 9.0)
POINT = np.array([9.0, -6.0, 4.0])
"""Of the object, Å, x y z from its origin."""
PARTICLES = {
    "TS_01/1": {"tomogram": "TS_01", "visible": (1, 1, 0, 1, 0), "angles": (30, 50, 70), "turn": (10, 20, 30)},
    "TS_01/2": {"tomogram": "TS_01", "visible": (0, 1, 1, 1, 1), "angles": (-80, 120, 5), "turn": (0, 90, 15)},
    "TS_01/3": {"tomogram": "TS_01", "visible": (0, 0, 0, 1, 0), "angles": (15, 25, 35), "turn": (5, 0, 0)},
    "TS 02/1": {"tomogram": "007", "visible": (1, 0, 0, 0, 1), "angles": (1, 2, 3), "turn": (0, 0, 0)},
}
ORIGIN, CENTRE, HAND = np.array([3.0, -5.0, 2.0]), np.array([120.0, -80.0, 260.0]), -1.0
X_TILT, Z_ROT = 1.5, 85.0


def passive(angles):
    """RELION's matrix of angles."""
    return Rotation.from_euler("ZYZ", angles, degrees=True).as_matrix().T


def project(number):
    return Rotation.from_euler("xyz", [X_TILT, TILTS[number], Z_ROT], degrees=True).as_matrix()


def places(particle):
    """Where the point lies in each visible tilt's image, in Å from its centre, and its depth."""
    turn = passive(particle["turn"])
    at = turn @ passive(particle["angles"]) @ POINT - turn @ ORIGIN
    seen = [project(number) for number in np.flatnonzero(particle["visible"])]
    return [(matrix @ at)[:2] for matrix in seen], [(matrix @ (CENTRE - turn @ ORIGIN))[2] for matrix in seen]


def loop(name, labels, rows):
    return f"data_{name}\n\nloop_\n" + "".join(f"_{label}\n" for label in labels) + "\n".join(rows) + "\n\n"


def vector(values):
    return " ".join(f"{value:.6f}" for value in values)


@pytest.fixture
def project_folder(tmp_path):
    """A RELION 5 project: Extract/job010 with its particles, Tomograms/job004 with its tilt series."""
    job, series = tmp_path / "Extract" / "job010", tmp_path / "Tomograms" / "job004" / "tilt_series"
    series.mkdir(parents=True)
    rows = []
    for name, particle in PARTICLES.items():
        stack = job / "Subtomograms" / f"{name.replace(' ', '_')}_stack2d.mrcs"
        stack.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((sum(particle["visible"]), SIDE, SIDE), np.float32)
        for image, (x, y) in zip(pixels, places(particle)[0], strict=True):
            image[SIDE // 2 + round(y / PIXEL), SIDE // 2 + round(x / PIXEL)] = 1
        with mrcfile.new(stack) as file:
            file.set_data(pixels)
        visible = "[" + ",".join(map(str, particle["visible"])) + "]"
        told = f"{vector(particle['turn'])} {vector(particle['angles'])} {vector(ORIGIN)} {vector(CENTRE)}"
        rows.append(f"{particle['tomogram']} {told} 1 {visible} {stack.relative_to(tmp_path)} 2")
    labels = ["rlnTomoName", *(f"rlnTomoSubtomogram{a}" for a in ("Rot", "Tilt", "Psi"))]
    labels += [*(f"rlnAngle{a}" for a in ("Rot", "Tilt", "Psi")), *(f"rlnOrigin{a}Angst" for a in "XYZ")]
    labels += [*(f"rlnCenteredCoordinate{a}Angst" for a in "XYZ")]
    labels += ["rlnOpticsGroup", "rlnTomoVisibleFrames", "rlnImageName", "rlnRandomSubset"]
    optics = ["rlnOpticsGroup", "rlnCtfDataAreCtfPremultiplied", "rlnImagePixelSize", "rlnImageSize", "rlnVoltage"]
    particles = "data_general\n\n_rlnTomoSubTomosAre2DStacks 1\n\n"
    particles += loop("optics", optics, [f"1 1 {PIXEL} {SIDE} 300"]) + loop("particles", labels, rows)
    (job / "particles.star").write_text(particles)
    names = ["rlnTomoName", "rlnTomoTiltSeriesStarFile", "rlnTomoHand", "rlnTomoTiltSeriesPixelSize"]
    names += ["rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast"]
    listed = [f"{n} Tomograms/job004/tilt_series/{n}.star {HAND} 1.25 300 2.7 0.07" for n in ("TS_01", "007")]
    (tmp_path / "Tomograms" / "job004" / "tomograms.star").write_text(loop("global", names, listed))
    for name in ("TS_01", "007"):
        columns = ["rlnMicrographName", "rlnTomoXTilt", "rlnTomoYTilt", "rlnTomoZRot", "rlnTomoXShiftAngst"]
        columns += ["rlnTomoYShiftAngst", "rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle", "rlnMicrographPreExposure"]
        tilts = [
            f"{n}@{name}.mrc {X_TILT} {tilt} {Z_ROT} 7.5 -4.0 {30000 + n} {29000 + n} 12 {dose}"
            for n, (tilt, dose) in enumerate(zip(TILTS, DOSES, strict=True), 1)
        ]
        (series / f"{name}.star").write_text(loop(name, columns, tilts))
    files = ["_rlnTomoParticlesFile Extract/job010/particles.star"]
    files += ["_rlnTomoTomogramsFile Tomograms/job004/tomograms.star"]
    (job / "optimisation_set.star").write_text("data_\n\n" + "\n".join(files) + "\n")
    return tmp_path


@pytest.fixture(params=["set", "beside", "list"])
def star(request, project_folder):
    job = project_folder / "Extract" / "job010"
    return {
        "set": str(job / "optimisation_set.star"),
        "beside": str(job / "particles.star"),
        "list": [str(job / "particles.star"), str(project_folder / "Tomograms" / "job004" / "tomograms.star")],
    }[request.param]


def holds(row, particle):
    """Whether a row is as geometry has it."""
    seen, (where, depths) = np.flatnonzero(particle["visible"]), places(particle)
    assert row["tomogram"] == particle["tomogram"]
    assert row["image"].shape == (len(seen), SIDE, SIDE)
    assert row["index"] is None
    assert row["tilt"] == seen.tolist()
    np.testing.assert_allclose(row["tilt_angle"], np.array(TILTS)[seen])
    np.testing.assert_allclose(row["pre_exposure"], np.array(DOSES)[seen])
    np.testing.assert_allclose(row["rotation"], passive(particle["turn"]) @ passive(particle["angles"]), atol=1e-6)
    for image, pose, ctf, (x, y), depth, number in zip(
        row["image"], row["pose"], row["ctf"], where, depths, seen, strict=True
    ):
        at = passive([pose["rot"], pose["tilt"], pose["psi"]]) @ POINT - [pose["shift_x"], pose["shift_y"], 0]
        np.testing.assert_allclose(at[:2], (x, y), atol=1e-4)
        bright = np.argwhere(np.asarray(image) == 1)[0][::-1] - SIDE // 2
        assert np.abs(bright * PIXEL - at[:2]).max() <= PIXEL / 2 + 1e-4
        assert ctf["defocus_u"] == pytest.approx(30001 + number + HAND * depth, abs=0.01)
        assert ctf["defocus_v"] == pytest.approx(29001 + number + HAND * depth, abs=0.01)
        assert (ctf["defocus_angle"], ctf["voltage"]) == (12, 300)


def test_each_slice_has_the_values_of_its_tilt(star):
    dataset = load_dataset("particles", star=star, split="train")
    assert len(dataset) == len(PARTICLES)
    for row, particle in zip(dataset, PARTICLES.values(), strict=True):
        holds(row, particle)
        assert row["is_ctf_premultiplied"] is True
        assert (row["pixel_size"], row["half_set"], row["optics_group"]) == (PIXEL, 2, 1)


def test_streams_give_the_same_rows_in_the_files_order(project_folder):
    star = str(project_folder / "Extract" / "job010" / "particles.star")
    found = {
        row["path"].rpartition("/")[2]: row for row in load_dataset("particles", star=star, streaming=True)["train"]
    }
    rows = load_dataset("particles", star=star, streaming=True, split="train", order="table")
    for row, particle in zip(rows, PARTICLES.values(), strict=True):
        holds(row, particle)
    assert len(found) == 3  # two of them are called 1_stack2d.mrcs


def test_tomograms_stay_together_in_splits(project_folder):
    star = str(project_folder / "Extract" / "job010" / "particles.star")
    parts = load_dataset("particles", star=star, validation_fraction=0.4)
    assert {frozenset(part["tomogram"]) for part in parts.values()} == {frozenset({"TS_01"}), frozenset({"007"})}


def test_without_tilt_series_what_the_table_says_is_there(project_folder, caplog):
    job = project_folder / "Extract" / "job010"
    (job / "optimisation_set.star").unlink()
    with caplog.at_level(logging.WARNING):
        row = load_dataset("particles", star=str(job / "particles.star"), split="train")[1]
    assert "tilt series of its tomograms are not known" in caplog.text
    assert [row[name] for name in ("pose", "ctf", "tilt_angle", "pre_exposure")] == [None] * 4
    assert row["tilt"] == [1, 2, 3, 4]
    np.testing.assert_allclose(row["rotation"], passive((0, 90, 15)) @ passive((-80, 120, 5)), atol=1e-6)


def test_matrices_of_relion_4_say_the_same(project_folder):
    for name in ("TS_01", "007"):
        path = project_folder / "Tomograms" / "job004" / "tilt_series" / f"{name}.star"
        labels = ["rlnMicrographName", *(f"rlnTomoProj{axis}" for axis in "XYZW"), "rlnMicrographPreExposure"]
        labels += ["rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle", "rlnTomoNominalStageTiltAngle"]
        rows = []
        for number, dose in enumerate(DOSES):
            matrix = [",".join(f"{value:.9f}" for value in (*row, 55.5)) for row in project(number)]
            told = " ".join(f"[{row}]" for row in (*matrix, "0,0,0,1"))
            defocus = f"{30001 + number} {29001 + number} 12 {TILTS[number]}"
            rows.append(f"{number + 1}@{name}.mrc {told} {dose} {defocus}")
        path.write_text(loop(name, labels, rows))
    star = str(project_folder / "Extract" / "job010" / "optimisation_set.star")
    for row, particle in zip(load_dataset("particles", star=star, split="train"), PARTICLES.values(), strict=True):
        holds(row, particle)


def changed(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (
            "Extract/job010/particles.star",
            "[1,1,0,1,0]",
            "[1,1,0,1]",
            "row 1, counted from 1.*4 tilts of TS_01.*expected 5",
        ),
        ("Extract/job010/particles.star", "[1,1,0,1,0]", "[1,1,0,0,0]", "it has 3 images, the table says.* 2"),
        ("Extract/job010/particles.star", "[1,1,0,1,0]", "1,1,0,1,0", "line .*rlnTomoVisibleFrames is '1,1,0,1,0'"),
        ("Extract/job010/particles.star", "[1,1,0,1,0]", "[0,0,0,0,0]", "has no 1"),
        ("Tomograms/job004/tomograms.star", "\n007", "\n008", "no tilt series '007'"),
        ("Tomograms/job004/tomograms.star", "tilt_series/007", "tilt_series/9", "9.star"),
        ("Tomograms/job004/tilt_series/007.star", " 85.0 ", " none ", "line 14: no rlnTomoZRot"),
    ],
)
def test_what_does_not_fit_is_told(project_folder, file, old, new, said):
    changed(project_folder / file, old, new)
    with pytest.raises((FormatError, NotFoundError), match=said):
        load_dataset("particles", star=str(project_folder / "Extract" / "job010" / "optimisation_set.star"))


def test_poses_of_tilts_follow_transforms(project_folder):
    star = str(project_folder / "Extract" / "job010" / "particles.star")
    dataset = load_dataset("particles", star=star, split="train")
    turn = T.Compose([T.RandomRotate90(), T.RandomCrop(SIDE - 2)], spatial_dims=2)
    for rows in (dataset.with_transform(turn)[:], turn(dataset.with_format("numpy")[:])):
        for image, poses, turned, before in zip(
            rows["image"], rows["pose"], rows["rotation"], dataset["rotation"], strict=True
        ):
            np.testing.assert_array_equal(turned, before)
            for section, pose in zip(np.asarray(image), poses, strict=True):
                at = passive([pose["rot"], pose["tilt"], pose["psi"]]) @ POINT - [pose["shift_x"], pose["shift_y"], 0]
                bright = np.argwhere(section == 1)[0][::-1] - (SIDE - 2) // 2
                assert np.abs(bright * PIXEL - at[:2]).max() <= PIXEL / 2 + 1e-4


@pytest.mark.parametrize("form", ["star", "cs"])
@pytest.mark.parametrize("known", [True, False])
def test_stacks_of_tilts_are_not_written(project_folder, tmp_path, form, known):
    job = project_folder / "Extract" / "job010"
    if not known:
        (job / "optimisation_set.star").unlink()
    dataset = load_dataset("particles", star=str(job / "particles.star"), split="train")
    for rows in (dataset, dataset.select([2]), dataset.with_format("numpy")):
        with pytest.raises(FormatError, match=r"[123]_stack2d.mrcs: (ctf|tilt) is a list of .*of tilts: exp") as told:
            write(rows, tmp_path / "written", format=form)
        assert len(str(told.value)) < 300
