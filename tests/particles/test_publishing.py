"""`perc publish TABLE`: what plain `datasets` loads has the rows of the table, and nothing of this machine."""

import datasets
import numpy as np
import pytest

from builders import load_dataset
from builders.cli import main
from tests.empiar import deposit
from tests.particles.made import Project, pixels_of
from tests.server import serve


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "mirror" / deposit.ENTRY / "data").make()


def published(folder, tmp_path):
    return datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "plain"))


def rows_of(split):
    return {(row["path"], row["index"]): row for row in split}


@pytest.mark.parametrize("words", [[], ["particles"], ["particles", "--star"]])
def test_a_table_is_published_whichever_way_it_is_named(project, tmp_path, words):
    command = ["publish", *words, str(project.table), "--columns", "rlnHelicalTubeID", "--license", "cc0-1.0"]
    assert main([*command, "--to", str(tmp_path / "out")]) == 0
    found = rows_of(published(tmp_path / "out", tmp_path)["train"])
    cache = str(tmp_path / "own")
    ours = load_dataset("particles", star=project.table, split="train", columns=["rlnHelicalTubeID"], cache_dir=cache)
    assert len(found) == len(ours) == len(project.facts)
    for row, (stack, index) in zip(ours, project.facts, strict=True):
        same = found[row["path"], row["index"]]
        np.testing.assert_array_equal(same.pop("image"), pixels_of(stack, index))
        assert same == {name: value for name, value in row.items() if name != "image"}


def test_options_are_those_of_the_builder(project, tmp_path):
    command = ["publish", str(project.table), "--validation-fraction", "0.3", "--half-set", "1", "--license", "mit"]
    assert main([*command, "--to", str(tmp_path / "out")]) == 0
    splits = published(tmp_path / "out", tmp_path)
    assert sorted(splits) == ["train", "validation"]
    assert sum(map(len, splits.values())) == sum(sum(fact) % 2 == 0 for fact in project.facts)
    card = (tmp_path / "out/README.md").read_text()
    assert str(tmp_path) not in card


def test_an_entry_tells_its_licence_and_how_to_cite_it(project, tmp_path):
    with serve() as server:
        server.publish(tmp_path / "mirror")
        table = f"empiar://{deposit.ENTRY}/data/Refine3D/job002/run_data.star"
        assert main(["publish", table, "--archive", server.base, "--to", str(tmp_path / "out")]) == 0
    card = (tmp_path / "out/README.md").read_text()
    assert "license: cc0-1.0" in card
    assert "EMPIAR-10943" in card
    assert len(published(tmp_path / "out", tmp_path)["train"]) == 12


def test_what_is_no_table_is_told(tmp_path, capsys):
    (tmp_path / "x.star").write_text("nothing")
    assert main(["publish", str(tmp_path / "x.star"), "--to", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith("perc: error: ")
