"""A dataset repository in a folder."""

import contextlib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from builders.errors import NotEmptyError, OptionError
from builders.io.files.cache import disk_error
from builders.io.files.held_folder import held
from builders.io.files.hidden import is_hidden
from builders.io.files.whole_file import write_whole
from builders.publishing.parts import CARD, MARKER, SHEET, Finished, Marker
from builders.publishing.writing.shard import recognised

_LOCK = ".publishing.lock"
_DATA = "data"


class Folder:
    """A `Target` of this machine, or of a disk that several share.

    Args:
        path: the folder; it is made where there is none.

    Raises:
        OptionError: there is a file of that name, or it begins with the home of a user that there is not.
        PercError: the system cannot have a folder of that name, or look at it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.where = str(path)
        try:
            self.work = Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100
            is_file = self.work.exists() and not self.work.is_dir()
        except RuntimeError as err:
            msg = f"{self.where}: there is no user of that name: expected a folder, or hf://datasets/OWNER/NAME"
            raise OptionError(msg) from err
        except OSError as err:
            raise disk_error(err, self.work, "the dataset") from err
        if is_file:
            msg = f"{self.where} is a file: expected a folder, or hf://datasets/OWNER/NAME"
            raise OptionError(msg)

    @contextlib.contextmanager
    def held(self) -> Iterator["Folder"]:
        """Keep others from publishing there meanwhile; shards that were left half-written, then or before, are removed.

        So is the folder, where this made it and nothing came into it.

        Raises:
            AccessError: another process does.
            PercError: the folder cannot be made or written to.
        """
        with held(self.work, _LOCK, "publishing", "the dataset", self._remove_half_written):
            yield self

    def _remove_half_written(self) -> None:
        for path in (self.work / _DATA).glob(".*.parquet.*.tmp"):
            with contextlib.suppress(OSError):
                path.unlink()

    def open(self, overwrite: bool) -> tuple[Marker | None, dict[str, Finished]]:
        """See what is there; a card and a marker that a killed run left half-written are removed.

        Raises:
            NotEmptyError: there are files that publishing did not make, and `overwrite` is False.
        """
        marker = self._marker()
        left = [path for name in (CARD, MARKER, SHEET) for path in self.work.glob(f".{name}.*.tmp")]
        if marker is None and not overwrite:
            ours = {_LOCK, *(path.name for path in left)} | ({CARD} if self._has_begun() else set())
            others = sorted(
                path.name for path in self.work.iterdir() if not (path.name in ours or is_hidden(path.name))
            )
            if others:
                some = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
                msg = f"{self.where} holds other files ({some}): expected an empty or a new folder"
                msg += "; overwrite=True (--overwrite) publishes among them"
                raise NotEmptyError(msg)
        for path in left:
            path.unlink(missing_ok=True)
        found = {path.name: recognised(path, f"{_DATA}/{path.name}") for path in self._shards()}
        return marker, {shard.name: shard for shard in found.values() if shard is not None}

    def _marker(self) -> Marker | None:
        try:
            marker = json.loads((self.work / MARKER).read_bytes())
        except (OSError, ValueError):
            return None
        return marker if isinstance(marker, dict) and "dataset" in marker else None

    def _has_begun(self) -> bool:
        """Whether the card is one of ours, of a run that ended before it had written the marker."""
        from builders.publishing.front.card import UNFINISHED

        try:
            return UNFINISHED.encode() in (self.work / CARD).read_bytes()
        except OSError:
            return False

    def _shards(self) -> list[Path]:
        return sorted((self.work / _DATA).glob("*.parquet"))

    def begin(self, files: Mapping[str, bytes]) -> None:
        """Write the card and the marker of a dataset that is not complete: the card first, so that none seems to be."""
        self._write(files, first=CARD)

    def add(self, shard: Finished) -> None:
        """It is in its place already."""

    def finish(self, files: Mapping[str, bytes], keep: Collection[str]) -> None:
        """Remove shards that are not kept, and write the card of the complete dataset, last of all."""
        try:
            for path in self._shards():
                if f"{_DATA}/{path.name}" not in keep:
                    path.unlink()
        except OSError as err:
            raise disk_error(err, self.work, "a shard of before") from err
        self._write({name: data for name, data in files.items() if name != CARD})
        self._write({CARD: files[CARD]})

    def _write(self, files: Mapping[str, bytes], first: str | None = None) -> None:
        for name in sorted(files, key=lambda name: name != first):
            write_whole(self.work / name, files[name])
