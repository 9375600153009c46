#!/usr/bin/env bash
# cryoJAX's GaussianWhiteNoiseModel (and GaussianColoredNoiseModel): noise that is its own mirror image.
#
# Versions:  cryojax 0.6.0, jax 0.10.2.
# Valid use: `GaussianWhiteNoiseModel(image_model, variance=4.0).compute_noise(key)`, or `.sample(key)`, which adds it
#            to the image: its documentation says "each pixel is independently drawn".
# Expected:  pixels that have nothing to do with each other.
# Seen:      pixel (y, x) equals pixel (-y, -x): Fourier coefficients are drawn real, and the image of real ones is
#            even. The variance is as asked, and no power spectrum shows it. Half of an image's noise tells the other
#            half, which a network may learn; the mean is always 0.
# For users: add `jax.random.normal` to `image_model.simulate()`, or let `load_dataset("synthetic")` make the images.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check cryojax==0.6.0 jax==0.10.2
cd "$folder"

cat > seen.py <<'PYTHON'
import cryojax.simulator as cxs
import jax
import numpy as np

volume = cxs.FourierVoxelGridVolume.from_real_voxel_grid(np.zeros((64, 64, 64), np.float32))
model = cxs.make_image_model(volume, cxs.BasicImageConfig((64, 64), 1.5), cxs.EulerAnglePose())
noise = np.asarray(cxs.GaussianWhiteNoiseModel(model, variance=4.0).compute_noise(jax.random.key(0)))
mirrored = np.roll(noise[::-1, ::-1], 1, (0, 1))
print(f"variance {noise.var():.2f}, correlation with its mirror image {np.corrcoef(noise.ravel(), mirrored.ravel())[0, 1]:.6f}")
np.testing.assert_allclose(noise, mirrored, atol=1e-4, err_msg="no longer so")
PYTHON
JAX_PLATFORMS=cpu "$folder/venv/bin/python" seen.py
