"""To which tomogram a file belongs: by names alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from builders.archive.tree import shown
from builders.errors import NotFoundError, OptionError
from builders.io.tables.picks import Picks
from builders.tomograms.sources.names import known_as, stem_of, told_name

_T = TypeVar("_T")


class Names:
    """The tomograms of a source by all names that others may know them by.

    Args:
        names: of all tomograms.
        source: whose they are, for messages.
        others: of volumes that are there, too, and were not asked for.
    """

    def __init__(self, names: Iterable[str], source: str, others: Iterable[str] = ()) -> None:
        self._names, self._source, self._others = tuple(names), source, tuple(others)
        self._by: tuple[dict[str, list[str]], ...] = ({}, {}, {})
        for name in self._names:
            for known, by in zip(known_as(name), self._by, strict=True):
                for one in known:
                    by.setdefault(one, []).append(name)

    def told(self, text: str, where: str) -> str | None:
        """The tomogram that a table calls so: by the whole text, then by its base name, with and without a suffix.

        Args:
            text: what a row says.
            where: the table, for messages.

        Raises:
            OptionError: it may be several ones.

        Example:
            >>> Names(["rec_TS_1", "rec_TS_10"], "here").told("TS_1.tomostar", "p.star")
            'rec_TS_1'
        """
        what = f"{where} names {text!r}"
        for one in told_name(text):
            for by in self._by:
                if one in by:
                    return self._only(by[one], what)
        return self._longer(told_name(text)[2], what)

    def begun(self, path: str) -> str | None:
        """The tomogram whose name a file's begins with, the longest such; else the one that its folder is called by.

        Args:
            path: of the file, `/`-separated.

        Raises:
            OptionError: it may be several ones.

        Example:
            >>> names = Names(["TS_1", "TS_10"], "here")
            >>> names.begun("picks/TS_10_ribosome.csv"), names.begun("TS_1/all.csv"), names.begun("TS_11.csv")
            ('TS_10', 'TS_1', None)
        """
        *folders, base = stem_of(path).split("/")
        for text in ("/".join([*folders, base]), base):
            for by in self._by:
                fitting = [one for one in by if _begins(text, one)]
                if fitting:
                    return self._only(by[max(fitting, key=len)], path)
        for folder in reversed(folders):
            for by in self._by:
                if folder in by:
                    return self._only(by[folder], path)
        return self._longer(base, path)

    def _longer(self, text: str, what: str) -> str | None:
        """The only tomogram that is called so, and something besides that begins with a letter: `TS_1_denoised`."""
        return self._only([name for name in self._names if _is_longer(name, text)], what)

    def _only(self, names: Sequence[str], what: str) -> str | None:
        if len(names) > 1:
            msg = f"{what}: it may belong to several tomograms of {self._source}: {shown(names)}"
            raise OptionError(msg)
        return names[0] if names else None

    def without_others(self, orphans: Iterable[str]) -> list[str]:
        """Files, or names in tables, that belong to none of the volumes that were not asked for either."""
        if not self._others:
            return list(orphans)
        others = Names(self._others, self._source)
        return [one for one in orphans if not others._has(one)]

    def _has(self, text: str) -> bool:
        return any(_begins(one, known) for one in told_name(text) for by in self._by for known in by)

    def require_all(self, orphans: Sequence[str], what: str) -> None:
        """Refuse files, or rows of tables, that belong to no tomogram.

        Raises:
            NotFoundError: there are some; the message lists them, and the tomograms.
        """
        if orphans:
            msg = f"{what} of {self._source} that belong to no tomogram: {shown(orphans)}; "
            msg += f"there are the tomograms {shown(self._names)}: a file "
            msg += "belongs to the one that its name begins with, a row of a table to the one in its column tomogram"
            raise NotFoundError(msg)


def _is_longer(name: str, text: str) -> bool:
    """Whether a tomogram's name is a text and, apart from it, something that begins with a letter.

    Example:
        >>> _is_longer("TS_1_denoised", "TS_1"), _is_longer("TS_1_1", "TS_1"), _is_longer("TS_12", "TS_1")
        (True, False, False)
    """
    base = name.rpartition("/")[2]
    rest = base[len(text) :]
    return base.startswith(text) and rest[:1] in ("_", "-", ".") and rest[1:2].isalpha()


def _begins(text: str, name: str) -> bool:
    """Whether a text is a name, or that and something that is no more letter or digit of it."""
    return text.startswith(name) and not text[len(name) : len(name) + 1].isalnum()


def picks_by_tomogram(tables: Iterable[Picks], names: Names) -> tuple[dict[str, list[Picks]], list[str]]:
    """Picks of each tomogram, and what belongs to none.

    A table with a column of tomograms is divided by that; another one belongs to the tomogram that its name begins
    with.

    Args:
        tables: as they were read.
        names: of the tomograms.

    Raises:
        OptionError: one may belong to several.
    """
    found: dict[str, list[Picks]] = {}
    orphans = []
    for table in tables:
        if not len(table):
            continue
        parts: dict[str, tuple[Picks, str | None]]
        if table.tomograms is None:
            parts = {table.name: (table, names.begun(table.name))}
        else:
            parts = {text: (part, names.told(text, table.name)) for text, part in table.by_tomogram().items()}
            if len(parts) == 1 and next(iter(parts)).isdecimal() and next(iter(parts.values()))[1] is None:
                parts = {table.name: (table, names.begun(table.name))}  # Dynamo's number of a tomogram says no more
        lost = [text for text, (_, name) in parts.items() if name is None]
        kept = names.without_others(lost)
        orphans += kept if table.tomograms is None else [f"{text!r} in {table.name}" for text in kept]
        for part, name in parts.values():
            if name is not None:
                found.setdefault(name, []).append(replace(part, tomograms=None))
    return found, orphans


def owners_of(path: str, told: Sequence[str] | None, names: Names) -> list[str] | None:
    """The tomograms that a table which cannot be read is of: those of its column, or the one its name begins with.

    Args:
        path: of the table.
        told: what its column of tomograms names; None: it has none, or that is not known.
        names: of the tomograms.

    Returns:
        Names, none where it is of volumes that were not asked for; None where nothing tells.

    Raises:
        OptionError: it may be of one or another.
    """
    if told is None:
        owner = names.begun(path)
        return [owner] if owner is not None else None if names.without_others([path]) else []
    owners = {text: names.told(text, path) for text in told}
    if names.without_others(text for text, owner in owners.items() if owner is None):
        return None
    return [owner for owner in owners.values() if owner is not None]


def by_tomogram(files: Mapping[str, _T], names: Names) -> tuple[dict[str, list[_T]], list[str]]:
    """Files of each tomogram by the beginning of their names, and paths of those that belong to none.

    Args:
        files: by path.
        names: of the tomograms.

    Raises:
        OptionError: one may belong to several.
    """
    found: dict[str, list[_T]] = {}
    orphans = []
    for path, file in files.items():
        name = names.begun(path)
        if name is None:
            orphans.append(path)
        else:
            found.setdefault(name, []).append(file)
    return found, names.without_others(orphans)
