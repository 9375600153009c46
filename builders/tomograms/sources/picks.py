"""Files of picks, read several at once."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from builders.archive.tree import read_small
from builders.errors import PercError
from builders.io.net import remote
from builders.io.tables.picks import Picks, read
from builders.stacks.files import SourceFile


def read_all(files: Sequence[SourceFile], pixel_size: float | None = None) -> list[Picks | PercError]:
    """What files of picks hold, under their paths as names; what is wrong with one takes its place.

    Args:
        files: of this machine or of a server.
        pixel_size: Å, of voxels that tables count.
    """

    def one(file: SourceFile) -> Picks | PercError:
        try:
            return replace(read(read_small(file.location), file.path, pixel_size=pixel_size), name=file.path)
        except PercError as err:
            return err

    return list(remote.each(one, files, "listings"))


def labelled(picks: Picks, label: str) -> Picks:
    """Picks that are all of one object, in one tomogram."""
    return replace(picks, labels=(label,) * len(picks), tomograms=None)


def unlike(picks: Picks, others: Sequence[Picks]) -> bool:
    """Whether none of some others has the very same points of the same objects."""
    return not any(picks.labels == one.labels and np.array_equal(picks.points, one.points) for one in others)
