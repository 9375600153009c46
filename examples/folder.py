"""Part one of the demo: from a folder of class-prefixed files to a trained classifier."""

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from builders import load_dataset
from builders.io import mrc
from examples import complexes
from examples.classify import PREPARE, classifier, predict, train
from examples.contact_sheet import Tile, verdict, write_contact_sheet
from examples.projections import PIXEL_SIZE

SHOWN, ACROSS = 24, 6
"""Images of the contact sheet, and of one of its rows."""


@dataclass(frozen=True)
class Trained:
    """A network, the classes it tells apart, and how well: share of the validation images, and that by chance."""

    model: nn.Module
    names: list[str]
    accuracy: float
    chance: float


def generate(folder: Path, out: Path, images: int, snr: float = 0.4, seed: int = 1) -> Counter[str]:
    """Write particles of made-up complexes as a depositor does, `CLASS_number.mrc`.

    Args:
        folder: where to.
        out: of the demo, which has the structures and what `datasets` keeps.
        images: how many, for each of the complexes: each image is of any of them.
        snr: variance of the image without noise over that of the noise.
        seed: decides all of them.

    Returns:
        Number of files of each class.
    """
    files, counts = complexes.structures(out / "complexes"), Counter[str]()
    made = complexes.particles(files, images * len(files), snr=snr, seed=seed, cache_dir=out / "cache")
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in complexes.images_of(made, "Generating projections"):
        mrc.write(folder / f"{name}_{counts[name]:04d}.mrc", image, pixel_size=PIXEL_SIZE)
        counts[name] += 1
    return counts


def run(out: Path, images: int) -> Trained:
    """Generate a folder, load it, train on it, draw what the network makes of the validation images."""
    start = time.perf_counter()
    folder = out / "projections"
    counts = generate(folder, out, images)
    print(f"{counts.total()} noisy projections of the {len(counts)} structures in {out / 'complexes'}: {folder}")

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

    chosen = list(range(0, len(labels), max(1, len(labels) // SHOWN))[:SHOWN])
    shown = ds["validation"].with_format(None)[chosen]["image"]
    tiles = [
        Tile(image, verdict(names[labels[place]], names[predictions[place]]))
        for image, place in zip(shown, chosen, strict=True)
    ]
    sheet = out / "contact_sheet.png"
    write_contact_sheet(sheet, (tiles, ACROSS))
    print(f"contact sheet: {sheet.resolve()}")
    print(f"{time.perf_counter() - start:.0f} s")
    return Trained(model, names, accuracy, chance)
