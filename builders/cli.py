"""The `perc` command. Each builder package adds its own sub-commands."""

import argparse
import contextlib
import logging
import sys
from collections.abc import Sequence
from typing import NoReturn

from builders import interrupt
from builders.empiar import cli as empiar
from builders.errors import PercError
from builders.gallery import cli as gallery
from builders.inspecting import cli as inspecting
from builders.local_classes import cli as local_classes
from builders.particles import cli as particles
from builders.publishing import cli as publishing
from builders.release import NAME, VERSION
from builders.structures import cli as structures
from builders.synthetic import cli as synthetic
from builders.terminal import no_bars, print_anywhere, printable
from builders.tilt_series import cli as tilt_series
from builders.tomograms import cli as tomograms

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the command line, without the program's name; None: this process's.

    Returns:
        Exit code: 0, 1 after an error that was said on standard error, 130 after Ctrl-C.
    """
    interrupt.raise_again()
    try:
        parser = _parser()
        return _run(parser.parse_args(_spelt(parser, sys.argv[1:] if arguments is None else arguments)))
    except KeyboardInterrupt as err:
        sys.stderr.write(f"perc: interrupted{': ' if err.args else ''}{err}\n")
        return interrupt.INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """Says which options take what stands behind them, where an argument is missing."""

    def error(self, message: str) -> NoReturn:
        greedy = [flag for action in self._actions if action.nargs in ("*", "+") for flag in action.option_strings[:1]]
        if message.startswith("the following arguments are required") and greedy:
            message += f" (before {', '.join(greedy)}: all that stands behind belongs to it)"
        super().error(message)


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _Parser(prog="perc", description="CryoEM data as Hugging Face datasets.")
    parser.add_argument("--version", action="version", version=f"perc {VERSION} ({NAME})")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    inspecting.add_commands(commands)
    empiar.add_commands(commands)
    local_classes.add_commands(commands)
    particles.add_commands(commands)
    structures.add_commands(commands)
    synthetic.add_commands(commands)
    tilt_series.add_commands(commands)
    tomograms.add_commands(commands)
    gallery.add_commands(commands)
    publishing.add_commands(commands)
    _add_quiet(parser)
    parser.set_defaults(quiet=False)
    return parser


def _spelt(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> list[str]:
    """A command line whose command may have `-` for `_`, as `tilt-series` and `local_classes`."""
    known = {
        name.replace("-", "_"): name
        for action in parser._actions
        for name in (action.choices if isinstance(action, argparse._SubParsersAction) else ())
    }
    words = list(arguments)
    place = next((number for number, word in enumerate(words) if not word.startswith("-")), None)
    if place is not None:
        words[place] = known.get(words[place].replace("-", "_"), words[place])
    return words


def _add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add `-q` to a command and to all below it: it is typed before them or after them."""
    words = "no progress bars, warnings and summaries: errors alone, beside what was asked for"
    parser.add_argument("-q", "--quiet", action="store_true", default=argparse.SUPPRESS, help=words)
    for action in parser._actions:
        for below in action.choices.values() if isinstance(action, argparse._SubParsersAction) else ():
            _add_quiet(below)


def _run(options: argparse.Namespace) -> int:
    """Run a command that was understood."""
    print_anywhere()
    handler = logging.StreamHandler()
    handler.setFormatter(_Printable("perc: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.ERROR if options.quiet else logging.WARNING)
    try:
        with no_bars() if options.quiet else contextlib.nullcontext():
            return int(options.run(options))
    except PercError as err:
        sys.stderr.write(f"perc: error: {printable(_as_typed(str(err), options))}\n")
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; Python would complain once more at exit
        return 1
    except OSError as err:  # of this machine's: what servers and files do wrong is a PercError
        sys.stderr.write(f"perc: error: {printable(str(err))}\n")
        return 1


def _as_typed(message: str, options: argparse.Namespace) -> str:
    """What is advised in Python's words in those of a command that has such an option."""
    flag = "--skip" if "skip" in options else "--on-error skip" if "on_error" in options else None
    return message if flag is None else message.replace("on_error='skip'", flag)


class _Printable(logging.Formatter):
    """Keeps what a server's text could do to a terminal out of the log."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))
