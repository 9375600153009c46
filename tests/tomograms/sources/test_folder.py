"""Tomograms of a folder, and of an entry: which files they are, and what belongs together."""

import json
import shutil
from dataclasses import replace

import mrcfile
import numpy as np
import pytest

from builders.errors import FormatError, NotFoundError, OptionError
from builders.io import mrc
from builders.tomograms.sources import Asked, find
from tests.empiar import deposit
from tests.server import Fault, serve
from tests.tomograms import projects


def write(folder, *paths, shape=(5, 6, 7), pixel_size=10.0):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        mrc.write(folder / path, np.zeros(shape, np.float32), pixel_size)


def test_tomograms_are_found_in_natural_order_with_their_headers(tmp_path):
    write(tmp_path, "TS_10.rec", "deep/TS_2.mrc", "._TS_3.mrc")
    (tmp_path / "notes.txt").write_text("none")
    found = find(Asked(data_dir=str(tmp_path)))
    assert [one.name for one in found.tomograms] == ["TS_2", "TS_10"]
    volume = found.tomograms[0].volume
    assert volume.file.path == "deep/TS_2.mrc"
    assert (volume.shape, volume.pixel_size, volume.offset) == ((5, 6, 7), 10.0, (0.0, 0.0, 0.0))


def test_names_are_paths_where_base_names_are_not_enough(tmp_path):
    write(tmp_path, "a/t.mrc", "b/t.mrc")
    assert [one.name for one in find(Asked(data_dir=str(tmp_path))).tomograms] == ["a/t", "b/t"]


def test_a_glob_chooses(tmp_path):
    write(tmp_path, "a_wbp.mrc", "a_den.mrc", "deep/b_wbp.mrc")
    for glob, names in {"*_wbp.mrc": ["a_wbp"], "**/*_wbp.mrc": ["a_wbp", "b_wbp"], "deep/*": ["b_wbp"]}.items():
        assert [one.name for one in find(Asked(data_dir=str(tmp_path), tomogram=glob)).tomograms] == names
    with pytest.raises(NotFoundError, match=r"that fits 'x'; there are: a_den.mrc, a_wbp.mrc, deep/b_wbp.mrc"):
        find(Asked(data_dir=str(tmp_path), tomogram="x"))


def test_one_name_under_two_suffixes_is_not_chosen_between(tmp_path):
    write(tmp_path, "t.mrc", "t.rec")
    with pytest.raises(OptionError, match=r"t.mrc, t.rec have one name: tomogram="):
        find(Asked(data_dir=str(tmp_path)))


@pytest.mark.parametrize(
    ("even", "odd", "name"),
    [
        ("t_even.mrc", "t_odd.mrc", "t"),
        ("t_EVN.mrc", "t_ODD.mrc", "t"),
        ("t_EVN_Vol.mrc", "t_ODD_Vol.mrc", "t_Vol"),
        ("rec_t_half1.mrc", "rec_t_half2.mrc", "rec_t"),
        ("t-even.mrc", "t-odd.mrc", "t"),
        ("EVN/t.mrc", "ODD/t.mrc", "t"),
        ("even/t_10.00Apx.mrc", "odd/t_10.00Apx.mrc", "t_10.00Apx"),
        ("t/even.rec", "t/odd.rec", "t"),
    ],
)
def test_halves_are_paired_by_name(tmp_path, even, odd, name):
    write(tmp_path, even, odd, "oddity.mrc")
    (pair,) = find(Asked(data_dir=str(tmp_path), pairs=True)).tomograms
    assert (pair.name, pair.volume.file.path, pair.target.file.path) == (name, even, odd)


def test_halves_without_the_other_one_are_told_together(tmp_path):
    write(tmp_path, "a_even.mrc", "b_odd.mrc", "c_even.mrc", "c_odd.mrc")
    with pytest.raises(NotFoundError, match="2 halves without the other one: a_even, b_odd"):
        find(Asked(data_dir=str(tmp_path), pairs=True))
    found = find(Asked(data_dir=str(tmp_path), pairs=True, on_error="skip"))
    assert [one.name for one in found.tomograms] == ["c"]
    assert [name for name, _ in found.left_out] == ["a_even", "b_odd"]


def test_what_is_damaged_is_told_or_left_out(tmp_path):
    write(tmp_path, "a.mrc", "b.mrc")
    (tmp_path / "b.mrc").write_bytes(b"none")
    with pytest.raises(ValueError, match=r"b.mrc"):
        find(Asked(data_dir=str(tmp_path)))
    found = find(Asked(data_dir=str(tmp_path), on_error="skip"))
    assert [one.name for one in found.tomograms] == ["a"]
    assert found.left_out[0][0] == "b"


def test_versions_follow_the_files(tmp_path):
    write(tmp_path, "a.mrc")
    asked = Asked(data_dir=str(tmp_path))
    before = find(asked).version
    assert find(asked).version == before
    write(tmp_path, "a.mrc", shape=(5, 6, 8))
    assert find(asked).version != before


def test_names_that_are_not_there_are_told(tmp_path):
    write(tmp_path, "a.mrc", "b.mrc")
    assert [t.name for t in find(Asked(data_dir=str(tmp_path), tomograms=("b",))).tomograms] == ["b"]
    with pytest.raises(OptionError, match=r"tomograms names c: not in .*, which has a, b"):
        find(Asked(data_dir=str(tmp_path), tomograms=("b", "c")))


def test_a_pixel_size_is_that_of_the_file_where_it_says_one(tmp_path):
    write(tmp_path, "a.mrc", pixel_size=10.0)
    assert find(Asked(data_dir=str(tmp_path), pixel_size=10.1)).tomograms[0].volume.pixel_size == 10.0
    with pytest.raises(
        OptionError, match=r"pixel_size is 13.48: a.mrc has level 0: 10.0 Å, 5 x 6 x 7; expected one wi"
    ):
        find(Asked(data_dir=str(tmp_path), pixel_size=13.48))
    write(tmp_path, "b.mrc", pixel_size=13.48)
    found = find(Asked(data_dir=str(tmp_path), pixel_size=13.4, on_error="skip"))
    assert ([one.name for one in found.tomograms], [name for name, _ in found.left_out]) == (["b"], ["a"])
    with pytest.raises(OptionError, match=r"level is 1: a.mrc has level 0: 10.0 Å"):
        find(Asked(data_dir=str(tmp_path), level=1))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "no source given: expected one of data_dir, entry, copick and portal"),
        ({"data_dir": "a", "copick": "b"}, "data_dir and copick given"),
        ({"data_dir": "a", "archive": "b"}, "archive is 'b': it goes with entry, not with data_dir"),
        ({"data_dir": "a", "level": 1, "pixel_size": 2.0}, "level is 1 and pixel_size is 2.0"),
    ],
)
def test_options_that_do_not_go_together(options, said):
    with pytest.raises(OptionError, match=said):
        Asked(**options)


def places_of(one):
    """Where each object's picks lie, in voxels of the finest level."""
    found = {}
    for picks in one.picks:
        points = picks.coordinates(one.volume.shape, one.volume.pixel_size, one.volume.offset) / 10.0
        for label, point in zip(picks.labels, points, strict=True):
            found.setdefault(label, []).append(point.tolist())
    return found


def require_picks(found, project):
    for one, run in zip(found.tomograms, project.runs, strict=True):
        assert places_of(one) == {name: points.tolist() for name, points in run.picks.items()}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_groups_of_zarr_are_tomograms_by_level(tmp_path, version):
    project = projects.make()
    projects.write_zarr_folder(tmp_path, project, version)
    metadata = {"0.4": ".zarray", "0.5": "zarr.json"}[version]
    for level, shape in ((0, (20, 24, 28)), (1, (10, 12, 14))):
        one = find(Asked(data_dir=str(tmp_path), level=level)).tomograms[0]
        assert (one.name, one.volume.file.path) == ("TS_1", f"TS_1.zarr/{level}/{metadata}")
        assert (one.volume.shape, one.volume.pixel_size) == (shape, 10.0 * 2**level)


def test_a_file_of_unlike_sides_is_refused_unless_a_pixel_size_decides(tmp_path, caplog):
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(np.zeros((5, 6, 7), np.float32))
        file.set_volume()
        file.voxel_size = (5, 5.02, 7)
    (tmp_path / "a.csv").write_text("x,y,z\n1,2,3\n")
    asked = Asked(data_dir=str(tmp_path), picks=("*.csv",))
    with pytest.raises(
        FormatError, match=r"a\.mrc: voxels of 7 x 5.02 x 5 Å \(z, y, x\): expected cubes, or pixel_size="
    ):
        find(asked)
    (one,) = find(replace(asked, pixel_size=6.0)).tomograms
    assert one.volume.pixel_size == 6.0
    assert one.picks[0].coordinates((5, 6, 7), 6.0, (0, 0, 0)).tolist() == [[6.0, 12.0, 18.0]]
    assert "read as cubes of 6 Å" in caplog.text


def test_an_image_is_no_volume(tmp_path):
    mrc.write(tmp_path / "a.mrc", np.zeros((6, 7), np.float32), 5.0)
    projects.write_zarr(tmp_path / "z" / "b.zarr", [np.zeros((1, 6, 7), np.float32)], chunks=(1, 4, 4))
    for folder in (tmp_path, tmp_path / "z"):
        with pytest.raises(
            FormatError, match=r"(a.mrc|b.zarr/0/.zarray): an image of 6 x 7 \(y, x\): .*\(nz, ny, nx\)"
        ):
            find(Asked(data_dir=str(folder), tomogram="*"))


def pyramid(folder, *scales):
    projects.write_zarr(folder / "a.zarr", [np.zeros((8 // 2**n, 10, 12), np.float32) for n in range(len(scales))])
    told = json.loads((folder / "a.zarr/.zattrs").read_text())
    for level, scale in zip(told["multiscales"][0]["datasets"], scales, strict=True):
        level["coordinateTransformations"] = [{"type": "scale", "scale": scale}] if scale else []
    (folder / "a.zarr/.zattrs").write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("coarse", "said"), [([10, 20, 20], "expected cubes"), (None, "without a scale: expected one")]
)
def test_a_level_is_judged_when_it_is_asked_for(tmp_path, coarse, said):
    pyramid(tmp_path, [10] * 3, coarse)
    for fine in ({}, {"level": 0}, {"pixel_size": 10.0}):
        (one,) = find(Asked(data_dir=str(tmp_path), **fine)).tomograms
        assert (one.volume.file.path, one.volume.pixel_size) == ("a.zarr/0/.zarray", 10.0)
    with pytest.raises(FormatError, match=rf"a.zarr/1/.zarray: .*{said}"):
        find(Asked(data_dir=str(tmp_path), level=1))


def test_a_pixel_size_serves_a_group_that_tells_none(tmp_path):
    pyramid(tmp_path, None, None)
    for size in (None, 12.0):
        assert find(Asked(data_dir=str(tmp_path), pixel_size=size)).tomograms[0].volume.pixel_size == size
    pyramid(tmp_path, [1e300] * 3)
    with pytest.raises(FormatError, match=r"1e\+300.*expected 3 numbers below 1e\+30"):
        find(Asked(data_dir=str(tmp_path)))


def test_picks_and_masks_belong_by_name(tmp_path):
    project = projects.make(names=("TS_1", "TS_10"))
    projects.write_mrc_folder(tmp_path, project)
    for word, masks in (("*.csv", "masks"), ("TS_*.csv", "masks/*.mrc"), (str(tmp_path / "*.csv"), "masks/TS_*")):
        found = find(Asked(data_dir=str(tmp_path), picks=(word,), segmentation=(masks,)))
        assert [one.name for one in found.tomograms] == ["TS_1", "TS_10"]
        require_picks(found, project)
        assert [one.masks[masks].file.path for one in found.tomograms] == ["masks/TS_1.mrc", "masks/TS_10.mrc"]


def test_masks_may_be_called_by_the_end_of_their_names(tmp_path):
    write(tmp_path, "TS_1.mrc", "TS_1_membrane.mrc", "TS_2.mrc", "TS_2_membrane.mrc")
    found = find(Asked(data_dir=str(tmp_path), segmentation=("membrane",)))
    assert [(one.name, one.masks["membrane"].file.path) for one in found.tomograms] == [
        ("TS_1", "TS_1_membrane.mrc"),
        ("TS_2", "TS_2_membrane.mrc"),
    ]


def test_tables_of_several_tomograms_are_divided_by_their_column(tmp_path):
    project = projects.make(names=("TS_1", "TS_10"))
    rows = [
        f"{name},{x},{y},{z},{label}"
        for run, name in zip(project.runs, ("TS_1", "Tomograms\\\\TS_10.tomostar"), strict=True)
        for label, points in run.picks.items()
        for x, y, z in points
    ]
    write(tmp_path, "TS_1.mrc", "rec_TS_10.mrc", shape=projects.SHAPE)
    (tmp_path / "all.csv").write_text("\n".join(["tomogram,x,y,z,class", *rows]))
    found = find(Asked(data_dir=str(tmp_path), picks=("all.csv",)))
    assert sorted(one.name for one in found.tomograms) == ["TS_1", "rec_TS_10"]
    for one in found.tomograms:
        run = next(run for run in project.runs if one.name.endswith(run.name))
        assert places_of(one) == {name: points.tolist() for name, points in run.picks.items()}


def test_orphans_and_ambiguity_are_told(tmp_path):
    project = projects.make(names=("TS_1", "TS_2"))
    projects.write_mrc_folder(tmp_path, project)
    (tmp_path / "TS_12.csv").write_text("x,y,z\n1,2,3\n")
    asked = {"data_dir": str(tmp_path), "tomogram": "*.mrc", "picks": ("*.csv",)}
    said = "picks of .* that belong to no tomogram: TS_12.csv; there are the tomograms TS_1, TS_2"
    with pytest.raises(NotFoundError, match=said):
        find(Asked(**asked))
    assert [name for name, _ in find(Asked(**asked, on_error="skip")).left_out] == ["TS_12.csv"]
    (tmp_path / "TS_12.csv").write_text("tomogram,x,y,z\nTS_9,2,3,4\n")
    with pytest.raises(NotFoundError, match=r"belong to no tomogram: 'TS_9' in TS_12.csv"):
        find(Asked(**asked))
    (tmp_path / "TS_12.csv").unlink()
    write(tmp_path, "a/TS_1.mrc", "b/TS_1.mrc")
    with pytest.raises(OptionError, match=r"TS_1.csv: it may belong to several tomograms of .*: a/TS_1, b/TS_1"):
        find(Asked(data_dir=str(tmp_path), tomogram="?/TS_1.mrc", picks=("TS_1.csv",)))


DAMAGED = "x,y,z\n1,2,3\n1,1,nan\n"


def folder_with(tmp_path, **tables):
    """Three tomograms, each with its table, but for those that are given; what is asked for of it."""
    write(tmp_path, "TS_1.mrc", "TS_2.mrc", "TS_10.mrc")
    for name in ("TS_1", "TS_2", "TS_10"):
        (tmp_path / f"{name}.csv").write_text("x,y,z\n1,2,3\n")
    for name, table in tables.items():
        (tmp_path / f"{name}.csv").write_text(table)
    return Asked(data_dir=str(tmp_path), picks=("*.csv",), on_error="skip")


def test_a_tomogram_whose_picks_cannot_be_read_is_left_out(tmp_path):
    asked = folder_with(tmp_path, TS_1_more=DAMAGED, TS_10="")
    with pytest.raises(FormatError, match=r"TS_1_more.csv: line 3"):
        find(replace(asked, on_error="raise"))
    found = find(asked)
    assert [(one.name, len(one.picks)) for one in found.tomograms] == [("TS_2", 1)]
    assert [name for name, _ in found.left_out] == ["TS_1", "TS_10"]
    assert found.left_out[0][1].startswith("TS_1_more.csv: line 3")
    assert find(replace(asked, tomograms=("TS_2",))).left_out == ()


def test_a_damaged_table_of_several_tomograms_is_of_those_that_its_column_names(tmp_path):
    asked = folder_with(tmp_path, TS_2_and_others="tomogram,x,y,z\nTS_1,1,2,3\nTS_10,1,2,nan\n")
    assert [one.name for one in find(asked).tomograms] == ["TS_2"]


@pytest.mark.parametrize("table", [DAMAGED, "tomogram,x,y,z\nTS_1,1,2,3\nTS_9,1,2,nan\n", "tomogram,x,y,z\nTS_1,1\n"])
def test_a_damaged_table_that_may_be_of_any_tomogram_is_told(tmp_path, table):
    with pytest.raises(FormatError, match=r"every.csv: .*: it may have picks of any tomogram"):
        find(folder_with(tmp_path, every=table))


def test_an_outage_is_no_damage(tmp_path, monkeypatch):
    write(tmp_path, "TS_1.mrc", "TS_2.mrc")
    (tmp_path / "TS_1.csv").write_text("x,y,z\n1,2,3\n")
    deposit.write_xml(tmp_path / "mirror")
    shutil.copytree(tmp_path, tmp_path / "mirror" / deposit.ENTRY / "data", ignore=lambda *_: ["mirror"])
    asked = {"entry": deposit.ENTRY, "directory": "data", "on_error": "skip"}
    for failing in ("TS_1.mrc", "TS_1.csv"):
        with serve() as archive:
            archive.publish(tmp_path / "mirror")
            archive.fail(f"/{deposit.ENTRY}/data/{failing}", *[Fault(status=501)] * 50)
            with pytest.raises(OSError, match="HTTP 501"):
                find(Asked(**asked, archive=archive.base, picks=("*.csv",)))


def test_names_of_tomograms_may_be_longer_than_those_of_tables(tmp_path):
    write(tmp_path, "TS_1_denoised.mrc", "TS_10_denoised.mrc", "TS_1.mrc", "TS_2.mrc")
    (tmp_path / "TS_1.csv").write_text("x,y,z\n1,2,3\n")
    (tmp_path / "TS_2.csv").write_text("x,y,z\n1,2,3\n")
    found = find(Asked(data_dir=str(tmp_path), tomogram="*_denoised.mrc", picks=("*.csv",)))
    assert [(one.name, len(one.picks)) for one in found.tomograms] == [("TS_1_denoised", 1), ("TS_10_denoised", 0)]
    write(tmp_path, "TS_1_wbp.mrc")
    with pytest.raises(OptionError, match=r"TS_1.csv: it may belong to several tomograms"):
        find(Asked(data_dir=str(tmp_path), tomogram="*_*_*.mrc", picks=("*.csv",)))


def test_a_number_of_a_tomogram_says_no_more_than_the_name_of_its_table(tmp_path):
    write(tmp_path, "TS_1.mrc", "TS_2.mrc", "12.mrc")
    for name, number in (("TS_2", 7), ("all", 12)):
        row = ["1"] * 3 + ["0"] * 16 + [str(number), "0", "2", "0", "4", "3", "2"]
        (tmp_path / f"{name}.tbl").write_text(" ".join(row))
    found = find(Asked(data_dir=str(tmp_path), picks=("*.tbl",)))
    assert [(one.name, len(one.picks)) for one in found.tomograms] == [("12", 1), ("TS_1", 0), ("TS_2", 1)]


def test_an_optimisation_set_names_files_of_its_project(tmp_path):
    write(tmp_path, "tomograms/rec_TS_1.mrc", "tomograms/rec_TS_2.mrc")
    rows = [
        "data_particles",
        "",
        "loop_",
        "_rlnTomoName #1",
        *(f"_rlnCoordinate{a} #{n}" for n, a in enumerate("XYZ", 2)),
    ]
    (tmp_path / "Extract/job01").mkdir(parents=True)
    (tmp_path / "Extract/job01/particles.star").write_text("\n".join([*rows, "TS_1 1 2 3", "TS_2 3 2 1", ""]))
    named = "data_\n\n_rlnTomoParticlesFile Extract/job01/{}.star\n"
    (tmp_path / "Extract/job01/optimisation_set.star").write_text(named.format("particles"))
    asked = Asked(data_dir=str(tmp_path / "tomograms"), picks=(str(tmp_path / "Extract/job01/optimisation_set.star"),))
    assert [[len(picks) for picks in one.picks] for one in find(asked).tomograms] == [[1], [1]]
    (tmp_path / "Extract/job01/optimisation_set.star").write_text(named.format("nothing"))
    with pytest.raises(NotFoundError, match=r"names 'Extract/job01/nothing.star': there is no such file"):
        find(asked)


def test_masks_are_as_large_as_their_tomograms_and_each_has_one(tmp_path):
    write(tmp_path, "TS_1.mrc", "TS_2.mrc")
    write(tmp_path, "masks/TS_1.mrc", shape=(5, 6, 8))
    asked = {"data_dir": str(tmp_path), "segmentation": ("masks",)}
    with pytest.raises(NotFoundError, match="TS_2: no mask masks"):
        find(Asked(**asked))
    write(tmp_path, "masks/TS_2.mrc")
    with pytest.raises(
        ValueError, match=r"masks/TS_1.mrc: level 0: 10.0 Å, 5 x 6 x 8: expected the shape of TS_1, 5 x 6 x 7"
    ):
        find(Asked(**asked))
    assert [one.name for one in find(Asked(**asked, on_error="skip")).tomograms] == ["TS_2"]


def test_picks_that_are_not_there_are_told(tmp_path):
    write(tmp_path, "a.mrc")
    with pytest.raises(
        NotFoundError, match=r"picks is 'x.csv': nothing in .* fits, nor on this machine; there are: a.mrc"
    ):
        find(Asked(data_dir=str(tmp_path), picks=("x.csv",)))
    with pytest.raises(NotFoundError, match=r"data_dir is .*nowhere: no such folder"):
        find(Asked(data_dir=str(tmp_path / "nowhere")))


def entry_of(tmp_path, project):
    deposit.write_xml(tmp_path)
    folder = tmp_path / deposit.ENTRY / "data" / "tomograms"
    projects.write_mrc_folder(folder, project)
    projects.write_zarr_folder(folder / "pyramids", project)
    return tmp_path


def test_entries_of_mirrors_and_servers(tmp_path):
    project = projects.make()
    asked = {"entry": deposit.ENTRY, "directory": "data/tomograms", "picks": ("*.csv",), "segmentation": ("masks",)}
    with serve() as archive:
        archive.publish(entry_of(tmp_path, project))
        for base in (str(tmp_path), archive.base):
            found = find(Asked(**asked, archive=base))
            assert found.name == "EMPIAR-10943"
            assert found.tomograms[0].volume.file.path == "data/tomograms/TS_1.mrc"
            require_picks(found, project)
            zarr = find(Asked(**asked | {"segmentation": (), "picks": ()}, pattern="*/*.zarr", level=1, archive=base))
            assert zarr.tomograms[0].volume.file.path == "data/tomograms/pyramids/TS_1.zarr/1/.zarray"
            assert zarr.tomograms[0].volume.shape == (10, 12, 14)
        with pytest.raises(NotFoundError, match=r"no folder 'data/nothing'; in data there is: tomograms/"):
            find(Asked(entry=deposit.ENTRY, directory="data/nothing", archive=str(tmp_path)))


def test_slips_are_told_with_what_is_meant(tmp_path):
    write(tmp_path, "a.mrc")
    pyramid(tmp_path / "z", [10] * 3)
    for path in ("a.mrc", "z/a.zarr"):
        with pytest.raises(OptionError, match=r"expected the folder above it: .*, tomogram='a\."):
            find(Asked(data_dir=str(tmp_path / path)))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(OptionError, match=r"a folder: expected the config JSON of a project; there are: config.json"):
        find(Asked(copick=str(tmp_path)))
    (tmp_path / "a.csv").write_text("x_angstrom,y_angstrom,z_angstrom\n10,20,30\n")
    with pytest.raises(OptionError, match=r"picks_pixel_size=2 does nothing: all picks are in Å"):
        find(Asked(data_dir=str(tmp_path), tomogram="*.mrc", picks=("a.csv",), picks_pixel_size=2.0))
