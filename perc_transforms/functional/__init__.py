"""The maths of the transforms: pure functions of tensors.

Images are `(..., ny, nx)` (`spatial_dims=2`) or `(..., nz, ny, nx)` (`spatial_dims=3`), float32 or float64, on any
device; leading axes are independent images. The centre of an axis of n pixels is pixel `n // 2`. Nothing here
changes its input, and gradients flow. `torch.compile` makes one graph of each (`fullgraph=True`), but for `soft_mask`,
`whiten`, `invert_contrast(mode="auto")`, `add_noise(spectrum=...)`, `hot_pixels`, `fill_from_neighbours`,
`gain_defects`, `rotate_volume`, `pick_map`, `gaussian_blur` with a tensor of widths, `project` with a cutoff and
`shot_noise`, which need a value of the data and break it.
"""

from perc_transforms.functional.fourier.blur import gaussian_blur
from perc_transforms.functional.fourier.ctf import (
    ctf,
    electron_wavelength,
    interaction_constant,
    phase_flip,
    wiener_filter,
)
from perc_transforms.functional.fourier.dose import critical_dose, dose_weighted, dose_weights
from perc_transforms.functional.fourier.envelope import envelope
from perc_transforms.functional.fourier.filters import bandpass, filter_rows, highpass, lowpass, whiten
from perc_transforms.functional.fourier.projection import central_slices, project
from perc_transforms.functional.fourier.volume_transform import VolumeTransform, volume_transform
from perc_transforms.functional.fourier.wedge import missing_wedge
from perc_transforms.functional.intensity.background import normalize_background
from perc_transforms.functional.intensity.erasing import cutout
from perc_transforms.functional.intensity.gain import GainDefects, gain_defects, gain_factors
from perc_transforms.functional.intensity.hot_pixels import fill_from_neighbours, hot_pixels
from perc_transforms.functional.intensity.masks import soft_mask
from perc_transforms.functional.intensity.noise import add_noise, coloured, noise_std
from perc_transforms.functional.intensity.shot_noise import poisson_counts, shot_noise
from perc_transforms.functional.intensity.statistics import invert_contrast, minmax, normalize, percentile_clip
from perc_transforms.functional.spatial.cropping import center_crop, crop, pad, pad_with_noise
from perc_transforms.functional.spatial.euler import angles_of, matrices_of
from perc_transforms.functional.spatial.orientation import orient, quarter_turns
from perc_transforms.functional.spatial.pick_map import pick_map
from perc_transforms.functional.spatial.resampling import rescale, rescale_steps
from perc_transforms.functional.spatial.rotation import rotate
from perc_transforms.functional.spatial.shifting import fourier_shift
from perc_transforms.functional.spatial.turned_boxes import rotate_volume

__all__ = [
    "GainDefects",
    "VolumeTransform",
    "add_noise",
    "angles_of",
    "bandpass",
    "center_crop",
    "central_slices",
    "coloured",
    "critical_dose",
    "crop",
    "ctf",
    "cutout",
    "dose_weighted",
    "dose_weights",
    "electron_wavelength",
    "envelope",
    "fill_from_neighbours",
    "filter_rows",
    "fourier_shift",
    "gain_defects",
    "gain_factors",
    "gaussian_blur",
    "highpass",
    "hot_pixels",
    "interaction_constant",
    "invert_contrast",
    "lowpass",
    "matrices_of",
    "minmax",
    "missing_wedge",
    "noise_std",
    "normalize",
    "normalize_background",
    "orient",
    "pad",
    "pad_with_noise",
    "percentile_clip",
    "phase_flip",
    "pick_map",
    "poisson_counts",
    "project",
    "quarter_turns",
    "rescale",
    "rescale_steps",
    "rotate",
    "rotate_volume",
    "shot_noise",
    "soft_mask",
    "volume_transform",
    "whiten",
    "wiener_filter",
]
