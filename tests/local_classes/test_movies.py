"""Movies among class files: a row each, or a row a frame."""

import numpy as np
import pytest
import tifffile
from torch.utils.data import DataLoader

from builders import load_dataset
from builders.errors import FormatError, OptionError
from builders.io import mrc
from builders.local_classes.content import group_identical, read_headers
from builders.local_classes.folder import list_folder
from tests.empiar import deposit

COUNTS = {"a_1.mrc": 6, "b_1.mrcs": 9, "a_2.mrc": 7, "b_2.mrc": 8}


@pytest.fixture
def held(tmp_path):
    folder, rng = tmp_path / "films", np.random.default_rng(2)
    folder.mkdir()
    held = {}
    for name, count in COUNTS.items():
        held[name] = rng.integers(0, 9, (count, 4, 6)).astype(np.int16)
        mrc.write(folder / name, held[name], 2.0, stack=name.endswith("mrcs"))
    deposit.compress(folder / "b_2.mrc", "gz")
    held["b_2.mrc.gz"] = held.pop("b_2.mrc")
    return {name: held[name] for name in sorted(held)}


def load(tmp_path, streaming=False, split="train", **options):
    own = {"data_dir": str(tmp_path / "films"), "cache_dir": str(tmp_path / "cache"), "streaming": streaming}
    return load_dataset("local_classes", split=split, **own, **options)


@pytest.mark.parametrize("streaming", [True, False])
def test_each_frame_is_a_row_with_its_movies_class(tmp_path, held, streaming, caplog):
    ds = load(tmp_path, streaming, item="frame", frames=(1, None), frame_dose=0.5)
    rows = list(ds)
    expected = [(name, number) for name, frames in held.items() for number in range(1, len(frames))]
    assert [(row["path"], row["frame"]) for row in rows] == expected
    for row in rows:
        np.testing.assert_array_equal(row["image"], held[row["path"]][row["frame"]])
        assert ds.features["label"].int2str(row["label"]) == row["path"][0]
        assert (row["index"], row["dose"], row["pre_exposure"]) == (row["frame"] - 1, 0.5, 0.5 * row["frame"])
    assert "stack" not in caplog.text


def test_a_movie_is_one_row_where_files_are(tmp_path, held):
    rows = load(tmp_path, frames=(0, 3), dtype=None)
    assert rows.column_names == ["image", "label", "suffix", "path", "pixel_size"]
    for row, frames in zip(rows, held.values(), strict=True):
        np.testing.assert_array_equal(row["image"], frames[:3])


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_divide_frames(tmp_path, held, workers):
    ds = load(tmp_path, streaming=True, item="frame").with_format("torch")
    seen = sorted((row["path"], int(row["frame"])) for row in DataLoader(ds, batch_size=None, num_workers=workers))
    assert seen == [(name, number) for name, frames in held.items() for number in range(len(frames))]


def test_one_movie_divides(tmp_path):
    (tmp_path / "films").mkdir()
    frames = np.arange(32 * 256 * 256, dtype=np.float32).reshape(32, 256, 256)
    mrc.write(tmp_path / "films" / "a_1.mrc", frames)
    ds = load(tmp_path, streaming=True, item="frame")
    assert ds.num_shards > 4
    assert [row["frame"] for row in ds] == list(range(32))


def test_frames_of_a_movie_stay_together(tmp_path, held):
    sides = [load(tmp_path, split=name, item="frame", validation_fraction=0.5) for name in ("train", "validation")]
    paths = [set(side["path"]) for side in sides]
    assert not paths[0] & paths[1]
    assert paths[0] | paths[1] == set(held)
    assert sum(map(len, sides)) == sum(map(len, held.values()))


@pytest.mark.parametrize("large", [False, True])
def test_movies_of_the_same_pixels_stay_together_however_they_are_packed(tmp_path, large):
    """A compressed movie is compared frame by frame, and equals a plain one of the same frames."""
    (tmp_path / "films").mkdir()
    rng, side = np.random.default_rng(4), 90 if large else 20
    frames = rng.integers(0, 255, (5, side, side + 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "films" / "a_1.tif", frames[:, ::-1], compression="zlib", rowsperstrip=7)
    np.save(tmp_path / "films" / "a_2.npy", frames)
    frames[3, -1, -1] ^= 1
    np.save(tmp_path / "films" / "a_3.npy", frames)
    found = list(read_headers(list_folder(str(tmp_path / "films")).files))
    groups = [[item.file.path for item in group] for group in group_identical(found)]
    assert groups == [["a_1.tif", "a_2.npy"], ["a_3.npy"]]


def test_a_movie_of_fewer_frames_is_told_or_left_out(tmp_path, held):
    with pytest.raises(FormatError, match=r"a_1\.mrc: 6 frames, too few for frames=\(0, 7\)"):
        load(tmp_path, item="frame", frames=(0, 7))
    kept = load(tmp_path, item="frame", frames=(0, 7), on_error="skip")
    assert set(kept["path"]) == set(held) - {"a_1.mrc"}


def test_an_item_is_a_file_or_a_frame(tmp_path, held):
    with pytest.raises(OptionError, match="item is 'slice': expected 'file' or 'frame'"):
        load(tmp_path, item="slice")


@pytest.mark.parametrize("options", [{}, {"item": "frame"}, {"sum_frames": True}])
def test_movies_whose_compressed_frames_are_damaged_are_left_out(tmp_path, options, caplog):
    folder, frames = tmp_path / "films", np.random.default_rng(3).integers(0, 9, (4, 40, 50)).astype(np.uint8)
    folder.mkdir()
    for name in ("a_1.tif", "a_2.tif"):
        tifffile.imwrite(folder / name, frames, compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(folder / "a_2.tif") as file:
        place = file.pages[2].dataoffsets[0]
    data = bytearray((folder / "a_2.tif").read_bytes())
    data[place + 20 : place + 60] = bytes(40)
    (folder / "a_2.tif").write_bytes(data)
    rows = list(load(tmp_path, on_error="skip", **options))
    assert {row["path"] for row in rows} == {"a_1.tif"}
    assert f"leaving out {folder / 'a_2.tif'}: the part at bytes {place}" in caplog.text
