"""`write`: any dataset of particles as stacks and a table that RELION or CryoSPARC reads."""

import contextlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash
from datasets import Dataset, IterableDataset

from builders.errors import NotEmptyError, OptionError
from builders.hf.stream_layers import has_end
from builders.io.files.cache import disk_error
from builders.io.files.held_folder import held
from builders.io.files.hidden import is_hidden
from builders.io.files.whole_file import write_whole
from builders.options import check_bytes, check_flag, check_integer, check_named
from builders.particles.writing import tables
from builders.particles.writing.pieces import NOTES, STACKS, Job, Piece, pieces
from builders.particles.writing.rows import columns_of
from builders.publishing.running import run
from builders.publishing.writing.source import Source, expect_rereads, nbytes, source_of

logger = logging.getLogger(__name__)

MARKER = "particles.json"
"""The file that says whose particles these are, and whether all are there."""
_VERSION = 1
"""Of what is written of a dataset: bump it when that changes."""
_LOCK = ".writing.lock"
_READ_BYTES = 16 * 1024 * 1024
"""Of images that are read at once."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Attributes:
        table: path of the table.
        rows: number of particles.
        stacks: number of stacks.
        file_bytes: size of all of it.
    """

    table: str
    rows: int
    stacks: int
    file_bytes: int


def write(
    dataset: Dataset | IterableDataset,
    folder: str | os.PathLike[str],
    format: str = "star",
    *,
    root: str | os.PathLike[str] | None = None,
    micrograph_shape: tuple[int, int] | None = None,
    max_stack_size: int | str = "500MB",
    num_proc: int | None = None,
    overwrite: bool = False,
) -> Written:
    """Write particles for RELION or CryoSPARC: stacks in `particles/`, and `particles.star` or `particles.cs`.

    Rows are written as they are read, after transforms of `with_transform` and `map`, and so are their poses, CTFs,
    pixel sizes and coordinates. The table has them in the dataset's order. Stacks are of so many bytes, not of a
    micrograph each: so rows of any order, shuffled ones too, are written in one go, in the memory of a few images; the
    table names the micrograph of each. Images of other sizes, or of other sizes of pixels, get stacks and optics groups
    of their own. A run that was interrupted goes on when it is started again; one that had finished is not redone.

    RELION's table keeps columns that particles do not have otherwise (`rlnLogLikeliContribution`, `label`), if they are
    numbers or texts. A pose of null is -999 there, as RELION has it, a phase shift of null 0, a half-set of null 0.
    CryoSPARC's keeps those of its own names (`uid`, `ctf/bfactor`), where `blob/sign` is 1 unless a column tells it:
    particles are bright. Locations in micrographs are fractions of these: it has them only if `micrograph_shape` or a
    column `location/micrograph_shape` tells their shape.

    Args:
        dataset: map-style or a stream, with columns as those of `load_dataset("particles", ...)`: `image` and
            `pixel_size`, and what there is of `ctf`, `pose`, `micrograph`, `coordinate_x`, `coordinate_y`,
            `optics_group`, `half_set`, `class_number`.
        folder: where to; it is made if need be, and must be empty otherwise. With another `format`, the table is
            written beside the first one, of the same stacks.
        format: `"star"` (RELION 3.1 and newer) or `"cs"` (CryoSPARC).
        root: folder in which the program runs, where paths in the table begin: RELION's project. Default: `folder`.
        micrograph_shape: `(ny, nx)` of all micrographs, in pixels, for `format="cs"`.
        max_stack_size: bytes of a stack at the most, as a number or as `"500MB"`.
        num_proc: processes that write stacks. The result does not depend on it.
        overwrite: replace other particles that were written there, or write among other files.

    Raises:
        OptionError: an option cannot be, or the dataset has no rows.
        FormatError: a row has no square image, no pixel size, or a value that is none.
        MixedError: some rows have a CTF and others none; or, in CryoSPARC's table, a pose or another value.
        NotEmptyError: something else is there, and `overwrite` is False.
        AccessError: it may not be written there, or another process writes there.
        DiskFullError: there is no room; run it again when there is.

    Example:
        >>> import numpy as np
        >>> from datasets import Dataset, Features, Value
        >>> from builders import EMImage
        >>> rows = {"image": [np.eye(4, dtype=np.float32)] * 3, "pixel_size": [1.5] * 3}
        >>> ds = Dataset.from_dict(rows, features=Features({"image": EMImage(), "pixel_size": Value("float32")}))
        >>> write(ds, "job001").rows
        3
    """
    check_flag("overwrite", overwrite)
    check_named("folder", folder)
    if num_proc is not None:
        check_integer("num_proc", num_proc, 1)
    most = check_bytes("max_stack_size", max_stack_size)
    if not isinstance(dataset, Dataset | IterableDataset):
        msg = f"write takes a Dataset or an IterableDataset, not {type(dataset).__name__}: write each split on its own,"
        msg += " to a folder of its own"
        raise OptionError(msg)
    if isinstance(dataset, IterableDataset) and not has_end(dataset):
        msg = "a stream without end cannot be written: expected num_examples=, or .take(10000) of it"
        raise OptionError(msg)
    place = _folder(folder)
    form = tables.Form.of(format, place, root, micrograph_shape)
    with held(place, _LOCK, "writing", "the particles", lambda: _remove_half_written(place)):
        return _Writing(dataset, place, most, overwrite).run(form, num_proc)


def _folder(folder: str | os.PathLike[str]) -> Path:
    try:
        place = Path(os.path.abspath(Path(folder).expanduser()))  # noqa: PTH100
        is_file = place.exists() and not place.is_dir()
    except (RuntimeError, ValueError) as err:
        msg = f"folder is {folder!r}: expected a folder ({err})"
        raise OptionError(msg) from err
    except OSError as err:
        raise disk_error(err, Path(folder), "the particles") from err
    if is_file:
        msg = f"{place} is a file: expected a folder"
        raise OptionError(msg)
    return place


def _remove_half_written(folder: Path) -> None:
    for below in (folder, folder / STACKS, folder / NOTES):
        for path in below.glob(".*.tmp"):
            with contextlib.suppress(OSError):
                path.unlink()
    for empty in (folder / STACKS, folder / NOTES):
        with contextlib.suppress(OSError):  # it is not, or not there
            empty.rmdir()


class _Writing:
    """A dataset on its way to a folder that is held."""

    def __init__(self, dataset: Dataset | IterableDataset, folder: Path, most: int, overwrite: bool) -> None:
        self._folder = folder
        whole = source_of(dataset)
        expect_rereads(whole)
        said = _VERSION, whole.identity(0), most
        self._name = xxhash.xxh3_128_hexdigest(repr(said).encode())
        self._marker = self._found(overwrite)
        self._sample = whole.sample()
        if not self._sample:
            msg = "the dataset has no rows: there is nothing to write"
            raise OptionError(msg)
        self._job = self._divided(whole, most)
        self._is_scaled = tables.is_scaled(dataset, self._sample[0])

    def _found(self, overwrite: bool) -> dict[str, Any]:
        """The marker of these particles; of none yet, where there is nothing else, or what is there is replaced."""
        marker = _read_marker(self._folder / MARKER)
        if marker.get("dataset") == self._name:
            return marker
        if marker and not overwrite:
            msg = f"{self._folder} holds other particles, or these ones written with other options or from files that"
            msg += " have changed since: overwrite=True replaces them"
            raise NotEmptyError(msg)
        others = sorted(path.name for path in self._folder.iterdir() if not is_hidden(path.name))
        if others and not marker and not overwrite:
            some = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
            msg = f"{self._folder} holds other files ({some}): expected an empty or a new folder; overwrite=True"
            msg += " writes among them"
            raise NotEmptyError(msg)
        _remove_ours(self._folder, marker)
        return {"format": 1, "dataset": self._name, "tables": {}}

    def _divided(self, whole: Source, most: int) -> Job:
        row_bytes = max(1.0, sum(nbytes(row.get("image")) for row in self._sample) / len(self._sample))
        columns, left_out = columns_of(self._sample, whole.features)
        if left_out:
            logger.warning("columns that no table can hold are left out: %s", ", ".join(left_out))
        batch = max(1, min(int(_READ_BYTES / row_bytes), most // int(row_bytes) or 1))
        return Job(whole.divided(row_bytes, most), columns, batch, most, self._folder, self._name)

    def run(self, form: tables.Form, num_proc: int | None) -> Written:
        """Write the stacks that are not there, then the table."""
        job, place = self._job, self._folder / tables.NAMES[form.format]
        tasks = job.tasks()
        missing = [task for task in tasks if not (done := job.finished(task)) or not done[-1].last]
        recipe = xxhash.xxh3_64_hexdigest(repr((_VERSION, form, self._is_scaled)).encode())
        of_table = self._marker["tables"].get(place.name, {})
        if missing or of_table.get("recipe") != recipe or tables.digest_of(place) != of_table.get("digest"):
            self._mark({})
            for _ in run(job.write, missing, num_proc, ("Writing", "stacks")):
                pass
            tables.write_table(place, lambda: pieces(job), form, self._is_scaled, self._name)
            self._mark({place.name: {"recipe": recipe, "digest": tables.digest_of(place)}})
        return self._told(place, pieces(job))

    def _mark(self, written: dict[str, Any]) -> None:
        self._marker["tables"] |= written
        write_whole(self._folder / MARKER, json.dumps(self._marker, indent=1).encode())

    def _told(self, table: Path, there: Iterator[Piece]) -> Written:
        rows, stacks = 0, list[str]()
        for piece in there:
            rows += len(piece.rows)
            stacks += [stack.name for stack in piece.stacks]
        size = sum((self._folder / name).stat().st_size for name in stacks) + table.stat().st_size
        return Written(str(table), rows, len(stacks), size)


def _read_marker(path: Path) -> dict[str, Any]:
    try:
        marker = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return marker if isinstance(marker, dict) and isinstance(marker.get("tables"), dict) else {}


def _remove_ours(folder: Path, marker: dict[str, Any]) -> None:
    """Remove what an earlier run wrote: the tables first, so that none names what has gone."""
    if not marker:
        return
    try:
        for name in tables.NAMES.values():
            (folder / name).unlink(missing_ok=True)
        for path in sorted((folder / NOTES).glob("*.arrow")):
            piece = Piece.load(path)
            for stack in piece.stacks if piece is not None else ():
                (folder / STACKS / Path(stack.name).name).unlink(missing_ok=True)
            path.unlink()
    except OSError as err:
        raise disk_error(err, folder, "the particles of before") from err
