"""The kernels that spectra are interpolated by: what they weigh samples by, and what they do to content."""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from perc_transforms.functional.axes import without_autocast

ROW = 8
"""Samples of a row, which are read as one; the next begins so much later that neighbours are in one row."""


@dataclass(frozen=True)
class Kernel:
    """What interpolation weighs samples by: polynomials of the place among them.

    Attributes:
        factors: of 1, t, t^2, ...: those of the weights of each sample, the first of which is at -1.
        nearest: whether t is counted from the nearest sample, and not from the one below.
    """

    factors: tuple[tuple[float, ...], ...]
    nearest: bool

    @property
    def step(self) -> int:
        """How many samples after a row the next one begins."""
        return ROW - len(self.factors[0]) + 1

    def transform(self, frequencies: Tensor) -> Tensor:
        """The kernel's own transform at frequencies in cycles a sample: what interpolation multiplies content by."""
        t = (torch.arange(_QUADRATURE, dtype=torch.float64) + 0.5) / _QUADRATURE - (0.5 if self.nearest else 0.0)
        weights = (
            torch.stack([t**power for power in range(len(self.factors))], -1) @ torch.tensor(self.factors).double()
        )
        places = t[:, None] - torch.arange(-1, weights.shape[1] - 1)
        turns = 2 * math.pi * frequencies.double().cpu()[:, None] * places.flatten()
        return (turns.cos() @ weights.flatten() / _QUADRATURE).to(frequencies)


COLUMNS = 4
"""The most samples that a kernel weighs along an axis."""
_QUADRATURE = 1000
"""Places between two samples at which a kernel is looked at."""
KERNELS = {
    # the Kaiser-Bessel function I0(6.75 sqrt(1 - (2 u / 3)^2)) / I0(6.75), by polynomials
    3: Kernel(
        (
            (0.209402, 0.999877, 0.209402),
            (-0.754246, 0.0, 0.754246),
            (0.709444, -1.37501, 0.709444),
            (0.242133, 0.0, -0.242133),
            (-0.521787, 0.720073, -0.521787),
        ),
        nearest=True,
    ),
    # a cubic B-spline
    4: Kernel(
        ((1 / 6, 4 / 6, 1 / 6, 0.0), (-0.5, 0.0, 0.5, 0.0), (0.5, -1.0, 0.5, 0.0), (-1 / 6, 0.5, -0.5, 1 / 6)),
        nearest=False,
    ),
}


def powers_of(t: Tensor, count: int) -> Tensor:
    """1, t, t^2, ... along a new first axis."""
    powers = [torch.ones_like(t), t]
    for _ in range(count - 2):
        powers.append(powers[-1] * t)
    return torch.stack(powers)


def weights_of(powers: Tensor, kernel: Kernel, *, each: int = 1, whole: int = 1) -> Tensor:
    """What a kernel weighs samples by at places t.

    Args:
        powers: of t, `(degrees, P)`.
        kernel: which.
        each: how often the weight of each sample stands there.
        whole: how often all of them do.

    Returns:
        `(P, columns)`, of which the first `taps * each * whole` are weights and the others 0: 4 of them, or 16.
    """
    dtype, device = powers.dtype, powers.device
    if torch.compiler.is_compiling():
        return (powers[..., None] * _factors(kernel, each, whole, dtype, device)[:, None]).sum(0)
    factors = _factors_kept(kernel, each, whole, dtype, device)
    if device.type != "cpu" or torch.get_float32_matmul_precision() != "highest":  # products may be coarse
        return (powers[..., None] * factors[:, None]).sum(0)
    with without_autocast("cpu"):
        if each * whole > 1:
            return powers.T @ factors  # many times faster than sums of products, and with 16 columns than with 9
        four = factors.T @ powers
    two = torch.complex(four[0], four[1]), torch.complex(four[2], four[3])  # so that pairs are moved as one
    return torch.view_as_real(torch.stack(two, -1)).flatten(1)


def _factors(kernel: Kernel, each: int, whole: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    factors = torch.tensor(kernel.factors, dtype=dtype, device=device)
    factors = factors.repeat_interleave(each, 1).repeat(1, whole)
    return torch.nn.functional.pad(factors, (0, (COLUMNS if each * whole == 1 else COLUMNS**2) - factors.shape[1]))


_factors_kept = functools.lru_cache(maxsize=16)(torch.inference_mode(False)(_factors))
