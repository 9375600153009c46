"""CRC32C is that of the standard, and the same however bytes are divided."""

import numpy as np
import pytest

from builders.io.codecs.checksum import crc32c

# RFC 3720, B.4
VECTORS = {
    "zeros": (bytes(32), 0x8A9136AA),
    "ones": (b"\xff" * 32, 0x62A8AB43),
    "rising": (bytes(range(32)), 0x46DD794E),
    "falling": (bytes(range(31, -1, -1)), 0x113FDB5C),
    "digits": (b"123456789", 0xE3069283),
    "nothing": (b"", 0),
}


@pytest.mark.parametrize(("data", "expected"), VECTORS.values(), ids=VECTORS)
def test_vectors(data, expected):
    assert crc32c(np.frombuffer(data, np.uint8)) == expected


@pytest.mark.parametrize("size", [1, 3, 4, 5, 16, 17, 255, 1028, 70_001])
def test_byte_by_byte(size):
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    register = 0xFFFFFFFF
    for byte in data.tolist():
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    assert crc32c(data) == register ^ 0xFFFFFFFF
