"""Every picture is drawn for a page of 800 pixels that shows it at half its size: its smallest letters can be read."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFont

from builders.drawing.plates import plate
from builders.gallery.panels import Column, draw_sheet
from builders.gallery.panels import Panel as GalleryPanel
from builders.inspecting.pictures import SIDE
from builders.particles.checking import picture as checking
from builders.particles.inspecting import charts
from builders.particles.pictures import Micrograph, boxes_sheet
from builders.publishing.writing import preview
from builders.publishing.writing.preview import preview_png, thumbnail_sheet
from builders.synthetic.previewing.sheet import Line, Panel, sheet_of
from builders.tilt_series.inspecting import picture as tilts
from builders.tilt_series.inspecting.summary import Summary
from builders.tomograms.inspecting import picture as tomograms
from builders.tomograms.inspecting.sections import Sections
from examples import contact_sheet, tracks

PAGE, LEAST = 800, 11.9
"""Pixels: the width of a page, and the height of a letter."""
IMAGE = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)


def contacts(path: Path) -> None:
    tiles = [contact_sheet.Tile(IMAGE, contact_sheet.verdict("globule", "tripod"))] * 6
    contact_sheet.write_contact_sheet(path, (tiles, 6))


def structure(path: Path) -> None:
    values = dict.fromkeys(range(25, 104), 40.0)
    cut, places = dict.fromkeys(range(1, 25), 9.0), np.zeros((79, 3))
    track = tracks.Track("A", "Z9DEM1", "1 to 79", values, places, [(1, 24)], cut)
    tracks.write_tracks(path, [tracks.Panel("0dem", "X-RAY DIFFRACTION", "pLDDT", [track])])


def series() -> Summary:
    angles = tuple(float(angle) for angle in range(-60, 61, 3))
    order = tuple(range(len(angles)))
    doses = tuple(3.0 * place for place in order)
    return Summary("TS_1", len(angles), angles, order, doses, (3.0,) * len(angles), 85.0, 2.5, None, 0, 0)


def tomogram() -> tomograms.Seen:
    planes = {"xy": np.zeros((96, 96)), "xz": np.zeros((32, 96)), "yz": np.zeros((96, 32))}
    cut = Sections({name: plane.astype(np.float32) for name, plane in planes.items()}, (16, 48, 48), (0.0, 1.0))
    picks = np.array([[7.0, 3.0, 5.0]])
    return tomograms.Seen("TS_1", (32, 96, 96), 10.0, cut, picks, np.array([0]), {})


def panel() -> GalleryPanel:
    return GalleryPanel(IMAGE.astype(np.float64), 2.0, (0.0, 1.0), ("64 x 64", "mean 0 ± 1"))


def histogram() -> charts.Histogram:
    return charts.Histogram("rot", np.linspace(-180, 180, 50), (-180, 180), "°")


def saved(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def through_file(draw, path: Path) -> bytes:
    draw(path)
    return path.read_bytes()


DRAWN = {
    "contact sheet": lambda path: through_file(contacts, path),
    "structures": lambda path: through_file(structure, path),
    "a file": lambda path: plate(preview_png(np.tile(IMAGE, (40, 40)), SIDE), ["x.mrc, 2560 x 2560"], 1.0, 2560),
    "a small file": lambda path: plate(preview_png(IMAGE), ["x.mrc"], 1.0, 64),
    "several files": lambda path: thumbnail_sheet([preview_png(IMAGE)] * 5, ["x.mrc"] * 5),
    "synthetic": lambda path: sheet_of([Line("barrel", [Panel(IMAGE, "row 0", pixel_size=2.5)] * 4)]),
    "tilt series": lambda path: tilts.picture_of([series()], lambda name, place: np.tile(IMAGE, (8, 8))),
    "a tomogram": lambda path: tomograms.picture_of([tomogram()], ["barrel"]),
    "tomograms": lambda path: tomograms.picture_of([tomogram()] * 3, ["barrel"]),
    "histograms": lambda path: saved(charts.draw([histogram()] * 6)),
    "boxes": lambda path: saved(boxes_sheet([Micrograph("m.mrc", 9, 64, *[np.stack([IMAGE] * 9)] * 2)])),
    "a check": lambda path: saved(checking.draw([("images", torch.from_numpy(np.stack([IMAGE] * 8)))])),
    "gallery": lambda path: draw_sheet("Pad(128)", ["Put"], ("before", "after"), [Column("image", (panel(),) * 2)] * 5),
    "two of the gallery": lambda path: draw_sheet("Pad(128)", [], ("a", "b"), [Column("image", (panel(),) * 2)] * 2),
}


@pytest.mark.parametrize("what", DRAWN)
def test_letters_can_be_read_on_a_page(what, tmp_path, monkeypatch):
    sizes, load = [], ImageFont.load_default

    def recorded(size=None):
        sizes.append(size)
        return load(size)

    monkeypatch.setattr(ImageFont, "load_default", recorded)
    preview._font.cache_clear()
    data = DRAWN[what](tmp_path / "picture.png")
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "PNG"
        shown = min(1, PAGE / picture.width)
        assert picture.width <= 2.1 * PAGE
    assert sizes
    assert min(sizes) * shown >= LEAST, f"letters of {min(sizes)} pixels, {picture.width} wide"


@pytest.mark.parametrize("name", ["ring", "AF-A0A0K3AV08-F1"])
def test_a_caption_stays_below_its_own_image(name, tmp_path):
    columns = 6
    tiles = [contact_sheet.Tile(IMAGE, contact_sheet.verdict(name, name))] * columns
    contact_sheet.write_contact_sheet(tmp_path / "sheet.png", (tiles, columns))
    with Image.open(tmp_path / "sheet.png") as picture:
        pixels = np.asarray(picture.convert("L"))
    is_white = (pixels > 250).all(0)
    gaps = np.flatnonzero(np.diff(np.concatenate([[0], is_white, [0]])) == 1)
    assert len(gaps) == columns + 1  # before, between and after them


@pytest.mark.parametrize("what", sorted(set(DRAWN) - {"a small file", "two of the gallery"}))
def test_sheets_are_twice_as_wide_as_the_page(what, tmp_path):
    with Image.open(io.BytesIO(DRAWN[what](tmp_path / "picture.png"))) as picture:
        assert picture.width >= 1.95 * PAGE
