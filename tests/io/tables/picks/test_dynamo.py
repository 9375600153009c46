import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from builders.errors import FormatError
from builders.io.tables import picks

ANGLES = np.array([[30.0, 50.0, 70.0], [-10.0, 170.0, 0.0], [0.0, 0.0, 45.0]])


def row(position=(100.5, 50.5, 25.5), shift=(0, 0, 0), angles=(0, 0, 0), tomogram=1, number=0, columns=35):
    values = [0] * columns
    values[3:6], values[6:9], values[23:26] = shift, angles, position
    values[19], values[21] = tomogram, number
    return list(map(str, values))


def table(*rows, sign=" ", end="\n"):
    return end.join(sign.join(values) for values in rows).encode() + end.encode()


def refused(data, said):
    with pytest.raises(FormatError) as caught:
        picks.read(data, "p.tbl")
    assert str(caught.value).startswith(f"p.tbl: {said}"), caught.value


@pytest.mark.parametrize("sign", [" ", "   ", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_points_count_from_the_corner_of_the_first_voxel(sign, end):
    data = table(row(shift=(1, -2, 3.25), tomogram=7, number=2), row((0.5, 0.5, 0.5), tomogram=12), sign=sign, end=end)
    found = picks.read(data, "p.tbl", pixel_size=5.0)
    assert found.points.tolist() == [[101, 48, 28.25], [0, 0, 0]]
    assert (found.unit, found.pixel_size) == ("voxel", 5.0)
    assert (found.tomograms, found.labels) == (("7", "12"), ("2", "0"))


def test_orientations_are_those_of_the_object_in_the_tomogram():
    found = picks.read(table(*(row(angles=angles) for angles in ANGLES)), "p.tbl")
    expected = Rotation.from_euler("zxz", ANGLES, degrees=True).inv().as_matrix()
    assert np.allclose(found.rotations, expected)
    as_relion_has_them = Rotation.from_euler("zxz", ANGLES[:1], degrees=True).as_euler("ZYZ", degrees=True)
    relion = Rotation.from_euler("ZYZ", as_relion_has_them, degrees=True).as_matrix().swapaxes(1, 2)
    assert np.allclose(found.rotations[:1], relion)


def test_columns_that_are_not_read_may_be_anything():
    values = row()
    values[27] = "1.2+0.5i"
    assert len(picks.read(table(values, values), "p.tbl")) == 2


def test_what_is_wrong_is_told_by_its_line():
    refused(table(row(), row(columns=34)), "line 2: 34 values: expected 35, as the first line has")
    refused(table(row(), [], row(position=(1, "nan", 1))), "line 3: column 25 (y) is nan: expected a finite number")
    refused(table(row(), row(angles=(1, "x", 1))), "line 2: column 8 (tilt) is 'x': expected a number")
    refused(table(row(tomogram=1.5)), "line 1: column 20 (tomo) is 1.5: expected a whole number")
    refused(b"1 2 3\n", "line 1: 3 values: expected a table of Dynamo, of 26 columns or more")
    refused(b"", "an empty file")
    refused(b"<html>", "an HTML page")
