"""How an entry is divided: laws of the shards, and what nodes and workers get of them by the rules of `datasets`."""

from itertools import pairwise, product

import numpy as np
import pytest
from datasets.distributed import split_dataset_by_node
from hypothesis import example, given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from builders import load_dataset
from builders.empiar.categories import said_by
from builders.errors import FormatError, StalledError
from builders.io import mrc
from builders.io.image_file import ImageFile
from builders.io.layout import Layout
from builders.stacks import cutting
from builders.stacks.cutting import LARGEST, Count, Part, count_rows, cut
from builders.stacks.files import SourceFile
from builders.stacks.rows import Images, Reading
from tests.empiar import deposit
from tests.mrc_encoder import header
from tests.server import serve

MIB = 2**20
SPREADS = (1, 2, 3, 4, 5, 7, 8, 16, 24)
STACKS = st.tuples(st.integers(1, 400), st.sampled_from([1000, 2**16, 2**20, 40 * MIB]), st.just(False))
WHOLE = st.tuples(st.integers(1, 50), st.sampled_from([1000, 2**16]), st.just(True))


def files_of(sizes):
    """Files of so many rows, of so many bytes each; compressed or not."""
    return [
        SourceFile(f"data/{number}.mrcs{'.gz' * packed}", f"/data/{number}", 1024 + count * size, "stamp")
        for number, (count, size, packed) in enumerate(sizes)
    ]


def shards_of(sizes):
    return cut(files_of(sizes), [Count(count, not packed) for count, _, packed in sizes])


def counted(files, *options):
    return [count.rows for count in count_rows(files, *options)]


def rows_in(shard):
    return sum(part.stop - part.first for part in shard)


def reading(item="auto", category="", on_error="raise"):
    return Reading("empiar", "EMPIAR-10943", (), said_by(category), item, False, on_error)


@given(st.lists(STACKS | WHOLE, min_size=1, max_size=12))
def test_every_row_stands_in_one_shard_in_order_and_no_shard_is_empty(sizes):
    shards = shards_of(sizes)
    rows = [(p.file.path, row) for shard in shards for p in shard for row in p.rows(p.of)]
    assert rows == [
        (file.path, row) for file, (count, *_) in zip(files_of(sizes), sizes, strict=True) for row in range(count)
    ]
    assert all(map(rows_in, shards))
    assert all(
        part.stop - part.first == part.of for shard in shards for part in shard if part.file.path.endswith(".gz")
    )


@given(st.lists(STACKS, min_size=1, max_size=12))
@example([(1, 32 * MIB, False)] * 20)
@example([(1, 1000, False), (500, 1000, False)] * 40)
@example([(5, 40 * MIB, False)])
def test_shares_of_any_number_of_nodes_and_workers_differ_by_at_most_a_shards_rows(sizes):
    held = list(map(rows_in, shards_of(sizes)))
    for nodes, workers in product(SPREADS, SPREADS):
        if len(held) % nodes == 0:  # dealt out to nodes, and by each to its workers
            shares = [sum(held[node::nodes][worker::workers]) for node in range(nodes) for worker in range(workers)]
        else:  # every node reads all, and keeps each n-th row
            of_workers = [sum(held[worker::workers]) for worker in range(workers)]
            assert max(of_workers) - min(of_workers) <= max(held)
            shares = [sum(of_workers) // nodes, -(-sum(of_workers) // nodes)]  # one worker after another
        assert max(shares) - min(shares) <= max(held)


@given(st.lists(STACKS, min_size=1, max_size=12))
def test_shards_are_as_even_as_can_be_and_of_a_number_that_nodes_divide(sizes):
    held = list(map(rows_in, shards_of(sizes)))
    assert held == sorted(held, reverse=True)
    assert held[0] - held[-1] <= 1
    assert len(held) % 8 == 0 or len(held) == sum(held) < 8


@given(st.integers(1, 20_000), st.sampled_from([1000, 2**16, 2**20]), st.integers(1, 5))
def test_shards_of_like_rows_are_of_32_mib_or_a_row_or_two(count, size, files):
    shards = shards_of([(count, size, False)] * files)
    assert all(rows_in(shard) * size <= LARGEST or rows_in(shard) <= 2 for shard in shards)
    if count * size > 8 * LARGEST > 8 * size:
        assert all(rows_in(shard) * size > LARGEST // 2 - size for shard in shards)


def test_few_large_rows_among_many_small_ones_do_not_lie_in_one_shard():
    shards = shards_of([(100_000, 2**16, False), (100, 16 * MIB, False)])
    assert max(sum(min(p.stop - p.first, 100) for p in shard if p.file.path == "data/1.mrcs") for shard in shards) < 100
    assert len(shards) < 4 * (100_000 * 2**16 + 100 * 16 * MIB) / LARGEST + 240


@given(st.integers(1, 40), st.integers(1, 300), st.integers(1, 8))
def test_a_file_of_other_rows_than_was_thought_loses_none(thought, count, parts):
    file = files_of([(thought, 1000, False)])[0]
    bounds = sorted({0, thought, *(thought * part // parts for part in range(parts))})
    of_parts = [Part(file, first, stop, thought).rows(count) for first, stop in pairwise(bounds)]
    assert [row for rows in of_parts for row in rows] == list(range(count))


def test_files_that_cannot_be_read_go_with_their_neighbours():
    files = files_of([(count, MIB, False) for count in range(6)])
    shards = cut(files, [Count(count) for count in (0, 1, 0, 2, 0, 0)])
    assert [[part.file.path for part in shard] for shard in shards] == [
        ["data/0.mrcs", "data/1.mrcs"],
        ["data/2.mrcs", "data/3.mrcs"],
        ["data/3.mrcs", "data/4.mrcs", "data/5.mrcs"],
    ]
    assert len(cut(files, [Count(0)] * 6)) == 1
    assert cut([], []) == []


class Looks:
    """Looks at files of so many rows, of 16 KiB each, and keeps account of them."""

    def __init__(self, monkeypatch):
        self.seen = []
        monkeypatch.setattr(cutting, "look_at_all", self)

    def __call__(self, files, reading, store):
        self.seen += files
        for file in files:
            layout = Layout(((file.most - 1024) // 2**14, 64, 64), "<f4", 1024)
            yield Images(file, ImageFile(file.location, layout, 1.0, "", False), by_slice=True)


def remote(counts, folder="p", suffix=".mrcs"):
    return [
        SourceFile(f"data/{folder}/{n}{suffix}", f"http://127.0.0.1:9/{folder}/{n}", 1024 + count * 2**14, "stamp")
        for n, count in enumerate(counts)
    ]


@pytest.mark.parametrize(
    ("options", "suffix"),
    [({"category": "micrographs - single frame"}, ".mrc"), ({"item": "file"}, ".mrcs"), ({}, ".st")],
)
def test_what_is_one_row_is_not_looked_at(monkeypatch, options, suffix):
    looks = Looks(monkeypatch)
    assert counted(remote([1, 1, 700], suffix=suffix), reading(**options), None) == [1, 1, 1]
    assert looks.seen == []


@pytest.mark.parametrize("suffix", [".mrc", ".mrcs"])
def test_files_of_one_size_need_one_look_and_very_many_others_few(monkeypatch, suffix):
    looks = Looks(monkeypatch)
    alike = remote([70] * 50, "a", suffix) + remote([70] * 50, "b", suffix)
    assert counted(alike, reading(), None) == [70] * 100
    assert len(looks.seen) == 2
    looks.seen.clear()
    counts = [*range(1, 63), *range(62, 0, -1)]
    assert counted(remote(counts, suffix=suffix), reading(), None) == counts
    assert len(looks.seen) == 62
    looks.seen.clear()
    counts = list(range(1, 5001))
    assert counted(remote(counts, suffix=suffix), reading(), None) == counts
    assert len(looks.seen) <= 64


def test_what_cannot_be_looked_at(monkeypatch):
    failing = [FormatError("damaged"), StalledError("too slow")]
    monkeypatch.setattr(cutting, "look_at_all", lambda files, reading, store: iter(failing[: len(files)]))
    assert counted(remote([1]), reading(), None) == [0]
    with pytest.raises(StalledError):  # who is asked next would perhaps divide the rows otherwise
        count_rows(remote([1, 2]), reading(), None)
    assert counted(remote([1, 2]), reading(on_error="skip"), None) == [0, 0]


def test_what_cannot_be_read_in_part_is_not_cut(tmp_path):
    folder = tmp_path / deposit.ENTRY / "data" / "m"
    folder.mkdir(parents=True)
    for name, sections, order in (("across.map", 128, (3, 2, 1)), ("along.map", 120, (1, 2, 3))):
        head = header(128, 128, sections, 0, ispg=1, mapcrs=order)
        (folder / name).write_bytes(bytes(head) + bytes(sections * 128 * 128))
    deposit.write_xml(tmp_path, [("M", "data/m", "")])
    stream = load(tmp_path, tmp_path, item="slice")
    held = [[row["path"] for row in stream.shard(stream.num_shards, n)] for n in range(stream.num_shards)]
    of_each = [sum(any(name in path for path in paths) for paths in held) for name in ("across", "along")]
    assert of_each[0] == 1 < of_each[1]
    assert sum(map(len, held)) == 248


def shares(stream, nodes, workers):
    """Which rows each worker of each node gets."""
    found = []
    for rank in range(nodes):
        part = split_dataset_by_node(stream, rank, nodes) if nodes > 1 else stream
        part = part.select_columns(["path", "index"]).map(lambda row: {"worker": worker_id()})
        fork = "fork" if workers else None  # else, from Python 3.14 on, they take no function of a test
        rows = list(DataLoader(part, batch_size=None, num_workers=workers, multiprocessing_context=fork))
        of_workers = [[(r["path"], r["index"]) for r in rows if r["worker"] == w] for w in range(max(1, workers))]
        found += of_workers
    return found


def worker_id():
    from torch.utils.data import get_worker_info

    info = get_worker_info()
    return 0 if info is None else info.id


@pytest.fixture
def micrographs(tmp_path):
    """Twelve files of more than a MiB, as the demo's: by bytes, each would make two parts."""
    write_set(tmp_path / "mirror", [(1, 600, 512)] * 12, "micrographs - single frame")
    return tmp_path / "mirror"


def write_set(root, shapes, category, suffix=".mrc"):
    folder = root / deposit.ENTRY / "data" / "m"
    folder.mkdir(parents=True)
    for number, shape in enumerate(shapes):
        mrc.write(folder / f"m_{number}{suffix}", np.zeros(shape, np.float32), 2.0)
    deposit.write_xml(root, [("M", "data/m", category)])


def load(place, tmp_path, **options):
    return load_dataset(
        "empiar",
        entry=deposit.ENTRY,
        archive=str(place),
        cache_dir=str(tmp_path / "cache"),
        split="train",
        **{"streaming": True} | options,
    )


@pytest.mark.parametrize(("nodes", "workers"), [(1, 2), (8, 0), (2, 2), (3, 4)])
def test_micrographs_are_shared_out(micrographs, tmp_path, nodes, workers):
    found = shares(load(micrographs, tmp_path), nodes, workers)
    assert len({row for rows in found for row in rows}) == sum(map(len, found)) == 12
    of_nodes = [sum(map(len, found[n::nodes])) for n in range(nodes)] if workers < 2 else list(map(len, found))
    assert max(of_nodes) - min(of_nodes) <= 2
    per_node = max(1, workers)
    of_nodes = [sum(map(len, found[n * per_node : (n + 1) * per_node])) for n in range(nodes)]
    for shares_of in (of_nodes, list(map(len, found))):
        assert max(shares_of) - min(shares_of) <= 2
    assert nodes != 3 or of_nodes == [4, 4, 4]


def test_slices_larger_than_a_part_and_few_rows(tmp_path):
    write_set(tmp_path / "mirror", [(3, 700, 700)], "(OT,lamellae)")
    stream = load(tmp_path / "mirror", tmp_path, item="slice")
    assert stream.num_shards == 3
    assert [len(rows) for rows in shares(stream, 2, 0)] == [2, 1]
    assert [len(rows) for rows in shares(stream, 8, 0)] == [1, 1, 1, 0, 0, 0, 0, 0]


def test_a_server_is_asked_when_a_stream_is_divided_and_not_twice(tmp_path):
    category = "picked particles - single frame - processed"
    write_set(tmp_path / "mirror", [(4, 600, 512), (3, 600, 512)], category, ".mrcs")
    with serve() as server:
        server.publish(tmp_path / "mirror")

        def asked():
            return len([r for r in server.requests if r.path.endswith(".mrcs")])

        stream = load(server.base, tmp_path).with_format("torch").map(lambda row: row)
        assert asked() == 0
        stream = stream.shuffle(seed=1, buffer_size=1)
        assert stream.num_shards == 7
        assert asked() == 2
        assert len(list(DataLoader(stream, num_workers=1, multiprocessing_context="fork"))) == 7
        assert asked() == 2 + 7
        assert load(server.base, tmp_path).num_shards == 7
        assert asked() == 2 + 7
