"""MRC files: their headers read, images written. The face of `builders.io.formats.mrc`."""

from builders.io.formats.mrc.header import (
    HEADER_BYTES,
    MAX_BYTES,
    MAX_EXTENDED_HEADER,
    MAX_SECTIONS,
    MrcHeader,
    parse_header,
    read_header,
)
from builders.io.formats.mrc.writing import MAX_SIDE, write

__all__ = [
    "HEADER_BYTES",
    "MAX_BYTES",
    "MAX_EXTENDED_HEADER",
    "MAX_SECTIONS",
    "MAX_SIDE",
    "MrcHeader",
    "parse_header",
    "read_header",
    "write",
]
