"""Movies: sums of frames beside what anyone would write, in time and memory, each in a process of its own."""

import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.memory import MEASURED, Measured, run
from benchmarks.row import Row
from builders.io import mrc
from tests.io.formats.eer.encoder import Events, encode, stream

SIDE = 4096
FRAMES, PLAIN = 40, 12
"""Frames of a movie of events, and of one of plain pixels."""
DENSITY = 0.025
"""Events of a pixel in a raw frame, as of some 10 e/pixel/s at 250 to 320 frames a second."""

_OURS = MEASURED.format(
    prepare="""
import torch
from builders.io import image_file
from builders.io.movies.developed import developed
from builders.io.pixels import read_layout
torch.set_num_threads(1)
warm = base + "/warm_1.eer"
read_layout(warm, developed(image_file.describe(warm).layout, summed=True))
""",
    read="assert read_layout(stack, developed(image_file.describe(stack).layout, summed=True)).ndim == 2",
)
_ROWS = MEASURED.format(
    prepare="""
import torch
from builders import load_dataset
torch.set_num_threads(1)
options = dict(split="train", streaming=True, dtype=None, sum_frames=True, cache_dir=base)
warm, rows = (load_dataset("local_classes", data_files=file, **options) for file in (base + "/warm_1.eer", stack))
next(iter(warm.with_format("numpy")))
rows = rows.with_format("numpy")
""",
    read="assert next(iter(rows))['image'].ndim == 2",
)
_TIFFFILE = MEASURED.format(
    prepare="import imagecodecs, tifffile",
    read="assert tifffile.TiffFile(stack).asarray(maxworkers=1).sum(axis=0).ndim == 2",
)
_MEMMAP = MEASURED.format(
    prepare="import numpy",
    read=f"numpy.memmap(stack, numpy.uint16, 'r', 1024, ({PLAIN}, {SIDE}, {SIDE})).sum(axis=0, dtype=numpy.float32)",
)
_VITRIO = MEASURED.format(
    prepare="""
import numpy, vitrio
readers = vitrio.detector_event_image_reader_provider(1)
""",
    read="assert numpy.asarray(vitrio.read(stack, readers, data_type=numpy.float32)).shape[-1] == 4096",
)


def movie_rows(folder: Path, rounds: int, vitrio: str | None) -> Iterator[Row]:
    """Sums of movies of 40 frames of 4096 x 4096 pixels."""
    folder.mkdir(parents=True)
    eer, plain = _eer(folder / "movie_40.eer"), _mrc(folder / "movie_12.mrc")
    programs = {"ours": _OURS, "rows": _ROWS, "tifffile": _TIFFFILE}
    came = {name: _median(sys.executable, program, folder, eer, rounds) for name, program in programs.items()}
    what, theirs = f"EER, {FRAMES} frames of {SIDE}^2 summed", came["tifffile"]
    for name, told in (("ours", ""), ("rows", " by load_dataset")):
        yield _rate(f"{what}{told}: rate / tifffile's asarray().sum()", came[name], theirs, 2)
    memory = f"{came['ours'].added:.0f} MiB", f"{theirs.added:.0f} MiB"
    yield Row(f"{what}: memory / tifffile's", *memory, came["ours"].added / theirs.added, 0.1, False)
    if vitrio is not None:
        yield _rate(f"{what}: rate / vitrio's", came["ours"], _median(vitrio, _VITRIO, folder, eer, rounds), 1)
    ours, theirs = (_median(sys.executable, program, folder, plain, rounds) for program in (_OURS, _MEMMAP))
    yield _rate(f"MRC, {PLAIN} frames of uint16 summed: rate / NumPy's sum of a memmap", ours, theirs, 0.8)


def _median(python: str, program: str, folder: Path, file: Path, rounds: int) -> Measured:
    runs = [run(python, program, str(folder), str(file)) for _ in range(rounds)]
    return Measured(*(statistics.median(column) for column in zip(*runs, strict=True)))


def _rate(what: str, ours: Measured, theirs: Measured, bound: float) -> Row:
    columns = f"{ours.seconds:.2f} s", f"{theirs.seconds:.2f} s"
    return Row(what, *columns, theirs.seconds / ours.seconds, bound)


def _eer(path: Path) -> Path:
    """A movie of which few frames are different."""
    (path.parent / "warm_1.eer").write_bytes(encode(Events.random()))
    events = Events.random(4, (SIDE, SIDE), DENSITY)
    streams = [stream(places, (7, 2, 2)) for places in events.places]
    path.write_bytes(encode(events, streams=streams * (FRAMES // 4)))
    return path


def _mrc(path: Path) -> Path:
    rng = np.random.default_rng(1)
    frame = rng.integers(0, 4096, (SIDE, SIDE)).astype(np.uint16)
    mrc.write(path, np.broadcast_to(frame, (PLAIN, SIDE, SIDE)), pixel_size=1.0)
    return path
