"""Columns that follow the image: a particle of blobs, drawn anew from the new columns, is the transformed image."""

import itertools
import logging
import math

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, Value
from hypothesis import given, settings
from hypothesis import strategies as st

import perc_transforms as T
from builders import EMImage
from perc_transforms.spatial import motion
from perc_transforms.spatial.cropping import CenterCrop, Pad, RandomCrop
from perc_transforms.spatial.euler import angles_of, matrix_of
from perc_transforms.spatial.orientation import RandomFlip, RandomRotate90
from perc_transforms.spatial.resampling import FourierCrop, FourierPad
from perc_transforms.spatial.rotation import RandomRotate
from perc_transforms.spatial.shifting import RandomShift

PIXEL_SIZE = 1.5
WIDTH = 6.0
"""Standard deviation of a blob, Å: four pixels."""
BLOBS = np.array([[0.0, 2.0, -3.0], [14.0, -4.0, 6.0], [-8.0, 10.0, 9.0], [3.0, -12.0, -11.0]])
WEIGHTS = np.array([1.0, 0.8, 1.3, 0.6])


@pytest.fixture(autouse=True)
def _not_yet_said():
    motion._warned.clear()


def drawn(shape, pixel_size, pose):
    """The particle, or its projection, in closed form: a blob at c is seen (A c - s) / pixel_size from the centre."""
    matrix = relions(pose["rot"], pose["tilt"], pose["psi"])
    origin = np.array([pose[f"shift_{axis}"] or 0.0 for axis in "xyz"[: len(shape)]])
    image = np.zeros(shape)
    for centre, weight in zip(BLOBS, WEIGHTS, strict=True):
        place = ((matrix @ centre)[: len(shape)] - origin) / pixel_size
        axes = [np.arange(n) - n // 2 - p for n, p in zip(shape, place[::-1], strict=True)]
        profile = [np.exp(-0.5 * (axis * pixel_size / WIDTH) ** 2) for axis in axes]
        image += weight * (
            np.multiply.outer(np.multiply.outer(*profile[:2]), profile[2])
            if len(shape) == 3
            else np.multiply.outer(*profile)
        )
    return image


def relions(rot, tilt, psi):
    """Euler_angles2matrix of RELION's src/euler.cpp, entry by entry."""
    (ca, sa), (cb, sb), (cg, sg) = ((math.cos(math.radians(v)), math.sin(math.radians(v))) for v in (rot, tilt, psi))
    cc, cs, sc, ss = cb * ca, cb * sa, sb * ca, sb * sa
    return np.array(
        [
            [cg * cc - sg * sa, cg * cs + sg * ca, -cg * sb],
            [-sg * cc - cg * sa, -sg * cs + cg * ca, sg * sb],
            [sc, ss, cb],
        ]
    )


def particle(shape, seed=0):
    rng = np.random.default_rng(seed)
    pose = {"rot": rng.uniform(-180, 180), "tilt": rng.uniform(0, 180), "psi": rng.uniform(-180, 180)}
    pose |= {f"shift_{axis}": rng.uniform(-6, 6) for axis in "xyz"[: len(shape)]}
    image = torch.from_numpy(drawn(shape, PIXEL_SIZE, pose))
    return {"image": image, "pixel_size": PIXEL_SIZE, "pose": pose, "path": "a.mrcs", "index": seed}


def check(row, tolerance, margin=0):
    expected = drawn(row["image"].shape, row["pixel_size"], row["pose"])
    inside = (slice(margin, -margin or None),) * expected.ndim
    np.testing.assert_allclose(row["image"].numpy()[inside], expected[inside], atol=tolerance)


EXACT = [
    CenterCrop(40),
    CenterCrop((41, 50)),
    RandomCrop((40, 45)),
    RandomCrop(39),
    RandomShift(3.7),
    RandomShift(max_shift_angstrom=4.0),
    T.Compose([RandomShift(2.0), RandomShift(2.0), RandomCrop(45), RandomCrop(40)]),
]
SCALES = [
    T.Rescale(32),
    T.Rescale(91),
    FourierCrop(pixel_size=2.3),
    FourierPad(85),
    T.Compose([RandomShift(2.0), FourierCrop(33), RandomShift(2.0), RandomCrop(30)]),
]
TURNS = [
    RandomRotate90(),
    T.Compose([RandomRotate90(), RandomShift(2.0)]),
    T.Compose([RandomShift(2.0), RandomRotate90(), FourierCrop(pixel_size=2.0), RandomRotate90(), RandomCrop(40)]),
]


@pytest.mark.parametrize("transform", EXACT, ids=repr)
@pytest.mark.parametrize("shape", [(64, 64), (65, 65), (64, 71)])
def test_the_projection_drawn_anew_is_the_transformed_image(transform, shape):
    for seed in range(3):
        check(transform(particle(shape, seed)), 1e-3)


@pytest.mark.parametrize("transform", SCALES, ids=repr)
@pytest.mark.parametrize("shape", [(64, 64), (65, 65)])
def test_so_it_is_at_another_scale(transform, shape):
    for seed in range(3):
        check(transform(particle(shape, seed)), 1e-3)


def test_so_it_is_where_sides_are_filled_with_the_mean():
    check(T.Rescale((70, 80))(particle((64, 64))), 1e-3, margin=6)
    check(T.Rescale(50)(particle((64, 71))), 1e-3, margin=4)


@pytest.mark.parametrize("transform", TURNS, ids=repr)
@pytest.mark.parametrize("shape", [(64, 64), (65, 65)])
def test_so_it_is_after_quarter_turns(transform, shape):
    for seed in range(6):
        check(transform(particle(shape, seed)), 1e-3)


@pytest.mark.parametrize("shape", [(80, 80), (81, 81), (80, 90)])
def test_so_it_is_after_any_rotation_to_the_error_of_interpolation(shape):
    chain = T.Compose([RandomRotate(padding="zeros"), RandomShift(3.0), RandomRotate(20, padding="zeros")])
    for seed in range(4):
        check(RandomRotate(padding="zeros")(particle(shape, seed)), 0.02)
        check(chain(particle(shape, seed)), 0.04)


@pytest.mark.parametrize(
    ("transform", "tolerance"),
    [
        (RandomRotate(padding="zeros"), 0.03),
        (RandomRotate90(), 1e-3),
        (RandomShift(2.0), 5e-3),
        (RandomCrop(38), 1e-3),
        (CenterCrop((38, 41, 40)), 1e-3),
        (Pad(50), 2e-3),
        (T.Rescale(25), 1e-2),
        (FourierCrop(pixel_size=2.0), 1e-2),
        (T.Compose([RandomRotate90(), RandomShift(2.0), RandomCrop(42), RandomRotate90()]), 5e-3),
    ],
    ids=repr,
)
@pytest.mark.parametrize("n", [46, 47])
def test_a_volume_drawn_anew_is_the_transformed_volume(transform, tolerance, n):
    row = particle((n, n, n), n)
    check(transform(row), tolerance, margin=5 if isinstance(transform, Pad) else 2)


@given(st.floats(-180, 180), st.sampled_from([0.0, 180.0, 1e-7, 0.3, 30.0, 90.0, 179.0]), st.floats(-180, 180))
@settings(max_examples=50)
def test_angles_and_matrices_are_relions(rot, tilt, psi):
    matrix = relions(rot, tilt, psi)
    np.testing.assert_allclose(matrix_of(rot, tilt, psi), matrix, atol=1e-12)
    np.testing.assert_allclose(relions(*angles_of(matrix)), matrix, atol=1e-7)
    if 1 < tilt < 179.5:
        assert angles_of(matrix) == pytest.approx((rot, tilt, psi), abs=1e-6)


def test_an_image_in_its_plane_changes_psi_alone():
    row = particle((8, 8))
    for angle in (170.0, 10.0, 35.0):
        out = RandomRotate().replay(row, {"angle": angle})
        assert out["pose"]["psi"] == pytest.approx((row["pose"]["psi"] - angle + 180) % 360 - 180)
    assert (out["pose"]["rot"], out["pose"]["tilt"]) == (row["pose"]["rot"], row["pose"]["tilt"])
    out = RandomRotate().replay({**row, "pose": {**row["pose"], "rot": None, "tilt": None}}, {"angle": 35.0})
    assert out["pose"]["rot"] is None
    assert out["pose"]["psi"] == pytest.approx((row["pose"]["psi"] - 35 + 180) % 360 - 180)


def test_content_moved_by_d_has_its_origin_changed_by_minus_d():
    row = particle((16, 16))
    out = RandomShift(9).replay(row, {"shift": [2.0, -3.5]})
    assert out["pose"]["shift_x"] == pytest.approx(row["pose"]["shift_x"] - 2.0 * PIXEL_SIZE)
    assert out["pose"]["shift_y"] == pytest.approx(row["pose"]["shift_y"] + 3.5 * PIXEL_SIZE)
    unknown = RandomShift(9).replay({**row, "pixel_size": None}, {"shift": [2.0, 0.0]})
    assert unknown["pose"]["shift_x"] is None, "Å of an unknown pixel size"
    assert unknown["pose"]["psi"] == row["pose"]["psi"]
    pose = {name: torch.tensor(value) for name, value in row["pose"].items()}
    unknown = RandomShift(9).replay({**row, "pixel_size": None, "pose": pose}, {"shift": [2.0, 0.0]})
    assert unknown["pose"]["shift_x"].isnan(), "a tensor, which can be collated"


def test_the_origin_of_a_volume_that_moves_has_a_z_too():
    row = particle((46, 46, 46))
    flat = {**row, "pose": {name: value for name, value in row["pose"].items() if name != "shift_z"}}
    flat["image"] = torch.from_numpy(drawn((46, 46, 46), PIXEL_SIZE, {**flat["pose"], "shift_z": 0.0}))
    check(RandomRotate90().replay(flat, {"matrix": [[0, 0, 1], [1, 0, 0], [0, 1, 0]]}), 1e-2, margin=2)
    check(RandomShift(2.0).replay(flat, {"shift": [0.0, 0.0, 1.5]}), 1e-2, margin=2)
    assert CenterCrop(40)(flat)["pose"] == flat["pose"]


# picks


def dots(shape, places):
    image = torch.zeros(shape, dtype=torch.float64)
    axes = [torch.arange(n, dtype=torch.float64) for n in shape]
    for number, place in enumerate(places, 1):
        profile = [torch.exp(-0.5 * ((axis - p) / 2.0) ** 2) for axis, p in zip(axes, place[::-1], strict=True)]
        blob = profile[0]
        for other in profile[1:]:
            blob = blob[..., None] * other
        image += number * blob
    return image


PICKS = {2: [(30.0, 20.0), (24.5, 37.0), (18.0, 27.0)], 3: [(15.0, 11.0, 13.0), (10.0, 16.0, 12.0)]}
MOVERS = [
    (RandomRotate(padding="zeros"), 0.25),
    (RandomRotate90(), 1e-5),
    (RandomFlip(), 1e-5),
    (RandomShift(2.5), 1e-3),
    (CenterCrop(26), 1e-5),
    (RandomCrop(26), 1e-5),
    (Pad(70), 1e-5),
    (T.Compose([RandomShift(1.5), RandomRotate(padding="zeros"), RandomFlip(), RandomShift(1.5)]), 0.25),
]


@pytest.mark.parametrize(("transform", "tolerance"), MOVERS, ids=repr)
@pytest.mark.parametrize("shape", [(56, 56), (57, 50), (26, 26, 26), (27, 27, 27)])
def test_picks_go_where_the_pixels_go(transform, tolerance, shape):
    dims = len(shape)
    places = PICKS[dims] if dims == 3 else [(x + 2, y) for x, y in PICKS[2]]
    names = ["coordinate_x", "coordinate_y", "coordinate_z"][:dims]
    for seed in range(4):
        columns = {name: [place[axis] for place in places] for axis, name in enumerate(names)}
        row = {"image": dots(shape, places), **columns, "path": "a", "index": seed}
        out = transform(row)
        new = list(zip(*[out[name] for name in names], strict=True))
        np.testing.assert_allclose(out["image"], dots(out["image"].shape, new), atol=tolerance)
        one = transform({**row, **{name: values[0] for name, values in columns.items()}})
        assert tuple(one[name] for name in names) == pytest.approx(new[0])
        assert all(isinstance(one[name], float) for name in names)


@pytest.mark.parametrize("transform", [T.Rescale(28), FourierCrop(31), FourierPad(80)], ids=repr)
@pytest.mark.parametrize("n", [56, 57])
def test_picks_follow_the_scale(transform, n):
    row = {"image": dots((n, n), [(30.0, 20.0)]), "coordinate_x": 30.0, "coordinate_y": 20.0, "pixel_size": 2.0}
    out = transform(row)
    y, x = (np.arange(m) for m in out["image"].shape)
    weights = out["image"].numpy() / out["image"].sum().item()
    assert (weights.sum(0) @ x, weights.sum(1) @ y) == pytest.approx(
        (out["coordinate_x"], out["coordinate_y"]), abs=0.02
    )
    assert out["pixel_size"] == pytest.approx(2.0 * n / out["image"].shape[-1])


CHAINS = [
    [RandomShift(3.0)],
    [RandomCrop(24)],
    [RandomRotate(padding="zeros"), RandomShift(3.0)],
    [RandomShift(3.0), RandomRotate(padding="zeros"), RandomCrop(24), RandomShift(2.0)],
    [RandomFlip(), RandomCrop(24), RandomRotate90(), RandomShift(3.0)],
    [CenterCrop(30), RandomFlip(), RandomFlip(), RandomShift(2.0)],
]


@pytest.mark.parametrize("chain", CHAINS, ids=repr)
def test_a_box_of_a_micrograph_says_where_in_it_its_centre_is(chain):
    """The transformed box's centre shows what the micrograph shows at the place that the row gives."""
    places = [(70.0, 55.0), (61.0, 66.0), (73.0, 69.0)]
    micrograph = dots((128, 128), places).numpy()
    at = (68, 62)
    box = torch.from_numpy(micrograph[at[1] - 20 : at[1] + 20, at[0] - 20 : at[0] + 20].copy())
    row = {"image": box, "coordinate_x": float(at[0]), "coordinate_y": float(at[1]), "micrograph": "m.mrc", "path": "a"}
    for index in range(5):
        out = T.Compose(chain)({**row, "index": index})
        height, width = out["image"].shape
        place = [(x - out["coordinate_x"], y - out["coordinate_y"]) for x, y in places]
        seen = sum(n * math.exp(-0.5 * (x * x + y * y) / 4) for n, (x, y) in enumerate(place, 1))
        assert float(out["image"][height // 2, width // 2]) == pytest.approx(seen, abs=0.2)
        assert motion.FRAME not in out


def test_a_box_of_a_tomogram_that_was_turned_twice_moves_along_the_tomograms_axes():
    turns = [[0, 0, 1], [1, 0, 0], [0, 1, 0]], [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    shift, places = [1.0, 2.0, 0.5], [12345.6789, 20.0, 30.0]
    names = ["coordinate_x", "coordinate_y", "coordinate_z"]
    row = {"image": torch.rand(5, 5, 5), "micrograph": "t.mrc", **dict(zip(names, places, strict=True))}
    records = [{"transform": "RandomRotate90", "matrix": turn} for turn in turns]
    records += [{"transform": "RandomShift", "shift": shift}]
    out = T.Compose([RandomRotate90(), RandomRotate90(), RandomShift(3.0)]).replay(row, records)
    expected = np.array(places) - (np.array(turns[1]) @ turns[0]).T @ shift
    np.testing.assert_allclose([out[name] for name in names], expected, rtol=1e-12)


def test_a_box_that_is_scaled_lies_in_a_scaled_micrograph():
    row = {"image": torch.ones(40, 40), "coordinate_x": 100.0, "coordinate_y": 60.0, "micrograph": "m", "path": "a"}
    out = T.Rescale(20)(row)
    assert (out["coordinate_x"], out["coordinate_y"]) == (50.0, 30.0)
    out = T.Compose([RandomRotate90(), T.Rescale(20)])(row)
    assert (out["coordinate_x"], out["coordinate_y"]) == (50.0, 30.0)


# ctf


def astigmatic(n, angle):
    """White noise under the envelope of an astigmatic defocus: power is the weaker the higher U is."""
    k = np.fft.fftfreq(n)
    ky, kx = np.meshgrid(k, k, indexing="ij")
    theta = np.arctan2(ky, kx)
    power = np.exp(-((kx**2 + ky**2) * 60 * (1 + 0.8 * np.cos(2 * (theta - math.radians(angle))))))
    return torch.from_numpy(np.fft.ifft2(power).real * n * n)


def axis_of(image):
    """The direction, in degrees, in which the power spectrum falls off fastest."""
    n = image.shape[-1]
    k = np.fft.fftfreq(n)
    ky, kx = np.meshgrid(k, k, indexing="ij")
    power = np.abs(np.fft.fft2(image.numpy())) ** 2
    xx, yy, xy = (power * kx**2).sum(), (power * ky**2).sum(), (power * kx * ky).sum()
    return math.degrees(0.5 * math.atan2(2 * xy, xx - yy)) + 90


@pytest.mark.parametrize(
    "transform",
    [RandomRotate(padding="zeros"), RandomFlip(), RandomRotate90(), T.Compose([RandomFlip("x"), RandomRotate(30.0)])],
    ids=repr,
)
@pytest.mark.parametrize("angle", [0.0, 25.0, 100.0, 170.0])
def test_astigmatism_turns_and_mirrors_with_the_image(transform, angle):
    n = 65
    image = torch.fft.fftshift(astigmatic(n, angle))
    assert difference(axis_of(image), angle) < 1
    ctf = {"defocus_u": 2e4, "defocus_v": 1e4, "defocus_angle": angle, "voltage": 300.0}
    for index in range(5):
        out = transform({"image": image, "ctf": ctf, "path": "a", "index": index})
        assert 0 <= out["ctf"]["defocus_angle"] < 180
        assert difference(axis_of(out["image"]), out["ctf"]["defocus_angle"]) < 1.5
        assert out["ctf"] == {**ctf, "defocus_angle": out["ctf"]["defocus_angle"]}


def difference(a, b):
    """Between two axes, in degrees."""
    return abs((a - b + 90) % 180 - 90)


def test_astigmatism_stays_where_nothing_turns_and_is_null_where_it_was():
    image = torch.rand(8, 8)
    ctf = {"defocus_angle": 30.0, "voltage": 300.0}
    for transform in (RandomShift(1.0), CenterCrop(4), Pad(9), FourierCrop(4), T.Rescale(4)):
        assert transform({"image": image, "ctf": ctf})["ctf"] == ctf
    none = {"defocus_angle": None, "voltage": 300.0}
    assert RandomRotate()({"image": image, "ctf": none})["ctf"] == none


def test_a_volumes_astigmatism_turns_about_z_only():
    row = {"image": torch.rand(5, 5, 5), "ctf": {"defocus_angle": 30.0}}
    about_z, onto_its_side = [[0, -1, 0], [1, 0, 0], [0, 0, 1]], [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    upside_down = [[1, 0, 0], [0, -1, 0], [0, 0, -1]]
    assert RandomRotate90().replay(row, {"matrix": upside_down})["ctf"]["defocus_angle"] == pytest.approx(150)
    assert RandomRotate90().replay(row, {"matrix": about_z})["ctf"]["defocus_angle"] == pytest.approx(120)
    assert RandomRotate90().replay(row, {"matrix": onto_its_side})["ctf"]["defocus_angle"] is None


# mirrors, and stretched images


def test_a_mirror_makes_the_pose_null_and_says_so_once(caplog):
    flip = RandomFlip()
    with caplog.at_level(logging.WARNING):
        for index, flipped in enumerate(itertools.product((0, 1), repeat=2)):
            out = flip.replay(particle((16, 16), index), {"flip": list(flipped)})
            assert (out["pose"] is None) == (sum(flipped) == 1)
            if out["pose"] is not None:
                check(out, 0.8, margin=1)
    assert [record.getMessage() for record in caplog.records] == [
        "RandomFlip: a mirror changes the hand: the pose of mirrored rows, or a tilt's alignment, becomes null"
    ]
    assert caplog.records[0].name == "perc_transforms.spatial.motion"


def test_mirroring_along_two_axes_is_a_rotation():
    check(RandomFlip().replay(particle((65, 65)), {"flip": [1, 1]}), 1e-6)
    check(RandomFlip().replay(particle((64, 64)), {"flip": [1, 1]}), 1e-3)
    check(RandomFlip().replay(particle((47, 47, 47)), {"flip": [1, 0, 1]}), 1e-6)


def test_mirrors_and_stretches_without_poses_are_silent(caplog):
    T.Rescale(4, stretch=True)({"image": torch.rand(8, 6), "pixel_size": 1.0})
    RandomFlip()({"image": torch.rand(20, 4, 4), "pixel_size": [1.0] * 20, "pose": [None] * 20})
    RandomFlip(spatial_dims=2)(torch.rand(20, 4, 4))
    assert not caplog.records


@pytest.mark.parametrize("transform", [T.Rescale(8, stretch=True), FourierCrop((8, 8))], ids=repr)
def test_a_stretched_image_has_no_angles(transform, caplog):
    row = {**particle((16, 24)), "ctf": {"defocus_angle": 3.0}}
    out = transform(row)
    assert (out["pose"], out["ctf"]) == (None, None)
    assert out["pixel_size"] == pytest.approx(3 * PIXEL_SIZE), "along x"
    assert len(caplog.records) == 1
    assert "stretched" in caplog.text


def test_rounding_to_whole_pixels_is_no_stretching():
    row = {**particle((100, 95)), "ctf": {"defocus_angle": 3.0}}
    out = FourierCrop(pixel_size=4.0)(row)
    assert out["image"].shape == (38, 36)
    assert out["pose"] == row["pose"]
    assert out["ctf"] == row["ctf"]


# forms


def rows_of_everything(count=4, n=17):
    rows = []
    for index in range(count):
        row = particle((n, n), index)
        row["image"] = row["image"].float()
        row |= {"coordinate_x": 40.0 + index, "coordinate_y": 30.0, "micrograph": "m.mrc"}
        row |= {"ctf": {"defocus_u": 2e4, "defocus_v": 1e4, "defocus_angle": 10.0 * index}}
        rows.append(row)
    return rows


def columns_of(rows, kind):
    """A batch of rows as datasets, torch's default collate, or NumPy make it."""
    make = {"torch": torch.tensor, "numpy": np.array, "list": list}[kind]
    batch = {}
    for name, first in rows[0].items():
        values = [row[name] for row in rows]
        if name == "image":
            batch[name] = torch.stack(values) if kind != "list" else values
        elif isinstance(first, dict) and kind != "list":
            batch[name] = {inner: make([value[inner] for value in values]) for inner in first}
        else:
            batch[name] = values if isinstance(first, str | dict) else make(values)
    return batch


FORMS = [
    RandomRotate90(),
    RandomRotate(25.0),
    RandomShift(2.0),
    RandomCrop(9),
    FourierCrop(pixel_size=3.0),
    T.Compose([RandomRotate(), RandomShift(2.0), T.Rescale(8), RandomCrop(6)]),
]


def number(value):
    return math.nan if value is None else float(value)


@pytest.mark.parametrize("transform", FORMS, ids=repr)
@pytest.mark.parametrize("kind", ["list", "torch", "numpy"])
def test_every_form_of_batch_has_the_columns_of_one_by_one(transform, kind):
    rows = rows_of_everything()
    if kind == "list":
        rows[1]["pixel_size"] = PIXEL_SIZE * 2
        rows[2]["pose"] = None
        rows[3]["ctf"] = None
    expected = [transform(row) for row in rows]
    batch = columns_of(rows, kind)
    out = transform(batch)
    assert set(out) == set(rows[0])
    for name, column in out.items():
        assert kind == "list" or type(column) is type(batch[name])
        for place, row in enumerate(expected):
            if name == "image":
                torch.testing.assert_close(column[place], row[name], atol=1e-5, rtol=1e-5)
            elif name in ("pose", "ctf"):
                found = column[place] if kind == "list" else {inner: v[place] for inner, v in column.items()}
                assert (found is None) == (row[name] is None)
                for inner in row[name] or {}:
                    assert number(found[inner]) == pytest.approx(number(row[name][inner]), abs=2e-5, rel=1e-5)
            elif name in ("path", "micrograph"):
                assert column[place] == row[name]
            else:
                assert number(column[place]) == pytest.approx(number(row[name]), abs=1e-5)


@pytest.mark.parametrize("transform", [*FORMS, RandomFlip(), CenterCrop(5), Pad(20), T.Rescale(6)], ids=repr)
def test_rows_without_these_columns_get_none(transform):
    row = {"image": torch.rand(12, 12), "label": 3, "path": "a"}
    if not isinstance(transform, FourierCrop):
        out = transform(row)
        assert set(out) == {"image", "label", "path"}
        assert out["label"] == 3
        assert transform(row["image"]).shape == out["image"].shape
    nulls = {"pixel_size": None, "pose": None, "ctf": None, "coordinate_x": None, "coordinate_y": None}
    if not isinstance(transform, FourierCrop):
        out = transform({**row, **nulls, "micrograph": None})
        assert {name: out[name] for name in nulls if name != "pixel_size"} == {
            name: None for name in nulls if name != "pixel_size"
        }


def test_datasets_hand_over_and_take_back_all_columns():
    rows = rows_of_everything()
    for row in rows:
        row["image"] = row["image"].numpy()
    rows[2]["pose"], rows[1]["ctf"] = None, None
    struct = {name: Value("float64") for name in ("rot", "tilt", "psi", "shift_x", "shift_y")}
    features = Features(
        {
            "image": EMImage(),
            "pixel_size": Value("float64"),
            "pose": struct,
            "path": Value("string"),
            "index": Value("int64"),
            "coordinate_x": Value("float64"),
            "coordinate_y": Value("float64"),
            "micrograph": Value("string"),
            "ctf": {name: Value("float64") for name in ("defocus_u", "defocus_v", "defocus_angle")},
        }
    )
    ds = Dataset.from_list(rows, features=features)
    chain = T.Compose([RandomRotate(), RandomShift(2.0), RandomCrop(12)])
    expected = [chain(row) for row in rows]
    results = {"with_transform": ds.with_transform(chain)[:], "map": ds.map(chain, batched=True, batch_size=3)[:]}
    for name, out in results.items():
        for place, row in enumerate(expected):
            for column in ("coordinate_x", "coordinate_y", "pixel_size"):
                assert out[column][place] == pytest.approx(row[column]), (name, column)
            for column in ("pose", "ctf"):
                found = out[column][place]
                if row[column] is None:
                    assert found is None or set(found.values()) == {None}, (name, column)
                else:
                    assert found == pytest.approx(row[column]), (name, column)


@pytest.mark.parametrize("column", ["pose", "ctf"])
@pytest.mark.parametrize("value", [[10.0, 20.0, 30.0], np.eye(3)])
def test_a_pose_or_ctf_that_is_no_dict_is_told(column, value):
    row = {"image": torch.rand(8, 8), "path": "a", column: value}
    with pytest.raises(T.TransformError, match=rf"RandomRotate: the row's {column} is [\s\S]* expected a dict"):
        RandomRotate()(row)


def test_the_rows_given_are_left_alone():
    row = rows_of_everything(1)[0]
    row["coordinate_x"], row["coordinate_y"] = [3.0, 4.0], [5.0, 6.0]
    copy = {name: dict(v) if isinstance(v, dict) else list(v) if isinstance(v, list) else v for name, v in row.items()}
    for transform in (*FORMS, RandomFlip()):
        transform(row)
    image, before = row.pop("image"), copy.pop("image")
    assert torch.equal(image, before)
    assert row == copy


def test_a_pixel_size_that_is_no_number_is_told():
    with pytest.raises(T.TransformError, match=r"Rescale: the row's pixel_size is '1.5': expected Å"):
        T.Rescale(4)({"image": np.ones((8, 8)), "pixel_size": "1.5"})


def test_the_place_in_a_micrograph_times_the_pixel_size_stays():
    row = {"image": np.ones((20, 29)), "pixel_size": 2.0, "micrograph": "m", "coordinate_x": 3e3, "coordinate_y": 1e3}
    done = T.FourierCrop(pixel_size=4.3)(row)
    assert done["coordinate_x"] * done["pixel_size"] == pytest.approx(6e3)
    assert done["coordinate_y"] * done["pixel_size"] == pytest.approx(2e3)
