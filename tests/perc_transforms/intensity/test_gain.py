import copy
import pickle
from itertools import product

import numpy as np
import pytest
import torch

import perc_transforms as T
import perc_transforms.functional as F

NY, NX = 6, 10
TURNS = list(product(range(4), range(3)))


def reference(ny=NY, nx=NX, seed=0):
    """A gain to multiply by, with a dark pixel; no two turns of it are alike."""
    gain = np.random.default_rng(seed).uniform(0.8, 1.2, (ny, nx)).astype(np.float32)
    gain[1, 2] = 0
    return gain


def turned(gain, rotation, flip):
    """The reference as frames need it, by NumPy."""
    there = np.rot90(gain, -rotation)
    return {0: there, 1: there[::-1], 2: there[:, ::-1]}[flip]


def finer(gain, step):
    return np.kron(gain, np.ones((step, step), np.float32))


def coarser(gain, step):
    ny, nx = gain.shape
    return gain.reshape(ny // step, step, nx // step, step).sum((1, 3))


def flat_frame(sensitivity):
    """A frame of 100 e a pixel as a detector of that sensitivity sees it."""
    return 100 * sensitivity


@pytest.mark.parametrize("step", [1, 2, 4])
@pytest.mark.parametrize(("rotation", "flip"), TURNS)
def test_a_flat_field_comes_out_flat_under_every_turn_and_grid(rotation, flip, step):
    gain = reference()
    frame_gain = finer(turned(gain, rotation, flip), step)
    dark = frame_gain == 0
    frame = flat_frame(np.where(dark, 0.3, 1 / np.where(dark, 1, frame_gain)))
    factors = F.gain_factors(gain, frame.shape, rotation=rotation, flip=flip).numpy()
    assert factors.dtype == np.float32
    np.testing.assert_allclose((frame * factors)[~dark], 100, rtol=1e-6)
    assert not (frame * factors)[dark].any()


@pytest.mark.parametrize(("finer_reference", "step"), [(False, 1), (False, 2), (False, 4), (True, 2), (True, 4)])
@pytest.mark.parametrize(("rotation", "flip"), TURNS)
def test_counts_are_divided_by_and_keep_the_mean_under_every_turn_and_grid(rotation, flip, finer_reference, step):
    counts = (finer(reference(), step) if finer_reference else reference()) * 37
    there = turned(counts, rotation, flip)
    frame = coarser(there, step) if finer_reference else finer(there, step)
    corrected = frame * F.gain_factors(counts, frame.shape, rotation=rotation, flip=flip, counts=True).numpy()
    np.testing.assert_allclose(corrected[frame > 0], frame.mean(dtype=np.float64), rtol=1e-5)
    assert not corrected[frame == 0].any()


def test_polarity_counts_are_the_inverse_of_what_is_multiplied_by():
    gain = reference()
    gain[1, 2] = 1
    by, of_counts = F.gain_factors(gain, gain.shape), F.gain_factors(1 / gain, gain.shape, counts=True)
    torch.testing.assert_close(of_counts / by, torch.full((NY, NX), float((1 / gain).mean())))


def test_the_mean_is_that_of_all_pixels_with_those_that_are_0():
    found = F.gain_factors(np.array([[2.0, 0.0], [2.0, 4.0]]), (2, 2), counts=True)
    assert found.tolist() == [[1.0, 0.0], [1.0, 0.5]]


def test_a_finer_reference_to_multiply_by_is_summed():
    gain = finer(reference(), 2)
    torch.testing.assert_close(F.gain_factors(gain, (NY, NX)), torch.from_numpy(4 * reference()))


@pytest.mark.parametrize("counts", [False, True])
def test_pixels_that_are_not_finite_become_0(counts):
    gain = np.ones((4, 4), np.float32)
    gain[0, 0], gain[1, 1], gain[2, 2] = np.nan, np.inf, -np.inf
    found = F.gain_factors(gain, (4, 4), counts=counts)
    assert torch.isfinite(found).all()
    assert found.diagonal().tolist()[:3] == [0, 0, 0]
    assert (found == 0).sum() == 3


def test_the_reference_is_left_alone_and_shares_no_memory():
    gain = torch.from_numpy(reference())
    before = gain.clone()
    F.gain_factors(gain, (NY, NX)).mul_(0)
    assert torch.equal(gain, before)


def test_defects_are_counted():
    gain = np.random.default_rng(1).normal(1, 0.05, (64, 64))
    assert F.gain_defects(gain) == (0, 0, 0)
    gain[0, :3] = 0
    gain[1, :2] = np.nan, np.inf
    gain[2, :4] = 3, -2, 1.6, 0.3
    assert F.gain_defects(gain) == (3, 2, 4)
    assert F.gain_defects(np.zeros((2, 2))) == (4, 0, 0)


@pytest.mark.parametrize(
    ("shape", "rotation", "said"),
    [
        ((NX, NY), 0, r"a gain reference of \(6, 10\) for frames of \(10, 6\): expected.*: a rotation of 1 or 3 would"),
        ((NY, NX), 1, r"\(6, 10\) for frames of \(6, 10\), rotated by 1 x 90 degrees: .*: a rotation of 0 or 2 would"),
        ((2 * NX, 2 * NY), 0, "a rotation of 1 or 3 would fit"),
        ((NY, 2 * NX), 0, r"for frames of \(6, 20\): expected the same size, or one 2 or 4 times finer or coarser"),
        ((3 * NY, 3 * NX), 0, "2 or 4 times finer or coarser along both axes$"),
        ((NY, NX, 1), 0, "expected the same size"),
    ],
)
def test_a_shape_that_fits_in_no_way_is_told_with_both_shapes(shape, rotation, said):
    with pytest.raises(T.TransformError, match=said):
        F.gain_factors(reference(), shape, rotation=rotation)


# the transform


@pytest.mark.parametrize(("rotation", "flip", "counts"), [(0, 0, False), (1, 2, True), (3, 1, False)])
def test_every_form_gives_what_one_frame_gives(rotation, flip, counts):
    gain = reference()
    shape = turned(gain, rotation, flip).shape
    movie = np.random.default_rng(2).poisson(3, (4, *shape)).astype(np.uint8)
    correct = T.GainCorrect(gain, rotation=rotation, flip=flip, counts=counts)
    expected = movie * F.gain_factors(gain, shape, rotation=rotation, flip=flip, counts=counts).numpy()
    assert torch.equal(correct(movie), torch.from_numpy(expected))
    assert torch.equal(correct({"image": movie[1]})["image"], torch.from_numpy(expected[1]))
    listed = correct({"image": list(movie), "path": ["a", "b", "c", "d"]})["image"]
    assert torch.equal(torch.stack(listed), torch.from_numpy(expected))
    twice = correct([movie[0], finer(movie[0], 2)])
    torch.testing.assert_close(twice[1], torch.from_numpy(finer(expected[0], 2)))


def test_factors_are_made_once_for_a_shape_and_are_not_pickled(monkeypatch):
    from perc_transforms.intensity import gain as module

    made = []
    monkeypatch.setattr(module, "gain_factors", lambda *a, **k: made.append(a[1]) or F.gain_factors(*a, **k))
    correct = T.GainCorrect(reference())
    bare = len(pickle.dumps(correct))
    frame = torch.ones(NY, NX)
    assert torch.equal(correct(frame), correct(frame))
    assert made == [(NY, NX)]
    for step in (2, 4, 2):
        correct(torch.ones(step * NY, step * NX))
    assert made == [(NY, NX), (2 * NY, 2 * NX), (4 * NY, 4 * NX)]
    assert len(correct._made) == module.KEPT
    assert len(pickle.dumps(correct)) == bare
    for again in (pickle.loads(pickle.dumps(correct)), copy.deepcopy(correct)):
        assert again == correct
        assert torch.equal(again(frame), correct(frame))


def test_precision_and_gradients():
    frame = torch.ones(2, NY, NX, dtype=torch.float64, requires_grad=True)
    with torch.inference_mode():
        T.GainCorrect(reference())(frame)
    correct = T.GainCorrect(torch.from_numpy(reference()))
    correct(frame).sum().backward()
    torch.testing.assert_close(frame.grad, torch.from_numpy(reference()).double().expand(2, -1, -1))


def test_its_repr_is_short_and_what_is_no_reference_is_told():
    correct = T.GainCorrect(np.ones((1, 4096 // 64, 32)), rotation=3, counts=True)
    assert repr(correct) == "GainCorrect(<gain of 64 x 32>, rotation=3, counts=True)"
    assert repr(T.Compose([correct])) == f"Compose([{correct!r}])"
    assert correct != T.GainCorrect(np.ones((64, 32)), rotation=3)
    assert correct != "a gain"
    for wrong in ("gain.mrc", None, np.ones((2, 3, 4)), np.ones(4), np.ones((2, 2), complex)):
        with pytest.raises(T.TransformError, match=r"GainCorrect: gain"):
            T.GainCorrect(wrong)
    for options, said in (
        ({"rotation": 4}, r"rotation is 4: expected a whole number from 0 to 3"),
        ({"rotation": True}, r"rotation is True: expected"),
        ({"flip": 3}, r"flip is 3: expected a whole number from 0 to 2"),
        ({"counts": 1}, r"counts is 1: expected True or False"),
    ):
        with pytest.raises(T.TransformError, match=said):
            T.GainCorrect(np.ones((2, 2)), **options)


def test_frames_that_do_not_fit_are_told_by_their_row():
    correct = T.GainCorrect(reference())
    with pytest.raises(
        T.TransformError, match=r"b.tif, index 3: a gain reference of \(6, 10\) for frames of \(7, 10\)"
    ):
        correct({"image": [np.ones((NY, NX)), np.ones((7, 10))], "path": ["a.tif", "b.tif"], "index": [2, 3]})
