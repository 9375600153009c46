"""Images that are changed a few at a time are those that are changed all at once, in memory from stock."""

import pytest
import torch

from perc_transforms import functional as F
from perc_transforms.core import buffers, stacking

SHAPE = 6, 2, 40, 48, 50
"""Of volumes of 384 KB, 4.6 MB in all."""


@pytest.fixture
def volumes():
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)) * 3 + 5


def in_float64(x, by=None):
    of = (x if by is None else by).double()
    axes = (-3, -2, -1)
    mean, std = of.mean(axes, keepdim=True), of.std(axes, keepdim=True, correction=0)
    return ((x.double() - mean) / std).float()


def test_no_more_than_a_part_is_changed_at_once(volumes, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    seen = []

    def change(x, y, out):
        seen.append(x.nbytes)
        assert x.shape == y.shape
        torch.add(x, 2 * y, out=out)

    changed = stacking.by_parts(change, volumes, -volumes, axes=3)
    assert torch.equal(changed, -volumes)
    assert changed.shape == volumes.shape
    assert len(seen) > 1
    assert sum(seen) == volumes.nbytes
    assert max(seen) <= 2 * 2**20


def test_what_comes_of_it_lies_in_memory_that_is_used_again(volumes, monkeypatch):
    taken, take = [], buffers.take
    monkeypatch.setattr(buffers, "take", lambda count: taken.append(count) or take(count))
    F.normalize(volumes, spatial_dims=3)
    assert taken == [volumes.nbytes]


def test_each_volume_is_normalised_as_it_is_by_itself(volumes):
    whole = F.normalize(volumes, spatial_dims=3)
    alone = [F.normalize(volume, spatial_dims=3) for volume in volumes.flatten(0, 1)]
    assert torch.equal(whole.flatten(0, 1), torch.stack(alone))
    torch.testing.assert_close(whole, in_float64(volumes))
    other = volumes.flip(0)
    torch.testing.assert_close(F.normalize(volumes, spatial_dims=3, by=other), in_float64(volumes, other))
    torch.testing.assert_close(F.normalize(volumes, spatial_dims=3, by=other[0]), in_float64(volumes, other[0]))


@pytest.mark.parametrize("kind", ["strided", "grad", "float64", "vmap"])
def test_tensors_of_all_kinds_become_the_same(volumes, kind):
    wanted = in_float64(volumes)
    if kind == "strided":
        found = F.normalize(volumes.transpose(-1, -2), spatial_dims=3).transpose(-1, -2)
    elif kind == "vmap":
        found = torch.vmap(lambda some: F.normalize(some, spatial_dims=3), in_dims=1, out_dims=1)(volumes)
    elif kind == "float64":
        found = F.normalize(volumes.double(), spatial_dims=3).float()
    else:
        found = F.normalize(volumes.requires_grad_(), spatial_dims=3)
        found.square().sum().backward()
        assert volumes.grad is not None
        assert torch.isfinite(volumes.grad).all()
    torch.testing.assert_close(found.detach(), wanted)
