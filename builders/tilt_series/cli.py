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
        "tilt-series", help="check tilt series and their metadata (SerialEM, IMOD, AreTomo, Warp, RELION)"
    )
    actions = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    look = actions.add_parser("inspect", help="list the series, their tilt angles, doses and defocus")
    words = f"a folder, a tilt_series.star or tomograms.star of RELION 5, or either in EMPIAR as {SCHEME}ENTRY/path"
    look.add_argument("source", metavar="SOURCE", help=words)
    look.add_argument("--pattern", metavar="GLOB", help="take only these images, by their paths (default: all)")
    look.add_argument(
        "--root", metavar="DIR", help="folder that names in a .star are relative to (default: its own or one above)"
    )
    look.add_argument("--archive", metavar="URL|DIR", help="server or mirror that has ENTRY/data (default: EMPIAR)")
    look.add_argument(
        "--skip", action="store_true", help="leave out damaged and missing files, with a warning for each"
    )
    look.add_argument(
        "--png", metavar="FILE", type=path_argument, help="draw tilt schemes and some images into this file"
    )
    look.add_argument("--json", action="store_true", help="print everything as JSON")
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
