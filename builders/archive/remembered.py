"""What the archive said last time, for when it cannot be reached: an entry's metadata, and the files of a search."""

import contextlib
import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from builders.archive.archive import Found
from builders.archive.catalogue import EntryInfo, ImageSet
from builders.archive.listing import Child
from builders.errors import PercError, StalledError, UnreachableError
from builders.io.files.cache import default_folder
from builders.io.movies.gain import Gain
from builders.stacks.files import SourceFile

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Folder:
    """What a folder of an entry holds.

    Attributes:
        children: its files and folders, in natural order.
    """

    children: tuple[Child, ...]


_T = TypeVar("_T", EntryInfo, Found, Folder, Gain)


def asked(question: tuple[object, ...], ask: Callable[[], _T], revive: Callable[[Any], _T], folder: str | None) -> _T:
    """The answer to a question, remembered; the remembered one where nobody can be reached.

    Args:
        question: what is asked, of whom: equal questions have equal answers until the archive changes.
        ask: asks it.
        revive: makes an answer of what `asdict` and JSON left of it.
        folder: where answers are kept; None: beside the cache's default.

    Raises:
        PercError: what `ask` raises, when that is not for want of a connection or nothing is remembered.
    """
    name = hashlib.sha256(repr((revive.__name__, *question)).encode("utf-8", "surrogateescape")).hexdigest()
    path = Path(folder or default_folder()) / "answers" / f"{name}.json"
    try:
        answer = ask()
    except PercError as err:
        remembered = _recall(path, revive) if isinstance(err, UnreachableError | StalledError) else None
        if remembered is None:
            raise
        logger.warning("using what the archive said last time, as it cannot be reached: %s", err)
        return remembered
    with contextlib.suppress(OSError):  # a cache that cannot be written keeps nothing
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid():x}-{threading.get_ident():x}.tmp")
        temporary.write_text(json.dumps(asdict(answer)), encoding="utf-8")
        temporary.replace(path)
    return answer


def revived_info(facts: Any) -> EntryInfo:
    """An entry's metadata as it was."""
    imagesets = tuple(ImageSet(**_tuples(imageset)) for imageset in facts.pop("imagesets"))
    return EntryInfo(imagesets=imagesets, **facts)


def revived_found(facts: Any) -> Found:
    """The files of a search as they were."""
    files = tuple(SourceFile.revived(file) for file in facts.pop("files"))
    return Found(files=files, **_tuples(facts))


def revived_folder(facts: Any) -> Folder:
    """What a folder held."""
    return Folder(tuple(Child(**child) for child in facts["children"]))


def revived_gain(facts: Any) -> Gain:
    """A gain reference as it was taken."""
    return Gain(**facts)


def _tuples(facts: Any) -> Any:
    """What JSON made lists of."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}


def _recall(path: Path, revive: Callable[[Any], _T]) -> _T | None:
    try:
        return revive(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
