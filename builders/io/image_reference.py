"""Where an image lies, as a reference to it says: in few fields of a table, none of which is believed."""

import base64
import binascii
import math
import re
from dataclasses import replace
from typing import Any

from builders.errors import FormatError
from builders.io.boxes.overhang import FilledBox, box_of
from builders.io.boxes.turned import Turned, cube_of, turned_of
from builders.io.coded import Coded, packed, unpacked
from builders.io.flipped import Flipped, flipped
from builders.io.layout import USUAL, Box, InterleavedSlice, Layout, Range, spelled
from builders.io.made.layout import MARK, Made, made_of
from builders.io.movies.developed import Developed
from builders.io.movies.spelling import developed_of
from builders.io.scattered.base import Scattered
from builders.io.scattered.spelling import scattered_of

_MOST = 2**63 - 1
_MOST_AXES = 32
_SIDE = re.compile(r"(-?[0-9]{1,19}):(-?[0-9]{1,19})")
"""From and to along an axis; a box may begin before its image."""


def told(layout: Layout) -> dict[str, Any]:
    """The fields that say where an image lies: `offset`, `shape`, `dtype`, and where need be `index`.

    Of a box, they are those of the whole image, with the box in `dtype`, such as `"<f4@10:12,50:60"`, or
    `"<f4@-5:59,4060:4124"` where it reaches beyond the image (`builders.io.boxes.overhang`); of a slice that does not
    lie apart, those of all slices, and which one it is in `index`; of coded images, `dtype` tells the codec, the shape
    of a part and, in base64, where the parts lie, such as `"<u2/zlib/16,4096/AgCgD0UT"`. Behind all that but a box,
    `~` says that rows are stored bottom up (`builders.io.flipped`). Of what is made of frames, they are those of the
    frames, with what is made of them in `dtype`, such as `"|u1#{"each":8}"`; of a cube that is cut upright, those of
    the volume, with the cube behind a `^` (`builders.io.boxes.turned`); of what is made by a recipe, the row in `index`
    and the column in `dtype`, such as `"<f4%made{"column":"image"}"` (`builders.io.made.layout`). In front of a box or
    a cube, `!` says that the image is a mask, which is 0 beyond its edges (`Layout.is_mask`).

    Example:
        >>> told(Layout((3, 5), "<f4", 1024))
        {'offset': 1024, 'shape': [3, 5], 'dtype': '<f4'}
    """
    if layout.is_mask:
        plain = told(replace(layout, is_mask=False))
        return plain | {"dtype": f"{plain['dtype']}!"}
    if isinstance(layout, Box) and isinstance(layout.whole, Developed) and len(layout.shape) < len(layout.whole.shape):
        return told(box_of(layout.whole.slice(layout.bounds[0][0], layout.whole.name), layout.bounds[1:]))
    if isinstance(layout, Box | FilledBox):
        bounds = ",".join(f"{start}:{stop}" for start, stop in layout.bounds)
        whole = told((layout.inner if isinstance(layout, FilledBox) else layout).whole)
        return whole | {"dtype": f"{whole['dtype']}@{bounds}"}
    if isinstance(layout, Flipped):
        whole = told(layout.whole)
        return whole | {"dtype": f"{whole['dtype']}~"}
    if isinstance(layout, Developed):
        frames = told(layout.frames)
        return frames | {"dtype": f"{frames['dtype']}{layout.spelling}"}
    if isinstance(layout, Turned):
        volume = told(layout.volume)
        return volume | {"dtype": f"{volume['dtype']}{layout.spelling}"}
    if isinstance(layout, Scattered):
        of_row = {"index": layout.index} if isinstance(layout, Made) else {}
        return of_row | {"offset": 0, "shape": list(layout.shape), "dtype": f"{layout.encoding}{layout.spelling}"}
    if isinstance(layout, InterleavedSlice):
        shape = [layout.count, *layout.shape]
        return {"offset": layout.offset, "shape": shape, "dtype": layout.spelling, "index": layout.index}
    dtype = layout.spelling
    if type(layout) not in (Layout, Coded):
        msg = f"a layout of class {type(layout).__name__}: no reference spells it"
        raise TypeError(msg)
    if isinstance(layout, Coded):
        parts = packed(layout.starts, layout.stops, layout.offset)
        dtype += f"/{base64.urlsafe_b64encode(parts).decode('ascii')}"
    return {"offset": layout.offset, "shape": list(layout.shape), "dtype": dtype}


def layout_of(shape: tuple[int, ...], dtype: str, offset: int, index: int | None, name: str) -> Layout:
    """The layout that the fields of a reference spell out.

    Raises:
        FormatError: they cannot be those of one.

    Example:
        >>> layout_of((100, 200), "<f4@10:12,50:60", 1024, None, "x.mrc").shape
        (2, 10)
    """
    if dtype in USUAL and offset >= 0 and 0 < len(shape) < 5 and min(shape) > 0 and index is None:
        return Layout(shape, dtype, offset)  # nearly all are, and each row that is decoded asks
    if (cube := turned_of(dtype)) is not None:
        return cube_of(layout_of(shape, cube[0], offset, index, name), cube[1], name)
    text, mark, made = dtype.partition("%")
    if mark and "#" not in text:
        return _scattered(shape, text, made, index, name)
    text, mark, made = dtype.partition("#")
    if mark:
        image, rest = developed_of(layout_of(shape, text, offset, index, name), made, name)
        if rest and not rest.startswith("@"):
            msg = f"{name}: a reference to pixels of {rest[:100]!r}, behind what is made of frames: expected a box"
            raise FormatError(msg)
        part = box_of(image, _bounds(rest[1:], rest, name), name) if rest else image
        return part if image.shape[0] == 1 else part.squeezed()  # one sum of a group is a movie, too
    spelling, at, box = dtype.partition("@")
    unmarked = spelling.removesuffix("!")
    text = unmarked.removesuffix("~")
    encoding, *coding = text.split("/")
    if offset < 0 or not 0 < len(shape) <= _MOST_AXES or min(shape) < 0:
        msg = f"{name}: a reference to shape {shape[:_MOST_AXES]} at byte {offset}: expected nothing negative"
        raise FormatError(msg)
    if max(offset, *shape) > _MOST or (0 in shape and math.prod(filter(None, shape)) > _MOST // 16):
        msg = f"{name}: a reference to shape {shape} at byte {offset}: expected what a file could hold"
        raise FormatError(msg)
    if coding:
        layout: Layout = _coded(shape, encoding, offset, coding, name)
    else:
        layout = spelled(text, shape, offset, name)
        if index is not None and len(shape) > 2 and not layout.slices_lie_apart:
            layout = layout.slice(index, name)
    if text != unmarked:
        layout = flipped(layout)
    return _boxed(layout, unmarked != spelling, box if at else None, dtype, name)


def _scattered(shape: tuple[int, ...], encoding: str, told: str, index: int | None, name: str) -> Layout:
    image: Scattered
    if told.startswith(MARK):
        image, rest = made_of(shape, encoding, told, index, name)
    else:
        image, rest = scattered_of(shape, encoding, told, name, layout_of)
    mark, at, box = rest.partition("@")
    if mark not in ("", "~", "!", "~!"):
        msg = f"{name}: a reference to pixels of {rest[:100]!r}, behind where their files are: expected a box"
        raise FormatError(msg)
    layout = flipped(image) if "~" in mark else image
    return _boxed(layout, "!" in mark, box if at else None, rest, name)


def _boxed(layout: Layout, is_mask: bool, box: str | None, told: str, name: str) -> Layout:
    """An image, or the box of it that a reference spells."""
    if is_mask:
        layout = replace(layout, is_mask=True)
    return layout if box is None else box_of(layout, _bounds(box, told, name), name).squeezed()


def _coded(shape: tuple[int, ...], encoding: str, offset: int, coding: list[str], name: str) -> Coded:
    try:
        codec, part, code = coding
        parts = base64.b64decode(code, b"-_", validate=True)
    except (ValueError, binascii.Error) as err:
        msg = f"{name}: a reference to pixels coded as {'/'.join(coding)[:100]!r}: expected a codec, a shape and parts"
        raise FormatError(msg) from err
    sides = tuple(_numbers(part.split(","), part, name))
    return Coded(shape, encoding, offset, None, codec, sides, *unpacked(parts, offset, name), name)


def _bounds(text: str, dtype: str, name: str) -> list[Range]:
    sides = [_SIDE.fullmatch(side) for side in text.split(",", _MOST_AXES)]
    if None in sides:
        msg = f"{name}: a reference to the box {dtype[:100]!r}: expected from:to of each axis, whole numbers"
        raise FormatError(msg)
    return [(int(side[1]), int(side[2])) for side in sides if side]


def _numbers(texts: list[str], dtype: str, name: str) -> list[int]:
    if not all(text.isdecimal() and text.isascii() and len(text) < 20 for text in texts):
        msg = f"{name}: a reference to pixels of {dtype[:100]!r}: expected whole numbers in it"
        raise FormatError(msg)
    return [int(text) for text in texts]
