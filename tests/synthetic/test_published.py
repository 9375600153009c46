"""What is made goes on as all else does: published with its pixels, and as RELION's particles."""

import datasets
import numpy as np
import pytest
import torch

from builders import load_dataset, publish
from builders.cli import main
from builders.errors import OptionError
from builders.particles import write
from builders.synthetic.facts import facts_of


def test_published_rows_hold_pixels_and_tell_that_they_were_made(options, tmp_path):
    made = load_dataset("synthetic", num_examples=6, seed=7, clean=True, **options)
    stream = load_dataset("synthetic", num_examples=6, seed=7, clean=True, streaming=True, **options)
    for name, ds in (("table", made), ("stream", stream)):
        publish(ds, tmp_path / name, license="cc-by-4.0")
        plain = datasets.load_dataset(str(tmp_path / name), split="train").with_format("numpy")
        for row, own in zip(plain, made, strict=True):
            for column in ("image", "clean"):
                np.testing.assert_allclose(row[column], own[column], atol=1e-5)
            assert row["pose"]["tilt"] == pytest.approx(own["pose"]["tilt"])
            assert row["id"] == own["id"]
        assert plain.features["label"].names == ["blobs"]
        card = (tmp_path / name / "README.md").read_text()
        assert "Synthetic images of blobs: they were computed, no microscope took them" in card
        assert "structures='blobs.mrc'" in card
        assert "seed=7" in card
        assert "the row's name" in card
        assert "number of an image that was made" in card
        assert str(tmp_path) not in card


def test_licences_are_those_of_the_archives_that_structures_are_of():
    assert facts_of(["4v1w", "AF-P45523-F1"], [], {})["license"] == "cc-by-4.0"
    assert "license" not in facts_of(["4v1w", "mine.cif"], [], {})
    assert "license" not in facts_of([{"coordinates": [], "element": []}], ["a"], {})


def test_relion_gets_the_particles_with_what_is_true_of_them(options, tmp_path):
    given = options | {"num_examples": 8, "max_shift": 6.0, "astigmatism": 300.0}
    made = load_dataset("synthetic", **given)
    for name, ds in (("table", made), ("stream", load_dataset("synthetic", streaming=True, **given))):
        write(ds, tmp_path / name)
        star = str(tmp_path / name / "particles.star")
        read = load_dataset("particles", star=star, split="train", cache_dir=options["cache_dir"])
        for row, own in zip(read, made, strict=True):
            np.testing.assert_allclose(row["image"], own["image"], atol=1e-5)
            for column in ("pose", "ctf"):
                assert row[column] == pytest.approx(own[column], abs=1e-4)
            assert row["pixel_size"] == 3.0


def test_transforms_and_loaders_take_made_rows(options):
    import perc_transforms as T

    made = load_dataset("synthetic", num_examples=12, **options).with_transform(T.Compose([T.Normalize()]))
    batch = next(iter(torch.utils.data.DataLoader(made, batch_size=8)))
    assert batch["image"].shape == (8, 32, 32)
    assert batch["image"].std().item() == pytest.approx(1, abs=1e-3)


def test_the_command_publishes_what_it_makes(map_file, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    words = f"publish synthetic {map_file} --num-examples 3 --box-size 32 --pixel-size 3 --snr 0.1 1 --defocus 9000"
    assert main([*words.split(), "--clean", "--license", "cc0-1.0", "--to", str(tmp_path / "made")]) == 0
    assert "3 rows of train" in capsys.readouterr().out
    rows = datasets.load_dataset(str(tmp_path / "made"), split="train")
    assert np.asarray(rows[0]["clean"]).shape == (32, 32)
    assert {row["ctf"]["defocus_u"] for row in rows} == {9000}
    assert len({row["snr"] for row in rows}) == 3
    words = f"publish synthetic {map_file} --unit tomogram --tomogram-shape 40 40 40 --particles 1 --tilts -20 20 20"
    options = "--box-size 32 --pixel-size 3 --segmentation false --num-examples 1 --license cc0-1.0"
    assert main([*words.split(), *options.split(), "--to", str(tmp_path / "tomograms")]) == 0
    assert "segmentation" not in datasets.load_dataset(str(tmp_path / "tomograms"), split="train").column_names


def test_what_has_no_end_is_published_in_part_alone(options, tmp_path):
    stream = load_dataset("synthetic", streaming=True, **options)
    for endless in (stream, stream.shuffle(seed=1), stream.select_columns(["image"])):
        with pytest.raises(OptionError, match=r"a stream without end .*num_examples=, or .take"):
            publish(endless, tmp_path / "endless", license="cc0-1.0")
    with pytest.raises(OptionError, match=r"a stream without end .*num_examples=, or .take"):
        write(stream, tmp_path / "endless")
    publish(stream.take(5), tmp_path / "five", license="cc0-1.0")
    assert len(datasets.load_dataset(str(tmp_path / "five"), split="train")) == 5
