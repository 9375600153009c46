"""Print what Parquet encodings make of cryoEM images: size, and rates of writing and of streaming by `datasets`."""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from builders.io import image_file
from builders.publishing.writing.encoding import rows_per_group, writer_options
from examples.projections import BOX, COMPLEXES, project, random_rotation
from perc_transforms.functional import ctf

SIDE = 256
LEAF = "image.list.element.list.element"
ENCODINGS = {"plain": None, "dictionary": "", "stream split": "BYTE_STREAM_SPLIT", "delta": "DELTA_BINARY_PACKED"}
_ALL = ("plain none", "plain snappy", "plain zstd", "stream split snappy", "stream split zstd")
FLOAT = (*_ALL, "stream split none", "stream split zstd 3")
INTEGER = (*_ALL, "dictionary snappy", "dictionary zstd", "dictionary zstd 3", "delta snappy", "delta zstd")
REAL = ["serialem_test_000_crop.mrc", "fei1_crop.mrc", "fei_agar_haadf_crop.mrc", "3pqr-mode0.ccp4"]
REAL += ["hiv_image_80x80x1.mrc", "EMD-3001.map", "1b23_12-321-215.mrcs"]
Images = NDArray[Any]


def particles(count: int) -> NDArray[np.float32]:
    """Projections with CTF, in noise of which a part has gone through the optics, too: mean 0, deviation 1."""
    rng = np.random.default_rng(0)
    made = rng.standard_normal((count, SIDE, SIDE), np.float32)
    shapes = list(COMPLEXES.values())
    edge = (SIDE - BOX) // 2
    for number, noise in enumerate(made):
        signal = 0.5 * rng.standard_normal((SIDE, SIDE), np.float32)
        particle = project(shapes[number % len(shapes)]() @ random_rotation(rng).T)
        signal[edge:-edge, edge:-edge] += particle / particle.std() * 0.5
        optics = ctf(
            (SIDE, SIDE),
            pixel_size=1.5,
            defocus_u=float(rng.uniform(8e3, 25e3)),
            voltage=300.0,
            spherical_aberration=2.7,
            amplitude_contrast=0.1,
            like=torch.zeros(1),
        )
        noise += torch.fft.irfft2(torch.fft.rfft2(torch.from_numpy(signal)) * optics, s=(SIDE, SIDE)).numpy()
    return np.asarray((made - made.mean()) / made.std(), np.float32)


def images_of_each_type(count: int) -> dict[str, Images]:
    """The same particles as each type comes: normalised, as detector's counts, or rounded to 8 bits."""
    particle = particles(count)
    counts = np.random.default_rng(1).poisson(np.clip(1 + 0.1 * particle, 0, None) * 4)
    return {
        "float32": particle,
        "float16": particle.astype(np.float16),
        "int16": np.round(2000 + 300 * particle).astype(np.int16),
        "uint16": np.round(400 + 40 * particle).clip(0).astype(np.uint16),
        "int8": np.round(25 * particle).clip(-128, 127).astype(np.int8),
        "uint8": counts.astype(np.uint8),
    }


def table_of(images: Images) -> pa.Table:
    """A column of `Array2D`."""
    count, height, width = images.shape
    (kind,) = datasets.Features({"image": datasets.Array2D((height, width), images.dtype.name)}).arrow_schema.types
    nested = pa.array(np.ascontiguousarray(images).reshape(-1))
    for length, lists in ((width, count * height), (height, count)):
        nested = pa.ListArray.from_arrays(pa.array(np.arange(lists + 1, dtype=np.int32) * length), nested)
    column = pa.ExtensionArray.from_storage(kind, nested)
    features = datasets.Features({"image": datasets.Array2D((height, width), images.dtype.name)})
    return pa.table([column], schema=features.arrow_schema)


def options_of(variant: str) -> dict[str, Any]:
    """What to give to `ParquetWriter` for a variant: `"stream split zstd 3"`."""
    name = next(name for name in ENCODINGS if variant.startswith(f"{name} "))
    codec, *level = variant.removeprefix(f"{name} ").split()
    encoding = ENCODINGS[name]
    options: dict[str, Any] = {"compression": codec, "use_dictionary": encoding == "", "write_statistics": False}
    if codec == "zstd":
        options["compression_level"] = int(level[0]) if level else 1
    return options | ({"column_encoding": {LEAF: encoding}} if encoding else {})


def write(path: Path, table: pa.Table, options: Mapping[str, Any]) -> None:
    """Write row groups of the size that publishing writes."""
    group = rows_per_group(table.nbytes // len(table))
    with pq.ParquetWriter(path, table.schema, **options) as writer:
        for start in range(0, len(table), group):
            writer.write_table(table.slice(start, group), row_group_size=group)


def stream(path: Path) -> None:
    """Read a file as anyone does who has only `datasets`."""
    loaded = datasets.load_dataset("parquet", data_files=str(path), split="train", streaming=True)
    for row in loaded.with_format("numpy"):
        assert row["image"].ndim == 2


def measure(
    images: Images, variants: Sequence[str], folder: Path, rounds: int
) -> Iterator[tuple[str, float, float, float]]:
    """Each variant's name, size relative to the pixels, and MB of pixels a second written and streamed."""
    table = table_of(images)
    ours = writer_options(table.schema, ["image"])
    written: dict[str, list[float]] = {name: [] for name in [*variants, "ours"]}
    read: dict[str, list[float]] = {name: [] for name in written}
    for _ in range(rounds + 1):
        for name in written:
            path = folder / f"{name}.parquet"
            options = ours if name == "ours" else options_of(name)
            written[name].append(seconds(lambda p=path, o=options: write(p, table, o)))
            read[name].append(seconds(lambda p=path: stream(p)))
    for name in written:
        size = (folder / f"{name}.parquet").stat().st_size
        rates = (images.nbytes / statistics.median(times[name][1:]) / 1e6 for times in (written, read))
        yield name, size / images.nbytes, *rates


def seconds(call: Callable[[], None]) -> float:
    """Processor time that a call takes, all threads: what else the machine does changes it little."""
    start = time.process_time()
    call()
    return time.process_time() - start


def real_images(folder: Path) -> Iterator[tuple[str, Images]]:
    """Files of microscopes, maps and masks, where they are at hand."""
    for name in REAL:
        path = folder / name
        if path.is_file():
            pixels = np.asarray(image_file.read(path))
            yield name, pixels.reshape(-1, *pixels.shape[-2:])


def sizes(images: Images, folder: Path) -> Iterator[str]:
    """What each encoding makes of a file, too small to time."""
    table = table_of(images)
    for variant in ("plain snappy", "dictionary zstd", "stream split zstd", "delta zstd", "ours"):
        if variant.startswith("delta") and images.dtype.kind == "f":
            yield "-"
            continue
        path = folder / "real.parquet"
        write(path, table, writer_options(table.schema, ["image"]) if variant == "ours" else options_of(variant))
        yield f"{path.stat().st_size / images.nbytes:.3f}"


def main() -> None:
    """Make the data, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encodings", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds to take the median of")
    parser.add_argument("--images", type=int, default=128, help="images of each type")
    parser.add_argument("--real", type=Path, default=Path("../shared/data/mrc"), help="folder with real files")
    options = parser.parse_args()
    torch.set_num_threads(1)
    pa.set_cpu_count(1)
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        print("| pixels | encoding | size / pixels | write MB/s | stream MB/s |\n| --- | --- | ---: | ---: | ---: |")
        for name, images in images_of_each_type(options.images).items():
            variants = FLOAT if images.dtype.kind == "f" else INTEGER
            for variant, size, written, read in measure(images, variants, folder, options.rounds):
                print(f"| {name} | {variant} | {size:.3f} | {written:.0f} | {read:.0f} |", flush=True)
        print("\n| file | pixels | plain snappy | dictionary zstd | stream split zstd | delta zstd | ours |")
        print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
        for name, images in real_images(options.real):
            print(f"| {name} | {images.dtype} | {' | '.join(sizes(images, folder))} |", flush=True)


if __name__ == "__main__":
    main()
