"""Targets of networks that find particles, drawn from picks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from perc_transforms.core.base import Transform
from perc_transforms.core.batch import Rows
from perc_transforms.core.forms import LABEL, LABELS
from perc_transforms.core.sizing import is_length, is_whole, known_pixel_size
from perc_transforms.errors import MissingValueError, TransformError
from perc_transforms.functional.spatial.pick_map import pick_map
from perc_transforms.spatial.picks import floats, points_of

Radius = float | Sequence[float] | Mapping[int, float]


@dataclass(repr=False)
class PickMap(Transform):
    """Draw a row's picks as a label volume, or a heat map, into the column `labels`: what a network is to find.

    0 is background, and class c of the picks' `label` is c + 1: ids of a `ClassLabel` count from 0. `picks` is a dict
    of lists, as tiles and tomograms have it (`pixels`, (x, y, z) of the image, and `label`), or `(N, 2)`, (x, y), as
    micrographs have it, of the classes that the row's `label` lists, or else all of class 0. The labels have the
    image's spatial axes, and transforms that come after move them with it; so it stands best behind those that move the
    image, where it draws whole balls. Only the pixels about picks are looked at.

    A "ball" (in images a disk) holds all pixels within the radius, and at least the one nearest to the pick; where
    balls overlap, a pixel is that of the nearest pick. A "gaussian" has the standard deviation radius / 3, ends at the
    radius, and is 1 at the pixel nearest to the pick; where some overlap, the highest counts.

    What comes out: balls are int64, as torch's cross entropy takes them, `(ny, nx)` or `(nz, ny, nx)`; Gaussians
    float32 of that shape, all classes in one. With `channels`, `(classes, ...)` of float32, for losses by class: balls
    are of ones, and channel i is of the i-th of `classes`.

    Args:
        radius: in pixels, above 0: one number, a list of one a class, or a dict by class, `{0: 6.0, 2: 9.5}`.
        shape: "ball", the default, or "gaussian".
        classes: those that are drawn, ids from 0: a list, or a number n for 0 to n - 1; picks of others are not drawn.
            Default: all, or those that have a radius where it is a list or a dict.
        channels: one image a class. Then `classes` has to be known. Default: False.
        radius_angstrom: the radius in Å, in the same forms, by each row's `pixel_size`. One of the two is given.

    Raises:
        TransformError: an option is none of these, a row has no `picks`, a class is negative, or has no radius, or Å
            are asked for where no pixel size is known.

    Example:
        >>> import torch
        >>> row = {"image": torch.rand(1, 6), "picks": {"pixels": [[1.0, 0.0], [4.2, 0.0]], "label": [0, 4]}}
        >>> PickMap(1.0)(row)["labels"]
        tensor([[1, 1, 1, 0, 5, 5]])
    """

    columns: ClassVar[tuple[str, ...]] = ("pixel_size", "picks", LABEL)

    radius: Radius | None = None
    shape: Literal["ball", "gaussian"] = "ball"
    classes: int | Sequence[int] | None = None
    channels: bool = False
    radius_angstrom: Radius | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [value for value in (self.radius, self.radius_angstrom) if value is not None]
        if len(given) != 1 or not _are_radii(given[0]):
            msg = (
                f"{self!r}: expected radius (pixels) or radius_angstrom (Å), one of them, above 0: a number, a list of "
            )
            msg += "one for each class, or a dict of them by class, whole numbers from 0"
            raise TransformError(msg)
        if self.shape not in ("ball", "gaussian"):
            msg = f"{self!r}: shape is {self.shape!r}: expected 'ball' or 'gaussian'"
            raise TransformError(msg)
        if self.classes is not None and not _are_classes(self.classes):
            msg = f"{self!r}: classes is {self.classes!r}: expected different whole numbers from 0, or how many"
            raise TransformError(msg)
        self._drawn = _ids(self.classes, given[0])
        if self.channels and self._drawn is None:
            msg = f"{self!r}: channels=True needs classes=, the ids of the classes or how many there are"
            raise TransformError(msg)

    def apply(self, rows: Rows) -> Rows:
        """Draw the picks of images of one shape in one go."""
        found = [self._picks(rows, place) for place in range(len(rows.images))]
        owners = np.repeat(np.arange(len(found)), [len(labels) for _, labels, _ in found])
        points, labels, radii = (np.concatenate(values) for values in zip(*found, strict=True))
        device = rows.images.device
        made = pick_map(
            torch.from_numpy(points).to(device),
            torch.from_numpy(radii).to(device),
            (len(rows.images), *rows.sizes),
            labels=torch.from_numpy(labels).to(device),
            rows=torch.from_numpy(owners).to(device),
            profile=self.shape,
            channels=len(self._drawn or ()) if self.channels else None,
        )
        return replace(rows, beside={**rows.beside, LABELS: made})

    def _picks(self, rows: Rows, place: int) -> tuple[Any, Any, Any]:
        """Of a row's picks that are drawn: pixels, classes, of which channels are counted, and radii in pixels."""
        picks, dims = rows.columns["picks"][place], rows.spatial_dims
        points = None if picks is None else points_of(picks, dims)
        if points is None or points.shape[1] != dims:
            axes = "x, y, z" if dims == 3 else "x, y"
            told = "null" if picks is None else type(picks).__name__
            msg = (
                f"{self!r}: the row's picks are {told}: expected places ({axes}) in pixels of the image: `pixels` of a "
            )
            error = MissingValueError(msg + f"dict, or (N, {dims}) alone, as load_dataset(..., picks=...) gives them")
            error.column = "picks"
            raise error
        labels = self._labels(picks, rows.columns[LABEL][place], len(points))
        if self._drawn is not None:
            drawn = np.isin(labels, self._drawn)
            points, labels = points[drawn], labels[drawn]
        radii = np.array([self._radius(label) for label in labels.tolist()], np.float64)
        if self.radius_angstrom is not None:
            radii /= known_pixel_size(rows.columns["pixel_size"][place], self, "radius")
        if self.channels and self._drawn:
            labels = np.array([self._drawn.index(label) for label in labels.tolist()], np.int64)
        return points, labels, radii

    def _labels(self, picks: Any, beside: Any, count: int) -> Any:
        given = picks.get(LABEL) if isinstance(picks, Mapping) else beside if _length(beside) == count else None
        labels = np.zeros(count) if given is None else floats(given, ())
        if labels is None or labels.shape != (count,) or not (labels >= 0).all():
            msg = f"{self!r}: the label of the row's picks is {given!r}: expected {count} classes from 0, one for each"
            raise TransformError(msg)
        return labels.astype(np.int64)

    def _radius(self, label: int) -> float:
        given = self.radius_angstrom if self.radius is None else self.radius
        if not isinstance(given, Sequence | Mapping):
            return float(given or 0.0)
        try:
            return float(given[label])
        except (KeyError, IndexError) as err:
            msg = f"{self!r}: a pick of class {label}: expected a radius for it, or classes= without it"
            raise TransformError(msg) from err


def _length(value: Any) -> int | None:
    """Of a list, an array or a tensor of one axis; None of anything else."""
    if isinstance(value, np.ndarray | torch.Tensor):
        return len(value) if value.ndim == 1 else None
    return len(value) if isinstance(value, list | tuple) else None


def _are_radii(radius: Any) -> bool:
    if isinstance(radius, Mapping):
        return bool(radius) and all(is_whole(c) and c >= 0 and is_length(r) for c, r in radius.items())
    if isinstance(radius, Sequence) and not isinstance(radius, str):
        return bool(radius) and all(map(is_length, radius))
    return is_length(radius)


def _are_classes(classes: Any) -> bool:
    if is_whole(classes):
        return classes > 0
    return (
        isinstance(classes, Sequence)
        and not isinstance(classes, str)
        and bool(classes)
        and all(is_whole(one) and one >= 0 for one in classes)
        and len(set(classes)) == len(classes)
    )


def _ids(classes: Any, radius: Any) -> list[int] | None:
    """The classes that are drawn; None: all."""
    if classes is not None:
        return list(range(classes)) if is_whole(classes) else [int(one) for one in classes]
    if isinstance(radius, Mapping):
        return sorted(map(int, radius))
    return list(range(len(radius))) if isinstance(radius, Sequence) else None
