"""The config JSON of a copick project: where its data lie, and the objects that it knows.

A config of this machine names what it names, since whoever asks for it has it. One that came from a server may name
only that server: neither another host nor a folder of this machine.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from builders.archive.tree import Tree, read_small, shown
from builders.errors import FormatError, NotFoundError, OptionError, UnsafeAddressError, UnsafePathError
from builders.io.files import location
from builders.io.net import remote
from builders.io.net.answers import address_of
from builders.tomograms.sources.documents import document, segment, text

_EXPECTED = "the config of a copick project"
_LONGEST = 16 * 1024 * 1024
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|(local|file):")
_WORKS = "expected a folder (a path, local:// or file://) or an address (http://, https://)"


@dataclass(frozen=True, slots=True)
class Config:
    """A project.

    Attributes:
        place: path or URL of the config.
        name: of the project.
        roots: where data lie: the static root, if there is one, then the overlay.
        objects: names of the objects that may be picked, in order.
        runs: names of the only runs there are; None: those that the roots have.
    """

    place: str
    name: str
    roots: tuple[Tree, ...]
    objects: tuple[str, ...]
    runs: tuple[str, ...] | None


def read_config(copick: str) -> Config:
    """The project that a config describes; a URL's host is permitted, for the caller named it.

    Raises:
        OptionError: it is a folder.
        NotFoundError: there is no such file, or neither of its roots.
        FormatError: it is no config of a project of files.
        UnsafeAddressError: it came from a server, and names another one.
        UnsafePathError: it came from a server, and names a folder of this machine.
    """
    if location.is_remote(copick):
        remote.permit(copick)
        place = copick
    else:
        place = os.path.abspath(Path(copick).expanduser())  # noqa: PTH100 - resolving links would rename the files
    if not location.is_remote(place) and Path(place).is_dir():
        documents = shown(sorted(path.name for path in Path(place).glob("*.json")))
        msg = f"copick is {place}: a folder: expected the config JSON of a project; there are: {documents}"
        raise OptionError(msg)
    known = document(read_small(place, _LONGEST), place, _EXPECTED)
    _require_files(known, place)
    texts = {key: text(known, key, place) for key in ("static_root", "overlay_root")}
    if texts["overlay_root"] is None:
        msg = f"{place}: no overlay_root: expected {_EXPECTED}, which has it"
        raise FormatError(msg)
    roots = {tree.base: tree for key, root in texts.items() if root for tree in [_tree(root, key, place)]}
    there = tuple(tree for tree in roots.values() if tree.has_folder("ExperimentRuns"))
    if not there:
        msg = f"{place}: no folder ExperimentRuns in {' or '.join(roots)}"
        raise NotFoundError(msg)
    return Config(place, text(known, "name", place) or "copick", there, _objects(known, place), _runs(known, place))


def _require_files(known: dict[str, Any], place: str) -> None:
    kind = text(known, "config_type", place) or "filesystem"
    if kind == "cryoet_data_portal":
        msg = f"{place}: a project of the CryoET Data Portal's data: portal= reads a mirror or an address of these"
        raise FormatError(msg)
    if kind != "filesystem":
        msg = f"{place}: config_type is {kind!r}: expected 'filesystem'"
        raise FormatError(msg)


def _tree(root: str, key: str, place: str) -> Tree:
    """The folder that a root names."""
    if location.is_remote(root):
        if location.is_remote(place) and address_of(root) != address_of(place):
            msg = f"{place}: {key} is {root[:200]!r}: a config of a server may name that server only"
            raise UnsafeAddressError(msg)
        if not location.is_remote(place):
            remote.permit(root)
        return Tree(root)
    scheme = _SCHEME.match(root)
    if scheme and (scheme[1] or scheme[2]) not in ("local", "file"):
        msg = f"{place}: {key} is {root[:200]!r}: {_WORKS}"
        if scheme[1] in ("s3", "gs", "gcs"):
            msg += "; a bucket that anybody may list is read by its https address"
        raise OptionError(msg)
    path = root[scheme.end() :] if scheme else root
    if location.is_remote(place):
        if scheme or path.startswith(("/", "~")):
            msg = f"{place}: {key} is {root[:200]!r}: a config of a server may not name folders of this machine"
            raise UnsafePathError(msg)
        return _beside(path, key, place)
    path = str(Path(path).expanduser())
    beside = Path(place).parent / path  # which an absolute path replaces
    chosen = beside if beside.is_dir() else Path(path)
    return Tree(os.path.abspath(chosen))  # noqa: PTH100


def _beside(path: str, key: str, place: str) -> Tree:
    """A folder beside a config of a server."""
    base = place.rpartition("/")[0]
    names = [segment(unquote(name), f"{place}: {key}") for name in path.split("/") if name not in ("", ".")]
    return Tree(Tree(base).locate("/".join(names)))


def _objects(known: dict[str, Any], place: str) -> tuple[str, ...]:
    found = known.get("pickable_objects")
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        msg = f"{place}: pickable_objects is {str(found)[:60]!r}: expected a list of JSON objects"
        raise FormatError(msg)
    names = [text(one, "name", f"{place}: pickable_objects") for one in found]
    if None in names or "" in names or len(set(names)) < len(names):
        msg = f"{place}: pickable_objects: expected a name of its own for each"
        raise FormatError(msg)
    return tuple(name for name in names if name)


def _runs(known: dict[str, Any], place: str) -> tuple[str, ...] | None:
    found = known.get("runs")
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        msg = f"{place}: runs is {str(found)[:60]!r}: expected a list of names"
        raise FormatError(msg)
    return tuple(segment(one, f"{place}: runs") for one in found)
