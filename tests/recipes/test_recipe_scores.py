"""What the recipes measure is what it says, and what they make of poses and CTFs is what made the images."""

import pytest
import torch
from torch import nn

import perc_transforms as T
from builders import load_dataset
from builders.synthetic import densities
from examples import complexes
from examples.recipe_scores import as_if_uninterrupted, linear_probe, nearest_middle
from examples.recipes.heterogeneity import BOX, PIXEL_SIZE, VolumeVAE

WHOLE = [(0, [0, 2], 3.0), (0, [1], 2.0), (1, [1, 0], 1.5), (1, [2], 1.0), (2, [2, 0], 0.5)]


def test_a_run_that_does_what_another_one_did_is_told(capsys):
    as_if_uninterrupted(WHOLE[:4], WHOLE, 3)
    assert "2 epochs of 3 rows, each once an epoch" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("place", "step", "message"),
    [
        (1, (0, [], 2.0), "5 rows, 5 different ones, of 2 x 3"),
        (3, (1, [1], 1.0), "6 rows, 5 different ones, of 2 x 3"),
        (2, (1, [0, 1], 1.5), "another order"),
        (3, (1, [2], 1.1), "the losses are others"),
    ],
)
def test_a_run_that_does_not_raises(place, step, message):
    broken = WHOLE[:4]
    broken[place] = step
    with pytest.raises(RuntimeError, match=message):
        as_if_uninterrupted(broken, WHOLE, 3)


def test_the_nearest_middle_tells_classes_that_lie_apart_and_guesses_others():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (900,), generator=generator)
    noise = torch.randn(900, 2, generator=generator)
    apart = torch.tensor([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0]])[labels]
    assert nearest_middle(noise + apart, labels) == 1.0
    assert nearest_middle(noise, labels) == pytest.approx(1 / 3, abs=0.08)


def test_a_linear_probe_names_what_features_tell_and_guesses_the_rest():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(400, 4, 4, generator=generator)
    rows = [{"image": image} for image in images]
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    assert linear_probe(model, rows, (images[:, 0, 1] > 0).long()) > 0.85
    assert linear_probe(model, rows, torch.randint(2, (400,), generator=generator)) == pytest.approx(0.5, abs=0.15)


def test_volumes_are_seen_as_their_particles_were_made(tmp_path):
    """By poses, origins and CTFs of the rows: a convention that is turned round would show."""
    made = {"structures": complexes.moving(tmp_path), "box_size": BOX, "pixel_size": PIXEL_SIZE, "snr": None}
    made |= {"defocus": (10_000, 20_000), "contrast": "bright", "max_shift": 12.0}
    ds = load_dataset("synthetic", num_examples=24, split="train", cache_dir=tmp_path / "cache", **made)
    rows = T.collate(list(ds.with_transform(T.Compose([T.PhaseFlip(), T.Lowpass(resolution=24.0), T.Normalize()]))))
    assert set(rows["state"].tolist()) == {0, 1, 2}
    model = VolumeVAE()
    true = densities(made["structures"], pixel_size=PIXEL_SIZE, box=BOX)
    model.volumes.data = torch.stack([torch.from_numpy(volume) for volume in true])
    with torch.no_grad():
        seen = model.seen(rows["pose"], rows["ctf"]).view(24, 3, BOX, BOX)
    seen = T.functional.normalize(
        T.functional.lowpass(seen, pixel_size=PIXEL_SIZE, resolution=24.0, spatial_dims=2), spatial_dims=2
    )
    alike = (seen * rows["image"][:, None]).mean((2, 3))
    assert alike.argmax(1).tolist() == rows["state"].tolist()
    assert alike.amax(1).min() > 0.98
