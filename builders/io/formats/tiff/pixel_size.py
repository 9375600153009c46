"""The pixel size that a page of a TIFF file states, if it can be one of this field."""

import math
import re

from builders.io.formats.tiff.ifd import Ifd

SMALLEST, LARGEST = 0.1, 100.0
"""Å. What a scanner, a screen or a printer has is far beyond."""
_X_RESOLUTION, _UNIT = 282, 296
_UNITS = {2: 2.54e8, 3: 1e8}
"""Inch and centimetre, in Å."""
_FEI = (34680, 34682)
_FEI_WIDTH = re.compile(r"^\s*PixelWidth\s*=\s*([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*$", re.MULTILINE)
_IMAGEJ_UNIT = re.compile(r"^unit=(.+)$", re.MULTILINE)
_IMAGEJ_UNITS = {
    **dict.fromkeys(("nm", "nanometer", "nanometre", "nanometers"), 10.0),
    **dict.fromkeys(("å", "a", "angstrom", "angstroms", "ångström", "ang", "\\u00c5"), 1.0),
    **dict.fromkeys(("µm", "μm", "um", "micron", "microns", "micrometer", "\\u00b5m"), 1e4),
    **{"cm": 1e8, "inch": 2.54e8, "mm": 1e7, "pm": 0.01},
}
_METRE = 1e10


def pixel_size(page: Ifd) -> float | None:
    """Å per pixel along x, from the microscope's metadata, ImageJ's unit or the resolution; None: no plausible one."""
    for tag in _FEI:
        found = _FEI_WIDTH.search(page.text(tag))
        if found and (size := _plausible(float(found[1]) * _METRE)):
            return size
    return _plausible(_scale(page) / resolution) if (resolution := _resolution(page)) else None


def _plausible(size: float) -> float | None:
    return size if math.isfinite(size) and SMALLEST <= size <= LARGEST else None


def _scale(page: Ifd) -> float:
    """Å of the unit that a resolution counts pixels of; 0 where nothing tells it."""
    text = page.text(270)
    if text.startswith("ImageJ="):
        unit = _IMAGEJ_UNIT.search(text)
        if unit and unit[1].strip().lower() in _IMAGEJ_UNITS:
            return _IMAGEJ_UNITS[unit[1].strip().lower()]
    return _UNITS.get(page.number(_UNIT, 2), 0.0)


def _resolution(page: Ifd) -> float:
    """Pixels per unit along x; 0 where there is none."""
    if _X_RESOLUTION not in page.tags:
        return 0.0
    value = page.tags[_X_RESOLUTION]
    if value.ndim != 2 or not len(value):
        return float(value[0]) if value.ndim == 1 and value.size else 0.0
    above, below = map(int, value[0])
    return above / below if above > 0 and below > 0 else 0.0
