"""From a folder of class-prefixed files to a trained classifier: `make demo`."""

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import datasets
import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

import perc_transforms as T
from builders import load_dataset
from examples.contact_sheet import write_contact_sheet
from examples.projections import COMPLEXES, generate

EPOCHS = 12
BATCH_SIZE = 64
CLEARLY_ABOVE_CHANCE = 3.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Generate, load, train, show; 1 when the classifier is not clearly above chance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="folder for data and pictures")
    parser.add_argument("--images", type=int, default=200, help="images a class")
    options = parser.parse_args(arguments)
    start = time.perf_counter()

    folder = options.out / "projections"
    shutil.rmtree(options.out, ignore_errors=True)
    count = generate(folder, options.images)
    print(f"{count} noisy projections of {len(COMPLEXES)} complexes in {folder}")

    ds = load_dataset("local_classes", data_dir=folder, validation_fraction=0.2, cache_dir=options.out / "cache")
    names = ds["train"].features["label"].names
    print(f"train {len(ds['train'])}, validation {len(ds['validation'])} images of {', '.join(names)}")
    ds = ds.with_transform(T.Compose([T.Rescale(32), T.Normalize()]))

    torch.manual_seed(0)
    model = classifier(len(names))
    train(model, ds["train"])
    predictions = predict(model, ds["validation"])
    labels = torch.tensor(ds["validation"].with_format(None)["label"])
    accuracy, chance = float((predictions == labels).float().mean()), float(labels.bincount().max() / len(labels))
    print(f"accuracy on validation {accuracy:.1%}, by chance {chance:.1%}")

    sheet = options.out / "contact_sheet.png"
    chosen = range(0, len(labels), max(1, len(labels) // 32))[:32]
    write_contact_sheet(
        sheet,
        ds["validation"].with_format(None)[chosen]["image"],
        [names[labels[i]] for i in chosen],
        [names[predictions[i]] for i in chosen],
    )
    print(f"contact sheet: {sheet.resolve()}")
    print(f"{time.perf_counter() - start:.0f} s")
    if accuracy < CLEARLY_ABOVE_CHANCE * chance:
        print(f"failed: the accuracy is not {CLEARLY_ABOVE_CHANCE:.0f} times chance")
        return 1
    return 0


def classifier(classes: int) -> nn.Module:
    """A small convolutional network for images of 32 x 32 pixels."""

    def block(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)
        )

    return nn.Sequential(
        nn.Unflatten(1, (1, 32)),
        *(block(1, 16), block(16, 32), block(32, 64)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes)),
    )


def loader(dataset: datasets.Dataset, shuffle: bool) -> DataLoader[dict[str, torch.Tensor]]:
    """Batches read by two worker processes."""
    return DataLoader(dataset, BATCH_SIZE, shuffle=shuffle, num_workers=2, persistent_workers=True)


def train(model: nn.Module, dataset: datasets.Dataset) -> None:
    """Fit the labels; each batch is turned by some right angles, since particles lie at any angle."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    batches = loader(dataset, shuffle=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=EPOCHS * len(batches))
    with tqdm(total=EPOCHS * len(batches), desc="Training", unit=" batches", disable=None) as bar:
        for _ in range(EPOCHS):
            for batch in batches:
                images = batch["image"].rot90(int(torch.randint(4, ())), (-2, -1))
                loss = nn.functional.cross_entropy(model(images), batch["label"])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                bar.update()
                bar.set_postfix(loss=f"{loss.item():.2f}")


def predict(model: nn.Module, dataset: datasets.Dataset) -> torch.Tensor:
    """The most likely class of each image."""
    model.eval()
    with torch.inference_mode():
        return torch.cat([model(batch["image"]).argmax(1) for batch in loader(dataset, shuffle=False)])


if __name__ == "__main__":
    sys.exit(main())
