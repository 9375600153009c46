"""How close images come to the one that they should be."""

import torch
from torch import Tensor


def psnr(images: Tensor, clean: Tensor) -> float:
    """Peak signal to noise ratio in dB, the mean of all images; the peak is the range of each clean one.

    Args:
        images: `(images, ny, nx)`.
        clean: what they should be.
    """
    spread = clean.amax((1, 2)) - clean.amin((1, 2))
    errors = (images - clean).square().mean((1, 2))
    return float((10 * (spread.square() / errors).log10()).mean())


def ring_correlation(images: Tensor, clean: Tensor) -> Tensor:
    """Fourier ring correlation of images with what they should be, over all images.

    Args:
        images: `(images, n, n)`.
        clean: the same.

    Returns:
        `(n // 2,)`, of the frequencies 0 (which says nothing: means do not count), 1 / n, 2 / n, ... of a pixel.
    """
    n = images.shape[-1]
    some, others = (torch.fft.rfft2(stack - stack.mean((1, 2), keepdim=True)) for stack in (images, clean))
    radii = torch.hypot(torch.fft.fftfreq(n)[:, None] * n, torch.arange(n // 2 + 1.0)[None]).round().long().flatten()
    sums = [
        torch.zeros(int(radii.max()) + 1, dtype=torch.float64).index_add_(0, radii, product.sum(0).flatten().double())
        for product in ((some * others.conj()).real, some.abs().square(), others.abs().square())
    ]
    return (sums[0] / (sums[1] * sums[2]).sqrt().clamp(min=1e-12))[: n // 2]
