import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perc_transforms import Compose, MinMax, TransformError
from perc_transforms.fourier.ctf import CTF, PhaseFlip, WienerFilter
from perc_transforms.functional.fourier.ctf import ctf, electron_wavelength, phase_flip, wiener_filter
from perc_transforms.functional.fourier.filters import filter_rows

EXAMPLES = settings(max_examples=25)
SIZES = st.tuples(st.integers(1, 65), st.integers(1, 65))
USUAL = {
    "defocus_u": 15000.0,
    "defocus_v": 13000.0,
    "defocus_angle": 35.0,
    "voltage": 300.0,
    "spherical_aberration": 2.7,
    "amplitude_contrast": 0.1,
    "phase_shift": 0.0,
}
ROUND = {**USUAL, "defocus_v": None, "defocus_angle": None, "phase_shift": None}
DOUBLE = torch.zeros(1, dtype=torch.float64)


def noise(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@st.composite
def optics(draw):
    return {
        "defocus_u": draw(st.floats(-10000, 50000)),
        "defocus_v": draw(st.floats(-10000, 50000)),
        "defocus_angle": draw(st.floats(-180, 180)),
        "voltage": draw(st.sampled_from([100.0, 200.0, 300.0])),
        "spherical_aberration": draw(st.sampled_from([0.0, 0.01, 2.7])),
        "amplitude_contrast": draw(st.sampled_from([0.0, 0.07, 0.1, 1.0])),
        "phase_shift": draw(st.sampled_from([0.0, 90.0, -30.0])),
    }


def relions_ctf(x, y, defocus_u, defocus_v, defocus_angle, voltage, spherical_aberration, amplitude_contrast, **more):
    """`initialise` of RELION's ctf.cpp and `getCTF` of its ctf.h at frequencies in 1/Å, without damping."""
    azimuth = np.deg2rad(defocus_angle)
    average, deviation = -(defocus_u + defocus_v) * 0.5, -(defocus_u - defocus_v) * 0.5
    kv = voltage * 1e3
    wavelength = 12.2643247 / np.sqrt(kv * (1.0 + kv * 0.978466e-6))
    k1 = np.pi / 2 * 2 * wavelength
    k2 = np.pi / 2 * spherical_aberration * 1e7 * wavelength**3
    with np.errstate(divide="ignore"):
        k3 = np.arctan(amplitude_contrast / np.sqrt(np.float64(1 - amplitude_contrast * amplitude_contrast)))
    k5 = np.deg2rad(more.get("phase_shift", 0.0))
    u2 = x * x + y * y
    angle = np.arctan2(y, x) - azimuth
    deltaf = average + deviation * np.cos(2 * angle)
    return -np.sin(k1 * deltaf * u2 + k2 * u2 * u2 - k5 - k3)


def cryodrgns_ctf(x, y, dfu, dfv, dfang, volt, cs, w, phase_shift):
    """`compute_ctf` of cryoDRGN's ctf.py, with its own constants of the wavelength."""
    volt, cs = volt * 1000, cs * 10**7
    dfang, phase_shift = dfang * np.pi / 180, phase_shift * np.pi / 180
    lam = 12.2639 / np.sqrt(volt + 0.97845e-6 * volt**2)
    ang = np.arctan2(y, x)
    s2 = x**2 + y**2
    df = 0.5 * (dfu + dfv + (dfu - dfv) * np.cos(2 * (ang - dfang)))
    gamma = 2 * np.pi * (-0.5 * df * lam * s2 + 0.25 * cs * lam**3 * s2**2) - phase_shift
    return np.sqrt(1 - w**2) * np.sin(gamma) - w * np.cos(gamma)


def relions_grid(sizes, pixel_size):
    """Frequencies as `getFftwImage` counts them in square images: row ny / 2 is positive."""
    ny, nx = sizes
    rows = np.arange(ny)
    rows = np.where(rows < ny // 2 + 1, rows, rows - ny)
    return np.arange(nx // 2 + 1) / (nx * pixel_size), rows[:, None] / (ny * pixel_size)


def without_column(values, nx):
    """Without column nx / 2, where +ky and -ky are averaged."""
    return values[..., : (nx + 1) // 2]


# the function


@EXAMPLES
@given(SIZES, optics(), st.floats(0.5, 4))
def test_ctf_is_relions_and_applied_as_relions_half_spectrum_is(sizes, given_optics, pixel_size):
    ours = ctf(sizes, pixel_size=pixel_size, **given_optics, like=DOUBLE).numpy()
    theirs = relions_ctf(*relions_grid(sizes, pixel_size), **given_optics)
    np.testing.assert_allclose(without_column(ours, sizes[1]), without_column(theirs, sizes[1]), atol=1e-8)
    x = noise(*sizes)
    by_half = np.fft.irfft2(np.fft.rfft2(x.numpy()) * theirs, s=sizes)
    row = {"image": x, "pixel_size": pixel_size, "ctf": given_optics}
    np.testing.assert_allclose(CTF()(row)["image"].numpy(), by_half, atol=1e-7)


@EXAMPLES
@given(SIZES, optics(), st.floats(0.5, 4))
def test_the_filter_is_symmetric_on_the_full_grid(sizes, given_optics, pixel_size):
    ny, nx = sizes
    half = ctf(sizes, pixel_size=pixel_size, **given_optics, like=DOUBLE).numpy()
    mirrored = half[-np.arange(ny) % ny]
    for column in [0, *([nx // 2] if nx % 2 == 0 else [])]:
        np.testing.assert_allclose(half[:, column], mirrored[:, column], atol=1e-9)
    whole = np.concatenate([half, mirrored[:, 1 : (nx + 1) // 2][:, ::-1]], axis=1)
    x = noise(*sizes)
    result = np.fft.ifft2(np.fft.fft2(x.numpy()) * whole)
    np.testing.assert_allclose(result.imag, 0, atol=1e-9)
    np.testing.assert_allclose(filter_rows(x, torch.from_numpy(half)[None], 2).numpy(), result.real, atol=1e-9)


@pytest.mark.parametrize("defocus", [5000.0, 30000.0, 50000.0])
@pytest.mark.parametrize("pixel_size", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("n", [255, 256])
def test_float32_is_within_1e_4_of_float64_everywhere(defocus, pixel_size, n):
    given_optics = {**USUAL, "defocus_u": defocus, "defocus_v": defocus - 4000}
    single = ctf((n, n), pixel_size=pixel_size, **given_optics, like=torch.zeros(1))
    assert single.dtype == torch.float32
    theirs = relions_ctf(*relions_grid((n, n), pixel_size), **given_optics)
    assert np.abs(without_column(single.numpy() - theirs, n)).max() < 2e-6


@EXAMPLES
@given(SIZES, optics(), st.floats(0.5, 4))
def test_ctf_is_minus_cryodrgns(sizes, given_optics, pixel_size):
    x, y = relions_grid(sizes, pixel_size)
    given_optics["defocus_u"] /= 20
    given_optics["defocus_v"] /= 20
    theirs = cryodrgns_ctf(x, y, *given_optics.values())
    ours = ctf(sizes, pixel_size=pixel_size, **given_optics, like=DOUBLE).numpy()
    phase = 500 * np.pi * 0.04 * (x**2 + y**2) * 5 + np.pi / 2 * 2.7e7 * 0.037**3 * (x**2 + y**2) ** 2
    wavelengths_apart = 3.6e-5 * 3  # 12.2643247 / 12.2639 - 1, and Cs goes with the third power
    assert (without_column(np.abs(ours + theirs) - (1e-6 + wavelengths_apart * phase), sizes[1]) < 0).all()


@pytest.mark.parametrize(("kv", "wavelength"), [(100, 0.03701), (200, 0.02508), (300, 0.01969)])
def test_wavelengths_are_those_of_the_tables(kv, wavelength):
    assert float(electron_wavelength(kv)) == pytest.approx(wavelength, abs=5e-6)
    torch.testing.assert_close(electron_wavelength(torch.tensor([kv, kv])), electron_wavelength(kv).expand(2))


@EXAMPLES
@given(SIZES, optics())
def test_at_dc_the_ctf_is_the_amplitude_contrast(sizes, given_optics):
    given_optics["phase_shift"] = 0.0
    value = ctf(sizes, pixel_size=1.5, **given_optics, like=DOUBLE)[0, 0]
    assert float(value) == pytest.approx(given_optics["amplitude_contrast"], abs=1e-12)
    row = {"image": torch.full(sizes, 2.0), "pixel_size": 1.5, "ctf": given_optics}
    expected = torch.full(sizes, 2.0 * given_optics["amplitude_contrast"])
    torch.testing.assert_close(CTF()(row)["image"], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("order", [1, 2, 3, 7])
def test_zeros_are_where_theory_puts_them(order):
    defocus = 20000.0
    k = math.sqrt(order / (float(electron_wavelength(300.0)) * defocus))
    n = 32
    pure = {"voltage": 300.0, "spherical_aberration": 0.0, "amplitude_contrast": 0.0, "like": DOUBLE}
    values = ctf((n, n), pixel_size=5 / (n * k), defocus_u=defocus, **pure)
    for ring in ((0, 5), (5, 0), (3, 4), (-4, 3)):
        assert abs(float(values[ring])) < 1e-9
    assert abs(float(values[0, 4])) > 0.1


def test_underfocus_is_positive_and_a_quarter_turn_of_phase_makes_a_cosine():
    pure = {"pixel_size": 3.0, "voltage": 300.0, "spherical_aberration": 0.0, "amplitude_contrast": 0.0}
    under = ctf((64, 64), defocus_u=10000.0, **pure, like=DOUBLE)
    assert float(under[0, 3]) > 0.05
    torch.testing.assert_close(ctf((64, 64), defocus_u=-10000.0, **pure, like=DOUBLE), -under)
    plate = ctf((64, 64), defocus_u=10000.0, **pure, phase_shift=90.0, like=DOUBLE)
    torch.testing.assert_close(plate.square() + under.square(), torch.ones_like(plate))
    assert float(plate[0, 0]) == pytest.approx(1)
    half = ctf((64, 64), defocus_u=10000.0, **pure, phase_shift=180.0, like=DOUBLE)
    torch.testing.assert_close(half, -under)


def test_the_defocus_angle_turns_from_x_towards_y():
    pure = {"pixel_size": 3.0, "voltage": 300.0, "spherical_aberration": 0.0, "amplitude_contrast": 0.0, "like": DOUBLE}
    values = ctf((32, 32), defocus_u=20000.0, defocus_v=10000.0, **pure)
    u, v = (ctf((32, 32), defocus_u=d, **pure) for d in (20000.0, 10000.0))
    torch.testing.assert_close(values[0, :16], u[0, :16])
    torch.testing.assert_close(values[:16, 0], v[:16, 0])
    turned = ctf((32, 32), defocus_u=20000.0, defocus_v=10000.0, defocus_angle=45.0, **pure)
    for place in range(1, 16):
        torch.testing.assert_close(turned[place, place], u[place, place])
        torch.testing.assert_close(turned[-place, place], v[-place, place])


def test_parameters_of_rows_are_those_of_single_images():
    u = torch.tensor([5000.0, 20000.0, 9000.0])
    kv = torch.tensor([300.0, 200.0, 100.0])
    options = {"spherical_aberration": 2.7, "amplitude_contrast": 0.1, "pixel_size": 1.3, "like": DOUBLE}
    together = ctf((9, 12), defocus_u=u, voltage=kv, **options)
    assert together.shape == (3, 9, 7)
    for row, one, volts in zip(together, u, kv, strict=True):
        alone = ctf((9, 12), defocus_u=float(one), voltage=float(volts), **options)
        torch.testing.assert_close(row, alone)


def test_gradients_flow_to_images_and_to_defocus():
    x = noise(2, 5, 6).requires_grad_()
    before = x.detach().clone()
    transform = CTF(**USUAL, spatial_dims=2)
    columns = {"pixel_size": [1.0, 2.0], "path": ["a", "b"]}
    assert torch.autograd.gradcheck(lambda i: transform({"image": i, **columns})["image"], x)
    torch.testing.assert_close(
        transform({"image": before, **columns})["image"], transform({"image": x, **columns})["image"]
    )
    assert torch.equal(x, before)
    rest = {name: value for name, value in USUAL.items() if not name.startswith("defocus_u")}
    defocus = torch.tensor([300.0, 900.0], dtype=torch.float64, requires_grad=True)

    def applied(u):
        return filter_rows(before, ctf((5, 6), pixel_size=1.0, defocus_u=u, **rest, like=before), 2)

    assert torch.autograd.gradcheck(applied, defocus, eps=1e-3)
    values = torch.tensor([-0.5, 0.2], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: wiener_filter(v, constant=0.1), values)


# the transforms


@EXAMPLES
@given(SIZES, optics())
def test_flipping_twice_changes_nothing_and_flipping_the_ctf_makes_it_positive(sizes, given_optics):
    x = noise(*sizes)
    row = {"image": x, "pixel_size": 1.2, "ctf": given_optics}
    torch.testing.assert_close(PhaseFlip()(PhaseFlip()(row))["image"], x)
    values = ctf(sizes, pixel_size=1.2, **given_optics, like=DOUBLE)
    torch.testing.assert_close(PhaseFlip()(CTF()(row))["image"], filter_rows(x, values.abs()[None], 2))
    assert set(phase_flip(values).unique().tolist()) <= {-1.0, 1.0}


@EXAMPLES
@given(SIZES, optics(), st.floats(1e-3, 10))
def test_the_wiener_filter_is_its_formula(sizes, given_optics, constant):
    x = noise(*sizes)
    row = {"image": x, "pixel_size": 1.2, "ctf": given_optics}
    values = ctf(sizes, pixel_size=1.2, **given_optics, like=DOUBLE)
    expected = filter_rows(x, (values / (values**2 + constant))[None], 2)
    torch.testing.assert_close(WienerFilter(constant)(row)["image"], expected)
    assert expected.norm() <= x.norm() / (2 * math.sqrt(constant)) * (1 + 1e-9)


TRANSFORMS = [CTF(), PhaseFlip(), WienerFilter(constant=0.2), CTF(voltage=200.0, phase_shift=20)]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
def test_every_form_gives_what_one_row_gives(transform):
    images = list(noise(3, 8, 9).float())
    parameters = [USUAL, ROUND, {**USUAL, "voltage": 200.0, "defocus_u": 8000.0}]
    sizes = [1.0, 1.5, 2.0]
    rows = [{"image": i, "pixel_size": s, "ctf": p} for i, s, p in zip(images, sizes, parameters, strict=True)]
    expected = [transform(row)["image"] for row in rows]
    together = transform({"image": images, "pixel_size": sizes, "ctf": parameters})
    torch.testing.assert_close(together["image"], expected, atol=1e-6, rtol=0)
    assert together["ctf"] == parameters
    stacked = transform({"image": torch.stack(images), "pixel_size": torch.tensor(sizes), "ctf": parameters})
    torch.testing.assert_close(stacked["image"], torch.stack(expected), atol=1e-6, rtol=0)
    tensors = [{k: torch.tensor(math.nan if v is None else v) for k, v in p.items()} for p in parameters]
    from_tensors = transform({"image": images, "pixel_size": sizes, "ctf": tensors})["image"]
    torch.testing.assert_close(from_tensors, expected, atol=1e-5, rtol=0)
    unequal = [images[0], images[1][:-1], images[2]]
    out = transform({"image": unequal, "pixel_size": sizes, "ctf": parameters})["image"]
    alone = transform({"image": unequal[1], "pixel_size": 1.5, "ctf": ROUND})["image"]
    torch.testing.assert_close(out, [expected[0], alone, expected[2]], atol=1e-6, rtol=0)
    torch.testing.assert_close(pickle.loads(pickle.dumps(transform))(rows[0])["image"], expected[0])


def test_what_is_given_wins_and_what_is_left_out_has_its_default():
    image = noise(8, 9)
    row = {"image": image, "pixel_size": 1.0}
    expected = CTF(**USUAL)(row)["image"]
    other = {**USUAL, "defocus_u": 1.0, "voltage": 100.0}
    mixed = CTF(defocus_u=USUAL["defocus_u"], voltage=300.0)({**row, "ctf": other})["image"]
    torch.testing.assert_close(mixed, expected)
    zero = CTF(defocus_angle=0.0)({**row, "ctf": USUAL})["image"]
    assert not torch.allclose(zero, expected, atol=1e-3)
    short = {k: v for k, v in ROUND.items() if v is not None}
    for spelt in (ROUND, short, {**ROUND, "defocus_v": 15000.0, "defocus_angle": 77.0, "phase_shift": 0}):
        torch.testing.assert_close(CTF()({**row, "ctf": spelt})["image"], CTF(**short)(row)["image"])


def test_a_stack_of_a_row_shares_its_parameters():
    stack = noise(3, 2, 8, 9)
    y = CTF(**USUAL, spatial_dims=2)({"image": stack, "pixel_size": 1.0})["image"]
    one = CTF(**USUAL)({"image": stack[1, 1], "pixel_size": 1.0})["image"]
    torch.testing.assert_close(y[1, 1], one)
    composed = Compose([CTF(**USUAL), MinMax()], spatial_dims=2)({"image": stack, "pixel_size": 1.0})["image"]
    torch.testing.assert_close(composed, MinMax(spatial_dims=2)(y))


def test_what_is_not_finite_stays_in_its_image():
    x = noise(2, 8, 9)
    x[0, 3, 3] = math.inf
    y = CTF(**USUAL)({"image": list(x), "pixel_size": [1.0, 1.0]})["image"]
    assert not torch.isfinite(y[0]).any()
    assert torch.isfinite(y[1]).all()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("voltage", 0, "kV above 0"),
        ("voltage", -300.0, "kV above 0"),
        ("amplitude_contrast", 1.1, "from 0 to 1"),
        ("amplitude_contrast", -0.1, "from 0 to 1"),
        ("defocus_u", math.inf, "Å"),
        ("defocus_v", "thick", "Å"),
        ("defocus_angle", math.inf, "degrees"),
        ("spherical_aberration", math.inf, "mm"),
        ("phase_shift", True, "degrees"),
    ],
)
def test_impossible_parameters_are_told(name, value, expected):
    with pytest.raises(TransformError, match=rf"PhaseFlip: {name} is {value!r}: expected .*{expected}"):
        PhaseFlip(**{**USUAL, name: value})
    row = {"image": torch.ones(8, 8), "pixel_size": 1.0, "ctf": {**USUAL, name: value}}
    with pytest.raises(TransformError, match=rf"CTF: the row's ctf: {name} is .*expected .*{expected}"):
        CTF()(row)
    CTF(**{name: USUAL[name]})(row)


def test_missing_parameters_are_told():
    row = {"image": torch.ones(8, 8), "pixel_size": 1.0}
    with pytest.raises(TransformError, match=r"no defocus_u, voltage, spherical.*amplitude_contrast: .*ctf is None"):
        CTF()(row)
    with pytest.raises(
        TransformError, match=r"no voltage: .*give PhaseFlip what is missing, or the row a column 'ctf'"
    ):
        PhaseFlip()({**row, "ctf": {**USUAL, "voltage": math.nan}})
    with pytest.raises(TransformError, match=r"no amplitude_contrast"):
        CTF(**{**USUAL, "amplitude_contrast": None})(row)
    with pytest.raises(TransformError, match=r"ctf is 'x': expected a dict with keys such as defocus_u"):
        CTF(**USUAL)({**row, "ctf": "x"})
    for size in (None, math.nan, 0.0):
        with pytest.raises(TransformError, match=r"CTF.*pixel_size is .*give the row a pixel_size"):
            CTF(**USUAL)({**row, "pixel_size": size})


def test_volumes_have_no_ctf():
    with pytest.raises(TransformError, match=r"CTF.*a volume of shape \(4, 8, 8\): .*spatial_dims=2 for a stack"):
        CTF(**USUAL)({"image": torch.ones(4, 8, 8), "pixel_size": 1.0})
    with pytest.raises(TransformError, match="WienerFilter: spatial_dims is 3: expected 2"):
        WienerFilter(0.1, spatial_dims=3)


@pytest.mark.parametrize("constant", [0, -0.1, math.inf, math.nan, None])
def test_the_wiener_constant_is_checked(constant):
    with pytest.raises(TransformError, match=rf"WienerFilter: constant is {constant}: expected a number above 0"):
        WienerFilter(constant)


def test_each_image_of_a_stack_may_have_its_own_parameters():
    """As RELION 5's stacks of tilts have them, alone and in batches."""
    ctfs = [{**USUAL, "defocus_u": 15000.0 + 4000 * number} for number in range(3)]
    images = torch.rand(2, 3, 8, 6)
    row = {"pixel_size": 1.5}
    each = [[PhaseFlip()(row | {"image": x, "ctf": c})["image"] for x, c in zip(s, ctfs, strict=True)] for s in images]
    flip = PhaseFlip(spatial_dims=2)
    batch = flip({"image": list(images), "pixel_size": [1.5] * 2, "ctf": [ctfs] * 2})["image"]
    for stack, found, expected in zip(images, batch, each, strict=True):
        torch.testing.assert_close(found, torch.stack(expected))
        torch.testing.assert_close(flip({"image": stack, "pixel_size": 1.5, "ctf": ctfs})["image"], found)
    told = np.array([{name: np.array(value, np.float32) for name, value in one.items()} for one in ctfs], object)
    as_numpy = flip({"image": images[0].numpy(), "pixel_size": np.float32(1.5), "ctf": told})["image"]
    torch.testing.assert_close(as_numpy, batch[0])
    with pytest.raises(TransformError, match="a list of 2 for an image of shape"):
        flip({"image": images[0], "pixel_size": 1.5, "ctf": ctfs[:2]})


@pytest.mark.parametrize("transform", [CTF(), PhaseFlip(), WienerFilter(0.1)])
def test_what_has_its_ctf_already_is_refused(transform):
    row = {"image": torch.rand(8, 8), "pixel_size": 1.5, "ctf": USUAL}
    transform(row | {"is_ctf_premultiplied": False})
    transform(row | {"is_ctf_premultiplied": None})
    with pytest.raises(TransformError, match="multiplied by its CTF already"):
        transform(row | {"is_ctf_premultiplied": True})
