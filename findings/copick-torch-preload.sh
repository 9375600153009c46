#!/usr/bin/env bash
# copick-torch's MinimalCopickDataset as its defaults have it, on a project with three picks.
#
# Versions:  copick-torch 1.2.1 (without its dependencies but those that the class imports), copick 1.31.0, zarr 2.18.7,
#            torch 2.13.0.
# Valid use: a copick project with one tomogram and one file of three picks of a tool; preload=True, the default, which
#            is to hold the cubes in memory.
# Expected:  three samples, as with preload=False.
# Seen:      one sample. The list that cubes are put into is None: the first pick of a file is counted, the error that
#            follows goes to the log ("'NoneType' object has no attribute 'append'"), and the file's other picks are
#            left out. So a set has one sample for each file of picks.
# For users: preload=False, which reads cubes out of tomograms that are in memory; or look at len(dataset).
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
import logging
from pathlib import Path

import copick
import numpy as np
import zarr
from copick_torch.minimal_dataset import MinimalCopickDataset

logging.disable()
run = Path("project/ExperimentRuns/TS_1")
tomogram = zarr.open_group(str(run / "VoxelSpacing10.000" / "wbp.zarr"), "w")
tomogram.create_dataset("0", data=np.zeros((32, 40, 48), np.float32), chunks=(16, 16, 16), dimension_separator="/")
points = [
    {"location": {"x": x, "y": 200.0, "z": 150.0}, "transformation_": np.eye(4).tolist(), "instance_id": 0}
    for x in (100.0, 200.0, 300.0)
]
picks = {"pickable_object_name": "ribosome", "user_id": "tool", "session_id": "0", "run_name": "TS_1"}
(run / "Picks").mkdir()
(run / "Picks" / "tool_0_ribosome.json").write_text(json.dumps(picks | {"unit": "angstrom", "points": points}))
known = [{"name": "ribosome", "is_particle": True, "label": 1, "radius": 50}]
config = {"config_type": "filesystem", "name": "three", "version": "1.31.0", "pickable_objects": known}
root = f"local://{Path('project').resolve()}"
Path("config.json").write_text(json.dumps(config | {"overlay_root": root}))

counts = {}
for preload in (False, True):
    project = copick.from_file("config.json")
    options = {"boxsize": (8, 8, 8), "voxel_spacing": 10.0, "preload": preload}
    counts[preload] = len(MinimalCopickDataset(project, **options))
print(f"samples: {counts[False]} with preload=False, {counts[True]} with preload=True")
assert counts == {False: 3, True: 1}, "no longer so"
PYTHON
"$folder/venv/bin/python" -W ignore seen.py
