"""Transforms of the pixels of a detector that count more than they should."""

from dataclasses import dataclass, field

from torch import Tensor

from perc_transforms.core.base import Transform
from perc_transforms.core.batch import Rows
from perc_transforms.core.sizing import is_number, is_whole
from perc_transforms.errors import TransformError
from perc_transforms.functional.intensity.hot_pixels import fill_from_neighbours, hot_pixels


@dataclass(repr=False)
class HotPixels(Transform):
    """Replace hot pixels, cosmic rays and pixels that are not finite by the mean of the pixels around them.

    A pixel is hot that lies beyond `mean + sigma * std` of its image, beyond `above`, or is NaN or infinite. It becomes
    the mean of those that are not hot in the square around it; all others stay as they are, bit for bit. Shape
    `(..., ny, nx)`: each image, frame or section has its own mean and standard deviation (of its finite pixels);
    so has a row's `target`.

    RELION's motion correction takes 6 standard deviations, too, of the sum of all frames, as `of_sum` does, and draws
    its replacements from good pixels around at random. Frames that count electrons are mostly 0, and a pixel of 2 or 3
    lies beyond 6 standard deviations of them: give such frames `of_sum=True`, or `sigma=None` and `above`.

    Args:
        sigma: standard deviations above the mean, more than 0; None: none. Default: 6.
        above: in the image's unit, such as counts; with `of_sum`, that of the sum. None, the default: none.
        below: dead pixels are replaced, too: those below this value, in the same unit, such as those that a gain
            reference leaves dark. None, the default: none.
        size: pixels of the square's side, odd, 3 or more. Default: 5.
        of_sum: look for them in the sum of a movie's frames, `(frames, ny, nx)`, and replace those in every frame.
            Default: False.

    Raises:
        TransformError: an option is out of its range, all thresholds are None, or `of_sum` meets a single image.

    Example:
        >>> import torch
        >>> image = torch.ones(5, 5)
        >>> image[2, 2] = 1000
        >>> bool((HotPixels(sigma=4)(image) == 1).all())
        True
    """

    sigma: float | None = 6.0
    above: float | None = None
    below: float | None = field(default=None, kw_only=True)
    size: int = field(default=5, kw_only=True)
    of_sum: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sigma is None and self.above is None and self.below is None:
            msg = f"{self!r}: expected sigma (standard deviations), above or below (in the image's unit), or several"
            raise TransformError(msg)
        if self.sigma is not None and not (is_number(self.sigma) and self.sigma > 0):
            msg = f"{self!r}: sigma is {self.sigma!r}: expected a number of standard deviations, more than 0, or None"
            raise TransformError(msg)
        for name in ("above", "below"):
            value = getattr(self, name)
            if value is not None and not is_number(value):
                msg = f"{self!r}: {name} is {value!r}: expected a number in the image's unit, or None"
                raise TransformError(msg)
        if not is_whole(self.size) or self.size < 3 or self.size % 2 == 0:
            msg = f"{self!r}: size is {self.size!r}: expected an odd number of pixels, 3 or more"
            raise TransformError(msg)

    def apply(self, rows: Rows) -> Rows:
        """Replace hot pixels of the images of one shape in one go."""
        images = rows.images
        if self.of_sum and images.ndim < 4:
            msg = f"{self!r}: an image of shape {tuple(images.shape[1:])}: expected a movie (frames, ny, nx)"
            raise TransformError(msg)
        return rows.through(self._replaced)

    def _replaced(self, images: Tensor) -> Tensor:
        seen = images.sum(-3, keepdim=True) if self.of_sum else images
        hot = hot_pixels(seen, sigma=self.sigma, above=self.above, below=self.below)
        return fill_from_neighbours(images, hot, size=self.size)
