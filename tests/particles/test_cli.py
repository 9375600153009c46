"""`perc particles inspect`: what it says of a table, whether its files are there or not."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from builders.cli import main
from builders.io import mrc
from builders.particles import write
from builders.particles.inspecting import charts
from tests.particles.samples import dataset, rows


@pytest.fixture
def table(tmp_path):
    """A table of 30 particles of three micrographs, and its stack."""
    made = list(rows(30))
    made[0] |= {"pose": None, "half_set": None}
    made[1]["micrograph"] = None
    write(dataset(made), tmp_path / "p")
    return tmp_path / "p" / "particles.star"


def inspect(capsys, *words):
    code = main(["particles", "inspect", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_counts_are_told(table, capsys):
    code, out, _ = inspect(capsys, table)
    assert code == 0
    assert f"{table}: 30 particles, a table of RELION" in out
    assert "micrographs: 3, 9 to 10 particles each, median 10; 1 particle of none" in out
    assert "files: 1, all there" in out
    assert "half-sets: 1 (15), 2 (14), none (1)" in out
    assert "classes: 1 (8), 2 (8), 3 (7), 4 (7)" in out
    assert "pose: none of 1 particle" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["1", "15", "1.5", "8", "300", "2.7", "0.1"] in lines
    assert ["2", "15", "1.5", "8", "200", "2.7", "0.1"] in lines


def test_programs_get_json_alone(table, capsys, tmp_path):
    code, out, err = inspect(capsys, table, "--json", "--png", tmp_path / "x.png")
    told = json.loads(out)
    assert (code, told["particles"], told["micrographs"], told["missing"]) == (0, 30, 3, [])
    assert [group["values"]["voltage"] for group in told["groups"]] == [[300.0], [200.0]]
    assert told["per_micrograph"] == {"least": 9.0, "median": 10.0, "most": 10.0}
    assert f"drawn: {tmp_path / 'x.png'}" in err


def test_missing_stacks_are_counted_and_the_first_ones_told(table, capsys):
    (table.parent / "particles" / "00000.mrcs").rename(table.parent / "particles" / "00000_f03.mrcs")
    code, out, _ = inspect(capsys, table)
    assert code == 0
    assert "files: 1, 1 missing (30 particles):" in out
    assert "  particles/00000.mrcs (there is 00000_f03.mrcs)" in out


def test_of_many_missing_stacks_three_are_told(tmp_path, capsys):
    lines = "".join(f"000001@a/s{place}.mrcs\n" for place in range(5))
    (tmp_path / "t.star").write_text(f"data_particles\nloop_\n_rlnImageName\n{lines}")
    _, out, _ = inspect(capsys, tmp_path / "t.star")
    assert "files: 5, 5 missing (5 particles):" in out
    assert "  and 2 more" in out
    assert "micrographs: none are named" in out
    assert "ctf: none" in out.splitlines()


def test_a_root_and_other_programs_tables(tmp_path, capsys):
    write(dataset(list(rows(6))), tmp_path / "job", "cs", root=tmp_path, micrograph_shape=(4000, 4000))
    table = (tmp_path / "job" / "particles.cs").rename(tmp_path / "elsewhere.cs")
    code, out, _ = inspect(capsys, table, "--root", tmp_path)
    assert code == 0
    assert "6 particles, a table of CryoSPARC" in out
    assert "all there" in out


def test_names_that_would_move_the_cursor_are_told_without(tmp_path, capsys):
    (tmp_path / "t.star").write_text(
        "data_particles\nloop_\n_rlnImageName\n_rlnMicrographName\n1@a\u202e.mrcs m\x1b[31m\n"
    )
    code, out, err = inspect(capsys, tmp_path / "t.star")
    assert "\x1b" not in out + err
    assert "\u202e" not in out + err
    assert code in (0, 1)


def test_what_is_no_table_is_an_error(tmp_path, capsys):
    (tmp_path / "x.star").write_text("hello")
    code, out, err = inspect(capsys, tmp_path / "x.star")
    assert (code, out) == (1, "")
    assert err.startswith("perc: error: ")
    assert "x.star" in err


def test_histograms_are_a_picture_that_fits_a_page(table, capsys, tmp_path):
    picture = tmp_path / "x.png"
    inspect(capsys, table, "--png", picture)
    image = Image.open(io.BytesIO(picture.read_bytes()))
    assert 1200 < image.width <= 1700
    first = picture.read_bytes()
    inspect(capsys, table, "--png", picture)
    assert picture.read_bytes() == first


def test_boxes_of_micrographs_are_drawn_where_these_are(table, capsys, caplog, tmp_path):
    """Whatever is wrong with them is said, and the histograms are there all the same."""
    pictures = [tmp_path / f"{name}.png" for name in ("without", "with", "damaged")]
    inspect(capsys, table, "--png", pictures[0])
    micrograph = table.parent / "m0.mrc"
    mrc.write(micrograph, np.random.default_rng(0).normal(size=(4100, 4100)).astype(np.float32), 1.5)
    inspect(capsys, table, "--png", pictures[1])
    micrograph.write_bytes(b"damaged")
    assert inspect(capsys, table, "--png", pictures[2])[0] == 0
    assert "no boxes of micrographs are drawn" in caplog.text
    assert "m0.mrc: 7 bytes" in caplog.text
    without, drawn, damaged = (Image.open(io.BytesIO(picture.read_bytes())) for picture in pictures)
    assert drawn.height > without.height == damaged.height
    assert drawn.width <= 1700


def test_nothing_is_drawn_of_nothing(tmp_path, capsys):
    (tmp_path / "t.star").write_text("data_particles\nloop_\n_rlnImageName\n1@a.mrcs\n")
    _, _, err = inspect(capsys, tmp_path / "t.star", "--png", tmp_path / "x.png")
    assert "nothing drawn" in err
    assert not (tmp_path / "x.png").exists()


def test_a_bar_is_as_high_as_its_count():
    """Twice as many particles, twice as high; one value alone has a bar, too."""
    values = np.repeat([0.0, 1.0], [100, 50])
    for panel in (charts.Histogram("x", values), charts.Histogram("x", np.ones(3))):
        pixels = np.asarray(charts.draw([panel]).convert("RGB")).astype(int)
        heights = (pixels == (70, 110, 160)).all(-1).sum(0)
        there = heights[heights > 0]
        assert len(there)
        if panel.values is values:
            assert there.max() == pytest.approx(2 * there.min(), abs=2)


def test_angles_are_turned_into_one_range():
    turned = charts._turned(np.array([181.0, -530.0, 10.0]))
    np.testing.assert_allclose(turned, [-179, -170, 10])
