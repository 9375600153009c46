"""`perc completion`: the scripts by which shells complete commands, options and files."""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

_SHELLS = ("bash", "zsh", "fish")
_FOLDERS = {"DIR"}
_FILES = {"FILE", "SOURCE", "TABLE"}
"""Values by the words that stand for them in a command's help; parts of others, as in `FILE|URL`, too."""
_HOW = """\
Where the script goes, once; shells that are started afterwards have it:
  bash  perc completion bash > ~/.local/share/bash-completion/completions/perc
        (with the package bash-completion; without it, add to ~/.bashrc:
        eval "$(perc completion bash)")
  zsh   perc completion zsh > ~/.zfunc/_perc
        (with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc)
  fish  perc completion fish > ~/.config/fish/completions/perc.fish
"""


def add_commands(commands: Any, root: argparse.ArgumentParser) -> None:
    """Add `completion` to the parser of `perc`.

    Args:
        commands: those of the parser.
        root: that parser, which scripts are made of.
    """
    words = "print a script that makes bash, zsh or fish complete commands and options"
    as_written = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(
        "completion", help=words, description=words.capitalize() + ".", epilog=_HOW, formatter_class=as_written
    )
    parser.add_argument("shell", metavar="SHELL", choices=_SHELLS, help=", ".join(_SHELLS))
    parser.set_defaults(run=lambda options: _complete(root, options.shell))


def _complete(root: argparse.ArgumentParser, shell: str) -> int:
    import shtab

    for action in _actions(root):
        named = set(str(action.metavar).split("|"))
        if action.choices is None and named & (_FOLDERS | _FILES):
            action.complete = shtab.FILE if named & _FILES else shtab.DIRECTORY  # type: ignore[attr-defined]
    sys.stdout.write(shtab.complete(root, shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """All arguments and options of a command, and of those below it."""
    for action in parser._actions:
        yield action
        for below in action.choices.values() if isinstance(action, argparse._SubParsersAction) else ():
            yield from _actions(below)
