"""Transforms that projections are made of: where they are kept, and how right what comes of them is."""

import numpy as np
import pytest
import torch

from builders.io.made import projecting
from builders.io.made.particles import ParticleMaker
from builders.io.made.projecting import Transforms, finest
from builders.io.made.recipe import Optics, Recipe, Source
from builders.io.made.recipe_file import MappedVolumes
from perc_transforms.functional import angles_of, interaction_constant, lowpass, matrices_of, project, volume_transform

N = 24
SOURCES = tuple(Source(f"v{number}.npy", 0, number) for number in range(3))
AS_IT_IS = Optics((0.0, 0.0), spherical_aberration=0.0, amplitude_contrast=1.0)
RECIPE = Recipe("particle", 1, N, 3.0, ("a",), SOURCES, AS_IT_IS, scene={"clean": True}, contrast="bright")


def volumes(count=3, n=N):
    axis = np.arange(n) - n // 2
    inside = np.sqrt(sum(np.square(axis).reshape(shape) for shape in ((-1, 1, 1), (1, -1, 1), (1, 1, -1)))) < 0.4 * n
    noise = np.random.default_rng(0).standard_normal((count, n, n, n))
    return [torch.from_numpy((one * inside).astype(np.float32)) for one in noise]


@pytest.fixture
def in_files(tmp_path, monkeypatch):
    """A recipe's volumes in a folder, and a process that keeps next to nothing."""
    for source, volume in zip(SOURCES, volumes(), strict=True):
        np.save(tmp_path / source.file, volume.numpy())
    monkeypatch.setattr(projecting, "MOST", 1)
    return tmp_path


def transforms(folder):
    return Transforms(RECIPE, MappedVolumes(str(folder / "recipe.json"), RECIPE))


def made_files(folder):
    return sorted(path.name for path in folder.glob("transform-*"))


def test_projections_are_right_to_what_is_stated():
    (volume,) = volumes(1)
    recipe = Recipe("particle", 1, N, 3.0, ("a",), SOURCES[:1], AS_IT_IS, contrast="bright", scene={"clean": True})
    recipe.orientations.update(kind="table", angles=[angles_of(np.eye(3)).tolist()])
    clean = ParticleMaker(recipe, [volume]).pixels(np.arange(1), ["clean"])["clean"][0]
    expected = 6 * float(interaction_constant(300.0)) * volume.sum(0).numpy()
    assert np.linalg.norm(clean - expected) < 8e-3 * np.linalg.norm(expected)


def test_more_than_fit_lie_in_files_that_others_map(in_files, monkeypatch):
    first = [transforms(in_files)[number].values for number in range(3)]
    assert len(made_files(in_files)) == 3
    monkeypatch.setattr(projecting, "volume_transform", None)  # nothing is made any more
    others = transforms(in_files)
    for number in (2, 0, 1, 2):
        found = others[number]
        assert torch.equal(found.values, first[number])
        assert (found.size, found.taps) == (N, projecting._TAPS)


def test_a_cutoff_comes_back(in_files):
    z, y, x = torch.meshgrid(*[torch.arange(float(N)) - N // 2] * 3, indexing="ij")
    np.save(in_files / "v0.npy", torch.exp(-(x**2 + y**2 + z**2) / (2 * 1.8**2)).numpy())
    made, mapped = transforms(in_files)[0], transforms(in_files)[0]
    assert made.cutoff == mapped.cutoff < 0.5
    assert (made.padded, made.size) == (mapped.padded, mapped.size)


def test_what_fits_lies_in_no_file(in_files, monkeypatch):
    monkeypatch.setattr(projecting, "MOST", 2**30)
    transforms(in_files)[0]
    assert not made_files(in_files)


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY\x01\x00", b"x" * 1000])
def test_a_damaged_file_is_made_anew(in_files, damage):
    expected = transforms(in_files)[1].values
    (name,) = made_files(in_files)
    (in_files / name).write_bytes(damage)
    assert torch.equal(transforms(in_files)[1].values, expected)
    assert (in_files / name).stat().st_size > expected.numel() * 8


def test_a_disk_that_will_not_have_them_is_said(in_files, caplog, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(projecting.np, "save", full)
    assert transforms(in_files)[1].values.numel()
    assert "No space left on device" in caplog.text
    assert not [path for path in in_files.iterdir() if "transform" in path.name]


def test_a_volume_has_nothing_beyond_its_finest_frequency():
    z, y, x = torch.meshgrid(*[torch.arange(24.0) - 12] * 3, indexing="ij")
    smooth = torch.exp(-((x - 1) ** 2 + (y - 0.5) ** 2 + z**2) / (2 * 1.8**2))
    cutoff = finest(smooth)
    assert 0.3 < cutoff < 0.5
    turns = matrices_of(torch.tensor([[10.0, 20.0, 30.0], [40.0, 50.0, 60.0]]))
    whole, cut = (project(volume_transform(smooth, cutoff=some), turns) for some in (None, cutoff))
    assert (whole - cut).norm() < 2e-3 * whole.norm()


def test_what_a_box_cuts_off_is_not_smooth():
    """Between its own frequencies, a volume that fills its box has what its low-pass took away."""
    rough = torch.randn(24, 24, 24, generator=torch.Generator().manual_seed(0))
    assert finest(lowpass(rough, resolution=4.0, pixel_size=1.0, spatial_dims=3)) is None
