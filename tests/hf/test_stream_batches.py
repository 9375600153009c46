"""Batches of our streams, whichever way they are made, hold the rows that the stream gives one by one."""

import datasets
import numpy as np
import pytest
import torch
from datasets.distributed import split_dataset_by_node
from torch.utils.data import DataLoader

import perc_transforms as T
from builders.errors import FormatError, OptionError, PercError
from builders.hf.features import EMImage
from builders.hf.stream_layers import layers_of
from builders.hf.streams.mapping import gives_batches
from perc_transforms.core.batch_rows import Columns
from tests.empiar import deposit
from tests.server import serve
from tests.stacks.deposits import KINDS, load, write

BEFORE_5 = int(datasets.__version__.partition(".")[0]) < 5
whole_only = pytest.mark.skipif(BEFORE_5, reason="datasets 4 sends the rows of every stream through Arrow tables")
REAL = tuple(kind for kind in KINDS if kind not in ("complex64", "pairs"))
SIZES = (1, 4, 7, 21, 100)


def rows_of(batches):
    """The rows of batches, one after another."""
    found = []
    for batch in batches:
        assert len({len(column) for column in batch.values()}) == 1
        found += [dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)]
    return found


def same(one, other):
    """Whether values are equal, NaN to NaN, of one kind, and of one type where they have axes."""
    if isinstance(one, torch.Tensor | np.ndarray) and one.ndim:
        assert (type(one), one.dtype, one.shape) == (type(other), other.dtype, other.shape)
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            same(one[name], other[name])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for values in zip(one, other, strict=True):
            same(*values)
    elif isinstance(one, torch.Tensor):
        assert (type(other), one.dtype) == (torch.Tensor, other.dtype)
        assert one == other or (one.isnan() and other.isnan())
    else:
        assert one == other or (one != one and other != other)


def same_rows(rows, others):
    assert len(rows) == len(others)
    for one, other in zip(rows, others, strict=True):
        same(one, other)


def no_batches(stream, size):
    """What `datasets` makes of rows: the oracle for the sizes of batches."""
    rows = list(stream)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def stops(stream, items):
    """What a stream gives, and its states before each of these and after the last one."""
    found, states = [], [stream.state_dict()]
    for item in items:
        found.append(item)
        states.append(stream.state_dict())
    return found, states


@pytest.fixture
def mirror(tmp_path):
    return write(tmp_path / "mirror", "float32")


@pytest.mark.parametrize("format_type", [None, "torch", "numpy"])
@pytest.mark.parametrize("kind", REAL)
def test_batches_hold_the_rows(tmp_path, kind, format_type):
    if BEFORE_5 and format_type == "numpy" and kind in ("big-endian", "4bit", "across"):
        pytest.skip("datasets 4 has another null in batches of its own, of files that say no pixel size")
    stream = load(write(tmp_path / "mirror", kind), tmp_path, dtype="float32").with_format(format_type)
    rows = list(stream)
    assert len(rows) == 21
    for size in SIZES:
        batches = list(stream.iter(size))
        assert [len(batch["path"]) for batch in batches] == [len(some) for some in no_batches(stream, size)]
        same_rows(rows_of(batches), rows)
        same_rows(rows_of(stream.batch(size)), rows)
    assert len(list(stream.iter(4, drop_last_batch=True))) == len(list(stream.batch(4, drop_last_batch=True))) == 5


@pytest.mark.parametrize("dtype", [None, "float64", "complex64"])
@pytest.mark.parametrize("kind", ["int8", "float16", "complex64", "pairs", "big-endian"])
def test_types_are_those_of_rows(tmp_path, kind, dtype):
    stream = load(write(tmp_path / "mirror", kind), tmp_path, dtype=dtype)
    if kind in ("complex64", "pairs") and dtype == "float64":
        for made in (list, lambda stream: list(stream.iter(4))):
            with pytest.raises(FormatError, match=r"s_0\.mrcs: complex pixels"):
                made(stream)
        return
    for formatted in (stream, stream.with_format("torch"), stream.with_format("numpy")):
        same_rows(rows_of(formatted.iter(4)), list(formatted))


@whole_only
def test_numbers_have_the_precision_that_datasets_gives_arrays(mirror, tmp_path):
    rows = [{"half": 1.5, "parts": [1.5, 2.0], "ragged": [0.5] * (n + 1), "deep": {"a": 1.5}} for n in range(3)]
    even = ("half", "parts", "deep")
    oracle = next(datasets.Dataset.from_list(rows).to_iterable_dataset().with_format("numpy").iter(3))
    given = []

    def function(batch):
        given.append(batch["pixel_size"].dtype)
        return {name: [row[name] for row in rows] for name in rows[0]}

    stream = load(mirror, tmp_path).with_format("numpy")
    mapped = stream.map(function, batched=True, batch_size=3).take(3).with_format("numpy")
    for batch in (next(stream.iter(4)), next(iter(stream.batch(4)))):
        assert batch["pixel_size"].dtype == np.float32
    for batch in (next(mapped.iter(3)), next(iter(mapped.batch(3)))):
        assert given[-1] == np.float32
        same({name: batch[name] for name in even}, {name: oracle[name] for name in even})
        assert [part.dtype for part in batch["ragged"]] == [part.dtype for part in oracle["ragged"]]


@whole_only
@pytest.mark.parametrize("format_type", [None, "torch", "numpy"])
def test_images_pass_through_as_one_array(mirror, tmp_path, format_type):
    kind = torch.Tensor if format_type == "torch" else np.ndarray
    stream = load(mirror, tmp_path).with_format(format_type)
    given = []

    def function(batch):
        given.append(batch)
        return {"image": batch["image"] * 2}

    mapped = stream.map(function, batched=True, batch_size=5)
    for batches in (stream.iter(4), stream.batch(4), mapped.iter(4), mapped.batch(4)):
        for batch in batches:
            assert isinstance(batch["image"], kind)
            assert batch["image"].shape[1:] == (6, 8)
    assert all(isinstance(batch["image"], kind) and type(batch) is Columns for batch in given)
    if format_type is None:
        assert given[0]["index"] == [0, 1, 2, 3, 4]
        assert given[0]["imageset"] == ["S"] * 5


@whole_only
def test_pixels_are_not_copied_on_their_way(mirror, tmp_path):
    given = []

    def function(batch):
        given.append(batch["image"].data_ptr())
        return batch

    stream = load(mirror, tmp_path).with_format("torch").map(function, batched=True, batch_size=7).batch(7)
    found = [batch["image"].data_ptr() for batch in DataLoader(stream, batch_size=None)]
    assert found == given


def doubled(batch):
    return {"image": [image * 2 for image in batch["image"]], "twice": [2 * int(number) for number in batch["index"]]}


def shorter(batch):
    return {name: column[::2] for name, column in batch.items()}


def longer(batch):
    return {"index": [number for number in batch["index"] for _ in range(3)]}


def with_places(batch, places):
    return {"place": places}


CHAINS = {
    "batched": lambda s: s.map(doubled, batched=True, batch_size=5),
    "twice": lambda s: s.map(doubled, batched=True, batch_size=8).map(T.MinMax(), batched=True, batch_size=3),
    "shorter": lambda s: s.map(shorter, batched=True, batch_size=5),
    "longer": lambda s: s.map(longer, batched=True, batch_size=5, remove_columns=s.column_names),
    "none left": lambda s: s.map(lambda batch: {"image": []}, batched=True, remove_columns=s.column_names),
    "places": lambda s: s.map(with_places, batched=True, batch_size=4, with_indices=True),
    "columns": lambda s: s.map(lambda x: {"n": [len(x)] * len(x)}, batched=True, batch_size=4, input_columns="index"),
    "dropped": lambda s: s.map(doubled, batched=True, batch_size=4, drop_last_batch=True),
    "all at once": lambda s: s.map(doubled, batched=True, batch_size=None),
    "row by row": lambda s: s.map(lambda row: {"index": row["index"] + 1}),
    "filtered": lambda s: s.filter(lambda row: row["index"] % 2 == 0).map(doubled, batched=True, batch_size=3),
    "filtered after": lambda s: s.map(doubled, batched=True, batch_size=4).filter(lambda row: row["index"] % 2 == 0),
    "selected": lambda s: s.select_columns(["index", "image"]).map(doubled, batched=True, batch_size=3),
    "removed": lambda s: s.remove_columns(["pixel_size", "entry"]).map(T.Normalize(), batched=True, batch_size=5),
    "renamed": lambda s: s.rename_column("index", "slice").rename_columns({"path": "file"}),
    "image renamed": lambda s: s.rename_column("image", "picture").remove_columns("entry"),
    "taken": lambda s: s.take(10),
    "skipped": lambda s: s.skip(3).map(doubled, batched=True, batch_size=4),
    "cast": lambda s: s.cast_column("image", EMImage(dtype="float64")).cast_column(
        "pixel_size", datasets.Value("float64")
    ),
    "stored": lambda s: s.cast_column("image", EMImage(decode=False)).remove_columns("pixel_size"),
    "transformed": lambda s: s.map(T.Compose([T.Normalize(), T.MinMax()]), batched=True, batch_size=6),
}


@pytest.mark.parametrize("format_type", [None, "torch", "numpy"])
@pytest.mark.parametrize("name", CHAINS)
def test_what_is_done_to_a_stream_is_done_to_its_batches(mirror, tmp_path, name, format_type):
    if (format_type == "numpy" and name in ("stored", "cast")) or (BEFORE_5 and name == "stored"):
        pytest.skip("the stock formatter's own")
    stream = CHAINS[name](load(mirror, tmp_path).with_format(format_type))
    rows = list(stream)
    for size in (2, 5, 50):
        same_rows(rows_of(stream.iter(size)), rows)
        same_rows(rows_of(stream.batch(size)), rows)


@whole_only
@pytest.mark.parametrize("name", CHAINS)
def test_rows_after_functions_are_those_of_datasets(mirror, tmp_path, name, monkeypatch):
    stream = CHAINS[name](load(mirror, tmp_path).with_format("torch"))
    rows = list(stream)
    for layer in layers_of(stream._ex_iterable):
        monkeypatch.setattr(type(layer), "gives_batches", False, raising=False)
        if hasattr(type(layer), "_is_whole"):
            monkeypatch.setattr(type(layer), "_is_whole", False)
    same_rows(rows, list(stream))


@whole_only
@pytest.mark.parametrize("name", [name for name in CHAINS if name not in ("all at once", "none left")])
@pytest.mark.parametrize("made", ["rows", "iter", "batch"])
def test_a_stream_goes_on_at_the_row(tmp_path, name, made):
    mirror = write(tmp_path / "mirror", "float32", (4, 3, 5))

    def stream():
        made_of = CHAINS[name](load(mirror, tmp_path).with_format("torch"))
        return made_of.batch(4) if made == "batch" else made_of

    def read(stream):
        return stream.iter(4) if made == "iter" else iter(stream)

    first = stream()
    whole, states = stops(first, read(first))
    for place, state in enumerate(states):
        again = stream()
        again.load_state_dict(state)
        same_rows([*whole[:place], *read(again)], whole)


@whole_only
def test_one_after_another_as_one(mirror, tmp_path):
    stream = load(mirror, tmp_path).with_format("torch")
    normalize = T.Normalize()
    chain = stream.map(normalize, batched=True, batch_size=64).map(T.MinMax(), batched=True, batch_size=5).batch(8)
    expected = [T.MinMax()(normalize(row["image"])) for row in stream]
    found = list(DataLoader(chain, batch_size=None))
    assert [batch["image"].shape for batch in found] == [(8, 6, 8), (8, 6, 8), (5, 6, 8)]
    torch.testing.assert_close(torch.cat([batch["image"] for batch in found]), torch.stack(expected))


@whole_only
def test_nulls_are_filled_as_in_rows(tmp_path):
    root = write(tmp_path / "mirror", "int8", counts=(1, 1, 1, 1, 1))
    stream = load(root, tmp_path, item="file", dtype="float32").with_format("torch")
    rows = list(stream)
    assert all(row["index"].isnan() for row in rows)
    for made in (stream, stream.map(lambda batch: {"n": batch["index"]}, batched=True, batch_size=2)):
        batch = next(made.iter(5))
        assert batch["index"].isnan().all()
        assert batch["index"].dtype == torch.float32
    plain = next(stream.with_format(None).iter(5))
    assert plain["index"] == [None] * 5


@whole_only
@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_workers_share_the_batches(mirror, tmp_path, workers):
    stream = load(mirror, tmp_path).with_format("torch").map(T.Normalize(), batched=True, batch_size=4).batch(4)
    found = rows_of(DataLoader(stream, batch_size=None, num_workers=workers))
    expected = {(row["path"], int(row["index"])): row["image"] for row in rows_of(stream)}
    assert len(found) == len(expected) == 21
    for row in found:
        same(row["image"], expected[row["path"], int(row["index"])])


@whole_only
@pytest.mark.parametrize("nodes", [2, 3, 5])
def test_nodes_share_the_batches(mirror, tmp_path, nodes):
    stream = load(mirror, tmp_path).with_format("torch")
    parts = [split_dataset_by_node(stream, rank, nodes) for rank in range(nodes)]
    for part in parts:
        same_rows(rows_of(part.iter(4)), list(part))
    batches = stream.map(T.MinMax(), batched=True, batch_size=3).batch(4)
    apart = [rows_of(split_dataset_by_node(batches, rank, nodes)) for rank in range(nodes)]
    for found in ([row for part in parts for row in part], [row for rows in apart for row in rows]):
        assert len({(row["path"], int(row["index"])) for row in found}) == len(found) == 21


@whole_only
def test_epochs_go_through_the_shards_in_other_orders(mirror, tmp_path):
    stream = load(mirror, tmp_path).with_format("torch").batch(4)
    stream.set_epoch(3)
    rows = load(mirror, tmp_path).with_format("torch")
    rows.set_epoch(3)
    same_rows(rows_of(stream), list(rows))


@whole_only
@pytest.mark.parametrize("kind", ["float32", "gz", "big-endian"])
def test_batches_of_a_server(tmp_path, kind):
    write(tmp_path / "mirror", kind)
    with serve() as server:
        server.publish(tmp_path / "mirror")
        stream = load(server.base, tmp_path).with_format("torch")
        same_rows(rows_of(stream.iter(4)), list(stream))


@whole_only
def test_a_damaged_file_is_told_or_left_out_and_the_batch_filled_up(mirror, tmp_path, caplog):
    path = mirror / deposit.ENTRY / "data" / "s" / "s_1.mrcs"
    table = tmp_path / "left_out.csv"
    told = load(mirror, tmp_path)
    skipped = load(mirror, tmp_path, on_error="skip", quarantine=str(table))
    path.write_bytes(b"junk")
    with pytest.raises(PercError, match=r"s_1\.mrcs"):
        list(told.iter(4))
    batches = list(skipped.iter(4))
    assert [len(batch["path"]) for batch in batches] == [4, 4, 4, 4]
    assert not any("s_1" in path for batch in batches for path in batch["path"])
    assert "s_1" in table.read_text()
    assert caplog.text.count("leaving out of data/s/s_1.mrcs") == 1


@whole_only
@pytest.mark.parametrize("non_finite", ["pass", "raise"])
def test_pixels_that_are_not_finite_are_told_with_their_file(mirror, tmp_path, caplog, non_finite):
    path = mirror / deposit.ENTRY / "data" / "s" / "s_1.mrcs"
    data = bytearray(path.read_bytes())
    data[-8:] = np.array([np.nan, np.inf], np.float32).tobytes()
    path.write_bytes(data)
    stream = load(mirror, tmp_path).cast_column("image", EMImage(non_finite=non_finite))
    message = r"s_1\.mrcs: 2 of 48 pixels are NaN or infinite"
    if non_finite == "raise":
        with pytest.raises(FormatError, match=message):
            list(stream.iter(8))
        return
    rows = rows_of(stream.iter(8))
    assert len(rows) == 21
    assert caplog.text.count("pixels are NaN or infinite") == 1
    assert caplog.text.count("s_1.mrcs: 2 of 48 pixels") == 1


@whole_only
@pytest.mark.parametrize("made", [lambda s: s.iter(4), lambda s: iter(s.batch(4))])
def test_an_interrupted_loop_leaves_no_file_open(tmp_path, made):
    stream = load(write(tmp_path / "mirror", "gz"), tmp_path).with_format("torch")
    batches = made(stream)
    next(batches)
    batches.close()


@whole_only
def test_a_state_is_of_the_shards_that_it_was_saved_for(mirror, tmp_path):
    stream = load(mirror, tmp_path)
    part = split_dataset_by_node(stream, 0, 2)
    batches = part.iter(2)
    next(batches)
    state = part.state_dict()
    fewer, others = split_dataset_by_node(stream, 0, 4), split_dataset_by_node(stream, 1, 2)
    count = stream.num_shards
    for other, has in ((fewer, f"{count // 4} shards"), (others, f"{count // 2} shards that are others, or .* order")):
        told = f"a reader of {count // 2} shards, and this one has {has}: the number of workers or nodes is another one"
        for reading in (lambda stream: next(iter(stream)), lambda stream: next(stream.iter(2))):
            other.load_state_dict(state)
            with pytest.raises(OptionError, match=told):
                reading(other)
    again = split_dataset_by_node(stream, 0, 2)
    again.load_state_dict(state)
    same_rows(next(again.iter(2)), next(batches))


@whole_only
@pytest.mark.parametrize("nodes", [(3, 5), (3, 2), (2, 3)])
def test_a_state_is_of_as_many_nodes(mirror, tmp_path, nodes):
    """Of which some numbers do not divide the shards."""
    first, other = (split_dataset_by_node(load(mirror, tmp_path), 0, count) for count in nodes)
    rows = iter(first)
    next(rows), next(rows)
    other.load_state_dict(first.state_dict())
    with pytest.raises(OptionError, match="the number of workers or nodes is another one"):
        list(other)


@whole_only
def test_a_state_of_an_older_version_is_gone_on_from(mirror, tmp_path):
    stream = load(mirror, tmp_path)
    rows = iter(stream)
    whole = list(stream)
    next(rows), next(rows)
    state = stream.state_dict()
    inner = state["examples_iterable"]
    assert inner.pop("share")
    again = load(mirror, tmp_path)
    again.load_state_dict(state)
    same_rows(list(again), whole[2:])


def test_streams_of_others_are_read_as_before():
    stream = datasets.Dataset.from_dict({"a": list(range(10))}).to_iterable_dataset(num_shards=2)
    mapped = stream.map(lambda batch: {"b": [2 * a for a in batch["a"]]}, batched=True, batch_size=3)
    assert not any(map(gives_batches, layers_of(mapped._ex_iterable)))
    assert [row["b"] for row in mapped] == list(range(0, 20, 2))
    assert [len(batch["a"]) for batch in mapped.iter(4)] == [4, 4, 2]


@whole_only
def test_a_transform_gives_its_stack_on_as_it_is(mirror, tmp_path):
    given = []

    def remembering(batch):
        given.append(transform(batch)["image"])
        return {**batch, "image": given[-1]}

    transform = T.Compose([T.Normalize()])
    stream = load(mirror, tmp_path).map(remembering, batched=True, batch_size=5).with_format("torch").batch(5)
    assert [batch["image"].data_ptr() for batch in stream] == [stack.data_ptr() for stack in given]
