"""What an image file holds, in numbers: what its header says, and of a first image the pixels."""

from dataclasses import asdict, dataclass
from typing import Any

from builders.inspecting.statistics import Numbers, is_volume, numbers_of
from builders.io import image_file
from builders.io.coded import Coded
from builders.io.files import location
from builders.io.flipped import Flipped
from builders.io.formats import compression
from builders.io.image_file import ImageFile
from builders.io.layout import Layout
from builders.io.scattered.chunks import Chunked
from builders.stacks.slices_or_files import is_by_slice


@dataclass(frozen=True)
class Summary:
    """An image file.

    Attributes:
        path: as it was named.
        format: the name of its format, such as `"mrc"`.
        size: its bytes; None where a server does not tell.
        packed: `"gzip"` or `"bzip2"` of one that is compressed as a whole; empty: it is not.
        shape: of its pixels, `(ny, nx)` or `(nz, ny, nx)`; four axes of a stack of volumes.
        dtype: that its pixels decode to.
        encoding: how they are stored, such as `"<f4"` or `"4bit"`.
        codec: of compressed parts, such as `"zlib"`, or those of each step of it; empty: there are none.
        part: shape of these.
        flipped: rows are stored bottom up, and are read from the last to the first.
        is_volume: it is a volume or a tilt series, rather than frames or images.
        images: how many there are along the first axis.
        item: what a row is of it by default, `"slice"` or `"file"`.
        pixel_size: Å per pixel along x; None: the file does not say.
        frame_dose: e/Å² of a raw frame; None: the file does not say.
        deviations: what a strict reader would refuse or read otherwise.
        contradiction: what its size contradicts; empty: nothing.
        numbers: of a first image; None: it was not read.
    """

    path: str
    format: str
    size: int | None
    packed: str
    shape: tuple[int, ...]
    dtype: str
    encoding: str
    codec: str
    part: tuple[int, ...]
    flipped: bool
    is_volume: bool
    images: int
    item: str
    pixel_size: float | None
    frame_dose: float | None
    deviations: tuple[str, ...]
    contradiction: str
    numbers: Numbers | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def summarise(path: str, place: str) -> tuple[Summary, ImageFile]:
    """What a file holds, and the file.

    Args:
        path: what the file is called.
        place: where it is: a path of this machine, or a URL.

    Raises:
        PercError: it cannot be read.
    """
    head = location.head(place)
    file = image_file.complete(image_file.survey(place, head))
    contents, layout = file.contents, file.layout
    assert contents is not None
    stored = layout.whole if isinstance(layout, Flipped) else layout
    codec, part = _coding(stored)
    packing = compression.packing_of(head.data) if file.compressed else None
    told = Summary(
        path=path,
        format=contents.format,
        size=head.size,
        packed="" if packing is None else {".gz": "gzip", ".bz2": "bzip2"}[packing.suffix],
        shape=layout.shape,
        dtype=str(layout.dtype),
        encoding=layout.encoding,
        codec=codec,
        part=part,
        flipped=isinstance(layout, Flipped),
        is_volume=is_volume(file),
        images=layout.shape[0] if len(layout.shape) > 2 else 1,
        item="slice" if is_by_slice("auto", None, path, file.header) else "file",
        pixel_size=file.pixel_size,
        frame_dose=contents.frame_dose,
        deviations=contents.deviations,
        contradiction=file.contradiction,
        numbers=numbers_of(file),
    )
    return told, file


def _coding(stored: Layout) -> tuple[str, tuple[int, ...]]:
    """Steps of the codec of parts, and their shape; nothing of pixels that lie plainly."""
    if isinstance(stored, Chunked):
        return stored.grid.codec, stored.grid.chunk[-len(stored.shape) :]
    if isinstance(stored, Coded):
        return "+".join(step.partition(":")[0] for step in stored.codec.split("+")), stored.part
    return "", ()
