"""A folder and all below it, on this machine or on a server: what its folders hold, and its small files."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from builders.archive.bucket import Bucket, bucket_of
from builders.archive.listing import Child, is_one_segment, parse_listing
from builders.archive.mirror import local_children
from builders.errors import FormatError, HttpError, NotFoundError, OptionError
from builders.io.files import location
from builders.io.files.hidden import is_hidden
from builders.io.net import remote
from builders.io.net.http import SMALL_ANSWER
from builders.stacks.files import SourceFile

_MOST_FOLDERS = 100_000
_DEEPEST = 64
_SHOWN = 10


@dataclass(eq=False)
class Tree:
    """A folder and all below it. Paths in it are `/`-separated, of names that its listings tell.

    A server is asked for pages as Apache and nginx make them; one that has none, whether it is an S3 bucket. Whoever
    makes a tree of a URL has permitted its host: `Tree` permits none.

    Args:
        base: absolute path of a folder, or URL.

    Raises:
        OptionError: neither.

    Example:
        >>> Tree("https://example.org/a project/").locate("run 1/x.json")
        'https://example.org/a%20project/run%201/x.json'
    """

    base: str
    _listed: dict[str, tuple[Child, ...]] = field(default_factory=dict, repr=False)
    _bucket: Bucket | None = field(default=None, repr=False)
    _alone: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        if location.is_remote(self.base):
            parts = urlsplit(self.base)
            if parts.query or parts.fragment:
                msg = f"{self.base}: expected the address of a folder, without ? and #"
                raise OptionError(msg)
            path = "/".join(quote(unquote(part)) for part in parts.path.rstrip("/").split("/"))
            self.base = f"{parts.scheme}://{parts.netloc}{path}"
        elif "://" in self.base or not os.path.isabs(self.base):  # noqa: PTH117
            msg = f"{self.base!r}: expected a folder, or an http or https URL"
            raise OptionError(msg)
        else:
            self.base = self.base.rstrip("/") or "/"

    def __str__(self) -> str:
        return self.base

    @property
    def is_remote(self) -> bool:
        """Whether it is on a server."""
        return location.is_remote(self.base)

    def locate(self, path: str) -> str:
        """The URL, or path of this machine, of something in it.

        Raises:
            OptionError: the path leads out of it.
        """
        segments = [segment for segment in path.split("/") if segment]
        if not all(map(is_one_segment, segments)):
            msg = f"{path!r}: expected a path inside {self.base}"
            raise OptionError(msg)
        if not self.is_remote:
            return str(Path(self.base, *segments))
        return "/".join([self.base, *(quote(segment.encode("utf-8", "surrogateescape")) for segment in segments)])

    def children(self, path: str = "") -> tuple[Child, ...]:
        """What one of its folders holds, in natural order; each is asked for once.

        Raises:
            NotFoundError: there is no such folder.
            FormatError: what comes is no listing, or folders do not end.
            PercError: it cannot be reached.
        """
        if path not in self._listed:
            if path.count("/") >= _DEEPEST or len(self._listed) >= _MOST_FOLDERS:
                msg = f"{self.base}: more than {_DEEPEST} folders inside one another, or {_MOST_FOLDERS} in all"
                raise FormatError(msg)
            place = self.locate(path)
            found = self._remote_children(place) if self.is_remote else local_children(place)
            self._listed[path] = tuple(found)
        return self._listed[path]

    def _remote_children(self, place: str) -> list[Child]:
        if self._bucket is not None:
            return self._bucket.children(place)
        try:
            page, file = remote.client().small(f"{place}/")
            return parse_listing(page, file.url)
        except (HttpError, NotFoundError, PermissionError, FormatError) as err:
            with self._alone:
                found = self._bucket or bucket_of(self.base)
            if found is None:
                if isinstance(err, NotFoundError):
                    raise
                msg = f"{place}/: the server lists no folders, and is not an S3 bucket that does: {err}"
                raise type(err)(msg) from err
            self._bucket = found
        return found.children(place)

    def names(self, path: str = "") -> dict[str, Child]:
        """What one of its folders holds that is not hidden, by name; nothing where there is no such folder."""
        try:
            return {child.name: child for child in self.children(path) if not is_hidden(child.name)}
        except NotFoundError:
            return {}

    def has_folder(self, path: str) -> bool:
        """Whether there is a folder of this path: its parent's listing has it."""
        parent, _, name = path.rpartition("/")
        try:
            return any(child.name == name and child.is_folder for child in self.children(parent))
        except NotFoundError:
            return False

    def read(self, path: str, limit: int = SMALL_ANSWER) -> bytes:
        """A small file, whole.

        Raises:
            NotFoundError: there is none.
            FormatError: it is longer than `limit`.
        """
        return read_small(self.locate(path), limit)

    def file(self, path: str, child: Child, under: str = "") -> SourceFile:
        """A file of a listing, as builders know files.

        Args:
            path: of the file.
            child: what the listing says of it.
            under: what stands before its path in rows.
        """
        name = f"{under.rstrip('/')}/{path}" if under else path
        return SourceFile(name, self.locate(path), child.most or 0, child.stamp)

    def walk(self, enters: Callable[[str], bool] = lambda _: True) -> Iterator[tuple[str, Child]]:
        """All that is not hidden, with its path: folders, which are looked into if `enters` says so, and files.

        Folders of one depth are listed several at once.
        """
        waiting = [""]
        while waiting:
            listed = list(remote.each(self.children, waiting, "listings")) if self.is_remote else None
            found = list(zip(waiting, listed or map(self.children, waiting), strict=True))
            waiting = []
            for folder, children in found:
                for child in children:
                    if is_hidden(child.name):
                        continue
                    path = f"{folder}/{child.name}".lstrip("/")
                    yield path, child
                    if child.is_folder and enters(path):
                        waiting.append(path)

    def require(self, option: str) -> None:
        """Refuse a tree whose folder is not there.

        Raises:
            NotFoundError: there is none.
        """
        try:
            self.children()
        except NotFoundError as err:
            msg = f"{option} is {self.base}: no such folder"
            raise NotFoundError(msg) from err


def read_small(place: str, limit: int = SMALL_ANSWER) -> bytes:
    """A small file of this machine or of a server, whole.

    Raises:
        NotFoundError: there is none.
        FormatError: it is longer than `limit`.
    """
    if location.is_remote(place):
        return remote.client().small(place, limit)[0]
    with location.open_file(place) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        msg = f"{place}: more than {limit} bytes: expected a small file"
        raise FormatError(msg)
    return data


def shown(names: Sequence[str], most: int = _SHOWN) -> str:
    """Names as messages list them.

    Example:
        >>> shown(["a", "b", "c"], 2), shown([])
        ('a, b and 1 more', 'nothing')
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "nothing"
