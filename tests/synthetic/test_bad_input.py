"""One clear error for each thing that cannot be."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from builders import load_dataset
from builders.errors import ChangedError, FormatError, NotFoundError, OptionError, UnknownOptionError
from tests.synthetic.conftest import blob, write_map

LONG = {"id": "long", "coordinates": [[0, 0, 0], [40, 0, 0]], "element": ["C", "C"], "altloc": ["", ""]}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"snr": 0}, "snr is 0: expected numbers above 0"),
        ({"snr": (0.5, 0.1)}, r"snr is \(0.5, 0.1\): expected a number, or the lowest and the highest"),
        ({"snr": 0.1, "dose": 30.0}, "snr is 0.1 and dose is 30.0: expected one of them"),
        ({"dose": -1}, "dose is -1: expected a number above 0"),
        ({"ice_snr": 0}, "ice_snr is 0: expected a number above 0"),
        ({"box_size": 33}, "box_size is 33: expected an even number"),
        ({"box_size": 4}, "box_size is 4: expected an integer of at least 8"),
        ({"num_examples": 0}, "num_examples is 0: expected an integer of at least 1"),
        ({"defocus": (20000, 10000)}, r"defocus is \(20000, 10000\): expected a number, or the lowest"),
        ({"pixel_size": 0}, "pixel_size is 0: expected Å, above 0"),
        ({"amplitude_contrast": 1.5}, "amplitude_contrast is 1.5: expected a number from 0 to 1"),
        ({"unit": "particles"}, "unit is 'particles': expected 'particle' or"),
        ({"contrast": "negative"}, "contrast is 'negative': expected 'dark' or 'bright'"),
        ({"max_shift": 60}, "max_shift is 60: expected at most half of the box of 96 Å"),
        ({"orientations": "even"}, "orientations is 'even': no such file: expected 'uniform'"),
        ({"orientations": {"axes": [[0, 0, 1]]}}, "orientations is .*: expected 'uniform'"),
        ({"orientations": {"axes": [[0, 0, 0]], "kappa": 3}}, "orientations has an axis of length 0"),
        ({"orientations": [[1.0, 2.0]]}, "orientations is .*: expected 'uniform'"),
        ({"structures": []}, r"structures is \[\]"),
        ({"structures": None}, "^structures is None: expected the path of a structure"),
        (
            {"box_size": 8, "structures": LONG},
            "^long: .*, which a box of 8 voxels of 3 Å does not hold: expected 16 or more",
        ),
        ({"data_dir": "x"}, "synthetic makes images of structures="),
    ],
)
def test_options_that_cannot_be(options, given, message):
    with pytest.raises(OptionError, match=message):
        load_dataset("synthetic", **{"num_examples": 2} | options | given)


def test_an_option_that_is_not_there_names_the_closest(options):
    with pytest.raises(UnknownOptionError, match="synthetic has no option 'defokus': did you mean 'defocus'"):
        load_dataset("synthetic", num_examples=2, defokus=1.0, **options)


def test_no_end_goes_with_streams_alone(options):
    with pytest.raises(OptionError, match=r"num_examples is None: expected a number of rows.*streaming=True"):
        load_dataset("synthetic", **options)


def test_more_ice_than_noise_is_told_when_the_image_is_made(options):
    ds = load_dataset("synthetic", num_examples=2, snr=5.0, ice_snr=0.01, **options)
    with pytest.raises(OptionError, match="row 1: snr=5 with ice_snr: the ice alone makes it"):
        ds[1]
    with pytest.raises(OptionError, match="the ice alone"):
        ds[:2]
    with pytest.raises(OptionError, match="the ice alone"):
        next(iter(load_dataset("synthetic", num_examples=2, snr=5.0, ice_snr=0.01, streaming=True, **options)))


def test_a_file_that_is_not_there(options, tmp_path):
    with pytest.raises(NotFoundError, match=r"nothing.mrc: no such file"):
        load_dataset("synthetic", num_examples=2, **options | {"structures": [str(tmp_path / "nothing.mrc")]})


def test_a_map_that_changed_makes_other_rows(options, tmp_path):
    path = tmp_path / "a.mrc"
    given = options | {"structures": str(path), "num_examples": 2, "snr": None}
    write_map(path, blob())
    first = load_dataset("synthetic", **given)
    path.unlink()
    write_map(path, blob() + blob(32, 2.0, (6, -3, 2)))
    other = load_dataset("synthetic", **given)
    assert not np.allclose(first[0]["image"], other[0]["image"], atol=1e-3 * np.abs(first[0]["image"]).max())


def test_orientations_of_a_table(options, tmp_path):
    star = tmp_path / "poses.star"
    star.write_text(
        "data_particles\n\nloop_\n_rlnImageName #1\n_rlnAngleRot #2\n_rlnAngleTilt #3\n_rlnAnglePsi #4\n"
        "000001@a.mrcs 10 20 30\n000002@a.mrcs 40 50 60\n"
    )
    ds = load_dataset("synthetic", num_examples=30, orientations=str(star), **options)
    assert {tuple(pose[name] for name in ("rot", "tilt", "psi")) for pose in ds["pose"]} == {
        (10, 20, 30),
        (40, 50, 60),
    }


@pytest.fixture
def recipe(options):
    """The file of a recipe, and a row that refers to it."""
    ds = load_dataset("synthetic", num_examples=2, **options)
    stored = ds.cast_column("image", type(ds.features["image"])(decode=False))[0]["image"]
    return Path(stored["path"]), stored, ds.features["image"]


def test_a_recipe_that_is_another_one_or_gone(recipe, options):
    path, stored, feature = recipe
    other = path.with_name("other.json")
    told = json.loads(path.read_text())
    other.write_text(json.dumps(told | {"seed": 7}, sort_keys=True))
    with pytest.raises(ChangedError, match=r"other.json: a recipe of digest .*expected"):
        feature.decode_example(stored | {"path": str(other)})
    with pytest.raises(NotFoundError, match=r"gone.json"):
        feature.decode_example(stored | {"path": str(path.with_name("gone.json"))})
    alone = path.parent / "alone" / path.name
    alone.parent.mkdir()
    shutil.copy(path, alone)
    with pytest.raises(NotFoundError, match="npy: no such file"):
        feature.decode_example(stored | {"path": str(alone)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"perc_recipe": 2}, "a recipe of version 2: expected 1"),
        ({"box_size": 2**40}, "box_size|whole number"),
        ({"unit": "os"}, "unit 'os'"),
        ({"pixel_size": float("nan")}, "number from"),
        ({"sources": [{"file": "../secret.npy", "label": 0, "state": 0}]}, "no name of a .npy file beside it"),
        ({"sources": [{"file": "/etc/passwd", "label": 0, "state": 0}]}, "no name of a .npy file beside it"),
        ({"sources": [{"file": "a.npy", "label": 5, "state": 0}]}, "1 labels"),
        ({"orientations": {"kind": "table", "angles": [["x"]]}}, "could not convert"),
        ({"orientations": {"kind": "table", "angles": []}}, "orientations of shape"),
        ({"noise": {"snr": [1.0, 0.5], "dose": None, "ice_snr": None}}, "from 1.0 to 0.5"),
        ({"more": 1}, "other fields"),
    ],
)
def test_recipes_are_not_believed(recipe, changes, message):
    path, stored, feature = recipe
    hostile = path.with_name("hostile.json")
    hostile.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(FormatError, match=message):
        feature.decode_example(stored | {"path": str(hostile), "etag": None})


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"perc_recipe": 1}'])
def test_files_that_are_no_recipes(recipe, text):
    path, stored, feature = recipe
    hostile = path.with_name("hostile.json")
    hostile.write_text(text)
    with pytest.raises(FormatError, match=r"hostile.json: .*expected a recipe"):
        feature.decode_example(stored | {"path": str(hostile), "etag": None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": [64, 64]}, r"of shape \(64, 64\).*expected one of image, of shape \(32, 32\)"),
        ({"dtype": '<f8%made{"column":"image"}'}, "float64 image"),
        ({"dtype": '<f4%made{"column":"other"}'}, "'other'"),
        ({"dtype": "<f4%made{"}, "expected a column and an index"),
        ({"dtype": "<f4%made[]"}, "expected a column and an index"),
        ({"dtype": '<f4%made{"column":"image"}', "index": None}, "expected a column and an index"),
        ({"index": -1}, "expected a column and an index"),
        ({"path": "https://example.org/recipe.json"}, "recipes on this machine"),
    ],
)
def test_references_are_not_believed(recipe, changes, message):
    _, stored, feature = recipe
    with pytest.raises(FormatError, match=message):
        feature.decode_example(stored | changes)


def test_a_box_of_a_made_image_is_that_part_of_it(recipe):
    _, stored, feature = recipe
    whole = feature.decode_example(stored)
    part = feature.decode_example(stored | {"dtype": stored["dtype"] + "@2:10,5:32"})
    np.testing.assert_array_equal(part, whole[2:10, 5:32])


def test_a_volume_that_is_no_volume(recipe):
    path, stored, feature = recipe
    volume = path.parent / json.loads(path.read_text())["sources"][0]["file"]
    volume.chmod(0o644)
    np.save(volume, np.zeros((4, 4)))
    with pytest.raises(FormatError, match="expected a volume of 32 voxels a side"):
        feature.decode_example(stored | {"etag": None})


def test_images_of_a_recipe_have_an_end(options):
    given = options | {"unit": "micrograph", "micrograph_shape": (64, 64), "particles": 1, "min_distance": 0}
    ds = load_dataset("synthetic", num_examples=1, **given)
    feature = ds.features["image"]
    stored = ds.cast_column("image", type(feature)(decode=False))[0]["image"]
    hostile = Path(stored["path"]).with_name("hostile.json")
    told = json.loads(Path(stored["path"]).read_text())
    hostile.write_text(json.dumps(told | {"scene": told["scene"] | {"micrograph_shape": [10**6, 10**6]}}))
    with pytest.raises(FormatError, match=r"hostile.json: micrograph_shape is .*at most 4,294,967,296 pixels"):
        feature.decode_example(stored | {"path": str(hostile), "etag": None, "shape": [10**6, 10**6]})
