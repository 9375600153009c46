"""Recipes are short, run, learn, and are what their pages say."""

import importlib
import re
import textwrap
from pathlib import Path

import pytest
from PIL import Image

from examples.recipes import __main__ as runner

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "recipes"
CHEAP = ["classify_subtomograms"]
"""`make recipes SMALL=1` runs the others, too."""


def script(name):
    return (ROOT / "examples" / "recipes" / f"{name}.py").read_text()


def blocks(name):
    return re.findall(r"^```python\n(.*?)^```$", (PAGES / f"{name}.md").read_text(), re.S | re.M)


@pytest.mark.parametrize("name", runner.NAMES)
def test_a_recipe_is_short_and_its_page_shows_parts_of_it(name):
    lines = script(name).splitlines()
    assert len(lines) <= 80
    assert blocks(name)
    for block in blocks(name):
        count = block.count("\n")
        parts = ("\n".join(lines[first : first + count]) for first in range(len(lines)))
        assert block in {textwrap.dedent(part) + "\n" for part in parts}, f"not in {name}.py:\n{block}"


@pytest.mark.parametrize("name", runner.NAMES)
def test_a_recipe_has_a_picture_that_is_sharp_and_small(name):
    text = (PAGES / f"{name}.md").read_text()
    assert re.search(rf"^!\[[^\]]{{10,}}\]\({name}\.png\)$", text, re.M)
    assert f"python -m examples.recipes.{name}" in text
    with Image.open(PAGES / f"{name}.png") as picture:
        assert picture.width == 1600
    assert (PAGES / f"{name}.png").stat().st_size < 400_000


def test_the_index_lists_each_recipe_once():
    listed = re.findall(r"\]\((\w+)\.md\)", (PAGES / "index.md").read_text())
    assert sorted(listed) == runner.NAMES
    assert {path.stem for path in PAGES.glob("*.md")} == {"index", *runner.NAMES}


@pytest.mark.parametrize("name", CHEAP)
def test_a_recipe_learns_from_little_data(name, tmp_path):
    """One that learns nothing raises."""
    importlib.import_module(f"examples.recipes.{name}").main(["--small", "--out", str(tmp_path)])
    assert (tmp_path / f"{name}.png").is_file()


def test_the_runner_runs_the_others_when_one_fails_and_says_which_did(tmp_path, monkeypatch, capfd):
    def run(command, check):
        out = Path(command[command.index("--out") + 1])
        assert ("--small" in command) == ("--small" in given)
        name = command[2].removeprefix("examples.recipes.")
        Image.effect_noise((64, 48), 50).save(out / f"{name}.png")
        return runner.subprocess.CompletedProcess(command, int(name == failing))

    monkeypatch.setattr(runner.subprocess, "run", run)
    (tmp_path / "pages").mkdir()
    given, failing = ["--out", str(tmp_path), "--small", "--pictures", str(tmp_path / "pages")], runner.NAMES[0]
    assert runner.main(given) == 1
    out = capfd.readouterr().out
    assert re.findall(r"(\w+): failed with exit code 1", out) == [failing]
    assert all(f"== {name}\n" in out for name in runner.NAMES)
    assert {path.stem for path in (tmp_path / "pages").iterdir()} == set(runner.NAMES) - {failing}
    given, failing = ["--out", str(tmp_path)], None
    assert runner.main(given) == 0
    with pytest.raises(SystemExit):
        runner.main(["no_such"])
    assert "no_such: no such recipe: expected some of" in capfd.readouterr().err
