"""Tomograms divided into training and validation, each of them as a whole."""

import hashlib
from collections.abc import Sequence

from builders.errors import OptionError
from builders.tomograms.sources.names import half_of


def held_out(names: Sequence[str], fraction: float, seed: int) -> frozenset[str]:
    """The tomograms for validation: at least one, and not all.

    A tomogram's turn depends on `seed` and its own name alone, not on which others there are, or in which order. What
    its halves are called, even and odd, goes where it goes.

    Args:
        names: of all tomograms.
        fraction: the share of them that is wanted, above 0 and below 1.
        seed: decides which.

    Raises:
        OptionError: there is one alone, its halves not counted.

    Example:
        >>> sorted(held_out(["TS_1", "TS_2", "TS_3", "TS_4"], 0.25, seed=1))
        ['TS_2']
    """
    of = {name: (half_of(name) or (name,))[0] for name in names}
    wholes = set(of.values())
    if len(wholes) < 2:
        msg = f"validation_fraction={fraction}: {names[0]!r} is the only tomogram: expected two at least, since each "
        msg += "is for training or for validation as a whole"
        raise OptionError(msg)

    def turn(name: str) -> bytes:
        return hashlib.sha256(f"{seed}\0{name}".encode("utf-8", "surrogateescape")).digest()

    count = min(max(1, round(fraction * len(wholes))), len(wholes) - 1)
    chosen = frozenset(sorted(wholes, key=turn)[:count])
    return frozenset(name for name in names if of[name] in chosen)
