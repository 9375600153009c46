"""This process's one client: which hosts it may contact, and how many connections are its share.

Hosts besides the archives' own and the services of a database that is registered are permitted when a caller names them
(`archive=`, `api=`, `endpoints=`), and in no other way: not by a URL in a table or an answer, whoever wrote it. What a
pickle brings is permitted, too: that is how a DataLoader's workers learn it.
"""

import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, wait
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from builders.errors import ChangedError
from builders.io.net.answers import RemoteFile, address_of, known_of, memory
from builders.io.net.passing import TwoTagsError
from builders.io.net.rate_limit import Limit
from builders.io.net.threads import Pool, Stop, fork_safe_lock, hung_up_by_stop

if TYPE_CHECKING:
    from builders.io.net.http import Client

_T = TypeVar("_T")
_R = TypeVar("_R")

BUILT_IN = ("https://ftp.ebi.ac.uk", "https://www.ebi.ac.uk")
CONNECTIONS = 8
"""Requests under way at once, in all processes of a loader."""
BURST = 16
"""The same of a process that reads alone, while many small reads of it wait for round trips more than for bytes."""
LIMIT = Limit(at_once=4000, a_second=5.5)
"""EMPIAR allows an address 5,000 requests a minute and 24,000 an hour; this keeps below both."""
PIECE = 8 * 1024 * 1024
"""Bytes of one request of a read for which somebody waits, several of which are under way at once."""

BURSTS = "bursts"
"""The pool of hurried reads, which has a thread for each that may be under way."""
_MOST_WAIT = 1.0
"""Seconds for the end of what was broken off: only a connection that is still being made takes that long."""

_named: list[str] = []
_clients: "dict[int, Client]" = {}
_pools: dict[tuple[int, str], Pool] = {}
_processes = 1
_had_client = 0
"""The process that made a client last."""
_alone = fork_safe_lock()


def permit(base: str) -> None:
    """Permit the host of a URL that the caller named, or that a registered database needs.

    It makes no client: what a spawned worker unpickles comes before torch says which worker it is.
    """
    address_of(base)
    with _alone:
        if base not in _named:
            _named.append(base)
        if os.getpid() in _clients:
            client().allow(base)


def named() -> tuple[str, ...]:
    """The base URLs that were permitted besides those built in."""
    return tuple(_named)


def share(processes: int) -> None:
    """Divide connections and requests among so many processes, this one included, from the next request on.

    It multiplies with what `sharers` counts by itself: say how many processes there are besides a loader's workers and
    a machine's ranks.

    Example:
        >>> share(4)
        >>> sharers()
        4
        >>> share(1)
    """
    global _processes
    with _alone:
        if processes != _processes:
            _processes = processes
            _clients.pop(os.getpid(), None)


def sharers() -> int:
    """How many processes divide connections and requests: a loader's workers, of each rank here, and those told of."""
    data = sys.modules.get("torch.utils.data")
    worker = data.get_worker_info() if data is not None else None
    ranks = os.environ.get("LOCAL_WORLD_SIZE", "1")
    workers = worker.num_workers if worker is not None else 1
    return _processes * workers * max(1, int(ranks) if ranks.isdigit() else 1)


def _reads_alone() -> bool:
    """Whether no other process is known that may read at the same time."""
    modules = (sys.modules.get(name) for name in ("multiprocessing", "multiprocess"))
    return sharers() == 1 and all(module is None or module.parent_process() is None for module in modules)


def client() -> "Client":
    """The client of this process; a forked child makes its own."""
    global _had_client
    process = os.getpid()
    with _alone:
        if process not in _clients:
            from builders.io.net.http import Client  # with requests, which is dear to import

            _clients.clear()
            others = sharers()
            limit = LIMIT.divided(others)
            if process == _had_client:  # what its last client has sent counts, too: nothing more at once
                limit = replace(limit, at_once=1)
            _had_client = process
            _clients[process] = Client(
                *((*BUILT_IN, *_named), max(1, CONNECTIONS // others)),
                limited=BUILT_IN,
                limit=limit,
                burst=BURST if _reads_alone() else None,
            )
        return _clients[process]


def submit(task: Callable[..., _R], *arguments: object, pool: str = "rows", stop: Stop | None = None) -> "Future[_R]":
    """Run a task in this process's threads. Tasks of one pool must not wait for others of the same."""
    key = os.getpid(), pool
    with _alone:
        if key not in _pools:
            for old in [k for k in _pools if k[0] != key[0]]:
                del _pools[old]
            _pools[key] = Pool(BURST if pool == BURSTS else CONNECTIONS, f"perc-{pool}")
        threads = _pools[key]
    return threads.submit(task, *arguments, stop=stop)


def each(task: Callable[[_T], _R], items: Iterable[_T], pool: str = "rows") -> Generator[_R, None, None]:
    """Results of a task for each item, in order, several under way at once; after a failure, the rest is broken off."""
    stop = Stop()
    futures = deque(submit(task, item, pool=pool, stop=stop) for item in items)
    try:
        with hung_up_by_stop(stop.set):
            while futures:
                yield futures.popleft().result()
    finally:
        for future in futures:
            future.cancel()
        stop.set()


class Reads:
    """Reads that are begun together, of which none is left once they are closed: what has not begun never will.

    Example:
        >>> with Reads() as reads:
        ...     [future.result() for future in map(reads.submit, (str, int))]
        ['', 0]
    """

    def __init__(self) -> None:
        self._stop, self._outer = Stop(), ExitStack()
        self._futures: list[Future[Any]] = []

    def __enter__(self) -> Self:
        self._outer.enter_context(hung_up_by_stop(self._stop.set))
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def submit(self, task: Callable[..., _R], *arguments: object, pool: str = "rows") -> "Future[_R]":
        """Begin a task as soon as a thread is free."""
        future = submit(task, *arguments, pool=pool, stop=self._stop)
        self._futures.append(future)
        return future

    def close(self) -> None:
        """Break off what runs, and begin nothing more."""
        self._outer.close()
        self._stop.set()
        wait([future for future in self._futures if not future.cancel()], _MOST_WAIT)


def read(file: RemoteFile, start: int, stop: int, piece: int = PIECE, is_hurried: bool = False) -> NDArray[np.uint8]:
    """Bytes `start` to `stop` of one version of a file: more than `piece` of them in pieces, several at once.

    Raises:
        ChangedError: the file is of another version, or changed between two pieces.
        PercError: as `Client.read`.
    """
    buffer = memory(stop - start, file.url)
    read_into(file, buffer.view(np.ndarray), start, piece, is_hurried)
    return buffer


def read_into(
    file: RemoteFile, buffer: NDArray[np.uint8], start: int, piece: int = PIECE, is_hurried: bool = False
) -> None:
    """What `read` does, into memory that there is, from `start` on.

    Args:
        file: one version of it.
        buffer: as many bytes as are wanted.
        start: first byte.
        piece: the most of one request.
        is_hurried: see `Client.read_into`; of reads that are no longer than a piece.
    """
    reader = client()
    if len(buffer) <= piece:
        reader.read_into(file.url, buffer, start, file, is_hurried)
        return
    try:
        _read_pieces(reader, file, buffer, start, piece)
    except TwoTagsError as err:  # two servers answered: now all pieces have to come from one of them
        _read_pieces(reader, _settled(reader, file, err), buffer, start, piece)


def _settled(reader: "Client", file: RemoteFile, err: TwoTagsError) -> RemoteFile:
    """One of the versions that servers tell of.

    Raises:
        ChangedError: it is not the one that is wanted.
    """
    try:
        return known_of(reader.head(file.url), file)
    except ChangedError:
        raise ChangedError(str(err)) from err


def _read_pieces(reader: "Client", file: RemoteFile, buffer: NDArray[np.uint8], start: int, piece: int) -> None:
    def fill(place: int) -> RemoteFile:
        return reader.read_into(file.url, buffer[place : place + piece], start + place, file)

    version = file
    for found in each(fill, range(0, len(buffer), piece), pool="pieces"):
        version = known_of(found, version)
