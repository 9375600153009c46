import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from builders.errors import FormatError
from builders.io.tables import picks


def read(text, **options):
    return picks.read(text.encode(), "p.csv", **options)


def refused(data, said):
    with pytest.raises(FormatError) as caught:
        picks.read(data if isinstance(data, bytes) else data.encode(), "p.csv")
    assert str(caught.value).startswith(f"p.csv: {said}"), caught.value


@pytest.mark.parametrize("sign", [",", ";", "\t", "   ", " \t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("header", [[], ["x", "y", "z", "class"], ["# x", "y", "z", "class"]])
def test_what_parts_values_and_ends_lines_changes_nothing(sign, end, header):
    lines = [header, ["1", "2.5", "-3e1", "ribosome"], [], ["4", "5", "6", "007"]]
    found = read(end.join(sign.join(line) for line in lines if line or sign == ","))
    assert found.points.tolist() == [[1, 2.5, -30], [4, 5, 6]]
    assert found.labels == ("ribosome", "007")
    assert (found.unit, found.tomograms, found.rotations) == ("voxel", None, None)


def test_columns_go_by_their_names():
    found = read("score,Z,y,X,tomogram,label\n.5,3,2,1,TS_1,a\n.5,6,5,4,TS_2,b\n")
    assert found.points.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert found.tomograms == ("TS_1", "TS_2")
    assert found.labels == ("a", "b")


@pytest.mark.parametrize("header", ["x_angstrom,y_angstrom,z_angstrom", "X (Å),Y (Å),Z (Å)", "x [A],y [A],z [A]"])
def test_names_tell_angstrom(header):
    assert read(f"{header}\n1,2,3\n").unit == "angstrom"


def test_napari_counts_axes_of_the_array():
    assert read("index,axis-0,axis-1,axis-2\n0,3,2,1\n").points.tolist() == [[1, 2, 3]]


def test_the_tables_of_the_czii_challenge_and_of_copick_are_in_angstrom():
    found = read("id,experiment,particle_type,x,y,z\n0,TS_5_4,ribosome,1,2,3\n")
    assert (found.unit, found.labels, found.tomograms) == ("angstrom", ("ribosome",), ("TS_5_4",))
    turn = Rotation.from_euler("ZYZ", [30, 50, 70], degrees=True).as_matrix()
    matrix = np.vstack([np.column_stack([turn, [1, 2, 3]]), [0, 0, 0, 1]])
    names = [f"transform_{row}{column}" for row in range(4) for column in range(4)]
    header = ",".join(["run_name", "x", "y", "z", *names, "score"])
    found = read(f"{header}\nTS_1,10,20,30,{','.join(map(str, matrix.ravel()))},1\n")
    assert found.points.tolist() == [[11, 22, 33]]
    assert np.allclose(found.rotations, [turn])
    assert found.tomograms == ("TS_1",)


def test_voxels_have_the_size_that_is_told_and_points_the_label():
    found = read("1,2,3\n", pixel_size=2.5, label="ribosome")
    assert (found.pixel_size, found.labels) == (2.5, ("ribosome",))
    assert read("x_angstrom,y_angstrom,z_angstrom\n1,2,3\n", pixel_size=2.5).pixel_size is None
    assert read("1,2,3,a\n", label="ribosome").labels == ("a",)


def test_a_table_of_names_alone_has_no_points():
    found = read("x,y,z,class\n")
    assert (found.points.shape, found.labels) == ((0, 3), ())


def test_what_is_wrong_is_told_by_its_line():
    refused("x,y,z\n1,2,3\n\n1,2\n", "line 4: 2 values: expected 3: x, y, z")
    refused("1,2,3\n1,2,3,4\n", "line 2: 4 values: expected 3: x, y, z")
    refused("x,y,z\n1,2,3\n\n1,nan,3\n", "line 4: y is nan: expected a finite number")
    refused("x,y,z\n1,2,3\n1,2,3e99\n", "line 3: z is 3e+99: expected a finite number, up to")
    refused("x y z\n1 2 3\n1 b 3\n", "line 3: y is 'b': expected a number")
    refused("x,y,z\n1,,3\n", "line 2: y is '': expected a number")
    refused("1,2,3,a\n1,2,3,\n", "line 2: class is '': expected a name")
    refused("1,2,3,a\n1,2,3,b\x07\n", "line 2: class is 'b\\x07': expected a name")
    refused(b"1,2,3,a\n1,2,3,\xff\n", "line 2: no UTF-8")
    refused('1,2,3,a\n1,2,3,"a\n1,2,3,a"\n', "line 2: a quote that is not closed")
    refused("1,2,3,4,5\n", "line 1: 5 values and no names of columns")
    refused("x,y,score\n1,2,3\n", "line 1: no column z among 'x, y, score'")
    refused("x,y,z,x\n1,2,3,4\n", "line 1: a second column 'x'")
    refused("x,y,z,x_voxel\n1,2,3,4\n", "line 1: 'x' and 'x_voxel': expected one column of x")
    refused("x,y,z,label,class\n1,2,3,4,5\n", "line 1: 'label', 'class': expected one of them")
    refused("x_angstrom,y,z\n1,2,3\n", "line 1: 'x_angstrom', 'y', 'z': expected x, y and z in one unit")


def test_what_is_no_table_is_told():
    refused("", "an empty file: expected a table of points")
    refused("# nothing\n", "no line that is not empty or a comment")
    refused("<html>", "an HTML page")
    refused(bytes(100), "a file of nothing" if not bytes(100).strip() else "line 1: a NUL byte")
    refused(b"\x89PNG\r\n", "a picture (PNG)")
    refused("a" * 1_000_000, "line 1: no column x")


@pytest.mark.parametrize("name", ["particle", "Species", "name", "pickable_object", "type"])
def test_classes_have_other_names_too_where_they_are_words(name, caplog):
    assert read(f"x,y,z,{name}\n1,2,3,rod\n4,5,6,7\n").labels == ("rod", "7")
    assert read(f"{name},x,y,z\n1,1,2,3\n2,4,5,6\n").labels is None  # numbers of particles
    assert read(f"x,y,z,{name},class\n1,2,3,rod,9\n").labels == ("9",)
    (message,) = caplog.messages
    assert message == f"p.csv: columns of words that are not used: {name!r}"


def test_columns_of_words_that_are_not_used_are_told_once_a_file(caplog):
    assert read("x,y,z,protein,score,kind\n1,2,3,rod,.5,b\n1,2,3,rod,.5,b\n").labels is None
    (message,) = caplog.messages
    assert message.startswith("p.csv: columns of words that are not used: 'protein', 'kind'; a column of classes is ")
    assert "called one of class, label, " in message
    caplog.clear()
    read("x,y,z,score,class,tomogram\n1,2,3,.5,a,TS_1\n")
    assert not caplog.messages
