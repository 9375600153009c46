"""A header against the size of its file: the pixels that were written come out, or an error does, never others."""

import bz2
import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.errors import FormatError, PercError, TruncatedError
from builders.io import image_file
from builders.io.formats.mrc import file_size
from builders.io.formats.mrc import header as mrc
from tests.mrc_encoder import header

PACK = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress}
RNG = np.random.default_rng(5)
STACK = (RNG.standard_normal((6, 9, 11)) * 3 + 1).astype(np.float32)
BYTES = RNG.integers(-90, 90, (6, 16, 16)).astype(np.int8)
FEI = np.frombuffer(b"FEI records, and doubles: " + RNG.standard_normal(128).tobytes(), np.uint8)[:1024].tobytes()


def head(pixels, nz=None, order="<", **fields):
    mode = {"float32": 2, "int8": 0, "int16": 1}[pixels.dtype.name]
    return bytes(header(pixels.shape[2], pixels.shape[1], nz or len(pixels), mode, order=order, **fields))


def data_of(pixels, order="<"):
    return pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()


ONE_READING = {
    "no extended header": lambda p, o: head(p, nsymbt=256, order=o) + data_of(p, o),
    "none, and one image": lambda p, o: head(p[:1], nsymbt=8 * 131072, order=o) + data_of(p[:1], o),
    "none, and a volume": lambda p, o: head(p, nsymbt=80, ispg=1, order=o) + data_of(p, o),
    "an extended header unsaid": lambda p, o: head(p, order=o) + FEI + data_of(p, o),
    "a longer one than said": lambda p, o: head(p, nsymbt=80, order=o) + bytes(80) + FEI + data_of(p, o),
    "blanks of symmetry unsaid": lambda p, o: head(p, ispg=1, order=o) + b"X,  Y,  Z".ljust(160) + data_of(p, o),
    "half of one said": lambda p, o: head(p, nsymbt=1024, order=o) + b"E" * 512 + data_of(p, o),
    "records, and fewer than said": lambda p, o: head(p, nsymbt=1024, order=o) + FEI[:320] + data_of(p, o),
    "too few sections said": lambda p, o: head(p, nz=4, mz=1, order=o) + data_of(p, o),
    "too many sections said": lambda p, o: head(p, nz=9, mz=1, order=o) + data_of(p, o),
    "too few sections of a volume": lambda p, o: head(p, nz=4, mz=6, ispg=1, order=o) + data_of(p, o),
    "too many sections of a volume": lambda p, o: head(p, nz=7, mz=6, ispg=1, order=o) + data_of(p, o),
}
SECTION = STACK[0].nbytes
ONE_READING |= {
    "a text as long as two sections": lambda p, o: head(p, order=o) + b"mode".ljust(2 * SECTION) + data_of(p, o),
    "records as long as a section": lambda p, o: head(p, order=o) + FEI[:SECTION] + data_of(p, o),
}
UNREAD = {
    "junk": lambda p, o: head(p, order=o) + data_of(p, o) + b"trailing",
    "a long text": lambda p, o: head(p, order=o) + data_of(p, o) + b"a log of what was done " * 60,
    "zeros up to a block": lambda p, o: head(p, order=o) + data_of(p, o) + bytes(4096),
    "zeros like a section": lambda p, o: head(p, mz=1, order=o) + data_of(p, o) + bytes(p[0].nbytes),
    "a section more than a volume": lambda p, o: head(p, ispg=1, order=o) + data_of(p, o) + data_of(p[:1], o),
}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("case", [*ONE_READING, *UNREAD])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_pixels_are_those_that_were_written_and_the_contradiction_is_said(tmp_path, caplog, suffix, case, order):
    content = (ONE_READING | UNREAD)[case](STACK, order)
    path = tmp_path / f"x.mrc{suffix}"
    path.write_bytes(PACK[suffix](content))
    expected = STACK[:1] if "one image" in case else STACK
    for _ in range(2):
        np.testing.assert_array_equal(image_file.read(path), expected)
    np.testing.assert_array_equal(image_file.read(path, len(expected) - 1), expected[-1])
    said = [record.message for record in caplog.records]
    assert len(said) == 1, "once a file"
    assert f"{path}: {len(content)} bytes, where its header says {mrc.read_header(content).layout.end}" in said[0]
    assert ("not read" in said[0]) == (case in UNREAD)
    np.testing.assert_array_equal(image_file.read_bytes(path.read_bytes()), expected)


@pytest.mark.parametrize("index", [None, 0, 5])
@pytest.mark.parametrize("case", ["no extended header", "none, and a volume", "junk"])
def test_a_bzip2_stream_that_does_not_tell_its_size_is_counted_where_pixels_may_lie_elsewhere(
    tmp_path, caplog, case, index
):
    path = tmp_path / "x.mrc.bz2"
    path.write_bytes(bz2.compress((ONE_READING | UNREAD)[case](STACK, "<")))
    np.testing.assert_array_equal(image_file.read(path, index), STACK if index is None else STACK[index])
    assert len(caplog.records) == (0 if (case, index) == ("junk", 0) else 1)


@pytest.mark.parametrize("last", [b"", gzip.compress(b"")], ids=["two", "and an empty one"])
def test_a_gzip_file_of_several_pieces_tells_no_size_of_the_whole(tmp_path, caplog, last):
    content = head(STACK) + data_of(STACK)
    path = tmp_path / "x.mrc.gz"
    path.write_bytes(gzip.compress(content[:2000]) + gzip.compress(content[2000:]) + last)
    np.testing.assert_array_equal(image_file.read(path), STACK)
    assert not caplog.records


TWO_READINGS = {
    "an extended header that was not written in full": head(BYTES, nsymbt=512) + FEI[:100] + data_of(BYTES),
    "an extended header of a word and zeros, or a mask": head(STACK, nsymbt=1024)
    + b"X, Y, Z ".ljust(512)
    + bytes(1024)
    + data_of(STACK)[512:-512],
    "no extended header, and cut": head(STACK, nsymbt=128) + data_of(STACK)[:-200],
    "a brighter section more, or an extended header": head(STACK) + data_of(STACK[:1] + 1000) + data_of(STACK),
    "blank sections more, or an extended header": head(BYTES) + bytes(512) + data_of(BYTES),
}


@pytest.mark.parametrize("case", TWO_READINGS)
def test_what_can_be_read_in_two_ways_is_an_error(tmp_path, case):
    (tmp_path / "x.mrc").write_bytes(TWO_READINGS[case])
    with pytest.raises(FormatError, match=r"x\.mrc: \d+ bytes, but its header says \d+"):
        image_file.read(tmp_path / "x.mrc")


def test_a_true_extended_header_is_no_shorter_one_because_the_file_is_cut(tmp_path):
    text = head(STACK, nsymbt=1024, exttyp=b"SERI") + b"tilt -60.0 ".ljust(1024) + data_of(STACK)
    records = head(STACK, nsymbt=1024) + FEI[:1024].ljust(1024, b"\1") + data_of(STACK)
    for number, content in enumerate([text, records]):
        for cut in (4, 128, 512, 1020):
            (tmp_path / f"{number}.mrc").write_bytes(content[:-cut])
            with pytest.raises(TruncatedError):
                image_file.read(tmp_path / f"{number}.mrc")


NUMBERS = {"0": "int8", "1": "int16", "6": "uint16", "2": "float32", "12": "float16"}
SMOOTH = np.cumsum(RNG.standard_normal((6, 20, 24)), axis=2) * 3


@pytest.mark.parametrize("ispg", [0, 1])
@pytest.mark.parametrize(("said", "true"), [(a, b) for a in NUMBERS for b in NUMBERS if (a, b) != ("0", "0")])
def test_a_mode_that_is_not_the_pixels_own_is_an_error_that_names_the_other(tmp_path, caplog, said, true, ispg):
    values = SMOOTH.astype(NUMBERS[true])
    content = bytes(header(24, 20, 6, int(said), ispg=ispg, mz=1 if ispg == 0 else 6)) + values.tobytes()
    (tmp_path / "x.mrc").write_bytes(content)
    if np.dtype(NUMBERS[said]).itemsize == values.itemsize:
        assert image_file.read(tmp_path / "x.mrc").shape == values.shape
        return
    told = {1: "MODE 0 ", 2: "MODE 1, 6 or 12 ", 4: "MODE 2 or 3 "}[values.itemsize]
    with pytest.raises(FormatError, match=rf"x\.mrc: {len(content)} bytes, but its header says \d+.*: {told}"):
        image_file.read(tmp_path / "x.mrc")
    with pytest.raises(FormatError, match=told):
        image_file.complete(image_file.survey(tmp_path / "x.mrc"))


@pytest.mark.parametrize("dtype", NUMBERS.values())
def test_twice_or_half_the_sections_are_no_other_mode(tmp_path, caplog, dtype):
    mode = next(mode for mode, name in NUMBERS.items() if name == dtype)
    values = SMOOTH.astype(dtype)
    for nz in (3, 12):
        (tmp_path / "x.mrc").write_bytes(bytes(header(24, 20, nz, int(mode), mz=1)) + values.tobytes())
        np.testing.assert_array_equal(image_file.read(tmp_path / "x.mrc"), values)


def test_bytes_that_no_pixels_need_are_told_plainly_where_they_are_as_many(tmp_path, caplog):
    (tmp_path / "x.mrc").write_bytes(head(STACK, ispg=1) + data_of(STACK) + RNG.bytes(STACK.nbytes + 7))
    np.testing.assert_array_equal(image_file.read(tmp_path / "x.mrc"), STACK)
    assert "are not read, as many as its pixels take or more: its NX, NY, NZ or MODE may be wrong" in caplog.text


def test_an_extended_header_as_long_as_sections_is_told_from_pixels_by_its_bytes(tmp_path):
    path = tmp_path / "x.mrc"
    path.write_bytes(head(BYTES, nsymbt=512) + data_of(BYTES))
    np.testing.assert_array_equal(image_file.read(path), BYTES)
    path.write_bytes(head(BYTES, nsymbt=512) + bytes(512) + data_of(BYTES[:4]))
    with pytest.raises(TruncatedError):
        image_file.read(path)
    assert image_file.survey(path).contents.whole == 4
    header = mrc.read_header(path.read_bytes())
    assert file_size.weigh(header, 1024 + BYTES.nbytes, "x").whole == 0, "without the bytes it is not known"


def test_zeros_before_zeros_may_fill_an_extended_header_or_be_pixels_of_a_file_whose_own_is_shorter(tmp_path):
    pixels = STACK.copy()
    pixels[:2] = 0
    half = head(STACK, nsymbt=1024) + b"E" * 512 + data_of(pixels)
    for content in (half, (head(pixels, nsymbt=512) + bytes(512) + data_of(pixels))[:-100]):
        (tmp_path / "x.mrc").write_bytes(content)
        assert image_file.survey(tmp_path / "x.mrc").contents.whole == 0
    whole = head(STACK, nsymbt=1024) + b"E" * 512 + bytes(512) + data_of(STACK)
    (tmp_path / "x.mrc").write_bytes(whole[:-100])
    assert image_file.survey(tmp_path / "x.mrc").contents.whole == 5, "pixels do not begin with zeros"


def test_odd_rows_of_4_bits_without_their_padding_are_never_sheared(tmp_path):
    (tmp_path / "x.mrc").write_bytes(bytes(header(5, 4, 6, 101, mz=1)) + bytes(6 * 10))  # as many as 5 padded sections
    with pytest.raises(TruncatedError):
        image_file.read(tmp_path / "x.mrc")
    assert image_file.survey(tmp_path / "x.mrc").contents.whole == 0


@given(
    nz=st.integers(1, 6),
    side=st.sampled_from([1, 2, 8, 9]),
    nsymbt=st.sampled_from([0, 4, 64, 256, 324]),
    mode=st.sampled_from([0, 1, 2, 3, 4, 6, 12, 101]),
    ispg=st.sampled_from([0, 1, 401]),
    mz=st.integers(0, 6),
    body=st.binary(max_size=2048),
)
def test_any_size_gives_a_reading_within_the_file_or_our_error(nz, side, nsymbt, mode, ispg, mz, body):
    data = bytes(header(side, side, nz, mode, nsymbt=nsymbt, ispg=ispg, mz=mz)) + body
    read_header = mrc.read_header(data)
    try:
        found = file_size.weigh(read_header, len(data), "x", lambda start, stop: data[start:stop])
    except PercError:
        return
    assert not found.whole or found.entries.end <= len(data)
    assert found.cut or found.layout.end <= len(data)
    assert (found.said == found.cut == "") == (read_header.layout.end == len(data))


def test_many_files_are_not_each_spoken_of(tmp_path, caplog):
    for number in range(30):
        (tmp_path / f"{number}.mrc").write_bytes(head(STACK) + data_of(STACK) + b"junk")
        image_file.describe(tmp_path / f"{number}.mrc")
    assert len(caplog.records) == image_file.MOST_TOLD
    assert "further such files are not reported" in caplog.messages[-1]


def test_more_arrays_after_the_first_of_a_numpy_file_are_said(tmp_path, caplog):
    with (tmp_path / "x.npy").open("wb") as file:
        np.save(file, STACK)
        np.save(file, BYTES)
    np.testing.assert_array_equal(image_file.read(tmp_path / "x.npy"), STACK)
    assert "are not read" in caplog.text
