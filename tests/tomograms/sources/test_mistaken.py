"""What lies beside tomograms and is taken for such is told; halves of one are never on both sides of a split."""

import numpy as np
import pytest

from builders.io import mrc
from builders.tomograms.sources import Asked, find
from builders.tomograms.splits import held_out


def write(folder, *paths, dtype=np.float32):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        mrc.write(folder / path, np.zeros((5, 6, 7), dtype), 10.0)


def told(caplog, folder, **options):
    caplog.clear()
    find(Asked(data_dir=str(folder), **options))
    return caplog.messages


def test_halves_without_pairs_are_told_once(tmp_path, caplog):
    write(tmp_path, "TS_1_even.mrc", "TS_1_odd.mrc", "EVN/TS_2.mrc", "ODD/TS_2.mrc", "TS_3.mrc", "TS_4_odd.mrc")
    (message,) = told(caplog, tmp_path)
    assert "and 1 more such pairs" in message
    assert "pairs=True" in message
    (message,) = told(caplog, tmp_path, tomogram="*.mrc")
    assert "'TS_1_even' and 'TS_1_odd' look like halves of one tomogram" in message
    assert not told(caplog, tmp_path, tomogram="TS_1_*.mrc", pairs=True)
    assert not told(caplog, tmp_path, tomogram="*_odd.mrc")


def test_masks_beside_tomograms_are_told_once(tmp_path, caplog):
    write(tmp_path, "TS_1.mrc", "TS_2.mrc", "TS_1_denoised.mrc")
    write(tmp_path, "TS_1_membrane.mrc", "TS_2_membrane.mrc", "TS_9.mrc", dtype=np.int8)
    (message,) = told(caplog, tmp_path)
    assert "'TS_1_membrane', as 1 more, holds whole numbers, as a mask of 'TS_1' would" in message
    assert "segmentation='membrane'" in message
    assert "tomogram=" in message
    assert not told(caplog, tmp_path, segmentation=("membrane",), tomogram="TS_[12].mrc")
    assert not told(caplog, tmp_path, tomogram="TS_?.mrc")


@pytest.mark.parametrize("seed", range(4))
def test_halves_and_their_whole_are_on_one_side(seed):
    wholes = [f"TS_{number}" for number in range(1, 7)]
    names = [f"{whole}{end}" for whole in wholes for end in ("", "_even", "_odd")]
    chosen = held_out(names, 1 / 3, seed)
    assert chosen == {f"{whole}{end}" for whole in held_out(wholes, 1 / 3, seed) for end in ("", "_even", "_odd")}
    assert len(chosen) == 6
