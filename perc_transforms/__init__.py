"""CryoEM transforms for tensors, rows and batches. Needs torch and NumPy only.

Example:
    >>> import perc_transforms as T
    >>> T.Compose([T.Rescale(32), T.Normalize()])
    Compose([Rescale(shape=32), Normalize()])
"""

import importlib
from typing import TYPE_CHECKING, Any

from perc_transforms.errors import PercError, TransformError

if TYPE_CHECKING:
    from perc_transforms import functional
    from perc_transforms.background import NormalizeBackground
    from perc_transforms.base import Compose, ToTensor, Transform
    from perc_transforms.blur import GaussianBlur, RandomGaussianBlur
    from perc_transforms.collation import collate
    from perc_transforms.cropping import CenterCrop, Pad, RandomCrop
    from perc_transforms.ctf import CTF, PhaseFlip, WienerFilter
    from perc_transforms.dose import DoseWeight
    from perc_transforms.drawing import RandomTransform
    from perc_transforms.epochs import EpochCallback
    from perc_transforms.erasing import Cutout
    from perc_transforms.filters import Bandpass, Highpass, Lowpass, MissingWedge, Whiten
    from perc_transforms.intensity import InvertContrast, MinMax, Normalize, PercentileClip
    from perc_transforms.masks import SoftMask
    from perc_transforms.mixing import Mixup
    from perc_transforms.noise import AddNoise
    from perc_transforms.orientation import RandomFlip, RandomRotate90
    from perc_transforms.resampling import FourierCrop, FourierPad, Rescale
    from perc_transforms.rotation import RandomRotate
    from perc_transforms.shifting import RandomShift

__all__ = [
    "CTF",
    "AddNoise",
    "Bandpass",
    "CenterCrop",
    "Compose",
    "Cutout",
    "DoseWeight",
    "EpochCallback",
    "FourierCrop",
    "FourierPad",
    "GaussianBlur",
    "Highpass",
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
    "RandomCrop",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomRotate",
    "RandomRotate90",
    "RandomShift",
    "RandomTransform",
    "Rescale",
    "SoftMask",
    "ToTensor",
    "Transform",
    "TransformError",
    "Whiten",
    "WienerFilter",
    "collate",
    "functional",
]

_HOMES = {
    "background": ["NormalizeBackground"],
    "base": ["Compose", "ToTensor", "Transform"],
    "blur": ["GaussianBlur", "RandomGaussianBlur"],
    "collation": ["collate"],
    "cropping": ["CenterCrop", "Pad", "RandomCrop"],
    "ctf": ["CTF", "PhaseFlip", "WienerFilter"],
    "dose": ["DoseWeight"],
    "drawing": ["RandomTransform"],
    "epochs": ["EpochCallback"],
    "erasing": ["Cutout"],
    "filters": ["Bandpass", "Highpass", "Lowpass", "MissingWedge", "Whiten"],
    "intensity": ["InvertContrast", "MinMax", "Normalize", "PercentileClip"],
    "masks": ["SoftMask"],
    "mixing": ["Mixup"],
    "noise": ["AddNoise"],
    "orientation": ["RandomFlip", "RandomRotate90"],
    "resampling": ["FourierCrop", "FourierPad", "Rescale"],
    "rotation": ["RandomRotate"],
    "shifting": ["RandomShift"],
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
