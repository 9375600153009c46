"""Which rows are taken and on which side of a split they fall: stratified by class, decided by seed and path alone."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

from builders.errors import OptionError
from builders.io.files.natural_order import natural_key
from builders.local_classes.content import ClassImage


def take(images: Sequence[ClassImage], count: int, seed: int) -> list[ClassImage]:
    """Take `count` images, each class in proportion and at least one of each, in their given order.

    Raises:
        OptionError: there are fewer images, or more classes.
    """
    sizes = Counter(item.label for item in images)
    if count > len(images):
        msg = f"num_examples is {count}: expected at most {len(images)}, the number of usable files"
        raise OptionError(msg)
    if count < len(sizes):
        msg = f"num_examples is {count}: expected at least {len(sizes)}, one for each class"
        raise OptionError(msg)
    quotas = apportion(count, sizes, least=1)
    taken: set[str] = set()
    counts: Counter[str] = Counter()
    for item in sorted(images, key=lambda item: _draw(seed, "take", item)):
        if counts[item.label] < quotas[item.label]:
            counts[item.label] += 1
            taken.add(item.file.location)
    return [item for item in images if item.file.location in taken]


def split(
    groups: Sequence[Sequence[ClassImage]], fraction: float, seed: int
) -> tuple[list[ClassImage], list[ClassImage]]:
    """Divide images into train and validation, so that no group is on both sides and no class leaves train.

    Args:
        groups: images that belong together, such as those with the same pixels.
        fraction: of all images, for validation; each class in proportion, as near as whole groups allow.
        seed: which ones.

    Returns:
        Train and validation, each in the groups' order.

    Raises:
        OptionError: this fraction of these groups leaves validation empty.
    """
    sizes = Counter(item.label for group in groups for item in group)
    quotas = apportion(max(1, round(fraction * sizes.total())), sizes)
    counts: Counter[str] = Counter()
    chosen: set[int] = set()
    for place in sorted(range(len(groups)), key=lambda place: _draw(seed, "split", groups[place][0])):
        added = Counter(item.label for item in groups[place])
        if all(_fits(counts[label], added[label], quotas[label], sizes[label]) for label in added):
            counts += added
            chosen.add(place)
    if not chosen:
        msg = f"validation_fraction is {fraction}: nothing would be left for validation of {sizes.total()} files "
        msg += (
            f"in {len(sizes)} classes with {len(groups)} different contents: expected a larger fraction or more files"
        )
        raise OptionError(msg)
    validation = [item for place in sorted(chosen) for item in groups[place]]
    train = [item for place, group in enumerate(groups) if place not in chosen for item in group]
    return train, validation


def apportion(total: int, sizes: Mapping[str, int], least: int = 0) -> dict[str, int]:
    """Share `total` among classes in proportion to their sizes, by the largest remainders.

    Example:
        >>> apportion(5, {"a": 6, "b": 3, "c": 1})
        {'a': 3, 'b': 2, 'c': 0}
    """
    whole = sum(sizes.values())
    exact = {label: total * sizes[label] / whole for label in sorted(sizes, key=natural_key)}
    shares = {label: max(least, int(share)) for label, share in exact.items()}
    while (missing := total - sum(shares.values())) != 0:
        step = 1 if missing > 0 else -1
        able = [label for label in shares if least <= shares[label] + step <= sizes[label]]
        nearest = max(able, key=lambda label: step * (exact[label] - shares[label]))
        shares[nearest] += step
    return shares


def _fits(count: int, added: int, quota: int, size: int) -> bool:
    """Whether a class with `count` in validation comes nearer to its quota with `added` more, and stays in train."""
    over, under = count + added - quota, quota - count
    return count + added < size and under > 0 and (over <= 0 or over < under or (over == under and count == 0))


def _draw(seed: int, purpose: str, item: ClassImage) -> bytes:
    """A random number that depends on the seed and the file's path, not on the other files."""
    key = f"{seed}\0{purpose}\0{item.file.path}"
    return hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=16).digest()
