"""Makes rows of ids: each structure found, treated and turned into tables, the next ones' while the first are used."""

import logging
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from builders.errors import DiskFullError, FormatError, NotFoundError, OptionError, PercError
from builders.io.blocks import read_ahead
from builders.io.net import remote
from builders.options import with_advice
from builders.quarantine import Quarantine
from builders.structures.databases.ids import Id
from builders.structures.databases.resolve import Wish, find
from builders.structures.rows import tables_of
from builders.structures.treatment import Treatment, treat

logger = logging.getLogger(__name__)

_LASTING = (FormatError, NotFoundError, OptionError)
"""Errors that come again when one asks again; the others are of servers, connections and disks."""

Rows = list[tuple[str, pa.Table]]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Keeps account of ids of which nothing can be had, in files that several processes may add to.

    Args:
        on_error: `raise`, or `skip`: only then is anything left out.
        tables: paths of tables of ids and reasons.
        passing: path of a file that is there once a fault that may pass left something out.
    """

    on_error: str
    tables: tuple[str, ...] = ()
    passing: str | None = None

    def add(self, text: str, err: PercError) -> None:
        """Leave an id out.

        Raises:
            PercError: the same, where nothing is to be left out, or the disk is full.
        """
        if self.on_error == "raise" or isinstance(err, DiskFullError):
            raise with_advice(err)
        for table in self.tables:
            Quarantine(table).add(text, err)
        if self.passing is not None and not isinstance(err, _LASTING):
            Path(self.passing).touch()
        logger.warning("structures: leaving out %s", err)


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes rows of ids; it pickles, for a loader's workers.

    Args:
        wish: where to look for structures.
        treatment: what is done to them.
        include_file: whether rows hold the bytes of a file.
        left_out: what becomes of ids of which nothing can be had.
    """

    wish: Wish
    treatment: Treatment
    include_file: bool
    left_out: LeftOut

    def __call__(self, shards: Iterable[Id]) -> Generator[Rows, None, None]:
        """The rows of each id: none of one that is left out."""
        ready = read_ahead(shards, self._made, ahead=remote.CONNECTIONS, sharers=remote.sharers)
        asked = failed = 0
        try:
            for id, made in ready:
                asked += 1
                if isinstance(made, PercError):
                    failed += 1
                    self.left_out.add(id.text, made)
                    made = []
                yield made
            if failed:
                logger.warning("structures: left out %d of %d ids", failed, asked)
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
