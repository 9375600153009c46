"""`perc tilt_series inspect`."""

import argparse
import sys
from typing import Any

from builders.archive.scheme import SCHEME, entry_and_path
from builders.options import path_argument
from builders.terminal import printable

_COLUMNS = (
    *("tilt_series", "tilt_angle", "axis_angle", "pre_exposure", "exposure", "acquisition_order", "defocus", "ctf"),
    *("shift_x", "pixel_size"),
)


def add_commands(commands: Any) -> None:
    """Add this builder's commands to the parser of `perc`."""
    parser = commands.add_parser(
        "tilt_series", help="tilt series, with what SerialEM, IMOD, AreTomo, Warp, RELION tell"
    )
    actions = parser.add_subparsers(required=True, metavar="COMMAND")
    look = actions.add_parser("inspect", help="which series there are, and how their images were taken")
    words = f"a folder, tilt_series.star or tomograms.star of RELION 5, or {SCHEME}ENTRY/directory (or its .star)"
    look.add_argument("source", metavar="SOURCE", help=words)
    look.add_argument("--pattern", metavar="GLOB", help="which images, by their paths")
    look.add_argument(
        "--root", metavar="R", help="folder that the names in a .star are relative to (its own and above)"
    )
    look.add_argument("--archive", help="base URL of another server, or folder of a mirror, with ENTRY/data in it")
    look.add_argument("--skip", action="store_true", help="leave out what is damaged or missing, and say so")
    look.add_argument("--png", metavar="F", type=path_argument, help="draw tilt schemes and a few images here")
    look.add_argument("--json", action="store_true", help="print all that is known, as JSON")
    look.set_defaults(run=_inspect)


def _inspect(options: argparse.Namespace) -> int:
    """Print what series there are."""
    import datasets

    from builders.tilt_series.inspecting.summary import as_json, describe, summarise

    dataset = datasets.load_dataset("tilt_series", split="train", **_named(options))
    told = summarise({name: dataset.data.column(name).to_pylist() for name in _COLUMNS})
    print(as_json(told) if options.json else describe(told, options.source))
    if options.png is not None:
        _draw(dataset, told, options)
    return 0


def _named(options: argparse.Namespace) -> dict[str, Any]:
    """The options of `load_dataset` that name the source."""
    source = options.source
    named = {"pattern": options.pattern, "root": options.root, "archive": options.archive}
    named = {name: value for name, value in named.items() if value is not None}
    if options.skip:
        named["on_error"] = "skip"
    if source.lower().endswith(".star"):
        return {"star": source, **named}
    if source.startswith(SCHEME):
        entry, path = entry_and_path("SOURCE", source)
        return {"entry": entry, **({"directory": path} if path else {}), **named}
    return {"data_dir": source, **named}


def _draw(dataset: Any, told: Any, options: argparse.Namespace) -> None:
    import numpy as np

    from builders.io.files.whole_file import write_whole
    from builders.tilt_series.inspecting.picture import picture_of

    first: dict[str, int] = {}
    for place, name in enumerate(dataset.data.column("tilt_series").to_pylist()):
        first.setdefault(name, place)

    def image(name: str, place: int) -> Any:
        return np.asarray(dataset[first[name] + place]["image"])

    write_whole(options.png, picture_of(told, image))
    if not options.quiet:
        sys.stderr.write(printable(f"drawn: {options.png}\n"))
