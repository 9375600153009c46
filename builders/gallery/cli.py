"""`perc transforms gallery`."""

import argparse
from typing import Any

from builders.options import path_argument
from builders.terminal import printable


def add_commands(commands: Any) -> None:
    """Add `transforms` and its commands to the parser of `perc`."""
    group = commands.add_parser("transforms", help="draw what the transforms do")
    actions = group.add_subparsers(required=True, metavar="COMMAND", title="commands")
    gallery = actions.add_parser("gallery", help="draw an image before and after each transform")
    gallery.add_argument(
        "--out", metavar="DIR", type=path_argument, required=True, help="folder to write the pictures and index.md into"
    )
    gallery.set_defaults(run=_gallery)


def _gallery(options: argparse.Namespace) -> int:
    """Draw the pictures, and print where the page is that shows them."""
    from builders.gallery.gallery import write_gallery  # needs torch and Pillow, the other commands of `perc` do not

    print(printable(str(write_gallery(options.out))))
    return 0
