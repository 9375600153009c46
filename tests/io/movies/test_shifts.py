import numpy as np
import pytest
from scipy import ndimage

from builders.errors import FormatError, NotFoundError, OptionError
from builders.io.layout import Layout
from builders.io.movies import shifts
from builders.io.movies.developed import developed
from builders.io.net import remote
from tests.io.tables.stars import loop, simple
from tests.server import serve

SHAPE = (24, 32)
DRIFT = np.array([(0.0, 0.0), (1.0, -2.0), (2.25, -3.5), (3.0, -4.75)])
"""How far the specimen moved by each frame, along y and x."""
LABELS = (shifts.FRAME, shifts.X, shifts.Y)


def star_of(back, numbers=None, **general):
    """RELION's file of shifts `(frames, 2)` along y and x."""
    numbers = numbers or range(1, len(back) + 1)
    rows = [(number, f"{x:12.6f}", f"{y:12.6f}") for number, (y, x) in zip(numbers, back, strict=True)]
    said = simple("general", {"rlnMicrographMovieName": "x.tif", **general}) + "\n" if general else ""
    return (
        said + loop(shifts.TABLE, LABELS, rows) + "\n" + loop("local_shift", (*LABELS, "rlnCoordinateX"), ["1 2 3 4"])
    )


def xf_of(back):
    return "".join(f"   1.0000000   0.0000000   0.0000000   1.0000000 {x:11.3f} {y:11.3f}\n" for y, x in back)


def written(folder, name, text):
    (folder / name).write_text(text)
    return str(folder / name)


def spot(y, x):
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 8).astype(np.float32)


@pytest.mark.parametrize(("name", "text"), [("m.star", star_of(-DRIFT)), ("m.xf", xf_of(-DRIFT))])
def test_a_spot_that_moved_comes_together_again(tmp_path, name, text):
    movie = np.stack([spot(10 + y, 17 + x) for y, x in DRIFT])
    found = shifts.read(written(tmp_path, name, text), len(DRIFT), SHAPE)
    assert (found.shape, found.dtype) == ((4, 2), np.float64)
    layout = developed(Layout(movie.shape, "<f4", 0), summed=True, shifts=found)
    total = layout.decode(np.frombuffer(movie.tobytes(), np.uint8))
    np.testing.assert_allclose(total, 4 * spot(10, 17), atol=2e-4)
    by_scipy = sum(
        ndimage.shift(frame.astype(float), by, mode="grid-wrap") for frame, by in zip(movie, found, strict=True)
    )
    np.testing.assert_allclose(total, by_scipy, atol=0.05)


def test_of_a_movie_in_its_files_order_they_run_the_other_way_along_y(tmp_path):
    table = written(tmp_path, "m.xf", xf_of(-DRIFT))
    np.testing.assert_array_equal(shifts.read(table, 4, SHAPE, upside_down=True), -DRIFT * (-1, 1))


def test_rows_count_by_their_numbers(tmp_path):
    table = written(tmp_path, "m.star", star_of(-DRIFT[[2, 0, 3, 1]], [3, 1, 4, 2]))
    np.testing.assert_array_equal(shifts.read(table, 4, SHAPE), -DRIFT)


def test_a_frame_that_took_no_part_moves_as_the_one_before_or_the_first_that_did(tmp_path, caplog):
    back = np.array([(-9999, -9999), (1, 2), (-9999, -9999), (3, 4), (-9999, -9999)])
    found = shifts.read(written(tmp_path, "m.star", star_of(back)), 5, SHAPE)
    assert found.tolist() == [[1, 2], [1, 2], [1, 2], [3, 4], [3, 4]]
    assert "m.star: 3 frames were not aligned: moved as those before them" in caplog.text
    with pytest.raises(FormatError, match=r"m.star: no frame was aligned \(-9999\)"):
        shifts.read(written(tmp_path, "m.star", star_of(back[[0, 2]])), 2, SHAPE)


def test_groups_of_eer_frames_have_one_shift(tmp_path):
    table = written(tmp_path, "m.star", star_of(DRIFT[:3], rlnEERGrouping=4, rlnEERUpsampling=2))
    found = shifts.read(table, 14, SHAPE)
    np.testing.assert_array_equal(found, np.repeat(DRIFT[:3], [4, 4, 6], 0))
    with pytest.raises(FormatError, match=r"shifts of 3 frames in groups of 4: expected those of the movie's 16"):
        shifts.read(table, 16, SHAPE)


@pytest.mark.parametrize("scale", [0.25, 0.5, 1, 2, 4])
def test_on_another_grid_they_are_scaled(tmp_path, scale):
    table = written(tmp_path, "m.star", star_of(DRIFT, rlnImageSizeX=64, rlnImageSizeY=48))
    shape = int(48 * scale), int(64 * scale)
    np.testing.assert_array_equal(shifts.read(table, 4, shape), scale * DRIFT)


@pytest.mark.parametrize("shape", [(64, 48), (48, 63), (48, 128), (144, 192)])
def test_a_movie_of_another_size_is_told(tmp_path, shape):
    table = written(tmp_path, "m.star", star_of(DRIFT, rlnImageSizeX=64, rlnImageSizeY=48))
    said = rf"shifts of a movie of \(48, 64\), \(ny, nx\), for one of \({shape[0]}, {shape[1]}\): expected the same"
    with pytest.raises(FormatError, match=said):
        shifts.read(table, 4, shape)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("m.star", star_of(DRIFT[:3]), "shifts of 3 frames: expected those of the movie's 4"),
        ("m.xf", xf_of(np.zeros((5, 2))), "shifts of 5 frames: expected those of the movie's 4"),
        ("m.xf", "", "shifts of 0 frames: expected those of the movie's 4"),
        ("m.star", star_of(DRIFT, [1, 2, 2, 4]), "4 shifts, but none of frame 3: expected frames 1 to 4, each once"),
        ("m.star", star_of(DRIFT, [0, 1, 2, 3]), "none of frame 4"),
        ("m.star", star_of(DRIFT, [1, 2, 3, "None"]), "a frame without a number or shift in data_global_shift"),
        (
            "m.star",
            star_of(DRIFT).replace("data_global_shift", "data_x"),
            "no data_global_shift with rlnMicrographFrame",
        ),
        ("m.star", loop(shifts.TABLE, LABELS[:2], ["1 2"]), "no data_global_shift with"),
        ("m.star", loop(shifts.TABLE, LABELS, []), "no row in data_global_shift"),
        ("m.star", "1 0 0 1 0 0\n", "expected"),
        ("m.star", "", "an empty file"),
        (
            "m.xf",
            xf_of(DRIFT).replace("0.0000000", "0.0100000", 1),
            r"line 1: the matrix \[1.0, 0.01, 0.0, 1.0\]: expected",
        ),
        ("m.xf", "1 0 0 1 0 0\n\n1 0 0 1 0\n", r"line 3: '1 0 0 1 0': expected six numbers, A11 A12 A21 A22 DX DY"),
        ("m.xf", "1 0 0 1 0 nan\n", "line 1: .*expected six numbers"),
        ("m.xf", "data_global_shift\n", "line 1: 'data_global_shift': expected six numbers"),
    ],
)
def test_a_table_that_is_none_of_this_movie_is_told(tmp_path, name, text, said):
    with pytest.raises(FormatError, match=f"{name}.*{said}"):
        shifts.read(written(tmp_path, name, text), 4, SHAPE)


def test_sizes_that_are_none_are_passed_over(tmp_path):
    general = {"rlnImageSizeX": "inf", "rlnImageSizeY": "nan", "rlnEERGrouping": "1e999"}
    table = written(tmp_path, "m.star", star_of(DRIFT, **general))
    np.testing.assert_array_equal(shifts.read(table, 4, SHAPE), DRIFT)


def test_what_is_not_there_or_too_large_is_told(tmp_path, monkeypatch):
    with pytest.raises(NotFoundError, match=r"m.star: no such file"):
        shifts.read(str(tmp_path / "m.star"), 4, SHAPE)
    monkeypatch.setattr(shifts, "MOST_BYTES", 10)
    with pytest.raises(FormatError, match=r"bytes: expected a table of shifts, of at most 10"):
        shifts.read(written(tmp_path, "m.star", star_of(DRIFT)), 4, SHAPE)


def test_of_a_server(tmp_path):
    written(tmp_path, "m.star", star_of(DRIFT))
    with serve() as archive:
        archive.publish(tmp_path)
        remote.permit(archive.base)
        np.testing.assert_array_equal(shifts.read(archive.url("/m.star"), 4, SHAPE), DRIFT)


def test_tables_beside_a_movie_have_its_name():
    there = {"data/a.star", "data/b.c.xf", "data/d_e.star", "f_shifts.xf", "data/two.xf", "data/two_shifts.star"}
    assert shifts.beside("data/a.mrc", there) == "data/a.star"
    assert shifts.beside("data/a.tif.gz", there) == "data/a.star"
    assert shifts.beside("data/b.c.eer", there) == "data/b.c.xf"
    assert shifts.beside("data/d.e.eer", there) == "data/d_e.star"
    assert shifts.beside("f.tiff", there) == "f_shifts.xf"
    assert shifts.beside("a.mrc", there) is None
    with pytest.raises(
        OptionError, match=r"two.mrc: 2 files may tell .*: data/two.xf, data/two_shifts.star: expected one"
    ):
        shifts.beside("data/two.mrc", there)


def test_shifts_by_more_than_a_frames_sides_are_refused(tmp_path):
    table = tmp_path / "m.xf"
    table.write_text("1 0 0 1 6 -4\n1 0 0 1 -7.5 0\n")
    assert shifts.read(str(table), 2, (4, 8))[1].tolist() == [0, -7.5]
    with pytest.raises(FormatError, match=r"m\.xf: frame 2 is shifted by -7\.5 pixels along x: .*at most the 6"):
        shifts.read(str(table), 2, (4, 6))
