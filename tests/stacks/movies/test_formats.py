"""Movies of other formats as rows: TIFF upside down, EER by its own dose and on finer grids."""

import numpy as np
import pytest
import tifffile
from datasets import Dataset, Features
from torch.utils.data import DataLoader

from builders import EMImage, load_dataset
from builders.empiar import Entry
from builders.errors import FormatError
from builders.io import mrc
from tests.empiar import deposit
from tests.io.formats.eer import encoder
from tests.server import serve
from tests.stacks.movies import films

COMPRESSIONS = {"plain": None, "lzw": "lzw"}
DOSE = 3.0 / 6 / 1.2**2
"""Of a frame of the EER movies below, e/Å²."""


def write_tiff(root, compression="lzw", counts=(5, 7)):
    """TIFF movies; their frames as rows should have them."""
    folder = root / deposit.ENTRY / "data" / "movies"
    folder.mkdir(parents=True)
    rng, held = np.random.default_rng(1), {}
    for number, count in enumerate(counts):
        name = f"m_{number}.{'tif' if number % 2 else 'tiff'}"
        frames = rng.integers(0, 9, (count, 24, 40)).astype(np.uint8)
        tifffile.imwrite(folder / name, frames, compression=COMPRESSIONS[compression], rowsperstrip=5)
        held[f"data/movies/{name}"] = frames[:, ::-1]
    deposit.write_xml(root, [("Movies", "data/movies", films.MULTIFRAME)])
    return held


def write_eer(root, counts=(6,), **options):
    """EER movies; the events of each."""
    folder = root / deposit.ENTRY / "data" / "movies"
    folder.mkdir(parents=True)
    held = {}
    for number, count in enumerate(counts):
        events = encoder.Events.random(count, (24, 40), seed=number)
        (folder / f"m_{number}.eer").write_bytes(encoder.encode(events, **options))
        held[f"data/movies/m_{number}.eer"] = events
    deposit.write_xml(root, [("Movies", "data/movies", films.MULTIFRAME)])
    return held


@pytest.fixture(params=["http", "mirror"])
def place(request, tmp_path):
    (tmp_path / "mirror").mkdir()
    if request.param == "mirror":
        return lambda: str(tmp_path / "mirror")
    server = request.getfixturevalue("server")

    def published():
        server.publish(tmp_path / "mirror")
        return server.base

    return published


@pytest.fixture
def server():
    with serve() as server:
        yield server


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("streaming", [True, False])
def test_frames_of_tiff_movies(place, tmp_path, compression, streaming):
    held = write_tiff(tmp_path / "mirror", compression)
    films.check(
        films.load(place(), tmp_path, item="frame", frames=(1, -1), streaming=streaming), films.frames_of(held, 1, -1)
    )


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_tiff_movie_may_come_in_its_files_order(tmp_path, compression):
    held = {path: frames[:, ::-1] for path, frames in write_tiff(tmp_path / "mirror", compression).items()}
    for streaming in (True, False):
        ds = films.load(tmp_path / "mirror", tmp_path, item="frame", flip_y=False, streaming=streaming)
        films.check(ds, films.frames_of(held))
    for row, frames in zip(films.load(tmp_path / "mirror", tmp_path, flip_y=False), held.values(), strict=True):
        np.testing.assert_array_equal(row["image"], frames)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("streaming", [True, False])
def test_sums_of_tiff_movies(place, tmp_path, compression, streaming):
    held = write_tiff(tmp_path / "mirror", compression)
    base = place()
    rows = list(films.load(base, tmp_path, sum_frames=True, dtype=None, streaming=streaming))
    for row, frames in zip(rows, held.values(), strict=True):
        np.testing.assert_array_equal(row["image"], frames.sum(axis=0, dtype=np.uint16))
        assert row["image"].dtype == np.uint16
    films.check(films.load(base, tmp_path, item="frame", frame_group=2, streaming=streaming), films.groups_of(held, 2))


@pytest.mark.parametrize("flip_y", [True, False])
def test_gain_and_shifts_lie_as_tiff_movies_do(tmp_path, flip_y):
    held = write_tiff(tmp_path / "mirror")
    data = tmp_path / "mirror" / deposit.ENTRY / "data"
    gain = np.random.default_rng(2).uniform(0.5, 2, (24, 40)).astype(np.float32)
    tifffile.imwrite(data / "gain.tif", gain)
    for path, frames in held.items():
        table = data / "movies" / path.rpartition("/")[2].replace(".tiff", ".xf").replace(".tif", ".xf")
        table.write_text("".join(f"1 0 0 1 {-2 * n} {n}\n" for n in range(len(frames))))
    rows = films.load(tmp_path / "mirror", tmp_path, item="frame", gain="auto", align="auto", flip_y=flip_y)
    for row in rows:
        n = row["frame"]
        pixels = np.roll(held[row["path"]][n] * gain[::-1], (n, -2 * n), (0, 1))
        np.testing.assert_allclose(row["image"], pixels if flip_y else pixels[::-1], atol=1e-4)


def test_a_frame_of_a_remote_tiff_movie_moves_its_strips_alone(server, tmp_path):
    write_tiff(tmp_path / "mirror", "plain", counts=(20,))
    server.publish(tmp_path / "mirror")
    ds = films.load(server.base, tmp_path, item="frame")
    server.bytes_sent = 0
    server.requests.clear()
    ds[7]["image"]
    assert (server.bytes_sent, len(server.requests)) == (24 * 40, 1)


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_and_resumptions_of_compressed_frames(server, tmp_path, workers):
    held = write_tiff(tmp_path / "mirror")
    server.publish(tmp_path / "mirror")

    def fresh():
        return films.load(server.base, tmp_path, item="frame", streaming=True)

    loader = DataLoader(fresh().with_format("torch"), batch_size=None, num_workers=workers)
    seen = sorted((row["path"], int(row["frame"]), float(row["image"].sum())) for row in loader)
    expected = films.frames_of(held)
    assert seen == [(path, number, float(pixels.sum())) for path, number, pixels in expected]
    stream = fresh()
    rows = iter(stream)
    films.check([next(rows) for _ in range(4)], expected[:4])
    state = stream.state_dict()
    rows.close()
    again = fresh()
    again.load_state_dict(state)
    films.check(again, expected[4:])
    assert len(list(fresh().shuffle(seed=1, buffer_size=3))) == len(expected)


@pytest.mark.parametrize("group", [None, 2])
def test_a_damaged_frame_costs_its_row_alone(place, tmp_path, group):
    held = write_tiff(tmp_path / "mirror", counts=(6,))
    path = tmp_path / "mirror" / deposit.ENTRY / "data/movies/m_0.tiff"
    with tifffile.TiffFile(path) as file:
        start = file.pages[3].dataoffsets[0]
    data = bytearray(path.read_bytes())
    data[start : start + 8] = b"\xff" * 8
    path.write_bytes(data)
    load = {"item": "frame", "frame_group": group, "streaming": True}
    table = tmp_path / "left_out.tsv"
    rows = films.load(place(), tmp_path, on_error="skip", quarantine=str(table), **load)
    expected = films.groups_of(held, group or 1)
    del expected[3 // (group or 1)]
    films.check(rows, expected)
    assert "m_0.tiff" in table.read_text()
    with pytest.raises(FormatError, match=r"m_0\.tiff.*damaged: [^(]*\(on_error='skip' leaves such files out\)$"):
        list(films.load(place(), tmp_path, **load))


@pytest.mark.parametrize("streaming", [True, False])
def test_eer_movies_tell_their_dose(place, tmp_path, streaming):
    held = write_eer(tmp_path / "mirror", dose=3.0)
    rows = list(films.load(place(), tmp_path, item="frame", group_dose=0.7, frame_dose=9.0, streaming=streaming))
    films.check(rows, films.groups_of({path: events.pixels for path, events in held.items()}, 2))
    for row in rows:
        assert row["dose"] == pytest.approx(2 * DOSE)
        assert row["pre_exposure"] == pytest.approx(row["frame"] * DOSE)
        assert row["pixel_size"] == pytest.approx(1.2)


@pytest.mark.parametrize("superres", [1, 2, 4])
def test_eer_movies_on_finer_grids(tmp_path, superres):
    held = write_eer(tmp_path / "mirror")
    for streaming in (True, False):
        (row,) = films.load(tmp_path / "mirror", tmp_path, sum_frames=True, superres=superres, streaming=streaming)
        (events,) = held.values()
        coarse = row["image"].reshape(24, superres, 40, superres).sum(axis=(1, 3))
        np.testing.assert_array_equal(coarse, events.pixels.sum(axis=0))
        assert row["pixel_size"] == pytest.approx(1.2 / superres)


def test_only_eer_movies_come_on_finer_grids(tmp_path):
    write_tiff(tmp_path / "mirror")
    with pytest.raises(FormatError, match=r"m_0\.tiff: superres=2 is for EER movies"):
        films.load(tmp_path / "mirror", tmp_path, superres=2)


@pytest.mark.parametrize("name", ["gain.mrc", "x.gain"])
def test_eer_movies_are_divided_by_counts_and_multiplied_by_gain_files(tmp_path, name):
    held = write_eer(tmp_path / "mirror")
    gain = np.random.default_rng(2).uniform(0.5, 2, (24, 40)).astype(np.float32)
    if name == "gain.mrc":
        mrc.write(tmp_path / name, gain)
        factor = gain.mean() / gain
    else:
        tifffile.imwrite(tmp_path / "x.tif", gain)
        (tmp_path / "x.tif").rename(tmp_path / name)
        factor = gain
    (row,) = films.load(tmp_path / "mirror", tmp_path, sum_frames=True, gain=str(tmp_path / name))
    (events,) = held.values()
    np.testing.assert_allclose(row["image"], events.pixels.sum(axis=0) * factor, rtol=1e-5)


def test_images_of_these_formats_by_their_paths(tmp_path):
    frames = write_tiff(tmp_path / "mirror")
    events = write_eer(tmp_path / "other")
    paths = [tmp_path / "mirror" / deposit.ENTRY / path for path in frames]
    paths += [tmp_path / "other" / deposit.ENTRY / path for path in events]
    ds = Dataset.from_dict({"image": list(map(str, paths))}).cast(Features({"image": EMImage(dtype=None)}))
    expected = [*frames.values(), *(one.pixels for one in events.values())]
    for row, pixels in zip(ds, expected, strict=True):
        np.testing.assert_array_equal(row["image"], pixels)


def test_entries_and_folders_take_them_without_a_pattern(tmp_path):
    held = write_tiff(tmp_path / "mirror")
    assert Entry(deposit.ENTRY, archive=tmp_path / "mirror").find(directory="data/movies") == list(held)
    folder = tmp_path / "mirror" / deposit.ENTRY / "data/movies"
    ds = load_dataset(
        "local_classes", data_dir=str(folder), item="frame", split="train", cache_dir=str(tmp_path / "cache")
    )
    films.check([row | {"path": f"data/movies/{row['path']}"} for row in ds], films.frames_of(held))
