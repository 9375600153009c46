"""Whatever a file of picks holds, it is read or refused in our words."""

import contextlib
import random

import numpy as np
import pytest

from builders.errors import PercError
from builders.io.tables import picks
from tests.io.tables.picks import test_copick, test_dynamo, test_imod, test_portal, test_relion
from tests.io.tables.stars import simple

SET = {"rlnTomoParticlesFile": "p.star", "rlnTomoTomogramsFile": "t.star"}
OPTICS = simple("optics", {"rlnOpticsGroup": 1, "rlnTomoTiltSeriesPixelSize": 1.5})
LABELS = [*test_relion.VOXELS, *test_relion.ORIGIN, *test_relion.FRAME]
FILES = {
    "a.json": test_copick.document(*[test_copick.point(1, 2, 3, transformation_=test_copick.matrix())] * 2),
    "a.ndjson": test_portal.lines(*[test_portal.point(1, 2, 3, xyz_rotation_matrix=test_portal.TURN.tolist())] * 2),
    "a.tbl": test_dynamo.table(*[test_dynamo.row()] * 3),
    "a.mod": test_imod.model(test_imod.an_object("a", test_imod.contour(test_imod.POINTS)), test_imod.minx()),
    "a.csv": b'tomogram,x,y,z,class\nTS_1,1,2,3,a\nTS_2,4,5,6,"b"\n',
    "b.csv": b"# x y z\n1 2 3\n4 5 6\n",
    "centred.star": test_relion.particles(test_relion.CENTRED, (1, 2, 3), (4, 5, 6)).encode(),
    "voxels.star": test_relion.particles(LABELS, (1, 2, 3, 4, 5, 6, 7, 8, 9), optics=OPTICS).encode(),
    "set.star": simple("", SET).encode(),
}
PIECES = [b"nan", b"inf", b"-1", b"1e400", b"null", b"[]", b"{}", b"\0", b"\xff", b'"', b"'", b"#", b"\n", b"\r", b","]
PIECES += [b";", b"\t", b"9" * 30, b"true", b"None", b"data_x\n", b"loop_\n", b"\xef\xbb\xbf", b"\x7f\xff\xff\xff"]


def damaged(data, rng):
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, way = rng.randrange(len(data) + 1), rng.random()
        if way < 0.3:
            data[at : at + rng.randint(1, 30)] = b""
        elif way < 0.9:
            data[at : at + rng.choice((0, 0, 4))] = rng.choice(PIECES)
        else:
            data = data[:at]
    return bytes(data)


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_are_read_or_refused(name):
    rng = random.Random(name)
    for _ in range(80):
        data = damaged(FILES[name], rng)
        tomograms = rng.choice((None, test_relion.TOMOGRAMS.encode(), data))
        with contextlib.suppress(PercError):
            check(picks.read(data, name, label="a", tomograms=tomograms, beside=lambda _, data=data: data))


def check(found):
    assert found.points.shape == (len(found), 3)
    assert np.isfinite(found.points).all()
    for side in (found.labels, found.tomograms):
        assert side is None or len(side) == len(found)
    assert found.rotations is None or np.allclose(np.linalg.det(found.rotations), 1, atol=0.05)
