"""Streams of made rows: the same rows as map-style, however they are divided, shuffled and resumed."""

import itertools

import datasets
import numpy as np
import pytest
import torch
from datasets.distributed import split_dataset_by_node
from torch.utils.data import DataLoader

from builders import load_dataset
from builders.hf.streaming import THROUGH_ARROW
from builders.synthetic.reader import Endless, Pieces, shards_of


def stream_of(options, count=None, **more):
    return load_dataset("synthetic", num_examples=count, streaming=True, **options | more)


def indices(rows):
    return [int(row["index"]) for row in rows]


def pixels(rows):
    return {int(row["index"]): np.asarray(row["image"]) for row in rows}


@pytest.fixture
def truth(options):
    """The images of 40 rows, each made alone."""
    ds = load_dataset("synthetic", num_examples=40, **options)
    return {index: ds[index]["image"] for index in range(40)}


def check(found, truth, count=None):
    assert len(found) == (len(truth) if count is None else count)
    for index, image in found.items():
        np.testing.assert_allclose(image, truth[index], atol=2e-5)


def test_batches_of_any_kind_have_the_rows_as_they_are_alone(options, truth):
    ds = load_dataset("synthetic", num_examples=40, **options)
    chosen = [7, 3, 39, 3]
    for place, image in zip(chosen, ds[chosen]["image"], strict=True):
        np.testing.assert_allclose(image, truth[place], atol=2e-5)
    batches = DataLoader(ds.with_format("torch"), batch_size=16, shuffle=True)
    found = {int(i): im.numpy() for b in batches for i, im in zip(b["index"], b["image"], strict=True)}
    check(found, truth)
    for batch in stream_of(options, 40).with_format("torch").iter(16):
        for index, image in zip(batch["index"], batch["image"], strict=True):
            np.testing.assert_allclose(image, truth[int(index)], atol=2e-5)


@pytest.mark.parametrize(("workers", "context"), [(1, "fork"), (4, "fork"), (2, "forkserver")])
def test_rows_are_the_same_in_workers(options, truth, workers, context):
    loaded = {"num_workers": workers, "multiprocessing_context": context, "batch_size": 8}
    for ds in (
        load_dataset("synthetic", num_examples=40, **options).with_format("torch"),
        stream_of(options, 40).with_format("torch"),
    ):
        batches = list(DataLoader(ds, **loaded))
        order = [int(index) for batch in batches for index in batch["index"]]
        assert sorted(order) == list(range(40))
        check({i: im.numpy() for b in batches for i, im in zip(b["index"].tolist(), b["image"], strict=True)}, truth)
    if workers == 1:
        assert order == list(range(40))


def test_shuffled_streams_give_each_row_once_and_as_it_is(options, truth):
    stream = stream_of(options, 40, clean=True)
    shuffled = stream.shuffle(seed=3, buffer_size=16)
    rows = list(shuffled)
    assert sorted(indices(rows)) == list(range(40))
    assert indices(rows) != list(range(40))
    check(pixels(rows), truth)
    clean = {row["index"]: row["clean"] for row in stream}
    for row in rows:
        np.testing.assert_allclose(row["clean"], clean[row["index"]], atol=2e-5)
    batches = list(shuffled.with_format("torch").iter(8))
    assert [int(i) for b in batches for i in b["index"]] == indices(rows)
    shuffled.set_epoch(1)
    assert indices(shuffled) != indices(rows)


@pytest.mark.parametrize("is_shuffled", [False, True])
def test_streams_resume_exactly(options, is_shuffled):
    def begun():
        stream = stream_of(options, 40)
        return stream.shuffle(seed=3, buffer_size=16) if is_shuffled else stream

    whole = list(begun())
    stream, first = begun(), []
    for row in stream:
        first.append(row)
        if len(first) == 13:
            state = stream.state_dict()
            break
    again = begun()
    again.load_state_dict(state)
    rows = list(again)
    assert indices(first + rows) == indices(whole)
    for row, other in zip(first + rows, whole, strict=True):
        np.testing.assert_allclose(row["image"], other["image"], atol=2e-5)


def test_a_stream_goes_on_from_far_away_without_making_what_lies_before(options, monkeypatch):
    from builders.io.made.particles import ParticleMaker

    made = []
    pixels_of = ParticleMaker.pixels
    monkeypatch.setattr(
        ParticleMaker, "pixels", lambda self, rows, names: made.extend(rows.tolist()) or pixels_of(self, rows, names)
    )
    stream = stream_of(options)
    assert indices(stream.skip(500).take(2)) == [500, 501]
    if THROUGH_ARROW:  # then `datasets` makes rows of what it skips
        made.clear()
    state = stream.state_dict()
    innermost = state
    while "shard_idx" not in innermost:  # before `datasets` 5, there is a layer more
        innermost = innermost["examples_iterable"]
    innermost |= {"shard_idx": 2, "shard_example_idx": 10**5 + 7}
    stream.load_state_dict(state)
    assert indices(itertools.islice(stream, 2)) == [2 * 2**20 + 10**5 + 7, 2 * 2**20 + 10**5 + 8]
    assert len(made) == len(set(made))
    assert len(made) <= 256
    assert min(made) >= 448


def test_streams_without_end_divide_and_shuffle(options):
    stream = stream_of(options)
    assert indices(stream.take(70)) == list(range(70))
    shares = [set(indices(split_dataset_by_node(stream, rank, 3).take(20))) for rank in range(3)]
    assert len(set.union(*shares)) == 60
    shuffled = indices(stream.shuffle(seed=1, buffer_size=32).take(50))
    assert len(set(shuffled)) == 50
    assert shuffled == indices(stream.shuffle(seed=1, buffer_size=32).take(50))
    loader = DataLoader(stream.with_format("torch"), batch_size=8, num_workers=2)
    found = [int(index) for batch in itertools.islice(loader, 6) for index in batch["index"]]
    assert len(set(found)) == 48


def test_nodes_and_workers_share_all_rows(options):
    stream = stream_of(options, 40)
    shares = [indices(split_dataset_by_node(stream, rank, 4)) for rank in range(4)]
    assert sorted(itertools.chain(*shares)) == list(range(40))
    assert [len(share) for share in shares] == [10] * 4


def test_made_rows_mix_with_particles(options, tmp_path):
    from builders.particles import write

    made = load_dataset("synthetic", num_examples=12, **options)
    write(made, tmp_path / "real")
    real = load_dataset(
        "particles",
        star=str(tmp_path / "real" / "particles.star"),
        streaming=True,
        split="train",
        cache_dir=options["cache_dir"],
    )
    names = ["image", "pixel_size", "pose", "ctf"]
    both = datasets.interleave_datasets([real.select_columns(names), stream_of(options).select_columns(names)])
    rows = list(both.take(10))
    assert len(rows) == 10
    for number, row in enumerate(rows):
        np.testing.assert_allclose(row["image"], made[number // 2]["image"], atol=2e-5)
        assert row["pose"]["rot"] == pytest.approx(made[number // 2]["pose"]["rot"], abs=1e-4)


def test_seeds_make_other_rows(options):
    first, other = (load_dataset("synthetic", num_examples=2, seed=seed, **options) for seed in (1, 2))
    assert abs(np.corrcoef(first[0]["image"].ravel(), other[0]["image"].ravel())[0, 1]) < 0.5
    assert first[0]["pose"] != other[0]["pose"]


def test_shards_are_all_rows_in_order_and_pieces_all_of_them():
    for count in (1, 7, 4096, 100_000):
        shards = shards_of(count, 65536)
        assert [i for start, stop in shards for i in range(start, stop)] == list(range(count))
        for at_once in (1, 3, 10):
            pieces = Pieces(shards, at_once, 50, [1, 2])
            assert sorted(i for start, stop in pieces for i in range(start, stop)) == list(range(count))
            assert all(stop - start <= 50 for start, stop in pieces)
    endless = Endless()
    assert endless[0][0] == 0
    assert all(one[1] == other[0] for one, other in itertools.pairwise(endless[:20]))
    for nodes in (2, 3, 5, 6, 7, 8, 9, 10, 12, 16, 64, 512):
        assert len(endless) % nodes == 0
    far = Pieces(endless, 10, 512, [1])
    assert len(far) == len(endless) * 2048
    assert len({far[n] for n in range(10**8, 10**8 + 1000)}) == 1000


def test_torch_threads_change_nothing(options, truth):
    ds = load_dataset("synthetic", num_examples=40, **options)
    torch.set_num_threads(2)
    try:
        images = ds[:40]["image"]
    finally:
        torch.set_num_threads(1)
    check(dict(enumerate(images)), truth)
