"""How a microscope makes images of potential: what makers of every unit have in common.

Volumes are made ones of contrast first (`contrast_of`), so that what is projected through them is the contrast of a
thin object in the weak-phase approximation, I / I0 - 1 before the CTF; `transfer` is what its spectrum is then
multiplied by, and `recorded` adds noise. Kirkland, "Advanced Computing in Electron Microscopy", chapters 3 and 5.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from builders.errors import OptionError
from builders.io.made.draws import Indices
from builders.io.made.electrons import counts, white
from builders.io.made.recipe import Recipe
from perc_transforms.functional import ctf, interaction_constant
from perc_transforms.functional.grids import half_counts, spatial_frequency


def contrast_of(recipe: Recipe, volume: Tensor) -> Tensor:
    """A volume whose projections, sums over voxels, are twice the phase shift: the contrast before the CTF.

    Args:
        recipe: of which `voltage` and `pixel_size` are used.
        volume: V, voxels of the recipe's pixel size.
    """
    return volume * (2 * float(interaction_constant(recipe.optics.voltage)) * recipe.pixel_size)


def transfer(
    recipe: Recipe,
    sizes: Sequence[int],
    optics: "Mapping[str, NDArray[np.floating] | Tensor]",
    like: Tensor,
    pixel_size: float | None = None,
) -> Tensor:
    """What the spectra of contrast are multiplied by: CTF times envelope, negative for dark images.

    Args:
        recipe: of which `contrast` and the envelope's `b_factor` are used.
        sizes: pixels `(ny, nx)` of images.
        optics: of images: `builders.io.made.views.OPTICS`, each `(rows,)`.
        like: a tensor of the precision and device of the result.
        pixel_size: Å; None: the recipe's.

    Returns:
        `(rows, ny, nx // 2 + 1)`, as `rfftn` orders it.
    """
    values = {name: torch.as_tensor(numbers) for name, numbers in optics.items()}
    pixel = recipe.pixel_size if pixel_size is None else pixel_size
    made = ctf(sizes, pixel_size=pixel, like=like, **values)
    sign = -1.0 if recipe.contrast == "dark" else 1.0
    if recipe.optics.b_factor == 0:
        return made.neg_() if sign < 0 else made
    squares = (spatial_frequency(sizes, like) / pixel).square()
    return made.mul_((sign * (-recipe.optics.b_factor / 4 * squares).exp()).to(made))


class Recorded(NamedTuple):
    """Images as a detector has them.

    Attributes:
        image: `(rows, ny, nx)`, with noise.
        clean: as many without any, on the same scale: contrast, or with a dose the expected counts.
    """

    image: Tensor
    clean: Tensor


def recorded(
    contrast: Tensor,
    seed: int,
    indices: Indices,
    *,
    snr: "NDArray[np.floating] | None" = None,
    electrons: float | None = None,
    ice: "tuple[Tensor, Tensor] | None" = None,
    purpose: str = "",
) -> Recorded:
    """What a detector records of contrast: with `snr` or `electrons`, or without noise.

    With `snr`, Gaussian white noise is added, of so much variance that the contrast's variance over the image is `snr`
    times the expected one of all noise, that of the ice included. With `electrons`, pixels are counts of Poisson's
    distribution about `electrons * (1 + contrast + ice)`.

    Args:
        contrast: `(rows, ny, nx)`, of I / I0 - 1, without noise. It may be changed.
        seed: of the recipe.
        indices: of rows; tilts or frames of one row need a purpose of their own each.
        snr: `(rows,)`.
        electrons: how many a pixel: dose times the pixel's area.
        ice: variances `(rows,)` of white noise that the CTF goes over, too, and `transfer`.
        purpose: tells images of one row apart.

    Raises:
        OptionError: there is more noise in the ice than `snr` leaves.
    """
    variance = _variance(contrast.flatten(1))
    of_ice, carried = None, torch.zeros_like(variance)
    if ice is not None:
        of_ice = through_ice(*ice, tuple(contrast.shape[1:]), seed, indices, purpose)
        carried = ice[0] * mean_square(ice[1], contrast.shape[-1])
    if electrons is not None:
        clean = electrons * (1 + contrast)
        mean = clean if of_ice is None else clean + electrons * of_ice
        return Recorded(counts(mean, seed, f"electrons{purpose}", indices), clean)
    if snr is None:
        return Recorded(contrast if of_ice is None else contrast + of_ice, contrast)
    left = variance / torch.as_tensor(snr).to(variance) - carried
    if bool((left < 0).any()):
        row = int(left.argmin())
        most = float(variance[row] / carried[row])
        msg = f"row {int(indices[row])}: snr={float(snr[row]):.4g} with ice_snr: the ice alone makes it {most:.4g}: "
        msg += "expected a lower snr or a higher ice_snr"
        raise OptionError(msg)
    image = white(seed, f"shot{purpose}", indices, tuple(contrast.shape[1:]))
    image.mul_(left.sqrt()[:, None, None]).add_(contrast)
    return Recorded(image if of_ice is None else image.add_(of_ice), contrast)


def through_ice(
    variance: Tensor, transfer: Tensor, sizes: tuple[int, ...], seed: int, indices: Indices, purpose: str = ""
) -> Tensor:
    """White noise of some variance `(rows,)` as images of it are: the spectrum multiplied by `transfer`."""
    noise = white(seed, f"ice{purpose}", indices, sizes).mul_(variance.sqrt()[:, None, None])
    spectrum = torch.fft.rfft2(noise)
    torch.view_as_real(spectrum).mul_(transfer[..., None])
    carried: Tensor = torch.fft.irfft2(spectrum, s=sizes)
    return carried


def variance_of(spectra: Tensor, nx: int) -> Tensor:
    """Variances of images over their pixels, given their spectra: `(rows,)`.

    Args:
        spectra: complex `(rows, ny, nx // 2 + 1)`, as `rfftn` gives them.
        nx: pixels along x.
    """
    power = torch.view_as_real(spectra).square().sum(-1)
    power[:, 0, 0] = 0
    total: Tensor = (power @ half_counts(nx, power).to(power)).sum(-1)
    return total / (spectra.shape[-2] * nx) ** 2


def _variance(rows: Tensor) -> Tensor:
    """That of each row: what `var(correction=0)` gives, in a twentieth of its time."""
    apart = rows - rows.mean(-1, keepdim=True)
    variance: Tensor = torch.linalg.vecdot(apart, apart) / rows.shape[-1]
    return variance


def mean_square(transfer: Tensor, nx: int) -> Tensor:
    """The mean of its squares over all components: how much of white noise's variance it leaves, `(rows,)`."""
    total: Tensor = (transfer.square() @ half_counts(nx, transfer).to(transfer)).sum(-1)
    return total / (transfer.shape[-2] * nx)
