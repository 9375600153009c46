"""What other simulators wrote: the way from a folder to rows."""

import functools
import hashlib
import json
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa

from builders.errors import OptionError, PercError
from builders.io.files.cache import default_folder, disk_error
from builders.options import check_named, with_advice
from builders.stacks.files import SourceFile
from builders.stacks.picked.catalogue import Catalogue, table_of, write
from builders.synthetic.written.finding import Finder, LeftOut, listed
from builders.synthetic.written.rows import class_names, features_of, rows_of

logger = logging.getLogger(__name__)

_NAMES, _LEFT_OUT = b"perc.classes", b"perc.left_out"
_MOST_TOLD = 10
_VERSION = 1
"""Of the rows that are made of files, which are kept."""


@dataclass(eq=False)
class Written:
    """A folder of a simulator's. Its files are listed at once, and read when its rows are asked for.

    Attributes:
        option: `"parakeet"` or `"roodmus"`.
        folder: its absolute path.
        skip: whether runs that are damaged or lack something are left out.
        listing: the files that may belong to it.
    """

    option: str
    folder: str
    skip: bool
    listing: tuple[SourceFile, ...] = field(repr=False)

    @property
    def name(self) -> str:
        """For messages."""
        return self.folder

    @property
    def told(self) -> str:
        """What it is, for those who find its rows."""
        program = {"parakeet": "Parakeet", "roodmus": "Roodmus"}[self.option]
        return f"Synthetic images, which {program} made ({Path(self.folder).name}); no microscope took them"

    @functools.cached_property
    def version(self) -> str:
        """Changes when any of its files does."""
        digest = hashlib.sha256(
            repr((_VERSION, self.option, self.folder, self.skip)).encode("utf-8", "surrogateescape")
        )
        for file in self.listing:
            digest.update(repr((file.path, file.most, file.stamp)).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def catalogue(self, cache: str | None) -> Catalogue:
        """Its rows, made where they are not in the cache.

        Args:
            cache: folder of the cache; None: the default.

        Raises:
            PercError: a file is damaged, or lacks what belongs to it; or there is none; or the cache is full.
        """
        path = Path(cache or default_folder()) / "synthetic" / f"written-{self.version}.arrow"
        if path.exists():
            return Catalogue(str(path))
        table = self._made()
        try:
            return write(path, table)
        except OSError as err:
            raise disk_error(err, path.parent, "rows of synthetic") from err

    def _made(self) -> pa.Table:
        finder = Finder(self.listing, self.folder, self.skip)
        try:
            runs = finder.parakeet() if self.option == "parakeet" else finder.roodmus()
        except PercError as err:
            raise with_advice(err) from err.__cause__
        names = class_names(runs)
        table = table_of([run.file for run in runs], rows_of(runs, names))
        left_out = [(path, str(reason)) for path, reason in finder.left_out]
        told = {_NAMES: json.dumps(names), _LEFT_OUT: json.dumps(left_out)}
        return table.replace_schema_metadata({**table.schema.metadata, **told})


def names_of(catalogue: Catalogue) -> list[str]:
    """The classes of a folder's molecules."""
    names: list[str] = json.loads(catalogue.rows.schema.metadata[_NAMES])
    return names


def left_out_of(catalogue: Catalogue) -> LeftOut:
    """Paths of a folder's files that are not among its rows, and why; the first ones are told, and how many."""
    left_out: LeftOut = [(path, reason) for path, reason in json.loads(catalogue.rows.schema.metadata[_LEFT_OUT])]
    for _, reason in left_out[:_MOST_TOLD]:
        logger.warning("synthetic: leaving out %s", reason)
    if len(left_out) > _MOST_TOLD:
        logger.warning("synthetic: left out %d files", len(left_out))
    return left_out


def features(catalogue: Catalogue, dtype: str | None, non_finite: str) -> datasets.Features:
    """The columns of a folder's rows; see `rows.features_of`."""
    return features_of(names_of(catalogue), dtype, non_finite)


def find(parakeet: Any = None, roodmus: Any = None, skip: bool = False) -> Written:
    """The folder of one simulator.

    Args:
        parakeet: a folder that Parakeet wrote into, or of such folders.
        roodmus: one that Roodmus wrote micrographs into.
        skip: leave out what is damaged, and what lacks its partner.

    Raises:
        OptionError: not one of them, or none that is a path.
        NotFoundError: there is no such folder.
    """
    given = {name: value for name, value in (("parakeet", parakeet), ("roodmus", roodmus)) if value is not None}
    if len(given) != 1:
        msg = f"{' and '.join(given) or 'neither parakeet nor roodmus'}: expected one of parakeet= and roodmus="
        raise OptionError(msg)
    ((option, folder),) = given.items()
    if not isinstance(folder, str | os.PathLike):
        msg = f"{option} is {folder!r}: expected the path of a folder"
        raise OptionError(msg)
    check_named(option, folder)
    place = os.path.abspath(Path(folder).expanduser())  # noqa: PTH100 - resolving links would rename the files
    return Written(option, place, skip, tuple(listed(place, option)))
