"""Which files are the two halves of a tomogram."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from builders.archive.tree import shown
from builders.errors import NotFoundError, OptionError
from builders.tomograms.sources.names import half_of

_T = TypeVar("_T")


def paired(
    items: Sequence[_T], stem: Callable[[_T], str], source: str, skips: bool
) -> tuple[dict[str, tuple[_T, _T]], list[tuple[str, str]]]:
    """Pairs of halves, even and odd, by the name that is common to them; what is no half is passed over.

    Args:
        items: files, or what else has a name.
        stem: the name of one, without a suffix.
        source: whose they are, for messages.
        skips: leave out halves without the other one.

    Returns:
        The pairs, and what was left out with its reason.

    Raises:
        NotFoundError: halves lack the other one, all of which are told; or there are none.
        OptionError: several files are the same half.

    Example:
        >>> paired(["a_even", "a_odd", "b"], str, "here", skips=False)
        ({'a': ('a_even', 'a_odd')}, [])
    """
    halves: dict[str, tuple[list[_T], list[_T]]] = {}
    for item in items:
        told = half_of(stem(item))
        if told is not None:
            halves.setdefault(told[0], ([], []))[told[1]].append(item)
    several = [stem(item) for both in halves.values() for half in both if len(half) > 1 for item in half]
    if several:
        msg = f"pairs of {source}: {shown(several)} are the same half: tomogram= chooses"
        raise OptionError(msg)
    alone = [stem(half[0]) for both in halves.values() for half in both if half and not all(both)]
    if alone and not skips:
        msg = f"pairs of {source}: {len(alone)} halves without the other one: {shown(alone)}"
        raise NotFoundError(msg)
    pairs = {name: (even[0], odd[0]) for name, (even, odd) in halves.items() if even and odd}
    if not pairs:
        there = shown([stem(item) for item in items])
        msg = f"pairs of {source}: no two halves (such as x_even and x_odd, x_half1 and x_half2, EVN/x and ODD/x); "
        msg += f"there are: {there}"
        raise NotFoundError(msg)
    return pairs, [(name, "a half without the other one") for name in alone]
