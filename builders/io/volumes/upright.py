"""Many cubes of one volume that are cut upright: what they are made of is read together, as boxes of one shape."""

from collections.abc import Sequence

import numpy as np

from builders.io.boxes.turned import Turned
from builders.io.layout import Array, Layout
from builders.io.scattered.held import Held
from builders.io.volumes.reading import read_boxes


def read_cubes(
    path: str,
    image: Layout,
    cubes: Sequence[Turned],
    out: Array,
    places: Sequence[int],
    etag: str | None = None,
    held: Held | None = None,
) -> bool:
    """Read cubes of one volume, each into its place in an array: each as it is read alone.

    Args:
        path: the file, or its URL.
        image: where the volume lies.
        cubes: of it.
        out: `(places, side, side, side)`, of the cubes' type.
        places: the entry of `out` for each.
        etag: the file's version; None or empty: any.
        held: keeps chunks for the cubes that follow; None: nothing is kept.

    Returns:
        Whether all pixels are known to be finite; False says nothing.

    Raises:
        PercError: as `read_boxes`.
    """
    if not cubes:
        return True
    bounds = np.array([cube.bounds for cube in cubes], np.int64)
    corners = bounds[..., 0]
    boxes: Array = np.empty((len(cubes), *(bounds[..., 1] - corners).max(0)), image.dtype)
    finite = read_boxes(path, image, corners, boxes, None, etag, held)
    for cube, box, corner, place in zip(cubes, boxes, corners.tolist(), places, strict=True):
        sides = zip(cube.inside, corner, strict=True)
        out[place] = cube.cut_inside(box[tuple(slice(start - at, stop - at) for (start, stop), at in sides)])
    return finite
