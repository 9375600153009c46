"""torchio's and MONAI's transforms inside our Compose, and ours inside theirs: what comes out, not only its shape."""

import monai.transforms as M
import pytest
import torch
import torchio as tio

import perc_transforms as T
from conformance.images import noise

VOLUME = noise(12, 13, 14).float()
IMAGE = noise(32, 31).float()


def close(one, other):
    """Equal but for rounding."""
    torch.testing.assert_close(torch.as_tensor(one), torch.as_tensor(other), atol=1e-5, rtol=1e-5)


def subject(volume=VOLUME):
    """A volume in the container of torchio: `(channel, z, y, x)` of ours are its `(channel, x, y, z)`."""
    return tio.Subject(image=tio.ScalarImage(tensor=volume[None]))


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        (tio.Flip(axes=(0,)), lambda v: v.flip(0)),
        (tio.Flip(axes=(2,)), lambda v: v.flip(2)),
        (tio.RescaleIntensity((0, 1)), lambda v: T.MinMax()(v)),
        (tio.Clamp(-1, 1), lambda v: v.clamp(-1, 1)),
        (tio.CropOrPad((8, 9, 10)), lambda v: v[2:10, 2:11, 2:12]),
        (tio.Pad(1), lambda v: torch.nn.functional.pad(v, (1,) * 6)),
        (tio.Lambda(torch.square), torch.square),
    ],
    ids=lambda case: type(case).__name__,
)
def test_torchios_inside_ours_behind_a_channel_axis(theirs, expected):
    """Their first spatial axis is our z."""
    close(T.Compose([T.Normalize(), T.ToTensor(channel=True), theirs])(VOLUME), expected(T.Normalize()(VOLUME))[None])


def test_torchios_between_ours():
    """A function that adds the channel axis and takes it off lets one stand anywhere."""
    flip = tio.Flip(axes=(1,))
    out = T.Compose([T.Rescale(8), lambda v: flip(v[None])[0], T.MinMax()])({"image": VOLUME, "pixel_size": 2.0})
    close(out["image"], T.MinMax()(T.Rescale(8)(VOLUME).flip(1)))
    assert out["pixel_size"] == 3.5


def test_ours_inside_torchios_compose_by_its_lambda():
    """Of a subject, `tio.Lambda` hands us the tensor of each image."""
    out = tio.Compose([tio.Lambda(T.Rescale(8)), tio.Flip(axes=(0,)), tio.Lambda(T.Normalize())])(subject())
    close(out.image.data, T.Normalize()(T.Rescale(8)(VOLUME).flip(0))[None])


def test_ours_inside_torchios_compose_on_tensors():
    """On a bare tensor, too; a channel axis is a leading axis to us, as three axes are space."""
    out = tio.Compose([tio.Lambda(T.GaussianBlur(1.0)), tio.Flip(axes=(2,))])(VOLUME[None])
    close(out, T.GaussianBlur(1.0)(VOLUME).flip(2)[None])


def test_each_channel_is_a_volume_of_its_own():
    """Statistics are those of each channel."""
    two = torch.stack([VOLUME, 5 * VOLUME + 3])
    out = tio.Compose([tio.Lambda(T.Normalize())])(tio.Subject(image=tio.ScalarImage(tensor=two))).image.data
    close(out, torch.stack([T.Normalize()(VOLUME)] * 2))


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        (M.Flip(spatial_axis=0), lambda x: x.flip(-2)),
        (M.ScaleIntensity(0.0, 1.0), lambda x: T.MinMax()(x)),
        (M.CenterSpatialCrop((8, 9)), lambda x: x[..., 12:20, 11:20]),
        (M.RandRotate90(prob=1.0, max_k=1), lambda x: x.rot90(1, (-2, -1))),
    ],
    ids=lambda case: type(case).__name__,
)
def test_monais_inside_ours_behind_a_channel_axis(theirs, expected):
    """MONAI wants the channel axis that `ToTensor(channel=True)` adds."""
    out = T.Compose([T.Normalize(), T.ToTensor(channel=True), theirs])(IMAGE)
    close(torch.as_tensor(out), expected(T.Normalize()(IMAGE))[None])


def test_ours_inside_monais_compose_on_a_row():
    """MONAI's dictionary transforms work on our rows."""
    row = M.Compose([T.Rescale(16), M.ScaleIntensityd("image")])({"image": IMAGE, "pixel_size": 1.5})
    close(torch.as_tensor(row["image"]), T.MinMax()(T.Rescale(16)(IMAGE)))
    assert row["pixel_size"] == 3.0
