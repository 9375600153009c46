"""Images that a table names -> files: what a name may mean, held against what is there. Nothing is read or asked here.

Tables are written in one place and read in another, and by anybody: a name is a path in some folder that is not told,
with marks of the program that wrote it, and may lead anywhere.
"""

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from builders.errors import NotFoundError, OptionError, UnsafePathError
from builders.io.files.natural_order import natural_path_key
from builders.stacks.files import SourceFile
from builders.terminal import printable

_CRYOSPARC = re.compile(r"\A[0-9]{21}_")
"""What CryoSPARC puts before the name of a file that it imports."""
_SHOWN = 3
_ALIKE = 0.8


class Tree(Protocol):
    """A folder in which images are looked for, with all that is below it.

    Attributes:
        name: for messages.
    """

    name: str

    def inside(self, path: str) -> str | None:
        """An absolute path as one relative to the folder; None where it lies elsewhere."""
        ...

    def file(self, path: str) -> SourceFile | None:
        """The file at a relative path; None where there is none."""
        ...

    def beside(self, path: str) -> Iterable[str]:
        """Names in the folder of a relative path; none where there is no such folder."""
        ...

    def paths(self) -> Iterable[str]:
        """Relative paths of all files, but for hidden ones."""
        ...


@dataclass(frozen=True, slots=True)
class Stage:
    """Trees that are looked in together.

    Attributes:
        trees: in order.
        searched: in how many of them, the first ones, base names are looked for.
    """

    trees: Sequence[Tree]
    searched: int


@dataclass(frozen=True, slots=True)
class Found:
    """Which files names mean.

    Attributes:
        files: in natural order of their paths, none twice.
        of: for each name, the number of its file; -1: it is not there.
        missing: the names that are not there, and of the first few what is there instead, or an empty text.
    """

    files: tuple[SourceFile, ...]
    of: tuple[int, ...]
    missing: tuple[tuple[str, str], ...]

    def require_all(self, source: str, stages: Sequence[Stage]) -> None:
        """Refuse names that are not there, all of them by one error.

        Args:
            source: the table.
            stages: where they were looked for.

        Raises:
            NotFoundError: the message shows the first few, what is there instead, and how many there are.
        """
        if not self.missing:
            return
        trees = [tree for stage in stages for tree in stage.trees]
        shown = ", ".join(f"{printable(name)}{note}" for name, note in self.missing[:_SHOWN])
        more = f" and {len(self.missing) - _SHOWN} more" if len(self.missing) > _SHOWN else ""
        where = ", ".join(tree.name for tree in trees[:_SHOWN]) + ", ..." * (len(trees) > _SHOWN)
        msg = f"{source}: {len(self.missing)} of {len(self.of)} files that it names are not there: {shown}{more}; "
        msg += f"looked in {where}: root= names the folder that they are relative to (on_error='skip' leaves out "
        msg += "their rows)"
        raise NotFoundError(msg)


def find(names: Sequence[str], stages: Sequence[Stage], source: str) -> Found:
    """Find the files that a table names.

    A name is a path relative to one of a stage's trees, the first one in which there is such a file; CryoSPARC's `>` is
    taken off, and its 21 digits and `_` where there is no file with them. What is at none of these places is looked for
    by its base name in the folders of some of the trees, before the next stage: of several files, the one whose path
    has the longest end in common with the name is meant. So are absolute paths of the machine that wrote the table.

    Args:
        names: as the table has them, each once.
        stages: where to look, in order.
        source: the table, for messages.

    Raises:
        UnsafePathError: a name leads out of the trees, or is none of a file.
        OptionError: a name may mean several files.
    """
    trees = [tree for stage in stages for tree in stage.trees]
    spelled = [list(spellings(name, trees, source)) for name in names]
    found: list[SourceFile | None] = [None] * len(names)
    absent, others = list(range(len(names))), set[str]()
    for stage in stages:
        for number in absent:
            found[number] = _at_its_place(spelled[number], stage.trees)
        absent = [number for number in absent if found[number] is None]
        for tree in stage.trees[: stage.searched] if absent else ():
            below = _Below(tree)
            for number in absent:
                found[number] = below.closest(names[number], _path(names[number], spelled[number]), source)
            absent = [number for number in absent if found[number] is None]
            others |= below.names() if absent else set()
    outside = next((number for number in absent if not spelled[number]), None)
    if outside is not None:
        where = ", ".join(tree.name for tree in trees)
        msg = f"{source}: {printable(names[outside])} lies outside of {where}: root= names a folder that holds it"
        raise UnsafePathError(msg)
    notes = {number: _note(spelled[number], others) for number in absent[:_SHOWN]}
    there = {file.location: file for file in found if file is not None}
    files = sorted(there.values(), key=lambda file: (natural_path_key(file.path), file.location))
    numbers = {file.location: number for number, file in enumerate(files)}
    of = tuple(-1 if file is None else numbers[file.location] for file in found)
    return Found(tuple(files), of, tuple((names[number], notes.get(number, "")) for number in absent))


def spellings(name: str, trees: Sequence[Tree], source: str) -> Iterator[tuple[Tree, str]]:
    """The places that a name may mean: in which tree, and at which path there; none of an absolute path elsewhere.

    Raises:
        UnsafePathError: it leads out of the trees by `..`, or is none of a file.

    Example:
        >>> [path for _, path in spellings(">J1/imported/000000000000000000042_x.mrc", [object()], "x.cs")]
        ['J1/imported/000000000000000000042_x.mrc', 'J1/imported/x.mrc']
    """
    bare = name.removeprefix(">")
    segments = _segments(bare)
    if segments is None:
        where = ", ".join(tree.name for tree in trees)
        msg = f"{source}: {name!r} is no path of a file below {where}: expected a relative one, without '..'"
        raise UnsafePathError(msg)
    path = "/".join(segments)
    if bare.startswith("/"):
        insides = [(tree, inside) for tree in trees if (inside := tree.inside(f"/{path}"))]
    else:
        insides = [(tree, path) for tree in trees]
    for tree, inside in insides:
        yield tree, inside
        folder, slash, base = inside.rpartition("/")
        if marked := _CRYOSPARC.match(base):
            yield tree, f"{folder}{slash}{base[marked.end() :]}"


def _path(name: str, places: Sequence[tuple[Tree, str]]) -> str:
    """The path that has an end in common with that of the file that is meant."""
    return places[0][1] if places else "/".join(_segments(name.removeprefix(">")) or [])


def _segments(path: str) -> list[str] | None:
    """The segments of a path, `..` taken as what it means; None where it leads above its start, or names nothing."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if not segments:
                return None
            segments.pop()
        elif segment not in ("", "."):
            segments.append(segment)
    is_safe = segments and "://" not in path and path[-1] != "/"
    return segments if is_safe and all(segment.isprintable() for segment in segments) else None


def _at_its_place(places: Iterable[tuple[Tree, str]], trees: Sequence[Tree]) -> SourceFile | None:
    files = (tree.file(path) for tree, path in places if tree in trees)
    return next((file for file in files if file is not None), None)


class _Below:
    """What is below a tree, by base name; the marks of CryoSPARC make no difference where nothing has them alike."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._named: dict[str, list[str]] = defaultdict(list)
        self._unmarked: dict[str, list[str]] = defaultdict(list)
        for path in tree.paths():
            base = path.rpartition("/")[2]
            self._named[base].append(path)
            self._unmarked[_CRYOSPARC.sub("", base, count=1)].append(path)

    def closest(self, name: str, path: str, source: str) -> SourceFile | None:
        """The file whose path has the longest end in common with a path.

        Raises:
            OptionError: there are several.
        """
        folder, _, base = path.rpartition("/")
        candidates = self._named.get(base) or self._unmarked.get(_CRYOSPARC.sub("", base, count=1), [])
        if not candidates:
            return None
        shared = [_shared_end(folder, candidate.rpartition("/")[0]) for candidate in candidates]
        best = [candidate for candidate, count in zip(candidates, shared, strict=True) if count == max(shared)]
        if len(best) > 1:
            shown = ", ".join(map(printable, sorted(best, key=natural_path_key)[:_SHOWN]))
            more = f" and {len(best) - _SHOWN} more" if len(best) > _SHOWN else ""
            msg = f"{source}: {printable(name)} may be any of {shown}{more} in {self._tree.name}: root= names the "
            msg += "folder of the one that is meant"
            raise OptionError(msg)
        return self._tree.file(best[0])

    def names(self) -> set[str]:
        """Base names of all files."""
        return set(self._named)


def _note(places: Iterable[tuple[Tree, str]], others: set[str]) -> str:
    """What is there instead of a file, beside its place or in the folders that were searched; empty: nothing is."""
    for tree, path in places:
        base = path.rpartition("/")[2]
        if base in tree.beside(path):
            return " (a folder, or a link that leads nowhere)"
        close = _closest(base, tree.beside(path)) or _closest(base, others)
        if close:
            return f" (there is {printable(close)})"
    return ""


def _closest(base: str, names: Iterable[str]) -> str | None:
    """The name that is nearly another one, if any is."""
    stem, _, suffix = base.rpartition(".")
    names = [name for name in names if "." in name]
    kin = [name for name in names if _is_kin(stem, name.rpartition(".")[0])]
    kin.sort(key=lambda name: (name.rpartition(".")[2] != suffix, len(name), name))
    alike = [name for name in names if _numbers(name) == _numbers(base)]  # another number is another file
    return next(iter(kin or difflib.get_close_matches(base, alike, n=1, cutoff=_ALIKE)), None)


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall("[0-9]+", name)]


def _shared_end(first: str, second: str) -> int:
    """How many segments two folders have in common, counted from their ends."""
    pairs = zip(reversed(first.split("/")), reversed(second.split("/")), strict=False)
    count = 0
    for one, other in pairs:
        if one != other:
            break
        count += 1
    return count


def _is_kin(stem: str, other: str) -> bool:
    """Whether one name goes on where the other one ends, but for a number that goes on."""
    short, long = sorted((stem, other), key=len)
    goes_on = short[-1:].isdecimal() and long[len(short) :][:1].isdecimal()
    return bool(short) and long.startswith(short) and not goes_on
