"""Image files, on this machine or a server: what a file holds, and any slice of it as an array."""

import contextlib
import io
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from builders.errors import ChangedError, FormatError, HttpError, TruncatedError
from builders.io.files import local, location
from builders.io.files.head import Head
from builders.io.files.header_store import HeaderStore
from builders.io.formats import compression
from builders.io.formats.compression import Stream
from builders.io.formats.contents import Contents, Header
from builders.io.formats.known import contents_of, format_of
from builders.io.formats.protocol import HEAD, Format, Read
from builders.io.formats.reader import MOST_REQUESTS, Reader
from builders.io.layout import Array, Layout, Range
from builders.io.pixels import read_layout, read_open
from builders.io.reports import MOST_TOLD, report_contradiction, report_deviation
from builders.io.scattered import base as scattered

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ImageFile:
    """What one file holds, read from its header alone.

    Attributes:
        path: where it is.
        layout: where its pixels lie, and the shape that they make: `(nz, ny, nx)`, whatever the file's order of axes
            (which `header.axis_order` tells).
        pixel_size: Å per pixel along x; None when the file does not say.
        etag: size and time of change, to notice that the file is another one now.
        compressed: the file is packed, a gzip or bzip2 stream of what the layout speaks of.
        header: the header, where its format says more of images than where they lie: that of an MRC file; else None.
        contents: all that its format says of it, and what of that the file's size contradicts; None where that was let
            go of.
    """

    path: str
    layout: Layout
    pixel_size: float | None
    etag: str
    compressed: bool
    header: Header | None = None
    contents: Contents | None = None

    def is_stack(self, name: str | None = None) -> bool:
        """Whether sections are images of their own, if slices are wanted: it is called so, or no volume.

        Many a volume has no space group that says so, but lengths and intervals that fit its order of axes.

        Args:
            name: the file's own, where `path` is another one, as in a cache.
        """
        header = self.header
        if header is None:
            return False
        is_called_so = compression.plain_name(name or self.path).endswith(".mrcs")
        return is_called_so or (header.is_stack and not header.is_whole_volume)

    def as_images(self) -> "ImageFile":
        """The same file where its sections are known to be images of their own: see `MrcHeader.as_images`."""
        header = self.header and self.header.as_images()
        if header is None or header is self.header:
            return self
        report_deviation(header.deviations[-1], self.path)
        return self.with_header(header)

    def with_header(self, header: Header) -> "ImageFile":
        """The same file where its header is known to mean this."""
        contents = self.contents and self.contents.with_header(header)
        return replace(self, layout=header.layout, pixel_size=header.pixel_size, header=header, contents=contents)

    def with_layout(self, layout: Layout) -> "ImageFile":
        """The same file where its pixels are to be read otherwise, its images being as many."""
        return replace(self, layout=layout, contents=self.contents and replace(self.contents, layout=layout))

    def with_pixel_size(self, pixel_size: float | None) -> "ImageFile":
        """The same file where its pixels, `with_layout`, are of another size."""
        contents = self.contents and replace(self.contents, pixel_size=pixel_size)
        return replace(self, pixel_size=pixel_size, contents=contents)

    def with_sign(self, bits: int, signed: bool) -> "ImageFile":
        """The same file where metadata say whether whole numbers of `bits` have a sign; the file itself counts more."""
        if self.header is None:
            return self
        header, told = self.header.with_sign(bits, signed)
        if told:
            report_deviation(told, self.path)
        return self if header is self.header else self.with_header(header)

    def part(self, index: int | None) -> Layout:
        """Where one of its slices lies, sections as stored of a stack and along z of a volume; None: all of it.

        Raises:
            FormatError: there is no such slice.
        """
        if index is None:
            return self.layout
        return (self.as_images() if self.is_stack() else self).layout.slice(index, self.path)

    @property
    def contradicts_header(self) -> bool:
        """Whether its header says another size than it has."""
        return self.contents is not None and bool(self.contents.said or self.contents.cut)

    @property
    def contradiction(self) -> str:
        """What its size contradicts and how it is read all the same, in words; empty where nothing is."""
        contents = self.contents
        return "" if contents is None else contents.said or (contents.entries_said if contents.cut else "")


def describe(path: str | os.PathLike[str]) -> ImageFile:
    """Read what a file says of its images, and check it against the file's size.

    The format is told from the first bytes, not from the name: `.npy` or MRC, plain, gzip or bzip2. A header that the
    size contradicts is read as all of the file's bytes have it, with a warning, where that can be done in one way.

    Args:
        path: of a file of this machine, or its URL.

    Raises:
        NotFoundError: no such file.
        FormatError: of no format that can be read, or damaged.
        HttpError: the server does not tell the size of a plain file.
        TruncatedError: shorter than its header says.
    """
    return complete(survey(path))


def survey(path: str | os.PathLike[str], head: Head | None = None) -> ImageFile:
    """What `describe` does, but that a file may be shorter than its header says: see `ImageFile.contents`.

    Args:
        path: of a file of this machine, or its URL.
        head: what `builders.io.files.location.head` gave for a URL, if that was asked before; what the format asks for
            besides is added to it. None: it is asked for, and remembered beside the cache with what comes besides.
    """
    name = os.fspath(path)
    if location.is_remote(name):
        return _survey_anew(name) if head is None else _survey_remote(name, head)
    with local.opened(name) as raw:
        status = os.fstat(raw.fileno())
        return survey_open(raw, name, status.st_size, local.etag_of(status))


def complete(file: ImageFile) -> ImageFile:
    """A file that holds all that its header says; what its size contradicts is said.

    Raises:
        TruncatedError: it does not.
    """
    if file.contents is not None and file.contents.cut:
        raise TruncatedError(file.contents.cut)
    if file.contents is not None and file.contents.said:
        report_contradiction(file.contents.said, file.path)
    return file


def survey_open(raw: BinaryIO, name: str, size: int | None, etag: str) -> ImageFile:
    """What `survey` does, for a file object that can seek.

    Args:
        raw: the file.
        name: what messages call it.
        size: its bytes; None leaves what its header says unchecked.
        etag: its version.
    """
    with compression.damage_named(name):
        stream, is_packed = compression.opened(raw)
        bytes_at = compression.reader_of(stream)
        head = bytes_at(0, HEAD)
        if not is_packed:
            return _described(contents_of(head, Reader(bytes_at, head, size, name), size, name), name, etag)
        format = format_of(head)
        held: dict[int, bytes] = {}
        contents = contents_of(head, Reader(bytes_at, head, None, name, held), None, name)
        if size is not None and (known := _content_size(raw, stream, format, contents, size)) is not None:
            contents = contents_of(head, Reader(bytes_at, head, known, name, held), known, name)
    return _described(contents, name, etag, is_packed)


def _described(contents: Contents, name: str, etag: str, compressed: bool = False) -> ImageFile:
    for deviation in contents.deviations:
        report_deviation(deviation, name)
    return ImageFile(name, contents.layout, contents.pixel_size, etag, compressed, contents.header, contents)


def _survey_anew(url: str) -> ImageFile:
    """What a server's file of today holds; what is remembered of that version is not asked for again."""
    head, store = location.head(url), HeaderStore()
    known = store.last(url)
    if known is not None and known.etag == head.etag:
        head.more.update(known.more)
    else:
        known = None
    before = len(head.more)
    try:
        return _survey_remote(url, head)
    finally:
        if known is None or len(head.more) > before:
            store.keep(url, head)


def _survey_remote(name: str, head: Head) -> ImageFile:
    if compression.packing_of(head.data) is not None:
        if not compression.is_packed(name):
            msg = f"{name}: compressed, which its name does not say: expected a name that ends in .gz or .bz2"
            raise FormatError(msg)
        with contextlib.suppress(TruncatedError):  # a header is squeezed to so little that it is there already
            file = survey_open(io.BytesIO(head.data), name, head.size, head.etag)
            if head.is_whole or file.header is None or _is_sure(file, compression.begun(head.data)):
                return file
        with location.open_version(name, head.size, head.etag) as raw:  # the end of the file tells
            return survey_open(raw, name, head.size, head.etag)
    if head.size is None:
        msg = f"{name}: the server does not tell its size: what its header says cannot be checked"
        raise HttpError(msg)

    def fetch(offset: int, count: int) -> bytes:
        return location.read(name, offset, offset + count, head.etag).tobytes()

    def fetch_several(ranges: Sequence[Range]) -> bytes:
        return location.read_ranges(name, ranges, head.etag).tobytes()

    with compression.damage_named(name):
        several = fetch_several if head.etag else None  # they have to be of one version
        read: Read = Reader(fetch, head.data, head.size, name, head.more, MOST_REQUESTS, True, several)
        return _described(contents_of(head.data, read, head.size, name), name, head.etag)


def _is_sure(file: ImageFile, begun: bytes) -> bool:
    """Whether nothing says that the pixels of a packed file, which has begun so, may lie elsewhere than it says."""
    contents = file.contents
    assert contents is not None
    if contents.least_end not in (None, contents.layout.end):
        return False
    return not format_of(begun).is_doubtful(contents, lambda offset, count: begun[offset : offset + count])


def _content_size(raw: BinaryIO, stream: Stream, format: Format, told: Contents, size: int) -> int | None:
    """The size of a packed file's content, where it must be known.

    A gzip file tells it, if not for sure. Where that contradicts the header, or where there is nothing to tell it and
    the bytes around the first pixel are suspicious, the content is counted.
    """
    layout = told.layout
    doubtful = compression.may_differ(raw, size, layout.end, layout.nbytes) if compression.is_gzip(stream) else None
    if doubtful is None:
        doubtful = format.is_doubtful(told, compression.reader_of(stream))
    return compression.count(stream, layout.end) if doubtful else None


def read(path: str | os.PathLike[str], index: int | None = None) -> Array:
    """Read a whole image file, or one slice of it.

    A compressed file is read on to its end, where its checksum is, unless only a slice is wanted that others follow
    or more than 64 MiB come after the pixels. What a server's file said of its images is remembered beside the cache,
    and the server asked, with the bytes of the pixels, whether it is still the same file.

    Args:
        path: an MRC-family or `.npy` file, plain, `.gz` or `.bz2`.
        index: which slice, from 0: of a stack of images (a `.mrcs`, or what no header calls a volume) one of its
            sections, of others the entry along the first axis; None for all.

    Returns:
        Array in the file's own type: `(nz, ny, nx)` for a whole MRC file, whatever its order of axes, `(ny, nx)` for a
        slice.

    Raises:
        NotFoundError: no such file.
        FormatError: not a readable image file, damaged, or no such slice.
        TruncatedError: the file ends early.
    """
    name = os.fspath(path)
    if location.is_remote(name):
        with contextlib.suppress(ChangedError):  # it is another file by now
            if (pixels := _read_remembered(name, index)) is not None:
                return pixels
    file = describe(name)
    return read_layout(name, file.part(index), file.etag)


def _read_remembered(url: str, index: int | None) -> Array | None:
    """The pixels of a server's file, or of a slice, where they lay last time; None where that is not known.

    Raises:
        ChangedError: the file is another one now.
    """
    head = HeaderStore().last(url)
    if head is None:
        return None
    try:
        layout = complete(_survey_remote(url, head)).part(index)
    except (ChangedError, FormatError, TruncatedError):  # of the file that there is now, that may not be so
        return None
    if scattered.of(layout) is not None or not layout.nbytes:  # no byte of this file would tell
        return None
    return read_layout(url, layout, head.etag)


def read_bytes(data: bytes, index: int | None = None, name: str = "image bytes") -> Array:
    """Read an image file that is held in memory: what `read` does, for bytes.

    Raises:
        FormatError: not a readable image file, damaged, or no such slice.
        TruncatedError: the bytes end early.
    """
    file = complete(survey_open(io.BytesIO(data), name, len(data), ""))
    return next(read_open(io.BytesIO(data), [file.part(index)], name))


def memory_map(file: ImageFile) -> Array:
    """The pixels of a file without reading them: mapped, read-only, in stored byte order.

    Raises:
        FormatError: they have to be decoded first: the file is compressed, or its mode is complex int16 or 4-bit.
    """
    layout = file.layout
    if file.compressed or not layout.is_plain:
        what = "a compressed file" if file.compressed else f"pixels of encoding {layout.encoding!r}"
        msg = f"{file.path}: {what} cannot be mapped: read it"
        raise FormatError(msg)
    return layout.ordered(np.memmap(file.path, np.dtype(layout.encoding), "r", layout.offset, layout.stored_shape))


def report_contradictions(source: str, files: Iterable[ImageFile]) -> None:
    """Say how many of a source's files have another size than their headers say, where not each was spoken of."""
    count = sum(file.contradicts_header for file in files)
    if count > MOST_TOLD:
        logger.warning("%s: %d files have another size than their headers say", source, count)
