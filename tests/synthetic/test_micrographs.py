"""`unit="micrograph"`: rows as those of `particles`, map-style and as streams, and what is done with them."""

import re
from pathlib import Path

import datasets
import numpy as np
import pytest
from torch.utils.data import DataLoader

import perc_transforms as T
from builders import load_dataset, publish
from builders.errors import OptionError
from builders.io.tables.particle_table import CTF, POSE
from builders.synthetic.units import OF_UNITS
from tests.synthetic.conftest import blob, write_map

SHAPE = (150, 200)


@pytest.fixture
def options(tmp_path):
    hand = blob() + sum(blob(32, 1.5, at, 6.0) for at in ((7, 0, 0), (0, 5, 0), (0, 0, 4)))
    return {
        "structures": {
            "hand": write_map(tmp_path / "a.mrc", hand, 3.0),
            "ball": write_map(tmp_path / "b.mrc", blob(), 3.0),
        },
        "unit": "micrograph",
        "box_size": 32,
        "pixel_size": 3.0,
        "micrograph_shape": SHAPE,
        "particles": (6, 9),
        "split": "train",
        "cache_dir": str(tmp_path / "cache"),
    }


def test_structures_become_micrographs(options):
    ds = load_dataset("synthetic", num_examples=4, clean=True, **options)
    row = ds[2]
    assert list(row)[:5] == ["image", "clean", "pixel_size", "path", "index"]
    assert row["image"].shape == row["clean"].shape == SHAPE
    assert row["image"].dtype == row["clean"].dtype == np.float32
    assert (row["index"], row["pixel_size"]) == (2, 3.0)
    assert row["snr"] == pytest.approx(0.1)
    assert 6 <= len(row["picks"]) <= 9
    assert ds.features["label"].feature.names == ["hand", "ball"]
    assert datasets.Features({"ctf": ds.features["ctf"]}).arrow_schema.field("ctf").type == CTF
    assert ds.features.arrow_schema.field("pose").type.value_type == POSE
    for (x, y), label in zip(row["picks"], row["label"], strict=True):
        if 8 < x < SHAPE[1] - 8 and 8 < y < SHAPE[0] - 8:
            near = row["clean"][round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4]
            assert near.min() < 0.3 * row["clean"].min()  # dark
        assert label in (0, 1)


def test_streams_have_the_same_rows(options):
    given = options | {"dose": 30.0, "ice_gradient": 0.5, "aggregates": 0.5, "carbon": 0.3, "particles": 3}
    ds = load_dataset("synthetic", num_examples=6, **given)
    stream = load_dataset("synthetic", num_examples=6, streaming=True, **given)
    rows = list(stream)
    assert stream.features == ds.features
    for row, other in zip(rows, ds, strict=True):
        np.testing.assert_array_equal(row.pop("image"), other.pop("image"))
        assert row == other
    endless = load_dataset("synthetic", streaming=True, **given)
    assert [row["id"] for row in endless.take(2)] == ds["id"][:2]
    two = load_dataset("synthetic", num_examples=6, streaming=True, **given).with_format("torch")
    loaded = {row["id"]: row for row in DataLoader(two, batch_size=None, num_workers=2)}
    assert sorted(loaded) == sorted(ds["id"])
    for row in ds:
        np.testing.assert_array_equal(loaded[row["id"]]["image"].numpy(), row["image"])


def test_movies(options):
    given = options | {"frames": 5, "frame_dose": 1.5, "drift": 12.0}
    ds = load_dataset("synthetic", num_examples=2, **given)
    row = ds[1]
    assert row["image"].shape == (5, *SHAPE)
    assert row["dose"] == [1.5] * 5
    assert row["pre_exposure"] == [0.0, 1.5, 3.0, 4.5, 6.0]
    assert np.hypot(row["shift_x"][-1], row["shift_y"][-1]) == pytest.approx(12.0)
    weighed = ds.with_transform(T.DoseWeight(1.5))[1]["image"]
    assert weighed.shape == SHAPE
    assert T.DoseWeight(1.5)(row)["image"].shape == SHAPE  # a row, and no batch of frames
    assert np.allclose(T.DoseWeight(1.5)(row)["image"], weighed, atol=1e-6)
    streamed = list(load_dataset("synthetic", num_examples=2, streaming=True, **given))
    np.testing.assert_array_equal(streamed[1]["image"], row["image"])


def at_picks(image, picks):
    """What is at picks inside of an image, in standard deviations from its mean."""
    ny, nx = image.shape
    inside = [(round(float(x)), round(float(y))) for x, y in picks if 1 <= x < nx - 2 and 1 <= y < ny - 2]
    means = [float(image[y - 1 : y + 2, x - 1 : x + 2].mean()) for x, y in inside]
    return [(mean - float(image.mean())) / float(image.std()) for mean in means]


@pytest.mark.parametrize(
    "transform",
    [
        *(T.RandomFlip(), T.RandomRotate90(), T.RandomCrop(size=(110, 140))),
        *(T.FourierCrop(pixel_size=4.0), T.CenterCrop(size=100)),
    ],
    ids=lambda one: type(one).__name__,
)
def test_picks_follow_what_moves_the_image(options, transform):
    ds = load_dataset("synthetic", num_examples=6, snr=None, **options)
    rows, before = ds.with_transform(transform)[:], ds[:]
    for images, picks in ((before["image"], before["picks"]), (rows["image"], rows["picks"])):
        values = [value for image, own in zip(images, picks, strict=True) for value in at_picks(image, own)]
        assert len(values) > 5
        assert np.mean(values) < -1.5  # dark
    # places alone are all kept: other columns are in their order
    assert list(map(len, rows["picks"])) == list(map(len, before["picks"])) == list(map(len, rows["label"]))
    assert isinstance(transform, T.RandomFlip) or all(pose is not None for pose in rows["pose"])


def test_picks_become_maps_of_labels_and_ctfs_flip_phases(options):
    ds = load_dataset("synthetic", num_examples=2, **options)
    row = ds.with_transform(T.Compose([T.PhaseFlip(), T.Normalize(), T.PickMap(radius=4)]))[1]
    assert row["labels"].shape == row["image"].shape == SHAPE
    for (x, y), label in zip(row["picks"], row["label"], strict=True):
        assert row["labels"][round(float(y)), round(float(x))] == label + 1
    boxes = np.pi * 4**2 * len(row["picks"])
    assert 0.4 * boxes < (row["labels"] > 0).sum() < 1.2 * boxes


def test_they_are_published_as_others_are(options, tmp_path):
    ds = load_dataset("synthetic", num_examples=2, **options)
    folder = tmp_path / "published"
    publish(ds, folder, license="cc0-1.0")
    plain = datasets.load_dataset(str(folder), split="train").with_format("numpy")
    for row, own in zip(plain, ds, strict=True):
        np.testing.assert_array_equal(row["image"], own["image"])
        np.testing.assert_array_equal(row["picks"], own["picks"])
        assert row["label"].tolist() == own["label"]
    card = (folder / "README.md").read_text()
    assert "| `picks` | lists of lists of float32 | (x, y) of each particle, pixels of the image, from 0 |" in card
    assert "of each pick or image: `rot`, `tilt`, `psi`" in card
    assert "Classes of `label`: 0: hand, 1: ball." in card
    assert not re.search(r"^\| `(?!path).*\| *\|$", card, re.MULTILINE)  # no column without a meaning


def test_what_nobody_says_is_said_by_what_fits(options):
    given = {name: value for name, value in options.items() if name != "particles"}
    counts = [len(picks) for picks in load_dataset("synthetic", num_examples=30, **given)["picks"]]
    assert 1 <= min(counts) < max(counts) <= 60
    assert (
        load_dataset("synthetic", num_examples=1, **given)["picks"][0]
        == load_dataset("synthetic", num_examples=2, **given)["picks"][0]
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"particles": (5, 500)}, r"impossible distances: .* some \d+ fit: expected particles of no more"),
        ({"particles": (5, 9), "min_distance": 2000.0}, "impossible distances"),
        ({"micrograph_shape": (150,)}, "micrograph_shape is .*: expected"),
        ({"carbon": 2}, "carbon is 2: expected a number from 0 to 1"),
        ({"drift": 3.0}, "drift is 3.0, and frames is None"),
        ({"max_shift": 5}, "max_shift is 5: expected 0"),
        ({"membranes": 1.0}, "membranes is 1.0, and unit is 'micrograph': expected unit='tomogram'"),
        (
            {"unit": "particle", "particles": None},
            "micrograph_shape is .*, and unit is 'particle': expected unit='micrograph'",
        ),
    ],
)
def test_what_cannot_be_is_told_before_there_are_rows(options, given, words):
    for streaming in (False, True):
        with pytest.raises(OptionError, match=words):
            load_dataset("synthetic", num_examples=2, streaming=streaming, **(options | given))


def test_the_docs_run_and_have_all_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo-output").mkdir()
    write_map(tmp_path / "demo-output" / "map.mrc", blob(24, 1.5), 10.0)
    text = (Path(__file__).parents[2] / "docs" / "builders" / "synthetic_micrographs.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", text, re.S)
    names = {}
    exec(compile(block, "docs", "exec"), names)
    assert names["row"]["image"].shape == names["ds"][1]["labels"].shape == (256, 320)
    assert names["movie"]["image"].shape == (8, 256, 320)
    assert names["movie"]["pre_exposure"] == [5.0 * frame for frame in range(8)]
    of_options, of_columns = text.split("| column |")
    assert set(_first_words(of_options)) == {*OF_UNITS["micrograph"], "clean"}
    assert {*_first_words(of_columns), "pixel_size", "path", "index"} == {*names["row"], *names["movie"]}


def _first_words(table):
    """The names in the first column of a table."""
    return re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", table, re.M)))
