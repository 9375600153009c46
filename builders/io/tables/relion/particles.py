"""A STAR file of RELION 3.0, 3.1, 4 or 5 -> a `ParticleTable`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from builders.io.reports import report_once
from builders.io.tables import star
from builders.io.tables.asked import check_columns, settled
from builders.io.tables.particle_table import CTF, NAME, POSE, SCHEMA, ParticleTable
from builders.io.tables.relion import image_names, labels
from builders.io.tables.relion.choosing import optics_of, table_of
from builders.io.tables.relion.optics import ABSENT, Rows, first
from builders.io.tables.relion.subtomograms import stacks_of

_ALIKE = 0.01, 1e-3
"""How far origins in pixels and in Å, both rounded by who wrote them, may lie apart: Å, and of the value."""


def read(path: Path, name: str, columns: Sequence[str] = (), pixel_size: float | None = None) -> ParticleTable:
    """Read a table of particles, of coordinates or of micrographs.

    Args:
        path: of the file on this machine.
        name: of the file, for messages.
        columns: labels that are read besides, without the `_`; those that `ParticleTable` has already, too. Values of
            labels that RELION has for text, and of those that are not all numbers, are text.
        pixel_size: of the images, Å, where the table does not tell it: origins in pixels need it.

    Raises:
        FormatError: something else, or a line is wrong: with its number.
        OptionError: a column is not there.
    """
    asked = list(dict.fromkeys(column.removeprefix("_") for column in columns))
    blocks = star.read(path, name, lambda block, there: _wanted(block, there, asked))
    block, optics = table_of(blocks, name), optics_of(blocks, name)
    check_columns(asked, (*block.labels, *(optics.labels if optics is not None else ())), name)
    rows = Rows(block, optics, name)
    found, stacks = _columns(rows, pixel_size), stacks_of(rows, blocks)
    if stacks is not None:
        found["micrograph"] = _names(rows, labels.TOMOGRAM)
    _say_what_is_null(rows)
    table = pa.table([found[field.name] for field in SCHEMA], SCHEMA)
    return ParticleTable(
        name=name,
        program="relion",
        rows=table,
        extra=pa.table({label: _extra(rows, label) for label in asked}),
        has_poses=table["pose"].null_count < len(table),
        has_ctf=table["ctf"].null_count < len(table),
        stacks=stacks,
    )


def _wanted(block: str, there: tuple[str, ...], asked: Sequence[str]) -> Mapping[str, pa.DataType]:
    if block not in ("general", "optics") and labels.IMAGE not in there and labels.MICROGRAPH not in there:
        return {}
    return {label: labels.KNOWN.get(label, star.TEXT) for label in there if label in labels.KNOWN or label in asked}


def _columns(rows: Rows, pixel_size: float | None) -> dict[str, pa.Array]:
    """All columns of `SCHEMA`."""
    images, slices = _images(rows)
    size, micrograph_size = pixel_sizes(rows, has_images=labels.IMAGE in rows.block.labels)
    if pixel_size is not None and any(in_pixels in rows.block.labels for _, in_pixels in labels.SHIFTS.values()):
        size = pc.fill_null(size, pixel_size)  # the images', too, whatever their files say: shifts stay those pixels
    integers = {"optics_group": labels.GROUP, "class_number": labels.CLASS, "image_size": labels.IMAGE_SIZE}
    return {
        "image": images,
        "slice": slices,
        "pixel_size": rows.narrowed(size, "pixel size"),
        "micrograph": _names(rows, labels.MICROGRAPH),
        "micrograph_pixel_size": rows.narrowed(micrograph_size, labels.MICROGRAPH_PIXELS),
        "micrograph_height": pa.nulls(rows.count, pa.int64()),
        "ctf": _ctf(rows),
        "pose": _pose(rows, size),
        "half_set": _half_sets(rows),
        **{column: rows.single(label) for column, label in labels.COORDINATES.items()},
        **{column: rows.integers(label) for column, label in integers.items()},
    }


def _images(rows: Rows) -> tuple[pa.Array, pa.Array]:
    if labels.IMAGE not in rows.block.labels:
        return pa.nulls(rows.count, NAME), pc.fill_null(pa.nulls(rows.count, pa.int64()), 0)
    return image_names.split(rows.block.columns[labels.IMAGE], rows.error)


def _names(rows: Rows, label: str) -> pa.Array:
    if label not in rows.block.columns.column_names:
        return pa.nulls(rows.count, NAME)
    return rows.block.columns[label].unify_dictionaries().combine_chunks()


def _half_sets(rows: Rows) -> pa.Array:
    """1 and 2; what is 0 belongs to none.

    Raises:
        FormatError: there is a third one: with the line's number.
    """
    given = rows.integers(labels.HALF_SET)
    if (row := first(pc.invert(pc.is_in(given, pa.array([0, 1, 2, None], pa.int64()))))) is not None:
        raise rows.error(row, f"{labels.HALF_SET} is {given[row].as_py()}: expected 1 or 2, or 0 for neither")
    sets = pc.if_else(pc.equal(given, 0), pa.scalar(None, pa.int64()), given)
    if len(sets) and sets.null_count == len(sets) and given.null_count < len(given):
        report_once(f"{labels.HALF_SET} is 0 in every row: its particles were not divided into half-sets", rows.name)
    return sets


def pixel_sizes(rows: Rows, has_images: bool) -> tuple[pa.Array, pa.Array]:
    """Å per pixel of images and of micrographs, null where the table does not tell, or tells nothing above 0."""
    of_image = pa.nulls(rows.count, star.NUMBER)
    for label in labels.IMAGE_PIXELS:
        if (size := rows.numbers(label)) is not None:
            of_image = pc.coalesce(of_image, _above_0(size))
    of_micrograph = _above_0(rows.numbers(labels.MICROGRAPH_PIXELS), rows.count)
    original, binning = (rows.numbers(label) for label in (labels.ORIGINAL_PIXELS, labels.BINNING))
    if original is not None and binning is not None:
        of_micrograph = pc.coalesce(of_micrograph, _above_0(pc.multiply(original, binning)))
    detector, magnification = (rows.numbers(label) for label in (labels.DETECTOR, labels.MAGNIFICATION))
    if detector is not None and magnification is not None:
        scanned = _above_0(pc.divide(pc.multiply(detector, 1e4), _above_0(magnification)))
        if has_images:
            of_image = pc.coalesce(of_image, scanned)
        else:
            of_micrograph = pc.coalesce(of_micrograph, scanned)
    return of_image, of_micrograph


def _above_0(sizes: pa.Array | None, count: int = 0) -> pa.Array:
    if sizes is None:
        return pa.nulls(count, star.NUMBER)
    return pc.if_else(pc.greater(sizes, 0), sizes, pa.scalar(None, star.NUMBER))


def _ctf(rows: Rows) -> pa.Array:
    """Null where there is no defocus."""
    values = {name: rows.single(label) for name, label in labels.CTF.items()}
    return _struct(values, CTF, ("defocus_u", "defocus_v"))


def _pose(rows: Rows, size: pa.Array) -> pa.Array:
    """Null where there is no angle."""
    values = {name: rows.single(label) for name, label in labels.ANGLES.items()}
    for name, (in_angstrom, in_pixels) in labels.SHIFTS.items():
        values[name] = rows.narrowed(_shifts(rows, in_angstrom, in_pixels, size), in_angstrom)
    return _struct(values, POSE, tuple(labels.ANGLES))


def _shifts(rows: Rows, in_angstrom: str, in_pixels: str, size: pa.Array) -> pa.Array:
    """Origins in Å, also of tables that have them in pixels.

    Raises:
        FormatError: a row has both, and they are unlike: with the line's number.
    """
    angstrom, pixels = rows.numbers(in_angstrom), rows.numbers(in_pixels)
    if pixels is None:
        return pa.nulls(rows.count, star.NUMBER) if angstrom is None else angstrom
    scaled = pc.multiply(pixels, size)
    if angstrom is None:
        if scaled.null_count > pixels.null_count:
            said = f"{in_pixels} is in pixels, and the table does not tell their size: there is no shift"
            report_once(f"{said}; pixel_size= tells it", rows.name)
        return scaled
    allowed = pc.add(pc.multiply(pc.abs(angstrom), _ALIKE[1]), _ALIKE[0])
    row = first(pc.greater(pc.abs(pc.subtract(scaled, angstrom)), allowed))
    if row is not None:
        said = f"{in_pixels} {pixels[row].as_py():g} times the pixel size {size[row].as_py():g} Å is unlike"
        raise rows.error(row, f"{said} {in_angstrom} {angstrom[row].as_py():g}: expected one of them, or like ones")
    return pc.coalesce(angstrom, scaled)


def _struct(values: Mapping[str, pa.Array], kind: pa.StructType, deciding: tuple[str, ...]) -> pa.Array:
    """Values together; null where none of the deciding ones is there."""
    is_null = pc.is_null(values[deciding[0]])
    for name in deciding[1:]:
        is_null = pc.and_(is_null, pc.is_null(values[name]))
    return pa.StructArray.from_arrays([values[field.name] for field in kind], fields=list(kind), mask=is_null)


def _extra(rows: Rows, label: str) -> pa.ChunkedArray:
    """A column that was asked for, of the type that it has."""
    if label in labels.INTEGERS:
        return pa.chunked_array([rows.integers(label)])
    if labels.KNOWN.get(label) == star.NUMBER:
        numbers = rows.numbers(label)
        return pa.chunked_array([pa.nulls(rows.count, star.NUMBER) if numbers is None else numbers])
    values = rows.texts(label)
    if labels.is_text(label):
        return values
    found = settled(values)
    absent = pa.scalar(ABSENT).cast(found.type) if found.type != star.TEXT else None
    return found if absent is None else pc.if_else(pc.equal(found, absent), pa.scalar(None, found.type), found)


def _say_what_is_null(rows: Rows) -> None:
    """Say once of which numbers some are missing."""
    told = []
    for label in (*labels.CTF.values(), *labels.ANGLES.values()):
        count = 0 if (found := rows.numbers(label)) is None else found.null_count
        if 0 < count < rows.count:
            told.append(f"{count} of {label}")
    if told:
        report_once(f"no numbers in some of {rows.count} rows ({', '.join(told)}): null there", rows.name)
