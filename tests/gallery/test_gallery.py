import argparse
import inspect
import io

import numpy as np
import pytest
from PIL import Image

import perc_transforms as T
from builders.errors import NotEmptyError, PercError
from builders.gallery import cli, subjects
from builders.gallery.charts import falloffs, gains, histograms, transfers
from builders.gallery.examples import EXAMPLES, Example
from builders.gallery.gallery import columns_of, draw, summary, write_gallery
from builders.gallery.panels import Column, Panel, draw_sheet, pictures
from builders.gallery.spectra import log_power, power

FEW = (Example(T.Rescale(32)), Example(T.MinMax(), volume=None, one_grey=False))


def name_of(example):
    return type(example.transform).__name__


def test_every_public_transform_has_its_picture():
    classes = [thing for name in T.__all__ if inspect.isclass(thing := getattr(T, name))]
    public = {thing.__name__ for thing in classes if issubclass(thing, T.Transform)}
    shown = [name_of(example) for example in EXAMPLES]
    assert len(shown) == len(set(shown)), "one picture a transform: they are named for it"
    assert set(shown) == public - {"Transform", "RandomTransform"}


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_each_picture_is_a_small_file_with_a_sentence(example):
    data = draw(example)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "PNG"
        assert picture.width < 1700
    assert len(data) < 100_000
    assert summary(example).endswith((".", "`"))


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_each_transform_changes_its_subjects(example):
    for subject in filter(None, (example.image, example.volume)):
        before, after = subject()["image"], example.transform(subject())[example.drawn]
        assert np.shape(before) != np.shape(after) or not np.allclose(before, after)


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_each_picture_shows_what_changes(example):
    """Somebody who looks at it sees a difference: a tenth of the pixels of some panel, or what is said of its shape."""
    _, columns = columns_of(example)
    changes = []
    for column in columns:
        before, after = (np.asarray(square, float) for square in pictures(column, 128))
        changes.append(np.mean(np.abs(after - before) > 40))
    shapes = [panel.lines[0] for column in columns[:1] for panel in column.panels]
    if name_of(example) == "ToTensor":
        assert shapes == ["96 x 96", "1 x 96 x 96"]
        assert [panel.lines[-1] for panel in columns[0].panels] == ["int16", "float32"]
    else:
        assert max(changes) > 0.02, changes


def test_histograms_tell_where_values_lie():
    values = np.random.default_rng(0).normal(40, 2, (64, 64))
    before, after = histograms([values, (values - values.mean()) / values.std()])
    axis = np.linspace(min(values.min(), -4), values.max(), len(before.heights) + 1)
    assert axis[before.heights.argmax()] == pytest.approx(40, abs=2)
    assert axis[after.heights.argmax()] == pytest.approx(0, abs=2)
    np.testing.assert_array_equal(after.before, before.heights)
    assert before.heights.max() == after.heights.max() == 1


def test_curves_tell_what_a_filter_does():
    """Of white noise and a Gaussian envelope, whose formula is known."""
    noise = np.random.default_rng(0).normal(0, 1, (128, 128))
    frequency = np.hypot(np.fft.fftfreq(128, 2.0)[:, None], np.fft.fftfreq(128, 2.0))
    faded = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-100 * frequency**2)).real
    at = (np.arange(64) + 1) / 64 * 0.25
    ratio = gains([noise, faded], 2.0)[1].heights * 2
    np.testing.assert_allclose(ratio, np.exp(-100 * at**2), atol=0.03)
    turned = transfers([-faded], noise, 2.0)[0].heights
    np.testing.assert_allclose(2 * turned - 1, -np.exp(-100 * at**2), atol=0.05)
    flat, steep = falloffs([noise, faded], [2.0, 2.0])
    assert np.ptp(flat.heights) < 0.15
    assert np.ptp(steep.heights) > 0.8


@pytest.mark.parametrize("name", ["index.md", "MinMax.png"])
def test_files_that_are_no_gallery_stay(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(NotEmptyError, match="is there already, and of no gallery"):
        write_gallery(tmp_path, FEW)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_an_earlier_gallery_is_replaced(tmp_path):
    (tmp_path / "MinMax.png").write_text("old")
    (tmp_path / "index.md").write_text("# What the transforms do\n")
    write_gallery(tmp_path, FEW[1:])
    assert (tmp_path / "MinMax.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_shows_every_picture_and_all_is_the_same_again(tmp_path):
    pages = [write_gallery(tmp_path / name / "deep", FEW) for name in ("one", "two")]
    for file in ("index.md", "Rescale.png", "MinMax.png"):
        first, second = ((page.parent / file).read_bytes() for page in pages)
        assert first == second, file
    assert sorted(path.name for path in pages[0].parent.iterdir()) == ["MinMax.png", "Rescale.png", "index.md"]
    text = pages[0].read_text()
    for example in FEW:
        name = name_of(example)
        assert f"## {name}\n" in text
        assert f"![{name}]({name}.png)" in text
        assert f"`{example.transform!r}`" in text
        assert inspect.getdoc(type(example.transform)).splitlines()[0] in text


def test_subjects_are_the_same_every_time_and_leave_transforms_something_to_do():
    images = (subjects.projected, subjects.imaged, subjects.particle, subjects.raw_particle, subjects.hot_particle)
    for subject in (*images, subjects.movie, subjects.volume, subjects.raw_volume, subjects.hot_volume):
        one, other = subject(), subject()
        assert one["image"] is not other["image"]
        np.testing.assert_array_equal(one["image"], other["image"])
        assert one["image"].dtype == np.float32
        assert one["pixel_size"] * one["image"].shape[-1] == subjects.SIDE
    for hot, raw in (
        (subjects.hot_particle(), subjects.raw_particle()),
        (subjects.hot_volume(), subjects.raw_volume()),
    ):
        assert hot["image"].max() > raw["image"].max() + 2


def test_the_protein_tells_orientations_and_hands_apart():
    """Of a square's 8 symmetries and a cube's 48, none but the identity leaves much of it in place."""
    for image in (subjects.projected()["image"], subjects.density()):
        centred = image[tuple(slice(1, None) for _ in range(image.ndim))]  # n // 2 in the middle of an odd side
        for axes in ([0], [1], [0, 1], [image.ndim - 1]):
            assert np.corrcoef(centred.ravel(), np.flip(centred, axes).ravel())[0, 1] < 0.8
        for turns in (1, 2, 3):
            assert np.corrcoef(centred.ravel(), np.rot90(centred, turns, (-2, -1)).ravel())[0, 1] < 0.8


@pytest.mark.parametrize("shape", [(8, 8), (7, 9), (1, 6)])
def test_spectra_have_dc_in_the_centre_and_keep_the_power(shape):
    image = np.random.default_rng(0).normal(3, 1, shape)
    spectrum = power(image)
    assert spectrum[tuple(n // 2 for n in shape)] == pytest.approx(image.sum() ** 2)
    assert spectrum.sum() == pytest.approx((image**2).sum() * image.size)
    decades = log_power(spectrum)
    assert decades.max() == 0
    assert (decades == 0).sum() >= 2  # the strongest of the others, and its mirror image or DC
    assert np.all(log_power(np.zeros(shape)) == -30)


def test_one_scale_of_length_in_a_column():
    """A panel of half the extent takes half the tile, in its middle; a finer grid changes nothing."""
    grids = [(8, 2.0), (4, 2.0), (32, 0.5)]
    panels = tuple(Panel(np.zeros((n, n)), step, (0.0, 1.0), (), is_spectrum=True) for n, step in grids)
    with Image.open(io.BytesIO(draw_sheet("", [], ("", "", ""), [Column("", panels)]))) as sheet:
        dark = np.asarray(sheet.convert("L")) == 0
    widths = sorted(set(dark.sum(1)))[-2:]
    assert widths[1] == 2 * widths[0]
    assert [int((dark.sum(1) == width).sum()) for width in widths] == [widths[0], 2 * widths[1]]
    assert np.ptp([np.flatnonzero(row).mean() for row in dark if row.sum() in widths]) == 0


def run(*words):
    parser = argparse.ArgumentParser()
    cli.add_commands(parser.add_subparsers(required=True))
    options = parser.parse_args(words)
    return options.run(options)


def test_the_command_says_where_the_page_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("builders.gallery.gallery.write_gallery", lambda folder: write_gallery(folder, FEW[1:]))
    assert run("transforms", "gallery", "--out", str(tmp_path / "x")) == 0
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'x' / 'index.md'}\n"
    assert not err  # no progress bar where there is no terminal


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PercError, match=r"MinMax.png: .*file/deep"):
        write_gallery(tmp_path / "file" / "deep", FEW[1:])


def test_a_disk_that_fails_leaves_no_half_of_a_file(tmp_path, monkeypatch):
    def fail(path, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(PercError, match=r"MinMax.png: no room left"):
        write_gallery(tmp_path, FEW[1:])
    assert not list(tmp_path.iterdir())
