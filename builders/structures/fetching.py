"""`fetch`, `available` and `clean`: structures as files, for people who want no dataset."""

import logging
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import overload

from tqdm.auto import tqdm

from builders.errors import DiskFullError, FolderError, NotFoundError, OptionError, PercError
from builders.io.net import remote
from builders.options import ON_ERROR, check_choice, check_flag, check_named
from builders.quarantine import Quarantine, check_quarantine
from builders.structures.cleaning.clean import REMOVABLE, check_removable, cleaned_name
from builders.structures.databases.ids import Id, accession_of, parse_id, read_ids, tell_notes
from builders.structures.databases.resolve import Found, Wish, exists
from builders.structures.databases.services import Endpoints, Services, endpoints_of, read_bytes
from builders.structures.databases.sources import Candidate, claims, sources
from builders.structures.maker import LeftOut
from builders.structures.reading import content
from builders.structures.saving import Fetched, Saving, content_of, named_peptides, save_file
from builders.structures.treatment import WHICH, Treatment, treat

logger = logging.getLogger(__name__)

_SUFFIX = re.compile(r"\.(cif|mmcif|mcif|pdbx|pdb[0-9]*|ent|brk)(\.gz)?$", re.IGNORECASE)


@overload
def fetch(  # type: ignore[overload-overlap] # a str is iterable, too
    ids: str,
    db: str = ...,
    format: str = ...,
    save_dir: str | os.PathLike[str] | None = ...,
    remove: Iterable[str] = ...,
    *,
    fallback: bool = ...,
    on_error: str = ...,
    quarantine: str | None = ...,
    endpoints: Endpoints | None = ...,
    cache_dir: str | os.PathLike[str] | None = ...,
    anew: bool = ...,
    overwrite: bool = ...,
) -> Fetched: ...
@overload
def fetch(
    ids: Iterable[str] | os.PathLike[str],
    db: str = ...,
    format: str = ...,
    save_dir: str | os.PathLike[str] | None = ...,
    remove: Iterable[str] = ...,
    *,
    fallback: bool = ...,
    on_error: str = ...,
    quarantine: str | None = ...,
    endpoints: Endpoints | None = ...,
    cache_dir: str | os.PathLike[str] | None = ...,
    anew: bool = ...,
    overwrite: bool = ...,
) -> list[Fetched]: ...
def fetch(
    ids: str | Iterable[str] | os.PathLike[str],
    db: str = "pdb",
    format: str = "cif",
    save_dir: str | os.PathLike[str] | None = None,
    remove: Iterable[str] = (),
    *,
    fallback: bool = True,
    on_error: str = "raise",
    quarantine: str | None = None,
    endpoints: Endpoints | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    anew: bool = False,
    overwrite: bool = False,
) -> Fetched | list[Fetched]:
    """Bring structures, several at once, and clean them if asked to; what was brought before is taken from the cache.

    Args:
        ids: PDB ids, UniProt accessions, AlphaFold ids or CATH domains, in any case and in the ways that people write
            them: one of them, a list, or the path of a file of them, in which `#` begins a comment.
        db: the database that is asked first. Of several PDB entries of an accession, the one with the best coverage is
            taken, then the best resolution, then the first id.
        format: `cif` or `pdb`; where an entry has no file of it, the other one is taken.
        save_dir: folder to save the files into, as `4v1w.cif` or, by accession and entry, `p45523_1q6u.cif`; None: a
            folder of the cache.
        remove: what to take away: `signal_peptides`, `hydrogens`, `water`, `hetatms`; file names then say so.
        fallback: ask the other databases where this one has nothing.
        on_error: what an id does of which nothing can be had: `raise`, or `skip` to leave it out of the list.
        quarantine: write a table of what was left out (id, tab, reason) here; goes with `on_error="skip"`.
        endpoints: base URLs, or local folders, in place of the built-in services, by their names; or one folder with
            what all of them would answer.
        cache_dir: folder of the cache, as for `load_dataset`; None: `perc`, beside the caches of Hugging Face.
        anew: fetch again what is in the cache.
        overwrite: replace a file of `save_dir` that has the name of a structure but holds something else.

    Returns:
        One file for one id; for a list, one for each of its ids, in their order.

    Raises:
        OptionError: an option, or the form of an id, is none.
        NotEmptyError: something else is where a file was to be written.
        NotFoundError: a structure is nowhere; names every place that was asked.
        FormatError: what a server sends is no structure, or nothing is left of it.
        PercError: a server, or the disk, fails.
    """
    check_choice("db", db, tuple(sources()))
    check_choice("format", format, content.FORMATS)
    check_choice("on_error", on_error, ON_ERROR)
    check_flag("fallback", fallback)
    check_flag("overwrite", overwrite)
    check_named("save_dir", save_dir)
    table = check_quarantine(quarantine, on_error)
    wish = Wish(db, fallback, format, Services(endpoints_of(endpoints), _files_folder(cache_dir), anew))
    folder = None if save_dir is None else Path(save_dir).expanduser()
    saving = Saving(wish, check_removable(remove), folder, overwrite)
    given = read_ids(ids, claims())
    if isinstance(ids, str) and given == [ids.strip()]:
        id = parse_id(ids, claims())
        tell_notes({ids: id})
        return saving.save(id)
    Quarantine(table).begin()
    left_out = LeftOut(on_error, () if table is None else (table,))
    results = _save_each(given, saving, on_error)
    fetched = []
    for text, result in zip(given, results, strict=True):
        if isinstance(result, Fetched):
            fetched.append(result)
        else:
            left_out.add(str(text), result)
    if len(fetched) < len(given):
        logger.warning("structures: left out %d of %d ids", len(given) - len(fetched), len(given))
    return fetched


def available(
    ids: str | Iterable[str] | os.PathLike[str],
    *,
    endpoints: Endpoints | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    anew: bool = False,
) -> dict[str, list[str]]:
    """Which databases have structures for ids: `{"P45523": ["pdb", "alphafold"]}`; none for one that is nowhere.

    Args:
        ids: as for `fetch`.
        endpoints: as for `fetch`.
        cache_dir: as for `fetch`.
        anew: ask again what was answered before.

    Raises:
        OptionError: the form of an id is none.
        PercError: a server fails.
    """
    services = Services(endpoints_of(endpoints), _files_folder(cache_dir), anew)
    known = sources()
    given = list(dict.fromkeys(read_ids(ids, claims())))
    parsed = {text: parse_id(text, claims()) for text in given}
    tell_notes(parsed)

    def asked(id: Id) -> list[str]:
        return [name for name in id.sources if exists(id, known[name], services)]

    unique = list(dict.fromkeys(parsed.values()))
    with _progress(len(unique), "Asking") as progress:
        found = {}
        for id, names in zip(unique, remote.each(asked, unique, pool="structures"), strict=True):
            found[id] = names
            progress.update()
    return {text: found[id] for text, id in parsed.items()}


def clean(
    path: str | os.PathLike[str],
    remove: Iterable[str] = REMOVABLE,
    save_dir: str | os.PathLike[str] | None = None,
    *,
    accession: str | None = None,
    models: str = "all",
    altlocs: str = "all",
    assembly: int | None = None,
    endpoints: Endpoints | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> Path:
    """Clean a structure's file, and write what is left of it beside it, under a name that says what is gone.

    Cleaned by and by or at once, a file gets the same name: `4v1w_nowater.cif`, cleaned of hydrogens, too, is
    `4v1w_nohydrogens_nowater.cif`.

    Args:
        path: a file in PDB or mmCIF format, also packed by gzip.
        remove: what to take away: `signal_peptides`, `hydrogens`, `water`, `hetatms`; default: all of them.
        save_dir: folder for the result; None: that of the file.
        accession: of UniProt, of the protein whose signal peptide is to go, where the file does not say which it is.
        models: the `first` or `all`.
        altlocs: of alternate locations, the `first` or `all`.
        assembly: number of a biological assembly, in place of what was deposited.
        endpoints: as for `fetch`; signal peptides are asked of `uniprot`.
        cache_dir: as for `fetch`.
        overwrite: replace a file that has the name of the result but holds something else.

    Returns:
        The file that was written, such as `p45523_1q6u_nosignal1to25_nohydrogens_nowater_nohetatm.pdb`; the same file
        where nothing of it is to go, as when its proteins have no signal peptide.

    Raises:
        OptionError: an option is none, or the result would replace the file.
        NotFoundError: the file is not there.
        FolderError: it is a folder.
        NotEmptyError: something else is where the result was to be written.
        FormatError: it is no structure, or nothing is left of it.
        PercError: UniProt, or the disk, fails.
    """
    check_named("path", path)
    check_named("save_dir", save_dir)
    file = Path(path).expanduser()
    if file.is_dir():
        msg = f"{file}: a folder: expected a file in PDB or mmCIF format, or several in the shell, as {file / '*.cif'}"
        raise FolderError(msg)
    if not file.is_file():
        msg = f"{file}: no such file"
        raise NotFoundError(msg)
    check_choice("models", models, WHICH)
    check_choice("altlocs", altlocs, WHICH)
    check_flag("overwrite", overwrite)
    asked = None if accession is None else accession_of(str(accession))
    if accession is not None and asked is None:
        msg = f"accession is {accession!r}: expected a UniProt accession, such as P45523"
        raise OptionError(msg)
    wanted = check_removable(remove)
    format = content.sniff(content.plain(read_bytes(file, str(file)), str(file)), str(file))
    found = Found(asked or file.name, Candidate("file", file.name), format, str(file))
    treated = treat(
        found,
        file,
        Treatment(wanted, models, altlocs, assembly),
        Services(endpoints_of(endpoints), _files_folder(cache_dir)),
    )
    name = cleaned_name(_SUFFIX.sub("", file.name), wanted, named_peptides(treated), format)
    target = (file.parent if save_dir is None else Path(save_dir).expanduser()) / name
    if target.exists() and target.samefile(file):
        if treated.is_changed:
            msg = f"{file}: the result would replace it: name a save_dir"
            raise OptionError(msg)
        logger.warning("%s: nothing of it is to go: it stays as it is", file)
        return file
    return save_file(target, content_of(treated, found), overwrite=overwrite)


def given_ids(arguments: Iterable[str]) -> list[str]:
    """The ids of a command line, whose arguments are ids or files with one a line.

    Raises:
        NotFoundError: an argument is neither.
        OptionError: a file holds none.
    """
    return [id for argument in arguments for id in read_ids(argument, claims())]


def _save_each(given: Sequence[object], saving: Saving, on_error: str) -> list[Fetched | PercError]:
    """A result for each id, in order; those that are named more than once are fetched once."""
    parsed: list[Id | PercError] = []
    for text in given:
        try:
            parsed.append(parse_id(text, claims()))
        except PercError as err:
            if on_error == "raise":
                raise
            parsed.append(err)
    tell_notes({str(text): id for text, id in zip(given, parsed, strict=True) if isinstance(id, Id)})
    unique = list(dict.fromkeys(id for id in parsed if isinstance(id, Id)))

    def saved(id: Id) -> Fetched | PercError:
        try:
            return saving.save(id)
        except PercError as err:
            if on_error == "raise" or isinstance(err, DiskFullError):
                raise
            return err

    results: dict[Id, Fetched | PercError] = {}
    with _progress(len(unique), "Fetching") as progress:
        for id, result in zip(unique, remote.each(saved, unique, pool="structures"), strict=True):
            results[id] = result
            progress.update()
    return [results[id] if isinstance(id, Id) else id for id in parsed]


def _files_folder(cache_dir: str | os.PathLike[str] | None) -> str | None:
    """Where files are kept in a cache folder: where a dataset with that `cache_dir` keeps them, too."""
    check_named("cache_dir", cache_dir)
    return None if cache_dir is None else str(Path(cache_dir).expanduser() / "perc")


def _progress(count: int, what: str) -> "tqdm[None]":
    return tqdm(total=count, desc=what, unit=" structures", disable=None, delay=1, leave=False)
