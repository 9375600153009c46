"""A new format is one module and one line of registration: everything above the protocol reads it then."""

import gzip
import itertools
import pickle
from dataclasses import replace

import datasets
import numpy as np
import pytest
from datasets import Dataset, Features
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

import perc_transforms as T
from builders import EMImage, as_em_images, load_dataset, publish
from builders.errors import FormatError, TruncatedError
from builders.hf.image_storage import reference
from builders.io import image_file
from builders.io.coded import Coded
from builders.io.files import location
from builders.io.formats import known, reader
from builders.io.formats.contents import weigh
from builders.io.formats.protocol import Format
from builders.io.layout import Layout
from builders.io.net import remote
from builders.stacks.files import SourceFile
from builders.stacks.rows import Reading, look_remote
from tests.empiar import deposit
from tests.io.formats.toy import Toy, encode
from tests.server import serve

CATEGORY = "picked particles - single frame - processed"
COUNT, NY, NX = 40, 130, 128


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setattr(known, "_added", list(known._added))
    known.register(Toy())
    yield
    monkeypatch.undo()
    known.suffixes.cache_clear()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(5).integers(0, 4096, (COUNT, NY, NX)).astype(np.uint16)


@pytest.fixture
def mirror(tmp_path, images):
    """Two stacks, one of which is larger than what comes whole with its header."""
    folder = tmp_path / "mirror" / deposit.ENTRY / "data" / "m"
    folder.mkdir(parents=True)
    (folder / "m_1.toy").write_bytes(encode(images))
    (folder / "m_2.toy").write_bytes(encode(images[:3, :9, :7]))
    deposit.write_xml(tmp_path / "mirror", [("M", "data/m", CATEGORY)])
    return tmp_path / "mirror"


@pytest.fixture
def archive(mirror):
    with serve() as server:
        server.publish(mirror)
        remote.permit(server.base)
        yield server


@pytest.fixture(params=["mirror", "http"])
def place(request, mirror, archive):
    return str(mirror) if request.param == "mirror" else archive.base


def load(place, tmp_path, **options):
    options = {"split": "train", "cache_dir": str(tmp_path / "cache"), "dtype": None} | options
    return load_dataset("empiar", entry=deposit.ENTRY, archive=place, **options)


def rows_of(images):
    return [
        *((f"data/m/m_1.toy#{i}", images[i]) for i in range(COUNT)),
        *((f"data/m/m_2.toy#{i}", images[i, :9, :7]) for i in range(3)),
    ]


def assert_rows(found, expected):
    assert [f"{row['path']}#{row['index']}" for row in found] == [name for name, _ in expected]
    for row, (_, pixels) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(row["image"], pixels)
        assert row["pixel_size"] == 1.5


def test_it_is_described_and_read_slice_by_slice(tmp_path, images):
    for name, data in (("x.toy", encode(images)), ("x.toy.gz", gzip.compress(encode(images)))):
        path = tmp_path / name
        path.write_bytes(data)
        file = image_file.describe(path)
        assert (file.layout.shape, file.pixel_size, file.contradicts_header) == (images.shape, 1.5, False)
        np.testing.assert_array_equal(image_file.read(path), images)
        np.testing.assert_array_equal(image_file.read(path, 7), images[7])
        np.testing.assert_array_equal(image_file.read_bytes(data, 7), images[7])
        np.testing.assert_array_equal(EMImage(dtype=None).decode_example({"path": str(path), "index": 7}), images[7])


def test_rows_come_map_style_and_streamed(place, tmp_path, images):
    expected = rows_of(images)
    ds = load(place, tmp_path)
    assert_rows(ds, expected)
    batch = ds[:]
    assert_rows([dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)], expected)
    stream = load(place, tmp_path, streaming=True)
    assert stream.num_shards > 1
    assert_rows(stream, expected)


@pytest.mark.parametrize("start", ["fork", "forkserver"])
def test_workers_know_it_however_they_are_started(place, tmp_path, images, start):
    stream, ds = load(place, tmp_path, streaming=True), load(place, tmp_path)
    options = {"batch_size": None, "num_workers": 2, "multiprocessing_context": start}
    found = sorted(DataLoader(stream, **options), key=lambda row: (row["path"], row["index"]))
    assert_rows(found, rows_of(images))
    assert_rows(list(DataLoader(ds, **options)), rows_of(images))


def test_a_format_that_no_other_process_can_import_is_not_told_to_it():
    class Here(Toy):
        name = "here"

    known.register(Here())
    assert [type(format) for format in known.registered()] == [Toy]
    assert type(pickle.loads(pickle.dumps(EMImage()))) is EMImage


def test_a_stream_resumes(place, tmp_path, images):
    expected = rows_of(images)
    stream = load(place, tmp_path, streaming=True)
    rows = iter(stream)
    before = [next(rows) for _ in range(11)]
    state = stream.state_dict()
    again = load(place, tmp_path, streaming=True)
    again.load_state_dict(state)
    assert_rows([*before, *again], expected)


def test_a_remote_row_is_one_request_and_an_index_asks_for_the_chain_alone(archive, tmp_path, images):
    ds = load(archive.base, tmp_path)
    asked = [request for request in archive.requests if request.path.endswith("m_1.toy")]
    assert len(asked) == 2, "the head, and the index at the end"
    assert archive.bytes_sent < 100_000
    archive.requests.clear()
    np.testing.assert_array_equal(ds[3]["image"], images[3])
    assert len(archive.requests) == 1
    archive.requests.clear()
    ds[4:20]
    assert len(archive.requests) == 1, "neighbours come together"
    archive.requests.clear()
    load(archive.base, tmp_path, item="slice")
    assert not [request for request in archive.requests if request.path.endswith("m_1.toy")], "the chain is remembered"


def test_a_box_asks_for_the_strips_that_it_crosses(archive, tmp_path, images):
    file = image_file.describe(archive.url(f"/{deposit.ENTRY}/data/m/m_1.toy"))
    box = file.layout.slice(5, "").box([(60, 64), (10, 50)], "")
    assert box.nbytes < file.layout.slice(5, "").nbytes / 10
    features = Features({"image": EMImage(dtype=None)})
    ds = Dataset.from_list([{"image": reference(file, box)}], features=features)
    before = archive.bytes_sent
    np.testing.assert_array_equal(ds[0]["image"], images[5, 60:64, 10:50])
    assert archive.bytes_sent - before < 2 * box.nbytes + 2000


def test_transforms_torch_and_publishing_take_it(place, tmp_path, images):
    ds = load(place, tmp_path, dtype="float32", pattern="m_1.toy")
    batch = next(iter(DataLoader(ds.with_transform(T.Compose([T.Normalize()])), batch_size=4, collate_fn=T.collate)))
    assert batch["image"].shape == (4, NY, NX)
    publish(ds, tmp_path / "out")
    back = as_em_images(datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "hub")))
    np.testing.assert_array_equal(back[9]["image"], images[9])


def test_class_folders_take_it(tmp_path, images):
    for name, number in (("a_1.toy", 0), ("b_1.toy", 1), ("b_2.toy.gz", 2)):
        data = encode(images[number : number + 1])
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    kept = {"data_dir": str(tmp_path), "split": "train", "cache_dir": str(tmp_path / "cache"), "dtype": None}
    ds = load_dataset("local_classes", **kept)
    assert ds.features["label"].names == ["a", "b"]
    assert [row["label"] for row in ds] == [0, 1, 1]
    np.testing.assert_array_equal(ds[2]["image"], images[2])


def test_a_damaged_strip_is_one_row_that_is_left_out(place, mirror, archive, tmp_path, images):
    path = mirror / deposit.ENTRY / "data" / "m" / "m_1.toy"
    data = bytearray(path.read_bytes())
    layout = image_file.describe(path).layout.slice(2, "")
    data[layout.offset + 5 : layout.offset + 50] = bytes(45)
    path.write_bytes(data)
    archive.publish(mirror)
    with pytest.raises(FormatError, match=r"m_1\.toy: the part at bytes .* is damaged: zlib"):
        list(load(place, tmp_path, streaming=True))
    with pytest.raises(FormatError, match=r"m_1\.toy"):
        load(place, tmp_path)[2]
    table = tmp_path / "left_out.tsv"
    stream = load(place, tmp_path, streaming=True, on_error="skip", quarantine=str(table))
    assert_rows(stream, [row for row in rows_of(images) if row[0] != "data/m/m_1.toy#2"])
    assert table.read_text().count("m_1.toy: the part at bytes") == 1


@pytest.mark.parametrize("cut", [20, 40, 5000, -8])
def test_a_truncated_file_is_left_out_or_refused(place, mirror, archive, tmp_path, cut):
    path = mirror / deposit.ENTRY / "data" / "m" / "m_1.toy"
    path.write_bytes(path.read_bytes()[:cut])
    archive.publish(mirror)
    with pytest.raises(TruncatedError, match=r"m_1\.toy"):
        load(place, tmp_path)
    assert len(load(place, tmp_path, on_error="skip")) == 3
    assert len(list(load(place, tmp_path, on_error="skip", streaming=True))) == 3


def test_images_of_nothing_but_zeros_need_no_bytes(place, mirror, archive, tmp_path, images):
    class Sparse(Toy):
        """Strips of zeros are left out of the file."""

        def describe(self, read, size, name):
            contents = super().describe(read, size, name)
            layout = contents.layout
            stops = layout.stops.copy()
            stops[len(stops) // 2 :] = layout.starts[len(stops) // 2 :]
            return replace(contents, layout=replace(layout, stops=stops))

    known.register(Sparse())
    expected = [(name, pixels) for name, pixels in rows_of(images) if "m_1" in name]
    expected = [(name, pixels if number < COUNT // 2 else 0 * pixels) for number, (name, pixels) in enumerate(expected)]
    assert_rows(load(place, tmp_path, pattern="m_1.toy"), expected)
    assert_rows(load(place, tmp_path, pattern="m_1.toy", streaming=True), expected)


def test_what_is_remembered_of_a_file_that_changed_is_asked_for_anew(archive, images):
    path = f"/{deposit.ENTRY}/data/m/m_1.toy"
    known = location.head(archive.url(path))
    archive.files[path] = encode(images[::-1] // 2)
    file = SourceFile("data/m/m_1.toy", archive.url(path), 10**7, "stamp")
    reading = Reading("empiar", "EMPIAR-10943", (), "slice", "auto", True, "raise")
    fresh = {}
    found, head = look_remote(file, reading, known, fresh)
    assert head is not known
    assert found.image.etag == head.etag == fresh[file.location][1].etag != known.etag
    np.testing.assert_array_equal(image_file.read_layout(file.location, found.layout(0), head.etag), images[-1] // 2)


class Endless(Format):
    """A file that refers its reader from one place to the next."""

    name, suffixes = "endless", (".endless",)
    places: tuple[int, ...]

    def recognises(self, head):
        return head.startswith(b"ENDLESS")

    def describe(self, read, size, name):
        for place in itertools.cycle(self.places):
            read(place, 8)


@pytest.mark.parametrize("places", [range(1200, 2_000_000, 20_000), (9000, 2000), (0, 8)], ids=["far", "two", "head"])
def test_a_chain_without_end_is_damage(tmp_path, monkeypatch, places):
    format = Endless()
    format.places = places
    known.register(format)
    path = tmp_path / "x.endless"
    path.write_bytes(b"ENDLESS" + bytes(2_000_003))
    monkeypatch.setattr(reader, "MOST_READS", 1000)
    with pytest.raises(FormatError, match=r"x\.endless: its header takes more than"):
        image_file.describe(path)


def test_a_remote_chain_is_no_more_than_some_thousand_requests(archive, monkeypatch):
    format = Endless()
    format.places = range(1200, 10**9, 20_000)
    known.register(format)
    archive.files["/x.endless"] = b"ENDLESS" + bytes(2_000_003)
    monkeypatch.setattr(image_file, "MOST_REQUESTS", 10)
    with pytest.raises(FormatError, match="its header takes more than 10 reads"):
        image_file.describe(archive.url("/x.endless"))
    assert len(archive.requests) <= 12


def test_a_place_before_the_file_is_damage():
    with pytest.raises(FormatError, match="nothing negative"):
        reader.Reader(lambda offset, count: b"", b"", 10, "x")(-1, 5)


@given(st.lists(st.tuples(st.integers(0, 90_000), st.integers(0, 40_000)), max_size=30), st.booleans())
def test_bytes_are_those_of_the_file_whatever_is_held(asked, sized):
    data = np.random.default_rng(0).bytes(70_000)
    read = reader.Reader(
        lambda start, count: data[start : start + count], data[:1024], len(data) if sized else None, "x"
    )
    for start, count in asked:
        assert read(start, count) == data[start : start + count]


def test_whole_pages_of_a_file_that_is_cut_off_are_kept(tmp_path, images):
    class Early(Toy):
        """Its index was read before the end was lost."""

        def describe(self, read, size, name):
            whole = encode(images)
            return replace(
                weigh(Toy().describe(lambda a, n: whole[a : a + n], None, name).layout, size, name, "40 images"),
                pixel_size=1.5,
            )

    known.register(Early())
    folder = tmp_path / "mirror" / deposit.ENTRY / "data" / "m"
    folder.mkdir(parents=True)
    data = encode(images)
    (folder / "m_1.toy").write_bytes(data[: len(data) // 2])
    deposit.write_xml(tmp_path / "mirror", [("M", "data/m", CATEGORY)])
    with pytest.raises(TruncatedError, match=r"m_1\.toy"):
        load(str(tmp_path / "mirror"), tmp_path)
    ds = load(str(tmp_path / "mirror"), tmp_path, on_error="skip")
    assert 10 < len(ds) < COUNT
    assert_rows(ds, rows_of(images)[: len(ds)])
    assert_rows(load(str(tmp_path / "mirror"), tmp_path, on_error="skip", streaming=True), rows_of(images)[: len(ds)])


def test_images_of_their_own_layouts_are_read_by_these(place, tmp_path, images, monkeypatch):
    class Mixed(Coded):
        """Every second image is plain pixels in one stretch: as it is here, the bytes of its strips."""

        def slice(self, index, name):
            layout = super().slice(index, name)
            if index % 2:
                return layout
            return Layout((1, layout.nbytes), "|u1", layout.offset)

    class MixedToy(Toy):
        def describe(self, read, size, name):
            contents = super().describe(read, size, name)
            a = contents.layout
            layout = Mixed(a.shape, a.encoding, a.offset, None, a.codec, a.part, a.starts, a.stops, name)
            return replace(contents, layout=layout)

    known.register(MixedToy())
    ds = load(place, tmp_path, pattern="m_1.toy", item="slice")
    stream = list(load(place, tmp_path, pattern="m_1.toy", item="slice", streaming=True))
    assert len(ds) == len(stream) == COUNT
    for row, streamed in zip(ds, stream, strict=True):
        np.testing.assert_array_equal(row["image"], streamed["image"])


def test_the_last_one_that_is_made_known_is_asked_first(tmp_path, images):
    class Mine(Toy):
        pass

    before = len(known.formats())
    known.register(Mine())
    assert len(known.formats()) == before
    assert type(known.formats()[0]) is Mine
    assert {".toy", ".toy.gz", ".mrcs.bz2", ".npy"} <= set(known.suffixes())
    assert ".npy.gz" not in known.suffixes()
