"""TIFF movies as rows: few requests, no more bytes than a frame has, and what is damaged is left out by itself."""

import io

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import load_dataset
from builders.errors import FormatError, PercError, TruncatedError
from builders.io import coded, image_file
from builders.io.files import location
from builders.io.net import remote
from builders.io.pixels import read_layout
from tests.empiar import deposit
from tests.server import serve

FRAMES = np.random.default_rng(7).integers(0, 60, (40, 300, 400)).astype(np.uint8)


def together(frames, **options):
    """Pages one after another, their directories behind them, as tifffile and ImageJ write."""
    file = io.BytesIO()
    tifffile.imwrite(file, frames, photometric="minisblack", **options)
    return file.getvalue()


def apart(frames, bigtiff=False, **options):
    """Each page behind its own directory, as libtiff writes."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=bigtiff) as tiff:
        for frame in frames:
            tiff.write(frame, photometric="minisblack", contiguous=False, **options)
    return file.getvalue()


def load(place, tmp_path, **options):
    kept = {"split": "train", "cache_dir": str(tmp_path / "cache"), "dtype": None, "item": "frame"}
    return load_dataset("empiar", entry=deposit.ENTRY, archive=place, **(kept | options))


@pytest.fixture
def archive(tmp_path):
    """A function that puts a movie into an entry, and the server of it."""
    folder = tmp_path / "mirror" / deposit.ENTRY / "data" / "m"
    folder.mkdir(parents=True)
    with serve() as server:
        remote.permit(server.base)

        def put(data):
            (folder / "m.tif").write_bytes(data)
            deposit.write_xml(tmp_path / "mirror", [("M", "data/m", "micrographs - multiframe")])
            server.publish(tmp_path / "mirror")
            return server

        yield put


def asked(server):
    return [request for request in server.requests if request.path.endswith("m.tif")]


@pytest.mark.parametrize("sides", [FRAMES.shape[1:], (3000, 4000)], ids=["small", "of a camera"])
def test_a_frame_is_four_requests_at_first_and_one_from_then_on(archive, tmp_path, sides):
    frames = np.resize(FRAMES, (20 if sides == FRAMES.shape[1:] else 3, *sides))
    server = archive(together(frames))
    ds = load(server.base, tmp_path)
    np.testing.assert_array_equal(ds[1]["image"], frames[1, ::-1])
    assert len(asked(server)) <= 4
    assert server.bytes_sent < frames[0].nbytes + 256 * 1024
    server.requests.clear()
    again = load(server.base, tmp_path)
    np.testing.assert_array_equal(again[2]["image"], frames[2, ::-1])
    assert len(asked(server)) == 1, "the chain is remembered"


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize(
    ("shape", "rows", "extra"),
    [
        ((60, 1200, 1100), None, 256 * 1024),
        ((60, 1200, 1100), 11, 256 * 1024),
        ((2000, 100, 120), None, 512 * 1024),  # of so many, the directories alone are more than 256 KiB
        ((60, 1200, 1100), 1, 2 * 1024 * 1024),  # and of so many strips their tables
    ],
)
def test_pages_behind_all_pixels_come_together_however_many_strips_they_have(
    archive, tmp_path, bigtiff, shape, rows, extra
):
    frames = np.resize(FRAMES, shape)
    server = archive(together(frames, rowsperstrip=rows, bigtiff=bigtiff))
    ds = load(server.base, tmp_path)
    np.testing.assert_array_equal(ds[3]["image"], frames[3, ::-1])
    assert len(asked(server)) <= 4
    assert server.bytes_sent < frames[0].nbytes + extra
    server.requests.clear()
    again = load(server.base, tmp_path)
    np.testing.assert_array_equal(again[2]["image"], frames[2, ::-1])
    assert len(asked(server)) == 1


def test_a_frame_of_a_stream_is_one_request(archive, tmp_path):
    frames = np.resize(FRAMES, (2, 4200, 4800))
    server = archive(together(frames))
    list(load(server.base, tmp_path, streaming=True, frames=(0, 1)))
    server.requests.clear()
    rows = list(load(server.base, tmp_path, streaming=True, frames=(1, 2)))
    np.testing.assert_array_equal(rows[0]["image"], frames[1, ::-1])
    assert len(asked(server)) == 1


@pytest.mark.parametrize("write", [together, apart])
def test_of_a_file_that_was_read_before_a_frame_is_one_request(archive, write):
    server = archive(write(FRAMES, compression="lzw"))
    url = server.url(f"/{deposit.ENTRY}/data/m/m.tif")
    np.testing.assert_array_equal(image_file.read(url, 3), FRAMES[3, ::-1])
    for number in (0, 39):
        server.requests.clear()
        np.testing.assert_array_equal(image_file.read(url, number), FRAMES[number, ::-1])
        assert len(server.requests) == 1
    server.requests.clear()
    assert image_file.describe(url).layout.shape == FRAMES.shape
    assert len(server.requests) == 1, "it is asked whether it is the same file"
    for frames in (FRAMES[::-1], FRAMES[:20], np.resize(FRAMES, (60, 300, 400))):  # another file, shorter, longer
        server.files[f"/{deposit.ENTRY}/data/m/m.tif"] = write(frames, compression="zlib")
        np.testing.assert_array_equal(image_file.read(url, len(frames) - 1), frames[-1, ::-1])
        with pytest.raises(FormatError, match=f"{len(frames)}"):
            image_file.read(url, len(frames))


@pytest.mark.parametrize("rows", [300, 4])
def test_of_pages_that_lie_apart_each_is_a_small_request_once(archive, tmp_path, rows):
    server = archive(apart(FRAMES, compression="lzw", rowsperstrip=rows))
    ds = load(server.base, tmp_path)
    assert len(asked(server)) <= len(FRAMES) + 2
    assert server.bytes_sent < 256 * 1024
    server.requests.clear()
    np.testing.assert_array_equal(ds[17]["image"], FRAMES[17, ::-1])
    assert len(asked(server)) == 1
    server.requests.clear()
    load(server.base, tmp_path, item="file")
    assert not asked(server)


def test_a_stream_gives_the_frames_in_order(archive, tmp_path):
    server = archive(apart(FRAMES, compression="zlib"))
    found = list(load(server.base, tmp_path, streaming=True))
    assert [row["frame"] for row in found] == list(range(40))
    for row, frame in zip(found, FRAMES, strict=True):
        np.testing.assert_array_equal(row["image"], frame[::-1])


@pytest.mark.parametrize("compression", ["lzw", "zlib"])
def test_a_damaged_frame_is_left_out_by_itself(archive, tmp_path, compression):
    data = bytearray(apart(FRAMES, compression=compression, rowsperstrip=150))
    (tmp_path / "m.tif").write_bytes(data)
    layout = image_file.describe(tmp_path / "m.tif").layout.slice(2, "")
    data[layout.offset + 100 : layout.offset + 2000] = b"\xff" * 1900
    server = archive(bytes(data))
    for place in (server.base, str(tmp_path / "mirror")):
        with pytest.raises(FormatError, match=rf"m\.tif: the part at bytes .* is damaged: {compression}"):
            list(load(place, tmp_path, streaming=True))
        ds = load(place, tmp_path)
        with pytest.raises(FormatError, match=r"m\.tif: the part at bytes"):
            ds[2]
        found = [row["frame"] for row in load(place, tmp_path, streaming=True, on_error="skip")]
        assert found == [number for number in range(40) if number != 2]


def test_a_movie_that_is_cut_off_is_told():
    for data in (together(FRAMES[:4]), apart(FRAMES[:4], compression="lzw")):
        with pytest.raises(TruncatedError, match=r"x: .*the file is truncated"):
            image_file.read_bytes(data[: len(data) // 2], name="x")


SMALL = [
    together(FRAMES[:3, :9, :11]),
    apart(FRAMES[:2, :9, :11], compression="lzw", rowsperstrip=4),
    apart(FRAMES[:2, :9, :11].astype("<f4"), compression="zlib", predictor=3, bigtiff=True),
    apart(FRAMES[:1, :16, :16], compression="jpeg", tile=(16, 16)),
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SMALL), st.data())
def test_of_any_bytes_comes_an_image_or_one_of_our_errors(data, drawn):
    damaged = bytearray(data)
    places = st.integers(0, min(len(data), 700) - 1) | st.integers(0, len(data) - 1)
    for place, byte in drawn.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=6)):
        damaged[place] = byte
    size = drawn.draw(st.none() | st.integers(0, len(data)))
    try:
        pixels = image_file.read_bytes(bytes(damaged[:size]), name="x.file")
    except PercError as err:
        assert "x.file" in str(err)  # noqa: PT017
    else:
        assert pixels.nbytes <= coded.MOST_UNASKED


def test_a_chain_of_a_remote_file_that_loops_is_told(archive):
    data = bytearray(apart(FRAMES[:2, :20, :20]))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        first, second = (page.offset for page in file.pages)
        count = len(file.pages[1].tags)
    data[second + 2 + 12 * count : second + 6 + 12 * count] = first.to_bytes(4, "little")
    server = archive(bytes(data))
    with pytest.raises(FormatError, match=rf"m\.tif: its chain of TIFF pages comes back to byte {first} after 2 pages"):
        image_file.describe(server.url(f"/{deposit.ENTRY}/data/m/m.tif"))


def test_a_box_of_a_remote_frame_asks_for_its_strips(archive):
    server = archive(apart(FRAMES, compression="lzw", rowsperstrip=10))
    url = server.url(f"/{deposit.ENTRY}/data/m/m.tif")
    head = location.head(url)
    box = image_file.survey(url, head).layout.slice(5, url).box([(60, 64), (10, 50)])
    before = server.bytes_sent
    np.testing.assert_array_equal(read_layout(url, box), FRAMES[5, ::-1][60:64, 10:50])
    assert server.bytes_sent - before < FRAMES[5].nbytes / 10
