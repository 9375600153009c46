"""Projections: where the point of RELION's conventions lies in an image, and the whole image."""

from collections.abc import Iterator

import numpy as np
import torch
from aspire.utils import Rotation as AspireRotation
from aspire.volume import Volume
from scipy import ndimage
from scipy.spatial.transform import Rotation

from conformance.images import Values
from conformance.table import Row
from perc_transforms.functional import project, volume_transform
from perc_transforms.spatial.euler import matrix_of

POINT, ANGLES, SIGMA = np.array([9.0, -6.0, 4.0]), (30.0, 50.0, 70.0), 1.5
WORDS = "p = (9, -6, 4) px, rot 30°, tilt 50°, psi 70°"
PLACE = "a point p of the map (x, y, z) lies in the image at (x, y)"
SCALE = "divided by n"


def rows() -> Iterator[Row]:
    """The point by its matrix, and a blob there in boxes of odd and even sides."""
    ours = (matrix_of(*ANGLES) @ POINT)[:2]
    theirs = Rotation.from_euler("ZYZ", ANGLES, degrees=True).inv().apply(POINT)[:2]
    yield Row(PLACE, WORDS, ours, theirs, "scipy", "`Rotation.from_euler('ZYZ')`, inverse", tolerance=1e-12)
    for n in (40, 41):
        yield from _projections(n)


def _projections(n: int) -> Iterator[Row]:
    axis = np.arange(n) - n // 2
    x, y, z = (np.exp(-0.5 * (axis - p) ** 2 / SIGMA**2) for p in POINT)
    volume, matrix = z[:, None, None] * y[:, None] * x, matrix_of(*ANGLES)
    ours = project(volume_transform(torch.from_numpy(volume)), torch.from_numpy(matrix)[None])[0].numpy()

    backwards, centre = matrix.T[::-1, ::-1], np.full(3, n // 2)  # scipy's axes are (z, y, x)
    turned = ndimage.affine_transform(volume, backwards, centre - backwards @ centre, order=5)
    by_scipy = turned.sum(0)
    by_aspire = np.asarray(Volume(volume).project(AspireRotation(matrix.T[None].copy())).asnumpy()[0], np.float64)

    what, case = "projection of a blob at p: its place (x, y)", f"{n}^3, {WORDS}"
    call = "`Volume.project` at A.T"
    yield Row(what, case, _place(ours), _place(by_scipy), "scipy", "`affine_transform`, then a sum", tolerance=1e-2)
    yield Row(what, case, _place(ours), _place(by_aspire), "aspire", call, tolerance=1e-2)
    yield Row(
        "projection of a blob at p", case, ours, by_scipy, "scipy", "`affine_transform`, then a sum", tolerance=1e-2
    )
    yield Row("projection of a blob at p", case, ours, by_aspire, "aspire", call, ours / n, SCALE, 1e-2 / n)


def _place(image: Values) -> Values:
    """Where a blob is, `(x, y)` from the centre."""
    weights = (image - 0.3 * image.max()).clip(min=0)
    axis = np.arange(len(image)) - len(image) // 2
    return np.array([weights.sum(0) @ axis, weights.sum(1) @ axis]) / weights.sum()
