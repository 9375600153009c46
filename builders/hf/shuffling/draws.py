"""Which of the rows that a shuffled stream holds come next, and how its state names those rows: on numbers alone."""

import base64
import copy
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

_DRAWS = 8
"""A full buffer is given out in so many draws: a row stays for that many on the average."""
_LARGE = 255


def count_of(held: int) -> int:
    """How many of so many held rows are drawn at once, before others are read in their place."""
    return max(1, held // _DRAWS)


def drawn(seeds: Sequence[int], number: int, held: int, count: int) -> Numbers:
    """Which ones are drawn, in the order in which they are given: the same for the same seeds and draw.

    Args:
        seeds: of the stream, its epoch and its worker.
        number: of the draw.
        held: how many rows there are.
        count: how many of them are drawn.

    Example:
        >>> sorted(drawn([1], 0, 4, 4).tolist())
        [0, 1, 2, 3]
    """
    return np.random.default_rng([len(seeds), *seeds, number]).choice(held, count, replace=False)


def seed_of(generator: np.random.Generator) -> int:
    """A number that tells generators apart; the generator stays as it is."""
    return int(copy.deepcopy(generator).integers(0, 1 << 63))


def keys_of(piece: int, places: Numbers) -> Numbers:
    """What rows are called in a state: the number of the piece in which they are read, and their places in it."""
    return (np.int64(piece) << 32) + places


def places_in(keys: Numbers) -> list[tuple[int, Numbers]]:
    """Pieces and the places in them, of keys in rising order.

    Example:
        >>> places_in(np.append(keys_of(0, np.array([3])), keys_of(7, np.array([0, 2]))))
        [(0, array([3])), (7, array([0, 2]))]
    """
    pieces, places = keys >> 32, keys & 0xFFFFFFFF
    numbers, starts = np.unique(pieces, return_index=True)
    return list(zip(numbers.tolist(), np.split(places, starts[1:]), strict=True)) if len(keys) else []


def encoded(keys: Numbers) -> str:
    """Keys in rising order as text, most of them a byte: how far each is from the one before."""
    steps = np.diff(keys, prepend=0)
    is_large = steps >= _LARGE
    small = np.where(is_large, _LARGE, steps).astype(np.uint8)
    return ".".join(base64.b64encode(part.tobytes()).decode() for part in (small, steps[is_large].astype("<i8")))


def decoded(text: str) -> Numbers:
    """The keys that `encoded` made text of.

    Example:
        >>> decoded(encoded(np.array([0, 1, 7, 4294967296])))
        array([         0,          1,          7, 4294967296])
    """
    small, _, large = text.partition(".")
    steps = np.frombuffer(base64.b64decode(small), np.uint8).astype(np.int64)
    steps[steps == _LARGE] = np.frombuffer(base64.b64decode(large), "<i8")
    return np.cumsum(steps)
