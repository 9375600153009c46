"""Pixels of files, on this machine or a server, by the layouts that say where they lie."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError, TruncatedError
from builders.io.boxes.reading import is_cut, read_box
from builders.io.boxes.turned import Turned
from builders.io.files import local, location, steps
from builders.io.files.local import Watch
from builders.io.files.seen import SEEN, Images
from builders.io.finite import FiniteWatch, floats_of, is_finite
from builders.io.formats import compression
from builders.io.formats.compression import Stream
from builders.io.formats.stream_end import StreamEnd
from builders.io.gathering import PackedError
from builders.io.layout import Array, Fetch, Layout, Range, joined
from builders.io.net import remote
from builders.io.net.answers import RemoteFile, known_of
from builders.io.reports import report_contradiction
from builders.io.scattered import base as scattered
from builders.io.upside_down import is_turned, read_turned
from perc_transforms.core import buffers


def read_layout(path: str, layout: Layout, etag: str | None = None, watch: Watch | None = None) -> Array:
    """Read the pixels that lie at `layout`, and nothing else of a plain file; of a remote one, in one request if few.

    A packed file is read from its start, and on to its end, where its checksum is, if no other pixels come after these.

    Args:
        path: the file, or its URL.
        layout: where the pixels lie in the decompressed file.
        etag: what `describe` said; None skips the check that the file is still the same.
        watch: called with the bytes of a plain file of this machine, piece by piece, while they are still in the
            processor's cache.

    Raises:
        ChangedError: the file is not the one that was described.
        FormatError: it is damaged.
        TruncatedError: it ends before the last pixel.
    """
    if isinstance(layout, Turned):
        return layout.cut(read_layout(path, layout.source, etag, watch))
    if scattered.of(layout) is not None:
        return scattered.read(path, layout, etag)
    if location.is_remote(path):
        return _read_remote(path, layout, etag)
    if is_cut(layout):
        with contextlib.suppress(PackedError):
            return read_box(path, layout, etag)
    with local.opened(path) as raw, compression.damage_named(path):
        size = local.check_version(raw, path, etag)
        stream, is_packed = compression.opened(raw)
        if not is_packed and layout.end > size:
            msg = f"{path}: {size} bytes, expected {layout.end}: the file is truncated"
            raise TruncatedError(msg)
        if compression.is_gzip(stream) and layout.nbytes > compression.DEFLATE_MOST * size:
            msg = f"{path}: {size} bytes compressed cannot hold the {layout.nbytes} that its header says"
            raise TruncatedError(msg)
        if not is_packed and layout.comes_in_steps:
            return layout.develop(steps.of_open(raw, path))
        if not is_packed and is_turned(layout):
            return read_turned(raw, layout, path)
        if not is_packed:
            return layout.decode(location.fill_ranges(raw, layout.ranges, path, watch))
        end = StreamEnd(stream, path, local.etag_of(os.fstat(raw.fileno())))
        return layout.develop(_unpacked(stream, end, layout, path))


def _read_remote(url: str, layout: Layout, etag: str | None) -> Array:
    """The pixels at a layout of a remote file; a packed one is known by its name."""
    if not compression.is_packed(url):
        if layout.comes_in_steps:
            return layout.develop(steps.of_url(url, etag))
        return layout.decode(location.read_ranges(url, layout.ranges, etag))
    found = known_of(remote.client().head(url), RemoteFile(url, None, etag or None))
    with location.open_version(url, found.size, found.etag) as raw:
        return next(read_open(raw, [layout], url, found.etag or ""))


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
    size, floats = first.nbytes, None if first.axes else floats_of(first)
    with local.opened(path) as raw:
        local.check_version(raw, path, etag)
        raw.seek(first.offset)
        for number in range(count):
            data = buffers.take(size)
            place = data.data
            done = raw.readinto(place) or 0
            if done < size:
                done += local.fill(raw, place[done:])
            if done < size:
                end = first.offset + number * size
                msg = f"{path}: {end + done} bytes, expected {end + size}: the file is truncated"
                raise TruncatedError(msg)
            pixels = first.decode(data) if floats is None else np.ndarray(first.shape, floats, data)
            yield pixels, is_finite(pixels)


def read_into(path: str, offset: int, encoding: str, out: Array, etag: str | None = None) -> bool:
    """Fill an array with plain pixels that lie one after another in a plain file, without another copy of them.

    Args:
        path: the file.
        offset: bytes before the first of them.
        encoding: NumPy's type string of how they are stored; the array has that type in this machine's byte order.
        out: the array, in C order.
        etag: what `describe` said; None skips the check that the file is still the same.

    Returns:
        Whether all of them are known to be finite.

    Raises:
        ChangedError: the file is not the one that was described.
        TruncatedError: it ends before the last pixel.
    """
    watch, size = FiniteWatch().expect(Layout(out.shape, encoding, offset)), out[:1].nbytes
    images = None if watch is None else Images(path, etag, encoding, size, offset + np.arange(len(out)) * size)
    is_known = images is not None and images in SEEN
    with local.opened(path) as raw:
        local.check_version(raw, path, etag)
        raw.seek(offset)
        done = local.fill(raw, out.reshape(-1).view(np.uint8).data, None if is_known else watch)
    if done < out.nbytes:
        msg = f"{path}: {offset + done} bytes, expected {offset + out.nbytes}: the file is truncated"
        raise TruncatedError(msg)
    if not np.dtype(encoding).isnative:
        out.byteswap(inplace=True)
        return is_finite(out)
    if watch is None or images is None:
        return out.dtype.kind not in "fc"
    if not is_known and watch.vouches_for(out):
        SEEN.note(images)
        is_known = True
    return is_known


def read_each(
    path: str, layouts: Iterable[Layout], etag: str | None = None
) -> Iterator[tuple[Array | FormatError, bool]]:
    """What `read_slices` does, for images that lie anywhere in the file, each of a layout of its own.

    What is wrong with one of them takes its place: others of the file need not be damaged.

    Raises:
        ChangedError: the file is not the one that was described.
        TruncatedError: it ends before the last pixel.
    """
    with local.opened(path) as raw:
        local.check_version(raw, path, etag)
        for layout in layouts:
            if scattered.of(layout) is not None:
                array = _of_other_files(path, layout, etag)
            elif layout.comes_in_steps:
                array = developed(layout, steps.of_open(raw, path))
            elif is_turned(layout):
                array = read_turned(raw, layout, path)
            else:
                array = decoded(layout, location.fill_ranges(raw, layout.ranges, path))
            yield array, not isinstance(array, FormatError) and is_finite(array)


def _of_other_files(path: str, layout: Layout, etag: str | None) -> Array | FormatError:
    """The array of a layout whose bytes lie in other files, or what is wrong with them."""
    try:
        return scattered.read(path, layout, etag)
    except TruncatedError:
        raise
    except FormatError as err:
        return err


def decoded(layout: Layout, raw: NDArray[np.uint8]) -> Array | FormatError:
    """The array that bytes at a layout hold, or what is wrong with them."""
    try:
        return layout.decode(raw)
    except FormatError as err:
        return err


def developed(layout: Layout, fetch: Fetch) -> Array | FormatError:
    """The array that is made of bytes which come step by step, or what is wrong with them."""
    try:
        return layout.develop(fetch)
    except TruncatedError:
        raise
    except FormatError as err:
        return err


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
        stream, is_packed = compression.opened(raw)
        end = StreamEnd(stream, name, version) if is_packed else None
    held: tuple[Range, ...] | None = None
    for layout in layouts:
        if layout.comes_in_steps:
            with compression.damage_named(name):
                made = layout.develop(_unpacked(stream, end, layout, name))
            yield made
            continue
        with compression.damage_named(name):
            if held != layout.ranges:  # images that do not lie apart have the same bytes
                pixels, held = _read_packed(stream, end, layout, name), layout.ranges
        yield layout.decode(pixels)


def _unpacked(stream: Stream, end: StreamEnd | None, layout: Layout, name: str) -> Fetch:
    """What gives the bytes of a stream, which is read on to its end behind the last that a layout needs."""

    def fetch(wanted: Iterable[Sequence[Range]]) -> Iterator[NDArray[np.uint8]]:
        if not layout.comes_in_steps:
            yield _read_packed(stream, end, layout, name)
            return
        for ranges in wanted:
            parts = [Layout((stop - start,), "|u1", start) for start, stop in ranges]
            yield joined([_read_packed(stream, end, part, name) for part in parts])

    return fetch


def _read_packed(stream: Stream, end: StreamEnd | None, layout: Layout, name: str) -> NDArray[np.uint8]:
    """Bytes of a stream, read on to its end where no pixels come after them; `end` is None of a plain file."""
    if end is not None:
        end.check(layout)
    found = []
    for start, stop in layout.ranges:
        stream.seek(start)
        found.append(compression.read(stream, stop - start))
    pixels = joined(found)
    if end is not None and (pixels.size < layout.nbytes or end.is_reached_by(layout.end)):
        pixels, said = end.settle(layout, pixels)
        if said:
            report_contradiction(said, name)
    if pixels.size < layout.nbytes:
        msg = f"{name}: {pixels.size} bytes of pixels, expected {layout.nbytes}: the file is truncated"
        raise TruncatedError(msg)
    return pixels
