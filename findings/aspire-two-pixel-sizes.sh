#!/usr/bin/env bash
# ASPIRE's RelionSource on a table with two optics groups of unlike pixel sizes.
#
# Versions:  aspire 0.14.3, mrcfile 1.5.4.
# Valid use: a STAR file of RELION 3.1, which has a pixel size for each optics group: two sessions, joined as RELION
#            joins them. Boxes are of one size. Origins are in Å.
# Expected:  offsets in pixels: those of each particle's own optics group; or an error, or a warning.
# Seen:      the first group's pixel size is taken for all particles: an origin of 6 Å is 4 pixels in both groups, of
#            1.5 Å and of 2 Å, where the second one is 3. The source's one pixel_size is that of the first group, too,
#            which every CTF is drawn with.
# For users: write a table for each pixel size, or bring all images to one
#            (perc_transforms.FourierCrop(pixel_size=...)).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check aspire==0.14.3 mrcfile==1.5.4
cd "$folder"

cat > particles.star <<'STAR'
data_optics

loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
_rlnVoltage #3
_rlnSphericalAberration #4
_rlnAmplitudeContrast #5
_rlnImagePixelSize #6
_rlnImageSize #7
1 one 300 2.7 0.1 1.5 16
2 two 300 2.7 0.1 2.0 16

data_particles

loop_
_rlnImageName #1
_rlnOpticsGroup #2
_rlnDefocusU #3
_rlnDefocusV #4
_rlnDefocusAngle #5
_rlnOriginXAngst #6
_rlnOriginYAngst #7
000001@stack.mrcs 1 15000 14500 30 6 0
000002@stack.mrcs 2 15000 14500 30 6 0
STAR

cat > seen.py <<'PYTHON'
import mrcfile
import numpy as np
from aspire.source import RelionSource

with mrcfile.new("stack.mrcs") as file:
    file.set_data(np.random.default_rng(0).normal(size=(2, 16, 16)).astype(np.float32))
    file.set_image_stack()
source = RelionSource("particles.star", data_folder=".")
print(f"pixel size {source.pixel_size}, offsets {source.offsets.tolist()}")
np.testing.assert_allclose(source.pixel_size, 1.5)
np.testing.assert_allclose(source.offsets, [[4, 0], [4, 0]], err_msg="no longer so")
PYTHON
ASPIREDIR="$folder" "$folder/venv/bin/python" seen.py
