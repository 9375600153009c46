"""Catalogues of rows that are picked from stacks, made by hand; of each row, what has to come is known."""

import dataclasses

import datasets
import numpy as np
import pyarrow as pa
from datasets import Value

from builders.hf.features import EMImage
from builders.hf.streaming import ShardStream
from builders.io import mrc
from builders.stacks.files import SourceFile
from builders.stacks.picked.catalogue import Catalogue, table_of, write
from builders.stacks.picked.reader import PickedReader
from builders.stacks.picked.shards import shards_of
from builders.stacks.picked.tables import picked_tables
from builders.stacks.rows import Reading, look
from tests.empiar import deposit
from tests.stacks.deposits import raw_file

READING = Reading("particles", "particles.star", (), None, "slice", True, "raise", pixel_size=3.0)
FLOATS = ("rot", "tilt", "shift_x")
FEATURES = datasets.Features(
    {
        "image": EMImage(dtype=None),
        "pixel_size": Value("float32"),
        "path": Value("string"),
        "index": Value("int64"),
        "pose": dict.fromkeys(FLOATS, Value("float32")),
        "micrograph": Value("string"),
        "half_set": Value("int64"),
        "coordinate_x": Value("float32"),
        "good": Value("bool"),
        "name": Value("string"),
        "picks": datasets.List(Value("float32")),
    }
)
KINDS = ("float32", "float16", "int8", "complex64", "big-endian", "pairs", "4bit", "gz", "across", "unlike")


def write_stacks(folder, kind="float32", counts=(7, 5, 9), side=6):
    """Stacks of a kind that `tests.stacks.deposits` has; gives their files."""
    rng, folder = np.random.default_rng(3), folder / "J" / "stacks"
    folder.mkdir(parents=True)
    files = []
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
            path = deposit.compress(path, "gz")
        files.append(SourceFile(f"stacks/{path.name}", str(path), path.stat().st_size, "stamp"))
    return files


def table(which, slices, nulls=False, seed=1, **more):
    """Rows of a catalogue with columns of all kinds."""
    rng, count = np.random.default_rng(seed), len(which)
    gone = rng.random(count) < 0.4 if nulls else np.zeros(count, bool)

    def numbers(kind="f4"):
        values = rng.integers(0, 100, count).astype(kind)
        return pa.array(values, mask=rng.permutation(gone))

    poses = pa.StructArray.from_arrays(
        [numbers() for _ in FLOATS], fields=[pa.field(name, pa.float32()) for name in FLOATS], mask=pa.array(gone)
    )
    names = pa.array([f"mic_{number % 4}.mrc" for number in which], mask=rng.permutation(gone))
    columns = {
        "file": pa.array(which, pa.int32()),
        "slice": pa.array(slices, pa.int64()),
        "pixel_size": numbers(),
        "pose": poses,
        "micrograph": names.dictionary_encode(),
        "half_set": numbers("i8"),
        "coordinate_x": numbers(),
        "good": pa.array(rng.random(count) < 0.5, mask=rng.permutation(gone)),
        "name": pa.array([f"particle {number}" for number in range(count)], mask=rng.permutation(gone)),
        "picks": pa.array(
            [[float(n), 1.0, 2.0] for n in range(count)],
            pa.list_(pa.float32()),
            mask=gone & (np.arange(count) % 7 == 3),
        ),
    }
    return pa.table({**columns, **more})


def in_order(counts=(7, 5, 9)):
    """Each slice once, file by file."""
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.concatenate([np.arange(count) for count in counts])


def picked(seed, rows=40, counts=(7, 5, 9), rising=False):
    """Any slices, some of them several times; of files in turn, or sorted."""
    rng = np.random.default_rng(seed)
    of = rng.integers(0, len(counts), 8)
    which = np.repeat(np.sort(of) if rising else of, rows // 8)
    slices = rng.integers(0, np.array(counts)[which])
    order = np.lexsort((slices, which)) if rising else np.arange(len(which))
    return which[order], slices[order]


def made(tmp_path, files, rows, **kwargs):
    """A catalogue."""
    return write(tmp_path / "catalogue.arrow", table_of(files, rows, **kwargs))


def reading(**changes):
    return dataclasses.replace(READING, **changes)


def mapped(catalogue: Catalogue, how=READING, features=FEATURES):
    """The map-style dataset of a catalogue."""
    looked = [look(file, how) for file in catalogue.files]
    tables = list(picked_tables(catalogue, looked, how, features.arrow_schema))
    whole = pa.concat_tables(tables).combine_chunks()
    info = datasets.DatasetInfo(features=features, builder_name="empiar")
    return datasets.Dataset(whole, info=info)


def streamed(catalogue: Catalogue, how=READING, features=FEATURES, shards=None, **options):
    """The stream of a catalogue."""
    reader = PickedReader(how, catalogue, **options)
    shards = shards_of(catalogue) if shards is None else shards
    return datasets.IterableDataset(ShardStream(reader, shards, features), info=datasets.DatasetInfo(features=features))


def in_shards(catalogue, count):
    """Shards of as many rows each."""
    edges = np.linspace(0, catalogue.rows.num_rows, count + 1).astype(int).tolist()
    return [edges[number : number + 2] for number in range(count)]
