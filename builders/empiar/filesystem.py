"""`empiar://10943/data/...`: the archive as an fsspec filesystem, read-only."""

import io
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from fsspec import AbstractFileSystem
from fsspec.spec import AbstractBufferedFile
from fsspec.utils import stringify_path

from builders.archive.archive import Archive, refuse_page, segments_of, version_of
from builders.archive.catalogue import entry_number
from builders.errors import AccessError, ChangedError, NotFoundError, OptionError, PercError
from builders.io.files import location
from builders.io.net import remote


class _KeptByPlace(type(AbstractFileSystem)):  # type: ignore[misc]
    """fsspec keeps instances by their arguments: so these say which folder is meant, wherever one works later on."""

    def __call__(cls, archive: Any = None, api: Any = None, **options: Any) -> Any:
        given = {} if api is None else {"api": api}
        if archive is not None:
            given["archive"] = str(Archive(archive, api).base)
        return super().__call__(**given, **options)


class EmpiarFile(AbstractBufferedFile):  # type: ignore[misc]
    """A file of the archive with what fsspec's wrappers look for; it is read as `Entry.open` reads it.

    Args:
        fs: the filesystem.
        path: the file, without the protocol.
        file: the file, opened; it is closed with this.
        options: fsspec's own.
    """

    def __init__(self, fs: "EmpiarFileSystem", path: str, file: BinaryIO, **options: Any) -> None:
        self._file = file
        super().__init__(fs, path, size=file.seek(0, io.SEEK_END), **options)

    def _fetch_range(self, start: int, end: int) -> bytes:
        self._file.seek(start)
        return self._file.read(max(0, end - start))

    def close(self) -> None:
        """Close it, and what it reads from."""
        super().close()
        self._file.close()


class EmpiarFileSystem(AbstractFileSystem, metaclass=_KeptByPlace):  # type: ignore[misc]
    """Files of EMPIAR's entries by `empiar://ENTRY/path`.

    All that is there is shown, hidden names, too. Only what is not there counts as absent; where the server refuses or
    fails, that is an error. Sizes in listings (`ls`, `walk`, `find`, `glob` with `detail=True`) are those of the
    server's pages, rounded up; `info`, `size`, `sizes` and `du` ask for each file's own.

    Args:
        archive: base URL of another server, or folder of a mirror.
        api: not used for files; taken so that the same options serve everywhere.
        options: fsspec's own.

    Example:
        >>> EmpiarFileSystem._strip_protocol("empiar://10943/data/")
        '10943/data'
    """

    protocol = "empiar"
    root_marker = ""

    def __init__(self, archive: str | None = None, api: str | None = None, **options: Any) -> None:
        super().__init__(archive=archive, api=api, **options)
        self._archive = Archive(archive, api)

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return str(stringify_path(path)).removeprefix("empiar://").strip("/")

    def ls(self, path: str, detail: bool = True, **_options: Any) -> list[Any]:
        """What a folder holds; a file itself. Sizes are those of the listing, which rounds them: ask `info`.

        Raises:
            NotFoundError: there is neither.
        """
        entry, inside = _split(self._strip_protocol(path))
        try:
            children, _ = self._archive.children(entry, inside)
        except NotFoundError:
            facts = [self.info(path)]
            if facts[0]["type"] == "directory":  # which the folder above names, and which is not there
                raise
        else:
            base = "/".join(filter(None, (entry, inside)))
            facts = [
                {
                    "name": f"{base}/{child.name}",
                    "size": 0 if child.is_folder else child.most,
                    "type": "directory" if child.is_folder else "file",
                }
                for child in children
            ]
        return facts if detail else [fact["name"] for fact in facts]

    def info(self, path: str, **_options: Any) -> dict[str, Any]:
        """Exact size and ETag of a file, or that a path is a folder.

        Raises:
            NotFoundError: it is neither.
        """
        name = self._strip_protocol(path)
        entry, inside = _split(name)
        parent, _, last = inside.rpartition("/")
        if not inside:
            self._archive.children(entry)
            return {"name": name, "size": 0, "type": "directory"}
        children, _ = self._archive.children(entry, parent)
        child = next((child for child in children if child.name == last), None)
        if child is None:
            msg = f"empiar://{name}: not there"
            raise NotFoundError(msg)
        if child.is_folder:
            return {"name": name, "size": 0, "type": "directory"}
        size, etag = location.size_and_etag(self._archive.locate(entry, inside))
        return {"name": name, "size": size, "type": "file", "ETag": etag}

    def exists(self, path: str, **_options: Any) -> bool:
        """Whether there is such a file or folder.

        Raises:
            PercError: the server does not say.
        """
        return self._type(path) is not None

    def isdir(self, path: str) -> bool:
        """Whether there is such a folder; errors as for `exists`."""
        return self._type(path) == "directory"

    def isfile(self, path: str) -> bool:
        """Whether there is such a file; errors as for `exists`."""
        return self._type(path) == "file"

    def _type(self, path: str) -> str | None:
        try:
            return str(self.info(path)["type"])
        except NotFoundError:
            return None

    def walk(
        self,
        path: str,
        maxdepth: int | None = None,
        topdown: bool = True,
        on_error: Any = None,
        detail: bool = False,
        **options: Any,
    ) -> Iterator[tuple[str, Any, Any]]:
        """Folders below a path, with the names of the folders and files in each; `find` and `glob` stand on it.

        Args:
            path: where to begin; when it is not there, nothing comes.
            maxdepth: how many levels; None: all.
            topdown: each folder before those in it, whose list may be shortened then.
            on_error: `"raise"`, also when `path` is not there; `"omit"` to leave out what fails; or what to call with
                the error. None: raise, but for that.
            detail: name and facts of each, instead of the name.
            options: not used.

        Raises:
            PercError: a folder cannot be listed.
        """
        if maxdepth is not None and maxdepth < 1:
            msg = f"maxdepth is {maxdepth}: expected 1 or more"
            raise OptionError(msg)
        name = "/".join(filter(None, _split(self._strip_protocol(path))))
        try:
            facts = {fact["name"].removeprefix(name).strip("/"): fact for fact in self.ls(name)}
        except PercError as err:
            if callable(on_error):
                on_error(err)
            elif on_error == "raise" or (on_error is None and not isinstance(err, NotFoundError)):
                raise
            return
        folders: Any = {last: fact for last, fact in facts.items() if fact["type"] == "directory"}
        files: Any = {last: fact for last, fact in facts.items() if last not in folders}
        if not detail:
            folders, files = list(folders), list(files)
        if topdown:
            yield name, folders, files
        if maxdepth is None or maxdepth > 1:
            below = None if maxdepth is None else maxdepth - 1
            for folder in list(folders):
                yield from self.walk(f"{name}/{folder}", below, topdown, on_error or "raise", detail)
        if not topdown:
            yield name, folders, files

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: dict[str, Any] | None = None,
        cache_type: str = "none",
        **_options: Any,
    ) -> EmpiarFile:
        if mode != "rb":
            msg = f"empiar://{path}: mode {mode!r}: the archive can only be read"
            raise AccessError(msg)
        name = self._strip_protocol(path)
        file = self._archive.open(*_split(name))
        options = {"block_size": block_size, "cache_type": cache_type, "cache_options": cache_options}
        return EmpiarFile(self, name, file, **options)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_options: Any) -> bytes:
        """The bytes from `start` to `end` (not included), and no others, as a slice: what is beyond the end is none.

        Raises:
            NotFoundError: there is no such file.
            FolderError: it is a folder.
        """
        with self._archive.file(*_split(self._strip_protocol(path))) as place:
            return _read_slice(place, start or 0, end)

    def cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        on_error: str = "return",
        **_options: Any,
    ) -> list[Any]:
        """Many ranges, several at once; a range that fails is its error, or raises it with `on_error="raise"`."""
        starts = starts if isinstance(starts, list) else [starts] * len(paths)
        ends = ends if isinstance(ends, list) else [ends] * len(paths)

        def one(wanted: tuple[str, int | None, int | None]) -> "bytes | Exception":
            try:
                return self.cat_file(*wanted)
            except Exception as err:
                if on_error != "return":
                    raise
                return err

        return list(remote.each(one, list(zip(paths, starts, ends, strict=True))))

    def ukey(self, path: str) -> str:
        """What changes when the file does."""
        return repr(self.info(path))


def _read_slice(place: str, start: int, end: int | None) -> bytes:
    """A slice of a file; the server is asked for the file's size only where the slice needs it."""
    if not location.is_remote(place):
        with location.open_file(place) as file:
            first, stop, _ = slice(start, end).indices(os.fstat(file.fileno()).st_size)
            file.seek(first)
            return file.read(max(0, stop - first))
    if end is not None and 0 <= start < end <= start + remote.PIECE:
        try:
            return _read_range(place, start, end)
        except ChangedError:
            pass  # it may just end before
    version = version_of(place)
    if version.size is None:  # so the server sends it whole, or not at all
        return b"".join(remote.client().stream(place, version))[start:end]
    first, stop, _ = slice(start, end).indices(version.size)
    return remote.read(version, first, stop).tobytes() if stop > first else b""


def _read_range(url: str, start: int, end: int) -> bytes:
    buffer = np.empty(end - start, np.uint8)
    refuse_page(remote.client().read_into(url, buffer, start))
    return buffer.tobytes()


def _split(name: str) -> tuple[str, str]:
    """Entry and path inside it.

    Raises:
        OptionError: the path does not begin with an entry.
    """
    entry, _, inside = name.partition("/")
    if not entry:
        msg = "empiar://: expected empiar://ENTRY/path, such as empiar://10943/data"
        raise OptionError(msg)
    return entry_number(entry), "/".join(segments_of(inside, "path"))
