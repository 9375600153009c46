"""Particles as a `.cs` file of CryoSPARC: NumPy's format with a record for each, never pickled."""

import logging
from collections.abc import Iterable
from typing import BinaryIO

import numpy as np

from builders.particles.writing.cryosparc_fields import UID, Rows, Values, fields_of
from builders.particles.writing.optics import Survey, keys_of
from builders.particles.writing.pieces import Piece

logger = logging.getLogger(__name__)

_BATCH = 10_000


def write_cs(
    file: BinaryIO, pieces: Iterable[Piece], found: Survey, folder: str, shape: tuple[int, int] | None, seed: str
) -> None:
    """Write the table.

    Args:
        file: where to.
        pieces: all of them, in order.
        found: what is in them.
        folder: in which the stacks lie, relative to where names of the table begin; `""`, or one that ends in `/`.
        shape: `(ny, nx)` of the micrographs, where somebody tells it.
        seed: what the `uid` of rows that have none is made of.

    Raises:
        MixedError: some rows have a value, and others lack it, for which CryoSPARC has no word.
    """
    fields = fields_of(found, len(folder.encode()), shape, seed)
    kind = np.dtype([(name, *field.dtype) for name, field in fields.items()])
    header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": (found.rows,)}
    np.lib.format.write_array_header_2_0(file, header)
    first, uids = 0, list[Values]()
    for piece in pieces:
        stacks = np.array([(folder + stack.name).encode() for stack in piece.stacks] or [b""])
        for start in range(0, len(piece.rows), _BATCH):
            table = piece.rows.slice(start, _BATCH)
            rows = Rows(table, stacks, np.array([found.groups[key] for key in keys_of(table)]), first)
            records = np.zeros(len(table), kind)
            for name, field in fields.items():
                records[name] = field.made(rows)
            file.write(records.tobytes())
            uids.append(records[UID].copy())
            first += len(table)
    if len(np.unique(np.concatenate(uids))) < first:
        logger.warning("particles share a uid, where CryoSPARC has one for each: without a column 'uid' they get some")
