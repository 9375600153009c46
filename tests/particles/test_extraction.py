"""Boxes out of micrographs, against pieces of padded arrays; and where a table says that they are."""

import numpy as np
import pytest

import perc_transforms as T
from builders.errors import FormatError, NotFoundError, OptionError
from builders.hf.features import EMImage
from builders.options import BoxSize
from builders.particles.micrographs.coordinates import Coordinates, binning, coordinates, require_known, told_height
from builders.particles.micrographs.extraction import Boxes, extracted, held_against, plan
from builders.stacks.files import SourceFile
from builders.stacks.picked.boxes import BEYOND, INSIDE, OUTSIDE, layout_of, lie, references
from builders.stacks.rows import Reading, look
from tests.mrc_encoder import header
from tests.particles.tables import ctf, pose, table_of

READING = Reading("particles", "p.star", (), None, "file", False, "raise")
SHAPE = 40, 52


def micrograph(number):
    return np.random.default_rng(number).normal(10, 3, SHAPE).astype(np.float32)


@pytest.fixture
def files(tmp_path):
    """Two micrographs."""
    made = []
    for number in range(2):
        path = tmp_path / f"m{number}.mrc"
        path.write_bytes(header(SHAPE[1], SHAPE[0], 1, 2) + micrograph(number).tobytes())
        made.append(SourceFile(path.name, str(path), path.stat().st_size, ""))
    return made


def table(x, y, **columns):
    names = [f"m{number % 2}.mrc" for number in range(len(x))]
    return table_of(**{"micrograph": names, "coordinate_x": x, "coordinate_y": y} | columns)


def which_of(count):
    return np.arange(count) % 2


def images_of(picked, files, feature):
    """The images of rows, by their references."""
    looked_at = [look(file, READING) for file in files]
    which, *corners = (picked.rows[name].to_numpy().astype(np.int64) for name in ("file", "top", "left"))
    stored = references(looked_at, which, np.stack(corners, 1), picked.box)
    return [feature.decode_example(value) for value in stored.to_pylist()]


def padded(number, x, y, n):
    """A box of n pixels whose pixel n // 2 is the one at (x, y), and which of it lies in the micrograph."""
    image, there = (np.pad(array, 3 * n) for array in (micrograph(number), np.ones(SHAPE, bool)))
    first = round(y) - n // 2 + 3 * n, round(x) - n // 2 + 3 * n
    cut = tuple(slice(start, start + n) for start in first)
    return image[cut], there[cut]


@pytest.mark.parametrize("n", [8, 9])
def test_the_pixel_at_the_rounded_coordinate_is_the_centre_of_its_box(files, n):
    x, y = [20.0, 30.4, 25.5, 26.5, 4.0], [20.0, 12.6, 25.5, 26.5, 5.0]
    rows = table(x, y)
    boxes = plan(rows, BoxSize(pixels=n), None, 1, None)
    picked = extracted(rows, which_of(5), files, boxes, coordinates(rows, 1, None))
    for number, image in enumerate(images_of(picked, files, EMImage())):
        box, there = padded(number % 2, x[number], y[number], n)
        assert there.all()
        np.testing.assert_array_equal(image, box)
        assert image[n // 2, n // 2] == micrograph(number % 2)[round(y[number]), round(x[number])]


def test_what_lies_outside_is_the_backgrounds_mean_or_the_box_is_dropped(files, caplog):
    x, y = [0.0, 51.0, 30.0, 20.0, 2.0], [0.0, 39.0, -3.0, 20.0, 20.0]
    rows, n = table(x, y), 10
    boxes = plan(rows, BoxSize(pixels=n), None, 1, None)
    picked = extracted(rows, which_of(5), files, boxes, coordinates(rows, 1, None))
    shapes = np.array([SHAPE, SHAPE])
    filled, dropped = (held_against(picked, shapes, edge, False) for edge in ("fill", "drop"))
    assert filled.numbers.tolist() == [0, 1, 2, 3, 4]
    assert dropped.numbers.tolist() == [3]
    assert dropped.left_out == ()
    assert [record.getMessage() for record in caplog.records] == [
        "particles: 4 of 5 boxes reach beyond their micrographs and are dropped"
    ]
    far = np.hypot(*(np.indices((n, n)) - n // 2)) > 0.375 * n
    for number, image in enumerate(images_of(filled, files, EMImage())):
        box, there = padded(number % 2, x[number], y[number], n)
        np.testing.assert_array_equal(image[there], box[there])
        np.testing.assert_allclose(image[~there], box[there & far].mean(dtype=np.float64), rtol=1e-6)


def test_in_another_pixel_size_a_box_is_the_fourier_crop_of_a_larger_one(files):
    x, y = [20.0, 30.0], [20.0, 22.0]
    rows = table(x, y, micrograph_pixel_size=[1.0, 1.0], ctf=[ctf(0), None], pose=[pose(1), pose(2)])
    boxes = plan(rows, BoxSize(pixels=8), 2.1, 1, None)
    assert (boxes.size, boxes.cut, boxes.shape) == (8, 17, (8, 8))
    np.testing.assert_allclose(boxes.pixel_sizes, 17 / 8)
    picked = extracted(rows, which_of(2), files, boxes, coordinates(rows, 1, None))
    large = extracted(
        rows, which_of(2), files, plan(rows, BoxSize(pixels=17), None, 1, None), coordinates(rows, 1, None)
    )
    whole = {"image": images_of(large, files, EMImage())} | large.rows.to_pydict()
    wanted = T.FourierCrop(8)(whole)
    found = {"image": images_of(picked, files, EMImage(shape=boxes.shape))} | picked.rows.to_pydict()
    for name in ("image", "pixel_size", "coordinate_x", "coordinate_y"):
        np.testing.assert_allclose(np.asarray(found[name]), np.asarray(wanted[name]), rtol=1e-5, atol=1e-4)
    assert (found["ctf"], found["pose"]) == (wanted["ctf"], wanted["pose"])


@pytest.mark.parametrize("target", [1.0, 1.3, 2.0, 3.3333, 7.77])
@pytest.mark.parametrize("size", [64, 65, 250])
def test_no_other_box_comes_nearer_to_the_pixel_size(size, target):
    rows = table([0.0], [0.0], micrograph_pixel_size=[1.0])
    boxes = plan(rows, BoxSize(pixels=size), target, 1, None)
    sizes = np.arange(1, 3000) / size
    assert abs(boxes.pixel_sizes[0] - target) == pytest.approx(np.abs(sizes - target).min())
    assert boxes.pixel_sizes[0] == boxes.cut / size


SIZES = {
    "nobody tells": ({}, None, [np.nan], 8),
    "the file does": ({}, 1.5, [1.5], 8),
    "the table does": ({"micrograph_pixel_size": [2.0]}, 1.5, [2.0], 8),
    "the particles' alone": ({"pixel_size": [3.0]}, None, [3.0], 8),
    "the file's before the particles'": ({"pixel_size": [3.0]}, 1.5, [1.5], 8),
    "binned particles": ({"pixel_size": [3.0], "micrograph_pixel_size": [1.0]}, 1.5, [3.0], 24),
    "finer particles": ({"pixel_size": [1.0], "micrograph_pixel_size": [3.0]}, 1.5, [3.0], 8),
}


@pytest.mark.parametrize("what", SIZES)
def test_boxes_have_the_particles_pixel_size_if_that_is_known_to_be_another(what):
    columns, told, expected, cut = SIZES[what]
    boxes = plan(table([0.0], [0.0], **columns), BoxSize(pixels=8), None, 1, told)
    np.testing.assert_allclose(boxes.pixel_sizes, expected)
    assert (boxes.size, boxes.cut) == (8, cut)


def test_a_size_in_angstrom_is_of_the_images_as_they_are_given():
    rows = table([0.0], [0.0], micrograph_pixel_size=[1.5])
    assert plan(rows, BoxSize(angstrom=200.0), None, 1, None).size == 134
    boxes = plan(rows, BoxSize(angstrom=200.0), 3.0, 1, None)
    assert (boxes.size, boxes.cut) == (66, 132)


def test_binned_micrographs_have_larger_pixels_and_smaller_coordinates():
    rows = table([30.0], [60.0], micrograph_pixel_size=[1.5], micrograph_height=[123])
    assert told_height(rows, np.array([True])) == 123
    assert binning(123, 41, "m", "p") == 3
    assert plan(rows, BoxSize(pixels=8), None, 3, None).pixel_sizes.tolist() == [4.5]
    found = coordinates(rows, 3, None)
    assert (found.x.tolist(), found.y.tolist()) == ([10.0], [20.0])


@pytest.mark.parametrize(("told", "there"), [(4096, 4092), (4092, 4096), (4096, 3000), (10, 4096)])
def test_micrographs_of_another_height_are_refused(told, there):
    with pytest.raises(FormatError, match=f"coordinates are of micrographs {told} pixels high, m has {there}"):
        binning(told, there, "m", "p.cs")


def test_flipped_coordinates_are_those_of_the_mirror_image(files):
    y = np.array([0.0, 13.0, 39.0])
    rows = table([5.0] * 3, y)
    found = coordinates(rows, 1, np.full(3, float(SHAPE[0])))
    image = micrograph(0)
    np.testing.assert_array_equal(image[::-1][found.y.astype(int), 5], image[y.astype(int), 5])


WRONG = {
    "finer": ({"micrograph_pixel_size": [2.0] * 2}, 1.0, "pixels of 1 Å, out of micrographs with pixels of 2 Å"),
    "unknown": ({}, 2.0, "pixel_size=2 needs the micrographs' pixel size"),
    "of several sizes": ({"micrograph_pixel_size": [1.0, 2.0]}, 4.0, "pixels of 1, 2 Å"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_is_refused(what):
    columns, size, message = WRONG[what]
    with pytest.raises(OptionError, match=message):
        plan(table([0.0] * 2, [0.0] * 2, **columns), BoxSize(pixels=8), size, 1, None)


def test_micrographs_of_several_pixel_sizes_give_boxes_of_one_number_of_pixels(files):
    rows = table([9.0] * 2, [9.0] * 2, micrograph_pixel_size=[1.0, 2.0])
    boxes = plan(rows, BoxSize(pixels=8), None, 1, None)
    picked = extracted(rows, which_of(2), files, boxes, coordinates(rows, 1, None))
    assert picked.rows["pixel_size"].to_pylist() == [1.0, 2.0]


def test_rows_that_lie_outside_are_told_with_their_numbers_or_left_out(files):
    rows = table([20.0, 99.0, 60.0, 20.0], [20.0, 10.0, 10.0, -7.0])
    boxes = plan(rows, BoxSize(pixels=8), None, 1, None)
    picked = extracted(rows, which_of(4), files, boxes, coordinates(rows, 1, None))
    shapes = np.array([SHAPE, SHAPE])
    with pytest.raises(FormatError, match=r"m0\.mrc: 52 x 40 pixels .* the boxes of row 3 \(60, 10\), counted from 1"):
        held_against(picked, shapes, "fill", False)
    left = held_against(picked, shapes, "fill", True)
    assert left.numbers.tolist() == [0]
    assert [path for path, _ in left.left_out] == ["m0.mrc", "m1.mrc"]
    assert "rows 2 (99, 10), 4 (20, -7)" in str(left.left_out[1][1])


def test_rows_without_a_place_are_told_or_left_out(files):
    rows = table([20.0, np.nan, 30.0], [20.0, 20.0, 20.0])
    found, which = coordinates(rows, 1, None), np.array([0, 1, -1])
    with pytest.raises(NotFoundError, match="1 of 3 rows, row 3 first, counted from 1, have no micrograph"):
        require_known(found, which, "p.star", False)
    with pytest.raises(NotFoundError, match="1 of 2 rows, row 2 first, counted from 1, have no coordinates"):
        require_known(Coordinates(found.x[:2], found.y[:2]), which[:2], "p.star", False)
    assert len(require_known(found, which, "p.star", True)) == 2
    boxes = plan(rows, BoxSize(pixels=8), None, 1, None)
    assert extracted(rows, which, files, boxes, found).numbers.tolist() == [0]
    nowhere = Coordinates(np.full(3, np.nan), np.full(3, np.nan))
    with pytest.raises(NotFoundError, match="3 of 3 rows"):
        require_known(nowhere, np.zeros(3, int), "p.star", True)


def test_how_boxes_lie():
    tops = np.array([0, -1, 32, 33, -8, -7, 40, 39])
    expected = [INSIDE, BEYOND, INSIDE, BEYOND, OUTSIDE, BEYOND, OUTSIDE, BEYOND]
    none = np.zeros(8, int)
    assert lie(np.stack([tops, none], 1), (8, 8), SHAPE).tolist() == expected
    assert lie(np.stack([none, tops], 1), (8, 8), SHAPE[::-1]).tolist() == expected
    assert lie(np.stack([none, tops, none], 1), (8, 8, 8), (9, *SHAPE)).tolist() == expected
    assert lie(np.stack([tops, np.full(8, -8)], 1), (8, 8), SHAPE).tolist() == [OUTSIDE] * 8


def test_boxes_are_cut_out_of_single_images(tmp_path):
    path = tmp_path / "x.mrcs"
    path.write_bytes(header(8, 8, 3, 2) + bytes(4 * 3 * 8 * 8))
    with pytest.raises(FormatError, match=r"x\.mrcs: an array of shape \(3, 8, 8\): expected one image"):
        layout_of(look(SourceFile(path.name, str(path), 0, ""), READING))


def test_boxes_of_one_size_are_not_cropped():
    assert Boxes(8, 8, np.ones(1)).shape is None
    assert Boxes(8, 12, np.ones(1)).step == 1.5
