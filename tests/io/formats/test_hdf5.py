"""HDF5 as NXtomo lays it out: pixels are read by their own bytes, and what h5py cannot place is an error."""

import io
import sys

import numpy as np
import pytest

from builders import load_dataset
from builders.errors import FormatError, MissingPackageError, TruncatedError
from builders.io import image_file
from builders.io.coded import Coded
from builders.io.formats import known
from builders.io.layout import Layout
from builders.io.net import remote
from tests.server import serve

h5py = pytest.importorskip("h5py", reason="HDF5 needs the extra hdf5")

RNG = np.random.default_rng(3)
STACK = RNG.normal(size=(5, 33, 47)).astype(np.float32)


def write(path, pixels=STACK, pixel_size=None, userblock_size=0, **options):
    with h5py.File(path, "w", userblock_size=userblock_size) as file:
        file.create_dataset("entry/data/data", data=pixels, **options)
        if pixel_size is not None:
            file["entry/data/pixel_size_x"] = pixel_size
    return str(path)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"userblock_size": 512},
        {"chunks": (1, 33, 47)},
        {"chunks": (1, 16, 20)},
        {"chunks": (2, 16, 20)},
        {"chunks": (1, 16, 20), "compression": "gzip"},
        {"chunks": (5, 33, 7), "compression": 9},
    ],
)
def test_pixels_are_those_that_h5py_reads_and_so_is_each_slice(tmp_path, options):
    path = write(tmp_path / "x.h5", pixel_size=[1.5] * 5, **options)
    found = image_file.describe(path)
    assert found.pixel_size == 1.5
    assert found.contents.format == "hdf5"
    assert isinstance(found.layout, Coded if "chunks" in options else Layout)
    np.testing.assert_array_equal(image_file.read(path), STACK)
    np.testing.assert_array_equal(image_file.read(path, 3), STACK[3])


@pytest.mark.parametrize("kind", [">f4", "<i2", ">u2", "|u1", "<f8", "<f2", "<c8"])
def test_numbers_of_every_type_come_as_they_are(tmp_path, kind):
    pixels = (100 * np.abs(STACK)).astype(kind)
    path = write(tmp_path / "x.h5", pixels)
    np.testing.assert_array_equal(image_file.read(path), pixels)


def test_a_plain_stack_is_one_stretch_that_a_memory_map_shows(tmp_path):
    found = image_file.describe(write(tmp_path / "x.h5"))
    ((start, stop),) = found.layout.ranges
    assert stop - start == STACK.nbytes
    np.testing.assert_array_equal(image_file.memory_map(found), STACK)


def test_a_slice_on_a_server_takes_its_own_bytes_and_a_few_small_reads(tmp_path):
    pixels = RNG.normal(size=(20, 256, 256)).astype(np.float32)
    write(tmp_path / "x.h5", pixels)
    with serve() as server:
        remote.permit(server.base)
        server.files["/x.h5"] = (tmp_path / "x.h5").read_bytes()
        np.testing.assert_array_equal(image_file.read(server.url("/x.h5"), 7), pixels[7])
        assert len(server.requests) <= 12


def test_chunks_that_were_never_written_are_zeros(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        stored = file.create_dataset("entry/data/data", (3, 8, 8), "f4", chunks=(1, 8, 8))
        stored[1] = 7
    read = image_file.read(tmp_path / "x.h5")
    assert [image.mean() for image in read] == [0, 7, 0]


def made(change):
    file = io.BytesIO()
    with h5py.File(file, "w") as hdf5:
        change(hdf5)
    return file.getvalue()


def external(file):
    file.create_dataset("entry/data/data", (2, 4, 4), "f4", external=[("/etc/passwd", 0, 128)])


def linked(file):
    file.create_group("entry/data")["data"] = h5py.ExternalLink("/etc/other.h5", "x")


def virtual(file):
    layout = h5py.VirtualLayout((2, 4, 4), "f4")
    layout[0] = h5py.VirtualSource("/etc/other.h5", "x", (4, 4))
    file.create_virtual_dataset("entry/data/data", layout)


def filled(file):
    file.create_dataset("entry/data/data", (3, 8, 8), "f4", chunks=(1, 8, 8), fillvalue=5)[1] = 7


def compact(file):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    group = file.create_group("entry/data")
    h5py.h5d.create(group.id, b"data", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((2, 4, 4)), plist)


def data(*args, **options):
    return lambda file: file.create_dataset("entry/data/data", *args, **options)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda file: file.create_group("sample"), "HDF5 without a dataset entry/data/data"),
        (lambda file: file.create_group("entry/data/data"), "HDF5 without a dataset entry/data/data"),
        (data(data=np.zeros(9)), r"has shape \(9,\): expected"),
        (data(data=np.zeros((1, 2, 3, 4))), r"has shape \(1, 2, 3, 4\)"),
        (data(data=np.zeros((0, 4, 4))), r"has shape \(0, 4, 4\)"),
        (data(data=np.zeros((2, 2), "S4")), r"type \|S4: expected real or complex numbers"),
        (data(data=np.zeros((2, 2), bool)), "type bool: expected real or complex numbers"),
        (data((2, 4, 4), "f4"), "no pixels of entry/data/data were written"),
        (data(data=STACK, compression="gzip", shuffle=True), "coded by shuffle and deflate: expected no filter"),
        (data(data=STACK, compression="lzf"), "coded by lzf"),
        (external, r"are in another file \('/etc/passwd'\)"),
        (linked, "is a link, to a place that may be in another file"),
        (virtual, "is virtual: expected it contiguous or in chunks"),
        (compact, "is compact: expected it contiguous or in chunks"),
        (filled, "chunks were never written, for which 5.0 stands"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, change, match):
    (tmp_path / "x.h5").write_bytes(made(change))
    with pytest.raises(FormatError, match=rf"x\.h5.*{match}"):
        image_file.describe(tmp_path / "x.h5")


def test_a_file_that_is_cut_off_or_damaged_is_an_error_that_names_it(tmp_path):
    write(tmp_path / "x.h5")
    whole = (tmp_path / "x.h5").read_bytes()
    (tmp_path / "x.h5").write_bytes(whole[:-1])
    with pytest.raises(TruncatedError, match=r"x\.h5: .* bytes, fewer than it says"):
        image_file.describe(tmp_path / "x.h5")
    (tmp_path / "x.h5").write_bytes(whole[:8] + bytes(len(whole) - 8))
    with pytest.raises(FormatError, match=r"x\.h5: damaged HDF5"):
        image_file.describe(tmp_path / "x.h5")


def test_without_h5py_the_extra_is_named(tmp_path, monkeypatch):
    path = write(tmp_path / "x.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingPackageError, match=r"x\.h5: .*pip install 'perc-cryoem\[hdf5\]'"):
        image_file.describe(path)


def test_a_pixel_size_that_is_none_is_null(tmp_path):
    for number, size in enumerate((0.0, -1.0, np.nan, np.inf, [], "1.5")):
        assert image_file.describe(write(tmp_path / f"{number}.h5", pixel_size=size)).pixel_size is None


def test_a_folder_of_classes_takes_them_where_they_are_asked_for(tmp_path):
    for name in ("apo_1", "holo_1"):
        write(tmp_path / f"{name}.h5")
    rows = load_dataset("local_classes", data_dir=str(tmp_path), extension=".h5", split="train")
    np.testing.assert_array_equal(rows[0]["image"], STACK)
    assert ".h5" not in known.suffixes(sure=True)
