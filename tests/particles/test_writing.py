"""Particles that are written are those of the dataset: pixels, values, order, whatever happens meanwhile."""

import json
import os
import tempfile
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

import perc_transforms as T
from builders import load_dataset
from builders.errors import AccessError, FormatError, MixedError, NotEmptyError, OptionError
from builders.io.files.held_folder import held
from builders.io.tables import read_particles
from builders.particles import write
from builders.particles.writing import pieces as writing_pieces
from builders.particles.writing.stack_file import StackFile
from builders.particles.writing.star import quoted
from tests.particles.samples import CTF, POSE, dataset, rows

starfile = pytest.importorskip("starfile")

LABELS = {
    **{"defocus_u": "rlnDefocusU", "defocus_v": "rlnDefocusV", "defocus_angle": "rlnDefocusAngle"},
    **{"voltage": "rlnVoltage", "spherical_aberration": "rlnSphericalAberration"},
    **{"amplitude_contrast": "rlnAmplitudeContrast", "phase_shift": "rlnPhaseShift"},
    **{"rot": "rlnAngleRot", "tilt": "rlnAngleTilt", "psi": "rlnAnglePsi"},
    **{"shift_x": "rlnOriginXAngst", "shift_y": "rlnOriginYAngst"},
}


def read_star(folder, name="particles.star"):
    """The particles with their optics group's values, by starfile; and the optics."""
    blocks = starfile.read(Path(folder, name), always_dict=True)
    return blocks["particles"].merge(blocks["optics"], on="rlnOpticsGroup", how="left"), blocks["optics"]


def image_of(folder, name):
    number, _, stack = name.partition("@")
    with mrcfile.open(Path(folder, stack), permissive=False) as file:
        assert file.is_image_stack() or file.data.ndim == 2
        return np.array(file.data).reshape(-1, *file.data.shape[-2:])[int(number) - 1]


def single(values):
    return np.asarray(values, np.float32)


def check_star(folder, expected):
    """Every value of every row, exact in single precision; every pixel."""
    table, _ = read_star(folder)
    assert len(table) == len(expected)
    for place, row in enumerate(expected):
        there = table.iloc[place]
        np.testing.assert_array_equal(image_of(folder, there.rlnImageName), np.asarray(row["image"]))
        for name in CTF:
            assert single(there[LABELS[name]]) == single(row["ctf"][name]), name
        for name in POSE:
            assert single(there[LABELS[name]]) == single(row["pose"][name]), name
        assert there.rlnMicrographName == row["micrograph"]
        assert single(there.rlnCoordinateX) == single(row["coordinate_x"])
        assert single(there.rlnCoordinateY) == single(row["coordinate_y"])
        assert single(there.rlnImagePixelSize) == single(row["pixel_size"])
        assert there.rlnOpticsGroup == row["optics_group"]
        assert (there.rlnRandomSubset, there.rlnClassNumber) == (row["half_set"], row["class_number"])
        assert there.rlnImageSize == len(row["image"])


@pytest.fixture
def made():
    return list(rows())


def test_a_table_of_relion_says_what_the_rows_say(tmp_path, made):
    done = write(dataset(made), tmp_path / "out")
    assert (done.rows, done.stacks, done.table) == (12, 1, str(tmp_path / "out" / "particles.star"))
    assert done.file_bytes == sum(f.stat().st_size for f in (tmp_path / "out").glob("**/*.[ms]*r*"))
    check_star(tmp_path / "out", made)
    table, optics = read_star(tmp_path / "out")
    assert (table.rlnLogLikeliContribution == [row["rlnLogLikeliContribution"] for row in made]).all()
    assert (table.uid == [row["uid"] for row in made]).all()
    assert optics.rlnOpticsGroup.tolist() == [1, 2]
    assert optics.rlnImageDimensionality.tolist() == [2, 2]


def test_a_stack_is_one_of_images_by_the_book(tmp_path, made):
    write(dataset(made), tmp_path)
    stack = tmp_path / "particles" / "00000.mrcs"
    assert mrcfile.validate(stack)
    with mrcfile.open(stack) as file:
        assert (file.header.mode, file.header.ispg, file.header.mz, file.voxel_size.x) == (2, 0, 1, 1.5)
        np.testing.assert_allclose(file.header.rms, np.std([row["image"] for row in made]), rtol=1e-6)


def test_a_stream_and_a_map_write_the_same(tmp_path, made):
    mapped = dataset(made)
    write(mapped, tmp_path / "map")
    write(mapped.to_iterable_dataset(num_shards=3), tmp_path / "stream", max_stack_size=4 * 256)
    check_star(tmp_path / "stream", made)
    assert (tmp_path / "map" / "particles.star").is_file()


def test_stacks_are_bounded_and_rows_stay_in_order(tmp_path, made):
    done = write(dataset(made), tmp_path / "map", max_stack_size=3 * 8 * 8 * 4)
    assert done.stacks >= 4
    check_star(tmp_path / "map", made)
    undivided = dataset(made).to_iterable_dataset(num_shards=1)
    assert write(undivided, tmp_path / "stream", max_stack_size=3 * 8 * 8 * 4).stacks == 4
    check_star(tmp_path / "stream", made)
    assert all(f.stat().st_size <= 1024 + 3 * 256 for f in tmp_path.glob("*/particles/*"))


def test_several_processes_write_what_one_does(tmp_path, made):
    for count in (1, 2):
        write(dataset(made), tmp_path / f"{count}", max_stack_size=2 * 256, num_proc=count)
    one, two = (
        {f.relative_to(tmp_path / n): f.read_bytes() for f in (tmp_path / n).glob("**/*") if f.is_file()} for n in "12"
    )
    assert one == two


def test_rows_are_written_after_transforms(tmp_path, made):
    """Turned, shifted, cropped in Fourier space: what the transformed rows say, tensors or not."""
    transform = T.Compose(
        [T.RandomRotate(max_angle=40, seed=1), T.RandomShift(max_shift=2, seed=2), T.FourierCrop(pixel_size=3.0)]
    )
    mapped = dataset(made).with_transform(transform)
    expected = [mapped[place] for place in range(len(mapped))]
    assert isinstance(expected[0]["image"], torch.Tensor)
    assert expected[0]["pose"]["psi"] != made[0]["pose"]["psi"]
    write(mapped, tmp_path / "map")
    check_star(tmp_path / "map", expected)
    stream = dataset(made).to_iterable_dataset(num_shards=2).map(transform, batched=True, batch_size=4)
    write(stream, tmp_path / "stream")
    check_star(tmp_path / "stream", expected)
    for folder in ("map", "stream"):  # coordinates are in the new pixels, which the table tells
        _, optics = read_star(tmp_path / folder)
        assert optics.rlnMicrographPixelSize.tolist() == [3.0, 3.0]


def test_a_mirrored_particle_has_no_pose(tmp_path, made):
    for row in made[::2]:
        row["pose"] = None
    write(dataset(made), tmp_path)
    table, _ = read_star(tmp_path)
    assert (table.rlnAngleRot[::2] == -999).all()
    assert (table.rlnOriginXAngst[::2] == 0).all()
    assert (table.rlnAngleRot[1::2] != -999).all()


def test_what_no_row_has_is_no_column(tmp_path, made):
    for row in made:
        row |= {"ctf": None, "pose": None, "half_set": None, "micrograph": None, "coordinate_x": None}
    write(dataset(made, class_number=None, uid=None, coordinate_y=None), tmp_path)
    table, _ = read_star(tmp_path)
    assert set(table) == {
        *("rlnImageName", "rlnOpticsGroup", "rlnOpticsGroupName", "rlnImagePixelSize", "rlnImageSize"),
        *("rlnImageDimensionality", "rlnLogLikeliContribution"),
    }


def test_what_some_rows_lack_is_told_in_relions_words(tmp_path, made):
    made[0] |= {"half_set": None, "class_number": None, "coordinate_x": None, "micrograph": None}
    made[1]["ctf"]["phase_shift"] = None
    made[2]["pose"] |= {"rot": None, "shift_x": float("nan")}
    write(dataset(made), tmp_path)
    table, _ = read_star(tmp_path)
    first = table.iloc[0]
    assert (first.rlnRandomSubset, first.rlnClassNumber, first.rlnCoordinateX) == (0, -999, -999)
    assert "None" in (tmp_path / "particles.star").read_text()
    assert table.rlnPhaseShift[1] == 0
    assert (table.rlnAngleRot[2], table.rlnOriginXAngst[2]) == (-999, 0)
    assert single(table.rlnAngleTilt[2]) == single(made[2]["pose"]["tilt"])


def test_numbers_are_written_by_the_fewest_digits_that_read_back_the_same(tmp_path, made):
    numbers = [2.7, 300, 1.2e-7, -0.1, 16777216, 3.4028235e38, 1e-45, 17429.427734375, 0.30000001192092896]
    for row, number in zip(made, numbers, strict=False):
        row["coordinate_x"] = single(number)
    for row in made:
        row["pixel_size"] = 1.1
        row["ctf"] |= {"spherical_aberration": 2.7, "amplitude_contrast": 0.07}
    write(dataset(made), tmp_path)
    lines = (tmp_path / "particles.star").read_text("utf-8").splitlines()
    found = [line.split()[3] for line in lines if "@particles/" in line]
    told = ["2.7", "300", "1.2e-7", "-0.1", "16777216", "3.4028235e+38", "1e-45", "17429.428", "0.3"]
    assert found[: len(numbers)] == told
    assert all(single(text) == single(number) for text, number in zip(found, numbers, strict=False))
    groups = [line for line in lines if line.startswith("opticsGroup")]
    assert groups
    assert all(" 2.7 0.07 1.1 " in group for group in groups)


def test_sizes_get_stacks_and_groups_of_their_own(tmp_path, made):
    large = list(rows(6, size=10, seed=1))
    for row in large:
        row["pixel_size"] = 1.2
    mixed = [row for pair in zip(made[:6], large, strict=True) for row in pair]
    done = write(dataset(mixed), tmp_path)
    assert done.stacks == 2
    table, optics = read_star(tmp_path)
    assert len(optics) == 4
    assert sorted(optics.rlnImageSize) == [8, 8, 10, 10]
    for place, row in enumerate(mixed):
        there = table.iloc[place]
        np.testing.assert_array_equal(image_of(tmp_path, there.rlnImageName), row["image"])
        assert (there.rlnImageSize, single(there.rlnImagePixelSize)) == (len(row["image"]), single(row["pixel_size"]))
        assert single(there.rlnVoltage) == row["ctf"]["voltage"]


def test_numbers_of_groups_stay_where_they_can(tmp_path, made):
    for row in made:
        row["optics_group"] = {1: 7, 2: 3}[row["optics_group"]]
    made[0]["optics_group"] = None
    write(dataset(made), tmp_path)
    table, _ = read_star(tmp_path)
    assert table.rlnOpticsGroup.tolist() == [1, *(row["optics_group"] for row in made[1:])]


NAMES = [
    "my grid.mrc",
    "a'b.mrc",
    'a"b c.mrc',
    "#3.mrc",
    "tag #3.mrc",
    "グリッド é.mrc",
    "_x.mrc",
    "data_x.mrc",
    "",
    "x' y.mrc",
]


def test_any_name_of_a_micrograph_reads_back(tmp_path, made):
    for row, name in zip(made, NAMES * 2, strict=False):
        row["micrograph"] = name
    write(dataset(made), tmp_path)
    lines = (tmp_path / "particles.star").read_text("utf-8").splitlines()
    found = [line for line in lines if "@particles/" in line]
    assert len(found) == len(made)
    for name, line in zip(NAMES * 2, found, strict=False):
        assert f" {quoted(name)} " in line
    import gemmi

    block = gemmi.cif.read_string("\n".join(lines[lines.index("data_particles") :]))[0]
    column = [gemmi.cif.as_string(value) for value in block.find_values("_rlnMicrographName")]
    assert column == [row["micrograph"] for row in made]


ONE_LINE = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(ONE_LINE, min_size=1), min_size=1))
def test_any_text_of_one_line_comes_back_or_is_refused(texts):
    """By the reader of tables; what stands for null in one is none of these."""
    kept = []
    for text in texts:
        try:
            kept.append((text, quoted(text)))
        except FormatError:
            assert '"' in text
            assert "'" in text
    kept = [one for one in kept if one[0].lower() not in ("none", "null", "<na>", "nan", "-999")]
    if not kept:
        return
    lines = "".join(f"{place + 1}@a.mrcs {spelled}\n" for place, (_, spelled) in enumerate(kept))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.star")
        path.write_text(f"data_particles\n\nloop_\n_rlnImageName #1\n_rlnMicrographName #2\n{lines}", "utf-8")
        table = read_particles([("t.star", path)])
    assert table.rows["micrograph"].to_pylist() == [text for text, _ in kept]
    assert table.rows["slice"].to_pylist() == list(range(len(kept)))


@pytest.mark.parametrize("name", ["two\nlines", "line\u2028separator"])
def test_a_name_of_two_lines_is_refused(tmp_path, made, name):
    made[3]["micrograph"] = name
    with pytest.raises(FormatError, match="in one line"):
        write(dataset(made), tmp_path)


def test_a_name_that_star_cannot_hold_is_refused(tmp_path, made):
    made[3]["micrograph"] = "5' 6\" x"
    with pytest.raises(FormatError, match="quotes"):
        write(dataset(made), tmp_path)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"image": np.zeros((8, 10), np.float32)}, FormatError, r"p.mrcs, image 5: an image of shape \(8, 10\)"),
        ({"image": np.zeros((2, 8, 8), np.float32)}, FormatError, "expected \\(n, n\\)"),
        ({"image": None}, FormatError, "p.mrcs, image 5: no image"),
        ({"pixel_size": None}, FormatError, "pixel_size is None"),
        ({"pixel_size": 0.0}, FormatError, "above 0"),
        ({"ctf": None}, MixedError, "p.mrcs, image 5: no defocus_u"),
        ({"optics_group": 1, "coordinate_x": float("inf")}, FormatError, "coordinate_x is inf"),
    ],
)
def test_what_no_table_can_say_is_refused(tmp_path, made, changes, error, words):
    made[5] |= changes
    with pytest.raises(error, match=words):
        write(dataset(made), tmp_path)
    assert not (tmp_path / "particles.star").exists()


def test_a_ctf_of_nan_is_none(tmp_path, made):
    made[5]["ctf"]["defocus_u"] = float("nan")
    with pytest.raises(MixedError, match="no defocus_u"):
        write(dataset(made), tmp_path)


def test_options_that_cannot_be_are_refused(tmp_path, made):
    mapped = dataset(made)
    for options, words in (
        ({"format": "csv"}, "format is 'csv'"),
        ({"num_proc": 0}, "num_proc"),
        ({"max_stack_size": "much"}, "max_stack_size"),
        ({"root": tmp_path / "elsewhere"}, "root is"),
        ({"micrograph_shape": (10, 10)}, "format='cs'"),
        ({"format": "cs", "micrograph_shape": 10}, "micrograph_shape is 10"),
    ):
        with pytest.raises(OptionError, match=words):
            write(mapped, tmp_path / "out", **options)
    with pytest.raises(OptionError, match="each split"):
        write({"train": mapped}, tmp_path / "out")
    with pytest.raises(OptionError, match="no rows"):
        write(mapped.select([]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_paths_begin_at_the_root(tmp_path, made):
    write(dataset(made), tmp_path / "Import" / "job 7", root=tmp_path)
    table, _ = read_star(tmp_path / "Import" / "job 7")
    assert table.rlnImageName[0] == "000001@Import/job 7/particles/00000.mrcs"


def test_columns_of_before_the_transforms_are_not_written(tmp_path, made):
    """A shift in pixels and a pose that the rows no longer have would be believed."""
    for row in made:
        row |= {"rlnOriginX": 3.0, "rlnAngleRot": 1.0, "label": "empty", "picks": [1, 2]}
    mapped = dataset(made)
    mapped = mapped.remove_columns("pose")
    write(mapped, tmp_path)
    table, _ = read_star(tmp_path)
    assert not {"rlnOriginX", "rlnAngleRot", "picks"} & set(table)
    assert (table.label == "empty").all()


class Broken(Exception):
    pass


def break_after(monkeypatch, images):
    """Have the writing of images end after so many."""
    left = [images]
    add = StackFile.add

    def adding(self, image):
        if not left[0]:
            raise Broken
        left[0] -= 1
        add(self, image)

    monkeypatch.setattr(StackFile, "add", adding)
    return left


@pytest.mark.parametrize("is_stream", [False, True])
def test_an_interrupted_run_goes_on(tmp_path, made, monkeypatch, is_stream):
    mapped = dataset(made)
    source = mapped.to_iterable_dataset(num_shards=1) if is_stream else mapped
    with monkeypatch.context() as patch:
        break_after(patch, 7)
        with pytest.raises(Broken):
            write(source, tmp_path / "out", max_stack_size=3 * 256)
    files = [f for f in (tmp_path / "out").glob("**/*") if f.is_file()]
    assert len([f for f in files if f.suffix == ".mrcs"]) == 2
    assert not [f for f in files if f.suffix in (".tmp", ".star")]
    with monkeypatch.context() as patch:
        left = break_after(patch, 100)
        write(source, tmp_path / "out", max_stack_size=3 * 256)
        assert 100 - left[0] == 6
    check_star(tmp_path / "out", made)
    write(source, tmp_path / "whole", max_stack_size=3 * 256)
    for name in [f.relative_to(tmp_path / "whole") for f in (tmp_path / "whole").glob("**/*") if f.is_file()]:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_finished_run_is_not_redone(tmp_path, made):
    first = write(dataset(made), tmp_path)
    times = {f: f.stat().st_mtime_ns for f in tmp_path.glob("**/*") if f.is_file()}
    assert write(dataset(made), tmp_path) == first
    assert {f: f.stat().st_mtime_ns for f in tmp_path.glob("**/*") if f.is_file()} == times


def test_a_damaged_or_missing_stack_is_made_again(tmp_path, made):
    write(dataset(made), tmp_path, max_stack_size=3 * 256)
    stacks = sorted((tmp_path / "particles").iterdir())
    with stacks[0].open("r+b") as file:
        file.seek(1100)
        file.write(b"damage")
    stacks[1].unlink()
    kept = stacks[2].stat().st_mtime_ns
    write(dataset(made), tmp_path, max_stack_size=3 * 256)
    check_star(tmp_path, made)
    assert stacks[2].stat().st_mtime_ns == kept


def test_nothing_of_others_is_touched(tmp_path, made):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(NotEmptyError, match=r"other files \(notes.txt\)"):
        write(dataset(made), tmp_path)
    write(dataset(made), tmp_path, overwrite=True)
    check_star(tmp_path, made)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_other_particles_are_replaced_only_when_that_is_asked_for(tmp_path, made):
    write(dataset(made), tmp_path, max_stack_size=3 * 256)
    other = list(rows(3, seed=5))
    with pytest.raises(NotEmptyError, match="other particles"):
        write(dataset(other), tmp_path)
    check_star(tmp_path, made)
    write(dataset(other), tmp_path, overwrite=True)
    check_star(tmp_path, other)
    assert len(list((tmp_path / "particles").iterdir())) == 1


def test_two_do_not_write_at_once(tmp_path, made):
    folder = tmp_path / "out"
    with held(folder, ".writing.lock", "writing", "x", lambda: None):
        with pytest.raises(AccessError, match="another process is writing there"):
            write(dataset(made), folder)


def test_memory_does_not_grow_with_the_rows(tmp_path, made, monkeypatch):
    """Rows that are kept as objects are packed; none of a stack's images is kept."""
    monkeypatch.setattr(writing_pieces, "_ROWS", 5)
    write(dataset(made), tmp_path)
    check_star(tmp_path, made)


def test_nothing_in_the_folder_leads_out_of_it(tmp_path, made):
    """Whoever gives the folder to somebody else has all that its marker speaks of in it."""
    write(dataset(made), tmp_path)
    marker = json.loads((tmp_path / "particles.json").read_text())
    assert list(marker["tables"]) == ["particles.star"]
    assert str(tmp_path) not in (tmp_path / "particles.json").read_text()


def test_a_marker_cannot_have_other_files_removed(tmp_path, made):
    """A stranger's folder, written over: what its notes call stacks is removed in the folder of stacks only."""
    folder, victim = tmp_path / "out", tmp_path / "victim.mrcs"
    victim.write_bytes(b"x")
    write(dataset(made), folder)
    note = next((folder / ".perc").iterdir())
    piece = writing_pieces.Piece.load(note)
    stack = writing_pieces.WrittenStack("../../victim.mrcs", 1, "")
    writing_pieces.Piece(piece.rows, (stack,), piece.recipe, True).save(note)
    write(dataset(list(rows(3, seed=5))), folder, overwrite=True)
    assert victim.exists()


def read_cs(folder):
    return np.load(Path(folder, "particles.cs"), allow_pickle=False)


def test_a_table_of_cryosparc_says_what_the_rows_say(tmp_path, made):
    write(dataset(made), tmp_path, "cs", micrograph_shape=(4000, 5000))
    table = read_cs(tmp_path)
    assert (table["uid"].view(np.int64) == [row["uid"] for row in made]).all()
    for place, row in enumerate(made):
        there = table[place]
        name = f"{there['blob/idx'] + 1}@{there['blob/path'].decode()}"
        np.testing.assert_array_equal(image_of(tmp_path, name), row["image"])
        assert there["blob/shape"].tolist() == [8, 8]
        assert there["blob/psize_A"] == there["alignments3D/psize_A"] == single(1.5)
        ctf, pose = row["ctf"], row["pose"]
        for field, value in (("accel_kv", ctf["voltage"]), ("cs_mm", 2.7), ("df1_A", ctf["defocus_u"])):
            assert there[f"ctf/{field}"] == single(value)
        np.testing.assert_allclose(np.degrees(there["ctf/df_angle_rad"]), ctf["defocus_angle"], rtol=1e-6)
        np.testing.assert_allclose(np.degrees(there["ctf/phase_shift_rad"]), ctf["phase_shift"], rtol=1e-6)
        angles = [pose[name] for name in ("rot", "tilt", "psi")]
        expected = Rotation.from_euler("ZYZ", angles, degrees=True)
        turn = Rotation.from_rotvec(there["alignments3D/pose"]) * expected.inv()
        assert turn.magnitude() < 1e-6
        shift = there["alignments3D/shift"] * there["alignments3D/psize_A"]
        np.testing.assert_allclose(shift, [pose["shift_x"], pose["shift_y"]], rtol=1e-6)
        assert there["alignments3D/split"] == row["half_set"] - 1
        assert there["alignments3D/class"] == row["class_number"] - 1
        assert there["ctf/exp_group_id"] == row["optics_group"] - 1
        assert there["location/micrograph_path"].decode() == row["micrograph"]
        np.testing.assert_allclose(there["location/center_x_frac"] * 5000, row["coordinate_x"], rtol=1e-6)
        np.testing.assert_allclose(there["location/center_y_frac"] * 4000, row["coordinate_y"], rtol=1e-6)


def test_uids_are_made_where_there_are_none(tmp_path, made):
    mapped = dataset(made, uid=None)
    for folder in ("a", "b"):
        write(mapped, tmp_path / folder, "cs")
    table = read_cs(tmp_path / "a")
    assert len(set(table["uid"].tolist())) == len(made)
    assert (table["uid"] == read_cs(tmp_path / "b")["uid"]).all()
    assert "location/center_x_frac" not in table.dtype.names


def test_columns_of_cryosparcs_names_are_kept(tmp_path, made):
    for row in made:
        row |= {"ctf/bfactor": 30.0, "ctf/tilt_A": [0.5, 1.0], "location/micrograph_shape": [4000, 5000]}
        row |= {"blob/sign": -1.0, "blob/path": "stale.mrcs", "location/micrograph_uid": -5}
    write(dataset(made), tmp_path, "cs")
    table = read_cs(tmp_path)
    assert (table["ctf/bfactor"] == 30).all()
    assert (table["ctf/tilt_A"] == [0.5, 1]).all()
    assert (table["blob/sign"] == -1).all()
    assert (table["blob/path"] == b"particles/00000.mrcs").all()
    assert single(table["location/center_x_frac"][0] * 5000) == pytest.approx(made[0]["coordinate_x"], rel=1e-6)


def test_psi_alone_is_an_alignment_in_the_plane(tmp_path, made):
    for row in made:
        row["pose"] |= {"rot": None, "tilt": None}
    write(dataset(made), tmp_path, "cs")
    table = read_cs(tmp_path)
    np.testing.assert_allclose(np.degrees(table["alignments2D/pose"]), [r["pose"]["psi"] for r in made], rtol=1e-5)
    assert "alignments3D/pose" not in table.dtype.names


def test_what_cryosparc_cannot_say_is_refused_and_relion_can(tmp_path, made):
    made[2]["pose"] = None
    with pytest.raises(MixedError, match="'rot' is null in some rows"):
        write(dataset(made), tmp_path, "cs")
    stacks = [f.stat().st_mtime_ns for f in (tmp_path / "particles").iterdir()]
    write(dataset(made), tmp_path, "star")
    assert [f.stat().st_mtime_ns for f in (tmp_path / "particles").iterdir()] == stacks


def test_both_tables_are_of_the_same_stacks(tmp_path, made):
    write(dataset(made), tmp_path, "star")
    stack = next((tmp_path / "particles").iterdir())
    before = stack.stat().st_mtime_ns
    write(dataset(made), tmp_path, "cs")
    assert stack.stat().st_mtime_ns == before
    assert sorted(f.name for f in tmp_path.iterdir() if f.name[0] != ".") == [
        *("particles", "particles.cs", "particles.json", "particles.star"),
    ]


def test_images_of_standard_features_are_written_too(tmp_path, made):
    """Such as a published dataset has, which plain `datasets` loads."""
    from datasets import Array2D, Dataset, Features, Value

    images = [row["image"] for row in made]
    features = Features({"image": Array2D((8, 8), "float32"), "pixel_size": Value("float32")})
    mapped = Dataset.from_dict({"image": images, "pixel_size": [1.5] * 12}, features=features)
    for source, folder in ((mapped, "map"), (mapped.to_iterable_dataset(2), "stream")):
        write(source, tmp_path / folder)
        table, _ = read_star(tmp_path / folder)
        for name, image in zip(table.rlnImageName, images, strict=True):
            np.testing.assert_array_equal(image_of(tmp_path / folder, name), image)


def test_a_channel_is_no_volume(tmp_path, made):
    mapped = dataset(made).with_transform(T.ToTensor(channel=True))
    write(mapped, tmp_path)
    check_star(tmp_path, made)


def test_a_full_disk_leaves_nothing_half_written(tmp_path, made):
    from builders.errors import PercError

    folder = tmp_path / "out"
    folder.mkdir()
    folder.chmod(0o500)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("this user writes anywhere")
        with pytest.raises(PercError, match="cannot be written"):
            write(dataset(made), folder)
    finally:
        folder.chmod(0o700)


def read_back(folder, format="star", **options):
    return load_dataset("particles", star=str(Path(folder, f"particles.{format}")), split="train", **options)


def test_what_was_written_reads_back_equal(tmp_path, made):
    """Every column, nulls too, pixels and values exact."""
    made[1]["pose"] = None
    made[2] |= {"half_set": None, "class_number": None, "coordinate_y": None, "micrograph": None}
    for row, name in zip(
        made[3:], ["a b.mrc", "c'd.mrc", 'e"f #.mrc', "#3.mrc", "グ é.mrc", "_x.mrc", "loop_"], strict=False
    ):
        row["micrograph"] = name
    write(dataset(made), tmp_path)
    again = read_back(tmp_path, columns=["uid", "rlnLogLikeliContribution"])
    assert len(again) == len(made)
    for there, row in zip(again, made, strict=True):
        np.testing.assert_array_equal(there.pop("image"), row["image"])
        assert there.pop("path") == "particles/00000.mrcs"
        assert there.pop("index") == row["index"]
        assert there.pop("pixel_size") == row["pixel_size"]
        for name, value in there.items():
            expected = row[name]
            if isinstance(expected, dict):
                value, expected = ([d[n] for n in sorted(d)] for d in (value, expected))
            if isinstance(expected, float | list) and name != "rlnLogLikeliContribution":
                value, expected = single(value), single(expected)
            np.testing.assert_array_equal(value, expected, err_msg=name)


def test_what_was_written_for_cryosparc_reads_back(tmp_path, made):
    """Poses as rotations, since angles of one are not unique; numbers to the rounding of radians and fractions."""
    write(dataset(made), tmp_path, "cs", micrograph_shape=(4000, 5000))
    again = read_back(tmp_path, "cs", columns=["uid"])
    for there, row in zip(again, made, strict=True):
        np.testing.assert_array_equal(there["image"], row["image"])
        exact = ("pixel_size", "micrograph", "optics_group", "half_set", "class_number", "uid")
        assert [there[name] for name in exact] == [row[name] for name in exact]
        for name in ("coordinate_x", "coordinate_y"):
            assert there[name] == pytest.approx(row[name], rel=1e-6)
        for name in CTF:
            assert there["ctf"][name] == pytest.approx(row["ctf"][name], rel=1e-6)
        turns = [[pose[name] for name in ("rot", "tilt", "psi")] for pose in (there["pose"], row["pose"])]
        one, other = (Rotation.from_euler("ZYZ", turn, degrees=True) for turn in turns)
        assert (one * other.inv()).magnitude() < 1e-6
        assert there["pose"]["shift_x"] == pytest.approx(row["pose"]["shift_x"], rel=1e-6)


def test_an_odd_way_through_both_programs(tmp_path, made):
    """RELION's table, read, written for CryoSPARC, read, written for RELION: the same particles."""
    write(dataset(made), tmp_path / "a")
    write(read_back(tmp_path / "a"), tmp_path / "b", "cs", micrograph_shape=(4000, 5000))
    write(read_back(tmp_path / "b", "cs"), tmp_path / "c")
    for there, row in zip(read_back(tmp_path / "c"), made, strict=True):
        np.testing.assert_array_equal(there["image"], row["image"])
        assert there["ctf"]["defocus_u"] == single(row["ctf"]["defocus_u"])
        assert there["pose"]["shift_x"] == pytest.approx(row["pose"]["shift_x"], rel=1e-6)
        assert there["micrograph"] == row["micrograph"]


def test_a_stream_of_a_table_is_written_as_it_comes(tmp_path, made):
    """Of another table's stacks; transformed; filtered; shuffled."""
    write(dataset(made), tmp_path / "a", max_stack_size=5 * 256)
    stream = load_dataset("particles", star=str(tmp_path / "a" / "particles.star"), split="train", streaming=True)
    write(stream, tmp_path / "b")
    check_star(tmp_path / "b", made)
    one = stream.filter(lambda row: row["half_set"] == 1)
    write(one, tmp_path / "c")
    check_star(tmp_path / "c", [row for row in made if row["half_set"] == 1])
    shuffled = stream.shuffle(seed=1, buffer_size=4)
    order = [row["coordinate_x"] for row in shuffled]
    write(shuffled, tmp_path / "d", max_stack_size=3 * 256)
    check_star(tmp_path / "d", sorted(made, key=lambda row: order.index(row["coordinate_x"])))


def test_a_shuffled_dataset_is_written_in_its_order(tmp_path, made):
    shuffled = dataset(made).shuffle(seed=3)
    write(shuffled, tmp_path)
    check_star(tmp_path, [made[place] for place in shuffled["index"]])
