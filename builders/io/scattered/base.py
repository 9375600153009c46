"""What layouts have in common whose bytes lie in other files than the one that a reference names."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError
from builders.io.boxes.overhang import FilledBox
from builders.io.flipped import Flipped, unflipped
from builders.io.layout import Array, Box, Fetch, Layout, Range


@dataclass(frozen=True, slots=True)
class Scattered(Layout):
    """An image, or several, whose bytes lie in files that are found from the one that a reference names.

    A class of its own says how they are read (`read`) and how a reference spells that (`spelling`); it comes to
    whoever reads it as what is made of several steps, and never as bytes of the file.

    Attributes:
        shape: of the array.
        encoding: of its pixels.
        offset: 0.
        axes: None.
    """

    def read(self, path: str, etag: str | None, bounds: Sequence[Range]) -> Array:
        """Read a box of it.

        Args:
            path: the file that a reference names, or its URL.
            etag: that file's version; None or empty: any.
            bounds: from and to along each axis of `shape`, all inside.

        Returns:
            An array of the box's shape and of `dtype`, in C order and memory of its own.
        """
        raise NotImplementedError

    @property
    def spelling(self) -> str:
        """What follows the encoding in a reference: `%`, a name and JSON."""
        raise NotImplementedError

    @property
    def ranges(self) -> tuple[Range, ...]:
        """None: nothing of the file itself is read as pixels."""
        return ()

    @property
    def nbytes(self) -> int:
        """0, of the file itself."""
        return 0

    @property
    def end(self) -> int:
        """0: what the file holds is no pixels."""
        return 0

    @property
    def is_plain(self) -> bool:
        """False."""
        return False

    @property
    def comes_in_steps(self) -> bool:
        """True: whoever reads it gets an array, not bytes."""
        return True

    def slice(self, index: int, name: str) -> Layout:
        """The layout of one entry along the first axis: a box."""
        self.count_for(index, name)
        if len(self.shape) < 3:
            return self
        box = self.box([(index, index + 1), *((0, side) for side in self.shape[1:])], name)
        return replace(box, shape=self.shape[1:])

    def between(self, start: int, stop: int, name: str) -> Layout:
        """The layout of some entries along the first axis: a box."""
        self.checked_between(start, stop, name)
        return self.box([(start, stop), *((0, side) for side in self.shape[1:])], name)

    def first(self, count: int) -> Layout:
        """The layout of the first entries along the first axis: a box."""
        return self.between(0, count, "image")

    def count_before(self, size: int) -> int:
        """All entries, whatever the size of the file that tells of them."""
        return self.shape[0] if self.shape else 1

    def ranges_of(self, bounds: Sequence[Range]) -> tuple[Range, ...]:
        """None, of any box."""
        return ()

    def squeezed(self) -> Layout:
        """The same image without a leading axis of length one: a box."""
        if len(self.shape) > 2 and self.shape[0] == 1:
            return self.box([(0, side) for side in self.shape]).squeezed()
        return self

    def decode(self, raw: NDArray[np.uint8]) -> Array:
        """Never: there are no bytes of one file.

        Raises:
            FormatError: always.
        """
        msg = f"an image in several files, of shape {self.shape}: expected it to be read from where its own file lies"
        raise FormatError(msg)

    def develop(self, fetch: Fetch) -> Array:
        """Never, as `decode`: a file inside of another one, or in memory, leads to no others.

        Raises:
            FormatError: always.
        """
        return self.decode(np.empty(0, np.uint8))


def of(layout: Layout) -> Scattered | None:
    """The scattered image that a layout is, or is a box of, or has upside down; None of any other.

    Example:
        >>> of(Layout((3, 5), "<f4", 0)) is None
        True
    """
    while not isinstance(layout, Scattered):
        if isinstance(layout, Box | Flipped):
            layout = layout.whole
        elif isinstance(layout, FilledBox):
            layout = layout.inner
        else:
            return None
    return layout


def read(path: str, layout: Layout, etag: str | None = None) -> Array:
    """Read the pixels of a layout that `of` finds something in.

    Args:
        path: the file that the reference names, or its URL.
        layout: where the pixels lie.
        etag: that file's version; None or empty: any.

    Raises:
        ChangedError: the file is of another version.
        FormatError: a file is damaged, or holds something else.
        NotFoundError: a file that has to be there is not.
    """
    if isinstance(layout, FilledBox):
        return layout.filled(read(path, layout.inner, etag))
    if isinstance(layout, Flipped):
        return np.ascontiguousarray(read(path, unflipped(layout), etag)[..., ::-1, :])
    if isinstance(layout, Box) and isinstance(layout.whole, Flipped):
        return np.ascontiguousarray(read(path, unflipped(layout), etag)[..., ::-1, :])
    if isinstance(layout, Box) and isinstance(layout.whole, Scattered):
        return layout.whole.read(path, etag, layout.bounds).reshape(layout.shape)
    if isinstance(layout, Scattered):
        return layout.read(path, etag, [(0, side) for side in layout.shape])
    msg = f"{path}: a layout of class {type(layout).__name__}: expected one in other files"
    raise TypeError(msg)
