"""The CTF: sign, units, the angle of astigmatism, and the wavelength of electrons."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
import torch_ctf
from aspire.operators import CTFFilter
from aspire.utils import voltage_to_wavelength
from cryodrgn.ctf import compute_ctf

from conformance.images import Values, axes, effective, response
from conformance.optics import CODATA, CODATA_WHY, MINUS, MINUS_OLDER, OLDER, TYPICAL, WORDS, wavelength_by
from conformance.references import relion_ctf, relion_wavelength
from conformance.table import Row
from perc_transforms import CTF, PhaseFlip
from perc_transforms.functional.fourier.ctf import electron_wavelength

SIZE = 1.5
CASES: tuple[tuple[str, dict[str, float]], ...] = (
    (WORDS, {}),
    ("U and V exchanged", {"defocus_u": 12000.0, "defocus_v": 15000.0}),
    ("overfocus: U = V = -10000 Å", {"defocus_u": -10000.0, "defocus_v": -10000.0}),
    ("phase shift 90°, U = V = 10000 Å", {"defocus_u": 10000.0, "defocus_v": 10000.0, "phase_shift": 90.0}),
    ("Q0 0.5, 200 kV, angle 100°", {"amplitude_contrast": 0.5, "voltage": 200.0, "defocus_angle": 100.0}),
)


def rows() -> Iterator[Row]:
    """Wavelength, value at DC, sign, angle, units, and whole filters."""
    yield from _wavelengths()
    yield from _contrast_at_dc()
    yield from _first_extremum()
    yield from _components()
    yield from _filters()
    yield from _signs()


def _ours(parameters: Mapping[str, float], *sizes: int, flip: bool = False) -> Values:
    transform = PhaseFlip(spatial_dims=2) if flip else CTF(spatial_dims=2)
    return response(transform, *sizes, pixel_size=SIZE, ctf=dict(parameters))


def _teamtomo(parameters: Mapping[str, float], *sizes: int) -> Values:
    """What torch-ctf's half filter does to real images."""
    u, v = parameters["defocus_u"], parameters["defocus_v"]
    same = {name: parameters[name] for name in ("voltage", "spherical_aberration", "amplitude_contrast", "phase_shift")}
    values = torch_ctf.calculate_ctf_2d(
        defocus=(u + v) / 2e4,
        astigmatism=(u - v) / 2e4,
        astigmatism_angle=parameters["defocus_angle"],
        pixel_size=SIZE,
        image_shape=sizes,
        rfft=True,
        fftshift=False,
        **same,
    )
    return effective(values, *sizes)


def _aspire(parameters: Mapping[str, float], n: int) -> Values:
    """ASPIRE's filter, the half of it that `rfftn` keeps."""
    return np.fft.ifftshift(_aspire_filter(parameters).evaluate_grid(n, pixel_size=SIZE))[:, : n // 2 + 1]


def _aspire_filter(parameters: Mapping[str, float]) -> Any:
    return CTFFilter(
        voltage=parameters["voltage"],
        defocus_u=parameters["defocus_u"],
        defocus_v=parameters["defocus_v"],
        defocus_ang=math.radians(parameters["defocus_angle"]),
        Cs=parameters["spherical_aberration"],
        alpha=parameters["amplitude_contrast"],
    )


def cryodrgn_ctf(x: Values, y: Values, **parameters: float) -> Values:
    """CryoDRGN's CTF at frequencies x, y in 1/Å."""
    freqs = torch.from_numpy(np.stack(np.broadcast_arrays(x, y), -1))
    names = ("defocus_u", "defocus_v", "defocus_angle", "voltage", "spherical_aberration", "amplitude_contrast")
    told = [torch.tensor(parameters[name], dtype=torch.float64) for name in (*names, "phase_shift")]
    return np.asarray(compute_ctf(freqs, *told), np.float64)


def _wavelengths() -> Iterator[Row]:
    what = "wavelength of electrons, Å"
    why = CODATA_WHY
    for voltage in (300.0, 200.0, 100.0):
        ours, predicted, case = electron_wavelength(voltage), wavelength_by(CODATA, voltage), f"{voltage:.0f} kV"
        yield Row(what, case, ours, relion_wavelength(voltage), "RELION", "`ctf.cpp`", tolerance=1e-12, digits=7)
        theirs = torch_ctf.calculate_relativistic_electron_wavelength(voltage * 1e3) * 1e10
        call = "`calculate_relativistic_electron_wavelength`"
        yield Row(what, case, ours, theirs, "torch-ctf", call, predicted, why, 1e-8, digits=7)
        theirs = voltage_to_wavelength(voltage)
        yield Row(what, case, ours, theirs, "aspire", "`voltage_to_wavelength`", predicted, why, 1e-10, digits=7)


def _contrast_at_dc() -> Iterator[Row]:
    for contrast in (0.0, 0.07, 0.1):
        parameters = {**TYPICAL, "amplitude_contrast": contrast}
        ours, case = _ours(parameters, 64, 64)[0, 0], f"Q0 {contrast}"
        theirs = _teamtomo(parameters, 64, 64)[0, 0]
        yield Row("CTF at DC", case, ours, theirs, "torch-ctf", "`calculate_ctf_2d`, defocus in µm")
        zero = np.zeros(())
        yield Row("CTF at DC", case, ours, relion_ctf(zero, zero, **parameters), "RELION", "`getCTF`")
        theirs = cryodrgn_ctf(zero, zero, **parameters)
        yield Row("CTF at DC", case, ours, theirs, "cryodrgn", "`compute_ctf`", -ours, MINUS)
        yield Row(
            "CTF at DC",
            case,
            ours,
            _aspire(parameters, 64)[0, 0],
            "aspire",
            "`CTFFilter`, angle in radians",
            -ours,
            MINUS,
        )


def _first_extremum() -> Iterator[Row]:
    """How bright a weak phase object is: the sign of the first lobe, of defocus of either sign."""
    what = "sign of the first lobe"
    for name, defocus in (("underfocus", 10000.0), ("overfocus", -10000.0)):
        parameters = {**TYPICAL, "defocus_u": defocus, "defocus_v": defocus, "amplitude_contrast": 0.0}
        case, shell = f"{name}: U = V = {defocus:.0f} Å, Q0 0", 4
        ours = np.sign(_ours(parameters, 64, 64)[0, shell])
        yield Row(
            what,
            case,
            ours,
            np.sign(_teamtomo(parameters, 64, 64)[0, shell]),
            "torch-ctf",
            "`calculate_ctf_2d`, defocus in µm",
        )
        theirs = np.sign(_aspire(parameters, 64)[0, shell])
        yield Row(what, case, ours, theirs, "aspire", "`CTFFilter`, angle in radians", -ours, MINUS)
    parameters = {**TYPICAL, "defocus_u": 10000.0, "defocus_v": 10000.0, "spherical_aberration": 0.0}
    parameters["amplitude_contrast"] = 0.0
    ours, theirs = (f(parameters, 512, 8)[:257, 0] for f in (_ours, _teamtomo))
    root = math.sqrt(1 / (10000.0 * relion_wavelength(300.0)))
    crossings = [int(np.flatnonzero(np.diff(np.sign(values[1:])))[0]) + 1 for values in (ours, theirs)]
    case = f"512 px at 1.5 Å, U = V = 10000 Å, Cs 0, Q0 0; theory: 1 / sqrt(lambda df) is {root * 512 * SIZE:.1f}"
    yield Row("shell before the first zero", case, *crossings, "torch-ctf", "`calculate_ctf_2d`, defocus in µm")


def _components() -> Iterator[Row]:
    """Single components (kx, ky), which tell where the angle starts and which way it runs."""
    places = ((8, 0), (0, 8), (8, 8), (8, -8))
    for angle in (0.0, 30.0, 90.0):
        parameters = {**TYPICAL, "defocus_angle": angle, "defocus_v": 5000.0}
        ours, theirs = (np.array([f(parameters, 64, 64)[y, x] for x, y in places]) for f in (_ours, _teamtomo))
        what = "CTF at shells (kx, ky) = (8, 0), (0, 8), (8, 8), (8, -8)"
        case = f"angle {angle:.0f}°, U 15000 Å, V 5000 Å"
        kx, ky = np.array(places).T / 64 / SIZE
        predicted = relion_ctf(kx, ky, wavelength=wavelength_by(CODATA, 300.0), **parameters)
        yield Row(
            what, case, ours, theirs, "torch-ctf", "`calculate_ctf_2d`, defocus in µm", predicted, CODATA_WHY, 1e-4
        )
        aspire = _aspire(parameters, 64)
        theirs = np.array([aspire[y, x] for x, y in places])
        predicted = -relion_ctf(kx, ky, wavelength=wavelength_by(OLDER, 300.0), **parameters)
        yield Row(what, case, ours, theirs, "aspire", "`CTFFilter`, angle in radians", predicted, MINUS_OLDER)


def _filters() -> Iterator[Row]:
    what = "the whole filter of a real image"
    for words, changes in CASES:
        for sizes in ((64, 64), (65, 65), (65, 48)) if not changes else ((64, 64),):
            yield from _filters_of({**TYPICAL, **changes}, sizes, what, f"{sizes[0]} x {sizes[1]} at 1.5 Å: {words}")


def _filters_of(parameters: dict[str, float], sizes: tuple[int, int], what: str, case: str) -> Iterator[Row]:
    ours, (x, y) = _ours(parameters, *sizes), axes(sizes, SIZE)
    positive = np.where(y == -0.5 / SIZE, -y, y)
    theirs = effective(relion_ctf(x, positive, **parameters), *sizes)
    yield Row(what, case, ours, theirs, "RELION", "`getCTF`", tolerance=1e-9)
    codata = wavelength_by(CODATA, parameters["voltage"])
    predicted = effective(relion_ctf(x, y, wavelength=codata, **parameters), *sizes)
    why = CODATA_WHY + "; float32"
    if sizes[0] % 2 == 0 and parameters["defocus_u"] != parameters["defocus_v"]:
        why += "; row ny / 2 is that of ky = -1/2 cycles a pixel, ours that of +1/2"
    if parameters["defocus_u"] < parameters["defocus_v"]:
        predicted = np.full_like(ours, math.nan)
        why = "NaN: takes the square root of (U - V) / 2"
    theirs = _teamtomo(parameters, *sizes)
    yield Row(what, case, ours, theirs, "torch-ctf", "`calculate_ctf_2d`, defocus in µm", predicted, why, 3e-4)
    theirs = effective(cryodrgn_ctf(x, positive, **parameters), *sizes)
    older = wavelength_by(OLDER, parameters["voltage"])
    predicted = -effective(relion_ctf(x, positive, wavelength=older, **parameters), *sizes)
    yield Row(what, case, ours, theirs, "cryodrgn", "`compute_ctf`", predicted, MINUS_OLDER)
    if sizes[0] == sizes[1] and sizes[0] % 2:
        theirs = _aspire(parameters, sizes[0])
        yield Row(
            what,
            case,
            ours,
            theirs,
            "aspire",
            "`CTFFilter`, angle in radians",
            predicted,
            MINUS_OLDER + "; float32",
            1e-4,
        )


def _signs() -> Iterator[Row]:
    ours = _ours(TYPICAL, 65, 65, flip=True)
    full = _aspire_filter(TYPICAL).sign.evaluate_grid(65, pixel_size=SIZE)
    theirs = np.fft.ifftshift(full)[:, :33]
    why = "the sign of the CTF, which is minus ours: bright particles become dark"
    case, what = f"65 x 65: {WORDS}", "share of components on which the phase flip agrees"
    yield Row(what, case, 1.0, (theirs == ours).mean(), "aspire", "`CTFFilter.sign`", 0.0, why, 1e-2)
