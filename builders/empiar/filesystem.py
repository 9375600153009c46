"""`empiar://10943/data/...`: the archive as an fsspec filesystem, read-only."""

from typing import Any, BinaryIO

from fsspec import AbstractFileSystem
from fsspec.utils import stringify_path

from builders.empiar.archive import Archive, segments_of
from builders.empiar.catalogue import entry_number
from builders.errors import AccessError, NotFoundError, OptionError
from builders.io import location, remote


class EmpiarFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Files of EMPIAR's entries by `empiar://ENTRY/path`.

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
        """What a folder holds; a file itself. Sizes are those of the listing, which rounds them: ask `info`."""
        entry, inside = _split(self._strip_protocol(path))
        try:
            children, _ = self._archive.children(entry, inside)
        except NotFoundError:
            facts = [self.info(path)]
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

    def _open(self, path: str, mode: str = "rb", **_options: Any) -> BinaryIO:
        if mode != "rb":
            msg = f"empiar://{path}: mode {mode!r}: the archive can only be read"
            raise AccessError(msg)
        return location.open_file(self._archive.locate(*_split(self._strip_protocol(path))))

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_options: Any) -> bytes:
        """The bytes from `start` to `end` (not included), and no others; negative ones count from the end."""
        where = self._archive.locate(*_split(self._strip_protocol(path)))
        size, etag = None, None
        if start is None or end is None or start < 0 or end < 0:
            size, etag = location.size_and_etag(where)
        whole = size or 0
        first = max(0, whole + start) if start is not None and start < 0 else start or 0
        stop = whole if end is None else whole + end if end < 0 else end if size is None else min(end, whole)
        return location.read(where, first, stop, etag).tobytes() if stop > first else b""

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


def _split(name: str) -> tuple[str, str]:
    """Entry and path inside it.

    Raises:
        OptionError: the path does not begin with an entry.
    """
    entry, _, inside = name.partition("/")
    if not entry:
        msg = "empiar://: expected empiar://ENTRY/path, such as empiar://10943/data"
        raise OptionError(msg)
    return entry_number(entry), "/".join(segments_of(inside))
