"""`unit="micrograph"` and `unit="extracted"` of a project on this machine, and of an entry."""

import numpy as np
import pytest
from torch.utils.data import DataLoader

from builders import load_dataset
from builders.errors import FormatError, NotFoundError, OptionError
from builders.io import mrc
from tests.empiar import deposit
from tests.particles.made import star
from tests.server import serve

SHAPE = 40, 52
PICKS = ((20.0, 15.0), (30.6, 25.4), (3.0, 37.0), (45.0, 8.0), (26.0, 20.0), (12.0, 12.0))


def micrograph(number):
    return np.random.default_rng(number).normal(10, 3, SHAPE).astype(np.float32)


def number_of(place):
    """The micrograph of a pick."""
    return (9, 10, 2)[place % 3]


@pytest.fixture
def folder(tmp_path):
    """A project in a mirror: three micrographs and a table of picks, those of one micrograph apart in it."""
    folder = tmp_path / "mirror" / deposit.ENTRY / "data"
    (folder / "mics").mkdir(parents=True)
    for number in (2, 9, 10):
        mrc.write(folder / f"mics/m_{number}.mrc", micrograph(number), 1.5)
    rows = [
        {
            **{"rlnMicrographName": f"mics/m_{number_of(place)}.mrc", "rlnCoordinateX": x, "rlnCoordinateY": y},
            **{"rlnOpticsGroup": 1, "rlnDefocusU": 9000 + place, "rlnDefocusV": 9000, "rlnDefocusAngle": 0.0},
        }
        for place, (x, y) in enumerate(PICKS)
    ]
    optics = [{"rlnOpticsGroup": 1, "rlnVoltage": 300.0, "rlnMicrographPixelSize": 1.5}]
    (folder / "picks.star").write_text(star(rows, optics))
    return folder


@pytest.fixture(params=["local", "http"])
def load(request, folder, tmp_path):
    def of(table, **where):
        def load(**options):
            own = {"star": table, "split": "train", "cache_dir": str(tmp_path / "cache")}
            return load_dataset("particles", **own | where | options)

        return load

    if request.param == "local":
        yield of(str(folder / "picks.star"))
        return
    with serve() as server:
        server.publish(tmp_path / "mirror")
        yield of(f"empiar://{deposit.ENTRY}/data/picks.star", archive=server.base)


@pytest.mark.parametrize("streaming", [False, True])
def test_micrographs_have_their_picks(load, streaming):
    rows = list(load(unit="micrograph", streaming=streaming))
    order = (2, 9, 10) if streaming else (9, 10, 2)
    assert [row["path"] for row in rows] == [f"mics/m_{number}.mrc" for number in order]
    for row, number in zip(rows, order, strict=True):
        np.testing.assert_array_equal(row["image"], micrograph(number))
        places = [place for place in range(len(PICKS)) if number_of(place) == number]
        np.testing.assert_array_equal(row["picks"], np.float32([PICKS[place] for place in places]))
        assert [ctf["defocus_u"] for ctf in row["ctf"]] == [9000 + place for place in places]
        assert (row["pixel_size"], row["index"]) == (1.5, None)


def box(place, side):
    image, (x, y) = micrograph(number_of(place)), PICKS[place]
    top, left = round(y) - side // 2, round(x) - side // 2
    padded = np.pad(image, side, constant_values=np.nan)
    return padded[top + side : top + 2 * side, left + side : left + 2 * side]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("size", [8, "12 Å"])
def test_boxes_are_cut_out_at_their_coordinates(load, streaming, size):
    rows = list(load(unit="extracted", box_size=size, streaming=streaming))
    order = [2, 5, 0, 3, 4, 1] if streaming else range(6)  # micrograph 2, 9, 10, each from its top
    order = sorted(order, key=lambda place: (number_of(place), PICKS[place][1])) if streaming else order
    assert len(rows) == 6
    for row, place in zip(rows, order, strict=True):
        expected = box(place, 8)
        there = ~np.isnan(expected)
        assert row["image"].shape == (8, 8)
        np.testing.assert_array_equal(row["image"][there], expected[there])
        assert row["ctf"]["defocus_u"] == 9000 + place
        assert row["path"] == f"mics/m_{number_of(place)}.mrc"
        assert (row["pixel_size"], row["index"]) == (1.5, None)


def test_workers_divide_boxes(load, monkeypatch):
    monkeypatch.setattr("builders.stacks.cutting._SMALLEST", 600)
    stream = load(unit="extracted", box_size=8, streaming=True)
    assert stream.num_shards > 2
    loader = DataLoader(stream, batch_size=None, num_workers=2, multiprocessing_context="fork")
    assert sorted(row["ctf"]["defocus_u"] for row in loader) == list(range(9000, 9006))


@pytest.mark.parametrize("streaming", [False, True])
def test_boxes_may_have_larger_pixels(load, streaming):
    ds = load(unit="extracted", box_size=8, pixel_size=3.0, streaming=streaming)
    rows = list(ds)
    assert {row["image"].shape for row in rows} == {(8, 8)}
    assert {row["pixel_size"] for row in rows} == {3.0}
    assert ds.features["image"].shape == (8, 8)


@pytest.mark.parametrize("streaming", [False, True])
def test_boxes_that_reach_beyond_are_dropped(load, streaming):
    rows = list(load(unit="extracted", box_size=8, edge="drop", streaming=streaming))
    assert sorted(row["ctf"]["defocus_u"] for row in rows) == [9000 + place for place in (0, 1, 3, 4, 5)]


def test_flipped_coordinates_count_from_the_other_end(load):
    plain, flipped = (load(unit="micrograph", flip_y=flip) for flip in (False, True))
    for row, other in zip(plain, flipped, strict=True):
        x, y = np.array(row["picks"]).T
        np.testing.assert_allclose(other["picks"], np.stack([x, SHAPE[0] - 1 - y], 1))


def test_micrographs_that_are_not_there_or_are_damaged(folder, tmp_path):
    (folder / "mics/m_9.mrc").unlink()
    (folder / "mics/m_2.mrc").write_bytes(b"no image")

    def load(**options):
        own = {"star": str(folder / "picks.star"), "split": "train", "cache_dir": str(tmp_path / "cache")}
        return load_dataset("particles", unit="extracted", box_size=8, **own, **options)

    with pytest.raises(NotFoundError, match=r"1 of 3 files .* mics/m_9\.mrc"):
        load()
    (folder / "mics/m_9.mrc").write_bytes((folder / "mics/m_10.mrc").read_bytes())
    with pytest.raises(FormatError, match=r"m_2\.mrc"):
        load()
    (folder / "mics/m_9.mrc").unlink()
    quarantine = tmp_path / "q.tsv"
    ds = load(on_error="skip", quarantine=quarantine)
    assert {row["path"] for row in ds} == {"mics/m_10.mrc"}
    assert "mics/m_9.mrc\tnot there: 2 rows" in quarantine.read_text()
    assert "mics/m_2.mrc\t" in quarantine.read_text()


def test_splits_keep_micrographs_together(load):
    splits = load(unit="extracted", box_size=8, validation_fraction=0.3, split=None)
    assert not set(splits["train"]["path"]) & set(splits["validation"]["path"])
    splits = load(unit="micrograph", validation_fraction=0.3, split=None)
    assert [len(rows) for rows in splits.values()] == [2, 1]


def test_options_of_boxes_are_for_boxes(load):
    with pytest.raises(OptionError, match="unit='extracted' needs box_size=: pixels, such as 256, or Å"):
        load(unit="extracted")
    with pytest.raises(OptionError, match="box_size=8 does nothing for unit='micrograph': it is for 'extracted'"):
        load(unit="micrograph", box_size=8)
    with pytest.raises(NotFoundError, match="6 of 6 rows name no image: unit='extracted' cuts boxes out"):
        load()
