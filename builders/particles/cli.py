"""`perc particles inspect` and `perc particles check`."""

import argparse
import sys
from typing import Any

from builders.archive.archive import Archive
from builders.options import path_argument
from builders.terminal import printable


def add_commands(commands: Any) -> None:
    """Add this builder's commands to the parser of `perc`."""
    parser = commands.add_parser("particles", help="check particle tables of RELION and CryoSPARC")
    actions = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    look = actions.add_parser("inspect", help="show counts, optics groups, missing stacks, defocus and angles")
    _add_table(look)
    look.add_argument("--png", metavar="FILE", type=path_argument, help="draw histograms and boxes into this file")
    look.add_argument("--json", action="store_true", help="print everything as JSON")
    look.set_defaults(run=_inspect)
    fits = actions.add_parser("check", help="find which conventions a table follows, by projections of a map")
    _add_table(fits)
    words = "the map that the poses belong to: a file, a URL, or an EMDB id (default: compare the images alone)"
    fits.add_argument("--map", metavar="FILE|EMD-N", dest="volume", help=words)
    fits.add_argument(
        "--voxel-size", metavar="Å", type=float, help="voxel size of the map in Å (default: what its file says)"
    )
    fits.add_argument("--emdb", metavar="URL|DIR", help="server or mirror of EMDB maps (default: EMDB)")
    fits.add_argument(
        "--images",
        metavar="N",
        type=int,
        default=256,
        help="number of particles to compare, from all over the table (default: 256)",
    )
    fits.add_argument("--scores", metavar="N", type=int, default=5, help="print the N best conventions (default: 5)")
    words = "draw the first images into this file, with projections as stated and by the best convention"
    fits.add_argument("--png", metavar="FILE", type=path_argument, help=words)
    fits.set_defaults(run=_check)


def _add_table(parser: argparse.ArgumentParser) -> None:
    """Which table, and where its images are."""
    words = "a STAR file, or .cs files (particles and passthrough); in EMPIAR as empiar://ENTRY/path"
    parser.add_argument("table", nargs="+", metavar="TABLE", help=words)
    parser.add_argument(
        "--root", metavar="DIR", help="folder that image names are relative to (default: the table's or one above)"
    )
    parser.add_argument("--archive", metavar="URL|DIR", help="server or mirror that has ENTRY/data (default: EMPIAR)")


def _inspect(options: argparse.Namespace) -> int:
    """Print what is in a table, whether its files are there or not."""
    from builders.archive.named.finding import find
    from builders.particles.inspecting import report, summary
    from builders.particles.rows import coded

    source = _source(options)
    table = source.table
    named = "image" if table.rows["image"].null_count < len(table.rows) else "micrograph"
    names, _ = coded(table.rows[named])
    told = summary.summarise(table, names, find(names, source.stages, source.name), named)
    print(told.as_json() if options.json else report.describe(told))
    if options.png is not None:
        _draw(source, options)
    return 0


def _check(options: argparse.Namespace) -> int:
    """Print which convention fits; 0: the one that is stated."""
    import datasets

    from builders.particles.checking.check import check

    places = {"root": options.root, "archive": options.archive}
    dataset = datasets.load_dataset("particles", star=options.table, split="train", **places)
    found = check(dataset, options.volume, images=options.images, voxel_size=options.voxel_size, emdb=options.emdb)
    print(printable("\n".join([found.best, *found.notes])))
    for name, score in list(found.scores.items())[: options.scores]:
        print(f"  {score:6.3f}  {name}")
    if options.png is not None:
        _note(options, f"drawn: {found.save(options.png)}")
    return 0 if found.as_stated else 1


def _source(options: argparse.Namespace) -> Any:
    """The table, and where its files are looked for."""
    from builders.archive.named.places import place_of
    from builders.particles.source import Source

    places = [place_of("TABLE", table) for table in options.table]
    root = None if options.root is None else place_of("--root", options.root)
    return Source(places, root, Archive(options.archive), (), None, "image", True, None, None)


def _draw(source: Any, options: argparse.Namespace) -> None:
    from builders.io.files.whole_file import write_whole
    from builders.particles.inspecting.picture import picture_of

    picture = picture_of(source.table, source.stages)
    if picture is not None:
        write_whole(options.png, picture)
    nothing = "nothing drawn: there are neither defocus values nor angles, nor micrographs with coordinates"
    _note(options, nothing if picture is None else f"drawn: {options.png}")


def _note(options: argparse.Namespace, text: str) -> None:
    """Say something beside what was asked for."""
    if not options.quiet:
        sys.stderr.write(printable(f"{text}\n"))
