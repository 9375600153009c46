"""Names in tables -> files: what they may mean, against what is there."""

import pytest

from builders.archive.named.finding import Stage, find
from builders.archive.named.places import LocalTree
from builders.errors import NotFoundError, OptionError, UnsafePathError
from builders.stacks.files import SourceFile

MARK = "000123456789012345678"


class Listed:
    """A tree of paths, which counts how often it is searched."""

    def __init__(self, *paths, name="/root"):
        self.name, self.held, self.searches = name, set(paths), 0

    def inside(self, path):
        return path.removeprefix(f"{self.name}/") if path.startswith(f"{self.name}/") else None

    def file(self, path):
        return SourceFile(path, f"{self.name}/{path}", 1, "s") if path in self.held else None

    def beside(self, path):
        folder = path.rpartition("/")[0]
        return [name for name in (held.removeprefix(f"{folder}/") for held in self.held) if "/" not in name]

    def paths(self):
        self.searches += 1
        return sorted(self.held)


def found(names, *trees, searched=1):
    made = find(names, [Stage(trees, searched)], "t.star")
    return [None if number < 0 else made.files[number].location for number in made.of]


def test_a_name_is_relative_to_the_first_tree_that_has_it():
    first, second = Listed("a/x.mrcs"), Listed("a/x.mrcs", "a/y.mrcs", name="/other")
    assert found(["a/x.mrcs", "a/y.mrcs"], first, second) == ["/root/a/x.mrcs", "/other/a/y.mrcs"]
    assert not first.searches


@pytest.mark.parametrize("name", [">J1/x.mrc", "./J1//x.mrc", "J2/../J1/x.mrc", "/root/J1/x.mrc", f"J1/{MARK}_x.mrc"])
def test_marks_and_spellings_of_a_path_make_no_difference(name):
    assert found([name], Listed("J1/x.mrc")) == ["/root/J1/x.mrc"]


def test_a_file_with_the_marks_of_cryosparc_comes_first():
    tree = Listed("J1/x.mrc", f"J1/{MARK}_x.mrc")
    assert found([f"J1/{MARK}_x.mrc", "J1/x.mrc"], tree) == [f"/root/J1/{MARK}_x.mrc", "/root/J1/x.mrc"]
    assert found(["elsewhere/x.mrc"], Listed(f"J1/{MARK}_x.mrc")) == [f"/root/J1/{MARK}_x.mrc"]


def test_suffixes_are_as_they_are_spelled():
    assert found(["x.mrc"], Listed("x.mrcs")) == [None]


@pytest.mark.parametrize(
    "name",
    [
        *("../../etc/passwd", "a/../../x.mrcs", "/etc/passwd", "..", "", ">", "/", "a/", "x\0.mrcs", "x\n.mrcs"),
        *("http://host/x.mrcs", "file:///etc/passwd", "empiar://10943/data/x.mrcs", ">../x.mrcs", "/root/../etc/x"),
    ],
)
@pytest.mark.parametrize("tree", [Listed("etc/group", "x.mrcs"), LocalTree("/root")])
def test_no_name_leads_out_of_the_trees(name, tree):
    with pytest.raises(UnsafePathError, match=r"t\.star: .*/root"):
        find([name], [Stage([tree], 1)], "t.star")


def test_an_absolute_path_of_another_machine_means_the_file_here():
    tree = Listed("job1/mics/x.mrcs", "job2/mics/x.mrcs", "passwd")
    names = ["/scratch/anna/job2/mics/x.mrcs", ">/scratch/anna/job1/mics/x.mrcs", "/etc/passwd"]
    assert found(names, tree) == ["/root/job2/mics/x.mrcs", "/root/job1/mics/x.mrcs", "/root/passwd"]


def test_of_files_of_one_name_the_longest_common_path_decides():
    tree = Listed("p/job1/mics/x.mrcs", "p/job2/mics/x.mrcs", "p/job2/other/x.mrcs")
    names = ["Extract/job2/mics/x.mrcs", "Extract/job9/other/x.mrcs"]
    assert found(names, tree) == ["/root/p/job2/mics/x.mrcs", "/root/p/job2/other/x.mrcs"]
    assert tree.searches == 1
    with pytest.raises(OptionError, match=r"x\.mrcs may be any of p/job1/mics/x\.mrcs, p/job2/mics/x\.mrcs in /root"):
        find(["mics/x.mrcs"], [Stage([tree], 1)], "t.star")


def test_base_names_are_looked_for_in_the_first_trees_alone():
    assert found(["z/x.mrcs"], Listed(), Listed("a/x.mrcs", name="/up")) == [None]
    assert found(["z/x.mrcs"], Listed(), Listed("a/x.mrcs", name="/up"), searched=2) == ["/up/a/x.mrcs"]


def test_a_stage_is_searched_before_the_next_one_is_looked_in():
    root, around = Listed("flat/x.mrcs"), Listed("a/x.mrcs", "a/y.mrcs", name="/project")
    made = find(["a/x.mrcs", "a/y.mrcs"], [Stage([root], 1), Stage([around], 0)], "t.star")
    assert [file.location for file in made.files] == ["/project/a/y.mrcs", "/root/flat/x.mrcs"]


def test_what_is_missing_is_told_together_with_what_is_there_instead():
    tree = Listed("d/tv1_f03-16.mrcs", "d/stack_0001.mrc", "d/unlike.mrcs")
    names = ["tv1.mrcs", "stack_0001.mrcs", "nothing.mrcs", *(f"m_{n}.mrcs" for n in range(7)), "unlike.mrcs"]
    made = find(names, [Stage([tree], 1)], "t.star")
    assert made.of == (*[-1] * 10, 0)
    with pytest.raises(NotFoundError) as told:
        made.require_all("t.star", [Stage([tree], 1)])
    assert str(told.value) == (
        "t.star: 10 of 11 files that it names are not there: tv1.mrcs (there is tv1_f03-16.mrcs), stack_0001.mrcs "
        "(there is stack_0001.mrc), nothing.mrcs and 7 more; looked in /root: root= names the folder that they are "
        "relative to (on_error='skip' leaves out their rows)"
    )


@pytest.mark.parametrize(
    ("name", "there", "instead"),
    [
        ("mic_1.mrcs", ["mic_10.mrcs", "mic_2.mrcs"], None),
        ("mic_1.mrcs", ["mic_1_fix.mrcs", "mic_1.mrc"], "mic_1_fix.mrcs"),
        ("mic_1.mrcs", ["Mic_001.mrcs", "Mic_002.mrcs"], "Mic_001.mrcs"),
        ("x/mic_1_fix.mrcs", ["x/mic_1.mrcs"], "mic_1.mrcs"),
        ("mic_1.mrcs", ["unlike", "README"], None),
    ],
)
def test_another_number_is_another_file(name, there, instead):
    made = find([name], [Stage([Listed(*there)], 0)], "t.star")
    assert made.missing == ((name, f" (there is {instead})" if instead else ""),)


def test_a_folder_of_the_name_is_not_what_is_there_instead(tmp_path):
    (tmp_path / "x.mrcs").mkdir()
    (tmp_path / "y.mrcs").symlink_to("nowhere")
    made = find(["x.mrcs", "y.mrcs"], [Stage([LocalTree(str(tmp_path))], 1)], "t.star")
    assert made.missing == tuple((name, " (a folder, or a link that leads nowhere)") for name in ("x.mrcs", "y.mrcs"))


def test_files_are_in_natural_order_and_none_is_there_twice():
    tree = Listed("x_10.mrcs", "x_2.mrcs", "x_1.mrcs")
    made = find(["x_10.mrcs", ">x_2.mrcs", "x_1.mrcs", "./x_2.mrcs"], [Stage([tree], 1)], "t.star")
    assert [file.path for file in made.files] == ["x_1.mrcs", "x_2.mrcs", "x_10.mrcs"]
    assert made.of == (2, 1, 0, 1)


def test_a_search_through_a_disk_ends(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/up").symlink_to(tmp_path)
    (tmp_path / ".snapshot").mkdir()
    (tmp_path / ".snapshot/x.mrcs").touch()
    (tmp_path / "a/b/x.mrcs").touch()
    assert list(LocalTree(str(tmp_path)).paths()) == ["a/b/x.mrcs"]
    assert found(["elsewhere/x.mrcs"], LocalTree(str(tmp_path))) == [f"{tmp_path}/a/b/x.mrcs"]
    assert LocalTree(str(tmp_path)).file("a/b") is None


def test_ten_thousand_names_ask_a_tree_once_each():
    tree = Listed(*(f"p/s_{n}.mrcs" for n in range(10_000)))
    asked = []
    tree.file, plain = lambda path: asked.append(path) or plain(path), tree.file
    made = find([f"q/s_{n}.mrcs" for n in range(10_000)], [Stage([tree], 1)], "t.star")
    assert len(made.files) == 10_000
    assert len(asked) == 20_000
    assert tree.searches == 1
