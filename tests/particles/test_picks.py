"""One row for each micrograph: its particles are those of the table, none of them lost or moved to another one."""

import numpy as np
import pyarrow as pa

from builders.particles.micrographs.coordinates import coordinates
from builders.particles.micrographs.picks import PICKS, micrograph_schema, micrographs
from builders.particles.rows import value_schema
from builders.stacks.files import SourceFile
from tests.particles.tables import ctf, pose, table_of

NAMES = ["c", "a", "c", "b", "a", "c", "b", "a"]
"""Of micrographs: `b` is not there."""
FILES = [SourceFile("a", "a", 1, ""), SourceFile("c", "c", 1, "")]
WHICH = np.array([{"a": 0, "b": -1, "c": 1}[name] for name in NAMES])


def made(**columns):
    count = len(NAMES)
    table = table_of(
        extra={"rlnHelicalTubeID": pa.array(range(100, 100 + count))},
        micrograph=NAMES,
        coordinate_x=np.arange(count) + 0.25,
        coordinate_y=np.arange(count) * 10.0,
        **columns,
    )
    return table, micrographs(table, WHICH, FILES, 1, coordinates(table, 1, None))


def test_rows_are_the_micrographs_in_the_order_in_which_they_are_named():
    _, picked = made()
    assert picked.rows["micrograph"].to_pylist() == ["c", "a"]
    assert picked.rows["file"].to_pylist() == [1, 0]
    assert picked.rows["slice"].to_pylist() == [-1, -1]
    assert picked.numbers.tolist() == [0, 1]
    assert picked.box is None


def test_each_has_its_own_particles_in_the_tables_order():
    count = len(NAMES)
    table, picked = made(
        ctf=[ctf(number) if number != 4 else None for number in range(count)],
        pose=[pose(number) for number in range(count)],
        class_number=[number if number else None for number in range(count)],
        optics_group=[1] * count,
    )
    for name, row in zip("ca", picked.rows.to_pylist(), strict=True):
        own = [number for number, one in enumerate(NAMES) if one == name]
        assert row["picks"] == [[number + 0.25, number * 10.0] for number in own]
        for column in ("ctf", "pose", "class_number", "optics_group", "half_set"):
            assert row[column] == [table.rows[column][number].as_py() for number in own]
        assert row["rlnHelicalTubeID"] == [100 + number for number in own]
    assert "coordinate_x" not in picked.rows.column_names


def test_a_micrographs_pixel_size_is_never_that_of_its_particles():
    count = len(NAMES)
    _, picked = made(pixel_size=[4.0] * count)
    assert picked.rows["pixel_size"].to_pylist() == [None, None]
    _, picked = made(pixel_size=[4.0] * count, micrograph_pixel_size=[1.5] * count)
    assert picked.rows["pixel_size"].to_pylist() == [1.5, 1.5]
    table, _ = made(micrograph_pixel_size=[1.5] * count)
    binned = micrographs(table, WHICH, FILES, 2, coordinates(table, 2, None))
    assert binned.rows["pixel_size"].to_pylist() == [3.0, 3.0]
    assert binned.rows["picks"][1][0].as_py() == [0.625, 5.0]


def test_particles_without_a_place_are_not_among_the_picks():
    table, _ = made()
    found = coordinates(table, 1, None)
    found.x[2] = np.nan
    picked = micrographs(table, WHICH, FILES, 1, found)
    assert [len(picks) for picks in picked.rows["picks"].to_pylist()] == [2, 3]


def test_columns_are_those_that_the_schema_tells():
    table, picked = made()
    schema = micrograph_schema(value_schema(table.extra.schema))
    assert schema.field("picks").type == PICKS
    given = picked.rows.drop_columns(["file", "slice"])
    assert given.column_names == schema.names
    for field in schema:
        kind = given.schema.field(field.name).type
        assert (kind.value_type if field.name == "micrograph" else kind) == field.type, field.name
