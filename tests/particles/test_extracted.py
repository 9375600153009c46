"""`unit="extracted"` and `unit="micrograph"` end to end: tables and micrographs in, boxes and picks out."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import perc_transforms as T
from builders import load_dataset
from builders.errors import FormatError, NotFoundError, OptionError
from builders.io import mrc
from tests.particles.made import star

SHAPE = 90, 120
NAMES = "MotionCorr/job002/m1.mrc", "MotionCorr/job002/m10.mrc", "MotionCorr/job002/m2.mrc"
PLACES = [
    (30.0, 40.0),
    (60.0, 20.4),
    (80.6, 70.0),
    (25.0, 26.0),
    (100.0, 33.0),
    (11.0, 80.0),
    (119.0, 0.0),
    (2.0, 45.0),
]
"""x and y of particles of the micrographs in turn; the last two are at edges."""
PIXEL_SIZE = 1.5


def pixels(name):
    return np.random.default_rng(NAMES.index(name)).normal(20, 4, SHAPE).astype(np.float32)


def rows(places=PLACES):
    return [
        {
            **{"rlnMicrographName": NAMES[number % 3], "rlnCoordinateX": x, "rlnCoordinateY": y, "rlnOpticsGroup": 1},
            **{"rlnDefocusU": 10_000.0 + number, "rlnDefocusV": 9_000.0, "rlnDefocusAngle": 12.0},
            **{"rlnClassNumber": number + 1, "rlnAutopickFigureOfMerit": number / 4},
        }
        for number, (x, y) in enumerate(places)
    ]


OPTICS = {"rlnOpticsGroup": 1, "rlnVoltage": 300.0, "rlnSphericalAberration": 2.7, "rlnAmplitudeContrast": 0.1}


@pytest.fixture
def project(tmp_path):
    """A RELION project: three micrographs, and a table of picks."""
    for name in NAMES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        mrc.write(path, pixels(name), PIXEL_SIZE)
    table = tmp_path / "Select/job005/particles.star"
    table.parent.mkdir(parents=True)
    table.write_text(star(rows(), [OPTICS]))
    return table


@pytest.fixture
def load(project, tmp_path):
    def load(**options):
        cache = tmp_path / "cache"
        return load_dataset("particles", star=str(project), split="train", cache_dir=str(cache), **options)

    return load


def box(name, x, y, n):
    """A piece of the padded micrograph, and which of it lies in the micrograph."""
    cut = tuple(slice(round(at) - n // 2 + n, round(at) - n // 2 + 2 * n) for at in (y, x))
    return np.pad(pixels(name), n)[cut], np.pad(np.ones(SHAPE, bool), n)[cut]


def check(row, number, n):
    """That a row is the box of a particle."""
    (x, y), name = PLACES[number], NAMES[number % 3]
    wanted, there = box(name, x, y, n)
    image = np.asarray(row["image"])
    np.testing.assert_array_equal(image[there], wanted[there])
    far = np.hypot(*(np.indices((n, n)) - n // 2)) > 0.375 * n
    np.testing.assert_allclose(image[~there], wanted[there & far].mean(dtype=np.float64), rtol=1e-6)
    assert (row["path"], row["micrograph"], row["index"]) == (name, name, None)
    assert (row["pixel_size"], row["class_number"]) == (PIXEL_SIZE, number + 1)
    assert (row["coordinate_x"], row["coordinate_y"]) == (pytest.approx(x), pytest.approx(y))
    assert row["ctf"]["defocus_u"] == 10_000 + number


def test_each_row_is_the_box_at_its_coordinates(load):
    ds = load(unit="extracted", box_size=16)
    assert len(ds) == len(PLACES)
    for number, row in enumerate(ds):
        check(row, number, 16)
    for number, row in enumerate(ds.select([4, 7, 0])):
        check(row, [4, 7, 0][number], 16)


def test_loaders_give_the_same_boxes(load):
    ds = load(unit="extracted", box_size=17).with_format("torch")
    for workers in (0, 1):
        loader = DataLoader(ds, batch_size=3, num_workers=workers, multiprocessing_context="fork" if workers else None)
        found = torch.cat([batch["image"] for batch in loader])
        np.testing.assert_array_equal(found, torch.stack([row["image"] for row in ds]))


def test_boxes_that_reach_beyond_their_micrograph_may_be_dropped(load):
    ds = load(unit="extracted", box_size=16, edge="drop")
    assert ds["class_number"][:] == [1, 2, 3, 4, 5, 6]


def test_another_pixel_size_is_what_fourier_crop_makes_of_larger_boxes(load):
    ds = load(unit="extracted", box_size=12, pixel_size=2.9)
    large = load(unit="extracted", box_size=23).with_transform(T.FourierCrop(12))
    assert ds[0]["pixel_size"] == pytest.approx(PIXEL_SIZE * 23 / 12)
    for name in ("image", "pixel_size", "coordinate_x", "coordinate_y"):
        found, wanted = (np.stack([np.asarray(row[name]) for row in rows]) for rows in (ds, large))
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-4)
    batch = ds.with_format("torch")[:]["image"]
    np.testing.assert_allclose(batch, np.stack([row["image"] for row in ds]), rtol=1e-5, atol=1e-4)


def test_a_box_may_be_so_many_angstrom(load):
    assert load(unit="extracted", box_size="24 Å")[0]["image"].shape == (16, 16)
    assert load(unit="extracted", box_size="24 A", pixel_size=3.0)[0]["image"].shape == (8, 8)


def test_y_may_be_flipped(load):
    ds = load(unit="extracted", box_size=9, flip_y=True)
    for number, row in enumerate(ds):
        x, y = PLACES[number]
        image = np.asarray(row["image"])
        line = round(SHAPE[0] - 1 - y)
        assert image[4, 4] == pixels(NAMES[number % 3])[line, round(x)]
        assert row["coordinate_y"] == pytest.approx(SHAPE[0] - 1 - y)


def test_each_micrograph_has_its_picks(load):
    ds = load(unit="micrograph", columns=["rlnAutopickFigureOfMerit"])
    assert ds["path"][:] == list(NAMES)
    for number, row in enumerate(ds):
        own = range(number, len(PLACES), 3)
        np.testing.assert_array_equal(row["image"], pixels(NAMES[number]))
        np.testing.assert_allclose(row["picks"], [PLACES[place] for place in own], rtol=1e-6)
        assert row["class_number"] == [place + 1 for place in own]
        assert [ctf["defocus_u"] for ctf in row["ctf"]] == [10_000 + place for place in own]
        assert row["rlnAutopickFigureOfMerit"] == [place / 4 for place in own]
        assert (row["pixel_size"], row["index"], row["micrograph"]) == (PIXEL_SIZE, None, NAMES[number])
    picks = ds.with_format("numpy")[0]["picks"]
    assert (picks.dtype, picks.shape) == (np.float32, (3, 2))
    flipped = load(unit="micrograph", flip_y=True)[1]["picks"]
    np.testing.assert_allclose(flipped, [(x, SHAPE[0] - 1 - y) for x, y in PLACES[1::3]], rtol=1e-6)


def test_rows_that_lie_outside_are_told_or_left_out(load, project, tmp_path):
    project.write_text(star(rows([*PLACES, (900.0, 10.0)]), [OPTICS]))
    with pytest.raises(FormatError, match=r"m2\.mrc: 120 x 90 pixels .* row 9 \(900, 10\)"):
        load(unit="extracted", box_size=16)
    reasons = tmp_path / "left_out.tsv"
    ds = load(unit="extracted", box_size=16, on_error="skip", quarantine=str(reasons))
    assert len(ds) == len(PLACES)
    assert "row 9 (900, 10)" in reasons.read_text()


def test_micrographs_that_are_not_there_are_told_together(load, project):
    for name in NAMES[1:]:
        (project.parents[2] / name).unlink()
    with pytest.raises(NotFoundError, match="2 of 3 files that it names are not there"):
        load(unit="extracted", box_size=16)
    ds = load(unit="extracted", box_size=16, on_error="skip")
    assert ds["class_number"][:] == [1, 4, 7]


def test_finer_pixels_than_the_micrographs_are_not_made(load):
    with pytest.raises(OptionError, match=r"pixels of 1 Å, out of micrographs with pixels of 1\.5 Å"):
        load(unit="extracted", box_size=16, pixel_size=1.0)


def test_splits_keep_a_micrographs_boxes_together(project, tmp_path):
    splits = load_dataset(
        "particles",
        star=str(project),
        unit="extracted",
        box_size=8,
        validation_fraction=0.3,
        cache_dir=str(tmp_path / "cache"),
    )
    train, validation = (set(splits[name]["path"][:]) for name in ("train", "validation"))
    assert validation
    assert not train & validation


@pytest.mark.parametrize("unit", [{"unit": "micrograph"}, {"unit": "extracted", "box_size": 8}])
def test_a_table_that_names_no_micrograph_is_told_so(tmp_path, unit):
    kept = [{name: value for name, value in row.items() if name != "rlnMicrographName"} for row in rows()]
    table = tmp_path / "particles.star"
    table.write_text(star([{"rlnImageName": "1@a.mrcs", **row} for row in kept], [OPTICS]))
    with pytest.raises(NotFoundError, match=r"none of its 8 rows names a micrograph: expected rlnMicro"):
        load_dataset("particles", star=str(table), **unit)
