"""The volume that particles are compared with: from a file, EMDB or an array to its transform."""

import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from builders.errors import FormatError, NotFoundError, OptionError
from builders.io import image_file
from builders.io.files import location
from builders.io.net import remote
from perc_transforms import functional as F
from perc_transforms.functional import VolumeTransform

EMDB = "https://ftp.ebi.ac.uk/pub/databases/emdb"
"""Where `structures/EMD-1234/map/emd_1234.map.gz` lies."""
_ENTRY = re.compile(r"EMD-([0-9]{4,6})", re.ASCII | re.IGNORECASE)


def read_volume(volume: Any, voxel_size: float | None, emdb: str | None = None) -> tuple[Tensor, float | None]:
    """A volume `(nz, ny, nx)`, float32, and its Å a voxel, where that is known.

    Args:
        volume: an array or a tensor; a file's path or URL; `"EMD-1234"`, where no file is called so: EMDB's map.
        voxel_size: in Å, if that of the file is not to count.
        emdb: another base for EMDB, which may be a folder that is laid out as it is.

    Raises:
        NotFoundError: no such file or entry.
        FormatError: no volume, or nothing in it.
    """
    name = f"an array of shape {tuple(volume.shape)}" if hasattr(volume, "shape") else os.fspath(volume)
    if not hasattr(volume, "shape"):
        place = _place(name, emdb)
        file = image_file.describe(place)
        voxel_size = voxel_size or file.pixel_size
        volume = image_file.read(place)
    values = torch.as_tensor(np.ascontiguousarray(volume, np.float32) if isinstance(volume, np.ndarray) else volume)
    values = values.detach().cpu().float()
    if values.ndim != 3:
        msg = f"{name}: an image of {values.ndim} axes: expected a volume, (nz, ny, nx)"
        raise FormatError(msg)
    if not values.isfinite().all() or values.min() == values.max():
        msg = f"{name}: values from {float(values.min())} to {float(values.max())}: expected a volume with a density"
        raise FormatError(msg)
    return values, voxel_size


def _place(name: str, emdb: str | None) -> str:
    """Where a map is: its path or URL."""
    entry = _ENTRY.fullmatch(name)
    if entry is None or Path(name).exists():
        if location.is_remote(name):
            remote.permit(name)
        return name
    base = (emdb or EMDB).rstrip("/")
    path = f"{base}/structures/EMD-{entry[1]}/map/emd_{entry[1]}.map.gz"
    if location.is_remote(base):
        if emdb is not None:
            remote.permit(base)
        return path
    if not Path(path).exists():
        msg = f"{name}: no {path}: expected a folder laid out as EMDB"
        raise NotFoundError(msg)
    return path


def known_voxel_size(volume: Tensor, voxel_size: float | None, box: int, pixel_size: float) -> float:
    """Å a voxel: what is known, or the images' where the volume has as many voxels a side as they have pixels.

    Raises:
        OptionError: it cannot be told.
    """
    if voxel_size is not None:
        return voxel_size
    if max(volume.shape) == box:
        return pixel_size
    msg = f"voxel_size is None: the volume, of {max(volume.shape)} voxels a side, does not tell it, and images have "
    msg += f"{box} pixels: expected Å a voxel"
    raise OptionError(msg)


def transform(volume: Tensor, voxel_size: float, box: int, pixel_size: float) -> tuple[VolumeTransform, float]:
    """The transform of a volume for images of some box and pixel size (Å), and their voxels a pixel.

    It is cut to the images' box and to their resolution, and what lies outside of a sphere is levelled.
    """
    side = max(volume.shape)
    cube = F.pad(volume, (side,) * 3, spatial_dims=3, value=float(volume.median()))
    kept = min(side, 2 * math.ceil(box * pixel_size / voxel_size / 2))
    cube = F.center_crop(cube, (kept,) * 3, spatial_dims=3)
    coarse = min(kept, math.ceil(kept * voxel_size / pixel_size))
    cube = F.rescale(cube, (coarse,) * 3, spatial_dims=3)
    voxel_size *= kept / coarse
    cube = F.soft_mask(cube, 0.45 * coarse, edge=0.05 * coarse, spatial_dims=3)
    cube = cube - cube[0, 0, 0]
    step = pixel_size / voxel_size
    return F.volume_transform(cube, oversampling=max(2.0, 1.001 * box * step / coarse)), step
