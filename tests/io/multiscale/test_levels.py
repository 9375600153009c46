"""Levels of OME-Zarr 0.4 and 0.5: names, scales, units, offsets, and what is refused."""

import json

import numpy as np
import pytest

from builders.errors import FormatError, NotFoundError, OptionError
from builders.io import image_file
from builders.io.multiscale import levels, of_pixel_size
from builders.io.multiscale.axes import axes_of
from tests.io.scattered.arrays import multiscale, write

SHAPES = (6, 8, 10), (3, 4, 5)
FINE, COARSE = (np.arange(np.prod(shape), dtype=np.float32).reshape(shape) for shape in SHAPES)


def image(folder, told, version=2, names=("0", "1"), arrays=(FINE, COARSE), file=None):
    for name, pixels in zip(names, arrays, strict=True):
        write(folder / name, pixels, (1,) * (pixels.ndim - 3) + (4, 4, 4), version=version)
    if version == 2:
        text = {"metadata": {".zattrs": told}, "zarr_consolidated_format": 1} if file == ".zmetadata" else told
        (folder / (file or ".zattrs")).write_text(json.dumps(text))
    else:
        told["multiscales"][0].pop("version")
        group = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": {"version": "0.5", **told}}}
        (folder / "zarr.json").write_text(json.dumps(group))
    return str(folder)


@pytest.mark.parametrize(("version", "file"), [(2, None), (2, ".zmetadata"), (3, None)])
def test_levels_of_either_version(tmp_path, version, file):
    fine, coarse = levels(image(tmp_path, multiscale([(10, 10, 10), (20, 20, 20)]), version, file=file))
    assert (fine.shape, coarse.shape) == SHAPES
    assert (fine.pixel_size, coarse.pixel_size) == ((10.0,) * 3, (20.0,) * 3)
    assert (fine.offset, coarse.offset) == (
        (0.0,) * 3,
        (5.0,) * 3,
    )  # block means: half a coarse voxel less half a fine one
    assert np.array_equal(image_file.read(coarse.path), COARSE)


def test_levels_go_by_their_names_and_leading_axes_are_left_out(tmp_path):
    told = multiscale([(1, 1, 3, 2, 1), (1, 1, 6, 4, 2)], axes="tczyx", names=("full/res", "s1"))
    fine, coarse = levels(
        image(tmp_path, told, names=("full/res", "s1"), arrays=(FINE[None, None], COARSE[None, None]))
    )
    assert fine.name == "full/res"
    assert fine.shape == SHAPES[0]
    assert coarse.pixel_size == (6.0, 4.0, 2.0)
    assert coarse.offset == (0.5, 1.0, 1.5)  # x, y, z
    assert np.array_equal(image_file.read(fine.path), FINE)


def test_translations_are_taken_from_the_finest_level(tmp_path):
    told = multiscale([(1, 1, 1), (2, 2, 2)], [(3, 2, 1), (3.5, 3, 4)], unit="nanometer")
    fine, coarse = levels(image(tmp_path, told))
    assert fine.offset == (0.0, 0.0, 0.0)
    assert coarse.offset == (30.0, 10.0, 5.0)
    assert coarse.pixel_size == (20.0, 20.0, 20.0)


def test_transformations_of_all_levels_follow(tmp_path):
    told = multiscale([(1, 1, 1), (2, 2, 2)], [(0, 0, 0), (0.5, 0.5, 0.5)])
    told["multiscales"][0]["coordinateTransformations"] = [{"type": "scale", "scale": [7.5, 7.5, 7.5]}]
    fine, coarse = levels(image(tmp_path, told))
    assert (fine.pixel_size[0], coarse.pixel_size[0]) == (7.5, 15.0)
    assert coarse.offset == (3.75, 3.75, 3.75)


def test_a_level_by_its_pixel_size(tmp_path):
    found = levels(image(tmp_path, multiscale([(10.012, 10.012, 10.012), (20.024, 20.024, 20.024)])))
    assert of_pixel_size(found, 10.0, "x").name == "0"
    assert of_pixel_size(found, 20.024, "x").name == "1"
    with pytest.raises(OptionError, match=r"x: no level of 15 Å per voxel: expected one of 10\.012, 20\.024"):
        of_pixel_size(found, 15, "x")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda image: image["datasets"][0].pop("coordinateTransformations"), "None: expected a scale"),
        (
            lambda image: image["datasets"][0].update(coordinateTransformations=[{"type": "identity"}]),
            "expected a scale",
        ),
        (lambda image: image["datasets"][0]["coordinateTransformations"][0].update(scale=[1, 1]), "3 numbers below"),
        (lambda image: image["datasets"][0]["coordinateTransformations"][0].update(scale=[0, 1, 1]), "more than 0"),
        (lambda image: image["datasets"][0].update(path="../other"), "a level at '../other'"),
        (lambda image: image["datasets"][0].update(path="/etc"), "a level at '/etc'"),
        (lambda image: image["datasets"][0].update(path="https://x.org/0"), "a level at"),
        (lambda image: image["datasets"][0].update(path=7), "a level at 7"),
        (lambda image: image.update(datasets=[]), "datasets"),
        (lambda image: image.update(axes=image["axes"][::-1]), "expected z, y and x"),
        (lambda image: image["axes"][0].update(unit="parsec"), "axes in 'parsec'"),
        (lambda image: image.pop("axes"), "version '0.4', without axes"),
    ],
)
def test_metadata_that_tell_nothing_are_refused(tmp_path, change, said):
    told = multiscale([(10, 10, 10), (20, 20, 20)])
    change(told["multiscales"][0])
    with pytest.raises(FormatError, match=said):
        levels(image(tmp_path, told))


def test_what_is_no_image(tmp_path):
    with pytest.raises(NotFoundError, match="no OME-Zarr image there"):
        levels(str(tmp_path))
    (tmp_path / ".zattrs").write_text("no JSON {")
    with pytest.raises(FormatError, match=r"\.zattrs: no JSON"):
        levels(str(tmp_path))
    (tmp_path / ".zattrs").write_text('{"bioformats2raw.layout": 3}')
    with pytest.raises(FormatError, match="a collection of images"):
        levels(str(tmp_path))
    (tmp_path / ".zattrs").write_text('{"labels": ["a"]}')
    with pytest.raises(FormatError, match="expected the multiscales"):
        levels(str(tmp_path))


def test_levels_that_are_no_arrays_of_an_image(tmp_path):
    told = multiscale([(1, 10, 10, 10)], axes="czyx")
    with pytest.raises(FormatError, match=r"shape \(2, 6, 8, 10\)"):
        levels(image(tmp_path, told, names=("0",), arrays=(np.stack([FINE, FINE]),)))
    (tmp_path / "0" / ".zarray").write_text('{"zarr_format": 2}')
    with pytest.raises(FormatError, match="a group of Zarr"):
        levels(str(tmp_path))
    write(tmp_path / "array", FINE, (4, 4, 4), version=3)
    with pytest.raises(FormatError, match="an array of Zarr: expected the group"):
        levels(str(tmp_path / "array"))


def test_axes_without_a_unit_are_angstrom(caplog):
    assert axes_of([{"name": n, "type": "space"} for n in "zyx"], "a.zarr").units == (1.0, 1.0, 1.0)
    assert "without a unit (read as Å)" in caplog.text
