"""Images of a structure with CTF and noise, a second, beside cryoJAX and ASPIRE; and what a stream of them holds."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import torch

from benchmarks.batches.contenders import passing, streamed
from benchmarks.made.structure import make_structure
from benchmarks.memory import MEASURED, run
from benchmarks.rivals.running import Rival
from benchmarks.row import Row
from benchmarks.timing import medians
from builders import load_dataset
from builders.synthetic import density

SIDE, SIZE, ATOMS, RADIUS = 128, 1.5, 5000, 40.0
COUNT, THEIRS = 1024, 512
"""Images of a pass; ASPIRE makes its at once, as is best for it."""
SHORT, LONG = 1000, 5000
"""Rows of streams."""
WAYS = {
    "cryojax": (
        ("cryoJAX, 3.9 % off", "linear 1", 0.039),
        ("cryoJAX, padded by half, 1.1 % off", "linear 1.5", 0.011),
        ("cryoJAX, padded twice, 0.5 % off", "linear 2", 0.0045),
        ("cryoJAX, cubic, 0.1 % off", "cubic 1", 0.001),
    ),
    "aspire": (("ASPIRE", "images", 0.0),),
}
"""What they are asked for, the first of each as they do it by themselves, and how far off that is.

So far, as the root of the mean square, are projections of a ball of radius 0.2 n; ours are 0.0045 off.
"""
AS_EXACT = 0.01
"""How far off an image may be to be the same one. What must be holds beside the fastest as they come, and beside the
fastest that keep to this."""

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}
_STREAM = MEASURED.format(
    prepare="""
import torch
from builders import load_dataset
torch.set_num_threads(1)
asked = dict(box_size=128, pixel_size=1.5, defocus=(5000, 25000), snr=0.1, split="train", streaming=True)
stream = load_dataset("synthetic", structures=[stack], cache_dir=base, **asked).with_format("torch")
count = {count}
next(iter(stream.batch(64)))
""",
    read="""
rows = 0
for batch in stream.batch(64):
    rows += len(batch["image"])
    if rows >= count:
        break
""",
)


def made_rows(folder: Path, rounds: int, pythons: Mapping[str, str]) -> Iterator[Row]:
    """Batches of 64 of a stream; the others in processes of their own, of the same density, in turn."""
    folder.mkdir(parents=True)
    structure = make_structure(folder / "walk.cif", ATOMS, RADIUS)
    volume = folder / "walk.npy"
    np.save(volume, density(structure, pixel_size=SIZE, box=SIDE))
    asked = {"box_size": SIDE, "pixel_size": SIZE, "defocus": (5000, 25000), "snr": 0.1, "num_examples": COUNT}
    stream = load_dataset(
        "synthetic", structures=[str(structure)], split="train", streaming=True, cache_dir=str(folder), **asked
    )
    torch.set_num_threads(1)
    counts = {"ours": COUNT}
    contenders: dict[str, Callable[[], object]] = {"ours": passing(lambda: streamed(stream), COUNT)}
    with ExitStack() as stack:
        stack.enter_context(_one_processor())
        for package in [package for package in WAYS if package in pythons]:
            asked_of = (pythons[package], package, THEIRS, volume, SIZE, THEIRS, folder)
            rival = stack.enter_context(Rival(*asked_of, env=os.environ | ONE_THREAD))
            for words, way, _ in WAYS[package]:
                contenders[words], counts[words] = rival.way(way), THEIRS
        times = medians(contenders, rounds)
    rates = {name: counts[name] / seconds for name, seconds in times.items()}
    yield from _compared(rates)
    yield from _held(str(structure), folder)


@contextmanager
def _one_processor() -> Iterator[None]:
    """Keep this process, and those that it starts, to one: XLA uses all that it sees, whatever its flags say."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _compared(rates: Mapping[str, float]) -> Iterator[Row]:
    what, ours = f"{SIDE}^2 made images with CTF and noise", f"{rates['ours']:.0f} /s"
    if len(rates) == 1:
        yield Row(f"{what}: batches of a stream", ours, "", 0, 0)
    usual = [ways[0][0] for ways in WAYS.values()]
    exact = [words for ways in WAYS.values() for words, _, off in ways if off <= AS_EXACT]
    held = {max(rates.keys() & some, key=lambda words: rates[words], default=None) for some in (usual, exact)}
    for words, rate in rates.items():
        if words != "ours":
            yield Row(f"{what}, rate / {words}", ours, f"{rate:.0f} /s", rates["ours"] / rate, 2 * (words in held))


def _held(structure: str, folder: Path) -> Iterator[Row]:
    short, long = (
        run(sys.executable, _STREAM.replace("{count}", str(count)), str(folder), structure).added
        for count in (SHORT, LONG)
    )
    what = f"streams of {SHORT} and {LONG} made images: memory, MiB more of the longer"
    yield Row(what, f"{long:.0f} MiB", f"{short:.0f} MiB", long - short, 32, False)
