"""What `datasets` keeps beside rows that are made: that they are, of what, how, and whose structures they are of."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from builders.archive_licences import ARCHIVES, entry_of, license_of
from builders.options import READ_WITH

_MOST_NAMED = 20
"""Classes that a description names."""
_ARCHIVES = ("pdb", "alphafold")


def facts_of(structures: Any, labels: Sequence[str], options: Mapping[str, Any]) -> dict[str, str]:
    """Description, and where structures are of archives their citation and licence.

    Args:
        structures: as they were named.
        labels: names of the classes.
        options: that rows were made with, besides.

    Example:
        >>> facts_of(["4v1w"], ["4v1w"], {"seed": 42})["license"]
        'cc0-1.0'
    """
    names = ", ".join([*labels[:_MOST_NAMED], *(["..."] if len(labels) > _MOST_NAMED else [])])
    sources = list(_texts(structures))
    of = repr(sources[0] if len(sources) == 1 else sources[:_MOST_NAMED]) if sources else repr(list(labels))
    told = [f"structures={of}", *(f"{name}={value!r:.200}" for name, value in options.items())]
    made = f"Synthetic images of {names}: they were computed, no microscope took them"
    facts = {"description": f"{made}\n{READ_WITH}{', '.join(told)}"}
    archives = {next((name for name in _ARCHIVES if entry_of(name, text)), "") for text in sources}
    license = license_of(archives)
    if license is not None:
        facts |= {"license": license, "citation": "\n".join(ARCHIVES[name].citation for name in sorted(archives))}
    return facts


def _texts(structures: Any) -> Iterator[str]:
    """Ids and names of files, without their folders; nothing of what is named otherwise."""
    if isinstance(structures, str | os.PathLike):
        path = Path(structures)
        yield path.name if path.is_file() else str(structures)
    elif isinstance(structures, list | tuple):
        for one in structures:
            yield from _texts(one)
    elif isinstance(structures, Mapping) and not {"coordinates", "element"} & structures.keys():
        for one in structures.values():
            yield from _texts(one)
