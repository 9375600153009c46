"""Tables of tilt series as other packages' parsers read them."""

from collections.abc import Iterator
from pathlib import Path

import alnfile
import mdocfile
import numpy as np

from builders.io.tables.tilts import read_aln, read_mdoc
from conformance.table import Row

_ANGLES = (0.01, 3.02, -2.99, -6.0, 6.01)
_DOSE = 3.1


def rows(folder: Path) -> Iterator[Row]:
    """An .mdoc and an .aln."""
    path = folder / "TS_01.mrc.mdoc"
    path.write_text(_mdoc())
    theirs, ours = mdocfile.read(path), read_mdoc(path.read_bytes(), path.name).tilts
    order, case = np.argsort([tilt.acquisition_order for tilt in ours]), f"{len(ours)} sections"
    by_time = theirs.assign(place=np.arange(len(theirs))).sort_values("DateTime")
    angles = [ours[place].tilt_angle for place in order]
    yield Row("tilt angle, degrees, by time", case, angles, by_time["TiltAngle"].to_numpy(), "mdocfile", "read")
    sums = np.cumsum(by_time["ExposureDose"].to_numpy()) - by_time["ExposureDose"].to_numpy()
    before = [ours[place].pre_exposure for place in order]
    yield Row("e/Å² before an image", case, before, sums, "mdocfile", "read; exclusive sum by DateTime")
    names = [Path(str(frame).replace("\\", "/")).name for frame in theirs["SubFramePath"]]
    if names != [Path((tilt.image or "").replace("\\", "/")).name for tilt in ours]:
        msg = f"frames are {[tilt.image for tilt in ours]}, mdocfile has {names}"
        raise ValueError(msg)
    path = folder / "TS_01.aln"
    path.write_text(_aln())
    table, aln = alnfile.read(path), read_aln(path.read_bytes(), path.name)
    case = f"{len(aln.sections)} of 5 sections"
    yield Row("tilt angle, degrees", case, aln.tilt_angles, table["tilt"].to_numpy(), "alnfile", "read")
    yield Row("section", case, aln.sections, table["sec"].to_numpy(), "alnfile", "read")


def _mdoc() -> str:
    """Sections in the order of angles, taken in another one, as SerialEM sorts them."""
    head = "PixelSpacing = 1.35\nVoltage = 300\n\n[T = SerialEM: made]\n\n"
    head += "[T =     Tilt axis angle = 85.3, binning = 1]\n\n"
    sections = []
    for number, place in enumerate(np.argsort(_ANGLES)):
        sections.append(
            f"[ZValue = {number}]\nTiltAngle = {_ANGLES[place]}\nExposureDose = {_DOSE + place / 10:g}\n"
            f"SubFramePath = D:\\frames\\TS_01_{place:03}_{_ANGLES[place]}.tif\n"
            f"DateTime = 21-Nov-26  10:0{place}:00\n"
        )
    return head + "\n".join(sections)


def _aln() -> str:
    head = "# AreTomo Alignment / Priims bprmMn\n# RawSize = 64 48 5\n# NumPatches = 0\n"
    head += "# DarkFrame =     0    0   -6.00\n# AlphaOffset =     0.00\n# BetaOffset =     0.00\n"
    head += "# SEC     ROT         GMAG       TX          TY      SMEAN     SFIT    SCALE     BASE     TILT\n"
    kept = [(n, angle) for n, angle in enumerate(sorted(_ANGLES)) if n]
    lines = [f"{n:5d} 85.3000 1.00000 {n * 1.5:9.3f} {-n:9.3f} 1.00 1.00 1.00 0.00 {a:8.2f}" for n, a in kept]
    return head + "\n".join(lines) + "\n"
