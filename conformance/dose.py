"""Weights of a movie's frames by dose."""

from collections.abc import Iterator

import numpy as np
import torch
from torch_fourier_filter import dose_weight

from conformance.images import noise
from conformance.table import Row
from perc_transforms import DoseWeight
from perc_transforms.functional.fourier.dose import critical_dose


def rows() -> Iterator[Row]:
    """Critical dose, single weights, and whole movies at each voltage."""
    frequencies = torch.tensor([0.05, 0.1, 0.2, 0.4], dtype=torch.float64)
    ours, theirs = critical_dose(frequencies), dose_weight.critical_exposure(frequencies)
    package, case = "torch-fourier-filter", "k = 0.05, 0.1, 0.2, 0.4 1/Å at 300 kV"
    yield Row("critical dose Ne, e/Å²", case, ours, theirs, package, "`critical_exposure`")
    movie = noise(5, 32, 33)
    for voltage in (300.0, 200.0, 100.0):
        for pre_dose in (0.0, 4.0):
            yield from _movies(movie, voltage, pre_dose)
    yield from _points()


def _movies(movie: torch.Tensor, voltage: float, pre_dose: float) -> Iterator[Row]:
    ours = DoseWeight(1.5, pre_dose=pre_dose, sum_frames=False, voltage=voltage)({"image": movie, "pixel_size": 1.2})
    theirs = _teamtomo(movie, voltage, pre_dose)
    case = f"5 x 32 x 33 at 1.2 Å, 1.5 e/Å² a frame after {pre_dose:.0f}, {voltage:.0f} kV"
    package = "torch-fourier-filter"
    yield Row("a weighted movie", case, ours["image"], theirs, package, "`dose_weight_movie`")
    summed = DoseWeight(1.5, pre_dose=pre_dose, voltage=voltage)({"image": movie, "pixel_size": 1.2})["image"]
    yield Row("its sum", case, summed, theirs.sum(0), package, "`dose_weight_movie`, summed")


def _teamtomo(movie: torch.Tensor, voltage: float, pre_dose: float) -> torch.Tensor:
    sizes = (movie.shape[-2], movie.shape[-1])
    weighted = dose_weight.dose_weight_movie(
        torch.fft.rfft2(movie),
        sizes,
        pixel_size=1.2,
        pre_exposure=pre_dose,
        dose_per_frame=1.5,
        voltage=voltage,
    )
    return torch.fft.irfft2(weighted, s=sizes)


def _points() -> Iterator[Row]:
    """What the first and the last frame keep of DC and of a frequency."""
    movie = torch.zeros(5, 32, 33, dtype=torch.float64)
    movie[:, 0, 0] = 1.0
    ours = DoseWeight(1.5, sum_frames=False)({"image": movie, "pixel_size": 1.2})["image"]
    first, last = (np.fft.rfft2(images.numpy()).real[[0, -1]] for images in (ours, _teamtomo(movie, 300.0, 0.0)))
    for name, shell in (("DC", 0), ("k = 11 / (33 · 1.2 Å)", 11)):
        case = f"first and last of 5 frames, 1.5 e/Å² each, {name}"
        values = first[:, 0, shell], last[:, 0, shell]
        yield Row("weight of a frame", case, *values, "torch-fourier-filter", "`dose_weight_movie`")
