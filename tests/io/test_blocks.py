import subprocess
import sys
import threading
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.io.blocks import Block, cut, read_ahead


@given(st.integers(0, 1000), st.integers(0, 5000), st.integers(1, 700), st.integers(1, 300))
def test_cutting_loses_and_doubles_nothing_and_keeps_units_whole(start, length, most, unit):
    blocks = cut("x", start, start + length, most, unit)
    places = [start, *(block.stop for block in blocks)]
    assert [block.start for block in blocks] == places[:-1]
    assert places[-1] == start + length
    assert all(0 < block.size <= max(most, unit) for block in blocks)
    assert all((block.start - start) % unit == 0 for block in blocks)


BLOCKS = cut("x", 0, 100, 10)


def test_blocks_come_in_order_whatever_order_they_are_read_in():
    def read(block):
        time.sleep(0.02 if block.start % 20 else 0.001)
        return block.start

    assert list(read_ahead(BLOCKS, read)) == [(block, block.start) for block in BLOCKS]


def test_the_next_blocks_are_read_while_one_is_used():
    begun = {block: threading.Event() for block in BLOCKS}

    def read(block):
        begun[block].set()
        return block.start

    for place, _ in enumerate(read_ahead(BLOCKS, read, ahead=2)):
        for block in BLOCKS[place : place + 3]:
            assert begun[block].wait(10), "nobody reads it while this one is used"


@pytest.mark.parametrize("ahead", [1, 2, 4])
def test_no_more_than_so_many_are_read_ahead(ahead):
    read_so_far, lock = [], threading.Lock()

    def read(block):
        with lock:
            read_so_far.append(block)

    for used, _ in enumerate(read_ahead(BLOCKS, read, ahead), 1):
        time.sleep(0.005)
        assert len(read_so_far) <= used + ahead


@pytest.mark.parametrize("sharers", [1, 2])
def test_a_thread_that_is_done_goes_on_though_an_earlier_block_is_not_there_yet(sharers):
    read_so_far, go, all_read = [], threading.Event(), threading.Event()

    def read(block):
        if block is BLOCKS[0]:
            assert go.wait(10)
        read_so_far.append(block)
        if len(read_so_far) == (5 if sharers == 1 else 1):
            all_read.set()

    def consume():
        list(read_ahead(BLOCKS, read, ahead=2, sharers=lambda: sharers, waiting=6))

    consumer = threading.Thread(target=consume)
    consumer.start()
    assert all_read.wait(10)
    time.sleep(0.02)
    assert read_so_far == BLOCKS[1 : 6 if sharers == 1 else 2]  # who shares with others keeps to two of them
    go.set()
    consumer.join()


@pytest.mark.parametrize(("most", "sharers", "allowed"), [(25, 1, 2), (5, 1, 1), (80, 1, 4), (80, 2, 2), (80, 4, 2)])
def test_no_more_bytes_are_read_ahead_than_allowed(most, sharers, allowed):
    read_so_far, lock = [], threading.Lock()

    def read(block):
        with lock:
            read_so_far.append(block)

    blocks = read_ahead(BLOCKS, read, 4, lambda block: block.size, most, lambda: sharers)
    for used, _ in enumerate(blocks, 1):
        time.sleep(0.005)
        assert len(read_so_far) <= used + allowed
    assert read_so_far[:1] == BLOCKS[:1]
    assert len(read_so_far) == len(BLOCKS)


def test_blocks_are_taken_as_they_are_needed():
    taken = []

    def endless():
        place = 0
        while True:
            taken.append(place)
            yield Block("x", place, place + 1)
            place += 1

    stream = read_ahead(endless(), lambda block: block.start, ahead=3)
    assert [next(stream)[1] for _ in range(5)] == [0, 1, 2, 3, 4]
    stream.close()
    assert len(taken) <= 5 + 3


def test_an_error_comes_where_its_block_would_have():
    def read(block):
        if block.start == 50:
            raise OSError("block 50")
        return block.start

    stream = read_ahead(BLOCKS, read)
    assert [next(stream)[1] for _ in range(5)] == [0, 10, 20, 30, 40]
    with pytest.raises(OSError, match="block 50"):
        next(stream)


def test_closing_cancels_what_has_not_begun_and_leaves_no_thread():
    begun = []

    def read(block):
        begun.append(block)
        time.sleep(0.02)

    stream = read_ahead(BLOCKS, read, ahead=2)
    next(stream)
    stream.close()
    count = len(begun)
    assert count <= 4
    time.sleep(0.05)
    assert len(begun) == count
    assert not [t for t in threading.enumerate() if t.name.startswith("read-ahead")]


def test_memory_is_bounded_by_the_blocks_under_way():
    size = 2**20
    tracemalloc.start()
    for _, data in read_ahead(cut("x", 0, 60 * size, size), lambda block: bytes(block.size), ahead=3):
        assert len(data) == size
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6.5 * size


def test_what_is_quick_is_read_by_the_caller_ahead_of_its_use_and_in_order():
    threads = {}

    def read(block):
        threads[block] = threading.current_thread()
        if block.start == 60:
            msg = "damaged"
            raise OSError(msg)
        return block.start

    stream = read_ahead(BLOCKS, read, ahead=3, is_slow=lambda block: block.start % 20 == 0)
    assert next(stream)[1] == 0
    assert set(threads) >= {BLOCKS[1], BLOCKS[3]}
    assert [next(stream)[1] for _ in range(5)] == [10, 20, 30, 40, 50]
    with pytest.raises(OSError, match="damaged"):
        next(stream)
    assert all((threads[b] is threading.current_thread()) == (b.start % 20 != 0) for b in BLOCKS[:6])


UNREAD = """
from builders.io.blocks import read_ahead
import time
def outer():
    reader = read_ahead(range(100), lambda item: time.sleep(0.01) or item)
    try:
        yield from reader
    finally:
        reader.close()
left = outer()
print(next(left))
"""


def test_a_script_that_ends_amid_reading_ends_in_silence():
    run = subprocess.run([sys.executable, "-c", UNREAD], capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "(0, 0)\n", "")
