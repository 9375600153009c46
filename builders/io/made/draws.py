"""Random numbers of rows: functions of (seed, what they are for, index), and of nothing else.

Uniform ones come of Philox4x32-10, counter by counter: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3"
(SC 2011). Of whole images, where there are many, NumPy's own Philox makes them, set to the row.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]

_ROUNDS = 10
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = 0x9E3779B9, 0xBB67AE85
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def uniforms(seed: int, purpose: str, indices: Indices, count: int) -> Floats:
    """Numbers of the uniform distribution on (0, 1), `(rows, count)`: those of a row depend on its index alone.

    Args:
        seed: any integer.
        purpose: what they are for: other numbers for each.
        indices: of the rows, 0 or more.
        count: how many each gets; the first ones are the same whatever the count.

    Example:
        >>> few, more = (uniforms(42, "defocus", np.array([7, 8]), count) for count in (1, 3))
        >>> few.shape, bool((few == more[:, :1]).all())
        ((2, 1), True)
    """
    rows = np.asarray(indices).astype(np.uint64)[:, None]
    groups = np.arange((count + 1) // 2, dtype=np.uint64)  # of two numbers of 53 bits
    zero = np.zeros(len(rows), np.uint64)[:, None]
    counter = [rows & _LOW, rows >> _HALF, zero + groups, zero + zero[:1] * groups]
    words = philox([*np.broadcast_arrays(*counter)], _key(seed, purpose))
    pairs = [(words[place] << _HALF) | words[place + 1] for place in (0, 2)]
    numbers = (np.stack(pairs, -1).reshape(len(rows), 2 * len(groups))[:, :count] >> np.uint64(12)).astype(np.float64)
    uniform: Floats = (numbers + 0.5) * 2.0**-52
    return uniform


def normals(seed: int, purpose: str, indices: Indices, count: int) -> Floats:
    """Numbers of the normal distribution of mean 0 and variance 1, `(rows, count)`; as `uniforms`, by Box and Muller.

    Example:
        >>> normals(42, "axes", np.arange(3), 2).shape
        (3, 2)
    """
    uniform = uniforms(seed, purpose, indices, count + count % 2)
    radius, angle = np.sqrt(-2 * np.log(uniform[:, 0::2])), 2 * np.pi * uniform[:, 1::2]
    both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)
    normal: Floats = both.reshape(uniform.shape)[:, :count]
    return normal


def generator(seed: int, purpose: str, index: int) -> np.random.Generator:
    """A generator for what one row needs many numbers for, such as noise.

    Example:
        >>> generator(42, "shot noise", 7).standard_normal(2, np.float32).shape
        (2,)
    """
    low, high = _key(seed, purpose)
    return np.random.Generator(np.random.Philox(key=low | high << 32, counter=[0, 0, int(index), 0]))


def philox(counter: "list[NDArray[np.uint64]]", key: tuple[int, int]) -> "list[NDArray[np.uint64]]":
    """Four words of 32 random bits for each counter of four such words; Philox4x32-10.

    Args:
        counter: four arrays of one shape, of values below 2^32.
        key: two words.

    Example:
        >>> [hex(int(word)) for word in philox([np.zeros((), np.uint64)] * 4, (0, 0))]
        ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    first, second, third, fourth = counter
    one, two = key
    for _ in range(_ROUNDS):
        left, right = first * _MULTIPLIERS[0], third * _MULTIPLIERS[1]
        first, second = (right >> _HALF) ^ second ^ np.uint64(one), right & _LOW
        third, fourth = (left >> _HALF) ^ fourth ^ np.uint64(two), left & _LOW
        one, two = (one + _WEYL[0]) & 0xFFFFFFFF, (two + _WEYL[1]) & 0xFFFFFFFF
    return [first, second, third, fourth]


def _key(seed: int, purpose: str) -> tuple[int, int]:
    digest = hashlib.blake2b(f"{int(seed)}/{purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")
