"""An example of every transform, and rows to try it on: for laws that hold for all of them."""

import numpy as np
import torch

import perc_transforms as T

BOTH = {
    "Rescale": T.Rescale(9),
    "FourierCrop": T.FourierCrop(7),
    "FourierCrop by pixel size": T.FourierCrop(pixel_size=4.0),
    "FourierPad": T.FourierPad(19),
    "Lowpass": T.Lowpass(12.0),
    "Highpass": T.Highpass(30.0),
    "Bandpass": T.Bandpass(low=30.0, high=10.0),
    "Envelope": T.Envelope(100.0),
    "GaussianBlur": T.GaussianBlur(1.2),
    "RandomGaussianBlur": T.RandomGaussianBlur((0.5, 2.0)),
    "Normalize": T.Normalize(),
    "NormalizeBackground": T.NormalizeBackground(4.0),
    "MinMax": T.MinMax(),
    "PercentileClip": T.PercentileClip(5, 95),
    "InvertContrast": T.InvertContrast(),
    "InvertContrast auto": T.InvertContrast(mode="auto"),
    "HotPixels": T.HotPixels(sigma=2.0, size=3),
    "SoftMask": T.SoftMask(3.0),
    "CenterCrop": T.CenterCrop(8),
    "RandomCrop": T.RandomCrop(8),
    "Pad": T.Pad(18),
    "Pad noise": T.Pad(18, mode="noise"),
    "RandomRotate90": T.RandomRotate90(),
    "RandomFlip": T.RandomFlip(),
    "RandomRotate": T.RandomRotate(),
    "RandomShift": T.RandomShift(2.5),
    "Whiten": T.Whiten(),
    "AddNoise": T.AddNoise(snr=0.5),
    "AddNoise colour": T.AddNoise(std=0.5, color=(1.0, 0.5, 0.1)),
    "Cutout": T.Cutout(4),
    "ToTensor": T.ToTensor(),
    "Compose": T.Compose([T.CenterCrop(10), T.RandomRotate(), T.RandomShift(1.0), torch.abs, T.Normalize()]),
}
IMAGES_ONLY = {
    **{"CTF": T.CTF(), "PhaseFlip": T.PhaseFlip(), "WienerFilter": T.WienerFilter(constant=0.1)},
    "ShotNoise": T.ShotNoise(20.0, counts=False),
}
VOLUMES_ONLY = {"MissingWedge": T.MissingWedge(-50, 50), "Project": T.Project()}
OTHERS = {"DoseWeight", "GainCorrect", "Mixup", "PickMap"}
"""Those whose rows are not like the others': movies, frames of one size, batches that are mixed, and images with picks.
They have tests of their own."""

CASES = [
    *((name, transform, 2) for name, transform in {**BOTH, **IMAGES_ONLY}.items()),
    *((name, transform, 3) for name, transform in {**BOTH, **VOLUMES_ONLY}.items()),
]
IDS = [f"{name} {dims}-D" for name, _, dims in CASES]


def row(number: int, shape: tuple[int, ...], pixel_size: float = 2.0) -> dict[str, object]:
    """A particle's row with all its columns; its pixels are correlated noise, and no two numbers give the same."""
    rng = np.random.default_rng(number)
    return {
        "image": rng.standard_normal(shape).cumsum(-1).astype(np.float32),
        "pixel_size": pixel_size,
        "path": f"stack_{number % 3}.mrcs",
        "index": number,
        "label": number % 4,
        "coordinate_x": 100.0 + number,
        "coordinate_y": 200.0 - number,
        "micrograph": "micrograph.mrc",
        "pose": {
            **{"rot": 10.0 * number, "tilt": 40.0, "psi": -30.0, "shift_x": 1.5, "shift_y": -2.5},
            **({"shift_z": 0.5} if len(shape) == 3 else {}),
        },
        "ctf": {
            **{"defocus_u": 9000.0 + number, "defocus_v": 8500.0, "defocus_angle": 25.0, "voltage": 300.0},
            **{"spherical_aberration": 2.7, "amplitude_contrast": 0.1, "phase_shift": 0.0},
        },
    }


def rows(dims: int, count: int = 3) -> list[dict[str, object]]:
    """Rows of one shape, with unequal pixel sizes that make no difference to the shape of any result."""
    shape = (14, 14) if dims == 2 else (13, 13, 13)
    return [row(number, shape) for number in range(count)]


def batch(of: list[dict[str, object]]) -> dict[str, list[object]]:
    """Rows as columns of lists."""
    return {name: [one[name] for one in of] for name in of[0]}
