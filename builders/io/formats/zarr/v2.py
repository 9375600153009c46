"""The metadata of an array of Zarr 2, `.zarray`, https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html."""

import re
from typing import Any

import numpy as np

from builders.errors import FormatError
from builders.io.formats.zarr.fields import Told, fill_bytes, numbers, shown
from builders.io.scattered.grid import Grid

CODECS = {"blosc": "blosc", "zstd": "zstd", "gzip": "gzip", "zlib": "zlib", "lz4": "lz4", "crc32c": "crc32c"}
"""Their names, and ours."""
_TYPE = re.compile(r"[<>|][biufc][0-9]{1,2}")


def grid_of(told: Told, name: str) -> Grid:
    """The array that a `.zarray` speaks of.

    Raises:
        FormatError: it is none that can be read.
    """
    shape, chunk = (numbers(told.get(field), field, name) for field in ("shape", "chunks"))
    encoding, order, separator = told.get("dtype"), told.get("order", "C"), told.get("dimension_separator", ".")
    if not isinstance(encoding, str) or not _TYPE.fullmatch(encoding):
        msg = f"{name}: pixels of type {shown(encoding)}: expected numbers, such as '<f4'"
        raise FormatError(msg)
    if order not in ("C", "F") or separator not in (".", "/"):
        msg = f"{name}: order {shown(order)}, dimension_separator {shown(separator)}: expected C or F, and '.' or '/'"
        raise FormatError(msg)
    axes = tuple(reversed(range(len(chunk)))) if order == "F" and len(chunk) > 1 else None
    codec = _codec(told, name)
    fill = fill_bytes(told.get("fill_value"), np.dtype(encoding), name)
    return Grid(shape, chunk, encoding, codec, axes, fill, separator, None, name)


def _codec(told: Told, name: str) -> str:
    filters = told.get("filters") or []
    if not isinstance(filters, list):
        msg = f"{name}: filters {shown(filters)}: expected a list of codecs"
        raise FormatError(msg)
    steps: list[Any] = [told.get("compressor"), *reversed(filters)]
    found = []
    for step in steps:
        if step is None:
            continue
        id = step.get("id") if isinstance(step, dict) else step
        if not isinstance(id, str) or id not in CODECS:
            msg = f"{name}: chunks coded by {shown(id)}: expected one of {', '.join(CODECS)}"
            raise FormatError(msg)
        found.append(CODECS[id])
    return "+".join(found) or "raw"
