"""Part one of the demo: from a folder of class-prefixed files to a trained classifier."""

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from builders import load_dataset
from examples.classify import PREPARE, classifier, predict, train
from examples.contact_sheet import Tile, verdict, write_contact_sheet
from examples.projections import COMPLEXES, generate


@dataclass(frozen=True)
class Trained:
    """A network, the classes it tells apart, and how well: share of the validation images, and that by chance."""

    model: nn.Module
    names: list[str]
    accuracy: float
    chance: float


def run(out: Path, images: int) -> Trained:
    """Generate a folder, load it, train on it, draw what the network makes of the validation images."""
    start = time.perf_counter()
    folder = out / "projections"
    count = generate(folder, images)
    print(f"{count} noisy projections of {len(COMPLEXES)} complexes in {folder}")

    ds = load_dataset("local_classes", data_dir=folder, validation_fraction=0.2, cache_dir=out / "cache")
    names = ds["train"].features["label"].names
    print(f"train {len(ds['train'])}, validation {len(ds['validation'])} images of {', '.join(names)}")
    ds = ds.with_transform(PREPARE)

    torch.manual_seed(0)
    model = classifier(len(names))
    train(model, ds["train"])
    predictions = predict(model, ds["validation"])
    labels = torch.tensor(ds["validation"].with_format(None)["label"])
    accuracy, chance = float((predictions == labels).float().mean()), float(labels.bincount().max() / len(labels))
    print(f"accuracy on validation {accuracy:.1%}, by chance {chance:.1%}")

    chosen = list(range(0, len(labels), max(1, len(labels) // 32))[:32])
    shown = ds["validation"].with_format(None)[chosen]["image"]
    tiles = [
        Tile(image, verdict(names[labels[place]], names[predictions[place]]))
        for image, place in zip(shown, chosen, strict=True)
    ]
    sheet = out / "contact_sheet.png"
    write_contact_sheet(sheet, (tiles, 8))
    print(f"contact sheet: {sheet.resolve()}")
    print(f"{time.perf_counter() - start:.0f} s")
    return Trained(model, names, accuracy, chance)
