"""Configurations in YAML, which may be anybody's: safe tags alone, bounded, each value checked where it is taken."""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.archive.tree import read_small
from builders.errors import FormatError

MOST_BYTES = 64 * 1024 * 1024
_SHOWN = 100
_DEEPEST = 64


@functools.cache
def _loader() -> Any:
    """What builds plain values alone. Merging keys is refused: a few lines of it stand for any number of them."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        def flatten_mapping(self, node: Any) -> None:
            """Leave `<<` as it is: no value is made of it, which is an error."""

    return Loader


def read_yaml(place: str, name: str) -> "Section":
    """A document of a file of this machine.

    Args:
        place: its path.
        name: what errors call it.

    Raises:
        FormatError: it is none, or longer than any configuration.
        NotFoundError: it is not there.
    """
    import yaml

    data = read_small(place, MOST_BYTES)
    try:
        _refuse_deep(data, name)
        values = yaml.load(data, _loader())
    except FormatError:
        raise
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError, AttributeError) as err:
        told = " ".join(str(err).split())[: 2 * _SHOWN] or type(err).__name__
        msg = f"{name}: no YAML that can be read: {told}"
        raise FormatError(msg) from err
    if not isinstance(values, Mapping):
        msg = f"{name}: YAML of {_told(values)}: expected names and values, as a configuration of Parakeet has"
        raise FormatError(msg)
    return Section(values, name)


def _refuse_deep(data: bytes, name: str) -> None:
    """Refuse what lies in more collections than a configuration does, before anything is made of it."""
    import yaml

    depth = 0
    for event in yaml.parse(data, _loader()):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            msg = f"{name}: lists and names inside one another more than {_DEEPEST} deep: expected a configuration"
            raise FormatError(msg)


@dataclass(frozen=True, slots=True)
class Section:
    """Names and values of a document; what is not there, or null, is what the program takes then.

    Attributes:
        values: by name.
        name: of the file, for errors.
        path: of the section in it, with a dot behind it.
    """

    values: Mapping[Any, Any] = field(repr=False)
    name: str
    path: str = ""

    def section(self, key: str) -> "Section":
        """One inside it; an empty one where there is none."""
        found = self.values.get(key)
        if found is not None and not isinstance(found, Mapping):
            raise self._wrong(key, "names and values")
        return Section({} if found is None else found, self.name, f"{self.path}{key}.")

    def sections(self, key: str) -> "list[Section]":
        """A list of those inside it."""
        found = self.values.get(key)
        if found is None:
            return []
        if not isinstance(found, Sequence) or isinstance(found, str) or not all(isinstance(o, Mapping) for o in found):
            raise self._wrong(key, "a list of names and values")
        return [Section(one, self.name, f"{self.path}{key}.{number}.") for number, one in enumerate(found)]

    def number(self, key: str, default: float) -> float:
        """A finite number."""
        found = self.values.get(key)
        if found is None:
            return default
        if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(_as_float(found)):
            raise self._wrong(key, "a number")
        return float(found)

    def count(self, key: str, default: int) -> int:
        """A whole number, 0 or more."""
        found = self.values.get(key)
        if found is None:
            return default
        if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < 2**31:
            raise self._wrong(key, "a whole number")
        return found

    def flag(self, key: str) -> bool:
        """True or False; False where it is not there."""
        return bool(self.values.get(key))

    def text(self, key: str, default: str | None = None) -> str:
        """Some letters; they must be there where there is no default."""
        found = self.values.get(key)
        if found is None and default is not None:
            return default
        if not isinstance(found, str) or not found:
            raise self._wrong(key, "a text")
        return found

    def vector(self, key: str, length: int) -> NDArray[np.float64] | None:
        """Finite numbers, so many of them; None where there are none."""
        found = self.values.get(key)
        if found is None or (isinstance(found, Sequence) and not isinstance(found, str) and not len(found)):
            return None
        is_list = isinstance(found, Sequence) and not isinstance(found, str) and len(found) == length
        kinds = bool, str, bytes
        if not is_list or any(isinstance(one, kinds) or not isinstance(one, int | float) for one in found):
            raise self._wrong(key, f"{length} numbers")
        vector = np.array([_as_float(one) for one in found])
        if not np.isfinite(vector).all():
            raise self._wrong(key, f"{length} finite numbers")
        return vector

    def _wrong(self, key: str, expected: str) -> FormatError:
        return FormatError(f"{self.name}: {self.path}{key} is {_told(self.values.get(key))}: expected {expected}")


def _as_float(value: float) -> float:
    """A number; infinite where a float cannot hold it."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _told(value: Any) -> str:
    """A value in an error: containers by their kind and length, since they may be endless."""
    if isinstance(value, Mapping):
        return f"a mapping of {len(value)} names"
    if isinstance(value, Sequence | set) and not isinstance(value, str | bytes):
        return f"a list of {len(value)} values"
    if isinstance(value, int) and value.bit_length() > _SHOWN:
        return "a huge number"
    return repr(value)[:_SHOWN]
