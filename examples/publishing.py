"""Part four of the demo: the folder of part one, published, and loaded where there is nothing but `datasets`."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

from builders import load_dataset, publish

PLAIN_READER = """
import hashlib, os, sys
sys.modules["builders"] = sys.modules["perc_transforms"] = None  # this project cannot be imported here
import datasets

datasets.disable_progress_bars()
loaded = datasets.load_dataset(sys.argv[1], cache_dir=sys.argv[2])
digest = hashlib.sha256()
for split, rows in loaded.items():
    print(f"{split}: {len(rows)} rows of {', '.join(rows.column_names)}")
    for row in rows.with_format("numpy"):
        digest.update(row["image"].tobytes())
print(f"an image: {rows.features['image']}")
print(f"sha256 of all pixels: {digest.hexdigest()}", flush=True)
os._exit(0)  # at once: a thread of pyarrow's that still holds a Parquet file may abort an interpreter that ends
"""
"""A program for people who have only `datasets`."""


def run(out: Path) -> bool:
    """Publish the folder's images to another folder and load that in a fresh process; whether all pixels are equal."""
    ds = load_dataset("local_classes", data_dir=out / "projections", validation_fraction=0.2, cache_dir=out / "cache")
    pixels = sum(image.nbytes for rows in ds.values() for image in rows["image"])
    start = time.perf_counter()
    done = publish(ds, out / "published", title="Noisy projections", license="cc0-1.0", preview=True)
    seconds = time.perf_counter() - start
    print(f"published {done.rows} in {done.shards} Parquet files, {done.file_bytes / 1e6:.1f} MB, in {seconds:.1f} s")
    print(f"its front page: {(out / 'published' / 'README.md').resolve()}")
    print(f"contact sheet: {(out / 'published' / 'thumbnails.png').resolve()}")
    print(f"a file is {done.file_bytes / pixels:.2f} of the pixels in it, previews included")

    print("loaded in a fresh process that has only `datasets`:")
    command = [sys.executable, "-c", PLAIN_READER, str(out / "published"), str(out / "plain-cache")]
    offline = os.environ | {"HF_HUB_OFFLINE": "1"}
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=offline).stdout
    print("\n".join(f"  {line}" for line in said.splitlines()))

    digest = hashlib.sha256()
    for rows in ds.values():
        for image in rows["image"]:
            digest.update(image.tobytes())
    return f"sha256 of all pixels: {digest.hexdigest()}" in said
