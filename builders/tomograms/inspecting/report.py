"""What a source of tomograms has, in words."""

from collections.abc import Mapping

from builders.terminal import printable
from builders.tomograms.inspecting.summary import Look, Summary

_SHOWN = 10
_CLASSES = 12


def describe(told: Summary) -> str:
    """A summary for people, as a terminal may get it; what lies far from the first tomograms is counted."""
    lines = [f"{told.source}: {_many(len(told.tomograms), 'tomogram')}, picks: {_counted(told.counts())}"]
    for look in told.tomograms[:_SHOWN]:
        lines += [look.name, *(f"  {name}: {value}" for name, value in _facts(look).items() if value)]
    if len(told.tomograms) > _SHOWN:
        lines.append(f"and {_many(len(told.tomograms) - _SHOWN, 'more tomogram')}")
    lines += [f"left out: {name}: {reason}" for name, reason in told.left_out[:_SHOWN]]
    if len(told.left_out) > _SHOWN:
        lines.append(f"left out: {len(told.left_out) - _SHOWN:,} more")
    return printable("\n".join(line.replace("\n", "?") for line in lines))


def _facts(look: Look) -> dict[str, str]:
    count = sum(look.picks.values())
    outside = f"; {look.outside:,} {_lie(look.outside)} outside of the volume" if look.outside else ""
    oriented = (
        f", {'all' if look.oriented == count else f'{look.oriented:,}'} with orientations" if look.oriented else ""
    )
    return {
        "file": f"{look.path}, {look.dtype}",
        "shape": f"{by(look.shape)} voxels (z, y, x){_size(look)}",
        "levels": "; ".join(
            f"{number}: {'?' if level.pixel_size is None else f'{level.pixel_size:.6g}'} Å, {by(level.shape)}"
            for number, level in enumerate(look.levels)
        ),
        "picks": f"{_counted(look.picks)}{oriented}{outside}",
        "target": look.target or "",
        **{f"segmentation {asked}": path for asked, path in look.masks.items()},
    }


def _size(look: Look) -> str:
    if look.pixel_size is None:
        return "; their size is not told"
    nanometres = " x ".join(f"{side * look.pixel_size / 10:.4g}" for side in look.shape)
    return f" of {look.pixel_size:.6g} Å, {nanometres} nm"


def _counted(counts: Mapping[str, int]) -> str:
    """Classes and how many there are of each."""
    if not any(counts.values()):
        return "none"
    shown = [f"{name} {count:,}" for name, count in list(counts.items())[:_CLASSES]]
    more = f" and {len(counts) - _CLASSES} more classes" if len(counts) > _CLASSES else ""
    return ", ".join(shown) + more


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def by(shape: tuple[int, ...]) -> str:
    """A shape for people.

    Example:
        >>> by((200, 960, 928))
        '200 x 960 x 928'
    """
    return " x ".join(map(str, shape))


def _lie(count: int) -> str:
    return "lies" if count == 1 else "lie"
