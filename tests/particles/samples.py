"""Made particles: a dataset with every column that a particle may have."""

import numpy as np
from datasets import Dataset, Features, List, Value

from builders import EMImage

CTF = (
    "defocus_u",
    "defocus_v",
    "defocus_angle",
    "voltage",
    "spherical_aberration",
    "amplitude_contrast",
    "phase_shift",
)
POSE = ("rot", "tilt", "psi", "shift_x", "shift_y")
SINGLE, WHOLE, TEXT = Value("float32"), Value("int64"), Value("string")
FEATURES = {
    "image": EMImage(),
    "pixel_size": SINGLE,
    "path": TEXT,
    "index": WHOLE,
    "ctf": dict.fromkeys(CTF, SINGLE),
    "pose": dict.fromkeys(POSE, SINGLE),
    "micrograph": TEXT,
    "coordinate_x": SINGLE,
    "coordinate_y": SINGLE,
    "optics_group": WHOLE,
    "half_set": WHOLE,
    "class_number": WHOLE,
    "rlnLogLikeliContribution": Value("float64"),
    "uid": WHOLE,
    "rlnOriginX": SINGLE,
    "rlnAngleRot": SINGLE,
    "label": TEXT,
    "picks": List(WHOLE),
    "ctf/bfactor": SINGLE,
    "ctf/tilt_A": List(SINGLE),
    "location/micrograph_shape": List(WHOLE),
    "location/micrograph_uid": WHOLE,
    "blob/sign": SINGLE,
    "blob/path": TEXT,
}


def rows(count=12, size=8, seed=0):
    """Rows of two optics groups; micrographs of three names; numbers that take all digits of single precision."""
    rng = np.random.default_rng(seed)

    def single(low, high):
        return float(np.float32(rng.uniform(low, high)))

    for index in range(count):
        group = 1 + index % 2
        yield {
            "image": rng.normal(0, 1, (size, size)).astype(np.float32),
            "pixel_size": 1.5,
            "path": "p.mrcs",
            "index": index,
            "ctf": {
                **{"defocus_u": single(5e3, 3e4), "defocus_v": single(5e3, 3e4), "defocus_angle": single(0, 180)},
                **{"voltage": 300.0 if group == 1 else 200.0, "spherical_aberration": 2.7},
                **{"amplitude_contrast": float(np.float32(0.1)), "phase_shift": single(0, 90)},
            },
            "pose": {
                **{"rot": single(-180, 180), "tilt": single(0, 180), "psi": single(-180, 180)},
                **{"shift_x": single(-9, 9), "shift_y": single(-1e-7, 1e-7)},
            },
            "micrograph": f"m{index % 3}.mrc",
            "coordinate_x": single(0, 4096),
            "coordinate_y": single(0, 4096),
            "optics_group": group,
            "half_set": 1 + index // 2 % 2,
            "class_number": 1 + index % 4,
            "rlnLogLikeliContribution": rng.uniform(1e5, 1e6),
            "uid": int(rng.integers(-(2**63), 2**63 - 1)),
        }


def dataset(made=None, **changes):
    """The rows as a map-style dataset, with changes of whole columns: a list, or None to leave one out."""
    made = [dict(row) for row in (rows() if made is None else made)]
    for name, values in changes.items():
        for row, value in zip(made, values or made, strict=True):
            if values is None:
                del row[name]
            else:
                row[name] = value
    features = {name: FEATURES[name] for name in made[0]}
    return Dataset.from_list(made, features=Features(features))
