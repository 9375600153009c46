"""Train a 3-D network to tell subtomograms apart, out of a folder of files `CLASS_number.mrc`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import nn
from torch.utils.data import DataLoader

import perc_transforms as T
from builders import load_dataset
from examples import recipe_pictures, subtomograms

PREPARE = T.Compose([T.Lowpass(resolution=25), T.Normalize()])
AUGMENT = T.Compose([T.RandomRotate(), T.RandomShift(1.5), T.Lowpass(resolution=25), T.Normalize()])


def network(classes: int) -> nn.Module:
    """Scores of classes for volumes of 24 x 24 x 24 voxels."""

    def block(inputs: int, out: int) -> list[nn.Module]:
        return [nn.Conv3d(inputs, out, 3, padding=1), nn.BatchNorm3d(out, momentum=0.5), nn.ReLU(), nn.MaxPool3d(2)]

    layers = [*block(1, 16), *block(16, 32), *block(32, 64), nn.Flatten(), nn.Linear(64 * 3**3, classes)]
    return nn.Sequential(nn.Unflatten(1, (1, 24)), *layers)


def loader(dataset: Dataset, **options: Any) -> DataLoader[dict[str, torch.Tensor]]:
    """Batches that two processes read and prepare."""
    options |= {"num_workers": 2, "persistent_workers": True, "pin_memory": torch.cuda.is_available()}
    return DataLoader(dataset, batch_size=16, collate_fn=T.collate, **options)


def train(model: nn.Module, dataset: Dataset, epochs: int, device: str) -> None:
    """Fit the labels, of subtomograms that are turned and shifted anew in each epoch."""
    batches = loader(dataset.with_transform(AUGMENT), shuffle=True, drop_last=True)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * len(batches))
    for epoch in range(epochs):
        AUGMENT.set_epoch(epoch)
        for batch in batches:
            image, label = (batch[name].to(device, non_blocking=True) for name in ("image", "label"))
            loss = nn.functional.cross_entropy(model(image), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}: loss of the last batch {loss.item():.2f}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train on three quarters of a folder, ask about the rest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="on little data, to see that it runs")
    parser.add_argument("--out", type=Path, default=Path("demo-output/recipes"))
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    torch.set_num_threads(1)  # workers have the other cores
    device = "cuda" if torch.cuda.is_available() else "cpu"
    folder = subtomograms.write(options.out, 240 if options.small else 1200)  # or your own folder
    ds = load_dataset("local_classes", data_dir=folder, validation_fraction=0.25)
    names = ds["train"].features["label"].names
    model = network(len(names)).to(device)
    train(model, ds["train"], 4 if options.small else 8, device)

    with torch.inference_mode():
        asked = loader(ds["validation"].with_transform(PREPARE))
        answers = [(batch["label"], model.eval()(batch["image"].to(device)).argmax(1).cpu()) for batch in asked]
    truth, found = (torch.cat(column) for column in zip(*answers, strict=True))
    accuracy, chance = (truth == found).float().mean(), truth.bincount().max() / len(truth)
    print(f"accuracy on {len(truth)} held out subtomograms {accuracy:.1%}, by chance {chance:.1%}")
    assert accuracy > chance, "nothing was learned"
    recipe_pictures.confusion_matrix(options.out / "classify_subtomograms.png", ds["validation"], found)


if __name__ == "__main__":
    main()
