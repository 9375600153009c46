"""A folder of subtomograms `CLASS_number.mrc`, cut out of made tomograms, as `local_classes` reads it."""

from collections import Counter
from pathlib import Path

from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from builders import load_dataset
from builders.io import mrc
from examples import complexes

SIDE = 24
"""Voxels."""
PIXEL_SIZE = 9.0
"""Å."""
_SHAPE = (32, 192, 192)


def write(out: Path, count: int, snr: float = 0.06) -> Path:
    """Write so many subtomograms of the made-up complexes; what is there is left.

    Args:
        out: folder for structures, subtomograms and what `datasets` keeps.
        count: how many, of all classes together.
        snr: variance of the clean images of the tilt series over that of their noise.

    Returns:
        The folder of subtomograms.
    """
    folder = out / f"subtomograms-{count}"
    if len(list(folder.glob("*.mrc"))) == count:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    tomograms = load_dataset(
        "synthetic",
        **{"structures": complexes.structures(out / "complexes"), "unit": "tomogram", "tomogram_shape": _SHAPE},
        **{"particles": (20, 30), "box_size": 32, "pixel_size": PIXEL_SIZE, "snr": snr, "segmentation": False},
        **{"streaming": True, "split": "train"},
    )
    names, written = tomograms.features["picks"]["label"].feature.names, Counter[str]()
    rows = DataLoader(tomograms, batch_size=None, num_workers=2)
    with tqdm(total=count, desc="Making subtomograms", unit=" files", disable=None) as progress:
        for row in rows:
            for pixels, label in zip(row["picks"]["pixels"], row["picks"]["label"], strict=True):
                first = [round(place) - SIDE // 2 for place in reversed(pixels)]  # (x, y, z) of a pick, (z, y, x) here
                cube = row["image"][tuple(slice(max(n, 0), n + SIDE) for n in first)]
                if cube.shape == (SIDE,) * 3 and written.total() < count:
                    name = names[label]
                    mrc.write(folder / f"{name}_{written[name]:04d}.mrc", cube, pixel_size=PIXEL_SIZE)
                    written[name] += 1
                    progress.update()
            if written.total() == count:
                return folder
    return folder
