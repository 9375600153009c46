"""Each codec gives what imagecodecs encoded; damage is an error; cores share the parts."""

import base64
import contextlib
import sys
import threading
import time

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.errors import FormatError, MissingPackageError
from builders.io.codecs import threads
from builders.io.codecs.codec import Part, bytes_of
from builders.io.codecs.known import CODECS, codec_of
from builders.io.coded import Coded

IMAGE = np.random.default_rng(3).poisson(2, (40, 700)).astype(np.uint8)
ENCODERS = {
    "raw": bytes,
    "zlib": imagecodecs.zlib_encode,
    "packbits": imagecodecs.packbits_encode,
    "lzw": imagecodecs.lzw_encode,
    "zstd": imagecodecs.zstd_encode,
    "bits": imagecodecs.bitorder_encode,
}


def decoded(codec, code, shape, encoding="|u1", cut=None):
    part = Part(shape, cut or shape, encoding)
    return bytes_of(codec_of(codec, "x.tif").decode(np.frombuffer(code, np.uint8), part)).tobytes()


@pytest.mark.parametrize("codec", ENCODERS)
@pytest.mark.parametrize("rows", [1, 40])
def test_what_was_encoded_comes_out(codec, rows):
    image = IMAGE[:rows]
    assert decoded(codec, ENCODERS[codec](image.tobytes()), image.shape) == image.tobytes()


@pytest.mark.parametrize("codec", [*CODECS, "jpeg:"])
@given(code=st.binary(max_size=60))
def test_of_any_bytes_comes_no_more_than_the_part_or_an_error(codec, code):
    with contextlib.suppress(ValueError, TypeError, RuntimeError, SyntaxError, OSError, IndexError):
        content = decoded(codec, code, (6, 6))
        assert len(content) <= 36 or codec in ("sums", "floats", "bits", "halves")


@pytest.mark.parametrize("codec", ["zlib", "lzw", "zstd", "packbits"])
def test_a_bomb_is_no_more_than_its_part(codec):
    with contextlib.suppress(ValueError, RuntimeError):
        assert len(decoded(codec, ENCODERS[codec](bytes(10**5)), (6, 6))) == 36


def test_a_part_that_lies_half_below_the_image_may_have_fewer_rows():
    code = imagecodecs.lzw_encode(IMAGE[:25].tobytes())
    assert decoded("lzw", code, IMAGE.shape, cut=(25, 700)) == IMAGE[:25].tobytes()
    whole = imagecodecs.lzw_encode(IMAGE.tobytes())
    assert decoded("lzw", whole, IMAGE.shape, cut=(25, 650)) == IMAGE.tobytes(), "columns beyond the image are there"


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("encoding", ["|u1", "<u2", ">u2", ">i4", "<f4"])
def test_sums_undo_differences(monkeypatch, encoding, missing):
    if missing:
        monkeypatch.setitem(sys.modules, "imagecodecs", None)
    pixels = (np.arange(60).reshape(4, 15) ** 3 % 250).astype(encoding)
    whole = pixels.view(f"{pixels.dtype.str[0]}u{pixels.itemsize}")
    steps = np.diff(whole.astype(np.uint64), axis=1, prepend=0).astype(whole.dtype)
    assert decoded("sums", steps.tobytes(), (4, 15), encoding) == pixels.tobytes()


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("encoding", ["<f2", "<f4", ">f4", ">f8"])
def test_floats_undo_what_was_taken_apart(monkeypatch, encoding, missing):
    pixels = np.random.default_rng(1).normal(size=(4, 15)).astype(encoding)
    code = imagecodecs.floatpred_encode(pixels, axis=-1).tobytes()
    if missing:
        monkeypatch.setitem(sys.modules, "imagecodecs", None)
    assert decoded("floats", code, (4, 15), encoding) == pixels.tobytes()


def test_a_jpeg_of_another_size_or_of_colours_is_refused_before_it_is_decoded():
    code = imagecodecs.jpeg8_encode(IMAGE[:16, :24])
    assert len(decoded("jpeg:", code, (16, 24))) == 16 * 24
    for shape in ((24, 16), (16, 25), (8, 24)):
        with pytest.raises(ValueError, match="a picture of 16 rows of 24 with 1 channels"):
            decoded("jpeg:", code, shape)
    with pytest.raises(ValueError, match="with 3 channels"):
        decoded("jpeg:", imagecodecs.jpeg8_encode(np.zeros((16, 24, 3), np.uint8)), (16, 24))


@pytest.mark.parametrize(
    "spelling",
    ["", "rar", "lzw+", "+".join(["raw"] * 10), "jpeg", "jpeg:?", "jpeg:é", "zlib:1", "rar:1"],
)
def test_what_is_no_codec_is_told(spelling):
    with pytest.raises(FormatError, match=r"x\.tif: pixels coded by "):
        codec_of(spelling, "x.tif")


def test_jpeg_takes_its_tables():
    assert codec_of(f"jpeg:{base64.urlsafe_b64encode(b'abc').decode()}", "x").is_heavy


def test_without_imagecodecs_one_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    for codec, what in (("lzw", "LZW"), ("zstd", "Zstandard")):
        layout = Coded.of((4, 4), "|u1", codec, (4, 4), np.array([0]), np.array([16]), "x.tif")
        with pytest.raises(MissingPackageError, match=rf"{what} .* pip install 'perc-cryoem\[movies\]'"):
            layout.decode(np.zeros(16, np.uint8))
    assert decoded("packbits", imagecodecs.packbits_encode(IMAGE.tobytes()), IMAGE.shape) == IMAGE.tobytes()


def test_pieces_are_shared_by_threads(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 2)
    meeting, done = threading.Barrier(2, timeout=20), []

    def task(piece):
        if piece < 2:
            meeting.wait()
        done.append(piece)

    threads.shared(task, range(20))
    assert sorted(done) == list(range(20))


def test_a_child_process_decodes_by_one_thread(monkeypatch):
    monkeypatch.setattr(threads.multiprocessing, "parent_process", lambda: "somebody")
    assert threads.cores() == 1
    names = set()
    threads.shared(lambda piece: names.add(threading.current_thread()), range(9))
    assert names == {threading.current_thread()}


def test_when_a_piece_fails_nothing_goes_on_behind_the_error(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 3)
    running = []

    def task(piece):
        running.append(piece)
        time.sleep(0.01)
        running.remove(piece)
        if piece == 2:
            raise FormatError("damaged")

    with pytest.raises(FormatError, match="damaged"):
        threads.shared(task, range(1000))
    assert not running


def test_many_parts_are_decoded_by_several_threads(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 2)
    image = np.random.default_rng(3).poisson(2, (1000, 1024)).astype(np.uint8)
    strips = [imagecodecs.lzw_encode(image[y : y + 64].tobytes()) for y in range(0, 1000, 64)]
    ends = np.cumsum([0, *map(len, strips)])
    layout = Coded.of(image.shape, "|u1", "lzw", (64, 1024), ends[:-1], ends[1:], "x.tif")
    raw = np.frombuffer(b"".join(strips), np.uint8)
    np.testing.assert_array_equal(layout.decode(raw), image)
    damaged = raw.copy()
    damaged[ends[5] : ends[6]] = 255
    with pytest.raises(FormatError, match=r"the part at bytes .* is damaged: lzw"):
        layout.decode(damaged)
