"""Particles that we write, as cryoDRGN and ASPIRE read them: pixels, rotations, offsets, CTFs."""

import argparse
import contextlib
import functools
import io
import logging
import pickle
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from aspire.source import RelionSource
from cryodrgn.commands import parse_ctf_csparc, parse_ctf_star, parse_pose_csparc, parse_pose_star
from cryodrgn.source import ImageSource
from datasets import Dataset, Features, Value
from scipy.spatial.transform import Rotation

from builders import EMImage
from builders.particles import write
from conformance.contrast import cryodrgn_ctf
from conformance.images import Values, axes, effective, noise, response
from conformance.optics import MINUS_OLDER, OLDER, TYPICAL, wavelength_by
from conformance.references import relion_ctf
from conformance.table import Row
from perc_transforms import CTF, Compose, FourierCrop, RandomRotate, RandomShift

SIDE, SIZE = 32, 1.5
POSE = {"rot": 30.0, "tilt": 50.0, "psi": 70.0, "shift_x": 3.0, "shift_y": -2.25}
SHIFTED = {**TYPICAL, "phase_shift": 90.0}
POINT = np.array([9.0, -6.0, 4.0])
WORDS = "rot 30°, tilt 50°, psi 70°"
MOVED = "after RandomRotate, RandomShift, FourierCrop"
FRACTION = "fractions of the box's side"
PIXELS = "pixels"
TURNED = "the transposed matrix, which turns the grid of the volume"
NO_PHASE = MINUS_OLDER + "; no phase shift, which it does not read"
FIRST = "pixels of the first optics group, whatever the particle's own"
NOT_A_TURN = "NaN: divides by the angle"


def rows() -> Iterator[Row]:
    """What either program makes of RELION's table, and cryoDRGN of CryoSPARC's."""
    logging.disable(logging.WARNING)  # cryoDRGN tells every value
    try:
        with tempfile.TemporaryDirectory() as folder:
            plain = _Written(Path(folder, "plain"), [_row(POSE, SHIFTED)])
            yield from _pixels(plain)
            yield from _rotations(plain)
            yield from _offsets(plain, "origin (3, -2.25) Å, 32 x 32 at 1.5 Å")
            yield from _ctf_values(plain)
            yield from _ctfs(plain)
            yield from _moved(Path(folder, "moved"))
            yield from _two_groups(Path(folder, "groups"))
            yield from _no_turn(Path(folder, "none"))
    finally:
        logging.disable(logging.NOTSET)


def _row(pose: Mapping[str, float], ctf: Mapping[str, float], **columns: Any) -> dict[str, Any]:
    image = noise(SIDE, SIDE).numpy().astype(np.float32)
    place = {"micrograph": "m.mrc", "coordinate_x": 100.0, "coordinate_y": 200.0, "optics_group": 1}
    return {"image": image, "pixel_size": SIZE, "ctf": dict(ctf), "pose": dict(pose), **place} | columns


@dataclass(frozen=True)
class _Written:
    """Particles, and what others read of them once they are written.

    Attributes:
        folder: where to.
        made: rows as they are before the transform.
        transform: what they go through.
    """

    folder: Path
    made: list[dict[str, Any]]
    transform: Any = None

    @functools.cached_property
    def dataset(self) -> Dataset:
        """The rows."""
        single = Value("float32")
        features = dict.fromkeys(("pixel_size", "coordinate_x", "coordinate_y"), single)
        features |= {"image": EMImage(), "micrograph": Value("string"), "optics_group": Value("int64")}
        features |= {name: dict.fromkeys(self.made[0][name], single) for name in ("ctf", "pose")}
        dataset = Dataset.from_list(self.made, features=Features(features))
        return dataset if self.transform is None else dataset.with_transform(self.transform)

    @functools.cached_property
    def star(self) -> str:
        """RELION's table."""
        return write(self.dataset, self.folder).table

    @functools.cached_property
    def cs(self) -> str:
        """CryoSPARC's table, of the same stacks."""
        return write(self.dataset, self.folder, "cs").table

    @property
    def aspire(self) -> Any:
        """ASPIRE's reading."""
        return RelionSource(self.star, data_folder=str(self.folder))

    def images(self, table: str) -> Values:
        """CryoDRGN's reading of the pixels."""
        source = ImageSource.from_file(table, datadir=str(self.folder))
        return np.asarray(source.images(np.arange(len(self.made))))

    def drgn(self, command: Any, table: str) -> Any:
        """What a command of cryoDRGN makes of a table."""
        parser = argparse.ArgumentParser()
        parser = command.add_args(parser) or parser
        out = self.folder / "out.pkl"
        with contextlib.redirect_stdout(io.StringIO()):
            command.main(parser.parse_args([table, "-o", str(out)]))
        return pickle.loads(out.read_bytes())  # our own file

    def shifts(self) -> Values:
        """Our origins, Å."""
        return np.array([[row["pose"]["shift_x"], row["pose"]["shift_y"]] for row in self.dataset], np.float64)

    def matrices(self) -> Values:
        """Our matrices A: a point p of the volume appears at `(A p)[:2]`."""
        angles = [[row["pose"][name] for name in ("rot", "tilt", "psi")] for row in self.dataset]
        return np.asarray(Rotation.from_euler("ZYZ", angles, degrees=True).as_matrix().transpose(0, 2, 1))


def _pixels(made: _Written) -> Iterator[Row]:
    what, case, ours = "pixels", "32 x 32, float32", np.stack([row["image"] for row in made.dataset])
    yield Row(what, case, ours, made.images(made.star), "cryodrgn", "`ImageSource`, particles.star", tolerance=1e-12)
    yield Row(what, case, ours, made.images(made.cs), "cryodrgn", "`ImageSource`, particles.cs", tolerance=1e-12)
    theirs = made.aspire.images[:].asnumpy()
    yield Row(what, case, ours, theirs, "aspire", "`RelionSource`", tolerance=1e-12)


def _rotations(made: _Written, case: str = WORDS) -> Iterator[Row]:
    what, ours = "rotation of the particle: where (9, -6, 4) appears, (x, y)", (made.matrices() @ POINT)[0, :2]
    for command, table, call in (
        (parse_pose_star, made.star, "`parse_pose_star`"),
        (parse_pose_csparc, made.cs, "`parse_pose_csparc`"),
    ):
        rotations, _ = made.drgn(command, table)
        yield Row(what, case, ours, (rotations @ POINT)[0, :2], "cryodrgn", call)
    rotations = made.aspire.rotations
    predicted = (made.matrices().transpose(0, 2, 1) @ POINT)[0, :2]
    yield Row(what, case, ours, (rotations @ POINT)[0, :2], "aspire", "`rotations`", predicted, TURNED)


def _offsets(made: _Written, case: str) -> Iterator[Row]:
    what, ours = "origin (x, y), Å", made.shifts()[0]
    row = made.dataset[0]
    pixels = ours / row["pixel_size"]
    predicted = pixels / len(row["image"])
    for command, table, call in (
        (parse_pose_star, made.star, "`parse_pose_star`"),
        (parse_pose_csparc, made.cs, "`parse_pose_csparc`"),
    ):
        _, theirs = made.drgn(command, table)
        yield Row(what, case, ours, theirs[0], "cryodrgn", call, predicted, FRACTION)
    yield Row(what, case, ours, made.aspire.offsets[0], "aspire", "`offsets`", pixels, PIXELS)


def _ctf_values(made: _Written) -> Iterator[Row]:
    ctf = made.dataset[0]["ctf"]
    lengths = [ctf[name] for name in ("defocus_u", "defocus_v", "defocus_angle", "phase_shift")]
    microscope = [ctf[name] for name in ("voltage", "spherical_aberration", "amplitude_contrast")]
    for command, table, call in (
        (parse_ctf_star, made.star, "`parse_ctf_star`"),
        (parse_ctf_csparc, made.cs, "`parse_ctf_csparc`"),
    ):
        (values,) = made.drgn(command, table)
        what, case = "defocus U, V (Å), angle, phase shift (degrees)", "of a written particle"
        yield Row(what, case, lengths, values[[2, 3, 4, 8]], "cryodrgn", call, tolerance=1e-4, digits=7)
        yield Row("kV, Cs (mm), Q0", case, microscope, values[[5, 6, 7]], "cryodrgn", call)
        yield Row("box (pixels), pixel size (Å)", case, [SIDE, SIZE], values[:2], "cryodrgn", call)


def _ctfs(made: _Written) -> Iterator[Row]:
    """Whole filters, of the values that they read."""
    ctf, sizes = made.dataset[0]["ctf"], (SIDE + 1, SIDE + 1)
    ours = response(CTF(spatial_dims=2), *sizes, pixel_size=SIZE, ctf=dict(ctf))
    (x, y), what, case = axes(sizes, SIZE), "CTF of a written particle", "33 x 33 at 1.5 Å, phase shift 90°"
    wavelength = wavelength_by(OLDER, ctf["voltage"])
    (read,) = made.drgn(parse_ctf_star, made.star)
    names = ("defocus_u", "defocus_v", "defocus_angle", "voltage", "spherical_aberration", "amplitude_contrast")
    told = dict(zip((*names, "phase_shift"), read[2:].tolist(), strict=True))
    predicted = -effective(relion_ctf(x, y, wavelength=wavelength, **ctf), *sizes)
    theirs = effective(cryodrgn_ctf(x, y, **told), *sizes)
    yield Row(what, case, ours, theirs, "cryodrgn", "`parse_ctf_star`, `compute_ctf`", predicted, MINUS_OLDER, 1e-4)
    source = made.aspire
    filter = source.unique_filters[source.filter_indices[0]]
    theirs = np.fft.ifftshift(filter.evaluate_grid(sizes[0], pixel_size=source.pixel_size))[:, : sizes[0] // 2 + 1]
    predicted = -effective(relion_ctf(x, y, wavelength=wavelength, **{**ctf, "phase_shift": 0.0}), *sizes)
    yield Row(what, case, ours, theirs, "aspire", "`unique_filters`", predicted, NO_PHASE + "; float32", 1e-4)


def _moved(folder: Path) -> Iterator[Row]:
    """What is written is what the transforms have made of the pose."""
    steps = [RandomRotate(max_angle=40, seed=3), RandomShift(max_shift=3, seed=4), FourierCrop(pixel_size=3.0)]
    made = _Written(folder, [_row(POSE, TYPICAL)], Compose(steps))
    yield from _rotations(made, f"{WORDS}, {MOVED}")
    yield from _offsets(made, f"{MOVED}: 16 x 16 at 3 Å")


def _two_groups(folder: Path) -> Iterator[Row]:
    """Particles of one size of box and two sizes of pixels."""
    made = _Written(folder, [_row(POSE, TYPICAL), _row(POSE, TYPICAL, pixel_size=2.0, optics_group=2)])
    what, case, ours = (
        "origin (x, y), Å",
        "(3, -2.25) Å at 2 Å a pixel, in optics group 2; 1.5 Å in group 1",
        made.shifts(),
    )
    _, theirs = made.drgn(parse_pose_star, made.star)
    yield Row(what, case, ours[1], theirs[1], "cryodrgn", "`parse_pose_star`", ours[1] / 2.0 / SIDE, FRACTION)
    yield Row(what, case, ours[1], made.aspire.offsets[1], "aspire", "`offsets`", ours[1] / SIZE, FIRST)


def _no_turn(folder: Path) -> Iterator[Row]:
    """A particle that is not turned at all, as CryoSPARC has it: its rotation vector is 0."""
    made = _Written(folder, [_row(dict.fromkeys(POSE, 0.0), TYPICAL)])
    what, case, ours = "rotation of the particle: where (9, -6, 4) appears, (x, y)", "angles 0", POINT[:2]
    rotations, _ = made.drgn(parse_pose_star, made.star)
    yield Row(what, case, ours, (rotations @ POINT)[0, :2], "cryodrgn", "`parse_pose_star`")
    rotations, _ = made.drgn(parse_pose_csparc, made.cs)
    theirs, nan = (rotations @ POINT)[0, :2], np.full(2, np.nan)
    yield Row(what, case, ours, theirs, "cryodrgn", "`parse_pose_csparc`", nan, NOT_A_TURN)
