"""Rows that are sums of frames: of all, or of groups of them by number or by dose."""

import numpy as np
import pytest
from torch.utils.data import DataLoader

from builders.errors import FormatError
from builders.io import reports
from builders.io.image_reference import layout_of, told
from builders.io.layout import Layout
from builders.io.movies.developed import developed
from tests.empiar import deposit
from tests.server import serve
from tests.stacks.movies import films


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("item", ["auto", "file"])
def test_a_movie_may_be_the_sum_of_its_frames(place, held, tmp_path, item, streaming):
    ds = films.load(place, tmp_path, item=item, sum_frames=True, frames=(1, -1), dtype=None, streaming=streaming)
    rows = list(ds)
    assert [row["path"] for row in rows] == list(held)
    assert set(rows[0]) == {"image", "pixel_size", "path", "index", "entry", "imageset"}
    for row, frames in zip(rows, held.values(), strict=True):
        np.testing.assert_array_equal(row["image"], frames[1:-1].sum(axis=0, dtype=np.float64))
        assert (row["image"].dtype, row["index"], row["pixel_size"]) == (films.SUMMED, None, 1.5)


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize(("frames", "group"), [(None, 2), ((1, None), 3), (None, 1)])
def test_groups_of_frames_are_rows(place, held, tmp_path, streaming, frames, group):
    options = {"frames": frames, "frame_group": group, "frame_dose": 0.2}
    rows = list(films.load(place, tmp_path, item="frame", streaming=streaming, **options))
    films.check(rows, films.groups_of(held, group, *(frames or ())))
    for row in rows:
        assert row["index"] == (row["frame"] - (frames or [0])[0]) / group
        assert row["dose"] == np.float32(0.2 * group)
        assert row["pre_exposure"] == np.float32(0.2 * row["frame"])


@pytest.mark.parametrize("streaming", [True, False])
def test_a_movie_of_groups_is_one_file(archive, held, tmp_path, streaming):
    ds = films.load(archive.base, tmp_path, frame_group=2, dtype=None, streaming=streaming)
    for row, frames in zip(ds, held.values(), strict=True):
        count = len(frames) // 2
        groups = frames[: 2 * count].reshape(count, 2, *films.SHAPE).sum(axis=1, dtype=np.float64)
        np.testing.assert_array_equal(row["image"], groups)


@pytest.mark.parametrize(("dose", "group"), [(1.0, 3), (0.29, 1), (0.1, 1), (1.06, 4)])
def test_groups_go_by_dose(tmp_path, held, dose, group):
    ds = films.load(tmp_path / "mirror", tmp_path, item="frame", group_dose=dose, frame_dose=0.3)
    films.check(ds, films.groups_of(held, group))
    assert ds[0]["dose"] == np.float32(0.3 * group)


def test_groups_by_dose_need_a_dose(tmp_path, held):
    with pytest.raises(FormatError, match="frame_dose= tells it, in e/Å²"):
        films.load(tmp_path / "mirror", tmp_path, item="frame", group_dose=1.0)


@pytest.mark.parametrize("streaming", [True, False])
def test_a_movie_of_no_whole_group_is_told_or_left_out(archive, held, tmp_path, streaming):
    load = {"item": "frame", "frame_group": 6, "streaming": streaming}
    with pytest.raises(FormatError, match=r"m_2\.mrcs: 5 frames, fewer than the 6 that are summed"):
        list(films.load(archive.base, tmp_path, **load))
    kept = {path: frames for path, frames in held.items() if len(frames) >= 6}
    films.check(films.load(archive.base, tmp_path, on_error="skip", **load), films.groups_of(kept, 6))


@pytest.mark.parametrize("kind", ["gz", "bz2"])
@pytest.mark.parametrize("streaming", [True, False])
def test_sums_of_a_packed_movie(tmp_path, kind, streaming):
    held = films.write(tmp_path / "mirror", packed=[kind])
    with serve() as server:
        server.publish(tmp_path / "mirror")
        for place in (server.base, tmp_path / "mirror"):
            ds = films.load(place, tmp_path, item="frame", frame_group=2, streaming=streaming)
            films.check(ds, films.groups_of(held, 2))


def test_a_group_moves_the_bytes_of_its_frames_alone(archive, held, tmp_path):
    ds = films.load(archive.base, tmp_path, item="frame", frame_group=3)
    archive.bytes_sent = 0
    films.check([ds[1]], films.groups_of(held, 3)[1:2])
    assert archive.bytes_sent == 3 * next(iter(held.values()))[0].nbytes


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_batches_and_resumptions_of_groups(archive, held, tmp_path, workers):
    def fresh():
        return films.load(archive.base, tmp_path, item="frame", frame_group=2, frame_dose=1.0, streaming=True)

    expected = films.groups_of(held, 2)
    loader = DataLoader(fresh().with_format("torch"), batch_size=None, num_workers=workers)
    seen = sorted((row["path"], int(row["frame"]), float(row["image"].sum())) for row in loader)
    assert seen == [(path, first, float(pixels.sum())) for path, first, pixels in expected]
    stream = fresh()
    rows = iter(stream)
    films.check([next(rows) for _ in range(4)], expected[:4])
    state = stream.state_dict()
    rows.close()
    again = fresh()
    again.load_state_dict(state)
    films.check(again, expected[4:])
    batch = next(iter(fresh().with_format("numpy").batch(5)))
    np.testing.assert_array_equal(batch["image"], [pixels for *_, pixels in expected[:5]])
    assert batch["pre_exposure"].tolist() == batch["frame"].tolist() == [first for _, first, _ in expected[:5]]


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("options", [{"frame_group": 5}, {"group_dose": 1.0, "frame_dose": 0.2}, {"frame_group": 7}])
def test_a_movie_of_one_group_has_three_axes(tmp_path, options, streaming):
    held = films.write(tmp_path / "mirror", {"m_1.mrc": 7, "m_2.mrc": 11})
    ds = films.load(tmp_path / "mirror", tmp_path, item="file", dtype=None, streaming=streaming, **options)
    group = options.get("frame_group", 5)
    for row, frames in zip(ds, held.values(), strict=True):
        count = len(frames) // group
        assert row["image"].shape == (count, *films.SHAPE)
        expected = frames[: count * group].reshape(count, group, *films.SHAPE).sum(axis=1, dtype=np.float64)
        np.testing.assert_array_equal(row["image"], expected)


@pytest.mark.parametrize("streaming", [True, False])
def test_movies_of_one_frame_are_images_unless_grouped(tmp_path, streaming):
    place, held = tmp_path / "mirror", films.write(tmp_path / "mirror", {"m_1.mrc": 1, "m_2.mrcs": 1})
    for options, shape in (({}, films.SHAPE), ({"frame_group": 1}, (1, *films.SHAPE))):
        rows = list(films.load(place, tmp_path, item="file", streaming=streaming, **options))
        for row, frames in zip(rows, held.values(), strict=True):
            np.testing.assert_array_equal(row["image"], frames.reshape(shape))


def test_a_batch_of_movies_of_one_group_has_their_axes(tmp_path):
    held = films.write(tmp_path / "mirror", {"m_1.mrc": 5, "m_2.mrc": 6})
    ds = films.load(tmp_path / "mirror", tmp_path, frame_group=4).with_format("torch")
    (batch,) = DataLoader(ds, batch_size=2)
    assert batch["image"].shape == (2, 1, *films.SHAPE)
    np.testing.assert_array_equal(batch["image"][1, 0], list(held.values())[1][:4].sum(axis=0))


def test_references_tell_a_box_of_one_sum_from_that_of_a_movie_of_one():
    movie = developed(Layout((4, 6, 10), "|u1", 0), group=4)
    whole = movie.box([(0, 1), (1, 4), (2, 9)])
    for layout, shape in ((whole, (1, 3, 7)), (whole.slice(0, "x"), (3, 7)), (movie, (1, 6, 10))):
        fields = {"index": None, "name": "x"} | told(layout)
        again = layout_of(**fields | {"shape": tuple(fields["shape"])})
        assert (again.shape, again.ranges) == (shape, layout.ranges)


def test_a_dose_far_below_that_of_a_frame_is_told_once(tmp_path, held, caplog):
    reports._warned.clear()
    films.check(
        films.load(tmp_path / "mirror", tmp_path, item="frame", group_dose=0.1, frame_dose=1.2), films.frames_of(held)
    )
    assert caplog.text.count("group_dose=0.1: less than half the dose of a frame, 1.2 e/Å²: frames stay alone") == 1


@pytest.mark.parametrize("kind", ["<i4", "<u4", "<i8", "<f8"])
def test_sums_of_large_numbers_are_exact_in_float64(tmp_path, kind):
    frames = np.random.default_rng(3).integers(2**26, 2**30, (3, *films.SHAPE)).astype(kind) + np.array(1, kind)
    films.write(tmp_path / "mirror", {"m_1.mrc": 1})
    np.save(tmp_path / "mirror" / deposit.ENTRY / "data/movies/n.npy", frames)
    (row,) = films.load(tmp_path / "mirror", tmp_path, pattern="*.npy", sum_frames=True, dtype="float64")
    np.testing.assert_array_equal(row["image"], frames.sum(axis=0, dtype=np.float64))
