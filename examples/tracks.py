"""Structures drawn along their sequences: a bar for each residue, what was cut, and which residues are close."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

_WIDTH, _LEFT, _RIGHT, _MAP_LEFT = 1640, 172, 1220, 1304
_MAP = 320
_TITLE, _AXIS, _GAP, _FOOT = 124, 92, 26, 230
_LEAST_BARS = 150
_LARGE, _MIDDLE, _SMALL = 33, 26, 25
"""Letters, which can be read on a page half as wide."""
_INK, _PALE, _LINE, _NOTHING = (30, 30, 30), (110, 110, 110), (205, 205, 205), (236, 236, 236)
_CUT = (150, 60, 140)
_FARTHEST = 40.0
_CONFIDENCE = [
    (90, (0, 83, 214), "over 90: very high"),
    (70, (101, 203, 243), "70 to 90: high"),
    (50, (255, 219, 19), "50 to 70: low"),
    (0, (255, 125, 69), "under 50: very low"),
]
"""The colours of AlphaFold DB."""
_SCALE: list[Colour] = [(49, 84, 165), (150, 180, 215), (240, 190, 150), (190, 30, 45)]
_NEARNESS: list[Colour] = [(40, 10, 80), (60, 80, 140), (40, 145, 140), (150, 210, 90), (252, 240, 180)]
_STEPS = {"pLDDT": 50.0, "B factor": 50.0, "spread": 2.0}
"""Between the labels of the bars' axis."""
_REDDEST = {"B factor": 100.0, "spread": 6.0}
_MEANING = {
    "pLDDT": "pLDDT, the confidence of the prediction (0 to 100)",
    "B factor": "B factor, mean of a residue's atoms (square Angstrom)",
    "spread": "spread, rms distance of the models' CA atoms from their mean (Angstrom)",
}
"""In the letters that Pillow's own font has."""


@dataclass(frozen=True)
class Track:
    """A chain along the sequence of its protein.

    Attributes:
        chain: its name.
        accession: of the protein in UniProt.
        numbers: which the author gives to its residues.
        values: what the bars show, by the residue's position in UniProt.
        places: of the CA atoms of these residues, `(n, 3)`, Å.
        peptides: first and last position of each signal peptide.
        cut: values of the residues that were removed.
    """

    chain: str
    accession: str
    numbers: str
    values: Mapping[int, float]
    places: NDArray[np.float64]
    peptides: Sequence[tuple[int, int]]
    cut: Mapping[int, float]

    @property
    def extent(self) -> tuple[int, int]:
        """First and last position to draw."""
        known = [*self.values, *self.cut, *(end for peptide in self.peptides for end in peptide)]
        return min(known), max(known)


@dataclass(frozen=True)
class Panel:
    """A structure.

    Attributes:
        title: which it is.
        note: how it was found.
        kind: of the tracks' values: `pLDDT`, `B factor` or `spread`.
        tracks: of its chains.
    """

    title: str
    note: str
    kind: str
    tracks: Sequence[Track]


def write_tracks(path: Path, panels: Sequence[Panel]) -> None:
    """Draw structures below each other, at the same number of pixels a residue, and what the colours mean."""
    bars = [max(_LEAST_BARS, (_MAP + 52) // len(panel.tracks) - _AXIS) for panel in panels]
    heights = [_TITLE + len(panel.tracks) * (each + _AXIS) + _GAP for panel, each in zip(panels, bars, strict=True)]
    sheet = Image.new("RGB", (_WIDTH, sum(heights) + _FOOT), "white")
    longest = max(last - first + 1 for panel in panels for track in panel.tracks for first, last in [track.extent])
    pen = _Pen(sheet, (_RIGHT - _LEFT) / longest)
    y = 0
    for panel, height, each in zip(panels, heights, bars, strict=True):
        pen.text((_LEFT, y + 14), panel.title, size=_LARGE)
        pen.text((_LEFT, y + 54), panel.note, _PALE)
        pen.text((_LEFT, y + 86), f"bars: {_MEANING[panel.kind]}", _PALE)
        for number, track in enumerate(panel.tracks):
            pen.track(track, panel.kind, y + _TITLE + number * (each + _AXIS), each)
        pen.text((_MAP_LEFT, y + 86), "distances of residues", _PALE)
        pen.distances(panel.tracks, (_MAP_LEFT, y + _TITLE))
        y += height
        pen.draw.line([(20, y), (_WIDTH - 20, y)], fill=_LINE, width=2)
    pen.legend(y + 20)
    sheet.save(path, optimize=True)


class _Pen:
    def __init__(self, sheet: Image.Image, per_residue: float) -> None:
        self.sheet, self.draw, self.per_residue = sheet, ImageDraw.Draw(sheet), per_residue

    def text(
        self, at: tuple[float, float], text: str, colour: Colour = _INK, size: int = _MIDDLE, anchor: str = "la"
    ) -> None:
        self.draw.text(at, text, fill=colour, font=ImageFont.load_default(size), anchor=anchor)

    def track(self, track: Track, kind: str, y: float, height: int) -> None:
        """Bars above an axis of UniProt positions."""
        first, last = track.extent
        base, step = y + height, _STEPS[kind]
        top = step * np.ceil(max([*track.values.values(), *track.cut.values()]) / step)

        def x(position: float) -> float:
            return _LEFT + (position - first) * self.per_residue

        def bar(position: int, value: float, colour: Colour) -> None:
            box = (x(position) + 1, base - height * value / top, x(position + 1) - 1, base)
            self.draw.rectangle(box, fill=colour)

        for value in np.arange(0, top + 1, step):
            level = base - height * value / top
            self.draw.line([(_LEFT, level), (x(last + 1), level)], fill=_NOTHING, width=2)
            self.text((_LEFT - 8, level), f"{value:.0f}", _PALE, _SMALL, "rm")
        there = {*track.values, *track.cut, *(n for start, end in track.peptides for n in range(start, end + 1))}
        for position in set(range(first, last + 1)) - there:
            bar(position, top / 20, _LINE)
        for position, value in track.values.items():
            bar(position, value, _colour(value, kind))
        for position, value in track.cut.items():
            bar(position, value, _faded(_colour(value, kind)))
        for start, end in track.peptides:
            self._peptide((x(start), y, x(end + 1), base), f"{start} to {end}", bool(track.cut))
        self.draw.line([(_LEFT, base), (x(last + 1), base)], fill=_INK, width=2)
        for position in [first, *range(first - first % 10 + 10, last + 1, 10)]:
            self.draw.line([(x(position + 0.5), base), (x(position + 0.5), base + 8)], fill=_INK, width=2)
            self.text((x(position + 0.5), base + 10), str(position), _INK, _SMALL, "ma")
        numbered = f"position in UniProt {track.accession}; the author numbers these residues {track.numbers}"
        self.text((_LEFT, base + 40), numbered, _PALE, _SMALL)
        self.text((20, (y + base) / 2), f"chain {track.chain}", anchor="lm")

    def _peptide(self, box: tuple[float, float, float, float], name: str, is_cut: bool) -> None:
        """A frame around a signal peptide, hatched where it was cut."""
        left, top, right, bottom = map(round, box)
        if is_cut:
            hatch = Image.new("L", (right - left, bottom - top))
            draw = ImageDraw.Draw(hatch)
            for offset in range(-hatch.height, hatch.width, 18):
                draw.line([(offset, hatch.height), (offset + hatch.height, 0)], fill=150, width=3)
            self.sheet.paste(Image.new("RGB", hatch.size, _CUT), (left, top), hatch)
        self.draw.rectangle((left, top, right, bottom), outline=_CUT, width=2)
        words = ("signal peptide", name, "removed" if is_cut else "never in this file")
        for number, word in enumerate(words):
            at = (left + right) / 2, top + 28 + 36 * number
            around = self.draw.textbbox(at, word, font=ImageFont.load_default(_MIDDLE), anchor="mm")
            self.draw.rectangle((around[0] - 5, around[1] - 3, around[2] + 5, around[3] + 3), fill="white")
            self.text(at, word, _CUT, anchor="mm")

    def distances(self, tracks: Sequence[Track], corner: tuple[int, int]) -> None:
        """How far apart the CA atoms of any two residues are, all chains in a row."""
        ranges = [(min(track.values), max(track.values)) for track in tracks]
        starts = np.cumsum([0, *(last - first + 1 for first, last in ranges)])
        places = np.full((starts[-1], 3), np.nan)
        for track, start, (first, _) in zip(tracks, starts, ranges, strict=False):
            places[start + np.array(list(track.values)) - first] = track.places
        apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
        colours = _blend(np.nan_to_num(apart) / _FARTHEST, _NEARNESS)
        colours[np.isnan(apart)] = _NOTHING
        left, top = corner
        self.sheet.paste(Image.fromarray(colours).resize((_MAP, _MAP), Image.Resampling.NEAREST), corner)
        self.draw.rectangle((left - 1, top - 1, left + _MAP, top + _MAP), outline=_PALE)
        for track, start, end, (first, last) in zip(tracks, starts[:-1], starts[1:], ranges, strict=True):
            low, high = (at * _MAP / starts[-1] for at in (start, end))
            if start:
                self.draw.line([(left + low, top), (left + low, top + _MAP)], fill="white", width=4)
                self.draw.line([(left, top + low), (left + _MAP, top + low)], fill="white", width=4)
            self.text((left + (low + high) / 2, top + _MAP + 8), f"{track.chain} {first} to {last}", _INK, _SMALL, "ma")
            self.text((left - 12, top + (low + high) / 2), track.chain, _INK, _SMALL, "rm")

    def legend(self, y: float) -> None:
        """What the colours mean."""
        for number, (_, colour, words) in enumerate(_CONFIDENCE):
            left = _LEFT + 280 * number
            self.draw.rectangle((left, y + 4, left + 22, y + 26), fill=colour)
            self.text((left + 32, y), words, size=_SMALL)
        self.text((20, y), "pLDDT")
        self.text((20, y + 46), "B, spread")
        self._ramp((_LEFT, y + 50), _SCALE)
        ends = ", ".join(f"{kind} 0 to {reddest:.0f}" for kind, reddest in _REDDEST.items())
        self.text((_LEFT + 220, y + 46), f"{ends}: the higher,", size=_SMALL)
        self.text((_LEFT + 220, y + 80), "the less sure is the place of the residue", size=_SMALL)
        self.text((20, y + 128), "grey")
        self.draw.rectangle((_LEFT, y + 136, _LEFT + 22, y + 148), fill=_LINE)
        self.text((_LEFT + 32, y + 128), "residues that the chain has, but that the file has no atoms of", size=_SMALL)
        self.text((_MAP_LEFT, y), "CA to CA, Angstrom")
        self._ramp((_MAP_LEFT, y + 38), _NEARNESS, _MAP)
        for words, at, anchor in (("0", 0, "la"), ("20", 0.5, "ma"), (f"{_FARTHEST:.0f} +", 1, "ra")):
            self.text((_MAP_LEFT + at * _MAP, y + 68), words, _INK, _SMALL, anchor)
        for number, words in enumerate(("helices widen the diagonal,", "hairpins cross it")):
            self.text((_MAP_LEFT + _MAP, y + 112 + 32 * number), words, _PALE, _SMALL, "ra")

    def _ramp(self, corner: tuple[float, float], colours: Sequence[Colour], width: int = 200) -> None:
        ramp = np.repeat(_blend(np.linspace(0, 1, width), colours)[None], 22, axis=0)
        self.sheet.paste(Image.fromarray(ramp), (round(corner[0]), round(corner[1])))


def _colour(value: float, kind: str) -> Colour:
    if kind == "pLDDT":
        return next(colour for least, colour, _ in _CONFIDENCE if value >= least)
    red, green, blue = _blend(np.array(value / _REDDEST[kind]), _SCALE).tolist()
    return red, green, blue


def _faded(colour: Colour) -> Colour:
    red, green, blue = ((channel + 2 * 255) // 3 for channel in colour)
    return red, green, blue


def _blend(shares: NDArray[np.float64], colours: Sequence[Colour]) -> NDArray[np.uint8]:
    """Colours `(..., 3)` of shares from 0 to 1 of the way along a scale."""
    stops = np.linspace(0, 1, len(colours))
    channels = [np.interp(shares, stops, channel) for channel in np.array(colours, np.float64).T]
    return np.stack(channels, axis=-1).astype(np.uint8)
