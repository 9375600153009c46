"""Rows of frames and sums go to the Hub's format and come back."""

import datasets
import numpy as np
import pytest

from builders import as_em_images, publish
from tests.stacks.movies import films


@pytest.mark.parametrize("layout", ["lists", "bytes"])
@pytest.mark.parametrize("streaming", [True, False])
def test_what_is_published_is_the_same(tmp_path, layout, streaming):
    held = films.write(tmp_path / "mirror", packed=["gz"])
    options = {"frame_group": 2, "frame_dose": 0.5, "streaming": streaming}
    ds = films.load(tmp_path / "mirror", tmp_path, item="frame", **options)
    publish(ds, tmp_path / "out", layout=layout)
    plain = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    rows = list(as_em_images(plain) if layout == "bytes" else plain.with_format("numpy"))
    films.check(rows, films.groups_of(held, 2))
    assert [row["pre_exposure"] for row in rows] == [0.5 * row["frame"] for row in rows]
    assert {float(np.float32(row["dose"])) for row in rows} == {1.0}
