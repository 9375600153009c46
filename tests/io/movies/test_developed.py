"""What is made of frames of a movie: by what is here, read piece by piece, and spelled by references."""

import numpy as np
import pytest
import torch

from builders.io.flipped import flipped
from builders.io.image_reference import layout_of, told
from builders.io.layout import Layout
from builders.io.movies.developed import developed
from builders.io.pixels import read_each, read_layout
from perc_transforms.functional.spatial.shifting import fourier_shift

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
    assert pixels.dtype == made.dtype == (np.uint16 if kind == "|u1" else np.float32)
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
