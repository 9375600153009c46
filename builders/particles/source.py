"""A table and the files that it names: what is asked of disks and servers, each once."""

import base64
import contextlib
import functools
import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

import pyarrow as pa

from builders.archive.archive import Archive, sized
from builders.archive.named.finding import Found, Stage, find
from builders.archive.named.places import Place, stages_of
from builders.archive.named.table_files import TableFile, bring
from builders.archive_licences import ARCHIVES, entry_of
from builders.errors import PercError
from builders.io import tables
from builders.io.files import location
from builders.io.files.cache import default_folder
from builders.io.files.whole_file import write_whole
from builders.io.tables.particle_table import ParticleTable
from builders.particles.rows import coded, of_half_set, plain, require_rows
from builders.particles.tilts import TiltTables

logger = logging.getLogger(__name__)

_VERSION = 3
"""Of the outlines of tables that are kept in the cache."""
_Outline = tuple[list[str], pa.Schema, bool]


@dataclass
class Source:
    """A table of particles and the files that hold its images.

    Attributes:
        places: of the table's files.
        root: the folder of its images, where one was named.
        archive: that places in entries are in.
        columns: the table's own ones that are wanted besides the vocabulary.
        half_set: the one of RELION's whose rows are wanted; None: all rows.
        named: the column whose names are looked for: `"image"` or `"micrograph"`.
        skip: whether rows of files that are not there are left out.
        pixel_size: of the images, Å, where the table does not tell it.
        cache: folder of the cache; None: its default.
        listed: the file that lists the tilt series of its tomograms, where one was named.
    """

    places: Sequence[Place]
    root: Place | None
    archive: Archive
    columns: Sequence[str]
    half_set: int | None
    named: str
    skip: bool
    pixel_size: float | None
    cache: str | None
    listed: Place | None = None

    @property
    def name(self) -> str:
        """The table's, for messages."""
        return " and ".join(str(place) for place in self.places)

    @functools.cached_property
    def files(self) -> list[TableFile]:
        """The files of the table, on this machine.

        Raises:
            NotFoundError: one is not there.
        """
        return bring(self.places, self.archive, self.cache)

    def bring_anew(self) -> None:
        """Fetch the table's files again, and forget what was made of them."""
        for made in ("files", "table", "tilts", "_outline"):
            vars(self).pop(made, None)
        self.files = bring(self.places, self.archive, self.cache, anew=True)
        self._outline_file.unlink(missing_ok=True)

    @functools.cached_property
    def table(self) -> ParticleTable:
        """Its rows that are wanted.

        Raises:
            FormatError: it is no table of particles, or has no rows.
            OptionError: it has none of the half-set, or not the columns.
        """
        files = [(str(file.place), Path(file.path)) for file in self.files]
        table = tables.read_particles(files, list(self.columns), self.pixel_size)
        require_rows(table)
        return of_half_set(table, self.half_set)

    @property
    def names(self) -> list[str]:
        """The names that are looked for, each once."""
        return self._outline[0]

    @property
    def extra(self) -> pa.Schema:
        """The table's own columns that are wanted, as a dataset has them."""
        return self._outline[1]

    @property
    def has_stacks(self) -> bool:
        """Whether its images are stacks of tilts."""
        return self._outline[2]

    @functools.cached_property
    def tilts(self) -> TiltTables:
        """What tells of the tilt series of its tomograms."""
        return TiltTables(self.listed, self.places, self.root, self.archive, self.cache)

    @functools.cached_property
    def _outline(self) -> _Outline:
        """Names, and types of columns; those of a table that was read before are remembered."""
        with contextlib.suppress(OSError, ValueError):
            names, extra, has_stacks = json.loads(self._outline_file.read_text(encoding="utf-8"))
            return list(map(str, names)), pa.ipc.read_schema(pa.py_buffer(base64.b64decode(extra))), bool(has_stacks)
        names, _ = coded(self.table.rows[self.named])
        schema = pa.schema([(field.name, plain(field.type)) for field in self.table.extra.schema])
        extra, has_stacks = base64.b64encode(schema.serialize()).decode(), self.table.stacks is not None
        try:
            write_whole(self._outline_file, json.dumps([names, extra, has_stacks]).encode())
        except PercError as err:
            logger.info("%s: its names are not remembered: %s", self.name, err)
        return names, schema, has_stacks

    @property
    def _outline_file(self) -> Path:
        asked = [_VERSION, [file.version for file in self.files], list(map(str, self.places)), list(self.columns)]
        asked += [self.half_set, self.named, str(self.archive.base)]
        name = hashlib.sha256(json.dumps(asked).encode("utf-8", "surrogateescape")).hexdigest()
        return Path(self.cache or default_folder()) / "particles" / f"{name}.json"

    @functools.cached_property
    def stages(self) -> list[Stage]:
        """Where images are looked for."""
        return stages_of(self.root, self.places, self.archive, self.cache)

    @functools.cached_property
    def found(self) -> Found:
        """The files of its images.

        Raises:
            NotFoundError: some are not there, and none is to be left out.
            UnsafePathError: a name leads out of where images are looked for.
            OptionError: a name may mean several files.
        """
        found = find(self.names, self.stages, self.name)
        if not self.skip or not found.files:
            found.require_all(self.name, self.stages)
        remote = [file for file in found.files if location.is_remote(file.location)]
        return replace(found, files=sized(found.files)) if remote else found

    @property
    def facts(self) -> dict[str, str]:
        """What `datasets` keeps beside the rows: of the archive's entry, where they are from one."""
        known = [*self.places, *([] if self.root is None else [self.root])]
        number = next((place.entry for place in known if place.entry is not None), None)
        entry = None if number is None else entry_of("empiar", f"EMPIAR-{number}")
        if entry is None:
            return {"description": "Particles of " + ", ".join(PurePath(place.path).name for place in self.places)}
        return {
            "description": f"Particles of {entry.name}",
            "citation": f"{entry.name}, https://doi.org/{entry.doi}",
            "homepage": entry.url,
            "license": ARCHIVES["empiar"].license,
        }

    @property
    def version(self) -> str:
        """Changes when the table does, or any of its files does."""
        digest = hashlib.sha256(repr([file.version for file in self.files]).encode())
        for file in self.found.files:
            digest.update(repr((file.path, file.location, file.most, file.stamp)).encode("utf-8", "surrogateescape"))
        digest.update(repr(self.found.missing).encode("utf-8", "surrogateescape"))
        if self.has_stacks:
            digest.update(self.tilts.version.encode())
        return digest.hexdigest()
