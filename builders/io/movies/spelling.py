"""What is made of frames, out of the text of a reference; `developed.Developed` writes it."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from builders.errors import FormatError
from builders.io.layout import Layout
from builders.io.movies.developed import Developed, as_shifts
from builders.io.movies.gain import Gain
from builders.io.movies.summing import Shifts

_MOST_TEXT = 2**22
"""Characters of what is done to frames."""


def developed_of(frames: Layout, text: str, name: str) -> tuple[Developed, str]:
    """What is made of frames, as a reference spells it, and what follows in its text.

    Nothing of it is believed: anyone may have written it.

    Args:
        frames: those that are used.
        text: what stands behind the `#`.
        name: of the file, for errors.

    Raises:
        FormatError: it cannot be.
    """
    try:
        if len(text) > _MOST_TEXT:
            msg = f"{len(text)} characters"
            raise ValueError(msg)
        told, end = json.JSONDecoder().raw_decode(text)
        if not isinstance(told, dict) or told.keys() - {"each", "gain", "shifts"}:
            msg = "other fields"
            raise ValueError(msg)
        made = Developed.of(frames, _each(told), _gain(told), _shifts(told, name), name)
    except FormatError:
        raise
    except (ValueError, TypeError, RecursionError) as err:
        msg = f"{name}: a reference to frames of which is made {text[:100]!r}: expected each, gain and shifts: {err}"
        raise FormatError(msg) from err
    return made, text[end:]


def _each(told: Mapping[str, Any]) -> int | None:
    each = told.get("each")
    if each is not None and type(each) is not int:
        msg = f"each is {each!r:.100}"
        raise TypeError(msg)
    return each


def _gain(told: Mapping[str, Any]) -> Gain | None:
    gain = told.get("gain")
    if gain is None:
        return None
    kinds = {each.name: each.type for each in fields(Gain)}
    if not isinstance(gain, dict) or any(type(value) is not kinds.get(name) for name, value in gain.items()):
        msg = f"gain is {gain!r:.100}"
        raise TypeError(msg)
    return Gain(**gain)


def _shifts(told: Mapping[str, Any], name: str) -> Shifts | None:
    shifts = told.get("shifts")
    return None if shifts is None else as_shifts(shifts, name)
