"""`load_dataset("structures", ids=...)`: structures of the PDB and AlphaFold DB as rows of atoms."""

import hashlib
import logging
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

import datasets
import pyarrow as pa
from tqdm.auto import tqdm

from builders.errors import NotFoundError, OptionError, PercError
from builders.io import location, remote
from builders.io.blocks import read_ahead
from builders.options import ON_ERROR, OptionedTableBuilder, check_choice, check_flag, check_integer
from builders.quarantine import Quarantine, check_quarantine
from builders.streaming import TableStream
from builders.structures.content import FORMATS
from builders.structures.ids import Id, read_ids
from builders.structures.resolve import Wish, find, parse_all
from builders.structures.rows import features, tables_of
from builders.structures.services import Services
from builders.structures.sources import sources
from builders.structures.treatment import Treatment, check_removable, treat

logger = logging.getLogger(__name__)

_cache_folder: ContextVar[str | None] = ContextVar("cache folder", default=None)
"""Where the builder that makes a config keeps files: `datasets` has no other way to tell it."""
_CHOICES = ("first", "all")

Rows = list[tuple[str, pa.Table]]


@dataclass
class StructuresConfig(datasets.BuilderConfig):  # type: ignore[misc]
    """Options of `structures`.

    Attributes:
        ids: a list of ids, or the path of a file with one a line and `#` before comments. An id is a PDB id (`4v1w`), a
            UniProt accession (`P45523`), an AlphaFold id (`AF-P45523-F1`) or a CATH domain (`1cukA01`), in any case;
            each gives one structure, however often it is named.
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
        endpoints: base URLs, or local folders, in place of the built-in services: `rcsb_files`, `rcsb_search`,
            `rcsb_data`, `pdbe`, `alphafold`, `uniprot`.
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
    endpoints: Mapping[str, str] = field(default_factory=dict)

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
        check_choice("models", self.models, _CHOICES)
        check_choice("altlocs", self.altlocs, _CHOICES)
        check_choice("on_error", self.on_error, ON_ERROR)
        for flag in ("fallback", "include_file"):
            check_flag(flag, getattr(self, flag))
        if self.assembly is not None:
            check_integer("assembly", self.assembly, 1)
        self.remove = check_removable(self.remove)
        self.quarantine = check_quarantine(self.quarantine, self.on_error)
        self._services = Services(self.endpoints or {}, _cache_folder.get())
        given = read_ids(self.ids, {name: source.claim for name, source in sources().items()})
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

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Any = None) -> str:
        """Name the cache folder for the options, the ids in a file and the files in local folders."""
        options = {k: v for k, v in config_kwargs.items() if k not in ("quarantine", "endpoints", "ids")}
        options |= {"ids": self.ids, "remove": self.remove}
        options |= {f"at {name}": _state(base) for name, base in self._services.endpoints.items()}
        return str(super().create_config_id(options, custom_features=custom_features))


class Structures(OptionedTableBuilder):
    """Structures as rows: what they are, their chains, and arrays of their atoms."""

    VERSION = datasets.Version("1.0.0")
    BUILDER_CONFIG_CLASS = StructuresConfig
    config: StructuresConfig

    def __init__(self, cache_dir: str | None = None, *args: Any, **kwargs: Any) -> None:
        token = _cache_folder.set(None if cache_dir is None else os.path.join(cache_dir, "perc"))  # noqa: PTH118
        try:
            super().__init__(cache_dir, *args, **kwargs)
        finally:
            _cache_folder.reset(token)

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=features(self.config.include_file))

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        table = Quarantine(self.config.quarantine)
        table.begin()
        for text, err in self.config.refused:
            table.add(text, err)
            logger.warning("structures: leaving out %s", err)
        anew = bool(dl_manager.download_config.force_download)
        return [datasets.SplitGenerator(name="train", gen_kwargs={"ids": self.config.known, "anew": anew})]

    def _maker(self, anew: bool) -> "Maker":
        wish = replace(self.config.wish, services=replace(self.config.wish.services, anew=anew))
        return Maker(
            wish, self.config.treatment, self.config.include_file, self.config.on_error, self.config.quarantine
        )

    def _generate_tables(self, ids: list[Id], anew: bool) -> Iterator[tuple[str, pa.Table]]:
        left_out = 0
        progress = tqdm(ids, desc="Fetching", unit=" structures", disable=None, delay=1, leave=False)
        for rows in self._maker(anew)(progress):
            left_out += not rows
            yield from rows
        left_out += len(self.config.refused)
        if left_out:
            logger.warning("structures: left out %d of %d ids", left_out, len(ids) + len(self.config.refused))
        if left_out == len(self.config.known) + len(self.config.refused):
            msg = f"structures: none of {left_out} ids gave a structure: {', '.join(self.config.ids[:5])}"
            raise NotFoundError(msg)

    def _get_examples_iterable_for_split(self, split_generator: datasets.SplitGenerator) -> TableStream:
        kwargs = split_generator.gen_kwargs
        return TableStream(self._maker(kwargs["anew"]), kwargs["ids"])


@dataclass
class Maker:
    """Makes rows of ids, the next ones' while the first are used.

    Args:
        wish: where to look for structures.
        treatment: what is done to them.
        include_file: whether rows hold the bytes of a file.
        on_error: what an id does of which nothing can be had.
        quarantine: path of the table of what was left out.
    """

    wish: Wish
    treatment: Treatment
    include_file: bool
    on_error: str
    quarantine: str | None

    def __call__(self, shards: Iterable[Id]) -> Generator[Rows, None, None]:
        """The rows of each id: none of one that is left out."""
        ready = read_ahead(shards, self._made, ahead=remote.CONNECTIONS, sharers=remote.sharers)
        try:
            for id, made in ready:
                if isinstance(made, PercError):
                    if self.on_error == "raise":
                        raise made
                    Quarantine(self.quarantine).add(id.text, made)
                    logger.warning("structures: leaving out %s", made)
                    yield []
                    continue
                yield made
        finally:
            ready.close()

    def _made(self, id: Id) -> Rows | PercError:
        try:
            found, path = find(id, self.wish)
            treated = treat(found, path, self.treatment, self.wish.services)
            tables = tables_of(treated, found, self.include_file)
        except PercError as err:
            return err
        return [(f"{id.text}#{number}", table) for number, table in enumerate(tables)]


def _state(base: str) -> str:
    """What tells one state of a service from another: a server's URL; of a local folder, what is in it and when."""
    if location.is_remote(base):
        return base
    digest = hashlib.sha256(base.encode("utf-8", "surrogateescape"))
    for folder, _, names in os.walk(base):
        for name in sorted(names):
            path = os.path.join(folder, name)  # noqa: PTH118 - a folder may hold very many
            try:
                status = os.stat(path)  # noqa: PTH116
            except OSError:
                continue
            told = f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n"
            digest.update(told.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
