"""Where the binary values of a Parquet file lie in it, if they lie there as they are."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

_MOST_HEADER = 1024
_LENGTH = struct.Struct("<I")
_DATA_PAGE, _PLAIN = 0, 0
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _STRUCT = 1, 2, 3, 4, 5, 6, 7, 8, 12
"""Types of fields in Thrift's compact protocol."""


def places_of(
    fd: int, column: pq.ColumnChunkMetaData, levels: int, sizes: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """Where each value of a column chunk begins in its file.

    Args:
        fd: of the file.
        column: what the file says of the chunk, none of whose values is missing.
        levels: the most that the file's schema has of definition levels for it.
        sizes: bytes of each value.

    Returns:
        None: they are compressed, or encoded, or of other sizes; then another reader says what is there.
    """
    if column.compression != "UNCOMPRESSED" or column.physical_type != "BYTE_ARRAY" or column.has_dictionary_page:
        return None
    places = np.empty(len(sizes), np.int64)
    start, first = column.data_page_offset, 0
    end = start + column.total_compressed_size
    while start < end and first < len(sizes):
        page = _page(os.pread(fd, _MOST_HEADER, start))
        if page is None:
            return None
        values = start + page.header
        if levels:
            values += _LENGTH.size + _number(fd, values)
        start += page.header + page.size
        strides = _LENGTH.size + sizes[first : first + page.values]
        if values + strides.sum() != start or _number(fd, values) != sizes[first]:
            return None
        places[first : first + page.values] = values + np.cumsum(strides) - sizes[first : first + page.values]
        first += page.values
    return places if start == end and first == len(sizes) else None


def _number(fd: int, place: int) -> int:
    data = os.pread(fd, _LENGTH.size, place)
    return int(_LENGTH.unpack(data)[0]) if len(data) == _LENGTH.size else -1


@dataclass(frozen=True, slots=True)
class _Page:
    header: int
    size: int
    values: int


def _page(data: bytes) -> _Page | None:
    """What the header of a page of plain values says; None of any other."""
    fields = _Fields(data)
    try:
        told = fields.struct()
        about = told[5]
        if told[1] == _DATA_PAGE and told[2] == told[3] and about[2] == _PLAIN and about[1] > 0:
            return _Page(fields.place, told[3], about[1])
    except (IndexError, KeyError, ValueError, TypeError):
        pass
    return None


class _Fields:
    """Reads Thrift's compact protocol, as far as headers of pages need it.

    Args:
        data: begins with a struct.

    Attributes:
        place: of the byte that comes next.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self.place = data, 0

    def struct(self) -> dict[int, Any]:
        """The fields of a struct by their numbers.

        Raises:
            ValueError, IndexError: it is none, or it does not end.
        """
        return dict(self._fields())

    def _fields(self) -> Iterator[tuple[int, Any]]:
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            yield number, self._value(head & 15)

    def _value(self, kind: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind in (_I16, _I32, _I64):
            return self._signed()
        if kind == _STRUCT:
            return self.struct()
        sizes = {_BYTE: 1, _DOUBLE: 8}
        if kind not in sizes and kind != _BINARY:
            msg = f"a field of type {kind}"
            raise ValueError(msg)
        size = sizes[kind] if kind in sizes else self._unsigned()
        self.place += size
        return None

    def _byte(self) -> int:
        self.place += 1
        return self._data[self.place - 1]

    def _unsigned(self) -> int:
        number, shift = 0, 0
        while (byte := self._byte()) & 128:
            number |= (byte & 127) << shift
            shift += 7
        return number | byte << shift

    def _signed(self) -> int:
        number = self._unsigned()
        return (number >> 1) ^ -(number & 1)
