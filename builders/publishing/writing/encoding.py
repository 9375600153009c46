"""How published rows are laid out in Parquet files, as measured by `benchmarks/encodings.py` (docs/encoding.md)."""

from collections.abc import Collection, Iterator
from typing import Any

import pyarrow as pa

VERSION = 3
"""Goes into the recipe of a shard: to be raised when the bytes that are written for the same rows change."""

_ROW_GROUP = 32 * 2**20
_BYTES_GROUP = _ROW_GROUP // 2
"""Of images as bytes: those of 32 MiB take new memory from the system for each one, and half of the rate."""
LARGEST_ROW_GROUP = 2 * _ROW_GROUP
"""Bytes in memory that no row group of several rows has more of, however large the images become."""
_PAGE = 2**20
"""Zstandard finds a tenth less in float32 pages of a quarter of this."""
_LARGEST_PAGE = 2**31 - 1
"""An image lies in one page, however large."""
MOST_BYTES = _LARGEST_PAGE - 2**24
"""What an image as bytes may have: what does not compress becomes a 256th larger."""


def rows_per_group(row_bytes: int, as_bytes: bool = False) -> int:
    """How many rows a row group holds: it is what a stream reads, and holds in memory, at once.

    Args:
        row_bytes: size of a row in memory.
        as_bytes: images are stored as bytes.

    Example:
        >>> rows_per_group(256 * 256 * 4)
        128
        >>> rows_per_group(8192 * 8192 * 4)
        1
    """
    return max(1, (_BYTES_GROUP if as_bytes else _ROW_GROUP) // max(1, row_bytes))


def most_pixels(kind: pa.DataType) -> int:
    """How many pixels of a type an image may have; Parquet has 4 bytes for what is shorter, but for half floats.

    Example:
        >>> round(most_pixels(pa.float32()) ** (1 / 3)), round(most_pixels(pa.uint8()) ** (1 / 2))
        (754, 20724)
    """
    width = 2 if pa.types.is_float16(kind) else max(4, kind.bit_width // 8)
    # a byte more for each: where rows and columns begin is written in the page, too
    return _LARGEST_PAGE // (width + 1)


def writer_options(schema: pa.Schema, images: Collection[str], compressed: Collection[str] = ()) -> dict[str, Any]:
    """What to give to `pyarrow.parquet.ParquetWriter` beside the schema.

    Args:
        schema: of the rows.
        images: the columns whose leaves are pixels, or records of images as bytes.
        compressed: those of the latter whose bytes are compressed.

    Example:
        >>> schema = pa.schema({"image": pa.list_(pa.list_(pa.float32())), "label": pa.int64()})
        >>> options = writer_options(schema, ["image"])
        >>> options["column_encoding"], options["use_dictionary"]
        ({'image.list.element.list.element': 'BYTE_STREAM_SPLIT'}, ['label'])
    """
    encodings: dict[str, str] = {}
    dictionaries: list[str] = []
    statistics: list[str] = []
    codecs: dict[str, str] = {}
    for field in schema:
        as_bytes = field.name in images and pa.types.is_struct(field.type)
        pixels = field.name in images and not as_bytes
        for path, kind in _leaves(field.name, field.type):
            encoding = _encoding(kind) if pixels else "PLAIN" if _is_file(kind) else None
            if encoding is None:
                dictionaries.append(path)
            elif encoding != "PLAIN":  # which is pyarrow's, where it is given none
                encodings[path] = encoding
            if not pixels and not _is_file(kind):
                statistics.append(path)
            codecs[path] = "none" if as_bytes and _is_file(kind) and field.name not in compressed else "zstd"
    return {
        "compression": codecs,
        "compression_level": {path: 1 for path, codec in codecs.items() if codec == "zstd"},
        "column_encoding": encodings,
        "use_dictionary": dictionaries,
        "write_statistics": statistics,
        "write_page_index": True,
        "data_page_size": _PAGE,
    }


def _encoding(kind: pa.DataType) -> str | None:
    """The encoding of pixels of a type; None: by dictionary."""
    if pa.types.is_float16(kind):  # half floats that are split are refused by DuckDB
        return "PLAIN"
    if pa.types.is_floating(kind) or pa.types.is_unsigned_integer(kind):
        return "BYTE_STREAM_SPLIT"
    if pa.types.is_signed_integer(kind) and kind.bit_width > 8:
        return "DELTA_BINARY_PACKED"
    return None


def _is_file(kind: pa.DataType) -> bool:
    """Whether these are bytes, of pictures say: they hardly come twice, and none is less than another."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _leaves(path: str, kind: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
    """The columns that Parquet makes of a column, as it names them, and their types."""
    if isinstance(kind, pa.BaseExtensionType):
        yield from _leaves(path, kind.storage_type)
    elif pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(f"{path}.{field.name}", field.type)
    elif pa.types.is_map(kind):
        yield from _leaves(f"{path}.key_value.key", kind.key_type)
        yield from _leaves(f"{path}.key_value.value", kind.item_type)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    else:
        yield path, kind
