"""`perc empiar show | search | download`."""

import argparse
import contextlib
import logging
import os
import shlex
import sys
from pathlib import Path

from builders.empiar.archive import Archive, entry_and_path
from builders.empiar.catalogue import describe, entry_number
from builders.empiar.download import plan, save_all
from builders.empiar.entry import Entry
from builders.empiar.saved import Wanted
from builders.errors import AccessError, NotFoundError, OptionError, PercError
from builders.io import location
from builders.terminal import printable

logger = logging.getLogger(__name__)


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `empiar` and its commands."""
    group = commands.add_parser("empiar", help="entries of EMPIAR, the archive of raw images").add_subparsers(
        required=True, metavar="COMMAND"
    )
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--archive", help="base URL of another server, or folder of a mirror, with ENTRY/data in it")
    where.add_argument("--api", help="base URL of another API for metadata")
    chosen = argparse.ArgumentParser(add_help=False)
    chosen.add_argument("--dir", default="data", help="directory inside the entry (default: data)")
    either = chosen.add_mutually_exclusive_group()
    either.add_argument("--select", metavar="GLOB", help="* stays in a folder, ** crosses folders (default: all files)")
    either.add_argument("--regex", help="regular expression for the path below the directory")
    chosen.add_argument("--recursive", action="store_true", help="look into the directory's folders")

    show = group.add_parser("show", parents=[where], help="title, size and image sets of an entry")
    show.add_argument("entry", metavar="ENTRY")
    show.set_defaults(run=_show)

    search = group.add_parser("search", parents=[where, chosen], help="list files of an entry")
    search.add_argument("entry", metavar="ENTRY")
    search.add_argument("--save-search", metavar="F", type=Path, help="write the files' URLs to this file, one a line")
    search.set_defaults(run=_search)

    download = group.add_parser("download", parents=[where, chosen], help="save files; goes on where it stopped")
    download.add_argument("source", metavar="F|ENTRY", help="a saved search, or an entry with --select or --regex")
    download.add_argument("--save-dir", metavar="D", type=Path, required=True, help="folder to save into")
    download.add_argument("--by-entry", action="store_true", help="save into D/ENTRY, which makes D a mirror")
    download.add_argument("--overwrite", action="store_true", help="replace other files that are there")
    download.add_argument("--jobs", metavar="N", type=int, default=4, help="files at once (default: 4)")
    download.set_defaults(run=_download)


def _show(options: argparse.Namespace) -> int:
    entry = Entry(options.entry, archive=options.archive, api=options.api)
    info = entry.info
    print(printable(f"{info.entry}: {info.title}"))
    for name, value in (("size", info.size), ("doi", info.doi), ("citation", info.citation)):
        if value:
            print(printable(f"{name}: {value}"))
    print("image sets:" if info.imagesets else "image sets: none")
    for imageset in info.imagesets:
        print(printable(f"  {describe(imageset)}"))
    return 0


def _found(options: argparse.Namespace, number: str) -> tuple[Entry, list[str]]:
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
    return entry, [file.path for file in found.files]


def _search(options: argparse.Namespace) -> int:
    entry, paths = _found(options, options.entry)
    for path in paths:
        print(printable(path))
    if options.save_search is not None:
        text = "".join(f"{entry.url(path)}\n" for path in paths)
        _write(options.save_search, text.encode("utf-8", "surrogateescape"))
        print(f"{len(paths)} files; saved to {options.save_search}", file=sys.stderr)
    return 0


def _download(options: argparse.Namespace) -> int:
    if not 1 <= options.jobs <= 16:
        msg = f"--jobs is {options.jobs}: expected 1 to 16"
        raise OptionError(msg)
    wanted = _wanted(options)
    try:
        options.save_dir.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise _refused(options.save_dir, "cannot be made a folder to save into", err) from err
    failed = save_all(wanted, options.jobs, options.overwrite)
    for _, error in failed:
        print(f"failed: {printable(str(error))}", file=sys.stderr)
    total, lost = (sum(not item.is_extra for item in items) for items in (wanted, [item for item, _ in failed]))
    print(f"{total - lost} of {total} files are in {options.save_dir}", file=sys.stderr)
    return 1 if failed else 0


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
    entry, paths = _found(options, number)
    return plan(entry.archive, [(number, path) for path in paths], options.save_dir, options.by_entry)


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
    """Entry and path that a line of a list names: a URL of the archive, or a path in a mirror."""
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
