"""What the library does, on generated data: `make demo`."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from builders.terminal import print_anywhere
from examples import entry, folder, particles, publishing, structures, tomograms

CLEARLY_ABOVE_CHANCE = 3.0
WELL_FOUND = 0.7
WELL_NAMED = 0.5
"""Of the way from what chance names right to all."""
WELL_TURNED = 0.6
"""Of the angle by which poses are wrong by chance."""
MARK = ".perc-demo"
"""In the folder of a demo, which the next one may take away."""
KEPT = "recipes"
"""What `make recipes` leaves in the folder of the demo, which is not the demo's."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train on a folder, read an entry, make particles of structures, publish, check a table, search a tomogram.

    1 when a classifier or the poses that were learned are not clearly better than chance, what was published is not
    what was read, the particles do not follow the conventions by which they were made, or those of a tomogram are not
    found.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="folder for data and pictures")
    parser.add_argument("--images", type=int, default=200, help="images a class, on average")
    parser.add_argument("--batches", type=int, default=500, help="batches to learn poses from")
    parser.add_argument("--micrographs", type=int, default=12, help="micrographs of the entry")
    parser.add_argument("--particles", type=int, default=400, help="particles of the table")
    parser.add_argument("--tomograms", type=int, default=3, help="tomograms to learn from")
    options = parser.parse_args(arguments)
    print_anywhere()
    if not _make_anew(options.out):
        print(f"{options.out}: is there, and of no earlier demo: it is left alone. --out names another folder")
        return 1

    print("1. A folder of class-prefixed files")
    trained = folder.run(options.out, options.images)
    print("\n2. An entry of EMPIAR, from a server on this machine that answers as the archive does")
    accuracy = entry.run(options.out, trained, options.micrographs)
    print("\n3. Structures, from folders on this machine that stand for the PDB, AlphaFold DB and UniProt")
    learned = structures.run(options.out, options.batches)
    print("\n4. The folder of the first part, published for people who have only `datasets`")
    is_same = publishing.run(options.out)
    print("\n5. Particles with a table of RELION, made of a map, and held against it")
    is_as_stated = particles.run(options.out, options.particles)
    print("\n6. Tomograms of a copick project, and a network that learns to find their particles")
    f1 = tomograms.run(options.out, options.tomograms)
    if min(trained.accuracy, accuracy) < CLEARLY_ABOVE_CHANCE * trained.chance:
        print(f"failed: the accuracy is not {CLEARLY_ABOVE_CHANCE:.0f} times chance")
        return 1
    if learned.accuracy < learned.chance + WELL_NAMED * (1 - learned.chance):
        print(f"failed: {learned.accuracy:.1%} of the particles of structures are named right")
        return 1
    if learned.error > WELL_TURNED * learned.error_by_chance:
        print(f"failed: half of the poses are {learned.error:.0f} degrees off or more")
        return 1
    if not is_same:
        print("failed: what was published is not what was read")
        return 1
    if not is_as_stated:
        print("failed: the particles are not found to be as their table says")
        return 1
    if f1 < WELL_FOUND:
        print(f"failed: an F1 of less than {WELL_FOUND}")
        return 1
    return 0


def _make_anew(folder: Path) -> bool:
    """Make the demo's folder, in place of an earlier one; False: it holds something else."""
    is_demo = (folder / MARK).is_file() or ((folder / "contact_sheet.png").is_file() and (folder / "services").is_dir())
    folder.mkdir(parents=True, exist_ok=True)
    there = [path for path in folder.iterdir() if path.name != KEPT]
    if there and not is_demo:
        return False
    for path in there:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    (folder / MARK).touch()
    return True


if __name__ == "__main__":
    sys.exit(main())
