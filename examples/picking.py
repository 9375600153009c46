"""How well a map tells where particles are: peaks, and which of them are particles."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def peaks(maps: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """What is higher than all else within a radius.

    Args:
        maps: `(fields, ny, nx)`, higher where a particle is more likely.
        radius: pixels.

    Returns:
        Heights, the highest first, `(peaks,)`, and for each of them (field, y, x), `(peaks, 3)`.
    """
    highest = nn.functional.max_pool2d(maps[:, None], 2 * radius + 1, 1, radius)[:, 0]
    places = torch.nonzero((maps == highest) & (maps > maps.amin((1, 2), keepdim=True)))
    heights, order = maps[tuple(places.T)].sort(descending=True)
    return heights, places[order]


def precision_and_recall(maps: Tensor, picks: Sequence[Tensor], radius: int) -> tuple[Tensor, Tensor]:
    """Of the highest peak, of the two highest, and so on.

    Args:
        maps: as of `peaks`.
        picks: for each field the places (x, y) of its particles, `(particles, 2)`, pixels.
        radius: pixels, at the most, between a peak and the particle that it stands for; a particle is found once.

    Returns:
        Precision and recall, `(peaks,)` each.
    """
    _, places = peaks(maps, radius)
    left = [torch.as_tensor(xy, dtype=torch.float64).reshape(-1, 2).clone() for xy in picks]
    hits = []
    for field, y, x in places.tolist():
        apart = torch.linalg.vector_norm(left[field] - torch.tensor([x, y]), dim=1)
        hits.append(bool((apart <= radius).any()))
        if hits[-1]:
            left[field][apart.argmin()] = torch.inf
    found = torch.tensor(hits, dtype=torch.float64).cumsum(0)
    return found / torch.arange(1, len(hits) + 1), found / max(1, sum(map(len, left)))
