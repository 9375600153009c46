"""A file that is no image is told by what it is."""

import io
import tarfile
import zipfile

import numpy as np
import pytest

from builders.errors import FormatError
from builders.io import image_file
from builders.io.formats import foreign, known
from builders.io.mrc import write
from builders.io.net import remote
from tests.server import serve


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.mrc", bytes(2000))
    return file.getvalue()


def tarred():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("a.mrc")
        info.size = 2000
        archive.addfile(info, io.BytesIO(bytes(2000)))
    return file.getvalue()


FILES = [
    (b"", "an empty file"),
    (b" \n" * 700, "nothing but blanks"),
    (b"CDF\x01" + bytes(3000), "a NetCDF file"),
    (zipped(), "a zip archive"),
    (tarred(), "a tar archive"),
    (b"\n<!DOCTYPE html>\n<html>" + bytes(2000), "an HTML page"),
    (b"<HTML><body>not here", "an HTML page"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "a pointer of Git LFS"),
    (b"\x28\xb5\x2f\xfd" + bytes(2000), "compressed by zstd"),
    (b"\x80\x04\x95" + bytes(2000), "a pickle, which is never loaded"),
    (b"SIMPLE  =                    T" + b" " * 3000, "a FITS file"),
    (b"PixelSpacing = 1.06\r\n" * 99, "a text file"),
    (b"This file is not an image", "a text file"),
]


@pytest.mark.parametrize(("content", "said"), FILES, ids=[said for _, said in FILES])
def test_what_is_no_image_is_told_by_what_it_is(tmp_path, content, said):
    path = tmp_path / "x.mrc"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=rf"x\.mrc: .*{said}.*: expected an image file .*MRC"):
        image_file.describe(path)


def test_so_it_is_of_a_server():
    with serve() as server:
        remote.permit(server.base)
        server.files["/x.nc"] = b"CDF\x01" + bytes(3000)
        with pytest.raises(FormatError, match=r"/x\.nc: a NetCDF file: expected an image file"):
            image_file.describe(server.url("/x.nc"))


def test_what_can_be_read_is_read_whatever_stands_in_it(tmp_path):
    path = tmp_path / "x.mrc"
    write(path, np.ones((4, 5), np.float32))
    data = bytearray(path.read_bytes())
    data[257:262] = b"ustar"  # within the labels
    path.write_bytes(data)
    assert image_file.read(path).shape == (1, 4, 5)
    assert foreign.told(bytes(data)) == foreign.MRC


def test_contents_name_their_format(tmp_path):
    write(tmp_path / "x.mrc", np.ones((4, 5), np.float32))
    np.save(tmp_path / "x.npy", np.ones((4, 5)))
    for suffix in ("mrc", "npy"):
        assert image_file.describe(tmp_path / f"x.{suffix}").contents.format == suffix
    assert {"MRC", "NumPy"} <= set(known.titles())
