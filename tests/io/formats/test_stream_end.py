"""Compressed files whose content has another size than the header says, found out at the start or only at the end."""

import bz2
import gzip

import numpy as np
import pytest

from builders.errors import FormatError, TruncatedError
from builders.io import image_file
from builders.io.formats import compression
from builders.io.formats.mrc import header as mrc
from builders.io.pixels import read_open
from tests.mrc_encoder import header

RNG = np.random.default_rng(7)
STACK = (RNG.standard_normal((6, 9, 11)) * 3 + 1).astype(np.float32)
SECTION = STACK[0].nbytes


def head(pixels, nz=6, **fields):
    mode = {"f4": 2, "i2": 1, "u2": 6, "u1": 0, "i1": 0}[pixels.dtype.str[1:]]
    return bytes(header(pixels.shape[2], pixels.shape[1], nz, mode, **fields))


def members(data):
    """A gzip file of many pieces, whose end says nothing of its size."""
    return b"".join(gzip.compress(data[at : at + 700]) for at in range(0, len(data), 700)) + gzip.compress(b"")


PACK = {".bz2": bz2.compress, ".gz": members}
SUSPICIOUS = {
    "a plain letter": head(STACK) + b"E" * 256,
    "text": head(STACK) + b"X,  Y,  Z".ljust(160),
    "records": head(STACK) + RNG.bytes(512),
    "records as long as sections": head(STACK) + RNG.bytes(2 * SECTION),
    "half of what is said": head(STACK, nsymbt=1024) + b"E" * 512,
    "nothing of what is said": head(STACK, nsymbt=256),
    "more than is said": head(STACK, nsymbt=80) + b"E" * 160,
    "records before counts": head(STACK.astype("i2")) + RNG.bytes(512),
    "text before bytes": head(STACK.astype("i1")) + b"X,  Y,  Z".ljust(160),
}


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("case", SUSPICIOUS)
def test_what_shows_at_the_start_is_read_right_from_the_first_slice_on(tmp_path, caplog, case, suffix):
    stack = STACK.astype({"counts": "i2", "bytes": "i1"}.get(case.rpartition(" ")[2], "f4"))
    content = SUSPICIOUS[case] + stack.tobytes()
    path = tmp_path / f"x.mrcs{suffix}"
    path.write_bytes(PACK[suffix](content))
    for index in (0, 5, None):
        np.testing.assert_array_equal(image_file.read(path, index), stack if index is None else stack[index])
    file = image_file.survey(path)
    with path.open("rb") as raw:
        slices = read_open(raw, [file.layout.slice(index, "x") for index in range(6)], str(path))
        np.testing.assert_array_equal(list(slices), stack)
    assert len(caplog.messages) == 1
    assert f"{len(content)} bytes, where its header says {mrc.read_header(content).layout.end}" in caplog.text


HIDDEN = {"zeros": head(STACK) + bytes(256), "zeros and said": head(STACK, nsymbt=80) + bytes(320)}


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("case", HIDDEN)
def test_what_shows_at_the_end_alone_is_read_again_or_an_error(tmp_path, caplog, case, suffix):
    content = HIDDEN[case] + STACK.tobytes()
    path = tmp_path / f"x.mrcs{suffix}"
    path.write_bytes(PACK[suffix](content))
    file = image_file.describe(path)
    assert not file.contradicts_header, "or the case tries nothing"
    for _ in range(2):
        np.testing.assert_array_equal(image_file.read(path), STACK)
    np.testing.assert_array_equal(image_file.read_bytes(path.read_bytes()), STACK)
    assert sum(str(path) in message for message in caplog.messages) == 1
    end = mrc.read_header(content).layout.end
    told = rf"{len(content)} bytes, but its header says {end}: its pixels begin at byte {len(HIDDEN[case])}, not"
    np.testing.assert_equal(np.array_equal(image_file.read(path, 0), STACK[0]), False)  # nobody can know that yet
    with pytest.raises(FormatError, match=told):
        image_file.read(path, 5)
    with pytest.raises(FormatError, match=told):
        image_file.read(path, 0)
    np.testing.assert_array_equal(image_file.read(path), STACK)
    with path.open("rb") as raw, pytest.raises(FormatError, match=told):
        list(read_open(raw, [file.layout.slice(index, "x") for index in range(6)], "x"))


@pytest.mark.parametrize("suffix", PACK)
def test_sections_that_the_header_does_not_tell_are_told_at_the_end(tmp_path, caplog, suffix):
    path = tmp_path / f"x.mrcs{suffix}"
    path.write_bytes(PACK[suffix](head(STACK, nz=4, mz=1) + STACK.tobytes()))
    np.testing.assert_array_equal([image_file.read(path, index) for index in range(4)], STACK[:4])
    assert f"the last {2 * SECTION} are not read" in caplog.text
    path.write_bytes(PACK[suffix](head(STACK, nz=8, mz=1) + STACK.tobytes()))
    np.testing.assert_array_equal(image_file.read(path, 5), STACK[5])
    with pytest.raises(TruncatedError):
        image_file.read(path, 7)


EDGE = STACK.copy()
EDGE[:, :2] = 0.25
FADING = np.logspace(-30, 0, STACK.size, dtype=np.float32)
ORDINARY = {
    "noise": head(STACK) + STACK.tobytes(),
    "a masked volume": head(STACK, ispg=1) + bytes(2 * SECTION) + STACK.tobytes()[2 * SECTION :],
    "a mask with an extended header": head(STACK, nsymbt=1024)
    + b"X, Y, Z".ljust(80)
    + bytes(944)
    + bytes(STACK.nbytes),
    "a plain border": head(EDGE) + EDGE.tobytes(),
    "a map that fades": head(STACK)
    + (STACK * np.logspace(-30, 0, STACK.size, dtype="f4").reshape(STACK.shape)).tobytes(),
    "counts": head(STACK.astype("i2")) + RNG.poisson(2, STACK.shape).astype("i2").tobytes(),
    "bytes": head(STACK.astype("u1")) + RNG.integers(60, 100, STACK.shape).astype("u1").tobytes(),
    "an extended header": head(STACK, nsymbt=1024) + RNG.bytes(512) + bytes(512) + STACK.tobytes(),
}


@pytest.mark.parametrize("case", ORDINARY)
def test_ordinary_files_are_not_inflated_to_know_their_size(tmp_path, monkeypatch, caplog, case):
    monkeypatch.setattr(compression, "count", lambda *args: pytest.fail("counted"))
    for suffix in PACK:
        path = tmp_path / f"x.mrc{suffix}"
        path.write_bytes(PACK[suffix](ORDINARY[case]))
        assert image_file.read(path).tobytes() == ORDINARY[case][-image_file.describe(path).layout.nbytes :]
    assert not caplog.messages
