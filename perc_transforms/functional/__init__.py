"""The maths of the transforms: pure functions of tensors.

Images are `(..., ny, nx)` (`spatial_dims=2`) or `(..., nz, ny, nx)` (`spatial_dims=3`), float32 or float64, on any
device; leading axes are independent images. The centre of an axis of n pixels is pixel `n // 2`. Nothing here
changes its input, and gradients flow.
"""

from perc_transforms.functional.blur import gaussian_blur
from perc_transforms.functional.resampling import rescale, rescale_steps
from perc_transforms.functional.statistics import minmax, normalize

__all__ = ["gaussian_blur", "minmax", "normalize", "rescale", "rescale_steps"]
