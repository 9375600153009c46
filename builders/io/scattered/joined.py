"""Several images as the sections of one, in any order, whichever files they lie in: those of a tilt series.

A reference names one of the files; where the others lie is told from there, by names below its folder or one of the few
above it, never by `..`, by an absolute path or by another host.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from builders.errors import FormatError
from builders.io.files import local, location
from builders.io.files.steps import Stretches
from builders.io.formats import compression
from builders.io.layout import Array, Layout, Range, merged
from builders.io.net import remote
from builders.io.pixels import read_each, read_layout, read_open
from builders.io.scattered.base import Scattered

MOST_SECTIONS = 2**17
MOST_BYTES = 2**36
"""Of one box: a reference of few bytes can name one section any number of times."""
MOST_UP = 3
"""Folders above that of the file that is named: files of a cache lie two apart, those of one series seldom more."""
_TOGETHER = 64 * 1024 * 1024
"""Bytes of sections of one remote file that are asked for together."""
_MARKS = re.compile(r"[\^%#~@]")
"""What has a meaning in references: it stands there as JSON's escape."""

Kind = tuple[tuple[int, ...], str]
"""Shape and `dtype` of sections, as references have these."""


@dataclass(frozen=True, slots=True)
class Section:
    """One section.

    Attributes:
        file: the number of its file.
        layout: where its pixels lie in that.
        told: the fields of a reference to it: `shape`, `dtype`, `offset` and, where need be, `index`.
    """

    file: int
    layout: Layout
    told: dict[str, Any] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Joined(Scattered):
    """Sections out of one or several files.

    Attributes:
        shape: `(sections, ny, nx)`.
        encoding: NumPy's name of the type that all sections decode to.
        offset: 0.
        axes: None.
        up: how many folders above that of the file that is named the others' names begin.
        files: names and versions of the files; the version is None where any is meant. The one that is named has no
            name, and no version but that of the reference.
        sections: in order.
    """

    up: int = 0
    files: tuple[tuple[str, str | None], ...] = ()
    sections: tuple[Section, ...] = ()

    @classmethod
    def of(cls, paths: Sequence[str], etags: Sequence[str | None], sections: Sequence[Section], name: str) -> "Joined":
        """Sections of files, the first of which is the one that a reference names.

        Args:
            paths: of the files, or their URLs.
            etags: their versions.
            sections: in order.
            name: of them all, for errors.

        Raises:
            FormatError: they are unlike, or their files lie too far apart.
        """
        if not 0 < len(sections) <= MOST_SECTIONS:
            msg = f"{name}: {len(sections)} images: expected 1 to {MOST_SECTIONS}"
            raise FormatError(msg)
        first = sections[0].layout
        for section in sections:
            layout = section.layout
            if len(layout.shape) != 2 or layout.shape != first.shape or layout.dtype != first.dtype:
                msg = f"{name}: {paths[section.file]} has an image of shape {layout.shape} and type {layout.dtype}, "
                msg += (
                    f"{paths[sections[0].file]} one of {first.shape}, {first.dtype}: expected images (ny, nx) of one "
                )
                msg += "kind" + (" (sum_frames=True sums a movie's frames)" if len(layout.shape) > 2 else "")
                raise FormatError(msg)
        up, names = _names(paths, name)
        files = tuple(zip(names, [None, *(etag or None for etag in etags[1:])], strict=True))
        return cls((len(sections), *first.shape), first.dtype.str, 0, None, up, files, tuple(sections))

    @property
    def spelling(self) -> str:
        """As `builders.io.scattered.spelling` reads it."""
        kinds: dict[str, int] = {}
        rows = []
        for section in self.sections:
            told = section.told
            kind = kinds.setdefault(json.dumps([told["shape"], told["dtype"]]), len(kinds))
            index = told.get("index")
            rows.append([section.file, kind, told["offset"], *([] if index is None else [index])])
        said = {"up": self.up, "files": self.files, "kinds": [json.loads(kind) for kind in kinds], "sections": rows}
        text = json.dumps(said, separators=(",", ":"))
        quoted = re.sub(r'"(?:[^"\\]|\\.)*"', lambda found: _MARKS.sub(_escaped, found[0]), text)
        return f"%joined{quoted}"

    def read(self, path: str, etag: str | None, bounds: Sequence[Range]) -> Array:
        """See `Scattered`: sections of one file are read in its order, files of a server several at once."""
        (first, stop), (top, bottom), (left, right) = bounds
        sections = self.sections[first:stop]
        shape = stop - first, bottom - top, right - left
        if np.dtype(self.encoding).itemsize * shape[0] * shape[1] * shape[2] > MOST_BYTES:
            msg = f"{path}: images of shape {shape}: expected at most {MOST_BYTES} bytes of them"
            raise FormatError(msg)
        is_all = (top, left, bottom, right) == (0, 0, *self.shape[1:])
        of_files: dict[int, list[tuple[int, Layout]]] = {}
        for place, section in enumerate(sections):
            layout = section.layout if is_all else section.layout.box([(top, bottom), (left, right)], path)
            of_files.setdefault(section.file, []).append((place, layout))
        out: Array | None = None
        for place, array in self._arrays(path, etag, of_files):
            if out is None:  # a file has told by now that it has as many pixels as are claimed of it
                out = np.empty(shape, self.dtype)
            out[place] = array
        assert out is not None
        return out

    def _arrays(
        self, path: str, etag: str | None, of_files: dict[int, list[tuple[int, Layout]]]
    ) -> Iterator[tuple[int, Array]]:
        """The images of sections with their places, file by file."""
        tasks: list[tuple[str, str | None, list[tuple[int, Layout]]]] = []
        for number, wanted in of_files.items():
            name, version = self.files[number]
            where = _located(path, self.up, name) if name else path
            task = where, version if name else etag, sorted(wanted, key=lambda one: one[1].offset)
            if not location.is_remote(where):
                yield from _read_local(*task)
            else:
                tasks += [task] if compression.is_packed(where) else _parted(*task)
        if tasks:
            for read in remote.each(lambda task: list(_read_remote(*task)), tasks, pool="sections"):
                yield from read


def _read_local(path: str, etag: str | None, wanted: list[tuple[int, Layout]]) -> Iterator[tuple[int, Array]]:
    places, layouts = [place for place, _ in wanted], [layout for _, layout in wanted]
    with local.opened(path) as raw:
        if compression.packing_of(raw.read(3) or b"") is not None:
            local.check_version(raw, path, etag)
            raw.seek(0)
            yield from zip(places, read_open(raw, layouts, path, etag or ""), strict=True)
            return
    for place, (array, _) in zip(places, read_each(path, layouts, etag), strict=True):
        if isinstance(array, FormatError):
            raise array
        yield place, array


def _parted(
    url: str, etag: str | None, wanted: list[tuple[int, Layout]]
) -> Iterator[tuple[str, str | None, list[tuple[int, Layout]]]]:
    """Sections of a remote file as tasks of so many bytes each."""
    some: list[tuple[int, Layout]] = []
    size = 0
    for place, layout in wanted:
        if some and size + layout.nbytes > _TOGETHER:
            yield url, etag, some
            some, size = [], 0
        some.append((place, layout))
        size += layout.nbytes
    yield url, etag, some


def _read_remote(url: str, etag: str | None, wanted: list[tuple[int, Layout]]) -> Iterator[tuple[int, Array]]:
    if compression.is_packed(url):
        size, version = location.size_and_etag(url)
        with location.open_version(url, size, etag or version) as raw:
            layouts = [layout for _, layout in wanted]
            yield from zip((place for place, _ in wanted), read_open(raw, layouts, url, etag or ""), strict=True)
        return
    if len(wanted) == 1 or any(layout.comes_in_steps for _, layout in wanted):
        for place, layout in wanted:
            yield place, read_layout(url, layout, etag)
        return
    ranges = merged([stretch for _, layout in wanted for stretch in layout.ranges])
    raw_bytes, held = location.read_ranges(url, ranges, etag), Stretches(ranges)
    for place, layout in wanted:
        yield place, layout.decode(held.cut(raw_bytes, layout.ranges))


def _names(paths: Sequence[str], name: str) -> tuple[int, list[str]]:
    """How many folders above the first file's all files lie, and their names from there; the first one's is empty.

    Raises:
        FormatError: there is no such folder.
    """
    folder, shared = paths[0].split("/")[:-1], len(paths[0].split("/")) - 1
    for path in paths[1:]:
        parts = path.split("/")[:-1]
        same = next(
            (n for n, (a, b) in enumerate(zip(folder, parts, strict=False)) if a != b), min(len(folder), len(parts))
        )
        shared = min(shared, same)
    up = len(folder) - shared
    if up > MOST_UP or shared < (3 if location.is_remote(paths[0]) else 1):
        msg = f"{name}: its images lie far apart, as in {paths[0]} and {paths[-1]}: expected them below one folder, at "
        msg += f"most {MOST_UP} above (unit='tilt' reads them one by one)"
        raise FormatError(msg)
    names = ["", *("/".join(path.split("/")[shared:]) for path in paths[1:])]
    return up, names


def _located(path: str, up: int, name: str) -> str:
    """Where a file of this name is."""
    folders = path.split("/")[:-1]
    kept = folders[: len(folders) - up]
    if len(kept) < (3 if location.is_remote(path) else 1):
        msg = f"{path}: a reference to images {up} folders above it: expected fewer"
        raise FormatError(msg)
    return "/".join([*kept, name])


def checked_name(name: Any, where: str) -> str:
    """A file's name in a reference.

    Raises:
        FormatError: it leads anywhere but down.
    """
    refused = r"[\\\0?#]" if location.is_remote(where) else r"[\\\0]"
    is_text = isinstance(name, str) and 0 < len(name) < 4096 and "://" not in name
    if not is_text or any(part in ("", ".", "..") for part in name.split("/")) or re.search(refused, name):
        msg = f"{where}: a reference to the file {name!r:.100}: expected a name below the folder"
        raise FormatError(msg)
    return str(name)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
