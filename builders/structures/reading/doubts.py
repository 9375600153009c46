"""What is doubtful in a structure that was read: said once, since all of its atoms are kept."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from builders.structures.reading.flat import Flat
from builders.structures.reading.kinds import VIRTUAL

_FAR = 9999.0
"""Å: programs write this, and more, where an atom has no place."""
_MOST_BITS = 24
_MIXING = np.uint64(0x9E3779B97F4A7C15)
"""2**64 over the golden ratio: a product with it spreads what differs over all bits."""


def doubts(models: Sequence[Flat]) -> Iterator[str]:
    """Sentences about what is doubtful, each once for all models.

    Args:
        models: the atoms of each.
    """
    yield from filter(None, (_of_names(models), _of_places(models), _of_occupancies(models), _of_elements(models)))


def _of_names(models: Sequence[Flat]) -> str:
    """Atoms of one model that are named alike: chain, residue number, name and alternative."""
    count, first, total = 0, "", 0
    for number, flat in enumerate(models, 1):
        codes = _codes(flat)
        repeated = _repeated(codes)
        if len(repeated):
            first = first or _told(flat, int(np.flatnonzero(np.isin(codes, repeated))[0]), number)
            count += len(codes) - len(np.unique(codes))
        total += len(codes)
    if not count:
        return ""
    models_in_one = " (several models under one number?)" if 2 * count >= total else ""
    return f"{count} of {total} atoms have the chain, residue number and name of another one{models_in_one}: {first}"


def _repeated(codes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The codes that are there more than once, found without sorting all of them.

    Each atom leaves its place in a table at a slot that its code gives; who finds another one there was overwritten.
    """
    slots = codes >> np.uint64(64 - min(len(codes).bit_length() + 4, _MOST_BITS))
    places = np.arange(len(codes), dtype=np.uint32)
    table = np.empty(1 << min(len(codes).bit_length() + 4, _MOST_BITS), np.uint32)
    table[slots] = places
    found = table[slots]
    lost = np.flatnonzero(found != places)
    others = np.sort(codes[lost])
    return np.concatenate((codes[lost][codes[lost] == codes[found[lost]]], others[1:][others[1:] == others[:-1]]))


def _codes(flat: Flat) -> NDArray[np.uint64]:
    """A number for each atom; of atoms that are named alike, the same one."""
    code = flat.residue_numbers.astype(np.int64).view(np.uint64)
    for column in (flat.altlocs, flat.insertion_codes):
        code = code * np.uint64(256) + column.view(np.uint8)
    for names in (flat.chains, flat.names):
        wide = np.ascontiguousarray(names.astype(f"S{-(-names.dtype.itemsize // 8) * 8}")).view(np.uint64)
        for word in wide.reshape(len(names), -1).T:
            code = (code ^ word) * _MIXING
            code ^= code >> np.uint64(29)
    return code


def _told(flat: Flat, row: int, model: int) -> str:
    chain, name = flat.chains[row].decode(errors="replace"), flat.names[row].decode(errors="replace")
    number = int(flat.residue_numbers[row])
    residue = f"residue {number}" if number > np.iinfo(np.int32).min else "a residue without a number"
    return f"the first is {name} of {residue} in chain {chain!r} of model {model}"


def _of_places(models: Sequence[Flat]) -> str:
    """Atoms at the origin or out of all bounds, as placeholders are."""
    nowhere = 0
    for flat in models:
        zero = flat.positions[flat.positions[:, 0] == 0]
        origin = int(np.count_nonzero(~zero.any(1)))
        nowhere += origin if origin > 1 else 0
        if flat.positions.max(initial=0) >= _FAR or flat.positions.min(initial=0) <= -_FAR:
            nowhere += int(np.count_nonzero((np.abs(flat.positions) >= _FAR).any(1)))
    return f"{nowhere} atoms are at 0, 0, 0 or beyond {_FAR:g} Å, as atoms without a place are" if nowhere else ""


def _of_occupancies(models: Sequence[Flat]) -> str:
    outside = sum(int(np.count_nonzero(~((flat.occupancies >= 0) & (flat.occupancies <= 1)))) for flat in models)
    if not any(flat.occupancies.any() for flat in models):
        return "all its atoms have occupancy 0"
    return f"{outside} atoms have an occupancy that is none from 0 to 1" if outside else ""


def _of_elements(models: Sequence[Flat]) -> str:
    """Atoms of which no element is known: whether they are hydrogens is not, either."""
    names = [name for flat in models for name in flat.names[flat.elements == b"X"].tolist()]
    unknown = [name for name in (name.decode(errors="replace") for name in names) if not _is_known_as_unknown(name)]
    return f"{len(unknown)} atoms are of no known element: {', '.join(dict.fromkeys(unknown[:5]))}" if unknown else ""


def _is_known_as_unknown(name: str) -> bool:
    return name.upper().startswith(("X", "UN", "DU")) or VIRTUAL.fullmatch(name) is not None
