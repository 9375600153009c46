"""Frames that tables of shifts bring into register."""

import numpy as np
import pytest

from builders import load_dataset
from builders.errors import FormatError, NotFoundError
from builders.io import mrc
from tests.empiar import deposit
from tests.server import serve
from tests.stacks.movies import films

STEPS = ((0, 0), (1, -2), (-1, 3), (2, 2), (0, 1))
"""Whole pixels along y and x, by which frames are moved: then rolled arrays are the oracle."""


def table(path, count, kind):
    """Shifts of so many frames as RELION or IMOD write them."""
    shifts = [STEPS[number % len(STEPS)] for number in range(count)]
    if kind == "xf":
        path.write_text("".join(f"1.0 0.0 0.0 1.0 {x:.3f} {y:.3f}\n" for y, x in shifts))
        return
    head = (
        "data_global_shift\n\nloop_\n_rlnMicrographFrameNumber #1\n_rlnMicrographShiftX #2\n_rlnMicrographShiftY #3\n"
    )
    path.write_text(head + "".join(f"{n} {x:.6f} {y:.6f}\n" for n, (y, x) in enumerate(shifts, 1)))


def moved(frames):
    shifts = [STEPS[number % len(STEPS)] for number in range(len(frames))]
    return np.stack([np.roll(f, s, (0, 1)) for f, s in zip(frames, shifts, strict=True)])


@pytest.fixture(params=["star", "xf"])
def held(request, tmp_path):
    held = films.write(tmp_path / "mirror")
    data = tmp_path / "mirror" / deposit.ENTRY / "data"
    (data / "motion").mkdir()
    for path, frames in held.items():
        stem = path.rpartition("/")[2].rpartition(".")[0]
        table(data / "movies" / f"{stem}.{request.param}", len(frames), request.param)
        table(data / "motion" / f"{stem}.{request.param}", len(frames), request.param)
    return held


@pytest.fixture(params=["http", "mirror"])
def place(request, tmp_path, held):
    with serve() as server:
        server.publish(tmp_path / "mirror")
        yield server.base if request.param == "http" else str(tmp_path / "mirror")


@pytest.mark.parametrize("align", ["auto", "data/motion/*", "{here}/*"])
def test_each_movie_has_a_table(place, held, tmp_path, align):
    align = align.format(here=tmp_path / "mirror" / deposit.ENTRY / "data/motion")
    rows = list(films.load(place, tmp_path, item="frame", align=align, frames=(1, None), streaming=True))
    expected = [(path, number, moved(held[path])[number]) for path, number, _ in films.frames_of(held, 1)]
    assert [(row["path"], row["frame"]) for row in rows] == [(path, number) for path, number, _ in expected]
    for row, (*_, pixels) in zip(rows, expected, strict=True):
        np.testing.assert_allclose(row["image"], pixels, atol=1e-3)
    for row, frames in zip(films.load(place, tmp_path, sum_frames=True, align=align), held.values(), strict=True):
        np.testing.assert_allclose(row["image"], moved(frames).sum(axis=0, dtype=np.float64), atol=1e-2)


def test_a_table_may_be_that_of_all_movies(tmp_path):
    held = films.write(tmp_path / "mirror", {"m_1.mrc": 4, "m_2.mrc": 4})
    table(tmp_path / "mine.star", 4, "star")
    rows = films.load(tmp_path / "mirror", tmp_path, item="frame", frame_group=2, align=str(tmp_path / "mine.star"))
    for row, (path, first, _) in zip(rows, films.groups_of(held, 2), strict=True):
        pixels = moved(held[path])[first : first + 2].sum(axis=0, dtype=np.float64)
        np.testing.assert_allclose(row["image"], pixels, atol=1e-2)


def test_other_tables_make_another_index(tmp_path):
    films.write(tmp_path / "mirror", {"m_1.mrc": 4})
    own = tmp_path / "mirror" / deposit.ENTRY / "data/movies/m_1.xf"

    def index():
        return films.load(tmp_path / "mirror", tmp_path, item="frame", align="auto")

    table(own, 4, "xf")
    before = index()
    own.write_text(own.read_text().replace("1.000 1.000", "1.000 2.000").replace("-2.000", "-1.000"))
    after = index()
    assert before.cache_files != after.cache_files
    assert not np.allclose(before[1]["image"], after[1]["image"])


def test_movies_without_shifts_are_told_or_left_out(tmp_path):
    held = films.write(tmp_path / "mirror", {"m_1.mrc": 4, "m_2.mrc": 5, "m_3.mrc": 6})
    folder = tmp_path / "mirror" / deposit.ENTRY / "data/movies"

    def load(**options):
        return films.load(tmp_path / "mirror", tmp_path, item="frame", **options)

    with pytest.raises(NotFoundError, match="align='auto': no such table"):
        load(align="auto")
    with pytest.raises(NotFoundError, match=r"align='gone\.star': no such file"):
        load(align="gone.star")
    table(folder / "m_1.star", 4, "star")
    table(folder / "m_2.star", 4, "star")
    with pytest.raises(FormatError, match=r"m_2\.star: shifts of 4 frames"):
        load(align="auto")
    (folder / "m_2.star").unlink()
    with pytest.raises(FormatError, match=r"m_2\.mrc: no table of shifts by align='auto'"):
        load(align="auto")
    kept = load(align="auto", on_error="skip")
    assert set(kept["path"]) == {"data/movies/m_1.mrc"} == set(list(held)[:1])


def test_class_files_have_tables_beside_them(tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    frames = np.random.default_rng(0).integers(0, 9, (5, *films.SHAPE)).astype(np.float32)
    mrc.write(folder / "a_1.mrc", frames)
    table(folder / "a_1.xf", 5, "xf")
    options = {"data_dir": str(folder), "cache_dir": str(tmp_path / "cache"), "split": "train"}
    for align in ("auto", "*.xf"):
        (row,) = load_dataset("local_classes", sum_frames=True, align=align, **options)
        np.testing.assert_allclose(row["image"], moved(frames).sum(axis=0), atol=1e-3)
