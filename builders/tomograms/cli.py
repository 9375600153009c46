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
    parser = commands.add_parser("tomograms", help="tomograms with their picks and masks")
    actions = parser.add_subparsers(required=True, metavar="COMMAND")
    look = actions.add_parser("inspect", help="what a source has: sizes, levels, picks by class, masks")
    words = f"a folder, the config JSON of a copick project, {SCHEME}ENTRY/path; or with --portal, what is laid out as "
    words += "the CryoET Data Portal is; to name a URL is to permit its host"
    look.add_argument("source", metavar="SOURCE", help=words)
    words = "SOURCE is laid out as the CryoET Data Portal is, as an address that is no config JSON is anyway"
    look.add_argument("--portal", action="store_true", help=words)
    words = "picks: copick's object:user/session, the portal's objects (all of them by default), files of a folder, or"
    words += " CLASS=FILES where they tell none"
    look.add_argument("--picks", nargs="+", metavar="P", help=words)
    look.add_argument("--picks-pixel-size", metavar="Å", type=float, help="of tables of picks in voxels")
    look.add_argument("--segmentation", nargs="+", default=(), metavar="M", help="masks, in the same words")
    look.add_argument("--tomogram", metavar="T", help="which reconstruction: copick's type; of a folder a glob")
    look.add_argument("--tomograms", nargs="+", metavar="NAME", help="only those of these names")
    look.add_argument("--pairs", action="store_true", help="pairs of half tomograms")
    of_level = look.add_mutually_exclusive_group()
    of_level.add_argument("--level", metavar="N", type=int, help="of a pyramid, from 0, the finest")
    of_level.add_argument(
        "--pixel-size", metavar="Å", type=float, help="the level of this size; where none is told, it"
    )
    look.add_argument("--archive", help="base URL of another server, or folder of a mirror, with ENTRY/data in it")
    words = "draw three sections of each of the first 8 tomograms here, with picks in the colours of their classes"
    look.add_argument("--png", metavar="F", type=path_argument, help=words)
    look.add_argument("--json", action="store_true", help="print all that is known, as JSON")
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
