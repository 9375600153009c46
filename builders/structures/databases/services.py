"""The web services that know of structures: what they answer is asked once, files are brought once.

Answers and files are kept in the cache, so that a second run asks nobody and works offline. "Not there" is believed for
a day, and longer where nobody can be reached. Any service can be replaced by another server or by a local folder.
"""

import contextlib
import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from builders.errors import (
    FormatError,
    HttpError,
    NotFoundError,
    OptionError,
    PercError,
    ReadError,
    StalledError,
    UnreachableError,
    UnsafeAddressError,
)
from builders.io.files import location
from builders.io.files.cache import Cache
from builders.io.net import remote
from builders.io.net.answers import address_of, shown
from builders.options import reject_unknown
from builders.structures.reading.content import excerpt

logger = logging.getLogger(__name__)

BUILT_IN: dict[str, str] = {
    "pdbe": "https://www.ebi.ac.uk",
    "uniprot": "https://rest.uniprot.org",
}
"""Services by name. Each database adds those that it needs (`sources.register`)."""
MOST_BYTES = 512 * 1024 * 1024
"""Of a file as it is sent: the largest entries of the PDB have 100 MB, packed."""
_BELIEVED = 24 * 3600.0
"""Seconds for which "not there" is believed: new entries come every week."""
_PRESENT, _TOLD, _ABSENT = "", "told", "absent"
"""What is kept under a key: the file or answer itself, that it is there, that it is not."""
_LONGEST_NAME = 200
"""Characters of the name of a file."""

Endpoints = Mapping[str, str] | str | os.PathLike[str]
"""Bases by service, or one folder with what all of them would answer."""

Check = Callable[[bytes], None]
"""Raises where a file's bytes are not what was asked for."""


@dataclass(frozen=True)
class Services:
    """The services as one caller sees them. It pickles, for a loader's workers.

    Args:
        endpoints: bases (scheme, host, port) or local folders by service, in place of those built in.
        folder: of the cache; None: its default.
        anew: ask and fetch again whatever is in the cache.

    Raises:
        UnknownOptionError: there is no service of that name.
        OptionError: a base is neither a URL nor a folder.
        NotFoundError: a folder is not there.

    Example:
        >>> Services({"alphafold": "http://127.0.0.1:8000"}).places("alphafold", "/files/x.cif")
        ['http://127.0.0.1:8000/files/x.cif']
        >>> Services({"alphafolds": "http://127.0.0.1:8000"})
        Traceback (most recent call last):
        ...
        builders.errors.UnknownOptionError: endpoints has no option 'alphafolds': did you mean 'alphafold'?
    """

    endpoints: Mapping[str, str] = field(default_factory=dict)
    folder: str | None = None
    anew: bool = False
    _fresh: set[tuple[str, str]] = field(default_factory=set, init=False, repr=False, compare=False)
    """What was asked anew: once is enough."""

    def __post_init__(self) -> None:
        if not isinstance(self.endpoints, Mapping):
            msg = f"endpoints is {self.endpoints!r}: expected a dict of bases by service: {', '.join(BUILT_IN)}"
            raise OptionError(msg)
        reject_unknown(map(str, self.endpoints), list(BUILT_IN), "endpoints")
        object.__setattr__(self, "endpoints", {name: _base(name, base) for name, base in self.endpoints.items()})
        self._permit()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._permit()

    def _permit(self) -> None:
        for name in BUILT_IN:
            if location.is_remote(self.base(name)):
                remote.permit(self.base(name))

    def base(self, service: str) -> str:
        """A service's base URL, or its local folder."""
        return self.endpoints.get(service, BUILT_IN[service])

    def is_wanted(self, service: str) -> bool:
        """Whether to ask a service what one can do without: not where only others were replaced."""
        return service in self.endpoints or not self.endpoints

    def local(self, service: str) -> Path | None:
        """The folder that stands for a service; None: it is a server."""
        base = self.base(service)
        return None if location.is_remote(base) else Path(base)

    def places(self, service: str, *paths: str) -> list[str]:
        """Where a file may be, in the order to look: URLs, or the files that are there in a local folder.

        A mirror may spell file names in small letters, and a folder may hold them without the service's own folders.
        """
        folder = self.local(service)
        spellings = [spelled for path in paths for spelled in _spellings(path, service in self.endpoints)]
        if folder is None:
            return [f"{self.base(service)}{path}" for path in spellings]
        names = [path.lstrip("/") for path in spellings] + [path.rpartition("/")[2] for path in spellings]
        tries = [folder / name for name in dict.fromkeys(names) if _stays_inside(name)]
        return [str(path) for path in tries if _is_file(path)]

    def moved(self, url: str) -> list[str]:
        """Where to look for a file whose URL an answer tells: at the service that replaces the one it names.

        Raises:
            UnsafeAddressError: it is no URL of http or https.
        """
        address = address_of(url)
        if not url.isprintable():
            msg = f"{shown(url)}: not a URL: it has characters that none has"
            raise UnsafeAddressError(msg)
        for name, base in BUILT_IN.items():
            if name in self.endpoints and address == address_of(base):
                return self.places(name, urlsplit(url).path)
        return [url]

    def ask(
        self,
        service: str,
        path: str,
        question: Any = None,
        absent: Sequence[int] = (404,),
        good: Sequence[int] = (),
        is_answer: Callable[[Any], bool] = lambda answer: isinstance(answer, dict),
    ) -> Any:
        """What a service answers, out of JSON; None where it has nothing, which an empty list says, too.

        Args:
            service: whom to ask.
            path: what, below its base.
            question: is posted, as JSON.
            absent: statuses by which it says that it has nothing.
            good: statuses besides 200 with an answer to read; redirects among them are not followed, and one that
                says nothing else is read as `{"location": where it leads}`.
            is_answer: whether JSON is of the form that is expected; what is not is not kept.

        Raises:
            FormatError: it answers with anything but JSON of that form.
            PercError: as `Client.ask`.
        """
        body = None if question is None else json.dumps(question, sort_keys=True).encode()
        folder = self.local(service)
        if folder is not None:
            found = self.places(service, path, f"{path}.json")
            return _parsed(read_bytes(Path(found[0]), found[0]), found[0]) if found else None
        url = f"{self.base(service)}{path}"

        def pieces(_offset: int) -> Iterator[bytes]:
            answer = remote.client().ask(url, body, (200, *absent, *good), packed=True)
            if answer.status in absent:
                msg = f"{shown(url)}: nothing (HTTP {answer.status})"
                raise NotFoundError(msg)
            only_leads = answer.location is not None and not answer.body.lstrip().startswith(b"{")
            text = json.dumps({"location": answer.location}).encode() if only_leads else answer.body
            parsed = _parsed(text, url)
            if parsed == []:
                msg = f"{shown(url)}: nothing (an empty list)"
                raise NotFoundError(msg)
            if not only_leads and not is_answer(parsed):
                msg = f"{shown(url)}: no answer to the question: {excerpt(answer.body)}"
                raise FormatError(msg)
            yield text

        key = f"{url} {(body or b'').decode()} {good}"
        try:
            kept = self._brought(key, pieces)
            with contextlib.suppress(FormatError):
                return _parsed(read_bytes(kept, url), url)
            self.drop(key)  # it was JSON when it came: the disk has damaged it
            return _parsed(read_bytes(self._brought(key, pieces), url), url)
        except NotFoundError:
            return None

    def bring(self, place: str, check: Check) -> Path:
        """A file in the cache, or where it is in a local folder.

        Args:
            place: a URL, or a path.
            check: is given its bytes before it is kept.

        Raises:
            NotFoundError: it is not there.
            PercError: what `check` raises, or as `Client.stream`.
        """
        if not location.is_remote(place):
            return Path(place)

        def pieces(_offset: int) -> Iterator[bytes]:
            data = bytearray()
            for piece in remote.client().stream(place, packed=True):
                data += piece
                if len(data) > MOST_BYTES:
                    msg = f"{shown(place)}: more than {MOST_BYTES} bytes: expected a structure"
                    raise FormatError(msg)
            check(bytes(data))
            yield bytes(data)

        return self._brought(place, pieces)

    def is_there(self, place: str) -> bool:
        """Whether a file is there, without bringing it; what a server says is kept as its answers are.

        Raises:
            PercError: as `Client.head`.
        """
        if not location.is_remote(place) or (
            not self._is_stale(place) and self._cache.find(place, _PRESENT) is not None
        ):
            return True

        def pieces(_offset: int) -> Iterator[bytes]:
            _look(place)
            return iter(())

        try:
            self._brought(place, pieces, _TOLD)
        except NotFoundError:
            return False
        return True

    def drop(self, place: str) -> None:
        """Forget a file that turned out to be damaged, so that it is fetched again."""
        if location.is_remote(place):
            self._cache.remove(place, _PRESENT)

    @property
    def _cache(self) -> Cache:
        return Cache(self.folder)

    def _brought(self, key: str, pieces: Callable[[int], Iterator[bytes]], version: str = _PRESENT) -> Path:
        """What is kept of a key, asked for where it is not; "not there" is kept, too."""
        cache = self._cache
        found = None if self.anew else cache.find(key, _PRESENT)
        if found is not None:
            return found
        gone = None if self._is_stale(key, version) else cache.find(key, _ABSENT)
        msg = f"{shown(key)}: not there"
        if gone is not None and 0 <= _age(gone) < _BELIEVED:
            raise NotFoundError(msg)

        def settled(offset: int) -> Iterator[bytes]:
            yield from pieces(offset)
            self._settle(key, version)  # before others may ask

        try:
            return cache.fetch(key, version, None, settled, anew=lambda: self._is_stale(key, version), resume=False)
        except NotFoundError:
            with contextlib.suppress(PercError):  # a cache that cannot be written keeps nothing
                cache.fetch(key, _ABSENT, 0, lambda _offset: iter(()), anew=True, resume=False)
                cache.remove(key, _PRESENT)
            self._settle(key, version)
            raise
        except (UnreachableError, StalledError) as err:
            if gone is None:
                raise
            raise NotFoundError(msg) from err

    def _is_stale(self, key: str, version: str = _PRESENT) -> bool:
        """Whether to ask in any case."""
        return self.anew and (key, version) not in self._fresh

    def _settle(self, key: str, version: str) -> None:
        if self.anew:
            self._fresh.add((key, version))


def _look(url: str) -> None:
    """See that a file is there, by its beginning where a server does not answer HEAD.

    Raises:
        NotFoundError: it is not.
        PercError: as `Client.stream`.
    """
    try:
        remote.client().head(url)
    except UnreachableError:
        raise
    except HttpError:
        for _ in remote.client().stream(url, packed=True):
            return


def read_bytes(path: Path, name: str) -> bytes:
    """A local file's bytes.

    Raises:
        ReadError: the disk fails, or it is gone.
    """
    try:
        return path.read_bytes()
    except OSError as err:
        msg = f"{name}: {path} cannot be read: {err.strerror}"
        raise ReadError(msg) from err


def endpoints_of(given: Endpoints | None) -> Mapping[str, str]:
    """Bases by service: those that are named, or a folder's: in it, one for each, or the answers of all.

    Raises:
        OptionError: it is a URL, which names no service.
        NotFoundError: the folder is not there.
    """
    if given is None:
        return {}
    if not isinstance(given, str | os.PathLike):
        return given  # `Services` looks at each
    text = os.fspath(given)
    if not text or "://" in text:
        msg = f"endpoints is {text!r}: expected a dict such as {{'uniprot': 'http://localhost:8000'}} (of "
        msg += f"{', '.join(BUILT_IN)}), or a folder with what all of them would answer"
        raise OptionError(msg)
    folder = Path(text).expanduser()
    if not folder.is_dir():
        msg = f"endpoints is {text!r}: no such folder: expected one with folders such as {', '.join(BUILT_IN)}"
        raise NotFoundError(msg)
    return {name: str(folder / name if (folder / name).is_dir() else folder) for name in BUILT_IN}


def _base(name: str, base: object) -> str:
    """A base without its last slash, once it is sure to be one."""
    if not isinstance(base, str | Path) or not str(base):
        msg = f"endpoints[{name!r}] is {base!r}: expected a base URL such as {BUILT_IN[name]}, or a folder"
        raise OptionError(msg)
    text = str(base)
    if location.is_remote(text):
        address_of(text)
        return text.rstrip("/")
    if "://" in text:
        msg = f"endpoints[{name!r}] is {text!r}: expected an http or https URL, or a folder"
        raise OptionError(msg)
    try:
        folder = Path(text).expanduser().absolute()
    except RuntimeError as err:
        msg = f"endpoints[{name!r}] is {text!r}: {err}"
        raise OptionError(msg) from err
    if not folder.is_dir():
        msg = f"endpoints[{name!r}] is {text!r}: no such folder"
        raise NotFoundError(msg)
    return str(folder)


def _spellings(path: str, is_replaced: bool) -> list[str]:
    head, _, name = path.rpartition("/")
    return list(dict.fromkeys((path, f"{head}/{name.lower()}"))) if is_replaced else [path]


def _age(path: Path) -> float:
    """Seconds since a file was written; less than none where the clock was put back since."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:  # somebody else asks anew
        return math.inf


def _stays_inside(name: str) -> bool:
    """Whether a path below a folder, which an answer may have told, leads to nothing outside, on any system."""
    return all(
        part not in ("", ".", "..") and not {"\\", ":"} & set(part) and len(part) < _LONGEST_NAME
        for part in name.split("/")
    )


def _is_file(path: Path) -> bool:
    """Whether a file is there.

    Raises:
        ReadError: its folder may not be looked into.
    """
    try:
        return path.is_file()
    except OSError as err:
        msg = f"{path}: cannot be looked at: {err.strerror}"
        raise ReadError(msg) from err


def _parsed(body: bytes, url: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as err:
        msg = f"{shown(url)}: expected JSON, got {excerpt(body)}"
        raise FormatError(msg) from err
