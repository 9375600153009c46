"""EMImage: a row's pixels, inline or as a reference to where they lie, decoded to an array when they are read."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import pyarrow as pa
from datasets import Features

from builders.errors import ChangedError, FormatError, OptionError
from builders.hf.batches import remote_reads
from builders.hf.batches.cropping import crop
from builders.hf.image_storage import (
    FIELDS,
    STORAGE,
    Fetched,
    checked_fields,
    encode_array,
    list_depth,
    outdated,
    read,
    storage_array,
    storage_of_lists,
    stored_value,
)
from builders.io.casting import cast as cast_pixels
from builders.io.files import location
from builders.io.finite import FiniteWatch, count_non_finite
from builders.io.formats import known
from builders.io.layout import Array
from builders.io.net import remote

logger = logging.getLogger(__name__)

DTYPES = (
    *("float16", "float32", "float64", "int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64", "bool", "complex64", "complex128"),
)
_NUMPY_TYPES = {name: np.dtype(name) for name in DTYPES}
_warned_non_finite = False


@dataclass
class EMImage:
    """A `datasets` feature whose values decode to NumPy arrays.

    A value may be given as an array or tensor, the bytes of an image file, a path, or a reference: a dict with
    `path`, and `index` for one slice of a stack, or with all that one read needs (`offset`, `shape`, `dtype`).
    It decodes to `(ny, nx)` or `(nz, ny, nx)`, C order; a file of a single section is a 2-D image.

    Args:
        dtype: type of the decoded array; None keeps the file's own. Complex pixels need None or a complex type.
        decode: False gives the stored dict instead of the array.
        non_finite: what NaN and infinite pixels do: `"pass"` (with one warning) or `"raise"`.
        shape: Fourier-crop each image to this shape, `(ny, nx)` or `(nz, ny, nx)`, when it is decoded, as
            `perc_transforms.FourierCrop` does; `dtype` is then a float, or None: float64 of float64, else float32.

    Raises:
        OptionError: an option is none of those allowed.

    Example:
        >>> import numpy as np
        >>> from datasets import Dataset, Features
        >>> rows = {"image": [np.eye(3, dtype=np.float32)]}
        >>> ds = Dataset.from_dict(rows, features=Features({"image": EMImage()}))
        >>> ds[0]["image"].shape
        (3, 3)
    """

    dtype: str | None = "float32"
    decode: bool = True
    non_finite: str = "pass"
    shape: tuple[int, ...] | None = field(default=None, kw_only=True)
    id: str | None = field(default=None, repr=False)
    pa_type: ClassVar[pa.DataType] = STORAGE
    _type: str = field(default="EMImage", init=False, repr=False)

    def __post_init__(self) -> None:
        self.dtype = check_dtype(self.dtype)
        if self.non_finite not in ("pass", "raise"):
            msg = f"non_finite is {self.non_finite!r}: expected 'pass' or 'raise'"
            raise OptionError(msg)
        if self.shape is not None:
            self.shape = _check_shape(self.shape, self.dtype)

    def __call__(self) -> pa.DataType:
        """The Arrow type that `datasets` stores this feature as."""
        return self.pa_type

    def encode_example(self, value: Any) -> dict[str, Any]:
        """What is stored for a value.

        Args:
            value: array, tensor, `bytes`, path, or dict of the fields of `STORAGE`.

        Raises:
            FormatError: nothing of these, or an array that is not a 2-D or 3-D one of numbers.
        """
        if isinstance(value, Fetched):
            return value
        if isinstance(value, str):
            return stored_value(path=str(value))
        if isinstance(value, Path):
            return stored_value(path=str(value.absolute()))
        if isinstance(value, bytes | bytearray | memoryview):
            return stored_value(bytes=bytes(value))
        if isinstance(value, dict):
            return checked_fields(value)
        if isinstance(value, list | tuple) or hasattr(value, "__array__"):
            return encode_array(value)
        msg = f"an EMImage cannot be made of {type(value).__name__}: expected an array, bytes, a path or a dict"
        raise FormatError(msg)

    def decode_example(self, value: dict[str, Any], token_per_repo_id: dict[str, Any] | None = None) -> Array:
        """The pixels that a stored value holds or refers to.

        Args:
            value: a dict as `encode_example` gives it.
            token_per_repo_id: not used.

        Raises:
            NotFoundError: the file is gone.
            UnsafeAddressError: it lies on a host that nobody named.
            ChangedError: it is not the file that the reference was made for.
            FormatError: it is damaged, too small for `shape`, or its pixels are complex or not finite where that is not
                allowed.
        """
        if not isinstance(value, dict):
            return cast(Array, value)  # decoded already: datasets may ask twice
        fetched = value if isinstance(value, Fetched) else None
        is_finite = False
        if fetched is not None:
            held, is_finite = fetched.held, fetched.finite
            is_ready = is_finite and isinstance(held, np.ndarray) and held.dtype is _NUMPY_TYPES.get(self.dtype or "")
            if is_ready and self.shape is None:
                return cast(Array, held)  # nothing is left to do, and a stream has many
        name = value.get("path") or "inline image"
        watch = FiniteWatch() if self._needs_watch() and not is_finite else None
        try:
            pixels = read(value, name, watch) if fetched is None else fetched.pixels()
        except ChangedError as err:
            raise outdated(err) from err
        if pixels.ndim not in (2, 3):
            msg = f"{name}: an array of shape {pixels.shape}: expected an image (2 axes) or a volume (3 axes)"
            raise FormatError(msg)
        if self.shape is not None and pixels.ndim != len(self.shape):
            msg = (
                f"{name}: an array of shape {pixels.shape}: expected {len(self.shape)} axes, as shape={self.shape} has"
            )
            raise FormatError(msg)
        if watch is not None and not watch.vouches_for(pixels):
            self._report_non_finite(pixels, name)
        if self.shape is not None:
            return crop(pixels, self.shape, self.dtype, name)
        return cast_pixels(pixels, self.dtype, name)

    def __getstate__(self) -> dict[str, Any]:
        """The options, the hosts that this process may contact, and the formats that were registered.

        A loader's workers may contact them, too, and know these.
        """
        formats = known.registered()
        return self.__dict__ | {"hosts": remote.named()} | ({"formats": formats} if formats else {})

    def __setstate__(self, state: dict[str, Any]) -> None:
        for base in state.pop("hosts"):
            remote.permit(base)
        known.learn(state.pop("formats", ()))
        self.__dict__.update(state)

    def start_reads(self, values: Sequence[Any], reads: remote.Reads | None = None) -> list[Any]:
        """Begin to read the remote ones of a batch's stored values, many at once.

        Args:
            values: as they are stored.
            reads: break off what is left of them when they are closed; None: nobody does.

        Returns:
            The values, in their order, those that were begun as `Fetched`.
        """
        return remote_reads.begin(values, reads or remote.Reads()) if self.decode else list(values)

    def _needs_watch(self) -> bool:
        return self.non_finite == "raise" or not _warned_non_finite

    def _report_non_finite(self, pixels: Array, name: str) -> None:
        global _warned_non_finite
        count = count_non_finite(pixels)
        if not count:
            return
        message = f"{name}: {count} of {pixels.size} pixels are NaN or infinite"
        if self.non_finite == "raise":
            raise FormatError(message)
        _warned_non_finite = True
        logger.warning("%s; passed on (said once; non_finite='raise' makes it an error)", message)

    def cast_storage(self, storage: pa.Array) -> pa.StructArray:
        """Cast paths, file bytes, dicts or nested lists of numbers, as Arrow arrays, to this feature's storage.

        Raises:
            TypeError: the array holds nothing of these.
        """
        kind = storage.type
        if kind == STORAGE:
            return storage  # of a shuffled dataset, each row is an array of its own
        if isinstance(storage, pa.ExtensionArray):
            return self.cast_storage(storage.storage)
        if pa.types.is_null(kind):
            return pa.nulls(len(storage), STORAGE)
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return storage_array({"path": storage}, storage)
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return storage_array({"bytes": storage}, storage)
        if pa.types.is_struct(kind):
            names = [f.name for f in kind]
            if {"bytes", "path"} & set(names) and set(names) <= set(FIELDS):
                return storage_array({name: storage.field(name) for name in names}, storage)
        elif list_depth(kind) in (2, 3):
            return storage_of_lists(storage)
        msg = f"an EMImage column cannot be made of {kind}: expected paths, bytes, dicts with them, or 2-D or 3-D lists"
        raise TypeError(msg)

    def embed_storage(
        self,
        storage: pa.StructArray,
        token_per_repo_id: dict[str, Any] | None = None,
        local_files: bool = True,
        remote_files: bool = True,
    ) -> pa.StructArray:
        """Replace references by the pixels themselves, in the file's own type.

        Args:
            storage: array of this feature's storage type.
            token_per_repo_id: not used.
            local_files: False leaves references to files of this machine as they are.
            remote_files: False leaves references to servers as they are.
        """

        def embedded(row: dict[str, Any] | None) -> dict[str, Any] | None:
            if row is None or row["bytes"] is not None:
                return row
            wanted = remote_files if location.is_remote(row["path"]) else local_files
            return _embedded(row) if wanted else row

        rows = [embedded(row) for row in storage.to_pylist()]
        return pa.array(rows, STORAGE)

    def flatten(self) -> "EMImage | dict[str, Any]":
        """Itself while it decodes; the stored fields otherwise."""
        return self if self.decode else dict(Features.from_arrow_schema(pa.schema(list(STORAGE))))


def check_dtype(dtype: Any) -> str | None:
    """The name of a dtype that images may be decoded to; None stays None.

    Raises:
        OptionError: none of those, which the error lists.
    """
    if dtype is None:
        return None
    try:
        name = str(np.dtype(dtype).name)
    except TypeError:
        name = repr(dtype)
    if name not in DTYPES:
        msg = f"dtype is {dtype!r}: expected None (as stored) or one of {', '.join(DTYPES)}"
        raise OptionError(msg)
    return name


def _check_shape(shape: Any, dtype: str | None) -> tuple[int, ...]:
    """The shape to crop images to.

    Raises:
        OptionError: it is none, or the pixels are not to be floats.
    """
    sides = tuple(shape) if isinstance(shape, list | tuple) else ()
    if len(sides) not in (2, 3) or not all(type(side) is int and side > 0 for side in sides):
        msg = f"shape is {shape!r}: expected None or pixels along each axis, such as (128, 128)"
        raise OptionError(msg)
    if dtype is not None and np.dtype(dtype).kind != "f":
        msg = f"shape is {sides} with dtype={dtype!r}: what is cropped in Fourier space is no whole or complex number: "
        msg += "expected a float, or None"
        raise OptionError(msg)
    return sides


def _embedded(value: dict[str, Any]) -> dict[str, Any]:
    pixels = np.ascontiguousarray(read(value, value["path"]))
    return encode_array(pixels) | {"path": Path(value["path"]).name, "index": value["index"]}
