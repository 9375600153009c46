"""A process that has only `datasets`, which reads what was published."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

BEFORE = """
import os, sys
sys.modules["builders"] = sys.modules["perc_transforms"] = None  # they cannot be imported
"""
AFTER = """
sys.stdout.flush()
os._exit(0)
"""
"""A thread of pyarrow's may hold on to a Parquet file that `datasets` opened and read. Where it lets go of it while the
interpreter ends, the process aborts ("terminate called without an active exception"), though it has said all of it."""


def run_plainly(code: str, *arguments: object, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """What a program prints that runs to its end in a process of its own, where this project cannot be imported."""
    command = [sys.executable, "-c", f"{BEFORE}{code}{AFTER}", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, timeout=120)
    assert not run.returncode, run.stderr
    return run.stdout
