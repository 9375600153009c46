"""Picked rows as catalogues: in the cache, for streams; or held, with the headers of their files, for an index."""

import contextlib
import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from builders.errors import NotFoundError, PercError
from builders.io import image_file
from builders.io.files.cache import default_folder, disk_error
from builders.io.files.header_store import HeaderStore
from builders.options import with_advice
from builders.quarantine import without_path
from builders.stacks.picked.catalogue import Catalogue, HeldCatalogue, write
from builders.stacks.picked.groups import as_told
from builders.stacks.picked.tables import left_out
from builders.stacks.rows import Images, Reading, look_at_all

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """The rows of a split, and what is known of their files.

    Attributes:
        catalogue: the rows.
        looked: the files, or what is wrong with them.
        left_out: paths and reasons of what of them cannot be read.
    """

    catalogue: Catalogue
    looked: tuple[Images | PercError, ...]
    left_out: tuple[tuple[str, object], ...]

    @property
    def contradicted(self) -> list[tuple[str, str]]:
        """Paths of files that have another size than their headers say, and how they are read."""
        images = [one for one in self.looked if isinstance(one, Images)]
        return [
            (one.file.path, one.image.contradiction) for one in images if one.image.contradicts_header and not one.lost
        ]


def written(table: pa.Table, state: tuple[object, ...], folder: str | None, builder: str) -> Catalogue:
    """A catalogue in the cache; written only where it is not there yet.

    Args:
        table: as `catalogue.table_of` makes it.
        state: what tells it from all others of the builder.
        folder: of the cache.
        builder: whose it is.

    Raises:
        PercError: the cache cannot be written.
    """
    name = hashlib.sha256(repr(state).encode("utf-8", "surrogateescape")).hexdigest()
    path = Path(folder or default_folder()) / builder / f"{name}.arrow"
    if path.exists():
        return Catalogue(str(path))
    try:
        return write(path, table)
    except OSError as err:
        raise disk_error(err, path.parent, f"rows of {builder}") from err


def held(table: pa.Table, reading: Reading, store: HeaderStore, source: str) -> Part:
    """Rows with the headers of their files.

    Args:
        table: as `catalogue.table_of` makes it.
        reading: how files become rows; its `on_error` says whether rows that cannot be read are left out.
        store: of headers.
        source: where the rows are from, such as a table, for messages.

    Raises:
        PercError: a file cannot be read, or has not what the table says it has; or nothing is left.
    """
    catalogue = HeldCatalogue(table)
    files = catalogue.files
    named = [catalogue.files_of(name) for name in ("", *catalogue.companions)]
    used = np.unique(np.concatenate(named)).tolist()
    unused: list[Images | PercError] = [NotFoundError("no row is of this file") for _ in files]
    with contextlib.closing(look_at_all([files[number] for number in used], reading, store)) as found:
        for number, one in zip(used, found, strict=True):
            unused[number] = as_told(one, catalogue.sides[number])
    looked = tuple(unused)
    lost = left_out(catalogue, looked, source)
    if lost and reading.on_error == "raise":
        raise with_advice(lost[0].error)
    gone, count = sum(rows for _, _, rows in lost), table.num_rows
    if gone == count:
        msg = f"{source}: none of {count} rows has an image that can be read; the first one: {lost[0].error}"
        raise NotFoundError(msg)
    told: list[tuple[str, object]] = [(path, error) for path, error, _ in lost]
    images = [one for one in looked if isinstance(one, Images)]
    told += [(one.file.path, one.lost) for one in images if one.lost]
    for path, reason in told:
        logger.warning("%s: leaving out of %s: %s", reading.builder, path, without_path(path, reason))
    if gone:
        logger.warning("%s: left out %d of %d rows of %s", reading.builder, gone, count, source)
    image_file.report_contradictions(source, [one.image for one in images])
    return Part(catalogue, looked, tuple(told))
