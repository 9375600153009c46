"""Rows that are frames of movies: the same from a server, a mirror, in streams, workers, batches and resumed.

The movies are MRC files.
"""

import pickle

import datasets
import numpy as np
import pytest
import torch
from datasets.distributed import split_dataset_by_node
from torch.utils.data import DataLoader

from builders.errors import FormatError, OptionError
from builders.io import mrc
from tests.empiar import deposit
from tests.stacks.movies import films

BEFORE_5 = int(datasets.__version__.partition(".")[0]) < 5


@pytest.mark.parametrize("streaming", [True, False])
def test_each_frame_of_a_movie_is_a_row(place, held, tmp_path, streaming):
    ds = films.load(place, tmp_path, item="frame", frame_dose=0.3, streaming=streaming)
    films.check(ds, films.frames_of(held))
    for row in ds:
        assert row["index"] == row["frame"]
        assert row["pixel_size"] == 1.5
        assert row["dose"] == np.float32(0.3)
        assert row["pre_exposure"] == np.float32(0.3 * row["frame"])


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("frames", [(1, 4), slice(2, None), (-3, None), (0, -4), [None, 5]])
def test_frames_may_be_chosen(archive, held, tmp_path, frames, streaming):
    ds = films.load(archive.base, tmp_path, item="frame", frames=frames, streaming=streaming)
    ends = (frames.start, frames.stop) if isinstance(frames, slice) else frames
    films.check(ds, films.frames_of(held, *ends))
    assert [row["index"] for row in ds][:2] == [0, 1][: len(list(ds))]
    assert {row["dose"] for row in ds} == {row["pre_exposure"] for row in ds} == {None}


@pytest.mark.parametrize("streaming", [True, False])
def test_movies_are_files_unless_frames_are_asked_for(archive, held, tmp_path, streaming):
    for options in ({}, {"item": "file"}):
        rows = list(films.load(archive.base, tmp_path, streaming=streaming, **options))
        assert "frame" not in rows[0]
        for row, (path, frames) in zip(rows, held.items(), strict=True):
            assert (row["path"], row["index"]) == (path, None)
            np.testing.assert_array_equal(row["image"], frames)
    some = films.load(archive.base, tmp_path, frames=(1, 3), dtype=None, streaming=streaming)
    for row, frames in zip(some, held.values(), strict=True):
        np.testing.assert_array_equal(row["image"], frames[1:3])
        assert row["image"].dtype == np.int8


@pytest.mark.parametrize("kind", ["gz", "bz2"])
@pytest.mark.parametrize("streaming", [True, False])
def test_frames_of_a_packed_movie(tmp_path, kind, streaming):
    held = films.write(tmp_path / "mirror", packed=[kind])
    ds = films.load(tmp_path / "mirror", tmp_path, item="frame", frames=(1, -1), streaming=streaming)
    films.check(ds, films.frames_of(held, 1, -1))


def test_a_frame_moves_its_bytes_alone(archive, held, tmp_path):
    ds = films.load(archive.base, tmp_path, item="frame", frames=(2, None))
    archive.bytes_sent = 0
    archive.requests.clear()
    path, frames = next(iter(held.items()))
    row = ds[1]
    np.testing.assert_array_equal(row["image"], frames[3])
    assert row["path"] == path
    assert archive.bytes_sent == frames[3].nbytes
    assert len(archive.requests) == 1


@pytest.mark.parametrize("options", [{"frames": (1, 5)}])
@pytest.mark.parametrize("workers", [0, 3])
def test_workers_and_nodes_divide_the_frames_of_movies(archive, held, tmp_path, workers, options):
    ds = films.load(archive.base, tmp_path, item="frame", streaming=True, **options)
    wanted = sorted(path_and_frame(row) for row in ds)
    assert ds.num_shards > 1
    loader = DataLoader(ds.with_format("torch"), batch_size=None, num_workers=workers)
    assert sorted(path_and_frame(row) for row in loader) == wanted
    parts = [split_dataset_by_node(ds, rank, 2) for rank in range(2)]
    assert sorted(path_and_frame(row) for part in parts for row in part) == wanted


def path_and_frame(row):
    return row["path"], int(row["frame"]), float(np.asarray(row["image"]).sum())


def test_one_movie_divides(tmp_path):
    held = films.write(tmp_path / "mirror", {"m.mrc": 64}, shape=(200, 256))
    ds = films.load(tmp_path / "mirror", tmp_path, item="frame", streaming=True)
    assert ds.num_shards >= 2
    assert [row["frame"] for row in ds] == list(range(64)) == [number for _, number, _ in films.frames_of(held)]


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("stop", [1, 6, 13])
def test_a_stream_of_frames_resumes(archive, tmp_path, stop, shuffled):
    def fresh():
        ds = films.load(archive.base, tmp_path, item="frame", frames=(0, 5), frame_dose=1.0, streaming=True)
        return ds.shuffle(seed=3, buffer_size=4) if shuffled else ds

    whole = [(*path_and_frame(row), row["pre_exposure"]) for row in fresh()]
    stream = fresh()
    rows = iter(stream)
    first = [path_and_frame(next(rows)) for _ in range(stop)]
    state = pickle.loads(pickle.dumps(stream.state_dict()))
    rows.close()
    again = fresh()
    again.load_state_dict(state)
    assert [row[:3] for row in whole] == first + [path_and_frame(row) for row in again]
    assert all(dose == frame for _, frame, _, dose in whole)


@pytest.mark.skipif(BEFORE_5, reason="datasets 4 makes batches of single rows")
def test_batches_hold_the_columns_of_frames(archive, held, tmp_path):
    ds = films.load(archive.base, tmp_path, item="frame", frames=(1, None), frame_dose=0.5, streaming=True)
    batches = list(ds.with_format("torch").batch(4))
    expected = films.frames_of(held, 1)
    frames = torch.cat([batch["frame"] for batch in batches])
    assert frames.tolist() == [number for _, number, _ in expected]
    assert torch.cat([batch["pre_exposure"] for batch in batches]).tolist() == [0.5 * n for _, n, _ in expected]
    np.testing.assert_array_equal(torch.cat([batch["image"] for batch in batches]), [image for *_, image in expected])
    batch = films.load(archive.base, tmp_path, item="frame", frames=(1, None)).with_format("torch")[2:9]
    np.testing.assert_array_equal(batch["image"], [image for *_, image in expected[2:9]])


@pytest.mark.parametrize("streaming", [True, False])
def test_a_movie_of_fewer_frames_is_told_or_left_out(place, held, tmp_path, streaming, caplog):
    table = tmp_path / "left_out.tsv"
    with pytest.raises(FormatError, match=r"m_2\.mrcs: 5 frames, too few for frames=\(0, 7\) .*on_error='skip'"):
        list(films.load(place, tmp_path, item="frame", frames=(0, 7), streaming=streaming))
    options = {"on_error": "skip", "quarantine": str(table), "streaming": streaming}
    rows = list(films.load(place, tmp_path, item="frame", frames=(0, 7), **options))
    kept = {path: frames for path, frames in held.items() if len(frames) >= 7}
    films.check(rows, films.frames_of(kept, 0, 7))
    assert "m_2.mrcs" in table.read_text()


@pytest.mark.parametrize("options", [{}, {"frames": (0, 1)}, {"frame_group": 1}, {"gain": "data/gain.mrc"}])
def test_an_image_is_a_movie_of_one_frame_and_four_axes_are_none(tmp_path, options):
    held = films.write(tmp_path / "mirror", {"m.mrc": 1})
    data = tmp_path / "mirror" / deposit.ENTRY / "data"
    np.save(data / "movies/n.npy", held["data/movies/m.mrc"][0])
    mrc.write(data / "gain.mrc", np.ones(films.SHAPE, np.float32))
    held["data/movies/n.npy"] = held["data/movies/m.mrc"]
    load = {"pattern": "*", "item": "frame", **options}
    for streaming in (True, False):
        films.check(films.load(tmp_path / "mirror", tmp_path, streaming=streaming, **load), films.frames_of(held))
    for row in films.load(tmp_path / "mirror", tmp_path, pattern="*", sum_frames=True):
        np.testing.assert_array_equal(row["image"], held["data/movies/m.mrc"][0])
    np.save(data / "movies/o.npy", np.zeros((2, 3, *films.SHAPE), np.float32))
    with pytest.raises(FormatError, match=r"o\.npy: an array of shape \(2, 3, 6, 10\): expected a movie"):
        films.load(tmp_path / "mirror", tmp_path, **load)


@pytest.mark.parametrize("streaming", [True, False])
def test_frames_of_a_movie_that_was_cut_off(tmp_path, held, streaming):
    path = tmp_path / "mirror" / deposit.ENTRY / "data/movies/m_3.mrc"
    path.write_bytes(path.read_bytes()[:-70])
    load = {"item": "frame", "streaming": streaming, "on_error": "skip"}
    held["data/movies/m_3.mrc"] = held["data/movies/m_3.mrc"][:7]
    films.check(films.load(tmp_path / "mirror", tmp_path, **load), films.frames_of(held))
    with pytest.raises(ValueError, match="truncated"):
        list(films.load(tmp_path / "mirror", tmp_path, **load | {"on_error": "raise"}))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"frames": slice(0, 10, 2)}, "expected no step"),
        ({"frames": (4, 4)}, "no frame at all"),
        ({"frames": (-1, -3)}, "no frame at all"),
        ({"frames": 5}, r"expected \(start, stop\)"),
        ({"frames": (True, 5)}, r"expected \(start, stop\)"),
        ({"item": "file", "sum_frames": True, "frame_group": 3}, "drop one"),
        ({"item": "frame", "sum_frames": True}, "drop one"),
        ({"frame_group": 3, "group_dose": 1.0}, "both say how many"),
        ({"frame_group": 0}, "an integer of at least 1"),
        ({"group_dose": -1}, "e/Å²"),
        ({"item": "auto", "frame_dose": 1.0}, "does nothing"),
        ({"gain_rotation": 1}, "does nothing without gain="),
        ({"gain_flip": 3, "gain": "g.mrc"}, "expected 0, 1 or 2"),
        ({"superres": 3}, "expected 1, 2 or 4"),
        ({"flip_y": 0}, "expected True or False"),
        ({"item": "slice", "frames": (0, 3)}, "does nothing for item='slice'"),
        ({"item": "slice", "gain": "auto"}, "does nothing for item='slice'"),
        ({"align": 3}, "expected a path"),
        ({"frame_groups": 3}, "did you mean 'frame_group'"),
    ],
)
def test_options_that_mean_nothing_are_refused(tmp_path, held, options, said):
    with pytest.raises(OptionError, match=said):
        films.load(tmp_path / "mirror", tmp_path, **({"item": "frame"} | options if "item" not in options else options))


def test_the_index_of_other_frames_is_another_one(tmp_path, held):
    def index(**options):
        return films.load(tmp_path / "mirror", tmp_path, item="frame", **options).cache_files[0]["filename"]

    assert index(frames=(0, 3)) == index(frames=slice(0, 3))
    assert len({index(), index(frames=(0, 3)), index(frames=(0, 3), frame_dose=1.0)}) == 3


@pytest.mark.skipif(BEFORE_5, reason="datasets 4 makes batches of single rows")
@pytest.mark.parametrize("options", [{}, {"frame_group": 2}])
def test_batches_across_movies_of_unlike_frames(tmp_path, options):
    folder = tmp_path / "mirror" / deposit.ENTRY / "data"
    folder.mkdir(parents=True)
    held = {}
    for number, side in enumerate((4, 7)):
        held[f"data/m_{number}.mrc"] = frames = np.arange(6 * side * 5, dtype=np.float32).reshape(6, side, 5)
        mrc.write(folder / f"m_{number}.mrc", frames)
    deposit.write_xml(tmp_path / "mirror", [("M", "data", films.MULTIFRAME)])
    ds = films.load(tmp_path / "mirror", tmp_path, item="frame", streaming=True, **options)
    size = options.get("frame_group", 1)
    expected = [pixels for *_, pixels in films.groups_of(held, size)]
    seen = [image for batch in ds.with_format("numpy").batch(4) for image in batch["image"]]
    assert len(seen) == len(expected) == 12 // size
    for image, pixels in zip(seen, expected, strict=True):
        np.testing.assert_array_equal(image, pixels)


def test_headers_of_movies_are_remembered(archive, tmp_path):
    films.load(archive.base, tmp_path, item="frame")
    archive.requests.clear()
    list(films.load(archive.base, tmp_path, item="frame", frames=(0, 2), streaming=True))
    movies = [request for request in archive.requests if "m_" in str(request)]
    assert 0 < len(movies) <= 2 * len(films.COUNTS)
