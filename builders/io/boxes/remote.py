"""Boxes of images on servers: the rows of pixels that they cross, in few requests, and nothing else of a file."""

from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, wait

import numpy as np
from numpy.typing import NDArray

from builders.io.boxes.crowds import Corners, Crowd, crowds_of
from builders.io.layout import Array, Layout
from builders.io.net import remote
from builders.io.net.answers import RemoteFile

MOST_UNNEEDED = 0.1
"""Of the rows that boxes need, so many more may be read: a request takes a round trip, and servers limit how many."""
FEW = 8
"""Requests of one file that are not worth any bytes to be spared."""

Group = tuple[str, str, Layout, Corners, NDArray[np.int64] | None]
"""URL, ETag, where an image lies, where boxes of it begin, and the row for each; None: one after another."""


def gather_boxes(groups: Iterable[Group], out: Array) -> bool:
    """Read boxes of plain images on servers, each into its place in an array; see `reading.read_boxes`.

    After a failure, or an interruption, no read is left that would write into `out`.

    Args:
        groups: the images, each once, and what is wanted of them.
        out: `(rows, ny, nx)` of the images' dtype, C order; ny and nx are the boxes' sides.

    Returns:
        Whether all pixels are known to be finite; False says nothing.

    Raises:
        FormatError: a box has no pixel of its image.
        PercError: as `remote.read` of the first rows that cannot be read.
    """
    crowds = [
        (RemoteFile(path, None, etag or None), crowd, len(some))
        for path, etag, image, corners, places in groups
        for some in [crowds_of(image, corners, out, places, path, MOST_UNNEEDED, FEW)]
        for crowd in some
    ]
    with remote.Reads() as reads:
        waiting = [reads.submit(_read, *each) for each in crowds]
        done, _ = wait(waiting, return_when=FIRST_EXCEPTION)
        are_finite = [future.result() for future in waiting if future in done]
    return all(are_finite)


def _read(file: RemoteFile, crowd: Crowd, parts: int) -> bool:
    """Read the rows that some boxes cross, and cut them out; `parts`: the file's crowds."""
    start, stop = crowd.range
    piece = max(remote.PIECE, -(-(stop - start) // max(1, FEW // parts)))
    are_finite = crowd.cut(remote.read(file, start, stop, piece), crowd.rows[0])
    crowd.fill()
    return are_finite
