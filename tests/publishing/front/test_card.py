"""Cards and provenance: what they say, that `datasets` and the code in them load it, and that no text gets out."""

import ast
import json
import logging
import re

import datasets
import numpy as np
import pytest
from datasets import Array2D, Array3D, ClassLabel, DatasetInfo, Features, Image, List, Value, load_dataset
from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builders.archive_licences import ARCHIVES, LICENSES
from builders.errors import OptionError
from builders.publishing.front.card import UNFINISHED, _literal, complete_card, size_category, unfinished_card
from builders.publishing.front.columns import other_readers
from builders.publishing.front.provenance import check_doi, check_license, one_line, provenance_of, shown
from builders.publishing.writing.preview import preview_png, thumbnail_sheet
from builders.structures.rows import features as structure_features

HOSTILE = [
    "---\nlicense: mit\n---",
    "```\n# out\n````python\nimport os\n`````",
    "<script>alert(1)</script><!-- <img src=x onerror=y> &lt;",
    "a | b \\| c `d` ``e``\n| - | - |",
    "[click](javascript:alert(1)) ![x](http://evil) <http://evil> www.evil.com http://evil.com me@evil.com",
    "# heading\n## another\n> quote\n- item\n1. item\n===",
    "\u202egpj.exe\u202c \x1b[31m \x00 \x85 \u2028 \u2029 \x0b \x0c \r\n \ufeff",
    "!!python/object:os.system {a: b} [c] &x *x 'q' \"q\" %TAG @ ` : - ? # ",
    "$x$ ~~y~~ __z__ *w* :smile: @user #1",
    "yes",
    "",
    " ",
]
TEXT = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.sampled_from("`~-#<>|[]()!*_\\&:'\"\n\r\t {}=+1.)abc\u202e\x85\u2028\x1b\u4e2d$@%?,"), max_size=60),
    st.text(max_size=30),
)
PLAIN = Features({"image": Array2D((8, 8), "float32"), "label": ClassLabel(names=["a", "b"]), "path": Value("string")})
ENTRY = {"entry": ["EMPIAR-10943"]}


def card_of(provenance, features=PLAIN, **options):
    options = {"address": "ME/NAME", "images": ["image"]} | options
    return complete_card(provenance, features, {"train": (12, 3456)}, {"train": 2}, 2345, **options)


def body_outside_code(card):
    """The lines of a card below its YAML that are not code, as CommonMark takes them to be."""
    lines = iter(card.splitlines())
    assert next(lines) == "---"
    assert "---" in lines
    outside, fence = [], None
    for line in lines:
        run = re.match(r"`{3,}", line)
        if fence is None and run:
            fence = run[0]
        elif fence is None:
            outside.append(line)
        elif re.fullmatch(rf"{fence}`*\s*", line):
            fence = None
    assert fence is None
    return outside


@settings(max_examples=25)
@given(TEXT, TEXT, TEXT, TEXT, st.lists(TEXT, min_size=1, max_size=3, unique=True), TEXT.filter(bool))
@example(*HOSTILE[:4], HOSTILE, HOSTILE[0])
@example(*HOSTILE[4:8], HOSTILE[::-1], HOSTILE[3])
def test_no_text_gets_out_of_its_place(title, citation, imageset, transform, labels, column):
    features = Features({"image": Array2D((8, 8), "int8"), column: ClassLabel(names=labels)})
    info = DatasetInfo(description=title, citation=citation, homepage=title, license=citation, builder_name=imageset)
    sources = {"entry": ["EMPIAR-10943", title], "imageset": [imageset], column: [citation]}
    provenance = provenance_of(info, sources, [transform])
    card = card_of(provenance, features, tags=[title], notes=[imageset])

    assert all(c.isprintable() or c == "\n" for c in card)
    read = DatasetCard(card)
    assert read.data.pretty_name == provenance.title
    assert read.data.license == "unknown"
    assert set(read.data.to_dict()) == {
        *("license", "pretty_name", "size_categories", "tags", "configs", "dataset_info"),
    }
    told = DatasetInfosDict.from_dataset_card_data(read.data)["default"]
    assert told.features in (features, None)
    assert told.splits["train"].num_examples == 12
    assert MetadataConfigs.from_dataset_card_data(read.data)["default"]["data_files"] == [
        {"split": "train", "path": "data/train-*.parquet"}
    ]

    outside = body_outside_code(card)
    headings = [line for line in outside if re.match(r"\s{0,3}#", line)]
    known = {"Loading it", "Columns", "Transforms", "Source", "Citation", "Licence", "Made with"}
    assert {line.removeprefix("## ") for line in headings[1:]} <= known
    assert not [line for line in outside if re.fullmatch(r"\s*([-*_=]\s*)+", line)]
    text = "\n".join(outside)
    assert not set("<>") & set(text)
    links = re.findall(r"(?<!\\)\]\(([^)]*)\)", text)
    assert {link for link in links if not link.startswith("https://www.ebi.ac.uk/empiar/EMPIAR-10943/")} <= {
        "https://doi.org/10.6019/EMPIAR-10943"
    }
    assert not re.search(r"https?://(?!www\.ebi\.ac\.uk|doi\.org)|(?<![\w/])www\.", text)
    assert json.loads(json.dumps(provenance.as_dict()))["title"] == provenance.title


@settings(max_examples=25)
@given(TEXT)
@example(HOSTILE[0])
def test_nor_out_of_an_unfinished_card(title):
    card = unfinished_card(one_line(title), 3, 12)
    assert DatasetCard(card).data.pretty_name == one_line(title)
    outside = body_outside_code(card)
    assert sum(line.startswith("#") for line in outside) == 1
    assert "3 of 12 files" in card


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A folder such as publishing makes, by hand."""
    monkeypatch.chdir(tmp_path)
    features = Features(
        {
            **PLAIN,
            "pixel_size": Value("float32"),
            "volume": Array3D((2, 3, 4), "float64"),
            "ragged": List(List(Value("int16"))),
            "pose": {"rot": Value("float32"), "tilt": Value("float32")},
            "preview": Image(),
        }
    )
    rng = np.random.default_rng(0)
    rows = [
        {
            "image": rng.standard_normal((8, 8)).astype(np.float32),
            "label": number % 2,
            "path": f"data/{number}.mrc",
            "pixel_size": 1.5,
            "volume": rng.standard_normal((2, 3, 4)),
            "ragged": [[number, 2]] * (number + 1),
            "pose": {"rot": 1.0, "tilt": 2.0},
            "preview": {"bytes": preview_png(np.eye(8)), "path": None},
        }
        for number in range(5)
    ]
    for split in ("train", "validation"):
        path = tmp_path / "published" / "data" / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_list(rows, features=features).to_parquet(str(path))
    (tmp_path / "published" / "thumbnails.png").write_bytes(thumbnail_sheet([preview_png(np.eye(8))]))

    def write(**options):
        splits = {"train": (5, 1234), "validation": (5, 1234)}
        card = complete_card(
            provenance_of(DatasetInfo(builder_name="empiar"), ENTRY, ["Normalize()"]),
            *(features, splits, {"train": 1, "validation": 1}, 2345),
            **{"address": "published", "images": ["image"], "has_sheet": True} | options,
        )
        (tmp_path / "published" / "README.md").write_text(card, encoding="utf-8")
        return card

    return write, rows, features


def test_a_card_says_who_else_reads_images(published):
    write, _, _ = published
    said = (
        "pyarrow, DuckDB and polars (`.ext.storage()` of a column) read `image`, `volume` and `ragged` as nested lists"
    )
    assert f"\n{said}; fastparquet as None.\n" in write()
    chains = Features({"chains": List({"name": Value("string")})})
    assert other_readers(chains) == "pyarrow, DuckDB and polars read `chains` as nested lists; fastparquet as None."
    assert other_readers(Features({"path": Value("string"), "element": List(Value("string"))})) == ""
    assert "fastparquet" in complete_card(
        *(provenance_of(DatasetInfo(), {}, [], license="mit"), structure_features(include_file=True)),
        *({"train": (1, 1)}, {"train": 1}, 1),
        address="published",
    )


def test_a_card_says_what_loads_the_dataset(published):
    write, _, features = published
    assert "standard features: `datasets` loads them, with Pillow for `preview`.\n" in write()
    without = Features({name: feature for name, feature in features.items() if name != "preview"})
    card = card_of(provenance_of(DatasetInfo(), ENTRY, []), without)
    assert "standard features: `datasets` alone loads them.\n" in card


def test_the_code_in_a_card_loads_the_dataset(published):
    write, rows, features = published
    blocks = re.findall(r"```python\n(.*?)```", write(images=["image", "volume"]), re.S)
    names = {}
    exec(blocks[0], names)
    np.testing.assert_array_equal(names["image"], rows[0]["image"])
    assert names["ds"].features == features
    exec(blocks[1], names)
    np.testing.assert_allclose(names["row"]["volume"], rows[0]["volume"], rtol=1e-6)
    exec(blocks[2], names)
    assert isinstance(names["image"], np.ndarray)
    np.testing.assert_array_equal(names["image"], rows[0]["image"])
    exec(re.findall(r"```python\n(.*?)```", write(images=["volume"]), re.S)[2], names)
    np.testing.assert_array_equal(names["image"], rows[0]["volume"])
    names = {}
    for block in re.findall(r"```python\n(.*?)```", write(images=[]), re.S)[:2]:
        exec(block, names)
    assert names["row"]["path"] == rows[0]["path"]


def test_datasets_checks_what_a_card_says_of_splits(published, tmp_path):
    card = published[0]()
    assert set(load_dataset("published")) == {"train", "validation"}
    (tmp_path / "published" / "README.md").write_text(card.replace("num_examples: 5", "num_examples: 6"))
    with pytest.raises(datasets.exceptions.NonMatchingSplitsSizesError, match="num_examples=6"):
        load_dataset("published")


@pytest.mark.parametrize("streaming", [True, False])
def test_a_dataset_that_is_not_complete_fails_loudly(published, streaming, tmp_path):
    published[0]()
    (tmp_path / "published" / "README.md").write_text(unfinished_card("A deposit", 1, 2))
    with pytest.raises(FileNotFoundError, match="NOT-COMPLETE-YET/publishing-goes-on-when-the-same-command-is-run"):
        load_dataset("published", streaming=streaming)
    assert not (tmp_path / "published" / UNFINISHED).exists()


def test_a_card_tells_columns_with_their_units_and_others_without():
    pose = {"rot": Value("float32")}
    features = Features(
        {**PLAIN, "pixel_size": Value("float32"), "pose": pose, "index": Value("string"), "mine": Value("int8")}
    )
    card = card_of(provenance_of(DatasetInfo(), ENTRY, ["Rescale(size=32)", "Normalize()"]), features)
    assert "| `image` | float32, 8 x 8 | `(ny, nx)`, or `(nz, ny, nx)` of a volume |" in card
    assert "| `pixel_size` | float32 | Å per pixel along x; null where it is not known |" in card
    assert "| `index` | string |  |" in card  # of that name, but not ours
    assert "| `mine` | int8 |  |" in card
    assert re.search(r"\| `pose` \| rot by name \| .*degrees.*Å", card)
    assert "Classes of `label`: 0: a, 1: b." in card
    assert "```python\nRescale(size=32)\nNormalize()\n```" in card
    assert "12 rows of [EMPIAR-10943]" in card
    assert "thumbnails.png" not in card
    assert "![Some of the images](thumbnails.png)" in card_of(provenance_of(DatasetInfo(), ENTRY, []), has_sheet=True)


def test_the_columns_of_structures_survive_in_a_card():
    info = DatasetInfo(builder_name="structures")
    sources = {"source": ["pdb", "alphafold"], "entry_id": ["4v1w", "AF-P45523-F1"]}
    card = card_of(provenance_of(info, sources, []), structure_features(include_file=True), images=[])
    read = DatasetInfosDict.from_dataset_card_data(DatasetCard(card).data)["default"]
    assert read.features == structure_features(include_file=True)
    assert "[4v1w](https://doi.org/10.2210/pdb4v1w/pdb)" in card
    assert "[AF-P45523-F1](https://alphafold.ebi.ac.uk/entry/P45523)" in card
    assert DatasetCard(card).data.license == "cc-by-4.0"
    assert "cryo-em" not in DatasetCard(card).data.tags
    assert not [line for line in card.splitlines() if line.startswith("| `") and line.endswith("|  |")]


def test_features_that_yaml_cannot_say_are_left_to_the_files():
    features = Features({"x": {"list": Value("int8")}, "y": List({"dtype": Value("string")})})
    read = DatasetInfosDict.from_dataset_card_data(
        DatasetCard(card_of(provenance_of(DatasetInfo(), {}, []), features)).data
    )
    assert read["default"].features in (features, None)
    assert read["default"].splits["train"].num_examples == 12


def test_many_entries_are_counted_in_the_card_and_listed_beside_it():
    ids = [f"{number}abc" for number in range(10)] + [f"1{a}{b}x" for a in "abcdefgh" for b in "abcdefgh"]
    provenance = provenance_of(DatasetInfo(), {"source": ["pdb"], "entry_id": ids}, [])
    card = card_of(provenance)
    assert f"{len(ids) - 50} more, which `provenance.json` lists" in card
    assert [entry["name"] for entry in provenance.as_dict()["entries"]] == ids
    assert provenance.doi is None


def test_many_classes_are_counted_too():
    features = Features({"label": ClassLabel(names=[f"c{number}" for number in range(60)])})
    assert ", 49: c49 and 10 more." in card_of(provenance_of(DatasetInfo(), {}, []), features)


@given(TEXT)
def test_text_in_code_is_that_text(text):
    assert ast.literal_eval(_literal(text)) == text


def test_what_programs_read_of_a_card():
    told = DatasetCard(card_of(provenance_of(DatasetInfo(), ENTRY, []))).data
    read = DatasetInfosDict.from_dataset_card_data(told)["default"]
    assert (read.dataset_size, read.download_size, read.splits["train"].num_bytes) == (3456, 2345, 3456)
    assert DatasetCard(unfinished_card("A deposit", 1, 2)).data.viewer is False


def test_an_entrys_page_is_linked_once_and_a_folder_is_called_one():
    provenance = provenance_of(DatasetInfo(), ENTRY, [])
    assert "Home page" not in card_of(provenance)
    other = provenance_of(DatasetInfo(homepage="https://example.org/lab"), ENTRY, [])
    assert "[Home page](https://example.org/lab)" in card_of(other)
    assert "the path of this folder" not in card_of(provenance)
    assert "the path of this folder" in card_of(provenance, address="published")


@pytest.mark.parametrize("rows", [0, 1, 999, 1000, 9999, 10**4, 10**6 - 1, 10**9, 10**12 - 1, 10**12, 10**15])
def test_size_categories_hold_their_numbers(rows):
    name = size_category(rows).replace("K", "000").replace("M", "000000").replace("B", "0" * 9).replace("T", "0" * 12)
    low, _, high = (
        name.partition("<n<") if "<n<" in name else ("0", "", name[2:]) if name[1] == "<" else (name[2:], "", "")
    )
    assert int(low) <= rows
    assert not high or rows < int(high)


@pytest.mark.parametrize(
    ("sources", "told", "license"),
    [
        ({"entry": ["EMPIAR-10943"]}, "", "cc0-1.0"),
        ({"source": ["pdb"], "entry_id": ["4v1w"]}, "cc-by-4.0", "cc0-1.0"),
        ({"source": ["pdb", "alphafold"], "entry_id": ["4v1w", "AF-P45523-F1"]}, "", "cc-by-4.0"),
        ({"source": ["cath"], "entry_id": ["1cukA01"]}, "", "cc-by-4.0"),
        ({"entry": ["EMPIAR-10943", "of a friend"]}, "cc0-1.0", None),
        ({"source": ["pdb"], "entry_id": ["4v1w", "mine"]}, "cc0-1.0", None),
        ({"source": ["pdb", "another"], "entry_id": ["4v1w"]}, "cc0-1.0", None),
        ({"source": ["microscope 2"]}, "", None),
        ({}, "mit", "mit"),
        ({}, "foo", None),
        ({}, "cc0-1.0\n\ncc-by-4.0", "cc-by-4.0"),
        ({}, "cc0-1.0\n\nmit", None),
        ({}, "All rights reserved.", None),
        ({}, "", None),
    ],
)
def test_a_licence_is_taken_from_rows_whose_archive_is_known(sources, told, license, caplog):
    with caplog.at_level(logging.WARNING):
        assert provenance_of(DatasetInfo(license=told), sources, []).license == license
    assert ("license='cc-by-4.0'" in caplog.text) == (license is None)
    assert provenance_of(DatasetInfo(license=told), sources, [], license="mit").license == "mit"


@pytest.mark.parametrize(
    "license", ["", "CC0-1.0", "cc0 1.0", "mit\nviewer: true", "-x", "é", "x" * 99, 3, "foo", "cc-by-5.0", "MIT"]
)
def test_a_licence_of_another_form_is_refused(license):
    with pytest.raises(OptionError, match="license is"):
        check_license(license)


@pytest.mark.parametrize(
    ("license", "meant"),
    [
        ("CC-BY-4.0", "cc-by-4.0"),
        ("cc-by", "cc-by-4.0"),
        ("CC0", "cc0-1.0"),
        ("Apache 2.0", "apache-2.0"),
        ("mlt", "mit"),
    ],
)
def test_a_licence_that_is_misspelt_is_told_what_may_be_meant(license, meant):
    with pytest.raises(OptionError, match=f"license is '{license}': did you mean .*'{meant}'.*'other' for a licence"):
        check_license(license)
    assert check_license(meant) == meant


def test_the_archives_licences_are_the_hubs():
    assert {archive.license for archive in ARCHIVES.values()} | {"other", "unknown"} <= LICENSES
    assert len(LICENSES) == 83


@pytest.mark.parametrize(
    "doi", ["", "EMPIAR-10943", "10.6019", "10.6019/a b", "https://evil/10.6019/a", "10.1/\u202e", 7]
)
def test_a_doi_of_another_form_is_refused(doi):
    with pytest.raises(OptionError, match="doi is"):
        check_doi(doi)


def test_a_doi_in_a_link_stays_in_it():
    doi = "10.1016/0022-2836(81)90087-5<x>]"
    provenance = provenance_of(DatasetInfo(), {}, [], doi=f"doi: {doi}", license="mit")
    assert provenance.doi == doi
    assert "(https://doi.org/10.1016/0022-2836%2881%2990087-5%3Cx%3E%5D)" in card_of(provenance)


def test_what_the_caller_says_goes_before_what_is_known():
    info = DatasetInfo(description="Known\nmore", citation="known", homepage="https://known.org/")
    known = provenance_of(info, ENTRY, [])
    assert (known.title, known.citation, known.homepage) == ("Known", "known", "https://known.org/")
    assert known.doi == "10.6019/EMPIAR-10943"
    said = provenance_of(info, ENTRY, [], title="Said", citation="@a{b,\n\tc}", doi="10.5281/zenodo.1", license="mit")
    assert (said.title, said.citation, said.doi) == ("Said", "@a{b,\n    c}", "10.5281/zenodo.1")
    assert "https://doi.org/10.5281/zenodo.1" in card_of(said)
    assert "```text\n@article" in card_of(provenance_of(info, ENTRY, [], citation="@article{}"))
    assert set(known.versions) == {"python", "perc-cryoem", "datasets", "pyarrow", "numpy"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", known.date)


SECRET = "secret user"


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        (f"F(mask='/home/{SECRET}/a/mask.mrc')", "F(mask='mask.mrc')"),
        (f'F(mask=PosixPath("/home/{SECRET}/mask.mrc"), n=2)', 'F(mask=PosixPath("mask.mrc"), n=2)'),
        (f"F(mask='~/{SECRET}/mask.mrc')", "F(mask='mask.mrc')"),
        (f"F(mask='file:///home/{SECRET}/mask.mrc')", "F(mask='mask.mrc')"),
        (f"F(mask='C:\\\\Users\\\\{SECRET}\\\\mask.mrc')", "F(mask='mask.mrc')"),
        (f"F(mask={'/home/secret/mask.mrc'}, n=1/2)", "F(mask=mask.mrc, n=1/2)"),
        ("<function f at 0x7f21a0>", "<function f>"),
        ("Rescale(32, pixel_size=1.5)", "Rescale(32, pixel_size=1.5)"),
        ("F('https://example.org/a/b', 'data/particles')", "F('https://example.org/a/b', 'data/particles')"),
    ],
)
def test_folders_of_this_machine_stay_on_it(transform, expected):
    assert shown(transform) == expected
    value = re.search(r"['\"](.*)['\"]", transform)
    sources = {"folder": [value[1].replace("\\\\", "\\")]} if value and SECRET in transform else {}
    provenance = provenance_of(DatasetInfo(), sources, [transform], license="mit")
    assert "secret" not in json.dumps(provenance.as_dict())
    assert "secret" not in card_of(provenance)
