"""Volumes that the builder asks for: names, states, and what is kept of them."""

from pathlib import Path

import numpy as np
import pytest

from builders.errors import OptionError, PercError
from builders.synthetic import densities
from builders.synthetic.potentials.volumes import volumes_of
from tests.synthetic.potentials.made import cif, row, scattered

OPTIONS = {"pixel_size": 2.0, "box": 24}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "rod.v2.cif"
    atom = ("C", "CA", "", "GLY", 1, (1.0, 2.0, 3.0), 1.0, 40.0)
    path.write_text(cif(atom, (*atom[:5], (4.0, 2.0, 3.0), *atom[6:], 2)))
    return path


def test_classes_are_numbered_and_states_counted(path, tmp_path):
    structures = {"rod": path, "ball": [scattered(9, 6), scattered(9, 7, seed=1)]}
    made = volumes_of(structures, **OPTIONS, folder=tmp_path / "cache")
    assert [(one.name, one.label, one.state) for one in made] == [
        *(("rod", 0, 0), ("rod", 0, 1), ("ball", 1, 0), ("ball", 1, 1)),
    ]
    for label, name in enumerate(("rod", "ball")):
        wanted = densities(structures[name], **OPTIONS)
        for one, volume in zip([one for one in made if one.label == label], wanted, strict=True):
            found = np.load(one.path)
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, volume)


def test_what_has_no_name_is_called_as_it_is(path, tmp_path):
    other = {**scattered(5, 5), "id": "6z6u"}
    made = volumes_of(
        [str(path), other, {**other, "coordinates": other["coordinates"] * 0.9}], **OPTIONS, folder=tmp_path
    )
    assert [(one.name, one.label, one.state) for one in made] == [
        *(("rod.v2", 0, 0), ("rod.v2", 0, 1), ("6z6u", 1, 0), ("6z6u", 1, 1)),
    ]
    assert [one.name for one in volumes_of(path, **OPTIONS, folder=tmp_path)] == ["rod.v2", "rod.v2"]


def test_a_volume_is_made_once(path, tmp_path):
    first = volumes_of(path, **OPTIONS, folder=tmp_path)
    times = [one.path.stat().st_mtime_ns for one in first]
    content = [one.path.read_bytes() for one in first]
    copy = tmp_path / "elsewhere" / "copy.cif"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    again = volumes_of({"other": copy}, **OPTIONS, folder=tmp_path)
    assert [one.path for one in again] == [one.path for one in first]
    assert [one.path.stat().st_mtime_ns for one in again] == times
    first[0].path.unlink()
    volumes_of(path, **OPTIONS, folder=tmp_path)
    assert first[0].path.read_bytes() == content[0]
    assert len(list((tmp_path / "synthetic").iterdir())) == 2  # no leftovers


@pytest.mark.parametrize(
    "change", [{"pixel_size": 2.5}, {"box": 26}, {"resolution": 9.0}, {"b_factor": 60.0}, {"solvent": False}]
)
def test_other_options_are_other_volumes(path, tmp_path, change):
    kept = {one.path for one in volumes_of(path, **OPTIONS, folder=tmp_path)}
    assert not kept & {one.path for one in volumes_of(path, **{**OPTIONS, **change}, folder=tmp_path)}


def test_other_content_is_another_volume(path, tmp_path):
    kept = {one.path for one in volumes_of(path, **OPTIONS, folder=tmp_path)}
    path.write_text(path.read_text().replace("40.00", "41.00"))
    assert not kept & {one.path for one in volumes_of(path, **OPTIONS, folder=tmp_path)}


def test_all_go_into_one_box(tmp_path):
    structures = {"small": row([[0, 0, 0]], "C", b_factor=[50.0]), "large": scattered(20, 30)}
    made = volumes_of(structures, pixel_size=2.0, folder=tmp_path)
    small, large = (np.load(one.path).shape for one in made)
    assert small == large
    with pytest.raises(OptionError, match="does not hold: expected"):
        volumes_of(structures, pixel_size=2.0, box=small[0] // 2, folder=tmp_path)


def test_a_full_disk_leaves_nothing_behind(path, tmp_path, monkeypatch):
    def fail(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(PercError):
        volumes_of(path, **OPTIONS, folder=tmp_path / "cache")
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]


def test_names_that_mean_two_things_are_told(path, tmp_path):
    with pytest.raises(OptionError, match=r"'rod\.v2' twice"):
        volumes_of([path, tmp_path / "folder" / "rod.v2.pdb"], **OPTIONS, folder=tmp_path)
    for structures in ([], {}, None, {"": path}, {3: path}, {"rod": []}, [path, None]):
        with pytest.raises(OptionError, match="structure"):
            volumes_of(structures, **OPTIONS, folder=tmp_path)
