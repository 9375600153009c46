"""A tomogram as its source names it, before any header or pyramid is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from builders.io.tables.picks import Picks
from builders.stacks.files import SourceFile

SUFFIXES = (".mrc", ".rec", ".map", ".st")
"""Of files that programs write tomograms to, each also packed."""
PACKED = ("", ".gz", ".bz2")
ZARR = ".zarr"


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a volume lies.

    Attributes:
        file: an MRC file; of Zarr the folder of the group, with neither size nor stamp.
        is_zarr: which of both.
        pixel_size: Å, of metadata that count more than the file; None: none do.
        nominal: what the name of its folder says of it, as it is spelled there, such as `"10.012"`; empty: nothing.
    """

    file: SourceFile
    is_zarr: bool = False
    pixel_size: float | None = None
    nominal: str = ""

    @property
    def called(self) -> str:
        """The name of its file or group, and what that of its folder says, as in `"wbp.zarr@10.012"`."""
        return self.file.path.rpartition("/")[2] + f"@{self.nominal}" * bool(self.nominal)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tomogram that a source names.

    Attributes:
        name: of the tomogram.
        images: where it lies: one of these, which the level that is wanted decides.
        targets: of a pair, where the odd half lies, in the order of `images`; empty: no pair.
        masks: what may be each mask that was asked for.
        picks: its picks, read.
    """

    name: str
    images: tuple[Stored, ...]
    targets: tuple[Stored, ...] = ()
    masks: Mapping[str, tuple[Stored, ...]] = field(default_factory=dict)
    picks: tuple[Picks, ...] = ()

    @property
    def all_stored(self) -> list[Stored]:
        """All volumes that it may need."""
        return [*self.images, *self.targets, *(stored for masks in self.masks.values() for stored in masks)]

    def apart(self) -> "list[Candidate]":
        """A candidate of each reconstruction, called by it, where there are several."""
        if len(self.images) == 1:
            return [self]
        return [
            replace(self, name=f"{self.name} {image.called}", images=(image,), targets=self.targets[n : n + 1])
            for n, image in enumerate(self.images)
        ]


@dataclass(frozen=True, slots=True)
class Listed:
    """What a source names.

    Attributes:
        candidates: the tomograms that are wanted, in natural order.
        name: of the source, for messages.
        names: of all tomograms there are.
        left_out: names, and why they were left out.
        classes: names of objects, in the project's order; None: it tells none.
    """

    candidates: tuple[Candidate, ...]
    name: str
    names: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    classes: tuple[str, ...] | None = None
