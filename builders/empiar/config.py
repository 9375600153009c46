"""Options of `empiar`, and what they say of an entry: its files, and how these become rows."""

import functools
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import datasets

from builders.archive.archive import Archive, Found, segments_of
from builders.archive.builder import files_folder
from builders.archive.caching import fetch_all
from builders.archive.catalogue import EntryInfo, ImageSet, entry_number
from builders.archive.patterns import matcher, taker
from builders.archive.remembered import asked, revived_found, revived_gain, revived_info
from builders.archive_licences import ARCHIVES, entry_of
from builders.empiar.categories import said_by
from builders.empiar.voxels import sign_told_by
from builders.errors import NotFoundError, OptionError, PercError
from builders.hf.features import check_dtype
from builders.io.files import location
from builders.io.movies.gain import Gain
from builders.options import ON_ERROR, check_choice, check_flag, check_integer, check_pixel_size
from builders.quarantine import check_quarantine
from builders.stacks.files import SourceFile
from builders.stacks.movies.development import Development
from builders.stacks.movies.options import NAMES, MovieOptions
from builders.stacks.movies.references import frame_shape, gain_of, is_table, may_be_gain, tables_of
from builders.stacks.movies.tables import Listed
from builders.stacks.rows import Reading
from builders.stacks.slices_or_files import ITEMS

logger = logging.getLogger(__name__)

_T = TypeVar("_T", EntryInfo, Found, Gain)
_OF_NO_ROWS = ("archive", "api", "quarantine", "shuffle_memory", *NAMES)
"""Options that do not tell datasets apart, or whose meaning is told otherwise."""


@dataclass
class EmpiarConfig(MovieOptions, datasets.BuilderConfig):  # type: ignore[misc]
    """Options of `empiar`.

    Attributes:
        entry: number of an entry: `10943` or `"EMPIAR-10943"`.
        imageset: name or number (from 0) of an image set; not needed where there is one.
        directory: a path inside the entry, instead of an image set's.
        pattern: which files, by their path below the directory: a glob (`*` stays in a folder, `**` crosses folders);
            default: every format that can be read.
        regex: `pattern` is a regular expression, for the whole path.
        recursive: look into the directory's folders; a `**` in the pattern does so, too.
        item: `"slice"`, a row for each slice of a stack; `"file"`, a row for each file; `"frame"`, a row for each frame
            of a movie; `"auto"` decides between slices and files by the image set's category, else the suffix, else
            the header.
        pixel_size: Å per pixel of the files that do not say it.
        dtype: type of the decoded images; None keeps each file's own.
        download: bring the files into the cache first.
        on_error: what a damaged file does: `"raise"`, or `"skip"` to leave it out, with a warning.
        quarantine: write a table of what was left out (path, tab, reason) here; goes with `on_error="skip"`. A stream
            adds to it while it is read.
        non_finite: what NaN and infinite pixels do when an image is read: `"pass"` (one warning) or `"raise"`.
        shuffle_memory: MiB of pixels, as they are in their files, that a shuffled stream holds at most, all workers of
            a loader together: its buffer holds no more rows than that, however many `buffer_size` allows.
        archive: base URL of another server, or folder of a mirror, that holds `<entry>/data/...`.
        api: base URL of another API for metadata.
    """

    entry: int | str | None = None
    imageset: int | str | None = None
    directory: str | None = None
    pattern: str | None = None
    regex: bool = False
    recursive: bool = False
    item: str = "auto"
    pixel_size: float | None = None
    dtype: str | None = "float32"
    download: bool = False
    on_error: str = "raise"
    quarantine: str | None = None
    non_finite: str = "pass"
    shuffle_memory: int = 512
    archive: str | None = None
    api: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.entry is None:
            msg = "empiar needs entry=NUMBER, such as entry=10943"
            raise OptionError(msg)
        if self.data_dir is not None or self.data_files:
            msg = (
                f"empiar reads an entry, not data_dir={self.data_dir!r} or data_files: archive='FOLDER' names a mirror"
            )
            raise OptionError(msg)
        self.entry = entry_number(self.entry)
        self.dtype = check_dtype(self.dtype)
        check_choice("item", self.item, ITEMS)
        self.check_movies(self.item)
        self.pixel_size = check_pixel_size(self.pixel_size)
        check_choice("on_error", self.on_error, ON_ERROR)
        self.quarantine = check_quarantine(self.quarantine, self.on_error)
        check_choice("non_finite", self.non_finite, ("pass", "raise"))
        check_integer("shuffle_memory", self.shuffle_memory, least=1)
        for flag in ("regex", "recursive", "download"):
            check_flag(flag, getattr(self, flag))
        if self.directory is not None:
            if not isinstance(self.directory, str):
                msg = f"directory is {self.directory!r}: expected a path inside the entry, such as 'data/particles'"
                raise OptionError(msg)
            self.directory = "/".join(segments_of(self.directory))
        self._matcher = matcher(self.pattern, self.regex, self.recursive)
        self._takes = taker(self.pattern, self.regex)
        self.archive = None if self.archive is None else os.fspath(self.archive)
        self._archive = Archive(self.archive, self.api)
        self._folder = files_folder()
        self._told: EntryInfo | None = None

    @functools.cached_property
    def chosen(self) -> ImageSet | None:
        """The image set; None where a directory was named that none covers.

        Raises:
            OptionError: no image set of that name, or several and none chosen.
        """
        if self.directory is None or self.imageset is not None:
            try:
                info = self._entry_info()
            except PercError as err:
                msg = f"{err} (with directory=..., and no imageset, none is needed)"
                raise type(err)(msg) from err
            return info.imageset(self.imageset)
        try:
            sets = self._entry_info().imagesets
        except PercError as err:
            logger.info("EMPIAR-%s: no metadata (%s): going by the directory alone", self.entry, err)
            return None
        covering = [s for s in sets if s.directory and f"{self.directory}/".startswith(f"{s.directory}/")]
        deepest = max((len(s.directory) for s in covering), default=0)
        closest = [s for s in covering if len(s.directory) == deepest]
        return closest[0] if len(closest) == 1 else None

    def _entry_info(self) -> EntryInfo:
        entry, archive = str(self.entry), self._archive
        self._told = self._asked((archive.base, archive.api, entry), lambda: archive.info(entry), revived_info)
        return self._told

    def _asked(self, question: tuple[object, ...], ask: Callable[[], _T], revive: Callable[[Any], _T]) -> _T:
        """An answer of the archive; of a server's, the last one where it cannot be reached."""
        if not location.is_remote(str(self._archive.base)):
            return ask()
        return asked(question, ask, revive, self._folder)

    @property
    def _searched(self) -> str:
        """The folder of the images."""
        if self.directory is not None:
            return self.directory
        assert self.chosen is not None
        return self.chosen.directory or "data"

    @functools.cached_property
    def found(self) -> Found:
        """The files that were asked for.

        Raises:
            NotFoundError: the directory is not there, or nothing in it fits.
        """
        folder = self._searched
        question = (self._archive.base, self.entry, folder, self.pattern, self.regex, self.recursive)
        found = self._asked(
            question,
            lambda: self._archive.find(str(self.entry), folder, *self._matcher, takes=self._takes),
            revived_found,
        )
        if not found.files:
            wanted = f"pattern {self.pattern!r}" if self.pattern is not None else "an image format that can be read"
            msg = f"EMPIAR-{self.entry}: {found.instead(folder or 'the entry', f'is of {wanted}')}"
            msg += "; recursive=True looks into the folders there, too" if found.folders else ""
            raise NotFoundError(msg)
        return found

    @property
    def reading(self) -> Reading:
        """How files become rows."""
        chosen = self.chosen
        said = said_by(chosen.category) if chosen is not None else None
        sign = None if chosen is None else sign_told_by(chosen.voxel_type)
        wants_complex = self.dtype is None or "complex" in self.dtype
        source = f"EMPIAR-{self.entry}"
        columns = ("entry", source), ("imageset", self._imageset)
        options = self.item, wants_complex, self.on_error, sign, self.pixel_size
        return Reading("empiar", source, columns, said, *options, self.developed)

    @functools.cached_property
    def developed(self) -> Development:
        """What becomes of the frames of movies."""
        taken = self.gain_reference
        if taken is not None and self.download and location.is_remote(taken.path):
            file = SourceFile(taken.path, taken.path, 0, taken.etag)
            (brought,), _ = fetch_all([file], self._folder)
            taken = replace(taken, path=brought.location, etag=location.size_and_etag(brought.location)[1] or "")
        return replace(self.development(self.item), gain=taken, tables=tables_of(self.align, self._place, self._tables))

    @functools.cached_property
    def gain_reference(self) -> Gain | None:
        """The gain reference that was asked for, where it was found; None where none was asked for."""
        if self.gain is None:
            return None

        def ask() -> Gain:
            plain, files = self.development(self.item), self.found.files
            shape = functools.partial(frame_shape, [file.location for file in files], plain)
            return gain_of(self, self._place, lambda: [f.location for f in self._beside(may_be_gain).files], shape)

        how = self.gain, self.gain_rotation, self.gain_flip, self.flip_y, self.superres
        question = (self._archive.base, self.entry, self._searched, self.pattern, self.regex, self.recursive, *how)
        return self._asked(question, ask, revived_gain)

    def _place(self, path: str) -> str:
        return self._archive.locate(str(self.entry), path)

    def _tables(self, pattern: str | None) -> list[Listed]:
        """Tables of shifts inside the entry: those of a pattern, or all about the images."""
        if pattern is None:
            found = self._beside(is_table)
        else:
            find = functools.partial(self._archive.find, str(self.entry), "", *matcher(pattern, False, False), False)
            found = self._asked((self._archive.base, self.entry, pattern), find, revived_found)
        return [(file.path, file.location, file.stamp) for file in found.files]

    def _beside(self, fits: Callable[[str], bool]) -> Found:
        """Files that lie about the images that were asked for: in their folders, those above and those named so."""
        folder = self._searched
        top, _, below = folder.partition("/")

        def enters(inner: str) -> bool:
            if f"{below}/".startswith(f"{inner}/") or fits(inner.rpartition("/")[2]):
                return True
            within = inner.removeprefix(f"{below}/") if below else inner
            return (not below or within != inner) and self._matcher[1](within)

        question = (self._archive.base, self.entry, folder, self.pattern, self.regex, self.recursive, fits.__name__)
        find = functools.partial(
            self._archive.find, str(self.entry), top, lambda p: fits(p.rpartition("/")[2]), enters, False
        )
        return self._asked(question, find, revived_found)

    @property
    def _imageset(self) -> str | None:
        """The name of the image set."""
        return None if self.chosen is None else self.chosen.name or None

    @property
    def facts(self) -> dict[str, str]:
        """What `datasets` keeps beside the rows: of the entry, as far as it has been asked for, or its number."""
        entry = entry_of("empiar", f"EMPIAR-{self.entry}")
        assert entry is not None
        imageset = self._imageset
        title, paper = (self._told.title, self._told.citation) if self._told is not None else ("", "")
        place = entry.name if imageset is None else f"{entry.name}, image set {imageset!r}"
        itself = "" if f"/{entry.doi}" in paper else f"{entry.name}, https://doi.org/{entry.doi}"
        return {
            "description": "\n".join(filter(None, (title, place, self.read_with(self.item, self.gain_reference)))),
            "citation": "\n".join(filter(None, (paper, itself))),
            "homepage": entry.url,
            "license": ARCHIVES["empiar"].license,
        }

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Any = None) -> str:
        """Name the cache folder for the options and for what listings and metadata say, so that it is never stale."""
        options = {k: v for k, v in config_kwargs.items() if k not in _OF_NO_ROWS}
        options |= {"entry": self.entry, "archive": str(self._archive.base), "listings": self.found.version}
        options["reading"] = repr(self.reading)
        return str(super().create_config_id(options, custom_features=custom_features))
