"""The sheet of `perc synthetic preview`: what it shows is what would be made."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from builders.cli import main
from builders.io.made.known import maker_for
from builders.io.made.recipe import Noise, Optics, Recipe, Source
from builders.synthetic.previewing.preview import _ctf, _power, _whole, preview
from builders.synthetic.previewing.sheet import Line, Panel, sheet_of
from tests.synthetic.conftest import blob


@pytest.mark.parametrize("n", [8, 9])
def test_a_whole_spectrum_is_that_of_the_whole_transform(n):
    image = np.random.default_rng(1).normal(size=(n, n))
    half, whole = np.abs(np.fft.rfft2(image)), np.abs(np.fft.fft2(image))
    assert np.allclose(_whole(half), np.fft.fftshift(whole))


def test_thon_rings_are_where_the_ctf_has_them():
    volume = blob(64, 0.7) + blob(64, 0.7, (5, -9, 3)) + blob(64, 0.7, (-7, 4, 8))  # power up to high frequencies
    optics = Optics(defocus=(9000.0, 9000.0))
    recipe = Recipe("particle", 3, 64, 2.5, ("a",), (Source("a.npy", 0, 0),), optics, Noise((0.2, 0.2)))
    maker = maker_for(recipe, [torch.from_numpy(volume)])
    told = maker.columns(np.array([0]))["ctf"][0].as_py()
    power = _power(maker, told["defocus_u"])
    right, wrong = (_ctf(maker, told | {"defocus_u": u, "defocus_v": u}) ** 2 for u in (9000.0, 11000.0))
    axis = np.arange(64) - 32
    ring = np.hypot(*np.meshgrid(axis, axis))
    taken = (ring > 8) & (ring < 22)
    likeness = [np.corrcoef(power[taken], np.log(squares[taken] + 0.05))[0, 1] for squares in (right, wrong)]
    assert likeness[0] > 0.65
    assert likeness[1] < 0.3


@pytest.mark.parametrize("noise", [(), ("--snr", "0.5", "2"), ("--dose", "30")])
def test_the_command_draws_a_sheet(map_file, tmp_path, noise, capfd):
    target = tmp_path / "sheet.png"
    arguments = ["--structures", map_file, "--box-size", "32", "--pixel-size", "3", "--png", str(target), *noise]
    assert main(["synthetic", "preview", *arguments]) == 0
    said = capfd.readouterr()
    assert not said.out
    assert f"drawn: {target}" in said.err
    with Image.open(target) as sheet:
        assert sheet.width == 20 + 4 * (384 + 20)
        shades = np.asarray(sheet.convert("L"))
    assert len(np.unique(shades)) > 20


def test_a_sheet_is_the_same_for_the_same(map_file):
    options = {"structures": {"blobs": map_file}, "box_size": 32, "pixel_size": 3.0}
    assert preview(**options) == preview(**options)
    assert preview(**options) != preview(**options, seed=43)


def test_panels_show_their_limits():
    dark, bright = (Panel(np.full((8, 8), value), "", (0.0, 1.0)) for value in (0.0, 1.0))
    with Image.open(io.BytesIO(sheet_of([Line("", [dark, bright])], side=40))) as sheet:
        shades = np.asarray(sheet.convert("L"))
    top = 20 + 40
    assert (shades[top : top + 40, 20:60] == 0).all()
    assert (shades[top : top + 40, 80:120] == 255).all()


def test_what_is_wrong_with_options_is_said(map_file, tmp_path, capfd):
    arguments = ["--structures", map_file, "--snr", "-1", "--png", str(tmp_path / "x.png")]
    assert main(["synthetic", "preview", *arguments]) == 1
    assert "snr" in capfd.readouterr().err
    assert not (tmp_path / "x.png").exists()
