"""`perc particles check` says which convention fits, and its exit code whether it is the stated one."""

from PIL import Image

from builders.cli import main
from builders.io import mrc
from tests.particles import blobs


def run(capsys, *words):
    code = main(["particles", "check", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out.splitlines(), said.err


def test_a_table_is_checked_against_a_map(tmp_path, capsys):
    rows = list(blobs.rows(count=60, snr=0.5))
    table = blobs.write_project(tmp_path / "right", rows)
    mrc.write(tmp_path / "map.mrc", blobs.volume(), 2.0)
    code, out, _ = run(capsys, table, "--map", tmp_path / "map.mrc", "--scores", 3, "--images", 40)
    assert code == 0
    assert out[0].startswith("as stated: ")
    assert out[1].endswith("  as stated")
    assert len(out) == 4

    for row in rows:
        row["pose"] = {**row["pose"], **{name: -row["pose"][name] for name in ("shift_x", "shift_y")}}
    table = blobs.write_project(tmp_path / "wrong", rows)
    code, out, err = run(capsys, table, "--map", tmp_path / "map.mrc", "--png", tmp_path / "x.png")
    assert code == 1
    assert out[0].startswith("not as stated: the shifts have the opposite sign")
    assert err.endswith(f"drawn: {tmp_path / 'x.png'}\n")
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.width > 400


def test_without_a_map_images_alone_are_looked_at(tmp_path, capsys):
    rows = blobs.rows(count=60, snr=20.0, shifts=0.0)
    code, out, _ = run(capsys, blobs.write_project(tmp_path, ({**row, "image": -row["image"]} for row in rows)))
    assert code == 1
    assert "the contrast is inverted" in out[0]
    assert any("cannot be told without a volume" in line for line in out)


def test_what_is_missing_is_said(tmp_path, capsys):
    table = blobs.write_project(tmp_path, blobs.rows(count=10))
    code, _, err = run(capsys, table, "--map", tmp_path / "none.mrc")
    assert code == 1
    assert err.startswith("perc: error: ")
    assert "none.mrc" in err
