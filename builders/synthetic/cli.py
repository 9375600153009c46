"""`perc synthetic preview`."""

import argparse
import sys
from typing import Any

from builders.options import path_argument
from builders.terminal import printable


def add_commands(commands: Any) -> None:
    """Add this builder's commands to the parser of `perc`."""
    parser = commands.add_parser("synthetic", help="preview images simulated from structures or maps")
    actions = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    look = actions.add_parser("preview", help="draw potential, clean and noisy images, CTF and power spectra")
    words = "structures (mmCIF or PDB files, ids of the PDB or AlphaFold DB) or maps (.mrc, in V)"
    look.add_argument("--structures", nargs="+", required=True, metavar="S", help=words)
    words = "file to draw into (default: synthetic.png)"
    look.add_argument("--png", metavar="FILE", type=path_argument, default="synthetic.png", help=words)
    look.add_argument("--unit", metavar="U", help="what to make: particle, micrograph or tomogram (default: particle)")
    look.add_argument("--box-size", metavar="N", type=int, help="side of a particle's image in pixels (default: 128)")
    look.add_argument("--pixel-size", metavar="Å", type=float, help="pixel size in Å (default: 1.5)")
    look.add_argument(
        "--resolution",
        metavar="Å",
        type=float,
        help="resolution in Å that volumes are low-pass filtered to (default: unfiltered)",
    )
    words = "underfocus in Å, or its lowest and highest value (default: 8000 25000)"
    look.add_argument("--defocus", nargs="+", metavar="Å", type=float, help=words)
    words = "variance of the signal over that of the noise, or lowest and highest (default: 0.1)"
    look.add_argument("--snr", nargs="+", metavar="R", type=float, help=words)
    look.add_argument(
        "--dose", metavar="D", type=float, help="dose of an image in e/Å², in place of --snr (default: none)"
    )
    look.add_argument(
        "--ice-snr",
        metavar="R",
        type=float,
        help="signal-to-noise ratio before the CTF, for noise of the ice (default: none)",
    )
    look.add_argument(
        "--max-shift", metavar="Å", type=float, help="largest shift of a particle along each axis in Å (default: 0)"
    )
    look.add_argument("--contrast", metavar="C", help="of particles: dark or bright (default: dark)")
    look.add_argument("--seed", metavar="N", type=int, help="seed of everything random (default: 42)")
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
