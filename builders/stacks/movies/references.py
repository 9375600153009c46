"""The files that movies are developed with: where people name them, or among which they are looked for."""

import glob
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from builders.errors import FormatError, NotFoundError
from builders.io import image_file
from builders.io.files import location
from builders.io.files.hidden import is_hidden
from builders.io.files.natural_order import natural_path_key
from builders.io.movies import gain
from builders.io.movies.gain import Gain
from builders.io.net import remote
from builders.stacks.movies.development import Development
from builders.stacks.movies.options import MovieOptions
from builders.stacks.movies.tables import Listed, Tables

AUTO = "auto"
_MOST_TRIED = 20
"""Files, of which one should be a movie."""
_MAY_BE_GAIN = re.compile(r"gain|ref", re.IGNORECASE)


def may_be_gain(name: str) -> bool:
    """Whether a file may be a gain reference, or a folder hold one, by its name or path; `gain.find` looks closer."""
    return _MAY_BE_GAIN.search(name.rpartition("/")[2]) is not None


def gain_of(
    options: MovieOptions,
    inside: Callable[[str], str],
    candidates: Callable[[], Iterable[str]],
    shape: Callable[[], tuple[int, int]],
) -> Gain:
    """The gain reference that options ask for, which is looked at.

    Args:
        options: `gain`, which is not None, `gain_rotation`, `gain_flip` and `flip_y`.
        inside: where a path inside the entry, or below the folder, is.
        candidates: paths or URLs of files that `gain="auto"` looks among.
        shape: of the first movie's frames, `(ny, nx)`.

    Raises:
        NotFoundError: there is no such file, or none that fits.
        FormatError: it is no single image.
        OptionError: several fit.
    """
    assert options.gain is not None
    if options.gain == AUTO:
        place = gain.find(candidates(), shape(), rotation=options.gain_rotation)
    else:
        place = place_of("gain", options.gain, inside)
    turned = {"rotation": options.gain_rotation, "flip": options.gain_flip}
    return gain.of(place, eer=False, flip_y=options.flip_y, **turned)


def is_table(name: str) -> bool:
    """Whether a file may be a table of shifts, by its name."""
    return name.lower().endswith((".star", ".xf"))


def tables_of(
    align: str | None, inside: Callable[[str], str], search: Callable[[str | None], list[Listed]]
) -> Tables | None:
    """The tables of shifts that an option names; None where it names none.

    Args:
        align: a file's name, a glob, absolute or inside the entry or folder, or `"auto"`.
        inside: where a path inside the entry, or below the folder, is.
        search: gives the files that fit a glob; with None, the tables that lie about the movies.

    Raises:
        NotFoundError: there is no such file.
    """
    if align is None:
        return None
    if align == AUTO or (any(sign in align for sign in "*?[") and not location.is_remote(align)):
        here = str(Path(align).expanduser())
        is_here = Path(here).is_absolute() or align.startswith(".")
        found = listed(glob.glob(here, recursive=True)) if is_here else search(None if align == AUTO else align)  # noqa: PTH207
        if not found:
            msg = f"align={align!r}: no such table: expected a STAR file of RELION's motion correction, or IMOD's .xf"
            raise NotFoundError(msg)
        return Tables(align, tuple(found), is_beside=align == AUTO)
    place = place_of("align", align, inside)
    return Tables(align, ((align, place, str(location.size_and_etag(place)[1])),), is_for_all=True)


def beside(paths: Iterable[str], folder: str | None, fits: Callable[[str], bool]) -> list[str]:
    """Files of this machine that lie about others: in their folders, in the one above all, and in folders called so.

    Args:
        paths: of the others.
        folder: the one above all; None: there is none.
        fits: whether a file, or a folder in these, is called so.
    """
    folders = {os.path.dirname(path) for path in paths} | ({folder} if folder else set())  # noqa: PTH120
    found: set[str] = set()
    for place in sorted(folders):
        called_so = [item for item in Path(place).iterdir() if fits(item.name) and not is_hidden(item.name)]
        inner = [item for outer in called_so if outer.is_dir() for item in outer.iterdir() if not is_hidden(item.name)]
        found |= {str(item) for item in (*called_so, *inner) if item.is_file()}
    return sorted(found, key=natural_path_key)


def listed(paths: Iterable[str]) -> list[Listed]:
    """Files of this machine with their versions."""
    return [(path, path, str(location.size_and_etag(path)[1])) for path in sorted(paths, key=natural_path_key)]


def frame_shape(places: Iterable[str], development: Development) -> tuple[int, int]:
    """`(ny, nx)` of the frames of the first file whose header can be read, one that is not called a gain if there is.

    Raises:
        NotFoundError: none can.
    """
    why = "there is none"
    for place in sorted(places, key=may_be_gain)[:_MOST_TRIED]:
        try:
            shape = development.rendered(image_file.survey(place)).layout.shape
        except FormatError as err:
            why = str(err)
            continue
        return shape[-2], shape[-1]
    msg = f"gain='auto': no movie whose frames a gain reference could fit: {why}"
    raise NotFoundError(msg)


def place_of(option: str, text: str, inside: Callable[[str], str]) -> str:
    """Where a file is that somebody named: a URL, an absolute path, or one inside the entry, else of this machine.

    Args:
        option: which named it.
        text: the name.
        inside: where a path inside the entry, or below the folder, is.

    Raises:
        NotFoundError: there is no such file.
    """
    if location.is_remote(text):
        remote.permit(text)
        return text
    here = os.path.abspath(Path(text).expanduser())  # noqa: PTH100 - links keep their names
    if Path(text).expanduser().is_absolute() or text.startswith("."):
        return here
    place = inside(text)
    try:
        location.size_and_etag(place)
    except NotFoundError as err:
        if Path(here).is_file():
            return here
        msg = f"{option}={text!r}: no such file: neither {place} nor {here}"
        raise NotFoundError(msg) from err
    return place
