"""Where an image lies as a reference to it says it: in a few fields of a table, believed by nobody who reads them."""

from typing import Any

from builders.errors import FormatError
from builders.io.formats.coded import Coded, packed, unpacked
from builders.io.layout import Box, InterleavedSlice, Layout, Range, spelled

MOST = 2**31 - 1
"""The longest side that a reference can tell."""


def told(layout: Layout) -> dict[str, Any]:
    """The fields that say where an image lies: `offset`, `shape`, `dtype`, and where need be `index` and `parts`.

    Of a box, they are those of the whole image, with the box in `dtype`, such as `"<f4@10:12,50:60"`; of a slice that
    does not lie apart, those of all slices, and which one it is in `index`.

    Example:
        >>> told(Layout((3, 5), "<f4", 1024))
        {'offset': 1024, 'shape': [3, 5], 'dtype': '<f4'}
    """
    if isinstance(layout, Box):
        bounds = ",".join(f"{start}:{stop}" for start, stop in layout.bounds)
        whole = told(layout.whole)
        return whole | {"dtype": f"{whole['dtype']}@{bounds}"}
    if isinstance(layout, InterleavedSlice):
        shape = [layout.count, *layout.shape]
        return {"offset": layout.offset, "shape": shape, "dtype": layout.spelling, "index": layout.index}
    fields = {"offset": layout.offset, "shape": list(layout.shape), "dtype": layout.spelling}
    if isinstance(layout, Coded):
        fields["parts"] = packed(layout.starts, layout.stops, layout.offset)
    return fields


def layout_of(
    shape: tuple[int, ...], dtype: str, offset: int, index: int | None, parts: bytes | None, name: str
) -> Layout:
    """The layout that the fields of a reference spell out.

    Raises:
        FormatError: they cannot be those of one.

    Example:
        >>> layout_of((100, 200), "<f4@10:12,50:60", 1024, None, None, "x.mrc").shape
        (2, 10)
    """
    text, _, box = dtype.partition("@")
    encoding, *coding = text.split("/")
    if offset < 0 or not shape or any(n < 0 for n in shape):
        msg = f"{name}: a reference to shape {shape} at byte {offset}: expected nothing negative"
        raise FormatError(msg)
    if coding:
        if len(coding) != 2 or parts is None:
            msg = f"{name}: a reference to pixels coded as {dtype!r}: expected a codec, a shape and parts"
            raise FormatError(msg)
        part = tuple(_numbers(coding[1].split(","), dtype, name))
        layout: Layout = Coded(shape, encoding, offset, None, coding[0], part, *unpacked(parts, offset, name), name)
    else:
        layout = spelled(text, shape, offset, name)
        if index is not None and len(shape) > 2 and not layout.slices_lie_apart:
            layout = layout.slice(index, name)
    return layout.box(_bounds(box, dtype, name), name).squeezed() if box else layout


def _bounds(text: str, dtype: str, name: str) -> list[Range]:
    found = [_numbers(side.split(":"), dtype, name) for side in text.split(",")]
    if any(len(side) != 2 for side in found):
        msg = f"{name}: a reference to the box {dtype!r}: expected from:to of each axis"
        raise FormatError(msg)
    return [(side[0], side[1]) for side in found]


def _numbers(texts: list[str], dtype: str, name: str) -> list[int]:
    if not all(text.isdecimal() and text.isascii() and len(text) < 20 for text in texts):
        msg = f"{name}: a reference to pixels of {dtype!r}: expected whole numbers in it"
        raise FormatError(msg)
    return [int(text) for text in texts]
