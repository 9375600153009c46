"""EER files for the tests: events as bits after the public description of the format, pages as BigTIFF has them."""

import struct
from dataclasses import dataclass

import numpy as np

BITS = {65000: (8, 2, 2), 65001: (7, 2, 2), 65002: (9, 3, 2)}
XML = """<metadata>
  <item name="exposureTime" unit="s">2.5</item>
  <item name="numberOfFrames">{frames}</item>
  <item name="sensorPixelSize.height" unit="m">{pixel}</item>
  <item name="sensorPixelSize.width" unit="m">{pixel}</item>
  <item name="totalDose" unit="e/pixel">{dose}</item>
</metadata>"""


@dataclass(frozen=True)
class Events:
    """Where the events of frames are: `(frames, ny, nx)`, -1 where there is none, else where in the pixel it is."""

    places: np.ndarray

    @classmethod
    def random(cls, count=5, shape=(48, 64), density=0.02, seed=0, bits=4):
        rng = np.random.default_rng(seed)
        places = rng.integers(0, 2**bits, (count, *shape))
        return cls(np.where(rng.random(places.shape) < density, places, -1))

    @property
    def pixels(self):
        """0 and 1, on the grid of the camera."""
        return (self.places >= 0).astype(np.uint8)


def stream(places, bits, ends=True):
    """The bits of a frame; `ends`: with the run behind its last event."""
    skip, horizontal, vertical = bits
    most, total = 2**skip - 1, places.size
    at = np.flatnonzero(places.reshape(-1) >= 0)
    gaps = np.diff(np.concatenate([[-1], at])) - 1
    numbers = np.repeat(most, (gaps // most + 1).sum())
    lengths = np.full(len(numbers), skip)
    last = np.cumsum(gaps // most + 1) - 1
    numbers[last] = gaps % most + (places.reshape(-1)[at] << skip)
    lengths[last] = skip + horizontal + vertical
    rest = total - (int(at[-1]) + 1 if len(at) else 0)
    ending = [most] * (rest // most) + ([rest % most] if rest % most else []) if ends else []
    numbers = np.concatenate([numbers, ending]).astype(int)
    lengths = np.concatenate([lengths, [skip] * len(ending)]).astype(int)
    begins = np.cumsum(lengths) - lengths
    code = np.zeros(lengths.sum(), np.uint8)
    for bit in range(skip + horizontal + vertical):
        longer = lengths > bit
        code[begins[longer] + bit] = numbers[longer] >> bit & 1
    data = np.packbits(code, bitorder="little").tobytes()
    return data + bytes(len(data) % 2)


def page(offset, tags, data_at, size):
    """A directory of BigTIFF at a place, and what its values take behind it; the next one's place is left open."""
    entries, tail = b"", b""
    behind = offset + 8 + 20 * len(tags) + 8
    for tag, value in sorted(tags.items()):
        if isinstance(value, bytes):
            place = behind + len(tail)
            entries += struct.pack("<HHQQ", tag, 7, len(value), place)
            tail += value
        else:
            entries += struct.pack("<HHQQ", tag, 16 if value > 2**31 else 4, 1, value)
    return struct.pack("<Q", len(tags)) + entries, tail


def encode(
    events, compression=65001, *, xml=XML, pixel=1.2e-10, dose=3.0, integrated=False, together=False, streams=None
):
    """A file of frames, whose directories lie behind each page's data, or `together` at the end."""
    bits = BITS[compression]
    codes = list(streams or [stream(places, bits) for places in events.places])
    _, ny, nx = events.places.shape
    pages = [({259: compression, 256: nx, 257: ny}, code) for code in codes]
    if compression == 65002:
        for tags, _ in pages:
            tags.update(zip((65007, 65008, 65009), bits, strict=True))
    if integrated:
        total = events.pixels.sum(0).astype("<u2")
        pages.insert(0, ({259: 1, 256: nx, 257: ny, 258: 16, 339: 1}, total.tobytes()))
    if xml:
        pages[0][0][65001] = xml.format(frames=len(codes), pixel=pixel, dose=dose).encode()
    data = bytearray(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0))
    link, places = 8, []
    for tags, code in pages:
        places.append(len(data))
        data += code + bytes(len(code) % 2)
        if not together:
            link = directory(data, link, tags, places[-1], len(code))
    if together:
        for (tags, code), place in zip(pages, places, strict=True):
            link = directory(data, link, tags, place, len(code))
    return bytes(data)


def directory(data, link, tags, place, size):
    """Put a directory behind what there is; where its own link to the next one is."""
    tags = {**tags, 262: 1, 273: place, 277: 1, 278: tags[257], 279: size}
    offset = len(data)
    entries, tail = page(offset, tags, place, size)
    data[link : link + 8] = struct.pack("<Q", offset)
    data += entries + bytes(8) + tail + bytes(len(tail) % 2)
    return offset + len(entries)
