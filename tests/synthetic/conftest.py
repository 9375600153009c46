import mrcfile
import numpy as np
import pytest


def blob(n=32, width=3.0, at=(0.0, 0.0, 0.0), height=8.0):
    """A Gaussian blob, V; `at` (x, y, z) in voxels from the centre."""
    z, y, x = np.meshgrid(*[np.arange(n) - n // 2] * 3, indexing="ij")
    squares = (x - at[0]) ** 2 + (y - at[1]) ** 2 + (z - at[2]) ** 2
    return (height * np.exp(-squares / (2 * width**2))).astype(np.float32)


def write_map(path, volume, pixel_size=3.0):
    with mrcfile.new(path) as file:
        file.set_data(volume)
        file.voxel_size = pixel_size
    return str(path)


@pytest.fixture
def map_file(tmp_path):
    """A map that looks different from everywhere."""
    return write_map(tmp_path / "blobs.mrc", blob() + blob(32, 2.0, (6, -3, 2)) + blob(32, 1.5, (-4, 5, -6)))


@pytest.fixture
def options(map_file, tmp_path):
    return {
        "structures": [map_file],
        "box_size": 32,
        "pixel_size": 3.0,
        "split": "train",
        "cache_dir": str(tmp_path / "cache"),
    }
