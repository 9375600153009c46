"""OME-Zarr 0.4 and 0.5: the levels of a pyramid, each an array of Zarr, with their pixel sizes and where they lie.

`levels` reads them and `of_pixel_size` picks one; `axes.py` says what the metadata mean, https://ngff.openmicroscopy.org.
"""

from builders.io.multiscale.levels import Level, levels, of_pixel_size

__all__ = ["Level", "levels", "of_pixel_size"]
