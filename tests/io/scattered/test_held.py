"""Chunks that are held: each is read once for boxes that overlap, in few bytes, whatever other threads do."""

import threading
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakSet

import numpy as np
import pytest
import zarr

from builders.errors import FormatError
from builders.io import image_file
from builders.io.scattered import fetching
from builders.io.scattered import shelf as shelves
from builders.io.scattered.chunks import read_parts
from builders.io.scattered.held import Held
from builders.io.scattered.shelf import Shelf
from tests.io.scattered.arrays import write

SHAPE, CHUNK, TILE, STEP = (12, 15, 26), (4, 5, 8), (5, 6, 9), (3, 4, 6)
PIXELS = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
EACH = int(np.prod(CHUNK)) * 4
TILES = [
    [(z, min(z + TILE[0], 12)), (y, min(y + TILE[1], 15)), (x, min(x + TILE[2], 26))]
    for z in range(0, 12, STEP[0])
    for y in range(0, 15, STEP[1])
    for x in range(0, 26, STEP[2])
]
COUNT = 3 * 3 * 4


@pytest.fixture
def array(tmp_path, monkeypatch):
    """The metadata file, the image, and the files that were read."""
    file, asked, codes = write(tmp_path, PIXELS, CHUNK), [], fetching.codes

    def counted(request, grid):
        asked.append(request.where)
        return codes(request, grid)

    monkeypatch.setattr(fetching, "codes", counted)
    return file, image_file.describe(file).layout, asked


def read_one(file, image, box, held):
    out = np.empty([b - a for a, b in box], np.float32)
    read_parts(file, image, [box], [out], held)
    assert np.array_equal(out, PIXELS[tuple(slice(*side) for side in box)])


def test_tiles_in_order_read_each_chunk_once_and_let_it_go(array):
    file, image, asked = array
    held, most = Held.of_boxes(image, TILES), 0
    for box in TILES:
        read_one(file, image, box, held)
        most = max(most, held.size)
    assert len(asked) == len(set(asked)) == COUNT
    assert held.size == 0
    assert most < COUNT * EACH  # two layers of the three, at the most


def test_of_unknown_boxes_the_last_ones_used_are_kept(array):
    file, image, asked = array
    held = Held()
    for box in [*TILES, *reversed(TILES)]:
        read_one(file, image, box, held)
    assert len(asked) == COUNT
    assert held.size == COUNT * EACH


@pytest.mark.parametrize("is_known", [True, False])
def test_memory_is_bounded_and_what_is_needed_last_goes(array, is_known):
    file, image, asked = array
    most = 14 * EACH
    held = Held.of_boxes(image, TILES, most) if is_known else Held(most)
    for box in TILES:
        read_one(file, image, box, held)
        assert held.size <= most
    assert COUNT < len(asked) < sum(len(image.grid.crossed(box)) for box in TILES)


def test_threads_wait_for_each_other(array):
    file, image, asked = array
    held = Held.of_boxes(image, TILES)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda box: read_one(file, image, box, held), TILES))
    assert len(asked) == COUNT


def test_who_waits_for_one_that_fails_reads_by_himself(array, monkeypatch):
    file, image, _ = array
    held, box, codes = Held(), TILES[0], fetching.codes
    begun, waits, failed = threading.Event(), threading.Event(), []

    def fails(request, grid):
        if threading.current_thread().name == "first":
            begun.set()
            waits.wait(5)
            failed.append(request.where)
            msg = "damaged"
            raise FormatError(msg)
        return codes(request, grid)

    monkeypatch.setattr(fetching, "codes", fails)
    claim = held.claim

    def claimed(chunks):
        try:
            return claim(chunks)
        finally:
            if threading.current_thread().name == "second":
                waits.set()

    monkeypatch.setattr(held, "claim", claimed)
    monkeypatch.setattr("builders.io.codecs.threads.cores", lambda: 1)
    errors = []

    def first():
        try:
            read_one(file, image, box, held)
        except FormatError as err:
            errors.append(err)

    threads = [
        threading.Thread(target=first, name="first"),
        threading.Thread(target=lambda: (begun.wait(5), read_one(file, image, box, held)), name="second"),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(errors) == len(failed) == 1


def take(held, chunks):
    """Read some chunks, each for one box."""
    held.claim(chunks)
    for chunk in chunks:
        held.keep(chunk, PIXELS.reshape(-1)[: EACH // 4])
        held.used(chunk, 1)


def test_arrays_of_one_shelf_share_its_memory_and_what_any_needs_last_goes(array):
    _, image, _ = array
    shelf = Shelf(2 * EACH)
    one, other = Held(shelf=shelf, name="a"), Held(shelf=shelf, name="b")
    first, second = ([[0, 4], [0, 5], [x, x + 8]] for x in (0, 8))  # of one chunk each
    one.expect(image, np.array([first, first]), np.array([0, 5]))
    other.expect(image, np.array([first, first, second, second]), np.array([1, 9, 2, 4]))
    take(one, [(0, 0, 0)])
    take(other, [(0, 0, 0), (0, 0, 1)])
    assert one.size == other.size == 2 * EACH
    assert other.claim([(0, 0, 0), (0, 0, 1)])[0] == [(0, 0, 0)]  # its next box is the last one of all
    assert not one.claim([(0, 0, 0)])[0]
    one.used((0, 0, 0), 1)
    assert one.size == EACH


def test_shelves_of_a_process_share_its_memory(monkeypatch):
    monkeypatch.setattr(shelves, "MOST", 12 * EACH)
    monkeypatch.setattr(shelves, "_alive", WeakSet())
    one, chunks = Held(8 * EACH), [(0, 0, number) for number in range(8)]
    take(one, chunks)
    assert one.size == 8 * EACH
    others = [Held(8 * EACH) for _ in range(2)]
    one.used(chunks[-1], 1)
    assert one.size == 4 * EACH  # a third
    del others
    fresh = Held(8 * EACH)
    take(one, [(1, 0, number) for number in range(3)])
    assert one.size == 6 * EACH  # half, since those others are gone
    assert not fresh.size


def test_chunks_of_shards_are_held_without_those_that_came_with_them(tmp_path):
    options = {"shape": SHAPE, "dtype": "f4", "chunks": CHUNK, "shards": (12, 15, 32), "compressors": None}
    zarr.create_array(tmp_path / "a", **options)[...] = PIXELS
    file = str(tmp_path / "a" / "zarr.json")
    image = image_file.describe(file).layout
    held = Held.of_boxes(image, TILES)
    for box in TILES:
        read_one(file, image, box, held)
        _, there = held.claim([(0, 0, 0)]) if held.size and box is TILES[0] else ([], [])
        assert all(future.result().base is None for _, future in there)
    assert held.size == 0
