"""RELION 5's tables of tilt series, joined to the images that they name."""

import functools
import logging
from dataclasses import replace

from builders.archive.archive import Archive, sized
from builders.archive.named.finding import Found, Stage, find
from builders.archive.named.places import Place, stages_of
from builders.archive.named.table_files import TableFile, bring
from builders.archive.tree import read_small
from builders.errors import FormatError, NotFoundError, PercError
from builders.io.files import location
from builders.io.files.natural_order import natural_path_key
from builders.io.tables.tilts import TiltSeries, read_list, read_series
from builders.io.tables.tilts.relion import Listed
from builders.io.tables.tilts.series import MOST_BYTES
from builders.options import with_advice
from builders.tilt_series.assembling import Series
from builders.tilt_series.files.listing import read_all, version_of

logger = logging.getLogger(__name__)


class Project:
    """A table of RELION 5, the files of its series, and their images.

    Args:
        place: of `tilt_series.star`, `tomograms.star` or an optimisation set.
        root: folder that names in tables are relative to; None: the table's own and those above it.
        archive: that places in entries are in.
        skip: whether what is damaged or missing is left out.
        cache: folder of the cache.
    """

    def __init__(self, place: Place, root: Place | None, archive: Archive, *, skip: bool, cache: str | None) -> None:
        self.name = str(place)
        self._place, self._root, self._archive, self._skip, self._cache = place, root, archive, skip, cache
        self.left_out: list[tuple[str, object]] = []

    @property
    def version(self) -> str:
        """Changes when a table does, or an image."""
        return f"{self._table.version} {version_of((*self._files.files, *self.images.files))}"

    @functools.cached_property
    def images(self) -> Found:
        """The files of the images.

        Raises:
            NotFoundError: some are not there, and are not to be left out.
        """
        names = dict.fromkeys(str(tilt.image) for one in self._told for tilt in one.tilts)
        return self._found(list(names))

    @property
    def has_sections(self) -> bool:
        """Whether images are sections of stacks, as in `000001@TS_01.mrcs`."""
        return any(tilt.section is not None for one in self._told for tilt in one.tilts)

    def series(self) -> list[Series]:
        """The series, with their images as far as they are there."""
        names = dict.fromkeys(str(tilt.image) for one in self._told for tilt in one.tilts)
        of = dict(zip(names, self.images.of, strict=True))
        found = []
        for one in self._told:
            there = [(tilt, of[str(tilt.image)]) for tilt in one.tilts if of[str(tilt.image)] >= 0]
            tilts = tuple(tilt for tilt, _ in there)
            files = tuple(self.images.files[number] for _, number in there)
            sections = tuple(-1 if tilt.section is None else tilt.section for tilt in tilts)
            found.append(Series(one.name, one.source, tilts, files, sections, len(one.tilts) - len(tilts)))
        return found

    @functools.cached_property
    def _stages(self) -> list[Stage]:
        return stages_of(self._root, [self._place], self._archive, self._cache)

    @functools.cached_property
    def _table(self) -> TableFile:
        (table,) = bring([self._place], self._archive, self._cache)
        return table

    @functools.cached_property
    def _listed(self) -> list[Listed]:
        """The series that the table lists; those of the table that an optimisation set names.

        Raises:
            FormatError: it is no such table.
        """
        listed = read_list(read_small(self._table.path, MOST_BYTES), self.name)
        if isinstance(listed, str):
            found = self._found([listed], is_needed=True)
            listed = read_list(read_small(found.files[0].location, MOST_BYTES), listed)
        if isinstance(listed, str):
            msg = f"{self.name}: it names {listed}, an optimisation set, for its tomograms: expected a list of series"
            raise FormatError(msg)
        return sorted(listed, key=lambda one: natural_path_key(one.name))

    @functools.cached_property
    def _files(self) -> Found:
        """The STAR files of the series."""
        return self._found(list(dict.fromkeys(one.file for one in self._listed)))

    @functools.cached_property
    def _told(self) -> list[TiltSeries]:
        """What the series' files say.

        Raises:
            PercError: one is damaged, and not to be left out.
        """
        names = dict.fromkeys(one.file for one in self._listed)
        of = dict(zip(names, self._files.of, strict=True))
        texts = read_all(self._files.files)
        found = []
        for one in self._listed:
            number = of[one.file]
            try:
                if number < 0:
                    msg = f"{one.file}: not there, though {self.name} names it for {one.name!r}"
                    raise NotFoundError(msg)
                text = texts[number]
                if isinstance(text, PercError):
                    raise text
                found.append(read_series(text, one.file, one))
            except PercError as err:
                if not self._skip:
                    raise with_advice(err) from err.__cause__
                logger.warning("tilt_series: leaving out %s", err)
                self.left_out.append((one.name, err))
        return found

    def _found(self, names: list[str], is_needed: bool = False) -> Found:
        """The files that names mean.

        Raises:
            NotFoundError: some are not there, and are not to be left out.
        """
        found = find(names, self._stages, self.name)
        if not self._skip or is_needed or (names and not found.files):
            found.require_all(self.name, self._stages)
        self.left_out += [(name, "not there") for name, _ in found.missing]
        remote = [file for file in found.files if location.is_remote(file.location)]
        return replace(found, files=sized(found.files)) if remote else found
