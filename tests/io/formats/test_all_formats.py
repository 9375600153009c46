"""Laws that hold for every format: wherever its files lie, and whichever way they are asked for."""

import io
from functools import partial

import numpy as np
import pytest
import tifffile
from datasets import Dataset, Features
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from builders import EMImage, load_dataset
from builders.errors import PercError
from builders.hf.image_storage import reference
from builders.io import image_file, mrc
from builders.io.formats import known
from builders.io.net import remote
from builders.io.pixels import read_layout
from tests.empiar import deposit
from tests.io.formats import dm
from tests.io.formats.eer import encoder as eer
from tests.server import serve

RNG = np.random.default_rng(6)
STACK = RNG.integers(0, 250, (5, 40, 52)).astype(np.uint16)
PICTURE = STACK[0].astype(np.uint8)
CATEGORY = "micrographs - multiframe"


def as_mrc(pixels, folder):
    mrc.write(folder / "w.mrc", pixels)
    return (folder / "w.mrc").read_bytes()


def as_npy(pixels, folder):
    file = io.BytesIO()
    np.save(file, pixels)
    return file.getvalue()


def as_png(pixels, folder):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def as_jpeg(pixels, folder):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def as_tiff(pixels, folder, **options):
    """Upside down, as TIFF files are read; each page by itself."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as tiff:
        for image in pixels:
            tiff.write(image[::-1], photometric="minisblack", contiguous=False, **options)
    return file.getvalue()


def as_eer(pixels, _):
    return eer.encode(eer.Events(np.where(pixels, 5, -1)))


def as_hdf5(pixels, _, **options):
    h5py = pytest.importorskip("h5py", reason="HDF5 needs the extra hdf5")
    file = io.BytesIO()
    with h5py.File(file, "w") as hdf5:
        hdf5.create_dataset("entry/data/data", data=pixels, **options)
    return file.getvalue()


WRITERS = {
    "x.eer": (as_eer, (STACK > 240).astype(np.uint8)),
    "x.tif": (as_tiff, STACK),
    "x.tiff": (partial(as_tiff, compression="lzw", rowsperstrip=7), STACK),
    "x.mrc": (as_mrc, STACK),
    "x.npy": (as_npy, STACK),
    "x.dm3": (lambda pixels, _: dm.encode(pixels, 3), STACK),
    "x.dm4": (lambda pixels, _: dm.encode(pixels, 4, ">"), STACK),
    "x.png": (as_png, PICTURE),
    "x.jpg": (as_jpeg, PICTURE),
    "x.h5": (as_hdf5, STACK),
    "x.nxs": (partial(as_hdf5, chunks=(1, 16, 32), compression="gzip"), STACK),
}
"""A file of each format, by its name: who writes it, and of what."""


@pytest.fixture(scope="module", params=list(WRITERS))
def file(request, tmp_path_factory):
    """A name, the file's bytes, and its pixels."""
    write, pixels = WRITERS[request.param]
    data = write(pixels, tmp_path_factory.mktemp("written"))
    if request.param == "x.jpg":
        pixels = np.asarray(Image.open(io.BytesIO(data)))
    return request.param, data, pixels


@pytest.fixture
def places(file, tmp_path):
    """Where it is: on a disk, and on a server."""
    (tmp_path / file[0]).write_bytes(file[1])
    with serve() as server:
        remote.permit(server.base)
        server.files[f"/{file[0]}"] = file[1]
        yield str(tmp_path / file[0]), server.url(f"/{file[0]}")


@pytest.fixture
def archive(file, tmp_path):
    """An entry with it, and another one that is damaged."""
    name, data, _ = file
    folder = tmp_path / "mirror" / deposit.ENTRY / "data" / "m"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(data)
    (folder / f"y{name[1:]}").write_bytes(data[: len(data) // 2])
    deposit.write_xml(tmp_path / "mirror", [("M", "data/m", CATEGORY)])
    with serve() as server:
        server.publish(tmp_path / "mirror")
        remote.permit(server.base)
        yield str(tmp_path / "mirror"), server.base


def test_each_format_has_a_sample_here():
    by_suffix = [
        format for format in known._built_in() if format.suffixes
    ]  # an array of Zarr is no file: tests/io/scattered
    missing = [format.name for format in by_suffix if not any(name.endswith(format.suffixes) for name in WRITERS)]
    assert not missing


def test_what_is_read_is_the_same_everywhere(file, places):
    _, data, pixels = file
    np.testing.assert_array_equal(image_file.read_bytes(data), pixels)
    described = [image_file.describe(place) for place in places]
    assert described[0].layout.shape == described[1].layout.shape == pixels.shape
    for place, found in zip(places, described, strict=True):
        assert found.contents.format in {format.name for format in known.formats()}
        np.testing.assert_array_equal(read_layout(place, found.layout, found.etag), pixels)
        layout = found.layout if pixels.ndim == 2 else found.layout.slice(3, place)
        expected = pixels if pixels.ndim == 2 else pixels[3]
        np.testing.assert_array_equal(read_layout(place, layout, found.etag), expected)
        np.testing.assert_array_equal(
            read_layout(place, layout.box([(3, 21), (10, 50)], place), found.etag), expected[3:21, 10:50]
        )


def test_references_survive_a_table(file, places):
    pixels = file[2]
    for place in places:
        found = image_file.describe(place)
        rows = [{"image": reference(found, found.part(n) if pixels.ndim > 2 else found.layout)} for n in range(2)]
        ds = Dataset.from_list(rows, features=Features({"image": EMImage(dtype=None)}))
        for number, row in enumerate(ds):
            np.testing.assert_array_equal(row["image"], pixels[number] if pixels.ndim > 2 else pixels)


def test_entries_give_rows_and_streams_and_leave_out_what_is_damaged(file, archive, tmp_path):
    name, _, pixels = file
    options = {"split": "train", "cache_dir": str(tmp_path / "cache"), "dtype": None, "pattern": f"*.{name[2:]}"}
    for place in archive:
        load = {"path": "empiar", "entry": deposit.ENTRY, "archive": place, **options}
        with pytest.raises(PercError, match=rf"y\{name[1:]}"):
            list(load_dataset(**load, streaming=True))
        for streaming in (False, True):
            rows = load_dataset(**load, streaming=streaming, on_error="skip")
            (row,) = [row for row in _readable(rows) if row["path"] == f"data/m/{name}"]
            np.testing.assert_array_equal(row["image"], pixels)


def _readable(rows):
    """Rows of a stream; of a table those whose images can be read: damage of pixels shows only there."""
    if not isinstance(rows, Dataset):
        yield from rows
        return
    for number in range(len(rows)):
        try:
            yield rows[number]
        except PercError as err:
            assert "/y." in str(err)  # noqa: PT017


def test_folders_of_classes_take_it(file, tmp_path):
    name, data, pixels = file
    for label in ("a", "b"):
        (tmp_path / f"{label}_1{name[1:]}").write_bytes(data)
    ds = load_dataset(
        "local_classes", data_dir=str(tmp_path), split="train", cache_dir=str(tmp_path / "cache"), dtype=None
    )
    assert [row["label"] for row in ds] == [0, 1]
    np.testing.assert_array_equal(ds[1]["image"], pixels)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of Pillow's, of what an EXIF says
@given(st.data())
def test_damage_is_one_of_our_errors_that_names_the_file(file, data):
    _, whole, _ = file
    damaged = bytearray(whole)
    for place, byte in data.draw(st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=5)):
        damaged[place % len(damaged)] = byte
    end = data.draw(st.sampled_from([None, 0, 3, 100, 1000, 1500, -1, -20]))
    try:
        image_file.read_bytes(bytes(damaged[:end]), name="x.file")
    except PercError as err:
        assert "x.file" in str(err)  # noqa: PT017
