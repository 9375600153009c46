"""Boxes and coded images as a column refers to them: from this machine and from a server, one by one and together."""

import gzip
import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset, Features

from builders import EMImage
from builders.errors import ChangedError, FormatError, ReadError, TruncatedError
from builders.hf.image_storage import Fetched, reference
from builders.io import image_file, mrc
from builders.io.coded import Coded
from builders.io.files import location
from builders.io.layout import Layout
from builders.io.net import remote
from tests.io.boxes import cut, encode, numbers
from tests.io.test_coded import file_of
from tests.server import Fault, serve

FAR, NEAR = numbers((4, 150, 200), "<f4", 1), numbers((4, 50, 61), "4bit", 2)
"""Slices of more than 64 KiB, and of less."""
TILES, VOLUME = numbers((60, 70), "<u2", 3), numbers((5, 20, 30), ">f4", 4)
GAPS = (0, 70_000, 9, 100)


def _contents():
    """One file with all of them, and where they lie."""
    content, layouts = b"head", {}
    for name, array, encoding in (("far", FAR, "<f4"), ("near", NEAR, "4bit")):
        layouts[name] = Layout(array.shape, encoding, len(content))
        content += encode(array, encoding)
    for name, array, encoding, part in (("tiles", TILES, "<u2", (16, 16)), ("volume", VOLUME, ">f4", (2, 8, 30))):
        file, layout = file_of(array, encoding, part, full=True, gaps=GAPS)
        starts, stops = layout.starts + len(content), layout.stops + len(content)
        layouts[name] = Coded.of(array.shape, encoding, "zlib", part, starts, stops, "x")
        content += file
    return content, layouts


CONTENT, LAYOUTS = _contents()
ARRAYS = {"far": FAR, "near": NEAR, "tiles": TILES, "volume": VOLUME}
BOXES = {
    "rows": ("far", [(1, 2), (10, 20), (30, 50)]),
    "across, far apart": ("far", [(0, 4), (10, 20), (30, 50)]),
    "across, nearby": ("near", [(1, 4), (3, 9), (0, 7)]),
    "tile": ("tiles", [(17, 20), (33, 40)]),
    "tiles": ("tiles", [(10, 40), (5, 70)]),
    "chunks": ("volume", [(1, 4), (3, 17), (2, 30)]),
}


def cases():
    """A layout, and what it should give: all images, their slices, boxes, and boxes of slices."""
    found = {}
    for name, array in ARRAYS.items():
        found[name] = LAYOUTS[name], array
        for index in range(len(array) if array.ndim == 3 else 0):
            found[f"{name} {index}"] = LAYOUTS[name].slice(index, "x"), array[index]
    for name, (of, bounds) in BOXES.items():
        box, pixels = LAYOUTS[of].box(bounds, "x"), ARRAYS[of][cut(bounds)]
        found[f"box, {name}"] = box, pixels[0] if pixels.ndim == 3 and len(pixels) == 1 else pixels
        if pixels.ndim == 3:
            found[f"slice of box, {name}"] = box.slice(len(pixels) - 1, "x"), pixels[-1]
            found[f"box of slice, {name}"] = (
                LAYOUTS[of].slice(2, "x").box(bounds[1:], "x"),
                ARRAYS[of][2][cut(bounds[1:])],
            )
    return found


CASES = cases()


@pytest.fixture
def archive():
    with serve() as server:
        server.files["/x.dat"] = CONTENT
        remote.permit(server.base)
        yield server


@pytest.fixture(params=["local", "http"])
def place(request, tmp_path):
    """Where the file is."""
    if request.param == "http":
        return request.getfixturevalue("archive").url("/x.dat")
    (tmp_path / "x.dat").write_bytes(CONTENT)
    return str(tmp_path / "x.dat")


def file_at(place, etag=True):
    return SimpleNamespace(path=place, etag=location.size_and_etag(place)[1] if etag else None)


def dataset(place, layouts, etag=True, **options):
    file = file_at(place, etag)
    values = [reference(file, layout) for layout in layouts]
    return Dataset.from_dict({"image": values}, features=Features({"image": EMImage(**options)}))


def reads(ds):
    """Of its rows: one as people read it, each by itself, and each of those that are begun together.

    All that is begun is waited for: what is left over tries a server again that is gone by then, and holds up others.
    """
    yield lambda: ds[0]
    values = ds.cast_column("image", EMImage(decode=False))[:]["image"]
    for value in (*values, *EMImage().start_reads(values)):
        yield lambda value=value: EMImage().decode_example(value)


def same(pixels, expected):
    assert pixels.shape == expected.shape
    np.testing.assert_array_equal(pixels, expected)


def all_rows(place, **options):
    return dataset(place, [layout for layout, _ in CASES.values()], dtype=None, **options)


def test_rows_are_their_pixels_one_by_one(place):
    ds = all_rows(place)
    for row, (_, expected) in zip(ds, CASES.values(), strict=True):
        assert row["image"].dtype == expected.dtype
        same(row["image"], expected)
    same(ds[len(ds) - 1]["image"], list(CASES.values())[-1][1])


@pytest.mark.parametrize("etag", [True, False])
def test_rows_are_their_pixels_in_batches(place, etag):
    ds = all_rows(place, etag=etag)
    shuffled = np.random.default_rng(5).permutation(len(ds))
    for pixels, number in zip(ds[shuffled]["image"], shuffled, strict=True):
        same(pixels, list(CASES.values())[number][1])
    for batch in ds.iter(7):
        assert len(batch["image"]) <= 7
    streamed = ds.to_iterable_dataset()
    for row, (_, expected) in zip(streamed, CASES.values(), strict=True):
        same(row["image"], expected)


def test_rows_are_tensors_that_may_be_written_to(place):
    names = ["box, rows", "slice of box, across, far apart", "tiles"]
    ds = dataset(place, [CASES[name][0] for name in names]).with_format("torch")
    for number, name in enumerate(names):
        for pixels in (ds[number]["image"], ds[:][("image")][number]):
            assert pixels.dtype == torch.float32
            same(pixels.numpy(), CASES[name][1])
            pixels += 1
        same(ds[number]["image"].numpy(), CASES[name][1])


def test_saved_rows_are_read_again(place, tmp_path):
    all_rows(place).to_parquet(tmp_path / "x.parquet")
    loaded = Dataset.from_parquet(str(tmp_path / "x.parquet"), cache_dir=str(tmp_path / "cache"))
    for row, (_, expected) in zip(loaded, CASES.values(), strict=True):
        same(row["image"], expected)


def test_embedded_rows_need_no_file(place, tmp_path, request):
    ds = all_rows(place)
    embedded = EMImage(dtype=None).embed_storage(ds.data.table["image"].combine_chunks())
    if location.is_remote(place):
        del request.getfixturevalue("archive").files["/x.dat"]
    else:
        os.unlink(place)  # noqa: PTH108
    for row, (_, expected) in zip(embedded.to_pylist(), CASES.values(), strict=True):
        same(EMImage(dtype=None).decode_example(row), expected)


@pytest.mark.parametrize("name", ["far 1", "box, rows", "box, across, far apart", "tiles", "box, tile", "volume 2"])
def test_a_file_that_changed_is_noticed(place, request, name):
    ds = dataset(place, [CASES[name][0]] * 2)
    if location.is_remote(place):
        request.getfixturevalue("archive").files["/x.dat"] = CONTENT[:-1] + b"!"
    else:
        with open(place, "ab") as file:  # noqa: PTH123
            file.write(b"!")
    for read in reads(ds):
        with pytest.raises(ChangedError, match=r"x\.dat"):
            read()


@pytest.mark.parametrize("name", ["far 3", "box, across, far apart", "tiles", "box, tiles", "volume"])
def test_a_file_that_ends_early_is_truncated(tmp_path, name):
    layout, expected = CASES[name]
    path = tmp_path / "x.dat"
    path.write_bytes(CONTENT[: layout.end])
    same(dataset(str(path), [layout], etag=False)[0]["image"], expected)
    path.write_bytes(CONTENT[: layout.end - 1])
    with pytest.raises(TruncatedError, match=rf"x\.dat: {layout.end - 1} bytes, expected {layout.end}"):
        dataset(str(path), [layout], etag=False)[0]


@pytest.mark.parametrize("name", ["far 3", "box, across, far apart", "tiles", "box, tiles", "volume"])
def test_a_remote_file_that_ends_early_is_told_of(archive, name):
    layout, _ = CASES[name]
    archive.files["/x.dat"] = CONTENT[: layout.end - 1]
    ds = dataset(archive.url("/x.dat"), [layout] * 2, etag=False)
    for read in reads(ds):
        with pytest.raises((TruncatedError, ChangedError), match=r"x\.dat"):
            read()


def asked(archive, rows):
    """The ranges that were asked for, and the bytes that came."""
    archive.requests.clear()
    before = archive.bytes_sent
    rows()
    return [request.headers["Range"] for request in archive.requests], archive.bytes_sent - before


@pytest.mark.parametrize(
    ("names", "requests"),
    [
        (["far 0", "far 1", "far 2"], 1),
        (["far 0", "far 2"], 2),
        (["box, rows", "box, rows"], 1),
        (["box, across, far apart"], 4),
        (["box, across, nearby"], 1),
        (["box, tile"], 1),
        (["tiles"], 6),
        (["far 1", "box, across, far apart", "far 2"], 5),
    ],
)
def test_neighbours_come_together_and_what_lies_apart_does_not(archive, names, requests):
    layouts = [CASES[name][0] for name in names]
    ds = dataset(archive.url("/x.dat"), layouts)
    ranges, came = asked(archive, lambda: ds[:])
    assert len(ranges) == requests
    stretches = sum(len(layout.ranges) for layout in layouts)
    assert came <= sum(layout.nbytes for layout in layouts) + 64 * 1024 * (stretches - 1)


def test_a_box_at_the_end_of_a_slice_and_the_next_slice_are_neighbours(archive):
    layouts = [LAYOUTS["far"].box([(1, 2), (140, 150), (0, 200)], "x").squeezed(), LAYOUTS["far"].slice(2, "x")]
    ds = dataset(archive.url("/x.dat"), layouts)
    (first, second) = ds[:]["image"]
    same(first, FAR[1, 140:])
    same(second, FAR[2])
    assert asked(archive, lambda: ds[:]) == (
        [f"bytes={layouts[0].ranges[0][0]}-{layouts[1].end - 1}"],
        layouts[0].nbytes + layouts[1].nbytes,
    )


def test_several_stretches_are_of_one_version(archive):
    """A file that is replaced between two requests gives no image of both."""
    ds = dataset(archive.url("/x.dat"), [CASES["box, across, far apart"][0]], etag=False)
    archive.fail("/x.dat", Fault(headers={"ETag": '"other"'}))
    with pytest.raises(ChangedError):
        ds[0]
    same(ds[0]["image"], CASES["box, across, far apart"][1])


def test_a_row_of_no_bytes_is_read_with_nothing(place):
    none = np.zeros(4, np.int64)
    empty = Coded.of((4, 4), "<f4", "zlib", (2, 2), none, none, "x")
    box = empty.box([(1, 3), (0, 2)], "x")
    ds = dataset(place, [empty, box, CASES["far 1"][0]])
    for images in ([row["image"] for row in ds], ds[:]["image"]):
        for image, expected in zip(images, (np.zeros((4, 4)), np.zeros((2, 2)), FAR[1]), strict=True):
            same(image, expected)


def test_pixels_inside_a_row_may_be_coded_or_a_box_too():
    for layout, expected in CASES.values():
        value = reference(SimpleNamespace(path=None, etag=None), layout) | {"bytes": CONTENT}
        same(EMImage(dtype=None).decode_example(value), expected)
        with pytest.raises(TruncatedError):
            EMImage().decode_example(value | {"bytes": CONTENT[: layout.end - 1]})


@pytest.mark.parametrize("coded", [False, True])
def test_pixels_that_are_not_finite_are_noticed(tmp_path, coded):
    array = np.ones((6, 8), np.float32)
    array[1, 2] = np.nan
    file, layout = file_of(array, "<f4", (4, 4)) if coded else (array.tobytes(), Layout((6, 8), "<f4", 0))
    (tmp_path / "x.dat").write_bytes(file)
    good, bad = layout.box([(2, 6), (2, 5)], "x"), layout.box([(0, 2), (2, 5)], "x")
    ds = dataset(str(tmp_path / "x.dat"), [good, bad], non_finite="raise")
    same(ds[0]["image"], array[2:, 2:5])
    with pytest.raises(FormatError, match="1 of 6 pixels are NaN"):
        ds[1]


def test_a_damaged_part_of_a_batch_is_told_by_file_and_part(place, tmp_path, request):
    start = int(LAYOUTS["tiles"].starts[3])
    wrong = CONTENT[: start + 9] + bytes([CONTENT[start + 9] ^ 255]) + CONTENT[start + 10 :]
    if location.is_remote(place):
        request.getfixturevalue("archive").files["/x.dat"] = wrong
    else:
        (tmp_path / "x.dat").write_bytes(wrong)
    ds = dataset(place, [CASES["box, tiles"][0], CASES["tiles"][0]])
    for rows in (lambda: ds[1], lambda: ds[:]):
        with pytest.raises(FormatError, match=r"x\.dat: the part at bytes "):
            rows()


@pytest.mark.parametrize("lie", [2**60, 2**63 - 2**20])
def test_a_reference_to_more_than_there_is_takes_no_memory(place, lie):
    stops = np.array([10, lie, 10, 10])
    huge = Coded.of((4, 4), "<f4", "zlib", (2, 2), stops - 5, stops, "x")
    wide = Coded.of((4, 4), "<f4", "zlib", (2, 2), stops * 0, stops, "x")
    box = Layout((2**12, 2**10, lie // 2**24), "<f4", 0).box([(0, 2**12), (0, 1), (0, 1)], "x")
    for layout in (huge, wide, box):
        ds = dataset(place, [layout] * 2, etag=False)
        for read in reads(ds):
            with pytest.raises((TruncatedError, ChangedError, ReadError)):
                read()


@pytest.mark.parametrize("suffix", ["gz", "mrcs"])
def test_boxes_of_packed_files_are_read(tmp_path, archive, suffix):
    mrc.write(tmp_path / "s.mrcs", FAR, stack=True)
    content = (tmp_path / "s.mrcs").read_bytes()
    content = gzip.compress(content, 1) if suffix == "gz" else content
    path = tmp_path / f"s.mrcs{'.gz' if suffix == 'gz' else ''}"
    path.write_bytes(content)
    archive.files[f"/{path.name}"] = content
    for name in (str(path), archive.url(f"/{path.name}")):
        file = image_file.describe(name)
        for of, bounds in list(BOXES.values())[:2]:
            assert of == "far"
            value = reference(file, file.layout.box(bounds, name).squeezed())
            expected = FAR[cut(bounds)]
            same(EMImage().decode_example(value), expected[0] if len(expected) == 1 else expected)


def test_what_was_begun_is_a_row_as_stored(archive):
    ds = dataset(archive.url("/x.dat"), [CASES["tiles"][0], CASES["box, rows"][0]], decode=True)
    values = ds.cast_column("image", EMImage(decode=False))[:]["image"]
    begun = EMImage().start_reads(values)
    assert all(type(value) is Fetched for value in begun)
    assert [dict(value) for value in begun] == values
    for value, name in zip(begun, ("tiles", "box, rows"), strict=True):
        same(EMImage().decode_example(value), CASES[name][1])
