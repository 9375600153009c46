"""Images whose bytes lie in other files, out of the text of a reference, nothing of which is believed."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from builders.errors import FormatError
from builders.io.scattered.base import Scattered
from builders.io.scattered.chunks import Chunked
from builders.io.scattered.grid import Grid, Shards

_MOST_TEXT = 2**24
"""Characters of what a reference says."""
_EXPECTED = "expected what a reference to an array of Zarr says"

Told = Mapping[str, Any]


def scattered_of(shape: tuple[int, ...], encoding: str, text: str, name: str) -> tuple[Scattered, str]:
    """The image that a reference spells, and what follows in its text.

    Args:
        shape: of it.
        encoding: of its pixels.
        text: what stands behind the `%`: one of `KINDS`, and JSON.
        name: of the file that the reference names, for errors.

    Raises:
        FormatError: it cannot be.
    """
    kind, brace, rest = text.partition("{")
    try:
        if kind not in KINDS or not brace or len(text) > _MOST_TEXT:
            msg = f"{len(text)} characters, expected one of {', '.join(KINDS)} and JSON"
            raise ValueError(msg)
        told, end = json.JSONDecoder().raw_decode(brace + rest)
        return KINDS[kind](shape, encoding, told, name), (brace + rest)[end:]
    except FormatError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as err:
        msg = f"{name}: a reference to an image in other files, {text[:100]!r}: {err}"
        raise FormatError(msg) from err


def _chunked(shape: tuple[int, ...], encoding: str, told: Told, name: str) -> Chunked:
    if told.keys() - {"chunk", "codec", "key", "order", "fill", "shards", "strict"}:
        raise ValueError(_EXPECTED)
    chunk = _numbers(told["chunk"])
    order, shards, strict = told.get("order"), told.get("shards"), told.get("strict", False)
    texts = told["codec"], told["key"], told.get("fill", "")
    if not all(isinstance(text, str) for text in texts) or type(strict) is not bool or len(chunk) < len(shape):
        raise ValueError(_EXPECTED)
    full = (1,) * (len(chunk) - len(shape)) + shape
    axes = None if order is None else _numbers(order)
    grid = Grid(full, chunk, encoding, texts[0], axes, bytes.fromhex(texts[2]), texts[1], _shards(shards), name)
    return Chunked(shape, encoding, 0, None, grid, strict)


def _shards(told: Any) -> Shards | None:
    if told is None:
        return None
    if not isinstance(told, dict) or told.keys() != {"shape", "index", "at_start"}:
        raise ValueError(_EXPECTED)
    index, at_start = told["index"], told["at_start"]
    if not isinstance(index, str) or type(at_start) is not bool:
        raise ValueError(_EXPECTED)
    return Shards(_numbers(told["shape"]), index, at_start)


def _numbers(told: Any) -> tuple[int, ...]:
    if not isinstance(told, list) or not all(type(n) is int and 0 <= n < 2**63 for n in told):
        raise ValueError(_EXPECTED)
    return tuple(told)


KINDS: dict[str, Callable[[tuple[int, ...], str, Told, str], Scattered]] = {"zarr": _chunked}
"""What stands behind the `%`, and what makes an image of the JSON that follows."""
