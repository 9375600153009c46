"""What an EER file says of its acquisition: a small XML document, of which few items are looked at."""

import math
import re
from dataclasses import dataclass
from xml.etree import ElementTree

MOST_TEXT = 1024 * 1024
"""Bytes of the document; real ones have some thousand."""

_NOT_ALLOWED = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
"""Nobody writes these into it, and they let a small document ask for any amount of memory."""
_BEGIN = b"<metadata"
"""What stands before is a declaration, in a form that XML does not allow in some files (`encoding="utf - 8"`)."""
_TO_METERS = {"m": 1.0, "mm": 1e-3, "um": 1e-6, "µm": 1e-6, "nm": 1e-9, "pm": 1e-12}


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What is known of an acquisition.

    Attributes:
        pixel_size: Å on the specimen, of a pixel of the camera; None: not told.
        total_dose: electrons per pixel of all frames; None: not told.
        frames: how many raw frames were taken; None: not told.
    """

    pixel_size: float | None = None
    total_dose: float | None = None
    frames: int | None = None

    def frame_dose(self, count: int) -> float | None:
        """Electrons per Å² of a raw frame; None where something is not told.

        Args:
            count: frames of the file, where nothing tells how many were taken.
        """
        if self.total_dose is None or self.pixel_size is None:
            return None
        return self.total_dose / (self.frames or count) / self.pixel_size**2


def parse(data: bytes) -> Acquisition | None:
    """What a document tells; None where it is none, or none that anybody should read.

    Example:
        >>> text = b'<metadata><item name="sensorPixelSize.width" unit="m">7.06e-11</item></metadata>'
        >>> parse(text)
        Acquisition(pixel_size=0.706, total_dose=None, frames=None)
    """
    text = data[max(0, data.find(_BEGIN)) :].rstrip(b"\0 \r\n\t")
    if len(text) > MOST_TEXT or _NOT_ALLOWED.search(text):
        return None
    try:
        root = ElementTree.fromstring(text.decode("utf-8", "replace"))
    except (ElementTree.ParseError, ValueError, RecursionError):
        return None
    items = {item.get("name", ""): (item.text or "", item.get("unit", "")) for item in root.iter("item")}
    width, unit = items.get("sensorPixelSize.width", ("", ""))
    meters = _positive(width)
    scale = _TO_METERS.get(unit.strip() or "m")
    frames = _positive(items.get("numberOfFrames", ("", ""))[0])
    return Acquisition(
        round(meters * scale * 1e10, 9) if meters and scale else None,
        _positive(items.get("totalDose", ("", ""))[0]),
        int(frames) if frames and frames == int(frames) else None,
    )


def _positive(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None
