import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from builders.errors import FormatError, TruncatedError
from builders.io.tables import picks

TURN = Rotation.from_euler("ZYZ", [30, 50, 70], degrees=True).as_matrix()


def matrix(turn=TURN, shift=(0, 0, 0)):
    found = np.eye(4)
    found[:3, :3], found[:3, 3] = turn, shift
    return found.tolist()


def point(x, y, z, **more):
    return {"location": {"x": x, "y": y, "z": z}, "instance_id": 0, "score": 1.0, **more}


def document(*points, **more):
    said = {"pickable_object_name": "ribosome", "user_id": "me", "session_id": "1", "points": list(points), **more}
    return json.dumps(said).encode()


def refused(data, said, error=FormatError):
    with pytest.raises(error) as caught:
        picks.read(data, "p.json")
    assert str(caught.value).startswith(f"p.json: {said}"), caught.value


def test_a_point_lies_at_its_location_plus_its_shift():
    turned = point(10, 20.5, 30, transformation_=matrix(shift=(1, -2, 3)))
    found = picks.read(document(turned, point(1, 2, 3), run_name="007"), "p.json")
    assert found.unit == "angstrom"
    assert found.points.tolist() == [[11, 18.5, 33], [1, 2, 3]]
    assert np.allclose(found.rotations, [TURN, np.eye(3)])
    assert found.labels == ("ribosome",) * 2
    assert found.tomograms == ("007",) * 2


def test_orientations_that_are_not_trusted_are_none():
    found = picks.read(
        document(point(1, 2, 3, transformation_=matrix(shift=(1, 1, 1))), trust_orientation=False), "p.json"
    )
    assert found.rotations is None
    assert found.points.tolist() == [[2, 3, 4]]


@pytest.mark.parametrize("points", [None, []])
def test_no_points_are_picks(points):
    data = json.dumps({"pickable_object_name": "a", "points": points}).encode()
    found = picks.read(data, "p.json")
    assert found.points.shape == (0, 3)
    assert found.rotations.shape == (0, 3, 3)


def test_what_is_wrong_is_told_by_its_point():
    good = point(1, 2, 3)
    refused(document(good, point(1, "2", 3)), "point 1: location y is '2': expected a number")
    refused(document(good, point(1, True, 3)), "point 1: location y is true")
    refused(document(point(1, 2, None)), "point 0: location z is null")
    refused(document(point(1, 2, 10**400)), "point 0: location z is a whole number of very many digits")
    refused(document(good, point(1, float("nan"), 3)), "point 1: location y is nan: expected a finite number")
    refused(document(good, point(1, 1e300, 3)), "point 1: location y is 1e+300: expected a finite number, up to 1e+09")
    refused(document(good, {"location": [1, 2, 3]}), "point 1: location is [1, 2, 3]: expected a JSON object")
    refused(document(good, 7), "point 1: 7: expected a JSON object")
    refused(document(point(1, 2, 3, transformation_=[[1, 2], [3, 4]])), "point 0: transformation_ is [[1, 2], [3, 4]]")
    refused(document(good, point(1, 2, 3, transformation_=matrix(2 * TURN))), "point 1: transformation_ times its")
    refused(document(good, point(1, 2, 3, transformation_=matrix(-TURN))), "point 1: transformation_ mirrors")
    tilted = matrix()
    tilted[3] = [0, 0, 1, 1]
    refused(document(point(1, 2, 3, transformation_=tilted)), "point 0: the last row of transformation_ is")


def test_what_is_no_file_of_picks_is_told():
    whole = document(point(1, 2, 3))
    refused(whole[:-20], "ends within its JSON: it is truncated", TruncatedError)
    refused(b"", "an empty file: expected picks of copick")
    refused(b"<!doctype html><html>", "an HTML page")
    refused(b"[1, 2]", "[1, 2]: expected picks of copick, a JSON object")
    refused(b"{'a': 1}", "no JSON: line 1, column 2")
    refused(b"\xff{}", "no JSON: 'utf-8' codec")
    refused(b"[" * 100_000, "lists within lists without end")
    refused(b'{"points": []}', "no pickable_object_name in it")
    refused(b'{"pickable_object_name": "a"}', "no points in it")
    refused(document(pickable_object_name=7), "pickable_object_name is 7: expected text")
    refused(document(pickable_object_name=""), "pickable_object_name is ''")
    refused(document(unit="nm"), "unit is 'nm': expected 'angstrom'")
    refused(document(points=7), "points is 7: expected a list")
    refused(document(trust_orientation="no"), "trust_orientation is 'no'")
