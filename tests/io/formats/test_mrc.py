import bz2
import gzip
import io
import struct
import tracemalloc
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from builders.errors import FormatError, PercError, TruncatedError
from builders.io import image_file
from builders.io.formats.mrc import header as mrc
from builders.io.pixels import read_open
from tests.mrc_encoder import header, pixels

LIMITS = {0: (-128, 127), 1: (-32768, 32767), 3: (-32768, 32767), 6: (0, 65535), 101: (0, 15)}
DTYPES = {0: "int8", 1: "int16", 2: "float32", 3: "complex64", 4: "complex64", 6: "uint16", 12: "float16", 101: "uint8"}


def values_for(mode, count):
    """Numbers that every mode can hold exactly, extremes among them."""
    low, high = LIMITS.get(mode, (-1024, 1023.5))
    ramp = [low, high, *(low + (high - low) * (7 * i % 11) // 11 for i in range(count))][:count]
    return [(v, ramp[-i]) for i, v in enumerate(ramp)] if mode in (3, 4) else ramp


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("mode", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 5), (4, 3, 7), (2, 5, 8)])
def test_every_mode_reads_as_an_independent_encoder_wrote_it(tmp_path, mode, order, shape):
    nz, ny, nx = shape
    values = values_for(mode, nz * ny * nx)
    extension = b"\xff" * 96
    path = tmp_path / "x.mrc"
    data = header(nx, ny, nz, mode, order=order, nsymbt=96, exttyp=b"FEI1") + extension
    path.write_bytes(data + pixels(values, nx, mode, order=order) + b"trailing")
    expected = np.array([complex(*v) for v in values] if mode in (3, 4) else values).reshape(shape)

    array = image_file.read(path)

    assert array.dtype == DTYPES[mode]
    assert array.dtype.isnative
    np.testing.assert_array_equal(array, expected)
    for index in range(nz):
        np.testing.assert_array_equal(image_file.read(path, index), expected[index])


@pytest.mark.parametrize("mode", [0, 1, 2, 4, 6, 12])
def test_mrcfile_reads_the_same(tmp_path, mode):
    path = tmp_path / "x.mrc"
    path.write_bytes(bytes(header(5, 4, 3, mode)) + pixels(values_for(mode, 60), 5, mode))
    np.testing.assert_array_equal(image_file.read(path), mrcfile.read(path))


@pytest.mark.parametrize(("flags", "dtype"), [(None, "int8"), (0, "uint8"), (1, "int8"), (2, "uint8"), (3, "int8")])
def test_imods_stamp_tells_unsigned_bytes(tmp_path, flags, dtype):
    path = tmp_path / "x.st"
    path.write_bytes(bytes(header(4, 1, 1, 0, imod_flags=flags)) + b"\x00\x7f\x80\xff")
    expected = np.array([0, 127, 128, 255], np.uint8).view(dtype)
    np.testing.assert_array_equal(image_file.read(path).ravel(), expected)
    assert image_file.describe(path).header.signed_bytes == (dtype == "int8")


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("stamp", [b"\0\0\0\0", b"MAE ", b"other order"])
@pytest.mark.parametrize("mode", [0, 1, 2])
@pytest.mark.parametrize("side", [24, 256])
def test_a_wrong_stamp_and_a_missing_map_id_do_not_matter(tmp_path, caplog, order, stamp, mode, side):
    if stamp == b"other order":
        stamp = b"\x11\x11\0\0" if order == "<" else b"\x44\x44\0\0"
    values = [i % 100 for i in range(side * side)]
    data = header(side, side, 1, mode, order=order, stamp=stamp, map_id=b"\0\0\0\0")
    for name in ("x.mrc", "y.mrc"):
        (tmp_path / name).write_bytes(bytes(data) + pixels(values, side, mode, order=order))
        np.testing.assert_array_equal(image_file.read(tmp_path / name).ravel(), values)
    said = [r for r in caplog.records if "read all the same" in r.message]
    assert len(said) == 2, "one warning for each broken rule, whatever the number of files"


def test_a_file_by_the_book_is_read_without_a_word(tmp_path, caplog):
    mrc.write(tmp_path / "x.mrc", np.zeros((3, 4, 5), np.float32))
    image_file.read(tmp_path / "x.mrc")
    assert not caplog.records


def test_header_fields():
    head = header(
        10, 20, 30, 1, ispg=1, cell=(25, 100, 300), mapcrs=(3, 1, 2), origin=(1, 2, 3), labels=[b"one", b"two\x07"]
    )
    read = mrc.parse_header(bytes(head))
    assert read.shape == (30, 20, 10)
    assert read.voxel_size == (2.5, 5.0, 10.0)
    assert read.pixel_size == 2.5
    assert read.axis_order == (3, 1, 2)
    assert read.origin == (1, 2, 3)
    assert read.labels == ("one", "two")
    assert (read.is_volume, read.is_stack, read.is_volume_stack) == (True, False, False)
    assert read.slice_offset(7) == 1024 + 7 * 20 * 10 * 2
    with pytest.raises(IndexError):
        read.slice_offset(30)


@pytest.mark.parametrize("cell", [0.0, -1.0, float("nan"), float("inf")])
def test_a_voxel_size_that_is_not_positive_is_none(cell):
    assert mrc.parse_header(bytes(header(4, 4, 4, 2, cell=(cell, 8, 8)))).voxel_size == (None, 2.0, 2.0)


def test_axis_order_without_one_is_the_usual():
    assert mrc.parse_header(bytes(header(4, 4, 4, 2, mapcrs=(0, 0, 0)))).axis_order == (1, 2, 3)


def test_stacks_volumes_and_stacks_of_volumes(tmp_path):
    def kind(**fields):
        h = mrc.parse_header(bytes(header(4, 4, 6, 2, **fields)))
        return h.shape, h.is_stack, h.is_volume, h.is_volume_stack

    assert kind(ispg=0) == ((6, 4, 4), True, False, False)
    assert kind(ispg=1) == ((6, 4, 4), False, True, False)
    assert kind(ispg=401, mz=2) == ((3, 2, 4, 4), False, False, True)
    assert kind(ispg=401, mz=4) == ((6, 4, 4), True, False, False), "volumes that do not fill the file are a stack"
    path = tmp_path / "volumes.mrc"
    with mrcfile.new(path) as file:
        file.set_data(np.arange(3 * 2 * 4 * 5, dtype=np.float32).reshape(3, 2, 4, 5))
    np.testing.assert_array_equal(image_file.read(path), mrcfile.read(path))
    np.testing.assert_array_equal(image_file.read(path, 1), mrcfile.read(path)[1])


LIES = {
    "no columns": (header(0, 4, 4, 2), "NX is 0"),
    "negative rows": (header(4, -4, 4, 2), "NY is -4"),
    "huge": (header(4, 2**17 + 1, 4, 2), "NY is 131073"),
    "more than an offset can say": (header(2**17, 2**17, 2**31 - 1, 2), "at most 18014398509481984"),
    "colour": (header(4, 4, 4, 16), "MODE is 16"),
    "2 GiB of extension": (header(4, 4, 4, 2, nsymbt=2**31 - 1), "NSYMBT"),
    "negative extension": (header(4, 4, 4, 2, nsymbt=-8), "NSYMBT"),
    "longer than the file": (header(2**17, 2**17, 2**17, 2), "truncated"),
}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_refused_before_anything_is_allocated(tmp_path, lie, order):
    head, expected = LIES[lie]
    if order == ">":
        words = struct.unpack("<25i", head[:100])
        head = bytearray(head)
        head[:100] = struct.pack(">25i", *words)
        head[212:214] = b"\x11\x11"
    path = tmp_path / "liar.mrc"
    path.write_bytes(bytes(head) + bytes(256))
    with pytest.raises(FormatError, match=expected) as caught:
        image_file.read(path)
    assert str(path) in str(caught.value)
    (tmp_path / "liar.mrc.gz").write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(FormatError):
        image_file.read(tmp_path / "liar.mrc.gz")


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2"])
def test_sections_are_as_many_as_the_file_holds(tmp_path, suffix):
    count, path = 2**17 + 3, tmp_path / f"x.mrcs{suffix}"
    data = bytes(header(1, 2, count, 0, mz=1)) + bytes(2 * count - 2) + b"56"
    path.write_bytes({"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress}[suffix](data))
    assert image_file.describe(path).layout.shape == (count, 2, 1)
    assert image_file.read(path, count - 1).tobytes() == b"56"
    path.write_bytes(data[:-1])
    with pytest.raises(TruncatedError, match="263173 bytes, but its header says 263174"):
        image_file.describe(path)


def slice_of(raw, name, index):
    layout = image_file.survey_open(raw, name, None, "").layout
    raw.seek(0)
    return next(read_open(raw, [layout if index is None else layout.slice(index, name)], name))


@pytest.mark.parametrize("index", [None, 0, 2**17 - 1])
@pytest.mark.parametrize("way", ["file", "bytes", "open"])
@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress])
def test_the_greatest_header_of_a_file_of_unknown_size_costs_no_memory(tmp_path, compress, way, index):
    path = tmp_path / "x.mrc.gz"
    path.write_bytes(compress(bytes(header(2**17, 2**17, 2**17, 4)) + bytes(2**20)))
    read = {
        "file": lambda: image_file.read(path, index),
        "bytes": lambda: image_file.read_bytes(path.read_bytes(), index),
        "open": lambda: slice_of(io.BytesIO(path.read_bytes()), str(path), index),
    }[way]
    tracemalloc.start()
    with pytest.raises(TruncatedError):
        read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * 2**20


def test_a_file_that_is_too_short_for_a_header_is_refused(tmp_path):
    (tmp_path / "x.mrc").write_bytes(bytes(range(128, 160)))
    with pytest.raises(FormatError, match=r"x\.mrc: 32 bytes, beginning .*: not an MRC file"):
        image_file.read(tmp_path / "x.mrc")


def test_long_bytes_of_nothing_known_are_no_image(tmp_path):
    (tmp_path / "x.mrc").write_bytes(b"\xf0\xf1\xf2\xf3" * 1000)
    with pytest.raises(FormatError, match="NX is"):
        image_file.read(tmp_path / "x.mrc")


@pytest.mark.parametrize("cut", [1, 100, 60 * 4])
def test_truncation_names_both_sizes(tmp_path, cut):
    data = bytes(header(5, 4, 3, 2)) + bytes(240)
    path = tmp_path / "x.mrc"
    path.write_bytes(data[:-cut])
    with pytest.raises(TruncatedError, match=rf"{1264 - cut} bytes.* says 1264"):
        image_file.describe(path)


@given(st.binary(min_size=0, max_size=1100))
def test_any_bytes_give_a_header_or_our_error(data):
    try:
        read = mrc.parse_header(data, len(data))
    except PercError:
        return
    assert read.data_offset + read.layout.nbytes <= len(data)


@given(
    nx=st.integers(1, 2**17),
    ny=st.integers(1, 2**17),
    nz=st.integers(1, 2**17) | st.integers(1, 2**31 - 1),
    mode=st.sampled_from(list(DTYPES)),
    order=st.sampled_from("<>"),
    nsymbt=st.integers(0, 64 * 2**20),
    stamped=st.booleans(),
)
def test_every_possible_header_is_understood(nx, ny, nz, mode, order, nsymbt, stamped):
    head = header(nx, ny, nz, mode, order=order, nsymbt=nsymbt, stamp=None if stamped else bytes(4))
    assume(nx * ny * nz <= 2**51)
    read = mrc.parse_header(bytes(head))
    assert (read.byte_order, read.shape, read.mode, read.nsymbt) == (order, (nz, ny, nx), mode, nsymbt)


def test_the_shared_files_read_as_independent_readers_say(shared: Path):
    import json

    truth = json.loads((shared / "data" / "TRUTH.json").read_text())
    checked = 0
    for name, facts in truth.items():
        if not name.startswith("mrc/"):
            continue
        checked += 1
        path = shared / "data" / name
        if facts["kind"] == "mrc-bad":
            with pytest.raises(FormatError, match=path.name):
                image_file.read(path)
            continue
        array, raw = image_file.read(path), facts["raw"]
        array = array.transpose([3 - axis for axis in reversed(facts["header"]["mapc_mapr_maps"])])  # as they read it
        assert (list(array.shape), str(array.dtype)) == (raw["shape_zyx"], raw["dtype"]), name
        exact = array.astype(np.float64)
        middle = exact[tuple(n // 2 for n in exact.shape)]
        found = [exact.min(), exact.max(), exact.mean(), exact.std(), exact.flat[0], middle, exact.flat[-1]]
        expected = [raw[k] for k in ("min", "max", "mean", "std", "first", "centre", "last")]
        np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=name)
        check_header(image_file.describe(path).header, facts, name)
    assert checked >= 25


def check_header(header, facts, name):
    told = facts["header"]
    assert header.byte_order == told["byte_order"]
    assert [header.nx, header.ny, header.nz] == told["nx_ny_nz"]
    assert (header.mode, header.ispg, header.nsymbt, header.nversion) == tuple(
        told[k] for k in ("mode", "ispg", "nsymbt", "nversion")
    )
    assert list(header.axis_order) == told["mapc_mapr_maps"]
    assert list(header.origin) == pytest.approx(told["origin"])
    assert list(header.labels) == told["labels"]
    assert header.exttyp == told["exttyp"].strip("\0 ")
    size = facts["mrcfile_permissive"]["voxel_size"]
    assert [v or 0.0 for v in header.voxel_size] == pytest.approx([v if v > 0 else 0.0 for v in size], rel=1e-6), name
    if header.nz > 1:
        assert header.is_volume == facts["mrcfile_permissive"]["is_volume"]
