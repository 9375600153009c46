"""What the pictures are of: a made-up protein as a volume, as particles and as a movie, the same every time."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

import perc_transforms as T

Points = NDArray[np.float64]
Row = dict[str, Any]

SIDE = 192.0
"""Å along every side."""
PARTICLE, VOXELS = 96, 64
"""Pixels along the sides of images and of volumes."""
BLOB = 3.0
"""Standard deviation of an atom group, Å."""
FRAMES, DOSE_PER_FRAME = 24, 5.0
"""Of the movie; electrons per Å^2."""
MICROSCOPE = {
    "defocus_u": 9000.0,
    "defocus_v": 6500.0,
    "defocus_angle": 30.0,
    "voltage": 300.0,
    "spherical_aberration": 2.7,
    "amplitude_contrast": 0.1,
    "phase_shift": 0.0,
}


@functools.lru_cache(maxsize=1)
def protein() -> Points:
    """Atom groups of three domains and a bent helix, xyz in Å: no two views are alike, nor are its mirror images."""
    rng = np.random.default_rng(7)
    body = _domain((-14.0, -14.0, 0.0), (36.0, 28.0, 27.0), rng)
    head = _domain((30.0, 26.0, 2.0), (19.0, 19.0, 17.0), rng)
    knob = _domain((24.0, -2.0, 30.0), (15.0, 11.0, 17.0), rng)
    steps = np.arange(0, 84, 1.5)
    bend = np.clip(steps - 52, 0, None)
    axis = np.stack([-38 + 0.15 * steps + bend, 8 + np.minimum(steps, 52), 0.1 * steps], 1)
    turn = np.deg2rad(100) * np.arange(len(steps))
    helix = axis + 5 * np.stack([np.cos(turn), 0 * turn, np.sin(turn)], 1)
    return np.concatenate([body, head, knob, helix])


def _domain(centre: tuple[float, ...], semiaxes: tuple[float, ...], rng: np.random.Generator) -> Points:
    """Points in an ellipsoid, none nearer than 7 Å to another."""
    kept: list[NDArray[np.float64]] = []
    for point in rng.uniform(-1, 1, (1500, 3)):
        place = point * semiaxes
        if point @ point < 1 and all(np.linalg.norm(place - other) > 7 for other in kept):
            kept.append(place)
    return np.array(kept) + centre


def _along(n: int, positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussians at positions (Å) along an axis of n pixels: (points, n)."""
    axis = (np.arange(n) - n // 2) * (SIDE / n)
    return np.exp(-0.5 * ((axis - positions[:, None]) / BLOB) ** 2)


@functools.lru_cache(maxsize=1)
def density() -> NDArray[np.float64]:
    """The protein's density `(nz, ny, nx)`."""
    return _filled(*(_along(VOXELS, positions) for positions in protein().T))


def _filled(x: NDArray[np.float64], y: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of points that are products of what they are along each axis: (points, n) thrice to `(nz, ny, nx)`."""
    plane = y[:, :, None] * x[:, None, :]
    voxels: NDArray[np.float64] = z.T @ plane.reshape(len(z), -1)
    return voxels.reshape(z.shape[1], y.shape[1], x.shape[1])


@functools.lru_cache(maxsize=1)
def projection() -> NDArray[np.float64]:
    """The protein seen along z: `(ny, nx)`, standard deviation 1."""
    x, y = (_along(PARTICLE, positions) for positions in protein().T[:2])
    image: NDArray[np.float64] = y.T @ x
    image /= image.std()
    return image


def volume() -> Row:
    """A map: little noise, 3 Å a voxel."""
    noise = np.random.default_rng(2).normal(0, 0.01, density().shape)
    return _row(density() + noise)


def section(row: Row) -> Row:
    """The middle section of a map."""
    return {**row, "image": row["image"][len(row["image"]) // 2]}


def contrast() -> Row:
    """A projection as contrast I / I0 - 1, dark on bright, with the microscope's CTF."""
    return _row(-0.15 * _seen(projection()))


def projected() -> Row:
    """A projection as it would be without a microscope, 2 Å a pixel."""
    return _row(projection())


def imaged() -> Row:
    """A projection with the microscope's CTF and hardly any noise."""
    return _row(_seen(projection()) + np.random.default_rng(3).normal(0, 0.05, (PARTICLE, PARTICLE)))


def particle(index: int = 0) -> Row:
    """A particle: the CTF, and noise of the variance of the signal; the next one is turned by a quarter."""
    noise = np.random.default_rng([4, index]).normal(0, 1, (PARTICLE, PARTICLE))
    return _row(_seen(np.rot90(projection(), index)) + noise) | {"index": index}


def two_particles() -> Row:
    """A batch of a particle and another one, of two classes."""
    one, other = particle(), particle(1)
    return {name: [one[name], other[name]] for name in one} | {"label": [0, 1]}


def raw_particle() -> Row:
    """A particle as a camera counts it: dark on bright, on uneven ice."""
    slope = np.linspace(-3, 3, PARTICLE)
    image = 40 - 2 * _seen(projection()) + slope + 0.5 * slope[:, None]
    return _row(image + np.random.default_rng(5).normal(0, 1.5, image.shape))


def counted() -> Row:
    """The raw particle as it is stored, in whole numbers."""
    row = raw_particle()
    row["image"] = np.rint(row["image"]).astype(np.int16)
    return row


def raw_volume() -> Row:
    """A subtomogram: dark on bright, with much noise."""
    return _row(3 - density() + np.random.default_rng(8).normal(0, 0.15, density().shape))


@functools.lru_cache(maxsize=1)
def gain() -> NDArray[np.float32]:
    """A camera's gain reference, `(ny, nx)`: columns and corners that differ, single pixels, and two that are dark."""
    rng = np.random.default_rng(11)
    side = np.linspace(-1, 1, PARTICLE)
    sensitivity = 1 + 0.03 * rng.standard_normal((PARTICLE, PARTICLE)) + 0.08 * rng.standard_normal(PARTICLE)
    reference = 1 / (sensitivity - 0.15 * np.hypot(side, side[:, None]))
    reference[20, 70] = reference[75, 30] = 0
    return reference.astype(np.float32)


def uncorrected() -> Row:
    """The raw particle as the camera reads it out, before its gain is corrected."""
    row = raw_particle()
    dark = gain() == 0
    row["image"] = np.where(dark, row["image"].min(), row["image"] / np.where(dark, 1, gain()))
    return row


def hot_particle() -> Row:
    """The raw particle, with a few hot pixels."""
    row = raw_particle()
    row["image"].flat[np.random.default_rng(9).choice(PARTICLE**2, 6, replace=False)] += 40
    return row


def hot_volume() -> Row:
    """The subtomogram, with a few hot voxels, among others in its central slices."""
    row = raw_volume()
    places = np.random.default_rng(10).integers(0, VOXELS, (3, 30))
    places[0, :10] = places[1, 10:20] = VOXELS // 2
    row["image"][tuple(places)] += 4
    return row


def tile() -> Row:
    """A tile of a tomogram: small proteins of two sizes, turned as they please, and its picks."""
    rng = np.random.default_rng(12)
    places = _apart(rng, 3, 12)
    classes = np.arange(len(places)) % 2
    pixels = (np.arange(VOXELS) - VOXELS // 2) * (SIDE / VOXELS)
    image = rng.normal(0, 0.1, (VOXELS,) * 3)
    for place, label in zip(places, classes, strict=True):
        atoms = _turned(rng, protein() * (0.16 if label else 0.3)) + place
        x, y, z = (np.exp(-0.5 * ((pixels - positions[:, None]) / BLOB) ** 2) for positions in atoms.T)
        image += (0.15 if label else 0.4) * _filled(x, y, z)
    return _row(image) | {"picks": {"pixels": places / (SIDE / VOXELS) + VOXELS // 2, "label": classes}}


def micrograph() -> Row:
    """A micrograph of small proteins, all of one kind, and its picks."""
    rng = np.random.default_rng(13)
    places = _apart(rng, 2, 7)
    image = rng.normal(0, 1, (PARTICLE, PARTICLE))
    for place in places:
        x, y = (_along(PARTICLE, positions) for positions in (_turned(rng, protein() * 0.3)[:, :2] + place).T)
        image += 0.3 * y.T @ x
    return _row(image) | {"picks": places / (SIDE / PARTICLE) + PARTICLE // 2}


def _apart(rng: np.random.Generator, axes: int, count: int) -> Points:
    """Places for proteins, Å from the centre, apart from each other; in volumes near the slices that are drawn."""
    kept: list[NDArray[np.float64]] = []
    for number, place in enumerate(rng.uniform(-0.42 * SIDE, 0.42 * SIDE, (4000, axes))):
        if axes == 3:
            place[1 + number % 2] *= 0.1
        if len(kept) < count and all(np.linalg.norm(place - other) > 46 for other in kept):
            kept.append(place)
    return np.array(kept)


def _turned(rng: np.random.Generator, points: Points) -> Points:
    """Points, turned at random about their centre."""
    matrix, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    turned: Points = (points - points.mean(0)) @ (matrix * np.linalg.det(matrix))
    return turned


def movie() -> Row:
    """Frames of one particle `(frames, ny, nx)`, whose finer details the beam destroys from frame to frame."""
    rng = np.random.default_rng(6)
    spectrum = np.fft.rfft2(projection())
    squared = np.fft.fftfreq(PARTICLE)[:, None] ** 2 + np.fft.rfftfreq(PARTICLE) ** 2
    with np.errstate(divide="ignore"):
        critical = 0.245 * (np.sqrt(squared) * PARTICLE / SIDE) ** -1.665 + 2.81
    doses = DOSE_PER_FRAME * np.arange(1, FRAMES + 1)[:, None, None]
    frames = np.fft.irfft2(spectrum * np.exp(-0.5 * doses / critical), s=(PARTICLE, PARTICLE))
    return _row(frames + rng.normal(0, 0.05, frames.shape))


def _seen(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the microscope makes of an image, standard deviation 1."""
    seen = T.CTF()(_row(image))["image"].numpy().astype(np.float64)
    scaled: NDArray[np.float64] = seen / seen.std()
    return scaled


def _row(image: NDArray[np.float64]) -> Row:
    name = "gallery"
    size = SIDE / image.shape[-1]
    return {"image": image.astype(np.float32), "pixel_size": size, "ctf": MICROSCOPE, "path": name, "index": 0}
