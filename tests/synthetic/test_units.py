"""Micrographs and tomograms as rows: the same from a stream as map-style, and options for some of them."""

import numpy as np
import pytest

from builders import load_dataset
from builders.errors import OptionError

UNITS = {
    "micrograph": {"unit": "micrograph", "micrograph_shape": (256, 200), "particles": (5, 9)},
    "movie": {"unit": "micrograph", "micrograph_shape": (256, 200), "particles": (5, 9), "frames": 3},
    "tomogram": {
        **{"unit": "tomogram", "tomogram_shape": (40, 64, 72), "particles": (2, 3)},
        "tilts": (-60, 60, 20),
    },
}


@pytest.mark.parametrize("name", UNITS)
def test_streams_have_the_rows_of_map_style(options, name):
    given = options | UNITS[name] | {"clean": True, "num_examples": 3}
    ds, stream = load_dataset("synthetic", **given), load_dataset("synthetic", streaming=True, **given)
    assert stream.features == ds.features
    rows = list(stream)
    for row, other in zip(rows, ds, strict=True):
        assert list(row) == list(other)
        for column, value in row.items():
            if isinstance(value, np.ndarray):
                assert value.dtype == other[column].dtype
                np.testing.assert_allclose(value, other[column], atol=1e-4)
            else:
                assert value == other[column], column
    batch = next(iter(stream.with_format("torch").iter(3)))
    assert batch["image"].shape == (3, *rows[0]["image"].shape)
    np.testing.assert_allclose(batch["clean"][2], rows[2]["clean"], atol=1e-4)
    shuffled = {row["index"]: row for row in stream.shuffle(seed=0, buffer_size=2)}
    np.testing.assert_allclose(shuffled[1]["image"], rows[1]["image"], atol=1e-4)


def test_labels_of_picks_have_names(options):
    micrographs, tomograms = (
        load_dataset("synthetic", num_examples=1, **options | UNITS[name]) for name in ("micrograph", "tomogram")
    )
    assert micrographs.features["label"].feature.names == ["blobs"]
    assert tomograms.features["picks"]["label"].feature.names == ["blobs"]
    assert len(micrographs[0]["label"]) == len(micrographs[0]["picks"]) == len(micrographs[0]["pose"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"particles": (5, 9)}, r"particles is \(5, 9\) with unit='particle': .*'micrograph' or 'tomogram'"),
        ({"unit": "micrograph", "membranes": 1}, r"membranes is 1 with unit='micrograph': .*unit='tomogram'"),
        ({"unit": "tomogram", "particles": (1, 2), "carbon": 0.5}, "carbon is 0.5 with unit='tomogram'"),
        ({"unit": "tomogram", "particles": (0, 4)}, "particles is"),
        ({"unit": "micrograph", "max_shift": 5.0}, "max_shift is 5: expected 0"),
        ({"unit": "micrograph", "micrograph_shape": (256, 256), "particles": (1, 5000)}, "impossible distances"),
    ],
)
def test_options_of_other_units_are_refused(options, given, message):
    with pytest.raises(OptionError, match=message):
        load_dataset("synthetic", num_examples=1, **options | given)
