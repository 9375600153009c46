import io
import json
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from builders.errors import FormatError, MixedError, OptionError, PercError, TruncatedError
from builders.io.tables import SCHEMA, cryosparc, read_particles
from builders.io.tables.cryosparc.files import read_fields
from builders.io.tables.cryosparc.header import MAX_HEADER, header_bytes, parse_header
from builders.io.tables.cryosparc.rotations import euler_angles

UIDS = np.array([2**64 - 1, 2**63 + 12345678901, 7], np.uint64)
PARTICLES = {
    "uid": UIDS,
    "blob/path": np.array([b">J1/imported/001_x.mrc", b"J1/y#1.mrc", b"J1/imported/001_x.mrc"]),
    "blob/idx": np.array([3, 0, 4], np.uint32),
    "blob/shape": np.array([[64, 64]] * 3, np.uint32),
    "blob/psize_A": np.array([1.5, 0.0, 1.5], np.float32),
}
MORE = {
    "uid": UIDS,
    "ctf/df1_A": np.array([9000, 8000, np.nan], np.float32),
    "ctf/df2_A": np.array([8500, 7500, np.nan], np.float32),
    "ctf/df_angle_rad": np.array([np.pi / 4, -0.5, 0], np.float32),
    "ctf/phase_shift_rad": np.array([np.pi / 2, 0, 0], np.float32),
    "ctf/accel_kv": np.array([300, 200, 300], np.float32),
    "ctf/cs_mm": np.array([2.7, 1.4, 2.7], np.float32),
    "ctf/amp_contrast": np.array([0.1, 0.07, 0.1], np.float32),
    "ctf/exp_group_id": np.array([0, 4, 0], np.uint32),
    "alignments3D/pose": np.array([[0, 0, 0], [0.3, -0.4, 1.2], [np.nan, 0, 0]], np.float32),
    "alignments3D/shift": np.array([[1, -2], [0.5, 0], [0, 0]], np.float32),
    "alignments3D/psize_A": np.array([3.0, 3.0, 3.0], np.float32),
    "alignments3D/split": np.array([0, 1, 1], np.uint32),
    "alignments3D/class": np.array([2, 0, 1], np.uint32),
    "location/micrograph_path": np.array([b">J2/m1.mrc", b"J2/m2.mrc", b""]),
    "location/micrograph_shape": np.array([[3000, 4000]] * 3, np.uint32),
    "location/center_x_frac": np.array([0.25, 0.5, 1.0], np.float32),
    "location/center_y_frac": np.array([0.25, 0.5, 0.0], np.float32),
    "location/micrograph_psize_A": np.array([0.75] * 3, np.float32),
    "location/micrograph_uid": UIDS,
}


def table(fields):
    """Fields as rows of a structured array."""
    rows = np.zeros(len(next(iter(fields.values()))), [(n, v.dtype.str, v.shape[1:]) for n, v in fields.items()])
    for name, values in fields.items():
        rows[name] = values
    return rows


def saved(array, version=None):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


@pytest.fixture
def read(tmp_path):
    """Writes tables of fields and reads them together."""

    def written(*tables, columns=()):
        files = []
        for number, fields in enumerate(tables):
            path = tmp_path / f"{number}.cs"
            path.write_bytes(fields if isinstance(fields, bytes) else saved(table(fields)))
            files.append((path.name, path))
        return read_particles(files, columns)

    return written


def columns(read_table, *names):
    return [read_table.rows[name].to_pylist() for name in names]


def test_fields_are_in_our_words_and_units(read):
    found = read(PARTICLES, MORE)
    assert (found.program, found.name, found.has_poses, found.has_ctf) == ("cryosparc", "0.cs, 1.cs", True, True)
    assert found.rows.schema == SCHEMA
    assert columns(found, "image", "slice") == [
        ["J1/imported/001_x.mrc", "J1/y#1.mrc", "J1/imported/001_x.mrc"],
        [3, 0, 4],
    ]
    assert columns(found, "pixel_size", "image_size") == [[1.5, None, 1.5], [64] * 3]
    assert columns(found, "micrograph", "micrograph_pixel_size", "micrograph_height") == [
        ["J2/m1.mrc", "J2/m2.mrc", None],
        [0.75] * 3,
        [3000] * 3,
    ]
    assert columns(found, "coordinate_x", "coordinate_y") == [[1000, 2000, 4000], [750, 1500, 0]]
    assert columns(found, "optics_group", "half_set", "class_number") == [[1, 5, 1], [1, 2, 2], [3, 1, 2]]
    one, two, three = found.rows["ctf"].to_pylist()
    assert one == pytest.approx(
        {
            "defocus_u": 9000,
            "defocus_v": 8500,
            "defocus_angle": 45,
            "voltage": 300,
            "spherical_aberration": 2.7,
            "amplitude_contrast": 0.1,
            "phase_shift": 90,
        }
    )
    assert two["defocus_angle"] == pytest.approx(np.degrees(-0.5))
    assert three is None
    one, two, three = found.rows["pose"].to_pylist()
    assert one == {"rot": 0, "tilt": 0, "psi": 0, "shift_x": 3.0, "shift_y": -6.0}
    expected = Rotation.from_rotvec([0.3, -0.4, 1.2]).as_euler("ZYZ", degrees=True)
    assert [two["rot"], two["tilt"], two["psi"]] == pytest.approx(expected, abs=1e-4)
    assert three is None


VECTORS = st.lists(st.floats(-7, 7), min_size=3, max_size=3)


@given(st.lists(VECTORS, min_size=1, max_size=20))
def test_angles_are_the_rotations_of_scipy(vectors):
    angles = euler_angles(np.array(vectors))
    assert np.all((np.abs(angles[:, [0, 2]]) <= 180) & (angles[:, [1]] >= 0) & (angles[:, [1]] <= 180))
    ours = Rotation.from_euler("ZYZ", angles, degrees=True)
    assert (ours * Rotation.from_rotvec(vectors).inv()).magnitude() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    "vector", [[0, 0, 0], [0, 0, 1.0], [0, 0, -3], [0, np.pi, 0], [np.pi, 0, 0], [0, 0, np.pi], [1e-9, 0, 0]]
)
def test_angles_where_two_turns_are_one(vector):
    (angles,) = euler_angles(np.array([vector]))
    ours, theirs = Rotation.from_euler("ZYZ", angles, degrees=True), Rotation.from_rotvec(vector)
    assert (ours * theirs.inv()).magnitude() == pytest.approx(0, abs=1e-6)
    assert not np.isnan(angles).any()
    if not vector[0] and not vector[1]:
        assert angles[1] == angles[2] == 0


def test_poses_in_the_plane_are_psi(read):
    plane = {
        "alignments2D/pose": np.array([np.pi / 2, -0.25, 0], np.float32),
        "alignments2D/shift": np.array([[1, 2]] * 3, np.float32),
        "alignments2D/psize_A": np.array([2.0] * 3, np.float32),
        "alignments2D/class": np.array([9, 1, 0], np.uint32),
    }
    found = read({**PARTICLES, **plane})
    assert found.rows["pose"].to_pylist()[0] == {"rot": 0, "tilt": 0, "psi": 90, "shift_x": 2, "shift_y": 4}
    assert columns(found, "class_number", "half_set") == [[10, 2, 1], [None] * 3]
    both = read({**PARTICLES, **plane}, MORE)
    assert columns(both, "class_number") == [[3, 1, 2]]
    assert both.rows["pose"].to_pylist()[0]["shift_x"] == 3


def test_half_sets_that_are_all_0_are_none(read, caplog):
    fields = {**PARTICLES, "alignments3D/split": np.zeros(3, np.uint32)}
    assert columns(read(fields), "half_set") == [[None] * 3]
    assert "0.cs: alignments3D/split is 0 in every row" in caplog.text


def test_there_are_two_half_sets(read):
    with pytest.raises(FormatError, match=r"0\.cs: alignments3D/split of row 2 is 2: expected 0 or 1"):
        read({**PARTICLES, "alignments3D/split": np.array([0, 1, 2], np.uint32)})


def test_other_fields_keep_their_names_and_uids_their_bits(read):
    more = {**MORE, "x/flag": np.array([True, False, True]), "x/big": np.array([[[1, 2], [3, 4]]] * 3, ">i2")}
    asked = ["uid", "alignments3D/pose", "location/micrograph_path", "blob/idx", "x/flag", "x/big", "ctf/df1_A"]
    found = read(PARTICLES, more, columns=asked).extra
    assert found.column_names == asked
    assert found["uid"].type == pa.int64()
    assert np.array_equal(found["uid"].to_numpy().view(np.uint64), UIDS)
    assert found["alignments3D/pose"].type == pa.list_(pa.float32())
    assert found["alignments3D/pose"].to_pylist()[1] == pytest.approx([0.3, -0.4, 1.2])
    assert found["location/micrograph_path"].to_pylist() == [">J2/m1.mrc", "J2/m2.mrc", None]
    assert (found["blob/idx"].type, found["x/flag"].type) == (pa.int64(), pa.bool_())
    assert found["x/big"].to_pylist() == [[[1, 2], [3, 4]]] * 3
    with pytest.raises(OptionError, match=r"^0.cs: no column 'blob/pth': did you mean 'blob/path'"):
        read(PARTICLES, columns=["blob/pth"])


def test_tables_are_joined_by_uid_in_the_order_of_the_first(read):
    order = [2, 0, 1]
    turned = {name: values[order] for name, values in MORE.items()}
    same = read(PARTICLES, MORE, columns=["uid"])
    other = read(PARTICLES, turned, {"uid": UIDS[::-1], "blob/idx": PARTICLES["blob/idx"][::-1]}, columns=["uid"])
    assert same.rows.equals(other.rows)
    assert same.extra.equals(other.extra)


@pytest.mark.parametrize(
    ("other", "error", "said"),
    [
        (
            {"ctf/df1_A": np.zeros(3)},
            FormatError,
            "1.cs: no field 'uid': expected one, by which several .cs files are joined",
        ),
        ({"uid": UIDS[[0, 0, 1]]}, FormatError, f"1.cs: uid {2**64 - 1} more than once"),
        ({"uid": UIDS[:2]}, MixedError, "1.cs: lacks uid 7 of 0.cs: expected the same particles in both"),
        ({"uid": np.append(UIDS, np.uint64(8))}, MixedError, "0.cs: lacks uid 8 of 1.cs"),
        (
            {"uid": UIDS[::-1], "blob/idx": np.array([4, 9, 3], np.uint32)},
            MixedError,
            f"0.cs and 1.cs: blob/idx is unlike in 1 of 3 rows, first 0 and 9 of uid {2**63 + 12345678901}",
        ),
        (
            {"uid": UIDS, "blob/shape": np.full(3, 64)},
            MixedError,
            "0.cs and 1.cs: blob/shape is unlike in 3 of 3 rows",
        ),
        ({"uid": UIDS, "blob/path": np.zeros(3)}, MixedError, "0.cs and 1.cs: blob/path is unlike in 3 of 3 rows"),
    ],
)
def test_tables_that_disagree_are_refused(read, other, error, said):
    with pytest.raises(error, match=f"^{re.escape(said)}"):
        read(PARTICLES, other)


def test_repeated_uids_of_one_table_are_its_own_affair(read):
    assert read({**PARTICLES, "uid": UIDS[[0, 0, 1]]}).rows.num_rows == 3


def test_micrographs_are_a_table_too(read):
    fields = {
        "uid": UIDS,
        "micrograph_blob/path": np.array([b"a.mrc", b"b.mrc", b"a.mrc"]),
        "micrograph_blob/psize_A": np.array([0.5] * 3, np.float32),
        "mscope_params/accel_kv": np.array([300.0] * 3, np.float32),
        "mscope_params/exp_group_id": np.array([1] * 3, np.uint32),
    }
    found = read(fields)
    assert columns(found, "micrograph", "image", "slice") == [["a.mrc", "b.mrc", "a.mrc"], [None] * 3, [0] * 3]
    assert columns(found, "micrograph_pixel_size", "optics_group") == [[0.5] * 3, [2] * 3]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"uid": UIDS, "x": UIDS}, "0.cs: its fields include uid, x: expected blob/path (particles)"),
        ({**PARTICLES, "blob/path": np.zeros(3)}, "0.cs: blob/path is of type <f8 and shape (): expected text"),
        ({**PARTICLES, "blob/path": np.array([b"\xff"] * 3)}, "0.cs: blob/path is b'\\xff': expected UTF-8"),
        (
            {**PARTICLES, "blob/idx": np.array([0, -1, 0])},
            "0.cs: blob/idx of row 1 is -1: expected a whole number from 0",
        ),
        (
            {**PARTICLES, "blob/psize_A": np.zeros((3, 2))},
            "0.cs: blob/psize_A is of type <f8 and shape (2,): expected one",
        ),
        (
            {**PARTICLES, "blob/shape": np.zeros((3, 3))},
            "0.cs: blob/shape is of type <f8 and shape (3,): expected 2 numbers",
        ),
    ],
)
def test_fields_that_are_something_else_are_told(read, fields, said):
    with pytest.raises(FormatError, match=f"^{re.escape(said)}"):
        read(fields)


def test_texts_may_be_of_either_kind_and_hold_more_than_they_show(read):
    spelled = np.array([b"a.mrc\0junk", b"a.mrc", b"a.mrc\0other"], "S12")
    assert columns(read({**PARTICLES, "blob/path": spelled[:3]}), "image")[0][1] == "a.mrc"
    found = read({**PARTICLES, "blob/path": np.array([">µ/a.mrc", "", "µ/a.mrc"])})
    assert columns(found, "image") == [["µ/a.mrc", None, "µ/a.mrc"]]
    assert len(found.rows["image"].chunk(0).dictionary.drop_null().unique()) <= 2


def test_star_and_cs_files_do_not_go_together(tmp_path):
    star, cs = tmp_path / "p.star", tmp_path / "p.cs"
    star.write_text("data_\nloop_\n_rlnImageName\n1@a\n")
    cs.write_bytes(saved(table(PARTICLES)))
    with pytest.raises(OptionError, match=r"^p.cs, p.star: STAR files and .cs files"):
        read_particles([("p.cs", cs), ("p.star", star)])


# the format


def test_headers_longer_than_numpys_limit_are_read(tmp_path):
    fields = {f"alignments_class_{number}/pose": np.zeros((2, 3), np.float32) for number in range(2000)}
    path = tmp_path / "long.cs"
    path.write_bytes(saved(table({"uid": UIDS[:2], **fields}), (2, 0)))
    with pytest.raises(ValueError, match="header"):
        np.load(path)
    found = read_fields(path, "long.cs")
    assert len(found) == 2001
    assert found["uid"].tolist() == UIDS[:2].tolist()


@given(
    st.lists(
        st.tuples(
            st.text(st.sampled_from("abcdefuA_/0é "), min_size=1, max_size=8),
            st.sampled_from(["<f4", ">f8", "|u1", "<i8", "|S5", "<U3", "|b1", "<u8"]),
            st.sampled_from([(), (1,), (2,), (2, 3)]),
        ),
        min_size=1,
        max_size=5,
        unique_by=lambda field: field[0],
    ),
    st.integers(0, 5),
)
def test_headers_are_what_numpy_writes(fields, rows):
    array = np.zeros(rows, fields)
    data = saved(array, (3, 0))
    header = parse_header(data[: header_bytes(data, "a.cs")], len(data), "a.cs")
    assert header.dtype == array.dtype
    assert header.rows == rows
    assert header.offset == len(data) - array.nbytes


def header_of(descr, rows=0, more=b""):
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': ({rows},), }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + more


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (saved(np.array([{"a": 1}], object)), "0.cs: header .*: expected a table of fields"),
        (saved(np.zeros(2, [("blob/path", "O")])), "0.cs: field 'blob/path' holds pickled Python objects"),
        (saved(np.zeros(3)), "0.cs: header .*: expected a table of fields"),
        (saved(np.zeros((2, 2), [("a", "<f4")])), r"0.cs: header ends .*: expected fields, and rows in one dimension"),
        (header_of("[('a', '<f4'), ('a', '<f4')]"), "0.cs: two fields 'a'"),
        (header_of("[('a', '<M8')]"), "0.cs: field 'a' is of type '<M8': expected numbers or text"),
        (header_of("[('a', '<f99')]"), "0.cs: field 'a' is of type '<f99'"),
        (header_of("[('a', 'O')]"), "0.cs: field 'a' holds pickled Python objects"),
        (header_of("[('a', '<f4', (999999, 999999))]"), "0.cs: field 'a' of type <f4 and shape .*: expected at most"),
        (header_of("[('a', '|S999999999')]"), r"0.cs: field 'a' of type \|S999999999"),
        (header_of("[('a', '|S0')]", 10**15), r"0.cs: field 'a' is of type '\|S0': expected numbers or text"),
        (header_of("[('a', '<f4', (0,))]", 10**15), "0.cs: 0 bytes a row"),
        (header_of("[]"), "0.cs: header .*: expected fields with names"),
        (header_of("[('a', '<f4')]", 10**17), "0.cs: .* bytes, which end in row 0 of .*: the file is truncated"),
        (header_of("[('a', '<f4')]", 1, bytes(9)), "0.cs: .* bytes: expected .*, as the header has it .1 rows"),
        (header_of("__import__('os')"), "0.cs: header .*: expected a table of fields"),
        (b"\x93NUMPY\x09\x00" + bytes(20), r"0.cs: NumPy's format in version \(9, 0\)"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\x7f", f"0.cs: a header of .* bytes: expected at most {MAX_HEADER}"),
        (b"\x93NUMPY\x01\x00\xff\x00{     ", "0.cs: .* bytes, but its header alone takes 265: the file is truncated"),
        (b"\x93NUMPY", "0.cs: 6 bytes, which begin"),
    ],
)
def test_headers_are_not_believed(read, data, said):
    with pytest.raises(FormatError, match=f"^{said}"):
        read(data)


def test_a_file_that_ends_within_its_rows_is_truncated(read):
    with pytest.raises(TruncatedError, match=r"^0.cs: .* bytes, which end in row 2 of 3: expected"):
        read(saved(table(PARTICLES))[:-1])


@pytest.mark.parametrize(
    "write", [lambda fields: saved(table(fields)), lambda fields: csdat(fields, list(fields)[::2])]
)
@given(data=st.data())
def test_damaged_files_give_a_table_or_an_error_of_ours(tmp_path_factory, write, data):
    path = tmp_path_factory.mktemp("fuzz") / "a.cs"
    good = bytearray(write({**PARTICLES, **MORE}))
    for _ in range(data.draw(st.integers(1, 8))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(good[: data.draw(st.integers(0, len(good)))] if data.draw(st.booleans()) else good)
    try:
        assert read_particles([("a.cs", path)], ["uid"]).rows.num_rows == 3
    except PercError as err:
        assert str(err).startswith("a.cs: ")  # noqa: PT017
    finally:
        path.unlink()
        path.parent.rmdir()


# CSDAT


def csdat(fields, packed=()):
    """Fields in CSDAT, by its description: numbers as they are, texts by the places of their first bytes."""
    rows = len(next(iter(fields.values())))
    heap, columns, types = b"\0", [], []
    for name, values in fields.items():
        kind = "|O" if values.dtype.kind == "S" else values.dtype.str
        types.append([name, kind, *([list(values.shape[1:])] if values.ndim > 1 else [])])
        if kind == "|O":
            places = []
            for text in values.tolist():
                if b"\0" + text + b"\0" not in heap:
                    heap += text + b"\0"
                places.append((b"\0" + heap).index(b"\0" + text + b"\0"))
            values = np.array(places, np.uint64)
        column = values.tobytes()
        column = pa.Codec("lz4_raw").compress(column, asbytes=True) if name in packed else column
        columns.append(len(column).to_bytes(4, "little") + column)
    header = {"length": rows, "dtype": types, "compression": "lz4", "compressed_fields": list(packed)}
    told = json.dumps(header).encode()
    return b"\x95CSDAT" + len(told).to_bytes(4, "little") + told + b"".join(columns if rows else []) + heap


@pytest.mark.parametrize("packed", [(), [name for name in {**PARTICLES, **MORE} if name != "uid"]])
def test_csdat_says_the_same(read, packed):
    fields = {**PARTICLES, **MORE}
    plain = read(fields, columns=["uid", "blob/path", "alignments3D/shift"])
    found = read(csdat(fields, packed), columns=["uid", "blob/path", "alignments3D/shift"])
    assert found.rows.equals(plain.rows)
    assert found.extra.equals(plain.extra)
    assert read(PARTICLES, csdat(MORE, packed)).rows.equals(plain.rows)
    assert read(csdat({name: values[:0] for name, values in fields.items()})).rows.num_rows == 0


def test_csdat_of_cryosparc_tools_is_read(read, tmp_path):
    dataset = pytest.importorskip("cryosparc.dataset", reason="cryosparc-tools is not installed")
    path = tmp_path / "made.cs"
    fields = {**PARTICLES, **MORE}
    made = dataset.Dataset({n: v.astype(str) if v.dtype.kind == "S" else v for n, v in fields.items()})
    made.save(path, format=dataset.CSDAT_FORMAT)
    plain = read(fields, columns=["uid", "blob/path"])
    found = read(path.read_bytes(), columns=["uid", "blob/path"])
    assert found.rows.equals(plain.rows)
    assert found.extra.equals(plain.extra)
    path.write_bytes(csdat(fields, list(fields)[1:]))
    theirs = dataset.Dataset.load(path)
    for name, values in fields.items():
        found = np.asarray(theirs[name])
        is_text = values.dtype.kind == "S"
        assert (
            found.tolist() == values.astype(str).tolist() if is_text else np.array_equal(found, values, equal_nan=True)
        )


@pytest.mark.parametrize("packed", [(), ("blob/path", "blob/psize_A")])
def test_csdat_that_ends_early_is_truncated(read, packed):
    data = csdat(PARTICLES, packed)
    for cut in range(11, len(data) - len(b"\0J1/y#1.mrc\0") - 30, 7):
        with pytest.raises(FormatError, match=r"^0\.cs: "):
            read(data[:cut])


@pytest.mark.parametrize(
    ("place", "said"),
    [(2**63, "lies at byte 9223372036854775808 of the texts"), (45, "lies at byte 45 of the texts: expected at most")],
)
def test_texts_of_csdat_lie_among_its_texts(read, place, said):
    data = csdat({"blob/path": np.array([b"a.mrc", b""])}).replace(b"\1" + bytes(7), place.to_bytes(8, "little"))
    with pytest.raises(FormatError, match=rf"^0\.cs: blob/path {said}"):
        read(data)


def test_texts_of_csdat_do_not_grow_out_of_one_another(read):
    places = np.arange(1000, dtype=np.uint64)
    data = csdat({"blob/path": places}).replace(b'"<u8"', b'"|O"').replace(b"\x95CSDAT", b"\x95CSDAT")
    length = int.from_bytes(data[6:10], "little") - 1
    data = data[:6] + length.to_bytes(4, "little") + data[10:-1] + b"x" * 1000 + b"\0"
    with pytest.raises(FormatError, match=r"^0\.cs: blob/path: texts lie over one another"):
        read(data)


@pytest.mark.parametrize(
    "header",
    [
        b'{"length": 99999999999, "dtype": [["uid", "<u8"]], "compressed_fields": []}',
        b'{"length": -1, "dtype": [["uid", "<u8"]], "compressed_fields": []}',
        b'{"length": 1, "dtype": [["uid", "<u8", [99999999, 99999999]]], "compressed_fields": []}',
        b'{"length": 1, "dtype": [["uid", "<u8", [-1]]], "compressed_fields": []}',
        b'{"length": 1, "dtype": [["uid", 8]], "compressed_fields": []}',
        b'{"length": 1, "dtype": [["uid", "<u8"]], "compressed_fields": [[]]}',
        b'{"length": 1.5, "dtype": [["uid", "<u8"]]}',
        b'{"dtype": [["uid", "<u8"]]}',
        b'{"length": 1, "dtype": [["uid", "<zz"]], "compressed_fields": []}',
        b'{"length": 1, "dtype": 3}',
        b"[1",
        b"",
    ],
)
def test_headers_of_csdat_are_not_believed(read, header):
    with pytest.raises(FormatError, match=r"^0\.cs: "):
        read(b"\x95CSDAT" + len(header).to_bytes(4, "little") + header)


def test_the_face_reads_fields(tmp_path):
    path = tmp_path / "a.cs"
    path.write_bytes(saved(table(PARTICLES)))
    found = cryosparc.read_fields(path, "a.cs", lambda names: [name for name in names if name.startswith("blob/p")])
    assert found["blob/path"].to_pylist() == [text.decode() for text in PARTICLES["blob/path"].tolist()]
    assert found["blob/psize_A"].tolist() == PARTICLES["blob/psize_A"].tolist()
    assert len(found) == 2
