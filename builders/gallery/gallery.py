"""A picture of what each transform does, and a page that shows them all."""

import dataclasses
import inspect
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

import perc_transforms as T
from builders.errors import NotEmptyError
from builders.gallery.charts import falloffs, gains, histograms, transfers
from builders.gallery.examples import EXAMPLES, Example
from builders.gallery.panels import Column, Panel, draw_sheet
from builders.gallery.spectra import Plane, log_power, power
from builders.gallery.subjects import Row, projected
from builders.io.files.whole_file import write_whole
from perc_transforms.core.random_draws import RandomTransform

INDEX = "index.md"
_INTRODUCTION = """\
# What the transforms do

Each transform on the same made-up protein, as an image of 96 x 96 pixels of 2 Å and as a map of 64 x 64 x 64 voxels of
3 Å: before and after, with the power spectra, or with what shows the change better. The options are examples; where
the transform draws, the picture tells what it drew.

Pictures in one column have one scale of length, so that what is cropped is smaller, and what is resampled has other
pixels; spectra have one scale of frequency, DC in the centre, and are logarithmic. `grey` tells which values are black
and white, `edge` which resolution the edge of a spectrum is at. A movie is drawn as the plain sum of its frames.

Curves after are drawn over those before, which are pale. `histogram`: how often each value comes, logarithmic.
`power by frequency`: means over rings of the spectrum, logarithmic. `amplitude, times`: the root of these, in units of
what there was before. `transfer`: what is there of each frequency of the projection that was seen, along kx: 1 is all
of it, and what lies below the white line is inverted.

Written by `perc transforms gallery`.
"""


def write_gallery(folder: Path, examples: Sequence[Example] = EXAMPLES) -> Path:
    """Draw every transform's picture, and write the page that shows them; the same bytes every time.

    Args:
        folder: where to write them; it is made if need be, and an earlier gallery is replaced.
        examples: what to draw.

    Returns:
        The page.

    Raises:
        NotEmptyError: a file of one of these names is there, and no earlier gallery.
        PercError: the folder cannot be made, or not be written.
    """
    _refuse_others(folder, [f"{type(example.transform).__name__}.png" for example in examples])
    page = [_INTRODUCTION]
    for example in tqdm(examples, "Drawing", unit=" pictures", disable=None):
        name = type(example.transform).__name__
        write_whole(folder / f"{name}.png", draw(example))
        page += [f"## {name}\n", f"{summary(example)}\n", f"`{example.transform!r}`\n", f"![{name}]({name}.png)\n"]
    return write_whole(folder / INDEX, "\n".join(page).encode())


def _refuse_others(folder: Path, pictures: Sequence[str]) -> None:
    index = folder / INDEX
    if index.is_file() and _INTRODUCTION.encode().partition(b"\n")[0] in index.read_bytes()[:200]:
        return
    there = next((name for name in (INDEX, *pictures) if os.path.lexists(folder / name)), None)
    if there is not None:
        msg = f"{folder / there}: is there already, and of no gallery: name a folder of its own for the gallery"
        raise NotEmptyError(msg)


def draw(example: Example) -> bytes:
    """A transform's picture, as a PNG."""
    words, columns = columns_of(example)
    return draw_sheet(repr(example.transform), words, (example.before, "after"), columns)


def columns_of(example: Example) -> tuple[list[str], list[Column]]:
    """What is said of a transform, and the panels of its picture, those before above those after."""
    transform = _recording(example.transform)
    columns: list[Column] = []
    words = [summary(example).replace("`", "")]
    for subject, dims, kind in ((example.image, 2, "image"), (example.volume, 3, "volume")):
        if subject is not None:
            row = subject()
            before = _first(row if example.shown is None else example.shown(row))
            after = _first(transform(row))
            after["image"] = after[example.drawn]
            columns += _columns([_view(before, dims), _view(after, dims)], example)
            words += _drawn(after, kind)
            old, new = (np.asarray(row.get("label")).tolist() for row in (before, after))
            if old != new:
                words.append(f"label {old} becomes {_short(new)}")
    return words, columns


def _recording(transform: T.Transform) -> T.Transform:
    """The same transform, but it tells what it draws, if it draws anything."""
    return dataclasses.replace(transform, record=True) if isinstance(transform, RandomTransform) else transform


def _drawn(row: Row, kind: str) -> list[str]:
    """What was drawn for a row, in words."""
    drawn = {name: value for params in row.get("transforms") or [] for name, value in params.items()}
    words = [f"{name} {_short(value)}" for name, value in drawn.items() if name not in ("transform", "seed")]
    return [f"drawn for the {kind}: {', '.join(words)}"] if words else []


def _short(value: Any) -> str:
    """A value with three digits, also within lists."""
    if isinstance(value, list | tuple):
        return f"({', '.join(map(_short, value))})"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def summary(example: Example) -> str:
    """The first line of a transform's docstring."""
    return (inspect.getdoc(type(example.transform)) or "").partition("\n")[0]


def _first(data: Row) -> Row:
    """A row, or the first one of a batch."""
    return {name: values[0] for name, values in data.items()} if isinstance(data["image"], list) else data


@dataclass(frozen=True)
class _View:
    """What is drawn of a row: pixels `(ny, nx)` or `(nz, ny, nx)`, shape and type of all of it, and Å a pixel."""

    pixels: Plane
    shape: tuple[int, ...]
    dtype: str
    size: float


def _view(row: Row, dims: int) -> _View:
    image = np.asarray(row["image"])
    pixels = image.astype(np.float64)
    return _View(pixels.reshape(-1, *pixels.shape[-dims:])[0], pixels.shape, str(image.dtype), float(row["pixel_size"]))


def _columns(views: list[_View], example: Example) -> list[Column]:
    """The columns of an image or a volume."""
    pixels = [view.pixels for view in views]
    if pixels[0].ndim == 2:
        columns = [_images("image", views, pixels, example.one_grey)]
    else:
        xy = [volume[volume.shape[0] // 2] for volume in pixels]
        xz = [volume[:, volume.shape[1] // 2] for volume in pixels]
        columns = [_images("volume, xy slice", views, xy, example.one_grey)]
        columns += [_images("volume, xz slice", views, xz, example.one_grey)]
    return columns + [_shown(what, views) for what in example.shows]


def _shown(what: str, views: list[_View]) -> Column:
    """A spectrum, or the curves of what a picture does not show."""
    pixels, sizes = [view.pixels for view in views], [view.size for view in views]
    if what == "histogram":
        return Column("histogram", histograms(pixels))
    if what == "falloff":
        return Column("power by frequency", falloffs(pixels, sizes))
    if what == "gain":
        return Column("amplitude, times", gains(pixels, sizes[0]))
    if what == "transfer":
        return Column("transfer", transfers(pixels, np.asarray(projected()["image"], np.float64), sizes[0]))
    return _spectra("power spectrum" if pixels[0].ndim == 2 else "power spectrum, xz", views)


def _images(title: str, views: list[_View], planes: list[Plane], one_grey: bool) -> Column:
    lows, highs = [float(plane.min()) for plane in planes], [float(plane.max()) for plane in planes]
    if one_grey:
        lows, highs = [min(lows)] * 2, [max(highs)] * 2
    told = len({view.dtype for view in views}) > 1
    panels = [
        Panel(plane, view.size, grey, (*_words(view, grey), *([view.dtype] if told else [])))
        for view, plane, grey in zip(views, planes, zip(lows, highs, strict=True), strict=True)
    ]
    return Column(title, tuple(panels))


def _words(view: _View, grey: tuple[float, float]) -> tuple[str, ...]:
    mean, std = view.pixels.mean(), view.pixels.std()
    return (
        " x ".join(map(str, view.shape)),
        f"{view.size:.4g} Å a pixel",
        f"mean {mean if abs(mean) > 1e-4 * std else 0:.3g} ± {std:.3g}",
        f"grey {_round(grey[0])} … {_round(grey[1])}",
    )


def _round(value: float) -> str:
    """Three digits, none of them behind a thousandth."""
    return f"{value if abs(value) >= 1e-3 else 0:.3g}"


def _spectra(title: str, views: list[_View]) -> Column:
    """Power spectra over the decades that there are before; of volumes the plane of kx and kz: the sum's along y."""
    images = [view.pixels.sum(1) if view.pixels.ndim == 3 else view.pixels for view in views]
    planes = [log_power(power(image)) for image in images]
    decades = float(np.clip(np.ceil(-np.percentile(planes[0], 2)), 3, 8))
    panels = [
        Panel(
            plane,
            1 / (view.size * plane.shape[-1]),
            (-decades, 0.0),
            (f"{decades:.0f} decades", f"edge {2 * view.size:.4g} Å"),
            is_spectrum=True,
        )
        for plane, view in zip(planes, views, strict=True)
    ]
    return Column(title, tuple(panels))
