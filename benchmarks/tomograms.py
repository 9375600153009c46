"""Tiles and cubes anywhere of a tomogram, beside cuts of a memory map."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa

from benchmarks.row import Row
from benchmarks.timing import medians
from builders.hf.features import EMImage
from builders.hf.streaming import ShardStream
from builders.io import mrc
from builders.io.files.header_store import HeaderStore
from builders.stacks.files import SourceFile
from builders.stacks.picked.catalogue import Catalogue, table_of, write
from builders.stacks.picked.making import held
from builders.stacks.picked.reader import PickedReader
from builders.stacks.picked.shards import shards_of
from builders.stacks.picked.tables import picked_tables
from builders.stacks.rows import Reading

SHAPE, TOMOGRAMS = (256, 512, 512), 3
TILE, CUBE, BATCH = 64, 48, 16
CUBES = 512
READING = Reading("tomograms", "a benchmark", (), None, "file", False, "raise")
FEATURES = datasets.Features(
    {
        "image": EMImage(),
        "pixel_size": datasets.Value("float32"),
        "path": datasets.Value("string"),
        "index": datasets.Value("int64"),
    }
)


def tomogram_rows(folder: Path, rounds: int) -> Iterator[Row]:
    """Boxes a second of plain MRC tomograms of this machine, warm."""
    folder.mkdir(parents=True)
    paths = [folder / f"t{number}.mrc" for number in range(TOMOGRAMS)]
    for path in paths:
        mrc.write(path, np.random.default_rng(0).standard_normal(SHAPE, np.float32), pixel_size=10.0)
        path.read_bytes()
    maps = [np.memmap(path, np.float32, "r", mrc.HEADER_BYTES, SHAPE) for path in paths]
    rng, grid = np.random.default_rng(1), [range(0, side, TILE) for side in SHAPE]
    files = np.arange(TOMOGRAMS)
    one = np.stack(np.meshgrid(*grid, indexing="ij"), -1).reshape(-1, 3)
    tiles = np.column_stack([files.repeat(len(one)), np.tile(one, (TOMOGRAMS, 1))])
    cubes = np.column_stack([rng.integers(0, TOMOGRAMS, CUBES), rng.integers(0, np.array(SHAPE) - CUBE, (CUBES, 3))])
    in_order = cubes[np.lexsort(cubes.T[::-1])]
    contenders: dict[str, Callable[[], None]] = {}
    for name, corners, side in (("tiles", tiles, TILE), ("cubes", cubes, CUBE), ("sorted", in_order, CUBE)):
        rows, stream = _datasets(folder / f"{name}.arrow", paths, corners, side)
        places = range(0, len(corners), BATCH)
        contenders |= {
            f"{name} cuts": lambda corners=corners, side=side: _cut(maps, corners, side),
            f"{name} stream": lambda stream=stream, rows=rows: _read(stream.batch(BATCH), len(rows)),
            f"{name} map-style": lambda rows=rows, places=places: _read(
                (rows[start : start + BATCH] for start in places), len(rows)
            ),
        }
    times = medians(contenders, rounds)
    for name, ours, side, bound in (
        ("tiles", "stream", TILE, 0.7),
        ("tiles", "map-style", TILE, 0.7),
        ("cubes", "map-style", CUBE, 0.0),
        ("sorted", "stream", CUBE, 0.0),
    ):
        count = len(tiles) if name == "tiles" else CUBES
        columns = (f"{count / times[f'{name} {how}']:.0f} /s" for how in (ours, "cuts"))
        what = {"tiles": "tiles", "cubes": "cubes anywhere", "sorted": "cubes anywhere, in order"}[name]
        ratio = times[f"{name} cuts"] / times[f"{name} {ours}"]
        yield Row(f"tomogram, {what} of {side}^3, {ours}, rate / memmap cuts", *columns, ratio, bound)


def _datasets(
    where: Path, paths: list[Path], corners: np.ndarray, side: int
) -> tuple[datasets.Dataset, datasets.IterableDataset]:
    """Boxes of some files, map-style and as a stream, in the torch format."""
    catalogue = write(where, _table(paths, corners, (side,) * 3))
    part = held(catalogue.rows, READING, HeaderStore(str(where.parent / "cache")), "a benchmark")
    schema = FEATURES.arrow_schema
    table = pa.concat_tables(picked_tables(part.catalogue, part.looked, READING, schema)).combine_chunks()
    rows = datasets.Dataset(table, info=datasets.DatasetInfo(features=FEATURES))
    return rows.with_format("torch"), _stream(catalogue).with_format("torch")


def _stream(catalogue: Catalogue) -> datasets.IterableDataset:
    stream = ShardStream(PickedReader(READING, catalogue), shards_of(catalogue), FEATURES)
    return datasets.IterableDataset(stream, info=datasets.DatasetInfo(features=FEATURES))


def _table(paths: list[Path], corners: np.ndarray, box: tuple[int, int, int]) -> pa.Table:
    columns = {
        "file": pa.array(corners[:, 0], pa.int32()),
        "slice": pa.array(np.full(len(corners), -1)),
        **{name: pa.array(corners[:, axis]) for axis, name in enumerate(("front", "top", "left"), 1)},
    }
    stats = [path.stat() for path in paths]
    files = [SourceFile(p.name, str(p), s.st_size, str(s.st_mtime_ns)) for p, s in zip(paths, stats, strict=True)]
    return table_of(files, pa.table(columns), box)


def _cut(maps: list[np.ndarray], corners: np.ndarray, side: int) -> None:
    for number, z, y, x in corners.tolist():
        np.array(maps[number][z : z + side, y : y + side, x : x + side])


def _read(batches: Iterable[dict[str, object]], count: int) -> None:
    assert sum(len(batch["image"]) for batch in batches) == count
