"""CRC32C (Castagnoli), as RFC 3720 has it, by NumPy: many pieces of the bytes at once, then what these give as one.

The register of a CRC is linear over GF(2): that of `A` followed by `B` is that of `A`, moved on over as many zeros as
`B` has bytes, plus that of `B` from an empty register.
"""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78
_ONES = 0xFFFFFFFF
_LONGEST = 512
"""Bytes of a piece at the most; shorter ones are more steps of joining."""

Words = NDArray[np.uint32]


def crc32c(data: NDArray[np.uint8]) -> int:
    """The checksum of bytes.

    Example:
        >>> hex(crc32c(np.frombuffer(b"123456789", np.uint8)))
        '0xe3069283'
    """
    if data.size < 4:
        return _one_by_one(data)
    length = 4
    while length < _LONGEST and length * length < data.size:
        length *= 2
    count = 1 << (-(-data.size // length) - 1).bit_length()
    padded = np.zeros(count * length, np.uint8)  # zeros in front leave the empty register as it is
    padded[padded.size - data.size :] = data
    padded[padded.size - data.size :][:4] ^= 0xFF  # what a register full of ones does to the first bytes
    columns = np.ascontiguousarray(padded.reshape(count, length).T)
    registers: Words = np.zeros(count, np.uint32)
    table = _table()
    for column in columns:
        registers = table[(registers ^ column) & 0xFF] ^ (registers >> 8)
    while len(registers) > 1:
        registers = _moved(registers[0::2], length) ^ registers[1::2]
        length *= 2
    return int(registers[0]) ^ _ONES


def _one_by_one(data: NDArray[np.uint8]) -> int:
    register = _ONES
    for byte in data.tolist():
        register = int(_table()[(register ^ byte) & 0xFF]) ^ (register >> 8)
    return register ^ _ONES


@functools.cache
def _table() -> Words:
    """What a byte at the register's end makes of it."""
    words = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        words = np.where(words & 1, (words >> 1) ^ np.uint32(_POLYNOMIAL), words >> 1)
    return words


def _moved(registers: Words, zeros: int) -> Words:
    """Registers moved on over so many bytes of zeros, a power of two."""
    moved: Any = 0
    for number, table in enumerate(_tables(zeros)):
        moved = moved ^ table[(registers >> (8 * number)) & 0xFF]
    result: Words = moved
    return result


@functools.cache
def _tables(zeros: int) -> Words:
    """`(4, 256)`: what becomes of each byte of a register."""
    words = np.arange(256, dtype=np.uint32)[None] << (8 * np.arange(4, dtype=np.uint32))[:, None]
    if zeros > 1:
        half = zeros // 2
        return _moved(_moved(words.reshape(-1), half), half).reshape(4, 256)
    table: Words = _table()[words & 0xFF] ^ (words >> 8)
    return table
