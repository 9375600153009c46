"""The columns of tomograms besides the image, as `datasets` and Arrow have them."""

from collections.abc import Sequence
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from perc_transforms.functional.spatial.euler import angles_of

Floats = NDArray[np.float64]

ANGLES = ("rot", "tilt", "psi")
SHIFTS = ("shift_x", "shift_y", "shift_z")
_POINT = datasets.List(datasets.Value("float32"), length=3)
_MATRIX = datasets.List(_POINT, length=3)


def picks_feature(names: Sequence[str]) -> dict[str, Any]:
    """The feature of `picks`: places (x, y, z) in Å of the tomogram and in voxels of the image, labels, rotations."""
    each = {"coordinates": _POINT, "pixels": _POINT, "label": datasets.ClassLabel(names=list(names))}
    return {name: datasets.List(feature) for name, feature in {**each, "rotation": _MATRIX}.items()}


def subtomogram_features(names: Sequence[str]) -> dict[str, Any]:
    """The features of what cubes have besides tiles."""
    return {
        "label": datasets.ClassLabel(names=list(names)),
        "coordinates": _POINT,
        "pixels": _POINT,
        "rotation": _MATRIX,
        "pose": {name: datasets.Value("float32") for name in (*ANGLES, *SHIFTS)},
    }


ORIGIN = datasets.List(datasets.Value("int64"), length=3)
"""The feature of the first voxel of a tile or a cube in its volume: z, y, x, negative before it."""


def poses(matrices: Floats | None, left: Floats, pixel_sizes: Floats) -> pa.StructArray:
    """RELION's angles of rotations and the shifts of their cubes, for `pose`; null where a rotation is not known.

    A point p of the object, in Å from its centre, lies `A p - shift` from the centre of voxel `n // 2` of its cube, A
    being its rotation.

    Args:
        matrices: `(N, 3, 3)`, NaN where one is not known, or None.
        left: `(N, 3)`, x, y, z: how far the object's centre is from voxel `n // 2`, in voxels.
        pixel_sizes: `(N,)`, Å.
    """
    names = (*ANGLES, *SHIFTS)
    if matrices is None:
        return pa.nulls(len(left), pa.struct([(name, pa.float32()) for name in names]))
    missing = np.isnan(matrices[:, 0, 0])
    angles = angles_of(np.where(missing[:, None, None], np.eye(3), matrices))
    values = np.concatenate([angles, 0 - left * pixel_sizes[:, None]], 1).astype(np.float32)
    return pa.StructArray.from_arrays([pa.array(side) for side in values.T], names=names, mask=pa.array(missing))
