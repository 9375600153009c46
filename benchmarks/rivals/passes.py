"""What the programs of this folder share: the images that they are given, and passes that are timed when asked for.

They run in the rivals' own Pythons, which have neither `builders` nor `datasets`, and import this as their neighbour.
"""

import functools
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from answering import answer

_HEADER = 1024


@dataclass(frozen=True)
class Images:
    """A stack of `count` float32 images of `side` x `side` whose first pixel is their number, and what to do with it.

    Args:
        stack: an MRC file.
        folder: where a copy in the rival's own format may be written.
        count: how many images.
        side: pixels a side.
        batch_size: rows of a batch.
    """

    stack: Path
    folder: Path
    count: int
    side: int
    batch_size: int

    @property
    def pixels(self) -> np.ndarray:
        """The images, `(count, side, side)`, in a map of the file."""
        return np.memmap(self.stack, np.float32, "r", _HEADER, (self.count, self.side, self.side))


def given() -> Images:
    """What the command line says."""
    stack, folder, *numbers = sys.argv[1:]
    return Images(Path(stack), Path(folder), *map(int, numbers))


def serve(ways: Mapping[str, Callable[[], Iterable[Any]]]) -> None:
    """Make a pass in the way that each line of the input names; answer with its rows and seconds.

    A way gives batches: images, and their numbers where a pass of it can be checked, which the first one is.
    """
    torch.set_num_threads(1)
    checked: set[str] = set()
    answer({name: functools.partial(_rows, name, way, checked) for name, way in ways.items()})


def _rows(name: str, way: Callable[[], Iterable[Any]], checked: set[str]) -> int:
    rows = 0
    for images, numbers in way():
        rows += len(images)
        if name not in checked:
            _check(images, numbers)
    checked.add(name)
    return rows


def _check(images: Any, numbers: Any) -> None:
    """That a batch is what ours is: a tensor of float32 in which each image is the one of its number."""
    assert isinstance(images, torch.Tensor)
    assert images.dtype == torch.float32
    assert numbers is None or torch.equal(images[:, 0, 0].long(), torch.as_tensor(numbers).long())
