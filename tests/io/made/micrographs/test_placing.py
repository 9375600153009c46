"""Where particles lie: as many as were drawn, far enough apart, all over the field, and never on carbon."""

import numpy as np
import pytest

from builders.io.made.micrographs import MicrographMaker
from builders.io.made.micrographs.backdrop import least_share
from builders.io.made.micrographs.placing import about_how_many, crowded, heaped, scattered
from builders.io.made.micrographs.scene import scene_of
from builders.io.made.micrographs.specimen import specimens
from tests.io.made.micrographs.molecules import SIZE, recipe, volumes


def everywhere(places):
    return np.ones(len(places), bool)


def distances(places):
    apart = np.hypot(*(places[:, None] - places).T)
    return apart[np.triu_indices(len(places), 1)]


@pytest.mark.parametrize("size", [(900.0, 600.0), (55.0, 4000.0), (10.0, 10.0)])
def test_as_many_as_are_said_to_fit_find_room(size):
    count = about_how_many(size, 40.0)
    for seed in range(20):
        places = scattered(np.random.default_rng(seed), count, 40.0, size, everywhere)
        assert places.shape == (count, 2)
        assert (places >= 0).all()
        assert (places <= size).all()
        assert count == 1 or distances(places).min() >= 40.0


def test_there_is_not_room_for_many_more():
    # hexagons cover 0.907 of a plane; no dart sticks beyond 0.547
    assert (
        scattered(np.random.default_rng(0), 2 * about_how_many((900.0, 600.0), 40.0), 40.0, (900, 600), everywhere)
        is None
    )
    assert scattered(np.random.default_rng(0), 2, 15.0, (10.0, 10.0), everywhere) is None


def test_places_are_anywhere():
    rng = np.random.default_rng(1)
    places = np.concatenate([scattered(rng, 30, 5.0, (100.0, 50.0), everywhere) for _ in range(200)])
    found, _, _ = np.histogram2d(*places.T, bins=(4, 4), range=((0, 100), (0, 50)))
    assert np.abs(found - len(places) / 16).max() < 5 * np.sqrt(len(places) / 16)


def test_without_distance_they_may_overlap():
    places = scattered(np.random.default_rng(0), 500, 0.0, (100.0, 50.0), everywhere)
    assert len(places) == 500
    assert distances(places).min() < 1


def test_members_of_heaps_overlap():
    places = heaped(np.random.default_rng(3), 4, 20.0, (1e4, 1e4), everywhere)
    assert 4 * 5 <= len(places) <= 4 * 16
    assert crowded(places, 20.0).all()
    near = np.hypot(*(places[:, None] - places).T)
    groups = {
        tuple(np.flatnonzero(np.linalg.matrix_power((near < 14.1).astype(float), 16)[row] > 0))
        for row in range(len(near))
    }
    assert len(groups) == 4


class TestSpecimens:
    def test_numbers_and_distances_of_rows(self):
        how = recipe(particles=(3, 7), min_distance=80.0)
        table = MicrographMaker(how, volumes()).columns(np.arange(300))
        counts = []
        for row in table.to_pylist():
            picks = np.array(row["picks"])
            counts.append(len(picks))
            assert (picks >= 0).all()
            assert (picks <= (219, 159)).all()
            assert distances(picks).min() * SIZE >= 80.0 - 1e-3
            assert not any(row["crowded"])
            assert len(row["label"]) == len(row["state"]) == len(row["pose"]) == len(picks)
        assert np.abs(np.bincount(counts, minlength=8)[3:] - 60).max() < 5 * np.sqrt(60)
        labels = np.concatenate([row["label"] for row in table.to_pylist()])
        assert labels.mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(len(labels)))

    def test_aggregates_come_on_top_and_are_flagged(self):
        how = recipe(micrograph_shape=(600, 600), particles=(10, 10), aggregates=1.5)
        rows = MicrographMaker(how, volumes()).columns(np.arange(200)).to_pylist()
        more = np.array([len(row["picks"]) - 10 for row in rows])
        assert (more == 0).mean() == pytest.approx(np.exp(-1.5), abs=5 * np.sqrt(0.17 / 200))
        assert more.mean() == pytest.approx(1.5 * 10.5, rel=0.3)
        for row in rows:
            assert np.hypot(*np.diff(row["picks"], axis=0).T).size == len(row["crowded"]) - 1
            near = np.hypot(*(np.array(row["picks"])[:, None] - np.array(row["picks"])).T) + 1e9 * np.eye(
                len(row["picks"])
            )
            assert row["crowded"] == (near.min(1) * SIZE < 70.0).tolist()

    def test_carbon_is_as_frequent_as_asked_and_leaves_the_share_that_is_counted_on(self):
        shape = (300, 500)
        how = recipe(micrograph_shape=shape, carbon=0.4, particles=(10, 20))
        drawn = specimens(how, scene_of(how), np.arange(200))
        rims = [one.backdrop.rim for one in drawn]
        assert np.mean([rim is not None for rim in rims]) == pytest.approx(0.4, abs=5 * np.sqrt(0.24 / 200))
        y, x = np.mgrid[: shape[0] : 7, : shape[1] : 7]
        grid = np.stack([x.ravel(), y.ravel()], 1)
        shares = [rim.inside(grid).mean() for rim in rims if rim is not None]
        assert max(shares) < 1
        assert min(shares) >= least_share(shape, SIZE) - 0.01
        for one in drawn:
            if one.backdrop.rim is not None:
                away = np.hypot(one.places[:, 0] - one.backdrop.rim.x, one.places[:, 1] - one.backdrop.rim.y)
                assert (away < one.backdrop.rim.radius).all()

    def test_rows_are_the_same_alone_and_other_rows_are_others(self):
        how = recipe(aggregates=2.0, carbon=0.5, particles=(3, 4))
        several = MicrographMaker(how, volumes()).columns(np.array([5, 0, 2**40])).to_pylist()
        for row, index in zip(several, [5, 0, 2**40], strict=True):
            assert MicrographMaker(how, volumes()).columns(np.array([index])).to_pylist() == [row]
        assert len({str(row["picks"]) for row in several}) == 3
        other = MicrographMaker(recipe(seed=43), volumes()).columns(np.array([5])).to_pylist()
        assert other[0]["picks"] != MicrographMaker(recipe(), volumes()).columns(np.array([5])).to_pylist()[0]["picks"]

    def test_no_rows_have_the_same_columns(self):
        maker = MicrographMaker(recipe(frames=3), volumes())
        assert maker.columns(np.zeros(0, np.int64)).schema == maker.columns(np.arange(2)).schema == maker.schema
        assert maker.pixels(np.zeros(0, np.int64), ["image"])["image"].shape == (0, 3, 160, 220)
