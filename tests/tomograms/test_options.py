"""What is wrong with options of `tomograms`, and with what they name, is told."""

import logging

import pytest

from builders import load_dataset
from builders.errors import FormatError, NotFoundError, OptionError, UnknownOptionError
from builders.tomograms.options import check_overlap, check_tile

TILES = {"unit": "tile", "tile": (6, 10, 12)}
CUBES = {"unit": "subtomogram", "box_size": 6}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"unit": "cube"}, r"unit is 'cube': expected 'tomogram' or 'tile' or 'subtomogram'"),
        ({"unit": "tile"}, r"unit='tile' needs tile="),
        ({"unit": "subtomogram"}, r"unit='subtomogram' needs box_size="),
        ({"unit": "subtomogram", "box_size": 6, "picks": None}, r"unit='subtomogram' needs picks="),
        ({"tile": 6}, r"tile=6 does nothing for unit='tomogram': it is for 'tile'"),
        ({**TILES, "box_size": 6}, r"box_size=6 does nothing for unit='tile': it is for 'subtomogram'"),
        ({**TILES, "background": 2}, r"background=2 does nothing for unit='tile'"),
        ({**CUBES, "overlap": 2}, r"overlap=2 does nothing for unit='subtomogram': it is for 'tile'"),
        ({"edge": "drop"}, r"edge='drop' does nothing for unit='tomogram': it is for 'tile' and 'subtomogram'"),
        ({**CUBES, "background_distance": 50}, r"background_distance=50.0 does nothing without background="),
        ({"picks": None, "classes": ["a"]}, r"classes=\['a'\] does nothing without picks="),
        ({"picks": None, "picks_pixel_size": 2.0}, r"picks_pixel_size=2.0 does nothing without picks="),
        ({**TILES, "overlap": 10}, r"overlap is 10: expected fewer voxels than a tile has, tile=\(6, 10, 12\)"),
        ({**TILES, "tile": (0, 4, 4)}, r"tile is \(0, 4, 4\): expected a number of voxels of at least 1, or three"),
        ({**TILES, "tile": (6, 23, 12)}, r"tile=\(6, 23, 12\) is larger than the volume, which has \(14, 22, 30\)"),
        ({**CUBES, "box_size": "6 nm"}, r"box_size is '6 nm'"),
        (
            {**CUBES, "box_size": 31},
            r"box_size: cubes of 31 voxels in tomogram TS_1, which has \(14, 22, 30\) .*at most 30",
        ),
        ({**CUBES, "box_size": 15, "edge": "drop"}, r"box_size: cubes of 15 .* at most 14, as edge='drop'"),
        ({**CUBES, "box_size": "39 Å"}, r"box_size='39 Å' is less than 4 voxels of 10 Å .*at least '40 Å'"),
        ({**CUBES, "classes": ["virus"]}, r"no pick is of class 'virus': there are apoferritin, ribosome"),
        ({**CUBES, "classes": ["ribosome", "ribosome"]}, r"classes names the class 'ribosome' twice"),
        ({**CUBES, "background": 2, "background_distance": 500}, r"background=2: 0 cubes found .* 500 Å"),
        ({"on_missing": "skip"}, r"on_missing is 'skip': expected 'zeros' or 'raise'"),
        ({"tomograms": ["TS_1"], "validation_fraction": 0.5}, r"'TS_1' is the only tomogram: expected two"),
        ({"quarantine": "x.tsv"}, r"needs on_error='skip'"),
        ({"level": -1}, r"level is -1: expected an integer of at least 0"),
        ({"portal": "here"}, r"data_dir and portal given: expected one of"),
        ({"data_dir": None}, r"expected one of data_dir, entry, copick and portal"),
        ({"data_files": "*.mrc"}, r"not data_files"),
        ({"data_dir": ""}, r"data_dir is '': expected the path of a folder"),
        ({"tomogram": 3}, r"tomogram is 3: expected a name, or a glob"),
        ({"align": 1, **CUBES}, r"align is 1: expected True or False"),
        ({"align": True}, r"align=True does nothing for unit='tomogram'"),
        ({"pattern": "*.mrc"}, r"pattern is '\*\.mrc': it goes with entry"),
    ],
)
def test_bad_options_are_told(load, options, said):
    with pytest.raises(OptionError, match=said):
        load(**options)


def test_unknown_options_name_the_closest_ones(load):
    with pytest.raises(UnknownOptionError, match="did you mean 'overlap'"):
        load(overlapp=2)


def test_tiles_are_one_number_or_three():
    assert check_tile(None) is None
    assert check_overlap(2, (4, 5, 6)) == (2, 2, 2)
    for wrong in (True, 2.5, "4", (1, 2), None):
        with pytest.raises(OptionError, match="overlap is"):
            check_overlap(wrong, None)


def test_nothing_is_read_of_a_folder_without_tomograms(tmp_path):
    with pytest.raises(NotFoundError, match="no tomogram"):
        load_dataset("tomograms", data_dir=str(tmp_path), cache_dir=str(tmp_path / "cache"))


@pytest.fixture
def outside(folder):
    """A folder in which one pick lies outside of its tomogram."""
    table = folder.path / "TS_2.csv"
    table.write_text(table.read_text() + "45,3,2,ribosome\n")
    return folder


@pytest.mark.parametrize("options", [{}, TILES, CUBES], ids=["tomogram", "tile", "subtomogram"])
def test_picks_outside_of_their_tomogram_are_told(load, outside, options):
    said = (
        r"TS_2: 1 of 7 picks lie outside of TS_2\.mrc, which has 30 x 22 x 14 voxels .*\(45, 3, 2\).*picks_pixel_size"
    )
    with pytest.raises(FormatError, match=said):
        load(**options)


def test_they_may_be_left_out(load, outside, tmp_path, caplog):
    table = tmp_path / "left_out.tsv"
    with caplog.at_level(logging.WARNING):
        ds = load(**CUBES, on_error="skip", quarantine=str(table))
    assert len(ds) == 18
    assert "TS_2" in caplog.text
    assert [line.split("\t")[0] for line in table.read_text().splitlines()] == ["path", "TS_2"]
    table.unlink()
    assert len(load(**CUBES, on_error="skip", quarantine=str(table))) == 18
    assert "lie outside" in table.read_text()


@pytest.mark.parametrize("options", [{}, TILES, CUBES], ids=["tomogram", "tile", "subtomogram"])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_damaged_tomogram_may_be_left_out(load, folder, tmp_path, options, streaming):
    path = folder.path / "TS_2.mrc"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(FormatError, match=r"TS_2\.mrc"):
        list(load(**options, streaming=streaming))
    table = tmp_path / "left_out.tsv"
    ds = load(**options, streaming=streaming, on_error="skip", quarantine=str(table))
    assert {row["tomogram"] for row in ds} == {"TS_1", "TS_10"}
    assert "TS_2" in table.read_text()


def test_where_all_tomograms_are_too_small_that_is_told(load):
    with pytest.raises(NotFoundError, match=r"no row is left.*larger than the volume"):
        load(unit="tile", tile=(15, 4, 4), on_error="skip")
