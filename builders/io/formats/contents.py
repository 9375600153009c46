"""What a format says of a file: its images, and what of that the file's size lets stand."""

from dataclasses import dataclass, replace
from typing import Protocol, Self

from builders.io.layout import Layout


class Header(Protocol):
    """A format's header, where it says more of its images than where they lie."""

    @property
    def layout(self) -> Layout:
        """Where the pixels lie, axes in the order z, y, x."""
        ...

    @property
    def pixel_size(self) -> float | None:
        """Å per pixel along x."""
        ...

    @property
    def voxel_size(self) -> tuple[float | None, float | None, float | None]:
        """Å along x, y and z, each None where the file does not say it."""
        ...

    @property
    def deviations(self) -> tuple[str, ...]:
        """What a strict reader would refuse or read otherwise, in words."""
        ...

    @property
    def is_stack(self) -> bool:
        """Whether sections may be images of their own: nothing says that they are of a volume."""
        ...

    @property
    def is_whole_volume(self) -> bool:
        """Whether lengths fit those of a volume, whatever else is said."""
        ...

    @property
    def calls_itself_stack(self) -> bool:
        """Whether it says in full that sections are images of their own."""
        ...

    @property
    def is_volume_stack(self) -> bool:
        """Whether it holds several volumes: four axes."""
        ...

    @property
    def stored_order(self) -> tuple[int, int, int] | None:
        """Which of x = 1, y = 2, z = 3 columns, rows and sections run along, where that is unusual."""
        ...

    def as_images(self) -> Self:
        """The same header where sections are known to be images of their own."""
        ...

    def with_sign(self, bits: int, signed: bool) -> tuple[Self, str]:
        """The same header where it is told elsewhere whether whole numbers of `bits` have a sign.

        Returns:
            The header, and what is to be said of it, in words.
        """
        ...


@dataclass(frozen=True, slots=True)
class Contents:
    """What a format says of a file.

    Attributes:
        layout: its images: where their pixels lie, and the shape that they make, `(nz, ny, nx)` or `(ny, nx)`.
        header: what else its header says; None where there is none that says more.
        pixel_size: Å per pixel along x; None when the file does not say.
        deviations: what a strict reader would refuse or read otherwise, in words.
        size: bytes of the (decompressed) file; None where that is not known.
        whole: entries, as they are stored one after another, that are surely there where the layout says; more than it
            says, where whole ones follow, and none where it may be wrong about where they lie. By default, all.
        exact: those account for every byte.
        said: what the size contradicts, and how the file is read all the same; empty where nothing is.
        cut: why the file does not hold all that its header says; empty where it does.
        least_end: where pixels end without what the header may lie of; None where it cannot lie.
        format: the name of the format that says it; `known.contents_of` fills it in.
        frame_dose: of a raw frame of a movie, e/Å²; None when the file does not say.
    """

    layout: Layout
    header: Header | None = None
    pixel_size: float | None = None
    deviations: tuple[str, ...] = ()
    size: int | None = None
    whole: int = -1
    exact: bool = True
    said: str = ""
    cut: str = ""
    least_end: int | None = None
    format: str = ""
    frame_dose: float | None = None

    def __post_init__(self) -> None:
        if self.whole < 0:
            object.__setattr__(self, "whole", self.layout.stored_shape[0] if self.layout.shape else 1)

    @property
    def entries(self) -> Layout:
        """The layout of those that are surely there, of a file whose slices lie apart."""
        return self.layout.first(self.whole)

    @property
    def entries_said(self) -> str:
        """How the file is read where each entry is an image of its own, in words."""
        told = f"{self.size} bytes, where its header says {self.layout.end}"
        return f"{told}: read as {self.whole} images, not {self.layout.shape[0]}"

    def with_header(self, header: Header) -> "Contents":
        """The same where its header is known to mean this."""
        size, deviations = header.pixel_size, header.deviations
        return replace(self, layout=header.layout, header=header, pixel_size=size, deviations=deviations)


def weigh(layout: Layout, size: int | None, name: str, told: str, *, more_follows: bool = False) -> Contents:
    """What stands of a layout whose places are sure, by the size of its file.

    Args:
        layout: the images.
        size: bytes of the (decompressed) file; None where that is not known.
        name: of the file, for messages.
        told: what its header says, in words.
        more_follows: other things of the format, such as an index, may lie behind the pixels.

    Example:
        >>> weigh(Layout((10, 4, 4), "<f4", 100), 100 + 7 * 64 + 3, "x", "10 images").whole
        7
    """
    if size is None or size == layout.end or (size > layout.end and more_follows):
        return Contents(layout, size=size)
    if size > layout.end:
        return Contents(layout, size=size, exact=False, said=surplus_of(size, layout))
    cut = f"{name}: {size} bytes, but its header says {layout.end} ({told}): the file is truncated"
    whole = layout.count_before(size)
    exact = layout.count_before(size - 1) < whole
    return Contents(layout, size=size, whole=whole, exact=exact, cut=cut)


def surplus_of(size: int, layout: Layout) -> str:
    """How bytes after the pixels are told."""
    said = f"{size} bytes, where its header says {layout.end}: the last {size - layout.end} are not read"
    if size - layout.end < layout.nbytes:
        return said
    return f"{said}, as many as its pixels take or more: its NX, NY, NZ or MODE may be wrong"
