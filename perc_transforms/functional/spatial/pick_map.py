"""Picks drawn as volumes of labels, or as heat maps."""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

Profile = Literal["ball", "gaussian"]

DEVIATIONS = 3.0
"""Standard deviations of a Gaussian to its edge."""
_AT_ONCE = 2**20
"""Pixels about picks that are looked at together."""
_LABEL = 2**32 - 1
"""The bits of a key in which a label stands, below those of a distance."""
_BACKGROUND = 2**63 - 1
_SLACK = 1e-6
_FARTHEST = 1e15
"""Pixels: a radius beyond it reaches everything."""
_MOST = 1e38
"""Squared pixels, below infinity: what is out of reach is that far."""


def pick_map(
    points: Tensor,
    radii: Tensor,
    shape: Sequence[int],
    *,
    labels: Tensor | None = None,
    rows: Tensor | None = None,
    profile: Profile = "ball",
    channels: int | None = None,
) -> Tensor:
    """Draw picks into images of labels: 0 is background, class c is c + 1.

    A "ball" (in images a disk) holds the pixels whose centre is no farther than the radius from the pick, and in any
    case the nearest one. Where balls overlap a pixel is that of the pick that lies nearest, of equally near ones that
    of the lower class. A "gaussian" is `exp(-(r^2 - r0^2) / (2 s^2))` with s = radius / 3, as far as the radius; r0 is
    the distance of the pixel nearest to the pick, where it is 1; where several overlap, the highest counts (CenterNet's
    heat maps, Zhou et al. 2019, which move picks to whole pixels). Only the pixels about picks are looked at.

    Args:
        points: `(N, dims)`, pixels in the order (x, y) or (x, y, z), from 0, with parts of pixels; what lies outside of
            the images is drawn as far as it reaches into them.
        radii: `(N,)`, in pixels.
        shape: `(rows, ny, nx)` or `(rows, nz, ny, nx)`.
        labels: `(N,)`, classes from 0. Default: 0.
        rows: `(N,)`, the image that each pick is in. Default: 0.
        profile: "ball" or "gaussian".
        channels: draw each class into an image of its own: how many classes there are.

    Returns:
        Balls: `shape`, int64. Gaussians: `shape`, float32, of all classes. With `channels`: `(rows, channels, ...)`,
        float32, balls of ones. On the device of the points.

    Example:
        >>> pick_map(torch.tensor([[1.0, 0.0], [4.2, 0.0]]), torch.ones(2), (1, 1, 6), labels=torch.tensor([0, 4]))
        tensor([[[1, 1, 1, 0, 5, 5]]])
    """
    count, sizes = shape[0], tuple(shape[1:])
    points = points.double()
    labels = torch.zeros(len(points), dtype=torch.int64, device=points.device) if labels is None else labels.long()
    images = torch.zeros_like(labels) if rows is None else rows.long()
    full = (count, *sizes) if channels is None else (count, channels, *sizes)
    if channels is not None:
        images = images * channels + labels
    is_labelled = profile == "ball" and channels is None
    start, dtype = (_BACKGROUND, torch.int64) if is_labelled else (0, torch.float32)
    out = torch.full((math.prod(full),), start, dtype=dtype, device=points.device)
    for picks, index, squares, least in _around(points, radii, images, sizes):
        if is_labelled:
            keys = (squares.view(torch.int32).long() << 32) | labels[picks]
            out.scatter_reduce_(0, index, keys, "amin")
        elif profile == "ball":
            out[index] = 1.0
        else:
            widths = 2 * (radii[picks].float() / DEVIATIONS).square()
            out.scatter_reduce_(0, index, torch.exp((least - squares) / widths), "amax")
    if is_labelled:
        out = out.bitwise_and_(_LABEL).add_(1).bitwise_and_(_LABEL)
    return out.view(full)


def _around(
    points: Tensor, radii: Tensor, images: Tensor, sizes: tuple[int, ...]
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Pixels about picks: the pick of each, its place among all pixels, its squared distance, and the pick's least."""
    dims = len(sizes)
    nearest = (points + 0.5).floor()
    least = (points - nearest).square().sum(1).float()
    for radius in torch.unique(radii).tolist():
        reach = math.floor(min(radius, _FARTHEST) + 0.5)
        sides = [min(2 * reach + 1, n) for n in sizes]
        chosen = (radii == radius).nonzero()[:, 0]
        thick = max(1, _AT_ONCE // max(1, math.prod(sides[1:])))
        for some in chosen.split(max(1, _AT_ONCE // max(1, math.prod(sides)))):
            corners = _corners(nearest[some], reach, sides, sizes)
            for first in range(0, sides[0], thick):  # thinner than the window only where that is of one pick
                squares, index = torch.zeros((), device=points.device), images[some].view(-1, *[1] * dims)
                middle = torch.zeros((), device=points.device)  # of the nearest pixel: as it is summed there
                for axis, n in enumerate(sizes):
                    start, stop = (first, min(first + thick, sides[0])) if axis == 0 else (0, sides[axis])
                    places = corners[axis] + torch.arange(start, stop, device=points.device)
                    point, near = (values[some, dims - 1 - axis, None] for values in (points, nearest))
                    apart = (places - point).square().float()
                    apart = torch.where((places - near).abs() <= reach, apart, math.inf)
                    own = torch.where((near >= 0) & (near < n), (near - point).square().float(), math.inf)
                    form = (len(some), *[1] * axis, stop - start, *[1] * (dims - 1 - axis))
                    squares, index = squares + apart.view(form), index * n + places.view(form)
                    middle = middle + own[:, 0]
                near = torch.where(middle.isinf(), least[some], middle)
                most = min(radius * radius * (1 + _SLACK), _MOST)
                kept = squares <= near.clamp(min=most).view(-1, *[1] * dims)
                picks, near = (values.view(-1, *[1] * dims).expand(kept.shape)[kept] for values in (some, near))
                yield picks, index[kept], squares[kept], near


def _corners(nearest: Tensor, reach: int, sides: Sequence[int], sizes: Sequence[int]) -> list[Tensor]:
    """Where the windows about picks begin, along each axis: what is of an image within the reach lies in them."""
    ends = zip(sides, sizes, strict=True)
    return [(nearest[:, -1 - axis, None] - reach).clamp(0, n - side).long() for axis, (side, n) in enumerate(ends)]
