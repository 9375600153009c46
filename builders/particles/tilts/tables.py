"""The tables that tell of the tilt series of particles: where they are, and what they say."""

import functools
import hashlib
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from builders.archive.archive import Archive
from builders.archive.named.finding import Found, find
from builders.archive.named.places import Place, stages_of
from builders.archive.named.table_files import TableFile, bring
from builders.errors import FormatError, NotFoundError, OptionError
from builders.io.files import location
from builders.io.net import remote
from builders.io.tables import star
from builders.io.tables.relion.projections import read_hands, read_projections
from builders.io.tables.tilts import read_list, read_series
from builders.io.tables.tilts.relion import Listed
from builders.io.tables.tilts.series import MOST_BYTES
from builders.particles.tilts.columns import Series
from builders.stacks.files import SourceFile

logger = logging.getLogger(__name__)

_SET = "optimisation_set.star"
_PARTICLES = "rlnTomoParticlesFile"
_HEAD = 64 * 1024
"""Bytes in which an optimisation set, which has one row, names its files."""


def settled(places: Sequence[Place], root: Place | None, archive: Archive) -> tuple[list[Place], Place | None]:
    """The files of a table of particles, and the one that tells of their tilt series, out of what was named.

    Args:
        places: a table; a table and a list of tilt series (`tomograms.star`, `tilt_series.star` or an optimisation
            set); or an optimisation set alone, which names both.
        root: the folder that names in them are relative to, where it was named.
        archive: of entries.

    Raises:
        NotFoundError: the particles that an optimisation set names are not there.
    """
    if len(places) == 2 and all(place.path.endswith(".star") for place in places):
        return [places[0]], places[1]
    named = _particles_of(places[0]) if len(places) == 1 and places[0].entry is None else None
    if named is None:
        return list(places), None
    stages = stages_of(root, places, archive, None)
    found = find([named], stages, str(places[0]))
    found.require_all(str(places[0]), stages)
    where = found.files[0].location
    if location.is_remote(where):
        msg = f"{places[0]}: its particles are at {where}: name both, star=[particles, tomograms]"
        raise OptionError(msg)
    return [Place(where)], places[0]


def _particles_of(place: Place) -> str | None:
    """The table of particles that an optimisation set names; None of another file."""
    try:
        with Path(place.path).open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return None  # whoever reads the table says what is wrong
    if _PARTICLES.encode() not in head or len(head) == _HEAD:
        return None
    blocks = star.read(head, str(place))
    found = [block.columns[_PARTICLES][0].as_py() for block in blocks if _PARTICLES in block.labels and block.rows]
    return found[0] if found and found[0] else None


@dataclass
class TiltTables:
    """What tells of the tilt series of a table of particles.

    Attributes:
        named: the list that was named; None: `optimisation_set.star` beside the particles, if it is there.
        particles: their tables.
        root: the folder that names are relative to, where it was named.
        archive: of entries.
        cache: folder of the cache; None: its default.
    """

    named: Place | None
    particles: Sequence[Place]
    root: Place | None
    archive: Archive
    cache: str | None

    @functools.cached_property
    def list(self) -> TableFile | None:
        """The file that lists the series, on this machine; None: there is none.

        Raises:
            NotFoundError: it is named, and not there.
            FormatError: it is none.
        """
        place = self.named or self._beside()
        if place is None:
            return None
        (file,) = bring([place], self.archive, self.cache)
        named = read_list(_bytes(file.path, str(place)), str(place))
        if not isinstance(named, str):
            return file
        stages = stages_of(self.root, [place], self.archive, self.cache)
        found = find([named], stages, str(place))
        if found.missing and self.named is None:
            logger.warning("%s names %s, which is not there: tilt series are not known", place, named)
            return None
        found.require_all(str(place), stages)
        where = found.files[0].location
        return TableFile(Place(where), where, found.files[0].stamp)

    def _beside(self) -> Place | None:
        first = self.particles[0]
        if first.entry is not None:
            return None
        path = Path(first.path).parent / _SET
        return Place(str(path)) if path.is_file() else None

    @functools.cached_property
    def listed(self) -> dict[str, Listed]:
        """The series of the list, by name."""
        if self.list is None:
            return {}
        name = str(self.list.place)
        found = read_list(_bytes(self.list.path, name), name)
        if isinstance(found, str):
            msg = f"{name}: an optimisation set, named by another one: expected a list of tilt series"
            raise FormatError(msg)
        return {one.name: one for one in found}

    @functools.cached_property
    def found(self) -> Found:
        """The files of the series.

        Raises:
            NotFoundError: one is not there.
        """
        if self.list is None:
            return Found((), (), ())
        around = [place for place in (self.list.place, self.named, *self.particles) if place is not None]
        stages = stages_of(self.root, around, self.archive, self.cache)
        found = find([one.file for one in self.listed.values()], stages, str(self.list.place))
        found.require_all(str(self.list.place), stages)
        return found

    @property
    def version(self) -> str:
        """Changes when any of the files does."""
        if self.list is None:
            return ""
        told = [self.list.version, *((file.location, file.stamp) for file in self.found.files)]
        return hashlib.sha256(repr(told).encode("utf-8", "surrogateescape")).hexdigest()

    def series(self, names: Collection[str]) -> dict[str, Series]:
        """The series of some tomograms; none where no list is there.

        Raises:
            NotFoundError: a series is not in the list.
            FormatError: a file is none of a tilt series.
        """
        if self.list is None:
            return {}
        absent = sorted(set(names) - self.listed.keys())
        if absent:
            known = ", ".join(list(self.listed)[:5])
            msg = f"{self.list.place}: no tilt series {absent[0]!r} ({len(absent)} of {len(names)} are not there): "
            msg += f"expected the tomograms of the particles; it has {known}"
            raise NotFoundError(msg)
        name = str(self.list.place)
        hands = read_hands(_bytes(self.list.path, name), name)
        files = dict(zip(self.listed, (self.found.files[number] for number in self.found.of), strict=True))
        wanted = [one for one in self.listed.values() if one.name in set(names)]

        def one(listed: Listed) -> Series:
            return _series(files[listed.name], listed, hands.get(listed.name))

        return {listed.name: made for listed, made in zip(wanted, remote.each(one, wanted), strict=True)}


def _series(file: SourceFile, listed: Listed, hand: float | None) -> Series:
    data = _bytes(file.location, file.location)
    tilts = read_series(data, file.location, listed).tilts
    projections = read_projections(data, file.location, listed.name, hand)
    if projections is not None and len(projections.rotations) != len(tilts):
        msg = f"{file.location}: {len(tilts)} images and {len(projections.rotations)} projections: expected as many"
        raise FormatError(msg)
    return Series(file.location, tilts, projections)


def _bytes(where: str, name: str) -> bytes:
    """A small file, whole.

    Raises:
        FormatError: it is large.
    """
    with location.open_file(where) as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        msg = f"{name}: more than {MOST_BYTES} bytes: expected a table of tilt series"
        raise FormatError(msg)
    return bytes(data)
