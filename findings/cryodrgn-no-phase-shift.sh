#!/usr/bin/env bash
# `cryodrgn parse_ctf_star` on an ordinary table of RELION, of a microscope without a phase plate.
#
# Versions:  cryodrgn 4.3.1, torch 2.13.0.
# Valid use: a STAR file of RELION 3.1 whose particles have no rlnPhaseShift, which RELION writes for phase plates only.
# Expected:  no phase shift is a phase shift of 0, as for RELION, whose default it is.
# Seen:      the column of phase shifts in the output is NaN for every particle, without a word: the command ends well,
#            and the CTF of those values is NaN at every frequency.
# For users: `--ps 0` on the command line gives 0. Who writes tables for others writes rlnPhaseShift always:
#            `builders.particles.write` does.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check cryodrgn==4.3.1 torch==2.13.0
cd "$folder"

cat > particles.star <<'STAR'
data_optics

loop_
_rlnOpticsGroup #1
_rlnVoltage #2
_rlnSphericalAberration #3
_rlnAmplitudeContrast #4
_rlnImagePixelSize #5
_rlnImageSize #6
1 300 2.7 0.1 1.5 64

data_particles

loop_
_rlnImageName #1
_rlnOpticsGroup #2
_rlnDefocusU #3
_rlnDefocusV #4
_rlnDefocusAngle #5
000001@stack.mrcs 1 15000 14500 30
000002@stack.mrcs 1 12000 11900 75
STAR
"$folder/venv/bin/cryodrgn" parse_ctf_star particles.star -o ctf.pkl > /dev/null 2>&1
"$folder/venv/bin/cryodrgn" parse_ctf_star particles.star -o zero.pkl --ps 0 > /dev/null 2>&1

cat > seen.py <<'PYTHON'
import pickle

import numpy as np
import torch
from cryodrgn import ctf

with open("ctf.pkl", "rb") as file:
    values = pickle.load(file)
with open("zero.pkl", "rb") as file:
    zero = pickle.load(file)
frequency = torch.tensor([[0.05, 0.0]])
filters = [ctf.compute_ctf(frequency, *torch.tensor(one[0, 2:])).item() for one in (values, zero)]
print(f"phase shifts {values[:, 8].tolist()}; with --ps 0 {zero[:, 8].tolist()}; CTF at 1/20 Å: {filters}")
assert np.isnan(values[:, 8]).all(), f"no longer so: {values[:, 8]}"
assert np.isfinite(values[:, :8]).all()
assert np.isnan(filters[0])
assert np.isfinite(filters[1])
PYTHON
"$folder/venv/bin/python" seen.py
