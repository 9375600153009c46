"""Which of several files of one name is meant: the one that lies nearest to another file."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from builders.archive.tree import shown
from builders.errors import OptionError
from builders.io.tables.tilts.mdoc import base_of
from builders.stacks.files import SourceFile
from builders.tilt_series.files.names import stem_of


class Bases:
    """Images by their base names, and by these without suffixes: frames may have been converted."""

    def __init__(self, images: Iterable[SourceFile]) -> None:
        self._named: dict[str, list[SourceFile]] = defaultdict(list)
        self._stems: dict[str, list[SourceFile]] = defaultdict(list)
        for file in images:
            base = file.path.rpartition("/")[2]
            self._named[base].append(file)
            self._stems[stem_of(base, aligned=False)].append(file)

    def find(self, name: str, beside: str) -> SourceFile | None:
        """The file that a path on another machine means; of several, the one that lies nearest to a table.

        Raises:
            OptionError: several do.
        """
        base = base_of(name)
        return nearest(beside, self._named.get(base) or self._stems.get(stem_of(base, aligned=False)) or ())


def nearest(path: str, candidates: Sequence[SourceFile]) -> SourceFile | None:
    """The file that lies nearest to a path; None where there are none.

    Raises:
        OptionError: several do.
    """
    far = [distance(path, file.path) for file in candidates]
    best = [file for file, one in zip(candidates, far, strict=True) if one == min(far)]
    if len(best) > 1:
        msg = f"{path} may be of any of {shown([file.path for file in best])}: pattern= or directory= chooses"
        raise OptionError(msg)
    return best[0] if best else None


def distance(one: str, other: str) -> int:
    """How many folders lie between two files."""
    first, second = one.split("/")[:-1], other.split("/")[:-1]
    same = next(
        (n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )
    return len(first) + len(second) - 2 * same


def names_of(paths: Sequence[str]) -> dict[str, str]:
    """What series are called by a file of each: its stem, or where two have the same one, with the folder.

    Example:
        >>> names_of(["a/TS_1.st", "b/TS_1.st"]), names_of(["a/TS_1.st", "b/TS_2.st"])
        ({'a/TS_1.st': 'a/TS_1', 'b/TS_1.st': 'b/TS_1'}, {'a/TS_1.st': 'TS_1', 'b/TS_2.st': 'TS_2'})
    """
    stems = [stem_of(path) for path in paths]
    if len(set(stems)) < len(stems):
        stems = [f"{path.rpartition('/')[0]}/{stem}".lstrip("/") for path, stem in zip(paths, stems, strict=True)]
    return dict(zip(paths, stems, strict=True))
