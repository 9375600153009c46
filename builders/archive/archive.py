"""The archive's files: folders listed, over HTTP or in a local mirror laid out as the archive is."""

import hashlib
import io
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, NoReturn, cast
from urllib.parse import quote, unquote, urlsplit

from tqdm.auto import tqdm

from builders.archive.catalogue import EntryInfo, entry_number, parse_api, parse_xml
from builders.archive.listing import Child, is_one_segment, parse_listing
from builders.archive.mirror import local_children, mirror_folder
from builders.errors import (
    AccessError,
    FolderError,
    FormatError,
    HttpError,
    NotFoundError,
    OptionError,
    PercError,
    ReadError,
    StalledError,
    UnreachableError,
)
from builders.io.files import location
from builders.io.files.hidden import is_hidden
from builders.io.files.natural_order import natural_path_key
from builders.io.files.ranged_file import RangedFile
from builders.io.net import remote
from builders.io.net.answers import RemoteFile
from builders.stacks.files import SourceFile

logger = logging.getLogger(__name__)

ARCHIVE = "https://ftp.ebi.ac.uk/empiar/world_availability"
API = "https://www.ebi.ac.uk/empiar/api"
_ENTRIES_SHOWN = 10
_DEEPEST = 64
"""Folders inside one another: no deposit has as many, but a server that lists a folder in itself has them endlessly."""
_MOST_FOLDERS = 100_000
"""Listings that one search reads: hours of the archive's limit, and far more than any deposit has."""


@dataclass(frozen=True, slots=True)
class Found:
    """The files of an entry that were asked for, in natural order of their paths.

    Attributes:
        files: those that fit.
        seen: how many files were looked at.
        samples: paths of a few of these.
        version: changes when any listing that was read does.
        folders: how many folders were seen and not looked into.
        folder_samples: paths of a few of these, below the folder that was searched.
    """

    files: tuple[SourceFile, ...]
    seen: int
    samples: tuple[str, ...]
    version: str
    folders: int = 0
    folder_samples: tuple[str, ...] = ()

    def instead(self, folder: str, wanted: str) -> str:
        """What was found in a folder in place of files that are `wanted`, as a sentence."""
        more = f" and {self.folders - len(self.folder_samples)} more" if self.folders > len(self.folder_samples) else ""
        folders = ", ".join(f"{name}/" for name in self.folder_samples) + more
        if not self.seen:
            return f"there are only folders in {folder}: {folders}" if self.folders else f"there is nothing in {folder}"
        shown = f"; there are: {', '.join(self.samples)}" if self.samples else ""
        beside = f"; and the folders {folders}" if self.folders else ""
        return f"none of {self.seen} files in {folder} {wanted}{shown}{beside}"


@dataclass(frozen=True)
class Archive:
    """Where the archive is: base URLs, or a folder that holds a mirror.

    Naming a host here is what permits contacting it.

    Args:
        base: URL or local folder that holds `<entry>/data/...`; None: EMPIAR's.
        api: base URL of the archive's API; None: EMPIAR's for EMPIAR's archive, and none for another one, whose
            entries are described by their XML files.

    Raises:
        NotFoundError: a mirror's folder does not exist.
        OptionError: neither a URL nor a folder.
    """

    base: str | os.PathLike[str] | None = None
    api: str | None = None

    def __post_init__(self) -> None:
        base = ARCHIVE if self.base is None else _named("archive", self.base, "an http or https URL or a folder")
        api = API if base == ARCHIVE else None
        if self.api is not None:
            api = _named("api", self.api, "an http or https URL")
            _check_url("api", api, "an http or https URL")
        if "://" in base:
            _check_url("archive", base, "an http or https URL or a folder")
        for url in (base, api):
            if url is not None and location.is_remote(url) and url not in (ARCHIVE, API):
                remote.permit(url)
        object.__setattr__(self, "base", (base if "://" in base else mirror_folder(base)).rstrip("/"))
        object.__setattr__(self, "api", api.rstrip("/") if api else None)

    def locate(self, entry: str | int, path: str = "", is_folder: bool = False) -> str:
        """The URL or path of something inside an entry.

        Raises:
            OptionError: the path leads out of the entry.
        """
        segments = [entry_number(entry), *segments_of(path, "path")]
        base = str(self.base)
        if not location.is_remote(base):
            return str(Path(base, *segments))
        quoted = "/".join(quote(segment.encode("utf-8", "surrogateescape")) for segment in segments)
        return f"{base}/{quoted}{'/' * is_folder}"

    def _inside(self, folder: str, name: str) -> str:
        """The URL or path of something in a folder, of which `locate` gave the same."""
        if not location.is_remote(folder):
            return os.path.join(folder, name)  # noqa: PTH118 - a folder may hold very many
        return f"{folder}/{quote(name.encode('utf-8', 'surrogateescape'))}"

    def info(self, entry: str | int) -> EntryInfo:
        """An entry's metadata: the API's answer, or where that fails, the entry's XML file.

        Raises:
            NotFoundError: neither knows the entry.
            AccessError: both refuse it: it is not released yet, or too many requests were sent.
        """
        number, causes = entry_number(entry), []
        if self.api is not None:
            try:
                return parse_api(remote.client().small(f"{self.api}/entry/{number}")[0], number)
            except PercError as err:
                causes.append(err)
                logger.info("EMPIAR-%s: the API does not help (%s): reading its XML", number, err)
        try:
            return parse_xml(self._small(self.locate(number, f"{number}.xml")), number)
        except PercError as err:
            causes.append(err)
        reasons = "; ".join(map(str, causes))
        if all(isinstance(err, UnreachableError | StalledError) for err in causes):
            msg = f"EMPIAR-{number}: its metadata cannot be reached: {reasons}"
            raise UnreachableError(msg) from causes[-1]
        if any(isinstance(err, AccessError) for err in causes):
            msg = f"EMPIAR-{number}: access is refused: is it released, or are there too many requests? {reasons}"
            raise AccessError(msg) from causes[-1]
        if all(isinstance(err, NotFoundError) for err in causes):
            msg = f"EMPIAR-{number}: no such entry (check the number at https://www.ebi.ac.uk/empiar): {reasons}"
            raise NotFoundError(msg) from causes[-1]
        msg = f"EMPIAR-{number}: its metadata cannot be read: {reasons}"
        raise ReadError(msg) from causes[-1]

    def _small(self, place: str) -> bytes:
        if location.is_remote(place):
            return remote.client().small(place)[0]
        with location.open_file(place) as file:
            return file.read()

    def children(self, entry: str | int, path: str = "") -> tuple[list[Child], str]:
        """What a folder of an entry holds, in natural order, and the listing's version.

        Raises:
            NotFoundError: there is no such folder.
            FormatError: what comes is no listing, or it is deeper inside the entry than any deposit is.
        """
        place = self.locate(entry, path, is_folder=True)
        if len(segments_of(path)) > _DEEPEST:
            msg = f"{place}: more than {_DEEPEST} folders inside one another: does one of them hold itself?"
            raise FormatError(msg)
        if location.is_remote(place):
            page, file = remote.client().small(place)
            children = parse_listing(page, file.url)
            return children, f"{file.etag or ''} {file.modified or ''}"
        return local_children(place), ""

    def listing(self, entry: str | int, path: str = "") -> list[Child]:
        """What a folder of an entry holds, in natural order.

        Raises:
            NotFoundError: there is no such folder; the message shows what is there.
        """
        try:
            return self.children(entry, path)[0]
        except NotFoundError as err:
            self._raise_absent(entry, "/".join(segments_of(path, "path")), err)

    @contextmanager
    def file(self, entry: str | int, path: str) -> Iterator[str]:
        """Where a file is, for reading it: should that fail because there is a folder, the error says so.

        Raises:
            FolderError: it is a folder.
        """
        try:
            yield self.locate(entry, path)
        except (FormatError, NotFoundError, HttpError) as err:
            if not self._is_folder(entry, path):
                raise
            msg = f"{self.locate(entry, path)}: a folder, expected a file"
            raise FolderError(msg) from err

    def open(self, entry: str | int, path: str) -> BinaryIO:
        """A file as a file object: seekable, and only what is read is fetched.

        Raises:
            NotFoundError: there is no such file.
            FolderError: it is a folder.
        """
        with self.file(entry, path) as place:
            if not location.is_remote(place):
                return location.open_file(place)
            return cast(BinaryIO, io.BufferedReader(RangedFile(version_of(place)), 64 * 1024))

    def find(
        self,
        entry: str | int,
        folder: str,
        fits: Callable[[str], int],
        enters: Callable[[str], bool],
        bar: bool = True,
        takes: Callable[[str], bool] = lambda name: not is_hidden(name),
    ) -> Found:
        """The files below a folder that fit, folders read concurrently.

        Args:
            entry: of the archive.
            folder: path inside the entry.
            fits: whether a file is wanted, by its path below the folder: 0 if not; where numbers differ, the lowest.
            enters: whether a folder is looked into, by its path below the folder.
            bar: show progress in a terminal when it takes more than a second.
            takes: whether files and folders may be looked at, by their names; those that may not and would have been
                are counted in one warning. Default: all that are not hidden.

        Raises:
            NotFoundError: the folder does not exist; the message shows what is there.
            FormatError: the folders do not end.
        """
        root = "/".join(segments_of(folder))
        try:
            listings = self.walk(entry, root, lambda f: takes(f.rpartition("/")[2]) and enters(f), bar)
        except NotFoundError as err:
            single = self._single(entry, root)
            if single is None:
                self._raise_absent(entry, root, err)
            listings, root = {root.rpartition("/")[0]: ([single], "")}, root.rpartition("/")[0]
            takes = bool  # it was named
        fitting: dict[int, list[SourceFile]] = {}
        seen: list[str] = []
        folders: list[str] = []
        hidden: list[str] = []
        digest = hashlib.sha256()
        for path in sorted(listings, key=natural_path_key):
            children, version = listings[path]
            where = self.locate(entry, path)  # names in a listing are single segments already
            taken = [child for child in children if takes(child.name)]
            digest.update(repr((path, version, taken)).encode("utf-8", "surrogateescape"))
            for child in children:
                inside = f"{path}/{child.name}".lstrip("/")
                below = inside[len(root) :].lstrip("/")
                if len(taken) < len(children) and not takes(child.name):
                    hidden += [inside] if (enters if child.is_folder else fits)(below) else []
                elif child.is_folder:
                    folders += [below] if inside not in listings else []
                else:
                    seen.append(below)
                    if reading := fits(below):
                        file = SourceFile(inside, self._inside(where, child.name), child.most or 0, child.stamp)
                        fitting.setdefault(reading, []).append(file)
        if hidden:
            msg = "EMPIAR-%s: passing over %d hidden names, such as %s (directory or pattern may name them)"
            logger.warning(msg, entry_number(entry), len(hidden), hidden[0])
        files = fitting[min(fitting)] if fitting else []
        if len(listings) > 1:  # a folder's own are in order
            files.sort(key=lambda file: natural_path_key(file.path))
        known = sized(files)
        digest.update(repr([(file.most, file.stamp) for file in known]).encode("utf-8", "surrogateescape"))
        return Found(known, len(seen), tuple(seen[:5]), digest.hexdigest(), len(folders), tuple(folders[:5]))

    def walk(
        self, entry: str | int, root: str, enters: Callable[[str], bool], bar: bool = True
    ) -> dict[str, tuple[list[Child], str]]:
        """What folders hold, and the listings' versions, by path: of one folder, and of those below it.

        Args:
            entry: of the archive.
            root: path inside the entry, as `segments_of` has it.
            enters: whether a folder is looked into, by its path below the first one.
            bar: show progress in a terminal when it takes more than a second.

        Raises:
            NotFoundError: the folder does not exist.
            FormatError: the folders do not end.
        """
        found: dict[str, tuple[list[Child], str]] = {}
        waiting: dict[Future[tuple[list[Child], str]], str] = {
            remote.submit(self.children, entry, root, pool="listings"): root
        }
        progress = tqdm(desc="Listing folders", unit=" folders", disable=None if bar else True, delay=1, leave=False)
        try:
            while waiting:
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    path = waiting.pop(future)
                    found[path] = future.result()
                    progress.update()
                    if len(found) > _MOST_FOLDERS:
                        msg = f"EMPIAR-{entry_number(entry)}: more than {_MOST_FOLDERS} folders in {root!r}: choose one"
                        raise FormatError(msg)
                    for child in found[path][0]:
                        inside = f"{path}/{child.name}".lstrip("/")
                        if child.is_folder and enters(inside[len(root) :].lstrip("/")):
                            waiting[remote.submit(self.children, entry, inside, pool="listings")] = inside
        finally:
            progress.close()
            for future in waiting:
                future.cancel()
        return found

    def _is_folder(self, entry: str | int, path: str) -> bool:
        """Whether a path is known to name a folder."""
        try:
            self.children(entry, path)
        except PercError:
            return False
        return True

    def _single(self, entry: str | int, path: str) -> Child | None:
        """The file that a path names, when it names one instead of a folder."""
        parent, _, name = path.rpartition("/")
        try:
            children, _ = self.children(entry, parent)
        except PercError:
            return None
        return next((child for child in children if child.name == name and not child.is_folder), None)

    def _raise_absent(self, entry: str | int, path: str, cause: NotFoundError) -> NoReturn:
        """Say that a folder is not there, and what is there instead."""
        parent = path
        while parent:
            parent = parent.rpartition("/")[0]
            try:
                children, _ = self.children(entry, parent)
            except NotFoundError:
                continue
            except PercError:
                break
            names = [child.name + "/" * child.is_folder for child in children]
            more = f" and {len(names) - _ENTRIES_SHOWN} more" if len(names) > _ENTRIES_SHOWN else ""
            shown = ", ".join(names[:_ENTRIES_SHOWN]) + more if names else "nothing"
            msg = f"EMPIAR-{entry_number(entry)}: no folder {path!r}; in {parent or 'the entry'} there is: {shown}"
            raise NotFoundError(msg) from cause
        msg = f"EMPIAR-{entry_number(entry)}: not in the archive {self.base}: {cause}"
        raise NotFoundError(msg) from cause


def version_of(url: str) -> RemoteFile:
    """A remote file's size and version.

    Raises:
        NotFoundError: there is none.
        FormatError: a folder's page is sent for it.
    """
    file = remote.client().head(url)
    refuse_page(file)
    return file


def refuse_page(file: RemoteFile) -> None:
    """Refuse what came after a server sent us on to a folder's page: Apache gives ranges of that as of any file.

    Raises:
        FormatError: this is such a page.
    """
    if urlsplit(file.url).path.endswith("/"):
        msg = f"{file.url}: a folder's page, expected a file"
        raise FormatError(msg)


def segments_of(path: str, name: str = "directory") -> list[str]:
    """The segments of a path inside an entry, which messages call `name`.

    Raises:
        OptionError: one of them leads out of it.

    Example:
        >>> segments_of("/data/p/")
        ['data', 'p']
    """
    segments = [segment for segment in str(path).split("/") if segment not in ("", ".")]
    if not all(map(is_one_segment, segments)):
        msg = f"{name} is {path!r}: expected a path inside the entry, such as 'data/particles'"
        raise OptionError(msg)
    return segments


def entry_and_path(url: str, base: str) -> tuple[str, str]:
    """The entry and the path inside it that a URL of the archive names.

    Raises:
        OptionError: it is no URL of a file below `base`.

    Example:
        >>> entry_and_path(f"{ARCHIVE}/10934/data/a%20b.mrc", ARCHIVE)
        ('10934', 'data/a b.mrc')
    """
    prefix = f"{base.rstrip('/')}/"
    below = re.split("[?#]", url.removeprefix(prefix), maxsplit=1)[0].split("/")
    segments = [unquote(part, errors="surrogateescape") for part in below if part]
    if not url.startswith(prefix) or len(segments) < 2 or not all(map(is_one_segment, segments)):
        msg = f"{url!r}: expected the URL of a file below {base}"
        raise OptionError(msg)
    return entry_number(segments[0]), "/".join(segments[1:])


def _named(name: str, value: object, expected: str) -> str:
    """What an option names, as text.

    Raises:
        OptionError: nothing, or it is of a type that names nothing.
    """
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not text or not isinstance(text, str):
        msg = f"{name} is {value!r}: expected {expected}"
        raise OptionError(msg)
    return text


def _check_url(name: str, url: str, expected: str) -> None:
    if not location.is_remote(url):
        msg = f"{name} is {url!r}: expected {expected}"
        raise OptionError(msg)


def sized(files: Iterable[SourceFile]) -> tuple[SourceFile, ...]:
    """The files, those whose listing told no size asked for it one by one, several at once."""

    def asked(file: SourceFile) -> SourceFile:
        if file.stamp:
            return file
        try:
            size, etag = location.size_and_etag(file.location)
        except (FormatError, NotFoundError, AccessError):
            return file  # reading it will say so
        return replace(file, most=size or 0, stamp=f"{size} {etag}")

    files = list(files)
    if all(file.stamp for file in files):
        return tuple(files)
    return tuple(remote.each(asked, files, pool="listings"))
