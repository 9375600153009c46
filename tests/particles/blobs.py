"""Made particles: images of Gaussian blobs at known poses, by formulas of their own."""

import numpy as np
from scipy.spatial.transform import Rotation

from builders.io import mrc

PLACES = np.array([(7, 2, -3), (-5, 6, 1), (0, -8, 4), (3, 3, 9), (-6, -4, -7), (9, -6, 4), (-2, 1, -1)], float)
WEIGHTS = np.array([3.0, 2.0, 2.5, 1.5, 2.0, 1.0, 3.0])
"""Blobs, in voxels from n // 2 of a box of 32: no symmetry, and one hand only."""
SIGMA = 1.6


def volume(n=32):
    """The blobs as a map `(z, y, x)`."""
    axis = np.arange(n) - n // 2
    x, y, z = (np.exp(-0.5 * (axis - PLACES[:, [k]]) ** 2 / SIGMA**2) for k in range(3))
    return np.einsum("b,bz,by,bx->zyx", WEIGHTS, z, y, x).astype(np.float32)


def projection(a, n, shift=(0.0, 0.0), step=1.0):
    """The integral along z of the blobs turned by A: blob p at (A p)[:2] + shift, in pixels of `step` voxels."""
    axis = np.arange(n) - n // 2
    places = PLACES @ a.T / step + np.append(shift, 0.0)
    x, y = (np.exp(-0.5 * ((axis - places[:, [k]]) * step / SIGMA) ** 2) for k in range(2))
    return np.einsum("b,by,bx->yx", WEIGHTS * np.sqrt(2 * np.pi) * SIGMA, y, x)


def matrix(rot, tilt, psi):
    """RELION's A, as FACTS has it of scipy."""
    return Rotation.from_euler("ZYZ", [rot, tilt, psi], degrees=True).as_matrix().T


def contrast_transfer(n, pixel_size, *, defocus_u, defocus_v, defocus_angle, voltage, spherical_aberration, **more):
    """RELION's formula on the full grid of fft2."""
    volts = voltage * 1e3
    wavelength = 12.2643247 / np.sqrt(volts * (1 + 0.978466e-6 * volts))
    k = np.fft.fftfreq(n, pixel_size)
    ky, kx = k[:, None], k[None]
    square, angle = kx**2 + ky**2, np.arctan2(ky, kx)
    spread = (defocus_u - defocus_v) * np.cos(2 * (angle - np.radians(defocus_angle)))
    defocus = 0.5 * (defocus_u + defocus_v + spread)
    q = more["amplitude_contrast"]
    phase = -np.pi * wavelength * defocus * square + np.pi / 2 * spherical_aberration * 1e7 * wavelength**3 * square**2
    return -np.sin(phase - np.radians(more["phase_shift"]) - np.arctan(q / np.sqrt(1 - q * q)))


def rows(count=120, n=32, pixel_size=2.0, snr=0.2, seed=0, filtered=None, shifts=3.0, step=1.0, has_ctf=True):
    """Rows of a dataset of particles.

    Args:
        count: how many.
        n: pixels of a side.
        pixel_size: Å.
        snr: of signal over noise, variances.
        seed: of all that is drawn.
        filtered: what is multiplied with spectra besides the CTF, given its values; None: nothing.
        shifts: standard deviation of the shifts, pixels.
        step: voxels a pixel.
        has_ctf: whether the images show the CTF of their rows.
    """
    rng = np.random.default_rng(seed)
    for number in range(count):
        rot, tilt, psi = rng.uniform(-180, 180), np.degrees(np.arccos(rng.uniform(-1, 1))), rng.uniform(-180, 180)
        shift = rng.normal(0, shifts, 2)
        ctf = {
            **{"defocus_u": rng.uniform(9000, 16000), "defocus_angle": rng.uniform(0, 180), "voltage": 300.0},
            **{"spherical_aberration": 2.7, "amplitude_contrast": 0.1, "phase_shift": 0.0},
        }
        ctf["defocus_v"] = ctf["defocus_u"] - rng.uniform(1000, 2500)
        clean = projection(matrix(rot, tilt, psi), n, shift, step)
        transfer = contrast_transfer(n, pixel_size, **ctf) if has_ctf else np.ones((n, n))
        signal = np.fft.ifft2(np.fft.fft2(clean) * transfer).real
        noisy = signal + rng.normal(0, signal.std() / np.sqrt(snr), signal.shape)
        if filtered is not None:
            noisy = np.fft.ifft2(np.fft.fft2(noisy) * filtered(transfer)).real
        origin = -shift * pixel_size
        yield {
            **{"image": noisy.astype(np.float32), "pixel_size": pixel_size, "path": "a.mrcs", "index": number},
            "pose": {"rot": rot, "tilt": tilt, "psi": psi, "shift_x": origin[0], "shift_y": origin[1]},
            "ctf": ctf,
        }


def write_project(folder, rows):
    """A stack and RELION's table of it, by hand: returns the table's path."""
    rows = list(rows)
    folder.mkdir(parents=True, exist_ok=True)
    size = rows[0]["pixel_size"]
    mrc.write(folder / "stack.mrcs", np.stack([row["image"] for row in rows]), size, stack=True)
    lines = []
    for number, row in enumerate(rows, 1):
        pose, ctf = row["pose"], row["ctf"]
        angles = [pose[name] for name in ("rot", "tilt", "psi", "shift_x", "shift_y")]
        defocus = [ctf[name] for name in ("defocus_u", "defocus_v", "defocus_angle", "phase_shift")]
        values = " ".join(f"{value:.9g}" for value in (*angles, *defocus))
        lines.append(f"{number:06d}@stack.mrcs micrograph.mrc {values} 1")
    names = ("ImageName", "MicrographName", "AngleRot", "AngleTilt", "AnglePsi", "OriginXAngst", "OriginYAngst")
    names += ("DefocusU", "DefocusV", "DefocusAngle", "PhaseShift", "OpticsGroup")
    optics = ("OpticsGroup", "ImagePixelSize", "ImageSize", "Voltage", "SphericalAberration", "AmplitudeContrast")
    text = [
        *("data_optics", "", "loop_", *(f"_rln{name}" for name in optics)),
        *(f"1 {size} {len(rows[0]['image'])} 300 2.7 0.1", "", "data_particles", ""),
        *("loop_", *(f"_rln{name}" for name in names), *lines, ""),
    ]
    table = folder / "particles.star"
    table.write_text("\n".join(text))
    return table
