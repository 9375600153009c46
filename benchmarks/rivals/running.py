"""A rival's program in a process of its own, told over a pipe when to make a pass."""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

PACKAGES = ("caked", "vitrio", "litdata", "lance", "mosaic", "webdataset")
"""Those with a program here, `with_NAME.py`, and a Python to be named."""


class Rival:
    """A process that makes passes over the same rows.

    Args:
        python: an interpreter that has the package.
        name: one of `PACKAGES`.
        rows: how many rows a pass must give.
        arguments: of the program.
        env: its environment, if it is not ours.
    """

    def __init__(
        self, python: str, name: str, rows: int, *arguments: object, env: dict[str, str] | None = None
    ) -> None:
        program = Path(__file__).with_name(f"with_{name}.py")
        command = [python, "-W", "ignore", str(program), *map(str, arguments)]
        self.name, self._rows = name, rows
        self._complaints = tempfile.TemporaryFile("w+")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._complaints}
        self._process = subprocess.Popen(command, text=True, env=env, **pipes)

    def way(self, name: str = "") -> Callable[[], float]:
        """Passes made in one of the program's ways: seconds that each takes, by the program's own clock."""
        return lambda: self._pass(name)

    def _pass(self, way: str) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{way}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().split()
        if len(answer) != 2 or int(answer[0]) != self._rows:
            self._complaints.seek(0)
            msg = f"{self.name} gave {answer} for {self._rows} rows: {self._complaints.read()[-2000:]}"
            raise RuntimeError(msg)
        return float(answer[1])

    def __enter__(self) -> "Rival":
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._complaints.close()
