"""`perc empiar show | search | download`."""

import argparse
import contextlib
import json
import logging
import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from builders.archive.archive import Archive, entry_and_path
from builders.archive.catalogue import describe, entry_number
from builders.empiar.download import FETCH, REPLACE, Saver, plan, save_all
from builders.empiar.entry import Entry
from builders.empiar.saved import Wanted
from builders.errors import AccessError, NotFoundError, OptionError, PercError
from builders.io.files import location
from builders.options import path_argument
from builders.stacks.files import SourceFile
from builders.terminal import printable, readable

logger = logging.getLogger(__name__)

_ENTRY = "number of an entry, such as 10943 or EMPIAR-10943"


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `empiar` and its commands."""
    group = commands.add_parser("empiar", help="look at EMPIAR entries; list and download their files").add_subparsers(
        required=True, metavar="COMMAND", title="commands"
    )
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--archive", metavar="URL|DIR", help="server or mirror that has ENTRY/data (default: EMPIAR)")
    where.add_argument("--api", metavar="URL", help="server of the metadata (default: EMPIAR's API)")
    chosen = argparse.ArgumentParser(add_help=False)
    chosen.add_argument("--dir", metavar="PATH", default="data", help="directory inside the entry (default: data)")
    either = chosen.add_mutually_exclusive_group()
    either.add_argument(
        "--select", metavar="GLOB", help="files to take: * stays in a folder, ** crosses folders (default: all)"
    )
    either.add_argument("--regex", metavar="RE", help="files to take: a regular expression for the path below --dir")
    chosen.add_argument("--recursive", action="store_true", help="look into subfolders of --dir")

    show = group.add_parser("show", parents=[where], help="show title, size, DOI, citation and image sets of an entry")
    show.add_argument("entry", metavar="ENTRY", help=_ENTRY)
    show.add_argument("--json", action="store_true", help="print everything as JSON")
    show.set_defaults(run=_show)

    search = group.add_parser("search", parents=[where, chosen], help="list the files of an entry")
    search.add_argument("entry", metavar="ENTRY", help=_ENTRY)
    search.add_argument(
        "-l", "--long", action="store_true", help="print sizes before paths (the default in a terminal)"
    )
    search.add_argument("--json", action="store_true", help="print paths, URLs and sizes in bytes as JSON")
    search.add_argument(
        "--save-search", metavar="FILE", type=Path, help="write the URLs to this file, one a line, for `download`"
    )
    search.set_defaults(run=_search)

    download = group.add_parser(
        "download", parents=[where, chosen], help="download files; a run that was interrupted is resumed"
    )
    download.add_argument("source", metavar="FILE|ENTRY", help="a file that `search --save-search` wrote, or an entry")
    download.add_argument("--save-dir", metavar="DIR", type=path_argument, required=True, help="folder to save into")
    download.add_argument(
        "--by-entry", action="store_true", help="save into DIR/ENTRY, so that DIR can be used as --archive"
    )
    download.add_argument("--overwrite", action="store_true", help="replace files that are there and differ")
    download.add_argument("--dry-run", action="store_true", help="print what would be downloaded, and do nothing")
    download.add_argument("--jobs", metavar="N", type=int, default=4, help="files at once, 1 to 16 (default: 4)")
    download.set_defaults(run=_download)


def _show(options: argparse.Namespace) -> int:
    entry = Entry(options.entry, archive=options.archive, api=options.api)
    info = entry.info
    if options.json:
        print(json.dumps(asdict(info), indent=2))
        return 0
    print(printable(f"{info.entry}: {info.title}"))
    for name, value in (("size", info.size), ("doi", info.doi), ("citation", info.citation)):
        if value:
            print(printable(f"{name}: {value}"))
    print("image sets:" if info.imagesets else "image sets: none")
    for imageset in info.imagesets:
        print(printable(f"  {describe(imageset)}"))
    return 0


def _found(options: argparse.Namespace, number: str) -> tuple[Entry, tuple[SourceFile, ...]]:
    """The files that a search finds, at least one."""
    entry = Entry(number, archive=options.archive, api=options.api)
    pattern = next((given for given in (options.regex, options.select) if given is not None), "*")
    found = entry.search(pattern, options.regex is not None, options.dir, options.recursive)
    if not found.files:
        msg = f"EMPIAR-{entry.number}: {found.instead(options.dir, f'fits {pattern!r}')}"
        if found.folders:
            one = "/".join(filter(None, (options.dir.strip("/"), found.folder_samples[0])))
            msg += f"; --recursive looks into its folders, --dir {shlex.quote(one)} into one"
        raise NotFoundError(msg)
    return entry, found.files


def _search(options: argparse.Namespace) -> int:
    entry, files = _found(options, options.entry)
    total = sum(file.most for file in files)
    is_exact = not location.is_remote(str(entry.archive.base))  # a server's page rounds
    if options.json:
        listed = [{"path": f.path, "url": f.location, "size": f.most if f.stamp else None} for f in files]
        facts = {"entry": f"EMPIAR-{entry.number}", "count": len(files), "size": total, "sizes_are_exact": is_exact}
        print(json.dumps(facts | {"files": listed}, indent=2))
    else:
        is_long = options.long or sys.stdout.isatty()
        for file in files:
            print(printable(f"{readable(file.most) if file.stamp else '?':>12}  {file.path}" if is_long else file.path))
    saved = ""
    if options.save_search is not None:
        text = "".join(f"{file.location}\n" for file in files)
        _write(options.save_search, text.encode("utf-8", "surrogateescape"))
        saved = f"; saved to {options.save_search}"
    _note(options, f"{_counted(len(files))}, {'' if is_exact else 'about '}{readable(total)} in all{saved}")
    return 0


def _counted(files: int) -> str:
    return f"{files:,} file{'s' * (files != 1)}"


def _note(options: argparse.Namespace, text: str) -> None:
    """Say how it ended, beside what the command was for."""
    if not options.quiet:
        print(printable(text), file=sys.stderr)


def _download(options: argparse.Namespace) -> int:
    if not 1 <= options.jobs <= 16:
        msg = f"--jobs is {options.jobs}: expected 1 to 16"
        raise OptionError(msg)
    wanted = _wanted(options)
    if options.dry_run:
        return _foresee(options, wanted)
    try:
        options.save_dir.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise _refused(options.save_dir, "cannot be made a folder to save into", err) from err
    failed = save_all(wanted, options.jobs, options.overwrite)
    for _, error in failed:
        print(f"failed: {printable(str(error))}", file=sys.stderr)
    total, lost = (sum(not item.is_extra for item in items) for items in (wanted, [item for item, _ in failed]))
    _note(options, f"{total - lost} of {total} files are in {options.save_dir}")
    return 1 if failed else 0


def _foresee(options: argparse.Namespace, wanted: Sequence[Wanted]) -> int:
    """Print what a download would do with each file; 1 where it would end with an error."""
    plans = Saver(options.jobs, options.overwrite).foresee(wanted)
    for one in plans:
        size = "?" if one.size is None else readable(one.size)
        print(printable(f"{one.action:<8}{size:>12}  {one.item.target}"))
    for one in plans:
        if one.error is not None:
            print(f"failed: {printable(str(one.error))}", file=sys.stderr)
    coming = [one for one in plans if one.action in (FETCH, REPLACE)]
    total = readable(sum(one.size or 0 for one in coming))
    _note(options, f"would fetch {_counted(len(coming))}, {total}, of {len(plans):,}; nothing was done (--dry-run)")
    return 1 if any(one.error is not None for one in plans) else 0


def _wanted(options: argparse.Namespace) -> list[Wanted]:
    """What to save: the files of a list, or of an entry."""
    lines = _lines(options.source)
    if lines is not None:
        if not lines:
            msg = f"{options.source}: no URL in it: expected a list that --save-search wrote"
            raise NotFoundError(msg)
        archive = Archive(options.archive, options.api)
        files = [_listed(line, str(archive.base)) for line in lines]
        return plan(archive, files, options.save_dir, options.by_entry)
    try:
        number = entry_number(options.source)
    except OptionError as err:
        msg = f"{options.source}: neither a file nor an entry such as 10943"
        raise NotFoundError(msg) from err
    entry, found = _found(options, number)
    return plan(entry.archive, [(number, file.path) for file in found], options.save_dir, options.by_entry)


def _lines(source: str) -> list[str] | None:
    """The lines of a list that say something; None where there is no such file.

    Only a line feed ends one: names may hold whatever else ends a line elsewhere, and spaces at their end.
    """
    try:
        if not Path(source).is_file():
            return None
        text = Path(source).read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    except OSError as err:
        raise _refused(Path(source), "cannot be read", err) from err
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _listed(line: str, base: str) -> tuple[str, str]:
    """Entry and path that a line of a list names: a URL of the archive, or a path in a mirror.

    Raises:
        OptionError: it is neither; says of which archive it may be one.
    """
    try:
        return _entry_and_path(line, base)
    except OptionError as err:
        place = f"the URL of a file below {base}" if location.is_remote(base) else f"a file in the mirror {base}"
        msg = f"{line.strip()}: expected {place}"
        above = re.match(r"((?:https?:/)?/.+?)/\d+/", line.strip())
        if above and above[1] != base.rstrip("/"):
            msg += f"; of another archive it is one with --archive {shlex.quote(above[1])}"
        raise OptionError(msg) from err


def _entry_and_path(line: str, base: str) -> tuple[str, str]:
    if not location.is_remote(base):
        parts = Path(line).relative_to(base).parts if Path(line).is_relative_to(base) else ()
        if len(parts) < 2:
            msg = f"{line}: expected a file in the mirror {base}"
            raise OptionError(msg)
        return entry_number(parts[0]), "/".join(parts[1:])
    return entry_and_path(line.strip(), base)


def _write(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all, in place of what has its name.

    Raises:
        AccessError: it cannot be written.
    """
    temporary = path.parent / f".perc-{os.getpid()}.tmp"
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(data)  # a device, such as /dev/stdout: nothing that could be replaced
            return
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as err:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise _refused(path, "cannot be written", err) from err


def _refused(path: Path, what: str, err: OSError) -> PercError:
    """The error for what the system does not let us do."""
    kind = NotFoundError if isinstance(err, FileNotFoundError) else AccessError
    return kind(f"{path}: {what}: {err.strerror or err}")
