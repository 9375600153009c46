"""Train a small U-Net to find particles in micrographs, on a stream of made ones that has no end."""

import argparse
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

import perc_transforms as T
from builders import load_dataset
from examples import complexes, picking, recipe_pictures

MADE = {"unit": "micrograph", "micrograph_shape": (256, 256), "particles": (6, 14), "box_size": 36, "pixel_size": 6.0}
MADE |= {"snr": (0.05, 0.2), "carbon": 0.3, "ice_gradient": 0.5, "aggregates": 0.3, "defocus": (10_000, 25_000)}
COLUMNS, RADIUS = ["image", "picks", "pixel_size"], 10  # pixels
PREPARE = T.Compose([T.Normalize(), T.PickMap(RADIUS, shape="gaussian")])
AUGMENT = T.Compose([T.RandomFlip(), *PREPARE.transforms])
BASELINE = T.Compose([T.Bandpass(low=200, high=60), T.InvertContrast()])  # blobs of the particles' size


def block(inputs: int, out: int) -> nn.Module:
    """A convolution, normalised and rectified."""
    return nn.Sequential(nn.Conv2d(inputs, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU())


class UNet(nn.Module):
    """Images `(batch, inputs, ny, nx)` to features `(batch, width, ny, nx)`, by way of as many coarser levels."""

    def __init__(self, inputs: int, width: int, levels: int) -> None:
        super().__init__()
        self.fine, self.both = block(inputs, width), block(3 * width, width)
        self.coarse = UNet(width, 2 * width, levels - 1) if levels else block(width, 2 * width)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        fine = self.fine(images)
        coarse = self.coarse(nn.functional.max_pool2d(fine, 2))
        return self.both(torch.cat([fine, nn.functional.interpolate(coarse, scale_factor=2.0)], 1))


def main(arguments: list[str] | None = None) -> None:
    """Train, then find particles in micrographs of another seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="on little data, to see that it runs")
    parser.add_argument("--out", type=Path, default=Path("demo-output/recipes"))
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    torch.set_num_threads(1)  # workers have the other cores
    made = {"structures": complexes.structures(options.out / "complexes"), "split": "train", **MADE}
    stream = load_dataset("synthetic", streaming=True, **made).select_columns(COLUMNS)
    stream = stream.map(AUGMENT, batched=True, batch_size=8).with_format("torch").batch(8)
    loader = DataLoader(stream, batch_size=None, num_workers=2, collate_fn=T.collate)
    layers = nn.AvgPool2d(2), UNet(1, 12, 2), nn.Conv2d(12, 1, 1), nn.Upsample(scale_factor=2.0, mode="bilinear")
    model, steps = nn.Sequential(nn.Unflatten(1, (1, 256)), *layers, nn.Flatten(1, 2)), 30 if options.small else 200
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    for batch in islice(loader, steps):
        likely, target = model(batch["image"]), batch["labels"]
        loss = nn.functional.binary_cross_entropy_with_logits(likely, target, pos_weight=torch.tensor(5.0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    print(f"loss of the last of {steps} steps {loss.item():.3f}")

    held_out = load_dataset("synthetic", num_examples=8 if options.small else 40, seed=43, **made)
    rows = held_out.select_columns(COLUMNS).with_transform(PREPARE)[:]
    with torch.inference_mode():
        maps = {"U-Net": model.eval()(rows["image"]), "band-pass": BASELINE(rows)["image"]}
    curves = {name: picking.precision_and_recall(likely, rows["picks"], RADIUS) for name, likely in maps.items()}
    f1 = {name: (2 * p * r / (p + r).clamp(min=1e-9)).max() for name, (p, r) in curves.items()}
    print(", ".join(f"{name}: F1 {score:.3f}" for name, score in f1.items()), "at their best thresholds")
    assert f1["U-Net"] > f1["band-pass"], "nothing was learned"
    recipe_pictures.picks(options.out / "pick_particles.png", rows, maps["U-Net"], curves)


if __name__ == "__main__":
    main()
