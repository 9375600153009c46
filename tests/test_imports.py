"""The house's plan, kept: imports point one way, and what is heavy is imported where it is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# what a module may import of ours, by the longest prefix that fits it
ALLOWED = {
    "perc_transforms": ["perc_transforms"],
    "builders.errors": ["perc_transforms.errors"],
    "builders.io": ["builders.io", "builders.errors", "perc_transforms.buffers"],
    "builders.archives": [],
    "builders.data_files": ["builders.errors", "builders.io"],
    "builders.features": ["builders.io", "builders.errors"],
    "builders.options": ["builders.errors"],
    "builders.quarantine": ["builders.errors"],
    "builders.release": [],
    "builders.terminal": [],
    "builders.exporting": ["builders.nulls"],
    "builders.nulls": ["builders.features"],
    "builders.registry": [
        *("builders.data_files", "builders.exporting", "builders.nulls", "builders.streaming", "builders.features"),
        "builders.io",
        *("builders.errors", "perc_transforms.stacking"),
    ],
    "builders.local_classes": [
        *("builders.local_classes", "builders.features", "builders.options", "builders.io", "builders.errors"),
        *("builders.quarantine", "builders.terminal"),
    ],
    "builders.streaming": ["builders.nulls", "builders.features"],
    "builders.empiar": [
        *("builders.empiar", "builders.features", "builders.options", "builders.streaming", "builders.io"),
        *("builders.archives", "builders.errors", "builders.quarantine", "builders.terminal"),
        "perc_transforms.buffers",
    ],
    "builders.structures": [
        *("builders.structures", "builders.options", "builders.streaming", "builders.io", "builders.errors"),
        *("builders.archives", "builders.quarantine", "builders.terminal"),
    ],
    "builders.gallery": [
        *("builders.gallery", "builders.options", "builders.io", "builders.errors", "builders.terminal"),
        "perc_transforms",
    ],
    "builders.publishing": [
        *("builders.publishing", "builders.features", "builders.options", "builders.streaming", "builders.io"),
        *("builders.archives", "builders.errors", "builders.registry.MODULES", "builders.release", "builders.terminal"),
        "perc_transforms",
    ],
    "builders.cli": [
        *("builders.empiar", "builders.gallery", "builders.local_classes", "builders.publishing"),
        *("builders.structures", "builders.terminal", "builders.errors", "builders.interrupt", "builders.release"),
    ],
    "builders.__main__": ["builders.cli"],
    "builders.interrupt": [],
    "builders": ["builders.features", "builders.interrupt", "builders.publishing", "builders.registry"],
}
OUTSIDE = {
    "perc_transforms": {"torch", "numpy"},
    "builders.errors": set(),
    "builders.io": {"numpy", "mrcfile", "requests", "urllib3", "filelock"},
    "builders.structures": {"datasets", "gemmi", "numpy", "pyarrow", "tqdm"},
    "builders.gallery": {"PIL", "numpy", "torch", "tqdm"},
    "builders.publishing": {
        *("PIL", "datasets", "distributed", "filelock", "httpx", "huggingface_hub", "numpy", "pyarrow", "torch"),
        *("tqdm", "xxhash"),
    },
    "builders": {"datasets", "fsspec", "numpy", "pyarrow", "torch", "tqdm", "xxhash"},
}
PRIVATE_USERS = {"builders.registry", "builders.streaming"}


def read_modules():
    for path in sorted([*(ROOT / "builders").rglob("*.py"), *(ROOT / "perc_transforms").rglob("*.py")]):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        yield name, ast.parse(path.read_text())


MODULES = list(read_modules())


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rule(table, name):
    return table[max((key for key in table if f"{name}.".startswith(f"{key}.")), key=len)]


@pytest.mark.parametrize(("name", "tree"), MODULES, ids=lambda value: value if isinstance(value, str) else "")
def test_imports_point_one_way(name, tree):
    for imported in imports(tree):
        top = imported.split(".")[0]
        if top in ("builders", "perc_transforms"):
            allowed = rule(ALLOWED, name)
            assert any(f"{imported}.".startswith(f"{prefix}.") for prefix in allowed), f"{name} imports {imported}"
        elif top not in sys.stdlib_module_names:
            assert top in rule(OUTSIDE, name), f"{name} imports {imported}"


@pytest.mark.parametrize(("name", "tree"), MODULES, ids=lambda value: value if isinstance(value, str) else "")
def test_private_names_of_datasets_stay_in_two_files(name, tree):
    private = [i for i in imports(tree) if i.startswith("datasets.") and any(p.startswith("_") for p in i.split("."))]
    aliases = {
        alias.asname or alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name.split(".")[0] == "datasets"
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and isinstance(node.value, ast.Name):
            private += [f"{node.value.id}.{node.attr}"] if node.value.id in aliases else []
    assert not private or name in PRIVATE_USERS, f"{name} touches {private}"


def loaded_by(statement):
    code = f"import sys; {statement}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(run.stdout.split())


def test_importing_builders_imports_nothing_heavy():
    extra = loaded_by("import builders") - loaded_by("import datasets")
    assert not extra & {"torch", "mrcfile", "scipy", "PIL", "gemmi", "starfile"}, extra
    assert "torch" not in loaded_by("from perc_transforms.errors import PercError")


def test_nothing_prints_but_the_commands():
    for name, tree in MODULES:
        calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
        assert name.endswith("cli") or not [c for c in calls if c.func.id == "print"], name


def test_no_pickle_no_eval_no_shell():
    forbidden = {"pickle", "dill", "marshal", "shelve", "subprocess", "yaml"}
    for name, tree in MODULES:
        assert not {i.split(".")[0] for i in imports(tree)} & forbidden, name
        called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        assert not called & {"eval", "exec", "compile"}, name
