"""Movies that are corrected by a gain reference: named in any way, or found."""

import logging

import numpy as np
import pytest
from torch.utils.data import DataLoader

from builders import load_dataset
from builders.errors import FormatError, NotFoundError, OptionError
from builders.io import mrc, reports
from builders.io.net import remote
from builders.io.net.retrying import Patience
from tests.empiar import deposit
from tests.server import serve
from tests.stacks.movies import films

GAIN = np.random.default_rng(1).uniform(0.5, 1.5, films.SHAPE).astype(np.float32)


@pytest.fixture
def held(tmp_path):
    held = films.write(tmp_path / "mirror")
    for name in ("elsewhere.mrc", "movies/m_gain.mrc", "other/gain.mrc"):
        path = tmp_path / "mirror" / deposit.ENTRY / "data" / name
        path.parent.mkdir(exist_ok=True)
        mrc.write(path, GAIN if "other" not in name else np.ones((3, 3), np.float32))
    return held


def corrected(held, gain=GAIN):
    return [(path, number, frame * gain) for path, number, frame in films.frames_of(held)]


def check(rows, held, gain=GAIN):
    expected = corrected(held, gain)
    assert [(row["path"], row["frame"]) for row in rows] == [(path, number) for path, number, _ in expected]
    for row, (*_, pixels) in zip(rows, expected, strict=True):
        np.testing.assert_allclose(row["image"], pixels, rtol=1e-6)
        assert row["image"].dtype == np.float32


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("gain", ["auto", "data/movies/m_gain.mrc"])
def test_a_reference_inside_the_entry_is_no_row(place, held, tmp_path, gain, streaming, caplog):
    caplog.set_level(logging.INFO)
    check(list(films.load(place, tmp_path, item="frame", gain=gain, dtype=None, streaming=streaming)), held)
    assert ("m_gain.mrc: taken as the gain reference" in caplog.text) == (gain == "auto")


def test_a_reference_is_found_above_the_movies_and_in_a_folder_called_so(archive, held, tmp_path):
    data = tmp_path / "mirror" / deposit.ENTRY / "data"
    (data / "movies/m_gain.mrc").rename(data / "CountRef_1.mrc")
    check(list(films.load(archive.base, tmp_path, item="frame", gain="auto")), held)
    (data / "Gain").mkdir()
    (data / "CountRef_1.mrc").rename(data / "Gain/reference.mrc")
    check(list(films.load(archive.base, tmp_path / "other", item="frame", gain="auto")), held)


@pytest.mark.parametrize("how", ["path", "url", "relative"])
def test_a_reference_lies_anywhere(archive, held, tmp_path, how, monkeypatch):
    own = tmp_path / "mine.mrc"
    mrc.write(own, GAIN)
    monkeypatch.chdir(tmp_path)
    place = {"path": str(own), "url": f"{archive.base}/{deposit.ENTRY}/data/elsewhere.mrc", "relative": "mine.mrc"}
    ds = films.load(archive.base, tmp_path, item="frame", gain=place[how], pattern="m_[123].*", streaming=True)
    check(list(ds), held)


@pytest.mark.parametrize("rotation", [0, 2])
@pytest.mark.parametrize("flip", [0, 1, 2])
def test_a_reference_is_turned_and_flipped_as_relion_does(tmp_path, held, rotation, flip):
    options = {"gain": "data/elsewhere.mrc", "gain_rotation": rotation, "gain_flip": flip, "pattern": "m_[123].*"}
    rows = list(films.load(tmp_path / "mirror", tmp_path, item="frame", **options))
    turned = np.rot90(GAIN, -rotation)
    check(rows, held, turned[::-1] if flip == 1 else turned[:, ::-1] if flip == 2 else turned)


def test_sums_are_of_corrected_frames(tmp_path, held):
    load = {"gain": "auto", "dtype": None}
    rows = films.load(tmp_path / "mirror", tmp_path, item="file", sum_frames=True, **load)
    for row, frames in zip(rows, held.values(), strict=True):
        np.testing.assert_allclose(row["image"], (frames * GAIN).sum(axis=0), rtol=1e-5)
    rows = films.load(tmp_path / "mirror", tmp_path, item="file", **load)
    for row, frames in zip(rows, held.values(), strict=True):
        np.testing.assert_allclose(row["image"], frames * GAIN, rtol=1e-6)


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_workers_correct_frames_of_indices(tmp_path, held, method):
    ds = films.load(tmp_path / "mirror", tmp_path, item="frame", frame_group=2, gain="auto").with_format("torch")
    ds[0]["image"]  # the parent has the reference already
    loader = DataLoader(ds, batch_size=3, num_workers=2, multiprocessing_context=method)
    images = np.concatenate([batch["image"] for batch in loader])
    expected = [pixels * GAIN for *_, pixels in films.groups_of(held, 2)]
    np.testing.assert_allclose(images, expected, rtol=1e-5)


def test_another_reference_makes_another_index(tmp_path, held):
    def index():
        return films.load(tmp_path / "mirror", tmp_path, item="frame", gain="auto")

    before = index()
    mrc.write(tmp_path / "mirror" / deposit.ENTRY / "data/movies/m_gain.mrc", 2 * GAIN)
    after = index()
    assert before.cache_files != after.cache_files
    check(list(after), held, 2 * GAIN)


def test_a_reference_comes_along_with_a_download(held, tmp_path, monkeypatch):
    options = {"item": "frame", "gain": "auto", "download": True}
    with serve() as server:
        server.publish(tmp_path / "mirror")
        check(list(films.load(server.base, tmp_path, **options)), held)
        base = server.base
    monkeypatch.setattr(remote, "_clients", {})  # its connections outlive the server's own end
    remote.client().patience = Patience(backoff=0.001)
    for streaming in (True, False):
        check(list(films.load(base, tmp_path, streaming=streaming, **options)), held)


def test_references_that_do_not_fit_are_told(tmp_path, held):
    data = tmp_path / "mirror" / deposit.ENTRY / "data"

    def load(**options):
        return list(films.load(tmp_path / "mirror", tmp_path, item="frame", **options))

    with pytest.raises(NotFoundError, match=r"gain='gone\.mrc': no such file: neither .* nor "):
        load(gain="gone.mrc")
    with pytest.raises(FormatError, match=r"\(3, 3\).*\(6, 10\)"):
        load(gain="data/other/gain.mrc", pattern="m_[123].*")
    (data / "movies/second_gain.mrc").write_bytes((data / "elsewhere.mrc").read_bytes())
    with pytest.raises(OptionError, match=r"2 files fit .*m_gain\.mrc.*second_gain\.mrc"):
        load(gain="auto")
    for name in ("m_gain.mrc", "second_gain.mrc"):
        (data / "movies" / name).unlink()
    with pytest.raises(NotFoundError, match="no gain reference for frames of"):
        load(gain="auto")


@pytest.mark.parametrize("gain", ["auto", "r_gain.mrc"])
def test_class_files_have_a_reference_beside_them(tmp_path, gain):
    folder = tmp_path / "films"
    folder.mkdir()
    frames = np.arange(4 * 60, dtype=np.float32).reshape(4, *films.SHAPE)
    mrc.write(folder / "a_1.mrc", frames)
    mrc.write(folder / "r_gain.mrc", GAIN)
    options = {"data_dir": str(folder), "cache_dir": str(tmp_path / "cache"), "split": "train"}
    rows = list(load_dataset("local_classes", item="frame", gain=gain, **options))
    assert [row["path"] for row in rows] == ["a_1.mrc"] * 4
    for row, frame in zip(rows, frames, strict=True):
        np.testing.assert_allclose(row["image"], frame * GAIN, rtol=1e-6)


@pytest.mark.parametrize("streaming", [True, False])
def test_movies_that_a_reference_does_not_fit_are_told_at_once_or_left_out(tmp_path, streaming):
    held = films.write(tmp_path / "mirror", {"m_1.mrc": 3, "m_2.mrc": 3})
    data = tmp_path / "mirror" / deposit.ENTRY / "data"
    mrc.write(data / "gain.mrc", GAIN)
    mrc.write(data / "movies/m_2.mrc", np.ones((3, 8, 8), np.int8))
    load = {"item": "frame", "gain": "data/gain.mrc", "streaming": streaming}
    with pytest.raises(FormatError, match=r"m_2\.mrc: .*gain\.mrc: a gain reference of \(6, 10\) for .*\(8, 8\)"):
        list(films.load(tmp_path / "mirror", tmp_path, **load))
    table = tmp_path / "left_out.tsv"
    rows = films.load(tmp_path / "mirror", tmp_path, on_error="skip", quarantine=str(table), **load)
    check(rows, {"data/movies/m_1.mrc": held["data/movies/m_1.mrc"]})
    assert "m_2.mrc" in table.read_text()
    if not streaming:
        with pytest.raises(FormatError, match=r"m_2\.mrc"):
            films.load(tmp_path / "mirror", tmp_path, **load)


@pytest.mark.parametrize("options", [{"sum_frames": True}, {"item": "frame"}, {"frames": (0, 1)}, {}, {"gain": "auto"}])
def test_a_reference_among_the_movies_that_is_read_as_one_is_told_once(tmp_path, options, caplog):
    films.write(tmp_path / "mirror", {"m_1.mrc": 3})
    mrc.write(tmp_path / "mirror" / deposit.ENTRY / "data/movies/gain.mrc", GAIN)
    reports._warned.clear()
    rows = list(films.load(tmp_path / "mirror", tmp_path, streaming=True, **options))
    list(films.load(tmp_path / "mirror", tmp_path, streaming=True, **options))
    is_movie = bool(options) and "gain" not in options
    assert caplog.text.count("movies/gain.mrc: looks like a gain reference and is read as a movie") == is_movie
    assert ("data/movies/gain.mrc" in [row["path"] for row in rows]) == ("gain" not in options)
