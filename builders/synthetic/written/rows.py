"""Rows of runs: one for each image, in the vocabulary of particles, micrographs and tilt series."""

from collections.abc import Sequence
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from builders.hf.features import EMImage
from builders.io.files.natural_order import natural_key
from builders.io.tables.particle_table import CTF, POSE
from builders.synthetic.written.runs import Run

AMPLITUDE_CONTRAST = 0.1
"""What Parakeet's own export tells RELION: its files tell none, and multislice needs none."""
_LEANING = 1e-3
SCHEMA = pa.schema(
    {
        "pixel_size": pa.float32(),
        "id": pa.string(),
        "tilt_series": pa.string(),
        **dict.fromkeys(("tilt_angle", "axis_angle", "pre_exposure", "exposure"), pa.float32()),
        **{"acquisition_order": pa.int64(), "frame": pa.int64(), "defocus": pa.float32()},
        "ctf": CTF,
        "picks": pa.list_(pa.list_(pa.float32(), 2)),
        "pose": pa.list_(POSE),
        "label": pa.list_(pa.int64()),
        "pick_defocus": pa.list_(pa.float32()),
        "molecule": pa.list_(pa.int64()),
    }
)
"""Columns of rows, but for where their images lie: Å; text; text, null where all images are at one angle; degrees (null
where each image has an axis of its own; the axis from y, null as the text is); e/Å²; numbers from 0; Å; see `CTF`.

Lists of the molecules whose centres lie in the image: (x, y) in pixels from 0; RELION's poses, origins 0; numbers of
classes; Å: the mean of U and V at a molecule's height; its number in the sample, the same in all images of it."""


def class_names(runs: Sequence[Run]) -> list[str]:
    """The classes of all molecules, in natural order."""
    return sorted({label for run in runs for label in run.labels}, key=natural_key)


def rows_of(runs: Sequence[Run], names: Sequence[str]) -> pa.Table:
    """A catalogue's columns: run after run, image after image as their files have them; `file` counts the runs.

    Args:
        runs: the stacks.
        names: of the classes.
    """
    numbers = {name: number for number, name in enumerate(names)}
    return pa.concat_tables([_table(number, run, numbers) for number, run in enumerate(runs)]).combine_chunks()


def _table(number: int, run: Run, labels: dict[str, int]) -> pa.Table:
    told, count = run.stack.told, run.count
    series = run.name if run.is_tilted else None
    columns: dict[str, Any] = {
        "file": pa.array(np.full(count, number), pa.int32()),
        "slice": pa.array(np.arange(count)),
        "pixel_size": pa.array(np.full(count, run.pixel_size), pa.float32()),
        "id": pa.array([f"{run.name}-{index}" for index in range(count)]),
        "tilt_series": pa.array([series] * count, pa.string()),
        "tilt_angle": _known(np.where(run.has_axis, told["tilt_alpha"], np.nan)),
        "axis_angle": _axis_angles(run),
        "pre_exposure": _known(run.pre_exposures),
        "exposure": pa.array(told["dose"], pa.float32()),
        "acquisition_order": pa.array(told["image_number"].astype(np.int64)),
        "frame": pa.array(told["fraction_number"].astype(np.int64)),
        "defocus": pa.array(-told["c_10"], pa.float32()),
        "ctf": _ctf(run),
        **_lists(run, np.array([labels[label] for label in run.labels])),
    }
    return pa.table(columns)


def _known(values: NDArray[np.float64]) -> pa.Array:
    """Numbers, null where they are NaN."""
    return pa.array(values, pa.float32(), mask=np.isnan(values))


def _axis_angles(run: Run) -> pa.Array:
    """Degrees from y to the axis, against the clock where y goes up; null of stills and of axes out of the plane."""
    x, y, z = run.axes.T
    leaning = (np.abs(z) > _LEANING) | (np.hypot(x, y) < _LEANING)
    angles = np.where(leaning | (not run.is_tilted), np.nan, np.degrees(np.arctan2(-x, y)))
    return _known(angles + 0.0)


def _ctf(run: Run) -> pa.StructArray:
    """Parakeet's lens as RELION has it.

    MULTEM's aberration is that of a defocus `-c_10 - c_12 sin 2(phi - phi_12)`, underfocus positive, phi from x and
    phi_12 taken in degrees (python-multem 0.4.1; Parakeet's configuration calls it radians): the largest value, that of
    U, lies 45 degrees before phi_12 where c_12 is positive.
    """
    told, config = run.stack.told, run.config
    mean, half = -told["c_10"], told["c_12"]
    angle = np.where(half == 0, 0, (told["phi_12"] - np.where(half < 0, -45, 45)) % 180)
    phase = 0.0 if config is None else config.phase_shift
    columns = {
        **{"defocus_u": mean + np.abs(half), "defocus_v": mean - np.abs(half), "defocus_angle": angle},
        **{"voltage": told["energy"], "spherical_aberration": told["c_30"]},
        **{"amplitude_contrast": np.full(run.count, AMPLITUDE_CONTRAST), "phase_shift": np.full(run.count, phase)},
    }
    return pa.StructArray.from_arrays([_known(columns[field.name]) for field in CTF], fields=list(CTF))


def _lists(run: Run, labels: NDArray[np.int64]) -> dict[str, pa.ListArray]:
    """What there is of the molecules in each image."""
    seen = [run.seen(image) for image in range(run.count)]
    counts = [len(one.numbers) for one in seen]
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    numbers = np.concatenate([one.numbers for one in seen])
    places = np.concatenate([np.stack([one.x, one.y], 1) for one in seen]).astype(np.float32)
    angles = np.concatenate([one.angles for one in seen])
    heights = np.concatenate([one.heights for one in seen])
    poses = dict(zip(POSE.names, (*angles.T, *np.zeros_like(places).T), strict=True))
    values = {
        "picks": pa.FixedSizeListArray.from_arrays(pa.array(places.reshape(-1)), 2),
        "pose": pa.StructArray.from_arrays([pa.array(poses[f.name], f.type) for f in POSE], fields=list(POSE)),
        "label": pa.array(labels[run.molecules.kinds[numbers]]),
        "pick_defocus": pa.array(np.repeat(-run.stack.told["c_10"], counts) + heights, pa.float32()),
        "molecule": pa.array(numbers),
    }
    return {name: pa.ListArray.from_arrays(offsets, value) for name, value in values.items()}


def features_of(names: Sequence[str], dtype: str | None, non_finite: str) -> datasets.Features:
    """The columns of the dataset.

    Args:
        names: of the classes.
        dtype: of the decoded images; None keeps their own.
        non_finite: what NaN and infinite pixels do: `"pass"` or `"raise"`.
    """
    columns: dict[str, Any] = {
        "image": EMImage(dtype=dtype, non_finite=non_finite),
        "pixel_size": datasets.Value("float32"),
        "path": datasets.Value("string"),
        "index": datasets.Value("int64"),
    }
    columns |= datasets.Features.from_arrow_schema(SCHEMA)
    columns["label"] = datasets.List(datasets.ClassLabel(names=list(names)))
    return datasets.Features(columns)
