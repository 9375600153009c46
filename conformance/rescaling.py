"""Where a change of the number of pixels leaves the content, and what it does to frequencies and values."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from aspire.image import Image
from scipy import ndimage
from torch import Tensor
from torch_fourier_rescale import fourier_rescale_2d
from torchvision.transforms.v2 import functional as tv

from conformance.images import Values, gaussian, noise, off_centre
from conformance.table import Row
from perc_transforms import FourierCrop, FourierPad, Rescale

SIZES = ((64, 32), (65, 33), (64, 33), (65, 32), (32, 64), (33, 65), (33, 64), (32, 65))
MISPLACED = "`fftshift` and `ifftshift` in each other's place: content moves by [m odd] - [n odd] m / n pixels"
HALF_PIXELS = "outer edges on outer edges: (n // 2 + 1/2) m / n - 1/2 - m // 2 from the centre"
CORNERS = "outermost pixels on outermost pixels: (n // 2) (m - 1) / (n - 1) - m // 2 from the centre"


def rows() -> Iterator[Row]:
    """Centres, gain, the highest frequency, and functions sampled anew."""
    yield from _centres()
    yield from _gains()
    yield from _highest_frequency()
    yield from _band_limited()
    yield from _whole_images()
    yield from _pixel_sizes()
    yield from _asked_pixel_sizes()


def _misplaced(n: int, m: int) -> float:
    """By how many pixels torch-fourier-rescale moves content."""
    return m % 2 - n % 2 * m / n


def _teamtomo(image: Tensor, m: int) -> Tensor:
    result: Tensor = fourier_rescale_2d(image, target_shape=(m, m))[0]
    return result


def _aspire(image: Tensor, m: int) -> Values:
    return np.asarray(Image(image[None].numpy()).downsample(m).asnumpy()[0], np.float64)


def _centres() -> Iterator[Row]:
    what = "where a Gaussian at the centre goes"
    for n, m in SIZES:
        image, case = gaussian(n, n / 16), f"{n} → {m}"
        ours = off_centre(Rescale(m)(image))
        moved = _misplaced(n, m)
        predicted, why = (np.full(2, moved), MISPLACED) if moved else (None, "")
        theirs = off_centre(_teamtomo(image, m))
        yield Row(what, case, ours, theirs, "torch-fourier-rescale", "`fourier_rescale_2d`", predicted, why)
        if m < n:
            yield Row(what, case, ours, off_centre(_aspire(image, m)), "aspire", "`Image.downsample`")
    for n, m in SIZES[:4]:
        image, case = gaussian(n, n / 16), f"{n} → {m}"
        ours = off_centre(Rescale(m)(image))
        predicted = np.full(2, (n // 2 + 0.5) * m / n - 0.5 - m // 2)
        theirs = off_centre(tv.resize(image[None], [m, m], antialias=True)[0])
        yield Row(what, case, ours, theirs, "torchvision", "`resize`", predicted, HALF_PIXELS, 1e-2)
        theirs = off_centre(ndimage.zoom(image.numpy(), m / n, mode="nearest", grid_mode=True))
        yield Row(what, case, ours, theirs, "scipy", "`zoom(grid_mode=True)`", predicted, HALF_PIXELS, 1e-2)
        predicted = np.full(2, (n // 2) * (m - 1) / (n - 1) - m // 2)
        theirs = off_centre(ndimage.zoom(image.numpy(), m / n))
        yield Row(what, case, ours, theirs, "scipy", "`zoom`", predicted, CORNERS, 1e-2)


def _gains() -> Iterator[Row]:
    for n, m in ((64, 32), (33, 64)):
        image, case = noise(n, n) + 3.0, f"{n} → {m}, mean of an image"
        ours = Rescale(m)(image).mean()
        yield Row("gain at DC", case, ours, _teamtomo(image, m).mean(), "torch-fourier-rescale", "`fourier_rescale_2d`")
        theirs = fourier_rescale_2d(image, target_shape=(m, m), preserve_mean=False)[0].mean()
        call = "`fourier_rescale_2d(preserve_mean=False)`"
        why = "the inverse transform divides by m² what n² pixels summed to: (n / m)² times the mean"
        yield Row("gain at DC", case, ours, theirs, "torch-fourier-rescale", call, ours * (n / m) ** 2, why)
        if m < n:
            yield Row("gain at DC", case, ours, _aspire(image, m).mean(), "aspire", "`Image.downsample`")


def _highest_frequency() -> Iterator[Row]:
    what = "amplitude of a cosine at the lower Nyquist frequency"
    for n, m in ((64, 32), (32, 64)):
        wave = torch.cos(math.pi * min(n, m) * (torch.arange(n, dtype=torch.float64) - n // 2) / n)
        for name, image in (("x", wave.expand(n, n)), ("y", wave[:, None].expand(n, n))):
            case = f"{n} → {m}, along {name}"
            ours = Rescale(m)(image).max()
            theirs = _teamtomo(image, m).max()
            predicted, why = None, ""
            if m < n:
                predicted, why = 0.5, "one of the two components ±m/2 is kept: half the amplitude"
            elif name == "x":
                predicted, why = (
                    2.0,
                    "`irfft` counts component n/2, which was its own mirror, twice; along y it does not",
                )
            call = "`fourier_rescale_2d`"
            yield Row(what, case, ours, theirs, "torch-fourier-rescale", call, predicted, why)
            if m < n:
                why = "`zero_nyquist=True`: set to 0"
                yield Row(what, case, ours, _aspire(image, m).max(), "aspire", "`Image.downsample`", 0.0, why)
                theirs = Image(image[None].numpy()).downsample(m, zero_nyquist=False).asnumpy().max()
                why, call = (
                    "one of the two components ±m/2 is kept: half the amplitude",
                    "`downsample(zero_nyquist=False)`",
                )
                yield Row(what, case, ours, theirs, "aspire", call, 0.5, why)


def _function(n: int, m: int, at: Tensor) -> Tensor:
    """A function of every frequency below the lower Nyquist frequency, at some pixels of an axis of n."""
    k = torch.arange((min(n, m) + 1) // 2, dtype=torch.float64)
    phases = torch.linspace(0, 2, len(k), dtype=torch.float64)
    return torch.cos(2 * math.pi * k * (at[:, None] - n // 2) / n + phases).sum(1) / len(k)


def _sampled(n: int, m: int, moved: float = 0.0) -> Tensor:
    """The function at the m places of the new grid, content moved by some of its pixels."""
    line = _function(n, m, n // 2 + (torch.arange(m, dtype=torch.float64) - m // 2 - moved) * n / m)
    return line[:, None] * line


def _band_limited() -> Iterator[Row]:
    what = "a band-limited function, less the function sampled anew"
    for n, m in SIZES:
        line = _function(n, m, torch.arange(n, dtype=torch.float64))
        image, case = line[:, None] * line, f"{n} → {m}, largest error"
        truth = _sampled(n, m)
        ours = (Rescale(m)(image) - truth).abs().max()
        theirs = (_teamtomo(image, m) - truth).abs().max()
        moved = _misplaced(n, m)
        predicted, why = None, ""
        if moved:
            predicted = (_sampled(n, m, moved) - truth).abs().max()
            why = "the function sampled as much beside: " + MISPLACED[0].lower() + MISPLACED[1:]
        yield Row(what, case, ours, theirs, "torch-fourier-rescale", "`fourier_rescale_2d`", predicted, why)
        if m < n:
            theirs = np.abs(_aspire(image, m) - truth.numpy()).max()
            yield Row(what, case, ours, theirs, "aspire", "`Image.downsample`")


def _whole_images() -> Iterator[Row]:
    """Noise, which has every frequency, cropped and padded; without the highest frequencies of even sizes."""
    what = "noise below Nyquist's frequency, resampled"
    for n, m in SIZES:
        image, case = FourierCrop(min(n, m) - 1 + min(n, m) % 2)(noise(min(n, m), min(n, m))), f"{n} → {m}"
        image = FourierPad(n)(image)
        ours = FourierCrop(m)(image) if m < n else FourierPad(m)(image)
        name = "FourierCrop" if m < n else "FourierPad"
        if m < n:
            yield Row(f"{what} by {name}", case, ours, _aspire(image, m), "aspire", "`Image.downsample`")
        if not _misplaced(n, m):
            theirs = _teamtomo(image, m)
            yield Row(f"{what} by {name}", case, ours, theirs, "torch-fourier-rescale", "`fourier_rescale_2d`")


def _asked_pixel_sizes() -> Iterator[Row]:
    what = "pixels, and the pixel size that they have, where one is asked for"
    for n, old, new in ((65, 1.3, 2.0), (64, 1.1, 3.0), (33, 2.0, 1.5)):
        kind = FourierCrop if new > old else FourierPad
        row = kind(pixel_size=new)({"image": noise(n, n), "pixel_size": old})
        theirs, steps = fourier_rescale_2d(noise(n, n), source_spacing=old, target_spacing=new)
        case, call = f"{n} px at {old} Å → {new} Å", "`fourier_rescale_2d`"
        values = (row["image"].shape[-1], row["pixel_size"]), (theirs.shape[-1], steps[1])
        yield Row(what, case, *values, "torch-fourier-rescale", call)


def _pixel_sizes() -> Iterator[Row]:
    what, call = "pixel size afterwards", "`fourier_rescale_2d`"
    for sizes, m in (((65, 65), 32), ((64, 48), 32)):
        image = noise(*sizes)
        _, theirs = fourier_rescale_2d(image, source_spacing=1.5, target_shape=(m, m))
        for stretch in (False, True):
            step = Rescale(m, stretch=stretch)({"image": image, "pixel_size": 1.5})["pixel_size"]
            case = f"{sizes[0]} x {sizes[1]} at 1.5 Å → {m} x {m}, `stretch={stretch}`, along x"
            uneven = sizes[0] != sizes[1] and not stretch
            predicted, why = (
                (theirs[1], "each axis has a step of its own: the image is stretched") if uneven else (None, "")
            )
            yield Row(what, case, step, theirs[1], "torch-fourier-rescale", call, predicted, why)
    size = Image(noise(1, 65, 65).numpy(), pixel_size=1.5).downsample(32).pixel_size
    step = Rescale(32)({"image": noise(65, 65), "pixel_size": 1.5})["pixel_size"]
    yield Row(what, "65 x 65 at 1.5 Å → 32 x 32", step, size, "aspire", "`Image.downsample`")
