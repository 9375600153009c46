"""Headers of the files of shards, read once each and ahead of their use."""

from collections import OrderedDict, deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future
from typing import Protocol, TypeVar

from builders.errors import PercError
from builders.io.files import location
from builders.io.files.head import Head
from builders.io.files.header_store import HeaderStore
from builders.io.formats.protocol import HEAD
from builders.io.net import remote
from builders.io.net.threads import Stop
from builders.stacks.files import SourceFile
from builders.stacks.rows import Images, Reading, look, look_remote, look_remote_parts

WHOLE = 1024 * 1024
"""A remote file of no more bytes comes with its header."""
_AHEAD = 8
_REMEMBERED = 32

Found = tuple[Images | PercError | None, bytes | None]
"""A file as its header says, and all of its bytes where they came along."""


class OfFile(Protocol):
    """Some rows of a file."""

    @property
    def file(self) -> SourceFile:
        """The file."""
        ...


_Of = TypeVar("_Of", bound=OfFile)


class Headers:
    """Reads the header of a part's file, once for all its parts that are read together."""

    def __init__(self, reading: Reading, folder: str | None) -> None:
        self._reading, self._store = reading, HeaderStore(folder)
        self._asked: OrderedDict[str, Future[Found]] = OrderedDict()
        self._fresh: dict[str, tuple[str, Head]] = {}
        self._stop = Stop()

    def read_ahead(self, shards: Iterable[Sequence[_Of]]) -> Generator[tuple[_Of | None, "Found"], None, None]:
        """Parts of shards with their files' headers, in order, and None after each shard; the next are under way."""
        waiting: deque[tuple[_Of | None, Future[Found] | None]] = deque()
        try:
            for shard in shards:
                unasked = [p.file for p in shard if p.file.location not in self._asked]
                new = [part for file in unasked for part in file.all_parts if location.is_remote(part.location)]
                known = self._store.get({file.location: file.stamp for file in new}) if new else {}
                for part in [*shard, None]:
                    waiting.append((part, None if part is None else self._ask(part.file, known)))
                    if len(waiting) > _AHEAD:
                        yield _waited_for(waiting.popleft())
                if len(self._fresh) >= _REMEMBERED:
                    self._remember()
            while waiting:
                yield _waited_for(waiting.popleft())
        finally:
            for _, future in waiting:
                if future is not None:
                    future.cancel()
            self._stop.set()
            self._remember()

    def _remember(self) -> None:
        fresh, self._fresh = self._fresh, {}
        self._store.put(dict(fresh))  # a thread may still add to it

    def _ask(self, file: SourceFile, known: dict[str, Head]) -> "Future[Found]":
        future = self._asked.get(file.location)
        if future is None:
            task = self._look, file, known
            future = self._asked[file.location] = remote.submit(*task, pool="headers", stop=self._stop)
            while len(self._asked) > _REMEMBERED:
                self._asked.popitem(last=False)
        return future

    def _look(self, file: SourceFile, known: dict[str, Head]) -> "Found":
        try:
            if not location.is_remote(file.location):
                return look(file, self._reading), None
            if (images := look_remote_parts(file, self._reading, known, self._fresh)) is not None:
                return images, None
            count = max(file.most if file.most <= WHOLE else 0, HEAD)
            images, head = look_remote(file, self._reading, known.get(file.location), self._fresh, count)
            return images, head.data if head.is_whole else None
        except PercError as err:
            return err, None


def _waited_for(asked: "tuple[_Of | None, Future[Found] | None]") -> "tuple[_Of | None, Found]":
    part, future = asked
    return part, (None, None) if future is None else future.result()
