"""`load_dataset("particles")` of a project on this machine: row i carries slice i's pixels, wherever it goes."""

import logging
import os

import datasets
import numpy as np
import pytest
import torch
from datasets import Value, load_from_disk
from torch.utils.data import DataLoader

import perc_transforms as T
from builders import load_dataset
from builders.errors import FormatError, NotFoundError, OptionError, UnsafePathError
from tests.particles.made import PIXEL_SIZE, SIDE, Project, check, pixels_of, star, write_stack


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project").make()


def load(project, tmp_path, **options):
    own = {"star": str(project.table), "split": "train", "cache_dir": str(tmp_path / "cache")}
    return load_dataset("particles", **own | options)


def told(rows):
    """Stack and slice of each row, by its pixels."""
    values = [float(np.asarray(row["image"])[0, 0]) for row in rows]
    return [(int(value // 10_000), int(value % 10_000) // 100) for value in values]


def test_rows_stand_in_the_tables_order_and_carry_their_slices(project, tmp_path):
    ds = load(project, tmp_path)
    assert len(ds) == 12
    for row, (stack, index) in zip(ds, project.facts, strict=True):
        check(row, stack, index)
        assert (row["path"], row["index"]) == (project.stack(stack), index)


def test_columns_are_those_of_the_vocabulary(project, tmp_path):
    ds = load(project, tmp_path, columns=["_rlnHelicalTubeID"])
    names = ["image", "pixel_size", "path", "index", "ctf", "pose", "micrograph", "coordinate_x", "coordinate_y"]
    assert ds.column_names == [*names, "optics_group", "half_set", "class_number", "rlnHelicalTubeID"]
    assert ds.features["ctf"]["defocus_u"] == Value("float32")
    stack, index = project.facts[0]
    row = ds[0]
    assert row["ctf"] == {
        **{"defocus_u": 10_000 + stack, "defocus_v": 9_000 + index, "defocus_angle": 30, "voltage": 300},
        **{"spherical_aberration": np.float32(2.7), "amplitude_contrast": np.float32(0.1), "phase_shift": None},
    }
    assert row["pose"] == {"rot": 10 * index, "tilt": 20, "psi": -5, "shift_x": 1.5, "shift_y": -0.5}
    assert (row["micrograph"], row["optics_group"]) == (f"MotionCorr/job003/mic_{stack}.mrc", 1)
    assert (row["coordinate_x"], row["coordinate_y"]) == (10.5 * stack, 7 * index)
    assert (row["half_set"], row["class_number"]) == (1 + (stack + index) % 2, 1 + index % 2)
    assert row["rlnHelicalTubeID"] == 1 + index // 2


def test_streams_may_keep_the_tables_order(project, tmp_path):
    assert told(load(project, tmp_path, streaming=True, order="table")) == project.facts


@pytest.mark.filterwarnings("ignore:Specifying null_placement:FutureWarning")  # datasets' own call of pyarrow
def test_what_is_done_to_a_dataset_moves_rows_whole(project, tmp_path):
    ds = load(project, tmp_path)

    def holds(rows):
        for row in rows:
            stack = int(row["micrograph"].rpartition("_")[2].removesuffix(".mrc"))
            check(row, stack, row["index"])

    parts = ds.train_test_split(0.25, seed=1)
    ds.save_to_disk(tmp_path / "saved")
    moved = [ds.sort("coordinate_x"), ds.shuffle(seed=2), parts["train"], parts["test"], ds.select([5, 1, 5])]
    moved += [load_from_disk(tmp_path / "saved"), ds.filter(lambda row: row["index"] > 0, load_from_cache_file=False)]
    for rows in moved:
        holds(rows)
    assert len(parts["train"]) == 9


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_of_a_loader_are_rows(project, tmp_path, workers):
    ds = load(project, tmp_path).with_transform(T.Compose([T.ToTensor()]))
    options = {"multiprocessing_context": "fork"} if workers else {}
    batches = list(DataLoader(ds, batch_size=5, num_workers=workers, collate_fn=T.collate, **options))
    images = torch.cat([batch["image"] for batch in batches])
    expected = np.stack([pixels_of(stack, index) for stack, index in project.facts])
    np.testing.assert_array_equal(images.numpy(), expected)
    assert batches[0]["pose"]["tilt"].tolist() == [20] * 5


def test_half_sets_are_chosen(project, tmp_path):
    halves = [told(load(project, tmp_path, half_set=half)) for half in (1, 2)]
    assert halves == [[fact for fact in project.facts if sum(fact) % 2 == half] for half in (0, 1)]


def test_validation_takes_whole_micrographs(project, tmp_path):
    splits = load(project, tmp_path, split=None, validation_fraction=0.3)
    sides = {name: told(rows) for name, rows in splits.items()}
    assert sorted(sides) == ["train", "validation"]
    assert not {stack for stack, _ in sides["train"]} & {stack for stack, _ in sides["validation"]}
    assert sorted([*sides["train"], *sides["validation"]]) == sorted(project.facts)
    streams = load(project, tmp_path, split=None, validation_fraction=0.3, streaming=True)
    assert {name: sorted(told(rows)) for name, rows in streams.items()} == {n: sorted(r) for n, r in sides.items()}
    by_tube = load(project, tmp_path, split=None, validation_fraction=0.3, group_by="rlnHelicalTubeID")
    tubes = [{index // 2 for _, index in told(rows)} for rows in by_tube.values()]
    assert not tubes[0] & tubes[1]
    assert "rlnHelicalTubeID" not in by_tube["train"].column_names
    by_stack = load(project, tmp_path, split=None, validation_fraction=0.3, group_by="path")
    assert not set(by_stack["train"]["path"]) & set(by_stack["validation"]["path"])
    with pytest.raises(OptionError, match="group_by is 'pose': expected a column that tells groups: pixel_size, "):
        load(project, tmp_path, validation_fraction=0.3, group_by="pose")


def test_an_unchanged_table_is_not_read_again_and_a_changed_one_is(project, tmp_path, monkeypatch):
    ds = load(project, tmp_path)
    assert load(project, tmp_path)._fingerprint == ds._fingerprint
    project.rows, project.facts = project.rows[:7], project.facts[:7]
    project.write()
    assert told(load(project, tmp_path)) == project.facts
    write_stack(project.folder / project.stack(0), 5, 5)  # of the same size, at another time
    changed = [(5 if stack == 0 else stack, index) for stack, index in project.facts]
    assert told(load(project, tmp_path)) == changed
    assert told(load(project, tmp_path, download_mode="force_redownload")) == changed


def test_pixel_sizes_are_the_tables_else_the_files_else_the_options(project, tmp_path):
    optics = [{"rlnOpticsGroup": 1, "rlnVoltage": 300.0}]
    write_stack(project.folder / project.stack(1), 1, 3, pixel_size=None)
    project.write(star(project.rows, optics))
    sizes = [row["pixel_size"] for row in load(project, tmp_path, pixel_size=4.5)]
    assert sizes == [4.5 if stack == 1 else PIXEL_SIZE for stack, _ in project.facts]
    assert {row["pixel_size"] for row in load(project, tmp_path)} == {None, PIXEL_SIZE}


@pytest.mark.parametrize("streaming", [False, True])
def test_rows_are_told_by_their_numbers_in_the_file_also_if_some_are_chosen(project, tmp_path, streaming):
    write_stack(project.folder / project.stack(1), 1, 1)
    lacking = [n for n, fact in enumerate(project.facts) if fact == (1, 1)]
    half = project.rows[lacking[0]]["rlnRandomSubset"]
    with pytest.raises(FormatError, match=f": row {lacking[0] + 1} of {project.table}, counted from 1, names slice 1:"):
        list(load(project, tmp_path, half_set=half, streaming=streaming))


def test_a_stack_that_has_fewer_images_than_the_table_names(project, tmp_path, caplog):
    write_stack(project.folder / project.stack(1), 1, 2)
    place = project.facts.index((1, 2)) + 1
    said = (
        f"{project.stack(1)}: row {place} of {project.table}, counted from 1, names slice 2: expected 0 to 1, since the"
    )
    with pytest.raises(FormatError, match=rf"{said} file has 2 \(on_error='skip'"):
        load(project, tmp_path)
    with caplog.at_level(logging.WARNING):
        ds = load(project, tmp_path, on_error="skip", quarantine=tmp_path / "q.tsv")
    assert told(ds) == [fact for fact in project.facts if fact != (1, 2)]
    assert "left out 1 of 12 rows" in caplog.text
    assert f"{project.stack(1)}\t{said}" in (tmp_path / "q.tsv").read_text()


def test_a_stack_of_another_size_than_its_optics_group_says(project, tmp_path):
    write_stack(project.folder / project.stack(1), 1, 3, side=8)
    said = rf"{project.stack(1)}: it has images of 8 x 8 pixels, optics group 1 says {SIDE} x {SIDE}"
    with pytest.raises(FormatError, match=said):
        load(project, tmp_path)
    ds = load(project, tmp_path, on_error="skip")
    assert told(ds) == [fact for fact in project.facts if fact[0] != 1]


def test_stacks_that_are_not_there_or_are_damaged(project, tmp_path, caplog):
    (project.folder / project.stack(1)).unlink()
    (project.folder / project.stack(2)).write_bytes(b"no image")
    with pytest.raises(NotFoundError, match=r"1 of 3 files that it names are not there: Extract/.*/mic_10\.mrcs"):
        load(project, tmp_path)
    quarantine = tmp_path / "q.tsv"
    ds = load(project, tmp_path, on_error="skip", quarantine=quarantine)
    assert told(ds) == [fact for fact in project.facts if fact[0] == 0]
    lines = quarantine.read_text()
    assert f"{project.stack(1)}\tnot there: 3 rows" in lines
    assert f"{project.stack(2)}\t" in lines
    quarantine.unlink()
    with caplog.at_level(logging.WARNING):
        load(project, tmp_path, on_error="skip", quarantine=quarantine)
    assert quarantine.read_text() == lines
    assert "left out of the dataset in the cache: 2" in caplog.text
    os.unlink(project.folder / project.stack(0))  # noqa: PTH108
    with pytest.raises(NotFoundError, match="2 of 3 files"):
        load(project, tmp_path, on_error="raise")


def test_a_name_that_leads_out_is_refused_also_where_files_are_skipped(project, tmp_path):
    project.rows[3]["rlnImageName"] = "1@../../../../../../../../../../etc/passwd"
    project.write()
    with pytest.raises(UnsafePathError, match=r"passwd' is no path of a file below .*/project/Refine3D/job002, "):
        load(project, tmp_path, on_error="skip")


def test_a_half_set_that_no_row_has(project, tmp_path):
    for row in project.rows:
        row["rlnRandomSubset"] = 1
    project.write()
    with pytest.raises(OptionError, match=r"run_data\.star: half_set=2: none of 12 rows is of it"):
        load(project, tmp_path, half_set=2)


def test_root_comes_before_the_tables_folders(project, tmp_path):
    other = Project(tmp_path / "other")
    for stack, count in enumerate(project.counts):
        write_stack(other.folder / "flat" / project.stack(stack).rpartition("/")[2], stack + 50, count)
    ds = load(project, tmp_path, root=other.folder)
    assert told(ds) == [(stack + 50, index) for stack, index in project.facts]
    assert ds[0]["path"].startswith("flat/mic_")


def test_several_rows_may_name_one_slice(project, tmp_path):
    project.rows, project.facts = project.rows * 2, project.facts * 2
    project.write()
    assert told(load(project, tmp_path)) == project.facts


@pytest.mark.parametrize("pieces", [5])
def test_indexes_are_made_in_pieces(project, tmp_path, monkeypatch, pieces):
    monkeypatch.setattr("builders.stacks.picked.tables.PIECE", pieces)
    assert told(load(project, tmp_path)) == project.facts


def test_an_index_can_be_made_by_several_processes(project, tmp_path, monkeypatch):
    monkeypatch.setattr("builders.stacks.picked.tables.PIECE", 5)
    assert told(load(project, tmp_path, num_proc=2)) == project.facts


def test_only_some_columns_may_be_wanted(project, tmp_path):
    features = load(project, tmp_path).features
    wanted = datasets.Features({name: features[name] for name in ("image", "index")})
    ds = load(project, tmp_path, features=wanted)
    assert ds.column_names == ["image", "index"]
    assert told(ds) == project.facts


@pytest.fixture
def cryosparc(project):
    """The project's table as CryoSPARC has it: uids of 64 bits, rotation vectors."""
    count = len(project.facts)
    fields = [("uid", "<u8"), ("blob/path", "S99"), ("blob/idx", "<u4"), ("alignments3D/pose", "<f4", (3,))]
    table = np.zeros(count, [*fields, ("blob/psize_A", "<f4")])
    table["uid"] = 2**64 - 1 - np.arange(count, dtype=np.uint64)
    table["blob/path"] = [f">{project.stack(stack)}" for stack, _ in project.facts]
    table["blob/idx"] = [index for _, index in project.facts]
    table["alignments3D/pose"] = np.arange(3 * count).reshape(count, 3) / 16
    table["blob/psize_A"] = PIXEL_SIZE
    path = project.folder / "J1" / "particles.cs"
    path.parent.mkdir()
    with path.open("wb") as file:
        np.save(file, table)
    return path, table


@pytest.mark.parametrize("streaming", [False, True])
def test_vectors_and_uids_of_cryosparc_are_columns(project, tmp_path, cryosparc, streaming):
    path, table = cryosparc
    options = {"star": str(path), "columns": ["uid", "alignments3D/pose"], "order": "table", "streaming": streaming}
    for _ in range(2):  # once more, out of what is remembered
        ds = load(project, tmp_path, **options)
        assert ds.features["uid"] == Value("int64")
        rows = list(ds)
        assert told(rows) == project.facts
        assert (np.array([row["uid"] for row in rows], np.int64).view(np.uint64) == table["uid"]).all()
        np.testing.assert_array_equal([row["alignments3D/pose"] for row in rows], table["alignments3D/pose"])


def test_vectors_tell_no_groups(project, tmp_path, cryosparc):
    with pytest.raises(OptionError, match="group_by is 'alignments3D/pose': expected a column that tells groups: pix"):
        load(project, tmp_path, star=str(cryosparc[0]), validation_fraction=0.3, group_by="alignments3D/pose")
