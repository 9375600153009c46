#!/usr/bin/env bash
# `cryodrgn parse_pose_csparc` on a particle that is not turned.
#
# Versions:  cryodrgn 4.3.1, torch 2.13.0.
# Valid use: a .cs file of CryoSPARC, whose alignments3D/pose is a rotation vector: (0, 0, 0) is the rotation by
#            nothing. Particles are there that a simulator made, or whose poses were reset.
# Expected:  the unit matrix, as `parse_pose_star` gives for rot = tilt = psi = 0.
# Seen:      nine NaN in the matrix of that particle, without a word: the vector is divided by its length, which is 0.
#            The other particles are as they should be, so that nothing is seen before a loss is NaN.
# For users: look for NaN in the output, or go through a STAR file.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check cryodrgn==4.3.1 torch==2.13.0
cd "$folder"

cat > made.py <<'PYTHON'
import numpy as np

fields = [("uid", "<u8"), ("blob/shape", "<u4", (2,)), ("blob/psize_A", "<f4")]
fields += [("alignments3D/pose", "<f4", (3,)), ("alignments3D/shift", "<f4", (2,))]
particles = np.zeros(2, fields)
particles["uid"] = 1, 2
particles["blob/shape"] = 64
particles["alignments3D/pose"][1] = 0.3, -0.2, 0.1
with open("particles.cs", "wb") as file:
    np.save(file, particles)
PYTHON
"$folder/venv/bin/python" made.py
"$folder/venv/bin/cryodrgn" parse_pose_csparc particles.cs -o pose.pkl > /dev/null 2>&1

cat > seen.py <<'PYTHON'
import pickle

import numpy as np

with open("pose.pkl", "rb") as file:
    rotations, _ = pickle.load(file)
print(f"unturned: {rotations[0].tolist()}; turned a little: {rotations[1].round(3).tolist()}")
assert np.isnan(rotations[0]).all(), f"no longer so: {rotations[0]}"
np.testing.assert_allclose(rotations[1] @ rotations[1].T, np.eye(3), atol=1e-6)
PYTHON
"$folder/venv/bin/python" seen.py
