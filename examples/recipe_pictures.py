"""The pictures of the recipes: made for pages about 800 pixels wide, at twice that."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from datasets import Dataset
from matplotlib.figure import Figure
from torch import Tensor

_WIDTH, _DPI = 8.0, 200
_SECTIONS = 4
_STYLE = {"font.size": 10, "axes.titlesize": 10, "axes.spines.top": False, "axes.spines.right": False}


def confusion_matrix(path: Path, dataset: Dataset, found: Tensor) -> None:
    """Draw how many volumes of each class (rows) were taken for each (columns), beside some sections of each class.

    Args:
        path: of the picture.
        dataset: volumes and their labels.
        found: for each row of it the class that was found, `(rows,)`.
    """
    names, truth = dataset.features["label"].names, torch.tensor(dataset["label"])
    counts = torch.zeros(len(names), len(names), dtype=torch.int64)
    counts.index_put_((truth, found), torch.tensor(1), accumulate=True)
    shares = counts / counts.sum(1, keepdim=True).clamp(min=1)
    with mpl.rc_context(_STYLE):
        figure = Figure((_WIDTH, 3.6), layout="constrained")
        left, right = figure.subfigures(1, 2, width_ratios=[1.0, 1.15])
        for label, row in enumerate(left.subplots(len(names), _SECTIONS)):
            row[0].set_ylabel(names[label], rotation=0, ha="right", va="center")
            chosen = torch.nonzero(truth == label)[:_SECTIONS, 0].tolist()
            for axes, volume in zip(row, dataset.with_format("numpy")[chosen]["image"], strict=True):
                show(axes, volume[len(volume) // 2 - 1 : len(volume) // 2 + 2].mean(0))
        axes = right.subplots()
        axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(counts.numpy()):
            shade = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=shade)
        axes.set_xticks(range(len(names)), names)
        axes.set_yticks(range(len(names)), names)
        axes.set(xlabel="taken for", ylabel="is")
        save(figure, path)


def show(axes: Any, image: Any, title: str = "") -> None:
    """Draw an image `(ny, nx)` in grey, from its 0.5th to its 99.5th percentile, without ticks."""
    image = np.asarray(image)
    low, high = np.percentile(image, [0.5, 99.5])
    axes.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    axes.set(xticks=[], yticks=[], title=title)


def save(figure: Figure, path: Path) -> None:
    """Write a picture, 1600 pixels wide, and say where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=_DPI)
    print(f"picture: {path.resolve()}")
