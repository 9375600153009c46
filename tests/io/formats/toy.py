"""A format of thirty lines, for the tests: images of strips that zlib packs, with an index at the end of the file."""

import struct
import zlib
from dataclasses import replace

import numpy as np

from builders.errors import FormatError
from builders.io.coded import Coded
from builders.io.formats.contents import weigh
from builders.io.formats.protocol import Format
from builders.io.formats.reader import exactly

_HEAD = struct.Struct("<4s4IfQ")


class Toy(Format):
    """Head: mark, count, ny, nx, rows of a strip, pixel size in Å, and where the index is, of the strips' bytes."""

    name = "toy"
    suffixes = (".toy",)
    is_packed = True

    def recognises(self, head):
        return head.startswith(b"TOY1")

    def describe(self, read, size, name):
        head = exactly(read, 0, _HEAD.size, name, "header")
        _, count, ny, nx, rows, pixel_size, place = _HEAD.unpack(head)
        if not rows:
            raise FormatError(f"{name}: strips of no rows")
        index = exactly(read, place, 16 * count * -(-ny // rows), name, "index")
        starts, stops = np.frombuffer(index, "<i8").reshape(-1, 2).T
        layout = Coded.of((count, ny, nx), "<u2", "zlib", (rows, nx), starts, stops, name)
        return replace(weigh(layout, size, name, f"{count} images", more_follows=True), pixel_size=pixel_size)


def encode(images, rows=3, pixel_size=1.5):
    """Images as the bytes of a file."""
    count, ny, nx = images.shape
    pieces = [image[y : y + rows] for image in images for y in range(0, ny, rows)]
    strips = [zlib.compress(piece.astype("<u2").tobytes()) for piece in pieces]
    ends = np.cumsum([_HEAD.size, *map(len, strips)])
    index = np.stack([ends[:-1], ends[1:]], 1).astype("<i8").tobytes()
    return _HEAD.pack(b"TOY1", count, ny, nx, rows, pixel_size, ends[-1]) + b"".join(strips) + index
