"""What is moved and what is held: one particle of a large remote stack, and streams of any length."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import link
from benchmarks.maps import make_sparse
from benchmarks.row import Row

SIDE = 256
SLICE = SIDE * SIDE * 4
MIB = 2**20

MEASURED = """
import pathlib, re, sys, time
def memory(what):
    return int(re.search(what + r":\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]) / 1024
base, stack = sys.argv[1:]
{prepare}
pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
held = memory("VmRSS")
start = time.perf_counter()
{read}
took = time.perf_counter() - start
print(took, memory("VmHWM") - held, memory("VmHWM"))
"""
"""Linux tells the peak of a process since it was asked to forget the one before."""

_OUR_PARTICLE = MEASURED.format(
    prepare="""
from builders.empiar import Entry
import builders.io.image_file
image = builders.io.image_file.describe(Entry(10943, archive=base).url(f"data/{stack}"))
layout = image.layout.slice(1000, stack)
""",
    read="assert builders.io.image_file.read_layout(image.path, layout, image.etag).shape == (256, 256)",
)
_OUR_STREAM = MEASURED.format(
    prepare="""
import torch
from builders import load_dataset
torch.set_num_threads(1)
options = dict(entry=10943, directory="data", archive=base, split="train", streaming=True)
warm = load_dataset("empiar", pattern="small.mrcs", **options)
assert sum(1 for _ in warm) == 64
stream = load_dataset("empiar", pattern=stack, **options).with_format("numpy")
""",
    read="assert sum(row['image'].shape == (256, 256) for row in stream) > 0",
)
_EMPIARREADER_PARTICLE = MEASURED.format(
    prepare="""
from empiarreader import EmpiarSource
EmpiarSource._empiar_url_ftp_over_https_base = base
counts = dict(num_images_or_tilt_series=1, frames_per_image=1, image_height=256, image_width=256, data_format="MRCS")
source = EmpiarSource(10943, "data", filename=f".*{stack}", regexp=True, imageset_metadata=counts)
""",
    read="assert source.read_partition(0)[1000].to_numpy().shape == (256, 256)",
)


class Measured(NamedTuple):
    """Seconds that reading took, and MiB of memory: what this added to the peak, and the peak in all."""

    seconds: float
    added: float
    peak: float


def run(python: str, program: str, *arguments: str) -> Measured:
    """Run a program that was made of `MEASURED`, in a process of its own."""
    process = subprocess.run([python, "-c", program, *arguments], capture_output=True, text=True, check=False)
    if process.returncode:
        raise RuntimeError(process.stderr)
    return Measured(*map(float, process.stdout.split()[-3:]))


def particle_rows(folder: Path, empiarreader: str | None, count: int = 2048) -> Iterator[Row]:
    """One particle of a stack of half a GiB at the end of the link, beside EMPIARreader."""
    (path,) = make_sparse(folder, (count, SIDE, SIDE), "stack.mrcs")
    with link.serve(folder) as server:
        pythons = {"ours": (sys.executable, _OUR_PARTICLE)}
        if empiarreader is not None:
            pythons["theirs"] = empiarreader, _EMPIARREADER_PARTICLE
        seconds, memory, moved = {}, {}, {}
        for name, (python, program) in pythons.items():
            before = server.bytes_sent()
            seconds[name], memory[name], _ = run(python, program, server.base, path.name)
            moved[name] = (server.bytes_sent() - before) / MIB
    theirs = {
        what: f"{values['theirs']:.1f}" if "theirs" in values else ""
        for what, values in {"moved": moved, "memory": memory}.items()
    }
    extra = (moved["ours"] - SLICE / MIB) * 1024
    what = f"one particle of a remote {count * SLICE // MIB} MiB stack"
    yield Row(f"{what}: KiB moved beyond it (MiB moved)", f"{moved['ours']:.1f}", theirs["moved"], extra, 64, False)
    yield Row(f"{what}: MiB of memory", f"{memory['ours']:.1f}", theirs["memory"], memory["ours"], 1, False)
    if "theirs" in seconds:
        columns = f"{seconds['ours']:.2f} s", f"{seconds['theirs']:.2f} s"
        yield Row(f"{what}: rate / EMPIARreader", *columns, seconds["theirs"] / seconds["ours"], 0)


def stream_rows(folder: Path) -> Iterator[Row]:
    """How much more memory a stream takes of a stack three times as large; the requests of both have grown full."""
    make_sparse(folder, (64, SIDE, SIDE), "small.mrcs")
    for place, counts in (("remote", (4096, 12288)), ("local", (4096, 12288))):
        for count in counts:
            make_sparse(folder, (count, SIDE, SIDE), f"{place}_{count}.mrcs")
        with link.serve(folder) as server:
            base = server.base if place == "remote" else str(folder)
            short, long = (run(sys.executable, _OUR_STREAM, base, f"{place}_{n}.mrcs").added for n in counts)
        sizes = " and ".join(f"{n * SLICE / 2**30:g}" for n in counts)
        what = f"{place} streams of {sizes} GiB: memory, MiB more of the longer"
        yield Row(what, f"{long:.0f} MiB", f"{short:.0f} MiB", long - short, 64, False)
