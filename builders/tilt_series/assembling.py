"""Images and tables of a series -> what is known of each image: angles, doses, axes and shifts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from builders.archive.tree import shown
from builders.errors import FormatError, PercError
from builders.io.reports import report_once
from builders.io.tables.tilts import Alignment, Tilt, read_aln, read_angles, read_transforms, read_warp
from builders.io.tables.tilts.lists import spread
from builders.io.tables.tilts.mdoc import base_of
from builders.io.tables.tilts.series import ranks, with_sums
from builders.stacks.files import SourceFile
from builders.stacks.rows import Images
from builders.tilt_series.files.names import is_aligned, stem_of
from builders.tilt_series.files.plans import Plan, Table

_MOST_APART = 5.0
"""Degrees that angles of two tables may differ, besides what all do: more is another image."""


_ROUNDED = 0.01
"""Of a pixel size: tables and headers may round it by as much."""
_UNSAID = 1.0
"""Å, which headers say whose program knew no pixel size."""


@dataclass(frozen=True, slots=True)
class Series:
    """A series all of whose images are there.

    Attributes:
        name: its own.
        source: the table that tells of it, for messages.
        tilts: what is known of its images.
        files: of each.
        sections: of each, which section of its file; -1: all of it.
        lost: how many of its images are not there.
    """

    name: str
    source: str
    tilts: tuple[Tilt, ...]
    files: tuple[SourceFile, ...]
    sections: tuple[int, ...]
    lost: int = 0

    def in_order(self, order: str) -> "Series":
        """The same images in another order.

        Args:
            order: `"angle"` or `"acquisition"`.

        Raises:
            FormatError: that is not known of all of them.
        """
        name = "tilt_angle" if order == "angle" else "acquisition_order"
        keys = [getattr(tilt, name) for tilt in self.tilts]
        if None in keys:
            tables = ".mdoc, .rawtlt or .tlt" if order == "angle" else ".mdoc with DateTime"
            other = "acquisition" if order == "angle" else "angle"
            msg = f"{self.source}: the {name} of {keys.count(None)} of {len(keys)} images is not known: expected a "
            msg += f"{tables}, or order={other!r}"
            raise FormatError(msg)
        places = sorted(range(len(keys)), key=keys.__getitem__)
        return replace(
            self,
            tilts=tuple(self.tilts[place] for place in places),
            files=tuple(self.files[place] for place in places),
            sections=tuple(self.sections[place] for place in places),
        )

    def with_exposure(self, exposure: float) -> "Series":
        """The same images with their exposure, e/Å², where no table tells any."""
        return replace(self, tilts=tuple(with_exposure(self.tilts, exposure)))


def assembled(
    plan: Plan,
    images: Images | PercError | None,
    *,
    exposure: float | None = None,
    pixel_size: float | None = None,
    negated: bool = True,
) -> Series:
    """What is known of the images of a series.

    Args:
        plan: its files.
        images: its stack, whose header was read; None where each image has a file of its own.
        exposure: e/Å² of each image where no table tells it.
        pixel_size: Å of the pixels that shifts are in, where nothing else tells it.
        negated: whether Warp's tilt angles are minus the stage's.

    Raises:
        PercError: the stack cannot be read.
        FormatError: a table is damaged, or of another number of images, or tables contradict each other.
    """
    if isinstance(images, PercError):
        raise images
    tables = plan.tables
    tilts = _told(plan, images)
    if "xml" in tables:
        tilts = _with_warp(tilts, tables["xml"], negated)
    for kind in ("rawtlt", "tlt"):
        if kind in tables:
            tilts = _with_angles(tilts, tables[kind], plan.is_stack)
    if "xf" in tables and "aln" not in tables:
        tilts = _with_transforms(tilts, tables["xf"], pixel_size)
    if "aln" in tables:
        tilts = _with_aln(tilts, tables["aln"], pixel_size)
    tilts = with_exposure(tilts, exposure)
    source = next(iter(tables.values())).file.path if plan.told is None else plan.told.source
    if images is None:
        there = [(tilt, file) for tilt, file in zip(tilts, plan.files, strict=True) if file is not None]
        tilts, files = [tilt for tilt, _ in there], tuple(file for _, file in there)
        lost = len(plan.files) - len(files)
        return Series(plan.name, source, tuple(tilts), files, (-1,) * len(files), lost)
    if is_aligned(images.file.path):  # its axis was made upright, and nothing has to be moved any more
        tilts = [replace(tilt, axis_angle=0.0, shift_x=0.0, shift_y=0.0) for tilt in tilts]
    return Series(plan.name, source, tuple(tilts), (images.file,) * len(tilts), tuple(range(len(tilts))))


def with_exposure(tilts: Sequence[Tilt], exposure: float | None) -> list[Tilt]:
    """Images with their exposure, e/Å², and its sums where no table tells any of them."""
    if exposure is None or any(tilt.exposure is not None for tilt in tilts):
        return list(tilts)
    own = [replace(tilt, exposure=exposure) for tilt in tilts]
    return list(with_sums(own)) if all(tilt.pre_exposure is None for tilt in own) else own


def _told(plan: Plan, images: Images | None) -> list[Tilt]:
    """The images of a series, in the order of its stack.

    Raises:
        FormatError: the table that tells of them has another number of them.
    """
    if images is None:
        assert plan.told is not None
        return [replace(tilt, pixel_size=tilt.pixel_size if _is_of_frames(tilt) else None) for tilt in plan.told.tilts]
    count = images.count
    size = images.image.pixel_size
    if plan.told is None:
        return [Tilt(section=section, pixel_size=size) for section in range(count)]
    told = sorted(plan.told.tilts, key=lambda tilt: tilt.section or 0)
    if [tilt.section for tilt in told] != list(range(count)):
        last = max((tilt.section or 0 for tilt in told), default=0)
        numbers = f"sections up to {last}" if len(told) == count else f"{len(told)} images"
        msg = f"{plan.told.source} tells of {numbers}, {images.file.path} has {count}: expected the same"
        msg += f" ({images.lost})" if images.lost else ""
        raise FormatError(msg)
    nx = images.image.layout.shape[-1]
    is_its_own = plan.told.image_size is None or plan.told.image_size[0] == nx  # else the stack was binned since
    known = {tilt.pixel_size for tilt in told if tilt.pixel_size is not None} if is_its_own else set()
    if size and any(abs(one - size) > _ROUNDED * size for one in known):
        is_its_own = size == _UNSAID
        chosen = plan.told.source if is_its_own else "the stack"
        said = f"pixels of {shown([f'{one:g}' for one in sorted(known)], 4)} Å, by the header of {images.file.path} "
        report_once(f"{said}of {size:g} Å: those of {chosen} are taken", plan.told.source)
    return [replace(tilt, pixel_size=(tilt.pixel_size if is_its_own else None) or size or None) for tilt in told]


def _is_of_frames(tilt: Tilt) -> bool:
    """Whether an mdoc's pixel size is that of a movie: only where it is the movie's own."""
    return tilt.section is None


def _counted(found: Sequence[object], tilts: Sequence[Tilt], name: str, what: str) -> None:
    if len(found) != len(tilts):
        msg = f"{name}: {len(found)} {what} for a series of {len(tilts)} images: expected one of each"
        raise FormatError(msg)


def _with_angles(tilts: list[Tilt], table: Table, is_stack: bool) -> list[Tilt]:
    """Images with the angles of a list, which is in the order of the stack; of single files, in that of the angles.

    Raises:
        FormatError: they are not as many, or others than those that are known.
    """
    name = table.file.path
    found = read_angles(table.data, name)
    _counted(found, tilts, name, "tilt angles")
    known = [tilt.tilt_angle for tilt in tilts]
    angles = [angle for angle in known if angle is not None]
    if len(angles) == len(tilts):
        if not is_stack:
            found = [sorted(found)[rank] for rank in ranks(angles)]
        far, which = spread(angles, found)
        if far > _MOST_APART:
            msg = f"{name}: {found[which]:g} degrees for image {which} of the series, which has {angles[which]:g} by "
            msg += "another table: expected angles in the order of the stack"
            raise FormatError(msg)
    return [replace(tilt, tilt_angle=angle) for tilt, angle in zip(tilts, found, strict=True)]


def _with_transforms(tilts: list[Tilt], table: Table, size: float | None) -> list[Tilt]:
    found = read_transforms(table.data, table.file.path)
    _counted(found, tilts, table.file.path, "transforms")
    return [_moved(tilt, one, size) for tilt, one in zip(tilts, found, strict=True)]


def _with_aln(tilts: list[Tilt], table: Table, size: float | None) -> list[Tilt]:
    """Images with what AreTomo found; those that it left out have no shift."""
    aln = read_aln(table.data, table.file.path)
    angles = [tilt.tilt_angle for tilt in tilts if tilt.tilt_angle is not None]
    places = aln.places(len(tilts), angles if len(angles) == len(tilts) else None)
    found = [replace(tilt, shift_x=None, shift_y=None) for tilt in tilts]
    for place, one, angle in zip(places, aln.alignments, aln.tilt_angles, strict=True):
        found[place] = replace(_moved(tilts[place], one, size), tilt_angle=angle)
    return found


def _moved(tilt: Tilt, by: Alignment, size: float | None) -> Tilt:
    """An image with its alignment; its shift is known where the size of its pixels is."""
    scale = size if tilt.pixel_size is None else tilt.pixel_size
    x, y = (None if scale is None else shift * scale for shift in (by.shift_x, by.shift_y))
    return replace(tilt, axis_angle=by.axis_angle, shift_x=x, shift_y=y)


def _with_warp(tilts: list[Tilt], table: Table, negated: bool) -> list[Tilt]:
    """Images with what Warp's XML says, matched by their files' names, else by their order.

    Raises:
        FormatError: they are not the same images.
    """
    name = table.file.path
    warp = read_warp(table.data, name, "", negated)
    own = {stem_of(base_of(tilt.image), aligned=False): tilt for tilt in warp.tilts if tilt.image}
    stems = [stem_of(base_of(tilt.image), aligned=False) if tilt.image else "" for tilt in tilts]
    if any(stem in own for stem in stems):
        return [_filled(tilt, own[stem]) if stem in own else tilt for tilt, stem in zip(tilts, stems, strict=True)]
    _counted(warp.tilts, tilts, name, "tilts")
    known = [tilt.tilt_angle for tilt in tilts if tilt.tilt_angle is not None]
    if len(known) == len(tilts):
        far, which = spread(known, [tilt.tilt_angle or 0.0 for tilt in warp.tilts])
        if far > _MOST_APART:
            msg = f"{name}: {warp.tilts[which].tilt_angle:g} degrees for image {which}, which has {known[which]:g} by "
            msg += "another table: expected angles in the same order and sign (negated=False: not negated by WarpTools)"
            raise FormatError(msg)
    return [_filled(tilt, one) for tilt, one in zip(tilts, warp.tilts, strict=True)]


_ALIGNED: Mapping[str, bool] = {
    **dict.fromkeys(("axis_angle", "shift_x", "shift_y", "ctf", "defocus"), True),
    **dict.fromkeys(("tilt_angle", "pre_exposure", "exposure", "acquisition_order"), False),
}
"""What Warp says of an image, and whether that counts before what an mdoc says."""


def _filled(tilt: Tilt, by: Tilt) -> Tilt:
    own = {name: getattr(tilt, name) for name in _ALIGNED}
    told = {name: getattr(by, name) for name in _ALIGNED}
    is_better = {name: told[name] is not None and (first or own[name] is None) for name, first in _ALIGNED.items()}
    return replace(tilt, **{name: value for name, value in told.items() if is_better[name]})
