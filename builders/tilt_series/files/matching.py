"""Which images and which tables of a listing are of one series: by their names, those of frames by the mdoc's."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from builders.archive.tree import shown
from builders.errors import FormatError, NotFoundError, PercError
from builders.io.tables.tilts import MontageError, TiltSeries, read_mdoc, read_warp
from builders.io.tables.tilts.mdoc import base_of
from builders.options import with_advice
from builders.stacks.files import SourceFile
from builders.terminal import printable
from builders.tilt_series.files.listing import Listing, read_all
from builders.tilt_series.files.names import rank, series_of_movie, stem_of, table_kind
from builders.tilt_series.files.nearness import Bases, distance, names_of, nearest
from builders.tilt_series.files.plans import Matched, Plan, Table

logger = logging.getLogger(__name__)

_SHOWN = 4


class Matching:
    """Matches the files of a listing.

    Args:
        listing: the files.
        images: `"stack"`, `"tilt"` (a file an image), or `"auto"`, which `_means_stacks` decides.
        skip: whether damaged and missing files are left out.
        negated: whether Warp's tilt angles are minus the stage's.
    """

    def __init__(self, listing: Listing, images: str, *, skip: bool, negated: bool) -> None:
        self._listing, self._images, self._skip, self._negated = listing, images, skip, negated
        self._left_out: list[tuple[str, object]] = []
        self._told: dict[str, TiltSeries] = {}
        self._copies: set[str] = set()
        self._tables = [table for table in self._read() if self._is_useful(table)]

    def matched(self) -> Matched:
        """The series.

        Raises:
            NotFoundError: there are none, or images are missing and are not to be left out.
            OptionError: it is not clear what belongs together.
            FormatError: a table is damaged, or two tell of one series.
        """
        stacks = self._stacks()
        is_stack = self._images == "stack" or (self._images == "auto" and self._means_stacks(stacks))
        plans = self._of_stacks(stacks) if is_stack else self._of_tilts()
        if not plans:
            listing = self._listing
            raise NotFoundError(self._nothing([file.path for file in (*listing.images, *listing.tables)]))
        return Matched(tuple(plans), tuple(self._left_out))

    def _read(self) -> list[Table]:
        """The tables, without those that cannot be read."""
        found = []
        for file, data in zip(self._listing.tables, read_all(self._listing.tables), strict=True):
            if isinstance(data, PercError):
                self._refuse(file.path, data)
            else:
                found.append(Table(table_kind(file.path) or "", file, data))
        return found

    def _refuse(self, path: str, error: PercError) -> None:
        """Raise an error, or leave out what it is of.

        Raises:
            PercError: this.
        """
        if not self._skip:
            raise with_advice(error)
        logger.warning("tilt_series: leaving out %s", error)
        self._left_out.append((path, error))

    def _is_useful(self, table: Table) -> bool:
        """Whether a table tells of a series; those that name images are parsed for it."""
        name = table.file.path
        try:
            if table.kind == "mdoc":
                self._told[name] = read_mdoc(table.data, name, stem_of(name))
            elif table.kind == "xml":
                if b"TiltSeries" not in table.data[:4096].replace(b"\0", b""):
                    return False  # as of a movie, or of any other program
                self._told[name] = read_warp(table.data, name, stem_of(name), self._negated)
        except MontageError as err:
            logger.warning("tilt_series: passing over %s", err)
            return False
        except FormatError as err:
            self._refuse(name, err)
            return False
        return True

    def _stacks(self) -> dict[str, list[SourceFile]]:
        """Stacks that a table may be of, by their series' names."""
        stems = {stem_of(table.file.path) for table in self._tables if not self._is_of_movie(table)}
        found: dict[str, list[SourceFile]] = defaultdict(list)
        for file in self._listing.images:
            if stem_of(file.path) in stems:
                found[stem_of(file.path)].append(file)
        return {
            stem: [f for f in files if rank(f.path) == min(rank(g.path) for g in files)]
            for stem, files in found.items()
        }

    def _means_stacks(self, stacks: Mapping[str, Sequence[SourceFile]]) -> bool:
        """Whether tables speak of stacks: not where they name files that are there, unless one has a stack's own name.

        A stack that was made of such files, and is called as the series, need not have their order.
        """
        there = {file.path for file in self._listing.images}
        mdocs = [table.file.path for table in self._tables if table.kind == "mdoc"]
        if not stacks or any(path[: -len(".mdoc")] in there for path in mdocs):
            return bool(stacks)
        bases = {file.path.rpartition("/")[2] for file in self._listing.images}
        named = (tilt.image for path in mdocs for tilt in self._told[path].tilts)
        return not any(image is not None and base_of(image) in bases for image in named)

    def _is_of_movie(self, table: Table) -> bool:
        """Whether an mdoc tells of a movie, and not of the sections of a stack."""
        told = self._told.get(table.file.path)
        return table.kind == "mdoc" and told is not None and all(tilt.section is None for tilt in told.tilts)

    def _of_stacks(self, stacks: Mapping[str, Sequence[SourceFile]]) -> list[Plan]:
        """A series for each stack that a table is of."""
        attached: dict[str, list[Table]] = defaultdict(list)
        missing = []
        for table in self._tables:
            stack = nearest(table.file.path, stacks.get(stem_of(table.file.path), ()))
            if stack is not None:
                attached[stack.location].append(table)
            elif table.kind == "mdoc" and not self._is_of_movie(table):
                missing.append(table.file.path)
        used = {file.location: file for files in stacks.values() for file in files if file.location in attached}
        if missing:
            self._tell_missing(missing, len(missing) + len(used), used, "stack")
        names = names_of([file.path for file in used.values()])
        plans = []
        for file in used.values():
            name = names[file.path]
            try:
                tables = self._one_of_each(attached[file.location], file.path)
            except FormatError as err:
                self._refuse(file.path, err)
                continue
            told = self._told[tables["mdoc"].file.path] if "mdoc" in tables else None
            plans.append(Plan(name, told, (file,), True, tables))
        return plans

    def _of_tilts(self) -> list[Plan]:
        """A series for each table that names files of images."""
        images = Bases(self._listing.images)
        naming = [table for table in self._tables if table.kind == "mdoc"]
        sections = [table for table in naming if not self._is_of_movie(table)]
        naming = sections or self._by_series(naming)  # beside those of series, the mdocs of movies say nothing more
        stems = {stem_of(table.file.path) for table in naming}
        naming += [table for table in self._tables if table.kind == "xml" and stem_of(table.file.path) not in stems]
        others: dict[str, list[Table]] = defaultdict(list)
        for table in self._tables:
            if table.kind != "mdoc" and table not in naming:
                others[stem_of(table.file.path)].append(table)
        naming = self._distinct(naming)
        names = names_of([table.file.path for table in naming])
        claimed: dict[str, str] = {}
        plans, missing, count = [], [], 0
        for table in naming:
            path = table.file.path
            told = self._told[path]
            count += len(told.tilts)
            try:
                files = self._named(told, table, images, claimed)
                own = self._one_of_each([*others[stem_of(path)], table], path)
            except FormatError as err:
                self._refuse(path, err)
                continue
            gone = [str(tilt.image) for tilt, file in zip(told.tilts, files, strict=True) if file is None]
            missing += [f"{base_of(image)} ({path})" for image in gone]
            plans.append(Plan(names[path], replace(told, name=names[path]), files, False, own))
        if missing:
            self._tell_missing(missing, count, claimed, "image")
        return [plan for plan in plans if any(plan.files)]

    def _by_series(self, tables: Sequence[Table]) -> list[Table]:
        """The mdocs of single movies, those of one series put together where the movies' names tell it."""
        of: dict[str, list[Table]] = defaultdict(list)
        for table in tables:
            folder, _, name = table.file.path.rpartition("/")
            series = series_of_movie(stem_of(name, aligned=False))
            of[table.file.path if series is None else f"{folder}/{series}.mdoc".lstrip("/")].append(table)
        found = []
        for path, some in of.items():
            if len(some) == 1:
                found.append(some[0])
                continue
            data = b"\n".join(table.data for table in some)
            self._told[path] = read_mdoc(data, f"{path.removesuffix('.mdoc')}_*.mdoc", stem_of(path))
            found.append(Table("mdoc", replace(some[0].file, path=path), data))
        return found

    def _named(
        self, told: TiltSeries, table: Table, images: "Bases", claimed: dict[str, str]
    ) -> tuple[SourceFile | None, ...]:
        """The files that a table names.

        Raises:
            FormatError: it names none, one twice, or one that another table names.
        """
        path = table.file.path
        if all(tilt.image is None for tilt in told.tilts):
            key = "SubFramePath" if table.kind == "mdoc" else "MoviePath"
            msg = f"{path}: no {key} in it, and no stack {stem_of(path)}: expected the names of its images, or a stack"
            raise FormatError(msg)
        files = [None if tilt.image is None else images.find(tilt.image, path) for tilt in told.tilts]
        for file in files:
            if file is not None and claimed.get(file.location, path) != path:
                msg = f"{claimed[file.location]} and {path} both name {file.path}: expected one table of a series"
                raise FormatError(msg)
        there = [file.location for file in files if file is not None]
        twice = next((place for place, count in Counter(there).items() if count > 1), None)
        if twice is not None:
            msg = f"{path}: it names {twice.rpartition('/')[2]} twice: expected each image once"
            raise FormatError(msg)
        claimed |= dict.fromkeys(there, path)
        return tuple(files)

    def _distinct(self, tables: Iterable[Table]) -> list[Table]:
        """Tables without copies of one that lie elsewhere, of which it is said once that they are some."""
        found: dict[tuple[str, bytes], Table] = {}
        for table in tables:
            kept = found.setdefault((stem_of(table.file.path), table.data), table)
            if kept is not table and table.file.path not in self._copies:
                self._copies.add(table.file.path)
                logger.warning(
                    "tilt_series: %s and %s say the same of one series: read once", kept.file.path, table.file.path
                )
        return list(found.values())

    def _one_of_each(self, tables: Sequence[Table], path: str) -> dict[str, Table]:
        """The table of each kind.

        Raises:
            FormatError: there are two that differ, neither nearer than the other.
        """
        found: dict[str, Table] = {}
        for kind in dict.fromkeys(table.kind for table in tables):
            own = self._distinct(table for table in tables if table.kind == kind)
            if len(own) > 1 and kind != "mdoc":
                far = [distance(table.file.path, path) for table in own]
                own = [table for table, one in zip(own, far, strict=True) if one == min(far)]
            if len(own) > 1:
                msg = (
                    f"{shown([table.file.path for table in own])} all tell of {path}: expected one .{kind} of a series"
                )
                raise FormatError(msg)
            found[kind] = own[0]
        return found

    def _tell_missing(self, missing: Sequence[str], count: int, used: Iterable[str], what: str) -> None:
        """Say what tables name and is not there, and what is there and named by none: the one may be the other.

        Raises:
            NotFoundError: unless it is to be left out.
        """
        known = set(used)
        orphans = [file.path for file in self._listing.images if file.location not in known]
        told = f"{self._listing.name}: {len(missing)} of {count} {what}s that tables name are not there: "
        told += shown([printable(name) for name in missing], _SHOWN)
        if orphans:
            verb = "is" if len(orphans) == 1 else "are"
            told += f"; {len(orphans)} image file{'s' * (len(orphans) > 1)} there {verb} named by none: "
            told += shown([printable(name) for name in orphans], _SHOWN)
        if not self._skip:
            msg = f"{told} (on_error='skip' leaves out what is missing)"
            raise NotFoundError(msg)
        logger.warning("tilt_series: leaving out what is missing: %s", told)
        self._left_out += [(name, "not there") for name in missing]

    def _nothing(self, seen: Sequence[str]) -> str:
        if self._left_out:
            path, why = self._left_out[0]
            return f"{self._listing.name}: no tilt series is left; the first one: {path}: {why}"
        if not self._tables:
            wanted = "no .mdoc, .rawtlt, .tlt, .aln or .xml that tells of a tilt series"
        else:
            wanted = f"no images of the tilt series that {shown([table.file.path for table in self._tables])} tell of"
        return f"{self._listing.name}: {wanted}; there are: {shown(list(seen))}"
