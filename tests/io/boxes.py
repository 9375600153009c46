"""Arrays, their bytes in every encoding, and boxes in them: what tests of layouts compare with."""

import numpy as np
from hypothesis import strategies as st

ENCODINGS = ("<f4", ">f4", "<f8", ">i2", "|u1", "|i1", "<u8", "<f2", "<c8", "|b1", "<ci2", ">ci2", "4bit")


def numbers(shape, encoding, seed=0):
    """An array of numbers that an encoding can hold, of the dtype that it decodes to."""
    drawn = np.random.default_rng(seed).integers(0, 16, (2, *shape))
    if encoding in ("<ci2", ">ci2", "<c8"):
        return (drawn[0] - 1j * drawn[1]).astype(np.complex64)
    if encoding == "4bit":
        return drawn[0].astype(np.uint8)
    return drawn[0].astype(np.dtype(encoding).newbyteorder("="))


def encode(array, encoding):
    """Its bytes, one pixel after another."""
    if encoding in ("<ci2", ">ci2"):
        return np.stack([array.real, array.imag], -1).astype(f"{encoding[0]}i2").tobytes()
    if encoding == "4bit":
        if array.shape[-1] % 2:
            array = np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, 1)])
        return (array[..., 0::2] + 16 * array[..., 1::2]).astype(np.uint8).tobytes()
    return array.astype(encoding).tobytes()


def cut(bounds):
    """A box as NumPy takes it."""
    return tuple(slice(start, stop) for start, stop in bounds)


def boxes_in(shape):
    """Boxes in an array of a shape."""
    return st.tuples(*(_range_in(side) for side in shape)).map(list)


def _range_in(side):
    return st.integers(0, side - 1).flatmap(lambda start: st.tuples(st.just(start), st.integers(start + 1, side)))
