"""What the files hold: which are readable, and which hold the same pixels as another."""

import math
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import xxhash
from tqdm.auto import tqdm

from builders.errors import FormatError, PercError
from builders.io import image_file
from builders.io.coded import Coded
from builders.io.flipped import unflipped
from builders.io.formats.compression import plain_name
from builders.io.image_file import ImageFile
from builders.io.layout import Array, Layout
from builders.io.movies.developed import developed
from builders.io.pixels import read_layout
from builders.local_classes.folder import ClassFile
from builders.stacks.movies.development import Development, Movie

_T = TypeVar("_T")
_R = TypeVar("_R")

_READERS = 8
_TRIALS = 16
_SLOW = 0.001
_SAMPLES = 16
_SAMPLE_PIXELS = 1024
_AS_THEY_ARE = Development()
_NO_STACKS = (".st", ".rec", ".map")
"""Suffixes of what is one thing, a tilt series or a volume, whatever the header says."""


@dataclass(frozen=True, slots=True)
class ClassImage:
    """A readable file with a class: where it stands and what it holds.

    Attributes:
        file: where it stands.
        image: what it holds.
        axis_order: the file's MAPC, MAPR and MAPS where they are others than 1, 2, 3; None otherwise.
        stacked: of how many images the file is a stack, though it is one row here; 0: it is an image, a volume or a
            movie.
        movie: how its frames become rows, where it was asked for as a movie.
        rows: which of its rows are meant.
    """

    file: ClassFile
    image: ImageFile
    axis_order: tuple[int, int, int] | None = None
    stacked: int = 0
    movie: Movie | None = None
    rows: range = range(1)

    def layout(self, row: int) -> Layout:
        """Where the pixels of a row lie."""
        if self.movie is None:
            return self.image.layout
        return self.movie.layout(self.image.layout, row if self.movie.by_frame else None, self.image.path)

    @property
    def lies_apart(self) -> bool:
        """Whether each row can be read without the others."""
        return not self.image.compressed and self.image.layout.slices_lie_apart

    @property
    def label(self) -> str:
        """Its class."""
        return self.file.name.label


@dataclass(frozen=True, slots=True)
class Unusable:
    """A file that cannot be a row, and why."""

    file: ClassFile
    error: PercError


def read_headers(
    files: Sequence[ClassFile],
    complex_pixels: bool = False,
    thorough: bool = False,
    development: Development = _AS_THEY_ARE,
) -> Iterator[ClassImage | Unusable]:
    """Read the files' headers and give the results in the files' order.

    One after another where that is fast; on a slow disk, such as a network's, several at a time.

    Args:
        files: which.
        complex_pixels: whether complex pixels are usable.
        thorough: also decode all pixels that are compressed, since headers do not tell their damage.
        development: what becomes of the frames of movies.
    """

    def look(file: ClassFile) -> ClassImage | Unusable:
        try:
            described = development.rendered(image_file.describe(file.location))
            order = None if described.header is None else described.header.stored_order
            if not development.is_of_frames:
                image = _usable(described, complex_pixels, thorough)
                return ClassImage(file, image, order, _images_in(described))
            described = described.as_images()
            movie = development.movie(described, file.location)
            image = _usable(described, complex_pixels, thorough, movie)
            count = movie.count if movie is not None and movie.by_frame else 1
            return ClassImage(file, image, order, 0, movie, range(count))
        except PercError as err:
            return Unusable(file, err)

    yield from _with_bar(_spread(look, files), "Reading headers", len(files))


def group_identical(images: Sequence[ClassImage]) -> list[list[ClassImage]]:
    """Group images that hold the same pixels, whatever their headers, names, types, byte orders and compression.

    A few stretches of each file tell most of them apart; only those that agree there are read whole.

    Returns:
        Groups in the order of their first images; most are of one.
    """
    sampled = _grouped(_with_bar(images, "Comparing files", len(images)), _sampled_digest)
    return [group for alike in sampled for group in (_grouped(alike, _whole_digest) if len(alike) > 1 else [alike])]


def _spread(look: Callable[[_T], _R], items: Sequence[_T]) -> Iterator[_R]:
    """Results in order; by threads once it shows that an item keeps one waiting.

    Threads that wait for nothing but Python's own lock take four times as long as one.
    """
    spent = 0.0
    for done, item in enumerate(items):
        if done >= _TRIALS and spent > _SLOW * done:
            with ThreadPoolExecutor(_READERS) as pool:
                yield from pool.map(look, items[done:])
            return
        start = time.perf_counter()
        result = look(item)
        spent += time.perf_counter() - start
        yield result


def _images_in(described: ImageFile) -> int:
    """How many images a stack of them holds, by its suffix, else by its header; 0 where neither tells of a stack."""
    header, name = described.header, plain_name(described.path)
    sections = math.prod(described.layout.stored_shape[:-2])
    if header is None or sections < 2 or name.endswith(_NO_STACKS):
        return 0
    return sections if name.endswith(".mrcs") or header.calls_itself_stack else 0


def _usable(image: ImageFile, complex_pixels: bool, thorough: bool, movie: Movie | None = None) -> ImageFile:
    """The image as a row holds it: 2-D or 3-D, a single section as 2-D; of a movie, all frames.

    Raises:
        FormatError: it has another number of axes, no pixels, or complex ones where those are not wanted.
    """
    layout = image.layout.squeezed()
    if len(layout.shape) not in (2, 3) or 0 in layout.shape:
        msg = f"{image.path}: an array of shape {layout.shape}: expected an image (2 axes) or a volume (3 axes)"
        raise FormatError(msg)
    if layout.dtype.kind == "c" and not complex_pixels:
        msg = f"{image.path}: complex pixels ({layout.dtype}): read them with dtype=None"
        raise FormatError(msg)
    if thorough and (image.compressed or _is_compressed(layout)):
        _decode(image.path, layout)
    layout = layout if movie is None else image.layout
    return replace(image, layout=layout, header=None, contents=image.contents if image.contradicts_header else None)


def _is_compressed(layout: Layout) -> bool:
    """Whether a file's images are, each by itself."""
    stored = unflipped(layout)
    return isinstance(stored, Coded) and stored.codec != "raw"


def _decode(path: str, layout: Layout) -> None:
    """Find out whether all pixels can be decoded; of a movie or volume, an image at a time is in memory."""
    is_summed = len(layout.shape) == 3 and layout.slices_lie_apart and layout.dtype.kind != "c"
    read_layout(path, developed(layout, summed=True, name=path) if is_summed else layout)


def _grouped(images: Iterable[ClassImage], digest: Callable[[ImageFile], str]) -> list[list[ClassImage]]:
    groups: dict[tuple[tuple[int, ...], str], list[ClassImage]] = defaultdict(list)
    for item in images:
        groups[item.image.layout.shape, digest(item.image)].append(item)
    return list(groups.values())


def _sampled_digest(image: ImageFile) -> str:
    """Digest of stretches of pixels spread over the image; of all pixels where they are few."""
    layout = image.layout
    pixels = math.prod(layout.shape)
    if pixels <= _SAMPLES * _SAMPLE_PIXELS:
        return _whole_digest(image)
    starts = [(pixels - _SAMPLE_PIXELS) * sample // (_SAMPLES - 1) for sample in range(_SAMPLES)]
    if _comes_in_slices(image):
        return _digest(_stretch(image, start) for start in starts)
    if image.compressed or layout.axes is not None or not layout.is_plain:
        flat = read_layout(image.path, layout).ravel()
        return _digest(flat[start : start + _SAMPLE_PIXELS] for start in starts)
    stored = np.dtype(layout.encoding)
    file = os.open(image.path, os.O_RDONLY)
    try:
        size = _SAMPLE_PIXELS * stored.itemsize
        raw = [os.pread(file, size, layout.offset + start * stored.itemsize) for start in starts]
    finally:
        os.close(file)
    return _digest(np.frombuffer(block, stored) for block in raw)


def _comes_in_slices(image: ImageFile) -> bool:
    """Whether its slices can be read one by one, and have to be decoded, as of a compressed movie."""
    layout = image.layout
    return not (image.compressed or layout.is_plain) and len(layout.shape) == 3 and layout.slices_lie_apart


def _stretch(image: ImageFile, start: int) -> Array:
    """Some pixels of an image, counted in all of its slices, by those slices alone that they are of."""
    layout, size = image.layout, math.prod(image.layout.shape[1:])
    first, last = start // size, (start + _SAMPLE_PIXELS - 1) // size
    slices = [read_layout(image.path, layout.slice(index, image.path)).ravel() for index in range(first, last + 1)]
    return np.concatenate(slices)[start - first * size :][:_SAMPLE_PIXELS]


def _whole_digest(image: ImageFile) -> str:
    layout, path = image.layout, image.path
    if not _comes_in_slices(image):
        return _digest([read_layout(path, layout).ravel()])
    return _digest(read_layout(path, layout.slice(index, path)).ravel() for index in range(layout.shape[0]))


def _digest(stretches: Iterable[Array]) -> str:
    """Digest of pixel values, in whichever type and byte order they are stored: 1 is 1.0, and -0.0 is 0.0."""
    digest = xxhash.xxh3_128()
    for pixels in stretches:
        with np.errstate(over="ignore", invalid="ignore"):
            values = pixels.astype(np.complex64 if pixels.dtype.kind == "c" else np.float32) + 0
        digest.update(np.ascontiguousarray(values).data.cast("B"))
    return str(digest.hexdigest())


def _with_bar(items: Iterable[_T], task: str, total: int) -> Iterator[_T]:
    """Items, with a progress bar in a terminal when they take longer than a second."""
    yield from tqdm(items, task, total, unit=" files", disable=None, delay=1, leave=False)
