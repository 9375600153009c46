"""A small network that tells projections apart: made, trained, asked."""

import datasets
import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

import perc_transforms as T

EPOCHS = 12
BATCH_SIZE = 64
PREPARE = T.Compose([T.Rescale(32), T.Normalize()])
"""What the network wants to see: 32 x 32 pixels, mean 0, standard deviation 1."""
AUGMENT = T.Compose([T.Rescale(32), T.RandomRotate(), T.RandomFlip(), T.RandomShift(1.0), T.Normalize()])
"""The same, turned, mirrored and shifted anew in each epoch: particles lie at any angle, and never quite centred."""


def classifier(classes: int) -> nn.Module:
    """A small convolutional network for images of 32 x 32 pixels."""

    def block(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)
        )

    return nn.Sequential(
        nn.Unflatten(1, (1, 32)),
        *(block(1, 16), block(16, 32), block(32, 64)),
        *(nn.Flatten(), nn.Linear(64 * 4 * 4, classes)),
    )


def loader(dataset: datasets.Dataset, shuffle: bool) -> DataLoader[dict[str, torch.Tensor]]:
    """Batches read by two worker processes."""
    return DataLoader(dataset, BATCH_SIZE, shuffle=shuffle, num_workers=2, persistent_workers=True)


def train(model: nn.Module, dataset: datasets.Dataset) -> None:
    """Fit the labels."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    batches = loader(dataset.with_transform(AUGMENT), shuffle=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=EPOCHS * len(batches))
    with tqdm(total=EPOCHS * len(batches), desc="Training", unit=" batches", disable=None) as bar:
        for epoch in range(EPOCHS):
            AUGMENT.set_epoch(epoch)
            for batch in batches:
                loss = nn.functional.cross_entropy(model(batch["image"]), batch["label"])
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
