"""The metadata of an array of Zarr 3, `zarr.json`, https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from builders.errors import FormatError
from builders.io.formats.zarr.fields import Told, fill_bytes, numbers, shown
from builders.io.scattered.grid import Grid, Shards

CODECS = {"blosc": "blosc", "zstd": "zstd", "gzip": "gzip", "crc32c": "crc32c"}
"""Those of bytes: their names, and ours."""
CODECS |= {f"numcodecs.{name}": name for name in ("blosc", "zstd", "gzip", "zlib", "lz4", "crc32c")}
TYPES = {"bool": "b1", "float16": "f2", "float32": "f4", "float64": "f8", "complex64": "c8", "complex128": "c16"}
TYPES |= {f"{sign}int{8 * size}": f"{sign or 'i'}{size}" for sign in ("", "u") for size in (1, 2, 4, 8)}
_ENDIAN = {"little": "<", "big": ">"}
_KEYS = {("default", "/"): "c/", ("default", "."): "c.", ("v2", "."): ".", ("v2", "/"): "/"}


@dataclass(frozen=True, slots=True)
class Chain:
    """How chunks are coded.

    Attributes:
        endian: `"<"` or `">"`.
        order: in which axes are stored; None: as they are.
        codec: of the bytes, as ours are spelled.
        shards: configuration of `sharding_indexed`; None where there is none.
    """

    endian: str
    order: tuple[int, ...] | None
    codec: str
    shards: Told | None = None


def grid_of(told: Told, name: str) -> Grid:
    """The array that a `zarr.json` speaks of.

    Raises:
        FormatError: it is none that can be read.
    """
    shape = numbers(told.get("shape"), "shape", name)
    chunk = numbers(_config(told.get("chunk_grid"), "regular", "chunk_grid", name).get("chunk_shape"), "chunks", name)
    kind = told.get("data_type")
    if not isinstance(kind, str) or kind not in TYPES:
        msg = f"{name}: pixels of type {shown(kind)}: expected one of {', '.join(TYPES)}"
        raise FormatError(msg)
    if told.get("storage_transformers"):
        msg = f"{name}: storage transformers {shown(told['storage_transformers'])}: expected none"
        raise FormatError(msg)
    chain, shards = _chain(told.get("codecs"), name), None
    if chain.shards is not None:
        shards, chunk, chain = _shards(chain.shards, chunk, name)
    dtype = np.dtype(f"{chain.endian}{TYPES[kind]}")
    fill = fill_bytes(told.get("fill_value"), dtype, name)
    key = _key(told.get("chunk_key_encoding"), name)
    return Grid(shape, chunk, dtype.str, chain.codec, chain.order, fill, key, shards, name)


def _key(told: Any, name: str) -> str:
    kind = told.get("name") if isinstance(told, dict) else told
    config = told.get("configuration") or {} if isinstance(told, dict) else {}
    separator = config.get("separator", "." if kind == "v2" else "/") if isinstance(config, dict) else None
    key = _KEYS.get((kind, separator)) if isinstance(kind, str) and isinstance(separator, str) else None
    if key is None:
        msg = f"{name}: chunk_key_encoding {shown(told)}: expected default or v2, with '/' or '.'"
        raise FormatError(msg)
    return key


def _chain(codecs: Any, name: str, *, is_inner: bool = False) -> Chain:
    """The codecs of chunks, in the order in which they were applied."""
    if not isinstance(codecs, list) or not codecs:
        msg = f"{name}: codecs {shown(codecs)}: expected a list of them"
        raise FormatError(msg)
    order: tuple[int, ...] | None = None
    endian, steps, shards, is_bytes = "<", list[str](), None, False
    for codec in codecs:
        kind, config = _named(codec, name)
        if kind == "transpose" and not is_bytes:
            more = numbers(config.get("order"), "order of axes", name)
            if order is not None and sorted(more) != list(range(len(order))):
                _refuse(codec, name)
            order = more if order is None else tuple(order[axis] for axis in more)
        elif kind == "bytes" and not is_bytes:
            endian, is_bytes = _ENDIAN.get(str(config.get("endian", "little")), ""), True
            if not endian:
                _refuse(codec, name)
        elif kind == "sharding_indexed" and not is_bytes and not is_inner and order is None:
            shards, is_bytes = config, True
        elif kind in CODECS and is_bytes and shards is None:
            steps.append(CODECS[kind])
        else:
            _refuse(codec, name)
    if not is_bytes:
        _refuse(codecs, name)
    return Chain(endian, order, "+".join(reversed(steps)) or "raw", shards)


def _shards(config: Told, shape: Sequence[int], name: str) -> tuple[Shards, tuple[int, ...], Chain]:
    """Shards, the shape of their chunks, and how these are coded."""
    chunk = numbers(config.get("chunk_shape"), "chunks of a shard", name)
    chain = _chain(config.get("codecs"), name, is_inner=True)
    index = _chain(config.get("index_codecs"), name, is_inner=True)
    place = config.get("index_location", "end")
    if place not in ("start", "end") or index.order or index.endian != "<" or index.codec not in ("raw", "crc32c"):
        told = f"at the {shown(place)}, coded by {shown(config.get('index_codecs'))}"
        msg = f"{name}: an index of shards {told}: expected little-endian bytes, with crc32c or not"
        raise FormatError(msg)
    return Shards(tuple(shape), index.codec, place == "start"), chunk, chain


def _named(told: Any, name: str) -> tuple[str, Told]:
    kind = told.get("name") if isinstance(told, dict) else told
    config = told.get("configuration") or {} if isinstance(told, dict) else {}
    if not isinstance(kind, str) or not isinstance(config, dict):
        _refuse(told, name)
    return kind, config


def _config(told: Any, kind: str, what: str, name: str) -> Told:
    found = _named(told, name)
    if found[0] != kind:
        msg = f"{name}: {what} {shown(told)}: expected {kind}"
        raise FormatError(msg)
    return found[1]


def _refuse(codec: Any, name: str) -> NoReturn:
    known = ", ".join(("transpose", "bytes", "sharding_indexed", *CODECS))
    msg = f"{name}: chunks coded by {shown(codec)}: expected {known}, arrays first, then bytes"
    raise FormatError(msg)
