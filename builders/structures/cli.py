"""`perc structures fetch | where | clean`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from builders.errors import OptionError, PercError
from builders.io.net import remote
from builders.options import check_choice, path_argument
from builders.structures.cleaning.clean import REMOVABLE, check_removable
from builders.structures.databases.ids import parse_id
from builders.structures.databases.resolve import Wish
from builders.structures.databases.services import BUILT_IN, Services, endpoints_of
from builders.structures.databases.sources import claims, sources
from builders.structures.fetching import available, clean, fetch, given_ids
from builders.structures.reading.content import FORMATS
from builders.structures.saving import Fetched, Saving
from builders.terminal import printable

_REMOVED = f"remove {', '.join(REMOVABLE)}: those named, or all if none is (default: {{}})"
_OVERWRITE = "replace files of the same name that hold something else"


def add_commands(commands: Any) -> None:
    """Add `structures` and its commands to the parser of `perc`."""
    group = commands.add_parser(
        "structures", help="fetch and clean structures of the PDB, AlphaFold DB and CATH"
    ).add_subparsers(required=True, metavar="COMMAND", title="commands")
    services = argparse.ArgumentParser(add_help=False)
    services.add_argument(
        "--endpoint",
        metavar="NAME=BASE",
        action="append",
        default=[],
        help=f"use this URL or folder for a service ({', '.join(BUILT_IN)}); may be repeated",
    )
    services.add_argument(
        "--endpoints",
        metavar="DIR",
        type=path_argument,
        help="use this folder for all services, with their files in DIR/NAME or in DIR, and no network",
    )
    asked = argparse.ArgumentParser(add_help=False, parents=[services])
    asked.add_argument(
        "ids", metavar="ID", nargs="+", help="an id such as 4v1w, P45523 or AF-P45523-F1, or a file with one id a line"
    )
    asked.add_argument("--anew", action="store_true", help="fetch again what is in the cache")

    bring = group.add_parser("fetch", parents=[asked], help="download structures, and clean them with --remove")
    bring.add_argument(
        "--db", metavar="NAME", default="pdb", help="database to ask first: pdb, alphafold or cath (default: pdb)"
    )
    bring.add_argument("--no-fallback", action="store_true", help="do not ask the other databases")
    bring.add_argument("--format", choices=FORMATS, default="cif", help="format of the files (default: cif)")
    bring.add_argument("--remove", metavar="WHAT", nargs="*", action="extend", help=_REMOVED.format("nothing"))
    bring.add_argument(
        "--save-dir", metavar="DIR", type=path_argument, default=Path(), help="folder to save into (default: this one)"
    )
    bring.add_argument("--overwrite", action="store_true", help=_OVERWRITE)
    bring.add_argument("--dry-run", action="store_true", help="print what would be saved, and save nothing")
    bring.set_defaults(run=_fetch)

    where = group.add_parser("where", parents=[asked], help="list which databases have a structure")
    where.add_argument("--json", action="store_true", help="print the databases of each id as JSON")
    where.set_defaults(run=_where)

    wash = group.add_parser(
        "clean", parents=[services], help="remove water, ligands, hydrogens or signal peptides from files"
    )
    wash.add_argument("files", metavar="FILE", nargs="+", type=path_argument, help="an mmCIF or PDB file")
    wash.add_argument("--remove", metavar="WHAT", nargs="*", action="extend", help=_REMOVED.format("all"))
    wash.add_argument(
        "--save-dir", metavar="DIR", type=path_argument, help="folder to save into (default: each file's)"
    )
    wash.add_argument(
        "--accession", metavar="ID", help="UniProt accession of the protein, if the file does not tell it"
    )
    wash.add_argument("--overwrite", action="store_true", help=_OVERWRITE)
    wash.set_defaults(run=_clean)


def _fetch(options: argparse.Namespace) -> int:
    """Save what can be had; what cannot is in the log. 1 when that is anything."""
    given = given_ids(options.ids)
    if options.dry_run:
        return _foresee(options, given)
    fetched = fetch(
        given,
        options.db,
        options.format,
        options.save_dir,
        () if options.remove is None else _removed(options.remove),
        fallback=not options.no_fallback,
        on_error="skip",
        endpoints=_endpoints(options),
        anew=options.anew,
        overwrite=options.overwrite,
    )
    for item in fetched:
        _print_row(item.id, item.source, item.entry_id, str(item.path))
    return 1 if len(fetched) < len(given) else 0


def _foresee(options: argparse.Namespace, given: Sequence[str]) -> int:
    """Print what would be saved, and from where; 1 when something of it cannot be had."""
    check_choice("db", options.db, tuple(sources()))
    services = Services(_endpoints(options), anew=options.anew)
    wish = Wish(options.db, not options.no_fallback, options.format, services)
    saving = Saving(wish, () if options.remove is None else _removed(options.remove), options.save_dir)

    def foreseen(text: str) -> tuple[Fetched, str] | PercError:
        try:
            return saving.foresee(parse_id(text, claims()))
        except PercError as err:
            return err

    failed = 0
    for found in remote.each(foreseen, list(dict.fromkeys(given)), pool="structures"):
        if isinstance(found, PercError):
            print(f"failed: {printable(str(found))}", file=sys.stderr)
            failed += 1
        else:
            item, place = found
            _print_row(item.id, item.source, item.entry_id, str(item.path), place)
    return 1 if failed else 0


def _where(options: argparse.Namespace) -> int:
    """Print the databases of each id; 1 when one of them is nowhere."""
    found = available(given_ids(options.ids), endpoints=_endpoints(options), anew=options.anew)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        for text, names in found.items():
            _print_row(text, " ".join(names) or "nowhere")
    return 0 if all(found.values()) else 1


def _clean(options: argparse.Namespace) -> int:
    """Clean what can be; 1 when one of the files cannot."""
    failed, remove = 0, _removed(options.remove or ())
    endpoints = _endpoints(options)
    for file in options.files:
        try:
            result = clean(
                file,
                remove,
                options.save_dir,
                accession=options.accession,
                endpoints=endpoints,
                overwrite=options.overwrite,
            )
        except PercError as err:
            print(f"failed: {printable(str(err))}", file=sys.stderr)
            failed += 1
        else:
            print(printable(str(result)))
    return 1 if failed else 0


def _removed(given: Sequence[str]) -> tuple[str, ...]:
    """What to remove, given as several words or with commas between them; all that can be where nothing is named.

    Raises:
        OptionError: lists what can be.
    """
    return check_removable([name for text in given for name in text.split(",") if name] if given else REMOVABLE)


def _print_row(*cells: str) -> None:
    print("\t".join(map(printable, cells)))


def _endpoints(options: argparse.Namespace) -> dict[str, str]:
    """Bases by service: those that are named, and a folder for all others where one is.

    Raises:
        OptionError: one is not of the form NAME=BASE.
        NotFoundError: the folder is not there.
    """
    pairs = [text.partition("=") for text in options.endpoint]
    for text, (name, _, base) in zip(options.endpoint, pairs, strict=True):
        if not name or not base:
            msg = f"--endpoint is {text!r}: expected NAME=BASE, such as alphafold=http://localhost:8000"
            raise OptionError(msg)
    return dict(endpoints_of(options.endpoints)) | {name: base for name, _, base in pairs}
