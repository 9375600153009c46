"""What Parakeet's files of images say of each image: `.h5` of NeXus' NXtomo, and `.mrc` with FEI's extended header."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.errors import FormatError, TruncatedError
from builders.io.files import location
from builders.io.formats import hdf5
from builders.io.formats.mrc.header import HEADER_BYTES, read_header
from builders.synthetic.written.configs import Floats
from builders.synthetic.written.samples import is_sample, opened

COUNTS, CLEAN, WAVES, SAMPLE, OTHER = "counts", "clean", "waves", "sample", "other"
"""What a file is: electrons that a detector counted; what the lenses made, without noise; exit waves; molecules."""

_FIELDS = (
    *("image_number", "fraction_number", "tilt_alpha", "shift_x", "shift_y", "stage_z"),
    *("shift_offset_x", "shift_offset_y", "stage_offset_z", "c_10", "c_12", "phi_12", "c_30", "energy", "dose"),
)
_AXES = ("tilt_axis_x", "tilt_axis_y", "tilt_axis_z")
_MOST = 1_000_000
_OFFSETS = {
    **{"application": (52, "S16"), "energy": (84, "<f8"), "dose": (92, "<f8"), "tilt_alpha": (100, "<f8")},
    **{"stage_z": (132, "<f8"), "c_10": (220, "<f8"), "shift_offset_x": (387, "<f8"), "shift_offset_y": (395, "<f8")},
    **{"shift_x": (403, "<f8"), "shift_y": (411, "<f8"), "gain": (535, "<f8")},
    **{"fraction_number": (656, "<i4"), "image_number": (660, "<i4")},
}
"""Where FEI's extended header has what Parakeet puts into it, by Parakeet's names. Units are Parakeet's."""
_FEI1 = np.dtype(
    {
        "names": list(_OFFSETS),
        "offsets": [offset for offset, _ in _OFFSETS.values()],
        "formats": [kind for _, kind in _OFFSETS.values()],
        "itemsize": 768,
    }
)


@dataclass(frozen=True, slots=True)
class Stack:
    """The images of a file.

    Attributes:
        kind: what they are: `COUNTS`, `CLEAN` or `WAVES`.
        shape: `(images, ny, nx)`.
        pixel_size: Å; None where it does not say.
        told: of each image, by Parakeet's names, float64: numbers of images and fractions, degrees, Å, kV, mm, e/Å².
        axes: `(images, 3)`: what the sample is turned about; None where it does not say.
    """

    kind: str
    shape: tuple[int, int, int]
    pixel_size: float | None
    told: dict[str, Floats]
    axes: Floats | None


def read_h5(place: str, name: str) -> Stack | str:
    """What a file of HDF5 is: its images, or `SAMPLE` or `OTHER`.

    Raises:
        FormatError: damaged, or images without what belongs to them.
    """
    with opened(place, name) as file:
        stored = hdf5.dataset(file, hdf5.DATA, name)
        if stored is None:
            return SAMPLE if is_sample(file, name) else OTHER
        shape = stored.shape
        if shape is None or len(shape) != 3 or not 0 < shape[0] <= _MOST:
            msg = f"{name}: {hdf5.DATA} has shape {shape}: expected (images, y, x)"
            raise FormatError(msg)
        if stored.dtype.kind == "c":
            return Stack(WAVES, shape, None, {}, None)
        told = {field: _field(file, field, shape[0], name) for field in _FIELDS}
        axes = np.stack([_field(file, field, shape[0], name) for field in _AXES], 1)
        gains = _field(file, "gain", shape[0], name)
        sizes = _field(file, "pixel_size_x", shape[0], name)
    return Stack(COUNTS if gains[0] else CLEAN, shape, _positive(sizes[0]), told, axes)


def _field(file: Any, field: str, count: int, name: str) -> Floats:
    """One number of each image."""
    stored = hdf5.dataset(file, f"entry/data/{field}", name)
    if stored is None:
        msg = f"{name}: images without {field}: expected a dataset entry/data/{field}, as Parakeet writes it"
        raise FormatError(msg)
    if stored.shape != (count,) or stored.dtype.kind not in "fiub":
        msg = f"{name}: {field} is of type {stored.dtype} and shape {stored.shape}: expected {count} numbers"
        raise FormatError(msg)
    with np.errstate(invalid="ignore"):  # of NaN
        numbers = np.asarray(stored[()], np.float64)
    return _finite(numbers, field, name)


def _finite(numbers: Floats, field: str, name: str) -> Floats:
    if not np.isfinite(numbers).all():
        which = int(np.flatnonzero(~np.isfinite(numbers))[0])
        msg = f"{name}: {field} of image {which} is {numbers[which]}: expected a number"
        raise FormatError(msg)
    return numbers


def _positive(size: float) -> float | None:
    return float(size) if size > 0 else None


def read_mrc(place: str, name: str) -> Stack | str:
    """What an MRC file is: Parakeet's images, or `OTHER`.

    Raises:
        FormatError: no MRC file, or a damaged one.
    """
    stack = read_any_mrc(place, name)
    return stack if stack.told else OTHER


def read_any_mrc(place: str, name: str) -> Stack:
    """The images of an MRC file, of which nothing is told where no extended header of Parakeet's does.

    Raises:
        FormatError: no MRC file, or a damaged one.
    """
    with location.open_file(place) as raw:
        head = raw.read(HEADER_BYTES)
        header = read_header(head, None, name)
        extended = raw.read(header.nsymbt) if header.exttyp == "FEI1" else b""
    if len(header.shape) > 3:
        msg = f"{name}: volumes of shape {header.shape}: expected images"
        raise FormatError(msg)
    count, ny, nx = header.shape
    kind = WAVES if header.encoding.startswith(("<c", ">c")) else COUNTS
    if header.exttyp == "FEI1" and len(extended) < header.nsymbt:
        msg = f"{name}: {len(extended)} of {header.nsymbt} bytes of extended header: the file is truncated"
        raise TruncatedError(msg)
    rows: NDArray[Any] = np.frombuffer(extended, _FEI1, len(extended) // _FEI1.itemsize)
    if not len(rows) or not bytes(rows["application"][0]).startswith(b"Parakeet"):
        return Stack(kind, (count, ny, nx), header.pixel_size, {}, None)
    if len(rows) != count:
        msg = f"{name}: extended headers of {len(rows)} images, {count} images: expected as many"
        raise FormatError(msg)
    told = {field: _finite(rows[field].astype(np.float64), field, name) for field in _FIELDS if field in _OFFSETS}
    kind = kind if kind == WAVES or rows["gain"][0] else CLEAN
    return Stack(kind, (count, ny, nx), header.pixel_size, told, None)
