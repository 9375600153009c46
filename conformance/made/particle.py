"""A particle, its pose and its CTF: made by us, and handed over to cryoJAX and to ASPIRE."""

from dataclasses import dataclass
from typing import Any

import cryojax.simulator as cxs
import numpy as np
import torch
from aspire.operators import CTFFilter
from aspire.source import Simulation
from aspire.volume import Volume
from scipy.spatial.transform import Rotation

from conformance.images import Values
from perc_transforms.functional import ctf, project, volume_transform
from perc_transforms.spatial.euler import matrix_of

SIDE, SIZE = 64, 1.5
"""Pixels of a side, and Å of a pixel."""
_SIGMA, _BLOBS, _REACH = 1.5, 400, 0.25


@dataclass(frozen=True)
class Shown:
    """How a particle is shown: angles (degrees) and origin (Å) as in RELION, the CTF as in `particles`' column."""

    rot: float = 0.0
    tilt: float = 0.0
    psi: float = 0.0
    origin_x: float = 0.0
    origin_y: float = 0.0
    ctf: dict[str, float] | None = None

    @property
    def angles(self) -> tuple[float, float, float]:
        """Rot, tilt, psi."""
        return self.rot, self.tilt, self.psi


def blobs() -> Values:
    """Gaussian blobs, `(z, y, x)`, within n / 4 of the centre: nothing at the rim, or at the Nyquist frequency."""
    rng = np.random.default_rng(22)
    directions = rng.standard_normal((_BLOBS, 3))
    radii = _REACH * SIDE * np.cbrt(rng.uniform(size=_BLOBS)) / np.linalg.norm(directions, axis=1)
    axis = np.arange(SIDE) - SIDE // 2
    x, y, z = (np.exp(-0.5 * ((axis - p[:, None]) / _SIGMA) ** 2) for p in (directions * radii[:, None]).T)
    return np.einsum("az,ay,ax->zyx", z, y, x)


def blob(place: Values, side: int = SIDE) -> Values:
    """One of them, `place` being (x, y, z) pixels from the centre."""
    axis = np.arange(side) - side // 2
    x, y, z = (np.exp(-0.5 * ((axis - p) / _SIGMA) ** 2) for p in place)
    return np.asarray(z[:, None, None] * y[:, None] * x)


def ours(volume: Values, shown: Shown) -> Values:
    """A projection, with its CTF if it has one."""
    matrices = torch.from_numpy(matrix_of(*shown.angles))[None]
    shifts = -torch.tensor([[shown.origin_x, shown.origin_y]], dtype=torch.float64) / SIZE
    image = project(volume_transform(torch.from_numpy(volume), oversampling=3), matrices, shifts=shifts)[0]
    if shown.ctf is None:
        return image.numpy()
    filtered = torch.fft.rfft2(image) * our_ctf(shown.ctf, len(image))
    return torch.fft.irfft2(filtered, s=image.shape).numpy()


def our_ctf(parameters: dict[str, float], side: int = SIDE) -> torch.Tensor:
    """Of images, as `rfft2` orders it."""
    return ctf((side, side), pixel_size=SIZE, like=torch.zeros(1, dtype=torch.float64), **parameters)


def in_cryojax(volume: Values, shown: Shown, quantity_mode: Any = "none", **options: Any) -> Values:
    """Its image model: angles and origin are minus ours, and the angle of astigmatism counts from y."""
    pose = cxs.EulerAnglePose(-shown.origin_x, -shown.origin_y, -shown.rot, -shown.tilt, -shown.psi)
    return model_of_cryojax(volume, pose, shown.ctf, quantity_mode, **options)


def model_of_cryojax(
    volume: Values, pose: Any, parameters: dict[str, float] | None = None, quantity_mode: Any = "none", **options: Any
) -> Values:
    """What it makes at a pose of its own."""
    voxels = cxs.FourierVoxelGridVolume.from_real_voxel_grid(volume, **options)
    transfer = None if parameters is None else transfer_of_cryojax(parameters)
    pixels = config(parameters, len(volume))
    model = cxs.make_image_model(voxels, pixels, pose, transfer, quantity_mode=quantity_mode)
    return np.asarray(model.simulate(), np.float64)


def config(parameters: dict[str, float] | None = None, side: int = SIDE) -> Any:
    """Its pixels and its microscope."""
    return cxs.BasicImageConfig((side, side), SIZE, parameters["voltage"] if parameters else 300.0)


def transfer_of_cryojax(parameters: dict[str, float]) -> Any:
    """Its CTF, of our parameters."""
    u, v = parameters["defocus_u"], parameters["defocus_v"]
    angle = 90 - parameters["defocus_angle"]
    optics = cxs.AstigmaticCTF((u + v) / 2, u - v, angle, parameters["spherical_aberration"])
    return cxs.ContrastTransferTheory(
        optics, amplitude_contrast_ratio=parameters["amplitude_contrast"], phase_shift=parameters["phase_shift"]
    )


def in_aspire(volume: Values, shown: Shown) -> Values:
    """Its simulation: the transposed matrix, shifts in pixels, the angle of astigmatism in radians."""
    matrix = matrix_of(*shown.angles).T
    filters = [] if shown.ctf is None else [filter_of_aspire(shown.ctf)]
    made = Simulation(
        n=1,
        vols=Volume(volume, pixel_size=SIZE),
        unique_filters=filters,
        filter_indices=np.zeros(1, int),
        angles=Rotation.from_matrix(matrix).as_euler("ZYZ")[None],
        offsets=np.array([[shown.origin_x, shown.origin_y]]) / SIZE,
        amplitudes=np.ones(1),
        dtype=np.float64,
    )
    return np.asarray(made.clean_images[0].asnumpy()[0], np.float64)


def filter_of_aspire(parameters: dict[str, float]) -> CTFFilter:
    """Its CTF, of our parameters."""
    return CTFFilter(
        parameters["voltage"],
        parameters["defocus_u"],
        parameters["defocus_v"],
        np.deg2rad(parameters["defocus_angle"]),
        parameters["spherical_aberration"],
        parameters["amplitude_contrast"],
    )
