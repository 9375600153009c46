import shutil

import numpy as np
import pytest
import torch

import perc_transforms as T
from builders import load_dataset
from builders.synthetic import density


def test_a_map_becomes_particles(options):
    ds = load_dataset("synthetic", num_examples=20, **options)
    assert len(ds) == 20
    row = ds[3]
    assert row["image"].shape == (32, 32)
    assert row["image"].dtype == np.float32
    assert row["pixel_size"] == 3.0
    assert row["index"] == 3
    assert ds.features["label"].names == ["blobs"]
    assert set(row["pose"]) == {"rot", "tilt", "psi", "shift_x", "shift_y"}
    assert row["ctf"]["voltage"] == 300
    assert row["snr"] == pytest.approx(0.1)


def test_streams_have_the_same_rows(options):
    ds = load_dataset("synthetic", num_examples=20, clean=True, **options)
    stream = load_dataset("synthetic", num_examples=20, clean=True, streaming=True, **options)
    rows = list(stream)
    assert stream.features == ds.features
    assert [row["index"] for row in rows] == list(range(20))
    for row, other in zip(rows, ds, strict=True):
        assert list(row) == list(other)
        for name in ("image", "clean"):
            np.testing.assert_allclose(row.pop(name), other.pop(name), atol=1e-5)
        assert row == other


def test_rows_do_not_know_where_their_structures_lie(options, map_file, tmp_path):
    """Transforms that draw do so by `path` and `index`: another machine's have to be the same."""
    (tmp_path / "elsewhere").mkdir()
    other = shutil.copy(map_file, tmp_path / "elsewhere")
    one = load_dataset("synthetic", **options, num_examples=3)
    two = load_dataset("synthetic", **options | {"structures": [other]}, num_examples=3)
    stream = load_dataset("synthetic", **options | {"structures": [other]}, streaming=True)
    for row, copied, streamed in zip(one, two, stream, strict=False):
        assert row["path"] == copied["path"] == streamed["path"]
        assert row["id"] == copied["id"] == streamed["id"]
        assert (row["image"] == copied["image"]).all()
    rotate = T.RandomRotate()
    assert torch.equal(rotate(one[1])["image"], rotate(two[1])["image"])


def test_transforms_make_the_same_image_of_the_potential(options, map_file):
    (row,) = load_dataset("synthetic", num_examples=1, snr=None, defocus=9000, b_factor=80, astigmatism=500, **options)
    potential = density(map_file, pixel_size=3.0, box=32)
    depth = -2 * float(T.functional.interaction_constant(300.0)) * 3.0
    pose = tuple(row["pose"][name] for name in ("rot", "tilt", "psi"))
    optics = T.Compose([T.Project(pose, oversampling=3.0), T.CTF(), T.Envelope(80.0)])
    own = optics({"image": depth * potential, "pixel_size": 3.0, "id": "a", "ctf": row["ctf"]})
    error = own["image"].numpy() - row["image"]
    assert np.sqrt(np.mean(error**2)) < 0.01 * row["image"].std()
    assert own["pose"] == pytest.approx(row["pose"], abs=1e-4)
