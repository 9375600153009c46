"""Streams of picked rows: shuffled, resumed, divided, damaged, and of a server."""

import dataclasses
import json
from itertools import islice

import numpy as np
import pytest
from datasets.distributed import split_dataset_by_node
from torch.utils.data import DataLoader

from builders.errors import FormatError, NotFoundError, PercError
from builders.io.net import remote
from builders.stacks import pieces as cutting_pieces
from builders.stacks.picked.tables import left_out
from builders.stacks.rows import look
from tests.hf.test_stream_batches import same_rows
from tests.server import serve
from tests.stacks.picked.catalogues import (
    READING,
    in_order,
    in_shards,
    made,
    mapped,
    picked,
    reading,
    streamed,
    table,
    write_stacks,
)

SKIP = reading(on_error="skip")


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    for name in ("_SMALLEST", "_LOCAL", "REMOTE"):
        monkeypatch.setattr(cutting_pieces, name, 700)


def names(rows):
    return [row["name"] for row in rows]


def numbers(rows):
    return [int(name.rpartition(" ")[2]) for name in names(rows)]


def shuffled(catalogue, seed=1, rows=9, **options):
    return streamed(catalogue, shards=in_shards(catalogue, 4), **options).shuffle(seed=seed, buffer_size=rows)


@pytest.mark.parametrize("kind", ["float32", "int8", "gz", "across", "unlike", "pairs"])
def test_a_shuffled_stream_has_every_row_once_with_its_own_columns(tmp_path, kind):
    catalogue = made(tmp_path, write_stacks(tmp_path, kind), table(*picked(5)))
    expected = {row["name"]: row for row in mapped(catalogue)}
    rows = list(shuffled(catalogue))
    assert sorted(names(rows)) == sorted(expected) != names(rows)
    same_rows(rows, [expected[name] for name in names(rows)])
    batches = list(shuffled(catalogue).iter(7))
    assert [name for batch in batches for name in batch["name"]] == names(rows)
    same_rows([image for batch in batches for image in batch["image"]], [row["image"] for row in rows])
    again = shuffled(catalogue)
    again.set_epoch(1)
    assert names(again) != names(rows)


@pytest.mark.parametrize("make", [streamed, shuffled])
@pytest.mark.parametrize("kind", ["float32", "gz"])
def test_a_stream_goes_on_from_any_row(tmp_path, kind, make):
    catalogue = made(tmp_path, write_stacks(tmp_path, kind), table(*picked(6)))
    whole = list(make(catalogue))
    for after in range(1, len(whole) + 1, 3):
        stream = make(catalogue)
        first = list(islice(iter(stream), after))
        other = make(catalogue)
        other.load_state_dict(json.loads(json.dumps(stream.state_dict())))
        same_rows(first + list(other), whole)


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("make", [streamed, shuffled])
def test_workers_and_nodes_divide_the_rows(tmp_path, make, workers):
    catalogue = made(tmp_path, write_stacks(tmp_path), table(*picked(5)))
    options = {"shards": in_shards(catalogue, 6)} if make is streamed else {}
    loader = DataLoader(make(catalogue, **options), batch_size=None, num_workers=workers)
    assert sorted(numbers(loader)) == list(range(40))
    parts = [numbers(split_dataset_by_node(make(catalogue, **options), rank, 2)) for rank in range(2)]
    assert sorted(parts[0] + parts[1]) == list(range(40))
    assert not set(parts[0]) & set(parts[1])


def test_each_slice_is_read_once_for_all_rows_of_a_run_that_name_it(tmp_path):
    files = write_stacks(tmp_path / "J2", side=40)
    slices = np.repeat(np.arange(7), 20)
    here = list(mapped(made(tmp_path / "here", files, table(np.zeros(140, int), slices))))
    with serve() as server:
        server.publish(tmp_path / "J2")
        remote.permit(server.base)
        there = [dataclasses.replace(file, location=server.url(f"/J/{file.path}"), most=2**30) for file in files]
        catalogue = made(tmp_path / "there", there, table(np.zeros(140, int), slices))
        same_rows(list(streamed(catalogue, shards=[(0, 140)], folder=str(tmp_path / "cache"))), here)
        pixels = 7 * 40 * 42 * 4
        assert server.bytes_sent <= pixels + 2 * 1024 + 8192


@pytest.mark.parametrize("kind", ["float32", "int8", "gz", "across", "pairs", "4bit"])
@pytest.mark.parametrize("order", ["any", "rising"])
def test_streams_of_a_server_are_those_of_this_machine(tmp_path, kind, order):
    files = write_stacks(tmp_path / "root", kind)
    rows = table(*picked(7, rising=order == "rising"))
    here = made(tmp_path / "here", files, rows)
    with serve() as server:
        server.publish(tmp_path / "root")
        remote.permit(server.base)
        there = [dataclasses.replace(file, location=server.url(f"/J/{file.path}"), most=2**30) for file in files]
        catalogue = made(tmp_path / "there", there, rows)
        stream = streamed(catalogue, shards=in_shards(catalogue, 3), folder=str(tmp_path / "cache"))
        batches = list(stream.iter(6))
        expected = list(mapped(here))
        same_rows([image for batch in batches for image in batch["image"]], [row["image"] for row in expected])
        same_rows(list(stream), expected)
        mixed = list(shuffled(catalogue, folder=str(tmp_path / "cache")))
        by_name = {row["name"]: row for row in expected}
        same_rows(mixed, [by_name[name] for name in names(mixed)])


def test_a_stream_of_many_remote_stacks_begins_at_once(tmp_path):
    files = write_stacks(tmp_path / "root", counts=(2,) * 120)
    with serve() as server:
        server.publish(tmp_path / "root")
        remote.permit(server.base)
        there = [dataclasses.replace(file, location=server.url(f"/J/{file.path}")) for file in files]
        catalogue = made(tmp_path / "there", there, table(*in_order((2,) * 120)))
        rows = iter(streamed(catalogue, folder=str(tmp_path / "cache")))
        assert next(rows)["index"] == 0
        assert len(server.requests) < 60
        assert len(list(rows)) == 239


def test_whole_files_stand_beside_slices(tmp_path):
    files = write_stacks(tmp_path)
    which, slices = np.array([0, 0, 1, 1, 1, 2, 0]), np.array([3, -1, -1, 4, -1, 0, -1])
    catalogue = made(tmp_path, files, table(which, slices))
    expected = list(mapped(catalogue))
    assert [row["index"] for row in expected] == [3, None, None, 4, None, 0, None]
    assert [row["image"].ndim for row in expected] == [2, 3, 3, 2, 3, 2, 3]
    same_rows(list(streamed(catalogue)), expected)
    by_name = {row["name"]: row for row in expected}
    mixed = list(shuffled(catalogue))
    same_rows(mixed, [by_name[name] for name in names(mixed)])


def test_the_pixel_size_is_the_tables_else_the_files(tmp_path):
    which, slices = picked(5)
    rows = table(which, slices, nulls=True)
    catalogue = made(tmp_path, write_stacks(tmp_path), rows)
    sizes = [2.0 if size is None else size for size in rows["pixel_size"].to_pylist()]
    assert [row["pixel_size"] for row in mapped(catalogue)] == sizes
    assert [row["pixel_size"] for row in streamed(catalogue)] == sizes
    mixed = list(
        streamed(catalogue).remove_columns("picks").with_format("torch").shuffle(seed=2, buffer_size=11).iter(9)
    )
    assert sorted(size for batch in mixed for size in batch["pixel_size"].tolist()) == sorted(sizes)
    none = made(tmp_path / "none", catalogue.files, rows.drop_columns(["pixel_size"]))
    assert [row["pixel_size"] for row in streamed(none)] == [2.0] * len(sizes)


def test_slices_that_a_stack_does_not_have_are_told_or_left_out(tmp_path, caplog):
    which, slices = in_order()
    slices = slices.copy()
    slices[[2, 9, 13]] = [7, 5, 900]  # of stacks of 7, 5 and 9
    catalogue = made(tmp_path, write_stacks(tmp_path), table(which, slices))
    for make in (
        lambda: list(streamed(catalogue)),
        lambda: list(streamed(catalogue).iter(4)),
        lambda: mapped(catalogue),
    ):
        with pytest.raises(
            FormatError, match=r"s_0\.mrcs: row 3 of particles\.star, .* names slice 7: expected 0 to 6"
        ):
            make()
    lost = left_out(catalogue, [look(file, READING) for file in catalogue.files], READING.source)
    assert [(one.path, one.rows) for one in lost] == [(file.path, 1) for file in catalogue.files]
    kept = [number for number in range(21) if number not in (2, 9, 13)]
    assert numbers(mapped(catalogue, SKIP)) == kept
    for make in (streamed, shuffled):
        caplog.clear()
        quarantine = tmp_path / "left_out.tsv"
        quarantine.unlink(missing_ok=True)
        stream = make(catalogue, how=SKIP, quarantine=str(quarantine))
        assert sorted(numbers(stream)) == kept
        assert "particles: 3 rows of particles.star were left out" in caplog.text
        assert quarantine.read_text().count("expected 0 to") == 3
        assert sorted(name for batch in stream.iter(5) for name in batch["name"]) == sorted(names(stream))


def test_errors_name_the_rows_of_the_table(tmp_path):
    which, slices = in_order()
    slices = slices + 6
    rows = table(which, slices, row=np.arange(21)[::-1] * 10)
    catalogue = made(tmp_path, write_stacks(tmp_path), rows)
    expected = (
        r"s_0\.mrcs: rows 191, 181, 171 and 3 more of particles\.star, .* name slices 7 to 12: .* since the file has 7"
    )
    with pytest.raises(FormatError, match=expected):
        list(streamed(catalogue))


@pytest.mark.parametrize("how", ["gone", "junk", "cut"])
@pytest.mark.parametrize("make", [streamed, shuffled])
def test_files_that_cannot_be_read_are_told_or_left_out(tmp_path, make, how, caplog):
    files = write_stacks(tmp_path)
    which, slices = picked(5)
    catalogue = made(tmp_path, files, table(which, slices))
    path = tmp_path / "J" / "stacks" / "s_1.mrcs"
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(b"junk" * 900 if how == "junk" else path.read_bytes()[:-700])
    kept = set(np.flatnonzero(which != 1).tolist())
    with pytest.raises((FormatError, NotFoundError), match=r"s_1\.mrcs"):
        list(make(catalogue))
    rows = make(catalogue, how=SKIP, quarantine=str(tmp_path / "left_out.tsv"))
    found = set(numbers(rows))
    assert found >= kept
    assert found == kept | {n for n in range(40) if which[n] == 1 and slices[n] < 1 and how == "cut"}
    assert sum(len(batch["name"]) for batch in rows.iter(6)) == len(found)
    assert f"{40 - len(found)} rows of particles.star were left out" in caplog.text
    assert "s_1.mrcs" in (tmp_path / "left_out.tsv").read_text()


@pytest.mark.parametrize("kind", ["float32", "gz"])
def test_a_file_that_changes_while_it_is_read_is_told_or_left_out(tmp_path, kind):
    files = write_stacks(tmp_path, kind)
    catalogue = made(tmp_path, files, table(*in_order()))
    path = tmp_path / "J" / "stacks" / files[2].path.rpartition("/")[2]
    data = path.read_bytes()
    for how in (READING, SKIP):
        path.write_bytes(data)
        rows = iter(streamed(catalogue, how=how, shards=[(0, 21)]).iter(4))
        first = next(rows)
        path.write_bytes(data[: len(data) // 2])
        if how is READING:
            with pytest.raises(PercError, match=r"s_2\.mrcs"):
                list(rows)
        else:
            assert len(first["name"]) + sum(len(batch["name"]) for batch in rows) == 12
