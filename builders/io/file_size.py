"""A header against the size of its file: what of it to believe where the two contradict each other.

Of the fields that say how long a file is, MODE, NX and NY shape every pixel and are never guessed. NSYMBT (bytes of
extended header) and NZ only say where pixels begin and end, and are the ones that programs get wrong. A reading that
changes one of them and then accounts for every byte is taken, if it is the only one; else pixels are read only where
the header surely is right about where they lie. Bytes are looked at where sizes leave two readings.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.layout import PACKED, Layout
from builders.io.mrc import HEADER_BYTES, MAX_EXTENDED_HEADER, MrcHeader

Peek = Callable[[int, int], bytes]
"""Bytes of the (decompressed) file, from and to."""

_SAMPLE = 16 * 1024
"""Bytes that are looked at in one place."""
_UNIT = 4
"""An extended header is made of whole words."""
_SHARE, _FAR = 0.05, 8.0
"""A stretch of pixels varies at least that share of those beside it, and its mean is no more of their deviations away:
what is none differs by powers of ten..."""
_SHARE_OF_BYTES, _FAR_OF_BYTES = 0.5, 1.0
"""... but for bytes, which cannot."""
_SENSIBLE = 1e30
_PRINTABLE = frozenset(range(32, 127)) | set(b"\t\r\n")


@dataclass(frozen=True, slots=True)
class Weighed:
    """What of a header stands.

    Attributes:
        size: bytes of the (decompressed) file; None where that is not known.
        layout: where the pixels lie.
        header: the MRC header that says so; None for a NumPy file.
        whole: entries along the first axis that are surely there, where the layout says; more than it says, where whole
            ones follow, and none where it may be wrong about where they lie.
        exact: those account for every byte.
        said: what the size contradicts, and how the file is read all the same; empty where nothing is.
        cut: why the file does not hold all that its header says; empty where it does.
    """

    size: int | None
    layout: Layout
    header: MrcHeader | None
    whole: int
    exact: bool = True
    said: str = ""
    cut: str = ""

    @property
    def entries(self) -> Layout:
        """The layout of those that are surely there."""
        return replace(self.layout, shape=(self.whole, *self.layout.shape[1:]))

    @property
    def entries_said(self) -> str:
        """How the file is read where each entry is an image of its own, in words."""
        told = f"{self.size} bytes, where its header says {self.layout.end}"
        return f"{told}: read as {self.whole} images, not {self.layout.shape[0]}"


def weigh_plain(layout: Layout, size: int | None, name: str, told: str) -> Weighed:
    """What stands of a layout whose offset is sure; `told` is what its header says, in words."""
    count = layout.shape[0] if layout.shape else 1
    if size is None or size == layout.end:
        return Weighed(size, layout, None, count)
    if size > layout.end:
        return Weighed(size, layout, None, count, exact=False, said=_surplus_of(size, layout.end))
    entry = layout.nbytes // max(1, count)
    whole, rest = divmod(max(0, size - layout.offset), max(1, entry))
    cut = f"{name}: {size} bytes, but its header says {layout.end} ({told}): the file is truncated"
    return Weighed(size, layout, None, whole if layout.slices_lie_apart else 0, not rest, cut=cut)


def weigh(header: MrcHeader, size: int | None, name: str, peek: Peek | None = None) -> Weighed:
    """What stands of an MRC header.

    Args:
        header: the header.
        size: bytes of the (decompressed) file; None when that is not known.
        name: what messages call the file.
        peek: gives bytes of it; None: they cannot be had, and doubt remains.

    Raises:
        FormatError: there are more bytes than the header says, and two ways to read them.

    Example:
        >>> from builders.io.mrc import parse_header
        >>> import struct
        >>> head = bytearray(1024)
        >>> struct.pack_into("<4i", head, 0, 8, 8, 6, 1)
        >>> struct.pack_into("<i", head, 92, 500)
        >>> weigh(parse_header(bytes(head)), 1024 + 6 * 128, "x.mrc").said
        '1792 bytes, where its header says 2292: read without its 500 bytes of extended header (NSYMBT)'
    """
    layout = header.layout
    if size is None or size == layout.end:
        return Weighed(size, layout, header, layout.shape[0])
    bytes_of = _Bytes(header, size, peek)
    return _weigh_surplus(bytes_of, name) if size > layout.end else _weigh_shortage(bytes_of, name)


def may_hide_pixels(header: MrcHeader, peek: Peek) -> bool:
    """Whether what is said to be an extended header looks like pixels, of a file whose size is not known."""
    return header.nsymbt > 0 and _Bytes(header, None, peek).is_like_pixels_before(header.data_offset) is True


def _weigh_shortage(file: "_Bytes", name: str) -> Weighed:
    """Fewer bytes than the header says."""
    header, layout, size = file.header, file.header.layout, file.size or 0
    cut = (
        f"{name}: {size} bytes, but its header says {layout.end} (NX, NY, NZ {header.nx}, {header.ny}, {header.nz}, "
        f"mode {header.mode}, {header.nsymbt} of extended header): the file is truncated or its header lies"
    )
    lost = Weighed(size, layout, header, 0, exact=False, cut=cut)
    body = max(0, size - layout.offset)
    if _is_unpadded(header, body):
        return lost
    entry, section = _entry_of(header), layout.nbytes // header.nz
    whole, rest = divmod(body, entry)
    is_like_pixels = header.nsymbt > 0 and file.is_like_pixels_before(layout.offset, size - layout.nbytes)
    if header.nsymbt > 0 and size == layout.end - header.nsymbt and (rest or not whole or is_like_pixels):
        how = f"read without its {header.nsymbt} bytes of extended header (NSYMBT)"
        return _changed(replace(header, nsymbt=0), size, layout, how)
    if is_like_pixels is not False:
        return replace(lost, cut=f"{cut}; where its pixels begin is not known")
    sections, left = divmod(body, section)
    if not left and _is_stated(header, sections):
        return _changed(replace(header, nz=sections), size, layout, f"read as {sections} sections, as MZ says")
    if not rest and whole and _is_a_stack_of_images(header):
        return _changed(replace(header, nz=whole), size, layout, f"read as the {whole} sections that are there")
    return Weighed(size, layout, header, whole if layout.slices_lie_apart else 0, not rest, cut=cut)


def _weigh_surplus(file: "_Bytes", name: str) -> Weighed:
    """More bytes than the header says."""
    header, layout, size = file.header, file.header.layout, file.size or 0
    surplus = size - layout.end
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
        entries = layout.shape[0] + (more if layout.slices_lie_apart else 0)
        return Weighed(size, layout, header, entries, said=_surplus_of(size, layout.end))
    return Weighed(size, layout, header, layout.shape[0], exact=False, said=_surplus_of(size, layout.end))


def _changed(header: MrcHeader, size: int, before: Layout, how: str) -> Weighed:
    layout = header.layout
    return Weighed(
        size, layout, header, layout.shape[0], said=f"{size} bytes, where its header says {before.end}: {how}"
    )


def _surplus_of(size: int, end: int) -> str:
    return f"{size} bytes, where its header says {end}: the last {size - end} are not read"


def _entry_of(header: MrcHeader) -> int:
    """Bytes of what is stored one after another: a volume of several, or a section."""
    return header.layout.nbytes // (header.layout.shape[0] if header.is_volume_stack else header.nz)


def _is_stated(header: MrcHeader, sections: int) -> bool:
    """Whether MZ, of a file that is no cut-out of a larger cell, says another number of sections than NZ."""
    intervals = tuple(header.sampling[axis - 1] for axis in header.axis_order)
    return sections > 1 and intervals == (header.nx, header.ny, sections) and not header.is_volume_stack


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


@dataclass(frozen=True, slots=True)
class _Bytes:
    """Bytes of a file, looked at to tell pixels from what is none. Each answer is None where it cannot be had."""

    header: MrcHeader
    size: int | None
    peek: Peek | None

    def is_like_pixels_before(self, stop: int, start: int = 0) -> bool | None:
        """Whether the bytes before the first pixel are like those after it; `start`: where they begin at the least."""
        start = max(start, HEADER_BYTES, stop - _SAMPLE)
        return self._alike((start, stop), (stop, stop + _SAMPLE), from_end=True)

    def is_like_pixels_at_start(self, count: int) -> bool | None:
        """Whether the first bytes after the header, `count` of them, are like those that follow."""
        first, stop = self.header.data_offset, self.header.layout.end
        held = first + min(count, stop - first, _SAMPLE)
        return self._alike((first, held), (first + count, min(stop, first + count + _SAMPLE)))

    def starts_with_no_pixels(self, count: int) -> bool:
        """Whether the first bytes after the header, `count` of them, are surely none: text, or no sensible floats."""
        first = self.header.data_offset
        raw = b"" if self.peek is None else self.peek(first, first + min(count, _SAMPLE))
        if _is_text(raw) or self.header.layout.dtype.kind not in "fc" or "i2" in self.header.encoding:
            return _is_text(raw)
        sizes = np.abs(_values(raw, self.header.encoding))
        return not bool((sizes < _SENSIBLE).all() and (sizes[sizes > 0] > 1 / _SENSIBLE).all())

    def is_like_pixels_at_end(self, count: int) -> bool | None:
        """Whether the last bytes of the file, `count` of them, are like those before."""
        first, stop = self.header.data_offset, self.header.layout.end
        assert self.size is not None
        held = min(count, stop - first, _SAMPLE)
        return self._alike((self.size - held, self.size), (max(first + count, stop - _SAMPLE), stop))

    def _alike(self, stretch: tuple[int, int], beside: tuple[int, int], from_end: bool = False) -> bool | None:
        if self.peek is None:
            return None
        raw = self.peek(*stretch)
        other = self.peek(*beside) if beside[1] > beside[0] else b""
        if not raw or len(set(raw)) == 1 != len(set(other)):
            return False
        if _is_text(raw) and not _is_text(other):
            return False
        encoding = self.header.encoding
        strict = encoding in ("|i1", "|u1", PACKED)
        limits = (_SHARE_OF_BYTES, _FAR_OF_BYTES) if strict else (_SHARE, _FAR)
        return _are_alike(_values(raw, encoding, from_end), _values(other, encoding), *limits)


def _is_text(data: bytes) -> bool:
    return bool(data) and _PRINTABLE.issuperset(data)


def _values(data: bytes, encoding: str, from_end: bool = False) -> NDArray[np.float64]:
    """Bytes as numbers of the encoding's kind; what is no whole one is left out at one end."""
    dtype = np.dtype(np.uint8 if encoding == PACKED else encoding.replace("ci2", "i2").replace("c8", "f4"))
    odd = len(data) % dtype.itemsize
    whole = data[odd:] if from_end else data[: len(data) - odd]
    with np.errstate(invalid="ignore"):
        return np.frombuffer(whole, dtype).astype(np.float64)


def _are_alike(some: NDArray[np.float64], others: NDArray[np.float64], share: float, far: float) -> bool:
    """Whether numbers could be pixels of the image that has the others."""
    if not some.size or not np.isfinite(some).all():
        return False
    others = others[np.isfinite(others)]
    if not others.size:
        return bool(np.ptp(some) > 0 and np.abs(some).max() < np.finfo(np.float32).max / 2)
    with np.errstate(over="ignore", invalid="ignore"):
        spread, usual = float(some.std()), float(others.std())
        distance = abs(float(some.mean()) - float(others.mean()))
    if usual == 0:
        return spread == 0 and distance == 0
    return bool(distance <= far * usual and share * usual <= spread <= usual / share)
