"""What names of files say: the tomogram, and which half of it; and under which names others may know it."""

import re
from collections.abc import Sequence

from builders.tomograms.sources.candidates import PACKED, SUFFIXES, ZARR

_HALVES = {"even": 0, "evn": 0, "half1": 0, "odd": 1, "half2": 1}
_HALF = re.compile(rf"(?:^|[-_.])({'|'.join(_HALVES)})(?=$|[-_.])", re.IGNORECASE)
_PIXEL_SIZE = re.compile(r"_\d+(?:\.\d+)?Apx$", re.IGNORECASE)
_ENDS = tuple(f"{suffix}{packed}" for suffix in SUFFIXES for packed in PACKED)


def is_volume(name: str) -> bool:
    """Whether a file of this name may hold a tomogram.

    Example:
        >>> is_volume("TS_01.rec"), is_volume("TS_01.MRC.gz"), is_volume("TS_01.star")
        (True, True, False)
    """
    return name.lower().endswith(_ENDS)


def stem_of(path: str) -> str:
    """A path without the suffix of a volume, or of anything else.

    Example:
        >>> stem_of("a/TS_01.ome.zarr"), stem_of("TS_1.2.rec"), stem_of("TS_01_point.ndjson")
        ('a/TS_01', 'TS_1.2', 'TS_01_point')
    """
    folder, slash, name = path.rpartition("/")
    lowered = name.lower()
    for end in (f".ome{ZARR}", ZARR, *_ENDS):
        if lowered.endswith(end) and len(name) > len(end):
            return f"{folder}{slash}{name[: -len(end)]}"
    stem = name.rpartition(".")[0] or name
    return f"{folder}{slash}{stem}"


def half_of(stem: str) -> tuple[str, int] | None:
    """The path of a half tomogram without what tells the half, and which it is: 0 even, 1 odd; None: it is none.

    A half is told by `even`, `evn`, `half1`, `odd` or `half2` as a word of the file's name, or as the name of a folder.

    Example:
        >>> half_of("TS_01_EVN_Vol"), half_of("ODD/TS_01"), half_of("oddity")
        (('TS_01_Vol', 0), ('TS_01', 1), None)
    """
    *folders, name = stem.split("/")
    found = [*_HALF.finditer(name)]
    told = found[-1][1] if found else next((f for f in reversed(folders) if f.lower() in _HALVES), None)
    if told is None:
        return None
    which = _HALVES[told.lower()]
    kept = [folder for folder in folders if _HALVES.get(folder.lower()) != which]
    if found:
        start, end = found[-1].span()
        name = (name[:start] + name[end:]).lstrip("-_.")
    return "/".join([*kept, *([name] if name else [])]), which


def known_as(name: str) -> tuple[frozenset[str], ...]:
    """Under which names a table may know a tomogram: first its own, then what is like it.

    These are its base name, and that without what programs put around it: RELION's `rec_`, Warp's `_10.00Apx`.

    Example:
        >>> [sorted(names) for names in known_as("a/rec_TS_01")]
        [['a/rec_TS_01'], ['rec_TS_01'], ['TS_01']]
    """
    base = name.rpartition("/")[2]
    bare = _PIXEL_SIZE.sub("", base.removeprefix("rec_"))
    return frozenset((name,)), frozenset((base,)), frozenset((bare,))


def told_name(text: str) -> tuple[str, ...]:
    r"""What a table's column calls a tomogram: the whole text, its base name, and that without a suffix.

    Example:
        >>> told_name("Tomograms\\TS_01.tomostar")
        ('Tomograms\\TS_01.tomostar', 'TS_01.tomostar', 'TS_01')
    """
    base = re.split(r"[/\\]", text.strip())[-1]
    return text, base, stem_of(base)


def called(paths: Sequence[str]) -> dict[str, str]:
    """What tomograms are called: their base names, or where two have the same one, their paths.

    Example:
        >>> called(["a/TS_1", "b/TS_2"]), called(["a/t", "b/t"])
        ({'a/TS_1': 'TS_1', 'b/TS_2': 'TS_2'}, {'a/t': 'a/t', 'b/t': 'b/t'})
    """
    bases = [path.rpartition("/")[2] for path in paths]
    return dict(zip(paths, paths if len(set(bases)) < len(bases) else bases, strict=True))
