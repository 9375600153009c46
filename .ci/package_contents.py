"""Looks at what .ci/package built in a folder: the packages and nothing else, the same by either way."""

import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("builders", "perc_transforms")


def contents(wheel: Path) -> dict[str, bytes]:
    """The files of a wheel."""
    with zipfile.ZipFile(wheel) as file:
        return {name: file.read(name) for name in file.namelist()}


work = Path(sys.argv[1])
(sdist,) = (work / "dist").glob("*.tar.gz")
(by_sdist,) = (work / "dist").glob("*.whl")
(direct,) = (work / "direct").glob("*.whl")
found = contents(by_sdist)
assert found == contents(direct), "the wheel of the source distribution is another one than that of the tree"

info = "-".join(by_sdist.name.split("-")[:2]) + ".dist-info/"
modules = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
ours = modules + [ROOT / package / "py.typed" for package in PACKAGES]
assert {name for name in found if not name.startswith(info)} == {path.relative_to(ROOT).as_posix() for path in ours}
assert found[info + "licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
told = found[info + "METADATA"].decode()
assert "Name: perc-cryoem\n" in told
assert found[info + "entry_points.txt"].decode().startswith("[console_scripts]\nperc = ")

with tarfile.open(sdist) as file:
    names = {name.partition("/")[2] for name in file.getnames()}
assert {"CHANGELOG.md", "CITATION.cff", "LICENSE", "README.md", "pyproject.toml"} <= names
assert not [name for name in names if name.startswith(("tests", "benchmarks", "docs"))]
print(f"== {by_sdist.name}: {len(modules)} modules, {by_sdist.stat().st_size / 1e6:.1f} MB; {sdist.name}")
