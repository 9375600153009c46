"""Where images of a column lie, many of them in one place: a file of this machine or of a server, or memory."""

import contextlib
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.boxes.overhang import MOST_UNASKED
from builders.io.files import location
from builders.io.formats.compression import is_packed
from builders.io.image_reference import layout_of
from builders.io.layout import USUAL, Layout
from builders.io.made.layout import Made

_MOST_BYTES = 2**40
"""Of an image: beyond that, something is wrong with its shape."""
_NUMBER = "-?[0-9]{1,15}"
_SIDES = f"(?P<top>{_NUMBER}):(?P<bottom>{_NUMBER}),(?P<left>{_NUMBER}):(?P<right>{_NUMBER})"
_BOX = f"^(?P<image>[^@]+)@(?:(?P<front>{_NUMBER}):(?P<back>{_NUMBER}),)?{_SIDES}$"
"""The type of a reference to a box of an image of two axes, or of a volume."""


@dataclass(slots=True)
class Source:
    """Where images of one layout lie: anywhere in one version of a file, or in memory.

    Attributes:
        first: their layout at the start of it; of boxes, as they are once they are read.
        path: a plain file, of this machine or of a server.
        etag: its version.
        data: the memory, if it is no file.
        image: the layout of an image or a volume at the start of it, if they are boxes of such.
        sides: of these boxes.
        spelling: how references spell that layout.
        made: the image of a row, of those that are made by the recipe at `path`: they lie at their rows' numbers.
    """

    first: Layout
    path: str = ""
    etag: str = ""
    data: NDArray[np.uint8] | None = None
    image: Layout | None = None
    sides: tuple[int, ...] = ()
    spelling: str = ""
    made: Made | None = None

    def image_at(self, offset: int) -> Layout:
        """The layout of an image that lies at a byte.

        Raises:
            FormatError: there is none.
        """
        assert self.image is not None
        if type(self.image) is Layout:
            return replace(self.image, offset=offset)
        return _spelled(self.image.shape, self.spelling, offset, self.path)

    @property
    def is_known(self) -> bool:
        """Whether what was seen there once is seen there for ever."""
        return self.data is not None or bool(self.etag)

    @property
    def is_remote(self) -> bool:
        """Whether the file is a server's."""
        return location.is_remote(self.path)


Identified = tuple[tuple[Any, ...], Source | None]
"""What tells a source from others, and the source; None where rows are to be read one by one."""


@functools.cache
def _layout(dtype: str, shape: tuple[Any, ...]) -> Layout | None:
    """The layout of plain pixels that a reference tells in this way; None where it is another, or none."""
    if dtype not in USUAL or len(shape) not in (2, 3) or not all(side is not None and side > 0 for side in shape):
        return None
    first = Layout(shape, dtype, 0)
    return first if first.is_plain and math.prod(shape) < _MOST_BYTES else None


def of_file(path: str, etag: str | None, dtype: str, shape: tuple[Any, ...]) -> Identified:
    """The source of images in a file, as references tell it."""
    first = None if _is_other(path) else _layout(dtype, shape)
    return (path, etag, dtype, shape), None if first is None else Source(first, path, etag or "")


def of_recipe(path: str, etag: str | None, dtype: str, shape: tuple[Any, ...]) -> Identified:
    """The source of images that are made by a recipe, as references tell it."""
    key, image = (path, etag, dtype, shape), None
    if all(side is not None and 0 < side < _MOST_BYTES for side in shape):
        with contextlib.suppress(FormatError):  # of a row that has a name, which it is told with
            image = layout_of(shape, dtype, 0, 0, path)
    if not isinstance(image, Made) or "://" in path:
        return key, None
    first = _layout(image.dtype.str, shape)
    return key, None if first is None else Source(first, path, etag or "", made=image)


def of_memory(data: NDArray[np.uint8], start: int) -> Callable[..., Identified]:
    """What gives the source of images in memory, of a block of rows that begins at a number."""

    def make(dtype: str, shape: tuple[Any, ...]) -> Identified:
        first = _layout(dtype, shape)
        return (start, dtype, shape), None if first is None else Source(first, data=data)

    return make


def of_boxes(path: str, etag: str | None, dtype: str, shape: tuple[Any, ...], *sides: int) -> Identified:
    """The source of boxes of one size in a file.

    Args:
        path: the file.
        etag: its version.
        dtype: how their images are spelled.
        shape: of these.
        sides: of the boxes, `nz, ny, nx`; of boxes of images, nz is 0.
    """
    key = path, etag, dtype, shape, *sides
    box = sides if sides[0] else sides[1:]
    is_one = len(shape) == len(box) and all(side is not None and 0 < side < _MOST_BYTES for side in shape)
    is_one = is_one and (len(box) == 3 or (dtype in USUAL and not _is_other(path)))
    if "://" in path and not location.is_remote(path):
        is_one = False
    if not is_one or min(box) < 1 or math.prod(box) > MOST_UNASKED:
        return key, None
    try:
        image = Layout(shape, dtype, 0) if dtype in USUAL else _spelled(shape, dtype, 0, path)
    except FormatError:  # of a row that has a name, which it is told with
        return key, None
    first = _layout(image.dtype.str, box[1:] if box[0] == 1 and len(box) == 3 else box)
    return key, None if first is None else Source(first, path, etag or "", None, image, box, dtype)


@functools.lru_cache(maxsize=64)
def _spelled(shape: tuple[int, ...], dtype: str, offset: int, name: str) -> Layout:
    return layout_of(shape, dtype, offset, None, name)


def _is_other(path: str) -> bool:
    """Whether no bytes of a file can be read without those before them."""
    return is_packed(path) if location.is_remote(path) else "://" in path


def boxes_in(dtypes: pa.StringArray) -> pa.StructArray | None:
    """What types of references to boxes spell, as texts: `image`, and where edges are; `front` and `back` of volumes.

    Args:
        dtypes: of references.

    Returns:
        Null where a type is no box of two or three axes; None where none is.

    Example:
        >>> _, box = boxes_in(pa.array(["<f4", "<f4@-5:59,0:64"])).to_pylist()
        >>> box
        {'image': '<f4', 'front': '', 'back': '', 'top': '-5', 'bottom': '59', 'left': '0', 'right': '64'}
        >>> boxes_in(pa.array(["<f4"])) is None
        True
    """
    if not pc.any(pc.match_substring(dtypes, "@")).as_py():
        return None
    return pc.extract_regex(dtypes, _BOX)
