"""Where a point appears, projections, CTFs, and both together, once handed over as each package wants it."""

from collections.abc import Iterator
from typing import Any

import cryojax.simulator as cxs
import jax
import numpy as np
import torch
from scipy import ndimage

from conformance.images import Values
from conformance.made import particle
from conformance.made.particle import SIDE, SIZE, Shown
from conformance.optics import MINUS_OLDER, OLDER, TYPICAL, WORDS, wavelength_by
from conformance.references import relion_ctf
from conformance.table import Row
from perc_transforms import AddNoise
from perc_transforms.spatial.euler import matrix_of

POINT = np.array([9.0, -6.0, 4.0])
TURNED = Shown(30.0, 50.0, 70.0)
MOVED = Shown(30.0, 50.0, 70.0, 3.0, -2.25)
SHOWN = Shown(30.0, 50.0, 70.0, 3.0, -2.25, TYPICAL)
ANGLES, ORIGIN = "rot 30°, tilt 50°, psi 70°", "origin (3, -2.25) Å"
EXACT = {"interp": "cubic", "pad_scale": 2.0}
"""cryoJAX's slices at their best."""
CALLED = {
    "cryojax": "angles and origin negated, `interp='cubic', pad_scale=2`",
    "aspire": "`Simulation.clean_images`: A.T, origin in pixels",
}
SCALE = {"cryojax": SIZE, "aspire": 1 / SIDE}
UNIT = {"cryojax": "the pixel size in Å: an integral along z, not a sum", "aspire": "1 / n"}
BACK = {"cryojax": "divided by the pixel size", "aspire": "times n"}
ACTIVE = "turns the particle: of the angles as they stand, A is Rz(psi) Ry(tilt) Rz(rot) of active matrices"
FORWARD = "moves content by +offset, where RELION's origin moves it by minus that"
FROM_Y = "minus ours, but that the angle of U counts from y towards x"


def rows() -> Iterator[Row]:
    """From a point to an image with a CTF, then what is not the same."""
    yield from _places()
    yield from _units()
    yield from _images("projection", f"64^3, {ANGLES}", TURNED)
    yield from _images("projection", f"64^3, {ANGLES}, {ORIGIN}", MOVED)
    yield from _ctfs()
    yield from _images("projection with a CTF", f"64^3 at 1.5 Å, {ANGLES}, {ORIGIN}; {WORDS}", SHOWN)
    yield from _interpolated()
    yield from _noise()


def _places() -> Iterator[Row]:
    what, volume = "where p = (9, -6, 4) px appears, (x, y)", particle.blob(POINT)
    for case, shown in ((ANGLES, TURNED), (f"{ANGLES}, {ORIGIN}", MOVED)):
        ours = (matrix_of(*shown.angles) @ POINT)[:2] - np.array([shown.origin_x, shown.origin_y]) / SIZE
        for package, image in _handed_over(volume, shown):
            yield Row(what, case, ours, _place(image), package, CALLED[package], tolerance=1e-3)
    ours = (matrix_of(*TURNED.angles) @ POINT)[:2]
    theirs = _place(particle.model_of_cryojax(volume, cxs.EulerAnglePose(0.0, 0.0, *TURNED.angles), **EXACT))
    rot, tilt, psi = TURNED.angles
    predicted = (matrix_of(-rot, -tilt, -psi) @ POINT)[:2]
    call = "`EulerAnglePose(rot, tilt, psi)`"
    yield Row(what, ANGLES, ours, theirs, "cryojax", call, predicted, ACTIVE, 1e-3)
    ours = POINT[:2] - np.array([MOVED.origin_x, MOVED.origin_y]) / SIZE
    theirs = _place(particle.model_of_cryojax(volume, cxs.EulerAnglePose(MOVED.origin_x, MOVED.origin_y), **EXACT))
    call = "`EulerAnglePose`, the origin as its offset, Å"
    yield Row(what, f"angles 0, {ORIGIN}", ours, theirs, "cryojax", call, 2 * POINT[:2] - ours, FORWARD, 1e-3)


def _units() -> Iterator[Row]:
    what, case, volume = "sum of a projection / sum of the volume", f"64^3 at {SIZE} Å", particle.blobs()
    ours = particle.ours(volume, TURNED).sum() / volume.sum()
    for package, image in _handed_over(volume, TURNED):
        theirs = image.sum() / volume.sum()
        yield Row(what, case, ours, theirs, package, CALLED[package], SCALE[package], UNIT[package], 1e-3)


def _images(what: str, case: str, shown: Shown) -> Iterator[Row]:
    volume = particle.blobs()
    ours = particle.ours(volume, shown)
    unit = np.sqrt(np.square(ours).mean())
    for package, image in _handed_over(volume, shown):
        theirs = image / SCALE[package] * (1 if shown.ctf is None else -1)
        call = f"{CALLED[package]}; {BACK[package]}{'' if shown.ctf is None else ', negated'}"
        yield Row(what, case, ours / unit, theirs / unit, package, call, tolerance=2e-3)


def _handed_over(volume: Values, shown: Shown) -> Iterator[tuple[str, Values]]:
    yield "cryojax", particle.in_cryojax(volume, shown, **EXACT)
    yield "aspire", particle.in_aspire(volume, shown)


def _ctfs() -> Iterator[Row]:
    side = 65  # at the Nyquist frequency of even ones either sign of astigmatism will do
    x, y = np.fft.rfftfreq(side, SIZE)[None], np.fft.fftfreq(side, SIZE)[:, None]
    for words, changes in ((WORDS, {}), ("phase shift 90°", {"phase_shift": 90.0}), ("200 kV", {"voltage": 200.0})):
        parameters = TYPICAL | changes
        ours, case = particle.our_ctf(parameters, side).numpy(), f"{side} x {side} at {SIZE} Å: {words}"
        by = wavelength_by(OLDER, parameters["voltage"])
        theirs, predicted = _cryojax_ctf(parameters, side), -relion_ctf(x, y, wavelength=by, **parameters)
        call = "`AstigmaticCTF`: mean of U and V, U - V, 90° - angle"
        yield Row("the whole filter", case, ours, theirs, "cryojax", call, predicted, MINUS_OLDER)
    mirrored = TYPICAL | {"defocus_angle": 90.0 - TYPICAL["defocus_angle"]}
    theirs, by = _cryojax_ctf(mirrored, side), wavelength_by(OLDER, TYPICAL["voltage"])
    predicted = -relion_ctf(x, y, wavelength=by, **mirrored)
    ours, case = particle.our_ctf(TYPICAL, side).numpy(), f"{side} x {side} at {SIZE} Å: {WORDS}"
    call = "`AstigmaticCTF`: the angle as it stands"
    yield Row(
        "the whole filter", case, ours, theirs, "cryojax", "`AstigmaticCTF`: the angle as it stands", predicted, FROM_Y
    )


def _cryojax_ctf(parameters: dict[str, float], side: int) -> Values:
    transfer, pixels = particle.transfer_of_cryojax(parameters), particle.config(parameters, side)
    grid, wavelength = pixels.get_frequency_grid(), pixels.wavelength_in_angstroms
    return np.asarray(transfer.ctf(grid, wavelength, transfer.amplitude_contrast_ratio, transfer.phase_shift))


def _interpolated() -> Iterator[Row]:
    """Its default, whose error grows towards the rim of the box: a linear interpolation of what is not padded."""
    volume = particle.blobs()
    ours = particle.ours(volume, TURNED)
    unit = np.sqrt(np.square(ours).mean())
    theirs, predicted = particle.in_cryojax(volume, TURNED) / SIZE, _by_linear_interpolation(volume)
    why = "a linear interpolation of the transform of volume / sinc^2, not padded; after division by the pixel size"
    case, call = f"64^3, {ANGLES}", "angles negated, its defaults `interp='linear', pad_scale=1`"
    yield Row("projection", case, ours / unit, theirs / unit, "cryojax", call, predicted / unit, why, 1e-3)
    axis = np.arange(SIDE) - SIDE // 2
    for words, within in (("", 1.0), (" within 0.3 n of the centre", 0.3)):
        disc = np.hypot(axis[:, None], axis) <= within * SIDE
        what, error = f"error of a projection{words}, relative, rms", _error(theirs, ours, disc)
        yield Row(what, case, 0.0, error, "cryojax", call, _error(predicted, ours, disc), why, 1e-4, digits=2)


def _error(image: Values, exact: Values, weights: Any) -> float:
    return float(np.sqrt((weights * np.square(image - exact)).sum() / (weights * np.square(exact)).sum()))


def _by_linear_interpolation(volume: Values) -> Values:
    n = len(volume)
    blur = np.sinc((np.arange(n) - n // 2) / n) ** 2
    sharpened = volume / (blur * blur[:, None] * blur[:, None, None])
    spectrum = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(sharpened)))
    k = np.fft.fftfreq(n)
    to_x, to_y = matrix_of(*TURNED.angles)[:2]
    places = to_x[:, None, None] * k + to_y[:, None, None] * k[:, None]
    taps = places[::-1] * n + n // 2
    parts = [ndimage.map_coordinates(part, taps, order=1, mode="grid-wrap") for part in (spectrum.real, spectrum.imag)]
    inside = (np.abs(places) <= 0.5).all(0)
    return np.fft.fftshift(np.fft.ifft2(inside * (parts[0] + 1j * parts[1]))).real


def _noise() -> Iterator[Row]:
    what, case = "white noise: its correlation with itself turned by 180° about pixel (0, 0)", "64 x 64"
    voxels = cxs.FourierVoxelGridVolume.from_real_voxel_grid(particle.blobs())
    model = cxs.make_image_model(voxels, particle.config(), cxs.EulerAnglePose())
    theirs = np.asarray(cxs.GaussianWhiteNoiseModel(model).compute_noise(jax.random.key(0)))
    ours = AddNoise(std=1.0, seed=0)(torch.zeros(SIDE, SIDE)).numpy()
    call = "`GaussianWhiteNoiseModel.compute_noise`"
    why = "draws real Fourier coefficients, whose images are their own reflections"
    yield Row(what, case, _reflected(ours), _reflected(theirs), "cryojax", call, 1.0, why, 1e-6, digits=2)


def _reflected(image: Values) -> float:
    return float(np.corrcoef(image.ravel(), np.roll(image[::-1, ::-1], 1, (0, 1)).ravel())[0, 1])


def _place(image: Values) -> Values:
    """Where a blob is, `(x, y)` from the centre."""
    weights = np.square(image)
    axis = np.arange(len(image)) - len(image) // 2
    return np.array([weights.sum(0) @ axis, weights.sum(1) @ axis]) / weights.sum()
