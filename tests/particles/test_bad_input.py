"""What is wrong with a table or its stacks is told, through `load_dataset`, by one clear error."""

import logging

import numpy as np
import pytest

from builders import load_dataset
from builders.errors import FormatError, NotFoundError, OptionError, PercError
from tests.particles.made import PIXEL_SIZE, SIDE, Project, star
from tests.particles.test_particles import told

OPTICS = {"rlnOpticsGroup": 1, "rlnImagePixelSize": PIXEL_SIZE, "rlnImageSize": SIDE, "rlnVoltage": 300.0}


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project").make()


def load(project, tmp_path, **options):
    own = {"star": str(project.table), "split": "train", "cache_dir": str(tmp_path / "cache")}
    return load_dataset("particles", **own | options)


def test_a_table_of_no_rows(project, tmp_path):
    text = star(project.rows[:1])
    project.write(text.removesuffix(text.splitlines()[-1] + "\n"))
    with pytest.raises(FormatError, match=r"run_data\.star"):
        load(project, tmp_path)


@pytest.mark.parametrize("value", ["nan", "None", "<NA>"])
def test_a_defocus_that_is_no_number_is_null(project, tmp_path, value):
    project.rows[4]["rlnDefocusU"] = value
    project.write()
    for streaming in (False, True):
        rows = list(load(project, tmp_path, streaming=streaming, order="table"))
        assert rows[4]["ctf"]["defocus_u"] is None
        assert rows[3]["ctf"]["defocus_u"] == 10_000 + project.facts[3][0]


def test_a_half_set_column_that_is_all_zero(project, tmp_path):
    for row in project.rows:
        row["rlnRandomSubset"] = 0
    project.write()
    assert {row["half_set"] for row in load(project, tmp_path)} == {None}
    with pytest.raises(OptionError, match=r"run_data\.star: half_set=1: no row has a half-set"):
        load(project, tmp_path, half_set=1)


def test_columns_that_are_not_there_name_the_closest(project, tmp_path):
    with pytest.raises(OptionError, match="rlnHelicalTube"):
        load(project, tmp_path, columns=["rlnHelicalTubeId"])
    with pytest.raises(OptionError, match="rlnNothing"):
        load(project, tmp_path, validation_fraction=0.2, group_by="rlnNothing")


def test_damage_in_a_line_is_told_with_its_number(project, tmp_path):
    text = project.table.read_text()
    lines = text.splitlines()
    project.write("\n".join([*lines[:-2], lines[-2].rpartition(" ")[0], lines[-1], ""]))
    with pytest.raises(PercError, match=rf"run_data\.star.*line {len(lines) - 1}"):
        load(project, tmp_path)


def test_micrographs_that_are_not_told_cannot_be_kept_together(project, tmp_path):
    for row in project.rows:
        del row["rlnMicrographName"]
    project.write()
    with pytest.raises(OptionError, match=r"group_by='micrograph': 12 of 12 rows have no micrograph.*group_by='path'"):
        load(project, tmp_path, validation_fraction=0.3)
    assert len(load(project, tmp_path, validation_fraction=0.3, group_by="path")) > 0


def test_one_stack_that_is_said_to_be_of_two_sizes(project, tmp_path):
    project.rows[0]["rlnOpticsGroup"] = 2
    project.write(star(project.rows, [OPTICS, {**OPTICS, "rlnOpticsGroup": 2, "rlnImageSize": 12}]))
    name = project.stack(project.facts[0][0])
    said = rf"{name} has images of 6 pixels \(optics group 1\) and of 12 \(optics group 2\): expected one size"
    with pytest.raises(FormatError, match=said):
        load(project, tmp_path)


def test_rows_without_an_image(project, tmp_path, caplog):
    project.rows[2]["rlnImageName"] = "None"
    project.write()
    with pytest.raises(NotFoundError, match=r"run_data\.star: 1 of 12 rows name no image"):
        load(project, tmp_path)
    with caplog.at_level(logging.WARNING):
        ds = load(project, tmp_path, on_error="skip")
    assert told(ds) == [*project.facts[:2], *project.facts[3:]]
    assert "1 rows name no image" in caplog.text


def test_two_tables_that_disagree(project, tmp_path):
    uids = np.arange(4, dtype="u8")
    first = np.zeros(4, [("uid", "u8"), ("blob/path", "S8"), ("blob/idx", "u4"), ("ctf/df1_A", "f4")])
    first["uid"], first["blob/path"], first["blob/idx"] = uids, b"x.mrcs", uids
    second = np.zeros(4, [("uid", "u8"), ("ctf/df1_A", "f4")])
    second["uid"], second["ctf/df1_A"] = uids, 5
    for name, array in (("a.cs", first), ("b.cs", second)):
        with (tmp_path / name).open("wb") as file:
            np.save(file, array)
    with pytest.raises(PercError, match="ctf/df1_A"):
        load(project, tmp_path, star=[tmp_path / "a.cs", tmp_path / "b.cs"])
