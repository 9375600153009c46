#!/usr/bin/env bash
# copick-torch's MinimalCopickDataset on picks of a person.
#
# Versions:  copick-torch 1.2.1 (without its dependencies but those that the class imports), copick 1.31.0, zarr 2.18.7,
#            torch 2.13.0.
# Valid use: a copick project with one tomogram and one file of three picks, of a user in session 1, as those are that
#            people make in ChimeraX or napari.
# Expected:  three samples; or none, and a warning that picks of people are left out.
# Seen:      no samples, no warning and no error (a line of level INFO counts them): copick calls session "0" a tool's,
#            and the class takes tools' picks alone, of which its docstring has no word. Where tools have picked, too, a
#            person's are just missing.
# For users: copy the picks into session "0", and look at len(dataset).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    copick==1.31.0 zarr==2.18.7 numcodecs==0.15.2 s3fs==2026.9.0 torch==2.13.0 scipy tqdm
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps copick-torch==1.2.1
cd "$folder"

cat > seen.py <<'PYTHON'
import json
from pathlib import Path

import copick
import numpy as np
import zarr
from copick_torch.minimal_dataset import MinimalCopickDataset

run = Path("project/ExperimentRuns/TS_1")
tomogram = zarr.open_group(str(run / "VoxelSpacing10.000" / "wbp.zarr"), "w")
tomogram.create_dataset("0", data=np.zeros((32, 40, 48), np.float32), chunks=(16, 16, 16), dimension_separator="/")
points = [
    {"location": {"x": x, "y": 200.0, "z": 150.0}, "transformation_": np.eye(4).tolist(), "instance_id": 0}
    for x in (100.0, 200.0, 300.0)
]
(run / "Picks").mkdir()
known = [{"name": "ribosome", "is_particle": True, "label": 1, "radius": 50}]
config = {"config_type": "filesystem", "name": "three", "version": "1.31.0", "pickable_objects": known}
root = f"local://{Path('project').resolve()}"
Path("config.json").write_text(json.dumps(config | {"overlay_root": root}))

counts = {}
for session in ("0", "1"):
    picks = {"pickable_object_name": "ribosome", "user_id": "me", "session_id": session, "run_name": "TS_1"}
    path = run / "Picks" / f"me_{session}_ribosome.json"
    path.write_text(json.dumps(picks | {"unit": "angstrom", "points": points}))
    options = {"boxsize": (8, 8, 8), "voxel_spacing": 10.0, "preload": False}
    counts[session] = len(MinimalCopickDataset(copick.from_file("config.json"), **options))
    path.unlink()
print(f"samples: {counts['0']} of session 0, {counts['1']} of session 1")
assert counts == {"0": 3, "1": 0}, "no longer so"
PYTHON
"$folder/venv/bin/python" -W ignore seen.py
