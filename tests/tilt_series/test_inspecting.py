"""`perc tilt_series inspect`: what there is, in words, as JSON and as a picture; and publishing."""

import json

import numpy as np
import pytest
from datasets import load_dataset as plain_load
from PIL import Image

import builders
from builders import load_dataset
from builders.cli import main
from builders.io import image_file
from builders.tilt_series.inspecting.summary import scheme_of
from tests.tilt_series import made
from tests.tilt_series.made import NX, NY, number_of, taken


def test_series_are_told_and_drawn(tmp_path, capsys):
    folder = made.frames(tmp_path / "data")
    assert main(["tilt_series", "inspect", str(folder), "--png", str(tmp_path / "x.png")]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{folder}: 2 tilt series, 10 images\n")
    assert "TS_1: 5 images, -6.0 to 6.0 degrees, dose-symmetric, 10 e/" in said
    assert "axis 85.3, 1.25 Å, 3.50 µm" in said
    picture = Image.open(tmp_path / "x.png")
    assert picture.size[0] > 500
    assert len(np.unique(np.asarray(picture))) > 20
    assert main(["-q", "tilt_series", "inspect", str(folder), "--json"]) == 0
    first, _ = json.loads(capsys.readouterr().out)
    assert (first["name"], first["scheme"], first["dose"], first["images"]) == ("TS_1", "dose-symmetric", 10.0, 5)


def test_errors_are_told_as_errors(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["tilt_series", "inspect", str(tmp_path / "empty")]) == 1
    assert "no .mdoc, .rawtlt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("angles", "scheme"),
    [
        ([0, 3, -3, -6, 6, 9, -9], "dose-symmetric"),
        ([0, 3, 6, -3, -6, -9, 9, 12, 15, -12, -15], "dose-symmetric"),  # in groups
        ([-21, -18, -15, 0, 3], "continuous"),
        ([0, -3, -6, -9, 3, 6, 9], "bidirectional"),
        ([0, 30, 3, -12, 6], "irregular"),
        ([3], "continuous"),
    ],
)
def test_schemes(angles, scheme):
    assert scheme_of(angles) == scheme


def test_series_are_published_for_anybody(tmp_path):
    folder = made.stacks(tmp_path / "data")
    for unit, count in (("tilt", 10), ("tilt_series", 2)):
        ds = load_dataset(
            "tilt_series", data_dir=str(folder), unit=unit, split="train", cache_dir=str(tmp_path / "cache")
        )
        builders.publish(ds, str(tmp_path / unit))
        files = sorted(map(str, (tmp_path / unit).rglob("*.parquet")))
        back = plain_load("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "again"))
        assert len(back) == count
        at = {image.angle: image.section for image in taken()}
        for row in back.with_format("numpy"):
            images = np.asarray(row["image"]).reshape(-1, NY, NX)
            angles = np.atleast_1d(row["tilt_angle"])
            assert [number_of(image)[1] for image in images] == [at[float(angle)] for angle in angles]
            assert {number_of(image)[0] for image in images} == {int(str(row["tilt_series"])[-1])}


def test_the_real_mdoc_beside_a_stack_of_its_length(shared, tmp_path):
    text = (shared / "data/mdoc/tilt_series.mdoc").read_bytes()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/TS_01.mrc.mdoc").write_bytes(text.replace(b"\n", b"\r\n"))
    made.write_stack(tmp_path / "data/TS_01.mrc", 1, count=41)
    own = {"data_dir": str(tmp_path / "data"), "split": "train", "cache_dir": str(tmp_path / "cache")}
    ds = load_dataset("tilt_series", order="acquisition", **own)
    assert [number_of(row["image"])[1] for row in ds] == list(range(41))
    assert ds["tilt_angle"][:2] == [np.float32(0.000999877), np.float32(3.00113)]
    assert load_dataset("tilt_series", **own)["tilt_angle"][0] == np.float32(-59.9986)


def test_the_real_mdoc_of_a_stack_that_is_there(shared, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/test_000.mrc").write_bytes((shared / "data/mrc/serialem_test_000_crop.mrc").read_bytes())
    text = (shared / "data/mdoc/test_000.mrc.mdoc").read_bytes()
    count = image_file.read(tmp_path / "data/test_000.mrc")
    if len(count) == 1:  # cropped to its first section
        text = text[: text.index(b"[ZValue = 1]")]
    (tmp_path / "data/test_000.mrc.mdoc").write_bytes(text)
    ds = load_dataset("tilt_series", data_dir=str(tmp_path / "data"), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(ds) == len(count)
    assert (ds[0]["tilt_series"], ds[0]["axis_angle"], ds[0]["tilt_angle"]) == ("test_000", -90, np.float32(-0.000488))
    np.testing.assert_array_equal(np.asarray(ds[0]["image"]), count[0].astype(np.float32))


def test_the_real_stack_with_angles(shared, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/TS_run1.st").write_bytes((shared / "data/mrc/TS_run1.st").read_bytes())
    stack = image_file.read(tmp_path / "data/TS_run1.st")
    (tmp_path / "data/TS_run1.rawtlt").write_text("\n".join(str(3.0 * n) for n in range(len(stack))))
    ds = load_dataset("tilt_series", data_dir=str(tmp_path / "data"), split="train", cache_dir=str(tmp_path / "cache"))
    for row, expected in zip(ds, stack, strict=True):
        np.testing.assert_array_equal(np.asarray(row["image"]), expected.astype(np.float32))
