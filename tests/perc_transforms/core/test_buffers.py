import gc
import os
import threading

import numpy as np
import pytest
import torch

from builders.io import image_file, mrc
from perc_transforms.core import buffers

SIZE = 2 * buffers.SMALLEST


@pytest.fixture(autouse=True)
def _empty_stock():
    buffers._stock.clear()


def address(array):
    return array.__array_interface__["data"][0]


def test_freed_memory_is_used_again():
    first = address(buffers.take(SIZE))
    assert address(buffers.take(SIZE - 100)) == first
    held = buffers.take(SIZE)
    assert address(buffers.take(SIZE)) != address(held)


HOLDERS = {
    "view": lambda b: b.view(np.float32),
    "plain view": lambda b: b.view(np.ndarray),
    "asarray": np.asarray,
    "slice of a plain view": lambda b: b.view(np.ndarray)[100:200],
    "slices of slices": lambda b: b.view(np.float32).view(np.ndarray).reshape(4, -1)[1:][1][3:9],
    "transpose": lambda b: b.view(np.ndarray).reshape(8, -1).T,
    "tensor": lambda b: torch.from_numpy(b.view(np.ndarray)),
    "view of a tensor": lambda b: torch.from_numpy(b.view(np.ndarray)).view(4, -1)[2, 5:],
    "memoryview": lambda b: memoryview(b.view(np.ndarray)),
    "frombuffer": lambda b: np.frombuffer(b.view(np.ndarray), np.uint8),
    "numpy of a tensor": lambda b: torch.from_numpy(b.view(np.ndarray)).numpy(),
    "dlpack": lambda b: torch.from_dlpack(b.view(np.ndarray)),
    "row of a loop": lambda b: list(b.view(np.ndarray).reshape(4, -1))[-1],
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_memory_is_never_given_away_while_anything_looks_at_it(holder):
    buffer = buffers.take(SIZE)
    buffer[:] = 7
    held = HOLDERS[holder](buffer)
    before = bytes(np.asarray(held).tobytes())
    del buffer
    gc.collect()
    assert not buffers._stock
    others = [buffers.take(SIZE) for _ in range(4)]
    for other in others:
        other[:] = 255
    assert np.asarray(held).tobytes() == before
    del held, others, other
    gc.collect()
    assert len(buffers._stock) == 5


def test_images_that_are_kept_keep_their_pixels(tmp_path):
    arrays = [np.full((4, 300, 300), number, np.float32) for number in range(6)]
    for number, array in enumerate(arrays):
        mrc.write(tmp_path / f"{number}.mrc", array)
    kept = []
    for turn in range(3):
        for number in range(6):
            image = image_file.read(tmp_path / f"{number}.mrc")
            if (turn + number) % 2:
                kept.append((number, image if turn else torch.from_numpy(image)[1:]))
    for number, image in kept:
        assert float(image.min()) == float(image.max()) == number


def test_the_stock_is_bounded():
    held = [buffers.take(buffers.STOCK // 4) for _ in range(10)]
    del held
    gc.collect()
    assert sum(map(len, buffers._stock)) <= buffers.STOCK
    buffers._stock.clear()
    big = buffers.take(buffers.STOCK + 1)
    del big
    assert not buffers._stock


def test_memory_of_a_size_that_is_not_wanted_any_more_makes_room():
    large = [buffers.take(buffers.STOCK // 2) for _ in range(2)]
    del large
    small = [buffers.take(SIZE) for _ in range(20)]
    places = {address(buffer) for buffer in small}
    del small
    assert {address(buffer) for buffer in [buffers.take(SIZE) for _ in range(20)]} == places


def test_threads_never_share_memory():
    wrong = []

    def work(number):
        for _ in range(200):
            buffer = buffers.take(SIZE)
            buffer[:: SIZE // 64] = number
            if (buffer[:: SIZE // 64] != number).any():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_has_memory_of_its_own():
    buffer = buffers.take(SIZE)
    buffer[:] = 1
    child = os.fork()
    if child == 0:
        buffer[:] = 2
        os._exit(0)
    os.waitpid(child, 0)
    assert (buffer == 1).all()
