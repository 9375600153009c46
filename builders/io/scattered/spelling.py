"""Images whose bytes lie in other files, out of the text of a reference, nothing of which is believed."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from builders.errors import FormatError
from builders.io.layout import Layout
from builders.io.scattered.base import Scattered
from builders.io.scattered.chunks import Chunked
from builders.io.scattered.grid import Grid, Shards
from builders.io.scattered.joined import MOST_SECTIONS, MOST_UP, Joined, Section, checked_name

_MOST_TEXT = 2**24
"""Characters of what a reference says."""
_EXPECTED = "expected what a reference to an array of Zarr, or to images in several files, says"

Told = Mapping[str, Any]
Parse = Callable[[tuple[int, ...], str, int, int | None, str], Layout]
"""What makes a layout of shape, `dtype`, offset and index, as a reference has them, and of a name for errors."""


def scattered_of(shape: tuple[int, ...], encoding: str, text: str, name: str, parse: Parse) -> tuple[Scattered, str]:
    """The image that a reference spells, and what follows in its text.

    Args:
        shape: of it.
        encoding: of its pixels.
        text: what stands behind the `%`: one of `KINDS`, and JSON.
        name: of the file that the reference names, for errors.
        parse: reads what is said of images in other files.

    Raises:
        FormatError: it cannot be.
    """
    kind, brace, rest = text.partition("{")
    try:
        if kind not in KINDS or not brace or len(text) > _MOST_TEXT:
            msg = f"{len(text)} characters, expected one of {', '.join(KINDS)} and JSON"
            raise ValueError(msg)
        told, end = json.JSONDecoder().raw_decode(brace + rest)
        return KINDS[kind](shape, encoding, told, name, parse), (brace + rest)[end:]
    except FormatError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as err:
        msg = f"{name}: a reference to an image in other files, {text[:100]!r}: {err}"
        raise FormatError(msg) from err


def _chunked(shape: tuple[int, ...], encoding: str, told: Told, name: str, _: Parse) -> Chunked:
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


def _joined(shape: tuple[int, ...], encoding: str, told: Told, name: str, parse: Parse) -> Joined:
    if told.keys() != {"up", "files", "kinds", "sections"} or not 0 <= _number(told["up"]) <= MOST_UP:
        raise ValueError(_EXPECTED)
    files: list[tuple[str, str | None]] = []
    for file, version in told["files"]:
        if version is not None and not isinstance(version, str):
            raise ValueError(_EXPECTED)
        files.append((checked_name(file, name) if files else "", version))
    kinds = [(_numbers(sides), dtype) for sides, dtype in told["kinds"]]
    if not files or len(told["sections"]) > MOST_SECTIONS or not all(isinstance(kind[1], str) for kind in kinds):
        raise ValueError(_EXPECTED)
    sections = []
    for file, kind, offset, *more in told["sections"]:
        if _number(kind) >= len(kinds) or _number(file) >= len(files) or "%" in kinds[kind][1]:
            raise ValueError(_EXPECTED)
        index = _number(more[0]) if more else None
        sides, dtype = kinds[kind]
        fields = {"shape": list(sides), "dtype": dtype, "offset": _number(offset), "index": index}
        sections.append(Section(file, parse(sides, dtype, offset, index, name), fields))
    if shape[:1] != (len(sections),) or any(section.layout.shape != shape[1:] for section in sections):
        raise ValueError(_EXPECTED)
    if any(section.layout.dtype.str != encoding for section in sections):
        raise ValueError(_EXPECTED)
    return Joined(shape, encoding, 0, None, told["up"], tuple(files), tuple(sections))


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


def _number(told: Any) -> int:
    if type(told) is not int or not 0 <= told < 2**63:
        raise ValueError(_EXPECTED)
    return told


KINDS: dict[str, Callable[[tuple[int, ...], str, Told, str, Parse], Scattered]] = {"zarr": _chunked, "joined": _joined}
"""What stands behind the `%`, and what makes an image of the JSON that follows."""
