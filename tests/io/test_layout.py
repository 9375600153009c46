"""Volumes come as (z, y, x) and images as (y, x), in whichever order their axes are stored."""

import gzip
import itertools
import logging
import math
import struct

import gemmi
import numpy as np
import pytest

from builders.errors import FormatError
from builders.io import image_file, mrc
from builders.io.layout import Layout, spelled
from builders.io.pixels import read_layout, read_open, read_slices
from tests import mrc_encoder

ORDERS = list(itertools.permutations((1, 2, 3)))
SIDES = {1: 4, 2: 3, 3: 2}
"""Lengths of x, y and z."""


def stored_as(volume, order):
    """Pixels of a (z, y, x) volume as they stand in a file of that MAPC, MAPR, MAPS: one by one, nothing transposed."""
    sides = dict(zip((3, 2, 1), volume.shape, strict=True))
    values = []
    for section, row, column in itertools.product(*(range(sides[axis]) for axis in reversed(order))):
        place = dict(zip(order, (column, row, section), strict=True))
        values.append(volume[place[3], place[2], place[1]].item())
    return values


def write(path, volume, order, mode=2, **facts):
    """A file of that order, through `struct`; cell sides are of x, y and z, whatever the order."""
    sides = dict(zip((3, 2, 1), volume.shape, strict=True))
    nx, ny, nz = (sides[axis] for axis in order)
    head = mrc_encoder.header(nx, ny, nz, mode, mapcrs=order, **facts)
    struct.pack_into("<3i", head, 28, sides[1], sides[2], facts.get("mz") or sides[3])
    values = stored_as(volume, order)
    if mode == 3:
        values = [(int(value.real), int(value.imag)) for value in values]
    path.write_bytes(bytes(head) + mrc_encoder.pixels(values, nx, mode))
    return path


@pytest.fixture
def volume():
    return np.random.default_rng(1).integers(0, 16, (SIDES[3], SIDES[2], SIDES[1])).astype(np.float32)


@pytest.mark.parametrize("order", ORDERS)
def test_any_order_of_axes_reads_as_z_y_x(tmp_path, volume, order):
    path = write(tmp_path / "x.mrc", volume, order, cell=(4 * 1.5, 3 * 2.5, 2 * 3.5))
    packed = tmp_path / "x.mrc.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    file = image_file.describe(path)
    assert file.header.axis_order == order
    assert (file.layout.shape, file.pixel_size) == (volume.shape, 1.5)
    assert image_file.read(path).flags.c_contiguous
    for whole in (image_file.read(path), image_file.read(packed), image_file.memory_map(file)):
        np.testing.assert_array_equal(whole, volume)
    for index, section in enumerate(volume):
        for one in (path, packed):
            np.testing.assert_array_equal(image_file.read(one, index), section)
    layouts = [file.layout.slice(index, "") for index in range(2)]
    with path.open("rb") as raw:
        np.testing.assert_array_equal(list(read_open(raw, layouts, "x")), volume)
    again = spelled(file.layout.spelling, file.layout.shape, file.layout.offset, "x")
    assert again == file.layout


@pytest.mark.parametrize("mode", [0, 3, 101])
@pytest.mark.parametrize("order", [(3, 1, 2), (2, 1, 3)])
def test_pixels_of_any_kind_do(tmp_path, volume, mode, order):
    values = volume.astype(int) if mode != 3 else volume + 1j * volume[::-1]
    path = write(tmp_path / "x.mrc", values, order, mode)
    np.testing.assert_array_equal(image_file.read(path), values)
    np.testing.assert_array_equal(image_file.read(path, 1), values[1])


def test_an_image_and_the_slices_of_a_stack_come_as_y_x(tmp_path, volume):
    image = image_file.describe(write(tmp_path / "i.mrc", volume[:1], (2, 1, 3))).layout.squeezed()
    assert image.shape == (3, 4)
    np.testing.assert_array_equal(read_layout(str(tmp_path / "i.mrc"), image), volume[0])
    stack = image_file.describe(write(tmp_path / "s.mrcs", volume, (2, 1, 3), ispg=0, mz=1)).layout
    assert stack.slice(1, "").offset == 1024 + 4 * 12  # the slices still lie apart
    pixels = [array for array, _ in read_slices(str(tmp_path / "s.mrcs"), stack.slice(0, ""), 2)]
    np.testing.assert_array_equal(pixels, volume)


def test_each_volume_of_a_stack_of_volumes_does(tmp_path):
    volumes = np.arange(2 * 3 * 4 * 3, dtype=np.float32).reshape(2, 3, 4, 3)  # as many sections as columns: MZ is both
    values = [value for volume in volumes for value in stored_as(volume, (3, 2, 1))]
    head = mrc_encoder.header(3, 4, 6, 2, ispg=401, mz=3, mapcrs=(3, 2, 1))
    (tmp_path / "v.mrc").write_bytes(bytes(head) + mrc_encoder.pixels(values, 3, 2))
    np.testing.assert_array_equal(image_file.read(tmp_path / "v.mrc"), volumes)
    np.testing.assert_array_equal(image_file.read(tmp_path / "v.mrc", 1), volumes[1])


def test_slices_of_a_fortran_array_are_read(tmp_path, volume):
    stack = np.stack([volume, volume + 1])
    for name, array in (("v.npy", volume), ("s.npy", stack), ("one.npy", volume[:, None])):
        np.save(tmp_path / name, np.asfortranarray(array))
        np.testing.assert_array_equal(image_file.read(tmp_path / name), array)
        for index in range(2):
            layout = image_file.describe(tmp_path / name).layout.slice(index, "").squeezed()
            pixels = read_layout(str(tmp_path / name), layout)
            np.testing.assert_array_equal(pixels, array[index].reshape(layout.shape))


@pytest.mark.parametrize("mapcrs", [(0, 0, 0), (1, 1, 2), (3, 2, 0), (-1, 2, 3), (1, 2, 2**30)])
def test_an_order_that_is_none_is_told_once_and_taken_for_the_usual(tmp_path, volume, mapcrs, caplog):
    head = mrc_encoder.header(4, 3, 2, 2, mapcrs=mapcrs)
    for name in "ab":
        (tmp_path / name).write_bytes(bytes(head) + volume.tobytes())
        np.testing.assert_array_equal(image_file.read(tmp_path / name), volume)
    (said,) = [r.message for r in caplog.records if r.levelno == logging.WARNING]
    assert f"no order of axes {mapcrs}, taken for 1, 2, 3" in said
    assert image_file.describe(tmp_path / "a").header.mapcrs == mapcrs


def test_an_image_in_another_plane_is_told_and_comes_as_stored(tmp_path, caplog):
    section = np.arange(12, dtype=np.float32).reshape(3, 4)
    head = mrc_encoder.header(4, 3, 1, 2, mapcrs=(3, 1, 2), cell=(8, 5, 1))
    struct.pack_into("<3i", head, 28, 3, 1, 4)
    (tmp_path / "a.mrc").write_bytes(bytes(head) + section.tobytes())
    np.testing.assert_array_equal(image_file.read(tmp_path / "a.mrc")[0], section)
    assert image_file.describe(tmp_path / "a.mrc").pixel_size == 0.25  # along its columns, which are z
    assert "another plane than x and y (3, 1, 2), taken as stored" in caplog.text


def test_real_maps_lie_as_gemmi_says(shared):
    """gemmi puts axes in order by its own `setup`, and tells the spacing of a whole orthogonal cell's grid."""
    checked = 0
    for path in sorted((shared / "data" / "mrc").iterdir()):
        if path.name.endswith("bz2") or path.suffix not in (".map", ".ccp4", ".gz"):
            continue
        file = image_file.describe(path)
        if file.header.axis_order == (1, 2, 3):
            continue
        checked += 1
        map = gemmi.read_ccp4_map(str(path))
        map.setup(float("nan"), gemmi.MapSetup.ReorderOnly)
        expected = np.array(map.grid, copy=False).transpose(2, 1, 0)
        np.testing.assert_array_equal(image_file.read(path), expected, err_msg=path.name)
        np.testing.assert_array_equal(image_file.read(path, 1), expected[1])
        if file.header.cell_angles == (90, 90, 90):
            map = gemmi.read_ccp4_map(str(path), setup=True)
            assert file.pixel_size == pytest.approx(map.grid.spacing[0], rel=1e-6)
    assert checked >= 6


@pytest.mark.parametrize(
    "text", ["<f4:", "<f4:01", "<f4:0123", "<f4:022", "<f4:01x", "<f4:01\u00b2", "O:012", "<f4:-12"]
)
def test_a_spelling_that_is_none_is_refused(text):
    with pytest.raises(FormatError):
        spelled(text, (2, 3, 4), 0, "x")


def test_a_usual_order_has_no_spelling_of_its_own():
    assert Layout((2, 3, 4), "<f4", 7).spelling == "<f4"
    assert spelled("<f4:012", (2, 3, 4), 7, "x") == Layout((2, 3, 4), "<f4", 7)
    assert mrc.parse_header(bytes(mrc_encoder.header(4, 3, 2, 2))).layout.axes is None


@pytest.mark.parametrize("order", ORDERS)
def test_a_size_that_contradicts_the_header_is_weighed_in_any_order(tmp_path, volume, order):
    path = write(tmp_path / "x.mrc", volume, order, nsymbt=512)  # of which nothing was written
    np.testing.assert_array_equal(image_file.read(path), volume)
    path = write(tmp_path / "cut.mrc", volume, order)
    path.write_bytes(path.read_bytes()[: 1024 + 12 * 4 + 5])
    kept = image_file.survey(path).contents
    apart = order[2] == 3  # sections along z
    assert (kept.whole, bool(kept.cut)) == ((12 * 4 + 5) // (4 * math.prod(SIDES[axis] for axis in order[:2])), True)
    if apart:
        first = kept.entries.slice(0, "")
        np.testing.assert_array_equal(read_layout(str(path), first), volume[0])
