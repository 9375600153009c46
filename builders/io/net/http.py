"""The one HTTP client: exact byte ranges, whole files and small answers, through every fault a server can have.

Its promise: what it returns is what was asked for, byte for byte and of one version of the file, or it raises. A body
that breaks off is resumed at the byte it broke at; an answer that does not fit the question is never spliced in.
Only hosts that the caller named are contacted, also after a redirect; one named by http may send us on to its https.
"""

import logging
import os
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from urllib.parse import urljoin

import numpy as np
import requests
from numpy.typing import NDArray

from builders.errors import ChangedError, FormatError, HttpError, UnsafeAddressError
from builders.io.net.answers import (
    RemoteFile,
    address_of,
    check_range,
    check_whole,
    described,
    known_of,
    memory,
    raise_for_status,
    range_headers,
    refuse_encoding,
    shown,
    spelled,
    unpacked,
)
from builders.io.net.connections import Session
from builders.io.net.deadline import deadline
from builders.io.net.passing import BrokenOff, Dripping
from builders.io.net.rate_limit import Limit, Pace
from builders.io.net.retrying import FAULTS, Patience, Retry, say_waiting
from builders.io.net.threads import check, fork_safe_lock, hung_up_by_stop, pause

logger = logging.getLogger(__name__)

SMALL_ANSWER = 64 * 1024 * 1024
_PIECE = 256 * 1024
_MOVED = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_SILENT = 5.0
"""Seconds without an answer after which people are told what is waited for."""
_CODINGS = {False: {"Accept-Encoding": "identity"}, True: {"Accept-Encoding": "gzip"}}
_OF_THIS_PROCESS = ("_usual", "_all", "_idle", "_pace")
_alone = fork_safe_lock()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answers to a question.

    Attributes:
        status: HTTP's.
        body: all of it, inflated.
        file: where it came from, after redirects, and in which version.
        location: where it says to look, as it spells it; None for all but redirects that are not followed.
    """

    status: int
    body: bytes
    file: RemoteFile
    location: str | None = None


@dataclass
class Client:
    """Reads from the hosts it was told of.

    It pickles, and works after a fork: a connection belongs to one process, and to one request at a time.

    Args:
        allowed: base URLs whose scheme, host and port may be contacted.
        connections: requests under way at once, in this process.
        burst: the same while some of them are small and hurried; None: no more than otherwise.
        patience: time-outs and tries.
        limited: base URLs of hosts that limit how many requests they take.
        limit: what these allow, in all, to this process; None: anything.

    Example:
        >>> Client(["https://ftp.ebi.ac.uk"]).read("https://localhost/x", 0, 10)
        Traceback (most recent call last):
        ...
        builders.errors.UnsafeAddressError: https://localhost/x: https://localhost:443 is none of the hosts named: \
https://ftp.ebi.ac.uk:443 (GET bytes 0-9, try 1)
    """

    allowed: Iterable[str]
    connections: int = 8
    patience: Patience = field(default_factory=Patience)
    limited: Iterable[str] = ()
    limit: Limit | None = None
    burst: int | None = None

    def __post_init__(self) -> None:
        self.allowed, self.limited = tuple(self.allowed), tuple(self.limited)
        self._addresses = frozenset(address_of(base) for base in self.allowed)
        self._answered: set[str] = set()
        self._set_up()

    def allow(self, base: str) -> None:
        """Permit one more host, because the caller named it."""
        self._addresses |= {address_of(base)}

    @property
    def _longest(self) -> float:
        """Seconds for what has to come whole: the head of an answer, or one piece of its body."""
        return self.patience.read + self.patience.rate_window

    def _set_up(self) -> None:
        self._usual = threading.BoundedSemaphore(self.connections)
        self._all = threading.BoundedSemaphore(max(self.connections, self.burst or 0))
        self._idle: list[Session] = []
        self._pace = None if self.limit is None else Pace(self.limit)
        self._limited_hosts = frozenset(address_of(base)[1] for base in self.limited)
        self._said_slow = False
        self._owner = os.getpid()

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name not in _OF_THIS_PROCESS}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._set_up()

    def _retry(self, url: str, what: str) -> Retry:
        return Retry(shown(url), what, self.patience, _base(url) in self._answered)

    def head(self, url: str) -> RemoteFile:
        """What the server says of a file without sending it; of one byte of it where it does not say the size so.

        Raises:
            NotFoundError: there is none.
            AccessError: it is not given to us.
            HttpError: the server fails.
        """
        found = self._head(url)
        if found.size is not None:
            return found
        try:
            return known_of(self.probe(url, 1)[1], found)
        except HttpError:
            return found  # the server does no ranges

    def _head(self, url: str) -> RemoteFile:
        retry = self._retry(url, "HEAD")
        while True:
            try:
                with self._answer("HEAD", url) as response:
                    return described(response)
            except FAULTS as err:
                retry.pause_after(err)

    def read(self, url: str, start: int, stop: int, known: RemoteFile | None = None) -> NDArray[np.uint8]:
        """Bytes `start` to `stop` (not included) of a file, and hardly one more from the server.

        Args:
            url: the file.
            start: first byte.
            stop: the byte after the last.
            known: what is known of the file; the answer must be of that version.

        Raises:
            ChangedError: the file is another one now, or shorter.
            TruncatedError: the body breaks off, again and again.
            StalledError: nothing, or next to nothing, comes.
            FormatError: something else is sent, such as a page that says what is wrong.
            HttpError: the server does not do ranges, or fails.
        """
        return self._read(url, start, stop, known)[0]

    def probe(self, url: str, count: int) -> tuple[bytes, RemoteFile]:
        """The first `count` bytes of a file, or all of a shorter one, with its version; errors as for `read`."""
        try:
            head, found = self._read(url, 0, count, None, to_its_end=True)
        except ChangedError:
            found = self._head(url)
            if found.size:
                raise
            return b"", replace(found, size=0)  # an empty file has no first byte to ask for
        return head.tobytes(), found

    def read_into(
        self,
        url: str,
        buffer: NDArray[np.uint8],
        start: int,
        known: RemoteFile | None = None,
        is_hurried: bool = False,
    ) -> RemoteFile:
        """Fill a buffer with the bytes of a file from `start` on, and say of which version; errors as for `read`.

        Args:
            url: the file.
            buffer: as many bytes as are wanted.
            start: first byte.
            known: as for `read`.
            is_hurried: whether it is one of many small reads, which wait for round trips more than for bytes: then it
                counts among the `burst` alone.
        """
        return self._read(url, start, start + len(buffer), known, buffer, is_hurried=is_hurried)[1]

    def _read(
        self,
        url: str,
        start: int,
        stop: int,
        known: RemoteFile | None,
        into: NDArray[np.uint8] | None = None,
        to_its_end: bool = False,
        is_hurried: bool = False,
    ) -> tuple[NDArray[np.uint8], RemoteFile]:
        buffer, done, version = memory(stop - start, url) if into is None else into, 0, known
        retry = self._retry(url, f"GET bytes {start}-{stop - 1}")
        while done < stop - start:
            before = done
            try:
                headers = range_headers(start + done, stop, version)
                with self._answer("GET", url, headers, is_hurried=is_hurried) as response:
                    version = check_range(response, start + done, stop, version, to_its_end)
                    if to_its_end and version.size is not None:
                        stop = min(stop, version.size)
                    for piece in self._pieces(response, stop - start - done):
                        buffer[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
                        done += len(piece)
            except FAULTS as err:
                retry.pause_after(err, progressed=done > before)
        return buffer[:done], version or RemoteFile(url, None, None)

    def stream(
        self, url: str, known: RemoteFile | None = None, start: int = 0, packed: bool = False
    ) -> Iterator[bytes]:
        """A whole file, piece by piece, resumed where it breaks off; errors as for `read`.

        It asks for all bytes from the first: the answer to that tells the file's size twice, so that a short length
        is noticed. A server that sends the whole file again to a resumption has the first bytes of it read over.

        Args:
            url: the file.
            known: what is known of it; the answer must be of that version.
            start: the first byte that is wanted, to go on from an earlier read.
            packed: whether the server may send it packed by gzip. These bytes come as they are sent; whoever asks for
                them looks how they begin, and inflates no more than he expects.
        """
        done, version, coding = start, known, _CODINGS[packed]
        retry = self._retry(url, "GET")
        if known is not None and known.size == done:
            return
        while True:
            before = done
            try:
                with self._answer("GET", url, range_headers(done, None, version) | coding) as response:
                    if response.status_code == 206:
                        version, place = check_range(response, done, None, version, packed=packed), done
                    else:
                        version, place = check_whole(response, version, packed), 0
                    remaining = None if version.size is None else version.size - place
                    for piece in self._pieces(response, remaining):
                        fresh = piece[max(0, done - place) :]
                        place += len(piece)
                        if fresh:
                            done = place
                            yield fresh
                return
            except FAULTS as err:
                is_unknown = done == 0 and known is None and isinstance(err, ChangedError)
                if is_unknown and not self._head(url).size:
                    return  # an empty file has no first byte to ask for
                retry.pause_after(err, progressed=done > before)

    def small(self, url: str, limit: int = SMALL_ANSWER) -> tuple[bytes, RemoteFile]:
        """A small answer (JSON, a listing) whole, with its version; errors as for `read`.

        Raises:
            FormatError: it is longer than `limit`.
        """
        answer = self.ask(url, limit=limit)
        return answer.body, answer.file

    def ask(
        self,
        url: str,
        body: bytes | None = None,
        good: Collection[int] = (200,),
        packed: bool = False,
        limit: int = SMALL_ANSWER,
    ) -> Answer:
        """A small answer whole, of any status that means something to the one who asks; other errors as for `read`.

        Args:
            url: whom to ask, and what.
            body: a question in JSON, which is posted; it may be posted more than once.
            good: statuses that are answers; a redirect among them is not followed.
            packed: whether it may come packed by gzip; it is inflated here.
            limit: bytes that it has at most.

        Raises:
            FormatError: it is longer.
        """
        method, headers = ("GET", {}) if body is None else ("POST", {"Content-Type": "application/json"})
        retry = self._retry(url, method)
        while True:
            try:
                with self._answer(method, url, headers | _CODINGS[packed], body, good) as response:
                    refuse_encoding(response, packed)
                    found, text = described(response), bytearray()
                    for piece in self._pieces(response, found.size):
                        text += piece
                        if len(text) > limit:
                            msg = f"{shown(url)}: more than {limit} bytes: expected a small answer"
                            raise FormatError(msg)
                    location = response.headers.get("Location") if response.status_code in _MOVED else None
                    return Answer(response.status_code, unpacked(bytes(text), found, limit), found, location)
            except FAULTS as err:
                retry.pause_after(err)

    @contextmanager
    def _answer(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        good: Collection[int] = (200, 206),
        is_hurried: bool = False,
    ) -> Iterator[requests.Response]:
        """The answer to one request, redirects followed, its status a good one; closed afterwards."""
        with self._lent_session(is_hurried) as session:
            response = self._ask(session, method, url, headers or {}, body, good)
            try:
                raise_for_status(response, self.patience.longest_wait, good)
                with hung_up_by_stop(response.raw.shutdown):
                    yield response
            finally:
                response.close()

    @contextmanager
    def _lent_session(self, is_hurried: bool) -> Iterator[Session]:
        """One of this process's sessions, for one thread at a time: one in use across a fork mixes up answers."""
        with _alone:
            if self._owner != os.getpid():
                self._set_up()
        with nullcontext() if is_hurried else self._usual, self._all:
            check()
            session = self._idle.pop() if self._idle else Session(self._longest)
            owner = self._owner
            try:
                yield session
            finally:
                if owner == self._owner:
                    self._idle.append(session)

    def _ask(
        self,
        session: Session,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        good: Collection[int],
    ) -> requests.Response:
        for _ in range(_MOST_REDIRECTS + 1):
            self._check_address(url)
            self._keep_pace(url)
            with deadline(_SILENT, partial(say_waiting, shown(url), f"no answer for {_SILENT:.0f} s")):
                response = session.request(
                    method,
                    url,
                    headers={**_CODINGS[False], **headers},
                    data=body,
                    timeout=(self.patience.connect, self.patience.read),
                    stream=True,
                    allow_redirects=False,
                )
            self._answered.add(_base(url))
            target = response.headers.get("Location")
            if response.status_code not in _MOVED or response.status_code in good or target is None:
                return response
            response.close()
            url = _followed(url, target)
        msg = f"{shown(url)}: more than {_MOST_REDIRECTS} redirects"
        raise HttpError(msg)

    def _check_address(self, url: str) -> None:
        address = address_of(url)
        scheme, host, port = address
        is_upgrade = (scheme, port) == ("https", 443) and ("http", host, 80) in self._addresses
        if address not in self._addresses and not is_upgrade:
            named = ", ".join(sorted(map(spelled, self._addresses)))
            msg = f"{shown(url)}: {spelled(address)} is none of the hosts named: {named}"
            raise UnsafeAddressError(msg)

    def _keep_pace(self, url: str) -> None:
        """Wait where the host has had as many requests from us as it takes."""
        if self._pace is None or address_of(url)[1] not in self._limited_hosts:
            return
        seconds = self._pace.reserve(time.monotonic())
        if seconds and not self._said_slow:
            self._said_slow = True
            rate, host = self._pace.limit.a_second, address_of(url)[1]
            logger.warning("%s limits requests: going on with %.1f a second from this process (said once)", host, rate)
        pause(seconds)

    def _pieces(self, response: requests.Response, expected: int | None) -> Iterator[bytes]:
        """The body as it comes, no more than `expected` bytes; raises when it ends early or drips.

        Only the time spent waiting for the server counts, not that of whoever uses the pieces.
        """
        waited, in_window, got = 0.0, 0, 0
        while expected is None or got < expected:
            wanted = _PIECE if expected is None else min(_PIECE, expected - got)
            start = time.monotonic()
            with deadline(self._longest, response.raw.shutdown):
                piece: bytes = response.raw.read1(wanted, decode_content=False)
            waited += time.monotonic() - start
            if not piece:
                if expected is None:
                    return
                raise BrokenOff
            check()
            got += len(piece)
            in_window += len(piece)
            yield piece
            if waited > self.patience.rate_window:
                if in_window < self.patience.least_bytes:
                    raise Dripping
                waited, in_window = 0.0, 0


def _base(url: str) -> str:
    """Scheme, host and port of a URL, as it spells them."""
    return "/".join(url.split("/", 3)[:3])


def _followed(url: str, target: str) -> str:
    """Where a redirect leads.

    Raises:
        UnsafeAddressError: to what is no URL.
    """
    try:
        return urljoin(url, target.encode("latin-1").decode())
    except ValueError as err:
        msg = f"{shown(url)}: redirects to {shown(target)!r}, which is not a URL"
        raise UnsafeAddressError(msg) from err
