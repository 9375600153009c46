import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.errors import OptionError
from builders.io.order import natural_key, natural_path_key
from builders.local_classes.names import EXTENSIONS, ClassName, check_extension, parse_name


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a_1.mrc", ("a", "1", ".mrc")),
        ("1b23_12-321-215.mrcs", ("1b23", "12-321-215", ".mrcs")),
        ("2_0_img.npy", ("2", "0_img", ".npy")),
        ("a_b.mrc.gz", ("a", "b", ".mrc.gz")),
        ("A_b.c.MAP.BZ2", ("A", "b.c", ".map.bz2")),
        ("a_.rec", ("a", "", ".rec")),
        ("ö x_1.st", ("ö x", "1", ".st")),
    ],
)
def test_a_name_says_class_suffix_and_extension(name, parts):
    assert parse_name(name) == ClassName(*parts)


@pytest.mark.parametrize("name", ["README.md", "x_1.tif", "noclass.mrc", "_x.mrc", "x_1", ".mrc", "x_1.npy.gz", ""])
def test_what_is_not_one_gets_a_reason(name):
    assert isinstance(parse_name(name), str)


@given(st.text("ab.-", min_size=1), st.text("ab_.-"), st.sampled_from(EXTENSIONS))
def test_names_come_apart_as_they_were_put_together(label, suffix, extension):
    name = parse_name(f"{label}_{suffix}{extension}")
    assert isinstance(name, ClassName)
    assert (name.label, f"{name.suffix}{name.extension}") == (label, f"{suffix}{extension}")


@pytest.mark.parametrize(("given", "spelled"), [("mrc", ".mrc"), (".NPY", ".npy"), ("mrc.gz", ".mrc.gz"), (None, None)])
def test_extensions_are_spelled_one_way(given, spelled):
    assert check_extension(given) == spelled


def test_an_unknown_extension_lists_the_known():
    with pytest.raises(OptionError, match=r"'tif'.*\.mrc, \.mrcs"):
        check_extension("tif")


@given(st.lists(st.text("ab019_./", max_size=8)))
def test_natural_order_is_total_and_numeric(names):
    forwards, backwards = sorted(names), sorted(names, reverse=True)
    forwards.sort(key=natural_key)
    backwards.sort(key=natural_key)
    assert forwards == backwards
    assert sorted(["x_11", "x_2", "x_9", "x_10"], key=natural_key) == ["x_2", "x_9", "x_10", "x_11"]
    assert sorted(["b/1", "a/10", "a/9"], key=natural_path_key) == ["a/9", "a/10", "b/1"]
