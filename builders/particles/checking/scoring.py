"""How well projections fit images, whatever their radial scale: in Fourier space, shell by shell."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from perc_transforms import functional as F
from perc_transforms.functional.grids import frequencies, half_counts, spatial_frequency

_SIDE = 96
"""Pixels of a side that are compared at most: finer detail is noise in single images."""


@dataclass(frozen=True)
class Band:
    """The Fourier components of images that are compared: shells from 1 up to the highest.

    Attributes:
        side: pixels of a side of the images that are compared.
        pixel_size: their Å.
        places: of the components in a flattened half spectrum, `(F,)`.
        shell: of each component, from 0, `(F,)`.
        counts: how often real and imaginary parts count in each shell, `(2 F, S)`.
        frequency: (x, y) of each, cycles a pixel, `(F, 2)`.
    """

    side: int
    pixel_size: float
    places: Tensor
    shell: Tensor
    counts: Tensor
    frequency: Tensor

    @classmethod
    def of(cls, box: int, pixel_size: float, finest: float = 0.0) -> "Band":
        """That of images of some box and pixel size.

        Args:
            box: pixels of a side.
            pixel_size: Å.
            finest: Å; what is finer is not compared.
        """
        side = min(box, _SIDE)
        like = torch.zeros(1)
        extent = box * pixel_size
        highest = max(2, min(side // 2 - 1, math.floor(extent / finest) if finest else side))
        shell = (spatial_frequency((side, side), like) * side).round().long().flatten()
        places = ((shell >= 1) & (shell <= highest)).nonzero()[:, 0]
        counts = half_counts(side, like).expand(side, -1).flatten()[places].float()
        y, x = frequencies((side, side), like)
        frequency = torch.stack([x.expand(side, -1), y[:, None].expand(-1, len(x))], -1).view(-1, 2)[places]
        shell = shell[places] - 1
        weights = torch.nn.functional.one_hot(shell, highest).float() * counts[:, None]
        return cls(side, extent / side, places, shell, weights.repeat_interleave(2, 0), frequency)

    def of_spectra(self, spectra: Tensor) -> Tensor:
        """The components of half spectra `(N, side, side // 2 + 1)`: `(N, F)`."""
        return spectra.flatten(1)[:, self.places]

    def of_images(self, images: Tensor) -> Tensor:
        """Those of images, of which no shell has more power than another, on average.

        Nothing is masked: a mask would blur the CTF, by which conventions are told apart.
        """
        small = F.rescale(images, (self.side,) * 2, spatial_dims=2)
        found = self.of_spectra(torch.fft.rfftn(small - small.mean((-2, -1), keepdim=True), dim=(-2, -1)))
        power = (self.power(found).mean(0) / self.counts.sum(0)).clamp(min=1e-30)
        return found * power.rsqrt()[self.shell]

    def phases(self, shifts: Tensor) -> Tensor:
        """What moves content by some of the band's pixels, `(N, 2)`: complex, `(N, F)`."""
        turns = -2 * math.pi * (shifts @ self.frequency.T)
        return torch.polar(torch.ones_like(turns), turns).to(torch.complex64)

    def power(self, values: Tensor) -> Tensor:
        """Power of components by shell, `(N, S)`."""
        return self.product(values, values)

    def product(self, values: Tensor, others: Tensor) -> Tensor:
        """Real part of the products of components with others' conjugates, by shell, `(N, S)`."""
        return (torch.view_as_real(values) * torch.view_as_real(others)).flatten(1) @ self.counts

    def images(self, values: Tensor) -> Tensor:
        """Images of components."""
        spectra = torch.zeros(len(values), self.side * (self.side // 2 + 1), dtype=values.dtype)
        spectra[:, self.places] = values
        images: Tensor = torch.fft.irfftn(spectra.view(len(values), self.side, -1), s=(self.side,) * 2, dim=(-2, -1))
        return images


def gains(products: Tensor, powers: Tensor, sign: float, bound: int | None = None) -> Tensor:
    """The scale of each shell at which templates fit best, `(S,)`.

    Args:
        products: of images and templates, by shell, `(N, S)`.
        powers: of templates, by shell, `(N, S)`.
        sign: of the contrast, 1 or -1.
        bound: how many shells, from the first, have to have that sign, or 0; None: all.
    """
    fitted = sign * products.sum(0) / powers.sum(0).clamp(min=1e-30)
    return sign * torch.cat([fitted[:bound].clamp(min=0.0), fitted[len(fitted) if bound is None else bound :]])


def correlations(
    products: Tensor, powers: Tensor, power_of_images: Tensor, sign: float, bound: int | None = None
) -> Tensor:
    """The correlation of each image with its template, `(N,)`.

    The scale of each shell, which neither a table nor a map tells, is that which fits the other half of the images, so
    that no convention gains by being fitted.

    Args:
        products: as of `gains`, and so are powers, sign and bound.
        powers: of templates.
        power_of_images: `(N,)`.
        sign: of the contrast.
        bound: how many shells have it.
    """
    scores = torch.zeros(len(products))
    for start in (0, 1):
        scale = gains(products[1 - start :: 2], powers[1 - start :: 2], sign, bound)
        power = (powers[start::2] @ scale.square()) * power_of_images[start::2]
        scores[start::2] = (products[start::2] @ scale) * power.clamp(min=1e-30).rsqrt()
    return scores


def surplus(better: Tensor, worse: Tensor | float = 0.0) -> float:
    """By how many standard errors scores are better than others of the same images."""
    difference = better - worse
    error = difference.std() / math.sqrt(len(difference))
    mean = float(difference.mean())
    return mean / float(error) if error > 1e-12 else math.copysign(math.inf, mean) if mean else 0.0
