"""DM3 and DM4 files beside ncempy and RosettaSciIO: the same image, the same order of rows, the same pixel size.

Files are made here. `DM_FILES=/folder make conformance` takes those of a folder, too: of the 103 that the sources of
HyperSpy 1.6.5 have, all 63 with images of numbers came out the same (4 are masks, which ncempy does not read), and the
40 with nothing but spectra or colours were refused.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from ncempy.io.dm import dmReader
from rsciio.digitalmicrograph import file_reader

from builders.errors import FormatError
from builders.io import image_file
from tests.io.formats.dm import KINDS, encode

REAL = os.environ.get("DM_FILES")
FILES = sorted(path for path in Path(REAL).rglob("*.dm[34]")) if REAL else []
ANGSTROM = {"nm": 10.0, "µm": 1e4}


def made(kind, version, order, shape):
    """The bytes of a file with an image of a type."""
    numbers = np.random.default_rng(1).integers(0, 100, shape)
    pixels = (numbers + 1j * numbers[::-1] if kind[0] == "c" else numbers).astype(kind)
    return encode(pixels, version, order, scale=0.125, units="nm")


def compare(path):
    """Hold what we read against what they do."""
    pixels, size = image_file.read(path), image_file.describe(path).pixel_size
    theirs = file_reader(str(path))[0]
    np.testing.assert_array_equal(pixels, theirs["data"])
    along = next(axis for axis in theirs["axes"] if axis["name"] == "x")
    factor = ANGSTROM.get(along["units"])
    assert size == (None if factor is None else pytest.approx(along["scale"] * factor))
    if theirs["data"].dtype != bool:  # masks, which ncempy refuses
        np.testing.assert_array_equal(pixels, dmReader(path, verbose=False)["data"])


@pytest.mark.parametrize("shape", [(3, 5), (4, 3, 5)])
@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_images_are_theirs(tmp_path, kind, version, shape):
    """Every type and both versions."""
    path = tmp_path / f"x.dm{version}"
    path.write_bytes(made(kind, version, "<", shape))
    compare(path)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_real_files_are_theirs_or_refused(path):
    """Spectra and images in colour are refused."""
    try:
        image_file.describe(path)
    except FormatError as err:
        assert "1 axes" in str(err) or "in colour and no other" in str(err)  # noqa: PT017
        return
    compare(path)
