"""Trees of folders: what lies in them, on this machine and on a server, and nothing outside of them."""

import pytest

from builders.archive.tree import Tree, read_small
from builders.errors import FormatError, NotFoundError, OptionError, UnsafeAddressError
from builders.io.net import remote
from tests.server import serve


@pytest.fixture
def made(tmp_path):
    for path in ("a b/x.txt", "a b/c/y_10.txt", "a b/c/y_9.txt", ".hidden/z.txt", "top.txt"):
        (tmp_path / "made" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "made" / path).write_text(path)
    return tmp_path / "made"


def test_both_kinds_hold_the_same(made):
    with serve() as archive:
        archive.publish(made.parent)
        remote.permit(archive.base)
        for tree in (Tree(str(made)), Tree(archive.url("/made/"))):
            files = [path for path, child in tree.walk() if not child.is_folder]
            assert files == ["top.txt", "a b/x.txt", "a b/c/y_9.txt", "a b/c/y_10.txt"]
            assert tree.read("a b/x.txt") == b"a b/x.txt"
            assert (tree.has_folder("a b/c"), tree.has_folder("a b/x.txt"), tree.names("none")) == (True, False, {})
            assert [path for path, _ in tree.walk(lambda _: False)] == ["a b", "top.txt"]
            assert all(child.stamp for child in tree.names("a b/c").values())


def test_folders_are_listed_once(made):
    with serve() as archive:
        archive.publish(made)
        remote.permit(archive.base)
        tree = Tree(archive.base)
        assert tree.children() == tree.children()
        assert len(archive.requests) == 1


@pytest.mark.parametrize("path", ["../x", "a/../../x", "a/./x", "a\\x", "a\nx"])
def test_paths_do_not_lead_out(made, path):
    for base in (str(made), "https://example.org/x"):
        with pytest.raises(OptionError, match="expected a path inside"):
            Tree(base).locate(path)


@pytest.mark.parametrize("base", ["s3://x", "relative", "https://example.org/x?y=z", "https://example.org/#x"])
def test_what_is_no_folder_and_no_address_is_refused(base):
    with pytest.raises(OptionError, match="expected"):
        Tree(base)


def test_hosts_that_nobody_named_are_not_asked():
    with pytest.raises(UnsafeAddressError, match="none of the hosts named"):
        Tree("http://127.0.0.1:9/x").children()


def test_small_files_are_small(made):
    with pytest.raises(FormatError, match="more than 3 bytes: expected a small file"):
        read_small(str(made / "top.txt"), 3)
    with pytest.raises(NotFoundError):
        read_small(str(made / "none"))
