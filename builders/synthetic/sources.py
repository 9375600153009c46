"""What images are made of: structures and maps, as somebody names them, and as volumes."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from builders.errors import FormatError, NotFoundError, OptionError
from builders.io import image_file
from builders.io.files.local import etag_of
from builders.io.pixels import read_layout

_EXPECTED = "a file of a structure or a map, an id such as '4v1w', a list of these, or a dict {name of the class: one}"


@dataclass(frozen=True)
class Asked:
    """One thing that images are to be made of.

    Attributes:
        label: name of its class.
        source: a path, an id, or a row of `structures`.
        name: what it is called in messages and descriptions.
    """

    label: str
    source: Any
    name: str


def asked_of(structures: Any) -> list[Asked]:
    """What `structures=` names, class by class.

    Raises:
        OptionError: it names nothing, or something twice.
    """
    if isinstance(structures, Mapping) and all(isinstance(name, str) for name in structures):
        named = [(name, source) for name, source in structures.items()]
    else:
        several = structures if isinstance(structures, list | tuple) else [structures]
        named = [(_called(one), one) for one in several]
    if structures is None or not named:
        msg = f"structures is {structures!r}: expected {_EXPECTED}"
        raise OptionError(msg)
    for label, source in named:
        if not isinstance(source, str | os.PathLike | Mapping) or not label or not str(source):
            msg = f"structures has {source!r:.100}: expected {_EXPECTED}"
            raise OptionError(msg)
    labels = [label for label, _ in named]
    twice = next((label for number, label in enumerate(labels) if label in labels[:number]), None)
    if twice is not None:
        msg = f"structures has two classes {twice!r}: expected a dict that gives each a name of its own"
        raise OptionError(msg)
    return [Asked(label, source, _called(source)) for label, source in named]


def state_of(asked: Asked) -> str:
    """What tells it from what it was before: of files, their sizes and times of change."""
    path = path_of(asked)
    return repr((asked.label, asked.source if path is None else (str(path.absolute()), etag_of(path.stat()))))


def path_of(asked: Asked) -> Path | None:
    """The file that it names; None where it is no file.

    Raises:
        NotFoundError: it looks like one, and there is none.
    """
    if not isinstance(asked.source, str | os.PathLike):
        return None
    path = Path(asked.source)
    if path.is_file():
        return path
    if path.suffix or len(path.parts) > 1:
        msg = f"structures: {path}: no such file: expected {_EXPECTED}"
        raise NotFoundError(msg)
    return None


def volumes_of(asked: Asked, box_size: int, pixel_size: float) -> Iterator[Tensor]:
    """Its states as volumes: float32 `(n, n, n)`, V.

    Raises:
        FormatError: it is no map of this size.
    """
    path = path_of(asked)
    if path is None:
        msg = f"structures: {asked.name}: expected a map"
        raise NotFoundError(msg)
    file = image_file.describe(path)
    volume = np.asarray(read_layout(str(path), file.layout, file.etag), np.float32)
    if volume.shape != (box_size,) * 3:
        msg = f"{path}: shape {volume.shape}: expected a cube of box_size={box_size} voxels"
        raise FormatError(msg)
    if not np.isfinite(volume).all() or not volume.any():
        msg = f"{path}: voxels that are not finite, or all 0: expected a map of something"
        raise FormatError(msg)
    yield torch.from_numpy(np.ascontiguousarray(volume))


def _called(source: Any) -> str:
    if isinstance(source, Mapping):
        return str(source.get("id", ""))
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        return path.name.partition(".")[0] if path.suffix or len(path.parts) > 1 else str(source)
    return repr(source)
