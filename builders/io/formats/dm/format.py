"""DM3 and DM4 files as a format: which of their tags are its image, and what these say of it."""

import math
import struct
from dataclasses import dataclass, field, replace

from builders.errors import FormatError
from builders.io.formats.contents import Contents, weigh
from builders.io.formats.dm.tags import NUMBERS, TEXT, Head, Tag, head_of, walk
from builders.io.formats.protocol import HEAD, Format, Read
from builders.io.formats.reader import exactly
from builders.io.layout import Layout, encoded_size

_IMAGES, _DATA = "ImageList", "ImageData"
_TYPES = {
    **{1: "i2", 2: "f4", 3: "c8", 6: "u1", 7: "i4", 9: "i1", 10: "u2", 11: "u4", 12: "f8", 13: "c16", 14: "u1"},
    **{39: "i8", 40: "u8"},
}
"""Gatan's numbers for types of pixels; 14 are masks."""
_COLOUR = (8, 23)
_HALF_TRANSFORMS = (5, 27, 28)
_UNITS = {"Å": 1.0, "A": 1.0, "pm": 0.01, "nm": 10.0, "µm": 1e4, "um": 1e4}
"""Å in each. The Greek letter mu and the sign for ångström are read as the signs here."""
_LEAST, _MOST = 0.01, 1e5
"""Å per pixel that a microscope can have: a scale without a calibration is often 0 or 1e30."""
_MOST_AXES = 8
_MOST_LETTERS = 16
_MOST_BYTES = 2**54


@dataclass(slots=True)
class _Image:
    """What the tags of an image say, as far as they have been read."""

    data: Tag | None = None
    kind: int | None = None
    sides: dict[str, int] = field(default_factory=dict)
    scale: float | None = None
    units: str = ""


class Dm(Format):
    """Files of Gatan's DigitalMicrograph."""

    name = "dm"
    suffixes = (".dm3", ".dm4")
    is_packed = True
    title = "DM3, DM4"
    notes = (
        "The first image that is not in colour, as the thumbnail is: two or three axes, in the order z, y, x.",
        "Rows are as stored, as ncempy and RosettaSciIO give them. That is their order in TIFF files that the same",
        "program saves, so IMOD's dm2mrc turns them over; here only gain references are, as those in TIFF files.",
        "The pixel size is the calibration along x, if its unit is pm, Å, nm or µm; 1/nm and none are none.",
        "Spectra, images in colour and packed Fourier transforms are refused.",
    )

    def recognises(self, head: bytes) -> bool:
        """Whether a file begins with a version, a byte order and a tag."""
        return head_of(head) is not None

    def describe(self, read: Read, size: int | None, name: str) -> Contents:
        """The image, by a walk around pixels along the tags as far as its own.

        Raises:
            FormatError: no tree of tags, or none with an image that can be read.
            TruncatedError: the file ends before the tags of its image do.
        """
        head = head_of(read(0, HEAD))
        if head is None:
            msg = f"{name}: no DM3 or DM4 file: expected a version, a byte order and tags"
            raise FormatError(msg)
        image = _first_image(read, head, name)
        layout, deviations = _layout(image, head, name)
        told = f"shape {layout.shape}, {layout.dtype}"
        contents = weigh(layout, size, name, told, more_follows=True)
        return replace(contents, pixel_size=_pixel_size(image), deviations=deviations)


def _first_image(read: Read, head: Head, name: str) -> _Image:
    """The first image that is not in colour. Nothing behind its own tags is read."""
    image, number, passed = _Image(), "", 0
    for tag in walk(read, head, name):
        if len(tag.path) < 4 or tag.path[0] != _IMAGES or tag.path[2] != _DATA or tag.path[1] != number:
            if image.data is not None and image.kind not in _COLOUR:
                return image
            passed += image.data is not None
            image = _Image()
            number = tag.path[1] if tag.path[0] == _IMAGES and len(tag.path) > 1 else ""
        if len(tag.path) >= 4 and tag.path[0] == _IMAGES and tag.path[2] == _DATA:
            _note(image, tag, tag.path[3:], read, head, name)
    if image.data is not None and image.kind not in _COLOUR:
        return image
    passed += image.data is not None
    what = f"{passed} in colour and no other" if passed else "none"
    msg = f"{name}: images in its tags: {what}: expected an image of numbers"
    raise FormatError(msg)


def _note(image: _Image, tag: Tag, path: tuple[str, ...], read: Read, head: Head, name: str) -> None:
    """Keep what a tag of an image says."""
    if path == ("Data",):
        image.data = tag
    elif path == ("DataType",):
        image.kind = int(_number(tag, read, head, name))
    elif path[0] == "Dimensions" and len(path) == 2 and len(image.sides) <= _MOST_AXES:
        image.sides[path[1]] = int(_number(tag, read, head, name))
    elif path == ("Calibrations", "Dimension", "#0", "Scale"):
        image.scale = _number(tag, read, head, name)
    elif path == ("Calibrations", "Dimension", "#0", "Units"):
        image.units = _text(tag, read, head, name)


def _number(tag: Tag, read: Read, head: Head, name: str) -> float:
    kind = NUMBERS.get(tag.types[0]) if len(tag.types) == 1 else None
    if kind is None:
        msg = f"{name}: {'.'.join(tag.path)} is of type {tag.types[:8]}: expected a number"
        raise FormatError(msg)
    value: float = struct.unpack(head.byte_order + kind, exactly(read, tag.offset, tag.nbytes, name, "tags"))[0]
    if not math.isfinite(value):
        return 0.0
    return value


def _text(tag: Tag, read: Read, head: Head, name: str) -> str:
    """A few letters; none of what is longer, or no text."""
    if len(tag.types) != 3 or tag.types[1] != TEXT or tag.types[2] > _MOST_LETTERS:
        return ""
    data = exactly(read, tag.offset, tag.nbytes, name, "tags")
    return data.decode("utf-16-le" if head.byte_order == "<" else "utf-16-be", "replace")


def _layout(image: _Image, head: Head, name: str) -> tuple[Layout, tuple[str, ...]]:
    """Where the pixels lie, and what is odd about that."""
    assert image.data is not None
    if image.kind in _HALF_TRANSFORMS:
        msg = f"{name}: half of a Fourier transform (DataType {image.kind}): expected an image"
        raise FormatError(msg)
    if image.kind not in _TYPES:
        msg = f"{name}: DataType {image.kind}: expected one of {', '.join(map(str, _TYPES))}"
        raise FormatError(msg)
    sides = [side for number, side in enumerate(image.sides.values()) if number < 2 or side != 1]
    if not 2 <= len(sides) <= 3 or len(image.sides) > _MOST_AXES:
        msg = f"{name}: an array of {len(image.sides)} axes ({_listed(image)}): expected an image or a stack, 2 or 3"
        raise FormatError(msg)
    if min(sides) < 1 or math.prod(sides) > _MOST_BYTES // 16:
        msg = f"{name}: sides {_listed(image)}: expected 1 or more each, and what a file can hold"
        raise FormatError(msg)
    kind = _TYPES[image.kind]
    encoding = f"|{kind}" if kind in ("i1", "u1") else head.byte_order + kind
    shape = tuple(reversed(sides))
    needed = encoded_size(encoding, shape)
    if needed > image.data.nbytes:
        msg = f"{name}: {image.data.nbytes} bytes of pixels, where sides {_listed(image)} of {kind} take {needed}"
        raise FormatError(msg)
    left = image.data.nbytes - needed
    odd = (f"more pixels than its sides say ({left} bytes, which are not read)",) if left else ()
    return Layout(shape, encoding, image.data.offset), odd


def _listed(image: _Image) -> str:
    return " x ".join(map(str, list(image.sides.values())[:_MOST_AXES])) or "none"


def _pixel_size(image: _Image) -> float | None:
    """Å per pixel along x; None where the file has another unit, or none, or a size that cannot be."""
    unit = image.units.strip("\x00 ").replace("\u03bc", "µ").replace("\u212b", "Å")
    size = (image.scale or 0.0) * _UNITS.get(unit, 0.0)
    return size if _LEAST <= size <= _MOST else None
