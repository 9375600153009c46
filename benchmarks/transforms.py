"""What transforms cost beside the FFTs or the sampling that they cannot do without."""

from collections.abc import Iterator

import numpy as np
import torch
from scipy.ndimage import zoom
from torch.nn.functional import affine_grid, grid_sample

import perc_transforms as T
import perc_transforms.functional as F
from benchmarks.row import Row, per_item
from benchmarks.timing import medians


def transform_rows(rounds: int) -> Iterator[Row]:
    """All of them."""
    yield from rescaling(rounds)
    yield from filtering(rounds)
    yield from rotating(rounds)


def rescaling(rounds: int, count: int = 32) -> Iterator[Row]:
    """64^3 -> 32^3 alone, in memory."""
    x = torch.randn(count, 64, 64, 64, generator=torch.Generator().manual_seed(0))

    def rescale() -> None:
        F.rescale(x, (32, 32, 32), spatial_dims=3)

    def zoom_all() -> None:
        for volume in x.numpy():
            zoom(volume, 0.5)

    times = medians({"ours": rescale, "fft": lambda: round_trip(x), "zoom": zoom_all}, rounds)
    ours, fft, zoomed = (per_item(times[name], count) for name in ("ours", "fft", "zoom"))
    yield Row("64^3 -> 32^3, rate / scipy zoom (order 3)", ours, zoomed, times["zoom"] / times["ours"], 15)
    yield Row("64^3 -> 32^3, rate / bare batched FFT round trip", ours, fft, times["fft"] / times["ours"], 0.5)


def round_trip(x: torch.Tensor) -> torch.Tensor:
    """The FFTs of 64^3 -> 32^3, without which it cannot be done, and nothing else."""
    spectrum = torch.fft.rfftn(x, dim=(-3, -2, -1))[:, :32, :32, :17]
    return torch.fft.irfftn(spectrum.contiguous(), s=(32, 32, 32), dim=(-3, -2, -1))


def filtering(rounds: int, count: int = 128, side: int = 256) -> Iterator[Row]:
    """A batch of particles, each with a CTF of its own, against one FFT there and one back."""
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.standard_normal((count, side, side), np.float32))
    ctfs = [
        {
            **{"defocus_u": u, "defocus_v": u - 300.0, "defocus_angle": angle},
            **{"voltage": 300.0, "spherical_aberration": 2.7, "amplitude_contrast": 0.1, "phase_shift": 0.0},
        }
        for u, angle in zip(rng.uniform(5e3, 3e4, count), rng.uniform(0, 180, count), strict=True)
    ]
    batch = {"image": images, "pixel_size": [1.1] * count, "path": ["stack.mrcs"] * count, "ctf": ctfs}

    def pair() -> None:
        torch.fft.irfft2(torch.fft.rfft2(images), s=(side, side))

    transforms = {
        "CTF": T.CTF(),
        "PhaseFlip": T.PhaseFlip(),
        "Lowpass": T.Lowpass(8.0),
        "NormalizeBackground": T.NormalizeBackground(),
    }
    contenders = {name: (lambda transform=transform: transform(batch)) for name, transform in transforms.items()}
    times = medians({"pair": pair, **contenders}, rounds)
    for name in transforms:
        ours, bare = per_item(times[name], count), per_item(times["pair"], count)
        yield Row(f"{count} x {side}^2 {name}, time / FFT pair", ours, bare, times[name] / times["pair"], 2, False)


def rotating(rounds: int, count: int = 16, side: int = 64) -> Iterator[Row]:
    """Volumes turned at random, against sampling them at places that are known already."""
    volumes = torch.randn(count, side, side, side, generator=torch.Generator().manual_seed(0))
    matrices = torch.linalg.qr(torch.randn(count, 3, 3, generator=torch.Generator().manual_seed(1))).Q
    grid = affine_grid(torch.cat([matrices, torch.zeros(count, 3, 1)], 2), [count, 1, side, side, side], False)
    batch = {"image": volumes, "path": [f"{number}.mrc" for number in range(count)]}
    rotate = T.RandomRotate()
    rotate.set_epoch(0)  # the same rows come again on purpose
    contenders = {
        "ours": lambda: rotate(batch),
        "bare": lambda: grid_sample(volumes[:, None], grid, align_corners=False),
    }
    times = medians(contenders, rounds)
    ours, bare = per_item(times["ours"], count), per_item(times["bare"], count)
    yield Row(f"{side}^3 RandomRotate, time / grid_sample", ours, bare, times["ours"] / times["bare"], 1.5, False)
