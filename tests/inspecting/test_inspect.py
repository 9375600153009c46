"""`perc inspect`: what files hold, wherever they are, and what they look like."""

import gzip
import io
import json

import numpy as np
import pytest
from PIL import Image

from builders.cli import main
from builders.inspecting import statistics
from builders.inspecting.statistics import count
from builders.inspecting.summary import summarise
from builders.io import mrc
from tests.empiar import deposit
from tests.io.formats import dm, toy
from tests.io.formats.test_protocol import toy as toy_is_known  # noqa: F401 - a fixture
from tests.io.scattered.arrays import write as write_zarr
from tests.server import serve

RNG = np.random.default_rng(3)
IMAGE = RNG.normal(10, 2, (48, 64)).astype(np.float32)


def saved(picture):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def image(tmp_path):
    mrc.write(tmp_path / "x.mrc", IMAGE, pixel_size=1.25)
    return str(tmp_path / "x.mrc")


def told(capsys, *arguments):
    code = main(["inspect", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def told_in_json(capsys, *arguments):
    code, out, err = told(capsys, *arguments, "--json")
    return code, json.loads(out), err


def test_words_say_what_a_file_holds(image, capsys):
    code, out, err = told(capsys, image)
    assert (code, err) == (0, "")
    mean = f"mean {IMAGE.mean(dtype=np.float64):.6g}"
    for line in ("format: MRC", "48 x 64 (y, x)", "type: float32", "pixel size: 1.25 Å", "a row is: the file", mean):
        assert line in out.replace("1 x 48 x 64 (z, y, x)", "48 x 64 (y, x)")


def test_json_says_all_of_every_format(tmp_path, image, capsys, toy_is_known):  # noqa: F811
    stack = RNG.integers(0, 500, (4, 9, 11)).astype(np.uint16)
    files = {
        "x.dm4": dm.encode(stack, scale=0.125, units="nm"),
        "x.toy": toy.encode(stack),
        "x.toy.gz": gzip.compress(toy.encode(stack)),
        "x.png": saved(stack[0].astype(np.uint8)),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    code, found, _ = told_in_json(capsys, image, *(str(tmp_path / name) for name in files))
    assert code == 0
    by_name = {fact["path"].rpartition("/")[2]: fact for fact in found}
    assert [by_name[name]["format"] for name in files] == ["dm", "toy", "toy", "png"]
    assert by_name["x.dm4"]["pixel_size"] == 1.25
    assert by_name["x.dm4"]["images"] == 4
    assert (by_name["x.toy"]["codec"], by_name["x.toy"]["part"]) == ("zlib", [3, 11])
    assert (by_name["x.toy.gz"]["packed"], by_name["x.toy"]["packed"]) == ("gzip", "")
    for name, data in files.items():
        numbers = by_name[name]["numbers"]
        expected = stack[0] if name != "x.png" else stack[0].astype(np.uint8)
        assert by_name[name]["size"] == len(data)
        assert (numbers["minimum"], numbers["maximum"]) == (expected.min(), expected.max())
        assert numbers["std"] == pytest.approx(expected.std())


def test_one_line_for_each_that_cannot_be_read_and_the_others_go_on(tmp_path, image, capsys):
    (tmp_path / "x.nc").write_bytes(b"CDF\x01" + bytes(2000))
    code, out, err = told(capsys, str(tmp_path / "no.mrc"), image, str(tmp_path / "x.nc"), str(tmp_path), "ftp://x/y")
    assert code == 1
    assert out.count("format: MRC") == 1
    lines = err.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("perc: error: ") for line in lines)
    for line, said in zip(
        lines,
        ("no such file", "a NetCDF file", f"perc local-classes inspect {tmp_path}", "expected a path, an http"),
        strict=True,
    ):
        assert said in line


def test_files_of_servers_and_of_entries(tmp_path, image, capsys):
    mirror = tmp_path / "mirror"
    folder = mirror / deposit.ENTRY / "data"
    folder.mkdir(parents=True)
    mrc.write(folder / "a b.mrc", np.stack([IMAGE] * 3), pixel_size=2.0)
    inside = f"empiar://{deposit.ENTRY}/data/a b.mrc"
    with serve() as server:
        server.publish(mirror)
        for archive in (str(mirror), server.base):
            code, (found,), _ = told_in_json(capsys, inside, "--archive", archive)
            assert (code, found["path"], found["pixel_size"], found["shape"]) == (0, inside, 2.0, [3, 48, 64])
        url = f"{server.base}/{deposit.ENTRY}/data/a%20b.mrc"
        before = server.bytes_sent
        code, (found,), _ = told_in_json(capsys, url)
        assert (code, found["size"]) == (0, 1024 + 3 * IMAGE.nbytes)
        assert server.bytes_sent - before < IMAGE.nbytes + 4000, "a header, and one image"
    assert told(capsys, f"empiar://{deposit.ENTRY}/data", "--archive", str(mirror))[0] == 1
    assert "a folder" in told(capsys, f"empiar://{deposit.ENTRY}/data", "--archive", str(mirror))[2]


def test_what_is_odd_is_told_once_and_not_logged(tmp_path, image, capsys, caplog):
    data = bytearray((tmp_path / "x.mrc").read_bytes())
    data[208:212] = bytes(4)
    (tmp_path / "x.mrc").write_bytes(data + bytes(100))
    _, out, err = told(capsys, image)
    assert "read all the same: no 'MAP ' identifier" in out
    assert "the last 100 are not read" in out
    assert (err, caplog.text) == ("", "")


@pytest.mark.parametrize(
    ("name", "shape", "what"),
    [
        ("x.mrc", (48, 64), ""),
        ("x.mrcs", (20, 32, 48), "shown: the first 16 of 20 images"),
        ("x.mrcs", (3, 1200, 1300), "shown: mean of the first 3 of 3 images"),
        ("x.mrcs.gz", (20, 32, 48), "shown: the first 16 of 20 images"),
        ("x.st", (5, 32, 48), "shown: image 2 of 5"),
        ("x.map", (7, 20, 20), "shown: image 3 of 7"),
    ],
)
def test_pictures_are_of_what_says_most(tmp_path, capsys, monkeypatch, name, shape, what):
    words = []
    monkeypatch.setattr("builders.inspecting.pictures.plate", lambda png, said, *_: words.extend(said) or png)
    plain = tmp_path / name.removesuffix(".gz")
    mrc.write(plain, np.broadcast_to(np.arange(shape[-1], dtype=np.float32), shape).copy())
    if name.endswith(".gz"):
        (tmp_path / name).write_bytes(gzip.compress(plain.read_bytes()))
    code, _, err = told(capsys, str(tmp_path / name), "--png", str(tmp_path / "out.png"))
    assert (code, err) == (0, f"drawn: {tmp_path / 'out.png'}\n")
    assert words[0] == name
    assert words[1].endswith(what)
    with Image.open(tmp_path / "out.png") as picture:
        assert max(picture.size) <= 4 * 400 + 16
        assert np.asarray(picture).std() > 0


def test_several_files_are_drawn_side_by_side_and_no_input_is_drawn_over(tmp_path, image, capsys):
    out = tmp_path / "out.png"
    code, _, err = told(capsys, image, image, str(tmp_path / "no.mrc"), "--png", str(out))
    assert (code, err.splitlines()[-1]) == (1, f"drawn: {out}")
    with Image.open(out) as picture:
        assert picture.width > 2 * 384
    before = out.read_bytes()
    code, _, err = told(capsys, str(out), "--png", str(out))
    assert code == 1
    assert "that is a file to look at" in err
    assert out.read_bytes() == before
    assert "nothing drawn" in told(capsys, str(tmp_path / "no.mrc"), "--png", str(tmp_path / "none.png"))[2]


@pytest.mark.parametrize("shape", [(), (7,), (0, 5), (3, 0, 4), (1, 1, 1), (2, 3, 4, 5)])
def test_arrays_that_are_no_images_are_told_and_not_drawn(tmp_path, image, capsys, shape):
    np.save(tmp_path / "x.npy", np.ones(shape, np.float32))
    code, out, err = told(capsys, str(tmp_path / "x.npy"), image, "--png", str(tmp_path / "out.png"))
    assert code == 0
    assert f"drawn: {tmp_path / 'out.png'}" in err
    assert ("1 of 2 files" in err) == (len(shape) < 2 or 0 in shape)
    assert ("pixels: none" in out) == (0 in shape)
    (found, _) = told_in_json(capsys, str(tmp_path / "x.npy"), image)[1]
    assert found["shape"] == list(shape)


def test_of_a_huge_image_the_middle_is_looked_at(tmp_path, image, monkeypatch):
    monkeypatch.setattr(statistics, "MOST_BYTES", 9000)
    monkeypatch.setattr(statistics, "_SIDE", 32)
    numbers = summarise("x.mrc", image)[0].numbers
    assert numbers.of.endswith("the middle 32 x 32 pixels")
    assert numbers.mean == pytest.approx(IMAGE[8:40, 16:48].mean(dtype=np.float64))


def test_numbers_leave_out_what_is_none():
    pixels = np.array([[0, 1, np.nan], [np.inf, 3, -np.inf]], np.float32)
    numbers = count(pixels, "x")
    assert (numbers.minimum, numbers.maximum, numbers.mean, numbers.zeros, numbers.not_finite) == (0, 3, 4 / 3, 1, 3)
    assert count(np.full((2, 2), np.nan), "x").mean is None
    assert count(np.array([[3 + 4j]]), "x").maximum == 5
    assert count(np.array([[True, False]]), "x").mean == 0.5
    assert count(np.full((2, 2), 1.7e308), "x").mean is None


def test_the_first_axis_is_that_of_frames_or_of_a_volume(tmp_path, capsys):
    for name, stack, axes in (
        ("m.mrc", True, "3 x 4 x 5 (frames or images, y, x)"),
        ("v.map", False, "3 x 4 x 5 (z, y, x)"),
    ):
        mrc.write(tmp_path / name, np.ones((3, 4, 5), np.float32), 1.0, stack=stack)
        assert main(["inspect", str(tmp_path / name)]) == 0
        assert f"shape: {axes}" in capsys.readouterr().out


def test_an_array_of_zarr_is_a_volume_in_chunks(tmp_path, capsys):
    pixels = RNG.integers(0, 500, (6, 9, 11)).astype(np.uint16)
    path = write_zarr(tmp_path, pixels[None], (1, 4, 5, 6), version=3)
    code, out, _ = told(capsys, path, "--png", str(tmp_path / "x.png"))
    assert code == 0
    for line in ("format: Zarr", "6 x 9 x 11 (z, y, x)", "not compressed, in parts of 4 x 5 x 6", "a row is: the file"):
        assert line in out
    assert (tmp_path / "x.png").exists()
