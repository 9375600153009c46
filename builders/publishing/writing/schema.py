"""What published rows look like: standard features only, the same for all of them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Array2D, Array3D, Features, Image, List, Value

from builders.errors import FormatError, MixedError, OptionError
from builders.hf.features import EMImage
from builders.publishing.writing.values import array_of, plain

PREVIEW = "preview"
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pixels:
    """How the images of a column are stored.

    Attributes:
        axes: 2 or 3.
        dtype: NumPy's name of their type.
        shape: of all of them; None where they differ, or are not known to agree.
    """

    axes: int
    dtype: str
    shape: tuple[int, ...] | None

    @property
    def feature(self) -> Any:
        """The standard feature: `Array2D` or `Array3D`, or nested lists where shapes differ."""
        if self.shape is not None:
            return (Array2D if self.axes == 2 else Array3D)(shape=self.shape, dtype=self.dtype)
        feature: Any = Value(self.dtype)
        for _ in range(self.axes):
            feature = List(feature)
        return feature

    def with_image(self, array: np.ndarray[Any, Any], column: str) -> "Pixels":
        """These, widened so that an image of another shape or type fits, too.

        Raises:
            MixedError: it has another number of axes.
        """
        if array.ndim != self.axes:
            kinds = ["an image (2 axes)", "a volume (3 axes)"]
            msg = f"{column!r} holds {kinds[self.axes - 2]} in one row and {array.shape} in another: "
            msg += "images and volumes cannot share a column: publish them as two datasets"
            raise MixedError(msg)
        dtype = np.result_type(np.dtype(self.dtype), array.dtype).name
        shape = self.shape if self.shape == array.shape else None
        return Pixels(self.axes, dtype, shape)


@dataclass(frozen=True)
class Schema:
    """Columns of the published rows.

    Attributes:
        features: of all columns, standard ones.
        pixels: how the columns with images are stored, by name.
        preview: whether the column `preview` is made of the images; else, if there is one, it is the dataset's own.
    """

    features: Features
    pixels: Mapping[str, Pixels]
    preview: bool = False

    @property
    def images(self) -> list[str]:
        """The columns of which pixels are stored: those with images, and what was published as arrays of one shape."""
        return [
            name
            for name, feature in self.features.items()
            if name in self.pixels or (isinstance(feature, Array2D | Array3D) and None not in feature.shape)
        ]

    def widened(self, column: str, pixels: Pixels) -> "Schema":
        """This with the images of a column stored in another way."""
        features = Features(dict(self.features) | {column: pixels.feature})
        return replace(self, features=features, pixels=dict(self.pixels) | {column: pixels})

    def with_row(self, row: Row) -> "Schema":
        """This, widened so that the images of a row fit."""
        schema = self
        for column, pixels in self.pixels.items():
            if row.get(column) is not None:
                wider = pixels.with_image(as_array(row[column], column), column)
                schema = schema if wider == pixels else schema.widened(column, wider)
        return schema

    def merged(self, other: "Schema", name: str) -> "Schema":
        """This and the schema of another split, as one that fits both.

        Raises:
            MixedError: they have other columns, or columns of other kinds.
        """
        schema = self
        for column, pixels in other.pixels.items():
            if column in schema.pixels:
                image = np.empty(pixels.shape or (0,) * pixels.axes, pixels.dtype)
                schema = schema.widened(column, schema.pixels[column].with_image(image, column))
        mine, theirs = ({n: f for n, f in s.features.items() if n not in schema.pixels} for s in (schema, other))
        if mine != theirs or set(self.pixels) != set(other.pixels):
            different = sorted(
                name
                for name in {**self.features, **other.features}
                if mine.get(name) != theirs.get(name) or (name in self.pixels) != (name in other.pixels)
            )
            msg = f"the split {name!r} has not the columns of the others: {', '.join(map(repr, different))} differ"
            raise MixedError(msg)
        return schema

    def as_json(self) -> str:
        """As JSON, the same for equal schemas."""
        pixels = {name: asdict(pixels) for name, pixels in self.pixels.items()}
        return json.dumps({"features": self.features.to_dict(), "pixels": pixels, "preview": self.preview})

    @classmethod
    def from_json(cls, text: str) -> "Schema":
        """Back from JSON."""
        facts = json.loads(text)
        pixels = {
            name: Pixels(p["axes"], p["dtype"], None if p["shape"] is None else tuple(p["shape"]))
            for name, p in facts["pixels"].items()
        }
        features = dict(Features.from_dict(facts["features"])) | {name: p.feature for name, p in pixels.items()}
        return cls(Features(features), pixels, facts["preview"])


def schema_of(rows: Sequence[Row], declared: Features | None, preview: bool) -> Schema:
    """The schema for rows of which these are the first.

    Args:
        rows: at least one, decoded.
        declared: the features that are known, maybe from before a transform; those that still fit are kept.
        preview: add a column of small pictures.

    Raises:
        FormatError: a column holds what no standard feature can.
        OptionError: there is no image to make a preview of, or a column of that name.
    """
    features: dict[str, Any] = {}
    pixels: dict[str, Pixels] = {}
    known = declared or Features()
    for column in rows[0]:
        values = [row[column] for row in rows if row.get(column) is not None]
        feature = known.get(column)
        fits = not isinstance(feature, EMImage) and _fits(values, feature)
        if isinstance(feature, EMImage) or (not fits and _are_images(values)):
            if not values:
                msg = f"{column!r}: the first {len(rows)} rows hold no image: their shape cannot be told"
                raise FormatError(msg)
            first = as_array(values[0], column)
            pixels[column] = Pixels(first.ndim, first.dtype.name, first.shape)
            features[column] = pixels[column].feature
        else:
            features[column] = feature if fits else _inferred(values, column)
            _refuse_nested_images(features[column], column)
    schema = Schema(Features(features), pixels)
    for row in rows:
        schema = schema.with_row(row)
    return with_preview(schema) if preview else schema


def _refuse_nested_images(feature: Any, column: str) -> None:
    if '"EMImage"' in json.dumps(Features({column: feature}).to_dict()):
        msg = f"{column!r} holds images inside lists or dicts, which plain `datasets` cannot read: flatten them first"
        raise FormatError(msg)


def with_preview(schema: Schema) -> Schema:
    """A schema with a column of small pictures.

    Raises:
        OptionError: there are no images, or there is a column of that name.
    """
    if not schema.pixels:
        msg = f"preview=True: there is no column of images among {', '.join(schema.features)}"
        raise OptionError(msg)
    if PREVIEW in schema.features:
        msg = f"preview=True: the dataset has a column {PREVIEW!r} already: rename it"
        raise OptionError(msg)
    return replace(schema, features=Features(dict(schema.features) | {PREVIEW: Image()}), preview=True)


def as_array(value: Any, column: str) -> np.ndarray[Any, Any]:
    """The pixels of a value: an array, a tensor, or nested lists.

    Raises:
        FormatError: it is no image, or its pixels are of a kind that Parquet has not, such as complex ones.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            value = value.float()
    array = np.asarray(value)
    if array.dtype.kind == "c":
        msg = f"{column!r} holds complex pixels ({array.dtype}), which no standard feature stores: "
        msg += "publish their real and imaginary parts, or amplitude and phase, as two columns"
        raise FormatError(msg)
    if array.ndim not in (2, 3) or array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        msg = f"{column!r} holds an array of shape {array.shape} and type {array.dtype}: "
        msg += "expected images (2 axes) or volumes (3 axes) of numbers"
        raise FormatError(msg)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _are_images(values: Iterable[Any]) -> bool:
    """Whether these are arrays or tensors of two or three axes."""
    shapes = [getattr(value, "shape", None) for value in values]
    return bool(shapes) and all(shape is not None and len(shape) in (2, 3) for shape in shapes)


def _fits(values: Sequence[Any], feature: Any) -> bool:
    """Whether values, maybe after a transform, are still what a feature stands for."""
    if feature is None:
        return False
    if isinstance(feature, dict) and not all(isinstance(v, Mapping) and set(v) == set(feature) for v in values):
        return False
    try:
        array_of(values, feature)
    except (TypeError, ValueError, pa.ArrowException):
        return False
    return True


def _inferred(values: Sequence[Any], column: str) -> Any:
    """The feature that plain values ask for."""
    try:
        table = pa.table({column: pa.array([plain(value) for value in values])})
    except (TypeError, ValueError, pa.ArrowException) as err:
        msg = f"{column!r} holds {type(values[0]).__name__}, which cannot be published: {err}"
        raise FormatError(msg) from err
    return Features.from_arrow_schema(table.schema)[column]
