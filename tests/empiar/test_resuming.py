"""A stream that goes on in a loader with workers, each of which stands somewhere else, by torchdata's loader."""

import re
from itertools import islice
from pathlib import Path

import datasets
import pytest

import perc_transforms as T
from tests.server import serve
from tests.stacks.test_cutting import load, write_set

stateful = pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata, of the extra `test`, is not there")

ROOT = Path(__file__).resolve().parents[2]
BEFORE_5 = int(datasets.__version__.partition(".")[0]) < 5
pytestmark = [
    pytest.mark.skipif(BEFORE_5, reason="datasets 4 resumes at the start of a batch"),
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning"),  # torchdata's, under torch 2.13
]


@pytest.fixture
def mirror(tmp_path):
    write_set(tmp_path / "mirror", [(40, 8, 8), (23, 8, 8)], "class averages", ".mrcs")
    return tmp_path / "mirror"


def loader_of(stream, workers):
    return stateful.StatefulDataLoader(stream.with_format("torch"), batch_size=4, num_workers=workers)


def rows_of(batches):
    return [row for batch in batches for row in zip(batch["path"], batch["index"].tolist(), strict=True)]


def transformed(stream):
    return stream.map(T.Normalize(), batched=True, batch_size=3)


def shuffled(stream):
    return stream.shuffle(seed=1, buffer_size=12)


@pytest.mark.parametrize(
    ("made", "workers", "stop"),
    [
        *((lambda stream: stream, 2, 1), (transformed, 0, 9), (transformed, 2, 9)),
        *((shuffled, workers, stop) for workers, stop in ((0, 9), (1, 9), (2, 15), (3, 1))),
        *((lambda stream: transformed(shuffled(stream)), workers, 7) for workers in (0, 2)),
    ],
)
def test_a_loader_goes_on_where_its_workers_stood(mirror, tmp_path, made, workers, stop):
    stream = made(load(mirror, tmp_path))
    first = loader_of(stream, workers)
    batches = iter(first)
    before = rows_of(islice(batches, stop))
    state = first.state_dict()
    rest = rows_of(batches)
    again = loader_of(stream, workers)
    again.load_state_dict(state)
    assert rows_of(again) == rest
    assert len({*before, *rest}) == len(before) + len(rest) == 63


@pytest.mark.parametrize(
    ("made", "workers"), [(shuffled, 0), (shuffled, 3), (lambda stream: transformed(shuffled(stream)), 2)]
)
def test_whole_batches_of_a_shuffled_stream_go_on(mirror, tmp_path, made, workers):
    def loader():
        stream = made(load(mirror, tmp_path).with_format("torch")).batch(4)
        return stateful.StatefulDataLoader(stream, batch_size=None, num_workers=workers)

    first = loader()
    batches = iter(first)
    before = rows_of(islice(batches, 7))
    state = first.state_dict()
    rest = rows_of(batches)
    again = loader()
    again.load_state_dict(state)
    assert rows_of(again) == rest
    assert len({*before, *rest}) == len(before) + len(rest) == 63


@pytest.mark.parametrize("workers", [0, 2])
def test_a_shuffled_stream_of_a_server_goes_on_in_its_epoch(mirror, tmp_path, workers):
    with serve() as server:
        server.publish(mirror)

        def made():
            stream = shuffled(load(server.base, tmp_path))
            stream.set_epoch(2)
            return loader_of(stream, workers)

        first = made()
        batches = iter(first)
        before = rows_of(islice(batches, 6))
        state = first.state_dict()
        rest = rows_of(batches)
        again = made()
        again.load_state_dict(state)
        assert rows_of(again) == rest
        assert len({*before, *rest}) == len(before) + len(rest) == 63


def test_the_documented_way(mirror, tmp_path):
    (code,) = re.findall(r"```python\n(from torchdata.*?)```", (ROOT / "docs" / "training.md").read_text(), re.S)
    names = {"load_dataset": lambda *_, **__: load(mirror, tmp_path), "where": {}}
    exec(code, names)
    assert rows_of([names["batch"]]) == rows_of(loader_of(names["stream"], 2))[-3:]


def test_a_shuffled_map_style_dataset_goes_on(mirror, tmp_path):
    ds = load(mirror, tmp_path, streaming=False).with_format("torch")

    def made():
        return stateful.StatefulDataLoader(ds, 4, shuffle=True, num_workers=2)

    first = made()
    batches = iter(first)
    before = rows_of(islice(batches, 5))
    state = first.state_dict()
    again = made()
    again.load_state_dict(state)
    rest = rows_of(again)
    assert rest == rows_of(batches)
    assert len({*before, *rest}) == len(before) + len(rest) == 63
