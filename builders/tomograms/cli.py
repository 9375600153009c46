"""`perc tomograms inspect`."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from builders.archive.scheme import SCHEME, entry_and_path
from builders.io.files import location
from builders.options import check_named, named_words, path_argument
from builders.terminal import printable

if TYPE_CHECKING:
    from builders.tomograms.inspecting.summary import Summary
    from builders.tomograms.sources import Asked, Found


def add_commands(commands: Any) -> None:
    """Add this builder's commands to the parser of `perc`."""
    parser = commands.add_parser("tomograms", help="check tomograms, their picks and masks")
    actions = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    look = actions.add_parser("inspect", help="list tomograms with sizes, levels, picks by class and masks")
    words = f"a folder, the config .json of a copick project, {SCHEME}ENTRY/path, or a folder or URL laid out as "
    words += "the CryoET Data Portal"
    look.add_argument("source", metavar="SOURCE", help=words)
    words = "SOURCE is a folder laid out as the CryoET Data Portal (URLs are taken for that without it)"
    look.add_argument("--portal", action="store_true", help=words)
    words = "picks: object:user/session of copick, objects of the portal (default: all), files of a folder (default: "
    words += "none), or CLASS=FILE if a file does not tell the class"
    look.add_argument("--picks", nargs="+", metavar="P", help=words)
    look.add_argument(
        "--picks-pixel-size",
        metavar="Å",
        type=float,
        help="voxel size in Å of pick tables in voxels (default: that of the tomogram)",
    )
    look.add_argument(
        "--segmentation", nargs="+", default=(), metavar="M", help="masks, named as picks are (default: none)"
    )
    look.add_argument(
        "--tomogram", metavar="T", help="which reconstruction: a type of copick, or a glob for files of a folder"
    )
    look.add_argument(
        "--tomograms", nargs="+", metavar="NAME", help="take only tomograms of these names (default: all)"
    )
    look.add_argument("--pairs", action="store_true", help="list pairs of half tomograms")
    of_level = look.add_mutually_exclusive_group()
    of_level.add_argument("--level", metavar="N", type=int, help="level of a multiscale image (default: 0, the finest)")
    of_level.add_argument(
        "--pixel-size",
        metavar="Å",
        type=float,
        help="take the level of this voxel size, or this size if the file tells none",
    )
    look.add_argument("--archive", metavar="URL|DIR", help="server or mirror that has ENTRY/data (default: EMPIAR)")
    words = "draw sections of the first 8 tomograms into this file, with picks coloured by class"
    look.add_argument("--png", metavar="FILE", type=path_argument, help=words)
    look.add_argument("--json", action="store_true", help="print everything as JSON")
    look.set_defaults(run=_inspect)


def _inspect(options: argparse.Namespace) -> int:
    """Print what a source has; 1 where some of it cannot be read."""
    from builders.tomograms.inspecting import report, summary
    from builders.tomograms.sources import find

    found = find(_asked(options))
    told = summary.summarise(found)
    print(json.dumps(told.as_dict(), indent=2) if options.json else report.describe(told))
    if options.png is not None:
        _draw(found, told, options)
    return 1 if found.left_out else 0


def _asked(options: argparse.Namespace) -> "Asked":
    """What is meant by SOURCE, and what of it is wanted."""
    from builders.tomograms.options import words_of
    from builders.tomograms.sources import Asked

    source = options.source
    check_named("SOURCE", source)
    places: dict[str, Any]
    if source.startswith(SCHEME):
        entry, path = entry_and_path("SOURCE", source)
        places = {"entry": entry, "directory": path, "archive": options.archive}
    elif source.partition("?")[0].lower().endswith(".json"):
        places = {"copick": source}
    elif options.portal or location.is_remote(source):
        places = {"portal": source}
    else:
        places = {"data_dir": source}
    named_picks = options.picks or (["*"] if {*places} & {"copick", "portal"} else [])
    chosen, labels = words_of(named_words(named_picks))
    return Asked(
        **places,
        tomogram=options.tomogram,
        level=options.level,
        pixel_size=options.pixel_size,
        picks=chosen,
        labels=labels,
        picks_pixel_size=options.picks_pixel_size,
        segmentation=tuple(options.segmentation),
        pairs=options.pairs,
        tomograms=None if options.tomograms is None else tuple(options.tomograms),
        on_error="skip",
        apart=options.pixel_size is None,
    )


def _draw(found: "Found", told: "Summary", options: argparse.Namespace) -> None:
    from builders.io.files.whole_file import write_whole
    from builders.tomograms.inspecting.picture import MOST, picture_of
    from builders.tomograms.inspecting.seeing import see

    some = found.tomograms[:MOST]
    write_whole(options.png, picture_of([see(tomogram, told.classes) for tomogram in some], told.classes))
    count = f", {len(some)} of {len(found.tomograms)} tomograms" if len(some) < len(found.tomograms) else ""
    if not options.quiet:
        sys.stderr.write(printable(f"drawn: {options.png}{count}\n"))
