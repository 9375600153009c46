"""Files of picks as other packages' parsers read them: the portal's, by copick; Dynamo's; IMOD's; RELION's."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dynamotable
import fsspec
import imodmodel
import numpy as np
import starfile
from copick.impl import cryoet_data_portal as portal
from scipy.spatial.transform import Rotation

from builders.io.tables import picks
from conformance.table import Row
from tests.io.tables.picks import test_dynamo as dynamo
from tests.io.tables.picks import test_imod as imod
from tests.tomograms import projects

SHAPE, SIZE = (64, 64, 64), 10.0


def rows(folder: Path) -> Iterator[Row]:
    """Some points of each format."""
    yield from _portal(folder / "portal")
    yield from _dynamo(folder / "picks.tbl")
    yield from _imod(folder / "picks.mod")
    yield from _relion(folder / "particles.star")


def _portal(folder: Path) -> Iterator[Row]:
    made = projects.make(names=("TS_1",))
    projects.write_portal(folder, made)
    for shape in ("OrientedPoint", "Point"):
        (path,) = folder.rglob(f"*_{shape.lower()}.ndjson")
        meta = SimpleNamespace(voxel_spacing=made.pixel_size, shape_type=shape, s3_path=str(path))
        with _local():
            theirs = portal.CopickPicksFileCDP._load_points_from_s3(meta)
        ours = picks.read(path.read_bytes(), path.name)
        case, call = f"{shape}.ndjson, {len(theirs)} points", "CopickPicksFileCDP, cryoet_data_portal"
        where = np.array([(point.location.x, point.location.y, point.location.z) for point in theirs])
        yield Row("coordinates, Å", case, _places(ours, made.shape, made.pixel_size), where, "copick", call)
        if shape == "OrientedPoint":
            turns = np.array([np.array(point.transformation)[:3, :3] for point in theirs])
            yield Row("object -> tomogram", case, ours.rotations, turns, "copick", call)


@contextlib.contextmanager
def _local() -> Iterator[None]:
    """Have copick read a file of this machine where it would read one of the portal's bucket."""
    before = portal.s3fs.S3FileSystem
    portal.s3fs.S3FileSystem = lambda **_: fsspec.filesystem("file")
    try:
        yield
    finally:
        portal.s3fs.S3FileSystem = before


def _places(found: picks.Picks, shape: tuple[int, int, int], size: float = SIZE) -> Any:
    return found.coordinates(shape, size)


def _dynamo(path: Path) -> Iterator[Row]:
    shifts = [(0.25, -0.5, 1), (0, 0, 0), (2, 3, -4)]
    places = [(40, 31, 12), (5, 6, 7), (20, 21, 22)]
    angles = [(30, 50, 70), (-10, 120, 5), (0, 90, 180)]
    written = [dynamo.row(*one) for one in zip(places, shifts, angles, strict=True)]
    path.write_bytes(dynamo.table(*written))
    theirs, ours = dynamotable.read(str(path)), picks.read(path.read_bytes(), path.name)
    case = f"{len(theirs)} particles of {len(written[0])} columns"
    where = np.stack([theirs[axis] + theirs[f"d{axis}"] for axis in "xyz"], 1) * SIZE
    own = _places(ours, SHAPE)
    why = (
        "x + dx and so on, times the pixel size; the first voxel has its centre at 0.5 there (Dynamo's wiki, \"Volume "
    )
    why += 'center"), at 0 here'
    yield Row("coordinates, Å", case, own, where, "dynamotable", "read", own + SIZE / 2, why, 1e-3)
    turns = Rotation.from_euler("zxz", theirs[["tdrot", "tilt", "narot"]].to_numpy(), degrees=True).inv().as_matrix()
    yield Row("object -> tomogram", case, ours.rotations, turns, "dynamotable", "read; scipy, zxz, inverted")


def _imod(path: Path) -> Iterator[Row]:
    points = np.array([(10.5, 20, 3), (40, 31.25, 12), (1, 2, 9)], ">f4")
    path.write_bytes(imod.model(imod.an_object("ribosome", imod.contour(points))))
    theirs, ours = imodmodel.read(path), picks.read(path.read_bytes(), path.name)
    own, where = _places(ours, SHAPE), theirs[["x", "y", "z"]].to_numpy() * SIZE
    why = (
        "x, y, z times the pixel size; x and y count from the corner of voxel 0 there (IMOD's binspec.html), from its "
    )
    why += "centre here"
    half = own + np.array([SIZE / 2, SIZE / 2, 0])
    yield Row("coordinates, Å", f"{len(points)} points", own, where, "imodmodel", "read", half, why, 1e-3)


def _relion(path: Path) -> Iterator[Row]:
    labels = ["rlnTomoName", *(f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ")]
    labels += [f"rlnTomoSubtomogram{angle}" for angle in ("Rot", "Tilt", "Psi")]
    lines = ["TS_01 -120.5 80.25 33 30 50 70", "TS_01 15 -16 -17.5 -10 120 5"]
    path.write_text("data_particles\n\nloop_\n" + "".join(f"_{label}\n" for label in labels) + "\n".join(lines) + "\n")
    theirs, ours = starfile.read(path), picks.read(path.read_bytes(), path.name)
    case, shape = "2 particles, centred", (20, 24, 28)
    where = theirs[labels[1:4]].to_numpy() + np.array(shape[::-1]) * SIZE / 2
    yield Row("coordinates, Å", case, _places(ours, shape), where, "starfile", "read; plus size / 2", tolerance=1e-3)
    turns = Rotation.from_euler("ZYZ", theirs[labels[4:]].to_numpy(), degrees=True).inv().as_matrix()
    yield Row("object -> tomogram", case, ours.rotations, turns, "starfile", "read; scipy, ZYZ, inverted")
