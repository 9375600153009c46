"""What a transform is given, brought to one form and back: a tensor, an array, a list, a row or a batch of rows."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from perc_transforms.core.batch_rows import Columns
from perc_transforms.core.forms import (
    IMAGE,
    NULLABLE_NUMBERS,
    TARGETS,
    Form,
    as_image,
    form_of,
    like_column,
    like_value,
    plain,
    plain_column,
    stands_beside,
)
from perc_transforms.core.keys import KEY, corner_of, keys_of, name_of
from perc_transforms.core.rows import FRAME, RECORDS, Change, Groups, Recorded, Rows, as_beside, check_sides
from perc_transforms.core.stacking import stack
from perc_transforms.errors import TransformError

TILT_ANGLE = "tilt_angle"
"""The column that has an angle for each section of a stack of tilts."""

__all__ = ["FRAME", "RECORDS", "Batch", "Change", "Groups", "Recorded", "Rows"]


class Batch:
    """Rows of any shapes on their way through transforms.

    Args:
        data: what a transform was called with.
        owner: the transform's name, for errors.
        spatial_dims: 2 or 3; None: two axes are an image, three or more a volume (with leading axes), but for a stack
            of tilts, with a list of as many in the column `tilt_angle`.

    Raises:
        TransformError: no images, or none that a transform can work on.
    """

    def __init__(self, data: Any, owner: str, spatial_dims: int | None = None) -> None:
        self.owner = owner
        self.source = data
        self.form: Form = form_of(data, owner)
        self._changed: dict[str, list[Any]] = {}
        self._images: Tensor | list[Tensor] = []
        images = data[IMAGE] if self.form in ("row", "batch") else data
        items: Sequence[Any] = images if self.form in ("list", "batch") else [images]
        if len(items) == 0:
            msg = f"{owner}: an empty batch: expected at least one image"
            raise TransformError(msg)
        is_stack = isinstance(items, Tensor | np.ndarray) and items.dtype != object
        self._listed = not (isinstance(items, Tensor) or (is_stack and isinstance(data, Columns)))
        if is_stack:
            self._images = self._as_stack(items)
        else:
            self._images = [self._as_image(item, place) for place, item in enumerate(items)]
        self._beside: dict[str, Tensor | list[Tensor | None]] = self._standing_beside()
        self.spatial_dims = spatial_dims
        self.recording = False
        self.told = False
        self._used: Counter[str] = Counter()
        self._records: list[list[Any]] | None = None
        self._keys: dict[int, list[bytes]] = {}

    def __len__(self) -> int:
        return len(self._images)

    def _standing_beside(self) -> dict[str, Tensor | list[Tensor | None]]:
        """The columns of images that are moved with the image; null for rows that have none."""
        found: dict[str, Tensor | list[Tensor | None]] = {}
        for name in filter(stands_beside, self.source if self.form in ("row", "batch") else ()):
            column = self.source[name] if self.form == "batch" else [self.source[name]]
            if column is None or len(column) != len(self):
                continue
            values = [self._as_beside(name, value, place) for place, value in enumerate(column)]
            if isinstance(column, Tensor) and values[0] is not None and column.dtype == values[0].dtype:
                found[name] = column
            elif any(value is not None for value in values):
                found[name] = values
        return found

    def _as_beside(self, name: str, value: Any, place: int) -> Tensor | None:
        try:
            return as_beside(name, value, self._images[place], self.owner)
        except TransformError as err:
            known = self.name(place)
            raise type(err)(f"{known}: {err}" if known else str(err)) from err.__cause__

    def _as_stack(self, items: Any) -> Tensor:
        try:
            return as_image(items, self.owner)
        except TransformError:
            for place, item in enumerate(items):
                self._as_image(item, place)  # raises where it is wrong, with the row's name
            raise

    def _as_image(self, item: Any, place: int) -> Tensor:
        try:
            return as_image(item, self.owner)
        except TransformError as err:
            name = self.name(place)
            raise type(err)(f"{name}: {err}" if name else str(err)) from err.__cause__

    def name(self, place: int) -> str:
        """What a row is called in errors: its path, with its index or origin if it has one, or its id; else nothing."""
        path, index, identity, origin = (self._value(name, place) for name in KEY)
        if path is None:
            return "" if identity is None else str(identity)
        corner = corner_of(origin)
        name = f"{path}, index {int(index)}" if isinstance(index, int | float) else str(path)
        return name if corner is None else f"{name}, origin {corner}"

    def _value(self, column: str, place: int) -> Any:
        """A row's value, whatever the column is: an error is to be told, and not to meet another one."""
        try:
            return self.column(column)[place]
        except (IndexError, TypeError, KeyError):
            return None

    def has(self, column: str) -> bool:
        """Whether the rows have a column, if with nothing in it."""
        return column in self._changed or (self.form in ("row", "batch") and column in self.source)

    def single(self, place: int) -> "Batch":
        """One of the rows, as it is now, alone in a batch."""
        columns = {name: [self.column(name)[place]] for name in self.source if name not in (IMAGE, *self._beside)}
        images = {name: [images[place]] for name, images in ((IMAGE, self._images), *self._beside.items())}
        return Batch({**columns, **images}, self.owner, self.spatial_dims)

    def column(self, name: str) -> list[Any]:
        """One value a row of a column, None where there is none; numbers as Python floats or ints."""
        if name in self._changed:
            return self._changed[name]
        if self.form not in ("row", "batch") or name not in self.source:
            return [None] * len(self)
        return plain_column(self.source[name]) if self.form == "batch" else [plain(self.source[name])]

    def turn(self, name: str) -> int:
        """How many transforms of this name the batch has met before: of two that draw, each draws its own."""
        self._used[name] += 1
        return self._used[name] - 1

    def groups(self, columns: Sequence[str]) -> Groups:
        """The rows, those of equal image shape together, with the values of some columns."""
        places: dict[tuple[Any, ...], list[int]] = {}
        all_images = (self._images, *self._beside.values())
        if all(isinstance(images, Tensor) for images in all_images):
            places[()] = list(range(len(self)))
        else:
            kinds = [[_kind(image) for image in images] for images in all_images]
            for place, kind in enumerate(zip(*kinds, strict=True)):
                places.setdefault(kind, []).append(place)
        values = {name: self.column(name) for name in columns}
        return [(chosen, self._rows(chosen, values)) for chosen in places.values()]

    def _rows(self, places: list[int], values: dict[str, list[Any]]) -> Rows:
        images = self._together(self._images, places)
        axes = images.ndim - 1
        dims = self.spatial_dims or (2 if axes == 2 or self._are_sections(places, images.shape[1:]) else 3)
        if axes < dims:
            msg = f"{self.owner}: an image of shape {tuple(images.shape[1:])}: expected at least {dims} axes"
            raise TransformError(msg)
        beside = {name: self._together(of, places) for name, of in self._beside.items() if of[places[0]] is not None}
        beside = {name: of for name, of in beside.items() if of.ndim > dims}
        for name, of in beside.items():
            check_sides(name, of[0], images.shape[1:] if name in TARGETS else images.shape[-dims:], self.owner)
        columns = {name: [column[place] for place in places] for name, column in values.items()}
        return Rows(images, dims, columns, beside)

    def _are_sections(self, places: list[int], shape: Sequence[int]) -> bool:
        """Whether images of a shape are stacks of tilts: their rows have as many tilt angles as sections."""
        if len(shape) != 3 or not self.has(TILT_ANGLE):
            return False
        angles = self.column(TILT_ANGLE)
        return all(np.shape(angles[place]) == tuple(shape[:1]) for place in places if angles[place] is not None)

    def _together(self, images: Any, places: list[int]) -> Tensor:
        """The images of some rows, which have one shape, as one tensor."""
        if isinstance(images, Tensor):
            return images if len(places) == len(self) else images[places]
        return images[places[0]][None] if len(places) == 1 else stack([images[place] for place in places])

    def replace(self, results: Groups) -> None:
        """Take over what a transform made of the groups."""
        images: list[Any] = [None] * len(self)
        beside: dict[str, list[Any]] = {name: list(of) for name, of in self._beside.items() if len(results) > 1}
        for places, rows in results:
            for name, values in rows.columns.items():
                if name == FRAME or (self.form in ("row", "batch") and self.has(name)):
                    column = self._changed.setdefault(name, list(self.column(name)))
                    for place, value in zip(places, values, strict=True):
                        column[place] = value
            if len(results) == 1:
                self._images = rows.images
                self._beside |= rows.beside
                return
            for place, image in zip(places, rows.images.unbind(), strict=True):
                images[place] = image
            for name, of in rows.beside.items():
                column = beside.setdefault(name, [None] * len(self))
                for place, image in zip(places, of.unbind(), strict=True):
                    column[place] = image
        self._images = images
        self._beside |= beside

    def keys(self, parts: int = 1) -> list[bytes]:
        """What tells each row from others: its `path` and `index`, else its `id`, else the pixels it came with.

        Args:
            parts: of a bare tensor, how many images it is: a key for each.
        """
        if parts not in self._keys:
            if self.form == "tensor":
                pixels = as_image(self.source, self.owner)
                split = pixels.numel() % parts == 0
                images = list(pixels.reshape(parts, 1, -1)) if split else [pixels] * parts
                self._keys[parts] = keys_of([None] * parts, images, self.owner)
            else:
                names = [name_of(*names) for names in zip(*map(self.column, KEY), strict=True)]
                images = self.source if self.form == "list" else self.source[IMAGE]
                self._keys[parts] = keys_of(names, [images] if self.form == "row" else images, self.owner)
        return self._keys[parts]

    def take_records(self, params: Any) -> None:
        """Have transforms use what was drawn before.

        Args:
            params: a record, or a list of them, of one row; for several rows, a list of these.
        """
        several = self.form in ("list", "batch") and isinstance(params, list | tuple | np.ndarray)
        rows = list(params) if several else [params]
        if len(rows) != len(self):
            msg = (
                f"{self.owner}: parameters of {len(rows)} rows for {len(self)}: expected a list of those of each row, "
            )
            msg += "as perc_transforms.collate keeps them (torch's default collate does not)"
            raise TransformError(msg)
        self._records = [[row] if isinstance(row, Mapping) else row for row in rows]
        for row in self._records:
            if not isinstance(row, list | tuple | np.ndarray) or not all(isinstance(one, Mapping) for one in row):
                msg = f"{self.owner}: parameters {row!r} of a row: expected what record=True wrote into `transforms`"
                raise TransformError(msg)

    def recorded(self, name: str, turn: int) -> list[Recorded] | None:
        """For each row what the transform of this name drew at its turn; None: it is to draw now.

        Raises:
            TransformError: there are records, but not of this one.
        """
        if self._records is None:
            return None
        found = []
        for records in self._records:
            own = [record for record in map(plain, records) if record.get("transform", name) == name]
            if turn >= len(own):
                msg = f"{name}: nothing to replay among {records}: expected what record=True wrote into `transforms`"
                raise TransformError(msg)
            given = {key: value for key, value in own[turn].items() if value is not None}
            found.append(Recorded({"transform": name, **given}))
        return found

    def record(self, name: str, params: Sequence[Mapping[str, Any]]) -> None:
        """Add what was drawn for each row to the column `transforms`.

        Raises:
            TransformError: the data has no columns.
        """
        if self.form not in ("row", "batch"):
            msg = f"{name}: record=True for a {self.form} of images: expected a row, or a batch of rows, to record in"
            raise TransformError(msg)
        before = [[] if value is None else list(map(plain, value)) for value in self.column(RECORDS)]
        drawn = [{"transform": name, **dict(values)} for values in params]
        self.set_column(RECORDS, [[*old, new] for old, new in zip(before, drawn, strict=True)])

    def set_column(self, name: str, values: list[Any]) -> None:
        """Give the rows a column, which they may not have had."""
        self._changed[name] = values

    def map_images(self, function: Callable[[Tensor], Any]) -> None:
        """Replace each image by what `function` makes of it; should it work in place, then on a copy."""
        self._images = [as_image(function(image.clone()), self.owner) for image in self._images]

    def add_channel(self) -> None:
        """Put an axis of length 1 before the others of each image and target."""
        self._images = [image[None] for image in self._images]
        for name in self._beside.keys() & TARGETS:
            self._beside[name] = [None if image is None else image[None] for image in self._beside[name]]

    def result(self) -> Any:
        """The images in the form they came in, with dependent columns kept true."""
        images = self._as_given(self._images)
        if self.form in ("tensor", "list"):
            return images
        out = self.source.copy() if hasattr(self.source, "copy") else dict(self.source)
        out[IMAGE] = images
        for name, of in self._beside.items():
            out[name] = self._as_given(of)
        kept = {name for name in NULLABLE_NUMBERS if name in self.source}
        for name in sorted({*self._changed, *kept} - {FRAME}):
            values = [math.nan if v is None and name in NULLABLE_NUMBERS else v for v in self.column(name)]
            old = self.source.get(name)
            if name == RECORDS:
                out[name] = values if self.form == "batch" else values[0]
            elif self.form == "batch":
                out[name] = values if old is None else like_column(old, values)
            else:
                out[name] = like_value(old, values[0])
        return out

    def _as_given(self, images: Any) -> Any:
        """Images as one, as a list or as a stack: in the form in which the images came."""
        if self.form in ("tensor", "row"):
            return images[0]
        if self._listed:
            return list(images)
        if not isinstance(images, Tensor) and len(set(map(_kind, images))) == 1 and images[0] is not None:
            return stack(images)
        return images


def _kind(image: Tensor | None) -> Any:
    """What images have in common that can be stacked."""
    return None if image is None else (image.shape, image.dtype, image.device)
