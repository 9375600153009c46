"""Tiles and subtomograms are published as other rows are, and read back by plain `datasets`."""

import datasets
import numpy as np
import pytest

from builders import load_dataset, publish
from builders.cli import main
from tests.tomograms import projects

UNITS = {
    "tile": {"unit": "tile", "tile": (10, 12, 14), "segmentation": "masks/*.mrc"},
    "subtomogram": {"unit": "subtomogram", "box_size": 6, "background": 2},
}


@pytest.mark.parametrize(("unit", "streaming"), [("tile", True), ("subtomogram", False)])
def test_plain_datasets_read_what_was_published(unit, streaming, tmp_path):
    place = projects.write_mrc_folder(tmp_path / "data", projects.make())
    given = {"data_dir": str(place), "tomogram": "*.mrc", "picks": "*.csv", **UNITS[unit]}
    given |= {"validation_fraction": 0.5, "cache_dir": str(tmp_path / "cache")}
    ours = load_dataset("tomograms", **given)
    publish(load_dataset("tomograms", **given, streaming=streaming), str(tmp_path / "out"), license="cc0-1.0")
    plain = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "plain"))
    assert sorted(plain) == ["train", "validation"]
    for split, rows in plain.items():
        assert len(rows) == len(ours[split])
        for row, wanted in zip(rows, ours[split], strict=True):
            for name, value in wanted.items():
                if name in ("image", "segmentation"):
                    np.testing.assert_array_equal(np.asarray(row[name]), value)
                else:
                    assert row[name] == value
    if unit == "subtomogram":
        assert plain["train"].features["label"].names == ["apoferritin", "ribosome", "background"]
    card = (tmp_path / "out/README.md").read_text()
    assert "\nTomograms became rows by these options:" in card
    meanings = {line.split("`")[1]: line.rpartition(" | ")[2] for line in card.splitlines() if line.startswith("| `")}
    assert all(meanings[name].strip(" |") for name in plain["train"].column_names)
    assert "(z, y, x)" in meanings["origin"]
    assert all(
        "(x, y, z)" in meanings[name] and "Å" in meanings[name] for name in meanings if name in ("picks", "coordinates")
    )
    assert str(tmp_path) not in card
    assert unit in card


def test_the_command_publishes_a_copick_project(tmp_path):
    place = projects.write_copick(tmp_path / "data", projects.make(), levels=1)
    command = ["publish", "tomograms", str(place), "--picks", "ribosome:data", "apoferritin:data", "--unit", "tile"]
    assert main([*command, "--tile", "10", "--license", "cc0-1.0", "--to", str(tmp_path / "out")]) == 0
    plain = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "plain"))
    assert np.shape(plain[0]["image"]) == (10, 10, 10)
    assert sum(len(row["label"]) for row in plain["picks"]) == 16


def test_cubes_are_published_upright(tmp_path, capsys):
    place = projects.write_copick(tmp_path / "data", projects.make(), levels=1)
    command = [
        "publish",
        "tomograms",
        str(place),
        "--picks",
        "ribosome:data",
        "--unit",
        "subtomogram",
        "--box-size",
        "6",
    ]
    command += ["--license", "cc0-1.0", "--to", str(tmp_path / "out"), "--align"]
    assert main([*command, "perhaps"]) == 1
    assert "--align perhaps: expected true or false" in capsys.readouterr().err
    assert main([*command, "true"]) == 0
    plain = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "plain"))
    assert plain["rotation"][0] == np.eye(3).tolist()
