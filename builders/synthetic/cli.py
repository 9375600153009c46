"""`perc synthetic preview`."""

import argparse
import sys
from typing import Any

from builders.options import path_argument
from builders.terminal import printable


def add_commands(commands: Any) -> None:
    """Add this builder's commands to the parser of `perc`."""
    parser = commands.add_parser("synthetic", help="images that are made of structures")
    actions = parser.add_subparsers(required=True, metavar="COMMAND")
    look = actions.add_parser("preview", help="a sheet: potential, clean and noisy images, CTFs, power spectra")
    words = "files of structures (mmCIF, PDB) or of maps (.mrc, in V), or ids of the PDB and AlphaFold DB"
    look.add_argument("--structures", nargs="+", required=True, metavar="S", help=words)
    words = "draw the sheet here (default: synthetic.png)"
    look.add_argument("--png", metavar="F", type=path_argument, default="synthetic.png", help=words)
    look.add_argument("--unit", help="particle (default), micrograph or tomogram")
    look.add_argument("--box-size", metavar="N", type=int, help="pixels of a side of particles (default: 128)")
    look.add_argument("--pixel-size", metavar="Å", type=float, help="default: 1.5")
    look.add_argument("--resolution", metavar="Å", type=float, help="what volumes are low-passed to")
    words = "underfocus, or the lowest and the highest (default: 8000 25000)"
    look.add_argument("--defocus", nargs="+", metavar="Å", type=float, help=words)
    words = "variance of clean images over that of noise, or the lowest and the highest (default: 0.1)"
    look.add_argument("--snr", nargs="+", metavar="R", type=float, help=words)
    look.add_argument("--dose", metavar="D", type=float, help="e/Å² of an image, in place of --snr")
    look.add_argument("--ice-snr", metavar="R", type=float, help="of noise that the CTF goes over, too")
    look.add_argument("--max-shift", metavar="Å", type=float, help="how far particles lie off the middle")
    look.add_argument("--contrast", help="dark (default) or bright")
    look.add_argument("--seed", type=int, help="of all that is drawn (default: 42)")
    look.set_defaults(run=_preview)


def _preview(options: argparse.Namespace) -> int:
    """Draw a sheet, and say where it is."""
    from builders.io.files.whole_file import write_whole
    from builders.synthetic.previewing.preview import preview

    of_none = ("command", "run", "png", "quiet")
    given = {name: value for name, value in vars(options).items() if name not in of_none and value is not None}
    for name in ("defocus", "snr"):
        if len(given.get(name, ())) == 1:
            given[name] = given[name][0]
    write_whole(options.png, preview(**given))
    if not options.quiet:
        sys.stderr.write(printable(f"drawn: {options.png}\n"))
    return 0
