"""What the documents show works: the code of README and docs, the docstrings' examples, the demo."""

import doctest
import functools
import importlib
import inspect
import math
import os
import pkgutil
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

import pytest
from filelock import FileLock

import builders
import perc_transforms
from builders.cli import main
from builders.gallery import gallery
from builders.gallery.examples import EXAMPLES
from builders.io.formats import table
from builders.io.net import remote
from builders.stacks import runs
from builders.stacks.movies.options import MovieOptions
from builders.structures.rows import features
from documentation import assembly, navigation
from examples import demo, deposit, entry, folder, particles, poses, publishing, services, structures, tomograms
from tests.synthetic.written import simulators

ROOT = Path(__file__).resolve().parents[1]


MODULES = [
    module.name
    for package in (builders, perc_transforms)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.name.endswith("__main__")
]


def test_docstring_examples_run(tmp_path, monkeypatch):
    """A report of each that does not is printed."""
    tried, wrong = 0, []
    for name in ["builders", "perc_transforms", *MODULES]:
        module = importlib.import_module(name)
        if ">>>" not in Path(module.__file__).read_text():  # looking for what is not there takes most of the time
            continue
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
        tried += found.attempted
        wrong += [name] if found.failed else []
    assert tried > 400
    assert not wrong


@pytest.fixture
def at_demo(tmp_path, tmp_path_factory, monkeypatch):
    """A folder in which `make demo` was run: its data, small, made once for all processes of the tests."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    with FileLock(shared / "demo.lock"):
        if not (shared / "demo-output.made").exists():
            _generate(shared / "demo-output")
            (shared / "demo-output.made").touch()
    (tmp_path / "demo-output").symlink_to(shared / "demo-output")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _generate(out):
    out.mkdir()
    folder.generate(out / "projections", out, 30)
    deposit.generate(out / "archive", out, 3)
    services.generate(out / "services")
    particles.generate(out, particles.density(), 200)
    tomograms.generate(out, 2)


BLOCK = re.compile(r"^```([^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))]
CODE = re.compile(r"^```python$|^\$ (\.venv/bin/)?perc ", re.MULTILINE)
ELSEWHERE = ("docs/from/", "docs/recipes/")  # tests/test_coming_from.py, tests/recipes
RUN = [page for page in PAGES if CODE.search((ROOT / page).read_text()) and not page.startswith(ELSEWHERE)]


def _simulated(at):
    kinds = simulators.molecules(["a.pdb"])
    simulators.parakeet(at / "runs", kinds)
    simulators.roodmus(at / "micrographs", kinds=kinds)


BESIDE_THE_DEMO = {"docs/builders/synthetic.md": _simulated}
"""What a page needs that only other programs write."""


HOLDS = {
    "README.md": lambda names: (
        names["batch"]["image"].shape == (32, 64, 64)
        and set(names["batch"]["label"].tolist()) == {0, 1}
        and names["atoms"][0]["coordinates"].shape == (377, 3)
        and tuple(names["tilts"][0]["image"].shape) == (160, 192)
        and (names["tilts"][0]["tilt_angle"], names["tilts"][0]["pre_exposure"]) == (-60.0, 120.0)
        and names["tiles"][0]["labels"].shape == (32, 32, 32)
        and names["train"][0]["image"].shape == (32, 32)
        and Path("rescaled/README.md").is_file()
    ),
    "docs/builders/movies.md": lambda names: (
        names["micrograph"].shape == names["frames"][3]["image"].shape == (256, 320)
        and names["frames"][3]["pre_exposure"] == pytest.approx(3.6)
        and Path("movie.png").is_file()
    ),
    "docs/builders/particles.md": lambda names: (
        names["batch"]["pose"]["rot"].shape == names["batch"]["ctf"]["defocus_u"].shape == (64,)
        and names["found"].best.startswith("as stated")
        and Path("prepared/particles.star").is_file()
    ),
    "docs/builders/structures.md": lambda names: (
        names["row"]["chains"][0]["signal_peptides"] == [{"start": 1, "end": 24}]
        and Path("structures/z9dem1_0dem_nosignal1to24_nohydrogens_nowater_nohetatm.pdb").is_file()
        and Path("structures/0duo_nohydrogens_nowater_nohetatm.cif").is_file()
    ),
    "docs/builders/synthetic.md": lambda names: (
        names["batch"]["image"].shape == (64, 128, 128)
        and names["noisy"].shape == names["target"].shape == (128, 128)
        and 4 <= len(names["fields"][0]["picks"]) == len(names["fields"][0]["label"]) <= 10
        and names["volumes"][0]["segmentation"].shape == (48, 160, 160)
        and names["one"]["image"].shape == (16, 128, 128)
        and set(next(iter(names["mixed"]))) == {"image", "pixel_size", "path", "index", "pose", "ctf"}
        and names["counted"]["image"].mean().item() == pytest.approx(250, rel=0.01)
        and names["counted"]["image"][48:80, 48:80].mean() < 250  # protein is dark
    ),
    "docs/builders/tilt_series.md": lambda names: (
        len(names["series"][0]["tilt_angle"]) == len(names["series"][0]["image"]) == 41
    ),
    "docs/builders/tomograms.md": lambda names: (
        names["cubes"].features["label"].names == ["barrel", "rod", "background"]
        and names["batch"]["image"].shape == names["batch"]["labels"].shape == (8, 32, 32, 32)
        and set(names["batch"]["labels"].unique().tolist()) <= {0, 1, 2}
    ),
    "docs/how/archives.md": lambda names: (
        names["pixels"] == Path(names["entry"].url("data/particles/picked.mrcs")).read_bytes()[115_712:132_096]
    ),
    "docs/how/batches.md": lambda names: (
        names["shapes"] == [(3, 64, 64)] and names["batch"]["image"].shape == (64, 64, 64)
    ),
    "docs/how/made.md": lambda names: (
        names["reference"]["index"] == 3
        and names["reference"]["dtype"] == '<f4%made{"column":"image"}'
        and (names["row"]["image"] == names["rows"][3]["image"]).all()
    ),
    "docs/how/references.md": lambda names: (
        [names["reference"][field] for field in ("offset", "shape", "dtype")] == [115_712, [64, 64], "<f4"]
        and Path(names["reference"]["path"]).read_bytes()[115_712:132_096] == names["image"].tobytes()
    ),
    "docs/how/shards.md": lambda names: (
        names["stream"].num_shards > 1
        and names["seen"] == [0, 1, 2, 3, 4]
        and next(iter(names["again"]))["index"] == 5
        and names["order"] != names["other"]
        and sorted(names["order"]) == sorted(names["other"]) == list(range(192))
    ),
    "docs/transforms.md": lambda names: (
        names["batch"]["image"].shape[1:] == (32, 32)
        and names["batch"]["pixel_size"].tolist() == [6.0] * len(names["batch"]["image"])
        and len(names["batch"]["pose"]["psi"].unique()) > 1
    ),
}
"""What is true once a page was run."""


@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning")  # torchdata's
@pytest.mark.timeout(180)  # pages that draw, train and publish
@pytest.mark.parametrize("page", RUN)
def test_the_code_of_a_page_runs(page, at_demo, monkeypatch):
    """Python and `perc`, in order, after `make demo`; what has a title is not run."""
    few = functools.partial(gallery.write_gallery, examples=EXAMPLES[:3])  # tests/gallery draws all of them
    monkeypatch.setattr(gallery, "write_gallery", few)
    BESIDE_THE_DEMO.get(page, lambda at: None)(at_demo)
    names = {"__name__": "page"}
    for language, code in BLOCK.findall((ROOT / page).read_text()):
        if language == "python":
            exec(compile(code, page, "exec"), names)
        if language == "console":
            for command in re.findall(r"^\$ (?:\.venv/bin/)?perc (.*)$", code, re.MULTILINE):
                assert main(shlex.split(command, comments=True)) == 0, command
    assert HOLDS.get(page, bool)(names)


def test_drawings_are_legible_anywhere():
    """On light and dark pages, at 700 pixels of width, without fonts or files from elsewhere."""
    drawings = list((ROOT / "docs" / "how").glob("*.svg"))
    assert {drawing.stem for drawing in drawings} == {"references", "shards", "batches", "archives", "made"}
    for drawing in drawings:
        svg = ElementTree.parse(drawing).getroot()
        width, height = map(int, svg.get("viewBox").split()[2:])
        assert width == 700
        tags = [(element.tag.rpartition("}")[2], element) for element in svg.iter()]
        assert not {"image", "use", "style", "script", "foreignObject"} & {tag for tag, _ in tags}
        paper = next(element for tag, element in tags if tag == "rect")
        assert (paper.get("width"), paper.get("height")) == (str(width), str(height))
        assert min(float(element.get("font-size", 14)) for tag, element in tags if tag == "text") >= 13
        assert drawing.name in drawing.with_suffix(".md").read_text()


def test_the_facts_name_every_finding_with_its_version():
    text = (ROOT / "docs" / "facts.md").read_text()
    named = {path: version for version, path in re.findall(r"\[\S+ ([\d.]+)\]\(\.\./(findings/[\w-]+\.sh)\)", text)}
    assert set(named) == {f"findings/{path.name}" for path in (ROOT / "findings").glob("*.sh")}
    for path, version in named.items():
        assert f" {version}" in re.search(r"# Versions:(.*?)\n# [A-Z]", (ROOT / path).read_text(), re.S)[1]


def test_pages_say_what_their_blocks_are():
    languages = {"python", "console", "text", "bash", "toml", "json", "yaml", "csv"}
    for page in PAGES:
        for info, _ in BLOCK.findall((ROOT / page).read_text()):
            assert info in languages or re.fullmatch(r'python title="[^"]+"', info), f"{page}: {info}"


def test_the_readme_is_short():
    assert (ROOT / "README.md").read_text().count("\n") <= 150


def test_links_lead_somewhere():
    """Also those of pages that are not in docs/; `make docs` holds the site to it as well."""
    for page in [*PAGES[1:], *navigation.MADE]:
        text = navigation.text_of(page.removeprefix("docs/"))
        assembly.rewritten(text, page.removeprefix("docs/"))
    readme = (ROOT / "README.md").read_text()
    assembly.rewritten(re.sub(r"\]\((?!https:)(docs/)?", lambda to: "](" if to[1] else "](../", readme), "index.md")
    for page in ("[x](nothing.md)", "[x](index.md#nothing)", "[x](../../elsewhere.md)", "![x](nothing.png)"):
        with pytest.raises(assembly.DeadLinkError, match=r"docs/transforms\.md: a link to"):
            assembly.rewritten(f"# X\n\n{page}", "transforms.md")


def test_links_out_of_the_docs_lead_to_pages_of_the_site():
    shown = []
    text = "[a](../../CHANGELOG.md) [b](../../examples/unet.py) [c](movies.md#gain) `[d](no.md)` [e](https://e.org)"
    made = assembly.rewritten(text, "builders/empiar.md", shown.append)
    assert made == (
        "[a](../changelog.md) [b](../files/examples/unet.py.md) [c](movies.md#gain) `[d](no.md)` [e](https://e.org)"
    )
    assert shown == ["examples/unet.py"]
    assert "````python\n" in assembly.as_page("examples/unet.py")
    notebook = assembly.as_page("examples/workflow.ipynb")
    assert notebook.count("data:image/png;base64,") == (ROOT / "examples/workflow.ipynb").read_text().count(
        '"image/png"'
    )
    assert '"cell_type"' not in notebook


def test_all_pages_are_in_the_navigation_and_in_llms_txt():
    listed = [page.path for page in navigation.pages()]
    assert len(set(listed)) == len(listed)
    assert {f"docs/{path}" for path in listed if path not in navigation.MADE} == set(PAGES) - {"README.md"}
    told = re.findall(r"^- \[[^]]+\]\(([^)]+)\): \S.*\.$", navigation.llms(), re.MULTILINE)
    assert told == listed


def test_nothing_of_the_site_is_of_another_host():
    config = navigation.CONFIG.read_text()
    theme = "".join(path.read_text() for path in (ROOT / "documentation" / "theme").iterdir())
    assert not re.search(r"https?://|//\w+\.\w+/", config + theme)
    for page in PAGES:
        assert not re.search(r"!\[[^]]*\]\(https?:|<(img|script|iframe|link)\b", (ROOT / page).read_text()), page


OPTIONED = ["empiar", "local_classes", "particles", "structures", "synthetic", "tilt_series", "tomograms"]


@pytest.mark.parametrize("name", OPTIONED)
def test_the_options_of_a_page_are_the_options(name):
    config = _config(name)
    told = _options(f"builders/{name}.md")
    if issubclass(config, MovieOptions):
        told |= _options("builders/movies.md")
    fields = set(config.__dataclass_fields__) - {"name", "version", "data_files", "description"}
    assert fields - {"data_dir"} <= told
    assert told <= fields | {"data_dir"}


def _config(name):
    module = importlib.import_module(f"builders.{name}.{name}")
    (config,) = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__name__ == f"{name.title().replace('_', '')}Config"
    ]
    return config


def _options(page):
    """Names in the first cells of the table below the heading."""
    text = (ROOT / "docs" / page).read_text().split("\n## Options\n")[1].split("\n## ")[0]
    return set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", text, re.MULTILINE))))


def test_the_options_of_publishing_are_the_options():
    assert _options("publishing.md") == set(inspect.signature(builders.publish).parameters) - {"dataset"}


def test_the_gallery_in_the_docs_shows_every_transform():
    folder = ROOT / "docs" / "gallery"
    shown = re.findall(r"^!\[(\w+)\]\((\w+\.png)\)$", (folder / "index.md").read_text(), re.M)
    assert [name for name, _ in shown] == [type(example.transform).__name__ for example in EXAMPLES]
    assert {picture for _, picture in shown} == {path.name for path in folder.glob("*.png")}


def test_the_table_of_formats_is_what_the_registry_gives():
    text = (ROOT / "docs" / "builders" / "formats.md").read_text()
    assert text == table.renewed(text), "make formats"


def test_the_worked_example_is_the_real_one():
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.S)
    assert (ROOT / "builders" / "structures" / "databases" / "cath.py").read_text().endswith(block)
    assert block.count("\n") <= 35


def test_the_demo_runs_small(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo, "CLEARLY_ABOVE_CHANCE", 1.2)
    monkeypatch.setattr(demo, "WELL_FOUND", 0.0)
    monkeypatch.setattr(demo, "WELL_NAMED", -1.0)
    monkeypatch.setattr(demo, "WELL_TURNED", 1.5)
    monkeypatch.setattr(tomograms, "EPOCHS", 1)
    small = "--images 40 --micrographs 5 --particles 150 --tomograms 1 --batches 8"
    assert demo.main(["--out", str(tmp_path / "demo"), *small.split()]) == 0
    out = capsys.readouterr().out
    assert re.search(r"accuracy on validation [\d.]+%, by chance [23]\d.\d%", out)
    assert "1: 'Picked particles' (picked particles - single frame - unprocessed, MRCS, 320 images)" in out
    assert "streamed by 2 workers: 320 particles" in out
    moved, size = map(float, re.search(r"moved ([\d.]+) MB of the entry's ([\d.]+) MB", out).groups())
    assert 5.0 < moved < size
    sheets = re.findall(r"(?:contact sheet|plot along the chains|images beside projections): (.*)", out)
    assert len(sheets) == 8
    assert re.search(r"half of their poses within \d+ degrees, by chance 1[23]\d", out)
    assert "held against the map: as stated" in out
    assert re.search(r"F1 of the particles found in TS_2, which the network never saw: barrel [01].\d\d, rod", out)
    assert "  train: 160 rows of image, label, suffix, path, pixel_size, preview" in out
    assert "Array2D(shape=(64, 64), dtype='float32')" in out
    assert all(Path(sheet).read_bytes().startswith(b"\x89PNG") for sheet in sheets)
    named = {path for page in PAGES for path in re.findall(r"demo-output/[\w./-]*\w", (ROOT / page).read_text())}
    assert len(named) > 8
    assert not {path for path in named if not (tmp_path / path.replace("demo-output", "demo")).exists()}


def test_the_demos_structures(tmp_path, capsys):
    structures.run(tmp_path, batches=1)
    out = capsys.readouterr().out
    tables = out[out.index("the columns") : out.index("streamed")].splitlines()
    assert max(map(len, tables)) <= 100
    lines = {line.split()[0]: line.split()[2:] for line in tables if line.split()[1:2] in (["pdb"], ["alphafold"])}
    assert lines == {
        "Z9DEM1": ["0dem", "X-RAY", "DIFFRACTION", "1.9", "A", "73", "377", "12", "waters"],
        "AF-Z9DEM1-F1": ["AF-Z9DEM1-F1", "prediction", "A", "79", "399", "24", "residues"],
        "0duo": ["0duo", "ELECTRON", "MICROSCOPY", "3.1", "A,", "B", "97", "494", "24", "residues"],
        "0nmr": ["0nmr", "SOLUTION", "NMR", "A", "45", "8", "x", "316"],
    }
    assert set(features(include_file=False)) <= {line.split()[0] for line in tables if line}
    saved = Path(re.search(r"a file without .*: (.*)", out)[1])
    assert saved.name == "z9dem1_0dem_nosignal1to24_nohydrogens_nowater_nohetatm.pdb"
    assert "MSE" in saved.read_text()
    assert "GOL" not in saved.read_text()


def test_the_demo_takes_nobodys_folder_away(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    assert demo.main(["--out", str(tmp_path)]) == 1
    assert "--out names another folder" in capsys.readouterr().out
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_the_demo_makes_its_folder_anew_around_what_recipes_left(tmp_path):
    (tmp_path / "demo" / "recipes").mkdir(parents=True)
    (tmp_path / "demo" / "recipes" / "mine.png").touch()
    for _ in range(2):
        assert demo._make_anew(tmp_path / "demo")
        assert {path.name for path in (tmp_path / "demo").iterdir()} == {"recipes", demo.MARK}
        assert (tmp_path / "demo" / "recipes" / "mine.png").is_file()
        (tmp_path / "demo" / "cache").mkdir()


def test_a_demo_that_learns_nothing_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "train", lambda model, dataset: None)
    monkeypatch.setattr(entry, "run", lambda *_: 1.0)
    monkeypatch.setattr(structures, "run", lambda *_: poses.Learned(0.9, 0.4, 50.0, 130.0))
    monkeypatch.setattr(particles, "run", lambda *_: True)
    monkeypatch.setattr(tomograms, "run", lambda *_: 1.0)
    assert demo.main(["--out", str(tmp_path / "demo"), "--images", "10", "--micrographs", "4"]) == 1
    monkeypatch.setattr(demo, "CLEARLY_ABOVE_CHANCE", 0.0)
    monkeypatch.setattr(publishing, "run", lambda *_: True)
    assert demo.main(["--out", str(tmp_path / "demo"), "--images", "10", "--micrographs", "4"]) == 0
    monkeypatch.setattr(tomograms, "run", lambda *_: 0.3)
    assert demo.main(["--out", str(tmp_path / "demo"), "--images", "10", "--micrographs", "4"]) == 1


@pytest.mark.parametrize("worse", [{"accuracy": 0.5}, {"error": 120.0}])
def test_a_demo_that_learns_no_poses_fails(worse, tmp_path, monkeypatch):
    answers = {folder: folder.Trained(None, [], 0.9, 0.2), entry: 0.9, publishing: True, tomograms: 0.9}
    for part, answer in {**answers, particles: True}.items():
        monkeypatch.setattr(part, "run", lambda *_, answer=answer: answer)
    well = {"accuracy": 0.9, "chance": 0.4, "error": 50.0, "error_by_chance": 130.0}
    for learned, code in ((well, 0), (well | worse, 1)):
        monkeypatch.setattr(structures, "run", lambda *_, learned=learned: poses.Learned(**learned))
        assert demo.main(["--out", str(tmp_path / "demo")]) == code


def test_the_arithmetic_of_large_entries():
    text = (ROOT / "docs" / "cluster.md").read_text()
    size = 10e12
    requests = math.ceil(size / runs.BLOCK)
    limited = (requests - remote.LIMIT.at_once) / remote.LIMIT.a_second
    assert f"| files of 500 MB | {size / 500e6:,.0f} |" in text
    assert f"| requests of 16 MiB | {requests:,} |" in text
    assert f"| {limited / 3600:.1f} hours, or {size / limited / 1e6:.0f} MB/s |" in text
    assert f"| {size / 280e6 / 3600:.1f} core hours |" in text
    for name, rate in (("20 MB/s", 20e6), ("80 MB/s", 80e6), ("250 MB/s", 250e6), ("1 GB/s", 1e9)):
        alone, together = size / rate / 3600, max(size / rate, limited) / 3600
        assert f"| {name} | {alone:.1f} hours | {together:.1f} hours |" in text


def test_nothing_says_to_install_what_is_another_project_on_the_package_index():
    """PyPI's `perc` computes percentages: what is said works in the checkout."""
    folders = ("builders", "perc_transforms", "docs", "examples", "benchmarks", "conformance", ".ci")
    paths = [*ROOT.glob("*"), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]
    kinds = {".md", ".py", ".toml", ".txt", ".ipynb", ""}
    texts = {path: path.read_text() for path in paths if path.suffix in kinds and path.is_file()}
    assert len(texts) > 200
    wrong = re.compile(r"pip install [^\n`]*?(?<![\w./-])perc(?![\w-])|(?<![\w-])perc\[|metadata\.version\(.perc")
    assert not {str(path): found[0] for path, text in texts.items() if (found := wrong.search(text))}
    assert wrong.search("pip install 'perc[dask]'")
    assert wrong.search("uv pip install -U perc")
    assert not wrong.search("$ perc publish")
