"""Sections of several files as one image, in any order, of any kind of file; of a reference, nothing is believed."""

import gzip
import json

import numpy as np
import pytest
import tifffile

from builders.errors import ChangedError, FormatError, NotFoundError, TruncatedError
from builders.io import image_file, mrc
from builders.io.image_reference import layout_of, told
from builders.io.net import remote
from builders.io.pixels import read_layout
from builders.io.scattered.joined import Joined, Section
from tests.server import serve

SHAPE = 5, 7


def images(count, dtype=np.float32):
    return (np.arange(count * 35).reshape(count, *SHAPE) % 120).astype(dtype)


def joined(picks):
    """Sections out of files: `(path, index)` in order."""
    paths = list(dict.fromkeys(str(path) for path, _ in picks))
    files = {path: image_file.describe(path) for path in paths}
    sections = []
    for path, index in picks:
        file = files[str(path)]
        layout = file.layout.squeezed() if index is None else file.layout.slice(index, str(path))
        sections.append(Section(paths.index(str(path)), layout, told(layout)))
    return paths[0], files[paths[0]].etag, Joined.of(paths, [file.etag for file in files.values()], sections, "series")


def again(layout, path):
    """What a reference to a layout means."""
    fields = json.loads(json.dumps(told(layout)))
    return layout_of(tuple(fields["shape"]), fields["dtype"], fields["offset"], fields.get("index"), path)


@pytest.fixture
def stack(tmp_path):
    mrc.write(tmp_path / "a.mrc", images(4), 1.0, stack=True)
    return tmp_path / "a.mrc"


def test_sections_come_in_the_order_that_was_asked_for(stack, tmp_path):
    mrc.write(tmp_path / "sub^%#~@ ü.mrc", images(2) + 100, 1.0, stack=True)
    other = tmp_path / "sub^%#~@ ü.mrc"
    path, etag, layout = joined([(stack, 3), (other, 1), (stack, 0), (other, 1)])
    expected = np.stack([images(4)[3], images(2)[1] + 100, images(4)[0], images(2)[1] + 100])
    for one in (layout, again(layout, path)):
        np.testing.assert_array_equal(read_layout(path, one, etag), expected)
        box = one.box([(1, 3), (2, 5), (1, 4)], path)
        np.testing.assert_array_equal(read_layout(path, box, etag), expected[1:3, 2:5, 1:4])
        np.testing.assert_array_equal(read_layout(path, again(box, path), etag), expected[1:3, 2:5, 1:4])
        np.testing.assert_array_equal(read_layout(path, one.slice(1, path), etag), expected[1])
    assert layout.shape == (4, *SHAPE)


def test_files_of_other_kinds_and_packed_ones(stack, tmp_path):
    tifffile.imwrite(tmp_path / "b.tif", images(1)[0] + 7)  # which is read upside down, as all programs do
    (tmp_path / "c.mrc.gz").write_bytes(gzip.compress(stack.read_bytes()))
    path, etag, layout = joined([(tmp_path / "b.tif", None), (tmp_path / "c.mrc.gz", 2), (tmp_path / "c.mrc.gz", 1)])
    expected = np.stack([images(1)[0][::-1] + 7, images(4)[2], images(4)[1]])
    np.testing.assert_array_equal(read_layout(path, again(layout, path), etag), expected)


def test_files_of_a_server(stack, tmp_path):
    (tmp_path / "deep").mkdir()
    mrc.write(tmp_path / "deep/b 1.mrc", images(2) + 100, 1.0, stack=True)
    with serve() as server:
        server.publish(tmp_path)
        urls = f"{server.base}/a.mrc", f"{server.base}/deep/b%201.mrc"
        remote.permit(server.base)
        path, etag, layout = joined([(urls[1], 1), (urls[0], 2), (urls[0], 0)])
        expected = np.stack([images(2)[1] + 100, images(4)[2], images(4)[0]])
        np.testing.assert_array_equal(read_layout(path, again(layout, path), etag), expected)


def test_a_file_that_changed_is_told(stack, tmp_path):
    mrc.write(tmp_path / "b.mrc", images(2), 1.0, stack=True)
    path, etag, layout = joined([(stack, 0), (tmp_path / "b.mrc", 1)])
    one = again(layout, path)
    mrc.write(tmp_path / "b.mrc", images(3), 1.0, stack=True)
    with pytest.raises(ChangedError, match=r"b\.mrc"):
        read_layout(path, one, etag)
    (tmp_path / "b.mrc").unlink()
    with pytest.raises(NotFoundError, match=r"b\.mrc"):
        read_layout(path, one, etag)


def test_unlike_images_are_not_joined(stack, tmp_path):
    mrc.write(tmp_path / "b.mrc", images(2).astype(np.int16), 1.0, stack=True)
    with pytest.raises(FormatError, match=r"b.mrc has an image of shape \(5, 7\) and type int16, .*a.mrc one of"):
        joined([(stack, 0), (tmp_path / "b.mrc", 1)])
    far = tmp_path / "1/2/3/4/c.mrc"
    far.parent.mkdir(parents=True)
    mrc.write(far, images(1), 1.0, stack=True)
    with pytest.raises(FormatError, match="its images lie far apart"):
        joined([(far, 0), (stack, 0)])


def spelling(**changes):
    said = {"up": 0, "files": [["", None], ["b.mrc", None]], "kinds": [[[5, 7], "<f4"]]}
    said |= {"sections": [[0, 0, 1024], [1, 0, 1024]], **changes}
    return f"<f4%joined{json.dumps(said)}"


@pytest.mark.parametrize(
    "changes",
    [
        {"files": [["", None], ["../b.mrc", None]]},
        {"files": [["", None], ["/etc/passwd", None]]},
        {"files": [["", None], ["x/../../b.mrc", None]]},
        {"files": [["", None], ["http://elsewhere/b.mrc", None]]},
        {"files": [["", None], ["a\\b.mrc", None]]},
        {"files": [["", None], ["b.mrc", 7]]},
        {"files": []},
        {"up": 9},
        {"up": -1},
        {"sections": [[0, 0, 1024]]},
        {"sections": [[0, 0, 1024], [2, 0, 1024]]},
        {"sections": [[0, 0, 1024], [1, 1, 1024]]},
        {"sections": [[0, 0, 1024], [1, 0, -4]]},
        {"sections": [[0, 0, 1024], [1, 0, True]]},
        {"kinds": [[[5, 8], "<f4"]]},
        {"kinds": [[[5, 7], "<f8"]]},
        {"kinds": [[[5, 7], "<f4%joined{}"]]},
        {"more": 1},
    ],
)
def test_nothing_of_a_reference_is_believed(changes):
    with pytest.raises(FormatError, match="a reference to"):
        layout_of((2, *SHAPE), spelling(**changes), 0, None, "/data/a.mrc")


def test_a_reference_to_more_than_a_file_has(stack):
    dtype = spelling(sections=[[0, 0, 1024], [0, 0, 10**9]])
    with pytest.raises(TruncatedError):
        read_layout(str(stack), layout_of((2, *SHAPE), dtype, 0, None, str(stack)))
    dtype = spelling(up=3, sections=[[1, 0, 1024], [1, 0, 1024]])
    with pytest.raises(FormatError, match="3 folders above it"):
        read_layout("/a.mrc", layout_of((2, *SHAPE), dtype, 0, None, "/a.mrc"))
