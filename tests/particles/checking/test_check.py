"""The break is named, whichever convention is broken."""

import functools
import gzip

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from builders.errors import FormatError, NotFoundError, OptionError
from builders.io import mrc
from builders.particles import check
from tests.particles import blobs
from tests.server import serve


@functools.cache
def made(filtered=None, **options):
    """Particles as they should be, which nobody changes."""
    return list(blobs.rows(filtered={None: None, "flip": np.sign, "multiply": lambda c: c}[filtered], **options))


def broken(rows, image=None, pose=None, ctf=None):
    """Rows with another image, or of which another pose or CTF is stated."""
    changes = {"image": image, "pose": pose, "ctf": ctf}
    return [{**row, **{name: f(row[name]) for name, f in changes.items() if f is not None}} for row in rows]


def stating(**changes):
    """A change of a struct: new values by name, given the old ones."""
    return lambda struct: {**struct, **{name: change(struct) for name, change in changes.items()}}


inverse = stating(rot=lambda p: -p["psi"], tilt=lambda p: -p["tilt"], psi=lambda p: -p["rot"])
opposite = stating(shift_x=lambda p: -p["shift_x"], shift_y=lambda p: -p["shift_y"])
POSES = {
    "rotations inverse": inverse,
    "rot and psi swapped": stating(rot=lambda p: p["psi"], psi=lambda p: p["rot"]),
    "angles negated": stating(rot=lambda p: -p["rot"], tilt=lambda p: -p["tilt"], psi=lambda p: -p["psi"]),
    "shifts opposite": opposite,
    "shifts in pixels": stating(shift_x=lambda p: p["shift_x"] / 2.0, shift_y=lambda p: p["shift_y"] / 2.0),
    "shifts in Å": stating(shift_x=lambda p: p["shift_x"] * 2.0, shift_y=lambda p: p["shift_y"] * 2.0),
    "shifts x and y swapped": stating(shift_x=lambda p: p["shift_y"], shift_y=lambda p: p["shift_x"]),
}
CTFS = {
    "defocus negative": stating(defocus_u=lambda c: -c["defocus_u"], defocus_v=lambda c: -c["defocus_v"]),
    "defocus U and V swapped": stating(defocus_angle=lambda c: c["defocus_angle"] + 90),
    "defocus angle mirrored": stating(defocus_angle=lambda c: -c["defocus_angle"]),
    "defocus angle from y": stating(defocus_angle=lambda c: 90 - c["defocus_angle"]),
}


def test_what_is_as_stated_is_said_to_be():
    found = check(made(), blobs.volume())
    assert found.best.startswith("as stated")
    assert found.as_stated
    assert found.breaks == ()
    assert found.notes == ()
    assert found.images == 120
    assert next(iter(found.scores)) == "as stated"
    assert found.scores["as stated"] > 3 * found.scores["hand mirrored (z)"]
    assert list(found.scores.values()) == sorted(found.scores.values(), reverse=True)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("contrast inverted", {"image": np.negative}),
        ("images flipped in y", {"image": lambda x: np.roll(x[::-1], 1, 0)}),
        *((name, {"pose": change}) for name, change in POSES.items()),
        *((name, {"ctf": change}) for name, change in CTFS.items()),
        ("shifts opposite, contrast inverted", {"image": np.negative, "pose": opposite}),
        ("rotations inverse, defocus negative", {"pose": inverse, "ctf": CTFS["defocus negative"]}),
    ],
)
def test_the_break_is_named(name, changes):
    found = check(broken(made(), **changes), blobs.volume())
    assert ", ".join(found.breaks) == name
    assert found.best.startswith("not as stated: ")
    assert next(iter(found.scores)) == name
    assert not found.as_stated


@pytest.mark.parametrize(
    ("name", "made_so"),
    [
        ("CTF phase flipped", {"filtered": "flip"}),
        ("CTF premultiplied", {"filtered": "multiply"}),
        ("CTF absent", {"has_ctf": False}),
    ],
)
def test_images_that_were_filtered_are_told(name, made_so):
    assert check(made(**made_so), blobs.volume()).breaks == (name,)


@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_a_map_of_the_other_hand_is_told(axis):
    axes = {"z": 0, "y": 1, "x": 2}
    volume = np.roll(np.flip(blobs.volume(), axes[axis]), 1, axes[axis])
    assert check(made(), volume).breaks == (f"hand mirrored ({axis})",)


def test_of_centred_particles_no_shift_can_be_told():
    found = check(made(shifts=0.0), blobs.volume())
    assert found.as_stated
    assert "shifts opposite; shifts in pixels" in found.notes[0]


def test_what_is_the_same_is_not_told_apart():
    """At a pixel size of 1 Å, Å are pixels."""
    found = check(made(pixel_size=1.0), blobs.volume())
    assert found.as_stated
    assert "shifts in pixels" in found.notes[0]


def test_nothing_fits_what_does_not_belong_together():
    """Noise; poses of other particles; a round map."""
    noise = [{**row, "image": np.random.default_rng(k).normal(size=(32, 32))} for k, row in enumerate(made())]
    others = [{**row, "pose": other["pose"]} for row, other in zip(made(), made()[7:] + made()[:7], strict=True)]
    centred = made(shifts=0.0)
    exchanged = [{**a, "pose": b["pose"]} for a, b in zip(centred, centred[7:] + centred[:7], strict=True)]
    axis = np.arange(32) - 16
    ball = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2 < 50).astype(np.float32)
    for rows, volume in (
        (noise, blobs.volume()),
        (others, blobs.volume()),
        (exchanged, blobs.volume()),
        (made(), ball),
    ):
        found = check(rows, volume)
        assert found.best.startswith("nothing fits")
        assert found.breaks is None


def test_a_map_of_other_voxels_and_another_box_serves_as_well(tmp_path):
    """1.5 Å voxels in a box of 48, images of 2.0 Å in a box of 32; by its path, or as a tensor."""
    rows = made(step=2.0 / 1.5)
    mrc.write(tmp_path / "map.mrc", blobs.volume(48), 1.5)
    assert check(rows, tmp_path / "map.mrc").as_stated
    assert check(rows, torch.from_numpy(blobs.volume(48)), voxel_size=1.5).as_stated
    assert check(broken(rows, pose=opposite), str(tmp_path / "map.mrc")).breaks == ("shifts opposite",)
    with pytest.raises(OptionError, match="voxel_size is None: the volume, of 48 voxels a side, does not tell"):
        check(rows, blobs.volume(48))


def test_the_volume_need_be_no_cube_and_may_be_smaller():
    assert check(made(), blobs.volume()[4:28], voxel_size=2.0).as_stated
    assert check(made(), blobs.volume(24), voxel_size=2.0).as_stated


@pytest.mark.parametrize("kind", ["map-style", "torch", "stream"])
def test_datasets_are_checked_as_lists_are(kind):
    rows = broken(made(), pose=opposite)
    dataset = datasets.Dataset.from_list([{k: row[k] for k in ("image", "pixel_size", "pose", "ctf")} for row in rows])
    if kind == "torch":
        dataset = dataset.with_format("torch")
    if kind == "stream":
        dataset = dataset.to_iterable_dataset()
    found = check(dataset, blobs.volume(), images=100)
    assert found.breaks == ("shifts opposite",)
    assert found.images == 100


def test_rows_that_cannot_be_used_are_counted():
    rows = made()
    odd = [{**rows[0], "pose": None}, {**rows[1], "ctf": None}, {**rows[2], "pixel_size": 2.5}]
    odd += [{**rows[3], "image": np.zeros((32, 30))}, {**rows[4], "pixel_size": None}]
    found = check([*rows[10:], *odd], blobs.volume())
    assert found.as_stated
    assert found.images == 110
    assert [note.split(": ")[1] for note in found.notes] == [
        "no pixel size, or no square image of numbers",
        *("no pose", "no CTF", "another size of box or pixel"),
    ]
    with pytest.raises(
        FormatError, match=r"0 particles that can be checked: expected 8 or more; 5 of 5 rows .* no pose"
    ):
        check([{**row, "pose": None} for row in rows[:5]], blobs.volume())
    with pytest.raises(FormatError, match="0 particles"):
        check([], blobs.volume())


def test_without_a_ctf_images_are_compared_with_bare_projections():
    rows = [{**row, "ctf": None} for row in made(has_ctf=False)]
    assert check(rows, blobs.volume()).as_stated
    assert check(broken(rows, pose=opposite), blobs.volume()).breaks == ("shifts opposite",)


# without a volume


@pytest.mark.parametrize(
    ("breaks", "changes"),
    [
        ((), {}),
        (("contrast inverted",), {"image": np.negative}),
        (("shifts opposite",), {"pose": opposite}),
        (("shifts in Å",), {"pose": POSES["shifts in Å"]}),
    ],
)
def test_images_alone_tell_contrast_and_shifts(breaks, changes):
    rows = [{**row, "pose": {**row["pose"], "rot": None}} for row in made(count=240, shifts=5.0, snr=2.0)]
    found = check(broken(rows, **changes))
    assert found.breaks == breaks
    assert found.best.startswith("not as stated" if breaks else "as stated: as far as images alone tell")
    assert "the sign of the CTF cannot be told without a volume" in found.notes[0]


def test_of_noise_alone_nothing_is_told():
    noise = [{**row, "image": np.random.default_rng(k).normal(size=(32, 32))} for k, row in enumerate(made())]
    assert check(noise).best.startswith("nothing can be told")


# what is seen, and what is refused


def test_the_picture_shows_images_beside_their_projections(tmp_path):
    rows = broken(made(snr=20.0), pose=opposite)
    found = check(rows, blobs.volume())
    assert [title for title, _ in found._rows] == ["images", "as stated", "shifts opposite"]
    images, stated, best = (values.flatten(1) for _, values in found._rows)
    assert images.shape == (8, 32 * 32)
    near, far = (torch.cosine_similarity(images, other) for other in (best, stated))
    assert near.mean() > 0.9
    assert far.mean() < 0.6
    with Image.open(found.save(tmp_path / "check.png")) as picture:
        assert picture.size == (8 * (6 * 32 + 8) + 8, 3 * (6 * 32 + 40 + 8) + 8)


def test_emdbs_maps_are_fetched_by_their_number(tmp_path):
    folder = tmp_path / "structures" / "EMD-1234" / "map"
    folder.mkdir(parents=True)
    mrc.write(tmp_path / "map.mrc", blobs.volume(), 2.0)
    (folder / "emd_1234.map.gz").write_bytes(gzip.compress((tmp_path / "map.mrc").read_bytes()))
    assert check(made(), "EMD-1234", emdb=str(tmp_path)).as_stated
    with serve() as server:
        server.publish(tmp_path)
        assert check(made(), "emd-1234", emdb=server.url("")).as_stated
    with pytest.raises(NotFoundError, match=r"EMD-9999: no .*emd_9999\.map\.gz"):
        check(made(), "EMD-9999", emdb=str(tmp_path))


def test_what_is_no_volume_is_refused(tmp_path):
    for volume, error, said in (
        (np.zeros((8, 8), np.float32), FormatError, "an image of 2 axes: expected a volume"),
        (np.zeros((8, 8, 8), np.float32), FormatError, "values from 0.0 to 0.0"),
        (np.full((8, 8, 8), np.nan), FormatError, "values from nan"),
        (tmp_path / "none.mrc", NotFoundError, "none.mrc"),
    ):
        with pytest.raises(error, match=said):
            check(made(), volume)
    with pytest.raises(OptionError, match="a dict of 'train', 'test': expected one dataset"):
        check({"train": made(), "test": made()}, blobs.volume())
    with pytest.raises(OptionError, match="images is 3"):
        check(made(), blobs.volume(), images=3)
