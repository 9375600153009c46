"""Streams of particles: stack by stack, in workers, on nodes, shuffled, and going on from a state."""

import logging
import pickle

import numpy as np
import pytest
from datasets.distributed import split_dataset_by_node
from torch.utils.data import DataLoader

from builders import load_dataset
from builders.errors import FormatError
from tests.particles.made import SIDE, Project, check, write_stack
from tests.particles.test_particles import told


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project", counts=(5, 3, 4, 6, 2, 7)).make()


def stream(project, tmp_path, **options):
    own = {"star": str(project.table), "split": "train", "streaming": True, "cache_dir": str(tmp_path / "cache")}
    return load_dataset("particles", **own | options)


def in_order(project):
    """Rows as a stream gives them: `mic_2` before `mic_9` and `mic_10`."""
    numbers = {stack: int(project.stack(stack).rpartition("_")[2].split(".")[0]) for stack, _ in project.facts}
    return sorted(project.facts, key=lambda fact: (numbers[fact[0]], fact[1]))


def test_rows_go_stack_by_stack_slice_by_slice(project, tmp_path):
    rows = list(stream(project, tmp_path, columns=["rlnHelicalTubeID"]))
    assert told(rows) == in_order(project)
    ds = stream(project, tmp_path, columns=["rlnHelicalTubeID"], streaming=False)
    by_place = {(row["path"], row["index"]): row for row in ds}
    for row in rows:
        same = by_place[row["path"], row["index"]]
        np.testing.assert_array_equal(row.pop("image"), same.pop("image"))
        assert list(row) == list(same)
        assert row == same
    assert stream(project, tmp_path).features == stream(project, tmp_path, streaming=False).features


def test_streams_may_keep_the_tables_order(project, tmp_path):
    assert told(stream(project, tmp_path, order="table")) == project.facts


def test_the_same_slice_may_be_named_by_several_rows(project, tmp_path):
    project.rows, project.facts = project.rows * 2, project.facts * 2
    project.write()
    assert told(stream(project, tmp_path)) == in_order(project)
    assert told(stream(project, tmp_path, order="table")) == project.facts


def test_batches_are_the_rows(project, tmp_path):
    batches = list(stream(project, tmp_path).with_format("numpy").iter(4))
    rows = [(stack, index) for stack, index in in_order(project)]
    place = 0
    for batch in batches:
        for number in range(len(batch["image"])):
            check({"image": batch["image"][number]}, *rows[place])
            assert batch["ctf"][number]["defocus_u"] == 10_000 + rows[place][0]
            assert batch["micrograph"][number] == f"MotionCorr/job003/mic_{rows[place][0]}.mrc"
            place += 1
    assert place == len(rows)


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_workers_divide_the_rows(project, tmp_path, method):
    ds = stream(project, tmp_path)
    loader = DataLoader(ds, batch_size=None, num_workers=2, multiprocessing_context=method)
    assert sorted(told(loader)) == sorted(project.facts)


def test_nodes_divide_the_rows(project, tmp_path):
    ds = stream(project, tmp_path)
    parts = [told(split_dataset_by_node(ds, rank=rank, world_size=3)) for rank in range(3)]
    assert sorted(fact for part in parts for fact in part) == sorted(project.facts)


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_stream_goes_on_from_a_state(project, tmp_path, shuffled):
    def made():
        ds = stream(project, tmp_path)
        return ds.shuffle(seed=3, buffer_size=8) if shuffled else ds

    expected = told(made())
    assert sorted(expected) == sorted(project.facts)
    assert (expected != in_order(project)) == shuffled
    ds = made()
    rows = iter(ds)
    first = told([next(rows) for _ in range(11)])
    state = ds.state_dict()
    again = made()
    again.load_state_dict(pickle.loads(pickle.dumps(state)))
    assert first + told(again) == expected


@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning")  # torchdata's own call of torch
def test_a_loader_goes_on_from_a_state(project, tmp_path):
    stateful = pytest.importorskip("torchdata.stateful_dataloader")

    def loader():
        return stateful.StatefulDataLoader(
            stream(project, tmp_path), batch_size=None, num_workers=2, snapshot_every_n_steps=1
        )

    expected = told(loader())
    first = loader()
    rows = iter(first)
    before = told([next(rows) for _ in range(9)])
    state = first.state_dict()
    del rows
    second = loader()
    second.load_state_dict(state)
    assert before + told(second) == expected


def test_a_catalogue_is_made_once(project, tmp_path, monkeypatch):
    assert len(list(stream(project, tmp_path))) == len(project.facts)
    kept = list((tmp_path / "cache/perc/particles").glob("*.arrow"))
    assert len(kept) == 1
    stamp = kept[0].stat().st_mtime_ns
    list(stream(project, tmp_path))
    assert kept[0].stat().st_mtime_ns == stamp
    write_stack(project.folder / project.stack(0), 8, 5)
    changed = [(8 if stack == 0 else stack, index) for stack, index in in_order(project)]
    assert told(stream(project, tmp_path)) == changed


def test_what_stacks_lack_is_raised_or_left_out(project, tmp_path, caplog):
    write_stack(project.folder / project.stack(1), 1, 2)
    write_stack(project.folder / project.stack(2), 2, 4, side=SIDE + 2)
    (project.folder / project.stack(3)).write_bytes(b"no image")
    with pytest.raises(FormatError):
        list(stream(project, tmp_path))
    (project.folder / project.stack(4)).unlink()
    quarantine = tmp_path / "q.tsv"
    with caplog.at_level(logging.WARNING):
        rows = told(stream(project, tmp_path, on_error="skip", quarantine=quarantine))
    assert rows == [fact for fact in in_order(project) if fact[0] in (0, 1, 5) and fact != (1, 2)]
    lines = quarantine.read_text()
    for said in (
        f"{project.stack(1)}: row {project.facts.index((1, 2)) + 1} of {project.table}, counted from 1, names slice 2",
        f"{project.stack(2)}: it has images of {SIDE + 2} x {SIDE + 2} pixels, optics group 1 says {SIDE} x {SIDE}",
        f"{project.stack(3)}\t",
        f"{project.stack(4)}\tnot there: 2 rows",
    ):
        assert said in lines
