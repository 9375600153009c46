"""CAKED in a Python of its own, told over a pipe when to make a pass."""

import subprocess
from pathlib import Path

_PROGRAM = """
import sys, time, torch
from caked.dataloader import DiskDataLoader
torch.set_num_threads(1)
folder, batch_size, transforms = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
caked = DiskDataLoader(training=False, transformations=transforms or None)
caked.load(folder, "mrc")
loader = caked.get_loader(batch_size)
for _ in sys.stdin:
    start = time.perf_counter()
    rows = sum(len(images) for images, labels in loader)
    print(rows, time.perf_counter() - start, flush=True)
"""


class Caked:
    """CAKED's loader over a folder; each call is one pass over it.

    Args:
        python: an interpreter that has the package.
        folder: what to load.
        batch_size: of its loader.
        rows: how many rows a pass must give.
        transforms: in CAKED's words.
    """

    def __init__(self, python: str, folder: Path, batch_size: int, rows: int, *transforms: str) -> None:
        command = [python, "-c", _PROGRAM, str(folder), str(batch_size), *transforms]
        self._rows = rows
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self) -> float:
        """Seconds that one pass takes, by its own clock."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().split()
        if len(answer) != 2 or int(answer[0]) != self._rows:
            msg = f"CAKED gave {answer} for {self._rows} rows"
            raise RuntimeError(msg)
        return float(answer[1])

    def __enter__(self) -> "Caked":
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
