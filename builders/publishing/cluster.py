"""Tasks of publishing, done by the workers of a dask cluster, which share a folder."""

import contextlib
import functools
import importlib.metadata
import itertools
import logging
import pkgutil
import secrets
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from builders.errors import MissingPackageError, OptionError, UnreachableError, WorkerDiedError
from builders.io.net import remote
from builders.io.net.threads import Stop
from builders.publishing.parts import Finished, Task
from builders.publishing.running import Write, counted
from builders.release import NAME, VERSION

if TYPE_CHECKING:
    from distributed import Client, Future

logger = logging.getLogger(__name__)

PACKAGES = ("datasets", "numpy", "pyarrow", "torch")
"""What decides, beside ourselves, the bytes of a shard: of one version wherever shards are written."""
_OURS = "builders.release:VERSION"
"""Where a worker finds our version."""
_TO_CONNECT = 10.0
"""Seconds to find a scheduler in."""
_MOST = 256
"""Tasks that the scheduler knows of at once; more where the cluster is larger than half of them."""
_LOOK = 2.0
"""Seconds after which a cluster that has grown or shrunk is noticed."""
_TO_TELL = 30.0
"""Seconds in which a task that has ended tells its shards: some facts."""
_stops: dict[str, Stop] = {}
"""In a worker: what breaks off the tasks of a run."""


def run_on_cluster(write: Write, tasks: Sequence[Task], address: str) -> Iterator[Finished]:
    """Have the workers of a cluster do tasks; their shards come as they are finished.

    A task whose worker dies is done again by another one. The workers divide among them what the archive allows, and
    are told when there are more or fewer of them. When a task fails, or the iterator is closed, those under way are
    broken off and waited for, so that none of them writes a shard later.

    Args:
        write: does a task, and returns facts only: its shards go to a folder that all workers share.
        tasks: which.
        address: of the scheduler, such as `"tcp://10.0.0.1:8786"`.

    Raises:
        MissingPackageError: dask is not installed.
        OptionError: the address is none, `write` cannot be sent to workers, or these have other
            versions of what decides a shard's bytes.
        UnreachableError: there is no scheduler, or it went away.
        WorkerDiedError: several workers died while they did the same task.
        Exception: whatever `write` raises, as it is.
    """
    with _connected(address) as client:
        _check_versions(client, address)
        run = _Run(client, address, write)
        with contextlib.closing(run.done(tasks)) as done:
            yield from counted(done, len(tasks))


@contextlib.contextmanager
def _connected(address: str) -> Iterator["Client"]:
    try:
        from distributed import Client
        from distributed.comm import resolve_address
    except ImportError as err:
        msg = f"dask={address!r}: the package distributed is not installed: pip install 'perc-cryoem[dask]'"
        raise MissingPackageError(msg) from err
    try:
        resolve_address(address if "://" in address else f"tcp://{address}")
        client = Client(address, timeout=_TO_CONNECT, set_as_default=False)
    except OSError as err:
        msg = f"dask={address!r}: no scheduler answers there: expected the address that one shows when it is started"
        raise UnreachableError(msg) from err
    except (ValueError, TypeError) as err:
        msg = f"dask={address!r}: expected the address of a scheduler, such as 'tcp://10.0.0.1:8786' ({err})"
        raise OptionError(msg) from err
    with client:
        yield client


class _Run:
    """The tasks of one dataset on a cluster."""

    def __init__(self, client: "Client", address: str, write: Write) -> None:
        self._client, self._address, self._write = client, address, write
        self._name = secrets.token_hex(4)
        self._under_way: dict[Future, Task] = {}
        self._workers = -1
        self._number = itertools.count()

    def done(self, tasks: Sequence[Task]) -> Generator[list[Finished], None, None]:
        """The shards of each task."""
        waiting = deque(tasks)
        try:
            # itself a task's result: it is sent once, not with every task, and made again where its workers died
            write = self._sent_whole()
            while waiting or self._under_way:
                most = max(_MOST, 2 * self._look())
                room = min(len(waiting), most - len(self._under_way))
                self._submit(write, [waiting.popleft() for _ in range(room)])
                for future in self._finished():
                    task = self._under_way.pop(future)
                    try:
                        shards = self._shards(future, task)
                    except TimeoutError:
                        if future.status == "error":  # it is the task's own
                            raise
                        waiting.append(task)  # its worker has died since: what it wrote will be recognised
                    else:
                        yield shards
        finally:
            self._break_off()

    def _sent_whole(self) -> "Future":
        try:
            return self._client.submit(_itself, self._write, key=("perc-dataset", self._name), pure=False)
        except (CancelledError, OSError) as err:
            raise self._gone() from err
        except Exception as err:  # what pickle raises has no common class
            msg = f"dask={self._address!r}: the dataset cannot be sent to the workers ({err})"
            raise OptionError(msg) from err

    def _submit(self, write: "Future", tasks: Sequence[Task]) -> None:
        # of one group, by their keys: the scheduler keeps those that no worker is free for
        keys = [(f"perc-shard-{self._name}", f"{task.name} {next(self._number)}") for task in tasks]
        options = {"write": write, "versions": _versions(), "processes": max(1, self._workers), "run": self._name}
        try:
            futures = self._client.map(_done, tasks, key=keys, pure=False, **options) if tasks else []
        except (CancelledError, OSError) as err:
            raise self._gone() from err
        self._under_way.update(zip(futures, tasks, strict=True))

    def _look(self) -> int:
        """How many threads there are; workers are told how many they are, should that have changed."""
        try:
            threads: Mapping[str, int] = self._client.nthreads()
        except (CancelledError, OSError) as err:
            raise self._gone() from err
        if len(threads) != self._workers:
            self._workers = len(threads)
            if not threads:
                logger.warning("dask=%r: there are no workers: waiting for some", self._address)
            self._client.run(remote.share, max(1, len(threads)), on_error="ignore")
        return sum(threads.values())

    def _finished(self) -> set["Future"]:
        try:
            return self._waited_for("FIRST_COMPLETED")
        except CancelledError as err:
            raise self._gone() from err

    def _waited_for(self, which: str) -> set["Future"]:
        """Tasks that have ended, once the first one or all of them have; none where that takes its time."""
        from distributed import wait

        try:
            with self._client.as_current():
                return set(wait(list(self._under_way), timeout=_LOOK, return_when=which).done)
        except TimeoutError:
            return set()

    def _shards(self, future: "Future", task: Task) -> list[Finished]:
        """What a task that has ended returned.

        Raises:
            TimeoutError: nobody has it any more.
            Exception: whatever the task raised.
        """
        from distributed import KilledWorker

        try:
            return list(future.result(timeout=_TO_TELL))
        except KilledWorker as err:
            count, last = err.allowed_failures + 1, err.last_worker.address
            msg = f"{task.name}: {count} workers died while they wrote it, the last one at {last}: most often, memory"
            msg += " ran out; their logs tell. Finished shards are kept: run it again to continue"
            raise WorkerDiedError(msg) from err
        except CancelledError as err:
            raise self._gone() from err

    def _gone(self) -> UnreachableError:
        msg = f"dask={self._address!r}: the scheduler is gone. Finished shards are kept: run it again to continue"
        return UnreachableError(msg)

    def _break_off(self) -> None:
        """End the tasks under way: one that ends late would put its shard in the place of another dataset's."""
        with contextlib.suppress(CancelledError, OSError):
            while self._under_way and self._client.nthreads():
                self._client.run(_stop, self._name, on_error="ignore")
                for future in self._waited_for("ALL_COMPLETED"):
                    del self._under_way[future]


def _itself(write: Write) -> Write:
    return write


def _done(task: Task, *, write: Write, versions: Mapping[str, str], processes: int, run: str) -> list[Finished]:
    """What a worker does."""
    from distributed import get_worker

    _compare(f"the worker at {get_worker().address}", _versions(), versions)
    remote.share(processes)
    stop = _stops.setdefault(run, Stop())
    if stop.event.is_set():
        return []
    with stop.over():
        return write(task)


def _stop(run: str) -> None:
    """Break off, in a worker, the tasks of a run, and begin none."""
    _stops.setdefault(run, Stop()).set()


@functools.cache
def _versions() -> dict[str, str]:
    return {NAME: VERSION} | {package: importlib.metadata.version(package) for package in PACKAGES}


def _check_versions(client: "Client", address: str) -> None:
    """Compare with the workers that are there; those that come later compare themselves."""
    found: dict[str, dict[str, str]] = {}
    # functions of Python's own: theirs may lack ours
    asked: list[tuple[str, Callable[[str], Any], str]] = [(NAME, pkgutil.resolve_name, _OURS)]
    asked += [(package, importlib.metadata.version, package) for package in PACKAGES]
    for package, function, argument in asked:
        for worker, version in client.run(function, argument, on_error="return").items():
            if isinstance(version, ImportError | AttributeError):
                version = "none"
            if isinstance(version, str):  # else it has died meanwhile
                found.setdefault(worker, {})[package] = version
    for worker, versions in found.items():
        if len(versions) == len(asked):
            _compare(f"dask={address!r}: the worker at {worker}", versions, _versions())


def _compare(whose: str, versions: Mapping[str, str], expected: Mapping[str, str]) -> None:
    other = [f"{name} {versions[name]} (not {expected[name]})" for name in expected if versions[name] != expected[name]]
    if other:
        msg = f"{whose} has {', '.join(other)}: install what publishes in the same version everywhere"
        raise OptionError(msg)
