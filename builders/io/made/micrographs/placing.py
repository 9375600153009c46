"""Where the particles of a micrograph lie: scattered at a distance from each other, or heaped."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from builders.io.made.draws import Floats

Inside = Callable[[Floats], NDArray[np.bool_]]
"""Which of some places `(N, 2)` particles may lie at."""

_COVERED = 0.45
"""Share of a plane that disks cover when every tenth dart or so still sticks.

None does at 0.547: Feder, J. Theor. Biol. 87 (1980).
"""
_DARTS = 256
_ROUNDS = 80
"""Of darts, and one more for every so many places: all stick well before where `about_how_many` are not exceeded."""
_EVERY = 25
_GAMES = 50
"""Before it is given up: the first few of only some places may lie so that there is no room for the last."""
_MEMBERS = 5, 16
"""Of a heap, the fewest and the most."""
_APART = 0.3, 0.7
"""How far a member of a heap lies from another one, of the distance that others keep."""


def about_how_many(size: tuple[float, float], distance: float) -> int:
    """How many places at a distance from each other are soon found by throwing darts, about: 1 or more.

    Args:
        size: of the field, along x and y.
        distance: in the same unit, above 0.

    Example:
        >>> about_how_many((1000.0, 1000.0), 100.0)
        63
    """
    width, height = size
    area = (width + distance / 2) * (height + distance / 2)  # half a disk may lie beyond the rim
    return max(1, math.floor(_COVERED * area / (math.pi / 4 * distance**2)))


def scattered(
    random: np.random.Generator, count: int, distance: float, size: tuple[float, float], inside: Inside
) -> Floats | None:
    """Places anywhere in a field, none closer to another than a distance: `(count, 2)`, x and y from 0; None: no room.

    Darts are thrown one after another, and those that land too close to one that stuck are thrown away. The first
    places are the same whatever the count, unless the room got scarce.

    Args:
        random: of the micrograph.
        count: how many.
        distance: in the unit of the field.
        size: of the field, along x and y.
        inside: which places are allowed.
    """
    for _ in range(_GAMES):
        field = _Field(distance, size)
        for _ in range(_ROUNDS + count // _EVERY):
            darts = random.random((_DARTS, 2)) * size
            darts = darts[inside(darts)]
            for dart in darts[field.has_room(darts)]:
                if len(field.places) == count:
                    break
                field.put(dart)
            if len(field.places) == count:
                return np.array(field.places).reshape(-1, 2)
    return None


class _Field:
    """Places that were found, in cells that have room for one each."""

    def __init__(self, distance: float, size: tuple[float, float]) -> None:
        self.places: list[Floats] = []
        self._square = distance**2
        self._cell = distance / math.sqrt(2) or max(size) + 1
        columns, rows = (math.floor(side / self._cell) + 5 for side in size)
        self._cells = np.full((rows, columns, 2), np.inf)

    def has_room(self, darts: Floats) -> NDArray[np.bool_]:
        """Which darts land far enough from all places."""
        x, y = (darts // self._cell).astype(np.int64).T
        steps = np.arange(5)
        near = self._cells[y[:, None, None] + steps[:, None], x[:, None, None] + steps]
        squares = np.square(near - darts[:, None, None]).sum(-1)
        room: NDArray[np.bool_] = (squares >= self._square).all((1, 2))
        return room

    def put(self, dart: Floats) -> None:
        """Let a dart stick, if there is room."""
        x, y = (dart // self._cell).astype(np.int64)
        squares = np.square(self._cells[y : y + 5, x : x + 5] - dart).sum(-1)
        if (squares >= self._square).all():
            self._cells[y + 2, x + 2] = dart
            self.places.append(dart)


def heaped(
    random: np.random.Generator, count: int, distance: float, size: tuple[float, float], inside: Inside
) -> Floats:
    """Places of heaps, `(N, 2)`: each member lies too close to one that was there before, so that they overlap.

    Args:
        random: of the micrograph.
        count: how many heaps, of 5 to 16 members, less those that come to lie outside.
        distance: that others keep.
        size: of the field, along x and y.
        inside: which places are allowed.
    """
    heaps = [_heap(random, distance, size, inside) for _ in range(count)]
    places = np.concatenate([np.zeros((0, 2)), *heaps])
    is_there = (places >= 0).all(1) & (places <= size).all(1) & inside(places)
    return places[is_there]


def _heap(random: np.random.Generator, distance: float, size: tuple[float, float], inside: Inside) -> Floats:
    first = random.random((_DARTS, 2)) * size
    places = [first[np.argmax(inside(first))]]
    for _ in range(random.integers(_MEMBERS[0], _MEMBERS[1], endpoint=True) - 1):
        other, angle = places[random.integers(len(places))], random.uniform(0, 2 * math.pi)
        step = distance * random.uniform(*_APART)
        places.append(other + step * np.array([math.cos(angle), math.sin(angle)]))
    return np.array(places)


def crowded(places: Floats, distance: float) -> NDArray[np.bool_]:
    """Which places lie closer to another one than a distance.

    Example:
        >>> crowded(np.array([[0.0, 0.0], [0.0, 3.0], [0.0, 5.0]]), 3.0)
        array([False,  True,  True])
    """
    squares = np.square(places[:, None] - places).sum(-1)
    np.fill_diagonal(squares, np.inf)
    near: NDArray[np.bool_] = (squares < distance**2).any(1)
    return near
