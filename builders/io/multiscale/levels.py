"""The levels of an OME-Zarr image, read from its metadata, on this machine or a server."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builders.errors import AccessError, FormatError, NotFoundError, OptionError
from builders.io import image_file
from builders.io.files import local, location
from builders.io.formats.zarr.fields import MOST_BYTES, parsed
from builders.io.multiscale.axes import Placed, Vector, axes_of, placed, shown
from builders.io.net import remote
from builders.io.scattered.chunks import Chunked

MOST_LEVELS = 64
NEARLY = 0.01
"""How much, as a part of it, a pixel size may differ from one that is asked for: names have three digits of it."""
_FILES = (".zattrs", "zarr.json", ".zmetadata")
"""Where attributes of a group stand, in the order in which they are asked for."""
_PART = re.compile(r"[^/\\?#%:\x00-\x1f]{1,255}")

Sides = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Level:
    """A level of a pyramid: an array of Zarr.

    Attributes:
        path: the array's metadata file, or its URL: what `builders.io.image_file` describes and reads.
        shape: `(nz, ny, nx)`.
        pixel_size: Å per voxel along z, y, x.
        offset: of the centre of its voxel 0 from that of the finest level's, Å along x, y, z.
        name: as the metadata call it, such as `"0"`.
        chunk: shape of its chunks; None: it is not in chunks.
    """

    path: str
    shape: Sides
    pixel_size: Vector
    offset: Vector
    name: str
    chunk: Sides | None = None


def levels(where: str, needs_scales: bool = True) -> tuple[Level, ...]:
    """The levels of an image, the finest one first, as its metadata order them.

    Without a translation, a coarser level is taken for block means of the finest one: it begins
    `(scale - finest scale) / 2` after that.

    Args:
        where: the folder of the image, such as `tomogram.zarr`, or its URL.
        needs_scales: whether a level without a scale is an error; else its pixel size is NaN, and so is its offset,
            but that of the finest one.

    Raises:
        AccessError: it is not given to us.
        FormatError: it is no image of OME-Zarr 0.4 or 0.5: no JSON, no scales, other axes, arrays that do not fit.
        NotFoundError: there is none.
    """
    base, mark, query = where.partition("?") if location.is_remote(where) else (where, "", "")
    base, ending = base.rstrip("/"), mark + query
    told, file = _attributes(base, ending)
    image = _multiscale(told, base)
    axes, common = axes_of(image.get("axes"), base), image.get("coordinateTransformations")
    datasets = image.get("datasets")
    if not isinstance(datasets, list) or not 0 < len(datasets) <= MOST_LEVELS:
        msg = f"{base}: datasets {shown(datasets)}: expected a list of 1 to {MOST_LEVELS} levels"
        raise FormatError(msg)
    names = [_name(each, base) for each in datasets]
    steps = zip(datasets, names, strict=True)
    places = [
        placed(each.get("coordinateTransformations"), common, axes, f"{base}/{name}", needs_scales)
        for each, name in steps
    ]
    metadata = "zarr.json" if file == "zarr.json" else ".zarray"
    paths = [f"{base}/{name}/{metadata}{ending}" for name in names]
    sides = list(remote.each(_sides, paths, pool="levels") if location.is_remote(base) else map(_sides, paths))
    told_levels = zip(paths, sides, places, names, strict=True)
    return tuple(
        Level(path, shape, at.scale, _offset(at, places[0]), name, chunk)
        for path, (shape, chunk), at, name in told_levels
    )


def of_pixel_size(found: Sequence[Level], pixel_size: float, name: str) -> Level:
    """The level whose voxels are as large, along x, as is asked for.

    Args:
        found: the levels.
        pixel_size: Å per voxel.
        name: of the image, for errors.

    Raises:
        OptionError: there is none within 1 %.
    """
    best = min(found, key=lambda level: abs(level.pixel_size[2] - pixel_size))
    if abs(best.pixel_size[2] - pixel_size) > NEARLY * pixel_size:
        there = ", ".join(f"{level.pixel_size[2]:g}" for level in found)
        msg = f"{name}: no level of {pixel_size:g} Å per voxel: expected one of {there}"
        raise OptionError(msg)
    return best


def _attributes(base: str, ending: str) -> tuple[Mapping[str, Any], str]:
    """The attributes of a group, and the file that told them."""
    refused: AccessError | None = None
    for file in _FILES:
        path = f"{base}/{file}{ending}"
        try:
            told = parsed(_content(path), path)
        except NotFoundError:
            continue
        except AccessError as err:  # stores like S3 say so of what is missing, to those who may not list them
            refused = err
            continue
        if file == ".zmetadata":
            inner = told.get("metadata")
            told = inner.get(".zattrs", {}) if isinstance(inner, dict) else {}
        elif file == "zarr.json":
            told = _group(told, base)
        return told if isinstance(told, dict) else {}, file
    if refused is not None:
        raise refused
    msg = f"{base}: no OME-Zarr image there: expected a folder with {' or '.join(_FILES)}"
    raise NotFoundError(msg)


def _group(told: Mapping[str, Any], base: str) -> Any:
    if told.get("node_type") != "group":
        msg = f"{base}: an array of Zarr: expected the group of an OME-Zarr image"
        raise FormatError(msg)
    attributes = told.get("attributes")
    return attributes.get("ome", attributes) if isinstance(attributes, dict) else {}


def _content(path: str) -> bytes:
    if location.is_remote(path):
        return remote.client().small(path, MOST_BYTES)[0]
    with local.opened(path) as raw:
        data = raw.read(MOST_BYTES + 1) or b""
    if len(data) > MOST_BYTES:
        msg = f"{path}: more than {MOST_BYTES} bytes: expected the attributes of an image"
        raise FormatError(msg)
    return data


def _multiscale(told: Mapping[str, Any], base: str) -> Mapping[str, Any]:
    """The image that attributes speak of, the first one where there are several."""
    images = told.get("multiscales")
    if isinstance(images, list) and images and isinstance(images[0], dict):
        image: Mapping[str, Any] = images[0]
        if "axes" not in image:
            version = shown(image.get("version", told.get("version")))
            msg = f"{base}: OME-Zarr of version {version}, without axes: expected 0.4 or 0.5"
            raise FormatError(msg)
        return image
    if "bioformats2raw.layout" in told:
        msg = f"{base}: a collection of images (bioformats2raw): expected one of those in it, such as {base}/0"
        raise FormatError(msg)
    msg = f"{base}: attributes with {shown(sorted(told))}: expected the multiscales of an OME-Zarr image"
    raise FormatError(msg)


def _name(told: Any, base: str) -> str:
    """The path of a level below its image, which never leaves it."""
    path = told.get("path") if isinstance(told, dict) else None
    parts = path.split("/") if isinstance(path, str) else []
    if not parts or not all(_PART.fullmatch(part) and part not in (".", "..") for part in parts):
        msg = f"{base}: a level at {shown(path)}: expected the name of an array in that folder"
        raise FormatError(msg)
    return "/".join(parts)


def _sides(path: str) -> tuple[Sides, Sides | None]:
    """The shape of an array, and that of its chunks, if it has some."""
    layout = image_file.describe(path).layout
    shape = layout.shape
    if len(shape) != 3:
        msg = f"{path}: an array of shape {shape}: expected (nz, ny, nx), with axes of length 1 before them or not"
        raise FormatError(msg)
    if not isinstance(layout, Chunked):
        return shape, None
    nz, ny, nx = layout.grid.chunk[-3:]
    return shape, (nz, ny, nx)


def _offset(level: Placed, finest: Placed) -> Vector:
    """Å along x, y, z."""
    if level.translation is None:
        z, y, x = ((own - first) / 2 for own, first in zip(level.scale, finest.scale, strict=True))
    else:
        begins = finest.translation or (0.0, 0.0, 0.0)
        z, y, x = (own - first for own, first in zip(level.translation, begins, strict=True))
    return x, y, z
