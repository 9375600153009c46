"""What a sheet shows of images that are made: their volumes, some of them, and their spectra."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from builders.io.made.known import known, maker_for
from builders.io.made.maker import Maker
from builders.synthetic.config import SyntheticConfig
from builders.synthetic.previewing.sheet import Line, Panel, sheet_of
from builders.synthetic.recipes import recipe_for
from builders.synthetic.synthetic import Synthetic
from perc_transforms.functional import ctf

SHOWN = 6
"""Classes on a sheet: the first ones."""
IMAGES = 3
"""Clean images of each class, and as many with noise."""
LOOKED_AT = 512
"""Rows among which those of each class are looked for."""
_OF_SPECTRA = 128
"""Images of one defocus whose power spectra are averaged."""
_SCENES = 2
"""Micrographs or tomograms on a sheet."""
Floats = NDArray[np.floating]


def preview(**options: Any) -> bytes:
    """A sheet, in PNG, of what `load_dataset("synthetic", **options)` gives.

    Of each class, sections of its potential, then of particles the same images without and with noise, their CTF, and
    the mean power spectrum of images of its defocus, in which Thon rings are where the CTF has them. Of micrographs
    the first ones without and with noise, of tomograms sections of the first ones.

    Args:
        options: of `synthetic`; `clean` is True.

    Raises:
        PercError: an option is none of those allowed, or a structure cannot be had.
    """
    config = SyntheticConfig(**{**options, "clean": True})
    path, recipe = recipe_for(config, str(Synthetic.VERSION))
    maker = known(path, recipe.digest).maker
    made = _particles if recipe.unit == "particle" else _scenes
    return sheet_of([*_potentials(maker), *made(maker)])


def _potentials(maker: Maker) -> Iterator[Line]:
    """Three sections through the middle of each class's first state."""
    recipe, middle = maker.recipe, maker.recipe.box_size // 2
    for label, name in [*enumerate(recipe.labels)][:SHOWN]:
        states = [place for place, source in enumerate(recipe.sources) if source.label == label]
        volume = maker.volumes[states[0]].numpy()
        planes = {"xy": volume[middle], "xz": volume[:, middle], "yz": volume[:, :, middle]}
        size, most = recipe.pixel_size, float(volume.max())
        panels = [Panel(plane, axes, pixel_size=size) for axes, plane in planes.items()]
        panels.append(Panel(volume.sum(0), "summed along z", pixel_size=size))
        more = f", the first of {len(states)} states" if len(states) > 1 else ""
        yield Line(f"{name}: potential, up to {most:.1f} V{more}", panels)


def _particles(maker: Maker) -> Iterator[Line]:
    recipe = maker.recipe
    indices = np.arange(LOOKED_AT)
    columns = maker.columns(indices)
    labels = columns["label"].to_numpy()
    for label, name in [*enumerate(recipe.labels)][:SHOWN]:
        rows = indices[labels == label][:IMAGES]
        if not len(rows):
            continue
        images = maker.pixels(rows, ["image", "clean"])
        told = [columns["ctf"][int(row)].as_py() for row in rows]
        snr = [columns["snr"][int(row)].as_py() for row in rows]
        clean = [
            Panel(image, f"row {row}", pixel_size=recipe.pixel_size)
            for row, image in zip(rows, images["clean"], strict=True)
        ]
        yield Line(f"{name}: clean", [*clean, Panel(_ctf(maker, told[0]), f"CTF of row {rows[0]}", (-1.0, 1.0))])
        noisy = [
            Panel(image, f"{one['defocus_u']:,.0f} Å" + ("" if ratio is None else f", SNR {ratio:.3g}"))
            for image, one, ratio in zip(images["image"], told, snr, strict=True)
        ]
        power = _power(maker, told[0]["defocus_u"])
        words, limits = f"log power, {_OF_SPECTRA} images", tuple(np.percentile(power, [1, 99.5]).tolist())
        yield Line(f"{name}: as a detector has them", [*noisy, Panel(power, words, limits)])


def _ctf(maker: Maker, told: dict[str, float]) -> Floats:
    """The CTF with 0 in the middle, `(n, n)`."""
    n = maker.recipe.box_size
    half = ctf((n, n), pixel_size=maker.recipe.pixel_size, like=torch.zeros(1), **told)
    return _whole(half.numpy())


def _power(maker: Maker, defocus: float) -> Floats:
    """The logarithm of the mean power spectrum of images of one defocus, with 0 in the middle."""
    recipe = maker.recipe
    one = replace(recipe, optics=replace(recipe.optics, defocus=(defocus, defocus), astigmatism=0.0))
    images = maker_for(one, maker.volumes).pixels(np.arange(_OF_SPECTRA), ["image"])["image"]
    power = np.square(np.abs(np.fft.rfft2(images.astype(np.float32)))).mean(0)
    power[0, 0] = power[1, 0]
    return _whole(np.log(np.maximum(power, 1e-6 * power.max())))


def _whole(half: Floats) -> Floats:
    """All of a symmetric spectrum `(n, n // 2 + 1)`, as `rfftn` orders it, with 0 in the middle."""
    n = len(half)
    rest = half[:, 1 : (n + 1) // 2][:, ::-1]
    return np.fft.fftshift(np.concatenate([half, np.roll(rest[::-1], 1, 0)], 1))


def _scenes(maker: Maker) -> Iterator[Line]:
    """The first micrographs, or tomograms by their sections."""
    recipe, size = maker.recipe, maker.recipe.pixel_size
    names = [name for name in ("image", "clean", "segmentation") if name in maker.images]
    for row in range(_SCENES):
        images = maker.pixels(np.array([row]), names)
        panels = []
        for name in names:
            image = images[name][0].astype(np.float32)
            if recipe.unit == "tomogram":
                panels.append(Panel(image[len(image) // 2], f"{name}, xy", pixel_size=size))
                panels.append(Panel(image[:, image.shape[1] // 2], f"{name}, xz", pixel_size=size))
            else:
                panels.append(Panel(image if image.ndim == 2 else image.sum(0), name, pixel_size=size))
        yield Line(f"{recipe.unit} {row}", panels)
