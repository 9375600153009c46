"""Batches of remote images: all are on their way at once, and none is left over after a failure or an interruption."""

import signal
import threading
import time

import numpy as np
import pytest
from datasets import Dataset, Features
from torch.utils.data import DataLoader

from builders import EMImage
from builders.errors import ChangedError, FormatError, NotFoundError
from builders.io.net import remote
from tests.server import Fault, serve

LONG = 60.0
"""Seconds that nothing in here may wait for."""
SHAPE = (20, 30)
PIXELS = np.random.default_rng(3).standard_normal((100, *SHAPE)).astype(np.float32)


@pytest.fixture
def archive():
    with serve() as archive:
        archive.files["/x.dat"] = PIXELS.tobytes()
        remote.permit(archive.base)
        yield archive


@pytest.fixture
def begun(monkeypatch):
    """All reads that are begun."""
    futures, submit = [], remote.submit

    def recorded(*arguments, **options):
        futures.append(submit(*arguments, **options))
        return futures[-1]

    monkeypatch.setattr(remote, "submit", recorded)
    return futures


def dataset(archive, numbers, gone=(), here=None, etag=None, dtype="<f4"):
    """A row for each of some images; of some, the file is not there, or on this machine."""
    here = here or {}
    values = [
        {
            "path": here.get(place, archive.url("/gone.dat" if place in gone else "/x.dat")),
            "etag": etag,
            "offset": number * 600 * np.dtype(dtype).itemsize,
            "shape": list(SHAPE),
            "dtype": dtype,
        }
        for place, number in enumerate(numbers)
    ]
    return Dataset.from_dict({"image": values}, features=Features({"image": EMImage()}))


def all_end(futures):
    """Whether nothing is left that runs or waits; the last of what was broken off may take a moment."""
    for _ in range(int(LONG / 2 / 0.01)):
        if all(future.done() for future in futures):
            return True
        time.sleep(0.01)
    return False


WAYS = {
    "rows": lambda ds: ds[:],
    "column": lambda ds: ds["image"][:],
    "numpy": lambda ds: ds.with_format("numpy")[:],
    "torch": lambda ds: ds.with_format("torch")[list(range(len(ds)))],
    "transform": lambda ds: ds.with_transform(lambda batch: {"image": list(batch["image"])})[:],
    "loader": lambda ds: next(iter(DataLoader(ds.with_format("torch"), len(ds)))),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_batch_is_its_images_in_order(archive, way):
    numbers = np.random.default_rng(1).integers(0, 100, 64)
    archive.crowd, archive.latency = remote.CONNECTIONS + 1, 0.05
    found = WAYS[way](dataset(archive, numbers))
    images = np.stack([np.asarray(image) for image in (found if way == "column" else found["image"])])
    np.testing.assert_array_equal(images, PIXELS[numbers])
    assert remote.CONNECTIONS < archive.most_under_way <= remote.BURST
    wanted = len(set(numbers.tolist()))
    assert archive.bytes_sent == wanted * PIXELS[0].nbytes
    assert len(archive.requests) < wanted


@pytest.mark.parametrize("way", WAYS)
def test_after_a_row_that_fails_nothing_is_left(archive, begun, way):
    ds = dataset(archive, range(0, 100, 2), gone=[0])
    archive.fail("/x.dat", *[Fault(silence=LONG)] * 20, *[Fault(cut=10, stall=LONG)] * 30)
    with pytest.raises(NotFoundError, match=r"gone\.dat"):
        WAYS[way](ds)
    assert len(begun) >= 50
    assert all_end(begun)
    archive.faults.clear()
    np.testing.assert_array_equal(ds[1:3]["image"], PIXELS[[2, 4]])  # what is read next is not held up


def test_after_an_interruption_nothing_is_left(archive, begun):
    ds = dataset(archive, range(0, 100, 2))
    archive.fail("/x.dat", *[Fault(silence=LONG)] * 50)

    def press():
        while len(archive.requests) < remote.BURST:
            time.sleep(0.005)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        ds[:]
    thread.join()
    assert len(begun) == 50
    assert all_end(begun)
    assert len(archive.requests) <= remote.BURST


def test_what_was_begun_for_nobody_else_can_be_broken_off(archive, begun):
    values = dataset(archive, range(0, 100, 2)).cast_column("image", EMImage(decode=False))[:]["image"]
    archive.fail("/x.dat", *[Fault(silence=LONG)] * 50)
    with remote.Reads() as reads:
        assert len(EMImage().start_reads(values, reads)) == len(begun) == 50
    assert all_end(begun)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_loaders_workers_have_no_more_connections_than_usual(archive, workers):
    archive.crowd, archive.latency = 2, 0.05
    ds = dataset(archive, range(0, 100, 2)).with_format("torch")
    loader = DataLoader(ds, 50 // workers, num_workers=workers, multiprocessing_context="fork")
    images = np.concatenate([batch["image"].numpy() for batch in loader])
    np.testing.assert_array_equal(images, PIXELS[::2])
    assert 1 < archive.most_under_way <= remote.CONNECTIONS


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_changed_is_told_of_with_the_way_out(archive, way):
    ds = dataset(archive, range(0, 100, 2), etag="before")
    with pytest.raises(ChangedError, match=r"x\.dat.*force_redownload"):
        WAYS[way](ds)


@pytest.mark.parametrize("way", ["numpy", "torch"])
def test_a_batch_of_files_here_and_elsewhere_is_one_stack(archive, tmp_path, way):
    (tmp_path / "x.dat").write_bytes(PIXELS.tobytes())
    numbers = np.random.default_rng(1).integers(0, 100, 30)
    ds = dataset(archive, numbers, here=dict.fromkeys(range(0, 30, 3), tmp_path / "x.dat"))
    np.testing.assert_array_equal(np.asarray(WAYS[way](ds)["image"]), PIXELS[numbers])
    wanted = {number for place, number in enumerate(numbers.tolist()) if place % 3}
    assert archive.bytes_sent == len(wanted) * PIXELS[0].nbytes


@pytest.mark.parametrize("way", ["rows", "numpy", "torch"])
def test_pixels_that_are_not_finite_are_told_by_their_file(archive, way):
    pixels = PIXELS.copy()
    pixels[40, 3, 4] = np.nan
    archive.files["/x.dat"] = pixels.tobytes()
    ds = dataset(archive, range(0, 100, 2)).cast_column("image", EMImage(non_finite="raise"))
    with pytest.raises(FormatError, match=r"x\.dat: 1 of 600 pixels"):
        WAYS[way](ds)


@pytest.mark.parametrize("way", ["rows", "numpy", "torch"])
def test_pixels_that_no_cast_holds_are_told_by_their_file(archive, way):
    archive.files["/x.dat"] = np.full((100, *SHAPE), 1e300).tobytes()
    ds = dataset(archive, range(0, 50, 2), dtype="<f8")
    with pytest.raises(FormatError, match=r"x\.dat"):
        WAYS[way](ds)
