"""The Gaussian blur: how far its kernel reaches, and what lies beyond an edge."""

import math
from collections.abc import Iterator

import numpy as np
import torch
import torchio
from scipy import ndimage
from torchvision.transforms.v2 import functional as tv

from conformance.images import noise, point
from conformance.table import Row
from perc_transforms import GaussianBlur


def rows() -> Iterator[Row]:
    """Whole images, the reach, and the edges."""
    image, volume = noise(33, 32), noise(9, 12, 16)
    for sigma in (0.5, 1.5, 3.0):
        reach, case = math.ceil(4 * sigma), f"33 x 32, sigma {sigma} px"
        ours = GaussianBlur(sigma)(image)
        theirs = ndimage.gaussian_filter(image.numpy(), sigma, mode="mirror", radius=reach)
        yield Row("a blurred image", case, ours, theirs, "scipy", f'`gaussian_filter(mode="mirror", radius={reach})`')
        theirs = tv.gaussian_blur(image[None], [2 * reach + 1] * 2, [sigma] * 2)[0]
        yield Row("a blurred image", case, ours, theirs, "torchvision", f"`gaussian_blur(kernel_size={2 * reach + 1})`")
    theirs = ndimage.gaussian_filter(volume.numpy(), 1.5, mode="mirror", radius=6)
    ours = GaussianBlur(1.5)(volume)
    case = "9 x 12 x 16, sigma 1.5 px"
    yield Row("a blurred volume", case, ours, theirs, "scipy", '`gaussian_filter(mode="mirror", radius=6)`')
    yield from _reach()
    yield from _edges()
    theirs = torchio.Blur((3.0, 3.0, 3.0))(torchio.ScalarImage(tensor=volume[None], affine=np.diag([2, 2, 2, 1]))).data
    predicted = ndimage.gaussian_filter(volume.numpy(), 1.5)
    ours = GaussianBlur(sigma_angstrom=3.0)({"image": volume, "pixel_size": 2.0})["image"]
    why = "scipy's `gaussian_filter` with its defaults: the image is mirrored at its edge, not at its last pixel"
    case = "9 x 12 x 16, sigma 3 Å (3 mm) at 2 Å (2 mm)"
    yield Row("a blurred volume", case, ours, theirs[0], "torchio", "`Blur`", predicted, why)


def _kernel(sigma: float, reach: int) -> list[float]:
    weights = [math.exp(-0.5 * (x / sigma) ** 2) for x in range(-reach, reach + 1)]
    return [weight / sum(weights) for weight in weights]


def _reach() -> Iterator[Row]:
    for sigma in (1.1, 1.5, 3.2):
        line = point(65, 65, at=(32, 32))
        ours = math.ceil(4 * sigma)
        theirs = (np.count_nonzero(ndimage.gaussian_filter(line.numpy(), sigma)[32]) - 1) // 2
        case = f"sigma {sigma} px"
        counted = (int(torch.count_nonzero(GaussianBlur(sigma)(line)[32])) - 1) // 2
        if counted != ours:
            msg = f"GaussianBlur({sigma}) reaches {counted} pixels: expected {ours}"
            raise ValueError(msg)
        their_reach = int(4 * sigma + 0.5)
        why = "`truncate=4`: int(4 sigma + 1/2) pixels, ours ceil(4 sigma)"
        predicted, why = (None, "") if their_reach == ours else (their_reach, why)
        yield Row("pixels that the kernel reaches", case, ours, theirs, "scipy", "`gaussian_filter`", predicted, why)
        ours_at, theirs_at = GaussianBlur(sigma)(line)[32, 32], ndimage.gaussian_filter(line.numpy(), sigma)[32, 32]
        predicted = _kernel(sigma, their_reach)[their_reach] ** 2 if their_reach != ours else None
        yield Row("weight of the central pixel", case, ours_at, theirs_at, "scipy", "`gaussian_filter`", predicted, why)


def _edges() -> Iterator[Row]:
    what, case = "a bright outermost pixel, blurred: what is left there", "9 x 9, sigma 1 px, middle of an edge"
    edge = point(9, 9, at=(0, 4))
    ours = GaussianBlur(1.0)(edge)[0, 4]
    weights = _kernel(1.0, 4)
    theirs = ndimage.gaussian_filter(edge.numpy(), 1.0)[0, 4]
    why = '`mode="reflect"`: the outermost pixel is doubled, so its weights 0 and 1 fall on it; ours mirrors about it'
    yield Row(what, case, ours, theirs, "scipy", "`gaussian_filter`", weights[4] * (weights[4] + weights[5]), why)
    theirs = tv.gaussian_blur(edge[None], [9, 9], [1.0, 1.0])[0, 0, 4]
    yield Row(what, case, ours, theirs, "torchvision", "`gaussian_blur`")
