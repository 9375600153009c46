"""What the metadata of either version of Zarr are made of, checked: JSON of other people."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from builders.errors import FormatError

MOST_BYTES = 4 * 1024 * 1024
"""Of a metadata file."""
_SHOWN = 100
_NAMED = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

Told = Mapping[str, Any]


def parsed(data: bytes, name: str) -> dict[str, Any]:
    """The JSON object that a metadata file is.

    Raises:
        FormatError: it is none.
    """
    try:
        told = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as err:
        msg = f"{name}: no JSON: {err}: expected the metadata of Zarr"
        raise FormatError(msg) from err
    if not isinstance(told, dict):
        msg = f"{name}: JSON of type {type(told).__name__}: expected an object with the metadata of Zarr"
        raise FormatError(msg)
    return told


def numbers(told: Any, what: str, name: str) -> tuple[int, ...]:
    """A list of whole numbers, none negative.

    Raises:
        FormatError: it is none.
    """
    if not isinstance(told, list) or not all(type(n) is int and 0 <= n < 2**63 for n in told):
        msg = f"{name}: {what} {shown(told)}: expected a list of whole numbers"
        raise FormatError(msg)
    return tuple(told)


def fill_bytes(told: Any, dtype: np.dtype[np.generic], name: str) -> bytes:
    """A fill value as the bytes of a pixel; null is 0.

    Raises:
        FormatError: the type cannot hold it.
    """
    try:
        if told is None or told == 0:
            return b""
        if isinstance(told, str) and told.startswith("0x"):
            raw = int(told, 16).to_bytes(dtype.itemsize, "big" if dtype.str[0] == ">" else "little")
            return raw
        value = complex(*map(_number, told)) if isinstance(told, list) and dtype.kind == "c" else _number(told)
        made = np.array(value).astype(dtype) if dtype.kind in "fc" else np.array(value, dtype)
        if dtype.kind in "iub" and made != value:
            raise ValueError(dtype)
        return made.tobytes()
    except (ValueError, TypeError, OverflowError) as err:
        msg = f"{name}: fill value {shown(told)}: expected a number of type {dtype}"
        raise FormatError(msg) from err


def _number(told: Any) -> Any:
    if isinstance(told, str):
        return _NAMED[told] if told in _NAMED else float(told)
    if not isinstance(told, bool | int | float):
        raise TypeError(told)
    return told


def shown(value: object) -> str:
    """What metadata say as it may be printed, not without end."""
    return repr(value)[:_SHOWN]
