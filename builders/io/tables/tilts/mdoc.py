"""SerialEM's `.mdoc` files as tilt series.

Only `[ZValue = n]` (a section of a stack) and `[FrameSet = n]` (a movie, whose dose is that of all frames) are images;
a `[MontSection = n]` speaks of a montage, whose sections are its pieces.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from builders.errors import FormatError
from builders.io.reports import report_once
from builders.io.tables.tilts.lines import ANGLE, DEFOCUS_UM, DOSE, PIXEL_SIZE, Quantity, number, whole
from builders.io.tables.tilts.sections import Mdoc, Section, parse
from builders.io.tables.tilts.series import Tilt, TiltSeries, ranks, turned, with_sums

_AXIS = re.compile(r"tilt axis angle\s*=\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?)", re.IGNORECASE)
_TIME = re.compile(r"(\d{1,4})-([A-Za-z]{3}|\d{1,2})-(\d{1,4})\s+(\d{1,2}):(\d{2}):(\d{2})(\.\d+)?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_IMAGES = ("ZValue", "FrameSet")
"""The second are images where there are none of the first."""
_QUANTITIES: Mapping[str, Quantity] = {
    **dict.fromkeys(("TiltAngle", "RotationAngle"), ANGLE),
    **dict.fromkeys(("ExposureDose", "PriorRecordDose"), DOSE),
    "TargetDefocus": DEFOCUS_UM,
    "PixelSpacing": PIXEL_SIZE,
}
_OF_ALL = ("RotationAngle", "PixelSpacing", "TargetDefocus")


class MontageError(FormatError):
    """An mdoc that is of a montage, a map of the grid, and not of a tilt series."""


def read_mdoc(data: bytes, name: str, series: str | None = None) -> TiltSeries:
    r"""The images of an mdoc, in its order.

    The order of acquisition is that of DateTime (else of PriorRecordDose); `pre_exposure` is PriorRecordDose, or the
    sum of ExposureDose before it; doses that are 0 throughout were not measured. The axis is the title's, else
    RotationAngle - 90. Of pixel sizes, a section's own counts before the header's.

    Args:
        data: of the file.
        name: the file's, for errors.
        series: the series'; by default the file's name without its endings.

    Raises:
        FormatError: it is no mdoc of images, or damaged, or a number in it cannot be.
        MontageError: its images are pieces of a montage.

    Example:
        >>> head = b"[T = Tilt axis angle = 85.3, binning = 4]\n"
        >>> first = b"[ZValue = 0]\nTiltAngle = 3\nExposureDose = 2\nDateTime = 30-Nov-15  15:22:37\n"
        >>> second = b"[ZValue = 1]\nTiltAngle = 0\nExposureDose = 2\nDateTime = 30-Nov-15  15:21:38\n"
        >>> for tilt in read_mdoc(head + first + second, "TS_1.mrc.mdoc").tilts:
        ...     print(tilt.section, tilt.tilt_angle, tilt.acquisition_order, tilt.pre_exposure, tilt.axis_angle)
        0 3.0 1 2.0 85.3
        1 0.0 0 0.0 85.3
    """
    mdoc = parse(data, name)
    images = [_with_movie(mdoc, section) for section in _images(mdoc)]
    titled = next((found[1] for title in mdoc.titles if (found := _AXIS.search(title))), None)
    axis = None if titled is None else number(titled, name, None, "Tilt axis angle of its title", ANGLE)
    tilts = [_tilt(mdoc, section, axis) for section in images]
    times = _all_or_none(mdoc, images, "DateTime")
    prior = [_number(mdoc, section, "PriorRecordDose") for section in images]
    is_kept = all(value is not None for value in prior) and (len(prior) == 1 or any(prior))
    if times is not None:
        keys = [_seconds(mdoc, section) for section in images]
    else:
        keys = [value for value in prior if value is not None] if is_kept and len(set(prior)) == len(prior) else []
    doses = [_number(mdoc, section, "ExposureDose") for section in images]
    doses = doses if any(doses) else [None] * len(doses)
    _tell_zeros(mdoc, images, doses)
    order: list[int | None] = [*ranks(keys)] if keys else [None] * len(images)
    made = [
        replace(tilt, acquisition_order=rank, exposure=dose)
        for tilt, rank, dose in zip(tilts, order, doses, strict=True)
    ]
    if len(images) > 1 or images[0].kind == "ZValue":  # a movie of its own does not tell what was taken before
        made = [*with_sums(made)]
    if is_kept:
        made = [replace(tilt, pre_exposure=value) for tilt, value in zip(made, prior, strict=True)]
    return TiltSeries(series or stem_of(name), name, tuple(made), _size(mdoc))


def stem_of(name: str) -> str:
    """The name of a series by that of its mdoc.

    Example:
        >>> stem_of("mdocs/TS_01.mrc.mdoc"), stem_of("TS_01.mdoc")
        ('TS_01', 'TS_01')
    """
    base = re.split(r"[/\\]", name)[-1]
    base = re.sub(r"\.mdoc$", "", base, flags=re.IGNORECASE)
    return re.sub(r"\.(?:mrcs?|st|ali|tiff?|eer|rec|map)$", "", base, flags=re.IGNORECASE) or base


def base_of(path: str) -> str:
    r"""The last part of a path, of any system.

    Example:
        >>> base_of(r"D:\DATA\frames\TS_01_000_0.0.mrc"), base_of("/data/x.tif")
        ('TS_01_000_0.0.mrc', 'x.tif')
    """
    return re.split(r"[/\\]", path.strip())[-1]


def _images(mdoc: Mdoc) -> list[Section]:
    """The sections that are images.

    Raises:
        FormatError: there are none, or two are of one section of a stack.
        MontageError: they are pieces of a montage.
    """
    images = next((found for kind in _IMAGES if (found := [s for s in mdoc.sections if s.kind == kind])), [])
    pieces = next((section for section in images if "PieceCoordinates" in section.values), None)
    if pieces is not None:
        msg = f"{mdoc.name}, line {pieces.line}: [{pieces.kind} = {pieces.number}] is a piece of a montage: expected "
        msg += "the images of a tilt series"
        raise MontageError(msg)
    if not images:
        kinds = ", ".join(dict.fromkeys(section.kind for section in mdoc.sections)) or "no section"
        msg = f"{mdoc.name}: {kinds} in it: expected [ZValue = 0] and so on, or [FrameSet = 0]"
        raise (MontageError if "MontSection" in kinds else FormatError)(msg)
    first: dict[str, int] = {}
    for section in images:
        if section.kind == "ZValue" and first.setdefault(section.number, section.line) != section.line:
            msg = f"{mdoc.name}, line {section.line}: a second [ZValue = {section.number[:20]}]: the first is in line "
            msg += f"{first[section.number]}"
            raise FormatError(msg)
    return images


def _with_movie(mdoc: Mdoc, section: Section) -> Section:
    """A section with what only the movie that all were taken in says of each: never its doses, which are the sum."""
    movies = [other for other in mdoc.sections if other.kind == "FrameSet"]
    if section.kind == "FrameSet" or len(movies) != 1:
        return section
    told = {key: value for key, value in movies[0].values.items() if key in _OF_ALL}
    return replace(section, values={**told, **section.values})


def _tilt(mdoc: Mdoc, section: Section, axis: float | None) -> Tilt:
    """What one section says, but for what the others have to be known for.

    Raises:
        FormatError: it has no tilt angle, or what should be a number is none, or one that cannot be.
    """
    angle = _number(mdoc, section, "TiltAngle")
    if angle is None:
        msg = f"{mdoc.name}, line {section.line}: [{section.kind} = {section.number}] has no TiltAngle"
        raise FormatError(msg)
    turn = _number(mdoc, section, "RotationAngle")
    if axis is None and turn is not None:
        axis = turned(turn - 90.0)
    target = _number(mdoc, section, "TargetDefocus")
    size = _number(mdoc, section, "PixelSpacing")
    if size is None and "PixelSpacing" in mdoc.header:
        size = number(mdoc.header["PixelSpacing"], mdoc.name, None, "PixelSpacing of its header", PIXEL_SIZE)
    frames = section.values.get("SubFramePath", "").strip()
    return Tilt(
        image=frames or None,
        section=whole(section.number, mdoc.name, section.line, "ZValue") if section.kind == "ZValue" else None,
        tilt_angle=angle,
        axis_angle=axis,
        defocus=None if target is None else 0.0 - target * 1e4,  # of the microscope: µm, underfocus negative
        pixel_size=size,
    )


def _number(mdoc: Mdoc, section: Section, key: str) -> float | None:
    text = section.values.get(key)
    what = f"{key} of [{section.kind} = {section.number}]"
    return None if not text else number(text, mdoc.name, section.line, what, _QUANTITIES[key])


def _tell_zeros(mdoc: Mdoc, images: Sequence[Section], doses: Sequence[float | None]) -> None:
    """Say which images have no dose where others have one: they were blanked, or it was not measured."""
    zeros = [section for section, dose in zip(images, doses, strict=True) if dose == 0]
    if zeros:
        first = f"[{zeros[0].kind} = {zeros[0].number}], line {zeros[0].line}"
        said = f"ExposureDose is 0 in {len(zeros)} of {len(images)} sections, the first is {first}: read as it is"
        report_once(said, mdoc.name)


def _all_or_none(mdoc: Mdoc, images: list[Section], key: str) -> list[str] | None:
    """What all sections say of a key; None where none says anything.

    Raises:
        FormatError: some do.
    """
    there = [section.values.get(key, "") for section in images]
    without = next((section for section, text in zip(images, there, strict=True) if not text), None)
    if without is None or not any(there):
        return None if without is not None else there
    count = sum(map(bool, there))
    msg = f"{mdoc.name}, line {without.line}: [{without.kind} = {without.number}] has no {key}, which {count} of "
    msg += f"{len(there)} others have: is the file cut?"
    raise FormatError(msg)


def _seconds(mdoc: Mdoc, section: Section) -> float:
    """When an image was taken, in seconds, by its DateTime: `30-Nov-15  15:21:38`, also with a year of four digits.

    Raises:
        FormatError: it is no such time.
    """
    text = section.values["DateTime"]
    found = _TIME.match(text)
    try:
        if found is None:
            raise ValueError
        day, month, year = found[1], found[2], found[3]
        if len(day) > 2:
            day, year = year, day
        number = int(month) if month.isdecimal() else _MONTHS.index(month.lower()) + 1
        full = int(year) + (2000 if len(year) < 3 else 0)
        taken = datetime(full, number, int(day), int(found[4]), int(found[5]), int(found[6]))
        return (taken - datetime(2000, 1, 1)) / timedelta(seconds=1) + float(found[7] or 0)
    except (ValueError, OverflowError) as err:
        msg = f"{mdoc.name}, line {section.line}: DateTime of [{section.kind} = {section.number}] is {text[:40]!r}: "
        msg += "expected a time such as 30-Nov-15  15:21:38"
        raise FormatError(msg) from err


def _size(mdoc: Mdoc) -> tuple[int, int] | None:
    """`(nx, ny)` of the stack, where the header tells it."""
    texts = mdoc.header.get("ImageSize", "").split()
    if len(texts) != 2 or not all(text.isascii() and text.isdecimal() and len(text) < 10 for text in texts):
        return None
    return int(texts[0]), int(texts[1])
