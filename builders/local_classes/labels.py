"""What may be wrong with classes, by their names: some that look alike, some that are hidden in one. Pure text."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from builders.io.files.natural_order import natural_key
from builders.local_classes.names import ClassName

_MOST_KINDS = 12


def look_alike(labels: Iterable[str]) -> list[list[str]]:
    """Groups of classes that differ in nothing but case, blanks, or how Unicode spells them: often meant as one.

    Example:
        >>> look_alike(["ribo", "Ribo", "ribo ", "tric"])
        [['Ribo', 'ribo', 'ribo ']]
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for label in sorted(set(labels)):
        groups[_plain(label)].append(label)
    return [group for group in groups.values() if len(group) > 1]


def _plain(label: str) -> str:
    """A label without what eyes do not see."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold())
    seen = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return " ".join(seen.split())


def spelled(labels: Iterable[str], among: Iterable[str]) -> str:
    r"""Labels in quotes, for a message; of those that look like another one, each character that may be another.

    Example:
        >>> print(spelled(["caf\xe9", "d\xe9"], ["cafe\u0301"]))
        'caf\xe9', 'dé'
    """
    labels = list(labels)
    alike = {label for group in look_alike([*labels, *among]) for label in group}
    return ", ".join(ascii(label) if label in alike else repr(label) for label in labels)


def second_parts(names: Iterable[ClassName]) -> dict[str, list[str]]:
    """Classes in whose files' names a second part looks like a class, too, with those parts.

    It does where, behind the class, there are a few different words that come again and again, as in
    `ribo_open_1`, `ribo_closed_1`; what differs in numbers alone, as tomograms do, is none.

    Example:
        >>> second_parts([ClassName("ribo", f"{state}_{n}", ".mrc") for state in ("open", "closed") for n in (1, 2)])
        {'ribo': ['closed', 'open']}
    """
    files: Counter[str] = Counter()
    parts: dict[str, Counter[str]] = defaultdict(Counter)
    rest_is_number: dict[str, bool] = defaultdict(lambda: True)
    for name in names:
        files[name.label] += 1
        part, underscore, rest = name.suffix.partition("_")
        if underscore:
            parts[name.label][part] += 1
            rest_is_number[name.label] &= not any(map(str.isalpha, rest))
    return {
        label: sorted(counts, key=natural_key)
        for label, counts in sorted(parts.items(), key=lambda item: natural_key(item[0]))
        if 2 * counts.total() > files[label] and _are_words(counts, rest_is_number[label])
    }


def _are_words(counts: Mapping[str, int], numbered: bool) -> bool:
    """Whether parts of names, by how often they come, are a few words."""
    words = {re.sub(r"\d+", "", part).casefold() for part in counts}
    if not 2 <= len(counts) <= _MOST_KINDS or len(words) < 2 or not all(any(map(str.isalpha, word)) for word in words):
        return False
    return min(counts.values()) > 1 or (numbered and all(map(str.isalpha, counts)))


def pattern_of_both(names: Iterable[ClassName]) -> str:
    """A `class_pattern` that takes the second part of names into the class, as far as names are alike."""
    two = all(name.suffix.count("_") <= 1 for name in names)
    return "(.+)_" if two else "([^_]+_[^_]+)_"


def of_several_folders(folders: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Classes whose files stand in several folders, with these.

    Args:
        folders: class and folder of each file.

    Example:
        >>> of_several_folders([("raw", "a/raw"), ("raw", "b/raw"), ("x", "x")])
        {'raw': ['a/raw', 'b/raw']}
    """
    found: dict[str, set[str]] = defaultdict(set)
    for label, folder in folders:
        found[label].add(folder)
    return {label: sorted(those, key=natural_key) for label, those in found.items() if len(those) > 1}
