"""Crops and pads: which pixel becomes the centre."""

import math
from collections.abc import Iterator

import monai.transforms
import torchio
from aspire.utils import crop_pad_2d
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from conformance.images import point
from conformance.table import Row
from perc_transforms import CenterCrop, Pad

CROPS = ((64, 32), (65, 33), (64, 33), (66, 33), (65, 32), (63, 32))
PADS = tuple((m, n) for n, m in CROPS)
ROUNDED = "starts at round((n - m) / 2), a half to the even number; ours at n // 2 - m // 2"
UP = "starts at ceil((n - m) / 2); ours at n // 2 - m // 2"
PADDED_DOWN = "puts (m - n) // 2 pixels before; ours m // 2 - n // 2"
PADDED_UP = "puts ceil((m - n) / 2) pixels before; ours m // 2 - n // 2"


def rows() -> Iterator[Row]:
    """Crops, then pads."""
    for n, m in CROPS:
        yield from _crops(n, m)
    for n, m in PADS:
        yield from _pads(n, m)


def _row(
    what: str, n: int, m: int, images: tuple[Tensor, Tensor], package: str, call: str, start: int, why: str
) -> Row:
    """A row on how far the centre of n pixels comes to lie from that of m, in pixels along both axes."""
    ours, theirs = (image.argmax() // m - m // 2 for image in images)
    should = n // 2 - start - m // 2
    predicted, why = (should, why) if should != int(ours) else (None, "")
    return Row(what, f"{n} → {m}", ours, theirs, package, call, predicted, why)


def _crops(n: int, m: int) -> Iterator[Row]:
    what = "cropped: the centre, from the new centre"
    image = point(n, n, at=(n // 2, n // 2))
    ours = CenterCrop(m)(image)
    theirs = tv.center_crop(image[None], [m, m])[0]
    yield _row(what, n, m, (ours, theirs), "torchvision", "`center_crop`", round((n - m) / 2), ROUNDED)
    theirs = torchio.CropOrPad((1, m, m))(image[None, None])[0, 0]
    yield _row(what, n, m, (ours, theirs), "torchio", "`CropOrPad`", math.ceil((n - m) / 2), UP)
    theirs = monai.transforms.CenterSpatialCrop((m, m))(image[None])[0]
    yield _row(what, n, m, (ours, theirs), "monai", "`CenterSpatialCrop`", n // 2 - m // 2, "")
    theirs = crop_pad_2d(image.numpy(), m)
    yield _row(what, n, m, (ours, theirs), "aspire", "`crop_pad_2d`", n // 2 - m // 2, "")


def _pads(n: int, m: int) -> Iterator[Row]:
    what = "padded: the centre, from the new centre"
    image = point(n, n, at=(n // 2, n // 2))
    ours = Pad(m)(image)
    theirs = tv.center_crop(image[None], [m, m])[0]
    yield _row(what, n, m, (ours, theirs), "torchvision", "`center_crop`", -((m - n) // 2), PADDED_DOWN)
    theirs = torchio.CropOrPad((1, m, m))(image[None, None])[0, 0]
    yield _row(what, n, m, (ours, theirs), "torchio", "`CropOrPad`", -math.ceil((m - n) / 2), PADDED_UP)
    theirs = monai.transforms.SpatialPad((m, m))(image[None])[0]
    yield _row(what, n, m, (ours, theirs), "monai", "`SpatialPad`", -((m - n) // 2), PADDED_DOWN)
    theirs = crop_pad_2d(image.numpy(), m)
    yield _row(what, n, m, (ours, theirs), "aspire", "`crop_pad_2d`", n // 2 - m // 2, "")
