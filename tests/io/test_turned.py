"""Cubes that are cut upright: what was put in turned comes out as it was, and nothing else is made of lies."""

import bz2
import json
import pathlib
import zlib

import mrcfile
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from builders.errors import FormatError
from builders.io import image_file
from builders.io.boxes.overhang import box_of
from builders.io.boxes.turned import enclosing, turned
from builders.io.coded import Coded
from builders.io.flipped import flipped
from builders.io.image_reference import layout_of, told
from builders.io.layout import Layout
from builders.io.net import remote
from builders.io.pixels import read_each, read_layout
from tests.server import serve

SHAPE = (30, 36, 44)
PLACE = (21.3, 16.75, 14.4)
"""(x, y, z)"""
WIDTH = 2.2


def object_at(points):
    """An object without any symmetry, at vectors (x, y, z) from its origin: three blobs of unlike weight."""
    blobs = [((0, 0, 0), 2.0), ((4, 0, 1), 1.0), ((0, 3, -2), 0.6)]
    return sum(weight * np.exp(-((points - centre) ** 2).sum(-1) / (2 * WIDTH**2)) for centre, weight in blobs)


def vectors(shape, centre):
    z, y, x = np.indices(shape)
    return np.stack([x, y, z], -1) - np.asarray(centre)


@pytest.fixture(scope="module")
def turn():
    return Rotation.from_euler("ZYZ", [30, 50, 70], degrees=True).as_matrix()


@pytest.fixture
def tomogram(tmp_path, turn):
    """The object, put into a volume by `turn`: p of it lies at `PLACE + turn @ p`."""
    volume = object_at(vectors(SHAPE, PLACE) @ turn).astype(np.float32)
    path = tmp_path / "tomogram.mrc"
    with mrcfile.new(path) as file:
        file.set_data(volume)
        file.set_volume()
    return str(path), volume


def plain(path):
    return image_file.describe(path).layout


def respelled(layout):
    row = {"index": None, "name": "y"} | told(layout)
    return layout_of(**row | {"shape": tuple(row["shape"])})


@pytest.mark.parametrize("side", [12, 13])
def test_what_was_put_in_turned_comes_out_as_it_was(tomogram, turn, side):
    path, _ = tomogram
    cube = read_layout(path, turned(plain(path), PLACE, turn, side))
    expected = object_at(vectors((side,) * 3, [side // 2] * 3))
    assert cube.dtype == np.float32
    error = 3 / 8 * 3.6 / WIDTH**2  # an eighth of the second derivative, along each axis
    assert np.abs(cube - expected).max() < error < 0.5 < np.abs(cube - expected.transpose(2, 1, 0)).max()


@pytest.mark.parametrize("place", [PLACE, (3.2, 34.0, 28.5)])
def test_each_voxel_is_the_linear_interpolation_of_scipy(tomogram, turn, place):
    path, _ = tomogram
    layout = turned(plain(path), place, turn, 9)
    z, y, x = layout.bounds
    filled = read_layout(path, box_of(plain(path), layout.bounds))
    at = (vectors((9, 9, 9), [4, 4, 4]) @ turn.T + place - [x[0], y[0], z[0]])[..., ::-1]
    expected = ndimage.map_coordinates(filled.astype(np.float64), np.moveaxis(at, -1, 0), order=1)
    np.testing.assert_allclose(read_layout(path, layout), expected, atol=2e-5)


@pytest.mark.parametrize("side", [7, 8])
@pytest.mark.parametrize("corner", [(5, 6, 7), (-2, 30, 25)])
def test_a_whole_place_that_is_not_turned_is_the_plain_cube(tomogram, side, corner):
    path, _ = tomogram
    centre = [first + side // 2 for first in corner[::-1]]
    expected = read_layout(path, box_of(plain(path), [(first, first + side) for first in corner]))
    np.testing.assert_array_equal(read_layout(path, turned(plain(path), centre, np.eye(3), side)), expected)


def test_quarter_turns_and_edges_of_boxes():
    volume = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    layout = turned(Layout(SHAPE, "<f4", 0), (20, 18, 15), [[0, -1, 0], [1, 0, 0], [0, 0, 1]], 9)
    cube = layout.cut(volume[tuple(slice(*side) for side in layout.bounds)])
    plain = volume[11:20, 14:23, 16:25]
    expected = plain.transpose(0, 2, 1)[:, ::-1]  # x of the object lies along y of the volume, its y along -x
    np.testing.assert_allclose(cube, expected, atol=1e-5)
    some = enclosing(np.array([[4.5, 6, 7], [1, 2, 3]]), np.stack([np.eye(3)] * 2), 4)
    assert some[1].tolist() == [[1, 5], [0, 4], [-1, 3]]


def test_masks_keep_their_labels_and_have_nothing_outside(tmp_path, turn):
    labels = np.random.default_rng(0).integers(1, 5, SHAPE).astype(np.uint8)
    layout = turned(Layout(SHAPE, "|u1", 0), (2.25, 33.5, 15.0), turn, 11, nearest=True)
    pathlib.Path(tmp_path, "mask").write_bytes(labels.tobytes())
    cube = read_layout(str(tmp_path / "mask"), respelled(layout))
    at = np.moveaxis((vectors((11, 11, 11), [5, 5, 5]) @ turn.T + [2.25, 33.5, 15.0])[..., ::-1], -1, 0)
    expected = ndimage.map_coordinates(np.pad(labels, 9), at + 9, order=0)
    assert cube.dtype == np.uint8
    assert 0 < (cube == 0).mean() < 0.8
    np.testing.assert_array_equal(cube, expected)


def coded(volume, tmp_path):
    """The volume in one coded part a section, upside down."""
    path = tmp_path / "coded"
    pieces = [zlib.compress(section[::-1].tobytes(), 1) for section in volume]
    path.write_bytes(b"".join(pieces))
    ends = np.cumsum([len(piece) for piece in pieces])
    starts = ends - [len(piece) for piece in pieces]
    return str(path), flipped(Coded.of(SHAPE, "<f4", "zlib", (1, *SHAPE[1:]), starts, ends, "coded"))


def test_any_layout_of_the_volume_and_any_way_to_it(tomogram, turn, tmp_path):
    path, volume = tomogram
    layout = turned(plain(path), PLACE, turn, 10)
    cube = read_layout(path, layout)
    packed = tmp_path / "packed.mrc.bz2"
    packed.write_bytes(bz2.compress(pathlib.Path(path).read_bytes()))
    parts, upside_down = coded(volume, tmp_path)
    for where, each in ((str(packed), layout), (parts, turned(upside_down, PLACE, turn, 10))):
        np.testing.assert_array_equal(read_layout(where, respelled(each)), cube)
    with serve() as server:
        remote.permit(server.base)
        server.files["/tomogram.mrc"] = pathlib.Path(path).read_bytes()
        np.testing.assert_array_equal(read_layout(server.url("/tomogram.mrc"), respelled(layout)), cube)
    (again, is_finite), *_ = read_each(path, [layout])
    assert is_finite
    np.testing.assert_array_equal(again, cube)
    assert layout.comes_in_steps
    assert (respelled(layout).told, told(respelled(layout))) == (layout.told, told(layout))


SPELLED = '{"at":[40,31,12],"turn":[1,0,0,0,1,0,0,0,1],"side":8}'


@pytest.mark.parametrize(
    "change",
    [
        {"at": [4e9, 1, 1]},
        {"at": [200, 20, 10]},
        {"at": [-5, 20, 10]},
        {"at": [1, 1]},
        {"at": "here"},
        {"turn": [2, 0, 0, 0, 2, 0, 0, 0, 2]},
        {"turn": [1, 0, 0, 0, 1, 0, 0, 0, -1]},
        {"turn": [0] * 9},
        {"side": 0},
        {"side": 5000},
        {"side": 600},
        {"side": 8.5},
        {"nearest": False},
        {"path": "/etc/passwd"},
    ],
)
def test_lies_of_a_reference_are_told(change):
    text = json.dumps(json.loads(SPELLED) | change, separators=(",", ":"))
    with pytest.raises(FormatError):
        layout_of((30, 40, 50), f"<f4^{text}", 0, None, "x.mrc")


@pytest.mark.parametrize("text", [SPELLED.replace("40", "040"), SPELLED.replace("40", "4e999"), SPELLED + "@0:1"])
def test_what_is_no_number_of_json_is_told(text):
    with pytest.raises(FormatError):
        layout_of((30, 40, 50), f"<f4^{text}", 0, None, "x.mrc")


def test_what_cannot_be_turned_is_told():
    layout = layout_of((30, 40, 50), f"<f4^{SPELLED}", 0, None, "x.mrc")
    for part in (lambda: layout.slice(0, "x"), lambda: layout.between(0, 1, "x"), lambda: layout.box([(0, 1)] * 3)):
        with pytest.raises(FormatError, match="expected the cube"):
            part()
    for volume in (Layout((30, 40), "<f4", 0), Layout((30, 40, 50), "<c8", 0), layout):
        with pytest.raises(FormatError):
            turned(volume, (20, 20, 20), np.eye(3), 4)
