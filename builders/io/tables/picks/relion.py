"""Particles of RELION 3, 4 and 5 in tomograms."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.tables import star
from builders.io.tables.particle_table import NAME
from builders.io.tables.picks import project
from builders.io.tables.picks.checking import check_finite, check_names, shown
from builders.io.tables.picks.picks import Picks, Unit
from builders.io.tables.picks.turns import about_zyz
from builders.io.tables.relion import labels as relion_labels
from builders.io.tables.relion.choosing import OPTICS, optics_of, told
from builders.io.tables.relion.optics import Rows, first
from builders.io.tables.relion.particles import pixel_sizes

Array = NDArray[np.float64]
Beside = Callable[[str], bytes]
"""The bytes of a file that another one names."""

_CENTRED = ("rlnCenteredCoordinateXAngst", "rlnCenteredCoordinateYAngst", "rlnCenteredCoordinateZAngst")
_VOXELS = ("rlnCoordinateX", "rlnCoordinateY", "rlnCoordinateZ")
_ORIGIN = ("rlnOriginXAngst", "rlnOriginYAngst", "rlnOriginZAngst")
_ORIGIN_PIXELS = ("rlnOriginX", "rlnOriginY", "rlnOriginZ")
_ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
_SUBTOMOGRAM = ("rlnTomoSubtomogramRot", "rlnTomoSubtomogramTilt", "rlnTomoSubtomogramPsi")
_TOMOGRAMS = ("rlnTomoName", relion_labels.MICROGRAPH)
_SIZE_LABELS = (
    *(
        project.SERIES_PIXELS,
        *relion_labels.IMAGE_PIXELS,
        relion_labels.MICROGRAPH_PIXELS,
        relion_labels.ORIGINAL_PIXELS,
    ),
    *(relion_labels.BINNING, relion_labels.DETECTOR, relion_labels.MAGNIFICATION, relion_labels.GROUP),
)
_TOLD = 10
_KNOWN: dict[str, pa.DataType] = {
    **dict.fromkeys(_TOMOGRAMS, NAME),
    **dict.fromkeys((*_CENTRED, *_VOXELS, *_ORIGIN, *_ORIGIN_PIXELS, *_ANGLES, *_SUBTOMOGRAM), star.NUMBER),
    **dict.fromkeys(_SIZE_LABELS, star.NUMBER),
    **dict.fromkeys(project.FILES, star.TEXT),
}
_EXPECTED = f"particles in tomograms, with {_CENTRED[0]} (RELION 5) or {_VOXELS[2]} (RELION 3 and 4)"


def read(
    data: bytes,
    name: str,
    pixel_size: float | None = None,
    label: str | None = None,
    tomograms: bytes | None = None,
    beside: Beside | None = None,
) -> Picks:
    """Read a STAR file of particles in tomograms, or an optimisation set, which names one.

    With A and B the matrices of `rlnTomoSubtomogramRot/Tilt/Psi` (the identity where there are none) and
    `rlnAngleRot/Tilt/Psi`, a particle is turned by A B, and lies at its coordinate - A `rlnOriginX/Y/ZAngst` (RELION's
    `ParticleSet::getMatrix3x3` and `getPosition`).

    RELION 5 has Å from the middle of the tomogram: `tomograms.star` tells the unbinned size, half of which is added;
    without it they stay `"centred"`. RELION 3 and 4 have voxels from the centre of voxel 0: of the tilt series
    (`rlnTomoTiltSeriesPixelSize`), else of the micrograph's or the image's pixel size, as far as the file tells one.
    Tomograms are told by `rlnTomoName`, else `rlnMicrographName`, whole: text, be it `007`.

    Args:
        data: the file's bytes.
        name: of the file, for errors.
        pixel_size: Å, of the voxels of RELION 3 and 4, in place of what the file tells.
        label: what the particles are.
        tomograms: the bytes of the file of tomograms.
        beside: gives the bytes of the files that an optimisation set names.

    Raises:
        FormatError: it is something else, or a row is wrong: with its line.
        UnsafePathError: an optimisation set names a file outside of its project.
    """
    blocks = star.read(data, name, _wanted)
    if (named := project.files_of(blocks, name)) is not None:
        if beside is None:
            msg = f"{name}: an optimisation set, which names {named.particles!r}: expected that file itself"
            raise FormatError(msg)
        if tomograms is None and named.tomograms is not None:
            tomograms = beside(named.tomograms)
        return read(beside(named.particles), named.particles, pixel_size, label, tomograms)
    rows = Rows(_particles(blocks, name), optics_of(blocks, name), name)
    names = _tomograms(rows)
    frame = about_zyz(_columns(rows, _SUBTOMOGRAM)) if _has(rows, _SUBTOMOGRAM) else None
    turns = about_zyz(_columns(rows, _ANGLES)) if _has(rows, _ANGLES) else None
    place = _centred(rows, frame) if _has(rows, _CENTRED) else _in_voxels(rows, frame, pixel_size)
    if place.unit == "centred" and tomograms is not None:
        place = _Place(place.points + _middles(names, rows, tomograms, f"tomograms of {name}"), "angstrom")
    check_finite(place.points, _CENTRED if place.unit == "centred" else _VOXELS, lambda row: _where(rows, row))
    return Picks(
        name=name,
        points=place.points,
        unit=place.unit,
        labels=None if label is None else (label,) * rows.count,
        rotations=turns if frame is None else frame if turns is None else frame @ turns,
        tomograms=names,
        pixel_size=place.pixel_size,
    )


def _wanted(block: str, there: tuple[str, ...]) -> Mapping[str, pa.DataType]:
    return {label: _KNOWN[label] for label in there if label in _KNOWN}


def _particles(blocks: list[star.Block], name: str) -> star.Block:
    """The block of particles.

    Raises:
        FormatError: there is none, or more than one.
    """
    others = [block for block in blocks if block.name != OPTICS]
    found = [block for block in others if {*_CENTRED} <= {*block.labels} or {*_VOXELS} <= {*block.labels}]
    if len(found) == 1:
        return found[0]
    if found:
        where = ", ".join(f"{block.name!r} (line {block.line})" for block in found[:10])
        said = f"{len(found)} blocks of particles: {where}: expected one"
    elif any(_VOXELS[0] in block.labels for block in others):
        said = f"{_VOXELS[0]} and no {_VOXELS[2]}, as of particles in micrographs: expected {_EXPECTED}"
    else:
        said = f"{told(blocks)}: expected {_EXPECTED}"
    msg = f"{name}: {said}"
    raise FormatError(msg)


def _has(rows: Rows, labels: tuple[str, ...]) -> bool:
    return all(label in rows.block.labels for label in labels)


def _columns(rows: Rows, labels: tuple[str, ...]) -> Array:
    """`(n, len(labels))`.

    Raises:
        FormatError: a row has no number: with its line.
    """
    found = []
    for label in labels:
        column = rows.block.columns[label].combine_chunks()
        if (row := first(pc.is_null(column))) is not None:
            raise rows.error(row, f"no {label}: expected a number")
        found.append(np.asarray(column))
    columns = np.stack(found, axis=1)
    check_finite(columns, labels, lambda row: _where(rows, row))
    return columns


def _where(rows: Rows, row: int) -> str:
    return f"{rows.name}: line {rows.block.lines.of(row)}"


def _tomograms(rows: Rows) -> tuple[str, ...]:
    label = next((label for label in _TOMOGRAMS if label in rows.block.labels), None)
    if label is None:
        msg = f"{rows.name}: no {' and no '.join(_TOMOGRAMS)} in block {rows.block.name!r}: expected one of them"
        raise FormatError(msg)
    coded = rows.block.columns[label].unify_dictionaries().combine_chunks()
    if (row := first(pc.is_null(coded))) is not None:
        raise rows.error(row, f"no {label}: expected the name of a tomogram")
    known, codes = coded.dictionary.to_pylist(), coded.indices.to_pylist()
    check_names(known, label, lambda found: _where(rows, codes.index(known.index(found))))
    return tuple(map(known.__getitem__, codes))


class _Place(NamedTuple):
    points: Array
    unit: Unit
    pixel_size: float | None = None


def _centred(rows: Rows, frame: Array | None) -> _Place:
    points = _columns(rows, _CENTRED)
    if _has(rows, _ORIGIN):
        points = points - _framed(_columns(rows, _ORIGIN), frame)
    return _Place(points, "centred")


def _in_voxels(rows: Rows, frame: Array | None, asked: float | None) -> _Place:
    """Points in voxels of one size, or of one that no row tells; in Å where sizes differ."""
    series, image = _sizes(rows)
    sizes = series if asked is None else np.full(rows.count, asked)
    points = _columns(rows, _VOXELS)
    if _has(rows, _ORIGIN):
        shifts = _framed(_columns(rows, _ORIGIN), frame)
        if (is_lost := np.isnan(sizes) & shifts.any(axis=1)).any():
            said = f"{_ORIGIN[0]} is in Å, and the table does not tell the pixel size of {_VOXELS[0]}"
            raise rows.error(int(np.argmax(is_lost)), f"{said}: expected one; picks_pixel_size= tells it")
        points = points - np.where(np.isnan(sizes), 0, shifts.T / sizes).T
    elif _has(rows, _ORIGIN_PIXELS):
        scales = np.nan_to_num(image / sizes, nan=1.0)
        points = points - _framed(_columns(rows, _ORIGIN_PIXELS), frame) * scales[:, None]
    is_unknown = np.isnan(sizes)
    if is_unknown.all():
        return _Place(points, "voxel")
    if is_unknown.any():
        raise rows.error(
            int(np.argmax(is_unknown)), "no pixel size, which other rows have: expected one in all of them"
        )
    if (sizes == sizes[0]).all():
        return _Place(points, "voxel", float(sizes[0]))
    return _Place(points * sizes[:, None], "angstrom")


def _framed(vectors: Array, frame: Array | None) -> Array:
    return vectors if frame is None else np.einsum("nij,nj->ni", frame, vectors)


def _sizes(rows: Rows) -> tuple[Array, Array]:
    """Å of the voxels of coordinates, and of those of images; NaN where the file does not tell."""
    image, micrograph = pixel_sizes(rows, has_images=True)
    series = rows.numbers(project.SERIES_PIXELS)
    if series is not None:
        micrograph = pc.coalesce(pc.if_else(pc.greater(series, 0), series, pa.scalar(None, star.NUMBER)), micrograph)
    return tuple(column.to_numpy(zero_copy_only=False) for column in (pc.coalesce(micrograph, image), image))


def _middles(names: tuple[str, ...], rows: Rows, tomograms: bytes, name: str) -> Array:
    """Of each row, the middle of its tomogram, Å from the centre of voxel 0.

    Raises:
        FormatError: the file of tomograms does not tell it.
    """
    extents = project.extents_of(tomograms, name)
    coded = pa.array(names, pa.string()).dictionary_encode()
    known = coded.dictionary.to_pylist()
    codes = coded.indices.to_numpy()
    for code, tomogram in enumerate(known):
        if tomogram not in extents:
            there = ", ".join(map(repr, list(extents)[:_TOLD]))
            said = f"tomogram {shown(tomogram)} is not in the file of tomograms: expected one of {there}"
            raise rows.error(int(np.argmax(codes == code)), said)
    middles: Array = np.array([extents[tomogram] for tomogram in known]).reshape(-1, 3)[codes] / 2
    return middles
