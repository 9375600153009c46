import io
import json

import numpy as np
import pytest
from PIL import Image

from builders.cli import main
from builders.io import mrc
from builders.tomograms.inspecting import sections
from builders.tomograms.inspecting.picture import COLOURS, Seen, picture_of
from builders.tomograms.inspecting.sections import Sections, limits_of, sections_of
from builders.tomograms.sources import Asked, find
from tests.tomograms import projects


@pytest.fixture(scope="module")
def project():
    return projects.make(picks=3)


@pytest.fixture
def folder(tmp_path, project):
    projects.write_mrc_folder(tmp_path / "mrc", project)
    return tmp_path / "mrc"


def planes(voxels):
    nz, ny, nx = voxels.shape
    return {"xy": voxels[nz // 2], "xz": voxels[:, ny // 2], "yz": voxels[:, :, nx // 2].T}


def inspect(*arguments):
    return main(["tomograms", "inspect", *map(str, arguments)])


def same(found, expected):
    assert list(found) == list(expected)
    for name, plane in expected.items():
        assert np.array_equal(found[name], plane), name


def test_sections_are_those_through_the_middle(folder, project):
    found = find(Asked(data_dir=str(folder), tomogram="TS_*.mrc"))
    for tomogram, run in zip(found.tomograms, project.runs, strict=True):
        seen = sections_of(tomogram.volume)
        assert (seen.middle, seen.skipped) == ((10, 12, 14), "")
        same(seen.planes, planes(run.voxels))


def test_of_chunks_only_those_that_sections_cross_are_read(tmp_path, project):
    projects.write_zarr_folder(tmp_path, project, levels=1)
    run, crossed = project.runs[0], [10 // 8, 12 // 16, 14 // 12]
    for path in (tmp_path / "TS_1.zarr" / "0").glob("*/*/*"):
        if not any(int(part) == own for part, own in zip(path.parts[-3:], crossed, strict=True)):
            path.write_bytes(b"damaged")
    seen = sections_of(find(Asked(data_dir=str(tmp_path), tomograms=("TS_1",))).tomograms[0].volume)
    same(seen.planes, planes(run.voxels))


def test_sections_that_need_a_large_file_as_a_whole_are_left_out(folder, monkeypatch):
    monkeypatch.setattr(sections, "MOST_HERE", 1000)
    seen = sections_of(find(Asked(data_dir=str(folder), tomogram="TS_1.mrc")).tomograms[0].volume)
    assert list(seen.planes) == ["xy", "xz"]
    assert seen.skipped == "yz not drawn: 0.0 GB would have to be read"


def test_limits_are_unlike_whatever_the_pixels_are():
    assert limits_of({}) == (0.0, 1.0)
    assert limits_of({"xy": np.full((2, 3), np.nan, np.float32)}) == (0.0, 1.0)
    assert limits_of({"xy": np.full((2, 3), 7, np.float32)}) == (6.5, 7.5)


def test_a_ring_lies_around_its_pick():
    voxels = np.zeros((10, 20, 40), np.float32)
    cut = Sections(planes(voxels), (5, 10, 20), (0.0, 1.0))
    seen = Seen("TS_1", voxels.shape, 10.0, cut, np.array([[7.0, 3.0, 5.0]]), np.array([1]), {})
    picture = np.asarray(Image.open(io.BytesIO(picture_of([seen], ["apoferritin", "ribosome"]))).convert("RGB"))
    side = 31  # pixels of a voxel
    xy = picture[54 : 54 + 20 * side, 16 : 16 + 40 * side]
    rows, columns = np.nonzero((xy == COLOURS[1]).all(-1))
    assert abs(rows.mean() - 3.5 * side) < 1
    assert abs(columns.mean() - 7.5 * side) < 1


def test_masks_tint_what_they_cover():
    voxels, mask = np.zeros((10, 20, 40), np.float32), np.zeros((10, 20, 40), np.float32)
    mask[5, 2:6, 30:34] = 2
    cut, covered = Sections(planes(voxels), (5, 10, 20), (0.0, 1.0)), Sections(planes(mask), (5, 10, 20), (0.0, 1.0))
    seen = Seen("TS_1", voxels.shape, None, cut, np.zeros((0, 3)), np.zeros(0, np.int64), {"ribosome": covered})
    picture = np.asarray(Image.open(io.BytesIO(picture_of([seen], []))).convert("RGB"))
    side = 31  # pixels of a voxel
    rows, columns = np.nonzero(picture[54 : 54 + 20 * side, 16 : 16 + 40 * side].any(-1))
    found = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    np.testing.assert_allclose(found, np.multiply((2, 6, 30, 34), side), atol=2)


def test_the_command_tells_what_a_folder_has(folder, tmp_path, capsys):
    png = tmp_path / "look.png"
    assert inspect(folder, "--tomogram", "TS_*.mrc", "--picks", "*.csv", "--png", png) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{folder}: 2 tomograms, picks: apoferritin 6, ribosome 6\nTS_1\n")
    assert "  shape: 20 x 24 x 28 voxels (z, y, x) of 10 Å, 20 x 24 x 28 nm\n" in out
    assert "  picks: apoferritin 3, ribosome 3\n" in out
    assert err == f"drawn: {png}\n"
    assert png.read_bytes().startswith(b"\x89PNG")


def test_the_command_tells_levels_orientations_and_masks_of_a_copick_project(tmp_path, project, capsys):
    config = projects.write_copick(tmp_path, project)
    masks = "ribosome:user/1"
    assert inspect(config, "--segmentation", masks, "--json", "--png", tmp_path / "look.png") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["classes"] == ["apoferritin", "ribosome"]
    assert told["counts"] == {"apoferritin": 6, "ribosome": 12}
    first = told["tomograms"][0]
    assert (first["picks"], first["outside"], first["oriented"]) == ({"apoferritin": 3, "ribosome": 6}, 0, 9)
    assert [level["pixel_size"] for level in first["levels"]] == [10, 20]
    assert list(first["masks"]) == [masks]
    assert inspect(config, "--level", 1, "--picks", "ribosome:data/1") == 0
    assert "picks: ribosome 3, all with orientations" in capsys.readouterr().out


def test_picks_outside_are_counted_and_drawn_nowhere(folder, tmp_path, capsys):
    (folder / "TS_1.csv").write_text("1,2,3,ribosome\n999,2,3,ribosome\n")
    png = tmp_path / "look.png"
    assert inspect(folder, "--tomogram", "TS_1.mrc", "--picks", "*.csv", "--png", png) == 0
    assert "  picks: ribosome 2; 1 lies outside of the volume\n" in capsys.readouterr().out


def test_volumes_without_a_size_have_counts_all_the_same(tmp_path, capsys):
    mrc.write(tmp_path / "TS_1.mrc", np.zeros((4, 5, 6), np.float32))
    (tmp_path / "TS_1.csv").write_text("1,2,3,ribosome\n")
    assert inspect(tmp_path, "--picks", "*.csv", "--png", tmp_path / "look.png") == 0
    out = capsys.readouterr().out
    assert "4 x 5 x 6 voxels (z, y, x); their size is not told" in out
    assert "picks: ribosome 1\n" in out + "\n"


def test_what_cannot_be_read_is_told_and_the_command_fails(folder, capsys):
    (folder / "TS_2.mrc").write_bytes(b"no volume at all")
    assert inspect(folder, "--tomogram", "TS_*.mrc") == 1
    assert "left out: TS_2: " in capsys.readouterr().out
    assert inspect(folder / "nowhere") == 1
    assert "nowhere" in capsys.readouterr().err


def test_the_command_tells_what_a_mirror_of_the_portal_has(tmp_path, project, capsys):
    root = projects.write_portal(tmp_path / "portal", project)
    assert inspect(root, "--portal", "--tomograms", "TS_2", "--png", tmp_path / "look.png") == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{root}: 1 tomogram, picks: apoferritin 3, ribosome 3\nTS_2\n")
    assert "levels: 0: 10 Å, 20 x 24 x 28; 1: 20 Å, 10 x 12 x 14\n" in out
    assert "picks: apoferritin 3, ribosome 3, 3 with orientations\n" in out + "\n"


def test_all_reconstructions_of_runs_are_told(tmp_path, project, capsys):
    config = projects.write_copick(tmp_path, project, types=("wbp", "denoised"))
    assert inspect(config) == 0
    told = capsys.readouterr().out
    assert "4 tomograms" in told
    assert all(f"{run} {kind}.zarr@10.000\n" in told for run in ("TS_1", "TS_2") for kind in ("wbp", "denoised"))
    assert inspect(config, "--tomogram", "wbp") == 0
    assert "2 tomograms" in capsys.readouterr().out


def test_picks_may_be_told_by_class(tmp_path, capsys):
    mrc.write(tmp_path / "TS_1.mrc", np.zeros((5, 6, 7), np.float32), 10.0)
    for name in ("a", "b"):
        (tmp_path / f"TS_1_{name}.csv").write_text("x,y,z\n1,2,3\n")
    words = ["tomograms", "inspect", str(tmp_path), "--json", "--picks", "rod=TS_1_a.csv", "barrel=*_b.csv"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["classes"] == ["barrel", "rod"]
