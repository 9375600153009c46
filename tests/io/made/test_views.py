from dataclasses import replace

import numpy as np
import pytest

from builders.io.made.recipe import Optics, Recipe, Source
from builders.io.made.views import optics_of, orientations_of, origins_of, snr_of, sources_of
from perc_transforms.functional import matrices_of

MANY = np.arange(40_000)
BASE = Recipe("particle", 1, 32, 2.0, ("a",), (Source("a.npy", 0, 0),))


def views(recipe, indices=MANY):
    angles = orientations_of(recipe, indices)[:, 0]
    assert angles.dtype == np.float32
    return matrices_of(angles.astype(np.float64))[:, 2]  # A.T @ z: where they are seen from


def test_uniform_orientations_are_haars():
    a = matrices_of(orientations_of(BASE, MANY)[:, 0].astype(np.float64))
    # matrix elements of the first two irreducible representations have mean 0, and their squares 1 / (2 l + 1)
    error = 4 / np.sqrt(len(MANY))
    assert np.abs(a.mean(0)).max() < error
    assert np.abs((a**2).mean(0) - 1 / 3).max() < error
    products = np.einsum("nij,nkl->ijkl", a, a) / len(MANY)
    assert np.abs(products - np.einsum("ik,jl->ijkl", np.eye(3), np.eye(3)) / 3).max() < error


def test_directions_of_view_are_those_of_von_mises_and_fisher():
    kappa, axis = 20.0, np.array([1.0, -2.0, 2.0])
    recipe = replace(BASE, orientations={"kind": "axes", "axes": [axis.tolist()], "kappa": kappa})
    found = views(recipe)
    mean = found.mean(0)
    assert mean == pytest.approx(axis / 3 * (1 / np.tanh(kappa) - 1 / kappa), abs=4 / np.sqrt(len(MANY)))
    cosine = found @ axis / 3
    second = 1 - 2 / kappa * (1 / np.tanh(kappa) - 1 / kappa)
    assert (cosine**2).mean() == pytest.approx(second, abs=1e-3)
    psi = np.deg2rad(orientations_of(recipe, MANY)[:, 0, 2])
    assert abs(np.exp(1j * psi).mean()) < 4 / np.sqrt(len(MANY))


def test_directions_lie_about_every_axis_and_everywhere_without_concentration():
    two = {"kind": "axes", "axes": [[0, 0, 1], [1, 0, 0]], "kappa": 1000.0}
    found = views(replace(BASE, orientations=two))
    near = found @ np.array([[0, 0, 1], [1, 0, 0]]).T > 0.95
    assert near.sum(0) / len(MANY) == pytest.approx(0.5, abs=0.01)
    assert near.any(1).all()
    flat = views(replace(BASE, orientations={"kind": "axes", "axes": [[0, 0, 1]], "kappa": 0.0}))
    assert np.abs(flat.T @ flat / len(MANY) - np.eye(3) / 3).max() < 0.02


def test_orientations_of_a_table_are_its_rows():
    angles = [[10.0, 20.0, 30.0], [40.0, 50.0, 60.0]]
    found = orientations_of(replace(BASE, orientations={"kind": "table", "angles": angles}), MANY)[:, 0]
    assert np.unique(found, axis=0).tolist() == angles
    assert (found[:, 0] == 10).mean() == pytest.approx(0.5, abs=0.01)


def test_classes_are_alike_likely_and_so_are_the_states_of_each():
    sources = (Source("b1.npy", 1, 0), Source("a.npy", 0, 0), Source("b2.npy", 1, 1), Source("b3.npy", 1, 2))
    found = sources_of(replace(BASE, labels=("a", "b"), sources=sources), MANY)[:, 0]
    assert np.bincount(found) / len(MANY) == pytest.approx([1 / 6, 1 / 2, 1 / 6, 1 / 6], abs=0.01)


def test_defocus_shifts_and_snr_are_uniform_between_what_is_asked():
    recipe = replace(BASE, optics=Optics((10_000.0, 20_000.0), 600.0), max_shift=5.0)
    recipe = replace(recipe, noise=replace(recipe.noise, snr=(0.1, 0.3)))
    optics = optics_of(recipe, MANY)
    mean = (optics["defocus_u"] + optics["defocus_v"]) / 2
    assert (mean.min(), mean.mean(), mean.max()) == pytest.approx((10_000, 15_000, 20_000), rel=5e-3)
    apart = optics["defocus_u"] - optics["defocus_v"]
    assert (apart.min(), apart.mean(), apart.max()) == pytest.approx((0, 300, 600), abs=5)
    assert (optics["defocus_angle"].min(), optics["defocus_angle"].max()) == pytest.approx((0, 180), abs=0.1)
    assert set(optics["voltage"]) == {300}
    origins = origins_of(recipe, MANY)
    assert origins.min(0) == pytest.approx(-5, abs=0.01)
    assert origins.max(0) == pytest.approx(5, abs=0.01)
    assert abs(np.corrcoef(origins.T)[0, 1]) < 0.03
    snr = snr_of(recipe, MANY)
    assert (snr.min(), snr.mean(), snr.max()) == pytest.approx((0.1, 0.2, 0.3), rel=5e-3)
    assert snr_of(BASE, MANY) is None


def test_what_is_drawn_of_a_row_is_that_of_its_index_alone():
    some = np.array([70, 3])
    for draw in (sources_of, orientations_of):
        assert np.array_equal(draw(BASE, some, 5)[:, :2], draw(BASE, np.arange(71), 2)[some])
    assert np.array_equal(optics_of(BASE, some)["defocus_u"], optics_of(BASE, np.arange(71))["defocus_u"][some])
    assert not np.array_equal(orientations_of(replace(BASE, seed=2), some), orientations_of(BASE, some))
