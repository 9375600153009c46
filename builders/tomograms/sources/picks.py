"""Files of picks, read several at once, with those that they name or stand beside."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

import numpy as np

from builders.archive.tree import read_small
from builders.errors import NotFoundError, PercError
from builders.io.files import location
from builders.io.net import remote
from builders.io.tables.picks import Picks, read, tomograms_named
from builders.stacks.files import SourceFile

_TOMOGRAMS = "tomograms.star"
_MOST = 1 << 30
"""Bytes of a table: some three million particles of RELION."""


def read_all(
    files: Sequence[SourceFile], pixel_size: float | None = None, labels: Mapping[str, str] | None = None
) -> list[Picks | PercError]:
    """What files of picks hold, under their paths as names; what is wrong with one takes its place.

    A `tomograms.star` beside a STAR file tells the sizes of the tomograms that RELION 5 counts from the middle of. The
    files that an optimisation set names are looked for below its own folder, and below those above it within the
    source: RELION names them from its project's folder.

    Args:
        files: of this machine or of a server.
        pixel_size: Å, of voxels that tables count.
        labels: by their places, the class of what files hold that tell none.
    """

    def one(file: SourceFile) -> Picks | PercError:
        try:
            data, tomograms = read_small(file.location, _MOST), None
            if file.path.lower().endswith(".star"):
                tomograms = _if_there(_folder(file.location) + _TOMOGRAMS)
            own, label = _beside(file), (labels or {}).get(file.location)
            picks = read(data, file.path, pixel_size=pixel_size, label=label, tomograms=tomograms, beside=own)
            return replace(picks, name=file.path)
        except PercError as err:
            return err

    return list(remote.each(one, files, "listings"))


def named_in(file: SourceFile) -> tuple[str, ...] | None:
    """The tomograms that a damaged file of picks names: see `builders.io.tables.picks.tomograms_named`."""
    return tomograms_named(read_small(file.location, _MOST), file.path)


def labelled(picks: Picks, label: str) -> Picks:
    """Picks that are all of one object, in one tomogram."""
    return replace(picks, labels=(label,) * len(picks), tomograms=None)


def unlike(picks: Picks, others: Sequence[Picks]) -> bool:
    """Whether none of some others has the very same points of the same objects."""
    return not any(picks.labels == one.labels and np.array_equal(picks.points, one.points) for one in others)


def _beside(file: SourceFile) -> Callable[[str], bytes]:
    """Reads a file that another one names, by its path in a folder above that."""

    def found(path: str) -> bytes:
        inside = quote(path) if location.is_remote(file.location) else path  # no %2e%2e of a file is a folder above
        for folder in _folders(file):
            if (data := _if_there(folder + inside)) is not None:
                return data
        msg = f"{file.path} names {path!r}: there is no such file below its folder, nor below those above it"
        raise NotFoundError(msg)

    return found


def _folders(file: SourceFile) -> Iterator[str]:
    """The folder that a file is in, and those above it within its source, each with the `/` at its end."""
    folder = _folder(file.location)
    yield folder
    for name in reversed(file.path.split("/")[:-1]):
        if not folder.endswith(f"/{name}/"):
            return
        folder = folder.removesuffix(f"{name}/")
        yield folder


def _folder(place: str) -> str:
    return place[: place.rfind("/") + 1]


def _if_there(place: str) -> bytes | None:
    try:
        return read_small(place, _MOST)
    except NotFoundError:
        return None
