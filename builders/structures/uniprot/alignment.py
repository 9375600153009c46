"""Where two protein sequences are the same, without gaps.

The chain of a structure and the entry of its protein are all but identical, apart from tags, missing stretches and a
few mutations. So identical words are looked for and extended, and nothing is forced to fit: parts of a chimera that
belong to another protein stay unaligned, where a global alignment would scatter them.
"""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

_WORD = 5
_LEAST = 8  # identical residues: by chance, some 1 in 10^10 pairs of positions
_MISMATCH = -3  # so that a stretch goes on over a mutation that four identical residues follow
_COMMON = 50  # a word found more often than that says nothing of where it belongs
_DIAGONALS = 200  # that are looked at, however repetitive the sequences


def stretches(query: str, target: str) -> list[tuple[int, int, int]]:
    """The stretches without gaps that two sequences share, in the order of both.

    The best stretch comes first, then those that fit before and after it. X matches nothing and costs nothing.

    Args:
        query: one letter a residue.
        target: one letter a residue.

    Returns:
        For each stretch: where it begins in the query and in the target, from 0, and its length.

    Example:
        >>> stretches("GSHMKWVTFISLLFLFSSAYS", "MKWVTFISLLFLFSSAYSRG")
        [(3, 0, 18)]
    """
    found = []
    parts = [(0, len(query), 0, len(target))]
    least = max(_WORD, min(_LEAST, len(query)))
    while parts:
        q0, q1, t0, t1 = parts.pop()
        best = _best(query[q0:q1], target[t0:t1], least)
        if best is None:
            continue
        q, t, length = q0 + best[0], t0 + best[1], best[2]
        found.append((q, t, length))
        parts += [(q0, q, t0, t), (q + length, q1, t + length, t1)]
    return sorted(found)


def _best(query: str, target: str, least: int) -> tuple[int, int, int] | None:
    """The best stretch of all diagonals on which the two share a word; of equals, the first in the target."""
    one, other = _codes(query), _codes(target)
    best, best_score = None, least - 1
    for diagonal in _diagonals(query, target):
        q, t = max(0, -diagonal), max(0, diagonal)
        length = min(len(query) - q, len(target) - t)
        a, b = one[q : q + length], other[t : t + length]
        score = np.where(a == b, 1, _MISMATCH)
        score[(a == ord("X")) | (b == ord("X"))] = 0
        start, stop, total = _highest(score)
        if total > best_score:
            best, best_score = (q + start, t + start, stop - start), total
    return best


def _diagonals(query: str, target: str) -> list[int]:
    """Target position less query position of the words they share: the most frequent ones, in ascending order."""
    places: dict[str, list[int]] = {}
    for t in range(len(target) - _WORD + 1):
        places.setdefault(target[t : t + _WORD], []).append(t)
    shared: Counter[int] = Counter()
    for q in range(len(query) - _WORD + 1):
        word = query[q : q + _WORD]
        if "X" not in word and len(places.get(word, [])) <= _COMMON:
            shared.update(t - q for t in places.get(word, []))
    return sorted(diagonal for diagonal, _ in shared.most_common(_DIAGONALS))


def _highest(score: NDArray[np.int64]) -> tuple[int, int, int]:
    """Start, stop and sum of the slice with the highest sum."""
    sums = np.concatenate(([0], np.cumsum(score)))
    lowest = np.minimum.accumulate(sums[:-1])
    stop = int(np.argmax(sums[1:] - lowest)) + 1
    start = int(np.flatnonzero(sums[:stop] == lowest[stop - 1])[-1])
    return start, stop, int(sums[stop] - sums[start])


def _codes(sequence: str) -> NDArray[np.uint8]:
    return np.frombuffer(sequence.encode("ascii", "replace"), dtype=np.uint8)
