"""A header against the size of its file: what of it to believe where the two contradict each other.

Of the fields that say how long a file is, MODE, NX and NY shape every pixel and are never guessed. NSYMBT (bytes of
extended header) and NZ only say where pixels begin and end, and are the ones that programs get wrong. A reading that
changes one of them and then accounts for every byte is taken, if it is the only one; else pixels are read only where
the header surely is right about where they lie. Bytes are looked at where sizes leave two readings.
"""

from dataclasses import replace
from typing import Any

from builders.errors import FormatError
from builders.io.formats.contents import Contents, surplus_of
from builders.io.formats.mrc.header import HEADER_BYTES, MAX_EXTENDED_HEADER, MrcHeader
from builders.io.formats.mrc.likeness import Bytes, Peek
from builders.io.layout import PACKED, Layout, encoded_size

_UNIT = 4
"""An extended header is made of whole words."""
_WIDTHS = {PACKED: (4, "101"), "|u1": (8, "0"), "u2": (16, "1, 6 or 12"), "f4": (32, "2 or 3")}
"""Bits of a number, and the modes that have it, by an encoding of that width."""


def weigh(header: MrcHeader, size: int | None, name: str, peek: Peek | None = None) -> Contents:
    """What stands of an MRC header.

    Args:
        header: the header.
        size: bytes of the (decompressed) file; None when that is not known.
        name: what messages call the file.
        peek: gives bytes of it; None: they cannot be had, and doubt remains.

    Raises:
        FormatError: there are more bytes than the header says, and two ways to read them.

    Example:
        >>> from builders.io.formats.mrc.header import parse_header
        >>> import struct
        >>> head = bytearray(1024)
        >>> struct.pack_into("<4i", head, 0, 8, 8, 6, 1)
        >>> struct.pack_into("<i", head, 92, 500)
        >>> weigh(parse_header(bytes(head)), 1024 + 6 * 128, "x.mrc").said
        '1792 bytes, where its header says 2292: read without its 500 bytes of extended header (NSYMBT)'
    """
    layout = header.layout
    if size is None or size == layout.end:
        return _contents(header, size)
    bytes_of = Bytes(header, size, peek)
    return _weigh_surplus(bytes_of, name) if size > layout.end else _weigh_shortage(bytes_of, name)


def is_doubtful(header: MrcHeader, peek: Peek) -> bool:
    """Whether bytes around the first pixel, of a file whose size is not known, say that it may lie elsewhere.

    Volumes that begin with zeros, or images with a plain border, are not doubted.
    """
    file = Bytes(header, None, peek)
    start = header.data_offset
    if header.nsymbt > 0 and (file.is_like_pixels_before(start) is True or file.ends_with_pixels(start)):
        return True
    return file.begins_with_no_pixels(start)


def _weigh_shortage(file: Bytes, name: str) -> Contents:
    """Fewer bytes than the header says."""
    header, layout, size = file.header, file.header.layout, file.size or 0
    cut = (
        f"{name}: {size} bytes, but its header says {layout.end} (NX, NY, NZ {header.nx}, {header.ny}, {header.nz}, "
        f"mode {header.mode}, {header.nsymbt} of extended header): the file is truncated or its header lies"
    )
    lost = _contents(header, size, whole=0, exact=False, cut=cut)
    body = max(0, size - layout.offset)
    if _is_unpadded(header, body):
        return lost
    if mode := _other_mode(file):
        return replace(lost, cut=f"{cut}: {mode} accounts for every byte, and the pixels look so")
    entry, section = _entry_of(header), layout.nbytes // header.nz
    whole, rest = divmod(body, entry)
    begin = size - layout.nbytes
    is_like_pixels = header.nsymbt > 0 and file.is_like_pixels_before(layout.offset, begin)
    if header.nsymbt > 0 and size == layout.end - header.nsymbt and (rest or not whole or is_like_pixels):
        how = f"read without its {header.nsymbt} bytes of extended header (NSYMBT)"
        return _changed(replace(header, nsymbt=0), size, layout, how)
    if is_like_pixels and HEADER_BYTES < begin and begin % _UNIT == 0 and file.varies(begin, layout.offset):
        if file.is_like_pixels_before(begin) is False:
            how = f"read with {begin - HEADER_BYTES} bytes of extended header (NSYMBT), not {header.nsymbt}"
            return _changed(replace(header, nsymbt=begin - HEADER_BYTES), size, layout, how)
    if is_like_pixels is not False:
        return replace(lost, cut=f"{cut}; where its pixels begin is not known")
    sections, left = divmod(body, section)
    if not left and _is_stated(header, sections):
        return _changed(replace(header, nz=sections), size, layout, f"read as {sections} sections, as MZ says")
    if not rest and whole and _is_a_stack_of_images(header):
        return _changed(replace(header, nz=whole), size, layout, f"read as the {whole} sections that are there")
    return _contents(header, size, whole=whole, exact=not rest, cut=cut)


def _weigh_surplus(file: Bytes, name: str) -> Contents:
    """More bytes than the header says."""
    header, layout, size = file.header, file.header.layout, file.size or 0
    surplus = size - layout.end
    if mode := _other_mode(file):
        msg = (
            f"{name}: {size} bytes, but its header says {layout.end} (mode {header.mode}): {mode} accounts for every "
            f"byte, and the pixels look so"
        )
        raise FormatError(msg)
    more, rest = divmod(surplus, _entry_of(header))
    begins, ends = file.is_like_pixels_at_start(surplus), file.is_like_pixels_at_end(surplus)
    names_extension = header.nsymbt == 0 and bool(header.exttyp)
    fits = surplus % _UNIT == 0 and header.nsymbt + surplus <= MAX_EXTENDED_HEADER
    if fits and ends is True and (begins is False or names_extension):
        if rest or names_extension or file.starts_with_no_pixels(surplus):
            how = f"read with {header.nsymbt + surplus} bytes of extended header (NSYMBT), not {header.nsymbt}"
            return _changed(replace(header, nsymbt=header.nsymbt + surplus), size, layout, how)
        msg = (
            f"{name}: {size} bytes, but its header says {layout.end}: {more} more sections than NZ says, or an extended"
            f" header of {header.nsymbt + surplus} bytes, where NSYMBT says {header.nsymbt}: either accounts for all"
        )
        raise FormatError(msg)
    if not rest and ends is True:
        sections = header.nz + surplus // (layout.nbytes // header.nz)
        if _is_stated(header, sections):
            return _changed(replace(header, nz=sections), size, layout, f"read as {sections} sections, as MZ says")
        if _is_a_stack_of_images(header):
            return _changed(replace(header, nz=sections), size, layout, f"read as {sections} sections")
        whole = layout.stored_shape[0] + more
        return _contents(header, size, whole=whole, said=surplus_of(size, layout))
    return _contents(header, size, exact=False, said=surplus_of(size, layout))


def _changed(header: MrcHeader, size: int, before: Layout, how: str) -> Contents:
    return _contents(header, size, said=f"{size} bytes, where its header says {before.end}: {how}")


def _contents(header: MrcHeader, size: int | None, **weighed: Any) -> Contents:
    layout = header.layout
    told = layout, header, header.pixel_size, header.deviations, size
    return Contents(*told, least_end=layout.end - header.nsymbt, **weighed)


def _other_mode(file: Bytes) -> str | None:
    """Modes of another width that account for every byte, where the pixels look so; None where there is none."""
    header, size = file.header, file.size or 0
    bits = _bits_of(header.encoding)
    for encoding, (other, modes) in _WIDTHS.items():
        if bits is None or other == bits or size - header.data_offset != encoded_size(encoding, header.shape):
            continue
        is_wider = file.is_of_wider_numbers(min(bits, other), max(bits, other))
        if is_wider is (other > bits):
            return f"MODE {modes}"
    return None


def _bits_of(encoding: str) -> int | None:
    """Of a real number; None of others."""
    return 4 if encoding == PACKED else None if "c" in encoding else 8 * int(encoding[-1])


def _entry_of(header: MrcHeader) -> int:
    """Bytes of what is stored one after another: a volume of several, or a section."""
    return header.layout.nbytes // (header.layout.shape[0] if header.is_volume_stack else header.nz)


def _is_stated(header: MrcHeader, sections: int) -> bool:
    """Whether MZ, of a file that is no cut-out of a larger cell, says another number of sections than NZ."""
    return sections > 1 and header.intervals == (header.nx, header.ny, sections) and not header.is_volume_stack


def _is_a_stack_of_images(header: MrcHeader) -> bool:
    """Whether a header says that sections are images of their own, of which there may be any number."""
    return header.nz > 1 and header.ispg == 0 and header.sampling[2] == 1


def _is_unpadded(header: MrcHeader, body: int) -> bool:
    """4-bit pixels of odd rows without the half byte that fills them: its sections would come out sheared."""
    odd = header.encoding == PACKED and header.nx % 2 == 1
    return odd and body in (
        header.nz * ((header.nx * header.ny + 1) // 2),
        (header.nz * header.nx * header.ny + 1) // 2,
    )
