"""What is a row: the category, else the suffix, else the header. The vocabulary is that of EMPIAR's own schema."""

import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest

from builders import load_dataset
from builders.empiar.categories import CATEGORIES, said_by
from builders.io import mrc
from builders.stacks.slices_or_files import SUFFIXES, before_header, is_by_slice
from tests import mrc_encoder
from tests.empiar import deposit

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT.parent / "shared" / "wire" / "empiar_api" / "empiar_deposition.schema.json"

STACK, VOLUME, VOLUMES = {"ispg": 0, "mz": 1}, {"ispg": 1}, {"ispg": 401, "mz": 2}


def header(*, sections=4, **facts):
    return mrc.parse_header(bytes(mrc_encoder.header(8, 6, sections, 2, **facts)))


@pytest.mark.skipif(not SCHEMA.is_file(), reason="needs the recorded answers of ../shared/wire")
def test_every_category_of_the_archives_vocabulary_has_a_meaning():
    schema = json.loads(SCHEMA.read_text())["properties"]["imagesets"]["items"]["properties"]["category"]
    told = re.findall(r"'?(T\d+)'[^']*'([^']+)'", schema["description"])
    assert [code for code, _ in told] == [f"T{number}" for number in range(1, 15)]
    assert [name for _, name in told] == list(CATEGORIES)
    for code, name in told:
        assert said_by(f"('{code}', '')") == said_by(name.upper()) == CATEGORIES[name]


def test_the_documents_tables_are_those_of_the_code():
    words = {"a slice": "slice", "the file": "file", "a volume": "volume"}
    lines = (ROOT / "docs" / "builders" / "stacks.md").read_text().splitlines()
    cells = [[cell.strip(" `") for cell in line.strip().strip("|").split("|")] for line in lines if "|" in line]
    categories = [(name, code, words[row]) for name, code, row in (c for c in cells if c[-2].startswith("T"))]
    assert categories == [(name, f"T{n}", meaning) for n, (name, meaning) in enumerate(CATEGORIES.items(), 1)]
    assert {suffix: words[row] for suffix, row in (c for c in cells if c[0].startswith("."))} == SUFFIXES


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("(OT,polished particles)", "slice"),
        ("('OT', 'Extracted particle stacks')", "slice"),
        ("(OT,2D classes)", "slice"),
        ("(OT,particles - multi-frame)", "slice"),
        ("(OT,aligned movies)", "file"),
        ("Micrographs \u2013 multi-frame, dose-weighted", "file"),
        ("(OT,tilt-series)", "file"),
        ("(OT,unaligned frames)", "file"),
        ("(OT,Tomograms)", "volume"),
        ("(OT,sub-tomogram particles)", "volume"),
        ("(OT,3D class averages)", "volume"),
        ("(OT,half maps)", "volume"),
        ("(OT,untilted particles)", "slice"),
        ("(OT,particles and the micrographs they are from)", None),
        ("(OT,lamellae)", None),
        ("", None),
    ],
)
def test_free_text_is_read_for_its_words(text, meaning):
    assert said_by(text) == meaning


@pytest.mark.parametrize(
    ("category", "path", "facts", "by_slice"),
    [
        # the category decides, whatever programs write into headers and suffixes
        ("picked particles - single frame - processed", "a.mrc", VOLUME, True),
        ("class averages", "a.map", VOLUME, True),
        ("tilt series", "a.mrcs", STACK, False),
        ("micrographs - multiframe", "a.mrcs.gz", STACK, False),
        ("reconstructed volumes", "a.mrc", STACK, False),
        ("subtomograms", "a.mrcs", STACK, False),
        ("picked particles - single frame - processed", "a.mrc", {"sections": 1}, True),
        # else the suffix
        ("", "a.mrcs", VOLUME, True),
        ("(OT,lamellae)", "A.MRCS.BZ2", VOLUME, True),
        ("", "a.st", STACK, False),
        ("", "a.rec", STACK, False),
        ("", "a.map.gz", STACK, False),
        # else the header
        ("", "a.mrc", STACK, True),
        ("", "a.mrc", {"ispg": 0}, False),
        ("", "a.mrc", VOLUME | {"mz": 1}, False),
        ("", "a.mrc", STACK | {"sections": 1}, False),
        # four axes are never one row
        ("subtomograms", "a.mrc", VOLUMES, True),
        ("micrographs - multiframe", "a.st", VOLUMES, True),
    ],
)
def test_category_then_suffix_then_header(category, path, facts, by_slice):
    found = header(**facts)
    assert is_by_slice("auto", said_by(category), path, found) is by_slice
    assert is_by_slice("slice", said_by(category), path, found)
    assert not is_by_slice("file", said_by(category), path, found)
    early = before_header("auto", said_by(category), path)
    if early is not None and not found.is_volume_stack:
        assert early == ("slice" if by_slice else "file")


@pytest.mark.parametrize(
    ("item", "category", "path", "early"),
    [
        ("slice", "tilt series", "a.mrc", "slice"),
        ("file", "", "a.mrcs", "file"),
        ("auto", "class averages", "a.mrc", "slice"),
        ("auto", "micrographs - single frame", "a.mrcs", "file"),
        ("auto", "", "a.mrcs.gz", "slice"),
        ("auto", "", "a.ali", "file"),
        ("auto", "", "a.mrc", None),
        ("auto", "subtomograms", "a.mrcs", None),
        ("auto", "", "a.rec", None),
    ],
)
def test_what_is_known_before_a_header_is_read(item, category, path, early):
    assert before_header(item, said_by(category), path) == early


def test_a_file_without_such_a_header_goes_by_its_category():
    assert is_by_slice("auto", "slice", "a.npy", None)
    assert not is_by_slice("auto", None, "a.npy", None)
    assert not is_by_slice("auto", "file", "a.npy", None)


@pytest.mark.parametrize("streaming", [False, True])
def test_rows_of_a_deposit_whose_headers_say_otherwise(tmp_path, streaming):
    """Real programs write ISPG 1 for stacks of particles, and 0 for volumes and movies."""
    sets = {
        "p": ("picked particles - single frame - processed", "s.mrc", 1, [(0, 2), (1, 2), (2, 2)]),
        "c": ("(OT,2D classes)", "s.mrc", 1, [(0, 2), (1, 2), (2, 2)]),
        "m": ("micrographs - multiframe", "s.mrcs", 0, [(None, 3)]),
        "v": ("subtomograms", "s.mrcs", 0, [(None, 3)]),
    }
    deposit.write_xml(tmp_path, [(name, f"data/{name}", facts[0]) for name, facts in sets.items()])
    pixels = np.arange(3 * 5 * 4, dtype=np.float32)
    for name, (_, file, ispg, rows) in sets.items():
        path = tmp_path / deposit.ENTRY / "data" / name / file
        path.parent.mkdir(parents=True)
        path.write_bytes(mrc_encoder.header(4, 5, 3, 2, ispg=ispg, mz=1) + struct.pack("<60f", *pixels))
        options = {"archive": str(tmp_path), "cache_dir": str(tmp_path / "cache"), "streaming": streaming}
        got = list(load_dataset("empiar", entry=deposit.ENTRY, imageset=name, split="train", **options))
        assert [(row["index"], row["image"].ndim) for row in got] == rows
        np.testing.assert_array_equal(np.concatenate([row["image"].ravel() for row in got]), pixels)
