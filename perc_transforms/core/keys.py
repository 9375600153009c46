"""What tells one row from another, whoever reads it: the ground of everything that is drawn for it."""

import hashlib
import numbers
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch

from perc_transforms.core.forms import as_image

KEY = ("path", "index", "id")
"""Columns by which a row is known: `path` and `index`, or `id`."""
_SAMPLED = 4096


def name_of(path: Any, index: Any, identity: Any) -> bytes | None:
    """The name of a row; None if it has none. An index is the same as an integer, a float or null.

    Example:
        >>> name_of("a.mrcs", 3, None) == name_of("a.mrcs", 3.0, "x"), name_of(None, 3, None)
        (True, None)
    """
    if path is not None:
        whole = isinstance(index, numbers.Real) and float(index).is_integer()
        return repr((path, int(float(index)) if whole else index)).encode()
    return None if identity is None else repr(identity).encode()


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
