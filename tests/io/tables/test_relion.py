import pyarrow as pa
import pytest

from builders.errors import FormatError, OptionError
from builders.io.tables import SCHEMA, read_particles
from tests.io.tables.stars import OPTICS, TWO_GROUPS, loop, simple


@pytest.fixture
def read(tmp_path):
    """Writes a STAR file and reads its particles."""

    def written(data, *columns, **options):
        path = tmp_path / "p.star"
        path.write_text(data)
        return read_particles([("p.star", path)], columns, **options)

    return written


def particles(labels, rows, name="particles"):
    return loop(name, ["rlnImageName", *labels], [("1@a.mrcs", *row) for row in rows])


def columns(table, *names):
    flat = {name.rpartition(".")[2]: values for name, values in table.rows.flatten().to_pydict().items()}
    found = [(flat if name in flat else table.rows.to_pydict())[name] for name in names]
    return found[0] if len(found) == 1 else found


def refused(read, data, said, *asked):
    with pytest.raises(FormatError) as caught:
        read(data, *asked)
    assert str(caught.value).startswith(f"p.star: {said}"), caught.value


def test_each_row_has_its_own_groups_values(read):
    table = read(TWO_GROUPS + particles(["rlnDefocusU", "rlnOpticsGroup"], [(9000, 2), (8000, 1), (7000, 2)]))
    assert table.rows.schema == SCHEMA
    assert (table.program, table.name, table.has_ctf, table.has_poses) == ("relion", "p.star", True, False)
    assert columns(table, "voltage") == [200.0, 300.0, 200.0]
    assert columns(table, "pixel_size") == [3.0, 1.5, 3.0]
    assert columns(table, "image_size") == [32, 64, 32]
    assert columns(table, "optics_group") == [2, 1, 2]
    assert columns(table, "pose") == [None] * 3


def test_the_optics_block_may_come_last_and_be_a_list(read):
    optics = simple("optics", {"rlnOpticsGroup": 7, "rlnImagePixelSize": 1.25})
    table = read(particles(["rlnOpticsGroup"], [(7,)]) + optics)
    assert columns(table, "pixel_size") == [1.25]


def test_a_rows_own_values_win_over_its_groups(read):
    labels = ["rlnOpticsGroup", "rlnVoltage", "rlnDefocusU"]
    table = read(TWO_GROUPS + particles(labels, [(1, 120, 1), (2, "None", 1), (1, -999, 1)]))
    assert columns(table, "voltage") == [120.0, 200.0, 300.0]


def test_one_group_need_not_be_named(read):
    optics = loop("optics", OPTICS, [(5, 300, 2.7, 1.5, 64)])
    assert columns(read(optics + particles([], [(), ()])), "pixel_size") == [1.5, 1.5]
    refused(read, TWO_GROUPS + particles([], [()]), "no rlnOpticsGroup in block 'particles', and 2 groups")


def test_a_group_that_is_not_there_is_told_with_its_line(read):
    data = TWO_GROUPS + particles(["rlnOpticsGroup"], [(1,), (3,)])
    refused(read, data, "line 17: rlnOpticsGroup is 3: expected one of block 'optics': 1, 2")
    refused(read, data.replace("@a.mrcs 3", "@a.mrcs None"), "line 17: rlnOpticsGroup is None")
    refused(read, data.replace("@a.mrcs 3", "@a.mrcs 1.5"), "line 17: rlnOpticsGroup is 1.5: expected a whole number")


def test_optics_groups_have_numbers_of_their_own(read):
    data = TWO_GROUPS.replace("\n2 200", "\n1 200") + particles(["rlnOpticsGroup"], [(1,)])
    refused(read, data, "line 10: a second group 1 in block 'optics'")
    data = loop("optics", ["rlnVoltage"], [(300,)]) + particles(["rlnOpticsGroup"], [(1,)])
    refused(read, data, "line 5: no rlnOpticsGroup in block 'optics'")
    refused(read, TWO_GROUPS + TWO_GROUPS, "no table")
    data = TWO_GROUPS + TWO_GROUPS + particles(["rlnOpticsGroup"], [(1,)])
    refused(read, data, "2 blocks are called 'optics' (lines 1 and 11): expected one")


def test_relion_3_0_has_magnifications_and_pixels(read):
    labels = ["rlnMagnification", "rlnDetectorPixelSize", "rlnOriginX", "rlnOriginY", "rlnAnglePsi", "rlnVoltage"]
    table = read(particles(labels, [(50000, 14.0, 2, -3, 90, 300), (0, 14.0, 1, 1, 90, 300)], name=""))
    assert columns(table, "pixel_size") == [pytest.approx(2.8), None]
    assert columns(table, "shift_x", "shift_y") == [[pytest.approx(5.6), None], [pytest.approx(-8.4), None]]
    assert columns(table, "optics_group") == [None, None]
    assert columns(table, "ctf") == [None, None]


def test_what_gives_the_pixel_size_has_an_order(read):
    labels = ["rlnImagePixelSize", "rlnPixelSize", "rlnMagnification", "rlnDetectorPixelSize"]
    rows = [(1, 2, 1e4, 3), (-1, 2, 1e4, 3), ("None", 0, 1e4, 3), ("None", "None", 1e4, 0)]
    assert columns(read(particles(labels, rows)), "pixel_size") == [1.0, 2.0, 3.0, None]


def test_origins_in_pixels_take_the_pixel_size_that_is_given(read, caplog):
    data = particles(["rlnAnglePsi", "rlnOriginX"], [(1, 2)])
    assert columns(read(data, pixel_size=1.5), "shift_x", "pixel_size") == [[3.0], [1.5]]
    assert columns(read(particles(["rlnOriginXAngst"], [(2,)]), pixel_size=1.5), "pixel_size") == [None]
    assert not caplog.records
    assert columns(read(data), "shift_x") == [None]
    assert "p.star: rlnOriginX is in pixels, and the table does not tell their size: there is no" in caplog.text


def test_origins_in_pixels_and_in_angstrom_are_alike_or_an_error(read):
    labels = ["rlnImagePixelSize", "rlnOriginX", "rlnOriginXAngst", "rlnAnglePsi"]
    table = read(
        particles(labels, [(1.5, 2, 3, 0), (1.5, 2.123457, 3.185185, 0), (1.5, "None", 4, 0), (1.5, 4, -999, 0)])
    )
    assert columns(table, "shift_x") == [3.0, pytest.approx(3.185185), 4.0, 6.0]
    said = "line 10: rlnOriginX 2 times the pixel size 1.5 Å is unlike rlnOriginXAngst 2"
    refused(read, particles(labels, [(1.5, 2, 3, 0), (1.5, 2, 2, 0)]), said)


def test_image_names_are_stacks_and_slices(read):
    names = ["000001@a.mrcs", "3@b/c@d.mrcs", "e.mrcs", "None", "9223372036854775808@f", "00000000000000000000002@g"]
    table = read(loop("", ["rlnImageName"], names))
    assert columns(table, "image") == ["a.mrcs", "b/c@d.mrcs", "e.mrcs", None, "f", "g"]
    assert columns(table, "slice") == [0, 2, 0, 0, 2**63 - 1, 1]


@pytest.mark.parametrize(
    "name",
    ["0@x", "-1@x", "1.5@x", "1e3@x", "0x10@x", "x@y", "@x", "+1@x", "٣@x", "9223372036854775809@x", "1@", "1_0@x"],
)
@pytest.mark.parametrize("others", [["1@a", "2@a"], ["a", "2@a"], ["None"]])
def test_image_names_without_a_slice_are_told_with_their_line(read, name, others):
    refused(
        read, loop("", ["rlnImageName"], [*others, name]), f"line {5 + len(others)}: rlnImageName is {name!r}: expect"
    )


def test_quick_and_slow_image_names_agree(read):
    names = [f"{number:06d}@Extract/{number % 3}.mrcs" for number in range(1, 500)]
    quick, slow = (read(loop("", ["rlnImageName"], more)) for more in (names, [*names, "None"]))
    assert columns(quick, "image", "slice") == [values[:-1] for values in columns(slow, "image", "slice")]
    assert columns(quick, "slice")[:3] == [0, 1, 2]
    assert len(quick.rows["image"].chunk(0).dictionary) == 3


def test_tables_of_coordinates_and_of_micrographs_have_no_images(read):
    labels = ["rlnMicrographName", "rlnCoordinateX", "rlnCoordinateY", "rlnMagnification", "rlnDetectorPixelSize"]
    table = read(loop("", labels, [("m/1.mrc", 1.5, 2.5, 10000, 1.25), ("m/2.mrc", 3, 4, 10000, 1.25)]))
    assert columns(table, "image", "slice") == [[None, None], [0, 0]]
    assert columns(table, "micrograph", "coordinate_x", "coordinate_y") == [
        ["m/1.mrc", "m/2.mrc"],
        [1.5, 3.0],
        [2.5, 4.0],
    ]
    assert columns(table, "pixel_size", "micrograph_pixel_size") == [[None, None], [1.25, 1.25]]
    optics = loop("optics", ["rlnOpticsGroup", "rlnMicrographOriginalPixelSize", "rlnMicrographBinning"], [(1, 0.5, 2)])
    micrographs = loop("micrographs", ["rlnMicrographName", "rlnOpticsGroup"], [("1.mrc", 1)])
    assert columns(read(optics + micrographs), "micrograph_pixel_size") == [1.0]


def test_a_file_needs_names_of_images_or_micrographs(read):
    data = loop("", ["rlnCoordinateX", "rlnCoordinateY"], [(1, 2)])
    said = "coordinates of a micrograph that only the file's own name tells: expected a block with rlnImageName"
    refused(read, data, said)
    refused(
        read,
        particles([], [()]) + particles([], [()]),
        "2 blocks have rlnImageName: 'particles' (line 1), 'particles' (line 6): expected one",
    )
    assert columns(read(particles([], [()]) + particles([], [(), ()], name="images")), "image") == ["a.mrcs"]


def test_a_table_of_no_rows_is_one(read):
    table = read(TWO_GROUPS + particles(["rlnOpticsGroup", "rlnDefocusU"], []), "rlnDefocusU", "rlnVoltage")
    assert (table.rows.num_rows, table.rows.schema) == (0, SCHEMA)
    assert table.extra.num_rows == 0


def test_one_row_may_be_a_list(read):
    table = read(simple("particles", {"rlnImageName": "3@a.mrcs", "rlnDefocusU": 9000}))
    assert columns(table, "slice", "defocus_u") == [[2], [9000.0]]


def test_numbers_that_are_not_there_are_null_and_counted(read, caplog):
    rows = [("nan", "nan", 0, 0), (9000, 8000, -999.0, 1), ("inf", 8000, "<NA>", 2), (9000, "None", "null", "NaN")]
    table = read(particles(["rlnDefocusU", "rlnDefocusV", "rlnAngleRot", "rlnRandomSubset"], rows))
    assert columns(table, "defocus_u", "defocus_v") == [[None, 9000, None, 9000], [None, 8000, 8000, None]]
    assert [row is None for row in columns(table, "ctf")] == [True, False, False, False]
    assert [row is None for row in columns(table, "pose")] == [False, True, True, True]
    assert columns(table, "half_set") == [None, 1, 2, None]
    assert "in some of 4 rows (2 of rlnDefocusU, 2 of rlnDefocusV, 3 of rlnAngleRot): null there" in caplog.text


def test_half_sets_that_are_all_0_are_none(read, caplog):
    data = particles(["rlnRandomSubset", "rlnClassNumber"], [(0, 1), (0, 2)])
    for _ in range(2):
        assert columns(read(data), "half_set", "class_number") == [[None, None], [1, 2]]
    assert [record.message for record in caplog.records] == [
        "p.star: rlnRandomSubset is 0 in every row: its particles were not divided into half-sets"
    ]


@pytest.mark.parametrize(
    ("label", "value", "said"),
    [
        ("rlnDefocusU", "12.3.4", "rlnDefocusU is '12.3.4': expected a number"),
        ("rlnDefocusU", "1_000", "rlnDefocusU is '1_000': expected a number"),
        ("rlnDefocusU", "1e39", "rlnDefocusU is 1e+39: expected a number that a float32 holds"),
        ("rlnClassNumber", "1.5", "rlnClassNumber is 1.5: expected a whole number"),
        ("rlnClassNumber", "0x10", "rlnClassNumber is '0x10': expected a number"),
        ("rlnRandomSubset", "5", "rlnRandomSubset is 5: expected 1 or 2, or 0 for neither"),
        ("rlnRandomSubset", "1e300", "rlnRandomSubset is 1e+300: expected a whole number of at most 2^53"),
    ],
)
def test_values_that_are_no_such_numbers_are_told_with_their_line(read, label, value, said):
    refused(read, particles([label], [(1,), (value,)]), f"line 7: {said}")


def test_whole_numbers_may_be_written_as_others(read):
    assert columns(read(particles(["rlnClassNumber"], [("3.000000",), ("+4",)])), "class_number") == [3, 4]


def extra(table):
    return table.extra.to_pydict(), table.extra.schema.types


def test_other_columns_are_what_all_of_their_values_are(read):
    labels = ["rlnA", "rlnB", "rlnC", "rlnD", "rlnTomoName", "rlnE", "rlnF", "rlnG"]
    rows = [
        (1, 1, "007", "x", 24, "None", "18446744073709551615", "0.5"),
        (-20, "2.5", "8", 1, 25, "null", "3", "-0.25"),
        ("None", "1e-7", "9", "nan", "None", "None", "4", "0"),
    ]
    table = read(particles(labels, rows), *labels)
    assert extra(table) == (
        {
            "rlnA": [1, -20, None],
            "rlnB": [1.0, 2.5, 1e-7],
            "rlnC": ["007", "8", "9"],  # an id: 7 would be another one
            "rlnD": ["x", "1", None],
            "rlnTomoName": ["24", "25", None],
            "rlnE": [None] * 3,
            "rlnF": ["18446744073709551615", "3", "4"],  # no float64 holds it
            "rlnG": [0.5, -0.25, 0.0],
        },
        [pa.int64(), pa.float64(), *[pa.string()] * 5, pa.float64()],
    )


def test_columns_that_are_read_anyway_keep_their_types(read):
    labels = ["rlnOpticsGroup", "rlnDefocusU", "rlnMicrographName"]
    data = TWO_GROUPS + particles(labels, [(2, 9000, "007"), (1, -999, "x")])
    table = read(
        data, "_rlnImageName", "rlnMicrographName", "rlnDefocusU", "rlnOpticsGroup", "rlnVoltage", "rlnVoltage"
    )
    assert extra(table) == (
        {
            "rlnImageName": ["1@a.mrcs"] * 2,
            "rlnMicrographName": ["007", "x"],
            "rlnDefocusU": [9000.0, None],
            "rlnOpticsGroup": [2, 1],
            "rlnVoltage": [200.0, 300.0],
        },
        [pa.string(), pa.string(), pa.float64(), pa.int64(), pa.float64()],
    )


def test_other_columns_of_optics_groups_are_each_rows_own(read):
    optics = loop(
        "optics", ["rlnOpticsGroup", "rlnOpticsGroupName", "rlnBeamTiltX"], [(1, "one", 0.1), (2, "'a b'", 0.2)]
    )
    data = optics + particles(["rlnOpticsGroup", "rlnBeamTiltX"], [(2, 0.5), (1, "None")])
    table = read(data, "rlnOpticsGroupName", "rlnBeamTiltX")
    assert table.extra.to_pydict() == {"rlnOpticsGroupName": ["a b", "one"], "rlnBeamTiltX": [0.5, 0.1]}


def test_columns_that_are_not_there_are_named_with_close_ones(read):
    data = TWO_GROUPS + particles(["rlnOpticsGroup"], [(1,)])
    with pytest.raises(OptionError, match=r"^p.star: no column 'rlnVoltag': did you mean 'rlnVoltage'"):
        read(data, "rlnVoltag")
    with pytest.raises(OptionError, match=r"^p.star: no column 'uid': expected one of rlnImageName, "):
        read(data, "uid")


def test_several_files_are_refused(tmp_path):
    path = tmp_path / "p.star"
    path.write_text(particles([], [()]))
    with pytest.raises(OptionError, match=r"^p.star, q.star: several STAR files: expected one"):
        read_particles([("p.star", path), ("q.star", path)])
    with pytest.raises(OptionError, match="no files: expected a STAR file or"):
        read_particles([])
