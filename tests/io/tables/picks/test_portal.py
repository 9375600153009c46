import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from builders.errors import FormatError, TruncatedError
from builders.io.tables import picks

TURN = Rotation.from_euler("ZYZ", [30, 50, 70], degrees=True).as_matrix()


def point(x, y, z, kind="point", **more):
    return {"type": kind, "location": {"x": x, "y": y, "z": z}, **more}


def lines(*points):
    return "\n".join(map(json.dumps, points)).encode()


def refused(data, said, error=FormatError):
    with pytest.raises(error) as caught:
        picks.read(data, "p.ndjson")
    assert str(caught.value).startswith(f"p.ndjson: {said}"), caught.value


def test_points_are_voxels():
    found = picks.read(lines(point(4, 2.5, 1), point(5, 6, 7)) + b"\n\n", "p.ndjson", label="ribosome", pixel_size=10.0)
    assert found.points.tolist() == [[4, 2.5, 1], [5, 6, 7]]
    assert (found.unit, found.pixel_size, found.labels) == ("voxel", 10.0, ("ribosome",) * 2)
    assert found.rotations is None


@pytest.mark.parametrize("kind", ["orientedPoint", "orientedpoint", "OrientedPoint"])
def test_oriented_points_turn_the_object(kind):
    rounded = TURN.round(3).tolist()
    found = picks.read(lines(*[point(1, 2, 3, kind, xyz_rotation_matrix=rounded)] * 2), "p.ndjson")
    assert np.array_equal(found.rotations, [rounded] * 2)


def test_no_points_are_picks():
    found = picks.read(b"", "p.ndjson", label="ribosome")
    assert (found.points.shape, found.labels) == ((0, 3), ())


def test_what_is_wrong_is_told_by_its_line():
    good = point(1, 2, 3)
    refused(lines(good, point(1, 2, 3, "instancePoint")), "line 2: type is 'instancePoint': expected 'point' or")
    refused(lines(good, point(1, 2, 3, 7)), "line 2: type is 7: expected 'point' or")
    refused(lines(good, point(1, None, 3)), "line 2: location y is null: expected a number")
    refused(lines({"type": "point"}), "line 1: location is null: expected a JSON object")
    refused(lines(good) + b"\n[1, 2]\n", "line 2: [1, 2]: expected points of the CryoET Data Portal")
    refused(lines(good) + b'\n{"type": "po', "line 2: ends within its JSON: it is truncated", TruncatedError)
    refused(lines(good) + b"\n{'type'}", "line 2: no JSON")
    refused(lines(point(1, 2, 3, xyz_rotation_matrix=[[1]])), "line 1: xyz_rotation_matrix is [[1]]: expected 3 lists")
    refused(lines(point(1, 2, 3, xyz_rotation_matrix=(2 * TURN).tolist())), "line 1: xyz_rotation_matrix times")
    mixed = point(1, 2, 3, "orientedPoint", xyz_rotation_matrix=TURN.tolist())
    refused(lines(mixed, good), "line 2: no xyz_rotation_matrix: expected one")
    refused(b"<html>", "an HTML page")
