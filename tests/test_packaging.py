"""What the package says of itself, and what its extras bring."""

import ast
import importlib.metadata
import itertools
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml

from builders.errors import MissingPackageError
from builders.io import image_file
from builders.io.formats import known
from builders.publishing import cluster
from builders.release import NAME, VERSION

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def packages(extra):
    """Names of what an extra brings, those of other extras of ours with it."""
    named = [re.fullmatch(r"([\w.-]+)(?:\[(.+)\])?([<>=!~].*)?", text) for text in EXTRAS[extra]]
    return {
        package
        for match in named
        for package in (set().union(*map(packages, match[2].split(","))) if match[1] == PROJECT["name"] else {match[1]})
    }


def tiff(folder):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(folder / "x.tif", np.ones((8, 8), "u2"), compression="lzw")
    return lambda: image_file.read(folder / "x.tif")


def zarr(folder):
    package = pytest.importorskip("zarr")
    codec = package.codecs.BloscCodec()
    options = {"shape": (4, 4, 4), "chunks": (4, 4, 4), "dtype": "f4", "compressors": codec}
    package.create_array(store=str(folder / "x.zarr"), **options)[:] = np.arange(64).reshape(4, 4, 4)
    return lambda: image_file.read(folder / "x.zarr" / "zarr.json")


def hdf5(folder):
    (folder / "x.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(1016))
    return lambda: image_file.read(folder / "x.h5")


def dask(_):
    return lambda: next(cluster.run_on_cluster(print, [], "tcp://127.0.0.1:1"))


NEEDS = {
    "movies": ("imagecodecs", tiff),
    "tomo": ("imagecodecs", zarr),
    "hdf5": ("h5py", hdf5),
    "dask": ("distributed", dask),
}
NONE = {"cryosparc", "dm"}
"""Extras of formats that need no package."""


@pytest.mark.parametrize("extra", NEEDS)
def test_without_an_extra_the_error_names_it(extra, tmp_path, monkeypatch):
    package, made = NEEDS[extra]
    needs = made(tmp_path)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=rf"{package}.*: pip install 'perc-cryoem\[{extra}\]'$"):
        needs()
    assert packages(extra) == {package}


def test_all_is_what_every_extra_for_users_brings():
    assert not set().union(*map(packages, NONE))
    assert packages("all") == set().union(*map(packages, NEEDS))
    assert {format.extra for format in known.formats()} - {""} <= NEEDS.keys()


def test_no_other_package_is_imported_that_need_not_be_there():
    """What `builders` imports is in `dependencies` or in `[all]`."""
    at_hand = packages_of(PROJECT["dependencies"]) | packages("all")
    modules = importlib.metadata.packages_distributions()
    for path in itertools.chain(*((ROOT / top).rglob("*.py") for top in ("builders", "perc_transforms"))):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for top in {name.partition(".")[0] for name in names} - {"builders", "perc_transforms"}:
                if top not in sys.stdlib_module_names:
                    offered = {spelt(name) for name in modules.get(top, [top])}
                    assert offered & at_hand, f"{path} imports {top}"


def packages_of(requirements):
    return {spelt(re.match(r"[\w.-]+", text)[0]) for text in requirements}


def spelt(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_project_is_called_as_it_says():
    assert PROJECT["name"] == NAME
    for package in ("builders", "perc_transforms"):
        assert (ROOT / package / "py.typed").is_file()


def test_the_citation_is_of_this_version_and_licence():
    """In the Citation File Format 1.2.0: what its schema requires, and nothing that it does not know."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["cff-version"] == "1.2.0"
    assert (cited["version"], cited["license"], cited["type"]) == (VERSION, PROJECT["license"], "software")
    authors = [author["name"] for author in PROJECT["authors"]]
    assert [author["name"] for author in cited["authors"]] == authors
    assert re.search(rf"^Copyright \(c\) \d+ {re.escape(*authors)}$", (ROOT / "LICENSE").read_text(), re.MULTILINE)
    (paper,) = cited["references"]
    assert paper["title"].startswith("PERC: ")
    assert {"type", "title", "authors", "year", "url"} <= paper.keys()
