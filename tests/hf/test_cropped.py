"""Images that are cropped in Fourier space when they are decoded, against the transform on whole ones."""

import json
import pickle

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, load_from_disk
from torch.utils.data import DataLoader

import perc_transforms as T
from builders import EMImage
from builders.errors import FormatError, OptionError
from tests.stacks.deposits import load, write

SHAPE = (4, 5)


def images(dtype="<f4", count=6, shape=(9, 12)):
    return (np.random.default_rng(0).normal(7, 20, (count, *shape))).astype(dtype)


def file_of(tmp_path, array):
    path = tmp_path / "x.raw"
    path.write_bytes(array.tobytes())
    size = array[0].nbytes
    told = {"path": str(path), "shape": list(array.shape[1:]), "dtype": array.dtype.str}
    return [told | {"offset": number * size} for number in range(len(array))]


def dataset(values, **options):
    return Dataset.from_dict({"image": values}, features=Features({"image": EMImage(shape=SHAPE, **options)}))


def cropped(array, dtype="float32"):
    kind = np.float64 if array.dtype == np.float64 else np.float32
    return T.FourierCrop(SHAPE, spatial_dims=2)(torch.from_numpy(array.astype(kind))).numpy().astype(dtype)


@pytest.mark.parametrize("inline", [False, True], ids=["file", "inline"])
@pytest.mark.parametrize("stored", ["<f4", ">f4", "<f2", "<f8", "|i1", ">u2"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", None])
def test_a_row_and_a_batch_are_cropped(tmp_path, stored, dtype, inline):
    array = images(stored) if np.dtype(stored).kind == "f" else images("<f4").astype("|i1").astype(stored)
    ds = dataset(list(array.astype(array.dtype.newbyteorder("="))) if inline else file_of(tmp_path, array), dtype=dtype)
    wanted = cropped(array, dtype or ("float64" if stored == "<f8" else "float32"))
    eps = 4e-3 if dtype == "float16" else 1e-5
    for row, image in zip(ds, wanted, strict=True):
        assert (row["image"].dtype, row["image"].shape) == (wanted.dtype, SHAPE)
        np.testing.assert_allclose(row["image"], image, rtol=eps, atol=eps * 20)
    batch = ds.with_transform(lambda batch: batch)[:]["image"]
    assert batch.dtype == wanted.dtype
    np.testing.assert_allclose(batch, wanted, rtol=eps, atol=eps * 20)
    np.testing.assert_allclose(ds.with_format("numpy")[:]["image"], wanted, rtol=eps, atol=eps * 20)
    batch = ds.with_format("torch")[[4, 1]]["image"]
    np.testing.assert_allclose(batch, wanted[[4, 1]], rtol=eps, atol=eps * 20)


def test_batches_of_workers_are_cropped(tmp_path):
    array = images()
    ds = dataset(file_of(tmp_path, array)).with_format("torch")
    loader = DataLoader(ds, batch_size=4, num_workers=1, multiprocessing_context="fork")
    np.testing.assert_allclose(torch.cat([batch["image"] for batch in loader]), cropped(array), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("format_type", [None, "torch", "numpy"])
def test_rows_and_batches_of_streams_are_cropped(tmp_path, format_type):
    stream = load(write(tmp_path / "mirror", "float32"), tmp_path, dtype="float32")
    whole = [row["image"] for row in stream]
    feature = EMImage(shape=(3, 2))
    stream = stream.cast_column("image", feature).with_format(format_type)
    wanted = [T.FourierCrop((3, 2), spatial_dims=2)(image) for image in whole]
    for row, image in zip(stream, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(row["image"]), image, rtol=1e-5, atol=1e-4)
    found = [np.asarray(image) for batch in stream.batch(4) for image in batch["image"]]
    np.testing.assert_allclose(np.stack(found), torch.stack(wanted), rtol=1e-5, atol=1e-4)


def test_volumes_are_cropped_along_all_axes():
    volume = np.random.default_rng(0).normal(size=(6, 7, 8)).astype("f4")
    feature = EMImage(shape=(3, 4, 5))
    found = feature.decode_example(feature.encode_example(volume))
    np.testing.assert_allclose(found, T.FourierCrop((3, 4, 5))(volume), rtol=1e-5, atol=1e-5)


def test_an_image_of_that_shape_is_what_it_was():
    image = images()[0]
    feature = EMImage(shape=image.shape)
    np.testing.assert_array_equal(feature.decode_example(feature.encode_example(image)), image)


def test_the_option_is_kept_and_what_was_saved_without_it_loads(tmp_path):
    ds = dataset(file_of(tmp_path, images()))
    ds.save_to_disk(tmp_path / "saved")
    again = load_from_disk(str(tmp_path / "saved"))
    assert again.features["image"] == EMImage(shape=SHAPE) == pickle.loads(pickle.dumps(EMImage(shape=SHAPE)))
    assert again[0]["image"].shape == SHAPE
    told = json.loads(json.dumps(Features({"image": EMImage(shape=SHAPE)}).to_dict()))
    assert Features.from_dict(told)["image"] == EMImage(shape=SHAPE)
    del told["image"]["shape"]
    assert Features.from_dict(told)["image"] == EMImage()
    assert EMImage()() == EMImage(shape=SHAPE)() == EMImage.pa_type


def test_what_cannot_be_cropped_is_told_with_its_name(tmp_path):
    small = file_of(tmp_path, images(shape=(9, 4)))
    for read in (lambda ds: ds[3], lambda ds: ds[:], lambda ds: ds.with_format("torch")[:]):
        with pytest.raises(FormatError, match=r"x\.raw: an image of shape \(9, 4\) is to be cropped to \(4, 5\)"):
            read(dataset(small))
    with pytest.raises(FormatError, match=r"x\.raw: complex pixels \(complex64\) are not cropped"):
        dataset(file_of(tmp_path, images("<c8")), dtype=None)[:]
    volume = {"image": [np.zeros((9, 9, 9), "f4")]}
    with pytest.raises(FormatError, match=r"an array of shape \(9, 9, 9\): expected 2 axes, as shape=\(4, 5\) has"):
        Dataset.from_dict(volume, features=Features({"image": EMImage(shape=SHAPE)}))[0]


@pytest.mark.parametrize("shape", [(4,), (4, 0), (4, 4.0), "44", 4, (4, True), (1, 2, 3, 4)])
def test_what_is_no_shape_is_refused(shape):
    with pytest.raises(OptionError, match="expected None or pixels along each axis"):
        EMImage(shape=shape)


@pytest.mark.parametrize("dtype", ["int16", "bool", "complex64"])
def test_cropped_images_are_floats(dtype):
    with pytest.raises(OptionError, match="expected a float, or None"):
        EMImage(shape=SHAPE, dtype=dtype)
