"""The microscope that rows are of, and what programs do otherwise with it: constants, and words for them."""

import math

TYPICAL = {
    "defocus_u": 15000.0,
    "defocus_v": 12000.0,
    "defocus_angle": 30.0,
    "voltage": 300.0,
    "spherical_aberration": 2.7,
    "amplitude_contrast": 0.1,
    "phase_shift": 0.0,
}
WORDS = "U 15000 Å, V 12000 Å, angle 30°, 300 kV, Cs 2.7 mm, Q0 0.1"
CODATA = (12.264259661581491, 0.9784755917869367e-6)
"""Constants of the wavelength by CODATA 2018 (as ASPIRE has them): Å V^(1/2), 1/V."""
OLDER = (12.2639, 0.97845e-6)
"""The same in ASPIRE's CTF and in cryoDRGN."""
MINUS = "the CTF is minus ours"
MINUS_OLDER = MINUS + ", with other constants: wavelength 12.2639 / sqrt(V (1 + 0.97845e-6 V))"
CODATA_WHY = "other constants: wavelength from h, m, e, c by CODATA"


def wavelength_by(constants: tuple[float, float], voltage: float) -> float:
    """Of electrons of so many kV, in Å, by constants in Å V^(1/2) and 1/V."""
    volts = voltage * 1e3
    return constants[0] / math.sqrt(volts * (1 + constants[1] * volts))
