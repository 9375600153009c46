"""Series as rows: the columns of a catalogue, one row an image or one row a series."""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from builders.io.tables.particle_table import CTF
from builders.io.tables.tilts import Tilt
from builders.stacks.files import SourceFile
from builders.stacks.picked.groups import WHOLE
from builders.tilt_series.assembling import Series

_OF_IMAGES = {
    **dict.fromkeys(("tilt_angle", "axis_angle", "pre_exposure", "exposure"), pa.float32()),
    **{"acquisition_order": pa.int64(), "defocus": pa.float32(), "ctf": CTF},
    **dict.fromkeys(("shift_x", "shift_y"), pa.float32()),
}
TILT = pa.schema({"pixel_size": pa.float32(), "tilt_series": pa.string(), **_OF_IMAGES})
"""Columns of rows that are images: names; degrees; e/Å²; numbers from 0; Å (underfocus positive); Å."""
TILT_SERIES = pa.schema(
    {
        **{"pixel_size": pa.float32(), "tilt_series": pa.string()},
        **{name: pa.list_(kind) for name, kind in _OF_IMAGES.items()},
        **{"paths": pa.list_(pa.string()), "sections": pa.list_(pa.int64())},
    }
)
"""Columns of rows that are series: the same of each image, its file and which section of that it is, from 0 or null."""


def tilt_rows(series: Sequence[Series]) -> tuple[list[SourceFile], pa.Table]:
    """The files of a catalogue and its rows, one an image."""
    files: dict[str, tuple[int, SourceFile]] = {}
    which = [files.setdefault(file.location, (len(files), file))[0] for one in series for file in one.files]
    sections = [section for one in series for section in one.sections]
    tilts = [(one.name, tilt) for one in series for tilt in one.tilts]
    columns = {
        "file": pa.array(which, pa.int32()),
        "slice": pa.array(sections, pa.int64()),
        "pixel_size": pa.array([tilt.pixel_size for _, tilt in tilts], pa.float32()),
        "tilt_series": pa.array([name for name, _ in tilts], pa.string()),
    }
    columns |= {name: pa.array([_value(tilt, name) for _, tilt in tilts], kind) for name, kind in _OF_IMAGES.items()}
    return [file for _, file in files.values()], pa.table(columns)


def series_rows(series: Sequence[Series]) -> tuple[list[SourceFile], pa.Table]:
    """The files of a catalogue and its rows, one a series: a stack in its own order, or sections joined."""
    files = [_joined(one) for one in series]
    columns = {
        "file": pa.array(range(len(series)), pa.int32()),
        "slice": pa.array([WHOLE] * len(series), pa.int64()),
        "pixel_size": pa.array([_shared([tilt.pixel_size for tilt in one.tilts]) for one in series], pa.float32()),
        "tilt_series": pa.array([one.name for one in series], pa.string()),
    }
    for name, kind in _OF_IMAGES.items():
        columns[name] = pa.array([[_value(tilt, name) for tilt in one.tilts] for one in series], pa.list_(kind))
    columns["paths"] = pa.array([[file.path for file in one.files] for one in series], pa.list_(pa.string()))
    sections = [[None if section < 0 else section for section in one.sections] for one in series]
    columns["sections"] = pa.array(sections, pa.list_(pa.int64()))
    return files, pa.table(columns)


def _value(tilt: Tilt, name: str) -> object:
    value = getattr(tilt, name)
    return dict(value) if name == "ctf" and value is not None else value


def _shared(values: Sequence[float | None]) -> float | None:
    """The one value of all; None where they differ."""
    return values[0] if len(set(values)) == 1 else None


def _joined(series: Series) -> SourceFile:
    """The images of a series as one file."""
    parts: dict[str, tuple[int, SourceFile]] = {}
    sections = tuple(
        (parts.setdefault(file.location, (len(parts), file))[0], section)
        for file, section in zip(series.files, series.sections, strict=True)
    )
    files = tuple(file for _, file in parts.values())
    most, stamps = sum(file.most for file in files), " ".join(file.stamp for file in files)
    return replace(files[0], most=most, stamp=stamps, parts=files, sections=sections)
