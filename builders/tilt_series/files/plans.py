"""What was found to belong to one series: its images, and the tables that tell of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from builders.io.tables.tilts import TiltSeries
from builders.stacks.files import SourceFile


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a series.

    Attributes:
        kind: `"mdoc"`, `"rawtlt"`, `"tlt"`, `"xf"`, `"aln"` or `"xml"`.
        file: where it is.
        data: what is in it.
    """

    kind: str
    file: SourceFile
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """What belongs to one series; the headers of its images were not read.

    Attributes:
        name: the series'.
        told: its images, by the table that names them; None: those of the stack.
        files: the stack alone, or one of each image; None of one that is not there.
        is_stack: whether it is a stack.
        tables: what else tells of it, by kind.
    """

    name: str
    told: TiltSeries | None
    files: tuple[SourceFile | None, ...]
    is_stack: bool
    tables: Mapping[str, Table]


@dataclass(frozen=True, slots=True)
class Matched:
    """The series of a source.

    Attributes:
        plans: these, in natural order.
        left_out: paths and reasons of what is not among them, since it is damaged or missing.
    """

    plans: tuple[Plan, ...]
    left_out: tuple[tuple[str, object], ...]

    @property
    def files(self) -> list[SourceFile]:
        """The files of images, each once."""
        there = {file.location: file for plan in self.plans for file in plan.files if file is not None}
        return list(there.values())
