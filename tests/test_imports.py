"""The house's plan, kept: imports point one way, and what is heavy is imported where it is used."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

import builders

ROOT = Path(__file__).resolve().parents[1]

# The floors, lowest first. A module imports of its own floor, of those below it and of nothing else, but where a rule
# below says more or less.
FLOORS = [
    ["perc_transforms"],
    ["builders.errors"],
    ["builders.io"],
    ["builders.hf"],
    ["builders.stacks", "builders.publishing"],
    ["builders.archive", "builders.drawing"],
    [
        *("builders.empiar", "builders.local_classes", "builders.particles", "builders.structures"),
        *("builders.gallery", "builders.inspecting", "builders.synthetic"),
        *("builders.tilt_series", "builders.tomograms"),
    ],
    ["builders.cli", "builders.__main__"],
]
# what stands beside the floors: what it may import of ours
BESIDE = {
    "builders": [
        *("builders.hf", "builders.interrupt", "builders.moved", "builders.publishing", "perc_transforms.moved"),
    ],
    "builders.archive_licences": [],
    "builders.completion": [],
    "builders.features": ["builders.hf"],
    "builders.interrupt": [],
    "builders.moved": [],
    "builders.options": ["builders.errors"],
    "builders.quarantine": ["builders.errors"],
    "builders.release": [],
    "builders.terminal": [],
}
# of what stands beside them, from which floor on it may be imported
SHARED = {
    "builders.archive_licences": "builders.publishing",
    "builders.completion": "builders.cli",
    "builders.interrupt": "builders.cli",
    "builders.options": "builders.stacks",
    "builders.quarantine": "builders.stacks",
    "builders.release": "builders.publishing",
    "builders.terminal": "builders.publishing",
}
# of perc_transforms, what a floor may have, but for those that draw and publish
OF_TRANSFORMS = {
    "builders.errors": ["perc_transforms.errors"],
    "builders.io": [
        *("perc_transforms.core.buffers", "perc_transforms.core.halves"),
        *("perc_transforms.errors", "perc_transforms.functional.intensity.gain"),  # of what a movie is multiplied by
        "perc_transforms.functional.spatial.turned_boxes",  # cubes are turned as they are read
    ],
    "builders.io.made": ["perc_transforms.core", "perc_transforms.errors", "perc_transforms.functional"],
    "builders.hf": [
        *map("perc_transforms.core.".__add__, ("batch_rows", "buffers", "stacking")),
        "perc_transforms.core.base",  # what they leave null is filled for loaders, as in the torch format
        "perc_transforms.spatial.resampling",  # an image may be cropped in Fourier space when it is decoded
    ],
    "builders.stacks": ["perc_transforms.core.buffers"],
    "builders.publishing": ["perc_transforms"],
    "builders.gallery": ["perc_transforms"],
    "builders.particles": ["perc_transforms"],
    "builders.synthetic": ["perc_transforms"],
    "builders.tomograms": ["perc_transforms.functional.spatial.euler"],
}
# rooms of a floor, lowest first: a room imports of those below it, and what lies outside of all rooms of all of them
ROOMS = {
    "perc_transforms": [
        ["errors"],
        ["core"],
        ["functional"],
        ["spatial", "intensity"],
        ["fourier"],  # of which projections turn what is told of places
    ],
    "perc_transforms.functional": [["axes", "grids"], ["intensity"], ["spatial", "fourier"]],
    "builders.io": [
        ["layout", "casting", "finite", "reports"],
        ["codecs"],
        ["coded"],
        ["flipped", "boxes.overhang", "boxes.crowds"],
        ["boxes.turned"],
        ["net"],
        ["blocks"],
        ["formats"],
        ["files"],
        [
            f"scattered.{file}"
            for file in ("base", "grid", "chunks", "fetching", "held", "missing", "sharding", "shelf")
        ],
        ["formats.zarr"],
        ["formats.known", "formats.stream_end", "formats.table"],
        ["image_file", "pixels", "upside_down", "gathering", "boxes.reading", "boxes.remote"],
        ["volumes"],
        ["movies.gain"],
        ["movies.summing"],
        ["movies.developed"],
        ["movies.spelling"],
        ["multiscale"],
        ["scattered"],  # what is made of the images of other files
        ["tables"],
        ["made"],
        ["image_reference"],
    ],
    "builders.structures": [["uniprot"], ["reading"], ["databases"], ["cleaning"]],
    "builders.publishing": [["parts"], ["writing"], ["front"], ["hub"]],
}
OUTSIDE = {
    "perc_transforms": {"torch", "numpy"},
    "builders.completion": {"shtab"},
    "builders.errors": set(),
    "builders.io": {"numpy", "mrcfile", "requests", "urllib3", "filelock", "imagecodecs"},
    "builders.io.boxes.turned": {"numpy", "torch"},
    "builders.io.formats.hdf5": {"h5py", "numpy"},
    "builders.io.codecs": {"PIL", "imagecodecs", "numpy"},
    "builders.io.made": {"numpy", "pyarrow", "torch"},
    "builders.io.movies": {"numpy", "torch"},
    "builders.io.tables": {"numpy", "pyarrow"},
    "builders.structures": {"datasets", "gemmi", "numpy", "pyarrow", "tqdm"},
    "builders.synthetic": {"PIL", "datasets", "gemmi", "h5py", "numpy", "pyarrow", "torch", "tqdm", "yaml"},
    "builders.drawing": {"PIL", "numpy"},
    "builders.gallery": {"PIL", "numpy", "torch", "tqdm"},
    "builders.inspecting": {"PIL", "numpy"},
    "builders.particles.inspecting": {"PIL", "numpy", "pyarrow"},
    "builders.tilt_series.inspecting": {"PIL", "numpy"},
    "builders.tomograms.inspecting": {"PIL", "numpy"},
    "builders.particles": {"PIL", "datasets", "numpy", "pyarrow", "torch", "tqdm", "xxhash"},
    "builders.publishing": {
        *("PIL", "datasets", "distributed", "filelock", "httpx", "huggingface_hub", "numpy", "pyarrow", "torch"),
        *("tqdm", "xxhash"),
    },
    "builders": {"datasets", "fsspec", "numpy", "pyarrow", "torch", "tqdm", "xxhash"},
}
PRIVATE_USERS = "builders.hf"


def read_modules():
    for path in sorted([*(ROOT / "builders").rglob("*.py"), *(ROOT / "perc_transforms").rglob("*.py")]):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        yield name, ast.parse(path.read_text())


MODULES = list(read_modules())


@functools.cache
def imports(tree):
    found = []
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


@functools.cache
def nodes(tree):
    """Those that may break a rule: walking through all trees takes its time."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom | ast.Call | ast.Attribute)]


def within(name, prefix):
    return f"{name}.".startswith(f"{prefix}.")


def home(name, names):
    """The longest of some names in which a module lies; None where it lies in none."""
    return max((prefix for prefix in names if within(name, prefix)), key=len, default=None)


FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def may_import(name, imported):
    """Whether a module of ours may import a name of ours."""
    place = name if name == "builders" else home(name, [*FLOOR_OF, *(n for n in BESIDE if n != "builders")])
    if name == "builders.__main__":
        return imported == "builders.cli.main"
    if place in BESIDE:
        return any(within(imported, prefix) for prefix in BESIDE[place])
    shared = home(imported, SHARED)
    if shared is not None:
        return FLOOR_OF[place] >= FLOOR_OF[SHARED[shared]]
    there = home(imported, FLOOR_OF)
    if there == "perc_transforms" != place:
        return any(within(imported, prefix) for prefix in OF_TRANSFORMS.get(home(name, OF_TRANSFORMS) or "", []))
    return there is not None and (there == place or FLOOR_OF[there] < FLOOR_OF[place])


def test_imports_point_down():
    wrong = []
    for name, tree in MODULES:
        for imported in imports(tree):
            top = imported.split(".")[0]
            if top in ("builders", "perc_transforms"):
                is_right = may_import(name, imported)
            else:
                is_right = top in sys.stdlib_module_names or top in OUTSIDE[home(name, OUTSIDE)]
            wrong += [] if is_right else [f"{name} imports {imported}"]
    assert not wrong


@pytest.mark.parametrize("floor", ROOMS)
def test_rooms_lean_on_those_below_them(floor):
    levels = {f"{floor}.{room}": number for number, rooms in enumerate(ROOMS[floor]) for room in rooms}
    for name, tree in MODULES:
        ours = home(name, levels)
        for imported in imports(tree):
            theirs = home(imported, levels) or floor
            if ours is None or ours == theirs or not within(imported, floor):
                continue
            are_files = ours == name and (ROOT / f"{theirs.replace('.', '/')}.py").exists()
            below = levels.get(theirs, len(levels)) - levels[ours]
            assert below < 0 or (below == 0 and are_files), f"{name} imports {imported}"


def test_nothing_leans_on_itself():
    names = {name for name, _ in MODULES}
    needs = {name: {home(imported, names) for imported in imports(tree)} - {None, name} for name, tree in MODULES}
    left = dict(needs)
    while left:
        free = [name for name, of in left.items() if not of & left.keys()]
        assert free, f"a circle among {sorted(left)}"
        for name in free:
            del left[name]


def test_folders_are_small_and_say_what_lives_there():
    for folder in {path.parent for top in ("builders", "perc_transforms") for path in (ROOT / top).rglob("*.py")}:
        files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(files) <= 13, f"{folder}: {len(files)} files"
        assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text())), folder


def test_private_names_of_datasets_stay_in_one_folder():
    touched = {name: private for name, tree in MODULES if (private := private_names(tree))}
    assert touched
    assert not {name: private for name, private in touched.items() if not within(name, PRIVATE_USERS)}


def private_names(tree):
    """Those of `datasets` that a module imports or uses."""
    private = [i for i in imports(tree) if i.startswith("datasets.") and any(p.startswith("_") for p in i.split("."))]
    aliases = {
        alias.asname or alias.name.split(".")[0]
        for node in nodes(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name.split(".")[0] == "datasets"
    }
    for node in nodes(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and isinstance(node.value, ast.Name):
            private += [f"{node.value.id}.{node.attr}"] if node.value.id in aliases else []
    return private


HEAVY = {"torch", "mrcfile", "scipy", "PIL", "gemmi", "starfile", "imagecodecs", "requests", "h5py"}
WHEN_USED = {"builders.publishing", "builders.io.formats.tiff", "builders.io.formats.mrc", "builders.io.net.http"}


def loaded_by(statement, after="pass"):
    """The modules that a statement imports, in a process that has made another one before."""
    code = f"import sys; {after}; before = {{*sys.modules}}; {statement}; print(*sys.modules.keys() - before)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(run.stdout.split())


def test_importing_builders_imports_nothing_heavy():
    extra = loaded_by("import builders", after="import datasets")
    assert "builders.hf.registry" in extra
    assert not extra & (HEAVY | WHEN_USED), extra
    assert "torch" not in loaded_by("from perc_transforms.errors import PercError")


def test_what_is_imported_when_it_is_used_is_told_and_found():
    assert {"as_em_images", "publish"} <= set(dir(builders))
    assert builders.publish.__module__ == "builders.publishing.publish"
    with pytest.raises(AttributeError, match="module 'builders' has no attribute 'publsh'"):
        _ = builders.publsh


def test_nothing_prints_but_the_commands():
    for name, tree in MODULES:
        calls = [n for n in nodes(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
        assert name.endswith("cli") or not [c for c in calls if c.func.id == "print"], name


def test_no_pickle_no_eval_no_shell():
    forbidden = {"pickle", "dill", "marshal", "shelve", "subprocess", "yaml"}
    safe = {"builders.synthetic.written.documents": {"yaml"}}  # by its safe loader
    for name, tree in MODULES:
        assert not {i.split(".")[0] for i in imports(tree)} & (forbidden - safe.get(name, set())), name
        called = {n.func.id for n in nodes(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        assert not called & {"eval", "exec", "compile"}, name
