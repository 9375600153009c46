"""Many boxes of one volume, straight into one array: pixels that several of them have are read once.

On disks of this machine, plain pixels are copied out of a map of the file (`builders.io.files.mapped`), unless boxes
have nearly all of the rows that they cross, as tiles do. These, and all elsewhere, are read by whole rows, as many
sections at a time as the processor's cache holds: a call to the system for a box's part of each row would take as long
as some KB of it.
"""

import io
from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
from numpy.typing import NDArray

from builders.io.boxes.overhang import checked
from builders.io.files import location
from builders.io.files.mapped import lies_on_own_disk, mapped_parts
from builders.io.files.seen import SEEN, Images
from builders.io.files.steps import Stretches
from builders.io.finite import are_finite, floats_of, is_finite
from builders.io.formats.compression import is_packed
from builders.io.gathering import PackedError, fill_exactly, opened_plain
from builders.io.layout import Array, Layout
from builders.io.scattered import fetching
from builders.io.scattered.chunks import Chunked, read_parts
from builders.io.scattered.held import Held
from builders.io.volumes.bands import Band, Corners, bands_of, crossed, fill_boxes
from builders.io.volumes.regions import read_regions, unpack
from perc_transforms.core import buffers


def lies_in_rows(image: Layout) -> bool:
    """Whether a volume is plain rows of pixels, along whichever axes: boxes of it are read by the rows they cross."""
    return type(image) is Layout and len(image.shape) == 3


def are_cut_out(path: str, image: Layout) -> bool:
    """Whether no more than the boxes of a volume in a file of this machine is copied, whichever are asked for."""
    return lies_in_rows(image) and image.is_plain and lies_on_own_disk(path)


def read_boxes(
    path: str,
    image: Layout,
    corners: Corners,
    out: Array,
    places: NDArray[np.int64] | None = None,
    etag: str | None = None,
    held: Held | None = None,
    look: bool = True,
) -> bool:
    """Read boxes of one volume, each into its place in an array.

    What lies outside of the volume is filled with the background's mean (`builders.io.boxes.overhang`).

    Args:
        path: the file, or its URL.
        image: where the volume lies, of three axes.
        corners: first section, row and column of each box, counted in the volume, in any order, `(count, 3)`.
        out: `(boxes, nz, ny, nx)` of `image.dtype`; its last three sides are the boxes'.
        places: the entry of `out` for each; None: one after another, from the first.
        etag: the file's version; None or empty: any.
        held: keeps chunks of a volume of chunks for the boxes that follow; None: nothing is kept.
        look: whether it is not known yet if the pixels are finite.

    Returns:
        Whether all pixels are known to be finite; False says nothing.

    Raises:
        ChangedError: the file is of another version.
        FormatError: a box has no pixel of the volume, or the file is damaged.
        TruncatedError: it ends before the last pixel that is needed.
    """
    if not len(corners):
        return True
    if isinstance(image, Chunked):
        found = _read_chunks(path, image, corners, out, places, etag, held)
    elif not lies_in_rows(image):
        found = read_regions(path, image, corners, out, places, etag)
    else:
        found = _read_rows(path, image, corners, out, places, etag, look)
    fill_boxes(image, corners, out, places)
    return found


def _read_chunks(
    path: str,
    image: Chunked,
    corners: Corners,
    out: Array,
    places: NDArray[np.int64] | None,
    etag: str | None,
    held: Held | None,
) -> bool:
    """What `read_boxes` does but for filling, of a volume of chunks: each is fetched and decoded once."""
    fetching.check_version(path, etag)
    bounds, parts, sides = [], [], out.shape[1:]
    for place, corner in zip(range(len(corners)) if places is None else places.tolist(), corners.tolist(), strict=True):
        wanted = [(at, at + n) for at, n in zip(corner, sides, strict=True)]
        checked(image.shape, wanted, path)
        inside = [(max(0, start), min(stop, side)) for (start, stop), side in zip(wanted, image.shape, strict=True)]
        bounds.append(inside)
        parts.append(out[place][tuple(slice(a - at, b - at) for (a, b), at in zip(inside, corner, strict=True))])
    read_parts(path, image, bounds, parts, held)
    return all(map(is_finite, parts))


def _read_rows(
    path: str,
    image: Layout,
    corners: Corners,
    out: Array,
    places: NDArray[np.int64] | None,
    etag: str | None,
    look: bool,
) -> bool:
    """What `read_boxes` does but for filling, of a volume that lies in rows."""
    if image.axes is not None:  # the same boxes of the volume as it is stored
        axes = list(image.axes)
        image = Layout(image.stored_shape, image.encoding, image.offset)  # what lies beyond is filled by whoever asks
        corners, out = corners[:, axes], out.transpose(0, *(axis + 1 for axis in axes))
    bands = bands_of(image, corners, out, places, path)
    if location.is_remote(path):
        return unpack(path, bands, etag) if is_packed(path) else _fetch(path, bands, etag)
    finite = True
    try:
        with opened_plain(path, etag, max(band.range_of(band.sections[1] - 1, band.rows)[1] for band in bands)) as raw:
            sparse = [band for band in bands if image.is_plain and not band.is_crowded]
            with mapped_parts(raw, image.end, crossed(sparse)) if sparse else nullcontext() as held:
                if held is not None:
                    volume = np.ndarray(image.shape, np.dtype(image.encoding), held, image.offset)
                    for band in sparse:
                        finite &= band.cut_apart(volume, look)
            for band in bands:
                if held is None or band.is_crowded:
                    finite &= _read(raw, path, band, look, etag)
            return finite
    except PackedError:
        return unpack(path, bands, etag)


def _read(raw: io.FileIO, path: str, band: Band, look: bool, etag: str | None) -> bool:
    """Read all rows that boxes cross, piece by piece, and cut the boxes out of these.

    Of a crowded band, rows are looked at before they are cut; once they are known to be finite, they are not again.
    """
    pitch, height, finite = band.pitch, band.volume.shape[1], True
    is_whole, watched = look and band.is_crowded, None
    if is_whole and floats_of(band.volume) is not None:
        watched = Images(path, etag, band.volume.encoding, pitch, band.starts())
    is_known = watched is not None and watched in SEEN
    look, is_whole = look and not is_known, is_whole and not is_known
    memory: NDArray[np.uint8] = np.empty(0, np.uint8)
    for (first, last), rows in band.pieces():
        size, section = (rows[1] - rows[0]) * pitch, height * pitch
        if len(memory) < (last - first) * size:
            memory = buffers.take((last - first) * size)
        piece = memory[: (last - first) * size]
        view, offset = piece.data, band.range_of(first, rows)[0]
        step = len(view) if size == section else size  # all of a section lies beside all of the next one
        is_seen = is_whole
        for start in range(0, len(view), step):
            fill_exactly(raw, path, offset, view[start : start + step])
            is_seen = is_seen and are_finite(piece[start : start + step], band.volume)
            offset += section
        finite &= band.cut(band.pixels(piece, last - first), first, rows[0], look and not is_seen) or is_seen
        is_whole = is_seen
    if is_whole and watched is not None:
        SEEN.note(watched)
    return finite or is_known


def _fetch(url: str, bands: Sequence[Band], etag: str | None) -> bool:
    """Ask a server for all rows that boxes cross, each once, many at once, and cut the boxes out of these."""
    ranges = crossed(bands)
    raw = location.read_ranges(url, ranges, etag)
    held = Stretches(ranges)
    for band in bands:
        for section in range(*band.sections):
            rows = held.cut(raw, [band.range_of(section, band.rows)])
            band.cut(band.pixels(rows, 1), section, band.rows[0], look=False)
    return are_finite(raw, bands[0].volume)
