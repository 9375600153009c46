import os
import sys

import mrcfile
import numpy as np
import pytest
import torch

from builders.errors import AccessError, FolderError, FormatError, NotFoundError, OptionError, ReadError
from builders.io import image_file
from builders.io.formats.mrc import header as mrc


def test_write_is_what_mrcfile_validates(tmp_path):
    volume = np.random.default_rng(0).random((3, 4, 5), np.float32)
    mrc.write(tmp_path / "v.mrc", volume, pixel_size=1.5)
    mrc.write(tmp_path / "s.mrcs", volume, stack=True)
    mrc.write(tmp_path / "d.mrc", volume[0].astype(np.float64))
    assert all(mrcfile.validate(path) for path in tmp_path.iterdir())
    file = image_file.describe(tmp_path / "v.mrc")
    assert (file.pixel_size, file.header.is_volume) == (1.5, True)
    assert image_file.describe(tmp_path / "s.mrcs").header.is_stack
    np.testing.assert_array_equal(image_file.read(tmp_path / "d.mrc")[0], volume[0])


def test_write_converts_what_mrc_has_no_mode_for_and_says_what_it_cannot_do(tmp_path):
    pixels = np.array([[1 + 2j, 3]], np.complex128)
    mrc.write(tmp_path / "c.mrc", pixels)
    np.testing.assert_array_equal(image_file.read(tmp_path / "c.mrc")[0], pixels)
    with pytest.raises(FormatError, match=r"cannot write compressed files: expected a name such as x\.mrc"):
        mrc.write(tmp_path / "x.mrc.gz", np.ones((2, 2)))


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    mrc.write(tmp_path / "x.mrc", np.ones((2, 2), np.float32))
    with pytest.raises(FormatError, match="cannot write"):
        mrc.write(tmp_path / "x.mrc", np.array([["a", "b"]]))
    with pytest.raises(ValueError, match="no number"):
        mrc.write(tmp_path / "x.mrc", np.zeros((2, 2), np.float32), pixel_size="no number")
    assert [p.name for p in tmp_path.iterdir()] == ["x.mrc"]
    assert image_file.read(tmp_path / "x.mrc").all()


WRITTEN = {
    "a tensor that has gradients": torch.arange(6.0).reshape(2, 3).requires_grad_(),
    "a tensor of half precision": torch.arange(6, dtype=torch.bfloat16).reshape(2, 3),
    "a tensor of booleans": torch.arange(6).reshape(2, 3) % 2 == 0,
    "lists": [[0, 1, 2], [3, 4, 5]],
    "big-endian": np.arange(6, dtype=">i2").reshape(2, 3),
    "integers that float32 has": np.array([[2**24, -(2**24), 2**40]]),
    "floats that are rounded": np.array([[0.1, 1e-50]]),
    "the largest": np.array([[3.4e38, -3.4e38]]),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_what_people_have_is_written(tmp_path, kind):
    mrc.write(tmp_path / "x.mrc", WRITTEN[kind])
    given = WRITTEN[kind]
    expected = given.detach().float().numpy() if isinstance(given, torch.Tensor) else np.asarray(given)
    read = image_file.read(tmp_path / "x.mrc")[0]
    np.testing.assert_array_equal(read, expected.astype(read.dtype))
    assert read.dtype == ("int16" if kind == "big-endian" else "float32")


@pytest.mark.filterwarnings("ignore:Data array contains:RuntimeWarning")  # mrcfile says so, which is right
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_what_is_not_finite_is_written(tmp_path, dtype):
    values = np.array([[np.inf, -np.inf, np.nan, 1]], dtype)
    mrc.write(tmp_path / "x.mrc", values)
    np.testing.assert_array_equal(image_file.read(tmp_path / "x.mrc")[0], values)


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (np.array([[1e300]]), r"1e\+300 does not fit dtype='float32'.*MRC has no wider type"),
        (np.array([[1e300j]]), "does not fit dtype='complex64'"),
        (np.array([[2**24 + 1]]), "16777217 does not fit MRC"),
        (torch.tensor([[2**53 + 1]]), "9007199254740993 does not fit MRC"),
        (np.array([[2**64 - 1]], np.uint64), "18446744073709551615 does not fit MRC"),
        (np.zeros((0, 3)), r"shape \(0, 3\): expected at least one pixel"),
        (np.zeros((2, 0, 3), np.int8), "expected at least one pixel"),
        (np.zeros((1, 2**17 + 1), np.int8), "expected at most 131072"),
        ([[1], [1, 2]], "rows of different lengths"),
        (None, "expected 2-D or 3-D numbers"),
        (np.ones(3), "expected 2-D or 3-D numbers"),
    ],
)
def test_what_no_file_could_hold_is_one_error_and_no_file(tmp_path, array, complaint):
    with pytest.raises(FormatError, match=rf"x\.mrc: .*{complaint}"):
        mrc.write(tmp_path / "x.mrc", array)
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_written_is_told_without_a_temporary_name(tmp_path):
    image = np.ones((2, 2), np.float32)
    mrc.write(tmp_path / "is_a_file", image)
    for folder in ("none", "is_a_file"):
        with pytest.raises(NotFoundError, match=rf"x\.mrc: there is no folder '.*{folder}' to write it into$"):
            mrc.write(tmp_path / folder / "x.mrc", image)
    with pytest.raises(FolderError, match="a folder, expected the name of a file"):
        mrc.write(tmp_path, image)
    with pytest.raises(ReadError, match="cannot be written: File name too long"):
        mrc.write(tmp_path / ("x" * 256), image)
    mrc.write(tmp_path / ("x" * 255), image)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="nothing is forbidden")
def test_a_folder_that_may_not_be_written_into_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(AccessError, match=r"x\.mrc: no permission to write it into"):
        mrc.write(tmp_path / "x.mrc", np.ones((2, 2), np.float32))


@pytest.mark.parametrize("size", [float("nan"), float("inf"), 1e300, "two", (2, 2)])
def test_a_pixel_size_that_is_none_is_refused(tmp_path, size):
    with pytest.raises(OptionError, match=r"pixel_size is .*: expected a number of Å"):
        mrc.write(tmp_path / "x.mrc", np.ones((2, 2), np.float32), pixel_size=size)
