"""Columns of an Arrow table where it is, as in a file that is mapped: rows are taken, and no other one is decoded."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from builders.hf.batches.columns import Places, Taken, TakenNumbers, TakenStructs, TakenTexts, number_type

_MOST_TEXTS = 2**16
"""Different texts of a column that are kept as Python's; where there are more, those of a batch are made for it."""


Chosen = Places | range
"""Rows of a table by their numbers: any of them, or one after another."""
Packed = tuple[str, list[str] | None, int, int]
"""A column, the fields of its structs if it is such, and which ones of several columns of numbers are its."""


def as_places(chosen: Chosen) -> Places:
    """Numbers of rows as an array."""
    return np.arange(chosen.start, chosen.stop) if isinstance(chosen, range) else chosen


class TableColumn:
    """A column of a table, of which any rows are taken.

    Args:
        values: the column; in one piece, unless it is to be copied.

    Attributes:
        fields: names of those of structs that are single precision in all of them; else None.
        is_text: whether its values are texts.

    Example:
        >>> column = TableColumn(pa.chunked_array([[1.5, None, 2.5]]))
        >>> column.take(np.array([2, 1, 2])).as_list()
        [2.5, None, 2.5]
    """

    def __init__(self, values: pa.ChunkedArray) -> None:
        self._values = values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
        self._kept = _kept(self._values)
        self._filled: dict[float, FilledColumn] = {}
        self.is_text = isinstance(self._kept, _Texts | _NumberedTexts)
        self._has_blocks = isinstance(self._kept, _Numbers | _Structs)
        self.fields = self._kept.singles if isinstance(self._kept, _Structs) else None
        is_number = isinstance(self._kept, _Numbers) and self._kept.values.dtype.kind != "b"
        self._is_absent = (is_number or self.fields is not None) and self._values.null_count == len(self._values) > 0

    def __len__(self) -> int:
        return len(self._values)

    def filled(self, value: float | None) -> "TableColumn":
        """The same with a number instead of null; of columns of numbers."""
        if value is None or not self._values.null_count:
            return self
        if value not in self._filled:
            self._filled[value] = FilledColumn(self, value)
        return self._filled[value]

    def take(self, places: Chosen) -> Taken | None:
        """The rows at some places, in that order; None of what is neither numbers nor texts nor structs of these."""
        return None if self._kept is None else self._kept.take(as_places(places))

    def block(self, places: Chosen) -> NDArray[Any] | None:
        """Numbers as the torch format has them, NaN for null; of structs, all of one `fields` after another.

        Returns:
            `(rows,)` or `(fields, rows)`; None where there are other values, or where a null makes others of them.
        """
        if self._is_absent:
            sides = (len(places),) if self.fields is None else (len(self.fields), len(places))
            return np.full(sides, np.nan, np.float32)
        return self._kept.block(places) if self._has_blocks else None

    def plain(self, dtype: np.dtype[Any]) -> list[NDArray[Any]] | None:
        """All numbers of the column, or of each of its `fields`, as they are mapped; None where there are others."""
        columns = list(self._kept._columns.values()) if isinstance(self._kept, _Structs) else [self._kept]
        if getattr(self._kept, "_valid", None) is not None or type(self) is not TableColumn:
            return None
        are_plain = all(isinstance(c, _Numbers) and c.is_plain and c.values.dtype == dtype for c in columns)
        return [column.values for column in columns] if are_plain and (self.fields or len(columns) == 1) else None

    def values(self, places: Chosen) -> list[Any]:
        """The same as Python objects, None for null."""
        taken = self.take(places)
        made: list[Any] = self.arrow(places).to_pylist() if taken is None else taken.as_list()
        return made

    def arrow(self, places: Chosen) -> pa.Array:
        """The same as Arrow's array, of texts where texts are numbered."""
        return _plain(self._values.take(pa.array(as_places(places))))


class MappedTable(dict[str, TableColumn]):
    """Columns of a table, by name, of which those of plain numbers are taken together."""

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return len(next(iter(self.values())))

    def packs(self, chosen: Chosen) -> Iterator[tuple[NDArray[Any], list[Packed]]]:
        """Some rows of all columns of single precision, and of all of int64, in which nothing is null.

        Returns:
            For each of the two types an array `(columns, rows)`, and which columns are there.
        """
        for arrays, names in self._packs:
            pack = np.empty((len(arrays), len(chosen)), arrays[0].dtype)
            if isinstance(chosen, range):
                for row, values in zip(pack, arrays, strict=True):
                    row[:] = values[chosen.start : chosen.stop]
            else:
                for row, values in zip(pack, arrays, strict=True):
                    np.take(values, chosen, out=row, mode="clip")  # "raise" would copy once more
            yield pack, names

    @cached_property
    def _packs(self) -> list[tuple[list[NDArray[Any]], list[Packed]]]:
        found = []
        for dtype in (np.float32, np.int64):
            arrays: list[NDArray[Any]] = []
            names: list[Packed] = []
            for name, column in self.items():
                own = column.plain(np.dtype(dtype))
                if own is not None:
                    names.append((name, column.fields, len(arrays), len(arrays) + len(own)))
                    arrays += own
            found += [(arrays, names)] if arrays else []
        return found


class FilledColumn(TableColumn):
    """A column of numbers, with another number where it has null.

    Args:
        column: of which rows are taken.
        value: instead of null.
    """

    def __init__(self, column: TableColumn, value: float) -> None:
        self._values, self._kept, self.fields = column._values, column._kept, column.fields
        self.is_text = False
        self._filled, self._value = {}, value

    def take(self, places: Chosen) -> Taken | None:
        """The rows at some places, in that order."""
        taken = super().take(places)
        if not isinstance(taken, TakenNumbers) or taken.valid is None:
            return taken
        return TakenNumbers(np.where(taken.valid, taken.values, taken.values.dtype.type(self._value)), None)

    def block(self, places: Chosen) -> NDArray[Any] | None:
        """The rows at some places, in that order."""
        taken = self.take(places)
        return taken.values if isinstance(taken, TakenNumbers) and taken.values.dtype == np.float32 else None

    def arrow(self, places: Chosen) -> pa.Array:
        """The same as Arrow's array."""
        found = super().arrow(places)
        return pc.fill_null(found, pa.scalar(self._value, found.type))


def _plain(values: pa.Array) -> pa.Array:
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


class _Bits:
    """Truth values, eight in a byte.

    Args:
        buffer: which bytes.
        offset: of the first of them, in bits.
    """

    def __init__(self, buffer: pa.Buffer, offset: int) -> None:
        self._bytes, self._offset = np.frombuffer(buffer, np.uint8), offset

    def take(self, places: Places) -> NDArray[np.bool_]:
        bits = places + self._offset
        found: NDArray[np.bool_] = (self._bytes[bits >> 3] >> (bits & 7).astype(np.uint8) & 1).view(np.bool_)
        return found


def _valid(values: pa.Array) -> _Bits | None:
    """Which values are not null; None: all."""
    return _Bits(values.buffers()[0], values.offset) if values.null_count else None


class _Numbers:
    def __init__(self, values: pa.Array, dtype: np.dtype[Any]) -> None:
        self._valid, start = _valid(values), values.offset
        self._bits = _Bits(values.buffers()[1], start) if dtype.kind == "b" and len(values) else None
        self.is_single = dtype == np.float32
        self.is_plain = self._valid is None and dtype in (np.float32, np.int64)
        self.values = np.empty(0, dtype)
        if self._bits is None and len(values):
            self.values = np.frombuffer(values.buffers()[1], dtype)[start : start + len(values)]

    def block(self, places: Chosen) -> NDArray[Any] | None:
        if self._valid is not None and self.is_single:
            return self.take(as_places(places)).as_floats()
        if not self.is_plain:
            return None
        return self.values[places.start : places.stop].copy() if isinstance(places, range) else self.values[places]

    def take(self, places: Places) -> TakenNumbers:
        values = self.values[places] if self._bits is None else self._bits.take(places)
        valid = None if self._valid is None else self._valid.take(places)
        if valid is None or valid.all():
            return TakenNumbers(values, None)
        values[~valid] = 0  # where there is nothing, anything may stand
        return TakenNumbers(values, valid)


class _Texts:
    def __init__(self, values: pa.Array) -> None:
        self._values = values

    def take(self, places: Places) -> TakenTexts:
        return TakenTexts(self._values.take(pa.array(places)).to_pylist())


class _NumberedTexts:
    """Texts of a list, by their places in it."""

    def __init__(self, values: pa.DictionaryArray, dtype: np.dtype[Any]) -> None:
        self._codes = _Numbers(values.indices, dtype)
        self._dictionary = values.dictionary
        self._texts = values.dictionary.to_pylist() if len(values.dictionary) <= _MOST_TEXTS else None

    def take(self, places: Places) -> TakenTexts:
        codes = self._codes.take(places)
        numbers: Any = codes.values if codes.valid is None else np.where(codes.valid, codes.values, 0)
        if self._texts is not None and (self._texts or codes.valid is None):
            texts = [self._texts[code] for code in numbers.tolist()]
        else:
            mask = None if codes.valid is None else ~codes.valid
            return TakenTexts(self._dictionary.take(pa.array(numbers, mask=mask)).to_pylist())
        if codes.valid is not None:
            texts = [text if valid else None for text, valid in zip(texts, codes.valid.tolist(), strict=True)]
        return TakenTexts(texts)


class _Structs:
    def __init__(self, valid: _Bits | None, columns: dict[str, Any]) -> None:
        self._valid, self._columns = valid, columns
        are_single = all(isinstance(column, _Numbers) and column.is_single for column in columns.values())
        self.singles = list(columns) if are_single else None

    def block(self, places: Chosen) -> NDArray[Any] | None:
        if self.singles is None:
            return None
        block = np.array([column.block(places) for column in self._columns.values()])
        if self._valid is not None:
            block[:, ~self._valid.take(as_places(places))] = np.nan
        return block

    def take(self, places: Places) -> TakenStructs:
        here = None if self._valid is None else self._valid.take(places)
        here = None if here is None or here.all() else here
        taken = {name: column.take(places) for name, column in self._columns.items()}
        return TakenStructs({name: _only(inner, here) for name, inner in taken.items()}, here)


def _only(taken: Any, here: NDArray[np.bool_] | None) -> Any:
    """A field of structs of which some are null, and so are its values in these."""
    if here is None:
        return taken
    if isinstance(taken, TakenNumbers):
        return TakenNumbers(taken.values, here if taken.valid is None else here & taken.valid)
    if isinstance(taken, TakenTexts):
        texts = zip(taken.texts, here.tolist(), strict=True)
        return TakenTexts([text if is_here else None for text, is_here in texts])
    inner = {name: _only(column, here) for name, column in taken.columns.items()}
    return TakenStructs(inner, here if taken.here is None else here & taken.here)


def _kept(values: pa.Array) -> Any:
    """What rows of an array are taken from; None where that is left to Arrow."""
    kind = values.type
    if pa.types.is_struct(kind) and kind.num_fields:
        fields = {field.name: _kept(values.field(number)) for number, field in enumerate(kind)}
        return None if None in fields.values() else _Structs(_valid(values), fields)
    if pa.types.is_dictionary(kind):
        codes, is_text = number_type(kind.index_type), pa.types.is_string(kind.value_type)
        return _NumberedTexts(values, codes) if codes is not None and is_text else None
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _Texts(values)
    dtype = number_type(kind)
    return None if dtype is None else _Numbers(values, dtype)
