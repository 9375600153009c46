"""Pixel values: which standard deviation, which range, which percentile."""

import math
from collections.abc import Iterator

import monai.transforms
import numpy as np
import torchio
from aspire.image import normalize_bg
from torch_grid_utils import circle

from conformance.images import noise
from conformance.references import relion_soft_mask
from conformance.table import Row
from perc_transforms import MinMax, Normalize, NormalizeBackground, PercentileClip, SoftMask


def rows() -> Iterator[Row]:
    """Normalize, MinMax, PercentileClip, NormalizeBackground, SoftMask."""
    yield from _normalize()
    yield from _ranges()
    yield from _backgrounds()
    yield from _masks()


def _normalize() -> Iterator[Row]:
    what = "standard deviation after normalising, divided by the number of pixels N"
    volume, case = noise(4, 4, 4) * 3 + 7, "4 x 4 x 4"
    image = Normalize()(volume)
    ours = image.std(correction=0)
    theirs = torchio.ZNormalization()(volume[None])
    why = "divides by the standard deviation of N - 1: sqrt((N - 1) / N) is left"
    yield Row(what, case, ours, theirs.std(correction=0), "torchio", "`ZNormalization`", (63 / 64) ** 0.5, why)
    theirs = monai.transforms.NormalizeIntensity()(volume.numpy())
    yield Row("a normalised volume", case, image, theirs, "monai", "`NormalizeIntensity`")
    flat = np.full((4, 4), 5.0)
    ours = Normalize()(flat)
    theirs = monai.transforms.NormalizeIntensity()(flat)
    yield Row("a constant image, normalised", "4 x 4, value 5", ours, theirs, "monai", "`NormalizeIntensity`")


def _ranges() -> Iterator[Row]:
    image = noise(1, 16, 16) * 3 + 7
    ours = MinMax(spatial_dims=2)(image)
    case = "16 x 16"
    theirs = monai.transforms.ScaleIntensity(0.0, 1.0)(image.numpy())
    yield Row("an image from 0 to 1", case, ours, theirs, "monai", "`ScaleIntensity(0, 1)`")
    theirs = torchio.RescaleIntensity((0, 1))(image[..., None])[..., 0]
    yield Row("an image from 0 to 1", case, ours, theirs, "torchio", "`RescaleIntensity((0, 1))`")
    clipped = PercentileClip(5, 90, spatial_dims=2)(image)
    theirs = np.clip(image.numpy(), *np.percentile(image.numpy(), (5, 90)))
    yield Row("clipped at percentiles 5 and 90", case, clipped, theirs, "numpy", "`clip`, `percentile`")
    theirs = monai.transforms.ClipIntensityPercentiles(5, 90)(image.numpy())
    yield Row("clipped at percentiles 5 and 90", case, clipped, theirs, "monai", "`ClipIntensityPercentiles`")


def _backgrounds() -> Iterator[Row]:
    what, call = "an image normalised by its background", "`normalize_bg`"
    for n, radius in ((32, 12.0), (33, 12.5)):
        y, x = np.indices((n, n))
        image = noise(n, n) + 0.2 * x - 0.1 * y + 5
        for ramp in (True, False):
            ours = NormalizeBackground(radius, ramp=ramp)(image)
            theirs = normalize_bg(image[None].numpy(), bg_radius=radius / (n / 2), do_ramp=ramp)[0]
            yield Row(what, f"{n} x {n}, radius {radius} px, `ramp={ramp}`", ours, theirs, "aspire", call)


def _masks() -> Iterator[Row]:
    for n, radius in ((32, 10.0), (33, 9.5)):
        image = noise(n, n) + 3
        ours = SoftMask(radius, edge=5.0)(image)
        theirs = relion_soft_mask(image.numpy(), radius=radius, cosine_width=5.0)
        case = f"{n} x {n}, radius {radius} px, edge 5 px"
        yield Row("an image in a soft mask", case, ours, theirs, "RELION", "`softMaskOutsideMap`")
    ones = np.ones((33, 33))
    ours = SoftMask(8.0, edge=5.0, fill=0.0)(ones)[16, [16 + r for r in (7, 8, 10, 13)]]
    theirs = circle(8.0, (33, 33), smoothing_radius=5.0)[16, [16 + r for r in (7, 8, 10, 13)]]
    predicted = [1.0, *(math.cos(math.pi / 2 * d / 5) for d in (1, 3)), 0.0]
    why = "r = radius is outside; an edge of cos(pi/2 d / 5), d being the distance from the outermost pixel inside"
    case = "33 x 33, radius 8 px, edge 5 px"
    yield Row("soft mask at r = 7, 8, 10, 13 px", case, ours, theirs, "torch-grid-utils", "`circle`", predicted, why)
