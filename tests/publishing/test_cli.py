"""`perc publish`, from the words on the command line to the folder that loads."""

import importlib
import inspect

import datasets
import pytest

import builders
import perc_transforms as T
from builders.cli import main
from builders.errors import OptionError
from builders.publishing import Published, cli
from tests.empiar import deposit
from tests.publishing.datasets_made import assert_same_rows, classes, contents, entry, write_classes


def read(folder, tmp_path, split="train"):
    return builders.as_em_images(
        datasets.load_dataset(str(folder), split=split, cache_dir=str(tmp_path / "cache"))
    ).remove_columns([])


def test_a_folder_is_published_by_its_name_alone(tmp_path, capsys):
    folder = write_classes(tmp_path / "a")
    assert main(["publish", str(folder), "--to", str(tmp_path / "out"), "--license", "mit"]) == 0
    out = capsys.readouterr().out
    assert "12 rows of train in 1 file" in out
    assert f"load_dataset('{tmp_path / 'out'}')" in out
    assert_same_rows(read(tmp_path / "out", tmp_path), classes(folder))


@pytest.mark.parametrize(
    "words",
    [
        ["10943", "--imageset", "0"],
        ["EMPIAR-10943", "--imageset", "Particles"],
        ["empiar", "10943", "--directory", "data/particles"],
        ["empiar", "--entry", "10943", "--directory", "data/particles", "--pattern", "*.mrcs"],
    ],
)
def test_an_entry_is_published_whichever_way_it_is_named(words, tmp_path):
    deposit.make(tmp_path / "mirror")
    assert main(["publish", *words, "--archive", str(tmp_path / "mirror"), "--to", str(tmp_path / "out")]) == 0
    found = read(tmp_path / "out", tmp_path)
    expected = entry(tmp_path / "mirror")
    assert_same_rows(
        ({"image": row["image"], "path": row["path"]} for row in found),
        ({"image": row["image"], "path": row["path"]} for row in expected),
    )


def test_transforms_splits_and_sizes(tmp_path):
    folder = write_classes(tmp_path / "a")
    options = ["--validation-fraction", "0.25", "--transform", "Rescale(8)", "--transform", "Normalize()", "--preview"]
    command = ["publish", "local-classes", str(folder), "--to", str(tmp_path / "out"), *options]
    assert main([*command, "--max-shard-size", "3kB", "--num-proc", "2"]) == 0
    loaded = classes(folder, split=None, validation_fraction=0.25)
    for split, rows in loaded.items():
        found = read(tmp_path / "out", tmp_path, split)
        assert found.features["preview"] == datasets.Image()
        assert_same_rows(found.remove_columns("preview"), rows.with_transform(T.Compose([T.Rescale(8), T.Normalize()])))
    assert len(contents(tmp_path / "out")) > 2
    assert (tmp_path / "out" / "README.md").read_text().count("Rescale") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "'nowhere' is neither a folder nor an entry"),
        (["local_classes", "a", "b"], "reads one data_dir: not 'a' and 'b'"),
        (["empiar", "1", "--entry", "2"], "entry is given twice"),
        (["a", "--transform", "__import__('os').system('true')"], "expected one of AddNoise"),
        (["a", "--transform", "Normalize(__import__('os').system('true'))"], "options are numbers"),
        (["a", "--transform", "Rescale(-3)"], "Rescale"),
        (["a", "--crop", "99"], "99"),
        (["a", "--imageset", "0"], "no option 'imageset'"),
    ],
)
def test_what_cannot_be_done_is_one_line(words, said, tmp_path, monkeypatch, capsys):
    write_classes(tmp_path / "a")
    monkeypatch.chdir(tmp_path)
    assert main(["publish", *words, "--to", "out"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("perc: error: ")
    assert said in error
    assert not list(tmp_path.glob("out/data/*"))


def test_a_size_is_a_number_of_bytes_or_says_its_unit(tmp_path):
    folder = write_classes(tmp_path / "a")
    for size in ("6000", "6kB"):
        assert main(["publish", str(folder), "--to", str(tmp_path / size / "out"), "--max-shard-size", size]) == 0
    assert contents(tmp_path / "6000" / "out") == contents(tmp_path / "6kB" / "out")
    assert len(contents(tmp_path / "6kB" / "out")) > 1


def test_a_second_run_keeps_what_is_there(tmp_path):
    folder = write_classes(tmp_path / "a")
    command = ["publish", str(folder), "--to", str(tmp_path / "out"), "--max-shard-size", "6kB"]
    assert main(command) == 0
    before = {path: path.stat().st_ino for path in (tmp_path / "out" / "data").iterdir()}
    assert main(command) == 0
    assert {path: path.stat().st_ino for path in (tmp_path / "out" / "data").iterdir()} == before
    assert main([*command, "--preview"]) == 1
    assert main([*command, "--preview", "--overwrite"]) == 0
    assert "preview" in read(tmp_path / "out", tmp_path).column_names


@pytest.fixture
def asked(monkeypatch):
    """What `perc publish` asks of `load_dataset` and of `publish`, which do nothing."""
    seen = {}

    def load(builder, **options):
        seen["load"] = builder, options
        return "rows"

    def publish(dataset, to, **options):
        seen["publish"] = dataset, to, options
        return Published(to, {"train": 1}, 1, 1, 1)

    monkeypatch.setattr(cli, "load_dataset", load)
    monkeypatch.setattr(importlib.import_module("builders.publishing.publish"), "publish", publish)
    return seen


VALUES = {
    **{"title": "A title", "license": "mit", "doi": "10.1000/x", "citation": "A paper", "crop": (6, 7), "pad": 9},
    **{
        "layout": "bytes",
        "preview": True,
        "max_shard_size": "1MB",
        "num_proc": 2,
        "dask": "tcp://127.0.0.1:1",
        "private": True,
    },
    **{"overwrite": True, "work_dir": "there"},
}


@pytest.mark.parametrize("given", [VALUES, {}])
def test_every_option_of_publish_is_one_of_the_command(asked, given):
    words = []
    for name, value in given.items():
        values = value if isinstance(value, tuple) else () if value is True else (value,)
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    assert main(["publish", "EMPIAR-10943", "--to", "out", *words]) == 0
    parameters = inspect.signature(builders.publish).parameters
    defaults = {name: p.default for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY and name != "token"}
    assert set(defaults) == set(VALUES)
    assert asked["publish"] == ("rows", "out", defaults | given)


@pytest.mark.parametrize(
    ("words", "builder", "options"),
    [
        (["10943"], "empiar", {"entry": "10943", "streaming": True}),
        (["10943", "--download"], "empiar", {"entry": "10943", "download": True, "streaming": False}),
        (["10943", "--dtype", "None"], "empiar", {"entry": "10943", "dtype": None, "streaming": True}),
        (["structures", "4v1w", "1abc"], "structures", {"ids": ["4v1w", "1abc"], "streaming": True}),
        (["structures", "ids.txt"], "structures", {"ids": "ids.txt", "streaming": True}),
        (
            ["structures", "--ids", "4v1w", "--no-fallback", "--assembly", "1", "--endpoint", "pdb=there"],
            "structures",
            {"ids": ["4v1w"], "fallback": False, "assembly": 1, "endpoints": {"pdb": "there"}, "streaming": True},
        ),
        (["."], "local_classes", {"data_dir": ".", "streaming": False}),
        (
            ["local-classes", ".", "--classes", "a", "b", "--num-examples", "3", "--validation-fraction", "0.5"],
            "local_classes",
            {"data_dir": ".", "classes": ["a", "b"], "num_examples": 3, "validation_fraction": 0.5, "streaming": False},
        ),
    ],
)
def test_a_source_and_its_options_are_those_of_load_dataset(words, builder, options, asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ids.txt").write_text("4v1w\n")
    assert main(["publish", *words, "--to", "out"]) == 0
    assert asked["load"] == (builder, options)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Rescale(32", r"'\(' was never closed"),
        ("Rescale(32))", r"unmatched '\)'"),
        ("Rescale([32)", "does not match opening parenthesis"),
        ("Rescale(shape='32)", "unterminated string literal"),
        ("Rescale(“32”)", "invalid character"),
        ("Rescale(stretch=True, 32)", "positional argument follows keyword argument"),
        ("", "expected a call such as"),
        ("Rescale(32),", "each has a --transform of its own"),
        ("Rescale(32), Normalize()", "each has a --transform of its own"),
        ("[Rescale(32)]", "each has a --transform of its own"),
        ("Compose([Rescale(32)])", "each transform has a --transform of its own"),
        ("Rescale(32) Normalize()", "expected a call such as"),
        ("Rescale", r"in brackets, such as 'Rescale\(\)'"),
        ("T.Rescale", r"in brackets, such as 'Rescale\(\)'"),
        ("'Rescale(32)'", "expected a call such as"),
        ("Rescal(32)", "no transform 'Rescal': did you mean 'Rescale'?"),
        ("rescale(32)", "no transform 'rescale': did you mean 'Rescale'?"),
        ("torch.abs(32)", "no transform 'torch.abs': expected one of AddNoise"),
        ("Rescale(n)", "options are numbers, texts in quotes"),
        ("Rescale(*[32])", "options are numbers, texts in quotes"),
        ("Rescale(size=32)", r"'shape': expected Rescale\(shape, stretch=False, \*, spatial_dims=None\)$"),
        ("Normalize(size=32)", r"'size': expected Normalize\(\*, spatial_dims=None\)$"),
        ("Rescale(32, True, 3)", r"too many positional arguments: expected Rescale\(shape, "),
        ("Normalize(**{'spatial_dims': 2})", r"'\*\*': expected Normalize\("),
    ],
)
def test_what_is_wrong_with_a_transform_is_told(text, said):
    with pytest.raises(OptionError, match=said) as caught:
        cli._transform(text)
    assert str(caught.value).startswith(f"--transform {text!r}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["T.Rescale(32)", " perc_transforms.Rescale(shape=32)\n", "Rescale(\n 32, # pixels\n)"]
)
def test_a_transform_may_be_spelt_as_python_has_it(text):
    assert cli._transform(text) == T.Rescale(32)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--license", "foo"], "license is 'foo'"),
        (["--layout", "foo"], "layout is 'foo': expected 'lists' or 'bytes'"),
        (["--doi", "foo"], "doi is 'foo'"),
        (["--to", "a[1]"], "to is 'a[1]'"),
        (["--to", "hf://datasets/me"], "to is 'hf://datasets/me'"),
        (["--transform", "Rescale(32"], "'(' was never closed"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_fetched(words, said, asked, capsys):
    assert main(["publish", "EMPIAR-10943", "--download", "--to", "out", *words]) == 1
    assert said in capsys.readouterr().err
    assert not asked


def helped(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main(["publish", *words, "--help"])
    assert ended.value.code == 0
    return " ".join(capsys.readouterr().out.split())


def test_help_of_a_builder_is_of_its_options_in_its_own_words(capsys, tmp_path):
    told = helped(capsys, "tomograms")
    assert told.startswith("usage: perc publish tomograms [OPTION ...] --to DIR SOURCE")
    assert "options of tomograms: " in told
    assert "options of particles" not in told
    assert "--imageset" not in told
    assert "--unit X what a row is: tomogram (default: tomogram)" in told
    assert "--align cut cubes upright by their picks' rotations" in told
    assert "path or URL of the config JSON of a copick project" in helped(capsys, "project/copick.json")
    assert "options of local_classes" in helped(capsys, str(tmp_path))
    assert "options of tilt_series" in helped(capsys, "tilt-series")
    common = helped(capsys)
    assert "--transform" in common
    assert "--quiet" in common
    assert f"`perc publish BUILDER --help` lists them for {', '.join(cli.MODULES)}" in common
    assert "--imageset" not in common


@pytest.mark.parametrize("words", [["tomograms", "p/copick.json"], ["p/copick.json"]])
def test_a_project_is_one_of_tomograms(asked, words):
    assert main(["publish", *words, "--to", "out", "--unit", "subtomogram", "--align"]) == 0
    expected = {"copick": "p/copick.json", "unit": "subtomogram", "align": True, "streaming": True}
    assert asked["load"] == ("tomograms", expected)


def test_picks_may_be_given_by_class(asked):
    words = ["publish", "tomograms", "there", "--to", "out", "--picks"]
    assert main([*words, "rod=star/rod.star", "barrel=a*", "barrel=b.star"]) == 0
    assert asked["load"][1]["picks"] == {"rod": ["star/rod.star"], "barrel": ["a*", "b.star"]}
    assert main([*words, "star/rod.star", "rod=b.star"]) == 0
    assert asked["load"][1]["picks"] == ["star/rod.star", "rod=b.star"]
