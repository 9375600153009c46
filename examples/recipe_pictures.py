"""The pictures of the recipes: made for pages about 800 pixels wide, at twice that."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from datasets import Dataset
from matplotlib.figure import Figure
from torch import Tensor, nn

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


def picks(path: Path, rows: Mapping[str, Any], likely: Tensor, curves: Mapping[str, tuple[Tensor, Tensor]]) -> None:
    """Draw a micrograph with its picks, what a network makes of it, and curves of precision and recall.

    Args:
        path: of the picture.
        rows: micrographs `(rows, ny, nx)` and their picks, (x, y) in pixels.
        likely: logits of the network, `(rows, ny, nx)`.
        curves: precision and recall by the names of methods.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure((_WIDTH, 3.1), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        show(left, nn.functional.avg_pool2d(rows["image"][:1], 2)[0], "micrograph, and its picks")
        x, y = torch.as_tensor(rows["picks"][0]).T.numpy()
        left.scatter(x / 2 - 0.25, y / 2 - 0.25, s=90, facecolors="none", edgecolors="tab:orange", linewidths=1.2)
        middle.imshow(likely[0].sigmoid().numpy(), cmap="magma", vmin=0, vmax=1)
        middle.set(xticks=[], yticks=[], title="what the network finds")
        for name, (precision, recall) in curves.items():
            right.plot(recall.numpy(), precision.numpy(), label=name)
        right.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
        right.legend(frameon=False)
        save(figure, path)


def denoised(path: Path, images: Mapping[str, Tensor], rings: Mapping[str, Tensor], pixel_size: float) -> None:
    """Draw the same place in several images, and curves of their correlation with the clean one.

    Args:
        path: of the picture.
        images: `(ny, nx)` by their names.
        rings: correlations by the names of images, `(n // 2,)`: of frequencies 0, 1 / (n pixel_size), ...
        pixel_size: Å.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure((_WIDTH, 4.6), layout="constrained")
        top, bottom = figure.subfigures(2, 1, height_ratios=[1.0, 1.0])
        for axes, (name, image) in zip(top.subplots(1, len(images)), images.items(), strict=True):
            show(axes, image, name)
        axes = bottom.subplots()
        for name, correlation in rings.items():
            frequency = np.arange(len(correlation)) / (2 * len(correlation) * pixel_size)
            axes.plot(frequency[1:], correlation.numpy()[1:], label=name)
        axes.set(xlabel="spatial frequency (1/Å)", ylabel="correlation with clean", ylim=(-0.05, 1.02))
        axes.legend(frameon=False)
        save(figure, path)


def two_processes(path: Path, logs: Sequence[Sequence[tuple[int, list[int], float]]], stopped: int) -> None:
    """Draw which rows each process saw at each step, and the loss.

    Args:
        path: of the picture.
        logs: for each process, and each of its steps, the epoch, the rows and the loss.
        stopped: after so many steps the processes ended, and new ones went on.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure((_WIDTH, 4.2), layout="constrained")
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
        for rank, log in enumerate(logs):
            steps = [step for step, (_, rows, _) in enumerate(log, 1) for _ in rows]
            top.scatter(steps, [row for _, rows, _ in log for row in rows], s=1.5, label=f"process {rank}")
            bottom.plot(range(1, len(log) + 1), [loss for *_, loss in log])
        for axes in (top, bottom):
            axes.axvline(stopped + 0.5, color="black", linewidth=1)
            for step in range(1, len(logs[0])):
                if logs[0][step][0] != logs[0][step - 1][0]:
                    axes.axvline(step + 0.5, color="grey", linewidth=0.8, linestyle=":")
        top.set_title("stopped, and gone on by new processes", x=(stopped + 0.5) / (len(logs[0]) + 1), ha="center")
        top.set(ylabel="row")
        bottom.set(xlabel="step (dotted: the next epoch begins)", ylabel="loss", ylim=(0, None))
        top.legend(frameon=True, loc="upper right", markerscale=4, framealpha=1)
        top.set_xlim(0, len(logs[0]) + 1)
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
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    figure.savefig(path, dpi=_DPI)
    print(f"picture: {path.resolve()}")
