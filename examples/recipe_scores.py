"""What the recipes measure of numbers that a network gives to images without having been told their classes."""

from collections.abc import Sequence

import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.utils.data import DataLoader

import perc_transforms as T


def nearest_middle(places: Tensor, labels: Tensor) -> float:
    """How many of one half of the rows are nearest to the middle that their class has in the other half.

    Args:
        places: `(rows, n)`.
        labels: `(rows,)`, from 0.
    """
    asked = torch.arange(len(places)) % 2 == 0
    middles = torch.stack([places[~asked & (labels == label)].mean(0) for label in range(int(labels.max()) + 1)])
    return float((torch.cdist(places[asked], middles).argmin(1) == labels[asked]).float().mean())


def linear_probe(model: nn.Sequential, dataset: Dataset, labels: Tensor) -> float:
    """How many images a linear classifier names right that was told the first quarter's labels.

    Args:
        model: gives features, but for its last layer.
        dataset: images as the model wants them.
        labels: of all rows, `(rows,)`, from 0.
    """
    known = len(labels) // 4
    with torch.no_grad():
        batches = DataLoader(dataset, 64, num_workers=2, collate_fn=T.collate)
        features = torch.cat([model.eval()[:-1](batch["image"]) for batch in batches])
    features = (features - features.mean(0)) / (features.std(0) + 1e-6)
    weights = nn.Parameter(torch.zeros(features.shape[1] + 1, int(labels.max()) + 1))
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def scores() -> Tensor:
        return features @ weights[:-1] + weights[-1]

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = nn.functional.cross_entropy(scores()[:known], labels[:known]) + 0.01 * weights[:-1].square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return float((scores()[known:].argmax(1) == labels[known:]).float().mean())


def as_if_uninterrupted(broken: Sequence[tuple], whole: Sequence[tuple], rows: int) -> None:
    """Say that a run that was interrupted lost no row, repeated none and did what another one did, or raise.

    Args:
        broken: for each of its steps the epoch, the numbers of its rows, and the loss.
        whole: of a run that was not interrupted, and was at least as long.
        rows: so many has each epoch.
    """
    seen = [(epoch, row) for epoch, indices, _ in broken for row in indices]
    epochs = broken[-1][0] + 1
    if sorted(seen) != [(epoch, row) for epoch in range(epochs) for row in range(rows)]:
        msg = f"interrupted and resumed: {len(seen)} rows, {len(set(seen))} different ones, of {epochs} x {rows}"
        raise RuntimeError(msg)
    if list(broken) != list(whole[: len(broken)]):
        msg = "interrupted and resumed: rows came in another order, or the losses are others"
        raise RuntimeError(msg)
    print(f"interrupted and resumed: {epochs} epochs of {rows} rows, each once an epoch; order and losses as without")
