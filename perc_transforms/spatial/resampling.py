"""Transforms that resample: to a number of pixels, or by cropping and padding the spectrum."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from perc_transforms import functional as F
from perc_transforms.core.base import Transform
from perc_transforms.core.batch import Batch, Groups, Rows
from perc_transforms.core.sizing import are_sides, for_each_axis, is_length, known_pixel_size, parted
from perc_transforms.errors import TransformError
from perc_transforms.spatial.motion import COLUMNS, Motion, moved


@dataclass(repr=False)
class Rescale(Transform):
    """Resample to a given number of pixels; `pixel_size` and coordinates are updated.

    By the image's Fourier series, centre on centre, without the frequencies that the new grid cannot hold, so that a
    band-limited image is reproduced and nothing aliases (see `functional.rescale`). An image of unequal sides keeps
    its true aspect: it is fitted into `shape`, and the rest is filled with its mean. CAKED's `rescale=N` aliases, and
    stretches.

    Args:
        shape: pixels along each axis, `(ny, nx)` or `(nz, ny, nx)`; one number for all of them.
        stretch: let each axis fill its side instead; `pixel_size`, which is that along x, is then x's.

    Raises:
        TransformError: `shape` is not made of positive integers, or has another number of axes than the image.

    Example:
        >>> import torch
        >>> row = Rescale(32)({"image": torch.rand(64, 64, 64), "pixel_size": 1.5})
        >>> row["image"].shape, row["pixel_size"]
        (torch.Size([32, 32, 32]), 3.0)
    """

    columns: ClassVar[tuple[str, ...]] = COLUMNS

    shape: int | Sequence[int]
    stretch: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not are_sides(self.shape):
            msg = f"Rescale: shape is {self.shape!r}: expected a number of pixels, or one for each axis"
            raise TransformError(msg)

    def apply(self, rows: Rows) -> Rows:
        """Resample the images of one shape in one go."""
        shape = tuple(map(int, for_each_axis(self.shape, rows.sizes, self)))
        resample = partial(F.rescale, shape=shape, spatial_dims=rows.spatial_dims, stretch=self.stretch)
        steps = F.rescale_steps(rows.sizes, shape, stretch=self.stretch)
        return moved(rows, resample, Motion(step=steps[::-1]), owner=type(self).__name__)


@dataclass(repr=False)
class _FourierResize(Transform):
    """What `FourierCrop` and `FourierPad` have in common."""

    columns: ClassVar[tuple[str, ...]] = COLUMNS

    shape: int | Sequence[int] | None = None
    pixel_size: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [value for value in (self.shape, self.pixel_size) if value is not None]
        valid = are_sides(self.shape) if self.shape is not None else is_length(self.pixel_size)
        if len(given) != 1 or not valid:
            msg = f"{self!r}: expected shape (pixels: a number, or one for each axis) or pixel_size (Å), one of them"
            raise TransformError(msg)

    def groups(self, batch: Batch) -> Groups:
        """The rows that get one shape together: those of one pixel size."""
        return parted(batch.groups(self.columns), self._target)

    def apply(self, rows: Rows) -> Rows:
        """Resize the images of one shape and pixel size in one go."""
        shape = self._target(rows, 0)
        steps = F.rescale_steps(rows.sizes, shape, stretch=True)
        resample = partial(F.rescale, shape=shape, spatial_dims=rows.spatial_dims, stretch=True)
        return moved(rows, resample, Motion(step=steps[::-1]), owner=type(self).__name__)

    def _target(self, rows: Rows, number: int) -> tuple[int, ...]:
        """The shape that a row is to get."""
        if self.pixel_size is None:
            shape: tuple[int, ...] = tuple(map(int, for_each_axis(self.shape, rows.sizes, self)))
        else:
            old = known_pixel_size(rows.columns["pixel_size"][number], self, "shape")
            shape = tuple(max(1, round(n * old / self.pixel_size)) for n in rows.sizes)
        self._check(rows.sizes, shape)
        return shape

    def _check(self, sizes: tuple[int, ...], shape: tuple[int, ...]) -> None:
        raise NotImplementedError


@dataclass(repr=False)
class FourierCrop(_FourierResize):
    """Reduce images by cropping their spectra about the origin: larger pixels, the mean kept, nothing aliases.

    The result is the image's Fourier series without the frequencies that m of n pixels cannot hold, sampled anew with
    pixel `n // 2` going to `m // 2`, exactly so at odd and even sizes. `pixel_size` becomes old * n / m. At the Nyquist
    frequency of an even m the cosine is kept, whole; so `FourierCrop` undoes `FourierPad`. ASPIRE's `_downsample` gives
    the same but for that cosine: it leaves it out, or with `zero_nyquist=False` takes half of it.

    Args:
        shape: pixels along each axis, `(ny, nx)` or `(nz, ny, nx)`; one number for all of them.
        pixel_size: the new one in Å, of each row's own: m = round(n * old / new) along each axis. As m is a whole
            number, what a row's `pixel_size` becomes, old * n / m, can differ a little from what was asked for. Rows of
            different pixel sizes get different shapes. One of the two is given.

    Raises:
        TransformError: neither or both are given, a side would become longer, or a row has no pixel size to start from.

    Example:
        >>> import torch
        >>> row = FourierCrop(pixel_size=3.0)({"image": torch.ones(10, 10), "pixel_size": 1.0})
        >>> row["image"].shape, round(row["pixel_size"], 3), round(float(row["image"].mean()), 3)
        (torch.Size([3, 3]), 3.333, 1.0)
    """

    def _check(self, sizes: tuple[int, ...], shape: tuple[int, ...]) -> None:
        if any(m > n for n, m in zip(sizes, shape, strict=True)):
            msg = f"{self!r}: an image of {sizes} would become {shape}: "
            msg += "expected no side longer than the image's; FourierPad makes longer ones"
            raise TransformError(msg)


@dataclass(repr=False)
class FourierPad(_FourierResize):
    """Enlarge images by padding their spectra with zeros: smaller pixels, the mean kept, nothing new between them.

    The result is the image's Fourier series, sampled at m instead of n pixels, with pixel `n // 2` going to `m // 2`.
    `pixel_size` becomes old * n / m. `FourierCrop` of what comes out gives back the image.

    Args:
        shape: pixels along each axis, `(ny, nx)` or `(nz, ny, nx)`; one number for all of them.
        pixel_size: the new one in Å, as for `FourierCrop`. One of the two is given.

    Raises:
        TransformError: neither or both are given, a side would become shorter, or a row has no pixel size to start
            from.

    Example:
        >>> import torch
        >>> row = FourierPad(16)({"image": torch.ones(8, 8), "pixel_size": 3.0})
        >>> row["image"].shape, row["pixel_size"]
        (torch.Size([16, 16]), 1.5)
    """

    def _check(self, sizes: tuple[int, ...], shape: tuple[int, ...]) -> None:
        if any(m < n for n, m in zip(sizes, shape, strict=True)):
            msg = (
                f"{self!r}: an image of {sizes} would become {shape}: expected no shorter side; FourierCrop makes them"
            )
            raise TransformError(msg)
