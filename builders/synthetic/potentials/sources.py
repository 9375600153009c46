"""What callers name as structures: files, ids, rows, maps."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.errors import NotFoundError, OptionError
from builders.synthetic.potentials import maps, reading, rows
from builders.synthetic.potentials.alternatives import states_of
from builders.synthetic.potentials.atoms import Atoms, checked
from builders.synthetic.potentials.maps import Map
from builders.synthetic.potentials.molecules import Body, Molecule

Endpoints = Mapping[str, str] | str | os.PathLike[str] | None
_PACKED = (".gz", ".bz2")
_LONGEST_NAME = 1000
_EXPECTED = "expected the path of a structure (.cif, .pdb, .ent) or a map (.mrc, .map), an id, or a row of structures"


def classes_of(structures: Any, endpoints: Endpoints = None) -> dict[str, list[Body]]:
    """The states of each class, by name, in the order in which they are named.

    Args:
        structures: one or several of a file, an id, a row of `structures`; or such by the name of their class. Rows of
            one id are states of one class.
        endpoints: of `structures`, for ids.

    Raises:
        OptionError: nothing is named, one name twice, or what is no structure.
        PercError: a structure cannot be had, or not be drawn.
    """
    if isinstance(structures, Mapping) and not _is_row(structures):
        named = [(_checked_name(name), source) for name, source in structures.items()]
        members = {name: _several(source) for name, source in named}
    else:
        members = {} if structures is None else _by_name(_several(structures))
    if not members:
        msg = f"structures is {structures!r}: {_EXPECTED}, or several"
        raise OptionError(msg)
    return {name: states_of_source(sources, endpoints) for name, sources in members.items()}


def states_of_source(source: Any, endpoints: Endpoints = None) -> list[Body]:
    """All states of one class; those of a file, or of rows of one id, lie about the centre of mass of the first.

    Args:
        source: a file, an id, a row of `structures`, or several of these.
        endpoints: of `structures`, for ids.

    Raises:
        OptionError: it is nothing of the kind.
        PercError: a structure cannot be had, or not be drawn.
    """
    sources = _several(source)
    if not sources:
        msg = f"structure is {source!r}: {_EXPECTED}"
        raise OptionError(msg)
    names = [_name_of(one) for one in sources]
    bodies: list[Body] = []
    of_rows: dict[str, NDArray[np.float64]] = {}
    for one, name in zip(sources, names, strict=True):
        found = _found(one, endpoints)
        states = [state for atoms in found if isinstance(atoms, Atoms) for state in states_of(checked(atoms))]
        if states:
            center = of_rows.get(name, states[0].center)
            if _is_row(one):
                of_rows.setdefault(name, center)
            bodies += [Molecule(state, center) for state in states]
        bodies += [body for body in found if isinstance(body, Map)]
    return bodies


def _by_name(sources: list[Any]) -> dict[str, list[Any]]:
    members: dict[str, list[Any]] = {}
    for source in sources:
        name = _name_of(source)
        if name in members and not (_is_row(source) and _is_row(members[name][0])):
            msg = f"structures names {name!r} twice: {members[name][0]!r} and {source!r}: expected classes of unlike "
            msg += "names, such as {'one': ..., 'other': ...}"
            raise OptionError(msg)
        members.setdefault(name, []).append(source)
    return members


def _several(source: Any) -> list[Any]:
    if isinstance(source, set | frozenset):
        msg = f"structures is a set, {source!r:.200}: expected a list, for classes and states are numbered in its order"
        raise OptionError(msg)
    is_one = isinstance(source, str | bytes | os.PathLike) or _is_row(source) or not isinstance(source, Iterable)
    return [source] if is_one else list(source)


def _is_row(source: Any) -> bool:
    return isinstance(source, Mapping) and any(column in source for column in ("coordinates", "element"))


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
        msg = f"structures has a class of the name {name!r:.200}: expected a text of up to {_LONGEST_NAME} characters"
        raise OptionError(msg)
    return name


def _name_of(source: Any) -> str:
    """The name of a source's class: a file's without suffixes, the id."""
    if _is_row(source):
        return str(source.get("id") or source.get("entry_id") or "structure")
    if not isinstance(source, str | os.PathLike) or not os.fspath(source):
        msg = f"structure is {source!r}: {_EXPECTED}"
        raise OptionError(msg)
    path = Path(source)
    if not (_is_file(source) or _suffix(path)):
        return str(source)
    plain = path.with_suffix("") if path.suffix.lower() in _PACKED else path
    return plain.with_suffix("").name


def _found(source: Any, endpoints: Endpoints) -> list[Atoms] | list[Map]:
    if _is_row(source):
        return [rows.atoms_of(source)]
    if "://" in str(source):
        msg = f"structure is {source!r}: a URL: {_EXPECTED}"
        raise OptionError(msg)
    path = Path(source)
    suffix = _suffix(path)
    if suffix in maps.SUFFIXES and path.is_file():
        return [Map(path)]
    if _is_file(source):
        return reading.read_atoms(path)
    if suffix or isinstance(source, os.PathLike):
        msg = f"{source}: no such file"
        raise NotFoundError(msg)
    return [rows.atoms_of(row) for row in rows.rows_of_id(str(source), endpoints)]


def _is_file(source: Any) -> bool:
    """Whether it names what is there; a mere word that is the name of a folder may as well be an id."""
    path = Path(source)
    return path.is_file() or (path.is_dir() and (isinstance(source, os.PathLike) or len(path.parts) > 1))


def _suffix(path: Path) -> str:
    """That of a kind of files that are known, without that of packing; else empty."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in _PACKED]
    last = suffixes[-1] if suffixes else ""
    return last if last in (*reading.SUFFIXES, *maps.SUFFIXES) else ""
