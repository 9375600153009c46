"""The files of a table: where they are on this machine, those of the archive brought into the cache before."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from builders.archive.archive import Archive, version_of
from builders.archive.caching import label
from builders.archive.named.places import Place
from builders.errors import FolderError, FormatError, StalledError, UnreachableError
from builders.io.files import local, location
from builders.io.files.cache import Cache
from builders.io.files.header_store import HeaderStore
from builders.io.net import remote

_MOST = 16 * 2**30
"""Bytes of a table: one of a hundred million particles."""
_STAMP = "a table"
"""A table's version is asked for each time: nothing else has to be the same for what is known of it to hold."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file of a table.

    Attributes:
        place: where it was named.
        path: where it is now.
        version: changes when it does.
    """

    place: Place
    path: str
    version: str


def bring(places: Sequence[Place], archive: Archive, cache: str | None, anew: bool = False) -> list[TableFile]:
    """The files of a table on this machine.

    Args:
        places: where they are.
        archive: which one.
        cache: folder of the cache.
        anew: fetch them in any case.

    Raises:
        NotFoundError: one is not there.
        FolderError: one is a folder.
    """
    return [_brought(place, archive, cache, anew) for place in places]


def _brought(place: Place, archive: Archive, cache: str | None, anew: bool) -> TableFile:
    if place.entry is None:
        return TableFile(place, place.path, _state(place.path))
    with archive.file(place.entry, place.path) as where:
        if not location.is_remote(where):
            return TableFile(place, where, _state(where))
        return _fetched(place, where, cache, anew)


def _state(path: str) -> str:
    if os.path.isdir(path):  # noqa: PTH112
        msg = f"{path}: a folder, expected a table (.star or .cs)"
        raise FolderError(msg)
    with local.opened(path) as raw:
        status = os.fstat(raw.fileno())
        return f"{local.etag_of(status)}-{status.st_ino:x}"


def _fetched(place: Place, url: str, folder: str | None, anew: bool) -> TableFile:
    cache, store = Cache(folder), HeaderStore(folder)
    try:
        version = version_of(url)
    except (UnreachableError, StalledError):
        known = store.version(url, _STAMP)
        path = known and cache.find(url, label(known))
        if known is None or path is None:
            raise
        return TableFile(place, str(path), label(known))
    if version.size is not None and version.size > _MOST:
        msg = f"{place}: {version.size:,} bytes: too large for a table of particles"
        raise FormatError(msg)
    path = cache.fetch(
        url, label(version), version.size, lambda offset: remote.client().stream(url, version, offset), anew
    )
    store.put_version(replace(version, url=url), _STAMP)
    return TableFile(place, str(path), label(version))
