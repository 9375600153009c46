"""MRC, MRCS, MAP, REC and ST files: bytes -> header -> where each slice lies. Every mode, either byte order.

Formats: MRC2014 (Cheng et al., J. Struct. Biol. 192, 146, 2015, https://www.ccpem.ac.uk/mrc-format/) and IMOD's
additions to it (https://bio3d.colorado.edu/imod/doc/mrc_format.txt). Reading is ours, because depositors' files
break rules that a strict reader insists on; writing is `mrcfile`'s.
"""

import math
import struct
from dataclasses import dataclass, replace
from typing import Literal

from builders.errors import FormatError, TruncatedError
from builders.io.formats.mrc.signedness import BITS, Sign, sign_of
from builders.io.formats.mrc.writing import MAX_SIDE
from builders.io.formats.mrc.writing import write as write
from builders.io.layout import PACKED, Layout

HEADER_BYTES = 1024
MAX_SECTIONS = 2**31 - 1
"""As many as the field can say: stacks hold millions, and the size of the file tells whether they are there."""
MAX_BYTES = 2**54
"""Of all pixels: far from where offsets end."""
MAX_EXTENDED_HEADER = 64 * 1024 * 1024

ByteOrder = Literal["<", ">"]

_FIELDS = "3i i 3i 3i 3f 3f 3i 3f i i 8x 4s i 40x i i 36x 3f 4s 4s f i 800s"
_STRUCTS = {"<": struct.Struct("<" + _FIELDS), ">": struct.Struct(">" + _FIELDS)}
_STAMPS: dict[bytes, ByteOrder] = {b"\x44\x44": "<", b"\x44\x41": "<", b"\x11\x11": ">"}
_ENCODINGS = {0: "i1", 1: "i2", 2: "f4", 3: "ci2", 4: "c8", 6: "u2", 12: "f2", 101: PACKED}
_IMOD_STAMP = 1146047817
_IMOD_SIGNED_BYTES = 1
_CRYSTAL_SPACE_GROUPS = range(1, 231)
_VOLUME_STACK_SPACE_GROUPS = range(401, 631)

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class MrcHeader:
    """The header of an MRC file. Triples are in x, y, z order; lengths in Å, angles in degrees.

    Attributes:
        byte_order: `"<"` little-endian, `">"` big-endian.
        nx: columns, the fastest axis.
        ny: rows.
        nz: sections, over all volumes of a volume stack.
        mode: how pixels are encoded: 0, 1, 2, 3, 4, 6, 12 or 101.
        nstart: first column, row and section of a map cut out of a unit cell.
        sampling: intervals along the unit cell (mx, my, mz).
        cell: sides of the unit cell, Å.
        cell_angles: its angles, degrees.
        mapcrs: which of x = 1, y = 2, z = 3 the columns, rows and sections run along, as in the file.
        dmin: smallest density, as the writer claimed (often stale).
        dmax: largest density, likewise.
        dmean: mean density, likewise.
        rms: standard deviation of density, likewise.
        ispg: space group; 0 images, 1 to 230 volumes, 401 to 630 stacks of volumes.
        nsymbt: bytes of extended header.
        exttyp: type of the extended header, such as `"FEI1"` or `"SERI"`; empty when it does not say.
        nversion: format version, such as 20140; 0 when it does not say.
        origin: position of the first pixel, Å.
        labels: the text labels that NLABL counts.
        sign: whether pixels of modes 0 and 1 have a sign, which not the mode alone says.
        deviations: what a strict reader would refuse or read otherwise, in words; empty for a file by the book.
        are_images: its sections are taken for images of their own, whatever the header says.
    """

    byte_order: ByteOrder
    nx: int
    ny: int
    nz: int
    mode: int
    nstart: tuple[int, int, int]
    sampling: tuple[int, int, int]
    cell: Vector
    cell_angles: Vector
    mapcrs: tuple[int, int, int]
    dmin: float
    dmax: float
    dmean: float
    rms: float
    ispg: int
    nsymbt: int
    exttyp: str
    nversion: int
    origin: Vector
    labels: tuple[str, ...]
    sign: Sign
    deviations: tuple[str, ...]
    are_images: bool = False

    @property
    def axis_order(self) -> tuple[int, int, int]:
        """Axes (x = 1, y = 2, z = 3) along columns, rows and sections; (1, 2, 3) when the file gives none."""
        return self.mapcrs if sorted(self.mapcrs) == [1, 2, 3] else (1, 2, 3)

    @property
    def intervals(self) -> tuple[int, int, int]:
        """Sampling along columns, rows and sections: of a whole volume, the lengths of these."""
        columns, rows, sections = (self.sampling[axis - 1] for axis in self.axis_order)
        return columns, rows, sections

    @property
    def signed_bytes(self) -> bool:
        """Whether bytes of mode 0 have a sign."""
        return self.sign.signed

    @property
    def voxel_size(self) -> tuple[float | None, float | None, float | None]:
        """Å per interval along x, y and z (cell / sampling), each None when not positive."""
        x, y, z = (_voxel(side, n) for side, n in zip(self.cell, self.sampling, strict=True))
        return x, y, z

    @property
    def pixel_size(self) -> float | None:
        """Å per pixel along x, None when the file does not say or says nothing positive.

        Of images in another plane than that of x and y, which are read as they are stored, along their columns.
        """
        return self.voxel_size[self.axis_order[0] - 1 if self._are_in_another_plane else 0]

    @property
    def is_volume_stack(self) -> bool:
        """Several volumes of `mz` sections each."""
        mz = self.sampling[2]
        return self.ispg in _VOLUME_STACK_SPACE_GROUPS and mz > 0 and self.nz % mz == 0

    @property
    def is_volume(self) -> bool:
        """One volume, by its space group."""
        return self.ispg in _CRYSTAL_SPACE_GROUPS and self.nz > 1

    @property
    def is_stack(self) -> bool:
        """Several independent images: more than one section, and no space group that says volume."""
        return self.nz > 1 and not self.is_volume and not self.is_volume_stack

    @property
    def is_whole_volume(self) -> bool:
        """Whether its lengths are the intervals of its unit cell, whatever else it says: many a volume has no more."""
        return self.intervals == (self.nx, self.ny, self.nz)

    @property
    def stored_order(self) -> tuple[int, int, int] | None:
        """MAPC, MAPR and MAPS where they are others than 1, 2, 3."""
        return None if self.mapcrs == (1, 2, 3) else self.mapcrs

    @property
    def calls_itself_stack(self) -> bool:
        """Whether it says so in full, as many a volume without a space group does not: a stack has an MZ of 1, too."""
        return self.is_stack and self.sampling[2] == 1

    @property
    def _are_in_another_plane(self) -> bool:
        """Images that do not lie across z: sections of a stack, or a single one, which is no volume one voxel wide."""
        return (self.nz == 1 or self.are_images) and self.axis_order[2] != 3

    def as_images(self) -> "MrcHeader":
        """The same header where sections are known to be images of their own.

        The order of axes of such a file is wrong where they do not lie across z; then they are taken as stored.
        """
        if self.nz == 1 or self.is_volume_stack or self.axis_order[2] == 3:
            return self
        told = f"a stack of images whose sections do not lie across z {self.mapcrs}, taken as stored"
        return replace(self, are_images=True, deviations=(*self.deviations, told))

    def with_sign(self, bits: int, signed: bool) -> "tuple[MrcHeader, str]":
        """The same header where an image set says whether whole numbers of `bits` have a sign.

        What the file itself tells counts more.

        Returns:
            The header, and what is to be said of it, in words; empty where nothing is.
        """
        if BITS.get(self.mode) != bits or self.sign.signed is signed:
            return self, ""
        kind, other = ("signed", "unsigned") if signed else ("unsigned", "signed")
        kind = f"{kind} {'bytes' if bits == 8 else 'numbers'}"
        if self.sign.is_known:
            return self, f"{kind}, as the image set says, though the file's header says {other}, which counts more"
        told = f"{kind} under mode {self.mode}, as the image set says"
        return replace(self, sign=Sign(signed, True)), told

    @property
    def shape(self) -> tuple[int, ...]:
        """Axes as stored: `(nz, ny, nx)`, or `(volumes, mz, ny, nx)` for a volume stack. `layout` has their order."""
        if self.is_volume_stack:
            mz = self.sampling[2]
            return self.nz // mz, mz, self.ny, self.nx
        return self.nz, self.ny, self.nx

    @property
    def encoding(self) -> str:
        """The pixel encoding, in the words of `builders.io.layout`."""
        if self.mode == 0:
            return "|i1" if self.sign.signed else "|u1"
        if self.mode == 1 and not self.sign.signed:
            return self.byte_order + "u2"
        if self.mode == 101:
            return PACKED
        return self.byte_order + _ENCODINGS[self.mode]

    @property
    def data_offset(self) -> int:
        """Bytes before the first pixel: the header and its extension."""
        return HEADER_BYTES + self.nsymbt

    @property
    def layout(self) -> Layout:
        """Where the pixels lie, and the shape that they make: axes z, y, x, whatever the file's order."""
        if self.mapcrs == (1, 2, 3) or self._are_in_another_plane:
            return Layout(self.shape, self.encoding, self.data_offset)
        stored = self.shape
        more = len(stored) - 3
        axes = (*range(more), *(more + 3 - axis for axis in reversed(self.axis_order)))
        shape = tuple(length for _, length in sorted(zip(axes, stored, strict=True)))
        return Layout(shape, self.encoding, self.data_offset, axes if axes != tuple(range(len(axes))) else None)

    def slice_offset(self, index: int) -> int:
        """Byte offset of section `index` as stored, counted from 0 over the whole file.

        Raises:
            IndexError: there is no such section.
        """
        if not 0 <= index < self.nz:
            msg = f"no section {index}: expected 0 to {self.nz - 1}"
            raise IndexError(msg)
        return Layout((self.nz, self.ny, self.nx), self.encoding, self.data_offset).slice(index, "").offset


def parse_header(data: bytes, size: int | None = None, name: str = "MRC file") -> MrcHeader:
    """Read an MRC header, and refuse one that says more than its file holds.

    The machine stamp decides the byte order; where it is missing or wrong, the order in which the header makes
    sense does. `builders.io.formats.mrc.file_size` says what can be read of a file whose size its header contradicts.

    Args:
        data: the first 1024 bytes of the (decompressed) file, or more.
        size: bytes of the whole file when known; the header is then checked against it.
        name: what errors call the file.

    Raises:
        FormatError: not an MRC file: too short, or sides, mode or extension out of range in both byte orders.
        TruncatedError: the file is shorter than its header says.

    Example:
        >>> import struct
        >>> head = bytearray(1024)
        >>> struct.pack_into("<4i", head, 0, 64, 48, 10, 2)
        >>> head[208:216] = b"MAP DD" + bytes(2)
        >>> parse_header(bytes(head)).shape
        (10, 48, 64)
    """
    header = read_header(data, size, name)
    fault = _find_fault(header, size, name)
    if fault is not None:
        raise fault[1]
    return header


def read_header(data: bytes, size: int | None = None, name: str = "MRC file") -> MrcHeader:
    """What `parse_header` does, but that the file may be shorter than its header says.

    Raises:
        FormatError: not an MRC file.
    """
    if len(data) < HEADER_BYTES:
        start = f", beginning {bytes(data[:16])!r}" if data else ""
        msg = f"{name}: {len(data)} bytes{start}: not an MRC file, whose header alone takes {HEADER_BYTES}"
        raise FormatError(msg)
    stamped = _STAMPS.get(bytes(data[212:214]))
    if stamped is not None:
        header = _unpack(data, stamped)
        if sorted(header.mapcrs) == [1, 2, 3] and _find_fault(header, size, name) is None:
            return header  # as nearly all are: whatever the other order says, no evidence for it is stronger
    orders: tuple[ByteOrder, ByteOrder] = ("<", ">")
    readings = {order: _unpack(data, order) for order in orders}
    faults = {order: _find_fault(header, size, name) for order, header in readings.items()}
    order = _choose_order(stamped, readings, faults)
    fault = faults[order]
    if fault is not None and fault[0] < _TRUNCATED:
        raise fault[1]
    return readings[order]


def _choose_order(
    stamped: ByteOrder | None, readings: dict[ByteOrder, MrcHeader], faults: "dict[ByteOrder, _Fault | None]"
) -> ByteOrder:
    """The byte order to believe, by falling weight of evidence; the stamp is not the first, since it can lie."""

    def evidence(order: ByteOrder) -> tuple[int, bool, bool, bool, bool]:
        fault = faults[order]
        depth = _TRUNCATED if fault is None else fault[0]
        axes_named = sorted(readings[order].mapcrs) == [1, 2, 3]
        return depth, axes_named, fault is None, order == stamped, order == "<"

    return max(readings, key=evidence)


_Fault = tuple[int, FormatError]
_TRUNCATED = 3


def _find_fault(header: MrcHeader, size: int | None, name: str) -> _Fault | None:
    """What is wrong with a header, and how far one gets before it shows (the deeper, the more believable)."""
    for field, value, most in (
        ("NX", header.nx, MAX_SIDE),
        ("NY", header.ny, MAX_SIDE),
        ("NZ", header.nz, MAX_SECTIONS),
    ):
        if not 1 <= value <= most:
            msg = f"{name}: not a readable MRC file: {field} is {value}: expected 1 to {most}"
            return 0, FormatError(msg)
    if header.mode not in _ENCODINGS:
        known = ", ".join(map(str, _ENCODINGS))
        msg = f"{name}: MODE is {header.mode}: expected one of {known}"
        return 1, FormatError(msg)
    if not 0 <= header.nsymbt <= MAX_EXTENDED_HEADER:
        msg = f"{name}: NSYMBT (bytes of extended header) is {header.nsymbt}: expected 0 to {MAX_EXTENDED_HEADER}"
        return 2, FormatError(msg)
    if header.layout.nbytes > MAX_BYTES:
        sides = f"NX, NY, NZ {header.nx}, {header.ny}, {header.nz}"
        msg = f"{name}: {sides} of mode {header.mode}: {header.layout.nbytes} bytes: expected at most {MAX_BYTES}"
        return 2, FormatError(msg)
    needed = header.data_offset + header.layout.nbytes
    if size is not None and needed > size:
        msg = (
            f"{name}: {size} bytes, but its header says {needed} (NX, NY, NZ {header.nx}, {header.ny}, {header.nz}, "
            f"mode {header.mode}, {header.nsymbt} of extended header): the file is truncated or its header lies"
        )
        return _TRUNCATED, TruncatedError(msg)
    return None


def _unpack(data: bytes, order: ByteOrder) -> MrcHeader:
    """The header's fields in one byte order, believed or not."""
    fields = _STRUCTS[order].unpack_from(data)
    nx, ny, nz, mode = fields[0:4]
    dmin, dmax, dmean, ispg, nsymbt, exttyp, nversion, imod_stamp, imod_flags = fields[19:28]
    map_id, stamp, rms, count, labels = fields[31:36]
    deviations = []
    if map_id[:3] != b"MAP":
        deviations.append("no 'MAP ' identifier")
    if _STAMPS.get(stamp[:2]) != order:
        deviations.append(f"machine stamp {stamp.hex()} for {'little' if order == '<' else 'big'}-endian data")
    stamped = bool(imod_flags & _IMOD_SIGNED_BYTES) if imod_stamp == _IMOD_STAMP else None
    sign = sign_of(mode, stamped, dmin, dmax, dmean)
    if sign.note:
        deviations.append(sign.note)
    mapcrs = fields[16:19]
    if sorted(mapcrs) != [1, 2, 3]:
        deviations.append(f"MAPC, MAPR and MAPS that are no order of axes {mapcrs}, taken for 1, 2, 3")
    elif nz == 1 and mapcrs[2] != 3:
        deviations.append(f"an image in another plane than x and y {mapcrs}, taken as stored")
    return MrcHeader(
        byte_order=order,
        nx=nx,
        ny=ny,
        nz=nz,
        mode=mode,
        nstart=fields[4:7],
        sampling=fields[7:10],
        cell=fields[10:13],
        cell_angles=fields[13:16],
        mapcrs=mapcrs,
        dmin=dmin,
        dmax=dmax,
        dmean=dmean,
        rms=rms,
        ispg=ispg,
        nsymbt=nsymbt,
        exttyp=_text(exttyp).strip(),
        nversion=nversion,
        origin=fields[28:31],
        labels=tuple(_text(labels[80 * i : 80 * i + 80]) for i in range(min(max(count, 0), 10))),
        sign=sign,
        deviations=tuple(deviations),
    )


def _text(raw: bytes) -> str:
    """Label text without padding and control characters."""
    return "".join(c for c in raw.decode("latin-1") if c.isprintable()).rstrip()


def _voxel(side: float, intervals: int) -> float | None:
    size = side / intervals if intervals > 0 else 0.0
    return size if size > 0 and math.isfinite(size) else None
