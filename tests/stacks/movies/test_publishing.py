"""Rows of frames and sums go to the Hub's format and come back."""

import json

import datasets
import numpy as np
import pytest

from builders import as_em_images, publish
from builders.cli import main
from builders.io import mrc
from tests.empiar import deposit
from tests.stacks.movies import films


@pytest.mark.parametrize("layout", ["lists", "bytes"])
@pytest.mark.parametrize("streaming", [True, False])
def test_what_is_published_is_the_same(tmp_path, layout, streaming):
    held = films.write(tmp_path / "mirror", packed=["gz"])
    options = {"frame_group": 2, "frame_dose": 0.5, "streaming": streaming}
    ds = films.load(tmp_path / "mirror", tmp_path, item="frame", **options)
    publish(ds, tmp_path / "out", layout=layout)
    plain = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    rows = list(as_em_images(plain) if layout == "bytes" else plain.with_format("numpy"))
    films.check(rows, films.groups_of(held, 2))
    assert [row["pre_exposure"] for row in rows] == [0.5 * row["frame"] for row in rows]
    assert {float(np.float32(row["dose"])) for row in rows} == {1.0}


def test_the_command_has_the_options_of_movies(tmp_path, capsys):
    held = films.write(tmp_path / "mirror")
    source = ["publish", "EMPIAR-10943", "--archive", str(tmp_path / "mirror"), "--to", str(tmp_path / "out")]
    assert main([*source, "--item", "frame", "--frames=1:-1", "--frame-group", "2", "--no-flip-y"]) == 0
    plain = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    films.check(plain.with_format("numpy"), films.groups_of(held, 2, 1, -1))
    assert main([*source, "--frames", "3"]) == 1  # how many there are, which made movies alone are asked
    assert "--frames=3: expected START:STOP" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*source, "--frames", "3-5"])
    assert "expected START:STOP" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["publish", "EMPIAR-10943", "--help"])
    help = " ".join(capsys.readouterr().out.split())
    assert "e/Å² a raw frame" in help or "dose of a raw frame, in e/Å²" in help


@pytest.mark.parametrize("streaming", [True, False])
def test_the_front_page_tells_what_was_done_to_movies(tmp_path, streaming):
    films.write(tmp_path / "mirror")
    mrc.write(tmp_path / "mirror" / deposit.ENTRY / "data/movies/gain.mrc", np.ones(films.SHAPE, np.float32))
    options = {"frames": (1, None), "gain": "auto", "frame_dose": 1.5, "streaming": streaming}
    publish(films.load(tmp_path / "mirror", tmp_path, item="frame", **options), tmp_path / "out")
    told = json.loads((tmp_path / "out/provenance.json").read_text())["options"]
    assert told == ["empiar(item='frame', frames=(1, None), frame_dose=1.5, gain='gain.mrc')"]
    card = (tmp_path / "out/README.md").read_text()
    assert told[0] in card
    assert "the row's first raw frame in its movie" in card
    assert card.count("e/Å²") == 2
    publish(films.load(tmp_path / "mirror", tmp_path, pattern="m_1*", sum_frames=False), tmp_path / "plain")
    assert json.loads((tmp_path / "plain/provenance.json").read_text())["options"] == []
    assert "## Reading" not in (tmp_path / "plain/README.md").read_text()
