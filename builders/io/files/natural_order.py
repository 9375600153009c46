"""The one order of names: natural, so that `x_2` stands before `x_10`."""

import re

_DIGITS = re.compile(r"([0-9]+)")

NaturalKey = tuple[tuple[str | int, ...], str]


def natural_key(name: str) -> NaturalKey:
    """Sort key under which runs of digits compare as numbers; equal numbers (`a1`, `a01`) by spelling.

    Example:
        >>> sorted(["x_10", "x_2", "x_1"], key=natural_key)
        ['x_1', 'x_2', 'x_10']
    """
    parts = _DIGITS.split(name)
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts)), name


def natural_path_key(path: str) -> tuple[NaturalKey, ...]:
    """Sort key of a `/`-separated path: folder by folder, each by `natural_key`.

    Example:
        >>> sorted(["a/10/x", "a/9/x"], key=natural_path_key)
        ['a/9/x', 'a/10/x']
    """
    return tuple(natural_key(part) for part in path.split("/"))
