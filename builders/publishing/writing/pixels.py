"""How images are stored in a column of standard features: as nested lists of pixels, or as bytes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from datasets import Array2D, Array3D, List, Value

from builders.errors import FormatError, MixedError

LAYOUTS = ("lists", "bytes")
"""What `publish(layout=...)` may be, the default first."""

BYTES = {"bytes": Value("binary"), "shape": List(Value("int64")), "dtype": Value("string")}
"""The feature of images as bytes: fields of `EMImage`'s storage, of which each image says its own."""

_TEXTS, _BINARY, _WHOLE = {"string", "large_string"}, {"binary", "large_binary"}, "int64"
Image: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Pixels:
    """Images as arrays of one shape, or as nested lists.

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

    @classmethod
    def of(cls, image: Image, column: str) -> "Pixels":
        """What fits an image.

        Raises:
            FormatError: its pixels are complex.
        """
        if image.dtype.kind == "c":
            msg = f"{column!r} holds complex pixels ({image.dtype}), which no list stores: publish their real and"
            msg += " imaginary parts, or amplitude and phase, as two columns, or layout='bytes' (--layout bytes)"
            raise FormatError(msg)
        return cls(image.ndim, image.dtype.name, image.shape)

    def with_image(self, image: Image, column: str) -> "Stored":
        """These, widened so that an image of another shape or type fits, too.

        Raises:
            MixedError: it has another number of axes.
            FormatError: its pixels are complex.
        """
        return self.merged(Pixels.of(image, column), column)

    def merged(self, other: "Stored", column: str) -> "Stored":
        """These, widened so that others fit, too.

        Raises:
            MixedError: they have another number of axes.
        """
        if isinstance(other, Bytes):
            return other
        if other.axes != self.axes:
            kinds = ["an image (2 axes)", "a volume (3 axes)"]
            msg = f"{column!r} holds {kinds[self.axes - 2]} in one row and {kinds[other.axes - 2]} in another: images"
            msg += " and volumes cannot share a column: publish them as two datasets, or as layout='bytes'"
            msg += " (--layout bytes)"
            raise MixedError(msg)
        dtype = np.result_type(np.dtype(self.dtype), np.dtype(other.dtype)).name
        return Pixels(self.axes, dtype, self.shape if self.shape == other.shape else None)


@dataclass(frozen=True, slots=True)
class Bytes:
    """Images as bytes, each of its own shape and type."""

    @property
    def feature(self) -> Any:
        """The standard feature: a record of the pixels' bytes, in C order, of their shape and their type."""
        return dict(BYTES)

    def with_image(self, image: Image, column: str) -> "Bytes":
        """These: any image fits."""
        return self

    def merged(self, other: "Stored", column: str) -> "Bytes":
        """These: any others fit."""
        return self


Stored: TypeAlias = Pixels | Bytes


def is_bytes(feature: Any) -> bool:
    """Whether a column of this feature holds images as bytes.

    Those that say nothing else: a path, say, would have whoever reads a stranger's dataset open files of their own.

    Example:
        >>> is_bytes({"dtype": Value("string"), "bytes": Value("large_binary"), "shape": List(Value("int64"))})
        True
    """
    if not isinstance(feature, dict) or set(feature) != set(BYTES):
        return False
    inner = getattr(feature["shape"], "feature", None)
    kinds = [getattr(one, "dtype", None) for one in (feature["bytes"], inner, feature["dtype"])]
    return kinds[0] in _BINARY and kinds[1] == _WHOLE and kinds[2] in _TEXTS


def are_compressed(dtypes: Iterable[str]) -> bool:
    """Whether the bytes of images of these types are worth compressing: see docs/encoding.md.

    Example:
        >>> are_compressed(["<f4"]), are_compressed(["|u1", "<i2"])
        (False, True)
    """
    try:
        kinds = {np.dtype(dtype).kind for dtype in dtypes}
    except TypeError:  # anyone may have written them
        return False
    return bool(kinds) and kinds <= set("biu")


def as_array(value: Any, column: str) -> Image:
    """The pixels of a value: an array, a tensor, or nested lists.

    Raises:
        FormatError: it is no image.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            value = value.float()
    array = np.asarray(value)
    widest = 16 if array.dtype.kind == "c" else 8
    if array.ndim not in (2, 3) or array.dtype.kind not in "biufc" or array.dtype.itemsize > widest:
        msg = f"{column!r} holds an array of shape {array.shape} and type {array.dtype}: "
        msg += "expected images (2 axes) or volumes (3 axes) of numbers"
        raise FormatError(msg)
    return array.astype(array.dtype.newbyteorder("="), copy=False)
