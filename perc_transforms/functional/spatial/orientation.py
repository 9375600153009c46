"""Quarter turns and mirrors, by which pixels go to pixels."""

import functools
import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

Element = tuple[tuple[int, ...], ...]


@functools.lru_cache(maxsize=8)
def quarter_turns(spatial_dims: int) -> tuple[Element, ...]:
    """The rotations that take axes to axes, as matrices for vectors (x, y) or (x, y, z): 4 in 2-D, 24 in 3-D.

    Example:
        >>> quarter_turns(2)
        (((1, 0), (0, 1)), ((-1, 0), (0, -1)), ((0, 1), (-1, 0)), ((0, -1), (1, 0)))
    """
    elements = []
    for order in itertools.permutations(range(spatial_dims)):
        inversions = sum(a > b for a, b in itertools.combinations(order, 2))
        for signs in itertools.product((1, -1), repeat=spatial_dims):
            if (inversions + signs.count(-1)) % 2 == 0:
                elements.append(_matrix(order, signs))
    return tuple(elements)


def _matrix(order: Sequence[int], signs: Sequence[int]) -> Element:
    places = range(len(order))
    return tuple(tuple(sign * (at == place) for place in places) for at, sign in zip(order, signs, strict=True))


def turned_sizes(sizes: Sequence[int], element: Element) -> tuple[int, ...]:
    """The sizes of an image after `orient`.

    Example:
        >>> turned_sizes((2, 3), ((0, -1), (1, 0)))
        (3, 2)
    """
    backwards = tuple(sizes)[::-1]
    return tuple(backwards[_source(row)] for row in element)[::-1]


def orient(x: Tensor, elements: Sequence[Element], *, spatial_dims: int) -> Tensor:
    """Turn or mirror images about their centres by quarter turns, each by its own: content at p goes to `matrix @ p`.

    p is counted from pixel `n // 2`, which stays where it is. So along a mirrored axis pixel i goes to
    `(2 * (n // 2) - i) mod n`. On an odd side this is `torch.flip`; on an even one, which has one more pixel before
    the centre than after it, it is `torch.roll(torch.flip(x), 1)`, and line 0 stays.

    Args:
        x: `(rows, ..., ny, nx)` or `(rows, ..., nz, ny, nx)`.
        elements: for each row a matrix with one 1 or -1 in each row and column, for vectors (x, y) or (x, y, z); none
            that changes the shape.
        spatial_dims: 2 or 3.

    Example:
        >>> x = torch.arange(9.0).view(1, 3, 3)
        >>> orient(x, [((0, -1), (1, 0))], spatial_dims=2)
        tensor([[[6., 3., 0.],
                 [7., 4., 1.],
                 [8., 5., 2.]]])
    """
    places: dict[Element, list[int]] = {}
    for place, element in enumerate(elements):
        places.setdefault(element, []).append(place)
    if len(places) == 1:
        return _oriented(x, elements[0], spatial_dims).clone(memory_format=torch.contiguous_format)
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    for element, chosen in places.items():
        y[chosen] = _oriented(x[chosen], element, spatial_dims)
    return y


def _oriented(x: Tensor, element: Element, spatial_dims: int) -> Tensor:
    """All images by one element of the group; what is given back may be a view."""
    leading = x.ndim - spatial_dims
    last = x.ndim - 1
    sources = [last - _source(row) for row in reversed(element)]
    y = x.permute(*range(leading), *sources)
    flipped = [last - axis for axis, row in enumerate(element) if -1 in row]
    y = y.flip(flipped) if flipped else y
    even = [axis for axis in flipped if y.shape[axis] % 2 == 0]
    return y.roll([1] * len(even), even) if even else y


def _source(row: Sequence[int]) -> int:
    """The old axis (x is 0) that a new axis is, of its row of the matrix."""
    return next(place for place, value in enumerate(row) if value)
