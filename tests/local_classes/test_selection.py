from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from builders.errors import OptionError
from builders.io.image_file import ImageFile
from builders.io.layout import Layout
from builders.local_classes.content import ClassImage
from builders.local_classes.folder import ClassFile
from builders.local_classes.names import ClassName
from builders.local_classes.selection import apportion, split, take


def image(label, number):
    path = f"{label}_{number}.mrc"
    name = ClassName(label, str(number), ".mrc")
    return ClassImage(
        ClassFile(f"/{path}", path, name, (0, 0, 0)), ImageFile(f"/{path}", Layout((2, 2), "<f4", 0), None, "", False)
    )


SIZES = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 30), min_size=1)


def images(sizes):
    return [image(label, n) for label in sorted(sizes) for n in range(sizes[label])]


def labels(items):
    return Counter(item.label for item in items)


@given(SIZES, st.data())
def test_apportion_gives_all_away_in_proportion(sizes, data):
    total = data.draw(st.integers(0, sum(sizes.values())))
    shares = apportion(total, sizes)
    assert sum(shares.values()) == total
    for label, size in sizes.items():
        assert abs(shares[label] - total * size / sum(sizes.values())) < 1


@given(SIZES, st.integers(0, 9), st.data())
def test_take_is_stratified_deterministic_and_in_order(sizes, seed, data):
    items = images(sizes)
    count = data.draw(st.integers(len(sizes), len(items)))
    taken = take(items, count, seed)
    assert len(taken) == count
    assert taken == [item for item in items if item in taken]
    assert taken == [item for item in items if item in take(items[::-1], count, seed)]
    for label, number in labels(items).items():
        assert labels(taken)[label] >= 1
        assert labels(taken)[label] <= max(1, number * count / len(items) + 1)


def test_take_says_what_is_possible():
    items = images({"a": 3, "b": 2})
    with pytest.raises(OptionError, match="at most 5"):
        take(items, 6, 0)
    with pytest.raises(OptionError, match="at least 2"):
        take(items, 1, 0)


def test_another_seed_takes_others():
    items = images({"a": 30, "b": 30})
    assert take(items, 10, 1) != take(items, 10, 2)


@given(SIZES, st.floats(0.05, 0.95), st.integers(0, 9))
def test_a_split_is_stratified_and_leaves_no_class_out_of_train(sizes, fraction, seed):
    assume(sum(sizes.values()) > len(sizes))
    groups = [[item] for item in images(sizes)]
    try:
        train, validation = split(groups, fraction, seed)
    except OptionError:
        assert all(round(fraction * size) == 0 or size == 1 for size in sizes.values()) or len(sizes) > 1
        return
    assert sorted(map(repr, train + validation)) == sorted(map(repr, images(sizes)))
    assert set(labels(train)) == set(sizes)
    for label, size in sizes.items():
        assert labels(validation)[label] <= fraction * size + 1
        if size > 1:
            assert labels(validation)[label] >= min(fraction * size, size - 1) - 1
    assert split(groups, fraction, seed) == (train, validation)


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=5), min_size=4), st.floats(0.1, 0.6))
def test_groups_stay_whole_also_across_classes(kinds, fraction):
    groups = [[image(label, f"{g}.{i}") for i, label in enumerate(kind)] for g, kind in enumerate(kinds)]
    try:
        train, validation = split(groups, fraction, 0)
    except OptionError:
        return
    for group in groups:
        assert all(item in train for item in group) or all(item in validation for item in group)
    assert set(labels(train)) == {label for kind in kinds for label in kind}


def test_a_group_larger_than_the_share_is_not_forced_in():
    groups = [[image("a", f"copy{i}") for i in range(8)], *[[image("a", i)] for i in range(8)]]
    _, validation = split(groups, 0.25, 0)
    assert len(validation) == 4


def test_nothing_to_validate_on_is_said():
    with pytest.raises(OptionError, match="1 different contents"):
        split([[image("a", 0), image("a", 1)]], 0.5, 0)


def test_a_files_side_depends_on_its_own_name_only():
    few, many = images({"a": 40}), images({"a": 44})
    _, first = split([[i] for i in few], 0.5, 7)
    _, second = split([[i] for i in many], 0.5, 7)
    assert len(set(map(repr, first)) & set(map(repr, second))) >= 17
