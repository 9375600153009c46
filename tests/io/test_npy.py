import contextlib
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from builders.errors import FormatError, PercError, TruncatedError
from builders.io import image_file, npy


@given(
    hnp.arrays(
        st.sampled_from(["|b1", "<i2", ">i4", "<u8", "<f2", ">f4", "<f8", "<c8", ">c16"]),
        hnp.array_shapes(min_dims=1, max_dims=4, max_side=4),
        elements={"allow_nan": False},
    ),
    st.booleans(),
)
def test_any_array_of_numbers_comes_back(array, fortran):
    stream = io.BytesIO()
    np.save(stream, np.asfortranarray(array) if fortran else array)
    read = image_file.read_bytes(stream.getvalue())
    assert read.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(read, array)


@given(st.binary(max_size=200))
def test_any_bytes_behind_the_magic_give_our_error_or_an_array(data):
    with contextlib.suppress(PercError):
        npy.parse_header(npy.MAGIC + data, 6 + len(data))


@pytest.mark.parametrize(
    "array", [np.array([{}, []], object), np.array(["text"]), np.array(["2020"], "M8[D]"), np.zeros(2, "i4,f4")]
)
def test_what_is_not_numbers_is_refused(tmp_path, array):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(FormatError, match=r"x\.npy: holds .*expected numbers"):
        image_file.read(tmp_path / "x.npy")


def test_a_pickle_is_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").write_text, ("!",))

    np.save(tmp_path / "x.npy", np.array([Trap()], object), allow_pickle=True)
    with pytest.raises(FormatError, match="never loaded"):
        image_file.read(tmp_path / "x.npy")
    assert not (tmp_path / "sprung").exists()


def test_truncation(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((8, 8)))
    data = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(data[:-1])
    with pytest.raises(TruncatedError, match="truncated"):
        image_file.describe(tmp_path / "x.npy")


def test_the_shared_files_read_as_numpy_says(shared):
    truth = json.loads((shared / "data" / "TRUTH.json").read_text())
    names = [name for name in truth if name.startswith("npy/")]
    assert len(names) >= 9
    for name in names:
        facts, path = truth[name], shared / "data" / name
        if facts["needs_pickle"]:
            with pytest.raises(FormatError, match="never loaded"):
                image_file.read(path)
            continue
        array = image_file.read(path)
        assert (list(array.shape), str(array.dtype)) == (facts["shape"], facts["dtype"])
        if array.size:
            exact = array.astype(np.float64)
            found = [exact.min(), exact.max(), exact.mean(), exact.std(), exact.flat[0], exact.flat[-1]]
            np.testing.assert_allclose(found, [facts[k] for k in ("min", "max", "mean", "std", "first", "last")], 1e-6)
