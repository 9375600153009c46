"""RELION 5's tables: a project's series with their images, on this machine, in a mirror and on a server."""

import numpy as np
import pytest

from builders import load_dataset
from builders.errors import NotFoundError
from builders.io import mrc
from tests.empiar import deposit
from tests.server import serve
from tests.tilt_series import made
from tests.tilt_series.made import DOSE, NX, NY, number_of, taken

IMAGES = taken()
ROOT = f"empiar://{deposit.ENTRY}/data"
LIST = """# version 50001

data_global

loop_
_rlnTomoName #1
_rlnTomoTiltSeriesStarFile #2
_rlnVoltage #3
_rlnSphericalAberration #4
_rlnAmplitudeContrast #5
_rlnMicrographOriginalPixelSize #6
_rlnTomoTiltSeriesPixelSize #7
{rows}
"""
SERIES = """
data_{name}

loop_
_rlnMicrographMovieName #1
_rlnTomoNominalStageTiltAngle #2
_rlnTomoNominalTiltAxisAngle #3
_rlnMicrographPreExposure #4
_rlnMicrographName #5
_rlnDefocusU #6
_rlnDefocusV #7
_rlnDefocusAngle #8
_rlnTomoXShiftAngst #9
_rlnTomoYShiftAngst #10
{rows}
"""
NAMES = ("001", "24_01")


def project(folder):
    """A project after motion correction and alignment; its doses are sums that hold an image's own."""
    rows = []
    for series, name in enumerate(NAMES, 1):
        lines = []
        for image in sorted(IMAGES, key=lambda t: t.order):
            corrected = f"MotionCorr/job002/frames/{name}_{image.section}.mrc"
            mrc.write(_made(folder / corrected), made.pixels_of(series, image.section), 1.35)
            lines.append(
                f"frames/{name}_{image.section}.eer {image.angle} 85.3 {DOSE * (image.order + 1)} {corrected} "
                f"{20_000 + image.section} 20000 30 {image.section} -1"
            )
        star = f"AlignTiltSeries/job005/tilt_series/{name}.star"
        _made(folder / star).write_text(SERIES.format(name=name, rows="\n".join(lines)))
        rows.append(f"{name} {star} 300 2.7 0.1 0.675 1.35")
    table = _made(folder / "AlignTiltSeries/job005/aligned_tilt_series.star")
    table.write_text(LIST.format(rows="\n".join(reversed(rows))))
    _made(folder / "Extract/job009/optimisation_set.star").write_text(
        "data_\n\n_rlnTomoTomogramsFile AlignTiltSeries/job005/aligned_tilt_series.star\n"
    )
    return table


def _made(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def load(star, tmp_path, **options):
    own = {"star": str(star), "split": "train", "cache_dir": str(tmp_path / "cache")}
    return load_dataset("tilt_series", **own | options)


@pytest.mark.parametrize("streaming", [False, True])
def test_rows_of_a_project(tmp_path, streaming):
    rows = list(load(project(tmp_path / "project"), tmp_path, streaming=streaming))
    expected = [(s, i) for s in (1, 2) for i in sorted(IMAGES, key=lambda t: t.angle)]
    for row, (series, image) in zip(rows, expected, strict=True):
        assert number_of(row["image"]) == (series, image.section)
        assert (row["tilt_series"], row["tilt_angle"]) == (NAMES[series - 1], image.angle)
        assert (row["pre_exposure"], row["exposure"]) == (
            DOSE * image.order,
            DOSE,
        )  # exclusive, though the table's are not
        assert row["acquisition_order"] == image.order
        assert (row["shift_x"], row["shift_y"], row["pixel_size"]) == (-image.section, 1, np.float32(1.35))
        assert (row["ctf"]["defocus_u"], row["ctf"]["voltage"]) == (20_000 + image.section, 300)
        assert row["path"] == f"MotionCorr/job002/frames/{row['tilt_series']}_{image.section}.mrc"


def test_an_optimisation_set_leads_to_its_series(tmp_path):
    project(tmp_path / "project")
    star = tmp_path / "project/Extract/job009/optimisation_set.star"
    row = load(star, tmp_path, unit="tilt_series", order="acquisition", tilt_series=["24_01"])[0]
    assert row["tilt_series"] == "24_01"
    assert np.asarray(row["image"]).shape == (5, NY, NX)
    assert [number_of(image) for image in np.asarray(row["image"])] == [
        (2, image.section) for image in sorted(IMAGES, key=lambda t: t.order)
    ]


def test_images_that_are_not_there(tmp_path):
    star = project(tmp_path / "project")
    (tmp_path / "project/MotionCorr/job002/frames/001_2.mrc").unlink()
    with pytest.raises(
        NotFoundError, match=r"1 of 10 files that it names are not there: MotionCorr/job002/frames/001_2"
    ):
        load(star, tmp_path)
    assert len(load(star, tmp_path, on_error="skip")) == 9
    assert load(star, tmp_path, on_error="skip", unit="tilt_series")["tilt_series"][:] == ["24_01"]


@pytest.fixture
def server(tmp_path):
    mirror = tmp_path / "mirror"
    data = mirror / deposit.ENTRY / "data"
    project(data / "relion")
    made.stacks(data / "stacks")
    made.frames(data / "movies")
    with serve() as archive:
        archive.publish(mirror)
        yield archive


@pytest.fixture(params=["http", "mirror"])
def place(request, tmp_path, server):
    return server.base if request.param == "http" else str(tmp_path / "mirror")


@pytest.mark.parametrize("unit", ["tilt", "tilt_series"])
@pytest.mark.parametrize("kind", ["stacks", "movies"])
def test_series_of_an_entry(place, tmp_path, kind, unit):
    own = {"entry": deposit.ENTRY, "directory": f"data/{kind}", "archive": place, "unit": unit, "split": "train"}
    own |= {"order": "acquisition", "cache_dir": str(tmp_path / "cache")}
    order = [image.section for image in sorted(IMAGES, key=lambda t: t.order)]
    for options in ({}, {"streaming": True}, {"download": True}):
        ds = load_dataset("tilt_series", **own | options)
        images = [image for row in ds for image in np.asarray(row["image"]).reshape(-1, NY, NX)]
        assert [number_of(image) for image in images] == [(s, n) for s in (1, 2) for n in order]
        first = next(iter(ds))
        assert first["path"].startswith(f"data/{kind}/")
    assert ds.info.license == "cc0-1.0"


def test_a_table_of_an_entry(place, tmp_path):
    ds = load(f"{ROOT}/relion/AlignTiltSeries/job005/aligned_tilt_series.star", tmp_path, archive=place)
    assert [number_of(row["image"])[1] for row in ds] == [
        *[image.section for image in sorted(IMAGES, key=lambda t: t.angle)] * 2
    ]
