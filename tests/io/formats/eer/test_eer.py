"""EER files: frames and sums beside tifffile's and beside the events that were written; damage; bytes from a server."""

import gzip
import tracemalloc
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.errors import FormatError, PercError, TruncatedError
from builders.io import image_file
from builders.io.codecs.eer import Coding
from builders.io.files import location
from builders.io.formats.eer import metadata
from builders.io.formats.eer.format import is_eer, magnified
from builders.io.image_reference import layout_of, told
from builders.io.layout import Layout
from builders.io.movies.developed import developed
from builders.io.net import remote
from builders.io.pixels import read_layout
from tests.io.formats.eer.encoder import BITS, Events, encode, stream
from tests.server import serve


@pytest.fixture(scope="module")
def events():
    return Events.random()


def written(tmp_path, data, name="x.eer"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


def spelled(layout):
    fields = told(layout)
    return layout_of(tuple(fields["shape"]), fields["dtype"], fields["offset"], None, layout.name)


@pytest.mark.parametrize("compression", BITS)
@pytest.mark.parametrize("integrated", [False, True])
@pytest.mark.parametrize("together", [False, True])
def test_frames_are_those_of_tifffile(tmp_path, compression, integrated, together):
    events = Events.random(bits=sum(BITS[compression][1:]), seed=compression)
    path = written(tmp_path, encode(events, compression, integrated=integrated, together=together))
    file = image_file.describe(path)
    assert (file.contents.format, file.layout.shape, is_eer(file.layout)) == ("eer", events.places.shape, True)
    with tifffile.TiffFile(path) as theirs:
        np.testing.assert_array_equal(image_file.read(path), theirs.series[0].asarray())
    np.testing.assert_array_equal(image_file.read(path, 3), events.pixels[3])
    total = read_layout(str(path), developed(file.layout, summed=True))
    assert total.dtype == np.uint16
    np.testing.assert_array_equal(total, events.pixels.sum(0))


@pytest.mark.parametrize("rows", [16, 20])
def test_strips_are_streams_of_their_own(tmp_path, events, rows):
    bits = BITS[65001]
    strips = [[stream(places[y : y + rows], bits) for y in range(0, 48, rows)] for places in events.places]
    path = str(written(tmp_path, encode(events, streams=strips, rows=rows)))
    layout = image_file.describe(path).layout
    np.testing.assert_array_equal(tifffile.imread(path), events.pixels)
    np.testing.assert_array_equal(read_layout(path, layout), events.pixels)
    np.testing.assert_array_equal(read_layout(path, developed(layout, summed=True)), events.pixels.sum(0))
    finer = read_layout(path, magnified(layout, 2))
    np.testing.assert_array_equal(finer.reshape(5, 48, 2, 64, 2).sum((2, 4)), events.pixels)


def test_finer_grids_hold_events_where_in_a_pixel_they_were(tmp_path, events):
    path = str(written(tmp_path, encode(events)))
    layout = image_file.describe(path).layout
    frame, y, x = np.nonzero(events.places >= 0)
    place = events.places[frame, y, x] ^ 0b1010  # as RELION reads it: halves of a pixel are exchanged, along each axis
    for times in (1, 2, 4):
        finer = magnified(layout, times)
        expected = np.zeros((5, 48 * times, 64 * times), np.uint8)
        np.add.at(expected, (frame, y * times + (place >> 2) * times // 4, x * times + (place & 3) * times // 4), 1)
        np.testing.assert_array_equal(read_layout(path, finer), expected)
        assert spelled(finer) == finer
        sums = developed(finer, group=2)
        np.testing.assert_array_equal(read_layout(path, sums), expected[:4].reshape(2, 2, *expected.shape[1:]).sum(1))
    assert magnified(Layout((2, 3), "|u1", 0), 4) == Layout((2, 3), "|u1", 0)
    with pytest.raises(FormatError, match="3 times as fine"):
        magnified(layout, 3)


def test_the_acquisition_tells_pixel_size_and_dose(tmp_path, events):
    file = image_file.describe(written(tmp_path, encode(events, pixel=0.8e-10, dose=4.0)))
    assert file.pixel_size == pytest.approx(0.8)
    assert file.contents.frame_dose == pytest.approx(4.0 / 5 / 0.8**2)


@pytest.mark.parametrize("xml", ["", "<metadata>", "no xml", "<metadata><item/></metadata>", "\xe9 \x00 <metadata "])
def test_without_metadata_nothing_is_known_and_frames_are_read(tmp_path, events, xml):
    path = written(tmp_path, encode(events, xml=xml))
    file = image_file.describe(path)
    assert (file.pixel_size, file.contents.frame_dose) == (None, None)
    np.testing.assert_array_equal(image_file.read(path, 0), events.pixels[0])


@pytest.mark.parametrize(
    ("text", "pixel_size"),
    [
        ('<metadata><item name="sensorPixelSize.width">1e-10</item></metadata>', 1),
        ('<metadata><item name="sensorPixelSize.width" unit="nm">0.1</item></metadata>', 1),
        ('<metadata><item name="sensorPixelSize.width" unit="parsec">0.1</item></metadata>', None),
        ('<metadata><item name="sensorPixelSize.width">-1</item></metadata>', None),
        ('<metadata><item name="sensorPixelSize.width">nan</item></metadata>', None),
    ],
)
@pytest.mark.parametrize(
    "head", ["", '<?xml version="1.0" encoding="utf - 8"?>']
)  # which is no XML: some files have it
def test_numbers_of_metadata_are_taken_where_they_can_be(head, text, pixel_size):
    assert metadata.parse((head + text).encode()).pixel_size == pixel_size


def test_metadata_never_grow():
    bomb = '<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa">%s]><metadata><item name="totalDose">&i;</item></metadata>'
    levels = "".join(f'<!ENTITY {b} "{10 * f"&{a};"}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    assert metadata.parse((bomb % levels).encode()) is None
    assert metadata.parse(b"<metadata>" * 200_000) is None
    assert metadata.parse(b"<metadata>" + b"<a>" * 200_000) is None


@pytest.mark.parametrize("together", [False, True])
def test_a_file_that_was_cut_is_told(tmp_path, events, together):
    data = encode(events, together=together)
    path = written(tmp_path, data)
    layout = image_file.describe(path).layout
    path.write_bytes(data[:400])
    with pytest.raises(TruncatedError, match="truncated"):
        image_file.describe(path)
    with pytest.raises(TruncatedError, match="truncated"):
        read_layout(str(path), developed(layout, summed=True))


def test_frames_that_begin_beyond_the_end_are_told_and_those_before_are_known(tmp_path, events):
    data = encode(events, together=True)
    place = int(image_file.describe(written(tmp_path, data)).layout.starts[-1])
    at = data.index(place.to_bytes(4, "little") + bytes(4))
    moved = data[:at] + (2 * len(data)).to_bytes(4, "little") + data[at + 4 :]
    contents = image_file.survey(written(tmp_path, moved)).contents
    assert contents.whole == 4
    assert "truncated" in contents.cut


@pytest.mark.parametrize("part", [0.3, 0.95])
def test_a_stream_that_ends_before_its_frame_is_damaged(tmp_path, part):
    events = Events.random(shape=(256, 256))
    streams = [stream(places, BITS[65001]) for places in events.places]
    streams[2] = streams[2][: int(len(streams[2]) * part) // 2 * 2]
    path = written(tmp_path, encode(events, streams=streams))
    layout = image_file.describe(path).layout
    for made in (layout.slice(2, "x"), developed(layout, summed=True)):
        with pytest.raises(FormatError, match=r"the part at .* is damaged: eer: its events end after \d+ of 256 rows"):
            read_layout(str(path), made)
    np.testing.assert_array_equal(
        read_layout(str(path), developed(layout, 3, 5, summed=True)), events.pixels[3:].sum(0)
    )


def test_no_frame_takes_fewer_bytes_than_an_empty_one(tmp_path):
    """Else a small file could ask for the memory of large frames."""
    events = Events(np.full((2, 64, 127), -1))
    path = written(tmp_path, encode(events))
    layout = image_file.describe(path).layout
    np.testing.assert_array_equal(image_file.read(path), events.pixels)
    streams = [stream(places, BITS[65001])[:-4] for places in events.places]
    with pytest.raises(FormatError, match=r"those of .* pixels without an event"):
        image_file.describe(written(tmp_path, encode(events, streams=streams), "short.eer"))
    short = layout.stops - 4
    reference = replace(layout, stops=short)
    with pytest.raises(FormatError, match="frame without an event"):
        read_layout(str(path), developed(reference, summed=True))


def test_a_stream_without_its_last_run_is_whole(tmp_path):
    """Nobody promises that all who write them put it there: what can hold no event may be missing."""
    events = Events.random(shape=(64, 64), density=0.05)
    bits = BITS[65001]
    streams = [stream(places, bits, ends=False) for places in events.places]
    theirs = np.stack([imagecodecs.eer_decode(code, (64, 64), *bits) for code in streams])
    path = str(written(tmp_path, encode(events, streams=streams)))
    layout = image_file.describe(path).layout
    np.testing.assert_array_equal(read_layout(path, layout), theirs)
    np.testing.assert_array_equal(read_layout(path, developed(layout, summed=True)), theirs.sum(0))


@pytest.mark.parametrize("last", [True, False])
def test_frames_may_be_full_or_empty(tmp_path, last):
    places = np.full((2, 16, 127), -1)
    places[0] = 5
    places[1, -1, -1] = 3 if last else -1
    events = Events(places)
    path = str(written(tmp_path, encode(events)))
    layout = image_file.describe(path).layout
    np.testing.assert_array_equal(read_layout(path, layout), events.pixels)


@settings(max_examples=40)
@given(st.data())
def test_whatever_is_in_a_file_only_our_errors_come_and_little_memory_is_taken(tmp_path_factory, data):
    original = encode(Events.random(count=3, shape=(8, 16)), integrated=True)
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(changed) - 1))
        changed[place] = data.draw(st.sampled_from([0, 1, 0x7F, 0xFF, changed[place] ^ 0x80]))
    path = written(tmp_path_factory.mktemp("eer"), bytes(changed[: data.draw(st.integers(1, len(changed)))]))
    tracemalloc.start()
    try:
        layout = image_file.describe(path).layout
        read_layout(str(path), layout)
        read_layout(str(path), developed(layout, summed=True))
        said = str(path)
    except PercError as err:
        said = str(err)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert str(path) in said
    assert peak < 64 * 2**20


@pytest.mark.parametrize(
    "spelling", ["eer:7.2.2.3", "eer:7.2.2", "eer:99.2.2.1", "eer:7.9.9.1", "eer:", "eer:7.1.1.4", "eer:0.0.0.0"]
)
def test_no_coding_is_believed(spelling):
    with pytest.raises(FormatError):
        layout_of((1, 4, 4), f"|u1/{spelling}/4,4/AQAE", 0, None, "x").decode(np.zeros(4, np.uint8))
    assert Coding.of("zlib") is None


def test_frames_of_unlike_sizes_are_refused(tmp_path, events):
    data = bytearray(encode(events))
    place = data.index((256).to_bytes(2, "little") + b"\x04\0" + (1).to_bytes(8, "little"), len(data) // 2)
    data[place + 12] = 32
    with pytest.raises(FormatError, match="frames of one size"):
        image_file.describe(written(tmp_path, data))


def test_packed_as_a_whole_it_is_read_as_it_comes(tmp_path, events):
    path = written(tmp_path, gzip.compress(encode(events)), "x.eer.gz")
    file = image_file.describe(path)
    np.testing.assert_array_equal(image_file.read(path), events.pixels)
    np.testing.assert_array_equal(
        read_layout(str(path), developed(file.layout, 1, 4, summed=True)), events.pixels[1:4].sum(0)
    )


def test_of_a_server_the_chain_and_the_frames_come_in_few_requests(events):
    with serve() as server:
        remote.permit(server.base)
        server.files["/x.eer"] = encode(events, together=True)
        url = server.url("/x.eer")
        file = image_file.describe(url)
        assert len(server.requests) <= 3
        server.requests.clear()
        total = read_layout(url, developed(file.layout, summed=True), file.etag)
        np.testing.assert_array_equal(total, events.pixels.sum(0))
        assert len(server.requests) == 1


def test_a_chain_that_is_strewn_over_the_frames_comes_in_few_requests_and_little_of_it_is_remembered():
    events = Events.random(40, (512, 512), 0.25)
    with serve() as server:
        remote.permit(server.base)
        server.files["/x.eer"] = encode(events)
        url = server.url("/x.eer")
        head = location.head(url)
        file = image_file.survey(url, head)
        assert file.layout.shape == (40, 512, 512)
        assert len(server.requests) < 8
        assert server.bytes_sent < 1.1 * len(server.files["/x.eer"])
        assert sum(map(len, head.more.values())) < 40 * 1024
        server.requests.clear()
        again = image_file.survey(url, head)
        assert again.layout == file.layout
        assert not server.requests, "it is remembered"
        np.testing.assert_array_equal(read_layout(url, file.layout.slice(27, url), file.etag), events.pixels[27])
        np.testing.assert_array_equal(image_file.read(url, 5), events.pixels[5])
        server.requests.clear()
        np.testing.assert_array_equal(image_file.read(url, 31), events.pixels[31])
        assert len(server.requests) == 1
