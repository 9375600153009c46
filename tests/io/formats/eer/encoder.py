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


def page(offset, tags):
    """A directory of BigTIFF at a place, and what its values take behind it; the next one's place is left open."""
    entries, tail = b"", b""
    behind = offset + 8 + 20 * len(tags) + 8
    for tag, value in sorted(tags.items()):
        if isinstance(value, list) and len(value) > 1:
            kind, count, raw = 16, len(value), struct.pack(f"<{len(value)}Q", *value)
        elif isinstance(value, bytes):
            kind, count, raw = 7, len(value), value
        else:
            kind, count, raw = 4, 1, struct.pack("<Q", value[0] if isinstance(value, list) else value)
        entries += struct.pack("<HHQ", tag, kind, count)
        entries += raw.ljust(8, b"\0") if len(raw) <= 8 else struct.pack("<Q", behind + len(tail))
        tail += raw if len(raw) > 8 else b""
    return struct.pack("<Q", len(tags)) + entries, tail


def encode(events, compression=65001, *, xml=XML, pixel=1.2e-10, dose=3.0, **options):
    """A file of frames.

    Options: `integrated`, a first page that is their sum; `together`, directories at the end and not behind each page's
    data; `streams` of bits in place of those of the events; `rows` of a strip, of which each frame then has a list.
    """
    bits = BITS[compression]
    codes = list(options.get("streams") or [stream(places, bits) for places in events.places])
    _, ny, nx = events.places.shape
    pages = [({259: compression, 256: nx, 257: ny, 278: options.get("rows", ny)}, code) for code in codes]
    if compression == 65002:
        for tags, _ in pages:
            tags.update(zip((65007, 65008, 65009), bits, strict=True))
    if options.get("integrated"):
        total = events.pixels.sum(0).astype("<u2")
        pages.insert(0, ({259: 1, 256: nx, 257: ny, 258: 16, 278: ny, 339: 1}, total.tobytes()))
    if xml:
        pages[0][0][65001] = xml.format(frames=len(codes), pixel=pixel, dose=dose).encode()
    data = bytearray(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0))
    link, places = 8, []
    for tags, code in pages:
        strips = code if isinstance(code, list) else [code]
        places.append(np.cumsum([len(data), *map(len, strips)]))
        data += b"".join(strips) + bytes(len(strips[-1]) % 2)
        if not options.get("together"):
            link = directory(data, link, tags, places[-1])
    if options.get("together"):
        for (tags, _), edges in zip(pages, places, strict=True):
            link = directory(data, link, tags, edges)
    return bytes(data)


def directory(data, link, tags, edges):
    """Put a directory behind what there is, of strips between some places; where its own link to the next one is."""
    starts, sizes = edges[:-1].tolist(), np.diff(edges).tolist()
    tags = {**tags, 262: 1, 273: starts, 277: 1, 279: sizes}
    offset = len(data)
    entries, tail = page(offset, tags)
    data[link : link + 8] = struct.pack("<Q", offset)
    data += entries + bytes(8) + tail + bytes(len(tail) % 2)
    return offset + len(entries)
