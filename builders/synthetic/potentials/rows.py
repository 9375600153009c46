"""Rows of `structures` as atoms, and ids, which `structures` makes rows of."""

from collections.abc import Mapping
from typing import Any

import datasets
import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.synthetic.potentials.atoms import Atoms

_NEEDED = ("coordinates", "element")
_TEXTS = ("atom_name", "residue_name", "chain", "residue_number", "insertion_code", "altloc")
_COLUMNS = ("id", "entry_id", "source", *_NEEDED, "occupancy", "b_factor", *_TEXTS)


def rows_of_id(id: str, endpoints: Any) -> list[dict[str, Any]]:
    """The rows of `load_dataset("structures", ids=[id])`, one a model, with all alternate locations.

    Args:
        id: of a structure.
        endpoints: as `structures` has them; None: the services.

    Raises:
        PercError: there is no such structure, or it cannot be had.
    """
    stream = datasets.load_dataset(
        *("structures",),
        ids=[id],
        models="all",
        altlocs="all",
        endpoints={} if endpoints is None else endpoints,
        split="train",
        streaming=True,
    )
    return list(stream.select_columns(list(_COLUMNS)).with_format("numpy"))


def atoms_of(row: Mapping[str, Any]) -> Atoms:
    """The atoms of a row of `structures`.

    Raises:
        FormatError: it lacks a column that is needed, or columns differ in length.
    """
    name = str(row.get("id") or row.get("entry_id") or "row")
    for column in _NEEDED:
        if row.get(column) is None:
            msg = f"{name}: a row of the columns {', '.join(row)}: expected {column!r}, as rows of structures have it"
            raise FormatError(msg)
    element = np.array([str(value) for value in row["element"]])
    count = len(element)
    coordinates = _numbers(row["coordinates"], "coordinates", name)
    if coordinates.shape != (count, 3):
        msg = f"{name}: coordinates of shape {coordinates.shape} for {count} elements: expected ({count}, 3)"
        raise FormatError(msg)

    def numbers(column: str) -> NDArray[np.float64] | None:
        values = row.get(column)
        return None if values is None else _of_length(_numbers(values, column, name), column)

    def texts(column: str) -> NDArray[np.str_]:
        values = row.get(column)
        texts = [""] * count if values is None else ["" if value is None else str(value) for value in values]
        return _of_length(np.array(texts, np.str_), column)

    def _of_length(values: NDArray[Any], column: str) -> NDArray[Any]:
        if values.shape != (count,):
            msg = f"{name}: {column} of shape {values.shape} for {count} elements: expected ({count},)"
            raise FormatError(msg)
        return values

    occupancy = numbers("occupancy")
    places = zip(
        texts("chain").tolist(), texts("residue_number").tolist(), texts("insertion_code").tolist(), strict=True
    )
    return Atoms(
        name=name,
        coordinates=coordinates,
        element=element,
        occupancy=np.ones(count) if occupancy is None else occupancy,
        b_factor=numbers("b_factor"),
        atom_name=texts("atom_name"),
        residue_name=texts("residue_name"),
        residue=np.array([f"{chain}/{number}{code}" for chain, number, code in places], np.str_),
        altloc=texts("altloc"),
        is_predicted=row.get("source") == "alphafold" or str(row.get("entry_id") or "").upper().startswith("AF-"),
    )


def _numbers(values: Any, column: str, name: str) -> NDArray[np.float64]:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as err:
        msg = f"{name}: {column} that are no numbers: {err}"
        raise FormatError(msg) from err
