"""`load_dataset("structures", ids=...)`: structures of the PDB and AlphaFold DB as rows of atoms."""

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
from tqdm.auto import tqdm

from builders.archive_licences import ARCHIVES, license_of
from builders.errors import NotFoundError, OptionError, PercError
from builders.hf.streaming import TableStream
from builders.io.files import location
from builders.io.files.hidden import is_hidden
from builders.io.net import remote
from builders.options import ON_ERROR, OptionedTableBuilder, check_choice, check_flag, check_integer
from builders.quarantine import KEPT, Quarantine, check_quarantine, say_again
from builders.structures.cleaning.clean import check_removable
from builders.structures.databases.ids import Id, read_ids
from builders.structures.databases.resolve import Wish, find, parse_all
from builders.structures.databases.services import Endpoints, Services, endpoints_of
from builders.structures.databases.sources import claims, sources
from builders.structures.maker import LeftOut, Maker
from builders.structures.reading.content import FORMATS
from builders.structures.rows import features
from builders.structures.treatment import WHICH, Treatment

logger = logging.getLogger(__name__)

_cache_folder: ContextVar[str | None] = ContextVar("cache folder", default=None)
"""Where the builder that makes a config keeps files: `datasets` has no other way to tell it."""


@dataclass
class StructuresConfig(datasets.BuilderConfig):  # type: ignore[misc]
    """Options of `structures`.

    Attributes:
        ids: a list of ids, or the path of a file of them, in which `#` begins a comment. An id is a PDB id (`4v1w`), a
            UniProt accession (`P45523`), an AlphaFold id (`AF-P45523-F1`) or a CATH domain (`1cukA01`), in any case and
            in the ways that people write them (`PDB:4V1W`, a URL, `4v1w:A` for the whole entry); each gives one
            structure, however often it is named.
        db: the database that is asked first: `"pdb"`, `"alphafold"`. Of several PDB entries of an accession, the one
            with the best coverage is taken, then the best resolution, then the first id.
        fallback: ask the others where this one has nothing.
        format: `"cif"` or `"pdb"`; where an entry has no file of it, the other one is taken (column `format`).
        remove: what to take away: `"signal_peptides"`, `"hydrogens"`, `"water"`, `"hetatms"`.
        models: `"first"`, or `"all"`: a row for each.
        altlocs: of alternate locations the `"first"` (highest occupancy, then label), or `"all"`.
        assembly: number of a biological assembly, such as 1, in place of what was deposited.
        include_file: give each row the bytes of a file of it, too.
        on_error: what an id does of which nothing can be had: `"raise"`, or `"skip"` to leave it out, with a warning.
        quarantine: write a table of what was left out (id, tab, reason) here; goes with `on_error="skip"`. A stream
            adds to it while it is read.
        endpoints: base URLs, or local folders (or one, of all), in place of the built-in services: `rcsb_files`,
            `rcsb_search`, `rcsb_data`, `pdbe`, `alphafold`, `cath`, `uniprot`.
    """

    ids: Any = None
    db: str = "pdb"
    fallback: bool = True
    format: str = "cif"
    remove: Any = ()
    models: str = "first"
    altlocs: str = "first"
    assembly: int | None = None
    include_file: bool = False
    on_error: str = "raise"
    quarantine: str | None = None
    endpoints: Endpoints = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data_dir is not None or self.data_files:
            msg = (
                f"structures takes ids=[...], not data_dir={self.data_dir!r} or data_files: a folder of files is named"
                " as the place of a service, such as endpoints={'rcsb_files': FOLDER}"
            )
            raise OptionError(msg)
        check_choice("db", self.db, tuple(sources()))
        check_choice("format", self.format, FORMATS)
        check_choice("models", self.models, WHICH)
        check_choice("altlocs", self.altlocs, WHICH)
        check_choice("on_error", self.on_error, ON_ERROR)
        for flag in ("fallback", "include_file"):
            check_flag(flag, getattr(self, flag))
        if self.assembly is not None:
            check_integer("assembly", self.assembly, 1)
        self.remove = check_removable(self.remove)
        self.quarantine = check_quarantine(self.quarantine, self.on_error)
        self._services = Services(endpoints_of(self.endpoints), _cache_folder.get())
        given = read_ids(self.ids, claims())
        self.known, self.refused = parse_all(given, self.on_error)
        self.ids = [id.text for id in self.known]

    @property
    def wish(self) -> Wish:
        """Where to look, and for what."""
        return Wish(self.db, self.fallback, self.format, self._services)

    @property
    def treatment(self) -> Treatment:
        """What is done to each structure."""
        return Treatment(self.remove, self.models, self.altlocs, self.assembly)

    @property
    def facts(self) -> dict[str, str]:
        """What `datasets` keeps beside the rows: of the databases that they may come from."""
        asked = set(sources()) if self.fallback else {self.db}
        possible = [name for name in sources() if name in asked and any(name in id.sources for id in self.known)]
        databases = [ARCHIVES[name] for name in possible if name in ARCHIVES]
        some = ", ".join(self.ids[:5])
        more = f" and {len(self.ids) - 5} more" if len(self.ids) > 5 else ""
        return {
            "description": f"Structure{'s' * (len(self.ids) != 1)} of {some}{more}\nFrom {', '.join(possible)}",
            "citation": "\n".join(filter(None, (database.citation for database in databases))),
            "homepage": databases[0].homepage if len(databases) == 1 else "",
            "license": license_of(set(possible)) or "",
        }

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Any = None) -> str:
        """Name the cache folder for the options, the ids in a file and the files in local folders."""
        options = {k: v for k, v in config_kwargs.items() if k not in ("quarantine", "endpoints", "ids")}
        options |= {"ids": self.ids, "remove": self.remove}
        options |= {f"at {name}": _state(base) for name, base in self._services.endpoints.items()}
        return str(super().create_config_id(options, custom_features=custom_features))


class Structures(OptionedTableBuilder):
    """Structures as rows: what they are, their chains, and arrays of their atoms."""

    VERSION = datasets.Version("1.1.0")
    BUILDER_CONFIG_CLASS = StructuresConfig
    config: StructuresConfig

    def __init__(self, cache_dir: str | None = None, *args: Any, **kwargs: Any) -> None:
        self._left_out = LeftOut("raise")
        self._account = Path()
        token = _cache_folder.set(None if cache_dir is None else os.path.join(cache_dir, "perc"))  # noqa: PTH118
        try:
            super().__init__(cache_dir, *args, **kwargs)
        finally:
            _cache_folder.reset(token)
        self._wish = self.config.wish

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=features(self.config.include_file), **self.config.facts)

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        tables = [self.config.quarantine] if self.config.quarantine else []
        if not dl_manager.is_streaming:
            tables.append(str(self._account / KEPT))
        for table in tables:
            Quarantine(table).begin()
        passing = None if dl_manager.is_streaming else str(self._account / "passing")
        self._left_out = LeftOut(self.config.on_error, tuple(tables), passing)
        for text, err in self.config.refused:
            self._left_out.add(text, err)
        ids = self.config.known if dl_manager.is_streaming else self._fetched()
        return [datasets.SplitGenerator(name="train", gen_kwargs={"ids": ids})]

    def download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """Build the dataset, or take it from the cache.

        One from which a fault that may have passed left something out is built again.

        Raises:
            NotFoundError: there is no structure of any of the ids.
            PercError: what fails, unless it is to be left out.
        """
        mode = datasets.DownloadMode(kwargs.get("download_mode") or datasets.DownloadMode.REUSE_DATASET_IF_EXISTS)
        anew = mode == datasets.DownloadMode.FORCE_REDOWNLOAD
        kept = Path(self.cache_dir)
        if (kept / "passing").exists():
            mode = kwargs["download_mode"] = datasets.DownloadMode.FORCE_REDOWNLOAD
        if mode == datasets.DownloadMode.FORCE_REDOWNLOAD:
            self.info.splits = None  # how many rows there were before is nothing to check against
        self._wish = replace(self.config.wish, services=replace(self.config.wish.services, anew=anew))
        with tempfile.TemporaryDirectory(prefix="perc-") as folder:
            self._account = Path(folder)
            super().download_and_prepare(*args, **kwargs)
            account = list(self._account.iterdir())
            for made in account:
                shutil.copyfile(made, kept / made.name)
        if not account:  # it was in the cache
            say_again(str(kept), "structures", "ids", self.config.quarantine)
        if not sum(split.num_examples for split in self.info.splits.values()):
            (kept / "passing").touch()
            count = len(self.config.known) + len(self.config.refused)
            msg = f"structures: none of {count} ids gave a structure: {', '.join(self.config.ids[:5])}"
            raise NotFoundError(msg)

    def _fetched(self) -> list[Id]:
        """Those of the ids whose files could be brought, by this process for all that make rows of them."""

        def brought(id: Id) -> PercError | None:
            try:
                find(id, self._wish)
            except PercError as err:
                return err
            return None

        ids = self.config.known
        usable = []
        with tqdm(total=len(ids), desc="Fetching", unit=" structures", disable=None, delay=1, leave=False) as progress:
            for id, err in zip(ids, remote.each(brought, ids, pool="structures"), strict=True):
                progress.update()
                if err is None:
                    usable.append(id)
                else:
                    self._left_out.add(id.text, err)
        if len(usable) < len(ids) + len(self.config.refused):
            missing = len(ids) + len(self.config.refused) - len(usable)
            logger.warning("structures: left out %d of %d ids", missing, len(ids) + len(self.config.refused))
        return usable

    def _maker(self) -> Maker:
        return Maker(self._wish, self.config.treatment, self.config.include_file, self._left_out)

    def _generate_tables(self, ids: list[Id]) -> Iterator[tuple[str, pa.Table]]:
        for rows in self._maker()(ids):
            yield from rows

    def _get_examples_iterable_for_split(self, split_generator: datasets.SplitGenerator) -> TableStream:
        ids, one_each = split_generator.gen_kwargs["ids"], self.config.models == "first"
        return TableStream(self._maker(), ids, self.info.features, one_each)


def _state(base: str) -> str:
    """What tells one state of a service from another: a server's URL; of a local folder, what is in it and when."""
    if location.is_remote(base):
        return base
    digest = hashlib.sha256(base.encode("utf-8", "surrogateescape"))
    for folder, folders, names in os.walk(base):
        folders[:] = [name for name in folders if not is_hidden(name)]  # snapshots, which go on changing, and are large
        for name in sorted(names):
            path = os.path.join(folder, name)  # noqa: PTH118 - a folder may hold very many
            try:
                status = os.stat(path)  # noqa: PTH116
            except OSError:
                continue
            told = f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n"
            digest.update(told.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
