"""Transforms of raw frames by a detector's gain reference."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from perc_transforms.core.base import Transform
from perc_transforms.core.batch import Rows
from perc_transforms.core.forms import as_image
from perc_transforms.core.sizing import is_whole
from perc_transforms.errors import TransformError
from perc_transforms.functional.intensity.gain import FLIPS, gain_factors

KEPT = 2
"""Shapes and devices of frames whose factors are kept."""
Key = tuple[tuple[int, ...], torch.dtype, torch.device]


@dataclass(repr=False, eq=False)
class GainCorrect(Transform):
    """Raw frames times the factors of a gain reference: for those who stream frames as they are to a GPU.

    Shape `(..., ny, nx)`: an image, the frames of a movie, or sums of them; each is multiplied by the factors, which
    are made once for a shape and a device and stay there. The reference is turned by `numpy.rot90(gain, -rotation)`,
    then flipped, then brought to the frames' grid, which may be 2 or 4 times finer (pixels are repeated) or coarser
    (pixels are summed). With `counts`, frames are multiplied by `mean(gain) / gain`. Where it is 0 or not finite,
    frames become 0. `load_dataset(..., gain=...)` gives the same pixels. It agrees with RELION (`loadEERGain`).

    Args:
        gain: the reference, an array or tensor `(ny, nx)`, such as `builders.io.image_file.read("gain.mrc")` gives; of
            a stack of one, `(1, ny, nx)`, its image.
        rotation: quarter turns of the reference, 0 (default) to 3, clockwise where row 0 is at the top.
        flip: after that: 0, none (default); 1, upside down; 2, left to right.
        counts: the reference is a mean of counts, by which frames are divided, as for EER movies. Default: False.

    Raises:
        TransformError: an option is none of these, or the reference fits an image in no way.

    Example:
        >>> gain = torch.tensor([[1.0, 2.0], [0.0, 1.0]])
        >>> GainCorrect(gain)(torch.full((2, 2), 3.0))
        tensor([[3., 6.],
                [0., 3.]])
    """

    gain: Any
    rotation: int = field(default=0, kw_only=True)
    flip: int = field(default=0, kw_only=True)
    counts: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        gain, self.gain = self.gain, None  # of which the base would make lists
        super().__post_init__()
        reference = as_image(gain, "GainCorrect: gain").detach()
        while reference.ndim > 2 and reference.shape[0] == 1:
            reference = reference[0]
        if reference.ndim != 2:
            msg = f"GainCorrect: gain of shape {tuple(reference.shape)}: expected one image (ny, nx)"
            raise TransformError(msg)
        self.gain = reference.to(torch.float32, copy=True)  # of no larger array, which a pickle would hold whole
        self._made: OrderedDict[Key, Tensor] = OrderedDict()
        for name, value, count in (("rotation", self.rotation, 4), ("flip", self.flip, len(FLIPS))):
            if not is_whole(value) or not 0 <= value < count:
                msg = f"{self!r}: {name} is {value!r}: expected a whole number from 0 to {count - 1}"
                raise TransformError(msg)

    def apply(self, rows: Rows) -> Rows:
        """Multiply the images of one shape in one go."""
        return rows.through(lambda images: images * self._factors(images))

    def _factors(self, images: Tensor) -> Tensor:
        """The factors of images, in their precision and on their device."""
        key = tuple(images.shape[-2:]), images.dtype, images.device
        found = self._made.get(key)
        if found is None:
            with torch.inference_mode(False):
                made = gain_factors(self.gain, key[0], rotation=self.rotation, flip=self.flip, counts=self.counts)
                found = made.to(images.device, images.dtype)
            self._made[key] = found
            while len(self._made) > KEPT:
                self._made.popitem(last=False)
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Without the factors: a worker makes its own."""
        return self.__dict__ | {"_made": OrderedDict()}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GainCorrect):
            return NotImplemented
        mine, theirs = ((each.rotation, each.flip, each.counts, each.spatial_dims) for each in (self, other))
        return mine == theirs and torch.equal(self.gain, other.gain.to(self.gain.device))

    __hash__ = None  # type: ignore[assignment]  # as of every other transform: its options can be changed

    def __repr__(self) -> str:
        """The options; of the reference, its shape."""
        shape = "" if self.gain is None else " x ".join(map(str, self.gain.shape))
        given = {name: getattr(self, name) for name in ("rotation", "flip", "counts", "spatial_dims")}
        options = "".join(f", {name}={value!r}" for name, value in given.items() if value)
        return f"{type(self).__name__}(<gain of {shape}>{options})"
