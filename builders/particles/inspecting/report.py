"""What is in a table of particles, in words."""

from collections.abc import Sequence

from builders.particles.inspecting.summary import OF_CTF, OF_GROUP, Group, Spread, Summary
from builders.terminal import printable

_SHOWN = 3
_CLASSES = 10
_HEADINGS = {
    "pixel_size": "pixel size (Å)",
    "image_size": "box (pixels)",
    "micrograph_pixel_size": "micrograph's (Å)",
    "voltage": "kV",
    "spherical_aberration": "Cs (mm)",
    "amplitude_contrast": "Q0",
}
_PROGRAMS = {"relion": "RELION", "cryosparc": "CryoSPARC"}


def describe(summary: Summary) -> str:
    """A summary for people, as a terminal may get it; long lists are cut."""
    lines = [f"{summary.table}: {_many(summary.particles, 'particle')}, a table of {_PROGRAMS[summary.program]}"]
    lines += [*_micrographs(summary), *_stacks(summary), "", *_optics(summary.groups), ""]
    lines.append(f"half-sets: {_listed(summary.half_sets)}")
    lines.append(f"classes: {_listed(summary.classes)}")
    lines += _spread("defocus", summary.defocus)
    lines += _spread("astigmatism", summary.astigmatism)
    for what, count in (("ctf", summary.without_ctf), ("pose", summary.without_pose)):
        if count == summary.particles:
            lines.append(f"{what}: none")
        elif count:
            lines.append(f"{what}: none of {_many(count, 'particle')}")
    return printable("\n".join(line.replace("\n", "?") for line in lines))


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _micrographs(summary: Summary) -> list[str]:
    spread = summary.per_micrograph
    if spread is None:
        return ["micrographs: none are named"]
    told = f"{spread.least:.0f} to {spread.most:.0f} particles each, median {spread.median:g}"
    if spread.least == spread.most:
        told = f"{_many(int(spread.most), 'particle')} each"
    none = f"; {_many(summary.without_micrograph, 'particle')} of none" if summary.without_micrograph else ""
    return [f"micrographs: {summary.micrographs:,}, {told}{none}"]


def _stacks(summary: Summary) -> list[str]:
    if not summary.missing:
        return [f"files: {summary.stacks:,}, all there"]
    gone = f"{len(summary.missing):,} missing ({_many(summary.of_missing, 'particle')})"
    shown = [f"  {name}{note}" for name, note in summary.missing[:_SHOWN]]
    more = len(summary.missing) - _SHOWN
    return [f"files: {summary.stacks:,}, {gone}:", *shown, *([f"  and {more:,} more"] if more > 0 else [])]


def _optics(groups: Sequence[Group]) -> list[str]:
    """A table of the optics groups, of what is known of any."""
    known = [name for name in (*OF_GROUP, *OF_CTF) if any(group.values[name] for group in groups)]
    rows = [("optics group", "particles", *(_HEADINGS[name] for name in known))]
    for group in groups:
        number = "none" if group.number is None else str(group.number)
        rows.append((number, f"{group.particles:,}", *(_values(group.values[name]) for name in known)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _values(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.6g}" for value in values) or "-"


def _listed(counts: dict[str, int]) -> str:
    if not counts:
        return "none"
    shown = [f"{number} ({count:,})" for number, count in list(counts.items())[:_CLASSES]]
    more = len(counts) - _CLASSES
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _spread(what: str, spread: Spread | None) -> list[str]:
    if spread is None:
        return []
    return [f"{what}: {spread.least:,.0f} to {spread.most:,.0f} Å, median {spread.median:,.0f}"]
