"""The archive's files: folders listed, over HTTP or in a local mirror laid out as the archive is."""

import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote, unquote, urlsplit

from tqdm.auto import tqdm

from builders.empiar.catalogue import EntryInfo, entry_number, parse_api, parse_xml
from builders.empiar.listing import Child, is_one_segment, parse_listing
from builders.errors import AccessError, FormatError, NotFoundError, OptionError, PercError, ReadError
from builders.io import location, remote
from builders.io.order import natural_key, natural_path_key

logger = logging.getLogger(__name__)

ARCHIVE = "https://ftp.ebi.ac.uk/empiar/world_availability"
API = "https://www.ebi.ac.uk/empiar/api"
_ENTRIES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """A file of an entry.

    Attributes:
        path: inside the entry, `/`-separated, such as `data/p/x.mrcs`.
        location: its URL, or its path in a local mirror.
        most: a bound on its bytes; the exact number in a mirror.
        stamp: what changes when the file does, as far as the listing tells.
    """

    path: str
    location: str
    most: int
    stamp: str


@dataclass(frozen=True, slots=True)
class Found:
    """The files of an entry that were asked for, in natural order of their paths.

    Attributes:
        files: those that fit.
        seen: how many files were looked at.
        samples: paths of a few of these.
        version: changes when any listing that was read does.
    """

    files: tuple[ArchiveFile, ...]
    seen: int
    samples: tuple[str, ...]
    version: str


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
        base = ARCHIVE if self.base is None else os.fspath(self.base)
        api = self.api or (API if base == ARCHIVE else None)
        for name, url in (("archive", base), ("api", api)):
            if url is not None and "://" in url:
                if not location.is_remote(url):
                    msg = f"{name} is {url!r}: expected an http or https URL{' or a folder' * (name == 'archive')}"
                    raise OptionError(msg)
                if url not in (ARCHIVE, API):
                    remote.permit(url)
        if "://" not in base:
            base = os.path.abspath(Path(base).expanduser())  # noqa: PTH100 - resolving links would rename the files
            if not Path(base).is_dir():
                parent = next(p for p in Path(base).parents if p.is_dir())
                msg = f"archive {base}: no such folder ({parent} is there): expected a mirror with ENTRY/data in it"
                raise NotFoundError(msg)
        object.__setattr__(self, "base", base.rstrip("/"))
        object.__setattr__(self, "api", api.rstrip("/") if api else None)

    def locate(self, entry: str | int, path: str = "", is_folder: bool = False) -> str:
        """The URL or path of something inside an entry.

        Raises:
            OptionError: the path leads out of the entry.
        """
        segments = [entry_number(entry), *segments_of(path)]
        base = str(self.base)
        if not location.is_remote(base):
            return str(Path(base, *segments))
        quoted = "/".join(quote(segment.encode("utf-8", "surrogateescape")) for segment in segments)
        return f"{base}/{quoted}{'/' * is_folder}"

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
        if any(isinstance(err, AccessError) for err in causes):
            msg = f"EMPIAR-{number}: access is refused: is it released, or are there too many requests? {reasons}"
            raise AccessError(msg) from causes[-1]
        if all(isinstance(err, NotFoundError) for err in causes):
            msg = f"EMPIAR-{number}: no such entry (check the number at https://www.ebi.ac.uk/empiar): {reasons}"
            raise NotFoundError(msg) from causes[-1]
        msg = f"EMPIAR-{number}: its metadata cannot be read (directory=... needs none): {reasons}"
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
        """
        place = self.locate(entry, path, is_folder=True)
        if location.is_remote(place):
            page, file = remote.client().small(place)
            children = parse_listing(page, place)
            return children, f"{file.etag or ''} {file.modified or ''}"
        try:
            with os.scandir(place) as items:
                children = [_local_child(item) for item in items if is_one_segment(item.name)]
        except (FileNotFoundError, NotADirectoryError) as err:
            msg = f"{place}: no such folder"
            raise NotFoundError(msg) from err
        except PermissionError as err:
            msg = f"{place}: no permission to look into it"
            raise AccessError(msg) from err
        return sorted(children, key=lambda child: natural_key(child.name)), ""

    def find(
        self,
        entry: str | int,
        folder: str,
        fits: Callable[[str], bool],
        enters: Callable[[str], bool],
        bar: bool = True,
    ) -> Found:
        """The files below a folder that fit, folders read concurrently.

        Args:
            entry: of the archive.
            folder: path inside the entry.
            fits: whether a file is wanted, by its path below the folder.
            enters: whether a folder is looked into, by its path below the folder.
            bar: show progress in a terminal when it takes more than a second.

        Raises:
            NotFoundError: the folder does not exist; the message shows what is there.
        """
        root = "/".join(segments_of(folder))
        try:
            listings = self._walk(entry, root, enters, bar)
        except NotFoundError as err:
            single = self._single(entry, root)
            if single is None:
                self._raise_absent(entry, root, err)
            listings, root = {root.rpartition("/")[0]: ([single], "")}, root.rpartition("/")[0]
        files: list[ArchiveFile] = []
        seen: list[str] = []
        digest = hashlib.sha256()
        for path in sorted(listings, key=natural_path_key):
            children, version = listings[path]
            digest.update(repr((path, version, children)).encode("utf-8", "surrogateescape"))
            for child in children:
                inside = f"{path}/{child.name}".lstrip("/")
                below = inside[len(root) :].lstrip("/")
                if child.is_folder:
                    continue
                seen.append(below)
                if fits(below):
                    files.append(ArchiveFile(inside, self.locate(entry, inside), child.most or 0, child.stamp))
        files.sort(key=lambda file: natural_path_key(file.path))
        sized = _sized(files)
        digest.update(repr([(file.most, file.stamp) for file in sized]).encode("utf-8", "surrogateescape"))
        return Found(sized, len(seen), tuple(seen[:5]), digest.hexdigest())

    def _walk(
        self, entry: str | int, root: str, enters: Callable[[str], bool], bar: bool
    ) -> dict[str, tuple[list[Child], str]]:
        """Listings by path: of the root, and of the folders below it that are to be entered."""
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
                    for child in found[path][0]:
                        inside = f"{path}/{child.name}".lstrip("/")
                        if child.is_folder and enters(inside[len(root) :].lstrip("/")):
                            waiting[remote.submit(self.children, entry, inside, pool="listings")] = inside
        finally:
            progress.close()
            for future in waiting:
                future.cancel()
        return found

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
            names = [child.name + "/" * child.is_folder for child in children]
            more = f" and {len(names) - _ENTRIES_SHOWN} more" if len(names) > _ENTRIES_SHOWN else ""
            shown = ", ".join(names[:_ENTRIES_SHOWN]) + more if names else "nothing"
            msg = f"EMPIAR-{entry_number(entry)}: no folder {path!r}; in {parent or 'the entry'} there is: {shown}"
            raise NotFoundError(msg) from cause
        msg = f"EMPIAR-{entry_number(entry)}: not in the archive {self.base}: {cause}"
        raise NotFoundError(msg) from cause


def segments_of(path: str) -> list[str]:
    """The segments of a path inside an entry.

    Raises:
        OptionError: one of them leads out of it.

    Example:
        >>> segments_of("/data/p/")
        ['data', 'p']
    """
    segments = [segment for segment in str(path).split("/") if segment not in ("", ".")]
    if not all(map(is_one_segment, segments)):
        msg = f"directory is {path!r}: expected a path inside the entry, such as 'data/particles'"
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
    segments = [unquote(part) for part in urlsplit(url[len(prefix) :]).path.split("/") if part]
    if not url.startswith(prefix) or len(segments) < 2 or not all(map(is_one_segment, segments)):
        msg = f"{url!r}: expected the URL of a file below {base}"
        raise OptionError(msg)
    return entry_number(segments[0]), "/".join(segments[1:])


def matcher(pattern: str | None, regex: bool, recursive: bool) -> tuple[Callable[[str], bool], Callable[[str], bool]]:
    """What a pattern says: whether a file fits, and whether a folder has to be looked into, by paths below the start.

    Args:
        pattern: a glob (`*` and `?` stay in a folder, `**` crosses folders) or a regular expression for the whole
            path; None: every format that can be read.
        regex: which of both.
        recursive: look into all folders.

    Raises:
        OptionError: not a valid regular expression.

    Example:
        >>> fits, enters = matcher("**/x_?.mrc", regex=False, recursive=False)
        >>> fits("a/b/x_1.mrc"), fits("x_10.mrc"), enters("a")
        (True, False, True)
    """
    if pattern is None:
        return _is_image, lambda folder: recursive
    if regex:
        try:
            whole = re.compile(pattern)
        except re.error as err:
            msg = f"pattern is {pattern!r}: not a regular expression: {err}"
            raise OptionError(msg) from err
        return lambda path: whole.fullmatch(path) is not None, lambda folder: recursive
    parts = pattern.strip("/").split("/")
    whole = re.compile(_glob(pattern.strip("/")))
    levels = [re.compile(_glob(part)) for part in parts[:-1]]

    def enters(folder: str) -> bool:
        if recursive or "**" in pattern:
            return True
        names = folder.split("/")
        return len(names) <= len(levels) and all(level.fullmatch(n) for level, n in zip(levels, names, strict=False))

    return lambda path: whole.fullmatch(path) is not None or _fits_name(path, parts, recursive), enters


def _fits_name(path: str, parts: list[str], recursive: bool) -> bool:
    """With `recursive`, a pattern without a folder in it is for the file's name, in whichever folder it is."""
    return recursive and len(parts) == 1 and re.fullmatch(_glob(parts[0]), path.rpartition("/")[2]) is not None


def _glob(pattern: str) -> str:
    """A glob as a regular expression."""
    tokens = re.findall(r"\*\*/|\*\*|\*|\?|\[!?(?:\][^\]/]*|[^\]/]+)\]|.", pattern, re.DOTALL)
    meanings = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(meanings.get(t) or (_glob_set(t) if len(t) > 1 else re.escape(t)) for t in tokens)


def _glob_set(token: str) -> str:
    """A glob's set of characters; one that makes no sense, such as `[z-a]`, stands for itself."""
    inside = re.sub(r"([\\\[\]^&~|])", r"\\\1", token[1:-1].removeprefix("!"))
    inside = re.sub(r"(?<![0-9A-Za-z])-|-(?![0-9A-Za-z])", r"\-", inside)
    meaning = f"[{'^/' * token.startswith('[!')}{inside}]"
    try:
        re.compile(meaning)
    except re.error:
        return re.escape(token)
    return meaning


_IMAGE = re.compile(r".*\.(mrcs?|map|rec|st|ali)(\.gz|\.bz2)?", re.IGNORECASE | re.DOTALL)


def _is_image(path: str) -> bool:
    return _IMAGE.fullmatch(path) is not None


def _local_child(item: "os.DirEntry[str]") -> Child:
    try:
        status = item.stat()
    except OSError:  # a link to nothing: reading it will say so
        return Child(item.name, False, 0, "gone")
    if item.is_dir():
        return Child(item.name, True)
    return Child(item.name, False, status.st_size, f"{status.st_size:x}-{status.st_mtime_ns:x}")


def _sized(files: Iterable[ArchiveFile]) -> tuple[ArchiveFile, ...]:
    """The files, those whose listing told no size asked for it one by one, several at once."""

    def sized(file: ArchiveFile) -> ArchiveFile:
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
    return tuple(remote.each(sized, files, pool="listings"))
