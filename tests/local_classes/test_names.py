import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.errors import OptionError
from builders.io.files.natural_order import natural_key, natural_path_key
from builders.local_classes.names import ClassName, Naming, check_extension, check_naming, extensions, parse_name


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


@pytest.mark.parametrize(
    ("pattern", "name", "parts"),
    [
        (r"(.+)_", "ribo_open_1.mrc", ("ribo_open", "1", ".mrc")),
        (r"(.+)_\d+", "ribo_open_12.mrc.gz", ("ribo_open", "12", ".mrc.gz")),
        (r"([^-]+)-", "ribo-open-1.mrc", ("ribo", "open-1", ".mrc")),
        (r"^(.*?)(?:-|$)", "ribo.npy", ("ribo", "", ".npy")),
        (r"_(open|closed)_", "s3_open_1.map", ("open", "s3_1", ".map")),
        (r"(.+)_\d+\.mrc", "a_b_1.mrc", ("a_b", "a_b_1", ".mrc")),
        (r"(\d)(?P<class>[a-z]+)", "1ab_x.rec", ("ab", "1_x", ".rec")),
        (r"(?i)(RIBO)", "x ribo 7.st", ("ribo", "x_7", ".st")),
    ],
)
def test_a_pattern_finds_the_class(pattern, name, parts):
    assert Naming(class_pattern=pattern)(name) == ClassName(*parts)


@pytest.mark.parametrize(
    ("pattern", "folder", "label"),
    [(None, "ribosome", "ribosome"), (None, "a/b", "b"), (r"([^/]+)", "a/b", "a"), (r"\d+_(.+)", "01_x", "x")],
)
def test_a_folder_is_the_class(pattern, folder, label):
    assert Naming("folder", pattern)("1_x.mrc", folder) == ClassName(label, "1_x", ".mrc")
    assert Naming("folder", pattern)("README", folder) == "no extension"


def test_where_there_is_no_class_it_is_said():
    assert Naming("folder")("1.mrc", "") == "no folder that is its class"
    for pattern in (r"(\d+)$", r"(\s)", "(x?)"):
        assert Naming(class_pattern=pattern)("a b.mrc") == f"no class by {pattern!r}"


@given(st.text("ab_-.1", max_size=8), st.sampled_from([r"(.+)_", "(a*)", "(b|-)", r"(\d)?"]))
def test_what_is_not_class_is_suffix(stem, pattern):
    name, match = Naming(class_pattern=pattern)(f"{stem}.mrc"), re.search(pattern, stem)
    if match and match[1]:
        assert isinstance(name, ClassName)
        assert name.label == match[1]
        assert Counter(filter(str.isalnum, name.label + name.suffix)) == Counter(filter(str.isalnum, stem))


@pytest.mark.parametrize(
    ("where", "pattern", "complaint"),
    [
        ("folders", None, "class_from is 'folders': expected 'name' or 'folder'"),
        ("name", "(", r"class_pattern is '\(': not a regular expression"),
        ("name", "x", "0 groups: expected one around the class"),
        ("name", "(a)(b)", "2 groups"),
        ("name", 5, "class_pattern is 5: expected text"),
        ("name", "(x{99999999999999999999})", "not a regular expression"),
    ],
)
def test_a_wrong_naming_is_told(where, pattern, complaint):
    with pytest.raises(OptionError, match=complaint):
        check_naming(where, pattern)
    assert check_naming("folder", "(?P<class>a)(b)") == Naming("folder", "(?P<class>a)(b)")


@pytest.mark.parametrize("name", ["README.md", "x_1.doc", "noclass.mrc", "_x.mrc", "x_1", ".mrc", "x_1.npy.gz", ""])
def test_what_is_not_one_gets_a_reason(name):
    assert isinstance(parse_name(name), str)


@given(st.text("ab.-", min_size=1), st.text("ab_.-"), st.sampled_from(extensions()))
def test_names_come_apart_as_they_were_put_together(label, suffix, extension):
    name = parse_name(f"{label}_{suffix}{extension}")
    assert isinstance(name, ClassName)
    assert (name.label, f"{name.suffix}{name.extension}") == (label, f"{suffix}{extension}")


@pytest.mark.parametrize(("given", "spelled"), [("mrc", ".mrc"), (".NPY", ".npy"), ("mrc.gz", ".mrc.gz"), (None, None)])
def test_extensions_are_spelled_one_way(given, spelled):
    assert check_extension(given) == spelled


def test_an_unknown_extension_lists_the_known():
    with pytest.raises(OptionError, match=r"'doc'.*\.mrc, \.mrcs"):
        check_extension("doc")


@given(st.lists(st.text("ab019_./", max_size=8)))
def test_natural_order_is_total_and_numeric(names):
    forwards, backwards = sorted(names), sorted(names, reverse=True)
    forwards.sort(key=natural_key)
    backwards.sort(key=natural_key)
    assert forwards == backwards
    assert sorted(["x_11", "x_2", "x_9", "x_10"], key=natural_key) == ["x_2", "x_9", "x_10", "x_11"]
    assert sorted(["b/1", "a/10", "a/9"], key=natural_path_key) == ["a/9", "a/10", "b/1"]
