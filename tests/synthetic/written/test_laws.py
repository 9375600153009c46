"""Images of other simulators: what rows say of molecules is what their images show."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from builders import load_dataset
from perc_transforms.functional.spatial.euler import matrices_of
from tests.synthetic.written.simulators import (
    ATOMS,
    CENTRE,
    PIXEL,
    WEIGHTS,
    config,
    drawn,
    headers,
    molecules,
    parakeet,
    roodmus,
    write_config,
    write_h5,
    write_mrc,
)

TILTS = (0.0, -20.0, 20.0, -40.0, 40.0)


def load(**options):
    return load_dataset("synthetic", split="train", **options)


def told_by(row):
    """An image as a row's picks, poses and pixel size have it."""
    image = np.zeros(row["image"].shape, np.float32)
    pose = [[one[name] for name in ("rot", "tilt", "psi")] for one in row["pose"]]
    for pick, turn in zip(row["picks"], matrices_of(np.array(pose, float).reshape(-1, 3)), strict=True):
        pixels = np.rint(np.array(pick) + (ATOMS @ turn.T)[:, :2] / row["pixel_size"]).astype(int)
        inside = ((pixels >= 0) & (pixels < image.shape[::-1])).all(1)
        np.add.at(image, (pixels[inside, 1], pixels[inside, 0]), WEIGHTS[inside])
    return image


def same(seen, told):
    """Whether two images show the same atoms, but for those that rounding moves by a pixel, and molecules outside."""
    right = sum(min(seen[y, x], told[y, x]) for y, x in zip(*np.nonzero(told), strict=True))
    return right > 0.9 * told.sum()


@pytest.mark.parametrize("suffix", ["h5", "mrc"])
@pytest.mark.parametrize("tilts", [(0.0,), TILTS])
def test_each_atom_is_seen_where_its_pick_and_its_pose_put_it(tmp_path, suffix, tilts):
    axis = (0.5, 1, 0) if len(tilts) > 1 else (0, 1, 0)
    told = headers(tilts, axis=axis, shift_x=8.0, shift_offset_y=-14.0, stage_z=5.0)
    images = parakeet(tmp_path / "run", told=told, suffixes=(suffix,), scan={"axis": list(axis), "mode": "manual"})
    rows = load(parakeet=str(tmp_path / "run"))
    assert len(rows) == len(tilts)
    for row, image in zip(rows, images, strict=True):
        assert (row["image"] == image).all()
        assert len(row["picks"]) > 3
        assert same(image, told_by(row))


def test_a_projection_that_has_no_symmetry_tells_each_turn_of_a_pose(tmp_path):
    kinds = {"a.pdb": (CENTRE[None] + [[6, 4, 0]], np.array([[0.4, -0.9, 1.3]]))}
    parakeet(tmp_path, kinds)
    row = load(parakeet=str(tmp_path))[0]
    assert same(row["image"], told_by(row))
    for other in ({"rot": 180}, {"tilt": 90}, {"psi": 180}):
        pose = {name: row["pose"][0][name] + other.get(name, 0) for name in row["pose"][0]}
        assert not same(row["image"], told_by(row | {"pose": [pose]}))


def test_poses_and_places_are_those_of_the_formulas(tmp_path):
    kinds = molecules(["a.pdb"], each=5)
    parakeet(tmp_path, kinds)
    row = load(parakeet=str(tmp_path))[0]
    positions, turns = (np.float32(values) for values in kinds["a.pdb"])
    np.testing.assert_allclose(row["picks"], (positions[:, :2] - [6, -4]) / PIXEL, atol=1e-4)
    theirs = Rotation.from_rotvec(turns).inv().as_euler("ZYZ", degrees=True)
    ours = np.array([[one[name] for name in ("rot", "tilt", "psi")] for one in row["pose"]], float)
    np.testing.assert_allclose(matrices_of(ours), matrices_of(theirs), atol=1e-5)
    np.testing.assert_allclose(row["pick_defocus"], 12000 + positions[:, 2] - CENTRE[2], atol=1e-2)
    assert row["molecule"] == [0, 1, 2, 3, 4]
    assert {(one["shift_x"], one["shift_y"]) for one in row["pose"]} == {(0.0, 0.0)}


def test_what_is_higher_along_the_beam_has_more_underfocus_at_every_tilt(tmp_path):
    kinds = {"a.pdb": (CENTRE[None] + [[60, 0, 10]], np.zeros((1, 3)))}
    parakeet(tmp_path, kinds, headers((0.0, 30.0), stage_z=3.0))
    rows = load(parakeet=str(tmp_path))
    heights = [10, 10 * np.cos(np.pi / 6) - 60 * np.sin(np.pi / 6)]
    np.testing.assert_allclose([row["pick_defocus"][0] for row in rows], 12000 + np.array(heights) - 3, atol=1e-2)
    assert [row["defocus"] for row in rows] == [12000.0, 12000.0]


def test_the_lens_is_told_as_relion_has_it(tmp_path):
    told = headers(c_12=300.0, phi_12=20.0)
    parakeet(tmp_path / "a", told=told)
    parakeet(tmp_path / "b", told=headers(c_12=-300.0, phi_12=20.0))
    rows = load(parakeet=str(tmp_path))
    ctf = rows[0]["ctf"]
    angles = np.radians(np.arange(0, 180, 5))
    mean, half = (ctf["defocus_u"] + ctf["defocus_v"]) / 2, (ctf["defocus_u"] - ctf["defocus_v"]) / 2
    seen = mean + half * np.cos(2 * (angles - np.radians(ctf["defocus_angle"])))
    np.testing.assert_allclose(seen, 12000 - 300 * np.sin(2 * (angles - np.radians(20))), rtol=1e-5)
    assert ctf["defocus_u"] > ctf["defocus_v"]
    assert rows[1]["ctf"]["defocus_angle"] == 65.0
    assert [ctf[name] for name in ("voltage", "phase_shift")] == [200.0, 0.0]
    assert ctf["spherical_aberration"] == pytest.approx(1.4)


def test_a_phase_plate_counts_where_the_configuration_has_it_in_use(tmp_path):
    images = parakeet(tmp_path / "a")
    write_h5(tmp_path / "a" / "image.h5", images, headers())
    told = config({"pdbs/apo.pdb": ([], [])})
    told["microscope"]["phase_plate"] = {"use": True, "phase_shift": 75}
    write_config(tmp_path / "a" / "config.yaml", told)
    assert load(parakeet=str(tmp_path))[0]["ctf"]["phase_shift"] == 75.0


def test_doses_add_up_in_the_order_of_acquisition_whatever_the_files(tmp_path):
    images = parakeet(tmp_path, told=headers(TILTS, fractions=2, dose=2.0))
    rows = load(parakeet=str(tmp_path))
    assert rows["pre_exposure"][:] == [2.0 * n for n in range(10)]
    assert rows["exposure"][:] == [2.0] * 10
    assert rows["frame"][:] == [0, 1] * 5
    assert rows["acquisition_order"][:] == [n // 2 for n in range(10)]
    order = np.argsort(np.repeat(TILTS, 2), kind="stable")  # as an export that is sorted by angle
    told = {name: values[order] for name, values in headers(TILTS, fractions=2, dose=2.0).items()}
    write_h5(tmp_path / "image.h5", images[order], told)
    assert load(parakeet=str(tmp_path))["pre_exposure"][:] == (2.0 * order).tolist()


def test_a_drift_of_all_molecules_is_followed_fraction_by_fraction(tmp_path):
    kinds = {"a.pdb": (CENTRE[None] + [[0, 0, 0]], np.zeros((1, 3)))}
    motion = {"global_drift": [6.0, -4.0]}
    parakeet(tmp_path, kinds, headers(fractions=3), motion=motion, scan={"num_fractions": 3})
    rows = load(parakeet=str(tmp_path))
    first = (CENTRE[:2] - [6, -4]) / PIXEL
    expected = first + np.outer([1, 2, 3], [3, -2])
    np.testing.assert_allclose([row["picks"][0] for row in rows], expected, atol=1e-4)
    assert all(row["image"].max() == row["image"][tuple(np.rint(row["picks"][0][::-1]).astype(int))] for row in rows)


def test_a_molecule_beyond_the_image_is_no_pick_and_the_others_keep_their_numbers(tmp_path):
    places = CENTRE + np.array([[0, 0, 0], [1000, 0, 0], [20, 0, 0], [0, -900, 0]])
    parakeet(tmp_path, {"a.pdb": (places, np.zeros((4, 3)))})
    row = load(parakeet=str(tmp_path))[0]
    assert row["molecule"] == [0, 2]
    assert len(row["picks"]) == len(row["pose"]) == len(row["label"]) == len(row["pick_defocus"]) == 2


def test_a_binned_export_has_its_picks_between_the_pixels_that_were_summed(tmp_path):
    kinds = {"a.pdb": (CENTRE[None], np.zeros((1, 3)))}
    told = headers()
    images = drawn(kinds, told)[:, :150, :188]
    parakeet(tmp_path, kinds)
    (tmp_path / "image.h5").unlink()
    binned = images.reshape(1, 75, 2, 94, 2).sum((2, 4))
    write_mrc(tmp_path / "image.mrc", np.pad(binned, ((0, 0), (0, 0), (0, 1))), told, pixel=2 * PIXEL)
    row = load(parakeet=str(tmp_path))[0]
    assert row["pixel_size"] == 2 * PIXEL
    full = (CENTRE[:2] - [6, -4]) / PIXEL
    np.testing.assert_allclose(row["picks"][0], (full + 0.5) / 2 - 0.5, atol=1e-4)


def test_stills_are_no_tilt_series_and_turns_about_many_axes_are_none(tmp_path):
    parakeet(tmp_path / "a_still")
    parakeet(tmp_path / "b_tilts", told=headers(TILTS, axis=(-1, 1, 0)))
    told = headers((10.0, 20.0))
    told["tilt_axis_y"][1], told["tilt_axis_x"][1] = 0, 1
    parakeet(tmp_path / "c_single", told=told)
    rows = load(parakeet=str(tmp_path))
    assert rows["tilt_series"][:] == [None, *["b_tilts/image"] * 5, None, None]
    assert rows["tilt_angle"][:] == [0.0, *TILTS, None, None]
    assert rows["axis_angle"][0] is None
    np.testing.assert_allclose(rows["axis_angle"][1:6], 45)
    assert rows["id"][1] == "b_tilts/image-0"


def test_roodmus_micrographs_are_read_as_their_documents_say(tmp_path):
    made = roodmus(tmp_path, fractions=2)
    rows = load(roodmus=str(tmp_path))
    assert rows["path"][:] == ["000000.mrc", "000000.mrc", "000001.mrc", "000001.mrc"]
    assert rows.features["label"].feature.names == ["conf_1", "conf_2", "conf_10"]
    for number, row in enumerate(rows):
        kinds, images = made[number // 2]
        assert same(images[number % 2], told_by(row))
        labels = [rows.features["label"].feature.int2str(label) for label in row["label"]]
        places = {f"conf_{n}": kinds[f"/md/conf_{n}.pdb"][0] for n in (1, 2, 10)}
        for label, pick in zip(labels, row["picks"], strict=True):
            assert np.abs((places[label][:, :2] - [6, -4]) / PIXEL - pick).sum(1).min() < 1e-3


def test_streams_have_the_rows_of_tables_and_go_on_where_they_stopped(tmp_path):
    parakeet(tmp_path / "x_2", told=headers(TILTS))
    parakeet(tmp_path / "x_10", told=headers(TILTS), suffixes=("mrc",), scan={"mode": "manual"})
    table = load(parakeet=str(tmp_path))
    assert table["path"][:] == ["x_2/image.h5"] * 5 + ["x_10/image.mrc"] * 5
    stream = load(parakeet=str(tmp_path), streaming=True)
    assert stream.features == table.features
    rows = list(stream)
    for row, other in zip(rows, table, strict=True):
        assert (row.pop("image") == other.pop("image")).all()
        assert row == other
    begun = iter(stream)
    for _ in range(3):
        next(begun)
    again = load(parakeet=str(tmp_path), streaming=True)
    again.load_state_dict(stream.state_dict())
    assert [row["id"] for row in again] == [row["id"] for row in rows[3:]]
    shuffled = load(parakeet=str(tmp_path), streaming=True).shuffle(seed=1)
    assert sorted(row["id"] for row in shuffled) == sorted(row["id"] for row in rows)
