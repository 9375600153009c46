"""cryoJAX: a model of images, of poses and defoci that are drawn, compiled for batches; white noise added.

Ways are named for the interpolation of slices and for the padding of the volume: "linear 1" is its default.
"""

import functools
import itertools
import sys

import cryojax.simulator as cxs
import equinox as eqx
import jax
import numpy as np
from answering import answer
from cryojax.rotations import SO3

BATCH = 32
"""The fastest of 1 to 256 images at once."""
path, pixel_size, count, _ = sys.argv[1:]
volume, rows = np.load(path), int(count)
config = cxs.BasicImageConfig(volume.shape[1:], float(pixel_size), 300.0, precompute_mode="rfft")


def image(key, voxels, pixels):
    """One image, of a key."""
    of_pose, of_shift, of_defocus, of_noise = jax.random.split(key, 4)
    shift = jax.random.uniform(of_shift, (2,), minval=-5.0, maxval=5.0)
    pose = cxs.QuaternionPose.from_rotation_and_translation(SO3.sample_uniform(of_pose), shift)
    optics = cxs.AstigmaticCTF(jax.random.uniform(of_defocus, (), minval=5000.0, maxval=25000.0))
    model = cxs.make_image_model(voxels, pixels, pose, cxs.ContrastTransferTheory(optics))
    return cxs.GaussianWhiteNoiseModel(model, variance=1e4).sample(of_noise)


@eqx.filter_jit
def batch(keys, voxels, pixels):
    """Images of some keys."""
    return eqx.filter_vmap(image, in_axes=(0, None, None))(keys, voxels, pixels)


def made(voxels) -> int:
    """A pass."""
    found = 0
    for seed in itertools.islice(seeds, rows // BATCH):
        images = np.asarray(batch(jax.random.split(jax.random.key(seed), BATCH), voxels, config))
        found += len(images)
    assert images.shape == (BATCH, *volume.shape[1:])
    assert images.dtype == np.float32
    return found


seeds = itertools.count()
ways = {}
for interpolation, padding in (("linear", 1), ("linear", 1.5), ("linear", 2), ("cubic", 1)):
    grid = cxs.FourierVoxelGridVolume.from_real_voxel_grid(volume, interp=interpolation, pad_scale=float(padding))
    ways[f"{interpolation} {padding}"] = functools.partial(made, grid)
answer(ways)
