"""Batches of particles as datasets gives them: structs as lists of dicts or as dicts of columns, with nulls."""

import math

import numpy as np
import pytest
import torch

import perc_transforms as T
from perc_transforms import TransformError
from tests.perc_transforms.catalogue import row

TRANSFORMS = {
    "PhaseFlip": T.PhaseFlip(),
    "CTF": T.CTF(),
    "WienerFilter": T.WienerFilter(constant=0.1),
    "RandomRotate": T.RandomRotate(),
    "RandomShift": T.RandomShift(2.0),
    "RandomFlip": T.RandomFlip(),
    "RandomRotate90": T.RandomRotate90(),
    "FourierCrop": T.FourierCrop(9),
    "CenterCrop": T.CenterCrop(8),
    "Compose": T.Compose([T.PhaseFlip(), T.RandomRotate(), T.RandomShift(1.0), T.CenterCrop(10), T.FourierCrop(8)]),
}


def rows():
    """Particles, of which some lack a pose, an angle, an origin, a phase shift or a coordinate."""
    made = [row(number, (14, 14)) for number in range(6)]
    made[1]["pose"] = None
    made[2]["pose"] = {**made[2]["pose"], "rot": None, "shift_x": None}
    made[3]["ctf"] = {**made[3]["ctf"], "phase_shift": None, "defocus_angle": None}
    made[4] |= {"coordinate_x": None, "micrograph": None}
    return made


def struct(values, make):
    names = next(value for value in values if value is not None)
    return {name: make([math.nan if v is None or v[name] is None else v[name] for v in values]) for name in names}


def batch(kind):
    columns = {name: [one[name] for one in rows()] for name in rows()[0]}
    if kind == "lists of dicts":
        return columns
    make = torch.tensor if kind == "tensors" else np.array
    columns |= {name: struct(columns[name], make) for name in ("pose", "ctf")}
    numbers = ("pixel_size", "coordinate_x", "coordinate_y", "index")
    columns |= {name: make([math.nan if v is None else v for v in columns[name]]) for name in numbers}
    return {**columns, "image": make(np.stack(columns["image"]))}


def flat(values):
    """Numbers of a column in whatever form, NaN for null."""
    if isinstance(values, dict):
        return {name: np.asarray(torch.as_tensor(v), np.float64) for name, v in values.items()}
    if any(isinstance(value, dict) for value in values):
        return struct(values, lambda v: np.array([float(x) for x in v]))
    return np.array([math.nan if value is None else float(value) for value in values])


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("kind", ["lists of dicts", "tensors", "arrays"])
def test_a_batch_in_any_form_is_its_rows_one_by_one(name, kind):
    transform = TRANSFORMS[name]
    alone = [transform(one) for one in rows()]
    together = transform(batch(kind))
    for number, one in enumerate(alone):
        torch.testing.assert_close(together["image"][number], one["image"], atol=1e-4, rtol=1e-4)
    for column in ("pixel_size", "coordinate_x", "coordinate_y", "pose", "ctf"):
        found, expected = flat(together[column]), flat([one[column] for one in alone])
        for part in expected if isinstance(expected, dict) else [...]:
            np.testing.assert_allclose(found[part], expected[part], rtol=1e-4, atol=1e-4, err_msg=str(part))
    assert type(together["pose"]) is (list if kind == "lists of dicts" else dict)


@pytest.mark.parametrize("kind", ["lists of dicts", "tensors", "arrays"])
def test_a_particle_without_a_ctf_is_told(kind):
    columns = batch(kind)
    if kind == "lists of dicts":
        columns["ctf"][2] = None
    else:
        for values in columns["ctf"].values():
            values[2] = math.nan
    with pytest.raises(TransformError, match="no defocus_u, voltage"):
        T.PhaseFlip()(columns)
