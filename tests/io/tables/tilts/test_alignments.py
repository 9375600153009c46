"""Angles, transforms of IMOD, alignments of AreTomo: the same geometry, whichever program tells it."""

import numpy as np
import pytest

from builders.errors import FormatError
from builders.io.tables.tilts import read_aln, read_angles, read_transforms

ALN = """# AreTomo Alignment / Priims bprmMn
# RawSize = 40 30 4
# NumPatches = 0
# DarkFrame =     3    4    60.00
# AlphaOffset =     1.00
# SEC     ROT         GMAG       TX          TY      SMEAN     SFIT    SCALE     BASE     TILT
{rows}
# Local Alignment
   0   0   1.0  2.0 3.0
"""


def aln(*rows, text=ALN):
    lines = [f"  {sec}  {rot}  1.0  {x}  {y}  1.0 1.0 1.0 0.0  {tilt}" for sec, rot, x, y, tilt in rows]
    return read_aln(text.format(rows="\n".join(lines)).encode(), "TS_1.aln")


def moved(point, alignment):
    """Where content comes to lie, from the centre: moved first, then turned by minus the axis' angle."""
    turn = np.deg2rad(-alignment.axis_angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return rotation @ np.add(point, (alignment.shift_x, alignment.shift_y))


@pytest.mark.parametrize("axis", [-94.7, 0.0, 85.3, 178.0])
def test_a_transform_says_what_imod_does(axis):
    turn = np.deg2rad(-axis)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shift, point = np.array([12.5, -3.25]), np.array([7.0, 4.0])
    line = " ".join(f"{value:.7f}" for value in (*matrix.ravel(), *shift))
    (found,) = read_transforms(f"{line}\r\n".encode(), "x.xf")
    assert found.axis_angle == pytest.approx(axis, abs=1e-4)
    np.testing.assert_allclose(moved(point, found), matrix @ point + shift, atol=1e-4)


def test_aretomo_says_the_same_as_its_export_to_imod():
    rot, x, y = 85.3, 3.5, -8.25
    turn = np.deg2rad(-rot)  # theta = -ROT, (dx, dy) = R(theta) (-TX, -TY)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    line = " ".join(f"{value:.9f}" for value in (*matrix.ravel(), *(matrix @ (-x, -y))))
    (of_imod,) = read_transforms(line.encode(), "x.xf")
    assert aln((1, rot, x, y, 0.0)).alignments[0] == pytest.approx(of_imod, abs=1e-6)


def test_sections_are_counted_from_0_or_1():
    from_one = aln((1, 85, 0, 0, -59.0), (2, 85, 0, 0, 1.0), (3, 85, 0, 0, 31.0))
    assert (from_one.raw_size, from_one.dark, from_one.alpha_offset) == ((40, 30, 4), (4,), 1.0)
    assert from_one.places(4, None) == [0, 1, 2]
    plain = ALN.replace("# DarkFrame =     3    4    60.00\n", "")
    from_zero = aln((0, 85, 0, 0, -60.0), (2, 85, 0, 0, 0.0), text=plain)
    assert from_zero.places(4, None) == [0, 2]
    inner = aln((1, 85, 0, 0, 1.0), (2, 85, 0, 0, 61.0), text=plain)
    with pytest.raises(FormatError, match="counted from 0 or from 1"):
        inner.places(4, None)
    assert inner.places(4, [-60.0, 0.0, 60.0, 0.0]) == [1, 2]
    assert inner.places(4, [0.0, 60.0, -60.0, 0.0]) == [0, 1]


def test_dark_sections_may_be_counted_or_not():
    dark = ALN.replace("3    4    60.00", "0    0   -60.00").replace("    1.00\n# SEC", "    12.30\n# SEC")
    left = aln(
        (0, 85, 0, 0, -7.7), (1, 85, 0, 0, 12.3), (2, 85, 0, 0, 32.3), text=dark
    )  # as AreTomo wrote them in 2021
    assert left.places(4, None) == [1, 2, 3]
    assert left.places(4, [-60.0, -20.0, 0.0, 20.0]) == [1, 2, 3]
    with pytest.raises(FormatError, match=r"section 2 has a tilt of 32.3 degrees, the image 40"):
        left.places(4, [-20.0, 0.0, 20.0, 40.0])  # steps alone would fit
    of_all = aln((1, 85, 0, 0, -7.7), (2, 85, 0, 0, 12.3), (3, 85, 0, 0, 32.3), text=dark)
    assert of_all.places(4, [-60.0, -20.0, 0.0, 20.0]) == [1, 2, 3]


def test_sections_of_another_stack_are_told():
    with pytest.raises(FormatError, match="of a stack of 4 sections, the series has 3"):
        aln((1, 85, 0, 0, -60.0)).places(3, None)
    with pytest.raises(FormatError, match="sections 1 to 4 of a series of 3 images"):
        aln((1, 85, 0, 0, -60.0), text=ALN.replace("# RawSize = 40 30 4\n", "")).places(3, None)
    with pytest.raises(FormatError, match=r"section 2 has a tilt of 31 degrees, the image -30"):
        aln((1, 85, 0, 0, 1.0), (2, 85, 0, 0, 31.0), (3, 85, 0, 0, 4.0)).places(4, [0.0, -30.0, 3.0, 60.0])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((), "0 sections in it"),
        (((1, 85, 0, 0, 0), (1, 85, 0, 0, 3)), "section 1 a second time"),
        (((1, "x", 0, 0, 0),), "ROT is 'x': expected a number"),
        (((1.5, 85, 0, 0, 0),), "SEC is '1.5': expected a whole number"),
        (((1, 85e7, 0, 0, 0),), "ROT is 8.5e[+]08: expected degrees"),
        (((1, 85, 1e9, 0, 0),), "expected one within the image"),
    ],
)
def test_damaged_alignments_are_told(rows, said):
    with pytest.raises(FormatError, match=said):
        aln(*rows)


def test_angles_one_a_line():
    assert read_angles(b"\xef\xbb\xbf -60.02\r\n\r\n0\r\n", "x.rawtlt") == [-60.02, 0.0]


@pytest.mark.parametrize(
    ("read", "data", "said"),
    [
        (read_angles, b"3.0\nthree\n", "x, line 2: a tilt angle is 'three': expected a number"),
        (read_angles, b"400\n", "x, line 1: a tilt angle is 400: expected degrees from -360 to 360"),
        (read_angles, b"\n", "nothing but blanks"),
        (read_angles, b"3_0\n", "expected a number"),
        (read_transforms, b"1 0 0 1 1e9 0\n", "line 1: a shift of 1e[+]09, 0 pixels: expected one within the image"),
        (read_transforms, b"1 0 0 1 0\n", "line 1: '1 0 0 1 0': expected six numbers"),
        (read_transforms, b"0 0 0 0 0 0\n", "expected one that turns an image"),
        (read_transforms, b"1 0 0 1 0 inf\n", "expected a number"),
    ],
)
def test_damaged_lists_are_told(read, data, said):
    with pytest.raises(FormatError, match=said):
        read(data, "x")
