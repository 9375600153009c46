"""What becomes of the frames of images that are movies: the options that all movies have, for files of a series."""

import functools
import glob
import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from builders.archive.archive import Archive
from builders.archive.patterns import matcher
from builders.errors import OptionError
from builders.stacks.files import SourceFile
from builders.stacks.movies.development import Development
from builders.stacks.movies.options import NAMES, MovieOptions
from builders.stacks.movies.references import beside, frame_shape, gain_of, is_table, listed, may_be_gain, tables_of
from builders.stacks.movies.tables import Listed

_OF_ANY = ("flip_y",)
"""Options that mean something for stacks, too."""


def asked_for(options: MovieOptions) -> str | None:
    """The first option that only movies have and that was given; None: none was.

    Example:
        >>> asked_for(MovieOptions(sum_frames=True)), asked_for(MovieOptions(flip_y=False))
        ('sum_frames', None)
    """
    fields = MovieOptions.__dataclass_fields__
    given = (name for name in NAMES if name not in _OF_ANY and getattr(options, name) != fields[name].default)
    return next(given, None)


def refuse(options: MovieOptions, source: str) -> None:
    """Refuse options of movies where images are sections of stacks.

    Raises:
        OptionError: names one.
    """
    given = asked_for(options)
    if given is not None:
        msg = f"{given}={getattr(options, given)!r} is for movies, one file an image: the images of {source} are "
        msg += "sections of stacks (images='tilt' takes the files that its .mdoc files name)"
        raise OptionError(msg)


def development(
    options: MovieOptions,
    files: Sequence[SourceFile],
    inside: Callable[[str], str],
    search: Callable[[str | None], list[Listed]],
    around: Callable[[], list[str]],
) -> Development:
    """What becomes of the frames of files.

    Args:
        options: of movies.
        files: the movies.
        inside: where a path in the source is.
        search: gives tables of shifts that fit a glob; with None, those that lie about the movies.
        around: files among which `gain="auto"` looks.
    """
    plain = options.development("file")
    taken = None
    if options.gain is not None:
        shape = functools.partial(frame_shape, [file.location for file in files], plain)
        taken = gain_of(options, inside, around, shape)
    return replace(plain, gain=taken, tables=tables_of(options.align, inside, search))


def of_folder(options: MovieOptions, files: Sequence[SourceFile], folder: str) -> Development:
    """What becomes of movies of this machine, below a folder."""
    paths = [file.location for file in files]

    def inside(path: str) -> str:
        return os.path.join(folder, path)  # noqa: PTH118

    def search(pattern: str | None) -> list[Listed]:
        if pattern is None:
            return listed(beside(paths, folder, is_table))
        return listed(glob.glob(inside(pattern), recursive=True))  # noqa: PTH207

    return development(options, files, inside, search, lambda: beside(paths, folder, may_be_gain))


def of_entry(options: MovieOptions, files: Sequence[SourceFile], archive: Archive, entry: str) -> Development:
    """What becomes of movies of an entry of the archive; references and tables lie in it, the movies' folders first."""
    folders = sorted({file.path.rpartition("/")[0] for file in files})

    def found(fits: Callable[[str], bool]) -> list[SourceFile]:
        listings = [archive.find(entry, folder, fits, lambda _: False, bar=False) for folder in folders]
        return [file for listing in listings for file in listing.files]

    def search(pattern: str | None) -> list[Listed]:
        if pattern is None:
            files = found(is_table)
        else:
            files = list(archive.find(entry, "", *matcher(pattern, False, False), False).files)
        return [(file.path, file.location, file.stamp) for file in files]

    def around() -> list[str]:
        return [file.location for file in found(may_be_gain)]

    return development(options, files, lambda path: archive.locate(entry, path), search, around)
