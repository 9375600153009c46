"""A deposit such as the archive holds, made by code: a particle stack, micrographs, and what depositors leave about."""

import bz2
import functools
import gzip
import tempfile
from pathlib import Path

import numpy as np

from builders.io import mrc

ENTRY = "10943"

XML = """<?xml version="1.0" encoding="UTF-8"?>
<entry xmlns="http://pdbe.org/empiar" accessionCode="EMPIAR-{entry}">
<admin><title>A made deposit</title><datasetSize units="MB">7</datasetSize></admin>
{sets}
</entry>"""
IMAGESET = """<imageSet><name>{name}</name><directory>/{directory}</directory><category>{category}</category>
<dataFormat>MRC</dataFormat><numImagesOrTiltSeries>99</numImagesOrTiltSeries></imageSet>"""

SETS = (
    ("Particles", "data/particles", "picked particles - multiframe - processed"),
    ("Micrographs", "data/micrographs", "micrographs - single frame"),
)


def write_xml(root: Path, sets=SETS, entry: str = ENTRY) -> None:
    """The entry's XML, in the archive's form."""
    text = "".join(IMAGESET.format(name=n, directory=d, category=c) for n, d, c in sets)
    (root / entry).mkdir(parents=True, exist_ok=True)
    (root / entry / f"{entry}.xml").write_text(XML.format(entry=entry, sets=text))


def make(root: Path) -> dict[str, np.ndarray]:
    """Write the deposit as a mirror, the test's own; what each file holds, by its path inside the entry."""
    files, held = _made()
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return dict(held)


@functools.cache
def _made() -> tuple[dict[str, bytes], dict[str, np.ndarray]]:
    """The deposit's files by their paths, and the pixels that they hold, which nobody may change."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        held = _written(root)
        files = {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    for pixels in held.values():
        pixels.flags.writeable = False
    return files, held


def _written(root: Path) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    data = root / ENTRY / "data"
    (data / "particles").mkdir(parents=True)
    (data / "micrographs" / "deep").mkdir(parents=True)
    held = {"data/particles/stack.mrcs": rng.standard_normal((300, 64, 64)).astype(np.float32)}
    mrc.write(data / "particles" / "stack.mrcs", held["data/particles/stack.mrcs"], 1.5, stack=True)
    for name in ("m_1.mrc", "m_2.mrc", "m_10.mrc", "deep/m #3.mrc"):
        pixels = rng.standard_normal((96, 128)).astype(np.float32)
        held[f"data/micrographs/{name}"] = pixels
        mrc.write(data / "micrographs" / name, pixels, 2.0)
    (data / "micrographs" / "notes & params 1.txt").write_text("free text")
    write_xml(root)
    return held


def compress(path: Path, kind: str) -> Path:
    """A compressed copy in place of a file."""
    target = path.with_name(f"{path.name}.{kind}")
    target.write_bytes({"gz": gzip.compress, "bz2": bz2.compress}[kind](path.read_bytes()))
    path.unlink()
    return target
