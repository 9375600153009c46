"""Columns of an Arrow table as NumPy arrays, of which any rows are taken at once, without a Python object a row."""

from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from datasets.features import ClassLabel, Value
from numpy.typing import NDArray

Places = NDArray[np.int64]

_NUMBERS = frozenset(("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float32", "float64", "bool"))
_TEXTS = ("string", "large_string")
_FEW = 16


class Column(Protocol):
    """A column of a table, decoded block by block as rows of it are asked for."""

    def fill(self, start: int, block: pa.Array) -> None:
        """Take over the rows from `start` on."""

    def take(self, places: Places) -> "Taken":
        """The rows at some places, in that order."""


class Numbers:
    """Numbers, truth values or class labels.

    Args:
        count: rows of the table.
        dtype: as they are stored.
    """

    def __init__(self, count: int, dtype: np.dtype[Any]) -> None:
        self._values = np.empty(count, dtype)
        self._valid: NDArray[np.bool_] | None = None

    def fill(self, start: int, block: pa.Array) -> None:
        """Take over the rows from `start` on."""
        stop = start + len(block)
        if block.null_count:
            if self._valid is None:
                self._valid = np.ones(len(self._values), np.bool_)
            self._valid[start:stop] = block.is_valid().to_numpy(zero_copy_only=False)
            block = block.fill_null(pa.scalar(False if self._values.dtype == bool else 0, block.type))
        self._values[start:stop] = block.to_numpy(zero_copy_only=False)

    def take(self, places: Places) -> "TakenNumbers":
        """The rows at some places, in that order."""
        valid = None if self._valid is None else self._valid[places]
        return TakenNumbers(self._values[places], None if valid is None or valid.all() else valid)


class Texts:
    """Texts of which many rows have the same, or each its own.

    Args:
        count: rows of the table.
    """

    def __init__(self, count: int) -> None:
        self._codes = np.empty(count, np.int32)
        self._blocks: dict[int, pa.Array] = {}
        self._texts: list[str | None] = [None]
        self._known: dict[str | None, int] = {None: 0}

    def fill(self, start: int, block: pa.Array) -> None:
        """Take over the rows from `start` on."""
        coded = block.dictionary_encode()
        stop = start + len(block)
        if len(coded.dictionary) > max(_FEW, len(block) // 2):
            number = -1 - len(self._blocks)
            self._blocks[number] = block, start
            self._codes[start:stop] = number
            return
        codes = [self._code(text) for text in coded.dictionary.to_pylist()]
        indices = coded.indices.fill_null(len(codes)) if coded.null_count else coded.indices
        self._codes[start:stop] = np.array([*codes, 0], np.int32)[indices.to_numpy(zero_copy_only=False)]

    def _code(self, text: str | None) -> int:
        if text not in self._known:
            self._known[text] = len(self._texts)
            self._texts.append(text)
        return self._known[text]

    def take(self, places: Places) -> "TakenTexts":
        """The rows at some places, in that order."""
        codes = self._codes[places].tolist()
        texts = self._texts
        if not self._blocks:
            return TakenTexts([texts[code] for code in codes])
        found = zip(codes, places.tolist(), strict=True)
        return TakenTexts([texts[code] if code >= 0 else self._at(code, place) for code, place in found])

    def _at(self, code: int, place: int) -> str | None:
        block, start = self._blocks[code]
        text: str | None = block[place - start].as_py()
        return text


class Structs:
    """Structs of numbers and texts, however deep.

    Args:
        count: rows of the table.
        columns: one for each field.
    """

    def __init__(self, count: int, columns: dict[str, Any]) -> None:
        self._columns = columns
        self._here = Numbers(count, np.dtype(np.bool_))

    def fill(self, start: int, block: pa.Array) -> None:
        """Take over the rows from `start` on."""
        self._here.fill(start, block.is_valid())
        values = block.flatten()  # null where the struct is
        for field, child in zip(block.type, values, strict=True):
            self._columns[field.name].fill(start, child)

    def take(self, places: Places) -> "TakenStructs":
        """The rows at some places, in that order."""
        here = self._here.take(places).values
        taken = {name: column.take(places) for name, column in self._columns.items()}
        return TakenStructs(taken, None if here.all() else here)


class TakenNumbers:
    """Numbers of some rows.

    Args:
        values: as they are stored.
        valid: which are there; None: all.
    """

    def __init__(self, values: NDArray[Any], valid: NDArray[np.bool_] | None) -> None:
        self.values = values
        self.valid = valid

    def as_list(self) -> list[Any]:
        """As Python objects, None for null."""
        values: list[Any] = self.values.tolist()
        if self.valid is None:
            return values
        return [value if valid else None for value, valid in zip(values, self.valid.tolist(), strict=True)]

    def as_floats(self) -> NDArray[Any]:
        """The numbers, as floats with NaN for null where there is one."""
        if self.valid is None:
            return self.values
        floats = self.values.astype(np.float32 if self.values.dtype in (np.bool_, np.float32) else np.float64)
        floats[~self.valid] = np.nan
        return floats


class TakenTexts:
    """Texts of some rows.

    Args:
        texts: one for each, None for null.
    """

    def __init__(self, texts: list[str | None]) -> None:
        self.texts = texts

    def as_list(self) -> list[Any]:
        """As Python objects, None for null."""
        return self.texts


class TakenStructs:
    """Structs of some rows.

    Args:
        columns: their fields.
        here: which are no null; None: all.
    """

    def __init__(self, columns: dict[str, Any], here: NDArray[np.bool_] | None) -> None:
        self.columns = columns
        self.here = here

    def as_list(self) -> list[Any]:
        """As Python objects, None for null."""
        fields = [column.as_list() for column in self.columns.values()]
        rows: list[Any] = [dict(zip(self.columns, values, strict=True)) for values in zip(*fields, strict=True)]
        if self.here is None:
            return rows
        return [row if here else None for row, here in zip(rows, self.here.tolist(), strict=True)]


Taken = TakenNumbers | TakenTexts | TakenStructs


def column_for(feature: Any, kind: pa.DataType, count: int) -> Any:
    """A column of `count` rows of a kind; None where it is left to `datasets`."""
    if isinstance(feature, dict) and pa.types.is_struct(kind) and kind.num_fields:
        fields = {field.name: column_for(feature.get(field.name), field.type, count) for field in kind}
        return None if None in fields.values() else Structs(count, fields)
    if not isinstance(feature, Value | ClassLabel):
        return None
    if str(kind) in _TEXTS:
        return Texts(count)
    dtype = number_type(kind)
    return None if dtype is None else Numbers(count, dtype)


def number_type(kind: pa.DataType) -> np.dtype[Any] | None:
    """NumPy's type of numbers or truth values of Arrow's; None where they are left to `datasets`."""
    name = str(kind)
    name = {"float": "float32", "double": "float64"}.get(name, name)
    return np.dtype(name) if name in _NUMBERS else None
