"""What the headers of volumes say, and which level of a pyramid is meant."""

import math
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

from builders.archive.archive import sized
from builders.errors import FormatError, OptionError, PercError
from builders.io.files import local, location
from builders.io.files.header_store import HeaderStore
from builders.io.multiscale import levels
from builders.io.net import remote
from builders.io.reports import report_once
from builders.stacks.files import SourceFile
from builders.stacks.rows import Images, Reading, look_at_all
from builders.tomograms.sources.candidates import Stored
from builders.tomograms.sources.found import Shape, Volume

LIKE = 0.02
"""How far a level's pixel size may be from the one that is asked for, as a part of it."""
_ROUNDED = 1e-3
"""How far two spellings of one pixel size may be apart, as a part of it."""
_CUBES = 1.01
"""How much longer one side of a voxel may be than another."""
_NO_SCALE = "coordinateTransformations without a scale: expected one, Å or another unit of length per voxel"
_ORIGIN = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Pyramid:
    """A volume in one or several sizes, the finest first.

    Attributes:
        name: where it is, for messages.
        levels: what it may be read as.
        wrong: of each level, why it may not; empty where it may.
        is_file: it is a file with a header, which may be wrong of its pixel size; none of levels.
        dtype: of a file's voxels; empty: it is not told.
    """

    name: str
    levels: tuple[Volume, ...]
    wrong: tuple[str, ...]
    is_file: bool = False
    dtype: str = ""

    def level(self, number: int | None, pixel_size: float | None) -> Volume:
        """The level that is wanted; the finest where nothing says which.

        Of a file with voxels of unlike sides, `pixel_size` decides: headers are wrong at times, and who says it knows.

        Raises:
            FormatError: it may not be read.
            OptionError: there is none such.
        """
        if pixel_size is not None and self.is_file and self.wrong[0]:
            report_once(f"{self.wrong[0]}; read as cubes of {pixel_size:g} Å, as pixel_size= says", self.name)
            return replace(self.levels[0], pixel_size=pixel_size)
        if pixel_size is not None and all(level.pixel_size is None for level in self.levels):
            return replace(self.levels[0], pixel_size=pixel_size)
        chosen = (number or 0) if pixel_size is None else self._of(pixel_size)
        if chosen >= len(self.levels):
            msg = f"level is {number}: {self.name} has {self._told()}"
            raise OptionError(msg)
        if self.wrong[chosen]:
            hint = ", or pixel_size= that says which" * self.is_file
            msg = f"{self.levels[chosen].file.path}: {self.wrong[chosen]}{hint}"
            raise FormatError(msg)
        return self.levels[chosen]

    def _of(self, pixel_size: float) -> int:
        """The number of the level of a pixel size.

        Raises:
            OptionError: there is none.
        """
        apart = {n: abs(one.pixel_size / pixel_size - 1) for n, one in enumerate(self.levels) if one.pixel_size}
        closest = min(apart, key=lambda n: apart[n])
        if apart[closest] > LIKE:
            msg = f"pixel_size is {pixel_size}: {self.name} has {self._told()}; expected one within {LIKE:.0%}"
            raise OptionError(msg)
        return closest

    def of_shape(self, shape: Shape, tomogram: str) -> Volume:
        """The level that has a shape: of a mask, that of its tomogram's.

        Raises:
            FormatError: none has it.
        """
        fitting = next((level for level in self.levels if level.shape == shape), None)
        if fitting is None:
            msg = f"{self.name}: {self._told()}: expected the shape of {tomogram}, {_by(shape)} (z, y, x)"
            raise FormatError(msg)
        return fitting

    def _told(self) -> str:
        told = [f"{n}: {level.pixel_size or '?'} Å, {_by(level.shape)}" for n, level in enumerate(self.levels)]
        return f"level{'s' * (len(told) > 1)} {'; '.join(told)}"


def _by(shape: Sequence[float]) -> str:
    return " x ".join(map(str, shape))


def pyramids(stored: Iterable[Stored], source: str, cache: str | None) -> dict[str, Pyramid | PercError]:
    """What volumes are, by their locations, or what is wrong with them; several are read at once.

    Args:
        stored: which.
        source: whose they are, for messages.
        cache: folder of the cache, in which headers are remembered.
    """
    each = {one.file.location: one for one in stored}
    plain = [one for one in each.values() if not one.is_zarr]
    reading = Reading("tomograms", source, (), "volume", "file", True, "raise")
    found: dict[str, Pyramid | PercError] = {}
    with closing(look_at_all([one.file for one in plain], reading, HeaderStore(cache))) as looked:
        for one, images in zip(plain, looked, strict=True):
            found[one.file.location] = _guarded(one, images)
    groups = [one for one in each.values() if one.is_zarr]
    for one, group in zip(groups, remote.each(_group, groups, "listings"), strict=True):
        found[one.file.location] = group
    return found


def _guarded(stored: Stored, images: Images | PercError) -> Pyramid | PercError:
    if isinstance(images, PercError):
        return images
    shape, header = images.image.layout.shape, images.image.header
    if flat := _no_volume(shape):
        return FormatError(f"{stored.file.path}: {flat}")
    size = images.image.pixel_size if stored.pixel_size is None else stored.pixel_size
    if wrong := _contradiction(stored, size):
        return wrong
    sides = [] if stored.pixel_size is not None or header is None else [*filter(None, header.voxel_size)]
    nz, ny, nx = shape
    volume = Volume(stored.file, size, _ORIGIN, (nz, ny, nx))
    dtype = images.image.layout.dtype.name
    return Pyramid(stored.file.path, (volume,), (_unlike(sides[::-1]),), is_file=True, dtype=dtype)


def _group(stored: Stored) -> Pyramid | PercError:
    """A group of Zarr; what is wrong with one level is told of that one."""
    try:
        told = levels(stored.file.location, needs_scales=False)
    except PercError as err:
        return err
    volumes, wrong = [], []
    for number, level in enumerate(told):
        file = replace(stored.file, location=level.path, path=_inside(stored.file, level.path))
        size, lies = (
            level.pixel_size[2],
            not math.isnan(level.offset[0]),
        )  # a coarse level lies by the finest one's scale
        known = stored.pixel_size if math.isnan(size) else size
        volumes.append(Volume(file, known, level.offset if lies else _ORIGIN, level.shape, level.chunk))
        wrong.append(_no_volume(level.shape) or _unlike(level.pixel_size) or _NO_SCALE * (number > 0 and not lies))
    name = stored.file.path
    return _contradiction(stored, volumes[0].pixel_size) or Pyramid(name, tuple(volumes), tuple(wrong))


def _no_volume(shape: Sequence[int]) -> str:
    """What is wrong with a shape; empty where it is that of a volume."""
    if len(shape) == 3 and shape[0] > 1:
        return ""
    return f"an image of {_by(shape[-2:])} (y, x): expected a volume of several sections, (nz, ny, nx)"


def _unlike(sizes: Sequence[float]) -> str:
    """What is wrong with the sides of voxels, Å along z, y, x; empty where they are those of cubes, or not known."""
    if not sizes or not max(sizes) > min(sizes) * _CUBES:  # which NaN is not
        return ""
    told = " x ".join(f"{side:.6g}" for side in sizes)
    return f"voxels of {told} Å (z, y, x): expected cubes"


def _inside(group: SourceFile, path: str) -> str:
    """The path of a level's metadata, as rows have it."""
    return group.path + path.removeprefix(group.location.rstrip("/"))


def _contradiction(stored: Stored, size: float | None) -> FormatError | None:
    """What is wrong where a pixel size is another one than the metadata or a folder's name say."""
    if size is None:
        return None
    name = stored.file.path
    if stored.pixel_size is not None and abs(size / stored.pixel_size - 1) > _ROUNDED:
        return FormatError(f"{name}: {size} Å a voxel, its metadata say {stored.pixel_size} Å: expected one pixel size")
    if stored.nominal and not is_rounded(stored.nominal, size):
        return FormatError(
            f"{name}: {size} Å a voxel, the name of its folder says {stored.nominal} Å: expected one pixel size"
        )
    return None


def is_rounded(text: str, value: float) -> bool:
    """Whether a number as it is spelled may stand for another one: it is that one rounded, or within 0.1 %.

    Example:
        >>> is_rounded("10.012", 10.012444), is_rounded("10", 10.012444), is_rounded("10.000", 13.48)
        (True, True, False)
    """
    try:
        spelled = Decimal(text)
    except InvalidOperation:
        return False
    exponent = spelled.as_tuple().exponent
    if not isinstance(exponent, int) or not spelled:
        return False
    apart = abs(float(spelled) - value)
    return apart <= 0.501 * 10.0**exponent or apart <= _ROUNDED * value


def stamped(volumes: Sequence[Volume]) -> list[Volume]:
    """Volumes whose files have a size and a stamp: those that have none are asked for it, several at once."""
    files = [_of_this_machine(volume.file) for volume in volumes]
    return [replace(volume, file=file) for volume, file in zip(volumes, sized(files), strict=True)]


def _of_this_machine(file: SourceFile) -> SourceFile:
    if file.stamp or location.is_remote(file.location):
        return file
    try:
        status = Path(file.location).stat()
    except OSError:
        return file
    return replace(file, most=status.st_size, stamp=local.etag_of(status))
