"""The pages for users of profet, EMPIARreader and CAKED: our code runs on what theirs is for."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from builders.cli import main
from builders.io import mrc
from builders.structures.databases import services
from tests.empiar import deposit
from tests.structures.databases.served import serve_databases, standard

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A deposit of a stack, in a folder as the archive has it."""
    deposit.make(tmp_path / "mirror")
    deposit.write_xml(tmp_path / "mirror", deposit.SETS[:1])
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def subtomograms(tmp_path, monkeypatch):
    folder = tmp_path / "subtomograms"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for label in ("ribosome", "tric"):
        for number in range(1, 17):
            volume = rng.standard_normal((40, 40, 40)).astype(np.float32)
            mrc.write(folder / f"{label}_{number}.mrc", volume, pixel_size=3.0)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def databases(tmp_path, monkeypatch):
    """In place of the services, which no page names."""
    make = services.Services.__post_init__
    with serve_databases() as databases:
        standard(databases)

        def made(self):
            object.__setattr__(self, "endpoints", self.endpoints or databases.endpoints)
            make(self)

        monkeypatch.setattr(services.Services, "__post_init__", made)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
        yield databases


@pytest.mark.parametrize("name", ["profet", "empiarreader", "caked"])
def test_what_replaces_other_packages_runs(name, subtomograms, mirror, databases):
    """Blocks of ours are marked `python` and `console`, theirs `text`."""
    text = (ROOT / "docs" / "from" / f"{name}.md").read_text()
    names = {"__name__": name}
    blocks = re.findall(r"```(python|console)\n(.*?)```", text, re.S)
    assert {kind for kind, _ in blocks} == {"python", "console"}
    for kind, block in blocks:
        if kind == "python":
            exec(compile(block, f"{name}.md", "exec"), names)
            continue
        for command in re.findall(r"^\$ perc (.*)$", block, re.M):
            assert main(shlex.split(command, comments=True)) == 0
    if name == "profet":
        assert names["cleaned"].name == "p45523_1q6h_nosignal1to25_nohydrogens_nowater_nohetatm.pdb"
        assert [file.entry_id for file in names["files"]] == ["1q6h", "4v1w"]
        assert len(names["ds"][0]["coordinates"]) == len(names["ds"][0]["uniprot_position"])
    if name == "empiarreader":
        assert names["image"].shape == names["batch"]["image"].shape[1:]
        assert Path("saved/data/particles/stack.mrcs").is_file()
    if name == "caked":
        assert names["batch"]["image"].shape == (4, 1, 32, 32, 32)
        assert set(names["names"]) <= {"ribosome", "tric"}
        assert [len(names["ds"][split]) for split in ("train", "validation")] == [18, 6]
