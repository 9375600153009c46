"""Train a small U-Net to denoise micrographs from the two halves of movies, without a clean image (Noise2Noise)."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

import perc_transforms as T
import perc_transforms.functional as F
from builders import load_dataset
from examples import complexes, fidelity, recipe_pictures
from examples.recipes.pick_particles import UNet

SIDE, PIXEL_SIZE = 192, 6.0
MADE = {"unit": "micrograph", "micrograph_shape": (SIDE, SIDE), "frames": 6, "clean": True, "snr": (0.05, 0.2)}
MADE |= {"particles": (8, 12), "box_size": 36, "pixel_size": PIXEL_SIZE, "defocus": (8_000, 16_000), "split": "train"}
AUGMENT = T.Compose([T.RandomCrop(96), T.RandomFlip(), T.RandomRotate90()])


def halves(rows: dict[str, Any]) -> dict[str, Any]:
    """The means of odd and of even frames: what the network sees and what it is to find. Both have the same scale."""
    odd, even = (torch.stack([torch.as_tensor(movie[n::2]).mean(0) for movie in rows["image"]]) for n in (0, 1))
    clean = torch.stack([torch.as_tensor(movie).mean(0) for movie in rows["clean"]])
    mean, std = odd.mean((1, 2), keepdim=True), odd.std((1, 2), keepdim=True)
    return rows | {name: (image - mean) / std for name, image in (("image", odd), ("target", even), ("clean", clean))}


def halves_anew(rows: dict[str, Any]) -> dict[str, Any]:
    """The same part of both, at another place and in another orientation in each epoch."""
    return AUGMENT(halves(rows))


def main(arguments: Sequence[str] | None = None) -> None:
    """Train on movies, denoise those of another seed, hold both against what is true."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="on little data, to see that it runs")
    parser.add_argument("--out", type=Path, default=Path("demo-output/recipes"))
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    torch.set_num_threads(1)  # workers have the other cores
    made = {"structures": complexes.structures(options.out / "complexes"), **MADE}
    movies, epochs = load_dataset("synthetic", num_examples=32 if options.small else 128, **made), 12
    movies = movies.select_columns(["image", "clean", "id"])
    workers = {"num_workers": 2, "persistent_workers": True}
    batches = DataLoader(movies.with_transform(halves_anew), 8, shuffle=True, collate_fn=T.collate, **workers)
    model = nn.Sequential(nn.Unflatten(1, (1, -1)), UNet(1, 12, 2), nn.Conv2d(12, 1, 1), nn.Flatten(1, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=epochs * len(batches))
    for epoch in range(epochs):
        AUGMENT.set_epoch(epoch)
        for batch in batches:
            loss = nn.functional.mse_loss(model(batch["image"]), batch["target"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}: loss of the last batch {loss.item():.3f}")

    held_out = load_dataset("synthetic", num_examples=8, seed=43, **made).select_columns(["image", "clean"])
    rows = halves(held_out[:])
    noisy, clean = (rows["image"] + rows["target"]) / 2, rows["clean"]
    with torch.inference_mode():
        found = (model.eval()(rows["image"]) + model(rows["target"])) / 2
    passed = [F.lowpass(noisy, pixel_size=PIXEL_SIZE, resolution=float(n), spatial_dims=2) for n in range(15, 90, 5)]
    low = max(passed, key=lambda images: fidelity.psnr(images, clean))  # the best there is, in hindsight
    images = {"mean of the frames": noisy, "low-pass": low, "Noise2Noise": found, "clean": clean}
    scores = {name: fidelity.psnr(image, clean) for name, image in list(images.items())[:3]}
    print(", ".join(f"{name} {score:.1f} dB" for name, score in scores.items()))
    assert scores["Noise2Noise"] > scores["low-pass"], "nothing was learned"
    rings = {name: fidelity.ring_correlation(images[name], clean) for name in scores}
    path = options.out / "denoise_micrographs.png"
    recipe_pictures.denoised(path, {name: image[0] for name, image in images.items()}, rings, PIXEL_SIZE)


if __name__ == "__main__":
    main()
