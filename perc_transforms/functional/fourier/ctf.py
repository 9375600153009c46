"""The contrast transfer function of the electron microscope."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from perc_transforms.functional.grids import frequencies

_MM = 1e7
"""Å in a millimetre."""
_REST = 510.99895
"""Energy of an electron at rest, m0 c^2, in keV."""


def electron_wavelength(voltage: float | Tensor) -> Tensor:
    """Wavelength in Å of electrons of some kV: `12.2643247 / sqrt(V (1 + 0.978466e-6 V))`, V in volts, as in RELION.

    Example:
        >>> electron_wavelength(300.0)
        tensor(0.0197, dtype=torch.float64)
    """
    volts = 1000 * torch.as_tensor(voltage, dtype=torch.float64)
    return 12.2643247 / (volts * (1 + 0.978466e-6 * volts)).sqrt()


def interaction_constant(voltage: float | Tensor) -> Tensor:
    """By what a projected potential in V Å is multiplied for the phase shift in radians: `2 pi m e lambda / h^2`.

    m is the electron's relativistic mass: `2 pi / (lambda V) (m0 c^2 + e V) / (2 m0 c^2 + e V)`. Kirkland, "Advanced
    Computing in Electron Microscopy", equation 5.6.

    Args:
        voltage: in kV.

    Returns:
        In rad / (V Å), float64.

    Example:
        >>> interaction_constant(torch.tensor([200.0, 300.0]))
        tensor([0.0007, 0.0007], dtype=torch.float64)
    """
    kilovolts = torch.as_tensor(voltage, dtype=torch.float64)
    relativistic = (_REST + kilovolts) / (2 * _REST + kilovolts)
    return 2 * math.pi * relativistic / (1000 * kilovolts * electron_wavelength(kilovolts))


def ctf(
    sizes: Sequence[int],
    *,
    pixel_size: float | Tensor,
    defocus_u: float | Tensor,
    defocus_v: float | Tensor | None = None,
    defocus_angle: float | Tensor = 0.0,
    voltage: float | Tensor,
    spherical_aberration: float | Tensor,
    amplitude_contrast: float | Tensor,
    phase_shift: float | Tensor = 0.0,
    like: Tensor,
) -> Tensor:
    """The CTF of images of `sizes` (ny, nx), as `rfftn` orders it: `(ny, nx // 2 + 1)`, or `(rows, ny, nx // 2 + 1)`.

    `-sin(-pi lambda df k^2 + pi/2 Cs lambda^3 k^4 - phase_shift - atan(Q0 / sqrt(1 - Q0^2)))` with
    `df = 1/2 [U + V + (U - V) cos 2(theta - defocus_angle)]`, theta being the angle of (kx, ky) from x towards y. So
    underfocus is positive, and the CTF is +Q0 at DC. RELION's `CTF::getCTF` (`ctf.h`); cryoDRGN's is minus this.

    At the Nyquist frequency of an even side, where +1/2 and -1/2 cycles a pixel are one component, row ny / 2 is that
    of +1/2, as in RELION's FFTW format (of square images); column nx / 2 is the mean of rows +ky and -ky, which
    differ with astigmatism: the inverse FFT of a real image makes that of RELION's. Phases are computed in float64
    and reduced to one turn before they are given the precision of `like`.

    Args:
        sizes: pixels, `(ny, nx)`.
        pixel_size: in Å. This and all other parameters: a number, or a tensor `(rows,)`.
        defocus_u: in Å.
        defocus_v: in Å; default: that of `defocus_u`.
        defocus_angle: of U from x, in degrees.
        voltage: in kV.
        spherical_aberration: Cs, in mm.
        amplitude_contrast: Q0, from 0 to 1.
        phase_shift: of a phase plate, in degrees.
        like: a tensor of the dtype and device of the result.

    Example:
        >>> options = {"voltage": 300.0, "spherical_aberration": 2.7, "amplitude_contrast": 0.1}
        >>> ctf((2, 4), pixel_size=1.0, defocus_u=15000.0, like=torch.zeros(1), **options)[0, 0]
        tensor(0.1000)
    """
    defocus = (defocus_u, defocus_u if defocus_v is None else defocus_v, defocus_angle)
    given = (pixel_size, *defocus, voltage, spherical_aberration, amplitude_contrast, phase_shift)
    numbers = (torch.as_tensor(value, dtype=torch.float64, device=like.device) for value in given)
    size, u, v, angle, kilovolts, aberration, contrast, shift = torch.broadcast_tensors(*numbers)  # type: ignore[no-untyped-call]

    wavelength = electron_wavelength(kilovolts)
    mean = 0.25 * wavelength * (u + v) / size**2
    difference = 0.25 * wavelength * (u - v) / size**2
    quartic = -0.25 * _MM * aberration * wavelength**3 / size**4
    cosine, sine = (2 * torch.deg2rad(angle)).cos(), (2 * torch.deg2rad(angle)).sin()
    at_dc = shift / 360 + torch.asin(contrast) / (2 * math.pi)

    y, x = frequencies(sizes, like)
    y = torch.where(y == -0.5, -y, y)
    mean, difference, quartic, cosine, sine, at_dc = (
        value[..., None] for value in (mean, difference, quartic, cosine, sine, at_dc)
    )
    # turns = sum_p c_p(y) x^p, a product of matrices: many times faster than summing whole images term by term
    powers = [
        at_dc + (mean - difference * cosine) * y**2 + quartic * y**4,
        2 * difference * sine * y,
        mean + difference * cosine + 2 * quartic * y**2,
        quartic.expand(*quartic.shape[:-1], len(y)),
    ]
    turns = torch.stack(powers, -1) @ torch.stack([x**0, x, x**2, x**4])
    return _symmetric(turns.frac_().to(like.dtype).mul_(2 * math.pi).sin_(), sizes)


def _symmetric(values: Tensor, sizes: Sequence[int]) -> Tensor:
    """Give the components +ky and -ky of column nx / 2, which are each other's conjugate, their mean."""
    if sizes[1] % 2 == 0:
        column = values[..., -1].clone()
        values[..., -1] = 0.5 * (column + column.flip(-1).roll(1, -1))
    return values


def phase_flip(values: Tensor) -> Tensor:
    """-1 where the values of a CTF are negative, else +1.

    Example:
        >>> phase_flip(torch.tensor([-0.5, 0.0, 0.5]))
        tensor([-1.,  1.,  1.])
    """
    return torch.where(values < 0, -1.0, 1.0).to(values.dtype)


def wiener_filter(values: Tensor, *, constant: float) -> Tensor:
    """`CTF / (CTF^2 + constant)` of the values of a CTF: undoes it; `constant` is noise over signal.

    Example:
        >>> wiener_filter(torch.tensor([-0.5, 0.0, 0.5]), constant=0.25)
        tensor([-1.,  0.,  1.])
    """
    return values / (values.square() + constant)
