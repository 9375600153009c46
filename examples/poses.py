"""Particles without end of the demo's structures, and a network that learns their classes and poses."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

import perc_transforms as T
from builders import load_dataset
from builders.synthetic import density
from examples.contact_sheet import Line, Tile, note, verdict, write_contact_sheet
from perc_transforms.functional import matrices_of, project, volume_transform

IDS = ["Z9DEM1", "AF-Z9DEM1-F1", "0duo"]
PREPARE = T.Compose([T.PhaseFlip(), T.Normalize()])
_BOX, _PIXEL_SIZE, _B_FACTOR = 32, 3.0, 60.0
_MADE = {
    **{"structures": IDS, "box_size": _BOX, "pixel_size": _PIXEL_SIZE, "density_b_factor": _B_FACTOR},
    **{"defocus": (8_000, 14_000), "snr": 2.0, "contrast": "bright", "split": "train"},
}
_UNUSED = ["ctf", "path", "index", "id", "snr", "state", "pixel_size"]
_BATCH_SIZE = 64
_HELD_OUT = 512
_SHOWN = 8
_ACROSS = 4
_NUMBERS = 6
"""By which the network says a rotation."""


@dataclass(frozen=True)
class Learned:
    """How well a network tells classes and poses of particles that it was not trained on.

    Attributes:
        accuracy: share of the particles whose class is right.
        chance: the share of the most frequent class.
        error: degrees between poses and those that the network gives them: the median.
        error_by_chance: degrees between poses and those that it gives to other particles: the median.
    """

    accuracy: float
    chance: float
    error: float
    error_by_chance: float


def learn(out: Path, places: Mapping[str, Any], batches: int) -> Learned:
    """Train on so many batches of a stream, ask about particles of another seed, draw what is answered.

    Args:
        out: folder of the demo.
        places: `endpoints` and `cache_dir`, where `load_dataset` finds structures and keeps rows.
        batches: how many, of 64 particles.
    """
    torch.manual_seed(0)
    model = _network(len(IDS))
    stream = load_dataset("synthetic", streaming=True, **_MADE, **places)
    stream = stream.map(PREPARE, batched=True, batch_size=_BATCH_SIZE, remove_columns=_UNUSED)
    loader = DataLoader(
        stream.with_format("torch").batch(_BATCH_SIZE), batch_size=None, num_workers=2, collate_fn=T.collate
    )
    with _one_thread():
        _train(model, loader, batches)

    held_out = load_dataset("synthetic", seed=43, num_examples=_HELD_OUT, **_MADE, **places)
    loader = DataLoader(held_out.with_transform(PREPARE), _BATCH_SIZE, num_workers=2, collate_fn=T.collate)
    images, labels, truth, named, turned = _asked(model, loader)
    errors, others = _degrees_between(turned, truth), _degrees_between(turned.roll(1, 0), truth)
    path = out / "poses.png"
    _draw(path, images[:_SHOWN], labels, named, turned[:_SHOWN], errors, places)
    print(f"contact sheet: {path.resolve()}")
    accuracy, chance = float((named == labels).float().mean()), float(labels.bincount().max() / len(labels))
    return Learned(accuracy, chance, float(errors.median()), float(others.median()))


def _network(classes: int) -> nn.Module:
    """For each class how likely it is, and six numbers that say the pose if it is that."""

    def layer(inputs: int) -> list[nn.Module]:
        return [nn.Linear(inputs, 512), nn.BatchNorm1d(512), nn.ReLU()]

    return nn.Sequential(nn.Flatten(), *layer(_BOX**2), *layer(512), nn.Linear(512, classes * (1 + _NUMBERS)))


def _split(answers: Tensor) -> tuple[Tensor, Tensor]:
    """What the network answers: `(rows, classes)`, and rotations `(rows, classes, 3, 3)`.

    The first two rows of a matrix are made of six numbers, orthogonal and of length 1: Zhou et al., "On the continuity
    of rotation representations in neural networks", CVPR 2019.
    """
    classes = answers.shape[1] // (1 + _NUMBERS)
    first, second = answers[:, classes:].reshape(-1, classes, 2, 3).unbind(2)
    x = nn.functional.normalize(first, dim=-1)
    y = nn.functional.normalize(second - (x * second).sum(-1, keepdim=True) * x, dim=-1)
    return answers[:, :classes], torch.stack([x, y, torch.linalg.cross(x, y)], -2)


def _rotations(pose: Mapping[str, Tensor]) -> Tensor:
    """Matrices `(rows, 3, 3)` of the column `pose`."""
    return matrices_of(torch.stack([pose[name] for name in ("rot", "tilt", "psi")], -1))


@contextmanager
def _one_thread() -> Iterator[None]:
    """The network is small: where workers have the other cores, more threads wait for each other most of the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train(model: nn.Module, loader: DataLoader[Any], batches: int) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=batches)
    with tqdm(islice(loader, batches), "Learning poses", batches, unit=" batches", disable=None) as progress:
        for batch in progress:
            scores, rotations = _split(model(batch["image"]))
            chosen = rotations[torch.arange(len(scores)), batch["label"]]
            apart = (chosen - _rotations(batch["pose"])).square().sum((1, 2)).mean()
            loss = nn.functional.cross_entropy(scores, batch["label"]) + apart
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def _asked(model: nn.Module, loader: DataLoader[Any]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Images, labels and rotations of particles, and the labels and rotations that the network gives them."""
    model.eval()
    found = []
    with torch.inference_mode():
        for batch in loader:
            scores, rotations = _split(model(batch["image"]))
            named = scores.argmax(1)
            turned = rotations[torch.arange(len(named)), named]
            found.append((batch["image"], batch["label"], _rotations(batch["pose"]), named, turned))
    images, labels, truth, named, turned = (torch.cat(column) for column in zip(*found, strict=True))
    return images, labels, truth, named, turned


def _degrees_between(some: Tensor, others: Tensor) -> Tensor:
    """The angle of the turn from each rotation to its partner."""
    cosines = ((some.double() * others.double()).sum((1, 2)) - 1) / 2
    return torch.rad2deg(torch.arccos(cosines.clamp(-1, 1)))


def _draw(
    path: Path,
    images: Tensor,
    labels: Tensor,
    named: Tensor,
    turned: Tensor,
    errors: Tensor,
    places: Mapping[str, Any],
) -> None:
    """Images, and below each the density of the class that was named, seen as the network says."""
    drawn = {"pixel_size": _PIXEL_SIZE, "box": _BOX, "b_factor": _B_FACTOR, "endpoints": places["endpoints"]}
    volumes = [volume_transform(torch.from_numpy(density(id, **drawn))) for id in IDS]
    seen, told = [], []
    for place, image in enumerate(images):
        label, name = int(labels[place]), int(named[place])
        told.append(Tile(image.numpy(), verdict(IDS[label], IDS[name])))
        view = project(volumes[name], turned[place][None])[0]
        lines: tuple[Line, ...] = note(f"{errors[place]:.0f} degrees off")
        seen.append(Tile(view.numpy(), lines))
    groups = [
        (part[first : first + _ACROSS], _ACROSS) for first in range(0, len(told), _ACROSS) for part in (told, seen)
    ]
    write_contact_sheet(path, *groups)
