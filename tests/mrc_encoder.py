"""An MRC writer that shares no code and no NumPy view with the reader: every number goes through `struct`."""

import struct
from collections.abc import Sequence
from typing import Any

PIXEL = {0: "b", 1: "h", 2: "f", 4: "ff", 3: "hh", 6: "H", 12: "e"}


def header(
    nx: int,
    ny: int,
    nz: int,
    mode: int,
    *,
    order: str = "<",
    nsymbt: int = 0,
    exttyp: bytes = b"",
    ispg: int = 0,
    mz: int | None = None,
    cell: Sequence[float] = (0, 0, 0),
    mapcrs: Sequence[int] = (1, 2, 3),
    map_id: bytes = b"MAP ",
    stamp: bytes | None = None,
    imod_flags: int | None = None,
    labels: Sequence[bytes] = (),
    origin: Sequence[float] = (0, 0, 0),
    statistics: Sequence[float] = (0, 0, 0),
) -> bytearray:
    """1024 bytes by the table of the MRC2014 paper: word n stands at byte 4 (n - 1)."""
    head = bytearray(1024)

    def put(word: int, kind: str, *values: Any) -> None:
        struct.pack_into(order + kind, head, 4 * (word - 1), *values)

    put(1, "4i", nx, ny, nz, mode)
    put(8, "3i", nx, ny, nz if mz is None else mz)
    put(11, "3f", *cell)
    put(14, "3f", 90, 90, 90)
    put(17, "3i", *mapcrs)
    put(20, "3f", *statistics)
    put(23, "2i", ispg, nsymbt)
    head[104:108] = exttyp.ljust(4, b"\0")
    put(28, "i", 20140)
    if imod_flags is not None:
        put(39, "2i", 1146047817, imod_flags)
    put(50, "3f", *origin)
    head[208:212] = map_id
    head[212:216] = stamp if stamp is not None else (b"\x44\x44\0\0" if order == "<" else b"\x11\x11\0\0")
    put(56, "i", len(labels))
    for place, label in enumerate(labels):
        head[224 + 80 * place : 304 + 80 * place] = label.ljust(80)
    return head


def pixels(values: Sequence[Any], nx: int, mode: int, *, order: str = "<") -> bytes:
    """Pixels, row after row; complex ones as (re, im); 4-bit ones two a byte, the first low, rows whole bytes."""
    if mode != 101:
        kind = order + PIXEL[mode]
        return b"".join(struct.pack(kind, *(v if isinstance(v, tuple) else (v,))) for v in values)
    packed = bytearray()
    for start in range(0, len(values), nx):
        row = [*values[start : start + nx], 0]
        packed += bytes(row[i] | row[i + 1] << 4 for i in range(0, nx, 2))
    return bytes(packed)
