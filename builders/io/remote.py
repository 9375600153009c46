"""This process's one client: which hosts it may contact, and how many connections are its share.

Hosts besides the archives' own are permitted when a caller names them (`archive=`, `api=`), and in no other way: not by
a URL in a table, whoever wrote it. What a pickle brings is permitted, too: that is how a DataLoader's workers learn it.
"""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from builders.io.answers import RemoteFile
from builders.io.http import Client
from builders.io.pace import Limit
from builders.io.threads import Pool, Stop, current
from perc_transforms import buffers

_T = TypeVar("_T")
_R = TypeVar("_R")

BUILT_IN = ("https://ftp.ebi.ac.uk", "https://www.ebi.ac.uk")
CONNECTIONS = 8
"""Requests under way at once, in all processes of a loader."""
LIMIT = Limit(at_once=4000, a_second=5.5)
"""EMPIAR allows an address 5,000 requests a minute and 24,000 an hour; this keeps below both."""
PIECE = 8 * 1024 * 1024
"""Bytes of one request of a read for which somebody waits, several of which are under way at once."""

_named: list[str] = []
_clients: dict[int, Client] = {}
_pools: dict[tuple[int, str], Pool] = {}


def permit(base: str) -> None:
    """Permit the host of a URL that the caller named."""
    client().allow(base)
    if base not in _named:
        _named.append(base)


def named() -> tuple[str, ...]:
    """The base URLs that were permitted besides those built in."""
    return tuple(_named)


def sharers() -> int:
    """How many processes divide connections and requests: a loader's workers, of each of a machine's ranks."""
    data = sys.modules.get("torch.utils.data")
    worker = data.get_worker_info() if data is not None else None
    ranks = os.environ.get("LOCAL_WORLD_SIZE", "1")
    return (worker.num_workers if worker is not None else 1) * max(1, int(ranks) if ranks.isdigit() else 1)


def client() -> Client:
    """The client of this process; a forked child makes its own."""
    process = os.getpid()
    if process not in _clients:
        _clients.clear()
        others = sharers()
        _clients[process] = Client(
            (*BUILT_IN, *_named), max(1, CONNECTIONS // others), limited=BUILT_IN, limit=LIMIT.divided(others)
        )
    return _clients[process]


def submit(task: Callable[..., _R], *arguments: object, pool: str = "rows", stop: Stop | None = None) -> "Future[_R]":
    """Run a task in this process's threads. Tasks of one pool must not wait for others of the same."""
    key = os.getpid(), pool
    if key not in _pools:
        for old in [k for k in _pools if k[0] != key[0]]:
            del _pools[old]
        _pools[key] = Pool(CONNECTIONS, f"perc-{pool}")
    return _pools[key].submit(task, *arguments, stop=stop)


def each(task: Callable[[_T], _R], items: Iterable[_T], pool: str = "rows") -> Iterator[_R]:
    """Results of a task for each item, in order, several under way at once; after a failure, the rest is broken off."""
    outer = current()
    stop = outer or Stop()
    futures = deque(submit(task, item, pool=pool, stop=stop) for item in items)
    try:
        while futures:
            yield futures.popleft().result()
    finally:
        for future in futures:
            future.cancel()
        if outer is None:
            stop.set()


def read(url: str, start: int, stop: int, etag: str | None = None, piece: int = PIECE) -> NDArray[np.uint8]:
    """Bytes `start` to `stop` of a file: more than `piece` of them in pieces, several at once.

    Raises:
        ChangedError: the file is not of the version `etag`.
        PercError: as `Client.read`.
    """
    known = RemoteFile(url, None, etag)
    if stop - start <= piece:
        return client().read(url, start, stop, known)
    buffer = buffers.take(stop - start)
    plain = buffer.view(np.ndarray)
    reader = client()

    def fill(place: int) -> None:
        reader.read_into(url, plain[place : place + piece], start + place, known)

    for _ in each(fill, range(0, stop - start, piece), pool="pieces"):
        pass
    return buffer
