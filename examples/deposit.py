"""A deposit such as EMPIAR holds, made up: micrographs full of particles, and the stack that was picked from them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from builders.io import mrc
from examples import complexes, raw_data
from examples.projections import BOX, PIXEL_SIZE

ENTRY = "10999"
SIDE = 1024
CELL = 128
"""Pixels of a micrograph's side, and of the cells that hold one particle each."""

_IMAGESET = """<imageSet><name>{name}</name><directory>/data/{directory}</directory><category>{category}</category>
<dataFormat>{format}</dataFormat><numImagesOrTiltSeries>{count}</numImagesOrTiltSeries></imageSet>"""
_XML = """<?xml version="1.0" encoding="UTF-8"?>
<entry xmlns="http://pdbe.org/empiar" accessionCode="EMPIAR-{entry}">
<admin><title>{title}</title><datasetSize units="MB">{size:.1f}</datasetSize></admin>
{imagesets}
</entry>"""


def generate(root: Path, out: Path, micrographs: int, snr: float = 0.4, seed: int = 2) -> list[str]:
    """Write an entry as the archive lays it out.

    Args:
        root: where to.
        out: of the demo, which has the structures and what `datasets` keeps.
        micrographs: how many.
        snr: variance of a particle's image over that of the noise.
        seed: decides all of them.

    Returns:
        What each particle of the stack shows, which no file of the entry tells.
    """
    rng = np.random.default_rng(seed)
    data = root / ENTRY / "data"
    for folder in ("micrographs", "particles"):
        (data / folder).mkdir(parents=True)
    files, count = complexes.structures(out / "complexes"), micrographs * (SIDE // CELL) ** 2
    made = complexes.particles(files, count, snr=None, seed=seed, cache_dir=out / "cache")
    particles = complexes.images_of(made, "Generating micrographs")
    shown: list[str] = []
    picked: list[NDArray[np.float32]] = []
    for number in range(micrographs):
        image, centres, names = _micrograph(rng, snr, particles)
        mrc.write(data / "micrographs" / f"FoilHole_{number + 1}.mrc", image, pixel_size=PIXEL_SIZE)
        picked += [image[y - BOX // 2 : y + BOX // 2, x - BOX // 2 : x + BOX // 2] for y, x in centres]
        shown += names
    mrc.write(data / "particles" / "picked.mrcs", np.stack(picked), pixel_size=PIXEL_SIZE, stack=True)
    raw_data.movies(data / "movies")
    size = sum(path.stat().st_size for path in data.rglob("*.mrc*")) / 1e6
    (root / ENTRY / f"{ENTRY}.xml").write_text(_describe(size, micrographs, len(picked)), encoding="utf-8")
    return shown


def _micrograph(
    rng: np.random.Generator, snr: float, particles: Iterator[tuple[str, NDArray[np.float32]]]
) -> tuple[NDArray[np.float32], list[tuple[int, int]], list[str]]:
    """An image with a particle somewhere in each of its cells, noise over all; where they are and what they show."""
    image = rng.normal(0, snr**-0.5, (SIDE, SIDE))
    centres, names = [], []
    for corner_y in range(0, SIDE, CELL):
        for corner_x in range(0, SIDE, CELL):
            name, particle = next(particles)
            y, x = (int(corner + rng.integers(BOX // 2, CELL - BOX // 2)) for corner in (corner_y, corner_x))
            box = image[y - BOX // 2 : y + BOX // 2, x - BOX // 2 : x + BOX // 2]
            box += particle / particle.std()
            centres.append((y, x))
            names.append(name)
    return image.astype(np.float32), centres, names


def _describe(size: float, micrographs: int, particles: int) -> str:
    """The entry's XML file, in the archive's form."""
    sets = [
        ("Micrographs", "micrographs", "micrographs - single frame", "MRC", micrographs),
        ("Picked particles", "particles", "picked particles - single frame - unprocessed", "MRCS", particles),
    ]
    columns = ("name", "directory", "category", "format", "count")
    imagesets = "\n".join(_IMAGESET.format(**dict(zip(columns, values, strict=True))) for values in sets)
    return _XML.format(entry=ENTRY, title="Made-up complexes on a grid", size=size, imagesets=imagesets)
