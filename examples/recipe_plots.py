"""The plots of the recipes: what was learned, beside some of the images."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from datasets import Dataset
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from builders.synthetic import densities
from examples.recipe_pictures import save, show
from examples.recipe_scores import nearest_middle

STYLE = {"font.size": 10, "axes.titlesize": 10, "axes.spines.top": False, "axes.spines.right": False}
_WIDTH = 8.0


def latent_space(
    path: Path, z: Tensor, components: Tensor, states: Tensor, volumes: Tensor, made: Mapping[str, Any]
) -> None:
    """Draw particles in latent space and as PCA has them, and volumes from the side, beside those they were made of.

    Says how many of the states either one tells, or raises where latent space tells none.

    Args:
        path: of the picture.
        z: `(rows, k)`, in latent space.
        components: `(rows, 2)`, as PCA has them.
        states: of each particle, `(rows,)`.
        volumes: `(1 + k, n, n, n)`: a volume is the first one and z times the others.
        made: options by which the particles were made.
    """
    by_z, by_components = nearest_middle(z, states), nearest_middle(components, states)
    print(f"states told by latent space: {by_z:.1%}, by two principal components of the images: {by_components:.1%}")
    if by_z < 0.4:
        msg = "latent space does not tell three states apart: chance tells a third of them"
        raise RuntimeError(msg)
    true = densities(made["structures"], pixel_size=made["pixel_size"], box=made["box_size"], resolution=20.0)
    middles = [z[states == state].mean(0) for state in range(len(true))]
    found = [volumes[0] + (middle[:, None, None, None] * volumes[1:]).sum(0) for middle in middles]
    with mpl.rc_context(STYLE):
        figure = Figure((_WIDTH, 3.2), layout="constrained")
        left, right = figure.subfigures(1, 2, width_ratios=[1.5, 1.0])
        spaces = {"latent space": z, "PCA of the images": components}
        for axes, (title, points) in zip(left.subplots(1, 2), spaces.items(), strict=True):
            for state in range(len(true)):
                axes.scatter(*points[states == state, :2].T, s=4, label=f"state {state + 1}", linewidths=0)
            axes.set(xticks=[], yticks=[], title=title)
        left.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(true), markerscale=3)
        rows = {"made of": [torch.from_numpy(volume) for volume in true], "learned": found}
        for views, (name, shown) in zip(right.subplots(2, len(true)), rows.items(), strict=True):
            for state, (axes, volume) in enumerate(zip(views, shown, strict=True)):
                show(axes, volume.sum(1), f"state {state + 1}" if name == "made of" else "")
            views[0].set_ylabel(name)
        save(figure, path)


def pretraining(
    path: Path, views: Mapping[str, Tensor], steps: Sequence[tuple], stopped: int, scores: Mapping[str, float]
) -> None:
    """Draw pairs of views, the losses with the step after which a run was interrupted, and accuracies by their names.

    Says the last, or raises where pre-training was of no use.

    Args:
        path: of the picture.
        views: `first` and `second`, images of some rows.
        steps: of which the last field is the loss.
        stopped: number of a step.
        scores: `untrained` and `pre-trained`, from 0 to 1.
    """
    print(", ".join(f"{name}: {score:.1%} named right by a linear probe" for name, score in scores.items()))
    if scores["pre-trained"] < scores["untrained"]:
        msg = "pre-training was of no use"
        raise RuntimeError(msg)
    with mpl.rc_context(STYLE):
        figure = Figure((_WIDTH, 2.8), layout="constrained")
        left, middle, right = figure.subfigures(1, 3, width_ratios=[1.25, 1.1, 1.0])
        rows = {"one view": views["first"], "another": views["second"]}
        for row, (name, images) in zip(left.subplots(2, len(views["first"])), rows.items(), strict=True):
            for axes, image in zip(row, images, strict=True):
                show(axes, image)
            row[0].set_ylabel(name)
        axes = middle.subplots()
        axes.plot(range(1, len(steps) + 1), [step[-1] for step in steps], linewidth=1)
        axes.axvline(stopped, color="tab:red", linestyle="--", label="interrupted")
        axes.set(xlabel="step", title="contrastive loss")
        axes.legend(frameon=False)
        _bars(right.subplots(), scores, "linear probe")
        save(figure, path)


def classes(path: Path, dataset: Dataset, answers: Any, history: Sequence[Mapping[str, float]]) -> None:
    """Draw images with what they were taken for, and the accuracy of each epoch; says it, or raises by chance's.

    Args:
        path: of the picture.
        dataset: with the columns `image` and `label`.
        answers: of the Trainer of transformers: `predictions` and `label_ids`.
        history: what it logged.
    """
    names, found = dataset.features["label"].names, answers.predictions.argmax(1)
    accuracies = [entry["eval_accuracy"] for entry in history if "eval_accuracy" in entry]
    chance = float(np.bincount(answers.label_ids).max() / len(found))
    print(f"accuracy on {len(found)} held out particles {accuracies[-1]:.1%}, by chance {chance:.1%}")
    if accuracies[-1] < 1.5 * chance:
        msg = "nothing was learned"
        raise RuntimeError(msg)
    images = dataset.with_format("numpy")[:10]["image"]
    with mpl.rc_context(STYLE):
        figure = Figure((_WIDTH, 3.0), layout="constrained")
        left, right = figure.subfigures(1, 2, width_ratios=[1.7, 1.0])
        for axes, image, name, label in zip(
            left.subplots(2, 5).flat, images, found[:10], answers.label_ids[:10], strict=True
        ):
            show(axes, image)
            axes.set_title(names[name], color="tab:green" if name == label else "tab:red")
        _curves(right.subplots(), {"held out": accuracies, "by chance": [chance]}, "accuracy")
        save(figure, path)


def estimates(path: Path, model: Any, loader: Iterable[Mapping[str, Any]]) -> None:
    """Draw power spectra, defocus as it was found over what it is, and errors; says the last, or raises by chance's.

    Args:
        path: of the picture.
        model: gives the defocus of a batch, Å, and has `errors`, of each epoch.
        loader: of images `(rows, ny, nx)` with their `ctf`.
    """
    model.eval()
    with torch.inference_mode():
        answers = [(batch["image"], model(batch).cpu(), batch["ctf"]["defocus_u"]) for batch in loader]
    images, found, true = (torch.cat(column) for column in zip(*answers, strict=True))
    error, by_chance = float((found - true).abs().mean()), float((true - true.median()).abs().mean())
    print(f"mean error of {len(true)} held out boxes {error:,.0f} Å, of always naming the middle {by_chance:,.0f} Å")
    if error > 0.8 * by_chance:
        msg = "nothing was learned"
        raise RuntimeError(msg)
    spectra = torch.fft.fftshift(torch.fft.fft2(images).abs().square(), dim=(-2, -1))
    with mpl.rc_context(STYLE):
        figure = Figure((_WIDTH, 3.0), layout="constrained")
        left, middle, right = figure.subfigures(1, 3, width_ratios=[0.9, 1.0, 1.0])
        for axes, share in zip(left.subplots(2, 2).flat, (0.1, 0.4, 0.7, 1.0), strict=True):
            near = (true - true.quantile(share)).abs().argsort()[:24]
            show(axes, spectra[near].mean(0).log(), f"{float(true[near].mean()) / 1e4:.1f} µm")
        axes = middle.subplots()
        axes.scatter(true / 1e4, found / 1e4, s=5, linewidths=0)
        axes.axline((1.0, 1.0), slope=1, color="tab:gray", linewidth=0.8)
        axes.set(xlabel="true defocus, µm", title="found defocus, µm")
        _curves(right.subplots(), {"held out": model.errors, "the middle": [by_chance]}, "mean error, Å")
        save(figure, path)


def _curves(axes: Axes, curves: Mapping[str, Sequence[float]], title: str) -> None:
    """Draw numbers of each epoch; one that is alone is of all."""
    for name, values in curves.items():
        if len(values) == 1:
            axes.axhline(values[0], color="tab:gray", linestyle="--", label=name)
        else:
            axes.plot(range(1, len(values) + 1), values, marker=".", label=name)
    axes.set(xlabel="epoch", title=title)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)


def _bars(axes: Axes, values: Mapping[str, float], title: str) -> None:
    """Draw shares as bars, each with its number."""
    drawn = axes.bar(list(values), list(values.values()), color=["tab:gray", "tab:blue"][: len(values)])
    axes.bar_label(drawn, [f"{value:.1%}" for value in values.values()])
    axes.set(ylim=(0, 1), title=title)
