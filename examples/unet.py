"""A small U-Net for volumes: made, trained, asked where particles are."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm.auto import tqdm

from perc_transforms import Transform


class UNet(nn.Module):
    """Scores of classes for each voxel of `(batch, nz, ny, nx)`, whose sides are multiples of 8; class 0 is background.

    It looks at every other voxel: particles are many voxels wide, and a processor is slow.
    """

    def __init__(self, classes: int, width: int = 12) -> None:
        super().__init__()
        self.stem = nn.Conv3d(1, width, 5, stride=2, padding=2)
        self.fine, self.middle, self.coarse = (_block(n * width, 2 * n * width) for n in (1, 2, 4))
        self.to_middle, self.to_fine = _block(12 * width, 4 * width), _block(6 * width, 2 * width)
        self.score = nn.Conv3d(2 * width, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Scores `(batch, classes, nz, ny, nx)`."""
        fine = self.fine(self.stem(images[:, None]).relu())
        middle = self.middle(nn.functional.max_pool3d(fine, 2))
        coarse = self.coarse(nn.functional.max_pool3d(middle, 2))
        middle = self.to_middle(torch.cat([middle, _twice(coarse)], 1))
        return _twice(self.score(self.to_fine(torch.cat([fine, _twice(middle)], 1))))


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm3d(outputs), nn.ReLU())


def _twice(images: Tensor) -> Tensor:
    return nn.functional.interpolate(images, scale_factor=2, mode="trilinear")


def train(
    model: UNet, batches: Iterable[Mapping[str, Tensor]], augment: Transform, epochs: int, weights: Tensor
) -> None:
    """Fit `labels`, a class a voxel, of which some weigh more than others; `augment` draws anew in each epoch."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    model.train()
    with tqdm(range(epochs), desc="Training", unit=" epochs", disable=None) as bar:
        for epoch in bar:
            augment.set_epoch(epoch)
            for batch in batches:
                loss = nn.functional.cross_entropy(model(batch["image"]), batch["labels"], weights)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            schedule.step()
            bar.set_postfix(loss=f"{loss.item():.3f}")


def probabilities(
    model: UNet, batches: Iterable[Mapping[str, Tensor]], shape: tuple[int, int, int], classes: int
) -> NDArray[np.float32]:
    """How likely each voxel is of each class, `(classes, nz, ny, nx)`: the mean of the tiles that have it."""
    total, times = np.zeros((classes, *shape), np.float32), np.zeros(shape, np.float32)
    model.eval()
    with torch.inference_mode():
        for batch in batches:
            for origin, found in zip(batch["origin"].tolist(), model(batch["image"]).softmax(1).numpy(), strict=True):
                place = tuple(slice(first, first + side) for first, side in zip(origin, found.shape[1:], strict=True))
                inside = tuple(slice(min(side.stop, n) - side.start) for side, n in zip(place, shape, strict=True))
                total[(slice(None), *place)] += found[(slice(None), *inside)]
                times[place] += 1
    return total / np.maximum(times, 1)


def peaks(likely: NDArray[np.float32], radius: int, least: float = 0.35) -> NDArray[np.int64]:
    """Places (x, y, z) of maxima of means over 5 x 5 x 5 voxels, none of them within a radius of a higher one."""
    smooth = nn.functional.avg_pool3d(torch.from_numpy(likely)[None, None], 5, 1, 2)
    highest = smooth
    for axis in range(3):  # one after another: many times as fast as a cube, and the same
        along = [radius * (axis == other) for other in range(3)]
        highest = nn.functional.max_pool3d(highest, [2 * n + 1 for n in along], 1, along)
    return torch.nonzero(((smooth == highest) & (smooth > least))[0, 0]).flip(1).numpy()


def f1(found: NDArray[np.int64], true: NDArray[np.float64], within: float) -> float:
    """Harmonic mean of precision and recall: a true place counts once, for one that was found within a distance."""
    left = [*true]
    hits = 0
    for place in found:
        distances = [float(np.linalg.norm(place - other)) for other in left]
        if distances and min(distances) <= within:
            left.pop(int(np.argmin(distances)))
            hits += 1
    return 2 * hits / max(1, len(found) + len(true))
