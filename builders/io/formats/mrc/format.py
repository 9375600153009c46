"""MRC files as a format: their header, and what of it stands."""

import zlib
from contextlib import suppress

from builders.io.formats.contents import Contents
from builders.io.formats.mrc import file_size, likeness
from builders.io.formats.mrc.header import HEADER_BYTES, MrcHeader, read_header
from builders.io.formats.protocol import Format, Read


class Mrc(Format):
    """MRC files and their kin, such as IMOD's."""

    name = "mrc"
    suffixes = (".mrc", ".mrcs", ".map", ".rec", ".st", ".ali")
    is_packed = True
    notes = (
        "Every mode (0, 1, 2, 3, 4, 6, 12 and 101) of either byte order, extended headers, stacks of volumes.",
        "Volumes come in the order z, y, x, whatever MAPC, MAPR and MAPS say; rows are not flipped.",
        "The pixel size is the cell's side by its intervals.",
    )

    def recognises(self, head: bytes) -> bool:
        """False: `known.format_of` takes for MRC what no other format recognises."""
        return False

    def describe(self, read: Read, size: int | None, name: str) -> Contents:
        """What the header says, as far as the size lets it stand; bytes are looked at where sizes leave two readings.

        Raises:
            FormatError: no MRC file, or one that can be read in two ways.
        """
        header = read_header(read(0, HEADER_BYTES), size, name)
        return file_size.weigh(header, size, name, lambda start, stop: read(start, stop - start))

    def is_doubtful(self, contents: Contents, read: Read) -> bool:
        """Whether bytes around the first pixel say that it may lie elsewhere."""
        header = contents.header
        if not isinstance(header, MrcHeader):
            return False
        start = max(HEADER_BYTES, contents.layout.offset - likeness.SAMPLE)
        held = b""
        with suppress(EOFError, OSError, zlib.error, ValueError):  # damage is told where pixels are read
            held = read(start, contents.layout.offset + likeness.SAMPLE - start)
            return file_size.is_doubtful(header, lambda first, stop: held[max(0, first - start) : max(0, stop - start)])
        return False
