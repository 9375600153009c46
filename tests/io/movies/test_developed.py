"""What is made of frames of a movie: by what is here, read piece by piece, and spelled by references."""

import gzip
import json
import zlib

import numpy as np
import pytest
import torch

from builders.errors import FormatError, PercError, TruncatedError
from builders.io import image_file, mrc
from builders.io.coded import Coded
from builders.io.files import location, steps
from builders.io.flipped import flipped
from builders.io.image_reference import layout_of, told
from builders.io.layout import Layout
from builders.io.movies import developed as developed_module
from builders.io.movies import gain
from builders.io.movies.developed import developed
from builders.io.net import remote
from builders.io.pixels import read_each, read_layout, read_open
from perc_transforms.functional.spatial.shifting import fourier_shift
from tests.server import serve

NY, NX = 6, 8


def movie(tmp_path, frames, offset=100):
    """Frames in a file, and where they lie."""
    path = tmp_path / "movie.bin"
    path.write_bytes(bytes(offset) + frames.tobytes())
    return str(path), Layout(frames.shape, frames.dtype.str, offset)


def frames_of(kind, count=11, seed=1):
    rng = np.random.default_rng(seed)
    if np.dtype(kind).kind == "f":
        return rng.normal(size=(count, NY, NX)).astype(kind)
    info = np.iinfo(kind)
    return rng.integers(max(info.min, -(2**20)), min(info.max, 2**20), (count, NY, NX), endpoint=True).astype(kind)


def spelled(layout):
    """A layout as a reference has it, read back."""
    fields = told(layout)
    return layout_of(tuple(fields["shape"]), fields["dtype"], fields["offset"], fields.get("index"), "x")


@pytest.mark.parametrize("kind", ["|u1", "|i1", "<u2", ">i2", "<i4", "<f4", ">f4", "<f8", "<f2"])
def test_sums_are_exact_in_the_types_that_are_promised(tmp_path, kind):
    frames = frames_of(kind)
    path, layout = movie(tmp_path, frames)
    made = developed(layout, 2, 9, summed=True)
    pixels = read_layout(path, made)
    assert pixels.dtype == made.dtype == {"|u1": np.uint16, "<i4": np.float64, "<f8": np.float64}.get(kind, np.float32)
    exact = frames[2:9].astype(np.float64 if frames.dtype.kind == "f" else np.int64).sum(0)
    np.testing.assert_allclose(pixels, exact, rtol=1e-6 if frames.dtype.kind == "f" else 0, atol=1e-6)
    groups = read_layout(path, developed(layout, group=4))
    assert groups.shape == (2, NY, NX)  # the last three are dropped
    np.testing.assert_array_equal(groups[1], read_layout(path, developed(layout, 4, 8, summed=True)))
    assert (made.offset, made.nbytes) == (100 + 2 * frames[0].nbytes, 7 * frames[0].nbytes)
    assert spelled(made) == made


def test_uint16_is_taken_only_where_no_sum_can_be_larger(tmp_path):
    white = np.full((258, 2, 3), 255, np.uint8)
    path, layout = movie(tmp_path, white)
    for count, kind in ((257, np.uint16), (258, np.float32)):
        pixels = read_layout(path, developed(layout, 0, count, summed=True))
        assert pixels.dtype == kind
        assert (pixels == 255 * count).all()


def test_shifted_frames_are_those_that_were_moved_one_by_one(tmp_path):
    frames = frames_of("<f4")
    path, layout = movie(tmp_path, frames)
    rng = np.random.default_rng(2)
    whole = rng.integers(-5, 6, (len(frames), 2))
    moved = [np.roll(frame, shift, (0, 1)) for frame, shift in zip(frames, whole, strict=True)]
    pixels = read_layout(path, developed(layout, summed=True, shifts=whole))
    np.testing.assert_allclose(pixels, np.sum(moved, 0), atol=1e-4)
    shifts = rng.normal(size=(len(frames), 2)).round(6)
    groups = developed(layout, group=3, shifts=shifts)
    by = torch.from_numpy(shifts[:, ::-1].copy())
    oracle = fourier_shift(torch.from_numpy(frames), by, spatial_dims=2).numpy()[:9].reshape(3, 3, NY, NX).sum(1)
    np.testing.assert_allclose(read_layout(path, groups), oracle, atol=1e-4)
    assert spelled(groups) == groups
    assert spelled(groups.slice(1, "x")) == developed(layout, 3, 6, summed=True, shifts=shifts[3:6])


def test_parts_of_what_is_made_are_made_of_their_own_frames(tmp_path):
    frames = frames_of("|u1")
    path, layout = movie(tmp_path, frames)
    made = developed(layout, group=2)
    whole = read_layout(path, made)
    for part, pixels in [
        (made.slice(3, "x"), whole[3]),
        (made.between(1, 3, "x"), whole[1:3]),
        (made.first(2), whole[:2]),
        (made.box([(1, 4), (2, 5), (0, 8)]), whole[1:4, 2:5]),
        (developed(layout, 4, 5, group=1, gain=None).squeezed(), frames[4]),
        (developed(layout, 4, 6), frames[4:6]),
    ]:
        np.testing.assert_array_equal(read_layout(path, part), pixels)
        np.testing.assert_array_equal(read_layout(path, spelled(part)), pixels)
    assert made.count_before(100 + 5 * NY * NX) == 2
    assert [(array == whole).all() for array, _ in read_each(path, [made, made])] == [True, True]


def test_frames_that_are_stored_bottom_up_are_summed_as_they_are_read(tmp_path):
    frames = frames_of("<u2")
    path, layout = movie(tmp_path, frames)
    made = developed(flipped(layout), 1, 6, summed=True)
    np.testing.assert_array_equal(read_layout(path, made), frames[1:6].astype(int).sum(0)[::-1])
    assert spelled(made) == made


@pytest.fixture
def archive():
    with serve() as server:
        remote.permit(server.base)
        yield server


def coded(frames):
    """Frames in strips of two rows of zlib, as bytes and a layout."""
    strips = [zlib.compress(frame[y : y + 2].tobytes()) for frame in frames for y in range(0, NY, 2)]
    ends = np.cumsum([0, *map(len, strips)]).astype(np.int64)
    return b"".join(strips), Coded.of(frames.shape, frames.dtype.str, "zlib", (2, NX), ends[:-1], ends[1:], "x")


def test_frames_on_a_server_come_by_few_requests_for_their_own_bytes(archive):
    frames = frames_of("<u2", 40)
    archive.files["/x"], layout = coded(frames)
    for made, oracle in [
        (developed(layout, 3, 33, summed=True), frames[3:33].astype(int).sum(0)),
        (developed(layout, 3, 33, group=10), frames[3:33].astype(int).reshape(3, 10, NY, NX).sum(1)),
    ]:
        archive.requests.clear()
        np.testing.assert_array_equal(read_layout(archive.url("/x"), made, archive.etag("/x")), oracle)
        assert [request.headers["Range"] for request in archive.requests] == [f"bytes={made.offset}-{made.end - 1}"]


def test_of_a_server_no_more_than_some_frames_are_here_at_once(archive, monkeypatch):
    monkeypatch.setattr(steps, "_MOST_AHEAD", 2 * NY * NX)
    monkeypatch.setattr(remote, "PIECE", NY * NX)
    frames = frames_of("|u1", 12)
    archive.files["/x"] = frames.tobytes()
    layout = developed(Layout(frames.shape, "|u1", 0), summed=True)
    asked = []
    original = location.read_ranges
    monkeypatch.setattr(location, "read_ranges", lambda *given: asked.append(given[1]) or original(*given))
    np.testing.assert_array_equal(read_layout(archive.url("/x"), layout, None), frames.astype(int).sum(0))
    assert sorted(asked) == [((i * NY * NX, (i + 1) * NY * NX),) for i in range(12)]


def test_a_packed_movie_is_summed_as_it_comes(tmp_path):
    frames = frames_of("<f4", 9)
    mrc.write(tmp_path / "x.mrc", frames, pixel_size=1)
    (tmp_path / "x.mrc.gz").write_bytes(gzip.compress((tmp_path / "x.mrc").read_bytes()))
    plain, packed = (image_file.describe(tmp_path / name) for name in ("x.mrc", "x.mrc.gz"))
    for made in (developed(plain.layout, 2, 9, summed=True), developed(plain.layout, group=4)):
        oracle = read_layout(plain.path, made, plain.etag)
        np.testing.assert_array_equal(read_layout(packed.path, made, packed.etag), oracle)
        with (tmp_path / "x.mrc.gz").open("rb") as raw:
            np.testing.assert_array_equal(next(read_open(raw, [made], "x")), oracle)
    data = (tmp_path / "x.mrc.gz").read_bytes()
    (tmp_path / "x.mrc.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(TruncatedError):
        read_layout(packed.path, developed(plain.layout, summed=True))


def test_the_gain_multiplies_frames_before_they_are_shifted(tmp_path):
    frames = frames_of("|u1", 6)
    path, layout = movie(tmp_path, frames)
    mrc.write(tmp_path / "gain.mrc", np.random.default_rng(3).uniform(0.5, 1.5, (NY, NX)).astype(np.float32))
    reference = gain.of(str(tmp_path / "gain.mrc"), eer=False)
    factors = gain.factors(reference, (NY, NX))
    made = developed(layout, summed=True, gain=reference)
    np.testing.assert_allclose(read_layout(path, made), frames.astype(int).sum(0) * factors, rtol=1e-6)
    assert spelled(made) == made
    np.testing.assert_allclose(read_layout(path, developed(layout, gain=reference)), frames * factors, rtol=1e-6)
    moved = developed(layout, group=3, gain=reference, shifts=[(1, 2)] * 6)
    oracle = np.roll(frames * factors, (1, 2), (1, 2)).reshape(2, 3, NY, NX).sum(1)
    np.testing.assert_allclose(read_layout(path, moved), oracle, rtol=1e-4, atol=1e-3)
    assert spelled(moved) == moved


def test_what_cannot_be_made_is_told(tmp_path):
    layout = Layout((5, NY, NX), "<u2", 0)
    for options, said in [
        ({"group": 6}, "groups of 6 frames of 5"),
        ({"start": 4, "stop": 7, "summed": True}, "frames 4 to 7"),
        ({"start": 3, "stop": 5, "group": 3}, "groups of 3 frames of 2"),
        ({"shifts": [(0, 0)] * 4, "summed": True}, "shifts of 4 frames for 5"),
        ({"shifts": [(0, np.nan)] * 5}, "finite"),
        ({"shifts": 3.0}, "expected"),
    ]:
        with pytest.raises(FormatError, match=said):
            developed(layout, **options)
    with pytest.raises(FormatError, match="complex"):
        developed(Layout((5, NY, NX), "<c8", 0), summed=True)
    path, layout = movie(tmp_path, frames_of("<u2", 4))
    with pytest.raises(TruncatedError):
        read_layout(path, developed(Layout((5, NY, NX), "<u2", 100), summed=True))


def test_of_a_damaged_frame_the_sum_is_refused_and_others_are_read(tmp_path):
    data, layout = coded(frames_of("<u2", 6))
    (tmp_path / "x").write_bytes(data[:3] + b"\xff\xff\xff" + data[6:])
    sums = [developed(layout, first, first + 3, summed=True) for first in (0, 3)]
    (damaged, _), (fine, _) = read_each(str(tmp_path / "x"), sums)
    assert isinstance(damaged, FormatError)
    assert "the part at bytes" in str(damaged)
    assert fine.shape == (NY, NX)


@pytest.mark.parametrize(
    "text",
    [
        *("#", "#{", "#[]", "#{}~", "#{}#{}", '#{"each":0}', '#{"each":1e3}', '#{"each":true}', '#{"each":9}', "#{}@"),
        *('#{"shifts":[[0,0]]}', '#{"shifts":[[NaN,0]]}', '#{"shifts":[["a",0]]}', '#{"shifts":1}', '#{"more":1}'),
        *('#{"gain":1}', '#{"gain":{"path":1,"etag":""}}', '#{"gain":{"path":"x"}}', '#{"gain":{}}'),
        *('#{"gain":{"path":"x","etag":"","rotation":9}}', '#{"gain":{"path":"x","etag":"","rotation":true}}'),
        *("#" + "[" * 100_000, "#{}@0:99,0:2,0:2", '#{"each":1' + "0" * 5000 + "}", '#{"shifts":[[1e999,0],[0,0]]}'),
    ],
)
def test_nothing_that_a_reference_says_of_frames_is_believed(text):
    with pytest.raises(PercError, match="x"):
        layout_of((2, NY, NX), "|u1" + text, 0, None, "x").slice(0, "x").decode(np.zeros(2 * NY * NX, np.uint8))


def test_a_reference_to_more_frames_than_any_file_has_is_refused():
    for shape in [(2**40, 1, 1), (2, 0, 1), (5,), (1, 2, 3, 4)]:
        with pytest.raises(FormatError):
            layout_of(shape, "|u1#{}", 0, None, "x")


def test_a_reference_reads_as_json():
    made = developed(Layout((8, NY, NX), "|u1", 7), 2, 6, group=2, shifts=[(0, 0.5)] * 4)
    text, _, said = told(made)["dtype"].partition("#")
    assert (text, told(made)["shape"], told(made)["offset"]) == ("|u1", [4, NY, NX], 7 + 2 * NY * NX)
    assert json.loads(said) == {"each": 2, "shifts": [[0.0, 0.5]] * 4}


@pytest.mark.parametrize("turned", [False, True])
def test_rows_that_are_added_while_they_are_in_the_cache_make_the_same_sums(tmp_path, monkeypatch, turned):
    monkeypatch.setattr(developed_module, "_BAND", 4 * NX)
    frames = frames_of("<u2", 5)
    path, layout = movie(tmp_path, frames)
    mrc.write(tmp_path / "gain.mrc", np.random.default_rng(3).uniform(0.5, 1.5, (NY, NX)).astype(np.float32))
    reference = gain.of(str(tmp_path / "gain.mrc"), eer=False)
    if turned:
        layout, frames = flipped(layout), frames[:, ::-1]
    made = developed(layout, group=2, gain=reference)
    oracle = frames[:4].astype(int).reshape(2, 2, NY, NX).sum(1) * gain.factors(reference, (NY, NX))
    np.testing.assert_allclose(read_layout(path, made), oracle, rtol=1e-6)
    np.testing.assert_array_equal(read_layout(path, developed(layout, summed=True)), frames.astype(int).sum(0))
