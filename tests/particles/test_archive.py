"""`load_dataset("particles")` of an entry, on a loopback server and in a mirror: as of a project on this machine."""

import logging
import shutil

import pytest

from builders import load_dataset
from builders.errors import NotFoundError, OptionError, UnreachableError
from builders.io.net import remote
from builders.io.net.retrying import Patience
from tests.empiar import deposit
from tests.particles.made import Project, check, write_stack
from tests.particles.test_particles import told
from tests.server import serve

ROOT = f"empiar://{deposit.ENTRY}/data"
TABLE = f"{ROOT}/Refine3D/job002/run_data.star"


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "mirror" / deposit.ENTRY / "data").make()


@pytest.fixture
def server(project, tmp_path):
    with serve() as archive:
        archive.publish(tmp_path / "mirror")
        yield archive


@pytest.fixture(params=["http", "mirror"])
def place(request, tmp_path, server):
    return server.base if request.param == "http" else str(tmp_path / "mirror")


def load(place, tmp_path, **options):
    own = {"star": TABLE, "archive": place, "split": "train", "cache_dir": str(tmp_path / "cache")}
    return load_dataset("particles", **own | options)


def test_rows_are_those_of_the_project(place, project, tmp_path):
    ds = load(place, tmp_path, columns=["rlnHelicalTubeID"])
    for row, (stack, index) in zip(ds, project.facts, strict=True):
        check(row, stack, index)
        assert (row["path"], row["index"]) == (project.stack(stack), index)
        assert row["rlnHelicalTubeID"] == 1 + index // 2
    assert ds.info.license == "cc0-1.0"
    assert "EMPIAR-10943" in ds.info.citation


def test_a_table_of_this_machine_has_its_stacks_in_an_entry(place, project, tmp_path):
    table = shutil.copy(project.table, tmp_path / "table.star")
    ds = load(place, tmp_path, star=table, root=f"{ROOT}/Extract/job001")
    assert told(ds) == project.facts
    assert ds[0]["path"].startswith("mics/mic_")
    assert told(load(place, tmp_path, star=table, root=ROOT)) == project.facts


def test_folders_are_listed_once_and_stacks_are_not_asked_for_one_by_one(server, project, tmp_path):
    counts = (2,) * 40
    project.counts = counts
    project.make()
    server.publish(tmp_path / "mirror")
    load(server.base, tmp_path, streaming=True)
    asked = [request.path for request in server.requests]
    assert len(asked) == len(set(asked)) + 1  # the table's version, and the table
    assert len(asked) < 10
    before = len(server.requests)
    load(server.base, tmp_path, streaming=True)  # the same table
    again = server.requests[before:]
    assert [request.method for request in again if request.path.endswith(".star")] == ["HEAD"]


def test_a_table_that_changed_is_fetched_anew(server, project, tmp_path):
    assert len(load(server.base, tmp_path)) == 12
    project.rows, project.facts = project.rows[:5], project.facts[:5]
    project.write()
    server.publish(tmp_path / "mirror")
    assert told(load(server.base, tmp_path)) == project.facts
    write_stack(project.folder / project.stack(0), 7, 5)
    server.publish(tmp_path / "mirror")
    changed = [(7 if stack == 0 else stack, index) for stack, index in project.facts]
    assert told(load(server.base, tmp_path, download_mode="force_redownload")) == changed


@pytest.mark.parametrize("streaming", [True, False])
def test_what_is_cached_needs_no_server(project, tmp_path, caplog, monkeypatch, streaming):
    options = {"download": True, "order": "table", "streaming": streaming}
    with serve() as server:
        server.publish(tmp_path / "mirror")
        assert told(load(server.base, tmp_path, **options)) == project.facts
    monkeypatch.setattr(remote, "_clients", {})  # its connections outlive the server's own end
    remote.client().patience = Patience(backoff=0.001)
    with caplog.at_level(logging.WARNING):
        assert told(load(server.base, tmp_path, **options)) == project.facts
    assert "using what the archive said last time" in caplog.text
    with pytest.raises(UnreachableError):
        load(server.base, tmp_path / "other")


def test_stacks_are_brought_into_the_cache(server, project, tmp_path):
    ds = load(server.base, tmp_path, download=True)
    before = len(server.requests)
    assert told(ds) == project.facts
    assert len(server.requests) == before
    assert ds[0]["path"].startswith("Extract/")


def test_names_that_the_archive_spells_otherwise_are_suggested(place, project, tmp_path, server):
    folder = project.folder / "Extract/job001/mics"
    (folder / "mic_9.mrcs").rename(folder / "mic_9_f03-16.mrcs")
    server.files.clear()
    server.publish(tmp_path / "mirror")
    with pytest.raises(NotFoundError, match=r"1 of 3 files .*mic_9\.mrcs \(there is mic_9_f03-16\.mrcs\); looked in"):
        load(place, tmp_path)
    ds = load(place, tmp_path, on_error="skip", quarantine=tmp_path / "q.tsv")
    assert told(ds) == [fact for fact in project.facts if fact[0] != 0]
    assert "mic_9_f03-16.mrcs): 5 rows" in (tmp_path / "q.tsv").read_text()


def test_base_names_are_looked_for_below_a_root_in_an_entry(place, project, tmp_path, server):
    for folder, number in (("one/job001", 60), ("two/job007", 70)):
        for stack, count in enumerate(project.counts):
            name = project.stack(stack).rpartition("/")[2]
            write_stack(project.folder / "copies" / folder / "mics" / name, stack + number, count)
    server.publish(tmp_path / "mirror")
    table = shutil.copy(project.table, tmp_path / "table.star")
    ds = load(place, tmp_path, star=table, root=f"{ROOT}/copies")
    assert told(ds) == [(stack + 60, index) for stack, index in project.facts]
    for row in project.rows:
        row["rlnImageName"] = row["rlnImageName"].replace("job001/", "")
    project.write()
    table = shutil.copy(project.table, tmp_path / "table.star")
    with pytest.raises(OptionError, match=r"may be any of one/job001/mics/mic_\d+\.mrcs, two/job007/mics/"):
        load(place, tmp_path, star=table, root=f"{ROOT}/copies")


def test_roots_and_tables_that_are_not_there_are_told(place, tmp_path):
    with pytest.raises(NotFoundError, match=r"root is empiar://10943/data/nowhere: .*there is: Extract/"):
        load(place, tmp_path, root=f"{ROOT}/nowhere")
    with pytest.raises(NotFoundError, match=r"nothing\.star"):
        load(place, tmp_path, star=f"{ROOT}/nothing.star")
    with pytest.raises(IsADirectoryError, match="a folder, expected"):
        load(place, tmp_path, star=f"{ROOT}/Refine3D")
