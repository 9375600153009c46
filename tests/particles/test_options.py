"""Options of `particles`: each is checked, in words that say what was expected."""

import pytest

from builders import load_dataset
from builders.errors import NotFoundError, OptionError, UnknownOptionError
from tests.particles.made import Project


def load(**options):
    return load_dataset("particles", **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"star": None}, "particles needs star='FILE'"),
        ({"star": []}, r"star is \[\]: expected a table"),
        ({"star": ""}, "star is '': expected a path"),
        ({"star": 3}, "star is 3: expected a path, or empiar://ENTRY/path"),
        (
            {"star": "https://host/x.star"},
            "star is 'https://host/x.star': expected a path of this machine, or empiar://",
        ),
        ({"star": "empiar://10943/../x.star"}, r"star is '\.\./x\.star': expected a path inside the entry"),
        ({"star": "empiar://nothing/x.star"}, "nothing"),
        ({"star": ["a.cs", "./a.cs"]}, r"star names /.*/a\.cs twice"),
        ({"root": "ftp://x"}, "root is 'ftp://x': expected a path"),
        ({"unit": "particles"}, "unit is 'particles': expected 'particle'"),
        ({"columns": "rlnX"}, "columns is 'rlnX': expected a list"),
        ({"columns": ["rlnX", "_rlnX"]}, "columns names 'rlnX' twice"),
        ({"columns": ["micrograph"]}, "columns names 'micrograph', which is a column of this builder's own"),
        ({"half_set": 0}, "half_set is 0: expected 1 or 2"),
        ({"half_set": True}, "half_set is True: expected 1 or 2"),
        ({"validation_fraction": 1.0}, r"validation_fraction is 1\.0: expected a number above 0 and below 1"),
        ({"group_by": 3}, "group_by is 3: expected a column's name"),
        ({"group_by": "rlnHelicalTubeID"}, "group_by='rlnHelicalTubeID' says what validation_fraction keeps together"),
        ({"seed": -1}, "seed is -1"),
        ({"order": "stack"}, r"order is 'stack': expected None \(stack by stack\) or 'table'"),
        ({"box_size": 0}, "box_size is 0: expected an integer of at least 2"),
        ({"box_size": "12 px"}, "box_size is '12 px': expected pixels, such as 256, or Å, such as '200 Å'"),
        ({"box_size": 64}, "box_size=64 does nothing for unit='particle': it is for 'extracted'"),
        ({"edge": "mirror"}, "edge is 'mirror': expected 'fill' or 'drop'"),
        ({"edge": "drop"}, "edge='drop' does nothing for unit='particle'"),
        ({"flip_y": True}, "flip_y=True does nothing for unit='particle'"),
        ({"flip_y": 1}, "flip_y is 1: expected True or False"),
        ({"pixel_size": 0}, "pixel_size is 0"),
        ({"dtype": "float31"}, "dtype is 'float31'"),
        ({"download": "yes"}, "download is 'yes': expected True or False"),
        ({"on_error": "stop"}, "on_error is 'stop': expected 'raise' or 'skip'"),
        ({"quarantine": "q.tsv"}, r"quarantine='q\.tsv' lists files left out: it needs on_error='skip'"),
        ({"non_finite": "drop"}, "non_finite is 'drop'"),
        ({"shuffle_memory": 0}, "shuffle_memory is 0"),
        ({"archive": "/mirror"}, "archive='/mirror' does nothing: neither star nor root is empiar://ENTRY/path"),
        ({"data_dir": "x"}, r"particles reads a table, star='FILE', not data_dir='x'"),
    ],
)
def test_what_an_option_cannot_be_is_told(tmp_path, options, said):
    options = {"star": "a.star", "cache_dir": str(tmp_path)} | options
    with pytest.raises(OptionError, match=said):
        load(**options)


def test_an_unknown_option_names_the_closest(tmp_path):
    with pytest.raises(UnknownOptionError, match="particles has no option 'halfset': did you mean 'half_set'"):
        load(star="a.star", halfset=1, cache_dir=str(tmp_path))


def test_a_table_or_root_that_is_not_there_is_told(tmp_path):
    project = Project(tmp_path / "project").make()
    with pytest.raises(NotFoundError, match=r"nowhere\.star: no such file"):
        load(star=tmp_path / "nowhere.star", cache_dir=str(tmp_path))
    with pytest.raises(NotFoundError, match=r"root /.*/nowhere: no such folder"):
        load(star=project.table, root=tmp_path / "nowhere", cache_dir=str(tmp_path))
    with pytest.raises(IsADirectoryError, match=r"a folder, expected a table"):
        load(star=tmp_path, cache_dir=str(tmp_path))
