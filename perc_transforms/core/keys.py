"""What tells one row from another, whoever reads it: the ground of everything that is drawn for it."""

import hashlib
import numbers
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch

from perc_transforms.core.forms import as_image

KEY = ("path", "index", "id", "origin")
"""Columns by which a row is known: `path` and `index`, or `id`; of tiles of one volume, their first voxel, too."""
_SAMPLED = 4096


def name_of(path: Any, index: Any, identity: Any, origin: Any = None) -> bytes | None:
    """The name of a row; None if it has none. An index is the same as an integer, a float or null.

    Example:
        >>> name_of("a.mrcs", 3, None) == name_of("a.mrcs", 3.0, "x"), name_of(None, 3, None)
        (True, None)
    """
    if path is not None:
        whole = isinstance(index, numbers.Real) and float(index).is_integer()
        corner = corner_of(origin)
        known = (path, int(float(index)) if whole else index)
        return repr(known if corner is None else (*known, corner)).encode()
    return None if identity is None else repr(identity).encode()


def corner_of(origin: Any) -> tuple[int, ...] | None:
    """The first voxel of a tile as plain numbers, from the list, array or tensor that a row has it in.

    Example:
        >>> corner_of(torch.tensor([0, 64, -3])), corner_of("1.2.3")
        ((0, 64, -3), None)
    """
    values = origin.tolist() if hasattr(origin, "tolist") else origin
    are_numbers = isinstance(values, list | tuple) and all(isinstance(value, numbers.Integral) for value in values)
    return tuple(map(int, values)) if are_numbers else None


def keys_of(names: Sequence[bytes | None], images: Sequence[Any], owner: str) -> list[bytes]:
    """A key for each row: its name, or a digest of its pixels. Nameless images that are the same differ by order."""
    met = Counter[bytes]()
    keys = []
    for place, name in enumerate(names):
        key = name
        if key is None:
            digest = _digest(as_image(images[place], owner))
            met[digest] += 1
            key = digest + met[digest].to_bytes(4, "little")
        keys.append(key)
    return keys


def _digest(image: torch.Tensor) -> bytes:
    """A digest of some thousand pixels and of their number."""
    pixels = image.detach().flatten()
    sample = pixels[:: max(1, len(pixels) // _SAMPLED)].to("cpu", torch.float32).contiguous().numpy()
    return hashlib.blake2b(sample.tobytes() + str(len(pixels)).encode(), digest_size=16).digest()
