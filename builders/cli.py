"""The `perc` command. Each builder package adds its own sub-commands."""

import argparse
import contextlib
import difflib
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

from builders import completion, interrupt
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
        return _run(_understood(_parser(), sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt as err:
        sys.stderr.write(f"perc: interrupted{': ' if err.args else ''}{err}\n")
        return interrupt.INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """Says of what is missing or misspelt what was expected in its place."""

    _given: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does it; the words are kept for what is said of them."""
        self._given = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args(args, namespace)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            raise argparse.ArgumentError(None, f"there is no command {value!r}: {_meant(value, action.choices)}")
        super()._check_value(action, value)

    def error(self, message: str) -> NoReturn:
        if message == "the following arguments are required: COMMAND":
            self.print_help(sys.stderr)
            self.exit(2, f"\n{self.prog}: error: expected one of these commands\n")
        flags = [flag for action in self._actions if action.nargs in ("*", "+") for flag in action.option_strings]
        greedy = [flag for flag in flags if flag in self._given]
        if message.startswith("the following arguments are required") and greedy:
            message += f" (before {', '.join(greedy)}, which takes all values that follow it)"
        super().error(message)


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _Parser(
        prog="perc",
        description="Look at cryoEM data, fetch it and publish it as Hugging Face datasets.",
        epilog="`perc COMMAND --help` shows what a command does and takes.",
    )
    version = f"perc {VERSION} ({NAME})"
    parser.add_argument("--version", action="version", version=version, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
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
    completion.add_commands(commands, parser)
    for below in _all(parser):
        _describe(below)
        _add_quiet(below)
        below.set_defaults(parser=below)
    parser.set_defaults(quiet=False)
    return parser


def _all(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A command's parser, and those of the commands below it."""
    yield parser
    for action in parser._actions:
        for below in action.choices.values() if isinstance(action, argparse._SubParsersAction) else ():
            yield from _all(below)


def _describe(parser: argparse.ArgumentParser) -> None:
    """Have the help of each command below this one begin with what it does, as this one's lists it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for listed in action._choices_actions:
                below = action.choices[listed.dest]
                words = str(listed.help)
                below.description = below.description or f"{words[0].upper()}{words[1:]}."


def _understood(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a command line; ends the process where there is something unknown in it."""
    options, unknown = parser.parse_known_args(_spelt(parser, arguments))
    command = options.parser
    del options.parser
    if unknown:
        word = unknown[0].partition("=")[0]
        if word.startswith("-"):
            flags = [flag for action in command._actions for flag in action.option_strings]
            command.error(f"there is no option {word}: {_meant(word, flags, f'`{command.prog} --help` lists them')}")
        command.error(f"one argument too many: {word!r}")
    return options


def _meant(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Which of the known words may have been meant; all of them, or what is said otherwise, where none is close."""
    close = difflib.get_close_matches(word, known, n=3)
    return f"did you mean {' or '.join(close)}?" if close else otherwise or f"expected one of {', '.join(known)}"


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
    """Add `-q` to a command: it is typed before those below it or after them."""
    words = "show errors and what was asked for, but no progress bars, warnings or summaries"
    parser.add_argument("-q", "--quiet", action="store_true", default=argparse.SUPPRESS, help=words)


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
