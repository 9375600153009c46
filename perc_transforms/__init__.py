"""CryoEM transforms for tensors, rows and batches. Needs torch and NumPy only.

Example:
    >>> import perc_transforms as T
    >>> T.Compose([T.Rescale(32), T.Normalize()])
    Compose([Rescale(shape=32), Normalize()])
"""

import importlib
from typing import TYPE_CHECKING, Any

from perc_transforms import moved
from perc_transforms.errors import PercError, TransformError

if TYPE_CHECKING:
    from perc_transforms import functional
    from perc_transforms.core.base import Compose, ToTensor, Transform
    from perc_transforms.core.collation import collate
    from perc_transforms.core.epochs import EpochCallback
    from perc_transforms.core.random_draws import RandomTransform
    from perc_transforms.fourier.blur import GaussianBlur, RandomGaussianBlur
    from perc_transforms.fourier.ctf import CTF, PhaseFlip, WienerFilter
    from perc_transforms.fourier.dose import DoseWeight
    from perc_transforms.fourier.envelope import Envelope
    from perc_transforms.fourier.filters import Bandpass, Highpass, Lowpass, MissingWedge, Whiten
    from perc_transforms.fourier.projection import Project
    from perc_transforms.intensity.background import NormalizeBackground
    from perc_transforms.intensity.erasing import Cutout
    from perc_transforms.intensity.gain import GainCorrect
    from perc_transforms.intensity.hot_pixels import HotPixels
    from perc_transforms.intensity.masks import SoftMask
    from perc_transforms.intensity.mixing import Mixup
    from perc_transforms.intensity.noise import AddNoise
    from perc_transforms.intensity.normalization import InvertContrast, MinMax, Normalize, PercentileClip
    from perc_transforms.intensity.shot_noise import ShotNoise
    from perc_transforms.spatial.cropping import CenterCrop, Pad, RandomCrop
    from perc_transforms.spatial.orientation import RandomFlip, RandomRotate90
    from perc_transforms.spatial.pick_map import PickMap
    from perc_transforms.spatial.resampling import FourierCrop, FourierPad, Rescale
    from perc_transforms.spatial.rotation import RandomRotate
    from perc_transforms.spatial.shifting import RandomShift

__all__ = [
    "CTF",
    "AddNoise",
    "Bandpass",
    "CenterCrop",
    "Compose",
    "Cutout",
    "DoseWeight",
    "Envelope",
    "EpochCallback",
    "FourierCrop",
    "FourierPad",
    "GainCorrect",
    "GaussianBlur",
    "Highpass",
    "HotPixels",
    "InvertContrast",
    "Lowpass",
    "MinMax",
    "MissingWedge",
    "Mixup",
    "Normalize",
    "NormalizeBackground",
    "Pad",
    "PercError",
    "PercentileClip",
    "PhaseFlip",
    "PickMap",
    "Project",
    "RandomCrop",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomRotate",
    "RandomRotate90",
    "RandomShift",
    "RandomTransform",
    "Rescale",
    "ShotNoise",
    "SoftMask",
    "ToTensor",
    "Transform",
    "TransformError",
    "Whiten",
    "WienerFilter",
    "collate",
    "functional",
]

moved.keep(moved.ROOMS)

_HOMES = {
    "intensity.background": ["NormalizeBackground"],
    "core.base": ["Compose", "ToTensor", "Transform"],
    "fourier.blur": ["GaussianBlur", "RandomGaussianBlur"],
    "core.collation": ["collate"],
    "spatial.cropping": ["CenterCrop", "Pad", "RandomCrop"],
    "fourier.ctf": ["CTF", "PhaseFlip", "WienerFilter"],
    "fourier.dose": ["DoseWeight"],
    "fourier.envelope": ["Envelope"],
    "fourier.projection": ["Project"],
    "core.random_draws": ["RandomTransform"],
    "core.epochs": ["EpochCallback"],
    "intensity.erasing": ["Cutout"],
    "fourier.filters": ["Bandpass", "Highpass", "Lowpass", "MissingWedge", "Whiten"],
    "intensity.gain": ["GainCorrect"],
    "intensity.hot_pixels": ["HotPixels"],
    "intensity.normalization": ["InvertContrast", "MinMax", "Normalize", "PercentileClip"],
    "intensity.masks": ["SoftMask"],
    "intensity.mixing": ["Mixup"],
    "intensity.noise": ["AddNoise"],
    "intensity.shot_noise": ["ShotNoise"],
    "spatial.orientation": ["RandomFlip", "RandomRotate90"],
    "spatial.pick_map": ["PickMap"],
    "spatial.resampling": ["FourierCrop", "FourierPad", "Rescale"],
    "spatial.rotation": ["RandomRotate"],
    "spatial.shifting": ["RandomShift"],
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a transform when it is first asked for: the errors alone, which `builders` takes, need no torch."""
    if name == "functional":
        return importlib.import_module("perc_transforms.functional")
    if name not in _HOME_OF:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
