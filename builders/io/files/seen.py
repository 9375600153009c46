"""Images of files of this machine that were seen to be finite: later epochs need not look at their pixels again."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_OF_FILE = 1024
"""Bytes that a file takes besides, about: its name and version, and what holds them."""


@dataclass(frozen=True, slots=True)
class Images:
    """Images of one version of a file, one of as many bytes as the other.

    Attributes:
        path: the file.
        etag: its version; of a file of any version, nothing is remembered.
        encoding: of the pixels.
        size: bytes of each image.
        offsets: where they begin, in any order.
    """

    path: str
    etag: str | None
    encoding: str
    size: int
    offsets: NDArray[np.int64]


class SeenImages:
    """Remembers which images are finite, a byte each.

    Args:
        most: bytes that are taken at the most; files that were noted longest ago are forgotten.

    Example:
        >>> seen, offsets = SeenImages(10_000), np.array([1024, 5120])
        >>> seen.note(Images("a.mrcs", "v1", "<f4", 4096, offsets))
        >>> Images("a.mrcs", "v1", "<f4", 4096, offsets) in seen, Images("a.mrcs", "v2", "<f4", 4096, offsets) in seen
        (True, False)
    """

    def __init__(self, most: int) -> None:
        self._most, self._held = most, 0
        self._files: OrderedDict[tuple[object, ...], NDArray[np.bool_]] = OrderedDict()
        self._alone = threading.Lock()

    def __contains__(self, images: Images) -> bool:
        key = _key(images)
        noted = None if key is None else self._files.get(key)
        if noted is None:
            return False
        numbers = images.offsets // images.size
        return bool(numbers.max() < len(noted) and noted[numbers].all())

    def note(self, images: Images) -> None:
        """Remember that images are finite."""
        key = _key(images)
        if key is None:
            return
        numbers = images.offsets // images.size
        count = int(numbers.max()) + 1
        if count + _OF_FILE > self._most:
            return
        with self._alone:
            noted = self._files.pop(key, None)
            if noted is None:
                noted = np.empty(0, np.bool_)
            else:
                self._held -= len(noted) + _OF_FILE
            if count > len(noted):
                grown = np.zeros(max(count, min(2 * len(noted), self._most - _OF_FILE)), np.bool_)
                grown[: len(noted)] = noted
                noted = grown
            noted[numbers] = True
            self._files[key] = noted
            self._held += len(noted) + _OF_FILE
            while self._held > self._most:
                self._held -= len(self._files.popitem(last=False)[1]) + _OF_FILE


def _key(images: Images) -> tuple[object, ...] | None:
    """What tells images from those of other files and sizes; None where nothing is remembered of them."""
    if not images.etag or not images.size or not len(images.offsets):
        return None
    first = int(images.offsets[0]) % images.size
    if (images.offsets % images.size != first).any():
        return None
    return images.path, images.etag, images.encoding, images.size, first


SEEN = SeenImages(32 * 1024 * 1024)
"""Those of this process."""
