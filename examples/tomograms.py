"""Part six of the demo: a copick project, streamed in tiles to a network that learns to find its particles."""

import json
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

import perc_transforms as T
from builders import load_dataset, publish
from examples import raw_data, tomogram_project, unet
from examples.contact_sheet import Tile, note, write_contact_sheet

TILE, RADIUS = 32, 3
"""Voxels."""
EPOCHS, BATCH = 10, 8
PREPARE = T.Compose([T.Normalize(), T.PickMap(RADIUS)])
AUGMENT = T.Compose([T.RandomFlip(), T.Normalize(), T.PickMap(RADIUS)])


def generate(out: Path, count: int) -> Path:
    """Write a copick project of so many tomograms, and a tilt series; gives the project's configuration."""
    raw_data.tilt_series(out / "tilt_series")
    return tomogram_project.make(out / "tomograms", count)


def run(out: Path, count: int) -> float:
    """Publish tiles of a made project, train on them, find particles in another tomogram; the worst F1 of a class."""
    start = time.perf_counter()
    torch.manual_seed(0)
    config = generate(out, count + 1)
    print(f"a copick project of {count + 1} tomograms with {' and '.join(tomogram_project.OBJECTS)}: {config}")

    print(f"a tilt series with its .mdoc file: {out / 'tilt_series'}")

    options = {"copick": str(config), "unit": "tile", "tile": TILE, "picks": "*", "cache_dir": str(out / "cache")}
    *names, held_out = [f"TS_{number}" for number in range(1, count + 2)]
    tiles = load_dataset("tomograms", tomograms=names, split="train", **options)
    done = publish(tiles, out / "tiles", license="cc0-1.0", title="Tiles of made tomograms")
    rows = sum(done.rows.values())
    print(f"published {rows} tiles of {TILE} x {TILE} x {TILE} voxels with their picks: {out / 'tiles'}")

    model = unet.UNet(1 + len(tomogram_project.OBJECTS))
    print("a network learns from them, mirrored, too: rotations of mirrored picks, which it does not use, become null")
    batches = DataLoader(tiles.with_transform(AUGMENT), BATCH, shuffle=True, collate_fn=T.collate, drop_last=True)
    unet.train(model, batches, AUGMENT, EPOCHS, torch.tensor([1.0, 8.0, 8.0]))

    stream = load_dataset(
        "tomograms", overlap=TILE // 2, tomograms=[held_out], split="train", streaming=True, **options
    )
    asked = DataLoader(
        stream.map(PREPARE, batched=True, batch_size=BATCH).with_format("torch").batch(BATCH), batch_size=None
    )
    likely = unet.probabilities(model, asked, tomogram_project.SHAPE, 1 + len(tomogram_project.OBJECTS))
    scores, marks = {}, []
    for number, name in enumerate(tomogram_project.OBJECTS, 1):
        found = unet.peaks(likely[number], 2 * RADIUS)
        scores[name] = unet.f1(found, _true(config, held_out, name), within=2 * RADIUS)
        marks.append(found)
    told = ", ".join(f"{name} {score:.2f}" for name, score in scores.items())
    print(f"F1 of the particles found in {held_out}, which the network never saw: {told}")
    sheet = out / "tomograms.png"
    _draw(sheet, config, held_out, likely)
    print(f"contact sheet: {sheet.resolve()}")
    print(f"{time.perf_counter() - start:.0f} s")
    return min(scores.values())


def _true(config: Path, run: str, name: str) -> NDArray[np.float64]:
    """Where particles are, (x, y, z) voxels, by the project's own files."""
    path = config.parent / "overlay" / "ExperimentRuns" / run / "Picks" / f"demo_0_{name}.json"
    points = [point["location"] for point in json.loads(path.read_text())["points"]]
    return np.array([[point[axis] for axis in "xyz"] for point in points]) / tomogram_project.PIXEL_SIZE


def _draw(path: Path, config: Path, run: str, likely: NDArray[np.float32]) -> None:
    """The section with the most particles, what is to be found in it, and what was."""
    whole = load_dataset("tomograms", copick=str(config), picks="*", tomograms=[run], split="train")[0]
    labels = T.PickMap(RADIUS)(whole)["labels"].numpy()
    z = int((labels > 0).sum((1, 2)).argmax())
    section = whole["image"][z]
    names = " and ".join(
        f"{name} ({shade})" for name, shade in zip(tomogram_project.OBJECTS, ("grey", "white"), strict=True)
    )
    side = max(section.shape)
    pictures = [section, labels[z].astype(np.float32), (likely[1:, z] * np.array([1.0, 2.0])[:, None, None]).sum(0)]
    padded = [np.pad(p, [(0, side - n) for n in p.shape], constant_values=p.min()) for p in pictures]
    words = (f"section {z} of {run}", f"picks: {names}", "found by the network")
    write_contact_sheet(
        path,
        (
            [
                Tile(p.astype(np.float32), note(w), is_whole=w is not words[0])
                for p, w in zip(padded, words, strict=True)
            ],
            3,
        ),
    )
