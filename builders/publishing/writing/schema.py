"""What published rows look like: standard features only, the same for all of them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa
from datasets import Array2D, Array3D, Features, Image

from builders.errors import FormatError, MixedError, OptionError
from builders.hf.features import EMImage
from builders.publishing.writing.pixels import LAYOUTS, Bytes, Pixels, Stored, are_compressed, as_array, is_bytes
from builders.publishing.writing.values import array_of, plain

PREVIEW = "preview"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Schema:
    """Columns of the published rows.

    Attributes:
        features: of all columns, standard ones.
        pixels: how the columns with images are stored, by name.
        preview: whether the column `preview` is made of the images; else, if there is one, it is the dataset's own.
        compressed: the columns of images as bytes that are.
    """

    features: Features
    pixels: Mapping[str, Stored]
    preview: bool = False
    compressed: tuple[str, ...] = ()

    @property
    def images(self) -> list[str]:
        """The columns of which pixels are stored: those with images, and what was published as arrays of one shape."""
        return [
            name
            for name, feature in self.features.items()
            if name in self.pixels
            or is_bytes(feature)
            or (isinstance(feature, Array2D | Array3D) and None not in feature.shape)
        ]

    def widened(self, column: str, pixels: Stored) -> "Schema":
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
                schema = schema.widened(column, schema.pixels[column].merged(pixels, column))
        mine, theirs = ({n: f for n, f in s.features.items() if n not in schema.pixels} for s in (schema, other))
        if mine != theirs or set(self.pixels) != set(other.pixels):
            different = sorted(
                name
                for name in {**self.features, **other.features}
                if mine.get(name) != theirs.get(name) or (name in self.pixels) != (name in other.pixels)
            )
            msg = f"the split {name!r} has not the columns of the others: {', '.join(map(repr, different))} differ"
            raise MixedError(msg)
        return replace(schema, compressed=tuple(sorted({*self.compressed, *other.compressed})))

    def as_json(self) -> str:
        """As JSON, the same for equal schemas."""
        pixels = {name: asdict(pixels) for name, pixels in self.pixels.items()}
        told = {"features": self.features.to_dict(), "pixels": pixels, "preview": self.preview}
        return json.dumps(told | ({"compressed": self.compressed} if self.compressed else {}))

    @classmethod
    def from_json(cls, text: str) -> "Schema":
        """Back from JSON."""
        facts = json.loads(text)
        pixels = {
            name: Pixels(p["axes"], p["dtype"], None if p["shape"] is None else tuple(p["shape"])) if p else Bytes()
            for name, p in facts["pixels"].items()
        }
        features = dict(Features.from_dict(facts["features"])) | {name: p.feature for name, p in pixels.items()}
        return cls(Features(features), pixels, facts["preview"], tuple(facts.get("compressed", ())))


def schema_of(rows: Sequence[Row], declared: Features | None, preview: bool, layout: str = LAYOUTS[0]) -> Schema:
    """The schema for rows of which these are the first.

    Args:
        rows: at least one, decoded.
        declared: the features that are known, maybe from before a transform; those that still fit are kept.
        preview: add a column of small pictures.
        layout: of images, one of `LAYOUTS`.

    Raises:
        FormatError: a column holds what no standard feature can.
        OptionError: there is no image to make a preview of or to store in another layout, or a column `preview`.
    """
    features: dict[str, Any] = {}
    pixels: dict[str, Stored] = {}
    compressed = []
    known = declared or Features()
    for column in rows[0]:
        values = [row[column] for row in rows if row.get(column) is not None]
        feature = known.get(column)
        fits = not isinstance(feature, EMImage) and _fits(values, feature)
        if isinstance(feature, EMImage) or (not fits and _are_images(values)):
            pixels[column] = _stored(values, column, len(rows), layout)
            features[column] = pixels[column].feature
        else:
            features[column] = feature if fits else _inferred(values, column)
            _refuse_nested_images(features[column], column)
        if is_bytes(features[column]) and are_compressed(_dtypes(values, column)):
            compressed.append(column)
    if layout == "bytes" and not any(map(is_bytes, features.values())):
        msg = f"layout='bytes': there is no column of images among {', '.join(features)}: as_em_images makes them"
        msg += " of columns that were published as lists"
        raise OptionError(msg)
    schema = Schema(Features(features), pixels, compressed=tuple(compressed))
    for row in rows:
        schema = schema.with_row(row)
    return with_preview(schema) if preview else schema


def _stored(values: Sequence[Any], column: str, rows: int, layout: str) -> Stored:
    """How the images of a column are stored that begins with these."""
    if layout == "bytes":
        return Bytes()
    if not values:
        msg = f"{column!r}: the first {rows} rows hold no image: their shape cannot be told"
        raise FormatError(msg)
    return Pixels.of(as_array(values[0], column), column)


def _dtypes(values: Sequence[Any], column: str) -> list[str]:
    """The types of images that come decoded, or as they were published."""
    return [v["dtype"] if isinstance(v, Mapping) else as_array(v, column).dtype.str for v in values]


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
