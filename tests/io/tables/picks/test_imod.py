import struct

import numpy as np
import pytest

from builders.errors import FormatError, TruncatedError
from builders.io.tables import picks

POINTS = np.array([[10.5, 20.5, 3.0], [0.5, 0.5, 0.0], [7.25, 8.0, 9.5]], np.float32)


def chunk(word, data):
    return word + struct.pack(">i", len(data)) + data


def contour(points):
    points = np.asarray(points, ">f4").reshape(-1, 3)
    return b"CONT" + struct.pack(">4i", len(points), 0, 0, 0) + points.tobytes()


def an_object(name, *contours, told=None):
    header = struct.pack(">64s16Ii", name.encode(), *[0] * 16, len(contours) if told is None else told)
    return b"OBJT" + header + bytes(44) + b"".join(contours)


def minx(origin=(0, 0, 0), scale=(1, 1, 1), translation=(0, 0, 0)):
    return chunk(b"MINX", struct.pack(">18f", 1, 1, 1, *origin, 0, 0, 0, *scale, *translation, 0, 0, 0))


def model(*parts, objects=1, flags=0, zmax=0, end=b"IEOF"):
    header = struct.pack(">128s3iiI", b"model", 0, 0, zmax, objects, flags) + bytes(84)
    return b"IMODV1.2" + header + b"".join(parts) + end


def refused(data, said, error=FormatError):
    with pytest.raises(error) as caught:
        picks.read(data, "p.mod")
    assert str(caught.value).startswith(f"p.mod: {said}"), caught.value


def test_x_and_y_count_from_the_corner_and_z_from_the_middle_of_a_voxel():
    found = picks.read(model(an_object("", contour(POINTS))), "p.mod")
    assert found.points.tolist() == [[10, 20, 3], [0, 0, 0], [6.75, 7.5, 9.5]]
    assert (found.unit, found.pixel_size, found.labels, found.rotations) == ("voxel", None, None, None)


def test_objects_are_classes_and_what_is_no_point_is_passed_over():
    mesh = b"MESH" + struct.pack(">3i2h", 2, 3, 0, 0, 0) + bytes(2 * 12 + 3 * 4)
    data = model(
        an_object("ribosome", contour(POINTS[:1]), chunk(b"LABL", b"abcd"), contour([]), contour(POINTS[1:]), told=3),
        *(chunk(b"IMAT", bytes(16)), mesh, chunk(b"SIZE", bytes(12)), an_object("", contour(POINTS[:1]))),
        *(chunk(b"VIEW", b""), minx(), chunk(b"XYZ1", b"anything")),
        objects=2,
    )
    found = picks.read(data, "p.mod", label="never")
    assert found.labels == ("ribosome",) * 3 + ("object 2",)
    assert len(found) == 4


def test_objects_without_names_have_the_label_or_their_numbers():
    two = model(*[an_object("", contour(POINTS[:1]))] * 2, objects=2)
    assert picks.read(two, "p.mod").labels == ("object 1", "object 2")
    assert picks.read(two, "p.mod", label="ribosome").labels == ("ribosome",) * 2


def test_a_part_of_an_image_lies_where_its_origin_says():
    shown = minx(origin=(0, 50, 100), scale=(10, 10, 10), translation=(-120, 20, 100))
    found = picks.read(model(an_object("", contour(POINTS[:1])), shown, flags=1 << 14), "p.mod")
    assert found.points.tolist() == [[10 + 12, 20 + 3, 3]]
    assert found.pixel_size == 10
    assert (
        picks.read(model(an_object("", contour(POINTS[:1])), shown, flags=1 << 14), "p.mod", pixel_size=5).pixel_size
        == 5
    )
    assert picks.read(model(an_object("", contour(POINTS[:1])), shown), "p.mod").points.tolist() == [[10, 20, 3]]


@pytest.mark.parametrize("scale", [(1, 1, 1), (10, 10, 20), (0, 0, 0), (float("nan"),) * 3])
def test_sizes_that_tell_nothing_are_not_believed(scale):
    assert picks.read(model(an_object("", contour(POINTS)), minx(scale=scale)), "p.mod").pixel_size is None


def test_models_of_exchanged_and_turned_images_are_turned_back():
    exchanged = POINTS[:, [0, 2, 1]]
    found = picks.read(model(an_object("", contour(exchanged)), flags=1 << 16), "p.mod")
    assert found.points.tolist() == [[10, 20, 3], [0, 0, 0], [6.75, 7.5, 9.5]]
    ny = 40  # a turned image is as deep as the image was high
    turned = np.stack([POINTS[:, 0], POINTS[:, 2] + 0.5, ny - 0.5 - POINTS[:, 1]], axis=1)
    found = picks.read(model(an_object("", contour(turned)), flags=1 << 17, zmax=ny), "p.mod")
    assert found.points.tolist() == [[10, 20, 3], [0, 0, 0], [6.75, 7.5, 9.5]]


def test_counts_that_lie_and_files_that_end_are_told():
    one = an_object("", contour(POINTS))
    huge = b"CONT" + struct.pack(">4i", 10**9, 0, 0, 0)
    refused(model(an_object("", huge)), "byte 440: a contour of 12000000000 bytes, and 4 are left", TruncatedError)
    negative = b"CONT" + struct.pack(">4i", -1, 0, 0, 0)
    refused(model(an_object("", negative)), "byte 440: -1 points: expected 0 or more")
    refused(model(one, objects=2), "byte 480: 1 objects: expected 2, as the header tells")
    refused(model(one, one, objects=1), "byte 480: one more object: expected 1")
    refused(model(an_object("", told=10**9)), "byte 424: object 1 has 0 contours: expected 1000000000")
    refused(model(objects=10**9), "byte 240: 1000000000 objects: expected 0 to 100000")
    refused(model(contour(POINTS), objects=0), "byte 244: a contour before the first object")
    refused(model(one, b"\0\0\0\1"), "byte 476: '\\x00\\x00\\x00\\x01': expected the name of a chunk")
    refused(model(one, chunk(b"MINX", bytes(8))), "byte 492: chunk MINX of 8 bytes: expected 72")
    refused(model(one, end=b""), "ends at byte 476 without IEOF: it is truncated", TruncatedError)
    refused(b"IMODV1.2" + bytes(9), "byte 8: the model's header of 232 bytes, and 9 are left", TruncatedError)
    refused(model(an_object("", contour([[1, 2, 3], [1, np.nan, 3]]))), "byte 452: y is nan: expected a finite number")
    refused(model(an_object("a\x07", contour(POINTS))), "the name of an object is 'a\\x07'")
    for stop in range(1, len(model(one)), 7):
        with pytest.raises(FormatError):
            picks.read(model(one)[:stop], "p.mod")


def test_what_is_no_model_is_told():
    refused(b"IMODV9.9", "begins with 'IMODV9.9': expected a model of IMOD")
    refused(b"<html>", "an HTML page")
    refused(b"hello", "begins with 'hello'")
