"""How shards are read: by which requests."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.errors import ChangedError, FormatError
from builders.io.image_file import ImageFile
from builders.io.layout import Layout
from builders.io.net import remote
from builders.stacks.cutting import Count, cut
from builders.stacks.files import SourceFile
from builders.stacks.rows import Images, Reading, look
from builders.stacks.runs import Run, runs_of
from builders.stacks.shards import ShardReader
from tests.empiar import deposit
from tests.mrc_encoder import header
from tests.stacks.test_cutting import load, write_set

MIB = 2**20
LINK = 80e6
"""Bytes a second of the link that the requirements speak of."""


def stack(number, count, side=256):
    """A remote stack of float32 slices, as its header and its listing tell of it."""
    url = f"http://127.0.0.1:9/10943/data/s_{number}.mrcs"
    layout = Layout((count, side, side), "<f4", 1024)
    file = SourceFile(f"data/s_{number}.mrcs", url, 1024 + layout.nbytes, "stamp")
    return Images(file, ImageFile(url, layout, 1.0, "", False), by_slice=True)


def shards_of(stacks):
    return cut([images.file for images in stacks], [Count(images.count) for images in stacks])


def requests_of(stacks, skip=0):
    by_path = {images.file.path: images for images in stacks}
    parts = [part for shard in shards_of(stacks) for part in [*shard, None]]
    headers = [(part, (part and by_path[part.file.path], None)) for part in parts]
    return [run for run in runs_of(headers, skip) if run.images is not None]


@given(
    st.lists(st.tuples(st.integers(1, 3000), st.sampled_from([16, 64, 256, 3000])), min_size=1, max_size=6),
    st.integers(0, 100),
)
def test_requests_ask_for_each_row_once_in_order(sizes, skip):
    stacks = [stack(number, count, side) for number, (count, side) in enumerate(sizes)]
    runs = requests_of(stacks, skip=skip)
    asked = [(run.images.file.path, row) for run in runs for row in run.rows]
    rows = [(images.file.path, row) for images in stacks for row in range(images.count)]
    in_first = sum(part.stop - part.first for part in shards_of(stacks)[0])
    assert asked == rows[min(skip, in_first) :]
    for run in runs:
        size = run.images.layout(0).nbytes
        assert run.size == len(run.rows) * size
        assert run.ranges[0][0] == 1024 + run.rows[0] * size
        assert run.size <= max(16 * MIB, size)


def test_a_stream_begins_small_and_goes_on_with_few_requests():
    runs = requests_of([stack(0, 40_000)])
    assert runs[0].size <= MIB
    steady = runs[len(runs) // 2 :]
    an_hour_of = LINK * 3600 / (sum(run.size for run in steady) / len(steady))
    assert an_hour_of < remote.LIMIT.a_second * 3600


def test_requests_that_are_under_way_together_do_not_all_end_at_once():
    sizes = [run.size for run in requests_of([stack(0, 3000)])]
    assert all(len(set(sizes[place : place + 4])) > 1 for place in range(len(sizes) - 4))


def refuse(error, rows):
    raise error


@pytest.mark.parametrize("name", ["x.mrc", "x.mrc.gz"])
def test_a_file_that_is_read_from_its_start_is_still_the_one_that_was_looked_at(tmp_path, name):
    path = tmp_path / name
    data = bytes(header(4, 3, 2, 2, ispg=1, mapcrs=(3, 2, 1))) + np.arange(24, dtype=np.float32).tobytes()
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    reading = Reading("empiar", "EMPIAR-10001", (), None, "slice", False, "raise")
    images = look(SourceFile(name, str(path), path.stat().st_size, "stamp"), reading)
    reader, run = ShardReader(reading), Run(images, name, range(images.count))
    assert len(list(reader.steps(run, None, refuse))) == 4
    path.write_bytes(path.read_bytes() + b"and more")
    with pytest.raises(ChangedError, match=name):
        list(reader.steps(run, None, refuse))


@pytest.fixture
def stacks(tmp_path):
    """Two stacks whose 61 rows make 16 shards, of three or four rows."""
    write_set(tmp_path / "mirror", [(41, 256, 256), (20, 256, 256)], "class averages", ".mrcs")
    return tmp_path / "mirror"


def the_first_of(mirror):
    return mirror / deposit.ENTRY / "data" / "m" / "m_0.mrcs"


@pytest.mark.parametrize("place", [0, 1, 5])
def test_a_file_that_went_bad_is_told_by_whoever_reads_any_part_of_it(stacks, tmp_path, place, caplog):
    loaded = {on_error: load(stacks, tmp_path, on_error=on_error) for on_error in ("raise", "skip")}
    the_first_of(stacks).write_bytes(b"junk")
    parts = {on_error: stream.shard(stream.num_shards, place) for on_error, stream in loaded.items()}
    with pytest.raises(FormatError, match=r"m_0\.mrcs"):
        list(parts["raise"])
    caplog.clear()
    assert list(parts["skip"]) == []
    assert "1 files or stretches" in caplog.text
    caplog.clear()
    assert len(list(loaded["skip"])) == 20
    assert caplog.text.count("leaving out of data/m/m_0.mrcs") == 1


def test_a_file_that_was_away_does_not_shift_where_a_stream_goes_on(stacks, tmp_path):
    source = load(stacks, tmp_path, on_error="skip")._ex_iterable
    (shard,) = (shard for shard in source.shards if len(shard) == 2)  # a row of the first file, three of the second
    path = the_first_of(stacks)
    data = path.read_bytes()

    def steps(skip):
        return [step[:2] for step in source.reader([shard], skip) if step]

    whole = steps(0)
    path.write_bytes(b"away")
    assert steps(0) == whole[1:]
    place = whole[1][0]
    for held in (b"away", data):
        path.write_bytes(held)
        assert steps(place + 1) == whole[2:]
