"""Parakeet's `sample.h5`: which molecules lie where, as they were simulated."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.files import location
from builders.io.files.natural_order import natural_key
from builders.io.formats import hdf5
from builders.synthetic.written.configs import Floats, Molecules

_MOLECULES, _CENTRE = "sample/molecules", "sample/centre"
_MOST = 1_000_000
_MOST_NAMES = 100_000


@contextlib.contextmanager
def opened(place: str, name: str) -> "Iterator[Any]":
    """A file of HDF5 of this machine, as h5py has it; errors are ours.

    Raises:
        FormatError: damaged.
        NotFoundError: it is not there.
    """
    with location.open_file(place) as raw:
        size = raw.seek(0, os.SEEK_END)

        def read(offset: int, count: int) -> bytes:
            raw.seek(offset)
            return raw.read(count)

        with hdf5.opened(read, size, name) as file:
            yield file


def read_sample(place: str, name: str) -> tuple[Molecules, Floats]:
    """The molecules of a sample, kinds in natural order, and its centre: x, y, z, Å.

    Raises:
        FormatError: no sample, or a damaged one.
    """
    with opened(place, name) as file:
        return sample_of(file, name)


def is_sample(file: Any, name: str) -> bool:
    """Whether an open file is one of a sample."""
    return hdf5.member(file, "sample", name) is not None


def sample_of(file: Any, name: str) -> tuple[Molecules, Floats]:
    """What an open file holds; see `read_sample`."""
    kinds = hdf5.member(file, _MOLECULES, name)
    names = [] if kinds is None or isinstance(kinds, hdf5.package(name).Dataset) else sorted(kinds, key=natural_key)
    if not 0 < len(names) <= _MOST_NAMES:
        msg = f"{name}: {len(names)} kinds of molecules at {_MOLECULES}: expected 1 to {_MOST_NAMES}"
        raise FormatError(msg)
    centre = _numbers(file, _CENTRE, name)
    if centre.shape != (3,):
        msg = f"{name}: {_CENTRE} has shape {centre.shape}: expected 3 numbers"
        raise FormatError(msg)
    places, turns = [], []
    for kind in names:
        place, turn = (_numbers(file, f"{_MOLECULES}/{kind}/{what}", name) for what in ("positions", "orientations"))
        if place.shape != turn.shape or place.ndim != 2 or place.shape[1] != 3:
            msg = f"{name}: {kind} has positions of shape {place.shape}, orientations of shape {turn.shape}: expected "
            msg += "3 numbers each, of as many molecules"
            raise FormatError(msg)
        places.append(place)
        turns.append(turn)
    numbers: NDArray[np.int64] = np.repeat(np.arange(len(names)), [len(place) for place in places])
    return Molecules(tuple(names), numbers, np.concatenate(places), np.concatenate(turns)), centre


def _numbers(file: Any, path: str, name: str) -> Floats:
    """A small dataset of finite numbers."""
    stored = hdf5.dataset(file, path, name)
    if stored is None:
        msg = f"{name}: no dataset {path}: expected a sample as Parakeet writes it"
        raise FormatError(msg)
    if stored.dtype.kind not in "fiu" or stored.shape is None or stored.size > 3 * _MOST:
        msg = (
            f"{name}: {path} is of type {stored.dtype} and shape {stored.shape}: expected numbers, {3 * _MOST} at most"
        )
        raise FormatError(msg)
    with np.errstate(invalid="ignore"):  # of NaN
        numbers = np.asarray(stored[()], np.float64)
    if not np.isfinite(numbers).all():
        msg = f"{name}: {path}: {int((~np.isfinite(numbers)).sum())} of {numbers.size} are NaN or infinite: "
        msg += "expected places and turns"
        raise FormatError(msg)
    return numbers
