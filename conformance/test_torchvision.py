"""torchvision's transforms inside our Compose, and ours inside torchvision's: what comes out, not only its shape."""

import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

import perc_transforms as T
from conformance.images import noise


def close(one, other):
    """Equal but for rounding."""
    torch.testing.assert_close(torch.as_tensor(one), torch.as_tensor(other), atol=1e-5, rtol=1e-5)


IMAGE = noise(32, 31).float()

WITH_A_CHANNEL = [
    (v2.RandomHorizontalFlip(1.0), lambda x: x.flip(-1)),
    (v2.RandomVerticalFlip(1.0), lambda x: x.flip(-2)),
    (v2.CenterCrop(8), lambda x: x[..., 12:20, 12:20]),  # round(23 / 2), to even
    (v2.Normalize([0.5], [2.0]), lambda x: (x - 0.5) / 2),
    (v2.RandomRotation((90, 90), expand=True), lambda x: x.rot90(1, (-2, -1))),
    (v2.Pad(2), lambda x: torch.nn.functional.pad(x, (2, 2, 2, 2))),
    (v2.Resize((16, 31), antialias=False), lambda x: (x[..., ::2, :] + x[..., 1::2, :]) / 2),
    (v2.GaussianBlur(9, 1.0), lambda x: T.GaussianBlur(1.0, spatial_dims=2)(x)),
    (v2.ToDtype(torch.float64), lambda x: x.double()),
]


@pytest.mark.parametrize(("theirs", "expected"), WITH_A_CHANNEL, ids=lambda case: type(case).__name__)
def test_theirs_inside_ours_behind_a_channel_axis(theirs, expected):
    """`ToTensor(channel=True)` adds the axis that they want; it and they come last."""
    normal = T.Normalize()(IMAGE)
    out = T.Compose([T.Normalize(), T.ToTensor(channel=True), theirs])(IMAGE)
    close(out, expected(normal[None]))


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        (v2.RandomHorizontalFlip(1.0), lambda x: x.flip(-1)),
        (v2.RandomVerticalFlip(1.0), lambda x: x.flip(-2)),
        (v2.CenterCrop(8), lambda x: x[..., 12:20, 12:20]),
        (v2.Lambda(torch.abs), torch.abs),
        (lambda x: x**2, torch.square),
    ],
)
def test_theirs_between_ours_on_images_without_a_channel(theirs, expected):
    """What works on `(ny, nx)` may stand anywhere."""
    close(T.Compose([T.Normalize(), theirs, T.MinMax()])(IMAGE), T.MinMax()(expected(T.Normalize()(IMAGE))))


def test_theirs_inside_ours_on_rows_and_batches_of_unequal_sizes():
    """Each image of a batch is given to them by itself."""
    images = [IMAGE, noise(12, 20, seed=1).float(), IMAGE + 1]
    chain = T.Compose([T.ToTensor(channel=True), v2.RandomHorizontalFlip(1.0)])
    batch = chain({"image": images, "pixel_size": [1.0, 2.0, None], "path": ["a", "b", "c"]})
    for image, out in zip(images, batch["image"], strict=True):
        close(out, image.flip(-1)[None])
    assert batch["pixel_size"][:2] == [1.0, 2.0]
    row = chain({"image": IMAGE, "pixel_size": 1.5, "path": "a"})
    close(row["image"], IMAGE.flip(-1)[None])
    assert (row["pixel_size"], row["path"]) == (1.5, "a")


def test_ours_inside_theirs_on_a_tensor():
    """Ours are callables of a tensor, as theirs are."""
    out = v2.Compose([T.Rescale(16), v2.RandomHorizontalFlip(1.0), T.Normalize()])(IMAGE)
    close(out, T.Normalize()(T.Rescale(16)(IMAGE).flip(-1)))


def test_ours_inside_theirs_on_a_row_keep_its_columns_true():
    """Theirs change the tensor of a dict, and leave the rest; ours update the pixel size."""
    row = v2.Compose([T.Rescale(16), v2.RandomHorizontalFlip(1.0)])({"image": IMAGE, "pixel_size": 1.5, "path": "a"})
    close(row["image"], T.Rescale(16)(IMAGE).flip(-1))
    assert (row["pixel_size"], row["path"]) == (3.0, "a")


@pytest.mark.parametrize("kind", [torch.as_tensor, tv_tensors.Image])
def test_ours_on_their_images_with_a_channel_axis_are_told_that_space_has_two_axes(kind):
    """Three axes are a volume unless `spatial_dims=2` says otherwise, for a `tv_tensors.Image` as for any tensor."""
    image = kind(IMAGE[None])
    out = v2.Compose([T.Rescale(16, spatial_dims=2), v2.RandomVerticalFlip(1.0)])(image)
    close(out, T.Rescale(16)(IMAGE).flip(-2)[None])
    assert T.Rescale(16)(image).shape == (16, 16, 16)


def test_ours_inside_theirs_on_a_stack_of_images():
    """A batch of torchvision's, `(N, C, H, W)`, is one image with leading axes."""
    stack = torch.stack([IMAGE, IMAGE + 1])[:, None]
    out = v2.Compose([T.Normalize(spatial_dims=2), v2.RandomHorizontalFlip(1.0)])(stack)
    close(out, torch.stack([T.Normalize()(IMAGE)] * 2)[:, None].flip(-1))


def test_random_choice_of_theirs_picks_among_ours():
    """Their containers take ours: RandomApply and RandomOrder too."""
    close(v2.RandomApply([T.MinMax()], p=1.0)(IMAGE), T.MinMax()(IMAGE))
    close(v2.RandomChoice([T.MinMax()])(IMAGE), T.MinMax()(IMAGE))
    close(v2.RandomOrder([T.MinMax()])(IMAGE), T.MinMax()(IMAGE))
