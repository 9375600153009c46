import contextlib
import gzip
import io
import itertools
import json
import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from builders.errors import FormatError, PercError, TruncatedError
from builders.io import image_file
from builders.io.formats import npy


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


def npy_file(text, version=1, pixels=bytes(64)):
    raw = text.encode("latin-1")
    return npy.MAGIC + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(raw)) + raw + pixels


LETTERS = st.text(st.characters(max_codepoint=255), max_size=300)
TOKENS = st.lists(
    st.sampled_from(["(", ")", "[", "]", "{", "}", "-", ".a", ",", ":", "1", "2L", "0x", "1j", "True", "None", "...",
                     "'descr'", "'shape'", "'fortran_order'", "'<f4'", "b''", "\\", "'", "\n", "\0", "#"]),
    max_size=40,
).map("".join)  # fmt: skip
ATOMS = st.none() | st.booleans() | st.integers() | st.integers(0, 3) | st.floats() | st.text("<f4|O,()1", max_size=6)
ANYTHING = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=6).map(tuple), max_leaves=8
)
DICTIONARIES = st.fixed_dictionaries(
    {
        "descr": st.sampled_from(["<f4", ">i2", "|b1", "<c8", "|O", "<U3", "f16", "a4", "V", "3f4", "M8[D]"])
        | ANYTHING,
        "fortran_order": st.booleans() | ANYTHING,
        "shape": st.lists(st.integers(0, 3) | st.integers(), max_size=6).map(tuple) | ANYTHING,
    },
    optional={"more": ANYTHING},
).map(repr)
LIES = {
    "no type": "{'descr': (), 'fortran_order': False, 'shape': (2,)}",
    "half a type": "{'descr': ('<f4',), 'fortran_order': False, 'shape': (2,)}",
    "a type in a type": "{'descr': ('<f4', (2,)), 'fortran_order': False, 'shape': (2,)}",
    "a bool as a side": "{'descr': '<f4', 'fortran_order': False, 'shape': (True,)}",
    "a float as a side": "{'descr': '<f4', 'fortran_order': False, 'shape': (2.0,)}",
    "a list as shape": "{'descr': '<f4', 'fortran_order': False, 'shape': [2]}",
    "a negative side": "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -2)}",
    "70 axes": f"{{'descr': '<f4', 'fortran_order': False, 'shape': {(1,) * 70}}}",
    "5 axes": f"{{'descr': '<f4', 'fortran_order': False, 'shape': {(1,) * 5}}}",
    "nothing, of great sides": "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 2361183241434822606848)}",
    "more than any disk": "{'descr': '<f4', 'fortran_order': False, 'shape': (4503599627370497,)}",
    "order in words": "{'descr': '<f4', 'fortran_order': 'C', 'shape': (2,)}",
    "one field more": "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}",
    "no dictionary": "(2, 3)",
    "a list as key": "{[]: 1}",
    "a sum": "__import__('os').getcwd()",
    "an endless number": f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({'9' * 900},)}}",
    "minus": "-" * 9000,
    "attributes": "a" + ".a" * 4000,
    "brackets": "(" * 9000,
    "fewer minus": "-" * 1000,
    "fewer attributes": "a" + ".a" * 500,
    "fewer brackets": "(" * 1000,
    "many brackets": "[" * 150 + "]" * 150,
    "nothing": "",
}


@given(LETTERS | TOKENS | DICTIONARIES, st.sampled_from([1, 2]))
@example("{'descr': '<f4', 'fortran_order': True, 'shape': (0, 18014398509481984)}", 1)
def test_anything_a_header_says_gives_an_array_or_our_error(text, version):
    with contextlib.suppress(PercError):
        image_file.read_bytes(npy_file(text, version))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_refused_in_few_words(lie, version):
    with pytest.raises(FormatError, match=r"^x\.npy: ") as caught:
        npy.parse_header(npy_file(LIES[lie], version), None, "x.npy")
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("size", ["", "1", "2", "4", "8", "16", "32", "99", "100"])
def test_every_name_of_a_type_is_one_of_numbers_or_our_error(size):
    known = 0
    for order, letter in itertools.product(["", "<", ">", "|", "="], map(chr, range(32, 127))):
        text = repr({"descr": order + letter + size, "fortran_order": False, "shape": (1,)})
        with contextlib.suppress(FormatError):
            layout = npy.parse_header(npy_file(text))
            assert layout.encoding == np.dtype(order + letter + size).str
            assert layout.dtype.kind in "biufc"
            known += 1
    assert bool(known) == (size not in ("99", "100"))


def test_the_long_integers_of_python_2_are_integers():
    text = "{'descr': '<i2', 'fortran_order': False, 'shape': (2L, 3L), }"
    pixels = np.arange(6, dtype="<i2")
    np.testing.assert_array_equal(image_file.read_bytes(npy_file(text, 1, pixels.tobytes())), pixels.reshape(2, 3))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("padding", [0, 900, 5000, 60_000])
def test_a_header_may_be_padded(tmp_path, version, padding):
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 4), }" + " " * padding + "\n"
    pixels = np.arange(16, dtype="<f4").reshape(4, 4)
    (tmp_path / "x.npy").write_bytes(npy_file(text, version, pixels.tobytes()))
    (tmp_path / "x.npy.gz").write_bytes(gzip.compress((tmp_path / "x.npy").read_bytes()))
    for name in ("x.npy", "x.npy.gz"):
        np.testing.assert_array_equal(image_file.read(tmp_path / name), pixels)
        np.testing.assert_array_equal(image_file.read_bytes((tmp_path / name).read_bytes()), pixels)


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_a_file_that_ends_within_its_header_is_truncated(version):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.zeros((2, 2)), version)
    data = stream.getvalue()
    for end in range(6, len(data) - 32):
        with pytest.raises(TruncatedError, match="truncated"):
            npy.parse_header(data[:end], end)


def test_a_header_too_long_for_numbers_is_refused_by_its_length():
    with pytest.raises(FormatError, match=r"header of 4294967307 bytes: expected at most 65536"):
        npy.parse_header(npy.MAGIC + b"\2\0\xff\xff\xff\xff" + bytes(64))


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
