"""Transforms that filter: by resolution, by an image's own spectrum, and by what a tilt series sees."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from torch import Tensor

from perc_transforms.core.base import Transform
from perc_transforms.core.batch import Rows
from perc_transforms.core.sizing import is_number, known_pixel_sizes
from perc_transforms.errors import TransformError
from perc_transforms.functional.fourier.filters import bandpass, highpass, lowpass, whiten
from perc_transforms.functional.fourier.wedge import missing_wedge

_SLACK = 1e-5
"""How far, relatively, a resolution may lie beyond the Nyquist limit: pixel sizes come in float32."""


@dataclass(repr=False)
class _ByResolution(Transform):
    """What the filters by resolution have in common: cut-offs that are checked against each row's Nyquist limit."""

    columns: ClassVar[tuple[str, ...]] = ("pixel_size",)

    def _check(self, resolutions: dict[str, float], width: float) -> None:
        for name, value in resolutions.items():
            if not is_number(value) or value <= 0:
                msg = f"{type(self).__name__}: {name} is {value!r}: expected a resolution in Å, finite and above 0"
                raise TransformError(msg)
        if not is_number(width) or width < 0:
            msg = f"{type(self).__name__}: width is {width!r}: expected a number of shells, finite and not negative"
            raise TransformError(msg)

    def _filtered(self, rows: Rows, function: Callable[..., Tensor], width: float, **resolutions: float) -> Rows:
        sizes = known_pixel_sizes(rows, self)
        finest, nyquist = min(resolutions.values()), 2 * max(sizes)
        if finest < nyquist * (1 - _SLACK):
            msg = f"{self!r}: {finest:g} Å is finer than the Nyquist limit of {nyquist:g} Å (a pixel_size of "
            msg += f"{nyquist / 2:g} Å): expected {nyquist:g} Å or more, or images with smaller pixels"
            raise TransformError(msg)
        options = {"pixel_size": sizes, "width": width, "spatial_dims": rows.spatial_dims}
        return rows.through(partial(function, **resolutions, **options))


@dataclass(repr=False)
class _OneEdge(_ByResolution):
    """What `Lowpass` and `Highpass` have in common."""

    function: ClassVar[Callable[..., Tensor]]

    resolution: float
    width: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check({"resolution": self.resolution}, self.width)

    def apply(self, rows: Rows) -> Rows:
        """Filter the images of one shape in one go, each by its pixel size."""
        return self._filtered(rows, type(self).function, self.width, resolution=self.resolution)


@dataclass(repr=False)
class Lowpass(_OneEdge):
    """Remove what is finer than a resolution; the mean is kept.

    The spectrum is multiplied by 1 up to a raised cosine, and by 0 beyond it. With n pixels on the longest side, the
    cosine is centred on shell `round(n * pixel_size / resolution)` and `width` shells wide; it starts at DC at the
    lowest. RELION's `lowPassFilterMap`, but for widths that are odd or broken: RELION halves them as integers.

    Shapes `(..., ny, nx)` or `(..., nz, ny, nx)`.

    Args:
        resolution: in Å, by each row's `pixel_size`; finite and above 0.
        width: of the edge, in shells (one shell is 1 / n cycles a pixel); 0 is a step. Default: 2.

    Raises:
        TransformError: an option out of range, a row without pixel size, or a resolution beyond the Nyquist limit.

    Example:
        >>> import torch
        >>> row = {"image": torch.ones(8, 8), "pixel_size": 2.0}
        >>> Lowpass(8.0)(row)["image"].mean()
        tensor(1.)
    """

    function = staticmethod(lowpass)


@dataclass(repr=False)
class Highpass(_OneEdge):
    """Remove what is coarser than a resolution, and the mean: what `Lowpass` of the same options leaves out.

    RELION's `highPassFilterMap` (the raised cosine is `0.5 - 0.5 cos`), but for the widths; see `Lowpass`.

    Shapes `(..., ny, nx)` or `(..., nz, ny, nx)`.

    Args:
        resolution: in Å, by each row's `pixel_size`; finite and above 0. Even one coarser than the image is long
            removes the mean.
        width: of the edge, in shells (one shell is 1 / n cycles a pixel); 0 is a step. Default: 2.

    Raises:
        TransformError: an option out of range, a row without pixel size, or a resolution beyond the Nyquist limit.

    Example:
        >>> import torch
        >>> row = {"image": torch.ones(8, 8), "pixel_size": 2.0}
        >>> Highpass(8.0)(row)["image"].mean()
        tensor(0.)
    """

    function = staticmethod(highpass)


@dataclass(repr=False)
class Bandpass(_ByResolution):
    """Keep what lies between two resolutions: `Lowpass` at the finer and `Highpass` at the coarser; no mean is left.

    Shapes `(..., ny, nx)` or `(..., nz, ny, nx)`.

    Args:
        low: the low-frequency limit, in Å by each row's `pixel_size`: the coarser one, such as 200.
        high: the high-frequency limit, in Å: the finer one, such as 8. The other way round is the same filter.
        width: of both edges, in shells (one shell is 1 / n cycles a pixel); 0 is a step. Default: 2.

    Raises:
        TransformError: an option out of range, a row without pixel size, or a resolution beyond the Nyquist limit.

    Example:
        >>> import torch
        >>> row = {"image": torch.rand(8, 8), "pixel_size": 2.0}
        >>> one, two = Bandpass(low=16.0, high=4.0)(row), Bandpass(low=4.0, high=16.0)(row)
        >>> torch.equal(one["image"], two["image"])
        True
    """

    low: float
    high: float
    width: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check({"low": self.low, "high": self.high}, self.width)

    def apply(self, rows: Rows) -> Rows:
        """Filter the images of one shape in one go, each by its pixel size."""
        return self._filtered(rows, bandpass, self.width, low=self.low, high=self.high)


@dataclass(repr=False)
class Whiten(Transform):
    """Divide each image's spectrum by its own radial amplitude: white noise of variance 1, whatever the scale.

    The amplitude of a shell is `sqrt(mean |F|^2)` over it; shell s of a box of n pixels (its longest side) holds the
    frequencies with `round(n |f|) == s`. Shells as weak as rounding errors become 0: a constant image stays constant,
    an image that was low-pass filtered stays so. DC is a shell, too, and the mean becomes `+-1 / sqrt(pixels)`.
    ASPIRE's `Image.whiten` is a relative: it divides by the square root of a noise spectrum that was estimated before.

    Shapes `(..., ny, nx)` or `(..., nz, ny, nx)`, each image by itself. A row's `target` is divided by
    the amplitudes of the image.

    Example:
        >>> import torch
        >>> y = Whiten()(torch.rand(16, 16))
        >>> round(float(y.square().mean()), 3)
        1.0
    """

    def apply(self, rows: Rows) -> Rows:
        """Whiten the images of one shape in one go."""
        change = partial(whiten, spatial_dims=rows.spatial_dims)
        return rows.through(change, partial(change, by=rows.images))


@dataclass(repr=False)
class MissingWedge(Transform):
    """Zero the part of a volume's spectrum that a single-axis tilt series does not see.

    The beam is z. Kept is `min_angle <= atan(kz / kx) <= max_angle` for tilts about y, ky in place of kx for tilts
    about x, and DC; both limits belong to the range. On cubes this is acryo's `SingleAxisY` and `SingleAxisX` (but
    for the highest frequency of odd sides, whose sign acryo takes for minus). In volumes of unequal sides k is in
    cycles a pixel, which keeps angles true; acryo multiplies the index by the side where this divides. A Nyquist
    component, which is both +1/2 and -1/2, is kept if either is in the range.

    Shape `(..., nz, ny, nx)`.

    Args:
        min_angle: lowest tilt in degrees, -90 or more. Default: -60.
        max_angle: highest tilt in degrees, above `min_angle` and 90 or less. -90 to 90 changes nothing. Default: 60.
        axis: the tilt axis, "x" or "y". Default: "y".

    Raises:
        TransformError: an option out of range, or an image that is no volume.

    Example:
        >>> import torch
        >>> MissingWedge(-60, 60)(torch.ones(4, 4, 4)).mean()
        tensor(1.)
    """

    min_angle: float = -60.0
    max_angle: float = 60.0
    axis: Literal["x", "y"] = "y"

    def __post_init__(self) -> None:
        super().__post_init__()
        numeric = is_number(self.min_angle) and is_number(self.max_angle)
        if not numeric or not -90 <= self.min_angle < self.max_angle <= 90:
            msg = f"MissingWedge: tilts from {self.min_angle!r} to {self.max_angle!r}: expected degrees, "
            msg += "-90 <= min_angle < max_angle <= 90"
            raise TransformError(msg)
        if self.axis not in ("x", "y"):
            msg = f"MissingWedge: axis is {self.axis!r}: expected 'x' or 'y', the tilt axis; the beam is z"
            raise TransformError(msg)
        if self.spatial_dims == 2:
            msg = "MissingWedge: spatial_dims is 2: expected 3: a wedge is missing from volumes only"
            raise TransformError(msg)

    def apply(self, rows: Rows) -> Rows:
        """Filter the volumes of one shape in one go."""
        if rows.spatial_dims != 3:
            msg = f"{self!r}: an image of shape {rows.sizes}: expected a volume (nz, ny, nx)"
            raise TransformError(msg)
        low, high = self.min_angle, self.max_angle
        return rows.through(partial(missing_wedge, min_angle=low, max_angle=high, axis=self.axis))
