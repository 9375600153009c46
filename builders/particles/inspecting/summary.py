"""What is in a table of particles, in numbers."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from builders.archive.named.finding import Found
from builders.io.tables.particle_table import ParticleTable

Values = NDArray[np.float64]

OF_GROUP = ("pixel_size", "image_size", "micrograph_pixel_size")
OF_CTF = ("voltage", "spherical_aberration", "amplitude_contrast")
_MOST_VALUES = 8
"""Different values of a number that are told of an optics group; of more, the smallest and the largest."""


@dataclass(frozen=True)
class Spread:
    """Of some numbers, the smallest, the middle and the largest one."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: Values) -> "Spread | None":
        """It of numbers, those that are none passed over; None where there are none."""
        known = values[np.isfinite(values)]
        return cls(*np.quantile(known, (0, 0.5, 1)).tolist()) if len(known) else None


@dataclass(frozen=True)
class Group:
    """An optics group.

    Attributes:
        number: None: of particles that are in none.
        particles: how many.
        values: by name, the different values that its particles have: pixel sizes (Å), sides of boxes (pixels), kV, mm
            of spherical aberration, fractions of amplitude contrast. Of very many, the smallest and the largest.
    """

    number: int | None
    particles: int
    values: dict[str, list[float | int]]


@dataclass(frozen=True)
class Summary:
    """A table of particles.

    Attributes:
        table: its name.
        program: `"relion"` or `"cryosparc"`.
        particles: how many.
        micrographs: how many there are.
        per_micrograph: particles of one.
        without_micrograph: particles of none.
        stacks: files of images that the table names; of micrographs where it has no images.
        missing: those that are not there, and what is there instead, as far as that was looked for.
        of_missing: particles whose images are in these.
        groups: optics groups.
        classes: number of particles in each class; `"none"` for those in none. The same of half-sets.
        half_sets: see there.
        defocus: mean of U and V, Å.
        astigmatism: U - V, Å, without its sign.
        without_ctf: particles.
        without_pose: particles.
    """

    table: str
    program: str
    particles: int
    micrographs: int
    per_micrograph: Spread | None
    without_micrograph: int
    stacks: int
    missing: tuple[tuple[str, str], ...]
    of_missing: int
    groups: tuple[Group, ...]
    classes: dict[str, int]
    half_sets: dict[str, int]
    defocus: Spread | None
    astigmatism: Spread | None
    without_ctf: int
    without_pose: int

    def as_json(self) -> str:
        """As JSON, for programs."""
        return json.dumps(asdict(self), indent=2)


def summarise(table: ParticleTable, names: Sequence[str], found: Found, named: str) -> Summary:
    """Look at a table, without a Python object for each row.

    Args:
        table: the table.
        names: the files that it names.
        found: which of them are there.
        named: the column that names them, `"image"` or `"micrograph"`.
    """
    rows = table.rows
    of_micrographs = _counts(rows["micrograph"])
    without = of_micrographs.pop(None, 0)
    counts = np.array(list(of_micrographs.values()), np.float64)
    missing = {name for name, _ in found.missing}
    u, v = (numbers(rows, "ctf", field) for field in ("defocus_u", "defocus_v"))
    return Summary(
        table=table.name,
        program=table.program,
        particles=len(rows),
        micrographs=len(counts),
        per_micrograph=Spread.of(counts),
        without_micrograph=without,
        stacks=len(names),
        missing=found.missing,
        of_missing=sum(count for name, count in _counts(rows[named]).items() if name in missing),
        groups=tuple(_groups(rows)),
        classes=_numbered(rows["class_number"]),
        half_sets=_numbered(rows["half_set"]),
        defocus=Spread.of((u + v) / 2),
        astigmatism=Spread.of(np.abs(u - v)),
        without_ctf=rows["ctf"].null_count,
        without_pose=rows["pose"].null_count,
    )


def numbers(rows: pa.Table, column: str, field: str | None = None) -> Values:
    """A column of numbers, or a field of a column of records; NaN where there is none."""
    values = rows[column] if field is None else pc.struct_field(rows[column], field)
    return np.asarray(values.cast(pa.float64()).fill_null(float("nan")).to_numpy(), np.float64)


def _counts(column: pa.ChunkedArray) -> dict[Any, int]:
    """How often each value is there, the most frequent ones in no order."""
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    found = pc.value_counts(column.combine_chunks())
    return dict(zip(found.field(0).to_pylist(), found.field(1).to_pylist(), strict=True))


def _numbered(column: pa.ChunkedArray) -> dict[str, int]:
    """Counts by number, in order; none where no row has one."""
    counts = _counts(column)
    none = counts.pop(None, 0)
    told = {str(number): counts[number] for number in sorted(counts)}
    return told | {"none": none} if told and none else told


def _groups(rows: pa.Table) -> list[Group]:
    """Optics groups by their numbers, those of no number last."""
    columns = {name: rows[name] for name in ("optics_group", *OF_GROUP)}
    columns |= {name: pc.struct_field(rows["ctf"], name) for name in OF_CTF}
    kinds = pa.table(columns).group_by(list(columns)).aggregate([([], "count_all")]).to_pylist()
    groups: list[Group] = []
    for number in sorted({kind["optics_group"] for kind in kinds}, key=lambda n: (n is None, n)):
        of_group = [kind for kind in kinds if kind["optics_group"] == number]
        values = {name: _distinct([kind[name] for kind in of_group]) for name in (*OF_GROUP, *OF_CTF)}
        groups.append(Group(number, sum(kind["count_all"] for kind in of_group), values))
    return groups


def _distinct(values: Sequence[float | int | None]) -> list[float | int]:
    known = sorted({round(value, 6) if isinstance(value, float) else value for value in values if value is not None})
    return known if len(known) <= _MOST_VALUES else [known[0], known[-1]]
