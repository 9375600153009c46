"""What names of files say: images or tables, and of which series."""

import re

from builders.io.formats.compression import plain_name

IMAGES = (".st", ".mrc", ".mrcs", ".tif", ".tiff", ".eer", ".ali")
"""Of stacks and of single images; stacks of one series under several of them: the first one is meant."""
TABLES = (".mdoc", ".rawtlt", ".tlt", ".xf", ".aln", ".xml")
_ENDINGS = re.compile(r"(?:\.gz|\.bz2|\.mdoc|\.rawtlt|\.tlt|\.xf|\.aln|\.xml|\.st|\.mrcs?|\.tiff?|\.eer|\.ali)\Z", re.I)
_ALIGNED = re.compile(r"_ali\Z", re.IGNORECASE)
_DERIVED = re.compile(
    r"_(?:rec|full|full_rec|preali|3dfind|flat|proj|vol|evn|odd|evn_vol|odd_vol|ctf)\Z", re.IGNORECASE
)
"""What programs put behind a series' name for what they made of it, which is not its images."""


def is_image(name: str) -> bool:
    """Whether a file may hold images of a tilt series, by its name.

    Example:
        >>> [is_image(name) for name in ("TS_1.st", "TS_1.mrc.gz", "TS_1_rec.mrc", "TS_1.mrc.mdoc")]
        [True, True, False, False]
    """
    return plain_name(name).endswith(IMAGES) and not _DERIVED.search(stem_of(name, aligned=False))


def table_kind(name: str) -> str | None:
    """What table a file is, by its suffix; None: none.

    Example:
        >>> table_kind("TS_1.mrc.MDOC"), table_kind("TS_1.mrc")
        ('mdoc', None)
    """
    return next((suffix[1:] for suffix in TABLES if name.lower().endswith(suffix)), None)


def stem_of(name: str, aligned: bool = True) -> str:
    """The name of the series that a file is of, by the file's.

    Args:
        name: a name or path.
        aligned: whether what IMOD puts behind that of an aligned stack is taken off, too.

    Example:
        >>> stem_of("a/TS_1.mrc.mdoc"), stem_of("TS_1_ali.mrc"), stem_of("TS.1.tlt")
        ('TS_1', 'TS_1', 'TS.1')
    """
    stem = name.rpartition("/")[2]
    while (shorter := _ENDINGS.sub("", stem)) != stem and shorter:
        stem = shorter
    return _ALIGNED.sub("", stem) if aligned else stem


_MOVIE = re.compile(r"(.+?)_\d{1,5}_-?\d{1,3}\.\d+(?:_.*)?", re.DOTALL)


def series_of_movie(stem: str) -> str | None:
    """The series that a movie is of, by its name as SerialEM makes it: the series, a number and an angle.

    Example:
        >>> series_of_movie("s_mmm_00993_33.0_Oct08_07.39.05"), series_of_movie("overview")
        ('s_mmm', None)
    """
    found = _MOVIE.fullmatch(stem)
    return None if found is None else found[1]


def is_aligned(name: str) -> bool:
    """Whether a stack is one that its alignment was applied to, by its name."""
    plain = plain_name(name)
    return plain.endswith(".ali") or bool(_ALIGNED.search(stem_of(name, aligned=False)))


def rank(name: str) -> int:
    """Which of several stacks of one series is meant: the lowest."""
    plain = plain_name(name)
    return next(n for n, suffix in enumerate(IMAGES) if plain.endswith(suffix)) + len(IMAGES) * is_aligned(name)
