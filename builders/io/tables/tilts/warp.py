"""The XML files of Warp and WarpTools, one a tilt series: angles, doses, axes, shifts and CTF of each image."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn
from xml.etree import ElementTree

from builders.errors import FormatError
from builders.io.tables.tilts.lines import ANGLE, DEFOCUS_UM, DOSE, SHIFT, Quantity, number
from builders.io.tables.tilts.series import MOST_BYTES, MOST_TILTS, Tilt, TiltSeries, turned, with_doses

_EXPECTED = "an XML file of Warp with a TiltSeries"
_CTF = {"voltage": "Voltage", "spherical_aberration": "Cs", "amplitude_contrast": "Amplitude"}


class _NoDocumentType(ElementTree.TreeBuilder):
    """Builds a tree, and refuses a document type, whose entities could be a bomb."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:
        msg = "a document type"
        raise FormatError(msg)


@dataclass(frozen=True, slots=True)
class _File:
    """A file's tree."""

    name: str
    root: ElementTree.Element

    def texts(self, tag: str) -> list[str]:
        """The lines of an element; none where there is no such one."""
        return (self.root.findtext(tag) or "").split("\n") if self.root.find(tag) is not None else []

    def numbers(self, tag: str, of: Quantity) -> list[float]:
        """The numbers of an element, one a line."""
        return [number(text.strip(), self.name, None, tag, of) for text in self.texts(tag) if text.strip()]

    def of_each(self, tag: str, count: int, of: Quantity) -> list[float | None]:
        """The numbers of an element that has one of each image, or none at all.

        Raises:
            FormatError: it has another number of them.
        """
        found = self.numbers(tag, of)
        if found and len(found) != count:
            msg = f"{self.name}: {len(found)} values in {tag} of {count} tilts: expected one of each"
            raise FormatError(msg)
        return [*found] or [None] * count

    def grid(self, tag: str, count: int, scale: float, of: Quantity | None = None) -> list[float | None]:
        """A grid's values of each image: of a grid of one node, that; of one along the tilts, its nodes.

        Grids that differ across the image are averaged.
        """
        grid = self.root.find(tag)
        if grid is None:
            return [None] * count
        layers: dict[int, list[float]] = {}
        for node in grid.iter("Node"):
            z = int(number(node.get("Z", ""), self.name, None, f"Z of a node of {tag}"))
            value = number(node.get("Value", ""), self.name, None, f"a node of {tag}", of)
            layers.setdefault(z, []).append(value)
        if sorted(layers) == [0]:
            return [_mean(layers[0]) * scale] * count
        if sorted(layers) != list(range(count)):
            return [None] * count
        return [_mean(layers[z]) * scale for z in range(count)]


def read_warp(data: bytes, name: str, series: str, negated: bool = True) -> TiltSeries:
    r"""The images of a tilt series in Warp's XML, in its order.

    `Dose` is what the specimen had seen before. WarpTools negates the stage's angles when it imports an mdoc, unless
    that is told `--dont_invert`; no field says so (AreAnglesInverted is another thing: the geometry's handedness).
    AxisOffsetX and AxisOffsetY move the projection to the image: the image's own shift is minus that. Defocus is in µm,
    its grids along the tilts; DefocusDelta is U - V; phases are in units of 180 degrees.

    Args:
        data: of the file.
        name: the file's, for errors.
        series: the series'.
        negated: whether angles are minus the stage's.

    Raises:
        FormatError: it is none, or lists in it differ in length.

    Example:
        >>> xml = b"<Angles>60\n-60</Angles><Dose>3\n0</Dose><MoviePath>a.tif\nb.tif</MoviePath>"
        >>> xml = b"<TiltSeries>" + xml + b"</TiltSeries>"
        >>> [(tilt.image, tilt.tilt_angle, tilt.pre_exposure) for tilt in read_warp(xml, "TS_1.xml", "TS_1").tilts]
        [('a.tif', -60.0, 3.0), ('b.tif', 60.0, 0.0)]
    """
    file = _File(name, _parsed(data, name))
    angles = file.numbers("Angles", ANGLE)
    count = len(angles)
    if not 0 < count <= MOST_TILTS:
        msg = f"{name}: {count} Angles: expected one of each tilt"
        raise FormatError(msg)
    movies: list[str | None] = [text.strip() for text in file.texts("MoviePath") if text.strip()]
    if movies and len(movies) != count:
        msg = f"{name}: {len(movies)} values in MoviePath of {count} tilts: expected one of each"
        raise FormatError(msg)
    axes = file.of_each("AxisAngle", count, ANGLE)
    xs, ys = (file.of_each(tag, count, SHIFT) for tag in ("AxisOffsetX", "AxisOffsetY"))
    ctfs = _ctfs(file, count)
    tilts = [
        Tilt(
            image=movie,
            tilt_angle=-angle + 0.0 if negated else angle,
            axis_angle=None if axis is None else turned(axis),
            defocus=None if ctf is None else _mid(ctf),
            ctf=ctf,
            shift_x=None if x is None else 0.0 - x,
            shift_y=None if y is None else 0.0 - y,
        )
        for movie, angle, axis, x, y, ctf in zip(movies or [None] * count, angles, axes, xs, ys, ctfs, strict=True)
    ]
    found = with_doses(tilts, file.of_each("Dose", count, DOSE), name, holds_own=False)
    return TiltSeries(series, name, found)


def _parsed(data: bytes, name: str) -> ElementTree.Element:
    """The root of a file.

    Raises:
        FormatError: it is no XML, or of another kind.
    """
    if len(data) > MOST_BYTES:
        msg = f"{name}: {len(data):,} bytes: expected {_EXPECTED}"
        raise FormatError(msg)
    try:
        root = ElementTree.fromstring(data, ElementTree.XMLParser(target=_NoDocumentType()))
    except FormatError as err:
        msg = f"{name}: {err} in it: expected {_EXPECTED}"
        raise FormatError(msg) from err
    except (ElementTree.ParseError, LookupError, ValueError) as err:
        msg = f"{name}: {err}: expected {_EXPECTED}"
        raise FormatError(msg) from err
    if root.tag != "TiltSeries":
        msg = f"{name}: its XML is a {root.tag[:40]!r}: expected {_EXPECTED}"
        raise FormatError(msg)
    return root


def _ctfs(file: _File, count: int) -> list[dict[str, float | None] | None]:
    """The CTF of each image, where it was estimated."""
    params = {param.get("Name"): param.get("Value", "") for param in file.root.findall("CTF/Param")}
    shared = {
        ours: number(params[theirs], file.name, None, f"{theirs} of CTF") if params.get(theirs) else None
        for ours, theirs in _CTF.items()
    }

    def values(tag: str, param: str, scale: float, of: Quantity | None = None) -> list[float | None]:
        found = file.grid(tag, count, scale, of)
        if params.get(param) and all(value is None for value in found):
            return [number(params[param], file.name, None, f"{param} of CTF", of) * scale] * count
        return found

    defocus = file.grid("GridCTF", count, 1e4, DEFOCUS_UM)
    deltas, angles = (
        values("GridCTFDefocusDelta", "DefocusDelta", 1e4, DEFOCUS_UM),
        values("GridCTFDefocusAngle", "DefocusAngle", 1, ANGLE),
    )
    phases = values("GridCTFPhase", "PhaseShift", 180.0)
    return [
        None
        if mean is None or mean == 0
        else {
            "defocus_u": mean + (delta or 0.0) / 2,
            "defocus_v": mean - (delta or 0.0) / 2,
            "defocus_angle": angle or 0.0,
            **shared,
            "phase_shift": phase or 0.0,
        }
        for mean, delta, angle, phase in zip(defocus, deltas, angles, phases, strict=True)
    ]


def _mid(ctf: dict[str, float | None]) -> float:
    return ((ctf["defocus_u"] or 0.0) + (ctf["defocus_v"] or 0.0)) / 2


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return math.fsum(listed) / len(listed)
