"""How amplitudes fade with frequency."""

from collections.abc import Sequence

import torch
from torch import Tensor

from perc_transforms.functional.grids import spatial_frequency


def envelope(sizes: Sequence[int], *, pixel_size: float | Tensor, b_factor: float | Tensor, like: Tensor) -> Tensor:
    """The envelope `exp(-B k^2 / 4)`, k in 1/Å, as `rfftn` orders it: `(ny, nx // 2 + 1)`, or `(rows, ...)` of such.

    It multiplies amplitudes, so that power fades by `exp(-B k^2 / 2)`: RELION's and Rosenthal & Henderson's (2003) B.

    Args:
        sizes: pixels, `(ny, nx)` or `(nz, ny, nx)`.
        pixel_size: in Å. This and `b_factor`: a number, or a tensor `(rows,)`.
        b_factor: B, in Å^2; below 0 it sharpens.
        like: a tensor of the dtype and device of the result.

    Example:
        >>> envelope((1, 4), pixel_size=2.0, b_factor=64.0, like=torch.zeros(1))
        tensor([[1.0000, 0.7788, 0.3679]])
    """
    given = (torch.as_tensor(value, dtype=torch.float64, device=like.device) for value in (pixel_size, b_factor))
    size, b = torch.broadcast_tensors(*given)  # type: ignore[no-untyped-call]
    rate = (-0.25 * b / size.square()).reshape(*size.shape, *[1] * len(sizes))
    return torch.exp(rate * spatial_frequency(sizes, like).square()).to(like.dtype)
