"""Picked rows held against the headers of their files, and the tables of a map-style dataset that they become."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from builders.errors import FormatError, NotFoundError, PercError
from builders.io.files import location
from builders.io.files.header_store import HeaderStore
from builders.options import with_advice
from builders.particles.rows import Picked
from builders.stacks.columns import Selection
from builders.stacks.rows import Images, Reading, look_at_all
from builders.terminal import printable

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Index:
    """Rows whose images are known to be there.

    Attributes:
        picked: the rows.
        images: the files that they are of, by their numbers; None of those that cannot be read, which no row is of.
    """

    picked: Picked
    images: tuple[Images | None, ...]

    def pieces(self, most: int) -> list["Index"]:
        """The same rows in pieces of so many, each with the files that it needs."""
        return [self._piece(start, most) for start in range(0, len(self.picked.numbers), most)]

    def _piece(self, start: int, count: int) -> "Index":
        rows, numbers = self.picked.rows.slice(start, count), self.picked.numbers[start : start + count]
        used, which = np.unique(rows["file"].to_numpy(), return_inverse=True)
        rows = rows.set_column(rows.schema.get_field_index("file"), "file", pa.array(which, pa.int32()))
        files = tuple(self.picked.files[number] for number in used)
        picked = replace(self.picked, files=files, rows=rows, numbers=numbers, left_out=())
        return Index(picked, tuple(self.images[number] for number in used))

    def table(self, reading: Reading, schema: pa.Schema) -> pa.Table:
        """The rows as a dataset has them, their images by reference.

        Args:
            reading: how files become rows.
            schema: names and types of the dataset's columns.
        """
        rows, images = self.picked.rows, [one for one in self.images if one is not None]
        numbers = rows["slice"].to_numpy()
        selection = Selection(images, rows["file"].to_numpy().astype(np.int64), numbers)
        sizes = [reading.pixel_size if one.image.pixel_size is None else one.image.pixel_size for one in images]
        told = rows["pixel_size"]
        columns = {name: rows[name] for name in rows.column_names}
        columns |= {
            "image": selection.references(),
            "pixel_size": pc.coalesce(told, pa.chunked_array([selection.per_file(sizes, told.type)])),
            "path": selection.per_file([one.file.path for one in images], pa.string()),
            "index": rows["slice"],
        }
        return pa.table([_as(columns[field.name], field.type) for field in schema], schema=schema)


def _as(column: pa.ChunkedArray | pa.Array, kind: pa.DataType) -> pa.ChunkedArray | pa.Array:
    return column if column.type == kind else column.cast(kind)


def index(
    picked: Picked, sides: pa.ChunkedArray, reading: Reading, store: HeaderStore, source: str
) -> tuple[Index, tuple[tuple[str, str], ...]]:
    """Read the headers of the files that rows are of, and hold the rows against them.

    Args:
        picked: the rows.
        sides: of each row, pixels of a side of its image, as the table says; null: it does not.
        reading: how files become rows; its `on_error` says whether rows without an image are left out.
        store: of headers.
        source: the table, for messages.

    Returns:
        The rows that are left, and paths of files that have another size than their headers say, with how they are
        read.

    Raises:
        PercError: a file cannot be read, or has not the images that the table says it has; nothing is left.
    """
    left_out = list(picked.left_out)
    images: list[Images | None] = []
    with contextlib.closing(look_at_all(picked.files, reading, store)) as looked_at:
        for file, seen in zip(picked.files, looked_at, strict=True):
            found = _as_stack(file.path, seen)
            if isinstance(found, PercError):
                if reading.on_error == "raise":
                    raise with_advice(found)
                left_out.append((file.path, found))
                logger.warning("particles: leaving out %s", found)
            elif found.lost:
                left_out.append((file.path, found.lost))
                logger.warning("particles: %s: %s", file.path, found.lost)
            images.append(found if isinstance(found, Images) else None)
    files = picked.rows["file"].to_numpy()
    keep = np.array([one is not None for one in images], bool)[files]
    for mask, reasons in _unlike(picked, sides, images):
        for path, reason in reasons:
            if reading.on_error == "raise":
                raise with_advice(FormatError(f"{source}: {reason}"))
            left_out.append((path, reason))
            logger.warning("particles: leaving out rows of %s: %s", source, reason)
        keep &= ~mask
    if not keep.any():
        reason = f": {left_out[0][0]}: {left_out[0][1]}" if left_out else ""
        msg = f"{source}: none of its {len(keep)} rows has an image that can be read{reason}"
        raise NotFoundError(msg)
    rest = picked if keep.all() else picked.take(keep)
    contradicted = tuple(
        (one.file.path, one.image.contradiction)
        for one in images
        if one is not None and one.image.contradicts_header and not one.lost
    )
    return Index(replace(rest, left_out=tuple(left_out)), tuple(images)), contradicted


def _as_stack(path: str, found: Images | PercError) -> Images | PercError:
    """A file as it was looked at, unless it holds no images of two axes, or its path cannot be written."""
    no_text = location.why_no_text(path)
    if no_text:
        return FormatError(f"{printable(path)}: {no_text}")
    if isinstance(found, Images) and len(found.layout(0).shape) != 2:
        return FormatError(f"{path}: it holds volumes of shape {found.layout(0).shape}: expected a stack of images")
    return found


def _unlike(
    picked: Picked, sides: pa.ChunkedArray, images: Sequence[Images | None]
) -> Iterator[tuple[NDArray[np.bool_], Iterator[tuple[str, str]]]]:
    """Rows that say of their images what these are not, and of each of their files its path and what is wrong."""
    files, slices = picked.rows["file"].to_numpy(), picked.rows["slice"].to_numpy()
    counts = np.array([0 if one is None else one.count for one in images], np.int64)[files]
    shapes = [(0, 0) if one is None else one.layout(0).shape for one in images]
    ny, nx = np.array(shapes, np.int64).reshape(-1, 2).T
    told = pc.fill_null(sides, -1).to_numpy()
    beyond = (counts > 0) & ((slices >= counts) | (slices < 0))
    other = (counts > 0) & ~beyond & (told >= 0) & ((told != ny[files]) | (told != nx[files]))

    def no_such_slice(row: int) -> str:
        path = picked.files[files[row]].path
        return f"row {picked.numbers[row] + 1} names image {slices[row] + 1} of {path}, which has {counts[row]}"

    def other_size(row: int) -> str:
        group, path = picked.rows["optics_group"][row].as_py(), picked.files[files[row]].path
        whose = "the table" if group is None else f"optics group {group}"
        side, shape = told[row], f"{nx[files[row]]} x {ny[files[row]]}"
        return f"{whose} says images of {side} x {side} pixels, {path} has {shape}"

    for mask, said in ((beyond, no_such_slice), (other, other_size)):
        rows = np.flatnonzero(mask)
        numbers, first, many = np.unique(files[rows], return_index=True, return_counts=True)
        yield (
            mask,
            (
                (picked.files[number].path, f"{said(int(rows[place]))} ({count} row{'s' * (count != 1)})")
                for number, place, count in zip(numbers.tolist(), first.tolist(), many.tolist(), strict=True)
            ),
        )
