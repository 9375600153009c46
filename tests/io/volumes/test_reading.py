"""Many boxes of a volume at once, against NumPy's cuts of the padded array; and what of a file that takes."""

import errno
import gzip

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.errors import ChangedError, FormatError, TruncatedError
from builders.io import gathering
from builders.io.boxes.overhang import box_of
from builders.io.files import mapped
from builders.io.image_file import describe
from builders.io.layout import Layout
from builders.io.net import remote
from builders.io.pixels import read_layout
from builders.io.volumes import bands, regions
from builders.io.volumes.reading import read_boxes
from tests.io.boxes import ENCODINGS, encode, numbers
from tests.io.test_overhang import FAR, expected, same
from tests.mrc_encoder import header
from tests.server import serve

SIDES = st.tuples(*[st.integers(1, 7)] * 3)
SHAPE, BOX = (5, 11, 14), (3, 4, 5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("volumes")


def tiles(shape=SHAPE, box=BOX, step=(2, 3, 4), first=-1):
    axes = [np.arange(first, side, by) for side, by in zip(shape, step, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3).astype(np.int64)


def check(path, image, array, corners, box, places=None, etag=None):
    """Boxes are those of the array, each in its place, and no other place is touched."""
    count = len(corners) + 1
    out = np.full((count, *box), 77, image.dtype)
    finite = read_boxes(path, image, corners, out, places, etag)
    places = np.arange(len(corners)) if places is None else places
    for corner, place in zip(corners.tolist(), places.tolist(), strict=True):
        same(out[place], expected(array, [(at, at + n) for at, n in zip(corner, box, strict=True)]))
    (left,) = {*range(count)} - {*places.tolist()}
    assert (out[left] == np.full((), 77, image.dtype)).all()
    return finite


@settings(max_examples=120)
@given(st.data(), st.sampled_from([1, 40, 2**20]), st.booleans())
def test_boxes_are_those_of_the_array_however_they_are_read(folder, data, piece, is_own):
    shape, box, encoding = data.draw(SIDES), data.draw(SIDES), data.draw(st.sampled_from(ENCODINGS))
    axes, offset = tuple(data.draw(st.permutations(range(3)))), data.draw(st.integers(0, 9))
    array = numbers(shape, encoding)
    path = folder / "x.raw"
    path.write_bytes(bytes(offset) + encode(array.transpose(axes), encoding))
    near = st.tuples(*(st.integers(max(1 - size, -FAR), side - 1) for size, side in zip(box, shape, strict=True)))
    corners = np.array(data.draw(st.lists(near, min_size=1, max_size=6)), np.int64)
    places = np.array(data.draw(st.permutations(range(len(corners) + 1)))[: len(corners)])
    image = Layout(shape, encoding, offset, None if axes == (0, 1, 2) else axes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bands, "PIECE", piece)
        patch.setattr(mapped, "_is_own", lambda device: is_own)
        check(str(path), image, array, corners, box, places)
    bounds = [(at, at + n) for at, n in zip(corners[0].tolist(), box, strict=True)]
    same(read_layout(str(path), box_of(image, bounds)), expected(array, bounds))


@pytest.mark.parametrize("overlap", [0, 2])
def test_tiles_in_order_are_cut_out_together(folder, overlap, monkeypatch):
    monkeypatch.setattr(mapped, "_is_own", lambda device: False)
    shape = (4, 12, 20)
    array = numbers(shape, "<f4")
    path = folder / "tiles.raw"
    path.write_bytes(array.tobytes())
    corners = tiles(shape, (2, 4, 5), (2, 4, 5 - overlap), first=0)
    corners = corners[corners[:, 2] + 5 <= 20]
    assert check(str(path), Layout(shape, "<f4", 0), array, corners, (2, 4, 5))


MODES = {0: "|i1", 1: "<i2", 2: "<f4", 3: "<ci2", 4: "<c8", 6: "<u2", 12: "<f2", 101: "4bit"}


@pytest.mark.parametrize("mode", MODES)
def test_boxes_of_every_mode_of_mrc_and_order_of_axes(folder, mode):
    array = numbers(SHAPE, MODES[mode])
    for order, axes in (("<", (1, 2, 3)), (">", (1, 2, 3)), ("<", (3, 1, 2)), (">", (2, 3, 1))):
        encoding = MODES[mode].replace("<", order)
        stored = array.transpose([3 - axis for axis in reversed(axes)])  # slowest first
        head = header(*reversed(stored.shape), mode, order=order, mapcrs=axes, ispg=1)
        path = folder / f"{mode}{order[0] == '<'}{''.join(map(str, axes))}.mrc"
        path.write_bytes(bytes(head) + encode(stored, encoding))
        file = describe(path)
        assert file.layout.shape == SHAPE
        check(str(path), file.layout, array, tiles(), BOX, None, file.etag)
        packed = path.with_suffix(".mrc.gz")
        packed.write_bytes(gzip.compress(path.read_bytes(), 1))
        check(str(packed), describe(packed).layout, array, tiles()[::-7], BOX)


@pytest.mark.parametrize("most", [1, 500, 2**20])
@pytest.mark.parametrize("name", ["x.tif", "strips.tif"])
def test_boxes_of_tiff_stacks_are_decoded_in_regions(folder, name, most):
    array = numbers(SHAPE, "<u2")
    array[:] = np.arange(array.size).reshape(SHAPE)
    how = {"compression": "zlib", "rowsperstrip": 3} if name == "strips.tif" else {}
    tifffile.imwrite(folder / name, array, photometric="minisblack", **how)
    file = describe(folder / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regions, "REGION", most)
        check(str(folder / name), file.layout, array[:, ::-1], tiles(), BOX, None, file.etag)  # rows go bottom up


def test_no_byte_is_read_twice_for_tiles_side_by_side_and_memory_is_a_piece(folder, monkeypatch):
    shape = (6, 40, 50)
    array = numbers(shape, "<f4")
    path = folder / "once.raw"
    path.write_bytes(array.tobytes())
    seen, stock = [], gathering.fill_exactly
    monkeypatch.setattr(bands, "PIECE", 8 * 200)
    monkeypatch.setattr(mapped, "_is_own", lambda device: False)
    monkeypatch.setattr(
        "builders.io.volumes.reading.fill_exactly",
        lambda raw, name, offset, place: (seen.append((offset, len(place))), stock(raw, name, offset, place)),
    )
    check(str(path), Layout(shape, "<f4", 0), array, tiles(shape, (3, 8, 10), (3, 8, 10), 0), (3, 8, 10))
    assert sum(size for _, size in seen) == array.nbytes
    assert max(size for _, size in seen) <= 8 * 200


def test_what_the_system_cannot_promise_is_read(folder, monkeypatch):
    array = numbers(SHAPE, "<f4")
    path = folder / "refused.raw"
    path.write_bytes(array.tobytes())
    asked, read = [], []
    monkeypatch.setattr(mapped, "_is_own", lambda device: True)
    monkeypatch.setattr(mapped, "_refusal", lambda window, parts: asked.extend(parts) or errno.EFAULT)
    stock = gathering.fill_exactly
    monkeypatch.setattr("builders.io.volumes.reading.fill_exactly", lambda *args: (read.append(args[2]), stock(*args)))
    check(str(path), Layout(SHAPE, "<f4", 0), array, np.array([(1, 3, 2), (1, 3, 7)]), BOX)
    row = 4 * SHAPE[2]
    assert asked == [((z * SHAPE[1] + 3) * row, (z * SHAPE[1] + 3 + BOX[1]) * row) for z in (1, 2, 3)]
    assert read


def test_a_server_is_asked_for_the_rows_that_boxes_cross_each_once(folder):
    shape, box = (30, 500, 300), (8, 50, 40)
    array = numbers(shape, "<f4")
    (folder / "far").mkdir()
    (folder / "far" / "x.raw").write_bytes(array.tobytes())
    corners = np.array([(2, 100, 5), (2, 100, 45), (6, 120, 100), (20, 380, 265), (25, -6, 0)], np.int64)
    crossed = np.zeros(shape[:2], bool)
    for front, top, _ in corners.tolist():
        crossed[max(0, front) : front + box[0], max(0, top) : top + box[1]] = True
    with serve() as server:
        server.publish(folder / "far")
        remote.permit(server.base)
        check(server.url("/x.raw"), Layout(shape, "<f4", 0), array, corners, box, None, server.etag("/x.raw"))
        assert server.bytes_sent == crossed.sum() * shape[2] * 4
        assert 1 < server.most_under_way


def test_what_is_wrong_is_told(folder):
    path = folder / "short.mrc"
    path.write_bytes(bytes(header(14, 11, 5, 2, ispg=1)) + bytes(4 * 14 * 11 * 5))
    file, out = describe(path), np.empty((1, *BOX), np.float32)
    for corner in ([5, 0, 0], [0, -4, 0], [0, 0, 14]):
        with pytest.raises(FormatError, match=r"short\.mrc: a box \[.*lies outside"):
            read_boxes(str(path), file.layout, np.array([corner]), out)
    with pytest.raises(ChangedError):
        read_boxes(str(path), file.layout, np.array([[0, 0, 0]]), out, None, "another")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TruncatedError, match=r"short\.mrc"):
        read_boxes(str(path), file.layout, np.array([[3, 8, 0]]), out)
    read_boxes(str(path), file.layout, np.array([[0, 0, 0]]), out)
