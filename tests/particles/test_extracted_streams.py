"""Streams of boxes: the rows of the map-style dataset, micrograph by micrograph, from the top of each."""

import gzip

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from builders import load_dataset
from builders.errors import ChangedError
from builders.io import mrc
from tests.empiar import deposit
from tests.particles.made import star
from tests.server import serve

SHAPE = 300, 80
BOX = 16
RNG = np.random.default_rng(5)
PICKS = [(number, *RNG.integers(-4, (SHAPE[1] + 4, SHAPE[0] + 4)).tolist()) for number in range(3) for _ in range(40)]
PICKS = [PICKS[place] for place in RNG.permutation(len(PICKS))]
"""Micrograph, x and y, in the table's order."""
KINDS = ("float32", "int8", "big-endian", "packed", "half")


def name_of(number, kind):
    return f"mics/m{(2, 9, 10)[number]}.mrc{'.gz' if kind == 'packed' else ''}"


def micrograph(number, kind="float32"):
    image = np.random.default_rng(number).normal(10, 20, SHAPE)
    return image.astype({"int8": np.int8, "half": np.float16}.get(kind, np.float32))


def write(folder, kind="float32"):
    """A table of picks and its micrographs."""
    for number in range(3):
        path = folder / name_of(number, kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        plain = path.with_suffix("") if kind == "packed" else path
        mrc.write(plain, micrograph(number, kind), 1.5)
        if kind == "packed":
            path.write_bytes(gzip.compress(plain.read_bytes()))
            plain.unlink()
        elif kind == "big-endian":
            data = path.read_bytes()
            words = np.frombuffer(data[:224], "<i4").astype(">i4").tobytes()
            head = words[:208] + data[208:212] + bytes([0x11, 0x11, 0, 0]) + words[216:]
            path.write_bytes(head + data[224:1024] + np.frombuffer(data[1024:], "<f4").astype(">f4").tobytes())
    rows = [
        {
            "rlnMicrographName": name_of(number, kind),
            "rlnCoordinateX": x,
            "rlnCoordinateY": y,
            "rlnClassNumber": place + 1,
        }
        for place, (number, x, y) in enumerate(PICKS)
    ]
    (folder / "picks.star").write_text(star(rows, [{"rlnOpticsGroup": 1, "rlnVoltage": 300.0}]))


@pytest.fixture(params=["local", "http"])
def where(request, tmp_path):
    """What tells where a project is; and its server, if it has one."""
    folder = tmp_path / "mirror" / deposit.ENTRY / "data"
    cache = {"cache_dir": str(tmp_path / "cache")}

    def publish(kind="float32"):
        write(folder, kind)
        if request.param == "local":
            return {"star": str(folder / "picks.star")} | cache
        server.publish(tmp_path / "mirror")
        return {"star": f"empiar://{deposit.ENTRY}/data/picks.star", "archive": server.base} | cache

    with serve() as server:
        publish.server = server if request.param == "http" else None
        publish.folder = folder
        yield publish


def load(told, **options):
    own = {"unit": "extracted", "box_size": BOX, "split": "train"}
    return load_dataset("particles", **told | own | options)


def in_order(rows):
    """Rows as a stream has them."""
    tops = [(PICKS[row["class_number"] - 1][0], PICKS[row["class_number"] - 1][2]) for row in rows]
    return [rows[place] for place in sorted(range(len(rows)), key=tops.__getitem__)]


def same(row, other):
    assert row.keys() == other.keys()
    np.testing.assert_array_equal(np.asarray(row["image"]), np.asarray(other["image"]))
    assert np.asarray(row["image"]).dtype == np.asarray(other["image"]).dtype
    for name in row:
        assert name == "image" or row[name] == other[name], name


@pytest.mark.parametrize("dtype", ["float32", None])
@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_has_the_rows_of_the_dataset(where, kind, dtype):
    told = where(kind)
    rows = in_order(list(load(told, dtype=dtype)))
    stream = list(load(told, dtype=dtype, streaming=True))
    assert len(rows) == len(stream) == len(PICKS)
    for row, other in zip(stream, rows, strict=True):
        same(row, other)


@pytest.mark.parametrize("options", [{"edge": "drop"}, {"pixel_size": 3.0}, {"flip_y": True}, {"order": "table"}])
def test_options_mean_the_same_in_a_stream(where, options):
    told = where()
    rows = list(load(told, **{name: value for name, value in options.items() if name != "order"}))
    stream = list(load(told, streaming=True, **options))
    if "order" not in options:
        key = lambda row: row["class_number"]  # noqa: E731
        rows, stream = sorted(rows, key=key), sorted(stream, key=key)
    for row, other in zip(stream, rows, strict=True):
        same(row | {"image": None}, other | {"image": None})
        np.testing.assert_allclose(row["image"], other["image"], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("size", [1, 7, 200])
def test_batches_hold_the_rows(where, size):
    told = where()
    rows = in_order(list(load(told)))
    stream = load(told, streaming=True).with_format("torch")
    batches = list(stream.batch(size))
    found = torch.cat([torch.as_tensor(np.stack([np.asarray(i) for i in batch["image"]])) for batch in batches])
    np.testing.assert_array_equal(found, np.stack([row["image"] for row in rows]))


def test_workers_and_states_give_the_rows(where):
    told = where()
    numbers = sorted(range(1, len(PICKS) + 1))
    stream = load(told, streaming=True)
    loader = DataLoader(stream.with_format("torch"), batch_size=9, num_workers=2, multiprocessing_context="fork")
    batches = list(loader)
    assert sorted(n for batch in batches for n in batch["class_number"].tolist()) == numbers
    images = {
        int(n): image for batch in batches for n, image in zip(batch["class_number"], batch["image"], strict=True)
    }
    rows = list(stream)
    for row in rows:
        np.testing.assert_array_equal(images[row["class_number"]], row["image"])
    begun = iter(stream)
    for _ in range(50):
        next(begun)
    state = stream.state_dict()
    begun.close()
    stream.load_state_dict(state)
    for row, other in zip(stream, rows[50:], strict=True):
        same(row, other)


def test_shuffled_streams_have_the_same_boxes(where):
    stream = load(where(), streaming=True)
    rows = {row["class_number"]: row for row in stream}
    shuffled = list(stream.shuffle(seed=3, buffer_size=30))
    assert [row["class_number"] for row in shuffled] != list(rows)
    assert len(shuffled) == len(rows)
    for row in shuffled:
        same(row, rows[row["class_number"]])


def test_of_a_server_few_rows_of_pixels_come_twice(where, monkeypatch):
    told = where()
    if where.server is None:
        pytest.skip("files of this machine are read without a server")
    monkeypatch.setattr("builders.stacks.headers.WHOLE", 0)  # else such small files come with their headers
    stream = load(told, streaming=True)
    where.server.requests.clear()
    assert sum(1 for _ in stream) == len(PICKS)
    moved = {}
    for request in where.server.requests:
        first, last = request.headers["Range"].removeprefix("bytes=").split("-")
        moved.setdefault(request.path, []).append(int(last) - int(first) + 1)
    for number in range(3):
        crossed = {
            row
            for own, _, y in PICKS
            for row in range(max(0, y - BOX // 2), min(SHAPE[0], y - BOX // 2 + BOX))
            if own == number
        }
        needed = len(crossed) * SHAPE[1] * 4
        own = next(sizes for path, sizes in moved.items() if path.endswith(name_of(number, "")))
        assert len(own) <= 8
        assert needed <= sum(own) <= 1.15 * needed + 2048  # and the header


def test_a_micrograph_that_changed_is_told(where):
    told = where()
    if where.server is not None:
        pytest.skip("what a server has is another file by its tag, which is tried elsewhere")
    stream = load(told, streaming=True)
    mrc.write(where.folder / name_of(1, ""), micrograph(1)[:100], 1.5)
    with pytest.raises((ChangedError, ValueError), match="m9"):
        list(stream)
