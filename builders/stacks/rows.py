"""Which rows a file gives: one for each slice of a stack, or one for the whole file."""

import contextlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from builders.errors import ChangedError, FormatError, PercError
from builders.hf.image_storage import reference
from builders.io import image_file
from builders.io.files import location
from builders.io.files.head import Head
from builders.io.files.header_store import HeaderStore
from builders.io.formats.protocol import HEAD
from builders.io.image_file import ImageFile
from builders.io.image_reference import told
from builders.io.layout import Layout
from builders.io.net import remote
from builders.io.reports import report_contradiction
from builders.io.scattered.chunks import Chunked
from builders.io.scattered.joined import Joined, Section
from builders.stacks.files import SourceFile
from builders.stacks.movies.development import Development, Movie
from builders.stacks.slices_or_files import is_by_slice

ToldSign = tuple[int, bool]
"""Bits of a whole number, 8 or 16, and whether it has a sign."""

_AS_THEY_ARE = Development()


@dataclass(frozen=True, slots=True)
class Reading:
    """How files become rows.

    Attributes:
        builder: whose they are, as messages call it.
        source: where files are from, such as `"EMPIAR-10943"`.
        columns: names and values of the columns that are the same in all rows.
        said: what metadata say of the files: `"slice"`, `"file"`, `"volume"` or None.
        item: `"slice"`, `"file"`, `"frame"` or `"auto"`.
        complex_pixels: whether complex pixels are wanted.
        on_error: `"raise"` or `"skip"`.
        sign: what metadata say of whole numbers that nothing in a file tells the sign of; None: nothing.
        pixel_size: Å per pixel where a file does not say it, or None.
        development: what becomes of the frames of movies.
        strict: whether a chunk that is not there is an error, of arrays whose format fills it in.
        are_stacks: whether files that are rows are stacks, also those of one image.
    """

    builder: str
    source: str
    columns: tuple[tuple[str, Any], ...]
    said: str | None
    item: str
    complex_pixels: bool
    on_error: str
    sign: ToldSign | None = None
    pixel_size: float | None = None
    development: Development = _AS_THEY_ARE
    strict: bool = False
    are_stacks: bool = False


@dataclass(frozen=True, slots=True)
class Images:
    """A file whose header was read, and the rows it gives.

    Attributes:
        file: the file.
        image: what it holds.
        by_slice: a row for each entry along the first axis, instead of one for all.
        lost: what of the file was left out, in words; empty when nothing was.
        movie: how its frames become rows, where it was asked for as a movie.
        is_stack: where all is one row, its first axis counts images, also if there is one.
    """

    file: SourceFile
    image: ImageFile
    by_slice: bool
    lost: str = ""
    movie: Movie | None = None
    is_stack: bool = False

    @property
    def lies_apart(self) -> bool:
        """Whether each row's pixels are bytes of a plain file that no other row needs."""
        return not self.image.compressed and (not self.by_slice or self.image.layout.slices_lie_apart)

    @property
    def is_regular(self) -> bool:
        """Whether rows are plain pixels, one after another in rising order of bytes."""
        layout = self.image.layout
        if self.movie is not None and not self.movie.is_plain:
            return False
        return type(layout) is Layout and (not self.by_slice or layout.slices_lie_apart)

    @property
    def count(self) -> int:
        """Number of rows."""
        if self.movie is not None:
            return self.movie.count if self.by_slice else 1
        shape = self.image.layout.shape
        return shape[0] if self.by_slice and len(shape) > 2 else 1

    def layout(self, row: int) -> Layout:
        """Where the pixels of a row lie."""
        if self.movie is not None:
            return self.movie.layout(self.image.layout, row if self.by_slice else None, self.file.path)
        if not self.by_slice:
            return self.image.layout if self.is_stack else self.image.layout.squeezed()
        layout = self.image.layout
        return layout.slice(row, self.file.path).squeezed() if len(layout.shape) > 2 else layout

    def row(self, number: int, reading: Reading, layout: Layout | None = None) -> dict[str, Any]:
        """A row of the dataset, its image by reference; `layout` is where it lies, where that is known already."""
        return {
            "image": reference(self.image, layout or self.layout(number)),
            "pixel_size": reading.pixel_size if self.image.pixel_size is None else self.image.pixel_size,
            "path": self.file.path,
            "index": number if self.by_slice else None,
            **({} if self.movie is None or not self.movie.by_frame else self.movie.told(number)),
            **dict(reading.columns),
        }

    def varying(self, rows: range) -> dict[str, NDArray[Any]]:
        """Columns, besides the image, that are not the same in all rows of a file: their values in some rows."""
        if not self.by_slice:
            return {}
        numbers = np.arange(rows.start, rows.stop)
        if self.movie is None:
            return {"index": numbers}
        return {"index": numbers} | self.movie.columns(numbers)


def look(file: SourceFile, reading: Reading, head: Head | None = None) -> Images:
    """Read a file's header, unless `head` gives it, and see which rows it gives; of one of several parts, theirs.

    Raises:
        FormatError: it cannot be read, or its pixels are complex where that is not wanted.
        TruncatedError: it ends early, and not even one whole slice of it may be used.
    """
    if file.parts:
        return joined(file, [look(part, reading) for part in file.parts])
    image = image_file.survey(file.location, head)
    if reading.sign is not None:
        image = image.with_sign(*reading.sign)
    if reading.strict and isinstance(image.layout, Chunked):
        image = replace(image, layout=replace(image.layout, strict=True))
    image, development = reading.development.rendered(image), reading.development
    by_slice = is_by_slice(reading.item, reading.said, file.path, image.header)
    if by_slice and development.is_of_frames and not development.by_frame:
        msg = f"{file.location}: its slices are taken as rows, by item='auto': with item='file' it is read as a movie"
        raise FormatError(msg)
    if development.is_of_frames or (by_slice and (reading.item == "auto" or image.is_stack(file.path))):
        image = image.as_images()
    image, lost = _entries_that_are_there(image, by_slice, reading.on_error)
    images = Images(file, image, by_slice, lost, development.movie(image, file.path), reading.are_stacks)
    layout = images.layout(0)
    if len(layout.shape) not in (2, 3) or 0 in layout.shape:
        msg = f"{file.location}: an array of shape {layout.shape}: expected images (2 axes) or volumes (3 axes)"
        raise FormatError(msg)
    if layout.dtype.kind == "c" and not reading.complex_pixels:
        msg = f"{file.location}: complex pixels ({layout.dtype}): read them with dtype=None"
        raise FormatError(msg)
    return images


def _entries_that_are_there(image: ImageFile, by_slice: bool, on_error: str) -> tuple[ImageFile, str]:
    """A file as far as its rows are surely there, and what of it is not, in words.

    Slices, where each is a row, need not be as many as the header says if those that are there account for every byte.

    Raises:
        TruncatedError: it ends early, and what is there may not be used alone.
    """
    contents, layout = image.contents, image.layout
    may_be_other = by_slice and len(layout.shape) > 2 and layout.slices_lie_apart
    is_other = contents is not None and may_be_other and 0 < contents.whole != layout.shape[0]
    if contents is None or not is_other or not (contents.exact or on_error == "skip"):
        return image_file.complete(image), ""
    kept = replace(image, layout=contents.entries)
    if contents.exact:
        report_contradiction(contents.entries_said, image.path)
        return kept, ""
    return kept, f"only the first {contents.whole} of {layout.shape[0]} slices are kept: {contents.cut}"


def look_remote(
    file: SourceFile, reading: Reading, known: Head | None, fresh: dict[str, tuple[str, Head]], count: int = HEAD
) -> tuple[Images, Head]:
    """`look` at a file of a server, and what was held of it; what of that was not known before is put among `fresh`.

    Args:
        file: the file.
        reading: how it becomes rows.
        known: what is remembered of it; asked for anew where the file is another one by now.
        fresh: stamps and heads by URL, to be remembered.
        count: first bytes that are wanted; those of more than `HEAD` are asked for again.

    Raises:
        PercError: as `look`.
    """
    head = location.head(file.location, count) if known is None or count > HEAD else known
    before = -1 if head is not known else len(head.more)
    try:
        return look(file, reading, head), head
    except ChangedError:
        if head is not known:
            raise
    finally:
        if len(head.more) > before:
            fresh[file.location] = file.stamp, replace(head, data=head.data[:HEAD])
    return look_remote(file, reading, None, fresh, count)


def look_remote_parts(
    file: SourceFile, reading: Reading, known: Mapping[str, Head], fresh: dict[str, tuple[str, Head]]
) -> Images | None:
    """`look_remote` at all parts of a file, several at once, joined; None where it has none."""
    if not file.parts:
        return None

    def one(part: SourceFile) -> Images:
        return look_remote(part, reading, known.get(part.location), fresh)[0]

    return joined(file, list(remote.each(one, file.parts, pool="parts")))


def joined(file: SourceFile, looked: Sequence[Images]) -> Images:
    """A file that is made of the images of several.

    Args:
        file: it, with its parts.
        looked: what these hold.

    Raises:
        FormatError: one of them has no such slice, or they are unlike.
    """
    sections = []
    for part, index in file.sections:
        images = looked[part]
        if index >= images.count:
            msg = f"{images.file.path}: no slice {index}: it has {images.count}"
            raise FormatError(msg)
        layout = replace(images, by_slice=False).layout(0) if index < 0 else images.layout(index)
        sections.append(Section(part, layout, told(layout)))
    first, etags = looked[0].image, [images.image.etag for images in looked]
    paths = [images.file.location for images in looked]
    layout = Joined.of(paths, etags, sections, file.path)
    image = ImageFile(first.path, layout, first.pixel_size, first.etag, compressed=False)
    return Images(file, image, by_slice=False)


def look_at_all(
    files: Sequence[SourceFile], reading: Reading, store: HeaderStore
) -> Generator[Images | PercError, None, None]:
    """`look` at files, several at once, their headers remembered; what fails takes the place of its result."""
    looked_at = [part for file in files for part in file.all_parts]
    known = store.get({file.location: file.stamp for file in looked_at if location.is_remote(file.location)})
    fresh: dict[str, tuple[str, Head]] = {}

    def one(file: SourceFile) -> Images | PercError:
        try:
            if not location.is_remote(file.location):
                return look(file, reading)
            return (
                look_remote_parts(file, reading, known, fresh)
                or (look_remote(file, reading, known.get(file.location), fresh)[0])
            )
        except PercError as err:
            return err

    try:
        with contextlib.closing(remote.each(one, files)) as found:
            yield from tqdm(found, "Reading headers", len(files), unit=" files", disable=None, delay=1, leave=False)
    finally:
        store.put(dict(fresh))
