"""`unit="tomogram"`: rows as those of `tomograms`, map-style and as streams, and what is done with them."""

import re
from pathlib import Path

import datasets
import mrcfile
import numpy as np
import pytest
import torch

import perc_transforms as T
from builders import load_dataset, publish
from builders.errors import OptionError
from builders.io.made.tomograms.maker import TomogramMaker
from builders.synthetic.units import OF_UNITS
from tests.synthetic.conftest import blob, write_map


@pytest.fixture
def options(tmp_path):
    hand = blob(24, 1.5) + sum(blob(24, 1.2, at, 5.0) for at in ((5, 0, 0), (0, 4, 0), (0, 0, 3)))
    return {
        "structures": {
            "hand": write_map(tmp_path / "a.mrc", hand, 10.0),
            "ball": write_map(tmp_path / "b.mrc", blob(24, 1.5), 10.0),
        },
        "unit": "tomogram",
        "box_size": 24,
        "pixel_size": 10.0,
        "tomogram_shape": (24, 40, 48),
        "particles": (3, 5),
        "defocus": 40_000,
        "split": "train",
        "cache_dir": str(tmp_path / "cache"),
    }


def test_structures_become_tomograms(options):
    ds = load_dataset("synthetic", num_examples=3, clean=True, membranes=0.2, **options)
    row = ds[1]
    assert list(row)[:3] == ["image", "segmentation", "clean"]
    assert row["image"].shape == row["segmentation"].shape == row["clean"].shape == (24, 40, 48)
    assert row["image"].dtype == np.float32
    assert row["segmentation"].dtype == np.uint8
    assert row["pixel_size"] == 10.0
    assert row["tilts"] == list(range(-60, 61, 3))
    assert ds.features["picks"]["label"].feature.names == ["hand", "ball"]
    picks = row["picks"]
    assert 1 <= len(picks["label"]) <= 5
    for (x, y, z), label in zip(np.rint(picks["pixels"]).astype(int), picks["label"], strict=True):
        assert row["segmentation"][z, y, x] == label + 1
        assert row["clean"][z, y, x] < 0.3 * row["clean"].min()


def test_their_features_are_those_of_tomograms(options, tmp_path):
    folder = saved(load_dataset("synthetic", num_examples=1, **options)[0], tmp_path)
    read = load_dataset("tomograms", data_dir=folder, picks="*", split="train")
    made = load_dataset("synthetic", num_examples=1, **options)
    assert made.features["picks"].keys() == read.features["picks"].keys()
    for name in ("coordinates", "pixels", "rotation"):
        assert made.features["picks"][name] == read.features["picks"][name]
    assert made.features["tomogram"] == read.features["tomogram"]


def test_streams_have_the_same_rows(options):
    ds = load_dataset("synthetic", num_examples=4, dose=100, **options)
    stream = load_dataset("synthetic", num_examples=4, dose=100, streaming=True, **options)
    rows = list(stream)
    assert stream.features == ds.features
    for row, other in zip(rows, ds, strict=True):
        for name in ("image", "segmentation"):
            np.testing.assert_array_equal(row.pop(name), other.pop(name))
        assert row == other
    endless = load_dataset("synthetic", streaming=True, dose=100, **options)
    again = list(endless.take(2))
    assert [row["id"] for row in again] == [row["id"] for row in ds][:2]


def test_streams_make_no_more_than_is_asked_for(options, monkeypatch):
    made = []
    pixels = TomogramMaker.pixels
    monkeypatch.setattr(TomogramMaker, "pixels", lambda self, *given: made.extend(given[0]) or pixels(self, *given))
    stream = load_dataset("synthetic", streaming=True, **options)
    assert [row["image"].shape for row in stream.take(2)] == [(24, 40, 48)] * 2
    assert made == [0, 0, 1]  # both images of a row are made at once as soon as a row was asked for both


def test_workers_make_the_same_rows(options):
    ds = load_dataset("synthetic", num_examples=4, **options)
    stream = load_dataset("synthetic", num_examples=4, streaming=True, **options).with_format("torch")
    by_id = {row["id"]: row["image"] for row in ds}
    for source in (ds.with_format("torch"), stream):
        loader = torch.utils.data.DataLoader(source, batch_size=2, num_workers=2, collate_fn=T.collate)
        batches = list(loader)
        assert sorted(one for batch in batches for one in batch["id"]) == sorted(by_id)
        for batch in batches:
            assert batch["segmentation"].shape == (2, 24, 40, 48)
            for one, image in zip(batch["id"], batch["image"], strict=True):
                np.testing.assert_allclose(image, by_id[one], atol=1e-6)


def saved(row, folder):
    """A tomogram's volume as a file, with its picks in a table of RELION's."""
    folder = folder / "saved"
    folder.mkdir()
    with mrcfile.new(folder / "one.mrc") as file:
        file.set_data(row.get("clean", row["image"]))
        file.voxel_size = row["pixel_size"]
    picks = row["picks"]
    angles = T.functional.angles_of(np.array(picks["rotation"]))
    names = ["TomoName", *(f"Coordinate{axis}" for axis in "XYZ"), "AngleRot", "AngleTilt", "AnglePsi"]
    lines = [f"_rln{name} #{number + 1}" for number, name in enumerate(names)]
    # RELION counts as we do: from the centre of the first voxel
    lines += [
        " ".join(["one", *(f"{value:.5f}" for value in (*place, *turn))])
        for place, turn in zip(picks["pixels"], angles, strict=True)
    ]
    (folder / "one.star").write_text("\n".join(["data_particles", "", "loop_", *lines, ""]))
    return str(folder)


def test_cubes_cut_upright_are_the_structure(options, tmp_path):
    options |= {"min_distance": 160, "particles": 3}
    row = load_dataset("synthetic", num_examples=1, clean=True, snr=None, **options)[0]
    folder = saved(row, tmp_path)
    cubes = load_dataset(
        "tomograms", data_dir=folder, picks="*", unit="subtomogram", box_size=12, align=True, split="train"
    )
    hand = blob(24, 1.5) + sum(blob(24, 1.2, at, 5.0) for at in ((5, 0, 0), (0, 4, 0), (0, 0, 3)))
    structures = [volume[6:18, 6:18, 6:18] for volume in (hand, blob(24, 1.5))]
    near = np.linalg.norm(np.indices((12, 12, 12)) - 6, axis=0) <= 6
    places = np.array(row["picks"]["coordinates"])
    assert len(cubes) == len(places) == 3
    for cube in cubes:
        apart = np.linalg.norm(places - cube["coordinates"], axis=1)
        assert apart.min() < 0.01
        label = row["picks"]["label"][apart.argmin()]
        found = [np.corrcoef(-cube["image"][near], volume[near])[0, 1] for volume in structures]
        assert found[label] == max(found)
        assert found[label] > 0.98


def test_transforms_take_them(options):
    ds = load_dataset("synthetic", num_examples=2, **options)
    chain = T.Compose([T.RandomFlip(), T.CenterCrop(size=(20, 32, 32)), T.Normalize(), T.PickMap(radius=2)])
    rows = ds.with_transform(chain)[:2]
    for image, mask, labels, picks in zip(
        *(rows[n] for n in ("image", "segmentation", "labels", "picks")), strict=True
    ):
        assert image.shape == mask.shape == labels.shape == (20, 32, 32)
        for (x, y, z), label in zip(np.rint(picks["pixels"]).astype(int), picks["label"], strict=True):
            assert labels[z, y, x] == label + 1 == mask[z, y, x]


def test_they_are_published_as_others_are(options, tmp_path):
    ds = load_dataset("synthetic", num_examples=2, clean=True, **options)
    folder = tmp_path / "published"
    publish(ds, folder, license="cc0-1.0")
    card = (folder / "README.md").read_text()
    assert "| `tilts` | lists of float32 | of the images that the tomogram was made of: degrees about y |" in card
    assert not re.search(r"^\| `.*\| *\|$", card, re.MULTILINE)  # no column without a meaning
    plain = datasets.load_dataset(str(folder), split="train").with_format("numpy")
    for row, own in zip(plain, ds, strict=True):
        for name in ("image", "segmentation", "clean"):
            np.testing.assert_array_equal(row[name], own[name])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"particles": (5, 500)}, "about .* fit: expected fewer, or a larger volume"),
        ({"tilts": (-60, 100, 2)}, "tilts is .*: expected .* from -90 to 90"),
        ({"tomogram_shape": (24, 40)}, "tomogram_shape is .*: expected voxels"),
        (
            {"unit": "particle", "particles": None},
            "tomogram_shape is .*, and unit is 'particle': expected unit='tomogram'",
        ),
        ({"max_shift": 5}, "max_shift is 5: expected 0"),
        ({"segmentation": "all"}, "segmentation"),
    ],
)
def test_what_cannot_be_is_told_before_there_are_rows(options, given, words):
    with pytest.raises(OptionError, match=words):
        load_dataset("synthetic", num_examples=2, **(options | given))


def test_a_number_of_particles_is_that_number(options):
    ds = load_dataset("synthetic", num_examples=5, **(options | {"particles": 4}))
    assert {len(row["label"]) for row in ds["picks"]} == {4}


def test_the_docs_run_and_have_all_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo-output").mkdir()
    write_map(tmp_path / "demo-output" / "map.mrc", blob(24, 1.5), 10.0)
    text = (Path(__file__).parents[2] / "docs" / "builders" / "synthetic_tomograms.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", text, re.S)
    names = {}
    exec(compile(block, "docs", "exec"), names)
    assert names["row"]["segmentation"].shape == (24, 48, 48)
    assert names["ds"][1]["labels"].shape == (24, 48, 48)
    of_options, of_columns = text.split("| column |")
    assert set(_first_words(of_options)) == {*OF_UNITS["tomogram"], "clean"}
    others = {"segmentation", "pixel_size", "path", "index"}
    assert set(_first_words(of_columns)) - {"clean"} | others == set(names["row"])


def _first_words(table):
    """The names in the first column of a table."""
    return re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", table, re.M)))
