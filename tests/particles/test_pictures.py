"""Boxes of the first micrographs: on the side that is right, particles stand in the middle of theirs."""

from dataclasses import replace

import numpy as np
import pytest

from builders.errors import FormatError
from builders.particles.pictures import boxes_sheet, first_micrographs, standing_out
from builders.stacks.files import SourceFile
from tests.mrc_encoder import header
from tests.particles.tables import table_of

SHAPE = 160, 200
COUNT = 20


def micrograph(number):
    """Noise with dark spots in it, and where these are: `(N, 2)`, x and y."""
    rng = np.random.default_rng(number)
    image = rng.normal(0, 1, SHAPE)
    places = np.stack([rng.uniform(10, side - 10, COUNT) for side in SHAPE[::-1]], 1)
    y, x = np.indices(SHAPE)
    for at in places:
        image -= 3 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 18)
    return image.astype("<f4"), places


@pytest.fixture
def files(tmp_path):
    made = []
    for number in range(3):
        path = tmp_path / f"m{number}.mrc"
        path.write_bytes(header(SHAPE[1], SHAPE[0], 1, 2) + micrograph(number)[0].tobytes())
        made.append(SourceFile(f"mics/m{number}.mrc", str(path), path.stat().st_size, ""))
    return made


def table(is_flipped=False, **columns):
    places = np.concatenate([micrograph(number)[1] for number in range(3)])
    y = SHAPE[0] - 1 - places[:, 1] if is_flipped else places[:, 1]
    which = np.repeat(np.arange(3), COUNT)
    names = [f"m{number}.mrc" for number in which]
    told = {name: [value] * len(which) for name, value in columns.items()}
    return table_of(micrograph=names, coordinate_x=places[:, 0], coordinate_y=y, **told), which


@pytest.mark.parametrize("is_flipped", [False, True])
def test_the_side_that_is_right_stands_out(files, is_flipped):
    for seen in first_micrographs(*table(is_flipped, image_size=24), files):
        right, wrong = (seen.flipped, seen.stated) if is_flipped else (seen.stated, seen.flipped)
        assert right.shape[1:] == (24, 24)
        assert standing_out(right) > 8 > 4 > standing_out(wrong)


def test_boxes_are_those_at_the_coordinates(files):
    (seen,) = first_micrographs(*table(), files, most=1, side=9)
    image, places = micrograph(0)
    for box, (x, y) in zip(seen.stated, places, strict=True):
        assert box[4, 4] == image[round(y), round(x)]
    for box, (x, y) in zip(seen.flipped, places, strict=True):
        assert box[4, 4] == image[round(SHAPE[0] - 1 - y), round(x)]
    assert (seen.path, seen.count, seen.side) == ("mics/m0.mrc", COUNT, 9)


def test_the_picture_has_a_line_for_each_micrograph(files):
    seen = first_micrographs(*table(), files)
    sizes = [boxes_sheet(seen[:count]).size for count in (1, 2, 3)]
    assert len({width for width, _ in sizes}) == 1
    assert sizes[2][1] - sizes[1][1] == sizes[1][1] - sizes[0][1] > 150
    sheet = np.asarray(boxes_sheet(seen))
    assert 0.1 < (sheet < 100).mean() < 0.5


def test_of_a_long_path_the_name_and_the_counts_are_seen(files):
    (seen,) = first_micrographs(*table(), files, most=1)
    name = "FoilHole_24015511_Data_24016401_24016403_20200225_0014_Fractions_patch_aligned.mrc"
    short, long = (replace(seen, path=f"{folders}{name}") for folders in (".../", "data/micrographs/day_1/" * 9))
    np.testing.assert_array_equal(boxes_sheet([long]), boxes_sheet([replace(seen, path=f".../day_1/{name}")]))
    assert not np.array_equal(boxes_sheet([long]), boxes_sheet([short]))
    rest = np.asarray(boxes_sheet([long]))[:, -4:]
    assert (rest == 255).all()


SIDES = {
    "the particles'": ({"image_size": 24}, 24),
    "binned particles'": ({"image_size": 24, "pixel_size": 3.0, "micrograph_pixel_size": 1.5}, 48),
    "a part of the micrograph": ({}, 10),
    "in binned micrographs": ({"image_size": 24, "micrograph_height": 320}, 12),
}


@pytest.mark.parametrize("what", SIDES)
def test_boxes_show_as_much_as_the_particles_do(files, what):
    columns, side = SIDES[what]
    assert first_micrographs(*table(**columns), files, most=1)[0].side == side


def test_micrographs_that_cannot_be_read_are_passed_over(files, tmp_path):
    (tmp_path / "m0.mrc").write_bytes(b"no image")
    rows, which = table()
    assert [seen.path for seen in first_micrographs(rows, which, files, most=2)] == ["mics/m1.mrc", "mics/m2.mrc"]
    which[which == 1] = -1
    assert [seen.path for seen in first_micrographs(rows, which, files)] == ["mics/m2.mrc"]
    for number in (1, 2):
        (tmp_path / f"m{number}.mrc").write_bytes(b"no image")
    with pytest.raises(FormatError, match=r"m0\.mrc"):
        first_micrographs(rows, which, files)


def test_boxes_that_lie_outside_are_not_shown(files):
    rows = table_of(micrograph=["m0.mrc"] * 2, coordinate_x=[20.0, 999.0], coordinate_y=[20.0, 20.0])
    (seen,) = first_micrographs(rows, np.zeros(2, int), files)
    assert (seen.count, len(seen.stated)) == (2, 1)
    assert standing_out(seen.stated) is None
    boxes_sheet([seen])
    nowhere = table_of(micrograph=["m0.mrc"], coordinate_x=[999.0], coordinate_y=[20.0])
    assert boxes_sheet(first_micrographs(nowhere, np.zeros(1, int), files)).size[1] > 0
