"""Tables of Warp and RELION 5: signs, sums of doses and names come to one vocabulary."""

import pytest

from builders.errors import FormatError
from builders.io.tables.tilts import read_list, read_series, read_warp

XML = """<?xml version="1.0" encoding="{encoding}"?>
<TiltSeries DataDirectory="" AreAnglesInverted="True">
<Angles>60\n0\n-60</Angles><Dose>6\n0\n3</Dose><AxisAngle>85\n85.5\n-95</AxisAngle>
<AxisOffsetX>1\n2\n3</AxisOffsetX><AxisOffsetY>-1\n0\n1</AxisOffsetY>
<MoviePath>../frames/a.tif\n../frames/b.tif\n../frames/c.tif</MoviePath>
<CTF><Param Name="Voltage" Value="300"/><Param Name="Cs" Value="2.7"/><Param Name="Amplitude" Value="0.07"/>
<Param Name="DefocusDelta" Value="0.1"/><Param Name="DefocusAngle" Value="30"/></CTF>
<GridCTF Width="1" Height="1" Depth="3"><Node X="0" Y="0" Z="0" Value="2.0"/><Node X="0" Y="0" Z="1" Value="3"/>
<Node X="0" Y="0" Z="2" Value="4"/></GridCTF>
<GridCTFPhase Width="1" Height="1" Depth="1"><Node X="0" Y="0" Z="0" Value="0.5"/></GridCTFPhase>
</TiltSeries>"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])  # which Warp writes
def test_warps_angles_are_turned_to_the_stages_sign(encoding):
    data = XML.format(encoding=encoding).encode(encoding)
    series = read_warp(data, "TS_1.xml", "TS_1")
    first, second, third = series.tilts
    assert [tilt.tilt_angle for tilt in series.tilts] == [-60, 0, 60]
    assert [tilt.tilt_angle for tilt in read_warp(data, "x", "x", negated=False).tilts] == [60, 0, -60]
    assert [tilt.pre_exposure for tilt in series.tilts] == [6, 0, 3]
    assert [tilt.exposure for tilt in series.tilts] == [3, 3, 3]
    assert [tilt.acquisition_order for tilt in series.tilts] == [2, 0, 1]
    assert (first.axis_angle, third.axis_angle) == (85, -95)
    assert (first.shift_x, first.shift_y, second.shift_y) == (-1, 1, 0)
    assert second.image == "../frames/b.tif"
    assert first.defocus == pytest.approx(20_000)
    assert first.ctf == {
        **{"defocus_u": 20_500, "defocus_v": 19_500, "defocus_angle": 30, "voltage": 300},
        **{"spherical_aberration": 2.7, "amplitude_contrast": 0.07, "phase_shift": 90},
    }


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<Dose>6\n0\n3", "<Dose>6\n0", "2 values in Dose of 3 tilts"),
        ("a.tif\n", "", "2 values in MoviePath of 3 tilts"),
        ("60\n0\n-60", "60\nzero\n-60", "Angles is 'zero': expected a number"),
        ("60\n0\n-60", "60\n0\n-4000", "TS_1.xml: Angles is -4000: expected degrees from -360 to 360"),
        ("<Dose>6\n0\n3", "<Dose>6\n0\n-3", "TS_1.xml: Dose is -3: expected e/Å² from 0 to 10,000"),
        ('Value="3"', 'Value="3e9"', "a node of GridCTF is 3e[+]09: expected µm from -100 to 100"),
        ("<AxisOffsetX>1", "<AxisOffsetX>1e30", "AxisOffsetX is 1e[+]30: expected Å within the image"),
        ("60\n0\n-60", "", "0 Angles: expected one of each tilt"),
        ("TiltSeries", "Movie", "its XML is a 'Movie'"),
        ("</TiltSeries>", "", "no element found"),
        ("<TiltSeries", '<!DOCTYPE a [<!ENTITY b "c">]><TiltSeries', "a document type"),
    ],
)
def test_damaged_xml_is_told(old, new, said):
    with pytest.raises(FormatError, match=said):
        read_warp(XML.format(encoding="utf-8").replace(old, new).encode(), "TS_1.xml", "TS_1")


LIST = """
# version 50001

data_global

loop_
_rlnTomoName #1
_rlnTomoTiltSeriesStarFile #2
_rlnVoltage #3
_rlnSphericalAberration #4
_rlnAmplitudeContrast #5
_rlnMicrographOriginalPixelSize #6
_rlnTomoTiltSeriesPixelSize #7
007 tilt_series/007.star 300 2.7 0.1 0.675 1.35
24_01 tilt_series/24_01.star 300 2.7 0.1 0.675 1.35
"""
SERIES = """
data_007

loop_
_rlnMicrographMovieName #1
_rlnTomoNominalStageTiltAngle #2
_rlnTomoNominalTiltAxisAngle #3
_rlnMicrographPreExposure #4
_rlnTomoNominalDefocus #5
{more}
"""


def series(*rows, labels=()):
    (listed, _) = read_list(LIST.encode(), "tilt_series.star")
    more = "".join(f"_{label} #{number}\n" for number, label in enumerate(labels, 6))
    text = SERIES.format(more=more + "\n".join(" ".join(map(str, row)) for row in rows))
    return read_series(text.encode(), "tilt_series/007.star", listed)


def test_names_are_text_and_whole():
    first, second = read_list(LIST.encode(), "tilt_series.star")
    assert (first.name, second.name) == ("007", "24_01")
    assert (first.file, first.pixel_size, first.movie_pixel_size) == ("tilt_series/007.star", 1.35, 0.675)


def test_an_optimisation_set_names_the_list():
    text = "data_\n\n_rlnTomoTomogramsFile Tomograms/job1/tomograms.star\n_rlnTomoParticlesFile p.star\n"
    assert read_list(text.encode(), "optimisation_set.star") == "Tomograms/job1/tomograms.star"


@pytest.mark.parametrize(
    ("sums", "before", "own"),
    [
        ([3, 6, 9], [0, 3, 6], [3, 3, 3]),  # of an mdoc: with each image's own
        ([0, 3, 6], [0, 3, 6], [3, 3, 3]),  # a dose an image that the user gave
        ([9, 3, 6], [6, 0, 3], [3, 3, 3]),
        ([2, 4.5, 8], [0, 2, 4.5], [2, 2.5, 3.5]),
        ([0, 3, 8], [0, 3, 8], [3, 5, 4]),
        ([3, 6, 12, 15], [0, 3, 9, 12], [3, 3, 3, 3]),  # one was taken out
        ([3], [0], [3]),
        ([0], [0], [None]),
        ([0, 0, 0], [None] * 3, [None] * 3),
    ],
)
def test_sums_become_what_the_specimen_had_seen_before(sums, before, own):
    found = series(*((f"{place}.tif", 3 * place, 85, dose, -4) for place, dose in enumerate(sums)))
    assert [tilt.pre_exposure for tilt in found.tilts] == before
    assert [tilt.exposure for tilt in found.tilts] == own


def test_aligned_values_come_before_nominal_ones():
    labels = ("rlnMicrographName", "rlnTomoYTilt", "rlnTomoZRot", "rlnTomoXShiftAngst", "rlnTomoYShiftAngst")
    labels = (*labels, "rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle")
    raw = ("m/a.tif", 3.0, 85.0, 3.0, -4.0)
    (tilt,) = series((*raw, "MotionCorr/a.mrc", 3.2, 84.5, 10.0, -5.0, 21_000, 19_000, 40), labels=labels).tilts
    assert (tilt.image, tilt.tilt_angle, tilt.axis_angle) == ("MotionCorr/a.mrc", 3.2, 84.5)
    assert (tilt.shift_x, tilt.shift_y, tilt.pixel_size, tilt.defocus) == (-10, 5, 1.35, 20_000)
    assert (tilt.ctf["defocus_u"], tilt.ctf["voltage"], tilt.ctf["phase_shift"]) == (21_000, 300, 0)
    (tilt,) = series(raw).tilts
    assert (tilt.image, tilt.tilt_angle, tilt.pixel_size) == ("m/a.tif", 3.0, 0.675)
    assert (tilt.defocus, tilt.ctf) == (40_000, None)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("a.tif", 400, 85, 3, -4), "rlnTomoNominalStageTiltAngle is 400: expected degrees"),
        (("a.tif", 3, 1e9, 3, -4), "rlnTomoNominalTiltAxisAngle is 1e[+]09: expected degrees"),
        (("a.tif", 3, 85, -3, -4), "rlnMicrographPreExposure is -3: expected e/Å² from 0"),
        (("a.tif", 3, 85, 3, -40_000), "rlnTomoNominalDefocus is -40000: expected µm from -100"),
    ],
)
def test_numbers_that_cannot_be_are_named_with_their_line(row, said):
    with pytest.raises(FormatError, match=f"tilt_series/007.star, line [0-9]+: {said}"):
        series(row)


def test_images_may_be_sections_of_a_stack():
    (tilt,) = series(("000002@TS.mrcs", 3.0, 85.0, 3.0, -4.0)).tilts
    assert (tilt.image, tilt.section) == ("TS.mrcs", 1)
    with pytest.raises(FormatError, match="expected a number from 1 on before the @"):
        series(("0@TS.mrcs", 3.0, 85.0, 3.0, -4.0))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data_x\n\n_rlnVoltage 300\n", "no block with rlnTomoName and rlnTomoTiltSeriesStarFile"),
        (LIST.replace("24_01 ", "007 "), "rlnTomoName '007' twice"),
        (LIST.replace("24_01 ", "None "), "line 15: no rlnTomoName"),
        (LIST.replace("300 2.7 0.1 0.675 1.35\n24", "kV 2.7 0.1 0.675 1.35\n24"), "rlnVoltage is 'kV'"),
    ],
)
def test_damaged_lists_are_told(text, said):
    with pytest.raises(FormatError, match=said):
        read_list(text.encode(), "tilt_series.star")
