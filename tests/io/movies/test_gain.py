import multiprocessing
import os
import threading
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

import perc_transforms as T
from builders.errors import ChangedError, FormatError, NotFoundError, OptionError, TruncatedError
from builders.io import image_file, mrc
from builders.io.flipped import unflipped
from builders.io.layout import Layout
from builders.io.movies import gain
from builders.io.movies.developed import developed
from builders.io.movies.gain import Gain
from builders.io.net import remote
from builders.io.pixels import read_layout
from tests.server import serve

NY, NX = 6, 10


@pytest.fixture(autouse=True)
def _none_kept():
    gain._kept.clear()


def reference(ny=NY, nx=NX):
    return np.random.default_rng(0).uniform(0.8, 1.2, (ny, nx)).astype(np.float32)


def written(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    mrc.write(path, pixels, **options)
    return str(path)


@pytest.mark.parametrize(("rotation", "flip", "eer"), [(0, 0, False), *product((1, 3), (1, 2), (False, True))])
def test_what_is_developed_with_it_is_what_the_transform_makes(tmp_path, rotation, flip, eer):
    path = written(tmp_path / "gain.mrc", reference())
    shape = (NX, NY) if rotation % 2 else (NY, NX)
    movie = np.random.default_rng(1).poisson(5, (4, 2 * shape[0], 2 * shape[1])).astype(np.uint8)
    frames, raw = Layout(movie.shape, "|u1", 0), movie.reshape(-1)
    it = gain.of(path, eer=eer, rotation=rotation, flip=flip)
    correct = T.GainCorrect(reference(), rotation=rotation, flip=flip, counts=eer)
    found = developed(frames, gain=it).decode(raw)
    assert found.dtype == np.float32
    assert torch.equal(torch.from_numpy(found), correct(movie))
    total = developed(frames, summed=True, gain=it).decode(raw)
    assert torch.equal(torch.from_numpy(total), correct(movie.sum(0, dtype=np.int16)))


def test_factors_are_not_to_be_written_to(tmp_path):
    found = gain.factors(gain.of(written(tmp_path / "gain.mrc", reference()), eer=False), (NY, NX))
    assert (found.dtype, found.shape, found.flags.writeable) == (np.float32, (NY, NX), False)


def test_polarity_goes_by_the_movie_and_the_name(tmp_path):
    path = written(tmp_path / "gain.mrc", reference())
    named = written(tmp_path / "x.GAIN", reference())
    assert [gain.of(path, eer=eer).counts for eer in (False, True)] == [False, True]
    assert [gain.of(named, eer=eer).counts for eer in (False, True)] == [False, False]
    assert [gain.of(path, eer=eer, flip_y=flip).flip_y for eer, flip in product((False, True), repeat=2)] == [
        *(False, True, False, True)
    ]
    assert [gain.of(named, eer=eer).flip_y for eer in (False, True)] == [True, False]
    np.testing.assert_array_equal(gain.factors(gain.of(named, eer=True), (NY, NX)), reference())


def test_a_stack_of_one_is_its_image_and_one_of_more_is_refused(tmp_path):
    one = written(tmp_path / "one.mrcs", reference()[None], stack=True)
    np.testing.assert_array_equal(gain.factors(gain.of(one, eer=False), (NY, NX)), reference())
    several = written(tmp_path / "two.mrcs", np.stack([reference()] * 2), stack=True)
    with pytest.raises(
        FormatError, match=r"two.mrcs: shape \(2, 6, 10\): expected a gain reference, which is one image"
    ):
        gain.of(several, eer=False)
    waves = written(tmp_path / "waves.mrc", reference().astype(np.complex64))
    with pytest.raises(FormatError, match=r"waves.mrc: complex numbers: expected a gain reference"):
        gain.of(waves, eer=False)


def test_what_is_not_there_or_is_no_image_is_told(tmp_path):
    with pytest.raises(NotFoundError, match=r"none.mrc: no such file"):
        gain.of(str(tmp_path / "none.mrc"), eer=False)
    whole = written(tmp_path / "gain.mrc", reference())
    (tmp_path / "cut.mrc").write_bytes(Path(whole).read_bytes()[:1100])
    with pytest.raises(TruncatedError, match=r"cut.mrc"):
        gain.of(str(tmp_path / "cut.mrc"), eer=False)


def test_a_frame_that_it_does_not_fit_is_told_with_both_shapes(tmp_path):
    it = gain.of(written(tmp_path / "gain.mrc", reference()), eer=False)
    with pytest.raises(FormatError, match=r"gain.mrc: a gain reference of \(6, 10\) for frames of \(10, 6\): .*1 or 3"):
        gain.factors(it, (NX, NY))


@pytest.mark.parametrize(("field", "value"), [("rotation", 4), ("rotation", True), ("rotation", "1"), ("flip", 3)])
def test_a_turn_that_is_none_is_told(field, value):
    with pytest.raises(OptionError, match=rf"gain_{field} {value!r}: expected 0"):
        Gain("gain.mrc", "", **{field: value})


def test_defects_are_told_once(tmp_path, caplog):
    pixels = np.random.default_rng(0).normal(1, 0.01, (32, 32)).astype(np.float32)
    pixels[0, :3], pixels[1, 0], pixels[2, :2] = 0, np.nan, 9
    np.save(tmp_path / "gain.npy", pixels)
    it = gain.of(str(tmp_path / "gain.npy"), eer=False)
    for shape in ((32, 32), (64, 64)):
        gain.factors(it, shape)
    (said,) = [record.message for record in caplog.records if "defects" in record.message]
    assert said.endswith("defects: 3 of value 0, 1 not finite, 2 beyond 5 sigma, of 1024 pixels")


def test_a_file_that_changed_is_told(tmp_path):
    path = written(tmp_path / "gain.mrc", reference())
    it = gain.of(path, eer=False)
    os.utime(path, ns=(1, 1))
    with pytest.raises(ChangedError, match=r"gain.mrc: changed since"):
        gain.factors(it, (NY, NX))


def test_few_are_kept_and_threads_share_one_read(tmp_path, monkeypatch):
    reads = []
    monkeypatch.setattr(gain, "_read", lambda it, shape, read=gain._read: reads.append(shape) or read(it, shape))
    it = gain.of(written(tmp_path / "gain.mrc", reference()), eer=False)
    found, start = [], threading.Barrier(8)
    threads = [
        threading.Thread(target=lambda: (start.wait(), found.append(gain.factors(it, (NY, NX))))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reads == [(NY, NX)]
    assert all(one is found[0] for one in found)
    for step in (2, 4, 2):
        gain.factors(it, (step * NY, step * NX))
    assert len(reads) == 3
    assert len(gain._kept) == gain.KEPT


def _factors_in_child(it, shape, answers):
    answers.put(float(gain.factors(it, shape).sum()))


def test_a_child_forked_while_another_thread_reads_has_its_own(tmp_path, monkeypatch):
    it = gain.of(written(tmp_path / "gain.mrc", reference()), eer=False)
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    with gain._readers.setdefault(os.getpid(), threading.Lock()):
        child = context.Process(target=_factors_in_child, args=(it, (NY, NX), answers))
        child.start()
        child.join(30)
    assert child.exitcode == 0
    assert answers.get() == pytest.approx(float(reference().sum()))


def test_of_a_server_its_pixels_come_once(tmp_path):
    written(tmp_path / "entry" / "gain ref.mrc", reference(64, 64))
    with serve() as archive:
        archive.publish(tmp_path)
        remote.permit(archive.base)
        it = gain.of(archive.url("/entry/gain%20ref.mrc"), eer=False)
        for _ in range(3):
            found = gain.factors(it, (64, 64))
        assert sum(request.method == "GET" for request in archive.requests) <= 3
    np.testing.assert_array_equal(found, reference(64, 64))


# which of several


@pytest.mark.parametrize(
    "name",
    [
        *("gain.mrc", "x_GAIN_2.mrc", "CountRef_a1.mrc", "SuperRef_a1.mrc", "gainref.mrc", "EER_GainReference.gain"),
        *("my-ref.mrc", "data/K3-GainRef x1m.mrc.gz", "norm_reference.mrcs"),
    ],
)
def test_a_name_that_speaks_of_a_gain(name):
    assert gain.speaks_of_gain(f"/data/again/{name}")
    assert gain.speaks_of_gain(f"https://host/entry/{name.replace(' ', '%20')}")


@pytest.mark.parametrize(
    "name", ["movie.mrc", "refined.mrc", "gain.txt", "dark_ref.mrc", "DefectRef.mrc", "gain/movie.mrc", "preferred.mrc"]
)
def test_a_name_that_does_not(name):
    assert not gain.speaks_of_gain(name)


def test_the_one_that_fits_is_taken_and_told(tmp_path, caplog):
    fits = written(tmp_path / "gain_4k.mrc", reference())
    wrong = [written(tmp_path / "gain_other.mrc", reference(7, 7)), written(tmp_path / "movie.mrc", reference())]
    (tmp_path / "gain_broken.mrc").write_bytes(b"no image at all")
    files = [*wrong, str(tmp_path / "gain_broken.mrc"), fits]
    assert gain.find(files, (NY, NX)) == fits
    assert gain.find(files, (2 * NY, 2 * NX)) == fits
    assert gain.find(files, (NX, NY), rotation=1) == fits
    assert f"{fits}: taken as the gain reference" in caplog.text


def test_none_or_several_are_told_with_what_was_looked_at(tmp_path):
    one, other = (written(tmp_path / f"gain_{n}.mrc", reference()) for n in (2, 10))
    with pytest.raises(OptionError, match=r"gain='auto': 2 files fit frames of \(6, 10\): .*gain_2.mrc, .*gain_10.mrc"):
        gain.find([other, one], (NY, NX))
    with pytest.raises(
        NotFoundError, match=r"looked at 2 files: .*gain_2.mrc: .*a rotation of 1 or 3 would fit.*gain_10"
    ):
        gain.find([other, one], (NX, NY))
    with pytest.raises(NotFoundError, match=r"no gain reference for frames of \(6, 10\): no file is called one: give"):
        gain.find([str(tmp_path / "movie.mrc")], (NY, NX))
    with pytest.raises(
        OptionError, match=r"21 files are called a gain or a reference: .* and 11 more: expected at most"
    ):
        gain.find([str(tmp_path / f"gain_{n}.mrc") for n in range(21)], (NY, NX))


# of TIFF files, whose rows are turned over


@pytest.fixture
def tiff(tmp_path):
    tifffile = pytest.importorskip("tifffile")

    def write(name, pixels):
        tifffile.imwrite(tmp_path / name, pixels, photometric="minisblack")
        return str(tmp_path / name)

    return write


@pytest.mark.parametrize("flip_y", [True, False])
def test_a_tiff_movie_and_its_gain_are_turned_over_together(tiff, flip_y):
    stored = reference()
    movie = tiff("movie.tif", (100 / stored)[None].repeat(2, 0).astype(np.float32))
    file = image_file.describe(movie)
    layout = file.layout if flip_y else unflipped(file.layout)
    it = gain.of(tiff("gain.tif", stored), eer=False, flip_y=flip_y)
    np.testing.assert_array_equal(gain.factors(it, (NY, NX)), stored[::-1] if flip_y else stored)
    made = read_layout(movie, developed(layout, gain=it), file.etag)
    np.testing.assert_allclose(made, 100, rtol=1e-6)


@pytest.mark.parametrize("name", ["x.gain", "x.GAIN"])
def test_a_gain_file_of_eer_movies_is_not_turned_over_and_multiplied(tiff, name):
    path = tiff(name, reference())
    np.testing.assert_array_equal(gain.factors(gain.of(path, eer=True), (NY, NX)), reference())
    np.testing.assert_array_equal(gain.factors(gain.of(path, eer=False), (NY, NX)), reference()[::-1])
    np.testing.assert_array_equal(gain.factors(gain.of(path, eer=False, flip_y=False), (NY, NX)), reference())


def test_any_other_tiff_of_eer_movies_is_counts_and_turned_over(tiff):
    counts = reference() * 50
    found = gain.factors(gain.of(tiff("gain.tiff", counts), eer=True), (NY, NX))
    np.testing.assert_allclose(found, (counts.mean() / counts)[::-1], rtol=1e-6)


def test_of_several_pages_it_is_a_stack_but_of_a_gain_file_the_first(tiff, caplog):
    pages = np.stack([reference(), 2 * reference()])
    it = gain.of(tiff("x.gain", pages), eer=True)
    np.testing.assert_array_equal(gain.factors(it, (NY, NX)), reference())
    assert "x.gain: 2 pages: the first one is taken as the gain reference" in caplog.text
    with pytest.raises(
        FormatError, match=r"gain.tif: shape \(3, 6, 10\): expected a gain reference, which is one image"
    ):
        gain.of(tiff("gain.tif", np.stack([reference()] * 3)), eer=False)
