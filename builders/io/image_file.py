"""Image files on this machine: what a file holds, and any slice of it as an array.

Files are opened for one read and closed again, so nothing here has to survive a fork or a pickle.
"""

import contextlib
import errno
import gzip
import io
import logging
import os
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from builders.errors import (
    AccessError,
    ChangedError,
    FormatError,
    NotFoundError,
    PercError,
    ReadError,
    TruncatedError,
)
from builders.io.finite import is_finite
from builders.io.formats import compression
from builders.io.formats.compression import PIECE, Stream
from builders.io.formats.mrc import file_size, likeness
from builders.io.formats.mrc import header as mrc
from builders.io.formats.mrc.file_size import Weighed
from builders.io.formats.mrc.likeness import Peek
from builders.io.formats.stream_end import StreamEnd, head_of, weigh
from builders.io.layout import Array, Layout
from perc_transforms.core import buffers

logger = logging.getLogger(__name__)

_AT_ONCE: int = getattr(os, "O_NONBLOCK", 0)
_NO_FILE = (errno.ENXIO, errno.EOPNOTSUPP)
"""What opening a socket, or a device that is not there, gives."""
MOST_TOLD = 10
"""Files whose sizes contradict their headers that a process speaks of."""
_SIZE = "size of "
_warned: set[str] = set()

Watch = Callable[[NDArray[np.uint8]], None]


@dataclass(frozen=True, slots=True)
class ImageFile:
    """What one file holds, read from its header alone.

    Attributes:
        path: where it is.
        layout: where its pixels lie, and the shape that they make: `(nz, ny, nx)`, whatever the file's order of axes
            (which `header.axis_order` tells).
        pixel_size: Å per pixel along x; None when the file does not say.
        etag: size and time of change, to notice that the file is another one now.
        compressed: the file is a gzip or bzip2 stream of what the layout speaks of.
        header: the MRC header; None for a NumPy file.
        weighed: what of the header the file's size contradicts; None where that is not known.
    """

    path: str
    layout: Layout
    pixel_size: float | None
    etag: str
    compressed: bool
    header: mrc.MrcHeader | None = None
    weighed: Weighed | None = None

    def is_stack(self, name: str | None = None) -> bool:
        """Whether sections are images of their own, if slices are wanted: it is called so, or no volume.

        Many a volume has no space group that says so, but lengths and intervals that fit its order of axes.

        Args:
            name: the file's own, where `path` is another one, as in a cache.
        """
        header = self.header
        if header is None:
            return False
        fits = header.intervals == (header.nx, header.ny, header.nz)
        return compression.plain_name(name or self.path).endswith(".mrcs") or (header.is_stack and not fits)

    def as_images(self) -> "ImageFile":
        """The same file where its sections are known to be images of their own: see `MrcHeader.as_images`."""
        header = self.header and self.header.as_images()
        if header is None or header is self.header:
            return self
        report_deviation(header.deviations[-1], self.path)
        return self.with_header(header)

    def with_header(self, header: mrc.MrcHeader) -> "ImageFile":
        """The same file where its header is known to mean this."""
        layout = header.layout
        weighed = self.weighed and replace(self.weighed, header=header, layout=layout)
        return replace(self, layout=layout, pixel_size=header.pixel_size, header=header, weighed=weighed)

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
        return self.weighed is not None and bool(self.weighed.said or self.weighed.cut)

    @property
    def contradiction(self) -> str:
        """What its size contradicts and how it is read all the same, in words; empty where nothing is."""
        weighed = self.weighed
        return "" if weighed is None else weighed.said or (weighed.entries_said if weighed.cut else "")


def describe(path: str | os.PathLike[str]) -> ImageFile:
    """Read a file's header and check it against the file's size.

    The format is told from the first bytes, not from the name: `.npy` or MRC, plain, gzip or bzip2. A header that the
    size contradicts is read as all of the file's bytes have it, with a warning, where that can be done in one way.

    Raises:
        NotFoundError: no such file.
        FormatError: neither a NumPy file of numbers nor an MRC file.
        TruncatedError: shorter than its header says.
    """
    return complete(survey(path))


def survey(path: str | os.PathLike[str]) -> ImageFile:
    """What `describe` does, but that a file may be shorter than its header says: see `ImageFile.weighed`."""
    name = os.fspath(path)
    with opened(name) as raw:
        status = os.fstat(raw.fileno())
        return survey_open(raw, name, status.st_size, etag_of(status))


def complete(file: ImageFile) -> ImageFile:
    """A file that holds all that its header says; what its size contradicts is said.

    Raises:
        TruncatedError: it does not.
    """
    if file.weighed is not None and file.weighed.cut:
        raise TruncatedError(file.weighed.cut)
    if file.weighed is not None and file.weighed.said:
        report_contradiction(file.weighed.said, file.path)
    return file


def survey_open(raw: BinaryIO, name: str, size: int | None, etag: str, peek: Peek | None = None) -> ImageFile:
    """What `survey` does, for a file object that can seek.

    Args:
        raw: the file, or its beginning where `peek` gives the rest.
        name: what messages call it.
        size: its bytes; None leaves what its header says unchecked.
        etag: its version.
        peek: gives bytes of a plain file, from and to.
    """
    with compression.damage_named(name):
        stream, compressed = compression.opened(raw)
        head = head_of(stream, name)
        weighed = weigh(head, None if compressed else size, name, peek or compression.peek_at(stream))
        if compressed and size is not None and (known := _content_size(raw, stream, weighed, size)) is not None:
            weighed = weigh(head, known, name, compression.peek_at(stream))
    header = weighed.header
    if header is not None:
        for deviation in header.deviations:
            report_deviation(deviation, name)
    pixel_size = None if header is None else header.pixel_size
    return ImageFile(name, weighed.layout, pixel_size, etag, compressed, header, weighed)


def read(path: str | os.PathLike[str], index: int | None = None) -> Array:
    """Read a whole image file, or one slice of it.

    A compressed file is read on to its end, where its checksum is, unless only a slice is wanted that others follow
    or more than 64 MiB come after the pixels.

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
    file = describe(path)
    return read_layout(file.path, file.part(index), file.etag)


def read_layout(path: str, layout: Layout, etag: str | None = None, watch: Watch | None = None) -> Array:
    """Read the pixels that lie at `layout`, and nothing else of a plain file.

    A compressed file is read on to its end, where its checksum is, if no other pixels come after these.

    Args:
        path: the file.
        layout: where the pixels lie in the decompressed file.
        etag: what `describe` said; None skips the check that the file is still the same.
        watch: called with the bytes of a plain file, piece by piece, while they are still in the processor's cache.

    Raises:
        ChangedError: the file is not the one that was described.
        FormatError: it is damaged.
        TruncatedError: it ends before the last pixel.
    """
    with opened(path) as raw, compression.damage_named(path):
        size = check_version(raw, path, etag)
        stream, compressed = compression.opened(raw)
        if not compressed and layout.end > size:
            msg = f"{path}: {size} bytes, expected {layout.end}: the file is truncated"
            raise TruncatedError(msg)
        if isinstance(stream, gzip.GzipFile) and layout.nbytes > compression.DEFLATE_MOST * size:
            msg = f"{path}: {size} bytes compressed cannot hold the {layout.nbytes} that its header says"
            raise TruncatedError(msg)
        if compressed:
            version = etag_of(os.fstat(raw.fileno()))
            pixels = _read_packed(stream, StreamEnd(stream, path, version), layout, path)
        else:
            raw.seek(layout.offset)
            pixels = _read_exactly(raw, layout.nbytes, watch)
        if pixels.size < layout.nbytes:
            msg = f"{path}: {pixels.size} bytes of pixels, expected {layout.nbytes}: the file is truncated"
            raise TruncatedError(msg)
    return layout.decode(pixels)


def read_slices(path: str, first: Layout, count: int, etag: str | None = None) -> Iterator[tuple[Array, bool]]:
    """Images of one layout that lie one after another in a plain file, each read straight into memory of its own.

    Args:
        path: the file.
        first: where the pixels of the first one lie.
        count: how many.
        etag: what `describe` said; None skips the check that the file is still the same.

    Returns:
        Each array, and whether all of its pixels are known to be finite.

    Raises:
        ChangedError: the file is not the one that was described.
        TruncatedError: it ends before the last pixel.
    """
    size = first.nbytes
    with opened(path) as raw:
        check_version(raw, path, etag)
        raw.seek(first.offset)
        for number in range(count):
            data = buffers.take(size)
            view = data.data
            done = raw.readinto(view)
            while done < size and (got := raw.readinto(view[done:])):
                done += got
            if done < size:
                end = first.offset + number * size
                msg = f"{path}: {end + done} bytes, expected {end + size}: the file is truncated"
                raise TruncatedError(msg)
            pixels = first.decode(data)
            yield pixels, is_finite(pixels)


def will_read(path: str, start: int, stop: int) -> None:
    """Tell the system that these bytes will be read soon, unless their last one is in memory already.

    Where it listens, it has them by then. What is wrong with the file is said when it is read.
    """
    if not hasattr(os, "posix_fadvise"):
        return
    with contextlib.suppress(PercError, OSError), opened(path) as raw:
        if not _is_in_memory(raw.fileno(), stop - 1):
            os.posix_fadvise(raw.fileno(), start, stop - start, os.POSIX_FADV_WILLNEED)


def _is_in_memory(file: int, place: int) -> bool:
    try:
        return os.preadv(file, [bytearray(1)], place, os.RWF_NOWAIT) == 1
    except (OSError, AttributeError):  # it is not; or the file system, or Python here, cannot tell
        return False


def check_version(raw: io.FileIO, path: str, etag: str | None) -> int:
    """The size of an open file of the version `etag`, any if that is None or empty.

    Raises:
        ChangedError: it is of another version.
    """
    status = os.fstat(raw.fileno())
    if etag and (now := etag_of(status)) != etag:
        msg = f"{path}: changed since the dataset was loaded ({etag} then, {now} now): call load_dataset again"
        raise ChangedError(msg)
    return status.st_size


def read_bytes(data: bytes, index: int | None = None, name: str = "image bytes") -> Array:
    """Read an image file that is held in memory: what `read` does, for bytes.

    Raises:
        FormatError: not a readable image file, damaged, or no such slice.
        TruncatedError: the bytes end early.
    """
    file = complete(survey_open(io.BytesIO(data), name, len(data), ""))
    layout = file.part(index)
    with compression.damage_named(name):
        stream, compressed = compression.opened(io.BytesIO(data))
        if compressed:
            return layout.decode(_read_packed(stream, StreamEnd(stream, name), layout, name))
        stream.seek(layout.offset)
        pixels = compression.read(stream, layout.nbytes)
        if pixels.size < layout.nbytes:
            msg = f"{name}: {pixels.size} bytes of pixels, expected {layout.nbytes}: truncated"
            raise TruncatedError(msg)
    return layout.decode(pixels)


def read_open(raw: BinaryIO, layouts: Iterable[Layout], name: str, version: str = "") -> Iterator[Array]:
    """The pixels at some layouts of a compressed file, in rising order, as they come out of it.

    Before those that no others come after are given, it is read on to its end, where its checksum is: damage is known
    by then, though not before earlier ones are given.

    Args:
        raw: a file object that can seek, of a compressed file.
        layouts: where the pixels lie in the decompressed file.
        name: what errors call the file.
        version: its etag: what its end told once is remembered of that version.

    Raises:
        TruncatedError: the stream ends before the last pixel.
        FormatError: the stream is damaged, or its end tells that slices lie elsewhere than its header says.
    """
    with compression.damage_named(name):
        stream, compressed = compression.opened(raw)
        end = StreamEnd(stream, name, version) if compressed else None
    held: tuple[int, int] | None = None
    for layout in layouts:
        with compression.damage_named(name):
            if held != (layout.offset, layout.nbytes):  # images that do not lie apart have the same bytes
                pixels, held = _read_packed(stream, end, layout, name), (layout.offset, layout.nbytes)
        yield layout.decode(pixels)


def _read_packed(stream: Stream, end: StreamEnd | None, layout: Layout, name: str) -> NDArray[np.uint8]:
    """Bytes of a stream, read on to its end where no pixels come after them; `end` is None of a plain file."""
    if end is not None:
        end.check(layout)
    stream.seek(layout.offset)
    pixels = compression.read(stream, layout.nbytes)
    if end is not None and (pixels.size < layout.nbytes or end.is_reached_by(layout.end)):
        pixels, said = end.settle(layout, pixels)
        if said:
            report_contradiction(said, name)
    if pixels.size < layout.nbytes:
        msg = f"{name}: {pixels.size} bytes of pixels, expected {layout.nbytes}: the file is truncated"
        raise TruncatedError(msg)
    return pixels


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


def etag_of(status: os.stat_result) -> str:
    """A local file's identity in the form the archives' servers use: size and time of change, hexadecimal."""
    return f"{status.st_size:x}-{status.st_mtime_ns:x}"


def opened(path: str) -> io.FileIO:
    """A file of this machine, opened; what is wrong with it is one of our errors."""
    try:
        raw = io.FileIO(path, opener=_open_at_once)
    except FileNotFoundError as err:
        msg = f"{path}: no such file"
        raise NotFoundError(msg) from err
    except IsADirectoryError as err:
        msg = f"{path}: a folder, expected an image file"
        raise FormatError(msg) from err
    except PermissionError as err:
        msg = f"{path}: no permission to read it"
        raise AccessError(msg) from err
    except (OSError, ValueError) as err:
        if isinstance(err, OSError) and err.errno in _NO_FILE:
            raise _no_file(path) from err
        msg = f"{path!r}: cannot be opened: {err}"
        raise ReadError(msg) from err
    if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        raw.close()
        raise _no_file(path)
    return raw


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for somebody to write into a pipe."""
    try:
        return os.open(path, flags | _AT_ONCE)
    except BlockingIOError:  # a regular file for sure, that another process has a lease on: a file server does that
        return os.open(path, flags)


def _no_file(path: str) -> FormatError:
    return FormatError(f"{path}: a pipe, a device or a socket: expected a file")


def _content_size(raw: BinaryIO, stream: Stream, told: Weighed, size: int) -> int | None:
    """The size of a compressed file's content, where it must be known.

    A gzip file tells it, if not for sure. Where that contradicts the header, or where there is nothing to tell it and
    the bytes around the first pixel are suspicious, the content is counted.
    """
    layout, header = told.layout, told.header
    doubtful = compression.may_differ(raw, size, layout.end, layout.nbytes) if _is_gzip(stream) else None
    if doubtful is None and header is not None:
        around = max(mrc.HEADER_BYTES, layout.offset - likeness.SAMPLE), layout.offset + likeness.SAMPLE
        with contextlib.suppress(EOFError, OSError, zlib.error, ValueError):  # damage is told where pixels are read
            doubtful = file_size.is_doubtful(header, compression.window(stream, *around))
    return compression.count(stream, layout.end) if doubtful else None


def _is_gzip(stream: Stream) -> bool:
    return isinstance(stream, gzip.GzipFile)


def _read_exactly(raw: io.FileIO, count: int, watch: Watch | None) -> NDArray[np.uint8]:
    """`count` bytes straight into the array's own memory; fewer where the file ends."""
    pixels = buffers.take(count)
    view, done = pixels.data, 0
    while done < count:
        piece = view[done : done + PIECE]
        filled = 0
        while filled < len(piece) and (got := raw.readinto(piece[filled:])):
            filled += got
        if watch is not None:
            watch(pixels[done : done + filled])
        done += filled
        if filled < len(piece):
            break
    return pixels if done == count else pixels[:done]


def report_contradiction(said: str, name: str) -> None:
    """Say of each file, once, what its size contradicts; of the first ones, where there are many."""
    told = sum(key.startswith(_SIZE) for key in _warned)
    if _SIZE + name in _warned or told >= MOST_TOLD:
        return
    _warned.add(_SIZE + name)
    logger.warning("%s: %s%s", name, said, "; of more such files nothing is said" if told + 1 == MOST_TOLD else "")


def report_contradictions(source: str, files: Iterable[ImageFile]) -> None:
    """Say how many of a source's files have another size than their headers say, where not each was spoken of."""
    count = sum(file.contradicts_header for file in files)
    if count > MOST_TOLD:
        logger.warning("%s: %d files have another size than their headers say", source, count)


def report_deviation(deviation: str, name: str) -> None:
    """Say once a process, for each kind of broken rule, that the file was read all the same."""
    kind = deviation.partition(" (")[0]
    if kind not in _warned:
        _warned.add(kind)
        logger.warning("%s: %s; read all the same (said once, for this file and others like it)", name, deviation)
