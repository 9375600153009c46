"""A STAR file of a million particles as a dataset: time and memory, beside starfile's own reading of the file."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.maps import make_sparse
from benchmarks.memory import MEASURED, run
from benchmarks.row import Row

STACKS, EACH, SIDE = 1000, 1000, 128
COLUMNS = (
    *("rlnCoordinateX", "rlnCoordinateY", "rlnAutopickFigureOfMerit", "rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle"),
    *("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", "rlnOriginXAngst", "rlnOriginYAngst", "rlnCtfMaxResolution"),
    *("rlnCtfFigureOfMerit", "rlnCtfBfactor", "rlnCtfScalefactor", "rlnPhaseShift", "rlnNormCorrection"),
    *("rlnLogLikeliContribution", "rlnMaxValueProbDistribution"),
)
"""Numbers of a particle, besides its image, micrograph, optics group, class, half-set and number of samples."""
_OPTICS = """# version 30001

data_optics

loop_
_rlnOpticsGroup #1
_rlnImagePixelSize #2
_rlnImageSize #3
_rlnVoltage #4
_rlnSphericalAberration #5
_rlnAmplitudeContrast #6
1 1.5 128 300.0 2.7 0.1


# version 30001

data_particles

loop_
"""
_WHOLE = ("rlnOpticsGroup", "rlnClassNumber", "rlnRandomSubset", "rlnNrOfSignificantSamples")

_OURS = MEASURED.format(
    prepare="""
import datasets
datasets.disable_progress_bars()
from builders import load_dataset
star, cache = pathlib.Path(base), stack
def load(name):
    return load_dataset("particles", star=star.with_name(name), split="train", cache_dir=cache)
assert len(load("few.star")) == 1000
""",
    read="assert len(load(star.name)) == 1_000_000",
)
_STREAM = MEASURED.format(
    prepare="""
import datasets
from builders import load_dataset
star, cache = pathlib.Path(base), stack
def load(name):
    return load_dataset("particles", star=star.with_name(name), split="train", cache_dir=cache, streaming=True)
load("few.star")
""",
    read="load(star.name)",
)
_TABLE = MEASURED.format(
    prepare="""
from builders.io.tables import read_particles
def rows(path):
    return read_particles([(path.name, path)]).rows.num_rows
assert rows(pathlib.Path(base).with_name("few.star")) == 1000
""",
    read="assert rows(pathlib.Path(base)) == 1_000_000",
)
_STARFILE = MEASURED.format(
    prepare="""
import starfile
starfile.read(pathlib.Path(base).with_name("few.star"))
""",
    read="assert len(starfile.read(base)['particles']) == 1_000_000",
)


def write_table(folder: Path, name: str, stacks: int) -> Path:
    """A table of all images of some stacks, of 25 columns, some 330 bytes a row."""
    path = folder / name
    rng = np.random.default_rng(0)
    names = ["rlnImageName", "rlnMicrographName", *_WHOLE, *COLUMNS]
    with path.open("w") as file:
        file.write(_OPTICS + "".join(f"_{label} #{number}\n" for number, label in enumerate(names, 1)))
        numbers = " ".join(["%12.6f"] * len(COLUMNS))
        for stack in range(stacks):
            values = rng.uniform(-180, 180, (EACH, len(COLUMNS)))
            values[:, 3:5] += 15_000
            own = f"Extract/job009/mics/{stack:04}.mrcs MotionCorr/job002/mics/{stack:04}.mrc"
            file.writelines(
                f"{index + 1:06}@{own} 1 {1 + index % 3} {1 + index % 2} 17 {numbers % tuple(row)}\n"
                for index, row in enumerate(values)
            )
    return path


def table_rows(folder: Path, starfile: str | None) -> Iterator[Row]:
    """The table alone; a dataset made from it and the headers of a thousand stacks, and loaded again; a stream.

    Args:
        folder: for the files.
        starfile: a Python that has starfile, to compare with.
    """
    names = (f"{number:04}.mrcs" for number in range(STACKS))
    made_at = make_sparse(folder / "made", (EACH, SIDE, SIDE), *names)[0].parent
    mics = folder / "Extract/job009/mics"
    mics.parent.mkdir(parents=True)
    made_at.rename(mics)
    table = write_table(folder, "run_data.star", STACKS)
    write_table(folder, "few.star", 1)
    cache = str(folder / "cache")
    made, again = (run(sys.executable, _OURS, str(table), cache) for _ in range(2))
    read = run(sys.executable, _TABLE, str(table), "")
    stream = run(sys.executable, _STREAM, str(table), str(folder / "streamed"))
    theirs = None if starfile is None else run(starfile, _STARFILE, str(table), "")
    what = "STAR of 1,000,000 rows of 25 columns"
    for name, ours in (("read", read), ("to a dataset", made), ("to a stream", stream)):
        if theirs is None:
            yield Row(f"{what} {name}: seconds", f"{ours.seconds:.2f} s", "", ours.seconds, 0)
            yield Row(f"{what} {name}: MiB of memory more", f"{ours.added:.0f}", "", ours.added, 0)
            continue
        columns = f"{ours.seconds:.2f} s", f"{theirs.seconds:.2f} s"
        yield Row(f"{what} {name}, time / starfile", *columns, ours.seconds / theirs.seconds, 0.5, False)
        columns = f"{ours.added:.0f} MiB", f"{theirs.added:.0f} MiB"
        yield Row(f"{what} {name}, memory / starfile", *columns, ours.added / theirs.added, 0.5, False)
    yield Row(f"{what}: loaded again, seconds", f"{again.seconds:.2f} s", "", again.seconds, 0)
