"""What the documents show works: README's code, the docstrings' examples, the demo."""

import doctest
import functools
import importlib
import math
import pkgutil
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

import builders
import perc_transforms
from builders.cli import main
from builders.gallery import gallery
from builders.gallery.examples import EXAMPLES
from builders.io import mrc
from builders.io.formats import table
from builders.io.net import remote
from builders.stacks import runs
from builders.stacks.movies.options import MovieOptions
from builders.structures.databases import services
from builders.structures.rows import features
from examples import demo, entry, folder, poses, publishing, structures, tomogram_project, tomograms
from examples import particles as particles_of_demo
from tests.empiar import deposit
from tests.structures.databases.served import serve_databases, standard
from tests.synthetic.written import simulators
from tests.tilt_series import made as tilt_series

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
def mirror(tmp_path, monkeypatch):
    """A deposit whose stack is 300 projections of `map.mrc`, with their table."""
    deposit.make(tmp_path / "mirror")
    deposit.write_xml(tmp_path / "mirror", deposit.SETS[:1])
    data = tmp_path / "mirror" / deposit.ENTRY / "data"
    volume = particles_of_demo.density()
    mrc.write(tmp_path / "map.mrc", volume.numpy(), pixel_size=1.5)
    monkeypatch.setattr(particles_of_demo, "PIXEL_SIZE", 1.5)
    made = particles_of_demo.make(tmp_path / "made", volume, 300)
    shutil.copy(tmp_path / "made" / "particles" / "00000.mrcs", data / "particles" / "stack.mrcs")
    _write_movies(data / "movies")
    (data / "particles.star").write_text(made.read_text().replace("@particles/00000.mrcs", "@particles/stack.mrcs"))
    monkeypatch.chdir(tmp_path)


def _write_movies(folder):
    """Two TIFF movies of six frames, and the gain reference of their camera."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in (1, 2):
        frames = rng.poisson(2, (6, 48, 64)).astype(np.uint8)
        tifffile.imwrite(folder / f"movie_{number}.tif", frames, compression="lzw", photometric="minisblack")
    mrc.write(folder / "gain.mrc", rng.uniform(0.9, 1.1, (48, 64)).astype(np.float32), pixel_size=0.8)


@pytest.fixture
def subtomograms(tmp_path, monkeypatch):
    folder = tmp_path / "subtomograms"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for label in ("ribosome", "tric"):
        for number in range(1, 17):
            volume = rng.standard_normal((40, 40, 40)).astype(np.float32)
            mrc.write(folder / f"{label}_{number}.mrc", volume, pixel_size=3.0)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def particles(tmp_path):
    """Images of two classes, and the poses that a user's own table gives them."""
    folder = tmp_path / "particles"
    folder.mkdir()
    rng = np.random.default_rng(0)
    names = [f"{label}_{number}.mrc" for label in ("apo", "bound") for number in range(1, 13)]
    for name in names:
        mrc.write(folder / name, rng.standard_normal((48, 48)).astype(np.float32), pixel_size=2.0)
    return {name: {"rot": 20.0, "tilt": 70.0, "psi": 30.0, "shift_x": 1.0, "shift_y": -2.0} for name in names}


@pytest.fixture
def databases(tmp_path, monkeypatch):
    """In place of the services that the README does not name."""
    make = services.Services.__post_init__
    with serve_databases() as databases:
        standard(databases)

        def made(self):
            object.__setattr__(self, "endpoints", self.endpoints or databases.endpoints)
            make(self)

        monkeypatch.setattr(services.Services, "__post_init__", made)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
        yield databases


@pytest.fixture
def tomography(tmp_path, monkeypatch):
    """A copick project of two small tomograms, and tilt series of a file an image."""
    tomogram_project.make(tmp_path / "project", tomograms=2, particles=3)
    tilt_series.frames(tmp_path / "frames")
    monkeypatch.chdir(tmp_path)


NOT_OF_OURS = {"name", "version", "data_files", "description"}
"""Fields of configs that `datasets` brings."""


@pytest.mark.parametrize("name", ["tomograms", "tilt_series"])
def test_the_docs_of_tomography_run_and_have_all_options(name, tomography):
    config = importlib.import_module(f"builders.{name}.config")
    (config,) = [value for key, value in vars(config).items() if key.endswith("Config") and key != "BuilderConfig"]
    text = (ROOT / "docs" / "builders" / f"{name}.md").read_text()
    names = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.S):
        exec(compile(block, name, "exec"), names)
    if name == "tomograms":
        assert names["cubes"].features["label"].names == ["barrel", "rod", "background"]
        assert names["batch"]["image"].shape == names["batch"]["labels"].shape == (8, 32, 32, 32)
        assert set(names["batch"]["labels"].unique().tolist()) <= {0, 1, 2}
    else:
        assert names["row"]["image"].shape == names["series"][0]["image"].shape[1:]
        assert len(names["series"][0]["tilt_angle"]) == len(tilt_series.ANGLES)
    table = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", text.split("## Options")[1], re.M)))
    table += re.findall(r"`(\w+)`", text.split("and those of movies:")[-1])
    fields = set(config.__dataclass_fields__) - NOT_OF_OURS
    assert fields == fields & set(table)


def test_the_docs_of_synthetic_run_and_have_all_options(databases, tmp_path, monkeypatch):
    from builders.synthetic.config import SyntheticConfig

    monkeypatch.chdir(tmp_path)
    kinds = simulators.molecules(["a.pdb"])
    simulators.parakeet(tmp_path / "runs", kinds)
    simulators.roodmus(tmp_path / "micrographs", kinds=kinds)
    text, names = (ROOT / "docs" / "builders" / "synthetic.md").read_text(), {}
    for block in re.findall(r"```python\n(.*?)```", text, re.S):
        exec(compile(block, "synthetic", "exec"), names)
        if "target" in block:
            assert names["batch"]["image"].shape == (64, 128, 128)
            assert set(names["batch"]["label"].tolist()) == {0, 1}
            assert names["noisy"].shape == names["target"].shape == (128, 128)
        if "micrograph_shape" in block:
            assert names["row"]["image"].shape == (512, 512)
            assert 4 <= len(names["row"]["picks"]) == len(names["row"]["label"]) <= 10
    assert names["row"]["image"].shape == names["row"]["segmentation"].shape == (48, 160, 160)
    table = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", text.split("## Options")[1], re.M)))
    assert set(SyntheticConfig.__dataclass_fields__) - {*NOT_OF_OURS, "data_dir"} == set(table)
    mrc.write(tmp_path / "map.mrc", np.random.default_rng(0).random((12, 12, 12), np.float32), pixel_size=10.0)
    text = (ROOT / "docs" / "builders" / "synthetic_tomograms.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", text, re.S)
    exec(compile(block, "synthetic_tomograms", "exec"), names)
    assert names["ds"][0]["labels"].shape == names["ds"][0]["image"].shape == (24, 48, 48)


def test_the_facts_name_every_finding_with_its_version():
    text = (ROOT / "docs" / "facts.md").read_text()
    named = {path: version for version, path in re.findall(r"\[\S+ ([\d.]+)\]\(\.\./(findings/[\w-]+\.sh)\)", text)}
    assert set(named) == {f"findings/{path.name}" for path in (ROOT / "findings").glob("*.sh")}
    for path, version in named.items():
        assert f" {version}" in re.search(r"# Versions:(.*?)\n# [A-Z]", (ROOT / path).read_text(), re.S)[1]


@pytest.mark.parametrize("name", ["profet", "empiarreader", "caked"])
def test_what_replaces_other_packages_runs(name, subtomograms, mirror, databases):
    """Blocks of ours are marked `python` and `console`, theirs `text`."""
    text = (ROOT / "docs" / "from" / f"{name}.md").read_text()
    names = {"__name__": name}
    blocks = re.findall(r"```(python|console)\n(.*?)```", text, re.S)
    assert {kind for kind, _ in blocks} == {"python", "console"}
    for kind, block in blocks:
        if kind == "python":
            exec(compile(block, f"{name}.md", "exec"), names)
            continue
        for command in re.findall(r"^\$ perc (.*)$", block, re.M):
            assert main(shlex.split(command, comments=True)) == 0
    if name == "profet":
        assert names["cleaned"].name == "p45523_1q6h_nosignal1to25_nohydrogens_nowater_nohetatm.pdb"
        assert [file.entry_id for file in names["files"]] == ["1q6h", "4v1w"]
        assert len(names["ds"][0]["coordinates"]) == len(names["ds"][0]["uniprot_position"])
    if name == "empiarreader":
        assert names["image"].shape == names["batch"]["image"].shape[1:]
        assert Path("saved/data/particles/stack.mrcs").is_file()
    if name == "caked":
        assert names["batch"]["image"].shape == (4, 1, 32, 32, 32)
        assert set(names["names"]) <= {"ribosome", "tric"}
        assert [len(names["ds"][split]) for split in ("train", "validation")] == [18, 6]


def test_the_readmes_code_runs_in_order(subtomograms, particles, mirror, tomography, databases):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert len(blocks) >= 5
    names = {"__name__": "readme", "poses": particles}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
        if "images, labels" in block:
            assert names["images"].shape == (8, 32, 32, 32)
            assert names["labels"].shape == (8,)
        if "augment" in block:
            assert names["batch"]["image"].shape[1:] == (32, 32)
            assert names["batch"]["pixel_size"].tolist() == [3.0] * len(names["batch"]["label"])
            assert len(names["batch"]["pose"]["psi"].unique()) > 1
        if 'item="frame"' in block:
            assert names["micrograph"].shape == names["frame"]["image"].shape == (48, 64)
            assert names["frame"]["frame"] == 3
            assert names["frame"]["pre_exposure"] == pytest.approx(3.6)
        if "copick.json" in block:
            assert names["tile"]["tomogram"] == "TS_1"
            assert len(names["tile"]["picks"]["pixels"]) == len(names["tile"]["picks"]["label"])
        if '"synthetic"' in block:
            assert names["batch"]["image"].shape == (64, 128, 128)
            assert names["batch"]["pose"]["rot"].shape == names["batch"]["label"].shape == (64,)
        if "particles.star" in block:
            assert names["batch"]["image"].shape == (64, 32, 32)
            assert names["batch"]["pose"]["rot"].shape == names["batch"]["ctf"]["defocus_u"].shape == (64,)
        if "stream, batch_size=None, num_workers=2, collate_fn" in block:
            assert next(iter(names["loader"]))["pose"]["psi"].shape == (64,)
    assert Path("prepared/particles.star").is_file()
    assert names["image"].shape == (40, 40)
    assert names["row"]["chains"][0]["signal_peptides"] == [{"start": 1, "end": 25}]
    assert len(names["alpha"]) == len(names["atoms"]["coordinates"])
    assert Path("structures/p45523_1q6h_nosignal1to25_nohydrogens_nowater_nohetatm.pdb").is_file()


def test_the_readmes_commands_run(subtomograms, mirror, tomography, databases, capsys, monkeypatch):
    few = functools.partial(gallery.write_gallery, examples=EXAMPLES[:3])  # tests/gallery draws all of them
    monkeypatch.setattr(gallery, "write_gallery", few)
    commands = re.findall(r"\$ \.venv/bin/perc (.*)", (ROOT / "README.md").read_text())
    assert len(commands) >= 4
    for command in commands:
        fewer = ["--images", "100"] if command.startswith("particles check") else []
        assert main([*shlex.split(command, comments=True), *fewer]) == 0
    out = capsys.readouterr().out
    assert "ribosome" in out
    assert "data/particles/stack.mrcs" in out
    assert all(Path(name).is_file() for name in ("movie.png", "tomograms.png", "tilts.png", "synthetic.png"))
    assert Path("saved/data/particles/stack.mrcs").is_file()
    assert Path("structures/4v1w_nohydrogens_nowater_nohetatm.cif").is_file()


def test_the_readmes_options_are_the_options():
    from builders.empiar.empiar import EmpiarConfig
    from builders.local_classes.local_classes import LocalClassesConfig
    from builders.particles.particles import ParticlesConfig
    from builders.structures.structures import StructuresConfig

    own, rest = (ROOT / "README.md").read_text().split("## EMPIAR entries")
    empiar, rest = rest.split("## Particles")
    particles, structures = rest.split("## Structures")
    builders = (own, LocalClassesConfig), (empiar, EmpiarConfig), (particles, ParticlesConfig)
    movies = empiar.split("## Movies")[1]
    for text, config in (*builders, (structures, StructuresConfig)):
        shared = movies if issubclass(config, MovieOptions) else ""
        heads = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", text + shared, re.M)
        table = re.findall(r"\w+", " ".join(heads))
        fields = set(config.__dataclass_fields__) - {"name", "version", "data_files", "data_dir", "description"}
        assert fields <= set(table)


def test_the_gallery_in_the_docs_shows_every_transform():
    folder = ROOT / "docs" / "gallery"
    shown = re.findall(r"^!\[(\w+)\]\((\w+\.png)\)$", (folder / "index.md").read_text(), re.M)
    assert [name for name, _ in shown] == [type(example.transform).__name__ for example in EXAMPLES]
    assert {picture for _, picture in shown} == {path.name for path in folder.glob("*.png")}


@pytest.mark.parametrize("name", ["README.md", "docs/builders/formats.md"])
def test_the_tables_of_formats_are_what_the_registry_gives(name):
    text = (ROOT / name).read_text()
    assert text == table.renewed(text, name), "make formats"


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


def test_a_demo_that_learns_nothing_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "train", lambda model, dataset: None)
    monkeypatch.setattr(entry, "run", lambda *_: 1.0)
    monkeypatch.setattr(structures, "run", lambda *_: poses.Learned(0.9, 0.4, 50.0, 130.0))
    monkeypatch.setattr(particles_of_demo, "run", lambda *_: True)
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
    for part, answer in {**answers, particles_of_demo: True}.items():
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
