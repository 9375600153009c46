"""What is asked for: one source of tomograms, and which of its files are meant."""

import os
from dataclasses import dataclass

from builders.errors import HttpError, OptionError, PercError, ReadError, StalledError

KINDS = ("data_dir", "entry", "copick", "portal")
_OUTAGES = (HttpError, ReadError, StalledError)
"""What is wrong with a server, a connection or a disk, and with no tomogram: another time it may be there."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A source of tomograms, and what of it is wanted.

    Attributes:
        data_dir: a folder of this machine.
        entry: of EMPIAR, such as `10943`; with `directory`, `archive` and `api` as `load_dataset("empiar", ...)` has
            them.
        copick: path or URL of a project's config JSON.
        portal: folder, or address, that holds datasets as the CryoET Data Portal lays them out; or one of its datasets
            or runs.
        directory: path inside the entry.
        pattern: glob of the entry's tomograms below it.
        archive: base URL, or folder of a mirror.
        api: base URL of the archive's API.
        tomogram: which reconstruction, where there are several: copick's `type@spacing`, the portal's id or method; in
            a folder, a glob of paths.
        level: which level of a pyramid, from 0, the finest.
        pixel_size: Å; the level that has it within 2 %.
        picks: which picks: words of copick, names of the portal's objects, in a folder paths or globs; none: no picks.
        labels: the class of each word of picks, where their files tell none; None, and none at all: it is not told.
        picks_pixel_size: Å of a voxel of tables whose coordinates are in voxels.
        segmentation: which masks, in the same words; each becomes one volume beside the tomogram.
        pairs: pairs of half tomograms instead of tomograms.
        tomograms: names of those that are wanted; None: all.
        on_error: `"raise"`, or `"skip"` to leave out tomograms of which something is missing or damaged.
        apart: each reconstruction of a run is a tomogram of its own, where several may be meant.
        cache: folder of the cache; None: its default.

    Raises:
        OptionError: none of the four sources is named, or several are; or an option belongs to another source.
    """

    data_dir: str | None = None
    entry: int | str | None = None
    copick: str | None = None
    portal: str | None = None
    directory: str = ""
    pattern: str | None = None
    archive: str | os.PathLike[str] | None = None
    api: str | None = None
    tomogram: str | None = None
    level: int | None = None
    pixel_size: float | None = None
    picks: tuple[str, ...] = ()
    labels: tuple[str | None, ...] = ()
    picks_pixel_size: float | None = None
    segmentation: tuple[str, ...] = ()
    pairs: bool = False
    tomograms: tuple[str, ...] | None = None
    on_error: str = "raise"
    apart: bool = False
    cache: str | None = None

    def __post_init__(self) -> None:
        named = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(named) != 1:
            msg = f"{' and '.join(named) or 'no source'} given: expected one of data_dir, entry, copick and portal"
            raise OptionError(msg)
        for option in ("directory", "pattern", "archive", "api"):
            if self.entry is None and getattr(self, option):
                msg = f"{option} is {getattr(self, option)!r}: it goes with entry, not with {named[0]}"
                raise OptionError(msg)
        if any(self.labels) and named[0] not in ("data_dir", "entry"):
            msg = f"picks is a dict of classes: {named[0]} tells those of its picks, and takes a list of words"
            raise OptionError(msg)
        if self.level is not None and self.pixel_size is not None:
            msg = f"level is {self.level} and pixel_size is {self.pixel_size}: expected one of them"
            raise OptionError(msg)

    @property
    def kind(self) -> str:
        """Which kind of source it is: `"data_dir"`, `"entry"`, `"copick"` or `"portal"`."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def skips(self) -> bool:
        """Whether tomograms of which something is missing or damaged are left out."""
        return self.on_error == "skip"

    def leaves_out(self, err: PercError) -> bool:
        """Whether a tomogram is left out for what is wrong with it; an outage is never a reason."""
        return self.skips and not isinstance(err, _OUTAGES)

    def wants(self, name: str) -> bool:
        """Whether a tomogram of this name is wanted."""
        return self.tomograms is None or name in self.tomograms
