"""Weighting the frames of movies by the dose that the specimen has seen."""

from collections.abc import Sequence

import torch
from torch import Tensor

from perc_transforms.functional.grids import multiply, spatial_frequency

DAMAGE = {300: 1.0, 200: 0.8, 100: 0.64}
"""Voltages in kV, and the critical dose at each as a share of that at 300 kV."""


def critical_dose(frequency: Tensor, *, voltage: float = 300.0) -> Tensor:
    """Dose in e/Å^2 at which the power of a frequency k in 1/Å has faded to 1/e: `0.245 k^-1.665 + 2.81`.

    That is at 300 kV; at 200 kV it is 0.8, at 100 kV 0.64 of it. Infinite at DC.

    Example:
        >>> critical_dose(torch.tensor([0.0, 0.1, 0.3]))
        tensor([    inf, 14.1383,  4.6287])
    """
    return DAMAGE[round(voltage)] * (0.245 * frequency**-1.665 + 2.81)


def dose_weights(
    sizes: Sequence[int],
    doses: Sequence[float],
    *,
    pixel_size: float,
    voltage: float = 300.0,
    restore_noise: bool = True,
    like: Tensor,
) -> Tensor:
    """Weights `(frames, ny, nx // 2 + 1)` of frames that end at some doses: `exp(-dose / (2 Ne))`.

    With `restore_noise`, divided by the square root of the sum of the squares of all frames' weights, which makes the
    noise of the sum white again. Then only the doses after the first frame matter: what came before fades all alike.

    Example:
        >>> dose_weights((1, 2), [1.0, 1.0], pixel_size=1.0, like=torch.zeros(1)).squeeze()
        tensor([[0.7071, 0.7071],
                [0.7071, 0.7071]])
    """
    dose = torch.tensor(doses, dtype=torch.float64)
    if restore_noise:
        dose = dose - dose[0]  # since the first frame, so that not all weights can become 0
    rate = -0.5 / critical_dose(spatial_frequency(sizes, like) / pixel_size, voltage=voltage)
    weights = torch.exp(dose.to(like).view(-1, 1, 1) * rate.to(like.dtype))
    return weights.div_(torch.linalg.vector_norm(weights, dim=0)) if restore_noise else weights


def dose_weighted(x: Tensor, weights: Tensor, *, sum_frames: bool = True) -> Tensor:
    """Movies `(..., frames, ny, nx)` with the spectra of their frames weighted, and summed to `(..., ny, nx)`.

    Args:
        x: movies.
        weights: `(..., frames, ny, nx // 2 + 1)`, of `dose_weights`.
        sum_frames: False: give the weighted frames instead.

    Example:
        >>> x = torch.ones(4, 8, 8)
        >>> dose_weighted(x, dose_weights((8, 8), [1.0, 2.0, 3.0, 4.0], pixel_size=1.0, like=x)).mean()
        tensor(2.)
    """
    spectrum = multiply(torch.fft.rfftn(x, dim=(-2, -1)), weights)
    if sum_frames:
        spectrum = spectrum.sum(-3)
    y: Tensor = torch.fft.irfftn(spectrum, s=x.shape[-2:], dim=(-2, -1))
    return y
