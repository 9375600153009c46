"""Tilt series made by code: each section's pixels tell its series and its number in the order of the stack."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from builders.io import mrc

NY, NX, PIXEL_SIZE = 5, 7, 2.5
ANGLES = (0.0, 3.0, -3.0, -6.0, 6.0)
"""As they were taken: dose-symmetric."""
DOSE = 2.0


def pixels_of(series: int, number: int, shape=(NY, NX)) -> np.ndarray:
    """The image of a section; the same in all pixels but for their place."""
    return (1000 * series + 10 * number + np.arange(shape[0] * shape[1]).reshape(shape) / 128).astype(np.float32)


def number_of(image) -> tuple[int, int]:
    """Series and section of an image, by its pixels."""
    value = float(np.asarray(image)[0, 0])
    return int(value // 1000), round(value % 1000) // 10


def frame_name(series: int, number: int, angle: float) -> str:
    return f"TS_{series}_{number:03d}_{angle:.1f}.mrc"


@dataclass(frozen=True)
class Taken:
    """One image: its section of the stack, when it was taken, from 0, and its angle."""

    section: int
    order: int
    angle: float


def taken(stack_order="angle") -> list[Taken]:
    """The images of a series by their sections: a stack is sorted by angle, or as they were taken."""
    images = list(enumerate(ANGLES))
    if stack_order == "angle":
        images.sort(key=lambda image: image[1])
    return [Taken(section, order, angle) for section, (order, angle) in enumerate(images)]


def mdoc(series: int, images: list[Taken], frames=True, nl="\n", size=(NX, NY), dose=DOSE) -> str:
    """The mdoc of a series, whose times say in which order images were taken."""
    lines = [f"PixelSpacing = {PIXEL_SIZE}", "Voltage = 300", f"ImageFile = TS_{series}.mrc"]
    lines += [f"ImageSize = {size[0]} {size[1]}", "", "[T =     Tilt axis angle = 85.3, binning = 1]", ""]
    for image in images:
        lines += [f"[ZValue = {image.section}]", f"TiltAngle = {image.angle}", f"ExposureDose = {dose}"]
        lines += ["TargetDefocus = -3.5", f"DateTime = 30-Nov-15  15:{10 + image.order}:38"]
        if frames:
            name = frame_name(series, image.section, image.angle)
            lines.append(f"SubFramePath = X:\\data\\{name}" if series % 2 else f"SubFramePath = /data/{name}")
        lines.append("")
    return nl.join(lines)


def write_stack(path: Path, series: int, count=5, pixel_size=PIXEL_SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mrc.write(path, np.stack([pixels_of(series, number) for number in range(count)]), pixel_size, stack=True)


def stacks(folder: Path, series=(1, 2), suffix=".mrc", **options) -> Path:
    """Series as stacks, each with its mdoc."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in series:
        write_stack(folder / f"TS_{number}{suffix}", number)
        (folder / f"TS_{number}{suffix}.mdoc").write_text(mdoc(number, taken(), frames=False, **options), newline="")
    return folder


def frames(folder: Path, series=(1, 2), frames_each=0) -> Path:
    """Series as one file an image, in a folder `frames`, with mdocs beside that; movies where frames are asked for."""
    (folder / "frames").mkdir(parents=True, exist_ok=True)
    for number in series:
        for image in taken():
            pixels = pixels_of(number, image.section)
            whole = np.stack([pixels / frames_each] * frames_each) if frames_each else pixels
            name = frame_name(number, image.section, image.angle)
            mrc.write(folder / "frames" / name, whole, PIXEL_SIZE / 2, stack=bool(frames_each))
        (folder / f"TS_{number}.mdoc").write_text(mdoc(number, taken()))
    return folder
