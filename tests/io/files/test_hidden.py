"""What is passed over among people's files, whoever put it there."""

import pytest

from builders.io.files.hidden import is_hidden, is_named

HIDDEN = (
    *("._x_1.mrc", ".snapshot", ".snapshots", ".git", ".DS_Store", ".Trash-1000", ".zfs", ".nfs000001", "..x"),
    *("__MACOSX", "__macosx", "__pycache__", "lost+found", "~snapshot", "@eaDir", "#recycle", "#snapshot"),
    *("@Recycle", "@GMT-2026.01.31-23.00.00", "$RECYCLE.BIN", "$Recycle.Bin", "System Volume Information"),
)
PLAIN = (
    *(".", "..", "x.mrc", "_x_1.mrc", "__x_1.mrc", "~x.mrc", "#1_x.mrc", "@x_1.mrc", "snapshot", "git", "x.git"),
    *("lost", "lost+found_1.mrc", "@GMT-8", "$x", "x~"),
)


@pytest.mark.parametrize("name", HIDDEN)
def test_what_no_one_means_is_hidden_unless_a_pattern_has_it(name):
    assert is_hidden(name)
    for pattern in ("*", "**", "**/*.mrc", "[!a]*", "?*", f"x{name}"):
        assert not is_named(name, [pattern])
    assert is_named(name, ["*", f"**/{name}/*.mrc"])


@pytest.mark.parametrize("name", PLAIN)
def test_what_people_call_their_files_is_not(name):
    assert not is_hidden(name)
