"""Stretches of a file into the rows of an array: the same as cutting them out of the file's bytes."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.errors import ChangedError, FormatError, NotFoundError, TruncatedError
from builders.io import gathering
from builders.io.files.local import etag_of

BYTES = np.random.default_rng(0).integers(0, 256, 5000, np.uint8).tobytes()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gathering") / "x.bin"
    path.write_bytes(BYTES)
    return path


@st.composite
def stretches(draw: st.DrawFn) -> tuple[list[int], int, list[int]]:
    """Offsets, a size, and the rows they go to; many of them side by side."""
    size = draw(st.integers(1, 40))
    step = draw(st.sampled_from([1, size]))
    offsets = [n * step for n in draw(st.lists(st.integers(0, (len(BYTES) - size) // step), max_size=30))]
    return offsets, size, draw(st.permutations(range(len(offsets))))


@given(wanted=stretches(), piece=st.sampled_from([8, 64, 256 * 1024]), plain=st.booleans())
def test_rows_are_the_files_bytes(
    file: Path, wanted: tuple[list[int], int, list[int]], piece: int, plain: bool
) -> None:
    offsets, size, places = wanted
    out = np.zeros((len(offsets), size), np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gathering, "_PIECE", piece)
        patch.setattr(gathering, "_MOST_PLACES", 3)
        if plain:  # as where the system has no such call
            patch.delattr(os, "preadv")
            patch.delattr(os, "pread")
        gathering.gather(str(file), np.array(offsets, np.int64), out, np.array(places, np.int64))
    for offset, place in zip(offsets, places, strict=True):
        assert out[place].tobytes() == BYTES[offset : offset + size]


def test_rows_come_in_order_where_no_places_are_given(file: Path) -> None:
    out = np.zeros((3, 10), np.uint8)
    gathering.gather(str(file), np.array([20, 0, 10]), out)
    assert out.tobytes() == BYTES[20:30] + BYTES[:20]


def test_what_the_system_leaves_out_is_read_on(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stock = os.preadv

    def little(file: int, places: list[memoryview], offset: int) -> int:
        return stock(file, [places[0][:3]], offset)

    monkeypatch.setattr(os, "preadv", little)
    out = np.zeros((4, 10), np.uint8)
    gathering.gather(str(file), np.array([100, 7, 110, 120]), out)
    assert [row.tobytes() for row in out] == [BYTES[n : n + 10] for n in (100, 7, 110, 120)]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, None])
@pytest.mark.parametrize("rows", [[4, 1, 9], [0, 1, 2, 3, 4]])
def test_whether_all_are_finite(tmp_path: Path, kind: type, bad: float | None, rows: list[int]) -> None:
    pixels = np.ones((10, 50), kind)
    if bad is not None:
        pixels[4, 49] = bad
    pixels[6] = np.nan  # which nobody asks for
    (tmp_path / "x").write_bytes(pixels.tobytes())
    size = pixels[0].nbytes
    out = np.empty((len(rows), size), np.uint8)
    offsets = np.array(rows) * size
    assert gathering.gather(str(tmp_path / "x"), offsets, out, floats=np.dtype(kind)) is (bad is None)
    assert gathering.gather(str(tmp_path / "x"), offsets, out) is False


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abcdef")
    etag, out = etag_of(path.stat()), np.zeros((1, 2), np.uint8)
    gathering.gather(str(path), np.array([2]), out, etag=etag)
    assert out.tobytes() == b"cd"
    path.write_bytes(b"ABCDEFG")
    with pytest.raises(ChangedError, match="x: changed since"):
        gathering.gather(str(path), np.array([2]), out, etag=etag)
    gathering.gather(str(path), np.array([2]), out, etag="")


def test_a_file_that_ends_early_is_named_with_its_size(file: Path) -> None:
    out = np.zeros((2, 10), np.uint8)
    with pytest.raises(TruncatedError, match=r"x\.bin: 5000 bytes, expected 5001: the file is truncated"):
        gathering.gather(str(file), np.array([4991, 3]), out)


def test_a_file_that_is_cut_while_it_is_read_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering.local, "check_version", lambda *args: 10_000)
    out = np.zeros((1, 10), np.uint8)
    with pytest.raises(TruncatedError, match=r"x\.bin: 5000 bytes, expected 5005"):
        gathering.gather(str(file), np.array([4995]), out)


def test_a_packed_file_is_told_apart(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "x.mrc").write_bytes(gzip.compress(BYTES))
    with pytest.raises(gathering.PackedError, match=r"x\.mrc: compressed"):
        gathering.gather(str(tmp_path / "x.mrc"), np.array([0]), np.zeros((1, 5), np.uint8))
    assert issubclass(gathering.PackedError, FormatError)


def test_a_missing_file_is_one_of_our_errors(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="gone"):
        gathering.gather(str(tmp_path / "gone"), np.array([0]), np.zeros((1, 5), np.uint8))


@pytest.mark.parametrize("count", [1, 5, 64])
def test_a_file_is_opened_once(file: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    stock = os.open
    monkeypatch.setattr(os, "open", lambda *args, **options: opened.append(args) or stock(*args, **options))
    gathering.gather(str(file), np.arange(count, dtype=np.int64) * 7, np.zeros((count, 5), np.uint8))
    assert len(opened) == 1
