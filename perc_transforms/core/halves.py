"""Half precision to single: NumPy converts one number after another, torch eight at once."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

_PIECE = 32 * 1024 - 256
"""Numbers that are converted in one go: so few that torch does not share them among threads, which a fork leaves
behind."""


def widen(halves: NDArray[Any], out: NDArray[Any]) -> None:
    """Convert numbers; `out` has as many, in C order.

    Example:
        >>> out = np.empty(2, np.float32)
        >>> widen(np.array([1, 0.5], np.float16), out)
        >>> out
        array([1. , 0.5], dtype=float32)
    """
    source, target = np.ascontiguousarray(halves).reshape(-1), out.reshape(-1)
    step = _PIECE if torch.get_num_threads() > 1 else max(1, source.size)
    for start in range(0, source.size, step):
        piece = torch.from_numpy(source[start : start + step])
        torch.from_numpy(target[start : start + step]).copy_(piece)
