"""Transforms of pixel values where they are.

From outside: the classes, by `perc_transforms`; of those of `normalization`, also from here, where they were in 0.1.
"""

from perc_transforms.intensity.normalization import InvertContrast, MinMax, Normalize, PercentileClip

__all__ = ["InvertContrast", "MinMax", "Normalize", "PercentileClip"]
