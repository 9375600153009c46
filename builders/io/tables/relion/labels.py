"""RELION's labels: which are read, and as what."""

import pyarrow as pa

from builders.io.tables.particle_table import NAME
from builders.io.tables.star import NUMBER, TEXT

IMAGE = "rlnImageName"
MICROGRAPH = "rlnMicrographName"
GROUP = "rlnOpticsGroup"
CTF = {
    "defocus_u": "rlnDefocusU",
    "defocus_v": "rlnDefocusV",
    "defocus_angle": "rlnDefocusAngle",
    "voltage": "rlnVoltage",
    "spherical_aberration": "rlnSphericalAberration",
    "amplitude_contrast": "rlnAmplitudeContrast",
    "phase_shift": "rlnPhaseShift",
}
ANGLES = {"rot": "rlnAngleRot", "tilt": "rlnAngleTilt", "psi": "rlnAnglePsi"}
SHIFTS = {"shift_x": ("rlnOriginXAngst", "rlnOriginX"), "shift_y": ("rlnOriginYAngst", "rlnOriginY")}
"""In Å, since RELION 3.1, and in pixels of the image, before."""
IMAGE_SIZE, HALF_SET, CLASS = "rlnImageSize", "rlnRandomSubset", "rlnClassNumber"
COORDINATES = {"coordinate_x": "rlnCoordinateX", "coordinate_y": "rlnCoordinateY"}
IMAGE_PIXELS = ("rlnImagePixelSize", "rlnPixelSize")
DETECTOR, MAGNIFICATION = "rlnDetectorPixelSize", "rlnMagnification"
"""µm, and how many times; RELION 3.0 has these in place of Å per pixel."""
MICROGRAPH_PIXELS = "rlnMicrographPixelSize"
ORIGINAL_PIXELS, BINNING = "rlnMicrographOriginalPixelSize", "rlnMicrographBinning"

TOMOGRAM, VISIBLE = "rlnTomoName", "rlnTomoVisibleFrames"
ARE_STACKS, PREMULTIPLIED = "rlnTomoSubTomosAre2DStacks", "rlnCtfDataAreCtfPremultiplied"
CENTRED = tuple(f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ")
"""Å from the tomogram's centre."""
ORIGINS = tuple(f"rlnOrigin{axis}Angst" for axis in "XYZ")
TURNS = tuple(f"rlnTomoSubtomogram{angle}" for angle in ("Rot", "Tilt", "Psi"))
"""Of the frame in which a particle's own angles and origin are."""

INTEGERS = frozenset((GROUP, IMAGE_SIZE, HALF_SET, CLASS))
_NUMBERS = frozenset(
    (
        *CTF.values(),
        *ANGLES.values(),
        *(label for labels in SHIFTS.values() for label in labels),
        *COORDINATES.values(),
        *IMAGE_PIXELS,
        *(DETECTOR, MAGNIFICATION, MICROGRAPH_PIXELS, ORIGINAL_PIXELS, BINNING),
        *(ARE_STACKS, PREMULTIPLIED, *CENTRED, *ORIGINS, *TURNS),
    )
)
KNOWN: dict[str, pa.DataType] = {
    IMAGE: TEXT,
    MICROGRAPH: NAME,
    TOMOGRAM: NAME,
    VISIBLE: TEXT,
    **dict.fromkeys(sorted(_NUMBERS | INTEGERS), NUMBER),
}
_TEXTS = ("Name", "File", "Path", "Image", "Coordinates")
"""How labels end that RELION has for text, such as rlnTomoName, rlnGroupName and rlnCtfImage."""


def is_text(label: str) -> bool:
    """Whether a label's values are text whatever they look like: `007` and `2401` are names of tomograms."""
    return label.endswith(_TEXTS)
