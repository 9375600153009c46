"""Small datasets to publish, and ways to read what was published."""

import json
from pathlib import Path

import numpy as np
from datasets import ClassLabel, Dataset, Features, Value

from builders import EMImage, load_dataset
from builders.io import mrc
from tests.empiar import deposit
from tests.publishing.plain_reader import run_plainly

READ = """
import json
import datasets, numpy as np
folder, out, cache, *modes = sys.argv[1:]
for mode in modes:
    loaded = datasets.load_dataset(folder, streaming=mode == "stream", cache_dir=cache)
    told = {}
    for split, rows in loaded.items():
        told[split] = {"features": rows.features.to_dict(), "rows": []}
        arrays = rows.with_format("numpy") if "Array" in str(rows.features) else rows
        for number, (row, other) in enumerate(zip(rows, arrays)):
            np.save(f"{out}/{mode}-{split}-{number}.npy", np.asarray(other["image"]))
            told[split]["rows"].append({k: v for k, v in row.items() if k not in ("image", "preview")})
    print(json.dumps(told))
"""


def write_classes(folder: Path, count: int = 12, shape=(16, 16), shapes=None) -> Path:
    """Class files of noise."""
    folder.mkdir()
    rng = np.random.default_rng(3)
    for number in range(count):
        pixels = rng.standard_normal(shapes[number % len(shapes)] if shapes else shape).astype(np.float32)
        mrc.write(folder / f"{'ab'[number % 2]}_{number}.mrc", pixels, None if number == 3 else 1.5)
    return folder


def classes(folder: Path, split="train", **options):
    return load_dataset("local_classes", data_dir=str(folder), split=split, **options)


def entry(root: Path, **options):
    if not root.exists():
        deposit.make(root)
    options = {"archive": str(root), "imageset": 0, "split": "train", "streaming": True} | options
    return load_dataset("empiar", entry=deposit.ENTRY, **options)


def arrays(images, **columns):
    """A dataset of arrays that are given."""
    features = {"image": EMImage(dtype=None), **{name: Value("int64") for name in columns}}
    return Dataset.from_dict({"image": list(images), **columns}, features=Features(features))


def labelled(count=6, shape=(4, 5)):
    rng = np.random.default_rng(0)
    features = Features({"image": EMImage(), "label": ClassLabel(names=["x", "y"])})
    images = list(rng.standard_normal((count, *shape)).astype(np.float32))
    return Dataset.from_dict({"image": images, "label": [n % 2 for n in range(count)]}, features=features)


def read_plainly(folder, tmp_path: Path, modes=("map", "stream")):
    """What a process that has only `datasets` finds, in each of some modes: by split, features and rows."""
    out = tmp_path / f"read-{len(list(tmp_path.iterdir()))}"
    out.mkdir()
    lines = run_plainly(READ, folder, out, tmp_path / "plain-cache", *modes, cwd=out).splitlines()
    every = [json.loads(line) for line in lines]
    for mode, told in zip(modes, every, strict=True):
        for split, found in told.items():
            for number, row in enumerate(found["rows"]):
                row["image"] = np.load(out / f"{mode}-{split}-{number}.npy")
    return every


def assert_same_rows(found, expected):
    """Rows are equal, value by value; NaN is NaN, null is null."""
    count = 0
    for row, other in zip(found, expected, strict=True):
        assert_same(dict(row), dict(other))
        count += 1
    assert count


def assert_same(value, other):
    if isinstance(other, dict):
        assert set(value) == set(other)
        for name in other:
            assert_same(value[name], other[name])
    elif other is None or isinstance(other, str):
        assert value == other
    elif isinstance(other, list) and other and isinstance(other[0], dict | str):
        for one, two in zip(value, other, strict=True):
            assert_same(one, two)
    else:
        value, other = np.asarray(value), np.asarray(other)
        assert value.shape == other.shape
        np.testing.assert_array_equal(value, other)


def contents(folder: Path) -> dict[str, bytes]:
    """Every shard's bytes by name."""
    return {path.name: path.read_bytes() for path in sorted((folder / "data").iterdir())}
