"""Pixels of micrographs: what columns tell of, made once more by NumPy; and noise as it was asked for."""

import numpy as np
import pytest
import torch

from builders.errors import OptionError
from builders.io.made.micrographs import MicrographMaker
from builders.io.made.micrographs.backdrop import Backdrop
from builders.io.made.micrographs.picture import Painter
from builders.io.made.micrographs.scene import scene_of
from builders.io.made.micrographs.specimen import Specimen, specimens
from builders.io.made.particles import ParticleMaker
from builders.io.made.recipe import Noise, Optics
from builders.io.made.views import optics_of
from tests.io.made.micrographs.molecules import (
    SIZE,
    N,
    expected_clean,
    interaction_constant,
    poses_of,
    projection,
    recipe,
    transfer,
    volumes,
)

pytestmark = pytest.mark.usefixtures("finely")
ROUND = Optics(defocus=(9000.0, 9000.0))


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made(index=0, names=("image", "clean"), **options):
    how = recipe(clean=True, **options)
    maker = MicrographMaker(how, volumes())
    row = maker.columns(np.array([index])).to_pylist()[0]
    return how, row, {name: images[0] for name, images in maker.pixels(np.array([index]), names).items()}


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("index", [0, 7])
@pytest.mark.parametrize("contrast", ["dark", "bright"])
def test_a_clean_micrograph_shows_what_its_columns_tell(index, contrast):
    how, row, images = made(index, contrast=contrast)
    expected = expected_clean(row, (160, 220), how.optics.b_factor)
    assert relative(images["clean"], expected if contrast == "dark" else -expected) < 3e-3
    assert (images["image"] == images["clean"]).all()  # neither noise nor ice was asked for


def test_a_lone_particle_in_the_middle_is_the_particle_image():
    optics, index = Optics(defocus=(8000.0, 8000.0), b_factor=100.0), np.array([3])
    how = recipe(micrograph_shape=(N, N), particles=(1, 1), optics=optics)
    single = type(how)(**{**vars(how), "unit": "particle", "scene": {"clean": True}})
    maker = ParticleMaker(single, volumes())
    row = maker.columns(index).to_pylist()[0]
    angles = np.array([[row["pose"][name] for name in ("rot", "tilt", "psi")]], np.float32)
    lone = Specimen(
        np.full((1, 2), N // 2, np.float32), np.array([row["label"]]), angles, np.array([False]), Backdrop(0, 0, None)
    )
    image = np.zeros((1, N, N), np.float32)
    painter = Painter(how, scene_of(how), volumes())
    painter.paint(3, lone, optics_of(single, index), None, np.zeros((1, 2)), {"clean": image})
    assert relative(image[0], maker.pixels(index, ["clean"])["clean"][0]) < 0.02  # of which fringes come in again


def test_particles_lie_where_picks_say():
    _, row, images = made(2, optics=ROUND)
    for number, (x, y) in enumerate(row["picks"]):
        alone = {name: [row[name][number]] for name in ("label", "pose")} | {"ctf": row["ctf"]}
        centred = expected_clean(alone | {"picks": [(80, 80)]}, (160, 160), 0.0)
        sizes = 160 + 220, 160 + 220
        product = np.fft.rfft2(images["clean"], s=sizes) * np.fft.rfft2(centred, s=sizes).conj()
        correlation = np.roll(np.fft.irfft2(product, s=sizes), (80, 80), (0, 1))
        near = correlation[max(round(y) - 8, 0) : round(y) + 9, max(round(x) - 8, 0) : round(x) + 9]
        top, left = np.unravel_index(near.argmax(), near.shape)
        inside = 25 < x < 195 and 25 < y < 135
        if inside:
            assert abs(top + max(round(y) - 8, 0) - y) <= 0.6
            assert abs(left + max(round(x) - 8, 0) - x) <= 0.6


def test_a_row_is_the_same_alone_and_among_others():
    how = recipe(noise=Noise(snr=(0.05, 0.2), ice_snr=2.0), clean=True, ice_gradient=0.5, carbon=0.5, particles=(2, 4))
    several = MicrographMaker(how, volumes()).pixels(np.array([4, 0, 9]), ["image", "clean"])
    for place, index in enumerate([4, 0, 9]):
        alone = MicrographMaker(how, volumes()).pixels(np.array([index]), ["image"])["image"]
        assert (alone[0] == several["image"][place]).all()
    assert relative(several["image"][0], several["image"][1]) > 1
    assert several["image"].dtype == np.float32
    assert several["image"].shape == (3, 160, 220)


def variance_in_boxes(image, row):
    corners = [(round(y) - N // 2, round(x) - N // 2) for x, y in row["picks"]]
    boxes = [image[max(top, 0) : top + N, max(left, 0) : left + N] for top, left in corners]
    return np.mean([box.var() for box, crowded in zip(boxes, row["crowded"], strict=True) if not crowded])


@pytest.mark.parametrize("ice_snr", [None, 1.5])
def test_noise_is_as_strong_as_asked(ice_snr):
    _, row, images = made(noise=Noise(snr=(0.2, 0.2), ice_snr=ice_snr), micrograph_shape=(500, 640), optics=ROUND)
    noise = images["image"] - images["clean"]
    assert row["snr"] == pytest.approx(0.2)
    found = variance_in_boxes(images["clean"].astype(np.float64), row) / noise.var()
    assert found == pytest.approx(0.2, rel=4 * np.sqrt(2 / noise.size) * 3)
    assert abs(noise.mean()) < 5 * noise.std() / np.sqrt(noise.size)


def own_variance(row):
    """Of projections over their boxes, averaged."""
    alone = (([label], [pose]) for label, pose in zip(row["label"], poses_of(row), strict=True))
    return np.mean([projection((N, N), [(N // 2, N // 2)], *one).var() for one in alone])


def test_ice_is_white_before_the_ctf():
    ice_snr, shape, optics = 0.5, (500, 640), Optics(defocus=(1500.0, 1500.0))  # few rings: they do not blur
    _, row, images = made(noise=Noise(snr=(0.03, 0.03), ice_snr=ice_snr), micrograph_shape=shape, optics=optics)
    own = own_variance(row)
    power = np.abs(np.fft.fft2(images["image"] - images["clean"])).ravel() ** 2 / np.prod(shape)
    through = transfer(shape, row["ctf"], 0.0).ravel() ** 2
    slope, _ = np.polyfit(through, power, 1, w=1 / (through + power.mean() / own))
    assert slope == pytest.approx(own / ice_snr, rel=0.06)


def test_ice_alone_can_be_too_much():
    with pytest.raises(OptionError, match=r"row 0: snr=5 with ice_snr: the ice alone makes it \d.*expected a lower"):
        made(noise=Noise(snr=(5.0, 5.0), ice_snr=0.5))


def test_pixels_of_a_dose_are_counts():
    how, row, images = made(noise=Noise(dose=20.0), micrograph_shape=(300, 400))
    assert (images["image"] == np.round(images["image"])).all()
    electrons = 20.0 * SIZE**2
    expected = electrons * (1 + expected_clean(row, (300, 400), how.optics.b_factor))
    assert np.abs(images["clean"] - expected).max() < 0.02 * np.ptp(expected)
    assert images["clean"].dtype == np.float32
    residue = (images["image"] - images["clean"]) / np.sqrt(images["clean"])
    assert residue.var() == pytest.approx(1, abs=4 * np.sqrt(2 / residue.size))
    assert abs(residue.mean()) < 4 / np.sqrt(residue.size)
    ratio = variance_in_boxes(images["clean"].astype(np.float64), row) / images["clean"].mean()
    assert row["snr"] == pytest.approx(ratio, rel=0.3)  # an average over directions


def test_thicker_ice_is_noisier_and_darker():
    gradient, shape, ice_snr = 1.6, (400, 500), 0.1
    options = {
        **{"noise": Noise(snr=(0.05, 0.05), ice_snr=ice_snr), "micrograph_shape": shape},
        "optics": Optics(defocus=(9000.0, 9000.0), amplitude_contrast=0.9),
    }
    how, row, images = made(1, ice_gradient=gradient, **options)
    angle = specimens(how, scene_of(how), np.array([1]))[0].backdrop.angle
    y, x = np.mgrid[: shape[0], : shape[1]] - np.array(shape)[:, None, None] / 2 + 0.5
    along = (x * np.cos(angle) + y * np.sin(angle)).ravel()
    along /= np.ptp(along)
    noise = (images["image"] - images["clean"]).ravel()
    slope, offset = np.polyfit(along, noise, 1)
    error = 5 * noise.std() * np.sqrt(12 / noise.size)
    assert slope == pytest.approx(-300 / 3950 * gradient, abs=error)
    assert offset == pytest.approx(0, abs=error)
    absorbed = 300 / 3950 * gradient * along
    rise, mean = np.polyfit(along, (noise + absorbed) ** 2, 1)
    carried = (transfer(shape, row["ctf"], 0.0) ** 2).mean() * own_variance(row) / ice_snr
    assert rise == pytest.approx(gradient * carried * (1 - 2 * 300 / 3950), rel=0.1)
    even = made(1, **options)[2]
    assert mean == pytest.approx((even["image"] - even["clean"]).var(), rel=0.02)
    bright = made(1, contrast="bright", ice_gradient=gradient, **options)[2]
    assert np.polyfit(along, (bright["image"] - bright["clean"]).ravel(), 1)[0] == pytest.approx(-slope, abs=2 * error)


def test_carbon_is_dark_and_grainy():
    options = {"noise": Noise(dose=50.0), "particles": (2, 3), "micrograph_shape": (400, 500), "optics": ROUND}
    how, row, images = made(5, carbon=1.0, **options)
    rim = specimens(how, scene_of(how), np.array([5]))[0].backdrop.rim
    y, x = np.mgrid[:400, :500]
    far = np.hypot(x - rim.x, y - rim.y) - rim.radius
    film, hole = far > 20, far < -60
    assert film.mean() > 0.02
    assert hole.mean() > 0.3
    noise = images["image"] - images["clean"]
    electrons = 50.0 * SIZE**2
    assert noise[hole].mean() == pytest.approx(0, abs=0.02 * electrons)
    assert noise[film].mean() == pytest.approx(-0.15 * electrons, abs=0.03 * electrons)
    through = transfer((400, 500), row["ctf"], 30.0)  # the CTF, and what atoms are blurred by
    grain = 6.0 * (2 * interaction_constant(300.0) * 47.878 * 2.509 / SIZE) ** 2 * (through**2).mean()
    assert noise[film].var() == pytest.approx(0.85 * electrons + (0.85 * electrons) ** 2 * grain, rel=0.1)
    assert noise[hole].var() == pytest.approx(electrons, rel=0.02)
    assert all(np.hypot(px - rim.x, py - rim.y) < rim.radius for px, py in row["picks"])
    assert not relative(images["clean"], made(5, carbon=1.0, **options)[2]["clean"])


class TestMovies:
    def movie(self, index=0, **options):
        given = {"frames": 6, "frame_dose": 2.0, "micrograph_shape": (128, 150), "particles": (1, 1)}
        return made(index, **(given | options))

    def test_columns_of_frames(self):
        _, row, images = self.movie(drift=7.0)
        assert row["dose"] == [2.0] * 6
        assert row["pre_exposure"] == [0, 2, 4, 6, 8, 10]
        path = np.stack([row["shift_x"], row["shift_y"]], 1)
        assert (path[0] == 0).all()
        assert np.hypot(*path[-1]) == pytest.approx(7.0, rel=1e-5)
        steps = np.hypot(*np.diff(path, axis=0).T)
        assert (np.diff(steps) < 0).all()  # ever slower
        assert steps.sum() == pytest.approx(7.0, rel=0.1)
        assert images["image"].shape == images["clean"].shape == (6, 128, 150)

    def test_frames_that_hardly_fade_are_the_image_and_moved_back_they_are_the_first(self):
        _, _, image = made(0, micrograph_shape=(128, 150), particles=(1, 1))
        _, _, still = self.movie(frame_dose=1e-6)
        assert relative(still["clean"], np.broadcast_to(image["clean"], (6, 128, 150))) < 1e-5
        _, row, moving = self.movie(frame_dose=1e-6, drift=9.0)
        ky, kx = np.fft.fftfreq(128)[:, None], np.fft.rfftfreq(150)
        for frame, shift in zip(moving["clean"], zip(row["shift_x"], row["shift_y"], strict=True), strict=True):
            x, y = np.array(shift) / SIZE
            back = np.fft.irfft2(np.fft.rfft2(frame) * np.exp(-2j * np.pi * (kx * x + ky * y)), s=(128, 150))
            inner = np.s_[8:-8, 8:-8]
            assert relative(back[inner], image["clean"][inner]) < 0.05
        assert relative(moving["clean"][-1], image["clean"]) > 0.3

    def test_amplitudes_fade_by_the_critical_dose(self):
        index = next(i for i in range(50) if all(abs(np.array(self.places(i)) - (75, 64)).max(0) < 20))
        _, _, images = self.movie(index, frame_dose=4.0)
        spectra = np.abs(np.fft.rfft2(images["clean"]))
        ky, kx = np.fft.fftfreq(128, SIZE)[:, None], np.fft.rfftfreq(150, SIZE)
        k = np.hypot(kx, ky)
        strong = (spectra[0] > 0.02 * spectra[0].max()) & (k > 0)
        critical = 0.245 * k[strong] ** -1.665 + 2.81
        for frame in (1, 3, 5):
            expected = np.exp(-4.0 * frame / (2 * critical))
            assert np.abs(spectra[frame][strong] / spectra[0][strong] - expected).max() < 0.02
        first = made(index, micrograph_shape=(128, 150), particles=(1, 1))[2]["clean"]
        ratio = spectra[0][strong] / np.abs(np.fft.rfft2(first))[strong]
        assert np.abs(ratio - np.exp(-2.0 / (2 * critical))).max() < 0.02  # of the dose at its middle

    def places(self, index):
        how = recipe(micrograph_shape=(128, 150), particles=(1, 1))
        return MicrographMaker(how, volumes()).columns(np.array([index])).to_pylist()[0]["picks"]

    def test_the_mean_of_frames_has_the_noise_of_an_image(self):
        _, row, images = self.movie(noise=Noise(snr=(0.1, 0.1)), frame_dose=1e-6, micrograph_shape=(256, 300))
        noise = images["image"] - images["clean"]
        signal = variance_in_boxes(images["clean"].mean(0, dtype=np.float64), row)
        assert signal / noise.mean(0).var() == pytest.approx(0.1, rel=0.03)
        assert noise.var((1, 2)) == pytest.approx(6 * signal / 0.1, rel=0.03)
        matrix = np.corrcoef(noise.reshape(6, -1))
        assert np.abs(matrix - np.eye(6)).max() < 0.03

    def test_ice_stays_with_the_specimen(self):
        noise = Noise(snr=(0.02, 0.02), ice_snr=0.05)
        _, _, images = self.movie(noise=noise, frame_dose=1e-6, micrograph_shape=(256, 300), drift=0.0)
        rest = (images["image"] - images["clean"]).reshape(6, -1)
        assert np.corrcoef(rest)[0, 1:].min() > 0.03

    def test_counts_of_frames_are_of_their_share_of_the_dose(self):
        _, row, images = self.movie(noise=Noise(dose=12.0), frame_dose=None)
        assert row["dose"] == [2.0] * 6
        assert images["image"].mean((1, 2)) == pytest.approx(2.0 * SIZE**2, rel=0.02)
        assert images["clean"].mean((1, 2)) == pytest.approx(2.0 * SIZE**2, rel=0.02)
        assert not (images["image"][0] == images["image"][1]).all()
