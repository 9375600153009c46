"""Several `.cs` files of the same particles, joined by `uid`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from builders.errors import FormatError, MixedError
from builders.io.tables.cryosparc.files import Fields

UID = "uid"
_TOLD = 3


def join(tables: Sequence[tuple[str, Fields]]) -> Fields:
    """The fields of all tables, for the rows of the first one, in its order.

    Raises:
        FormatError: a table of several has no `uid`, or has one twice.
        MixedError: tables have different particles, or unlike values of one field.
    """
    (first, fields), *others = tables
    if not others:
        return fields
    joined = dict(fields)
    uids = _uids(first, fields)
    source = dict.fromkeys(fields, first)
    order = np.argsort(uids, kind="stable")
    for name, more in others:
        place = _places(first, uids[order], order, name, _uids(name, more))
        for field, values in more.items():
            here = values if place is None else _taken(values, place)
            if field not in joined:
                joined[field], source[field] = here, name
            elif field != UID:
                _check_alike(field, (source[field], joined[field]), (name, here), uids)
    return joined


def _uids(name: str, fields: Fields) -> NDArray[np.uint64]:
    if not isinstance(fields.get(UID), np.ndarray) or fields[UID].ndim != 1:
        msg = f"{name}: no field {UID!r}: expected one, by which several .cs files are joined"
        raise FormatError(msg)
    uids = fields[UID]
    known, counts = np.unique(uids, return_counts=True)
    if len(known) < len(uids):
        repeated = known[counts > 1]
        msg = f"{name}: {_listed(repeated)} more than once: expected each once, to join several .cs files"
        raise FormatError(msg)
    return uids


def _places(
    first: str, known: NDArray[np.uint64], order: NDArray[np.int64], name: str, uids: NDArray[np.uint64]
) -> NDArray[np.int64] | None:
    """For each row of the first table, its row in another; None where that is the same."""
    theirs = np.argsort(uids, kind="stable")
    if len(known) != len(uids) or not np.array_equal(known, uids[theirs]):
        for lacking, having, missing in (
            (name, first, np.setdiff1d(known, uids)),
            (first, name, np.setdiff1d(uids, known)),
        ):
            if len(missing):
                msg = f"{lacking}: lacks {_listed(missing)} of {having}: expected the same particles in both"
                raise MixedError(msg)
    place = np.empty(len(uids), np.int64)
    place[order] = theirs
    return None if np.array_equal(place, np.arange(len(place))) else place


def _taken(values: Any, place: NDArray[np.int64]) -> Any:
    return values[place] if isinstance(values, np.ndarray) else values.take(pa.array(place))


def _check_alike(field: str, ours: tuple[str, Any], theirs: tuple[str, Any], uids: NDArray[np.uint64]) -> None:
    (first, one), (second, other) = ours, theirs
    unlike = np.flatnonzero(~_alike(one, other))
    if len(unlike):
        row = int(unlike[0])
        said = f"{one[row]} and {other[row]} of uid {uids[row]}"
        msg = f"{first} and {second}: {field} is unlike in {len(unlike)} of {len(uids)} rows, first {said}"
        raise MixedError(msg)


def _alike(one: Any, other: Any) -> NDArray[np.bool_]:
    """Which rows say the same, for one that is null or NaN in both as well."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and one.shape == other.shape:
        with np.errstate(invalid="ignore"):
            is_same = (one == other) | ((one != one) & (other != other))
        alike: NDArray[np.bool_] = is_same.reshape(len(one), int(np.prod(one.shape[1:]))).all(axis=1)
        return alike
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.zeros(len(one), np.bool_)
    texts = one.cast(pa.string()), other.cast(pa.string())
    are_null = pc.and_(pc.is_null(texts[0]), pc.is_null(texts[1]))
    return np.asarray(pc.or_(pc.fill_null(pc.equal(*texts), False), are_null), np.bool_)


def _listed(uids: NDArray[np.uint64]) -> str:
    some = ", ".join(str(uid) for uid in uids[:_TOLD])
    return f"uid {some}" if len(uids) == 1 else f"{len(uids)} uids ({some}{', ...' if len(uids) > _TOLD else ''})"
