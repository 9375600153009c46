"""Transforms that cut images out, and that put them into larger boxes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
from torch import Tensor

from perc_transforms.core.base import Transform
from perc_transforms.core.batch import Batch, Groups, Rows
from perc_transforms.core.random_draws import RandomTransform, draw_seed, noise
from perc_transforms.core.sizing import are_lengths, are_sides, is_number, parted, sides_of
from perc_transforms.errors import TransformError
from perc_transforms.functional.spatial.cropping import center_crop, crop, pad, pad_with_noise
from perc_transforms.spatial.motion import COLUMNS, Motion, moved


@dataclass(repr=False)
class _Box(Transform):
    """What transforms have in common that are asked for a box."""

    columns: ClassVar[tuple[str, ...]] = COLUMNS

    size: int | Sequence[int] | None = None
    size_angstrom: float | Sequence[float] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        fine = are_lengths(self.size_angstrom) if self.size is None else are_sides(self.size)
        if (self.size is None) == (self.size_angstrom is None) or not fine:
            msg = f"{self!r}: expected size (pixels) or size_angstrom (Å), one of them: a number, or one for each axis"
            raise TransformError(msg)

    def groups(self, batch: Batch) -> Groups:
        """The rows that get one shape together: in Å, those of one pixel size."""
        return parted(batch.groups(self.columns), self._shape)

    def _shape(self, rows: Rows, number: int = 0) -> tuple[int, ...]:
        """The shape that a row is to get."""
        return sides_of(self.size, self.size_angstrom, rows, number, self)

    def _smaller(self, rows: Rows, number: int = 0) -> tuple[int, ...]:
        """The shape that a row is to get, which must fit into its image."""
        shape = self._shape(rows, number)
        if any(m > n for n, m in zip(rows.sizes, shape, strict=True)):
            msg = f"{self!r}: a part of {shape} of an image of {rows.sizes}: "
            msg += "expected no side longer than the image's; Pad it first"
            raise TransformError(msg)
        return shape


@dataclass(repr=False)
class CenterCrop(_Box):
    """Cut out the part about the centre: of m out of n pixels, those from `n // 2 - m // 2`.

    Pixel `n // 2`, the centre, becomes pixel `m // 2`, the centre; so `pose` stays as it is. Picks in the image
    (`coordinate_x`, `coordinate_y`) are counted from the new corner, and may lie outside.

    Args:
        size: pixels along each axis, `(ny, nx)` or `(nz, ny, nx)`; one number for all of them.
        size_angstrom: the same in Å, by each row's `pixel_size`: round(size / pixel_size) pixels. One of the two is
            given.

    Raises:
        TransformError: neither or both are given, the image is smaller, or Å are asked for where no pixel size is
            known.

    Example:
        >>> import torch
        >>> CenterCrop((1, 3))(torch.arange(6.0).expand(1, 6))
        tensor([[2., 3., 4.]])
    """

    def apply(self, rows: Rows) -> Rows:
        """Crop images of one shape, to one shape, in one go."""
        cut = partial(center_crop, shape=self._smaller(rows), spatial_dims=rows.spatial_dims)
        return moved(rows, cut, Motion(), owner=type(self).__name__)


@dataclass(repr=False)
class RandomCrop(_Box, RandomTransform):
    """Cut out a part at random: its corner is uniform over all places where it fits.

    Where the centre of the part was off the image's by d, the content has moved by -d: `pose` has its origin changed,
    and coordinates follow. Recorded: `corner`, the first pixel cut out, in the order (x, y) or (x, y, z).

    Args:
        size: pixels along each axis, `(ny, nx)` or `(nz, ny, nx)`; one number for all of them.
        size_angstrom: the same in Å, by each row's `pixel_size`. One of the two is given.
        seed: see `RandomTransform`.
        record: see `RandomTransform`.

    Raises:
        TransformError: as for `CenterCrop`.

    Example:
        >>> import torch
        >>> row = RandomCrop(3, record=True)({"image": torch.rand(5, 5), "path": "a.mrc"})
        >>> row["image"].shape, sorted(row["transforms"][0])
        (torch.Size([3, 3]), ['corner', 'transform'])
    """

    def draw(self, rng: np.random.Generator, rows: Rows, place: int) -> dict[str, Any]:
        """Draw a corner."""
        shape = self._smaller(rows, place)
        return {"corner": [int(rng.integers(n - m + 1)) for n, m in zip(rows.sizes[::-1], shape[::-1], strict=True)]}

    def apply_drawn(self, rows: Rows, params: Sequence[dict[str, Any]]) -> Rows:
        """Cut each image at its corner."""
        shape = self._smaller(rows)
        corners = [tuple(map(int, values["corner"]))[::-1] for values in params]
        for corner in corners:
            if any(not 0 <= c <= n - m for c, n, m in zip(corner, rows.sizes, shape, strict=True)):
                msg = f"{self!r}: a part of {shape} from {corner} of an image of {rows.sizes}: expected one inside"
                raise TransformError(msg)
        centres = [[n // 2 - m // 2 for n, m in zip(rows.sizes, shape, strict=True)]] * len(corners)
        motions = [
            Motion(shift=tuple(float(c - start) for c, start in zip(centre, corner, strict=True))[::-1])
            for centre, corner in zip(centres, corners, strict=True)
        ]
        return moved(rows, partial(crop, corners=corners, shape=shape), motions, owner=type(self).__name__)


@dataclass(repr=False)
class Pad(_Box, RandomTransform):
    """Put images into larger boxes: n pixels become m, with `m // 2 - n // 2` of them before.

    Pixel `n // 2`, the centre, becomes pixel `m // 2`, so `CenterCrop` gives the image back. Only mode "noise" draws:
    its `seed` is recorded, and the other modes leave no record and need none to be replayed.

    Args:
        size: pixels along each axis, `(ny, nx)` or `(nz, ny, nx)`; one number for all of them.
        mode: what lies beyond the image. "constant", the default: `value`. "reflect": the image, mirrored at the
            centres of its outermost pixels, as often as it takes. "noise": Gaussian noise with the mean and the
            standard deviation of the image's own background: its pixels beyond 0.375 of its shortest side from its
            centre; a `target` gets its own.
        value: of "constant". Default: 0.
        size_angstrom: the size in Å, by each row's `pixel_size`: round(size / pixel_size) pixels. One of the two is
            given.
        seed: see `RandomTransform`.
        record: see `RandomTransform`.

    Raises:
        TransformError: neither or both sizes are given, the image is larger, there is no such mode, `value` is no
            number, or Å are asked for where no pixel size is known.

    Example:
        >>> import torch
        >>> Pad((1, 5), mode="reflect")(torch.tensor([[1.0, 2.0, 3.0]]))
        tensor([[2., 1., 2., 3., 2.]])
    """

    mode: Literal["constant", "reflect", "noise"] = "constant"
    value: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in ("constant", "reflect", "noise"):
            msg = f"{self!r}: mode is {self.mode!r}: expected 'constant', 'reflect' or 'noise'"
            raise TransformError(msg)
        if not is_number(self.value):
            msg = f"{self!r}: value is {self.value!r}: expected a number"
            raise TransformError(msg)

    def transform(self, batch: Batch) -> None:
        """Pad shape by shape."""
        if self.mode == "noise":
            RandomTransform.transform(self, batch)
        else:
            Transform.transform(self, batch)

    def draw(self, rng: np.random.Generator, rows: Rows, place: int) -> dict[str, Any]:
        """Draw the seed of the noise."""
        return {"seed": draw_seed(rng)}

    def apply(self, rows: Rows) -> Rows:
        """Pad images of one shape, to one shape, in one go."""
        shape, dims = self._larger(rows), rows.spatial_dims
        mode: Any = self.mode
        widen = partial(pad, shape=shape, spatial_dims=dims, mode=mode, value=float(self.value))
        return moved(rows, widen, Motion(), owner=type(self).__name__)

    def apply_drawn(self, rows: Rows, params: Sequence[dict[str, Any]]) -> Rows:
        """Put each image into noise of its seed."""
        shape, dims = self._larger(rows), rows.spatial_dims
        seeds = [int(values["seed"]) for values in params]

        def widen(images: Tensor, further: int = 0) -> Tensor:
            made = noise([seed + further for seed in seeds], images.new_empty(*images.shape[:-dims], *shape))
            return pad_with_noise(images, made, spatial_dims=dims)

        # a target has noise of its own: what is the same in both, networks would learn to keep
        return moved(rows, widen, Motion(), owner=type(self).__name__, target=partial(widen, further=1))

    def _larger(self, rows: Rows) -> tuple[int, ...]:
        shape = self._shape(rows)
        if any(m < n for n, m in zip(rows.sizes, shape, strict=True)):
            msg = f"{self!r}: a box of {shape} for an image of {rows.sizes}: expected no shorter side; see CenterCrop"
            raise TransformError(msg)
        return shape
