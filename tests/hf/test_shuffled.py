"""Shuffled streams of ours: all rows once, in an order that is the same again, also from wherever they were stopped."""

import json
import logging
from copy import deepcopy
from itertools import islice

import datasets
import numpy as np
import pytest
import torch
from datasets import iterable_dataset
from datasets.distributed import split_dataset_by_node
from torch.utils.data import DataLoader

import perc_transforms as T
from builders import load_dataset
from builders.errors import OptionError, TruncatedError
from builders.hf.shuffling import memory
from builders.hf.shuffling.stream import PermutedStream, ShuffledStream
from builders.hf.stream_layers import divides, identity, layers_of
from builders.hf.streams.mapping import gives_batches
from builders.io import mrc
from builders.io.layout import is_fresh
from builders.stacks import pieces as cutting_pieces
from tests.empiar import deposit
from tests.hf.test_stream_batches import stops
from tests.server import serve
from tests.stacks.deposits import KINDS, load, write

BEFORE_5 = int(datasets.__version__.partition(".")[0]) < 5
whole_only = pytest.mark.skipif(BEFORE_5, reason="datasets 4 sends the rows of every stream through Arrow tables")


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    """Two rows or so each, for a buffer has several of a small file's then."""
    for name in ("_SMALLEST", "_LOCAL", "REMOTE"):
        monkeypatch.setattr(cutting_pieces, name, 400)


@pytest.fixture
def mirror(tmp_path):
    return write(tmp_path / "mirror", "float32", (17, 5, 9))


def shuffled(place, tmp_path, rows=8, seed=1, **options):
    return load(place, tmp_path, **options).shuffle(seed=seed, buffer_size=rows)


def names(rows):
    return [(row["path"], row["index"]) for row in rows]


def resumed(stream, state):
    stream.load_state_dict(json.loads(json.dumps(state)))
    return stream


def in_epoch(stream, epoch):
    stream.set_epoch(epoch)
    return stream


def stopped(stream, after):
    """Rows up to a place, and the state there."""
    rows = iter(stream)
    found = list(islice(rows, after))
    return found, stream.state_dict()


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_comes_once_as_it_is_in_order(tmp_path, kind):
    root = write(tmp_path / "mirror", kind)
    in_order = {name: row for row in load(root, tmp_path) for name in names([row])}
    found = list(shuffled(root, tmp_path))
    assert sorted(names(found)) == sorted(in_order) != names(found)
    for row in found:
        other = in_order[names([row])[0]]
        assert list(row) == list(other)
        np.testing.assert_array_equal(row.pop("image"), other["image"], strict=True)
        assert row == {name: other[name] for name in row}


def test_rows_given_one_by_one_are_read_file_by_file(tmp_path, monkeypatch):
    root, gathered = write(tmp_path / "mirror", "float32", side=180), []

    def gather(path, *args):
        gathered.append(path)
        return stock_gather(path, *args)

    stock_gather = memory.gather
    monkeypatch.setattr(memory, "gather", gather)
    assert len(list(shuffled(root, tmp_path, rows=1000))) == 21
    assert len(gathered) == len(set(gathered)) == 3


@whole_only
@pytest.mark.parametrize("large", [1, 2**20])
def test_a_row_is_handed_on_without_another_copy(mirror, tmp_path, monkeypatch, large):
    monkeypatch.setattr(memory, "LARGE", large)
    rows = list(shuffled(mirror, tmp_path))
    assert all(is_fresh(row["image"]) for row in rows)
    assert len({row["image"].ctypes.data for row in rows}) == len(rows)


@pytest.mark.parametrize("kind", ["float32", "gz", "across", "unlike", "pairs"])
@pytest.mark.parametrize("rows", [1, 6, 1000])
def test_a_stream_goes_on_from_wherever_it_was_stopped(tmp_path, kind, rows):
    root = write(tmp_path / "mirror", kind)
    stream = shuffled(root, tmp_path, rows)
    whole, states = stops(stream, stream)
    for after in range(1, len(whole) + 1, 2):
        rest = list(resumed(shuffled(root, tmp_path, rows), states[after]))
        assert names(whole[:after] + rest) == names(whole)
        for row, other in zip(rest, whole[after:], strict=True):
            np.testing.assert_array_equal(row["image"], other["image"])


@pytest.mark.parametrize("kind", ["float32", "int8", "gz", "unlike"])
def test_a_stream_of_a_server_is_that_of_a_folder_and_goes_on(tmp_path, kind):
    root = write(tmp_path / "mirror", kind, (17, 5, 9))
    whole = list(shuffled(root, tmp_path))
    with serve() as server:
        server.publish(root)
        found, state = stopped(shuffled(server.base, tmp_path), 14)
        rest = list(resumed(shuffled(server.base, tmp_path), state))
    assert names(found + rest) == names(whole)
    for row, other in zip(found + rest, whole, strict=True):
        np.testing.assert_array_equal(row["image"], other["image"], strict=True)


def test_a_stream_that_goes_on_asks_a_server_for_what_was_held_and_not_for_what_was_given(tmp_path, monkeypatch):
    monkeypatch.setattr(cutting_pieces, "REMOTE", 40 * 1024)
    root = write(tmp_path / "mirror", "float32", (400,), side=30)
    with serve() as server:
        server.publish(root)
        stream = shuffled(server.base, tmp_path, 30)
        _, state = stopped(stream, 330)
        before = server.bytes_sent
        rest = list(resumed(shuffled(server.base, tmp_path, 30), state))
        assert len(rest) == 70
        assert server.bytes_sent - before < 200 * 30 * 32 * 4


def test_the_order_is_told_by_seed_and_epoch(mirror, tmp_path):
    def order(seed, epoch=0):
        stream = shuffled(mirror, tmp_path, seed=seed)
        stream.set_epoch(epoch)
        return names(stream)

    found = [order(1), order(2), order(1, 1), order(1, 2), order(2, 1)]
    assert len({tuple(rows) for rows in found}) == 5
    assert all(sorted(rows) == sorted(found[0]) for rows in found)
    assert order(1, 2) == found[3]
    generator = np.random.default_rng(1)
    assert names(load(mirror, tmp_path).shuffle(generator=generator, buffer_size=8)) == found[0]
    assert generator.random() == np.random.default_rng(1).random()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("made", [shuffled, load])
def test_a_state_of_a_later_epoch_that_is_left_out_is_told(mirror, tmp_path, caplog, capfd, made, workers):
    def read(stream):
        if not workers:
            return list(stream)
        logging.getLogger("builders").addHandler(handler := logging.StreamHandler())  # of which a fork has a copy
        rows = list(DataLoader(stream, batch_size=None, num_workers=workers, multiprocessing_context="fork"))
        logging.getLogger("builders").removeHandler(handler)
        return rows

    stream = in_epoch(made(mirror, tmp_path), 3)
    _, state = stopped(stream, 13)
    fresh = made(mirror, tmp_path).state_dict()
    left_out = resumed(made(mirror, tmp_path), state)
    assert len(read(left_out)) == 31
    text = "\n".join([caplog.text, capfd.readouterr().err])
    assert text.count("from the beginning of epoch 0") == 1
    assert "one of epoch 3: call set_epoch(3)" in text
    caplog.clear()
    for epoch, begun in [(0, fresh), (4, state)] + [(2, fresh), (3, state)] * (not workers):
        read(in_epoch(resumed(made(mirror, tmp_path), begun), epoch))
        read(resumed(in_epoch(made(mirror, tmp_path), epoch), begun))
    read(made(mirror, tmp_path))
    assert "epoch" not in caplog.text + capfd.readouterr().err


def test_a_stream_goes_on_in_its_epoch(mirror, tmp_path):
    stream = shuffled(mirror, tmp_path)
    stream.set_epoch(3)
    whole = names(stream)
    found, state = stopped(stream, 13)
    again = shuffled(mirror, tmp_path)
    again.set_epoch(3)
    assert names(found) + names(resumed(again, state)) == whole
    again.set_epoch(4)
    assert sorted(names(again)) == sorted(whole)


@pytest.mark.skipif(BEFORE_5, reason="datasets 4 resumes at the start of a batch")
@pytest.mark.parametrize("after", [1, 9, 10, 24, 30])
def test_what_is_done_to_rows_goes_on_with_them(mirror, tmp_path, after):
    def made():
        stream = shuffled(mirror, tmp_path, 8, dtype="float32").with_format("torch")
        stream = stream.map(T.Normalize(), batched=True, batch_size=4)
        return stream.filter(lambda row: row["index"] != 3)

    whole = list(made())
    assert len(whole) == 28
    if after < 28:
        found, state = stopped(made(), after)
        rest = list(resumed(made(), state))
        assert names(found + rest) == names(whole)
        assert all((row["image"] == other["image"]).all() for row, other in zip(rest, whole[after:], strict=True))


def rows_in(batches):
    """The rows of batches, one after another."""
    return [dict(zip(batch, row, strict=True)) for batch in batches for row in zip(*batch.values(), strict=True)]


@whole_only
@pytest.mark.parametrize("kind", ["float32", "int8", "big-endian", "gz", "across", "unlike"])
def test_batches_hold_the_rows_and_go_on(tmp_path, kind):
    def made():
        return shuffled(root, tmp_path, 10, dtype="float32").with_format("torch")

    root = write(tmp_path / "mirror", kind, (9, 3, 5))
    rows = list(made())
    for size in (1, 4, 17, 100):
        stream = made()
        whole, states = stops(stream, stream.iter(size))
        assert [len(batch["index"]) for batch in whole] == [size] * (17 // size) + [17 % size] * (17 % size > 0)
        assert [len(batch["index"]) for batch in made().iter(size, drop_last_batch=True)] == [size] * (17 // size)
        assert kind == "unlike" or all(type(batch["image"]) is torch.Tensor for batch in whole)
        for row, other in zip(rows_in(whole), rows, strict=True):
            assert list(row) == list(other)
            assert all((row[name] == other[name]).all() for name in ("image", "index"))
            assert row["path"] == other["path"]
        for after in range(1, len(whole), 3 if size == 1 else 1):
            rest = rows_in(resumed(made(), states[after]).iter(size))
            assert names(rows_in(whole[:after]) + rest) == names(rows)


@whole_only
def test_stacks_go_whole_from_the_buffer_to_the_function(mirror, tmp_path):
    seen = []

    def look(batch):
        seen.append((type(batch["image"]), tuple(batch["image"].shape)))
        return batch

    stream = shuffled(mirror, tmp_path, 10).with_format("torch")
    assert gives_batches(stream._prepare_ex_iterable_for_iteration())
    batches = list(stream.map(look, batched=True, batch_size=8).batch(4))
    assert seen == [(torch.Tensor, (8, 6, 8))] * 3 + [(torch.Tensor, (7, 6, 8))]
    assert [tuple(batch["image"].shape) for batch in batches] == [(4, 6, 8)] * 7 + [(3, 6, 8)]
    assert names(rows_in(batches)) == [(path, index) for path, index in names(stream)]


@whole_only
def test_a_batch_is_filled_up_where_files_are_damaged(mirror, tmp_path):
    stream = shuffled(mirror, tmp_path, 1000, on_error="skip", dtype="float32")
    batches = stream.iter(4)
    found = [next(batches)]
    damage(mirror)
    found += batches
    assert [len(batch["index"]) for batch in found[:-1]] == [4] * (len(found) - 1)
    rows = rows_in(found)
    assert 26 <= len(rows) <= 30
    whole = {name: row["image"] for row in load(mirror, tmp_path, on_error="skip") for name in names([row])}
    for row in rows[4:]:
        np.testing.assert_array_equal(row["image"], whole[names([row])[0]])


def test_below_layers_that_keep_rows_and_above_no_others(mirror, tmp_path):
    stream = load(mirror, tmp_path)
    kept = [
        stream.select_columns(["index", "path"]),
        stream.remove_columns(["entry", "pixel_size"]),
        stream.rename_column("entry", "deposit"),
        stream.with_format("numpy"),
        stream.cast_column("index", datasets.Value("int32")),
        stream.with_format("torch").select_columns(["path", "index", "image"]),
    ]
    for some in kept:
        assert isinstance(layers_of(some.shuffle(seed=1, buffer_size=8)._ex_iterable)[-2], ShuffledStream)
        assert sorted(names(some.shuffle(seed=1, buffer_size=8))) == sorted(names(stream))
        assert list(next(iter(some.shuffle(seed=1)))) == list(next(iter(some)))
    stock = iterable_dataset.BufferShuffledExamplesIterable
    for some in (stream.map(dict), stream.filter(bool), stream.take(20), datasets.concatenate_datasets([stream] * 2)):
        assert isinstance(some.shuffle(seed=1, buffer_size=8)._ex_iterable, stock)
    other = datasets.Dataset.from_dict({"a": range(9)}).to_iterable_dataset(3)
    assert isinstance(other.shuffle(seed=1)._ex_iterable, stock)
    assert sorted(row["a"] for row in other.shuffle(seed=1)) == list(range(9))


def test_what_a_stream_is_is_told(mirror, tmp_path):
    stream = shuffled(mirror, tmp_path)
    assert not divides(stream)
    told = identity(stream)
    assert len(list(stream)) == 31
    assert identity(stream) == told == identity(shuffled(mirror, tmp_path))
    assert identity(shuffled(mirror, tmp_path, seed=2)) != told != identity(shuffled(mirror, tmp_path, 9))


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_workers_and_nodes_divide_it(mirror, tmp_path, workers):
    stream = shuffled(mirror, tmp_path)
    rows = list(DataLoader(stream, batch_size=None, num_workers=workers, multiprocessing_context="fork"))
    assert sorted(names(rows)) == sorted(names(stream))
    assert workers == 1 or names(rows) != names(stream)
    for count in (2, 3):
        of_nodes = [names(split_dataset_by_node(stream, rank, count)) for rank in range(count)]
        assert sorted(row for found in of_nodes for row in found) == sorted(names(stream))


def test_a_state_of_another_division_or_shuffle_is_refused(mirror, tmp_path):
    def part(rank, nodes, **options):
        return split_dataset_by_node(shuffled(mirror, tmp_path, **options), rank, nodes)

    assert load(mirror, tmp_path).num_shards % 4 == 0
    _, state = stopped(part(0, 2), 5)
    for other in (part(0, 4), part(1, 2), shuffled(mirror, tmp_path), part(0, 2, seed=2), part(0, 2, rows=9)):
        with pytest.raises(OptionError, match=r"part 0 of 2.*goes on only as it was made"):
            list(resumed(other, state))
    assert len(list(resumed(part(0, 2), state))) + 5 == len(list(part(0, 2)))


@pytest.mark.parametrize("epoch", [0, 3])
def test_seeds_are_told_in_the_words_of_who_wrote_them(mirror, tmp_path, epoch):
    ours = in_epoch(shuffled(mirror, tmp_path), epoch)
    _, state = stopped(ours, 4)
    words = "" if not epoch or BEFORE_5 else f", epoch {epoch}"
    for seed in (2, np.int64(2)):
        with pytest.raises(OptionError, match=rf"saved by .*, seed 1{words}, .*; this one is of .*, seed 2{words}, "):
            list(resumed(in_epoch(shuffled(mirror, tmp_path, seed=seed), epoch), state))
    by_generator = load(mirror, tmp_path).shuffle(generator=np.random.default_rng(7), buffer_size=8)
    with pytest.raises(OptionError, match=rf"seed 1{words}, .*; this one is of .*, seed of a generator \d+{words}, "):
        list(resumed(in_epoch(by_generator, epoch), state))
    loader = DataLoader(resumed(ours, state), batch_size=None, num_workers=2, multiprocessing_context="fork")
    with pytest.raises(OptionError, match=rf"seed 1{words}, .*; this one is of .*part 0 of 2, seed 1{words}, "):
        list(loader)


def test_a_state_that_another_shuffle_saved_is_refused(mirror, tmp_path):
    plain = load(mirror, tmp_path)
    _, state = stopped(plain, 4)
    with pytest.raises(OptionError, match="saved by a stream that was not shuffled"):
        list(resumed(shuffled(mirror, tmp_path), state))
    old = deepcopy(plain)
    old._ex_iterable = iterable_dataset.BufferShuffledExamplesIterable(
        plain._ex_iterable, buffer_size=8, generator=np.random.default_rng(1)
    )
    _, state = stopped(old, 4)
    with pytest.raises(OptionError, match="saved by a stream"):
        list(resumed(shuffled(mirror, tmp_path), state))


def test_a_loader_of_other_workers_is_refused(mirror, tmp_path):
    _, state = stopped(shuffled(mirror, tmp_path), 4)
    stream = resumed(shuffled(mirror, tmp_path), state)
    with pytest.raises(OptionError, match="goes on only as it was made"):
        list(DataLoader(stream, batch_size=None, num_workers=2, multiprocessing_context="fork"))


def damage(root):
    path = root / deposit.ENTRY / "data" / "s" / "s_1.mrcs"
    path.write_bytes(path.read_bytes()[: 1024 + 3 * 6 * 8 * 4 + 10])
    return path


def test_damaged_files_are_left_out_and_listed_and_it_goes_on(mirror, tmp_path):
    damage(mirror)
    table = tmp_path / "table.tsv"
    options = {"on_error": "skip", "quarantine": str(table)}
    whole = list(shuffled(mirror, tmp_path, **options))
    assert len(whole) in (26, 29)
    assert "s_1.mrcs" in table.read_text()
    for after in (3, 14, 22):
        found, state = stopped(shuffled(mirror, tmp_path, **options), after)
        assert names(found) + names(resumed(shuffled(mirror, tmp_path, **options), state)) == names(whole)
    with pytest.raises(TruncatedError, match=r"s_1\.mrcs"):
        list(shuffled(mirror, tmp_path))


def test_what_is_cut_off_while_it_is_held_is_left_out(mirror, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_TOGETHER", 400)  # bytes that are read together
    stream = shuffled(mirror, tmp_path, 1000, on_error="skip")
    rows = iter(stream)
    found = [next(rows)]
    damage(mirror)
    found += rows
    assert {path for path, _ in names(found[2:])} == {"data/s/s_0.mrcs", "data/s/s_2.mrcs"}  # two were read by then
    assert 26 <= len(found) <= 28


def test_the_bytes_that_are_held_are_an_option_that_makes_no_other_dataset(tmp_path):
    root = write(tmp_path / "mirror", "int8", (400,), side=100)
    stream = shuffled(root, tmp_path, 1000, shuffle_memory=1)
    room, _, draws = stream._ex_iterable._begun()
    sizes = [room.size for _ in draws]
    assert sizes[0] <= 2**20 < sizes[0] + 100 * 102
    for option in (0, -1, 1.5, "2"):
        with pytest.raises(OptionError, match="shuffle_memory"):
            load(root, tmp_path, shuffle_memory=option)
    made = [load(root, tmp_path, streaming=False, shuffle_memory=most).cache_files for most in (1, 512)]
    assert made[0] == made[1]


def test_a_folder_of_classes_is_shuffled_by_its_files_and_goes_on(tmp_path):
    (tmp_path / "x").mkdir()
    for number in range(23):
        mrc.write(tmp_path / "x" / f"{'ab'[number % 2]}_{number}.mrc", np.full((2, 3), number, np.float32))

    def made(seed=1):
        stream = load_dataset("local_classes", data_dir=str(tmp_path / "x"), split="train", streaming=True)
        return stream.shuffle(seed=seed, buffer_size=4)

    whole = [row["path"] for row in made()]
    assert sorted(whole) == sorted(f"{'ab'[number % 2]}_{number}.mrc" for number in range(23))
    assert whole != [row["path"] for row in made(2)]
    assert isinstance(made()._ex_iterable, PermutedStream)
    found, state = stopped(made(), 9)
    assert [row["path"] for row in [*found, *resumed(made(), state)]] == whole
    with pytest.raises(OptionError, match="goes on only as it was made"):
        list(resumed(made(2), state))
