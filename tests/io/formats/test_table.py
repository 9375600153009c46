"""Tables of formats: each one that is known has its row, and marks say where they stand."""

import pytest

from builders.errors import FormatError
from builders.io.formats import known, table
from tests.io.formats.toy import Toy


class Extra(Toy):
    """One with all that can be told."""

    title, extra, by_range, items = "Toys", "toys", False, ("frame",)
    notes = ("Made of tin.", "Not flipped.")


@pytest.fixture
def _registered(monkeypatch):
    monkeypatch.setattr(known, "_added", list(known._added))
    known.register(Extra())
    yield
    monkeypatch.undo()
    known.suffixes.cache_clear()


@pytest.mark.usefixtures("_registered")
def test_a_format_that_is_registered_has_its_row():
    row = "| Toys | `.toy`, also `.gz` `.bz2` | frame | the whole file | `pip install 'perc-cryoem[toys]'` |\n"
    assert row in table.short()
    assert row in table.full()
    assert "\n- **Toys.** Made of tin. Not flipped.\n" in table.full()
    assert "| NumPy | `.npy` | file, slice, frame | an image's own bytes |  |\n" in table.short()


def test_each_has_one_row_in_the_order_of_titles():
    rows = table.short().splitlines()[2:]
    assert len(rows) == len(known.formats())
    assert rows == sorted(rows, key=str.lower)


def test_documents_are_renewed_between_their_marks(tmp_path):
    before = "a\n<!-- formats: short -->\nold\n<!-- end of formats -->\nb\n"
    path = tmp_path / "x.md"
    path.write_text(before)
    assert table.main([str(path)]) == 0
    assert path.read_text() == before.replace("old\n", table.short())
    assert table.renewed(path.read_text()) == path.read_text()
    for text in ("no marks", before.replace("short", "odd")):
        with pytest.raises(FormatError, match=r"x\.md: "):
            table.renewed(text, "x.md")
