"""Projects of copick: what is found in them is what is there, and nothing that a config names leads elsewhere."""

import json

import numpy as np
import pytest

from builders.errors import FormatError, NotFoundError, OptionError, UnsafeAddressError, UnsafePathError
from builders.tomograms.sources import Asked, find
from builders.tomograms.sources.projects.words import word_of
from tests.server import serve
from tests.tomograms import projects


@pytest.fixture(scope="module")
def project():
    return projects.make()


@pytest.fixture(scope="module")
def made(tmp_path_factory, project):
    """The config of a project that no test changes."""
    return projects.write_copick(tmp_path_factory.mktemp("made"), project)


@pytest.fixture
def archive():
    with serve() as running:
        yield running


def test_runs_tomograms_picks_and_masks_are_those_of_the_project(made, project):
    asked = Asked(copick=str(made), tomogram="wbp", picks=("*:data",), segmentation=("ribosome", "labels"))
    found = find(asked)
    assert [one.name for one in found.tomograms] == ["TS_1", "TS_2"]
    assert found.classes == ("apoferritin", "ribosome")
    for one, run in zip(found.tomograms, project.runs, strict=True):
        assert one.volume.file.path == f"ExperimentRuns/{run.name}/VoxelSpacing10.000/wbp.zarr/0/.zarray"
        assert (one.volume.shape, one.volume.pixel_size, one.volume.offset) == (project.shape, 10.0, (0, 0, 0))
        assert one.volume.file.stamp
        told = {picks.labels[0]: picks for picks in one.picks}
        assert set(told) == set(projects.OBJECTS)
        for name, picks in told.items():
            points = picks.coordinates(one.volume.shape, 10.0)
            np.testing.assert_allclose(points, run.picks[name] * 10.0)
            np.testing.assert_allclose(picks.rotations, run.rotations[name])
        assert {name: mask.file.path.split("/")[-3] for name, mask in one.masks.items()} == {
            "ribosome": "10.000_user_1_ribosome.zarr",
            "labels": "10.000_user_1_labels-multilabel.zarr",
        }


@pytest.mark.parametrize(("options", "shape"), [({"level": 1}, (10, 12, 14)), ({"pixel_size": 19.9}, (10, 12, 14))])
def test_a_level_is_chosen_by_number_or_pixel_size_and_masks_are_of_its_shape(made, options, shape):
    one = find(Asked(copick=str(made), segmentation=("ribosome",), **options)).tomograms[0]
    assert (one.volume.shape, one.volume.pixel_size, one.volume.offset) == (shape, 20.0, (5.0, 5.0, 5.0))
    assert one.masks["ribosome"].shape == shape


def test_a_level_that_is_not_there_is_told_with_those_that_are(made):
    said = r"is 15: .*wbp.zarr has levels 0: 10.0 Å, 20 x 24 x 28; 1: 20.0 Å, 10 x 12 x 14; expected one within 2%"
    with pytest.raises(OptionError, match=said):
        find(Asked(copick=str(made), pixel_size=15))


def test_static_root_and_overlay_are_merged_and_the_same_picks_count_once(tmp_path, project):
    config = projects.write_copick(tmp_path, project)
    both = find(Asked(copick=str(config), picks=("ribosome",))).tomograms[0].picks
    assert sorted(picks.name.rpartition("/")[2] for picks in both) == ["data_1_ribosome.json", "user_2_ribosome.json"]
    run = project.runs[0]
    above = tmp_path / "overlay/ExperimentRuns/TS_1/Picks/data_1_ribosome.json"
    projects.write_copick_picks(above, run, run.picks["ribosome"] * 10.0, run.rotations["ribosome"])
    assert len(find(Asked(copick=str(config), picks=("ribosome:data/1",))).tomograms[0].picks) == 1
    projects.write_copick_picks(above, run, run.picks["ribosome"] * 10.0 + 1, run.rotations["ribosome"])
    assert len(find(Asked(copick=str(config), picks=("ribosome:data/1",))).tomograms[0].picks) == 2


def test_halves_are_types_of_tomograms(tmp_path, project):
    config = projects.write_copick(tmp_path, project, types=("wbp-even", "wbp-odd"))
    for tomogram in (None, "wbp", "wbp@10"):
        one = find(Asked(copick=str(config), tomogram=tomogram, pairs=True)).tomograms[0]
        assert [v.file.path.split("/")[3] for v in (one.volume, one.target)] == ["wbp-even.zarr", "wbp-odd.zarr"]


def test_several_types_are_not_chosen_between(tmp_path, project):
    config = projects.write_copick(tmp_path, project, types=("wbp", "denoised"))
    with pytest.raises(OptionError, match=r"TS_1: several tomograms may be meant, .*denoised.zarr \(10.0 Å\)"):
        find(Asked(copick=str(config)))


def test_runs_that_lack_what_is_wanted_are_told_or_left_out(tmp_path, project):
    config = projects.write_copick(tmp_path, project)
    spacing = tmp_path / "static/ExperimentRuns/TS_2/VoxelSpacing10.000"
    (spacing / "wbp.zarr").rename(spacing / "denoised.zarr")
    asked = {"copick": str(config), "tomogram": "wbp"}
    with pytest.raises(NotFoundError, match=r"TS_2: no tomogram 'wbp'; there are: denoised@10.000"):
        find(Asked(**asked))
    found = find(Asked(**asked, on_error="skip"))
    assert [one.name for one in found.tomograms] == ["TS_1"]
    assert [name for name, _ in found.left_out] == ["TS_2"]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (
            {"picks": ("virus",)},
            r"picks is 'virus': .* has none in 2 runs; there are: apoferritin:data/1, ribosome:data/1",
        ),
        ({"segmentation": ("membrane",)}, "segmentation is 'membrane': .*; there are: apoferritin:user/1@10.000"),
        ({"picks": ("a:b:c",)}, "picks is 'a:b:c': expected object:user/session"),
        ({"tomogram": "wbp@13.48"}, "TS_1: no tomogram 'wbp@13.48'; there are: wbp@10.000"),
    ],
)
def test_words_that_mean_nothing_are_told_with_what_there_is(made, option, said):
    with pytest.raises((NotFoundError, OptionError), match=said):
        find(Asked(copick=str(made), **option))


def test_damaged_and_misnamed_picks_are_told_or_their_runs_left_out(tmp_path, project):
    config = projects.write_copick(tmp_path, project)
    folder = tmp_path / "static/ExperimentRuns/TS_1/Picks"
    (folder / "data_1_ribosome.json").write_text((folder / "data_1_apoferritin.json").read_text())
    with pytest.raises(FormatError, match="picks of 'apoferritin': expected those of 'ribosome', as it is called"):
        find(Asked(copick=str(config), picks=("ribosome",)))
    (folder / "data_1_ribosome.json").write_text("{")
    with pytest.raises(FormatError, match=r"data_1_ribosome.json"):
        find(Asked(copick=str(config), picks=("ribosome",)))
    found = find(Asked(copick=str(config), picks=("ribosome",), on_error="skip"))
    assert [one.name for one in found.tomograms] == ["TS_2"]


def test_a_pixel_size_that_contradicts_the_folder_is_an_error(tmp_path, project):
    config = projects.write_copick(tmp_path, project)
    for run in ("TS_1", "TS_2"):
        folder = tmp_path / "static/ExperimentRuns" / run
        (folder / "VoxelSpacing10.000").rename(folder / "VoxelSpacing10.012")
    with pytest.raises(FormatError, match=r"10.0 Å a voxel, the name of its folder says 10.012 Å"):
        find(Asked(copick=str(config)))


def test_versions_follow_picks_masks_and_tomograms(tmp_path, project):
    config = projects.write_copick(tmp_path, project)
    asked = Asked(copick=str(config), picks=("ribosome",), segmentation=("ribosome",))
    versions = [find(asked).version]
    assert find(asked).version == versions[0]
    run = project.runs[0]
    below = tmp_path / "static/ExperimentRuns/TS_1"
    picks = run.picks["ribosome"] * 10.0
    projects.write_copick_picks(below / "Picks/data_1_ribosome.json", run, picks[1:], run.rotations["ribosome"][1:])
    versions.append(find(asked).version)
    mask = tmp_path / "overlay/ExperimentRuns/TS_1/Segmentations/10.000_user_1_ribosome.zarr/0/.zarray"
    mask.write_text(mask.read_text() + " ")
    versions.append(find(asked).version)
    array = below / "VoxelSpacing10.000/wbp.zarr/0/.zarray"
    array.write_text(array.read_text() + " ")
    versions.append(find(asked).version)
    assert len(set(versions)) == 4


def edited(made, folder, **values):
    """The same config with other values, in another folder."""
    known = json.loads(made.read_text()) | values
    config = folder / "config.json"
    config.write_text(json.dumps({key: value for key, value in known.items() if value is not None}))
    return Asked(copick=str(config))


@pytest.mark.parametrize(
    ("values", "error", "said"),
    [
        (
            {"overlay_root": "s3://bucket/x"},
            OptionError,
            r"overlay_root is 's3://bucket/x': expected a folder .*https addr",
        ),
        ({"static_root": "ssh://host/x"}, OptionError, "static_root is 'ssh://host/x': expected a folder"),
        ({"overlay_root": None}, FormatError, "no overlay_root: expected the config of a copick project"),
        ({"overlay_root": 3}, FormatError, "overlay_root is '3': expected text"),
        ({"config_type": "cryoet_data_portal"}, FormatError, "portal= reads a mirror"),
        ({"config_type": "x"}, FormatError, "config_type is 'x': expected 'filesystem'"),
        ({"pickable_objects": {}}, FormatError, "pickable_objects is '{}': expected a list"),
        ({"runs": ["../x"]}, UnsafePathError, r"runs names '../x': expected the name of one file or folder"),
        ({"static_root": None, "overlay_root": "/nowhere"}, NotFoundError, "no folder ExperimentRuns in /nowhere"),
    ],
)
def test_configs_that_are_none(tmp_path, made, values, error, said):
    with pytest.raises(error, match=said):
        find(edited(made, tmp_path, **values))


@pytest.mark.parametrize("text", ["[]", "{", "none", "[" * 100_000])
def test_what_is_no_json_is_told(tmp_path, text):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(FormatError, match="expected the config of a copick project"):
        find(Asked(copick=str(tmp_path / "c.json")))


@pytest.mark.parametrize("start", ["file://{}", "{}", "local://{}", "local:{}", "."])
def test_roots_are_folders_in_every_spelling_and_relative_ones_lie_beside_the_config(tmp_path, made, start):
    for root in ("overlay", "static"):
        (tmp_path / root).symlink_to(made.parent / root)
    roots = {f"{root}_root": f"{start.format(tmp_path)}/{root}" for root in ("overlay", "static")}
    assert len(find(edited(made, tmp_path, **roots)).tomograms) == 2


def test_runs_of_an_index_are_the_only_ones(tmp_path, made):
    assert [one.name for one in find(edited(made, tmp_path, runs=["TS_2"])).tomograms] == ["TS_2"]


@pytest.mark.parametrize(
    ("option", "text", "name", "is_meant"),
    [
        ("picks", "a", ("a", "u", "s"), True),
        ("picks", "a:u", ("a", "u", "s"), True),
        ("picks", "a:u/t", ("a", "u", "s"), False),
        ("picks", "a*:*/s", ("ab", "u", "s"), True),
        ("segmentation", "a@10", ("a", "u", "s", "10.000"), True),
        ("segmentation", "a:u/s@10.5", ("a", "u", "s", "10.000"), False),
        ("segmentation", "a?multilabel=true", ("a", "u", "s", "10.000", False), False),
        ("segmentation", "a:u/s@*?multilabel=true", ("a", "u", "s", "10.000", True), True),
        ("tomogram", "wbp@10.012", ("wbp", "", "", "10.012"), True),
    ],
)
def test_words_of_copick(option, text, name, is_meant):
    assert word_of(option, text).fits(*name) is is_meant


def test_servers(tmp_path, project, archive):
    config = projects.write_copick(tmp_path / "made", project, base=archive.base)
    archive.publish(tmp_path / "made")
    local = find(Asked(copick=str(config), picks=("ribosome",), segmentation=("ribosome",)))
    remote = find(Asked(copick=archive.url("/config.json"), picks=("ribosome",), segmentation=("ribosome",)))
    for found in (local, remote):
        assert [one.name for one in found.tomograms] == ["TS_1", "TS_2"]
        assert found.tomograms[0].volume.file.location.startswith(archive.base)
        assert found.tomograms[0].volume.file.stamp
        assert len(found.tomograms[0].picks) == 2


@pytest.mark.parametrize(
    ("root", "error", "said"),
    [
        ("http://127.0.0.2:1/x", UnsafeAddressError, "a config of a server may name that server only"),
        ("/etc", UnsafePathError, "may not name folders of this machine"),
        ("local:///etc", UnsafePathError, "may not name folders of this machine"),
        ("file:///etc", UnsafePathError, "may not name folders of this machine"),
        ("~/x", UnsafePathError, "may not name folders of this machine"),
        ("../x", UnsafePathError, "names '..': expected the name of one file or folder"),
        ("a/%2e%2e/x", UnsafePathError, "names '..'"),
        ("s3://x", OptionError, "expected a folder"),
    ],
)
def test_a_config_of_a_server_names_nothing_but_that_server(made, archive, root, error, said):
    known = json.loads(made.read_text()) | {"overlay_root": root, "static_root": None}
    archive.files["/config.json"] = json.dumps(known).encode()
    with pytest.raises(error, match=said):
        find(Asked(copick=archive.url("/config.json")))


def test_a_config_of_a_server_may_name_folders_beside_it(tmp_path, project, archive):
    projects.write_copick(tmp_path / "a project", project, base="./", levels=1)
    archive.publish(tmp_path)
    found = find(Asked(copick=archive.url("/a%20project/config.json")))
    assert [one.name for one in found.tomograms] == ["TS_1", "TS_2"]
