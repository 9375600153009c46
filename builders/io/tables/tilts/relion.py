"""RELION 5's tables: `tilt_series.star`, `tomograms.star`, an optimisation set, and the file of each tilt series."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from builders.errors import FormatError
from builders.io.tables import star
from builders.io.tables.star import Block
from builders.io.tables.tilts.lines import ANGLE, DEFOCUS, DEFOCUS_UM, DOSE, PIXEL_SIZE, SHIFT, Quantity, number, whole
from builders.io.tables.tilts.series import MOST_TILTS, Tilt, TiltSeries, turned, with_doses

NAME, FILE, TOMOGRAMS = "rlnTomoName", "rlnTomoTiltSeriesStarFile", "rlnTomoTomogramsFile"
IMAGE, MOVIE = "rlnMicrographName", "rlnMicrographMovieName"
_ANGLES = ("rlnTomoYTilt", "rlnTomoNominalStageTiltAngle")
_AXES = ("rlnTomoZRot", "rlnTomoNominalTiltAxisAngle")
_SIZES = ("rlnTomoTiltSeriesPixelSize", "rlnMicrographOriginalPixelSize", "rlnMicrographPixelSize")
_OPTICS = {
    "voltage": "rlnVoltage",
    "spherical_aberration": "rlnSphericalAberration",
    "amplitude_contrast": "rlnAmplitudeContrast",
}
_QUANTITIES: Mapping[str, Quantity] = {
    **dict.fromkeys((*_ANGLES, *_AXES, "rlnDefocusAngle", "rlnPhaseShift"), ANGLE),
    **dict.fromkeys(("rlnMicrographPreExposure", "rlnTomoImportFractionalDose"), DOSE),
    **dict.fromkeys(("rlnDefocusU", "rlnDefocusV"), DEFOCUS),
    **dict.fromkeys(("rlnTomoXShiftAngst", "rlnTomoYShiftAngst"), SHIFT),
    **dict.fromkeys(_SIZES, PIXEL_SIZE),
    "rlnTomoNominalDefocus": DEFOCUS_UM,
}
_EXPECTED = "tilt_series.star or tomograms.star of RELION 5, or an optimisation set"


@dataclass(frozen=True, slots=True)
class Listed:
    """A series as a table of several has it.

    Attributes:
        name: rlnTomoName, whole.
        file: the STAR file of its images, as the table spells it.
        pixel_size: Å of its images.
        movie_pixel_size: Å of its movies.
        optics: voltage, spherical aberration, amplitude contrast.
        fractional_dose: e/Å² of an image, where older tables tell it.
    """

    name: str
    file: str
    pixel_size: float | None
    movie_pixel_size: float | None
    optics: Mapping[str, float | None]
    fractional_dose: float | None


def read_list(data: bytes, name: str) -> list[Listed] | str:
    r"""The series of a `tilt_series.star` or `tomograms.star`.

    Args:
        data: of the file.
        name: the file's, for errors.

    Returns:
        The series; of an optimisation set, the name of the file that lists them.

    Raises:
        FormatError: it is another table, or names a series twice.

    Example:
        >>> text = b"data_global\n\nloop_\n_rlnTomoName #1\n_rlnTomoTiltSeriesStarFile #2\n007 tilt_series/007.star\n"
        >>> [(one.name, one.file) for one in read_list(text, "tilt_series.star")]
        [('007', 'tilt_series/007.star')]
    """
    blocks = star.read(data, name)
    named = next((block for block in blocks if TOMOGRAMS in block.labels), None)
    if named is not None and named.rows == 1:
        file = named.columns[TOMOGRAMS][0].as_py()
        if file:
            return str(file)
    table = next((block for block in blocks if {NAME, FILE} <= set(block.labels)), None)
    if table is None or not table.rows:
        what = "no row in it" if table is not None else f"no block with {NAME} and {FILE}"
        msg = f"{name}: {what}: expected {_EXPECTED}"
        raise FormatError(msg)
    found = [_listed(row, name, table.lines.of(place)) for place, row in enumerate(table.columns.to_pylist())]
    seen: set[str] = set()
    for one in found:
        if one.name in seen:
            msg = f"{name}: {NAME} {one.name!r} twice: expected each series once"
            raise FormatError(msg)
        seen.add(one.name)
    return found


def _listed(row: Mapping[str, str | None], name: str, line: int) -> Listed:
    series, file = row[NAME], row[FILE]
    if not series or not file:
        msg = f"{name}, line {line}: no {FILE if series else NAME}: expected the name of a series and of its file"
        raise FormatError(msg)
    optics = {ours: _value(row, theirs, name, line) for ours, theirs in _OPTICS.items()}
    sizes = [_value(row, label, name, line) for label in _SIZES]
    size = next((one for one in sizes if one), None)
    fraction = _value(row, "rlnTomoImportFractionalDose", name, line)
    return Listed(series, file, size, sizes[1] or size, optics, fraction)


def read_series(data: bytes, name: str, listed: Listed) -> TiltSeries:
    r"""The images of a series, by its own STAR file, in its order.

    Images are the motion-corrected ones (rlnMicrographName), else the movies. Angles and axes are the aligned ones
    (rlnTomoYTilt, rlnTomoZRot), else those of the stage. rlnTomoXShiftAngst moves the projection to the image: the
    image's own shift is minus that. rlnMicrographPreExposure is as `with_doses` has it.

    Args:
        data: of the file.
        name: the file's, for errors.
        listed: what the table of all series says of it.

    Raises:
        FormatError: it is no such file, or a value is none.
    """
    blocks = [block for block in star.read(data, name) if {IMAGE, MOVIE} & set(block.labels)]
    chosen = [block for block in blocks if block.name == listed.name] or blocks
    if len(chosen) != 1 or not 0 < chosen[0].rows <= MOST_TILTS:
        rows = f"{len(chosen)} blocks" if len(chosen) != 1 else f"{chosen[0].rows} rows"
        msg = f"{name}: {rows} with {IMAGE} or {MOVIE}: expected one block, of the images of {listed.name!r}"
        raise FormatError(msg)
    block = chosen[0]
    rows = block.columns.to_pylist()
    tilts = [_tilt(row, name, block.lines.of(place), listed, block) for place, row in enumerate(rows)]
    sums = [_value(row, "rlnMicrographPreExposure", name, block.lines.of(place)) for place, row in enumerate(rows)]
    found = with_doses(tilts, sums, name)
    if listed.fractional_dose:
        found = tuple(replace(tilt, exposure=listed.fractional_dose) for tilt in found)
    return TiltSeries(listed.name, name, found)


def _tilt(row: Mapping[str, str | None], name: str, line: int, listed: Listed, block: Block) -> Tilt:
    def value(*labels: str) -> float | None:
        return next((one for label in labels if (one := _value(row, label, name, line)) is not None), None)

    spelled = row.get(IMAGE) or row.get(MOVIE)
    if not spelled:
        msg = f"{name}, line {line}: no {IMAGE if IMAGE in block.labels else MOVIE}: expected the file of an image"
        raise FormatError(msg)
    count, at, file = spelled.partition("@")
    section = whole(count, name, line, f"the number before the @ of {spelled[:80]!r}") - 1 if at else None
    if section == -1:
        msg = f"{name}, line {line}: {spelled[:80]!r}: expected a number from 1 on before the @"
        raise FormatError(msg)
    axis, x, y = value(*_AXES), value("rlnTomoXShiftAngst"), value("rlnTomoYShiftAngst")
    ctf = _ctf(row, name, line, listed)
    nominal = value("rlnTomoNominalDefocus")
    defocus = None if nominal is None else 0.0 - nominal * 1e4  # µm, underfocus negative
    if ctf is not None:
        defocus = ((ctf["defocus_u"] or 0.0) + (ctf["defocus_v"] or 0.0)) / 2
    return Tilt(
        image=file if at else spelled,
        section=section,
        tilt_angle=value(*_ANGLES),
        axis_angle=None if axis is None else turned(axis),
        defocus=defocus,
        ctf=ctf,
        shift_x=None if x is None else 0.0 - x,
        shift_y=None if y is None else 0.0 - y,
        pixel_size=listed.pixel_size if row.get(IMAGE) else listed.movie_pixel_size,
    )


def _ctf(row: Mapping[str, str | None], name: str, line: int, listed: Listed) -> dict[str, float | None] | None:
    u, v, angle, phase = (
        _value(row, label, name, line) for label in ("rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle", "rlnPhaseShift")
    )
    if u is None:
        return None
    lenses = {"defocus_u": u, "defocus_v": u if v is None else v, "defocus_angle": angle or 0.0}
    return {**lenses, **listed.optics, "phase_shift": phase or 0.0}


def _value(row: Mapping[str, str | None], label: str, name: str, line: int) -> float | None:
    text = row.get(label)
    return None if not text else number(text, name, line, label, _QUANTITIES.get(label))
