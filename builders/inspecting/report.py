"""What an image file holds, in words."""

from builders.inspecting.pictures import sides_of
from builders.inspecting.statistics import Numbers
from builders.inspecting.summary import Summary
from builders.io.formats import table
from builders.io.formats.known import formats
from builders.terminal import printable, readable

_CODECS = {
    **{"raw": "", "zlib": "deflate", "packbits": "PackBits", "lzw": "LZW", "zstd": "Zstandard"},
    **{"jpeg": "JPEG", "jpg": "JPEG", "png": "PNG", "eer": "EER", "bits": "", "halves": ""},
    **{"blosc": "Blosc", "lz4": "LZ4", "gzip": "gzip", "crc32c": "a checksum (CRC32C)"},
    **{"sums": "differences of pixels", "floats": "differences of bytes"},
}
"""Codecs for people; of what only turns bits around, nothing is said."""
_ITEMS = {"slice": "a slice of it", "file": "the file"}


def describe(told: Summary) -> str:
    """A summary for people, as a terminal may get it."""
    titles = {format.name: table.title_of(format) for format in formats()}
    facts = {
        "format": titles.get(told.format, told.format) + (f", packed by {told.packed}" if told.packed else ""),
        "size": "unknown" if told.size is None else readable(told.size),
        "shape": f"{sides_of(told.shape)} ({_axes(told)})" if told.shape else "a single number",
        "type": _type(told),
        "stored": _stored(told),
        "pixel size": "not told" if told.pixel_size is None else f"{told.pixel_size:.6g} Å",
        "dose of a frame": "" if told.frame_dose is None else f"{told.frame_dose:.4g} e/Å²",
        "a row is": _ITEMS[told.item],
        "pixels": _numbers(told.shape, told.numbers),
        "said otherwise": told.contradiction,
    }
    lines = [f"  {name}: {value}" for name, value in facts.items() if value]
    lines += [f"  read all the same: {deviation}" for deviation in told.deviations]
    return printable("\n".join(line.replace("\n", "?") for line in (told.path, *lines)))


def _axes(told: Summary) -> str:
    if len(told.shape) > 4:
        return "of these, none is known"
    first = "z" if told.is_volume or len(told.shape) > 3 else "frames or images"
    return ", ".join(("volume", first, "y", "x")[4 - len(told.shape) :])


def _type(told: Summary) -> str:
    return told.dtype if told.encoding.lstrip("<>|=") not in ("4bit", "ci2") else f"{told.dtype}, from {told.encoding}"


def _stored(told: Summary) -> str:
    """Compression and order of rows."""
    way = "not compressed"
    if told.codec:
        steps = [_CODECS.get(step, step) for step in told.codec.split("+")]
        way = f"{' with '.join(filter(None, steps)) or way}, in parts of {sides_of(told.part)}"
    return way + ("; rows are read from the last to the first (flipped in y)" if told.flipped else "")


def _numbers(shape: tuple[int, ...], numbers: Numbers | None) -> str:
    """Numbers of a first image."""
    if numbers is None:
        return "none" if 0 in shape else "not looked at: more than 1 GB would have to be read"
    told = (numbers.minimum, numbers.maximum, numbers.mean, numbers.std)
    names = ("min", "max", "mean", "std")
    known = [f"{name} {value:.6g}" for name, value in zip(names, told, strict=True) if value is not None]
    zeros = f"{numbers.zeros:,} zero{'s' * (numbers.zeros != 1)}" if numbers.zeros else "no zeros"
    lost = f"{numbers.not_finite:,} NaN or infinite" if numbers.not_finite else "all finite"
    return f"{numbers.of}: {', '.join([*known, zeros, lost])}"
