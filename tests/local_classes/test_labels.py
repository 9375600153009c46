import pytest

from builders.local_classes.labels import look_alike, pattern_of_both, second_parts, spelled
from builders.local_classes.names import Naming, parse_name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("caf\u00e9", "cafe\u0301"),
        ("10\u00b5M", "10\u03bcM"),
        ("2\u212b", "2\u00c5"),
        ("ribo", "ribo "),
        ("ribo", " ribo"),
        ("70S ribo", "70S\u00a0ribo"),
        ("70S ribo", "70S  ribo"),
        ("ribo", "ri\u200bbo"),
        ("ribo", "Ribo"),
        ("ribo", "\uff52ibo"),
    ],
)
def test_what_looks_alike_is_found_and_spelled_apart(one, other):
    assert [set(group) for group in look_alike([other, "tric", one, one])] == [{one, other}]
    told = spelled([one, "tric"], [other])
    assert told.isascii()
    assert told != spelled([other, "tric"], [one])
    assert told.endswith(", 'tric'")


def test_what_does_not_look_alike_is_left_alone():
    labels = ["a", "b", "a1", "a10", "ab", "a-b", "\u00e9", "e"]
    assert look_alike(labels) == []
    assert spelled(["\u00e9"], labels) == "'\u00e9'"


def names(text):
    return [parse_name(f"{name}.mrc") for name in text.split()]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ("ribo_open_1 ribo_closed_1", {"ribo": ["closed", "open"]}),
        ("r_apo_1 r_apo_2 r_holo_1 r_holo_2 t_1 t_2", {"r": ["apo", "holo"]}),
        ("r_30S_a r_30S_b r_mix50_a r_mix50_b", {"r": ["30S", "mix50"]}),
        ("x_ribo_1 x_tric_1 x_fas_1", {"x": ["fas", "ribo", "tric"]}),
        ("r_1 r_2 r_3 t_1", {}),
        ("r_001_1 r_001_2 r_002_1 r_002_2", {}),
        ("r_tomo1_1 r_tomo1_2 r_tomo2_1 r_tomo2_2", {}),
        ("r_12-321-215_1 r_12-321-215_2 r_13-1-2_1 r_13-1-2_2", {}),
        ("r_vol_1 r_vol_2 t_vol_1", {}),
        ("a_x_y b_z", {}),
        ("r_open r_closed", {}),
        (" ".join(f"r_{c}_1" for c in "abcdefghijklmn"), {}),
    ],
)
def test_second_parts_that_look_like_classes(files, found):
    assert second_parts(names(files)) == found
    for label in found:
        pattern = pattern_of_both(name for name in names(files) if name.label == label)
        both = {
            Naming(class_pattern=pattern)(f"{file}.mrc").label for file in files.split() if file.startswith(f"{label}_")
        }
        assert both == {f"{label}_{part}" for part in found[label]}


def test_the_pattern_holds_where_names_have_more_parts():
    files = "ribo_open_1_2 ribo_open_1 ribo_closed_3_4"
    assert {Naming(class_pattern=pattern_of_both(names(files)))(f"{f}.mrc").label for f in files.split()} == {
        "ribo_open",
        "ribo_closed",
    }
