"""Part five of the demo: particles with their table, as RELION has them, to a batch for training."""

import time
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset, Features, Value

import perc_transforms as T
from builders import EMImage, load_dataset
from builders.io import mrc
from builders.particles import check, write
from examples.contact_sheet import Tile, note, write_contact_sheet
from examples.projections import BLOB, BOX, PIXEL_SIZE, barrel, random_rotation
from perc_transforms.spatial.euler import angles_of

OPTICS = {"voltage": 300.0, "spherical_aberration": 2.7, "amplitude_contrast": 0.1, "phase_shift": 0.0}
PREPARE = T.Compose([T.PhaseFlip(), T.Lowpass(resolution=12.0), T.NormalizeBackground()])
PER_MICROGRAPH = 50
SHOWN = 5


def density() -> torch.Tensor:
    """Sum of Gaussian blobs, `(z, y, x)`: a barrel with a cap and a handle, which no turn brings to itself."""
    handle = np.array([[60.0, 8.0, -20.0], [66.0, 12.0, 0.0], [60.0, 16.0, 20.0]])
    cap = np.array([[12.0, -8.0, 58.0], [-10.0, 12.0, 62.0], [-16.0, 6.0, 54.0]])
    points = np.concatenate([barrel(), handle, cap])
    axis = (np.arange(BOX) - BOX // 2) * PIXEL_SIZE
    x, y, z = (np.exp(-0.5 * ((axis - points[:, [column]]) / BLOB) ** 2) for column in range(3))
    return torch.from_numpy(np.einsum("nz,ny,nx->zyx", z, y, x)).float()


def make(folder: Path, volume: torch.Tensor, count: int, snr: float = 0.3, seed: int = 5) -> Path:
    """Write particles as RELION extracts them, bright, in stacks with their table; gives the table.

    Args:
        folder: where to.
        volume: `(n, n, n)`, of `PIXEL_SIZE` Å.
        count: how many, from anywhere, 50 of a micrograph.
        snr: variance of the projections over that of the noise.
        seed: decides orientations, origins, defocus and noise.
    """
    rng = np.random.default_rng(seed)
    rotations = [random_rotation(rng) for _ in range(count)]
    origins = rng.uniform(-9, 9, (count, 2))  # Å
    seen = T.functional.project(
        T.functional.volume_transform(volume),
        torch.from_numpy(np.stack(rotations)).float(),
        shifts=torch.from_numpy(-origins / PIXEL_SIZE).float(),
    )
    rows = []
    for number, (rotation, (x, y), image) in enumerate(zip(rotations, origins.tolist(), seen, strict=True)):
        micrograph = number // PER_MICROGRAPH
        defocus = 9_000 + 1_700 * (micrograph % 8) + rng.normal(0, 150)
        pose = dict(zip(("rot", "tilt", "psi"), angles_of(rotation), strict=True))
        rows.append(
            {
                "image": image,
                "pixel_size": PIXEL_SIZE,
                "pose": {**pose, "shift_x": x, "shift_y": y},
                "ctf": {"defocus_u": defocus, "defocus_v": defocus - 400, "defocus_angle": 35.0, **OPTICS},
                "micrograph": f"MotionCorr/mic_{micrograph:03d}.mrc",
                "half_set": 1 + number % 2,
                "id": f"{seed}-{number}",
            }
        )
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    columns = T.Compose([T.CTF(), T.AddNoise(snr=snr)])(columns)
    columns["image"] = [image.numpy() for image in columns["image"]]
    del columns["id"]
    number = Value("float32")
    features = Features(
        {
            "image": EMImage(),
            "pixel_size": number,
            "pose": dict.fromkeys(columns["pose"][0], number),
            "ctf": dict.fromkeys(columns["ctf"][0], number),
            "micrograph": Value("string"),
            "half_set": Value("int64"),
        }
    )
    return Path(write(Dataset.from_dict(columns, features=features), folder).table)


def generate(out: Path, volume: torch.Tensor, count: int) -> Path:
    """Write particles of a map, and the map itself; gives the particles' table."""
    mrc.write(out / "map.mrc", volume.numpy(), pixel_size=PIXEL_SIZE)
    return make(out / "particles", volume, count)


def run(out: Path, count: int) -> bool:
    """Make particles, read them as anybody's, and check their conventions; whether these are found to be as stated."""
    start = time.perf_counter()
    volume = density()
    table = generate(out, volume, count)
    print(f"{count} particles with poses and CTFs: {table}")

    ds = load_dataset("particles", star=str(table), validation_fraction=0.1, cache_dir=out / "cache")
    train = ds["train"].with_transform(PREPARE)
    loader = torch.utils.data.DataLoader(train, batch_size=64, shuffle=True, collate_fn=T.collate)
    batch = next(iter(loader))
    print(f"train {len(train)}, validation {len(ds['validation'])}; a batch: image {tuple(batch['image'].shape)},")
    print(f"pose {', '.join(batch['pose'])}; ctf {', '.join(batch['ctf'])}")

    found = check(ds["train"], volume.numpy())
    print(f"its conventions, held against the map: {found.best}")

    print(f"images beside projections: {found.save(out / 'particles-checked.png').resolve()}")

    chosen = list(range(0, len(train), max(1, len(train) // SHOWN)))[:SHOWN]
    stored, prepared = ds["train"][chosen], train[chosen]
    sheet = out / "particles.png"
    groups = [
        ([Tile(image, note("as stored")) for image in stored["image"]], SHOWN),
        ([Tile(image.numpy(), note("phases flipped, filtered")) for image in prepared["image"]], SHOWN),
    ]
    write_contact_sheet(sheet, *groups)
    print(f"contact sheet: {sheet.resolve()}")
    print(f"{time.perf_counter() - start:.0f} s")
    return found.best.startswith("as stated")
