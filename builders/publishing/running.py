"""Tasks of publishing, done one after another in this process or by several at once."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.reduction import ForkingPickler
from typing import Any

from tqdm.auto import tqdm

from builders.errors import OptionError, PercError, WorkerDiedError
from builders.io.net import remote
from builders.publishing.parts import Finished, Task

Write = Callable[[Task], list[Finished]]
_PATIENCE = 5.0
"""Seconds in which a worker that is told to end has to remove what it left half-written."""
_AGAIN = 0.5
"""Seconds after which it is told again: a signal that comes just before a wait begins does not end that wait."""


def run(
    write: Write, tasks: Sequence[Task], num_proc: int | None = None, bar: tuple[str, str] = ("Publishing", "shards")
) -> Iterator[Finished]:
    """Do tasks; their shards come as they are finished.

    Closing the iterator, Ctrl-C and a task's error end what is under way. Finished shards stay.

    Args:
        write: does one. Where processes fork, it may be anything; elsewhere, it has to pickle.
        tasks: which.
        num_proc: by how many processes; None and 1: by this one.
        bar: what the bar of progress says is done, and what it counts.

    Raises:
        WorkerDiedError: a process was killed, for instance since memory ran out.
        OptionError: `write` cannot be sent to other processes.
        Exception: whatever `write` raises, as it is.

    Example:
        >>> tasks = [Task(f"data/train-{part:05d}-of-00002.parquet", "train", part, "") for part in range(2)]
        >>> done = run(lambda task: [Finished(task.name, "train", "", 10, 4096, 8000)], tasks)
        >>> [shard.name for shard in done]
        ['data/train-00000-of-00002.parquet', 'data/train-00001-of-00002.parquet']
    """
    count = min(num_proc or 1, len(tasks))
    done = (write(task) for task in tasks) if count < 2 else _done_by_processes(write, tasks, count)
    with contextlib.closing(done):
        yield from counted(done, len(tasks), bar)


def counted(
    done: Iterator[list[Finished]], tasks: int, bar: tuple[str, str] = ("Publishing", "shards")
) -> Iterator[Finished]:
    """The shards of tasks, with a bar of progress over the tasks."""
    with tqdm(total=tasks, desc=bar[0], unit=f" {bar[1]}", disable=None) as progress:
        for shards in done:
            yield from shards
            progress.update()


def _done_by_processes(write: Write, tasks: Sequence[Task], count: int) -> Generator[list[Finished], None, None]:
    waiting = deque(tasks)
    workers: list[_Worker] = []
    try:
        for _ in range(count):
            workers.append(_Worker(_context(), write, count))
            workers[-1].give(waiting.popleft())
        busy = list(workers)
        while busy:
            ready = set(wait([end for worker in busy for end in worker.ends]))
            for worker in [worker for worker in busy if ready & set(worker.ends)]:
                shards = worker.take()
                if waiting:
                    worker.give(waiting.popleft())
                else:
                    worker.give(None)
                    busy.remove(worker)
                yield shards
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.end()


def _context() -> BaseContext:
    """Forked processes know whatever `write` holds, lambdas too; macOS's own libraries do not survive a fork."""
    can_fork = "fork" in multiprocessing.get_all_start_methods() and sys.platform != "darwin"
    return multiprocessing.get_context("fork" if can_fork else "spawn")


class _Worker:
    """A process that does one task after another, and its end of the pipe to it."""

    def __init__(self, context: BaseContext, write: Write, count: int) -> None:
        self._count, self._task = count, Task("", "", 0, "")
        self.pipe, its_end = context.Pipe()
        # a daemon: it never keeps this process from ending
        self.process: Any = context.Process(target=_work, args=(its_end, write, count), daemon=True)  # type: ignore[attr-defined]
        try:
            self.process.start()
        except OSError:
            raise
        except Exception as err:  # what pickle raises has no common class
            msg = f"num_proc={count}: the dataset cannot be sent to other processes ({err})"
            msg += ": define functions that it maps at the top level of a module, or leave num_proc out"
            raise OptionError(msg) from err
        finally:
            its_end.close()

    @property
    def ends(self) -> tuple[Any, Any]:
        """What becomes ready when it has done its task or has died."""
        return self.pipe, self.process.sentinel

    def give(self, task: Task | None) -> None:
        """Let it do a task, or end."""
        if task is not None:
            self._task = task
        with contextlib.suppress(OSError):  # it has died, which the next look at it tells
            self.pipe.send(task)

    def take(self) -> list[Finished]:
        """The shards of its task; what went wrong there is raised here.

        Raises:
            WorkerDiedError: it was killed.
        """
        try:
            if not self.pipe.poll():
                raise EOFError
            shards, error, note = self.pipe.recv()
        except (EOFError, OSError) as err:
            self.process.join(_PATIENCE)
            raise died(self._task.name, f"exit code {self.process.exitcode}", f"num_proc={self._count}") from err
        if error is not None:
            error.add_note(note)
            raise error
        return list(shards)

    def end(self) -> None:
        """Wait for its end, not for long."""
        self.process.join(_AGAIN)
        deadline = time.monotonic() + _PATIENCE - _AGAIN
        while self.process.is_alive() and time.monotonic() < deadline:
            self.process.terminate()
            self.process.join(_AGAIN)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process.close()
        self.pipe.close()


def died(name: str, how: str, processes: str) -> WorkerDiedError:
    """The error of a shard whose process ended before it was done."""
    msg = f"{name}: the process that wrote it was killed ({how}): most often, memory ran out; {processes} may be"
    return WorkerDiedError(f"{msg} too many. Finished shards are kept: run it again, with fewer, and it goes on")


def _work(pipe: Connection, write: Write, count: int) -> None:
    """Do tasks that come through a pipe, until there are no more, or the other end's process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all: the one process that waits for us ends us
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    one_thread()
    remote.share(count)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        if task is None:
            return
        answer: tuple[list[Finished], Exception | None, str]
        try:
            answer = write(task), None, ""
        except Exception as err:  # raised where the shards are waited for
            where = "".join(traceback.format_exception(err))
            answer = [], _sendable(err, task), f"in the process that wrote {task.name}:\n{where}"
        pipe.send(answer)


def _end(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)  # an exception: what was half-written is removed on its way


def _end_with_parent() -> None:
    """A parent that is killed cannot end us, and we would keep its lock."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        while True:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(_AGAIN)


def one_thread() -> None:
    """Keep this process's arithmetic to one thread: there are as many processes as there is room for."""
    os.environ["OMP_NUM_THREADS"] = "1"  # for a torch that is imported later
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)


def _sendable(error: Exception, task: Task) -> Exception:
    """An error that arrives in another process."""
    try:
        ForkingPickler.loads(ForkingPickler.dumps(error))
    except Exception:  # whatever its constructor, or what it holds, raises
        return PercError(f"{task.name}: {type(error).__name__}: {error}")
    return error
