"""Images that are made, as layouts: a reference names the recipe's file, the row's index, and which of its images."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from builders.errors import FormatError
from builders.io.layout import Array, Range
from builders.io.made.known import known
from builders.io.scattered.base import Scattered

MARK = "made"
"""What stands behind the `%` of a reference."""
_MOST_TEXT = 1000


@dataclass(frozen=True, slots=True)
class Made(Scattered):
    """An image that is made when it is read.

    Attributes:
        shape: of it.
        encoding: of its pixels.
        offset: 0.
        axes: None.
        column: which of a row's images it is.
        index: of the row.
    """

    column: str = "image"
    index: int = 0

    @property
    def spelling(self) -> str:
        """See `Scattered`."""
        return f"%{MARK}{json.dumps({'column': self.column}, separators=(',', ':'))}"

    def read(self, path: str, etag: str | None, bounds: Sequence[Range]) -> Array:
        """See `Scattered`."""
        image = self.read_rows(path, etag, np.array([self.index]))[0]
        part: Array = np.ascontiguousarray(image[tuple(slice(*side) for side in bounds)])
        return part

    def read_rows(self, path: str, etag: str | None, indices: "np.ndarray[Any, np.dtype[np.int64]]") -> Array:
        """The same image of some rows, `(rows, *shape)`, in memory of their own.

        Args:
            path: of the recipe.
            etag: its digest; None or empty: any.
            indices: of the rows.

        Raises:
            ChangedError: the recipe is another one.
            FormatError: its images are others than this one says.
            NotFoundError: there is none.
        """
        found = known(path, etag)
        maker = found.maker
        kind = maker.images.get(self.column)
        if kind is None or kind != self.dtype or maker.shape != self.shape or (len(indices) and indices.min() < 0):
            msg = f"{path}: a reference to the {self.dtype} image {self.column!r} of shape {self.shape} of row "
            msg += f"{indices.min()}: expected one of {', '.join(maker.images)}, of shape {maker.shape}, of row 0 or on"
            raise FormatError(msg)
        return found.images(indices, self.column)


def made_of(shape: tuple[int, ...], encoding: str, text: str, index: int | None, name: str) -> tuple[Made, str]:
    """The image that a reference spells, and what follows in its text.

    Args:
        shape: of it.
        encoding: of its pixels.
        text: what stands behind the `%`.
        index: of the row.
        name: of the recipe, for errors.

    Raises:
        FormatError: it cannot be.
    """
    said = text.removeprefix(MARK)
    try:
        told, end = json.JSONDecoder().raw_decode(said[:_MOST_TEXT])
        is_fine = isinstance(told, dict) and told.keys() == {"column"} and isinstance(told["column"], str)
        if not is_fine or index is None or not 0 <= index < 2**62 or len(shape) not in (2, 3):
            msg = f"row {index}, shape {shape}"
            raise ValueError(msg)
        np.dtype(encoding)
    except (ValueError, TypeError, RecursionError) as err:
        msg = f"{name}: a reference to an image that is made, {text[:100]!r}: {err}: expected a column and an index"
        raise FormatError(msg) from err
    return Made(shape, encoding, 0, None, told["column"], index), said[end:]
