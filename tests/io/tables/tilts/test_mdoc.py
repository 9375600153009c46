"""SerialEM's `.mdoc`: real files have the values that other readers see, made ones the traps that these fall into."""

import pytest

from builders.errors import FormatError, TruncatedError
from builders.io.tables.tilts import read_mdoc
from builders.io.tables.tilts.mdoc import base_of, stem_of
from builders.io.tables.tilts.sections import parse

HEAD = "PixelSpacing = 9.9\nVoltage = 300\nImageFile = TS_1.mrc\nImageSize = 40 30\n\n"


def section(number, kind="ZValue", **values):
    return f"[{kind} = {number}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items()) + "\n"


def taken(minute, **values):
    return {"TiltAngle": 3.0, "DateTime": f"30-Nov-15  15:{minute:02}:38", **values}


def read(*sections, head=HEAD):
    return read_mdoc((head + "".join(sections)).encode(), "frames/TS_1.mrc.mdoc")


def test_the_real_tilt_series(shared):
    series = read_mdoc((shared / "data/mdoc/tilt_series.mdoc").read_bytes(), "tilt_series.mdoc")
    tilts = series.tilts
    assert (series.name, len(tilts), series.image_size) == ("tilt_series", 41, (924, 958))
    assert [tilt.tilt_angle for tilt in tilts[:4]] == [0.000999877, 3.00113, -2.99863, -5.99876]  # mdocfile 0.2.3
    assert {tilt.axis_angle for tilt in tilts} == {85.3}
    assert {tilt.pixel_size for tilt in tilts} == {5.4}
    assert {tilt.defocus for tilt in tilts} == {40_000.0}
    assert [tilt.acquisition_order for tilt in tilts] == list(range(41))
    assert {(tilt.exposure, tilt.pre_exposure) for tilt in tilts} == {(None, None)}  # 0 in every image: not measured
    assert base_of(tilts[2].image) == "TS_01_002_-3.0.mrc"


def test_the_real_stack_without_an_axis_of_its_own(shared):
    series = read_mdoc((shared / "data/mdoc/test_000.mrc.mdoc").read_bytes(), "test_000.mrc.mdoc")
    assert (series.name, [tilt.section for tilt in series.tilts]) == ("test_000", [0, 1])
    assert {(tilt.axis_angle, tilt.pixel_size) for tilt in series.tilts} == {(-90.0, 7.88)}


def test_the_real_movie_of_frames(shared):
    series = read_mdoc((shared / "data/mdoc/frame_set_single.mdoc").read_bytes(), "frame_set_single.mdoc")
    (tilt,) = series.tilts
    assert (tilt.section, tilt.tilt_angle, tilt.exposure, tilt.pre_exposure) == (None, 32.984, 7.65892, None)
    assert tilt.axis_angle == pytest.approx(178.414 - 90)
    assert tilt.pixel_size == 1.2827
    assert base_of(tilt.image) == "s_mmm_00993_33.0_Oct08_07.39.05.tif"


def test_the_header_never_says_what_a_section_does():
    series = read(section(0, **taken(1, PixelSpacing=5.4)), section(1, **taken(2)))
    assert [tilt.pixel_size for tilt in series.tilts] == [5.4, 9.9]


def test_doses_add_up_in_the_order_of_time_and_leave_out_an_images_own():
    doses = [taken(9, ExposureDose=4.0), taken(1, ExposureDose=1.0), taken(5, ExposureDose=2.0)]
    series = read(*(section(number, **values) for number, values in enumerate(doses)))
    assert [tilt.acquisition_order for tilt in series.tilts] == [2, 0, 1]
    assert [tilt.pre_exposure for tilt in series.tilts] == [3.0, 0.0, 1.0]
    assert [tilt.exposure for tilt in series.tilts] == [4.0, 1.0, 2.0]


def test_a_prior_dose_counts_before_sums_unless_it_was_not_kept():
    kept = [taken(1, ExposureDose=2, PriorRecordDose=10), taken(2, ExposureDose=2, PriorRecordDose=15)]
    series = read(section(0, **kept[0]), section(1, **kept[1]))
    assert [tilt.pre_exposure for tilt in series.tilts] == [10.0, 15.0]
    zeros = [taken(1, ExposureDose=2, PriorRecordDose=0), taken(2, ExposureDose=2, PriorRecordDose=0)]
    series = read(section(0, **zeros[0]), section(1, **zeros[1]))
    assert [tilt.pre_exposure for tilt in series.tilts] == [0.0, 2.0]


@pytest.mark.parametrize(("turn", "axis"), [(175.3, 85.3), (0, -90.0), (-175, 95.0), (-95, 175.0)])
def test_without_a_title_the_axis_is_the_rotation_less_90(turn, axis):
    series = read(section(0, **taken(1, RotationAngle=turn)))
    assert series.tilts[0].axis_angle == pytest.approx(axis)
    titled = read(
        section(0, **taken(1, RotationAngle=turn)), head=HEAD + "[T =     Tilt axis angle = -12.5, binning = 1]\n"
    )
    assert titled.tilts[0].axis_angle == -12.5


@pytest.mark.parametrize("time", ["30-Nov-2015  15:00:01", "2015-Nov-30  15:00:01", "2015-11-30 15:00:01"])
def test_years_may_have_four_digits(time):
    assert read(section(0, **taken(1)), section(1, **taken(0, DateTime=time))).tilts[1].acquisition_order == 0


def test_lines_may_end_in_any_way_and_values_hold_anything():
    text = (
        HEAD + "T = a = b\n# a comment\nfree text\n" + section(0, **taken(1, NavigatorLabel="a = b", Other="[x] # y"))
    )
    for end in ("\r\n", "\n", "\r"):
        mdoc = parse(text.replace("\n", end).encode(), "x.mdoc")
        assert mdoc.sections[0].values["NavigatorLabel"] == "a = b"
        assert mdoc.sections[0].values["Other"] == "[x] # y"
        assert mdoc.titles == ("a = b",)


def test_sections_of_a_montage_are_no_images():
    series = read(section(0, **taken(1)), section(0, "MontSection", **taken(2)))
    assert len(series.tilts) == 1
    with pytest.raises(FormatError, match=r"piece of a montage"):
        read(section(0, **taken(1, PieceCoordinates="0 0 0")))
    with pytest.raises(FormatError, match=r"MontSection in it: expected \[ZValue"):
        read(section(0, "MontSection", **taken(2)))


def test_a_movie_of_all_images_tells_of_them_and_is_none_itself():
    movie = section(0, "FrameSet", RotationAngle=178, ExposureDose=291, TiltAngle=33, TargetDefocus=-4.5)
    doses = [{"TiltAngle": 3 * n, "ExposureDose": 7.5, "PriorRecordDose": 7.5 * n} for n in range(3)]
    series = read(movie, *(section(number, **dose) for number, dose in enumerate(doses)))
    assert [(tilt.section, tilt.tilt_angle, tilt.exposure) for tilt in series.tilts] == [
        (n, 3 * n, 7.5) for n in range(3)
    ]
    assert [tilt.pre_exposure for tilt in series.tilts] == [0.0, 7.5, 15.0]
    assert [tilt.acquisition_order for tilt in series.tilts] == [0, 1, 2]
    assert {(tilt.axis_angle, tilt.defocus) for tilt in series.tilts} == {(88.0, 45_000.0)}


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ((section(0, **taken(1)), section(0, **taken(2))), r"line 10: a second \[ZValue = 0\]: the first is in line 6"),
        ((section(0, DateTime="30-Nov-15  15:21:38"),), r"\[ZValue = 0\] has no TiltAngle"),
        ((section(0, **taken(1, TiltAngle="3.0.1")),), r"line 6: TiltAngle of .* is '3.0.1': expected a number"),
        ((section(0, **taken(1, TiltAngle="nan")),), r"expected a number"),
        ((section(0, **taken(1, TiltAngle="3e9")),), r"TiltAngle of .* is 3e\+09: expected degrees"),
        ((section(0, **taken(1, ExposureDose=-3)),), r"line 6: ExposureDose of \[ZValue = 0\] is -3: expected e/Å² fr"),
        ((section(0, **taken(1, ExposureDose="1e300")),), r"ExposureDose of .* is 1e\+300: expected e/Å² from 0"),
        ((section(0, **taken(1, PriorRecordDose=-1)),), r"PriorRecordDose of .* is -1: expected e/Å²"),
        ((section(0, **taken(1, TargetDefocus="-1e200")),), r"TargetDefocus of .* is -1e\+200: expected µm from -100"),
        ((section(0, **taken(1, RotationAngle=1e9)),), r"RotationAngle of .* is 1e\+09: expected degrees from -360"),
        ((section(0, **taken(1, PixelSpacing=-5.4)),), r"PixelSpacing of .* is -5.4: expected Å per pixel, above 0"),
        ((section(0, **taken(1, PixelSpacing=0)),), r"PixelSpacing of .* is 0: expected Å per pixel, above 0"),
        (("[T = Tilt axis angle = 1e9, x]\n", section(0, **taken(1))), r"Tilt axis angle of its title is 1e\+09: exp"),
        ((section(0, **taken(1, DateTime="30-Foo-15  15:21:38")),), r"DateTime of .* expected a time such as"),
        ((section(0, **taken(1)), section(1, TiltAngle=6)), r"\[ZValue = 1\] has no DateTime, which 1 of 2"),
        ((section(-1, **taken(1)),), r"ZValue is '-1': expected a whole number"),
        ((section(0, **taken(1)) + "TiltAngle = 7\n",), r"TiltAngle is '7' and, above, '3.0': expected it once"),
        ((section(0, **taken(1)), "words\n", section(1, **taken(2))), r"line 10: 'words': expected a key and a value"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(sections, said):
    with pytest.raises(FormatError, match=said):
        read(*sections)


def test_doses_of_some_images_that_are_0_are_kept_and_told_once(caplog):
    doses = [taken(1, ExposureDose=2.0), taken(2, ExposureDose=0), taken(3, ExposureDose=2.0)]
    text = HEAD + "".join(section(number, **values) for number, values in enumerate(doses))
    for _ in range(2):
        tilts = read_mdoc(text.encode(), "some_are_zero.mdoc").tilts
    assert [tilt.exposure for tilt in tilts] == [2.0, 0.0, 2.0]
    assert [tilt.pre_exposure for tilt in tilts] == [0.0, 2.0, 2.0]
    (told,) = caplog.messages
    assert told.startswith("some_are_zero.mdoc: ExposureDose is 0 in 1 of 3 sections, the first is [ZValue = 1], line ")


def test_a_cut_file_is_told_as_one():
    with pytest.raises(TruncatedError, match="the file is cut"):
        read(section(0, **taken(1)) + "TiltAng")


@pytest.mark.parametrize("data", [b"", b"\n\n", b"II*\0" + bytes(100), b"\x89PNG\r\n\x1a\n", b"a" * 10 + b"\0" * 10])
def test_other_files_are_no_mdoc(data):
    with pytest.raises(FormatError, match=r"expected"):
        read_mdoc(data, "x.mdoc")


def test_names_of_series():
    assert [stem_of(name) for name in ("a/TS_1.mrc.mdoc", r"b\TS_1.st.mdoc", "TS_1.MDOC", "TS.1.mdoc")] == [
        *("TS_1", "TS_1", "TS_1", "TS.1")
    ]
