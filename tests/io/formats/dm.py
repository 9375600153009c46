"""A small writer of DM3 and DM4 files for the tests: trees of tags, images as Gatan's programs lay them out."""

import struct

import numpy as np

KINDS = {"i2": 1, "f4": 2, "c8": 3, "u1": 6, "i4": 7, "i1": 9, "u2": 10, "u4": 11, "f8": 12, "c16": 13}
_ELEMENTS = {"i2": [2], "u2": [4], "i4": [3], "u4": [5], "f4": [6], "f8": [7], "u1": [10], "i1": [9]}
_ELEMENTS |= {"c8": [15, 0, 2, 0, 6, 0, 6], "c16": [15, 0, 2, 0, 7, 0, 7]}


class Values(tuple):
    """Types and bytes of a value as they are to be written."""


def value(types, data):
    """A value of any type, right or wrong."""
    return Values((types, data))


class Writer:
    """Writes trees: dicts of tags by name (a name may begin with `#`: none is written), of values and other dicts."""

    def __init__(self, version=4, byte_order="<"):
        self.version, self.order = version, byte_order
        self._wide = ">I" if version == 3 else ">Q"

    def file(self, tree):
        body = self._group(tree)
        order = struct.pack(">I", int(self.order == "<"))
        return struct.pack(">I", self.version) + self._number(len(body)) + order + body + bytes(8)

    def _number(self, number):
        return struct.pack(self._wide, number)

    def _group(self, tree):
        return b"\x01\x00" + self._number(len(tree)) + b"".join(self._tag(*item) for item in tree.items())

    def _tag(self, name, content):
        label = b"" if name.startswith("#") else name.encode("latin-1")
        body = self._group(content) if isinstance(content, dict) else self._value(content)
        length = b"" if self.version == 3 else self._number(len(body))
        return struct.pack(">BH", 20 if isinstance(content, dict) else 21, len(label)) + label + length + body

    def _value(self, content):
        if not isinstance(content, Values):
            content = self._spelled(content)
        types, data = content
        return b"%%%%" + self._number(len(types)) + b"".join(map(self._number, types)) + data

    def _spelled(self, content):
        if isinstance(content, str):
            data = content.encode("utf-16-le" if self.order == "<" else "utf-16-be")
            return [20, 4, len(content)], data
        if isinstance(content, np.ndarray):
            kind = content.dtype.str[1:]
            data = np.ascontiguousarray(content).astype(content.dtype.newbyteorder(self.order)).tobytes()
            return [20, *_ELEMENTS[kind], content.size], data
        if isinstance(content, float):
            return [6], struct.pack(f"{self.order}f", content)
        return [5], struct.pack(f"{self.order}I", content)


def image(pixels, scale=1.0, units="", kind=None):
    """An image's tags, in the order in which they are stored."""
    along = {f"#{n}": {"Origin": 0.0, "Scale": scale, "Units": units} for n in range(pixels.ndim)}
    data = {
        "Calibrations": {"Brightness": {"Scale": 1.0}, "Dimension": along},
        "Data": pixels,
        "DataType": KINDS[pixels.dtype.str[1:]] if kind is None else kind,
        "Dimensions": {f"#{n}": side for n, side in enumerate(reversed(pixels.shape))},
        "PixelDepth": pixels.dtype.itemsize,
    }
    return {"ImageData": data, "ImageTags": {"Acquisition": {"Exposure (s)": 1.5}}, "Name": "image"}


def thumbnail(side=16):
    """The tags of the picture of itself that most files begin with."""
    return image(np.zeros((side, side), np.int32), kind=23)


def tree(*images):
    """A file's tags around its images."""
    return {
        "ApplicationBounds": value([15, 0, 4, 0, 3, 0, 3, 0, 3, 0, 3], bytes(16)),
        "DocumentObjectList": {"#0": {"AnnotationType": 31, "ForegroundColor": value([15, 0, 1, 0, 2], bytes(2))}},
        "ImageList": {f"#{n}": tags for n, tags in enumerate(images)},
        "Thumbnails": {"#0": {"ImageIndex": 0}},
    }


def encode(pixels, version=4, byte_order="<", **options):
    """A file with a thumbnail and an image."""
    return Writer(version, byte_order).file(tree(thumbnail(), image(pixels, **options)))
