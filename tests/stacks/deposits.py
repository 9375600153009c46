"""Deposits whose files are of every kind that a stream reads in another way, made by code."""

import numpy as np

from builders import load_dataset
from builders.io import mrc
from tests.empiar import deposit
from tests.mrc_encoder import header

KINDS = ("float32", "float16", "int8", "complex64", "big-endian", "pairs", "4bit", "gz", "across", "unlike")
"""Types of pixels; types that NumPy does not have; a packed file; slices that do not lie apart; unlike images."""


def write(root, kind, counts=(7, 5, 9), side=6):
    """A mirror of stacks of so many images each, below `data/s`."""
    folder = root / deposit.ENTRY / "data" / "s"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(3)
    for number, count in enumerate(counts):
        ny = side + (number % 2 if kind == "unlike" else 0)
        path = folder / f"s_{number}{'.map' if kind == 'across' else '.mrcs'}"
        if kind in ("big-endian", "pairs", "4bit", "across"):
            path.write_bytes(raw_file(kind, count, ny, rng))
        else:
            dtype = kind if kind in ("float16", "int8", "complex64") else "float32"
            pixels = rng.integers(-50, 50, (count, ny, side + 2)) * (1 + 1j if dtype == "complex64" else 1)
            mrc.write(path, pixels.astype(dtype), 2.0, stack=True)
        if kind == "gz":
            deposit.compress(path, "gz")
    deposit.write_xml(root, [("S", "data/s", "class averages")])
    return root


def raw_file(kind, count, ny, rng):
    """A file that our own writer does not write."""
    nx, stack = 8, {"big-endian": (2, ">"), "pairs": (3, "<"), "4bit": (101, "<"), "across": (2, "<")}
    mode, order = stack[kind]
    axes = (3, 2, 1) if kind == "across" else (1, 2, 3)
    sides = (count, ny, nx) if kind == "across" else (nx, ny, count)
    head = header(*sides, mode, order=order, mapcrs=axes, ispg=int(kind == "across"))
    size = nx * ny * count
    if kind == "pairs":
        return bytes(head) + rng.integers(-9, 9, 2 * size).astype("<i2").tobytes()
    if kind == "4bit":
        return bytes(head) + rng.integers(0, 255, size // 2).astype("u1").tobytes()
    return bytes(head) + rng.integers(-50, 50, size).astype(f"{order}f4").tobytes()


def load(place, tmp_path, **options):
    """A stream of a deposit, of a folder or of a server, in the files' own type."""
    own = {"streaming": True, "item": "slice", "dtype": None, "cache_dir": str(tmp_path / "cache")}
    return load_dataset("empiar", entry=deposit.ENTRY, archive=str(place), split="train", **{**own, **options})
