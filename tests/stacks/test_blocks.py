"""Blocks of a reader hold what its rows hold, whatever the file, and however they are asked for."""

from dataclasses import replace

import numpy as np
import pytest

from builders.errors import PercError
from tests.empiar import deposit
from tests.server import serve
from tests.stacks.deposits import KINDS, load, write


def rows_of(source, shards, skip=0):
    """Place, key and row of each row; places of those after a shard's end begin anew."""
    return [step and (step[0], step[1], step[2], step[2]["image"].pixels()) for step in source.reader(shards, skip)]


def blocks_of(source, shards, step, skip=0, places=None):
    """The same by blocks, each filled `step` rows at a time, at some places of an array."""
    found = []
    for block in source.reader.blocks(shards, skip):
        if block is None:
            found.append(None)
            continue
        for start in range(0, block.count, step):
            out = np.full((step, *block.shape), 77, block.dtype)
            count = min(step, block.count - start)
            came, _ = block.fill(out, start, start + step, places if places is None else places[:count])
            out = out if places is None else out[places]
            for place, number in enumerate(came):
                row = dict(block.shared) | {name: column[number] for name, column in block.varying.items()}
                row[block.image] = block.stored(number)
                found.append((block.place + number, block.key(number), {n: row[n] for n in block.names}, out[place]))
    return found


def same(rows, others):
    assert len(rows) == len(others)
    for one, other in zip(rows, others, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert one[:3] == other[:3]
            assert one[3].dtype == other[3].dtype
            np.testing.assert_array_equal(one[3], other[3])


@pytest.mark.parametrize("step", [1, 4, 100])
@pytest.mark.parametrize("kind", KINDS)
def test_blocks_hold_what_rows_hold(tmp_path, kind, step):
    source = load(write(tmp_path / "mirror", kind), tmp_path)._ex_iterable
    rows = rows_of(source, source.shards)
    assert sum(row is not None for row in rows) == 21
    same(blocks_of(source, source.shards, step), rows)
    same(blocks_of(source, source.shards, step, places=np.random.default_rng(1).permutation(step)), rows)
    same(blocks_of(source, source.shards[1:], step, 1), rows_of(source, source.shards[1:], 1))


@pytest.mark.parametrize("kind", ["float32", "big-endian", "gz", "across"])
def test_blocks_of_a_server_hold_what_its_rows_hold(tmp_path, kind):
    write(tmp_path / "mirror", kind)
    with serve() as server:
        server.publish(tmp_path / "mirror")
        source = load(server.base, tmp_path)._ex_iterable
        same(blocks_of(source, source.shards, 3), rows_of(source, source.shards))


def test_whether_pixels_are_finite_is_known(tmp_path):
    root = write(tmp_path / "mirror", "float32", counts=(6,))
    path = root / deposit.ENTRY / "data" / "s" / "s_0.mrcs"
    data = bytearray(path.read_bytes())
    data[-4:] = np.float32(np.nan).tobytes()
    path.write_bytes(data)
    source = load(root, tmp_path)._ex_iterable
    first, *_ = source.shards[0]
    blocks = source.reader.blocks([(replace(first, stop=6),)], 0)
    block = next(blocks)
    out = np.empty((3, *block.shape), block.dtype)
    assert block.count == 6
    assert [block.fill(out, start, start + 3)[1] for start in (0, 3)] == [True, False]
    blocks.close()


@pytest.mark.parametrize("kind", ["float32", "gz"])
def test_a_file_that_changed_is_refused_where_it_is_filled(tmp_path, kind, caplog):
    root = write(tmp_path / "mirror", kind)
    path = root / deposit.ENTRY / "data" / "s" / ("s_1.mrcs" + (".gz" if kind == "gz" else ""))
    table = tmp_path / "left_out.csv"
    for on_error in ("raise", "skip"):
        options = {"quarantine": str(table)} if on_error == "skip" else {}
        source = load(root, tmp_path, on_error=on_error, **options)._ex_iterable
        whole = rows_of(source, [sum(source.shards, ())])
        blocks, found = source.reader.blocks([sum(source.shards, ())], 0), []
        block = next(blocks)
        data = path.read_bytes()
        path.write_bytes(data[:-1])
        if on_error == "raise":
            with pytest.raises(PercError, match=r"s_1\.mrcs"):
                list(fill_all(blocks))
        else:
            found = [block.key(number) for number in range(block.count)] + list(fill_all(blocks))
            assert found == [row[1] for row in whole if row and "s_1" not in row[1]]
            assert "stretches of EMPIAR-10943 were left out" in caplog.text
            assert "s_1" in table.read_text()
        path.write_bytes(data)


def fill_all(blocks):
    for block in blocks:
        if block is not None:
            out = np.empty((block.count, *block.shape), block.dtype)
            yield from map(block.key, block.fill(out, 0, block.count)[0])
