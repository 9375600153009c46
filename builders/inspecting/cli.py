"""`perc inspect`."""

import argparse
import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.archive.archive import Archive
from builders.archive.scheme import SCHEME, entry_and_path
from builders.errors import FolderError, OptionError, PercError
from builders.io.files import location
from builders.io.files.whole_file import write_whole
from builders.io.net import remote
from builders.options import check_named, path_argument
from builders.terminal import printable

if TYPE_CHECKING:
    from builders.inspecting.pictures import Shown
    from builders.inspecting.summary import Summary


def add_commands(commands: Any) -> None:
    """Add `inspect` to the parser of `perc`."""
    words = "show what image files hold: format, shape, type, pixel size in Å, statistics"
    parser = commands.add_parser("inspect", help=words)
    words = f"a file, a URL, or a file of EMPIAR as {SCHEME}ENTRY/path"
    parser.add_argument("files", nargs="+", metavar="FILE|URL", help=words)
    words = (
        "draw the images into this file: the middle section of a volume, the mean of the first 16 frames of a movie, "
    )
    words += "the first 16 of small images (under 1024 pixels a side); at most 16 files, side by side"
    parser.add_argument("--png", metavar="FILE", type=path_argument, help=words)
    parser.add_argument("--json", action="store_true", help="print everything as a JSON list")
    parser.add_argument("--archive", metavar="URL|DIR", help="server or mirror that has ENTRY/data (default: EMPIAR)")
    parser.set_defaults(run=_inspect)


def _inspect(options: argparse.Namespace) -> int:
    """Print what each file holds; 1 when any cannot be read."""
    from builders.inspecting import pictures, report

    if options.png is not None:
        _refuse_input(options.png, options.files)
    archive = Archive(options.archive)
    found: list[Summary] = []
    seen: list[tuple[Summary, Shown]] = []
    failed = 0
    for path in options.files:
        try:
            told, of = _looked_at(path, archive, options.png is not None and len(seen) < pictures.MOST)
        except PercError as err:
            sys.stderr.write(f"perc: error: {printable(str(err))}\n")
            failed += 1
            continue
        found.append(told)
        if of is not None:
            seen.append((told, of))
        if not options.json:
            print(report.describe(told))
    if options.json:
        print(json.dumps([told.as_dict() for told in found], indent=2))
    if options.png is not None:
        _draw(options, seen, len(found))
    return 1 if failed else 0


def _looked_at(path: str, archive: Archive, draws: bool) -> "tuple[Summary, Shown | None]":
    """What a file holds, and what is to be drawn of it, if that is wanted."""
    from builders.inspecting import pictures, summary

    with _place_of(path, archive) as place, _nothing_said():
        told, file = summary.summarise(path, place)
        return told, pictures.shown(file) if draws else None


@contextlib.contextmanager
def _place_of(path: str, archive: Archive) -> Iterator[str]:
    """Where a file is that was named; its host may be contacted then."""
    check_named("FILE", path)
    if path.startswith(SCHEME):
        with archive.file(*entry_and_path("FILE", path)) as place:
            yield place
        return
    if location.is_remote(path):
        remote.permit(path)
    elif "://" in path:
        msg = f"FILE is {path!r}: expected a path, an http or https URL, or {SCHEME}ENTRY/path"
        raise OptionError(msg)
    elif Path(path).is_dir():
        msg = f"{path}: a folder, expected image files, such as {Path(path) / '*.mrc'}; "
        msg += f"of files that are named for their class, `perc local-classes inspect {path}` tells"
        raise FolderError(msg)
    yield path


@contextlib.contextmanager
def _nothing_said() -> Iterator[None]:
    """What is odd about files is part of what is printed: it need not be logged, too."""
    reports = logging.getLogger("builders.io.reports")
    level = reports.level
    reports.setLevel(logging.ERROR)
    try:
        yield
    finally:
        reports.setLevel(level)


def _refuse_input(target: Path, files: list[str]) -> None:
    """Refuse to draw over a file that is looked at."""
    for path in files:
        with contextlib.suppress(OSError):
            if target.exists() and os.path.exists(path) and target.samefile(path):  # noqa: PTH110
                msg = f"--png is {target}: that is a file to look at: expected another one"
                raise OptionError(msg)


def _draw(options: argparse.Namespace, seen: "list[tuple[Summary, Shown]]", count: int) -> None:
    """Draw one file as large as may be, or several side by side."""
    from builders.inspecting import pictures

    if not seen:
        _note(options, "nothing drawn: no image of these files can be read alone")
        return
    picture = pictures.picture(*seen[0]) if count == 1 else pictures.side_by_side(seen)
    write_whole(options.png, picture)
    _note(options, f"drawn: {options.png}" + (f", {len(seen)} of {count} files" if len(seen) < count else ""))


def _note(options: argparse.Namespace, text: str) -> None:
    """Say something beside what was asked for."""
    if not options.quiet:
        sys.stderr.write(printable(f"{text}\n"))
