"""Ctrl-C while the command is still being imported: it ends silently, as it does later.

Importing `datasets` and torch takes a second or more, in which an interrupt would show the innards of whichever module
it meets, or be taken by it for an import that failed. Nothing is begun yet that could be left undone: so the process
just ends. Only that of the command: a program that imports the library keeps what it does at Ctrl-C.
"""

import os
import signal
import sys
import threading
from pathlib import PurePath

INTERRUPTED = 130
"""The exit code that shells give a program that Ctrl-C ended."""


def is_command(line: list[str]) -> bool:
    """Whether a command line, as the system has it, is of `perc` or `python -m builders`, by itself.

    A worker's, which multiprocessing began, is none: it is told by the process that began it when to end.

    Example:
        >>> is_command(["python", "/venv/bin/perc", "empiar"]), is_command(["python", "-X", "dev", "-m", "builders"])
        (True, True)
        >>> is_command(["python", "train.py", "perc"]), is_command(["python", "-c", "import builders"])
        (False, False)
    """
    rest = iter(line[1:])
    for argument in rest:
        if argument == "-m":
            return next(rest, "") == "builders"
        if argument in ("-X", "-W"):
            next(rest, "")
        elif not argument.startswith("-"):
            return PurePath(argument).stem == "perc"
        elif not argument.startswith("--") and "c" in argument:
            return False
    return PurePath(line[0]).stem == "perc" if line else False


def _end(*_: object) -> None:
    os._exit(INTERRUPTED)


def end_silently() -> None:
    """From now on, Ctrl-C ends the process of the command."""
    is_ours = threading.current_thread() is threading.main_thread() and is_command(sys.orig_argv)
    if is_ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def raise_again() -> None:
    """From now on, Ctrl-C raises KeyboardInterrupt again: what goes on knows how to end."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)
