"""The base of all transforms, and their composition."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch

from perc_transforms.core.batch import Batch, Groups, Rows
from perc_transforms.core.epochs import whole_epoch
from perc_transforms.core.forms import KEEP_IT
from perc_transforms.errors import MissingValueError, TransformError

_process = os.getpid()


def _settle_in_child() -> None:
    """Use one thread in a process that was forked after torch had started its own.

    Those threads are not there in the child, as in `map(num_proc=...)` of `datasets`, and torch would wait for them
    for ever. DataLoader workers do the same.
    """
    global _process
    if os.getpid() != _process:
        _process = os.getpid()
        torch.set_num_threads(1)


@dataclass(repr=False)
class Transform:
    """What every transform is: options in, and a call that takes images in any form.

    A subclass is a dataclass of its options. It says what to do in `apply`, which gets rows whose images have one
    shape, stacked; `columns` names the values of the rows that it needs or changes. The call accepts

    - a tensor or an array: returns a tensor;
    - a list of them, of any sizes: returns a list;
    - a row `{"image": ..., "pixel_size": ..., ...}`, or a batch of rows with a list or a stack of images: returns the
      same, with `image` transformed and the columns that depend on it kept true.

    Images that stand beside a row's `image`, with the same sides, go with it, in the same draw. Masks of whole numbers,
    `segmentation`, `segmentation_NAME` and `labels`, are moved by nearest neighbours, 0 beyond the old image, keep
    their type, and are left alone by all that moves nothing. `target`, a second image of the same thing as Noise2Noise
    takes it, gets what its image gets, by the image's statistics, but nothing that makes an image worse: no `AddNoise`,
    no `Cutout`, and of `ShotNoise` what is expected. They come out as tensors.

    Args:
        spatial_dims: 2 or 3: how many of an image's last axes are space. Default: two axes are an image, three or
            more a volume; but rows with a list in `tilt_angle`, one for each section, are stacks of images. So 2 is
            for movies and stacked batches of bare images.
    """

    columns: ClassVar[tuple[str, ...]] = ()

    spatial_dims: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for option in dataclasses.fields(self):
            value = getattr(self, option.name, None)
            if isinstance(value, np.generic | np.ndarray | torch.Tensor):  # of Python's kinds, `repr` makes them again
                value = value.tolist()
                setattr(self, option.name, value := tuple(value) if isinstance(value, list) else value)
            if isinstance(option.default, bool) and not isinstance(value, bool):
                msg = f"{type(self).__name__}: {option.name} is {value!r}: expected True or False"
                raise TransformError(msg)
        dims = self.spatial_dims
        if dims is not None and not (isinstance(dims, int) and dims in (2, 3)):
            msg = f"{type(self).__name__}: spatial_dims is {self.spatial_dims!r}: expected 2, 3 or None"
            raise TransformError(msg)

    def __call__(self, data: Any) -> Any:
        """Transform images in whichever form they come.

        Raises:
            TransformError: the data holds no image that this transform can work on.
        """
        return self._run(Batch(data, type(self).__name__, self.spatial_dims))

    def replay(self, data: Any, params: Any) -> Any:
        """Transform again as it was done before: with what was drawn then, in place of drawing.

        Args:
            data: a row, a batch of rows, an image or a list of images, as for a call.
            params: what `record=True` wrote into the column `transforms`: of a row, or for each row of a batch.

        Raises:
            TransformError: there are no parameters of a transform that draws some.

        Example:
            >>> import torch
            >>> from perc_transforms import RandomShift
            >>> shift = RandomShift(3.0, record=True)
            >>> row = {"image": torch.rand(8, 8), "path": "a.mrcs", "index": 7}
            >>> done = shift(row)
            >>> bool((shift.replay(row, done["transforms"])["image"] == done["image"]).all())
            True
        """
        batch = Batch(data, type(self).__name__, self.spatial_dims)
        batch.take_records(params)
        return self._run(batch)

    def _run(self, batch: Batch) -> Any:
        _settle_in_child()
        self._attempt(batch)
        return batch.result()

    def _attempt(self, batch: Batch) -> None:
        """Transform a batch; what is wrong with one of its rows is told with the row's name."""
        try:
            self.transform(batch)
        except TransformError as err:
            raise self._named(err, batch) from err.__cause__

    def _named(self, err: TransformError, batch: Batch) -> TransformError:
        """The error with the name of the first row that, alone, gives the same one; as it is where none does."""
        if batch.form not in ("row", "batch"):
            return err
        for place in range(len(batch)):
            try:
                self.transform(batch.single(place))
            except TransformError as found:
                if str(found) != str(err):
                    continue
                name, message = batch.name(place), str(found)
                if isinstance(found, MissingValueError) and not batch.has(found.column):
                    message += f". There is no column {found.column!r} at all: {KEEP_IT}"
                return type(found)(f"{name}: {message}" if name else message)
            except Exception:  # of a row taken apart: what is wrong with the batch is known
                return err
        return err

    def transform(self, batch: Batch) -> None:
        """Transform a batch in place: group by group, each with one call of `apply`."""
        batch.replace([(places, self.apply(rows)) for places, rows in self.groups(batch)])

    def groups(self, batch: Batch) -> Groups:
        """The rows that are transformed together: those of one shape; a subclass may part them further."""
        return batch.groups(self.columns)

    def apply(self, rows: Rows) -> Rows:
        """Transform rows of one shape; the images given are not to be changed. The base changes nothing."""
        return rows

    def __repr__(self) -> str:
        given = [
            f"{f.name}={value!r}"
            for f in dataclasses.fields(self)
            if not _same(value := getattr(self, f.name), f.default)
        ]
        return f"{type(self).__name__}({', '.join(given)})"


def _same(value: Any, default: Any) -> bool:
    """Whether an option has its default; one that is an array has not."""
    return value is default or (not hasattr(value, "__array__") and bool(value == default))


class Compose(Transform):
    """Transforms one after another.

    Any callable may stand among them (torchvision, torchio, MONAI, a function): it is given each image as a tensor and
    returns one. It cannot keep other columns true: should it change the scale, `pixel_size` no longer holds, and masks
    and targets stay as they were.

    Args:
        transforms: what to apply, first to last.
        spatial_dims: for those that do not say it themselves; see `Transform`.
        record: have all of them that draw record it; see `RandomTransform`.

    Example:
        >>> from perc_transforms import Compose, MinMax, Rescale
        >>> import torch
        >>> Compose([Rescale(8), MinMax(), torch.sqrt])(torch.rand(16, 16)).shape
        torch.Size([8, 8])
    """

    def __init__(
        self, transforms: Sequence[Callable[[Any], Any]], *, spatial_dims: int | None = None, record: bool = False
    ) -> None:
        super().__init__(spatial_dims=spatial_dims)
        if not isinstance(transforms, Iterable):
            msg = f"Compose: transforms is {transforms!r}: expected a list of transforms and other callables"
            raise TransformError(msg)
        self.transforms = list(transforms)
        self.record = record
        for place, transform in enumerate(self.transforms):
            if not callable(transform):
                msg = f"Compose: number {place} is {transform!r}: expected a transform or another callable"
                raise TransformError(msg)
            if isinstance(transform, type) and issubclass(transform, Transform):
                name = transform.__name__
                msg = f"Compose: number {place} is the class {name}: expected a transform made of it: {name}(...)"
                raise TransformError(msg)

    def _attempt(self, batch: Batch) -> None:
        self.transform(batch)  # in which each tells its own errors

    def transform(self, batch: Batch) -> None:
        """Apply each in turn; the images stay stacked in between."""
        default, recording = batch.spatial_dims, batch.recording
        batch.recording = recording or self.record
        for transform in self.transforms:
            batch.owner = getattr(transform, "__name__", type(transform).__name__)
            if isinstance(transform, Transform):
                batch.spatial_dims = transform.spatial_dims or default
                transform._attempt(batch)
            else:
                batch.map_images(transform)
        batch.recording = recording

    def set_epoch(self, epoch: int) -> None:
        """Tell the epoch to those that draw; see `RandomTransform.set_epoch`."""
        number = whole_epoch(epoch)
        for transform in self.transforms:
            if hasattr(transform, "set_epoch"):
                transform.set_epoch(number)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Compose):
            return NotImplemented
        mine, theirs = ((each.transforms, each.spatial_dims, each.record) for each in (self, other))
        return mine == theirs

    __hash__ = None  # type: ignore[assignment]  # as of every other transform: its options can be changed

    def __repr__(self) -> str:
        inner = ", ".join(getattr(t, "__name__", repr(t)) for t in self.transforms)
        dims = "" if self.spatial_dims is None else f", spatial_dims={self.spatial_dims}"
        return f"Compose([{inner}]{dims}{', record=True' if self.record else ''})"


@dataclass(repr=False)
class ToTensor(Transform):
    """The image as a float32 tensor, and no more: for rows that need no other transform.

    A float32 array is not copied: as with `torch.from_numpy`, the tensor shares its memory.

    Args:
        channel: put an axis of length 1 before the others, as convolutional layers want it. It must then come last.

    Example:
        >>> import numpy as np
        >>> ToTensor(channel=True)(np.zeros((4, 4), np.int16)).shape
        torch.Size([1, 4, 4])
    """

    channel: bool = False

    def transform(self, batch: Batch) -> None:
        """Add the channel axis, if any, to each image: nothing to stack them for."""
        if self.channel:
            batch.add_channel()
