import json

import numpy as np
import pytest

from builders.errors import FormatError
from builders.io.tables import read_particles, star
from builders.io.tables.cryosparc import read_fields
from builders.io.tables.cryosparc.files import everything
from builders.io.tables.cryosparc.header import header_bytes, parse_header
from tests.conftest import SHARED

TRUTH = {}


if (SHARED / "data" / "TRUTH.json").is_file():
    facts = json.loads((SHARED / "data" / "TRUTH.json").read_text())
    TRUTH = {name: value for name, value in facts.items() if name.startswith(("star/", "cs/"))}


STARS = sorted(name for name in TRUTH if name.startswith("star/") and TRUTH[name]["kind"] == "star")


@pytest.mark.parametrize("name", STARS)
def test_blocks_are_those_that_independent_readers_find(name):
    truth = TRUTH[name]["starfile"]["blocks"]
    blocks = star.read(SHARED / "data" / name)
    assert [block.name for block in blocks] == list(truth)
    for block, expected in zip(blocks, truth.values(), strict=True):
        assert block.is_loop == (expected["kind"] == "loop")
        assert list(block.labels) == expected["columns"]
        assert block.rows == expected["rows"]
        for place, row in ((0, expected.get("first_row")), (-1, expected.get("last_row")), (0, expected.get("values"))):
            for label, value in (row or {}).items():
                assert agrees(block.columns[label].to_pylist()[place], value), label
        for label, mean in expected.get("numeric_means", {}).items():
            values = [float(value) for value in block.columns[label].to_pylist() if value]
            assert np.mean(values) == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize("name", STARS)
def test_values_are_spelled_as_gemmi_finds_them(name):
    truth = TRUTH[name]["gemmi_cif"]
    if not truth["ok"]:
        pytest.skip("gemmi cannot read it")
    blocks = {block.name: block for block in star.read(SHARED / "data" / name)}
    for expected in truth["blocks"]:
        block = blocks[expected["name"].strip()]
        for loop in expected["loops"]:
            spelled = [value.strip("'\"") for value in loop["first_row"]]
            ours = [block.columns[label.removeprefix("_")][0].as_py() for label in loop["columns"]]
            assert ours == spelled


def agrees(ours, theirs):
    """Whether a value as it is spelled is what pandas made of it."""
    if ours == theirs or (not ours and theirs in ("nan", "None")):
        return True
    try:
        return ours is not None and float(ours) in (float(theirs), np.float32(theirs))
    except (TypeError, ValueError):
        return False


PARTICLES = ("one_loop.star", "relion_3_star.star", "relion_4_star.star", "run_it025_data.star")
PLAIN = {
    "rlnCoordinateX": "coordinate_x",
    "rlnCoordinateY": "coordinate_y",
    "rlnMicrographName": "micrograph",
    "rlnImageName": "image",
    "rlnDefocusU": "ctf.defocus_u",
    "rlnDefocusV": "ctf.defocus_v",
    "rlnDefocusAngle": "ctf.defocus_angle",
    "rlnVoltage": "ctf.voltage",
    "rlnSphericalAberration": "ctf.spherical_aberration",
    "rlnAngleRot": "pose.rot",
    "rlnAngleTilt": "pose.tilt",
    "rlnAnglePsi": "pose.psi",
    "rlnOriginXAngst": "pose.shift_x",
    "rlnOriginYAngst": "pose.shift_y",
    "rlnImagePixelSize": "pixel_size",
    "rlnImageSize": "image_size",
    "rlnClassNumber": "class_number",
    "rlnRandomSubset": "half_set",
    "rlnOpticsGroup": "optics_group",
}
OTHERS = {
    "basic_double_quote.star": "no table of particles",
    "lfs_pointer.star": "a pointer of Git LFS",
    "loop_single_quote.star": "no table of particles",
    "optimisation_set.star": "an optimisation set",
    "postprocess.star": "a postprocessing's result",
    "rln3.1_data_style.star": "2 blocks have rlnImageName: 'block_2' .line 17., 'block_3' .line 30.",
    "run_it025_optimiser_3D.star": "the state of a refinement",
    "run_it025_sampling_2D.star": "a sampling of orientations",
    "single_line_end_of_multiblock.star": "2 blocks have rlnImageName",
    "tomograms.star": "a list of tilt series",
    "two_basic_blocks.star": "no table of particles or micrographs, but blocks 'block_0', 'block_1'",
    "two_single_line_loop_blocks.star": "no table of particles",
}


@pytest.mark.parametrize("name", PARTICLES)
def test_particles_say_what_their_rows_and_optics_say(shared, name):
    table = read_particles([(name, shared / "data" / "star" / name)])
    blocks = TRUTH[f"star/{name}"]["starfile"]["blocks"]
    particles = blocks.get("particles", blocks.get(""))
    assert table.rows.num_rows == particles["rows"]
    optics = blocks["optics"]["first_row"] if "optics" in blocks else {}
    for place, end in ((0, "first_row"), (-1, "last_row")):
        ours = flat(table.rows.to_pylist()[place])
        theirs = {**optics, **particles[end]}
        for label in PLAIN.keys() & theirs.keys():
            if not PLAIN[label].startswith("ctf") or table.has_ctf:
                assert agrees(ours[PLAIN[label]], theirs[label]), label
        if "rlnDetectorPixelSize" in theirs:
            size = float(theirs["rlnDetectorPixelSize"]) * 1e4 / float(theirs["rlnMagnification"])
            assert ours["pixel_size"] == np.float32(size)
        if "rlnOriginX" in theirs:
            assert ours["pose.shift_x"] == np.float32(size * float(theirs["rlnOriginX"]))
            assert ours["pose.shift_y"] == np.float32(size * float(theirs["rlnOriginY"]))


def flat(row):
    structs = {name: row[name] or {} for name in ("ctf", "pose")}
    return row | {f"{name}.{field}": value for name, fields in structs.items() for field, value in fields.items()}


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_other_files_are_refused_by_what_they_are(shared, name):
    with pytest.raises(FormatError, match=rf"^{name}: {OTHERS[name]}.*: expected "):
        read_particles([(name, shared / "data" / "star" / name)])


@pytest.mark.parametrize("name", sorted(name for name in TRUTH if name.startswith("cs/")))
def test_fields_are_those_of_the_header(name):
    truth, path = TRUTH[name], SHARED / "data" / name
    data = path.read_bytes()
    header = parse_header(data[: header_bytes(data, name)], len(data), name)
    assert [header.rows] == truth["shape"]
    assert header.offset == truth["header_bytes"]
    expected = np.dtype([(field, eval_type(kind)) for field, kind in truth["dtype"]])
    assert header.dtype == expected
    fields = read_fields(path, name, everything)
    assert {field: len(values) for field, values in fields.items()} == dict.fromkeys(expected.names, 0)
    assert read_particles([(name, path)]).rows.num_rows == 0


def eval_type(kind):
    """`"uint64"`, or a base and a shape as NumPy prints them: `"('<f4', (2,))"`."""
    if not kind.startswith("("):
        return np.dtype(kind)
    base, _, shape = kind.strip("()").partition(", (")
    return np.dtype((base.strip("'"), tuple(int(side) for side in shape.strip("(),").split(",") if side)))
