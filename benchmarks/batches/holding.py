"""What is held: an index of a million particles, and the buffer of a shuffled stream of micrographs."""

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.maps import make_sparse
from benchmarks.memory import MEASURED, run
from benchmarks.row import Row

STACKS = 1000
MICROGRAPHS = 200

_INDEX = MEASURED.format(
    prepare="""
from benchmarks.batches.contenders import loaded
archive = pathlib.Path(base)
assert len(loaded(archive, pattern=stack)) == 1000
""",
    read="assert len(loaded(archive)) == 1_000_000",
)
_SHUFFLED = MEASURED.format(
    prepare="""
import torch
from benchmarks.batches.contenders import BUFFER, loaded
torch.set_num_threads(1)
stream = loaded(pathlib.Path(base), streaming=True).shuffle(seed=0, buffer_size=BUFFER).with_format("torch")
""",
    read="assert sum(row['image'].shape == (4096, 4096) for row in stream) == int(stack)",
)


def index_rows(folder: Path) -> Iterator[Row]:
    """Made from the headers of a thousand stacks, and loaded again by another process."""
    paths = make_sparse(folder, (1000, 128, 128), *(f"{number:04}.mrcs" for number in range(STACKS)))
    made, again = (run(sys.executable, _INDEX, str(folder), paths[0].name) for _ in range(2))
    what = "index of 1,000,000 particles"
    yield Row(f"{what}: made, seconds", f"{made.seconds:.2f} s", "", made.seconds, 3, False)
    yield Row(f"{what}: loaded again, seconds", f"{again.seconds:.2f} s", "", again.seconds, 0.2, False)
    yield Row(
        f"{what}: made, MB of memory more", f"{made.added * 1.048576:.0f} MB", "", made.added * 1.048576, 100, False
    )


def buffer_rows(folder: Path) -> Iterator[Row]:
    """Micrographs of 4096 x 4096 float32."""
    make_sparse(folder, (1, 4096, 4096), *(f"{number:03}.mrc" for number in range(MICROGRAPHS)))
    peak = run(sys.executable, _SHUFFLED, str(folder), str(MICROGRAPHS)).peak / 1024
    yield Row(f"shuffled stream of {MICROGRAPHS} of 4096^2: GiB of memory in all", f"{peak:.2f}", "", peak, 1, False)
