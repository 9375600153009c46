import numpy as np
import pytest
import torch

from builders.io.made import projecting
from builders.io.made.projecting import Transforms, finest
from builders.io.made.recipe import Recipe, Source
from builders.io.made.recipe_file import MappedVolumes
from perc_transforms.functional import lowpass, matrices_of, project

TURNS = matrices_of(torch.tensor([[10.0, 20.0, 30.0], [40.0, 50.0, 60.0]]))


@pytest.fixture
def recipe(tmp_path):
    """Two sources in files: one has all frequencies, the other one few."""
    rough = torch.randn(24, 24, 24, generator=torch.Generator().manual_seed(0))
    z, y, x = torch.meshgrid(*[torch.arange(24.0) - 12] * 3, indexing="ij")
    smooth = torch.exp(-((x - 1) ** 2 + (y - 0.5) ** 2 + z**2) / (2 * 1.8**2))
    for name, volume in (("a.npy", rough), ("b.npy", smooth)):
        np.save(tmp_path / name, volume.numpy())
    return Recipe("particle", 1, 24, 1.0, ("a", "b"), (Source("a.npy", 0, 0), Source("b.npy", 1, 0)))


def test_a_volume_has_nothing_beyond_its_finest_frequency(recipe, tmp_path):
    rough, smooth = MappedVolumes(str(tmp_path / "r.json"), recipe)
    assert finest(rough) is None
    cutoff = finest(smooth)
    assert 0.3 < cutoff < 0.5
    whole, cut = Transforms(recipe, [rough, smooth]), projecting.volume_transform(smooth)
    made = project(whole[1], TURNS)
    scale = float(projecting.contrast_of(recipe, torch.ones(1)))
    expected = scale * project(cut, TURNS)
    assert (made - expected).norm() < 2e-3 * expected.norm()


def test_those_that_do_not_fit_are_files_that_processes_share(recipe, tmp_path, monkeypatch):
    volumes = MappedVolumes(str(tmp_path / "r.json"), recipe)
    inside = [project(Transforms(recipe, volumes)[number], TURNS) for number in (0, 1)]
    assert not list(tmp_path.glob("*.part.npy"))
    monkeypatch.setattr(projecting, "MOST", 1000)
    monkeypatch.setattr(projecting, "_kept", type(projecting._kept)())
    first = Transforms(recipe, volumes)
    assert all(torch.equal(project(first[number], TURNS), inside[number]) for number in (0, 1))
    assert len(list(tmp_path.glob("a-*.all.npy"))) == len(list(tmp_path.glob("b-*.part.npy"))) == 1
    assert len(projecting._kept) == 2
    monkeypatch.setattr(Transforms, "_made", None)  # made once
    other = Transforms(recipe, volumes)
    assert all(torch.equal(project(other[number], TURNS), inside[number]) for number in (0, 1))
    projecting._kept.clear()


def test_what_a_box_cuts_off_is_not_smooth():
    """Between its own frequencies, a volume that fills its box has what its low-pass took away."""
    rough = torch.randn(24, 24, 24, generator=torch.Generator().manual_seed(0))
    assert finest(lowpass(rough, resolution=4.0, pixel_size=1.0, spatial_dims=3)) is None


def test_a_folder_that_takes_no_files_costs_time_alone(recipe, tmp_path, monkeypatch):
    volumes = MappedVolumes(str(tmp_path / "r.json"), recipe)
    inside = project(Transforms(recipe, volumes)[0], TURNS)
    monkeypatch.setattr(projecting, "MOST", 1000)
    monkeypatch.setattr(projecting, "_write", _fail)
    found = Transforms(recipe, volumes)
    assert torch.equal(project(found[0], TURNS), inside)
    assert torch.equal(project(found[1], TURNS), project(Transforms(recipe, volumes)[1], TURNS))
    assert len(projecting._kept) == 1


def _fail(path, values):
    msg = "no room"
    raise OSError(msg)
