"""Recipes as files: JSON, and the volumes of its sources beside it. Nothing in them is believed."""

import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from builders.errors import ChangedError, FormatError, NotFoundError
from builders.io.made.recipe import Between, Noise, Optics, Recipe, Source

_AGAIN = "load_dataset('synthetic', ...) with the same options makes it anew"
VERSION = 1
"""Of the arithmetic that is here: another one makes other rows."""
MOST_TEXT = 2**26
"""Bytes of a recipe."""
LARGEST_BOX = 1024
_MOST_SOURCES = 2**14
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,200}\.npy")
_UNITS = ("particle", "micrograph", "tomogram")
_SHORTEST, _LONGEST = 1e-7, 1e7
"""Of numbers of orientations."""
_KINDS = {"uniform": set(), "axes": {"axes", "kappa"}, "table": {"angles"}}


def read_recipe(path: str, digest: str | None = None) -> Recipe:
    """The recipe in a file.

    Args:
        path: of the file.
        digest: of the recipe that is meant; None or empty: any.

    Raises:
        NotFoundError: there is none.
        ChangedError: it is another one.
        FormatError: it is none, or of another version.
    """
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MOST_TEXT + 1)
    except OSError as err:
        msg = f"{path}: {err.strerror or err}: expected the recipe that images are made of; {_AGAIN}"
        raise NotFoundError(msg) from err
    recipe = recipe_of(raw, path)
    if digest and recipe.digest != digest:
        msg = f"{path}: a recipe of digest {recipe.digest}, expected {digest}: the file is another one now"
        raise ChangedError(msg)
    return recipe


def recipe_of(raw: bytes, name: str) -> Recipe:
    """The recipe that the bytes of a file say.

    Args:
        raw: these.
        name: of the file, for errors.

    Raises:
        FormatError: they say none, or one of another version.
    """
    try:
        if len(raw) > MOST_TEXT:
            msg = f"more than {MOST_TEXT} bytes"
            raise ValueError(msg)
        told = json.loads(raw)
        if not isinstance(told, dict) or "perc_recipe" not in told:
            msg = "no field 'perc_recipe'"
            raise ValueError(msg)
        version = told.pop("perc_recipe")
        if version != VERSION:
            msg = f"{name}: a recipe of version {version!r}: expected {VERSION}, the one whose images this version of "
            msg += f"the program makes; {_AGAIN}"
            raise FormatError(msg)
        return _recipe(told)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as err:
        if isinstance(err, FormatError):
            raise
        msg = f"{name}: {str(err)[:200]}: expected a recipe of images that are made; {_AGAIN}"
        raise FormatError(msg) from err


def write_recipe(path: str | os.PathLike[str], recipe: Recipe) -> None:
    """Put a recipe into a file, beside the volumes of its sources.

    Raises:
        FormatError: it could not be read.
    """
    text = recipe_of(recipe.text().encode(), os.fspath(path)).text()  # as it will be read: numbers in one spelling
    part = Path(f"{os.fspath(path)}.{os.getpid()}.part")
    part.write_text(text)
    part.replace(path)


class MappedVolumes(Sequence[Tensor]):
    """The volumes of a recipe, which are mapped when they are asked for.

    Args:
        path: of the recipe's file.
        recipe: what it says.

    Attributes:
        folder: where they are.
    """

    def __init__(self, path: str, recipe: Recipe) -> None:
        self.folder, self._recipe = Path(path).parent, recipe

    def __len__(self) -> int:
        return len(self._recipe.sources)

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self[place] for place in range(*number.indices(len(self)))]
        return torch.from_numpy(mapped_volume(self.folder / self._recipe.sources[number].file, self._recipe.box_size))

    def __iter__(self) -> Iterator[Tensor]:
        return (self[number] for number in range(len(self)))


def mapped_volume(path: Path, side: int) -> NDArray[np.float32]:
    """The volume in a file, mapped.

    Args:
        path: of the file, `.npy`.
        side: voxels of it.

    Raises:
        NotFoundError: there is none.
        FormatError: it is none, or of another size.
    """
    try:
        volume = np.load(path, mmap_mode="c", allow_pickle=False)
    except FileNotFoundError as err:
        msg = f"{path}: no such file: expected a volume of the recipe beside it; {_AGAIN}"
        raise NotFoundError(msg) from err
    except (ValueError, OSError, EOFError) as err:
        msg = f"{path}: {err}: expected a volume of {side} voxels a side; {_AGAIN}"
        raise FormatError(msg) from err
    if volume.shape != (side,) * 3 or volume.dtype != np.float32 or not volume.flags.c_contiguous:
        msg = f"{path}: {volume.dtype} of shape {volume.shape}: expected a volume of {side} voxels a side, float32; "
        msg += _AGAIN
        raise FormatError(msg)
    mapped: NDArray[np.float32] = volume
    return mapped


def _recipe(told: dict[str, Any]) -> Recipe:
    told = _known(told, Recipe)
    size = _whole(told["box_size"], 2, LARGEST_BOX)
    sources = tuple(_source(one) for one in _listed(told["sources"], _MOST_SOURCES))
    labels = tuple(_text(label) for label in _listed(told["labels"], _MOST_SOURCES))
    if {source.label for source in sources} != set(range(len(labels))):
        msg = f"{len(labels)} labels, and sources that are of {sorted({source.label for source in sources})[:10]}"
        raise ValueError(msg)
    if told["unit"] not in _UNITS or told["contrast"] not in ("dark", "bright") or size % 2:
        msg = f"unit {told['unit']!r}, contrast {told['contrast']!r}, box of {size}"
        raise ValueError(msg)
    scene = told["scene"]
    if not isinstance(scene, dict):
        msg = f"a scene that is {scene!r:.100}"
        raise ValueError(msg)
    return Recipe(
        **{name: told[name] for name in ("unit", "contrast")},
        seed=_whole(told["seed"], -(2**63), 2**63 - 1),
        box_size=size,
        pixel_size=_number(told["pixel_size"], 1e-3, 1e4),
        labels=labels,
        sources=sources,
        optics=_optics(_known(told["optics"], Optics)),
        noise=_noise(_known(told["noise"], Noise)),
        max_shift=_number(told["max_shift"], 0, 1e6),
        orientations=_orientations(told["orientations"]),
        scene=scene,
        version=_whole(told["version"], VERSION, VERSION),
    )


def _source(told: Any) -> Source:
    told = _known(told, Source)
    if not isinstance(told["file"], str) or not _FILE.fullmatch(told["file"]):
        msg = f"a volume in {told['file']!r:.100}, which is no name of a .npy file beside it"
        raise ValueError(msg)
    return Source(told["file"], _whole(told["label"], 0, _MOST_SOURCES), _whole(told["state"], 0, _MOST_SOURCES))


def _optics(told: dict[str, Any]) -> Optics:
    return Optics(
        _between(told["defocus"], -1e6, 1e6),
        _number(told["astigmatism"], 0, 1e6),
        _number(told["voltage"], 1, 1e4),
        _number(told["spherical_aberration"], -100, 100),
        _number(told["amplitude_contrast"], 0, 1),
        _number(told["phase_shift"], -360, 360),
        _number(told["b_factor"], 0, 1e5),
    )


def _noise(told: dict[str, Any]) -> Noise:
    return Noise(
        None if told["snr"] is None else _between(told["snr"], 1e-12, 1e12),
        None if told["dose"] is None else _number(told["dose"], 1e-12, 1e6),
        None if told["ice_snr"] is None else _number(told["ice_snr"], 1e-12, 1e12),
    )


def _orientations(told: Any) -> dict[str, Any]:
    kind = told["kind"]
    if not isinstance(told, dict) or kind not in _KINDS or told.keys() - {"kind"} != _KINDS[kind]:
        msg = f"orientations that are {told!r:.100}"
        raise ValueError(msg)
    for name in told.keys() & {"axes", "angles"}:
        table = np.asarray(told[name], np.float64)
        if table.ndim != 2 or table.shape[1] != 3 or not len(table) or not np.isfinite(table).all():
            msg = f"{name} of orientations of shape {table.shape}, or not finite"
            raise ValueError(msg)
        lengths = np.abs(table).max(1)
        if name == "axes" and not ((lengths > _SHORTEST) & (lengths < _LONGEST)).all():
            msg = f"axes of orientations whose lengths are not between {_SHORTEST} and {_LONGEST}"
            raise ValueError(msg)
        if not lengths.max() < _LONGEST:
            msg = f"angles of orientations up to {lengths.max()}"
            raise ValueError(msg)
    if kind == "axes":
        _number(told["kappa"], 0, 1e9)
    return told


def _known(told: Any, kind: type) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    if not isinstance(told, dict) or told.keys() != names:
        msg = f"{kind.__name__.lower()} of other fields than {', '.join(sorted(names))}"
        raise ValueError(msg)
    return dict(told)


def _listed(told: Any, most: int) -> list[Any]:
    if not isinstance(told, list) or not 0 < len(told) <= most:
        msg = f"{told!r:.100} where 1 to {most} values are expected"
        raise ValueError(msg)
    return told


def _text(told: Any) -> str:
    if not isinstance(told, str) or len(told) > 1000:
        msg = f"{told!r:.100} where a text is expected"
        raise ValueError(msg)
    return told


def _between(told: Any, least: float, most: float) -> Between:
    low, high = (_number(number, least, most) for number in told)
    if low > high:
        msg = f"from {low} to {high}"
        raise ValueError(msg)
    return low, high


def _whole(told: Any, least: int, most: int) -> int:
    if type(told) is not int or not least <= told <= most:
        msg = f"{told!r:.100} where a whole number from {least} to {most} is expected"
        raise ValueError(msg)
    return told


def _number(told: Any, least: float, most: float) -> float:
    if type(told) not in (int, float) or not math.isfinite(told) or not least <= told <= most:
        msg = f"{told!r:.100} where a number from {least:g} to {most:g} is expected"
        raise ValueError(msg)
    return float(told)
