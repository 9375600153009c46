"""A published dataset is the source, row for row, for anyone who has only `datasets`; and no run is lost."""

import contextlib
import errno
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest
import torch
from datasets import (
    Array2D,
    Dataset,
    DatasetDict,
    Features,
    Image,
    IterableDataset,
    IterableDatasetDict,
    List,
    Value,
)
from filelock import FileLock

import builders
import perc_transforms as T
from builders import EMImage, publish
from builders.errors import (
    AccessError,
    DiskFullError,
    FormatError,
    MixedError,
    NotEmptyError,
    NotFoundError,
    OptionError,
    PercError,
)
from builders.io.net import threads
from builders.publishing.parts import Task
from builders.publishing.targets import target_of
from builders.publishing.writing import encoding, shard
from builders.publishing.writing import job as publishing_job
from builders.publishing.writing.fitting import Fitting
from builders.publishing.writing.job import Job
from builders.publishing.writing.pixels import as_array
from builders.publishing.writing.schema import schema_of, with_preview
from builders.publishing.writing.shard import recognised
from builders.publishing.writing.source import source_of
from tests.publishing.datasets_made import (
    arrays,
    assert_same_rows,
    classes,
    contents,
    entry,
    labelled,
    read_plainly,
    write_classes,
)

SMALL = 6_000
"""Bytes of a shard of some five images of 16 x 16."""


def plainly(folder, tmp_path, split="train", streaming=False):
    if streaming:
        return datasets.load_dataset(str(folder), split=split, streaming=True)
    return datasets.load_dataset(str(folder), split=split, cache_dir=str(tmp_path / "cache"))


SOURCES = {
    "map": lambda root: classes(write_classes(root)),
    "map with a transform": lambda root: classes(write_classes(root)).with_transform(
        T.Compose([T.Rescale(8), T.Normalize()])
    ),
    "map shuffled": lambda root: classes(write_classes(root)).shuffle(seed=1).select(range(9)),
    "stream": lambda root: classes(write_classes(root), streaming=True),
    "stream with a transform": lambda root: classes(write_classes(root), streaming=True).map(
        T.Compose([T.Rescale(8), T.Normalize()]), batched=True, batch_size=4
    ),
    "stream shuffled": lambda root: classes(write_classes(root), streaming=True).shuffle(seed=1, buffer_size=5).take(9),
    "entry": lambda root: entry(root).take(40),
    "entry divided": lambda root: entry(root),
    "entry as stored": lambda root: entry(root, dtype=None, streaming=False).select(range(30)),
    "torch format": lambda root: classes(write_classes(root)).with_format("torch").with_transform(T.ToTensor()),
    "filtered": lambda root: classes(write_classes(root), streaming=True).filter(lambda row: row["label"] == 1),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_what_is_read_back_is_the_source_row_for_row(kind, tmp_path):
    source = SOURCES[kind](tmp_path / "source")
    expected = list(source)
    if kind == "filtered" and isinstance(expected[0]["image"], dict):
        pytest.skip("this version of datasets gives the rows of a filtered stream undecoded")
    done = publish(source, tmp_path / "out", max_shard_size=200_000)
    assert done.rows == {"train": len(expected)}
    for streaming in (False, True):
        found = plainly(tmp_path / "out", tmp_path, streaming=streaming)
        assert_same_rows(builders.as_em_images(found), expected)
        assert_same_rows(found, expected)


def numbers(root):
    return datasets.Dataset.from_dict({"number": list(range(60))}).to_iterable_dataset(num_shards=4)


def in_epoch(stream, number):
    stream.set_epoch(number)
    return stream


def going_on(stream, after):
    rows = iter(stream)
    for _ in range(after):
        next(rows)
    stream.load_state_dict(stream.state_dict())
    return stream


@pytest.mark.parametrize("begins", [lambda s: in_epoch(s, 2), lambda s: going_on(s, 5)], ids=["epoch", "state"])
@pytest.mark.parametrize(
    ("stream", "formatted"),
    [
        (numbers, "numpy"),
        (lambda root: numbers(root).shuffle(seed=1, buffer_size=9), None),
        (lambda root: numbers(root).map(lambda row: {"double": 2 * row["number"]}), "numpy"),
        (lambda root: classes(root, streaming=True), None),
        (lambda root: classes(root, streaming=True), "numpy"),
    ],
    ids=["numbers", "shuffled", "mapped", "images", "images as numpy"],
)
def test_a_stream_is_published_from_where_it_begins_and_as_no_other(stream, formatted, begins, tmp_path):
    write_classes(tmp_path / "source")
    expected = list(begins(stream(tmp_path / "source")))
    first = stream(tmp_path / "source").with_format(formatted)
    publish(first, tmp_path / "out", max_shard_size=400)
    source = begins(first)
    with pytest.raises(NotEmptyError):
        publish(source, tmp_path / "out", max_shard_size=400)
    publish(source, tmp_path / "out", max_shard_size=400, overwrite=True)
    assert_same_rows(plainly(tmp_path / "out", tmp_path), expected)


def test_it_is_read_where_this_project_cannot_be_imported(tmp_path):
    source = load = classes(write_classes(tmp_path / "source"), split=None, validation_fraction=0.25)
    publish(source, tmp_path / "out", max_shard_size=SMALL, preview=True)
    for told in read_plainly(tmp_path / "out", tmp_path):
        assert set(told) == set(load)
        for split, rows in load.items():
            assert_same_rows(told[split]["rows"], rows)
            kinds = {name: feature["_type"] for name, feature in told[split]["features"].items()}
            assert kinds == {
                **{"image": "Array2D", "label": "ClassLabel", "suffix": "Value", "path": "Value"},
                **{"pixel_size": "Value", "preview": "Image"},
            }


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "float16", "float32", "float64", "int32", "bool"]
)
@pytest.mark.parametrize("shape", [(3, 5), (2, 1, 4)])
def test_pixels_keep_their_type_and_their_bits(dtype, shape, tmp_path):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 2 if dtype == "bool" else 100, (4, *shape)).astype(dtype)
    if images.dtype.kind == "f":
        images.reshape(-1)[:4] = [np.nan, np.inf, -np.inf, -0.0]
    publish(arrays(images), tmp_path / "out")
    found = plainly(tmp_path / "out", tmp_path)
    for row, image in zip(builders.as_em_images(found), images, strict=True):
        assert row["image"].dtype == image.dtype
        assert row["image"].tobytes() == image.tobytes()
    kind = datasets.Array2D if len(shape) == 2 else datasets.Array3D
    assert found.features["image"] == kind(shape=shape, dtype=dtype)


def test_missing_images_and_values_stay_missing(tmp_path):
    images = [np.ones((2, 3), np.float32), None, np.zeros((2, 3), np.float32)]
    publish(arrays(images, number=[None, 1, 2]), tmp_path / "out")
    found = builders.as_em_images(plainly(tmp_path / "out", tmp_path))
    assert_same_rows(found, [{"image": i, "number": n} for i, n in zip(images, [None, 1, 2], strict=True)])


@pytest.mark.parametrize("num_proc", [2, 3])
def test_the_bytes_do_not_depend_on_the_number_of_processes(num_proc, tmp_path):
    source = classes(write_classes(tmp_path / "source"))
    publish(source, tmp_path / "one", max_shard_size=SMALL)
    publish(source, tmp_path / "many", max_shard_size=SMALL, num_proc=num_proc)
    assert len(contents(tmp_path / "one")) > 2
    assert contents(tmp_path / "one") == contents(tmp_path / "many")


def test_shards_keep_to_their_size_and_none_is_needlessly_small(tmp_path):
    source = entry(tmp_path / "source")
    publish(source, tmp_path / "out", max_shard_size="400kB")
    sizes = [len(data) for data in contents(tmp_path / "out").values()]
    assert max(sizes) <= 400_000
    assert sum(sizes) / len(sizes) > 200_000


def test_no_file_names_the_feature_of_this_project(tmp_path):
    publish(classes(write_classes(tmp_path / "source")), tmp_path / "out", preview=True)
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file() and path.name != "README.md":
            assert b"EMImage" not in path.read_bytes()
            assert str(tmp_path).encode() not in path.read_bytes()


class Stop(Exception):
    """Stands for whatever ends a run."""


def interrupted(monkeypatch, source, target, after, **options):
    """Publish, and break off after so many tasks."""
    write = Job.write
    done = []

    def some(self, task):
        if len(done) >= after:
            raise Stop
        done.append(task.name)
        return write(self, task)

    with monkeypatch.context() as patched:
        patched.setattr(Job, "write", some)
        with pytest.raises(Stop):
            publish(source, target, max_shard_size=SMALL, **options)
    return done


def made_by(monkeypatch, source, target, **options):
    """Publish; the names of the shards that were written."""
    commit = shard.ShardFile.commit
    names = []

    def noting(self, facts):
        names.append(facts.name)
        return commit(self, facts)

    with monkeypatch.context() as patched:
        patched.setattr(shard.ShardFile, "commit", noting)
        publish(source, target, **{"max_shard_size": SMALL} | options)
    return names


def all_files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_interrupted_run_cannot_be_loaded_and_goes_on(tmp_path, monkeypatch):
    source = classes(write_classes(tmp_path / "source"))
    publish(source, tmp_path / "whole", max_shard_size=SMALL)
    expected = contents(tmp_path / "whole")
    first = interrupted(monkeypatch, source, tmp_path / "out", after=2)
    assert len(first) == 2
    with pytest.raises((FileNotFoundError, ValueError)):
        plainly(tmp_path / "out", tmp_path)
    later = made_by(monkeypatch, source, tmp_path / "out")
    assert sorted(first + later) == sorted(f"data/{name}" for name in expected)
    assert contents(tmp_path / "out") == expected
    assert made_by(monkeypatch, source, tmp_path / "out") == []


def test_whichever_file_a_run_ends_at_the_next_one_goes_on(tmp_path, monkeypatch):
    source = classes(write_classes(tmp_path / "source", 4))
    whole = publish(source, tmp_path / "whole" / "out", max_shard_size=SMALL).where
    expected = all_files(Path(whole))
    replace, count = Path.replace, len(expected) + 2  # card and marker are written twice
    for number, is_done in [(number, is_done) for number in range(1, count + 1) for is_done in (False, True)]:
        out, moved = tmp_path / f"{number}-{is_done}" / "out", []

        def ended(self, target, number=number, is_done=is_done, moved=moved):
            moved.append(target)
            if len(moved) == number and is_done:
                replace(self, target)
            if len(moved) == number:
                raise Stop
            return replace(self, target)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", ended)
            with pytest.raises(Stop):
                publish(source, out, max_shard_size=SMALL)
        publish(source, out, max_shard_size=SMALL)
        assert all_files(out) == expected


def test_the_recipe_of_a_shard_tells_all_that_decides_its_bytes(tmp_path, monkeypatch):
    source, schema = source_of(labelled()), schema_of(list(labelled()), None, preview=False)
    job = Job({"train": source}, schema, 4, 1000, Fitting(), tmp_path)
    jobs = [
        job,
        replace(job, sources={"test": source}),
        replace(job, sources={"train": source_of(labelled(5))}),
        replace(job, sources={"train": source.divided(100.0, 300)}),
        replace(job, schema=with_preview(schema)),
        replace(job, group=5),
        replace(job, most=1001),
        replace(job, fitting=Fitting(crop=4)),
        replace(job, fitting=Fitting(pad=8)),
    ]
    recipes = [task.recipe for job in jobs for task in job.tasks()]
    for module in (encoding, publishing_job):
        with monkeypatch.context() as patch:
            patch.setattr(module, "VERSION", module.VERSION + 1)
            recipes += [task.recipe for task in job.tasks()]
    assert len(set(recipes)) == len(recipes) > 10
    assert [task.recipe for task in replace(job, work=tmp_path / "elsewhere").tasks()] == recipes[:1]


@pytest.mark.parametrize("damage", ["a bit", "the end", "another recipe"])
def test_a_shard_is_recognised_by_content_alone(damage, tmp_path, monkeypatch):
    source = classes(write_classes(tmp_path / "source"))
    publish(source, tmp_path / "out", max_shard_size=SMALL)
    expected = contents(tmp_path / "out")
    path = sorted((tmp_path / "out" / "data").iterdir())[1]
    data = bytearray(path.read_bytes())
    if damage == "a bit":
        data[len(data) // 3] ^= 1
    path.write_bytes(data[:-20] if damage == "the end" else bytes(data))
    if damage == "another recipe":
        path.write_bytes(expected[sorted(expected)[0]])
    assert made_by(monkeypatch, source, tmp_path / "out") == [f"data/{path.name}"]
    assert contents(tmp_path / "out") == expected


def test_a_stream_that_cannot_be_divided_goes_on_after_its_finished_shards(tmp_path, monkeypatch):
    def source():
        return entry(tmp_path / "source").shuffle(seed=3, buffer_size=20).take(60)

    publish(source(), tmp_path / "whole", max_shard_size=200_000)
    expected = contents(tmp_path / "whole")
    assert len(expected) > 3
    commit, done = shard.ShardFile.commit, []

    def some(self, facts):
        if len(done) == 2:
            raise Stop
        done.append(facts.name)
        return commit(self, facts)

    with monkeypatch.context() as patched:
        patched.setattr(shard.ShardFile, "commit", some)
        with pytest.raises(Stop):
            publish(source(), tmp_path / "out", max_shard_size=200_000)
    later = made_by(monkeypatch, source(), tmp_path / "out", max_shard_size=200_000)
    assert done + later == [f"data/{name}" for name in expected]
    assert contents(tmp_path / "out") == expected


def test_files_are_read_in_the_order_in_which_they_were_written():
    tasks = [Task(f"data/train-{part:05d}-of-00002.parquet", "train", part, "") for part in range(2)]
    names = [shard.part_name(task, number) for task in tasks for number in range(11_000)]
    assert names == sorted(names)


def test_a_killed_process_loses_nothing(tmp_path):
    source = write_classes(tmp_path / "source", 40, (128, 128))
    code = textwrap.dedent(f"""
        import time
        from builders import load_dataset, publish
        from builders.publishing.writing.job import Job
        write = Job.write
        def slowly(self, task):
            time.sleep(0.05)
            return write(self, task)
        Job.write = slowly
        ds = load_dataset("local_classes", data_dir={str(source)!r}, split="train")
        publish(ds, {str(tmp_path / "out")!r}, max_shard_size=100_000)
    """)
    run = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL)
    data = tmp_path / "out" / "data"
    limit = time.monotonic() + 60
    while len(list(data.glob("*.parquet"))) < 3 and time.monotonic() < limit and run.poll() is None:
        time.sleep(0.01)
    os.kill(run.pid, signal.SIGKILL)
    assert run.wait(60) == -signal.SIGKILL
    kept = {path.name: path.stat().st_ino for path in data.glob("*.parquet")}
    assert 3 <= len(kept) < 20
    publish(classes(source), tmp_path / "out", max_shard_size=100_000)
    publish(classes(source), tmp_path / "whole", max_shard_size=100_000)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    again = {path.name: path.stat().st_ino for path in data.glob("*.parquet")}
    assert {name: again[name] for name in kept} == kept
    assert not [p for p in data.iterdir() if p.suffix == ".tmp"]


def test_a_full_disk_is_one_clear_error_and_the_next_run_goes_on(tmp_path, monkeypatch):
    source = classes(write_classes(tmp_path / "source"))
    publish(source, tmp_path / "whole", max_shard_size=SMALL)
    write, room = shard._Digesting.write, [sum(map(len, contents(tmp_path / "whole").values())) // 2]

    def full(self, data):
        room[0] -= len(data)
        if room[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, data)

    with monkeypatch.context() as patched:
        patched.setattr(shard._Digesting, "write", full)
        with pytest.raises(DiskFullError, match="no room left"):
            publish(source, tmp_path / "out", max_shard_size=SMALL)
    assert not list((tmp_path / "out" / "data").glob(".*"))
    before = set(contents(tmp_path / "out"))
    assert before
    later = made_by(monkeypatch, source, tmp_path / "out")
    assert not before & {Path(name).name for name in later}
    assert_same_rows(builders.as_em_images(plainly(tmp_path / "out", tmp_path)), source)


@pytest.mark.parametrize("broken", ["write", "commit", "_Digesting.close", "os.fsync", "Path.replace"])
@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt])
def test_whatever_ends_a_run_nothing_half_written_and_no_thread_is_left(broken, error, tmp_path, monkeypatch):
    source = classes(write_classes(tmp_path / "source"))
    (tmp_path / "out").mkdir()
    owner, name = {
        **{"write": (shard.ShardFile, "write"), "commit": (shard.ShardFile, "commit"), "os.fsync": (os, "fsync")},
        **{"_Digesting.close": (shard._Digesting, "close"), "Path.replace": (Path, "replace")},
    }[broken]
    work, calls = getattr(owner, name), []

    def once(*given):
        if (tmp_path / "out" / "data").exists():
            calls.append(given)
            if len(calls) == 1:
                raise error
        return work(*given)

    monkeypatch.setattr(owner, name, once)
    with pytest.raises(error):
        publish(source, tmp_path / "out")
    assert calls
    assert not list((tmp_path / "out" / "data").iterdir())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("perc-shard")]


@pytest.mark.parametrize("failing", [1, 2, -1])
def test_what_the_disk_finds_out_late_is_not_lost(failing, tmp_path, monkeypatch):
    source = classes(write_classes(tmp_path / "source"))
    monkeypatch.setattr(shard, "_UNSYNCED", 500)
    sync, asked = os.fsync, []
    monkeypatch.setattr(os, "fsync", lambda number: asked.append(number) or sync(number))
    publish(source, tmp_path / "whole")
    one_of = len(asked) if failing < 0 else failing
    assert len(asked) > 2
    asked.clear()

    def full(number):
        asked.append(number)
        if len(asked) == one_of:  # it says so once
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(number)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DiskFullError, match="no room left"):
            publish(source, tmp_path / "out")
    assert contents(tmp_path / "out") == {}
    assert not list((tmp_path / "out" / "data").glob(".*"))
    publish(source, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize("streaming", [False, True])
def test_mixed_shapes_become_nested_lists_with_a_warning(streaming, tmp_path, caplog, monkeypatch):
    folder = write_classes(tmp_path / "source", 30, shapes=[(8, 9)] * 29 + [(6, 7)])
    source = classes(folder, streaming=streaming)
    publish(source, tmp_path / "out", max_shard_size=2_000)
    assert [r.levelname for r in caplog.records if "nested lists" in r.message] == ["WARNING"]
    assert "--crop" in caplog.text
    assert caplog.text.count("the licence of this dataset is not known") == 1
    assert "The images of the column image are of different shapes" in (tmp_path / "out" / "README.md").read_text()
    found = plainly(tmp_path / "out", tmp_path)
    nested = datasets.List(datasets.List(datasets.Value("float32")))
    assert found.features["image"] == nested
    assert_same_rows(builders.as_em_images(found), list(source))
    if not streaming:
        (told,) = read_plainly(tmp_path / "out", tmp_path, modes=["map"])
        assert_same_rows(told["train"]["rows"], list(source))
    assert made_by(monkeypatch, source, tmp_path / "out", max_shard_size=2_000) == []


@pytest.mark.parametrize(
    ("options", "shape"),
    [({"crop": 6}, (6, 6)), ({"pad": (9, 12)}, (9, 12)), ({"crop": 8, "pad": 8}, (8, 8))],
)
def test_crop_and_pad_make_mixed_images_arrays(options, shape, tmp_path):
    images = [np.arange(72, dtype=np.int16).reshape(8, 9), np.arange(42, dtype=np.int16).reshape(6, 7)]
    publish(arrays(images), tmp_path / "out", **options)
    found = plainly(tmp_path / "out", tmp_path)
    assert found.features["image"] == datasets.Array2D(shape=shape, dtype="int16")
    for row, image in zip(builders.as_em_images(found), images, strict=True):
        expected = np.full(shape, round(image.mean()), np.int16)
        there = [(min(n, m), n // 2, m // 2) for n, m in zip(image.shape, shape, strict=True)]
        into = tuple(slice(half - size // 2, half - size // 2 + size) for size, _, half in there)
        out_of = tuple(slice(half - size // 2, half - size // 2 + size) for size, half, _ in there)
        expected[into] = image[out_of]
        np.testing.assert_array_equal(row["image"], expected)


def test_pixel_types_that_differ_are_published_as_one_that_holds_both(tmp_path, caplog):
    images = [np.ones((2, 2), np.int16), np.full((2, 2), 0.5, np.float32)]
    publish(arrays([images[0]] * 40 + [images[1]]), tmp_path / "out")
    assert plainly(tmp_path / "out", tmp_path).features["image"].dtype == "float32"


def streamed(rows):
    return datasets.IterableDataset.from_generator(lambda: iter(rows))


BAD = {
    "no rows": (lambda: labelled().select([]), OptionError, "'train' has no rows"),
    "no rows, streamed": (lambda: labelled().to_iterable_dataset().filter(lambda row: False), OptionError, "no rows"),
    "complex pixels": (lambda: arrays([np.ones((2, 2), np.complex64)]), FormatError, "complex pixels"),
    "images and volumes": (
        lambda: arrays([np.ones((2, 2), np.float32), np.ones((2, 2, 2), np.float32)]),
        MixedError,
        "cannot share a column",
    ),
    "splits of other columns": (
        lambda: DatasetDict(train=labelled(), test=labelled().remove_columns("label")),
        MixedError,
        "'test' has not the columns of the others: 'label'",
    ),
    "splits of which one has no images": (
        lambda: DatasetDict(train=labelled(), test=labelled().remove_columns("image")),
        MixedError,
        "'test' has not the columns of the others: 'image' differ",
    ),
    "a row without the image": (
        lambda: streamed([{"image": np.eye(3), "a": 1}, {"a": 2}]),
        MixedError,
        "a row has the columns 'a', where others have 'image', 'a'",
    ),
    "images inside a dict": (
        lambda: datasets.Dataset.from_dict(
            {"pair": [{"left": np.eye(2, dtype=np.float32)}]},
            features=datasets.Features({"pair": {"left": builders.EMImage()}}),
        ),
        FormatError,
        "'pair' holds images inside",
    ),
    "records of nothing": (
        lambda: datasets.Dataset.from_dict({"notes": [{}]}, features=datasets.Features({"notes": {}})),
        FormatError,
        "Parquet cannot hold these columns.*'notes'",
    ),
    "a name that no split can have": (lambda: {"my-split": labelled()}, OptionError, "a split is called 'my-split'"),
    "an empty dict": (lambda: {}, OptionError, "without splits"),
    "a list": (lambda: [1], OptionError, "not list"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_published_is_one_clear_error(kind, tmp_path):
    source, error, words = BAD[kind]
    with pytest.raises(error, match=words):
        publish(source(), tmp_path / "new" / "out")
    left = list(tmp_path.rglob("*"))
    assert not left or [path for path in left if path.is_file()], "an empty folder is left"
    assert not [path for path in left if path.suffix == ".parquet"]


def test_no_empty_folder_is_left_but_one_that_was_there(tmp_path):
    (tmp_path / "mine" / "data").mkdir(parents=True)
    for to in ("mine", "a/b", f"a/{'x' * 300}"):
        with pytest.raises(PercError):
            publish([1], tmp_path / to)
        assert sorted(tmp_path.rglob("*")) == [tmp_path / "mine", tmp_path / "mine" / "data"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"crop": 0}, "crop is 0"),
        ({"crop": 100}, "no side longer than the image's"),
        ({"pad": "x"}, "pad is 'x'"),
        ({"num_proc": 0}, "num_proc is 0"),
        ({"num_proc": 2, "dask": "tcp://127.0.0.1:1"}, "give one of them"),
        ({"max_shard_size": "much"}, "max_shard_size is 'much'"),
        ({"preview": "yes"}, "preview is 'yes'"),
        ({"layout": "arrays"}, "layout is 'arrays': expected 'lists' or 'bytes'"),
        ({"layout": ["bytes"]}, "expected 'lists' or 'bytes'"),
        ({"token": "secret"}, "token is for hf://"),
        ({"private": True}, "private is for hf://"),
        ({"to": "s3://bucket"}, "expected a folder, or hf://"),
        ({"to": Path("hf://datasets/me/grains")}, "to is 'hf:/datasets/me/grains': expected a folder, or hf://"),
        ({"to": ""}, "to is '': expected a folder, or hf://"),
        ({"to": "a\0b"}, "expected a folder, or hf://"),
        ({"to": b"bytes"}, "to is b'bytes': expected a folder, or hf://"),
        ({"to": None}, "to is None: expected a folder, or hf://"),
        ({"to": "~no-such-user/x"}, "no-such-user/x: there is no user of that name"),
        ({"license": "Do what you want"}, "license"),
    ],
)
def test_options_that_cannot_be_are_refused(options, words, tmp_path):
    with pytest.raises(ValueError, match=words) as caught:
        publish(labelled(), **{"to": tmp_path / "out"} | options)
    assert isinstance(caught.value, builders.errors.PercError)
    assert "secret" not in str(caught.value)


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "thesis.tex").write_text("years of work")
    with pytest.raises(NotEmptyError, match=r"thesis\.tex.*overwrite"):
        publish(labelled(), target)
    assert [path.name for path in target.iterdir()] == ["thesis.tex"]
    publish(labelled(), target, overwrite=True)
    assert (target / "thesis.tex").read_text() == "years of work"
    assert len(plainly(target, tmp_path)) == 6


def test_what_a_disk_keeps_in_a_folder_does_not_fill_it(tmp_path):
    target = tmp_path / "out"
    for name in ("lost+found", ".snapshot"):
        (target / name).mkdir(parents=True)
    assert publish(labelled(), target).rows == {"train": 6}


def test_another_dataset_is_replaced_only_where_that_is_said(tmp_path):
    target = tmp_path / "out"
    publish(classes(write_classes(tmp_path / "a")), target, max_shard_size=SMALL)
    before = contents(target)
    other = classes(write_classes(tmp_path / "b", 5))
    with pytest.raises(NotEmptyError, match="another dataset"):
        publish(other, target)
    assert contents(target) == before
    publish(other, target, overwrite=True)
    assert_same_rows(builders.as_em_images(plainly(target, tmp_path)), other)


def test_two_at_once_do_not_write_to_one_folder(tmp_path):
    from builders.publishing.folder import Folder

    with Folder(tmp_path / "out").held(), pytest.raises(AccessError, match="another process"):
        publish(labelled(), tmp_path / "out")
    publish(labelled(), tmp_path / "out")


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OptionError, match="is a file"):
        publish(labelled(), tmp_path / "file")
    with pytest.raises(PercError, match=r"x{300}: File name too long"):
        publish(labelled(), tmp_path / ("x" * 300))


def test_row_groups_are_small_enough_to_stream_and_not_needlessly_small(tmp_path):
    images = np.zeros((20, 1024, 1024), np.float32)
    publish(arrays(images), tmp_path / "out")
    (path,) = (tmp_path / "out" / "data").iterdir()
    metadata = pq.ParquetFile(path).metadata
    groups = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert sum(groups) == 20
    assert len(groups) > 2
    assert 16 < max(groups) * 4 <= 32
    assert min(groups[:-1]) == max(groups)


def growing_stream(small, large):
    """Small images, then large ones."""
    rng = np.random.default_rng(0)
    for shape, count in (small, large):
        for _ in range(count):
            yield {"image": rng.standard_normal(shape, np.float32)}


def growing(small, large):
    """A stream whose first rows do not tell how large the others are."""
    made = {"small": small, "large": large}
    return IterableDataset.from_generator(growing_stream, features=Features({"image": EMImage()}), gen_kwargs=made)


def test_row_groups_stay_small_where_later_images_are_larger(tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "LARGEST_ROW_GROUP", 2**20)
    source = growing(((8, 8), 20), ((256, 256), 40))
    publish(source, tmp_path / "out")
    sizes = []
    for path in (tmp_path / "out" / "data").iterdir():
        with pq.ParquetFile(path) as file:
            sizes += [file.read_row_group(n).nbytes / 2**20 for n in range(file.metadata.num_row_groups)]
    assert max(sizes) <= 1
    assert sum(sizes) > 10
    assert_same_rows(builders.as_em_images(plainly(tmp_path / "out", tmp_path, streaming=True)), source)


def places(shard):
    """The rows that a shard keeps pictures of."""
    return [int(caption.rpartition(" ")[2]) for caption, _ in shard.thumbnails]


def kept_shards(folder):
    paths = sorted((folder / "data").iterdir())
    return [recognised(path, f"data/{path.name}") for path in paths]


@pytest.mark.parametrize("count", [1, 16, 33, 1000])
def test_the_pictures_of_the_front_page_are_from_all_over_the_dataset(count, tmp_path):
    images = np.random.default_rng(0).standard_normal((count, 4, 4)).astype(np.float32)
    publish(arrays(images, index=range(count)), tmp_path / "out")
    (shard,) = kept_shards(tmp_path / "out")
    found = places(shard)
    assert len(found) == min(count, 16)
    assert found[0] == 0
    gaps = np.diff([*found, count])
    assert gaps.min() >= 1
    assert gaps.max() <= 4 * count / 16 + 1


def test_each_part_shows_its_share_and_later_files_of_one_none(tmp_path):
    images = np.random.default_rng(0).standard_normal((160, 16, 16)).astype(np.float32)
    publish(arrays(images, index=range(160)), tmp_path / "even", max_shard_size=20_000)
    shards = kept_shards(tmp_path / "even")
    assert 8 < len(shards) < 16
    assert {len(shard.thumbnails) for shard in shards} == {2}
    publish(growing(((4, 4), 30), ((32, 32), 30)), tmp_path / "growing", max_shard_size=40_000)
    first, *later = kept_shards(tmp_path / "growing")
    assert len(first.thumbnails) == 16
    assert later
    assert not any(shard.thumbnails for shard in later)


def fixed_lists(root):
    """A table of nested lists of few values, the first lists small."""
    images = [np.round(row["image"]).tolist() for row in growing_stream(((4, 4), 30), ((32, 32), 30))]
    features = Features({"image": List(List(Value("float32")))})
    return Dataset.from_dict({"image": images}, features=features)


GROWING = {
    "stream": lambda root: growing(((4, 4), 30), ((32, 32), 30)),
    "stream of several batches": lambda root: growing(((8, 8), 30), ((16, 16), 100)),
    "map": lambda root: arrays([row["image"] for row in growing_stream(((4, 4), 300), ((32, 32), 15))]),
    "table": fixed_lists,
    "stream of a table": lambda root: fixed_lists(root).to_iterable_dataset(),
}


@pytest.mark.parametrize("kind", GROWING)
def test_shards_keep_to_their_size_where_later_images_are_larger(kind, tmp_path):
    source = GROWING[kind](tmp_path)
    publish(source, tmp_path / "whole", max_shard_size=20_000)
    whole = contents(tmp_path / "whole")
    assert len(whole) > 2
    assert max(map(len, whole.values())) <= 20_000
    found = plainly(tmp_path / "whole", tmp_path, streaming=True)
    assert_same_rows(builders.as_em_images(found), builders.as_em_images(source) if "table" in kind else source)
    for number in (1, len(whole) // 2 + 1):  # a run that ends after some of them is gone on with
        folder = tmp_path / f"after {number}"
        shutil.copytree(tmp_path / "whole", folder)
        for later in list(whole)[number:]:
            (folder / "data" / later).unlink()
        facts = json.loads((folder / "provenance.json").read_text())
        (folder / "provenance.json").write_text(json.dumps({**facts, "complete": False}))
        publish(source, folder, max_shard_size=20_000)
        assert contents(folder) == whole


def test_a_shard_tells_a_bounded_number_of_sources(tmp_path):
    count = 2500
    features = Features({"image": EMImage(), "source": Value("string")})
    rows = {"image": list(np.zeros((count, 2, 2), np.float32)), "source": [f"s{n}" for n in range(count)]}
    publish(Dataset.from_dict(rows, features=features), tmp_path / "out")
    (shard,) = kept_shards(tmp_path / "out")
    assert len(shard.sources["source"]) == 1000


def test_missing_images_have_no_preview(tmp_path):
    images = [np.eye(3, dtype=np.float32), None, np.eye(3, dtype=np.float32)]
    publish(arrays(images), tmp_path / "out", preview=True)
    found = plainly(tmp_path / "out", tmp_path)
    assert [preview is None for preview in found["preview"]] == [False, True, False]


def test_names_that_a_transform_takes_out_of_a_dict_are_not_published(tmp_path):
    features = Features({"number": Value("int64"), "facts": {"a": Value("int64"), "b": Value("int64")}})
    source = Dataset.from_dict({"number": [1, 2], "facts": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}, features=features)
    without = source.with_transform(lambda rows: {**rows, "facts": [{"a": facts["a"]} for facts in rows["facts"]]})
    publish(without, tmp_path / "out")
    assert list(plainly(tmp_path / "out", tmp_path)) == [{"number": n, "facts": {"a": a}} for n, a in ((1, 1), (2, 3))]


def test_more_pixels_than_a_row_group_holds_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr("builders.publishing.writing.rows._MOST", 10)
    with pytest.raises(FormatError, match="'image': 3 images of 18 pixels"):
        publish(arrays(np.zeros((3, 2, 3), np.float32)), tmp_path / "out")


@pytest.mark.parametrize("streaming", [False, True])
def test_what_was_loaded_plainly_is_published_again_as_it_was(streaming, tmp_path):
    publish(labelled(), tmp_path / "first", license="cc0-1.0")
    again = plainly(tmp_path / "first", tmp_path, streaming=streaming)
    publish(again, tmp_path / "second", license="cc0-1.0")
    assert_same_rows(plainly(tmp_path / "second", tmp_path), plainly(tmp_path / "first", tmp_path))
    told = []
    for name in ("first", "second"):
        (path,) = (tmp_path / name / "data").iterdir()
        group = pq.ParquetFile(path).metadata.row_group(0)
        columns = [group.column(number).to_dict() for number in range(group.num_columns)]
        told.append([(c["path_in_schema"], c["encodings"], c["total_compressed_size"]) for c in columns])
        assert 'as_em_images(load_dataset("' in (tmp_path / name / "README.md").read_text()
    assert told[0] == told[1]
    assert "\npretty_name: first\n" in (tmp_path / "second" / "README.md").read_text()


def test_a_part_of_a_split_is_published_under_its_name(tmp_path):
    publish(classes(write_classes(tmp_path / "source"), split="train[:3]"), tmp_path / "out")
    assert len(plainly(tmp_path / "out", tmp_path)) == 3


def test_streams_of_several_splits(tmp_path):
    folder = write_classes(tmp_path / "source")
    source = IterableDatasetDict(classes(folder, split=None, validation_fraction=0.25, streaming=True))
    done = publish(source, tmp_path / "out")
    assert done.rows == {"train": 9, "validation": 3} or sum(done.rows.values()) == 12
    for split in source:
        assert_same_rows(builders.as_em_images(plainly(tmp_path / "out", tmp_path, split)), list(source[split]))


def test_the_front_page_and_the_marker_tell_what_was_done(tmp_path):
    source = entry(tmp_path / "source").map(T.Rescale(32), batched=True, batch_size=16)
    publish(source, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    marker = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert marker["complete"] is True
    for text in ("Rescale", "10.6019/EMPIAR-10943", "cc0-1.0", "thumbnails.png", "A made deposit"):
        assert text in card
    assert "Rescale" in json.dumps(marker)
    assert (tmp_path / "out" / "thumbnails.png").read_bytes().startswith(b"\x89PNG")


def test_the_front_page_tells_of_every_shard_and_of_cutting(tmp_path):
    ids = ["1abc", "2abc", "3abc"]
    text = datasets.Value("string")
    features = datasets.Features({"image": builders.EMImage(), "source": text, "entry_id": text})
    rows = {"image": [np.ones((9, 9), np.float32)] * 3, "source": ["pdb"] * 3, "entry_id": ids}
    source = datasets.Dataset.from_dict(rows, features=features)
    assert publish(source, tmp_path / "out", crop=(8, 7), max_shard_size=300).shards == 3
    marker = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert [entry["name"] for entry in marker["entries"]] == ids
    assert ["crop=(8, 7)" in transform for transform in marker["transforms"]] == [True]
    assert (tmp_path / "out" / "README.md").read_text().count("publish(..., crop=(8, 7))\n") == 1


def test_a_transform_is_done_once_not_twice(tmp_path):
    """with_transform and as_em_images on what is read back: no second decoding."""
    source = classes(write_classes(tmp_path / "source"))
    publish(source, tmp_path / "out")
    found = builders.as_em_images(plainly(tmp_path / "out", tmp_path)).with_transform(T.Normalize())
    assert_same_rows(
        [{"image": row["image"]} for row in found],
        [{"image": row["image"]} for row in source.with_transform(T.Normalize())],
    )


def test_a_column_that_is_no_image_is_not_made_one(tmp_path):
    publish(labelled(), tmp_path / "out")
    numbers = Dataset.from_dict({"spectrum": [[1.0, 2.0]], "name": [[["a"]]], "tilts": [[[[[1.0]]]]]})
    for column in numbers.column_names:  # of one axis, of no numbers, of four axes
        with pytest.raises(OptionError, match=f"{column!r} is no column of images"):
            builders.as_em_images(numbers, columns=[column])
    with pytest.raises(OptionError, match="'label' is no column of images: there are image"):
        builders.as_em_images(plainly(tmp_path / "out", tmp_path), columns=["label"])


@pytest.fixture(autouse=True)
def _log_everything(caplog):
    caplog.set_level(logging.WARNING)


@pytest.mark.parametrize(
    ("early", "late"),
    [
        ({"x": 1}, {"x": 1.5}),
        ({"x": [1]}, {"x": [1.5]}),
        ({"x": np.arange(2)}, {"x": np.arange(2) / 4}),
        ({"x": True}, {"x": 5}),
        ({"x": 1}, {"x": True}),
        ({"x": "a"}, {"x": 5}),
        ({"x": {"a": 1}}, {"x": {"a": 1, "b": 2}}),
        ({"x": [{"a": 1}]}, {"x": [{"a": 1, "b": 2}]}),
        ({"x": {"a": 1}}, {"x": {"a": 0.5}}),
        ({"x": None}, {"x": 1}),
        ({}, {"x": 1}),
        ({"x": 1}, {}),
    ],
)
def test_no_value_is_published_as_less_than_it_is(early, late, tmp_path):
    def rows():
        for number in range(40):  # the first ones decide what the columns are
            yield {"image": np.full((3, 3), number, np.float32), **(late if number >= 20 else early)}

    with pytest.raises(MixedError, match=r"'x'"):
        publish(IterableDataset.from_generator(rows), tmp_path / "out")


@pytest.mark.parametrize("late", [1.5, None])
def test_a_map_may_tell_what_its_columns_are(late, tmp_path):
    def told(row, number):
        return {"x": late if number >= 20 else 1}

    source = entry(tmp_path / "mirror").take(40)
    features = Features({**source.features, "x": Value("float64")})
    publish(source.map(told, with_indices=True, features=features), tmp_path / "out")
    assert plainly(tmp_path / "out", tmp_path)["x"] == [1.0] * 20 + [late] * 20


@pytest.mark.parametrize(
    ("feature", "value", "done"),
    [(List(Value("int64")), [1, 2], [0.5, 1.0]), ({"a": Value("int64")}, {"a": 1}, {"a": 0.5})],
)
def test_what_a_transform_makes_of_a_column_is_published(feature, value, done, tmp_path):
    source = labelled().add_column("x", [value] * 6, feature=Features({"x": feature})["x"])
    publish(source.with_transform(lambda rows: {**rows, "x": [done] * len(rows["x"])}), tmp_path / "out")
    assert plainly(tmp_path / "out", tmp_path)["x"] == [done] * 6


ARRAYS = Features({"image": Array2D((6, 6), "int8")})


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("change", "kind"),
    [(lambda image: image[:2, 1:4], Array2D((2, 3), "int8")), (lambda image: image / 2, Array2D((6, 6), "float64"))],
)
def test_arrays_that_a_transform_changes_are_published_as_they_became(change, kind, streaming, tmp_path):
    images = np.arange(6 * 36).reshape(6, 6, 6).astype(np.int8)

    def changed(rows):
        return {"image": [change(np.asarray(image, np.int8)) for image in rows["image"]]}

    source = Dataset.from_dict({"image": list(images)}, features=ARRAYS)
    source = source.to_iterable_dataset().map(changed, batched=True) if streaming else source.with_transform(changed)
    publish(source, tmp_path / "out")
    found = plainly(tmp_path / "out", tmp_path)
    assert found.features["image"] == kind
    np.testing.assert_array_equal(found["image"], change(images.transpose(1, 2, 0)).transpose(2, 0, 1))


@pytest.mark.parametrize("streaming", [False, True])
def test_arrays_are_cut_and_padded_as_images_are(streaming, tmp_path):
    images = np.arange(6 * 36).reshape(6, 6, 6).astype(np.int8)
    source = Dataset.from_dict({"image": list(images)}, features=ARRAYS)
    publish(source.to_iterable_dataset() if streaming else source, tmp_path / "out", crop=2)
    np.testing.assert_array_equal(plainly(tmp_path / "out", tmp_path)["image"], images[:, 2:4, 2:4])


@pytest.mark.parametrize("streaming", [False, True])
def test_what_was_drawn_is_published_and_can_be_done_again(streaming, tmp_path):
    transform = T.Compose([T.RandomRotate(), T.AddNoise(snr=1.0)], record=True)
    source = classes(write_classes(tmp_path / "source"), streaming=streaming)
    publish(source.map(transform, batched=True, batch_size=4), tmp_path / "out")
    found = builders.as_em_images(plainly(tmp_path / "out", tmp_path))
    for row, done in zip(source, found, strict=True):
        np.testing.assert_array_equal(transform.replay(row, done["transforms"])["image"], done["image"])


@pytest.mark.parametrize(
    ("feature", "value"), [(Value("string"), "mine"), (Image(), PIL.Image.fromarray(np.eye(9, dtype=np.uint8)))]
)
def test_a_column_of_the_datasets_own_may_be_called_preview(feature, value, tmp_path):
    source = labelled().add_column("preview", [feature.encode_example(value)] * 6, feature=feature)
    publish(source, tmp_path / "out")
    found = plainly(tmp_path / "out", tmp_path)
    assert found.features["preview"] == feature
    for row in found:
        np.testing.assert_array_equal(np.asarray(row["preview"]), np.asarray(value))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("kind", ["beside images", "alone", "in lists", "transformed"])
def test_pictures_that_lie_in_files_are_published_too(kind, streaming, tmp_path):
    picture = tmp_path / "picture.png"
    PIL.Image.fromarray(np.eye(9, dtype=np.uint8)).save(picture)
    stored = {"bytes": None, "path": str(picture)}
    value, feature = ([stored], List(Image())) if kind == "in lists" else (stored, Image())
    source = labelled().add_column("picture", [value] * 6, feature=Features({"x": feature})["x"])
    source = source.select_columns("picture") if kind == "alone" else source
    source = source.to_iterable_dataset() if streaming else source
    if kind == "transformed":
        source = source.map(dict, batched=True) if streaming else source.with_transform(dict)
    publish(source, tmp_path / "out")
    picture.unlink()
    for row in plainly(tmp_path / "out", tmp_path):
        (found,) = row["picture"] if kind == "in lists" else [row["picture"]]
        np.testing.assert_array_equal(np.asarray(found), np.eye(9))
    assert not [path for path in (tmp_path / "out/data").iterdir() if str(tmp_path).encode() in path.read_bytes()]


def test_an_image_too_large_for_a_page_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "most_pixels", lambda kind: 19)
    with pytest.raises(FormatError, match=r"'image': an image of \d+ pixels of float32.*holds 19: crop or rescale"):
        publish(labelled(), tmp_path / "out")


def test_shards_that_others_wrote_elsewhere_are_no_dataset(tmp_path, monkeypatch):
    write = Job.write

    def elsewhere(self, task):  # as a worker does whose disk is not this one
        done = write(self, task)
        for made in done:
            (self.work / made.name).unlink()
        return done

    source = classes(write_classes(tmp_path / "source"))
    with monkeypatch.context() as patched:
        patched.setattr(Job, "write", elsewhere)
        with pytest.raises(NotFoundError, match=r"data/train-00000-of-\d+\.parquet.*a disk that all workers share"):
            publish(source, tmp_path / "out", max_shard_size=SMALL)
    assert json.loads((tmp_path / "out" / "provenance.json").read_text())["complete"] is False
    with pytest.raises((FileNotFoundError, ValueError)):
        plainly(tmp_path / "out", tmp_path)
    publish(source, tmp_path / "out", max_shard_size=SMALL)
    assert_same_rows(builders.as_em_images(plainly(tmp_path / "out", tmp_path)), source)


def test_a_stream_of_many_parts_is_described_once_not_once_for_each(tmp_path, monkeypatch):
    told = builders.hf.stream_layers.identity
    asked = []

    def counting(stream):
        asked.append(stream)
        return told(stream)

    monkeypatch.setattr(builders.hf.stream_layers, "identity", counting)
    done = publish(classes(write_classes(tmp_path / "source"), streaming=True), tmp_path / "out", max_shard_size=1_500)
    assert done.shards == 12
    assert len(asked) <= 2


def test_a_run_that_is_broken_off_ends_before_its_shard_does(tmp_path, monkeypatch):
    source = classes(write_classes(tmp_path / "source"))
    stop, written = threads.Stop(), []
    write = shard.ShardFile.write

    def then_stop(self, table):
        written.append(len(table))
        write(self, table)
        stop.set()

    monkeypatch.setattr(shard.ShardFile, "write", then_stop)
    monkeypatch.setattr(encoding, "rows_per_group", lambda size, as_bytes: 1)
    with stop.over(), pytest.raises(threads.StoppedError):
        publish(source, tmp_path / "out")
    assert sum(written) <= 3
    assert not list((tmp_path / "out" / "data").iterdir())


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("to", ["out", "hf://datasets/me/grains"])
def test_what_killed_processes_leave_half_written_goes_with_the_lock(to, ended, tmp_path, monkeypatch):
    if to == "out":
        monkeypatch.chdir(tmp_path)
    made = tmp_path / "out" / "data" / ".train-00000-of-00001.parquet.0a1b2c3d.tmp"
    made.parent.mkdir(parents=True)
    made.touch()
    options = {"private": False, "token": None, "shared": False, "work_dir": None if to == "out" else tmp_path / "out"}
    with contextlib.suppress(Stop), target_of(to, **options) as target:
        assert not made.exists()
        assert target.work == tmp_path / "out"
        made.touch()
        if not ended:
            raise Stop
    assert not made.exists()


def test_the_lock_of_a_folder_is_removed_while_it_is_held(tmp_path, monkeypatch):
    from builders.publishing.folder import Folder

    there = []
    release = FileLock.release
    monkeypatch.setattr(
        FileLock, "release", lambda self, *given: (there.append(Path(self.lock_file).exists()), release(self, *given))
    )
    with Folder(tmp_path / "out").held():
        assert (tmp_path / "out" / ".publishing.lock").exists()
    assert there[:1] == [False]  # afterwards, the file may be that of the next one


def turned(rows):
    return {**rows, "image": [-image for image in rows["image"]]}


def halved(rows):
    return {**rows, "image": [image / 2 for image in rows["image"]]}


OTHERS = {
    "another transform": (lambda s: s.with_transform(turned), lambda s: s.with_transform(halved), {}),
    "another function": (
        lambda s: s.to_iterable_dataset().map(turned, batched=True),
        lambda s: s.to_iterable_dataset().map(halved, batched=True),
        {},
    ),
    "another last row": (lambda s: s.select([0, 1, 2]), lambda s: s.select([0, 1, 3]), {}),
    "cut": (lambda s: s, lambda s: s, {"crop": 16}),
    "with a preview": (lambda s: s, lambda s: s, {"preview": True}),
    "in smaller files": (lambda s: s, lambda s: s, {"max_shard_size": SMALL - 1}),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_no_shard_of_another_dataset_is_kept(kind, tmp_path):
    one, other, options = OTHERS[kind]
    source = classes(write_classes(tmp_path / "source", 4))
    options = {"max_shard_size": SMALL} | options
    publish(one(source), tmp_path / "out", max_shard_size=SMALL)
    with pytest.raises(NotEmptyError, match="another dataset"):
        publish(other(source), tmp_path / "out", **options)
    publish(other(source), tmp_path / "out", **options, overwrite=True)
    columns = list(source.features)
    found = builders.as_em_images(plainly(tmp_path / "out", tmp_path))
    assert_same_rows(found.select_columns(columns), list(other(source)))
    assert ("preview" in found.features) == (kind == "with a preview")


@pytest.mark.parametrize("streaming", [False, True])
def test_a_format_changes_nothing(streaming, tmp_path):
    source = classes(write_classes(tmp_path / "source", 4), streaming=streaming).remove_columns("image")
    publish(source.with_format("numpy"), tmp_path / "out")
    publish(source, tmp_path / "plain")
    found, expected = plainly(tmp_path / "out", tmp_path), plainly(tmp_path / "plain", tmp_path)
    assert found.features == expected.features
    assert_same_rows(found, list(expected))


def test_a_stream_of_rows_without_images_may_lack_values(tmp_path):
    features = datasets.Features({"number": datasets.Value("int32"), "text": datasets.Value("string")})
    rows = [{"number": 1, "text": None}, {"number": None, "text": "a"}, {"number": 3, "text": "b"}]
    publish(datasets.IterableDataset.from_generator(lambda: iter(rows), features=features), tmp_path / "out")
    found = plainly(tmp_path / "out", tmp_path)
    assert found.features == features
    assert list(found) == rows


CHANGES = {
    "a number to text": lambda row: {**row, "number": [f"n {n}" for n in row["number"]]},
    "a number to fractions": lambda row: {**row, "number": [n + 0.5 for n in row["number"]]},
    "a number to larger ones": lambda row: {**row, "number": [n + 1000 for n in row["number"]]},
    "text to lists": lambda row: {**row, "text": [[t, t] for t in row["text"]]},
    "a class to others": lambda row: {**row, "label": [n + 1 for n in row["label"]]},
    "a class to none": lambda row: {**row, "label": [-1 for _ in row["label"]]},
    "a record to another": lambda row: {**row, "record": [{"a": r["a"], "c": 1} for r in row["record"]]},
    "vectors": lambda row: {**row, "vector": [np.arange(3.0) for _ in row["label"]]},
    "nothing": lambda row: row,
}


@pytest.mark.parametrize("kind", CHANGES)
def test_what_a_transform_makes_of_rows_without_images_is_what_is_read_back(kind, tmp_path):
    features = datasets.Features(
        {
            **{"number": datasets.Value("int8"), "text": datasets.Value("string")},
            **{"label": datasets.ClassLabel(names=["x", "y"]), "record": {"a": datasets.Value("int64")}},
        }
    )
    rows = {"number": [1, 2], "text": ["a", "b"], "label": [0, 1], "record": [{"a": 1}, {"a": 2}]}
    source = datasets.Dataset.from_dict(rows, features=features).with_transform(CHANGES[kind])
    publish(source, tmp_path / "out")
    found = plainly(tmp_path / "out", tmp_path)
    assert_same_rows(found, list(source))
    kept = {name for name, feature in features.items() if found.features[name] == feature}
    changed = {"a class to others": "label", "a record to another": "record", "text to lists": "text"}
    assert kept == set(features) - {changed.get(kind, "number" if "number" in kind else "")}


def test_what_a_row_says_of_places_follows_its_image_when_that_is_cut():
    image = np.arange(48, dtype=np.int16).reshape(6, 8)
    row = {"image": image, "coordinate_x": 5.0, "coordinate_y": 3.0, "pixel_size": None, "label": 1}
    done = Fitting(crop=(4, 4))(row)
    there = int(done["coordinate_y"]), int(done["coordinate_x"])
    assert done["image"][there] == image[3, 5]
    assert done["image"].dtype == np.int16
    assert {name: done[name] for name in ("pixel_size", "label")} == {"pixel_size": None, "label": 1}
    assert Fitting(crop=4)(row | {"image": None}) == row | {"image": None}
    for wrong, said in [({"x": 1}, "the rows have 'x'"), (row | {"image": np.zeros((9, 9, 9))}, "3 axes")]:
        with pytest.raises(OptionError, match=said):
            Fitting(crop=(4, 4))(wrong)


@pytest.mark.parametrize(
    "value",
    [np.zeros((2, 2), np.longdouble), np.zeros(2), np.zeros((1, 1, 1, 1)), np.array([["a"]])],
    ids=lambda value: f"{value.dtype} {value.shape}",
)
def test_what_no_array_of_pixels_is_is_told(value):
    with pytest.raises(FormatError, match="'x' holds"):
        as_array(value, "x")


def test_pixels_are_those_of_this_machine_whatever_they_come_as():
    expected = np.array([[1.5, -2.0]], np.float32)
    for value in (expected.astype(">f4"), expected.tolist(), torch.tensor(expected, dtype=torch.bfloat16)):
        assert as_array(value, "x").dtype.isnative
        np.testing.assert_array_equal(as_array(value, "x"), expected)
