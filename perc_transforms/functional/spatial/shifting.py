"""Moving images by fractions of a pixel."""

from torch import Tensor

from perc_transforms.functional.grids import filtered, shift_phases


def fourier_shift(x: Tensor, by: Tensor, *, spatial_dims: int) -> Tensor:
    """Move the content of images by `+d` pixels, each by its own; what leaves on one side enters on the other.

    The spectrum is multiplied by `exp(-2 pi i k d)` along each axis, k in cycles a pixel, but by `cos(pi d)` at the
    Nyquist frequency of an even side, so that the result is real. By whole pixels it is `torch.roll`.

    Args:
        x: `(rows, ..., ny, nx)` or `(rows, ..., nz, ny, nx)`.
        by: `(rows, spatial_dims)`, in pixels, in the order (x, y) or (x, y, z).
        spatial_dims: 2 or 3.

    Example:
        >>> import torch
        >>> x = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]])
        >>> fourier_shift(x, torch.tensor([[1.0, 0.0]]), spatial_dims=2).round(decimals=4)
        tensor([[[4., 1., 2., 3.]]])
    """
    sizes = tuple(x.shape[-spatial_dims:])
    phases = shift_phases(sizes, by, x)
    leading = [1] * (x.ndim - 1 - spatial_dims)
    return filtered(x, phases.view(len(by), *leading, *phases.shape[1:]), spatial_dims=spatial_dims)
