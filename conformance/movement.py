"""Flips, turns and shifts: about which point, which way, and what becomes of the highest frequency."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from aspire.image import Image, sp_rotate
from scipy import ndimage
from torch import Tensor
from torch_fourier_shift import fourier_shift_image_2d
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from conformance.images import Values, gaussian, noise, off_centre, point
from conformance.table import Row
from perc_transforms import RandomFlip, RandomRotate, RandomRotate90, RandomShift

SIZES = (33, 32)
MIDDLE = "about (n - 1) / 2, between two pixels of an even side; ours about pixel n // 2"
CORNER = (
    "the one component of Nyquist's frequency along both axes is times cos(pi (dx + dy)), ours cos(pi dx) cos(pi dy)"
)
AGAINST = "positive angles turn from x towards -y, counter-clockwise as displayed; ours from x towards y"


def rows() -> Iterator[Row]:
    """Flips, quarter turns, rotations, shifts."""
    for n in SIZES:
        yield from _flips(n)
        yield from _quarters(n)
        yield from _rotations(n)
    yield from _whole_rotations()
    yield from _shifts()
    yield from _highest_frequency()


def _flip(image: Tensor) -> Tensor:
    flipped: Tensor = RandomFlip().replay(image, {"flip": [1, 0]})
    return flipped


def _rotate(image: Tensor, angle: float, padding: str = "zeros") -> Tensor:
    rotated: Tensor = RandomRotate(padding=padding).replay(image, {"angle": angle})
    return rotated


def _shift(image: Tensor, y: float, x: float) -> Tensor:
    shifted: Tensor = RandomShift(1.0).replay(image, {"shift": [x, y]})
    return shifted


def _place(image: Tensor) -> Values:
    """Where the one bright pixel is, `(y, x)` from the centre."""
    array = np.asarray(image)
    return np.array(np.unravel_index(array.argmax(), array.shape)) - np.array(array.shape) // 2


def _flips(n: int) -> Iterator[Row]:
    what, image = "mirrored along x: the centre goes to", point(n, n, at=(n // 2, n // 2))
    ours, case = _place(_flip(image)), f"{n} x {n}"
    predicted, why = (None, "") if n % 2 else ([0, -1], MIDDLE)
    yield Row(what, case, ours, _place(image.flip(-1)), "torch", "`flip`", predicted, why)
    yield Row(what, case, ours, _place(tv.hflip(image)), "torchvision", "`hflip`", predicted, why)
    image = noise(n, n)
    theirs = image.flip(-1) if n % 2 else image.flip(-1).roll(1, -1)
    call = "`flip`" if n % 2 else "`flip`, then `roll(1)`"
    yield Row("a mirrored image", case, _flip(image), theirs, "torch", call)


def _quarters(n: int) -> Iterator[Row]:
    image, case = noise(n, n), f"{n} x {n}"
    of_quarter = set()
    for index in range(64):
        turned = RandomRotate90(record=True)({"image": image, "path": f"{index}"})
        ours = turned["image"]
        for k in range(4):
            theirs = image.rot90(-k, (-2, -1))
            if n % 2 == 0:  # lines that come to point backwards go round by one pixel
                theirs = theirs.roll(_rolls(k), (-2, -1))
            if k not in of_quarter and torch.equal(ours, theirs):
                of_quarter.add(k)
    call = "`rot90(-k)`" if n % 2 else "`rot90(-k)`, then `roll(1)` of axes that point backwards"
    what = "quarter turns k that RandomRotate90 makes, of 64 rows"
    yield Row(what, case, sorted(of_quarter), [0, 1, 2, 3], "torch", call)
    ours, theirs = _rotate(image, 90.0, "border"), image.rot90(-1, (-2, -1))
    if n % 2 == 0:
        ours, theirs = ours[1:, 1:], theirs.roll(_rolls(1), (-2, -1))[1:, 1:]
    yield Row("an image rotated by 90°, without line 0 of even sizes", case, ours, theirs, "torch", call)
    spot = point(n, n, at=(n // 2, n // 2 + 8))
    ours = _place(_rotate(spot, 90.0))
    predicted = [-8, 0] if n % 2 else [-9, 0]
    why = AGAINST if n % 2 else f"{AGAINST}; {MIDDLE}"
    what = "a spot at (0, 8), rotated by 90°"
    yield Row(what, case, ours, _place(spot.rot90(1, (-2, -1))), "torch", "`rot90(1)`", predicted, why)


def _rolls(k: int) -> list[int]:
    return [[0, 0], [0, 1], [1, 1], [1, 0]][k]


def _rotations(n: int) -> Iterator[Row]:
    """A small Gaussian at (0, 8) rotated by 30 degrees."""
    what, case = "a spot at (0, 8), rotated by 30°", f"{n} x {n}"
    spot = _shift(gaussian(n, 2.0), 0.0, 8.0)
    ours, why = off_centre(_rotate(spot, 30.0)), AGAINST if n % 2 else f"{AGAINST}; {MIDDLE}"
    sine, cosine = math.sin(math.radians(30.0)), math.cos(math.radians(30.0))
    half = 0.0 if n % 2 else 0.5
    predicted = [half * cosine - (8 + half) * sine - half, half * sine + (8 + half) * cosine - half]
    bilinear = InterpolationMode.BILINEAR
    theirs = off_centre(tv.rotate(spot[None], 30.0, interpolation=bilinear)[0])
    yield Row(what, case, ours, theirs, "torchvision", "`rotate`", predicted, why, 1e-2, digits=3)
    theirs = off_centre(ndimage.rotate(spot.numpy(), 30.0, reshape=False, order=1))
    yield Row(what, case, ours, theirs, "scipy", "`rotate`", predicted, why, 1e-2, digits=3)
    theirs = off_centre(sp_rotate(spot.numpy(), math.radians(30.0)))
    yield Row(what, case, ours, theirs, "aspire", "`sp_rotate`, in radians", predicted, why, 1e-2, digits=3)


def _whole_rotations() -> Iterator[Row]:
    what, image = "a rotated image", noise(33, 33)
    ours = _rotate(image, 30.0)
    theirs = tv.rotate(image[None], -30.0, interpolation=InterpolationMode.BILINEAR)[0]
    call = "`rotate(-30)`"
    inside = slice(8, 25)
    yield Row(
        what, "33 x 33, 30°, the middle 17 x 17", ours[inside, inside], theirs[inside, inside], "torchvision", call
    )
    theirs = ndimage.rotate(image.numpy(), -30.0, reshape=False, order=1, mode="grid-constant")
    yield Row(what, "33 x 33, 30°", ours, theirs, "scipy", '`rotate(-30, order=1, mode="grid-constant")`')
    image = noise(32, 33)
    turn = np.array([[math.cos(math.radians(30)), -math.sin(math.radians(30))], [0.5, math.cos(math.radians(30))]])
    centre = np.array([16, 16])
    theirs = ndimage.affine_transform(image.numpy(), turn, centre - turn @ centre, order=1, mode="grid-constant")
    call = "`affine_transform` about pixel n // 2"
    yield Row(what, "32 x 33, 30°", _rotate(image, 30.0), theirs, "scipy", call)


def _shifts() -> Iterator[Row]:
    by = np.array([1.25, -2.5])
    for n in SIZES:
        spot, image = gaussian(n, 2.0), noise(n, n)
        what, case = "a Gaussian at the centre, shifted by (1.25, -2.5): where it is", f"{n} x {n}"
        ours = off_centre(_shift(spot, *by))
        theirs = off_centre(_scipy(spot, by))
        yield Row(what, case, ours, theirs, "scipy", "`fourier_shift`, real part")
        theirs = off_centre(ndimage.shift(spot.numpy(), by))
        yield Row(what, case, ours, theirs, "scipy", "`shift`", tolerance=1e-2)
        theirs = off_centre(fourier_shift_image_2d(spot, torch.tensor(by)))
        yield Row(what, case, ours, theirs, "torch-fourier-shift", "`fourier_shift_image_2d`, (y, x)")
        why = "content moves by -d"
        yield Row(what, case, ours, off_centre(_aspire(spot, by)), "aspire", "`Image.shift`, (x, y)", -by, why)
        yield from _whole_shifts(image, by, case)


def _whole_shifts(image: Tensor, by: Values, case: str) -> Iterator[Row]:
    what, ours = "an image shifted by (1.25, -2.5)", _shift(image, *by)
    predicted, why = (None, "") if image.shape[-1] % 2 else (ours + _corner(image, by), CORNER)
    yield Row(what, case, ours, _scipy(image, by), "scipy", "`fourier_shift`, real part", predicted, why)
    theirs = _aspire(image, -by)
    yield Row(what, case, ours, theirs, "aspire", "`Image.shift` by the negative", predicted, why)
    if image.shape[-1] % 2:
        theirs = fourier_shift_image_2d(image, torch.tensor(by))
        yield Row(what, case, ours, theirs, "torch-fourier-shift", "`fourier_shift_image_2d`, (y, x)")
    ours, theirs = _shift(image, 3.0, -5.0), image.roll((3, -5), (-2, -1))
    yield Row("an image shifted by (3, -5)", case, ours, theirs, "torch", "`roll`")


def _corner(image: Tensor, by: Values) -> Tensor:
    """What CORNER adds to an image of even sides."""
    signs = 1 - 2 * (torch.arange(len(image), dtype=torch.float64) % 2)
    wave = signs[:, None] * signs
    return -math.sin(math.pi * by[0]) * math.sin(math.pi * by[1]) * (image * wave).mean() * wave


def _aspire(image: Tensor, by: Values) -> Values:
    return np.asarray(Image(image[None].numpy()).shift(by[::-1].copy()).asnumpy()[0], np.float64)


def _scipy(image: Tensor, by: Values) -> Values:
    return np.asarray(np.fft.ifft2(ndimage.fourier_shift(np.fft.fft2(image.numpy()), by)).real)


def _highest_frequency() -> Iterator[Row]:
    """A wave of the Nyquist frequency along y, and of a low one along x, shifted along y."""
    y, x = torch.arange(32, dtype=torch.float64)[:, None], torch.arange(32, dtype=torch.float64)
    image = torch.cos(math.pi * y) * torch.cos(2 * math.pi * 4 * x / 32)
    what = "amplitude of cos(pi y) cos(2 pi 4 x / n), shifted along y"
    for by in (0.5, 1.0 / 3.0):
        ours, case = _shift(image, by, 0.0).abs().max(), f"32 x 32, by {by:.3g} px"
        theirs = np.abs(_scipy(image, np.array([by, 0.0]))).max()
        yield Row(what, case, ours, theirs, "scipy", "`fourier_shift`, real part")
        moved = fourier_shift_image_2d(image, torch.tensor([by, 0.0]))
        predicted = (torch.cos(math.pi * y) * torch.cos(2 * math.pi * 4 * x / 32 + math.pi * by)).abs().max()
        why = (
            "a phase where only ±1/2 together are real: the wave stays whole and moves along x; ours is times cos(pi d)"
        )
        yield Row(
            what, case, ours, moved.abs().max(), "torch-fourier-shift", "`fourier_shift_image_2d`", predicted, why
        )
