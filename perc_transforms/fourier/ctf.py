"""Transforms by the contrast transfer function."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from perc_transforms.core.base import Transform
from perc_transforms.core.batch import Rows
from perc_transforms.core.forms import is_listed, plain
from perc_transforms.core.sizing import is_number, known_pixel_sizes
from perc_transforms.errors import MissingValueError, TransformError
from perc_transforms.functional.fourier.ctf import ctf, phase_flip, wiener_filter
from perc_transforms.functional.fourier.filters import filter_rows

_PARAMETERS = {
    "defocus_u": "Å",
    "defocus_v": "Å",
    "defocus_angle": "degrees",
    "voltage": "kV above 0",
    "spherical_aberration": "mm",
    "amplitude_contrast": "a number from 0 to 1",
    "phase_shift": "degrees",
}
"""Keys of the column `ctf`, and what is expected of each."""


@dataclass(repr=False)
class CTF(Transform):
    """Multiply each image's spectrum by its contrast transfer function.

    `-sin(-pi lambda df k^2 + pi/2 Cs lambda^3 k^4 - phase_shift - atan(Q0 / sqrt(1 - Q0^2)))` with
    `df = 1/2 [U + V + (U - V) cos 2(theta - theta0)]`, theta the angle of k from x towards y, and the wavelength
    `lambda = 12.2643247 / sqrt(V (1 + 0.978466e-6 V))` Å at V volts. So underfocus is positive, and DC is multiplied by
    +Q0. RELION's `ctf.h`; equals minus cryoDRGN's. No envelope, no scale.

    The parameters are those of the row's column `ctf`, a dict with the names below, which may hold nulls; what is
    given here wins over it. Of a stack `(tilts, ny, nx)` it may be a list of such dicts, one for each image.

    Images that were multiplied by their CTF when they were made (`is_ctf_premultiplied` of the row, as RELION 5's
    pseudo-subtomograms are) are refused: nothing here is meant for what has the CTF twice.

    Shape `(..., ny, nx)`; for a stack of images that are to share a row, `spatial_dims=2`.

    Args:
        defocus_u: U, in Å.
        defocus_v: V, in Å; known neither here nor in the row: that of U.
        defocus_angle: theta0, of U from x towards y, in degrees; not known: 0.
        voltage: in kV.
        spherical_aberration: Cs, in mm.
        amplitude_contrast: Q0, from 0 to 1.
        phase_shift: of a phase plate, in degrees; not known: 0.

    Raises:
        TransformError: a parameter that is needed is missing or out of range, a row has no pixel size, the image is a
            volume, or it was multiplied by its CTF already.

    Example:
        >>> import torch
        >>> ctf = {"defocus_u": 15000.0, "voltage": 300.0, "spherical_aberration": 2.7, "amplitude_contrast": 0.1}
        >>> CTF()({"image": torch.ones(8, 8), "pixel_size": 1.5, "ctf": ctf})["image"].mean()
        tensor(0.1000)
    """

    columns: ClassVar[tuple[str, ...]] = ("pixel_size", "ctf", "is_ctf_premultiplied")

    defocus_u: float | None = field(default=None, kw_only=True)
    defocus_v: float | None = field(default=None, kw_only=True)
    defocus_angle: float | None = field(default=None, kw_only=True)
    voltage: float | None = field(default=None, kw_only=True)
    spherical_aberration: float | None = field(default=None, kw_only=True)
    amplitude_contrast: float | None = field(default=None, kw_only=True)
    phase_shift: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in _PARAMETERS:
            self._check(name, getattr(self, name), "")
        if self.spatial_dims == 3:
            msg = f"{type(self).__name__}: spatial_dims is 3: expected 2: volumes have no CTF"
            raise TransformError(msg)

    def apply(self, rows: Rows) -> Rows:
        """Filter the images of one shape in one go, each by its own parameters."""
        if rows.spatial_dims != 2:
            shape = tuple(rows.images.shape[1:])
            msg = f"{self!r}: a volume of shape {shape}: expected an image, or spatial_dims=2 for a stack of images"
            raise TransformError(msg)
        if any(rows.columns["is_ctf_premultiplied"]):
            msg = (
                f"{self!r}: the image was multiplied by its CTF already (is_ctf_premultiplied): expected one that was "
            )
            msg += "not; RELION 5 extracts such with --no_ctf"
            raise TransformError(msg)
        each = self._each_image(rows)
        found = [(size, *self._of_row(given)) for size, given in each]
        if len(set(found)) == 1:
            found = found[:1]
        names = ("pixel_size", *_PARAMETERS)
        parameters = dict(zip(names, torch.tensor(found, dtype=torch.float64).T, strict=True))
        weights = self._weights(ctf(rows.sizes, **parameters, like=rows.images))
        stacked = len(each) != len(rows.images)

        def change(images: Tensor) -> Tensor:
            flat = images.flatten(0, 1) if stacked else images
            return filter_rows(flat, weights, 2).reshape(images.shape)

        return rows.through(change)

    def _each_image(self, rows: Rows) -> list[tuple[float, Any]]:
        """Pixel size and column `ctf` of each row; of stacks whose images have one each, of each image."""
        given = list(zip(known_pixel_sizes(rows, self), rows.columns["ctf"], strict=True))
        if not any(is_listed(ctfs) for _, ctfs in given):
            return given
        shape = tuple(rows.images.shape[1:])
        for _, ctfs in given:
            if not is_listed(ctfs) or len(shape) != 3 or len(ctfs) != shape[0]:
                has = f"a list of {len(ctfs)}" if is_listed(ctfs) else f"{ctfs!r:.100}"
                msg = f"{self!r}: the row's ctf is {has} for an image of shape {shape}: expected one for each image of "
                msg += "a stack (images, ny, nx)"
                raise TransformError(msg)
        return [(size, plain(one)) for size, ctfs in given for one in ctfs]

    def _weights(self, values: Tensor) -> Tensor:
        """What spectra are multiplied by, given the values of the CTF."""
        return values

    def _of_row(self, given: Any) -> tuple[float, ...]:
        """The parameters of a row with some value of the column `ctf`, in the order of `_PARAMETERS`."""
        if given is not None and not isinstance(given, Mapping):
            msg = f"{self!r}: the row's ctf is {given!r}: expected a dict with keys such as {', '.join(_PARAMETERS)}"
            raise TransformError(msg)
        row: dict[str, Any] = {name: (given or {}).get(name) for name in _PARAMETERS}
        for name, value in row.items():
            own = getattr(self, name)
            if own is None:
                self._check(name, value, "the row's ctf: ")
            else:
                row[name] = own
        defaults = {"defocus_v": row["defocus_u"], "defocus_angle": 0.0, "phase_shift": 0.0}
        row = {name: defaults.get(name) if value is None else value for name, value in row.items()}
        missing = [name for name, value in row.items() if value is None and name != "defocus_v"]
        if missing:
            msg = f"{self!r}: no {', '.join(missing)}: the row's ctf is {given!r}: give {type(self).__name__} what is "
            msg += "missing, or the row a column 'ctf' with it"
            error = MissingValueError(msg)
            error.column = "ctf"
            raise error
        return tuple(float(row[name]) for name in _PARAMETERS)

    def _check(self, name: str, value: Any, where: str) -> None:
        """Refuse a parameter that no microscope has."""
        fine = value is None or is_number(value)
        if fine and value is not None and name == "voltage":
            fine = value > 0
        if fine and value is not None and name == "amplitude_contrast":
            fine = 0 <= value <= 1
        if not fine:
            msg = f"{type(self).__name__}: {where}{name} is {value!r}: expected {_PARAMETERS[name]}"
            raise TransformError(msg)


@dataclass(repr=False)
class PhaseFlip(CTF):
    """Multiply each image's spectrum by -1 where its CTF is negative, and by +1 elsewhere.

    Parameters, shapes and errors are those of `CTF`. RELION's `do_only_flip_phases`; but in column
    nx / 2 of even sides, where +ky and -ky are one component of a real image, the sign is that of their mean CTF, so
    that flipping twice changes nothing.

    Example:
        >>> import torch
        >>> flip = PhaseFlip(defocus_u=15000.0, voltage=300.0, spherical_aberration=2.7, amplitude_contrast=0.1)
        >>> row = {"image": torch.rand(8, 8), "pixel_size": 1.5}
        >>> torch.allclose(flip(flip(row))["image"], row["image"], atol=1e-6)
        True
    """

    def _weights(self, values: Tensor) -> Tensor:
        return phase_flip(values)


@dataclass(repr=False)
class WienerFilter(CTF):
    """Multiply each image's spectrum by `CTF / (CTF^2 + constant)`: undo the CTF where there is signal.

    Parameters, shapes and errors are those of `CTF`.

    Args:
        constant: noise over signal, above 0; `0.1` for example. It bounds what is amplified: by at most
            `1 / (2 sqrt(constant))`.

    Example:
        >>> import torch
        >>> options = {"defocus_u": 15000.0, "voltage": 300.0, "spherical_aberration": 2.7, "amplitude_contrast": 0.1}
        >>> WienerFilter(0.01, **options)({"image": torch.ones(8, 8), "pixel_size": 1.5})["image"].mean()
        tensor(5.)
    """

    constant: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_number(self.constant) or self.constant <= 0:
            msg = f"WienerFilter: constant is {self.constant!r}: expected a number above 0, noise over signal"
            raise TransformError(msg)

    def _weights(self, values: Tensor) -> Tensor:
        return wiener_filter(values, constant=self.constant)
