"""`perc structures fetch | where | clean`, as they are typed."""

import json
import re
import shutil

import gemmi
import pytest

from builders import load_dataset
from builders.cli import main
from builders.errors import NotFoundError, OptionError
from builders.structures import available
from examples.services import generate
from tests.server import Fault


@pytest.fixture
def perc(endpoints, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))

    def perc(*arguments):
        bases = [f"--endpoint={name}={base}" for name, base in endpoints.items()]
        code = main(["structures", *arguments, *bases])
        said = capfd.readouterr()
        return code, said.out, said.err

    return perc


def test_fetch(perc, tmp_path, databases):
    code, out, _ = perc("fetch", "4V1W", "P45523", "--save-dir", "out")
    assert code == 0
    assert out == "4v1w\tpdb\t4v1w\tout/4v1w.cif\nP45523\tpdb\t1q6h\tout/p45523_1q6h.cif\n"
    assert (tmp_path / "out" / "4v1w.cif").read_bytes() == databases.files["/download/4V1W.cif"]


def test_fetch_into_the_working_directory_and_clean(perc, tmp_path):
    everything = ["signal_peptides", "hydrogens", "water", "hetatms"]
    code, out, _ = perc("fetch", "P45523", "--format", "pdb", "--remove", *everything)
    name = "p45523_1q6h_nosignal1to25_nohydrogens_nowater_nohetatm.pdb"
    assert (code, out) == (0, f"P45523\tpdb\t1q6h\t{name}\n")
    assert len(gemmi.read_structure(str(tmp_path / name))[0]["A"]) > 200


def test_fetch_from_the_other_database(perc, caplog):
    assert perc("fetch", "P45523", "--db", "alphafold")[1].startswith("P45523\talphafold\tAF-P45523-F1\t")
    assert perc("fetch", "F4HVG8", "--no-fallback")[:2] == (1, "")
    assert "F4HVG8: no structure of it: pdb: nothing" in caplog.text


def test_fetch_what_a_file_lists_and_go_on_after_a_failure(perc, tmp_path, caplog):
    (tmp_path / "ids.txt").write_text("4hhb\n9xyz  # none\nnonsense\n2beg\n")
    code, out, _ = perc("fetch", "ids.txt")
    assert code == 1
    assert [line.split("\t")[0] for line in out.splitlines()] == ["4hhb", "2beg"]
    assert "9xyz: no structure of it" in caplog.text
    assert "'nonsense' is no id" in caplog.text
    assert "left out 2 of 4 ids" in caplog.text


def test_a_slip_of_the_pen_does_not_stop_the_others(perc, caplog):
    code, out, _ = perc("fetch", "4hhb", "4hhbb", "2beg")
    assert (code, [line.split("\t")[0] for line in out.splitlines()]) == (1, ["4hhb", "2beg"])
    assert "'4hhbb' is no id" in caplog.text


def test_where(perc):
    code, out, _ = perc("where", "7U6Q", "F4HvG8", "A0A023FDY8")
    assert (code, out) == (0, "7U6Q\tpdb\nF4HvG8\talphafold\nA0A023FDY8\tpdb alphafold\n")
    assert perc("where", "9xyz") == (1, "9xyz\tnowhere\n", "")


def test_where_as_json(perc):
    code, out, err = perc("where", "7U6Q", "A0A023FDY8", "9xyz", "--json")
    assert (code, json.loads(out), err) == (1, {"7U6Q": ["pdb"], "A0A023FDY8": ["pdb", "alphafold"], "9xyz": []}, "")


def test_a_dry_run_saves_nothing_and_says_what_would_be_saved(perc, tmp_path, databases):
    code, out, err = perc("fetch", "4V1W", "P45523", "9xyz", "nonsense", "--save-dir", "out", "--dry-run")
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 1
    assert [row[:4] for row in rows] == [
        ["4v1w", "pdb", "4v1w", "out/4v1w.cif"],
        ["P45523", "pdb", "1q6h", "out/p45523_1q6h.cif"],
    ]
    assert all(row[4].endswith((".cif", ".cif.gz")) for row in rows)
    assert err.count("failed: ") == 2
    assert not (tmp_path / "out").exists()
    assert not [r for r in databases.requests if r.method == "GET" and r.path == "/download/4V1W.cif"]
    assert [line.split("\t")[:4] for line in perc("fetch", "4V1W", "P45523", "--save-dir", "out")[1].splitlines()] == [
        row[:4] for row in rows
    ]


@pytest.mark.parametrize("layout", ["apart", "together"])
def test_one_folder_for_all_services(tmp_path, monkeypatch, capsys, layout):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("somebody else was asked"))
    folder = tmp_path / "services"
    generate(folder)
    if layout == "together":
        for service in list(folder.iterdir()):
            shutil.copytree(service, tmp_path / "all", dirs_exist_ok=True)
        folder = tmp_path / "all"
    command = ["structures", "fetch", "Z9DEM1", "--remove", "signal_peptides", "--endpoints", str(folder)]
    assert main([*command, "--save-dir", str(tmp_path / "out")]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["z9dem1_0dem_nosignal1to24.cif"]
    assert main([*command, "--endpoint", f"rcsb_search={tmp_path}", "--no-fallback"]) == 1
    assert available("Z9DEM1", endpoints=folder) == available("Z9DEM1", endpoints=str(folder))
    rows = load_dataset("structures", ids="Z9DEM1", endpoints=str(folder), split="train", cache_dir=str(tmp_path / "c"))
    assert rows["entry_id"] == ["0dem"]
    for wrong, kind in (
        ("", OptionError),
        ("http://localhost:1", OptionError),
        (str(tmp_path / "none"), NotFoundError),
    ):
        with pytest.raises(kind, match=r"endpoints is .*: (expected a dict such as|no such folder)"):
            available("Z9DEM1", endpoints=wrong)
    capsys.readouterr()
    assert main(["structures", "where", "4v1w", "--endpoints", str(tmp_path / "none")]) == 1
    assert "no such folder: expected one with folders such as " in capsys.readouterr().err


def test_clean(perc, tmp_path):
    perc("fetch", "P45523", "4hhb")
    code, out, _ = perc("clean", "p45523_1q6h.cif", "4hhb.cif", "--remove", "water", "hetatms")
    assert (code, out) == (0, "p45523_1q6h_nowater_nohetatm.cif\n4hhb_nowater_nohetatm.cif\n")
    code, out, err = perc("clean", "none.cif", "4hhb.cif", "--save-dir", "out")
    assert (code, out) == (1, "out/4hhb_nohydrogens_nowater_nohetatm.cif\n")
    assert err == "failed: none.cif: no such file\n"


def test_what_is_removed_by_default_is_the_same_everywhere(perc, tmp_path):
    perc("fetch", "P45523", "--save-dir", "a", "--remove")
    perc("fetch", "P45523", "--save-dir", "b")
    for arguments in ([], ["--remove"]):
        assert perc("clean", "b/p45523_1q6h.cif", *arguments)[0] == 0
    name = "p45523_1q6h_nosignal1to25_nohydrogens_nowater_nohetatm.cif"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    (tmp_path / "b" / name).write_text("mine")
    code, _, err = perc("clean", "b/p45523_1q6h.cif")
    assert (code, (tmp_path / "b" / name).read_text()) == (1, "mine")
    assert err.startswith(f"failed: b/{name}: something else is there")
    assert perc("clean", "b/p45523_1q6h.cif", "--overwrite")[0] == 0
    assert perc("fetch", "P45523", "--save-dir", "b", "--remove", "")[1].endswith("b/p45523_1q6h.cif\n")


@pytest.mark.parametrize("what", [["water", "hetatms"], ["water,hetatms"], ["hetatms", "--remove", "water"]])
def test_what_to_remove_is_said_as_people_say_it(perc, what):
    assert perc("fetch", "4hhb", "--remove", *what)[1].endswith("4hhb_nowater_nohetatm.cif\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fetch", "4v1w", "--remove", "waters"], "expected some of 'signal_peptides', 'hydrogens'"),
        (["where", "nothing"], "'nothing' is no id: expected a PDB id"),
        (["where", "nothing.txt"], "neither an id .* nor a file"),
        (["where", "4v1w", "--endpoint", "pdbe"], "expected NAME=BASE"),
        (["where", "4v1w", "--endpoint", "pdb=http://x"], "did you mean 'pdbe'"),
        (["fetch", "4v1w", "--db", "other"], "db is 'other': expected 'pdb' or 'alphafold'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(perc, arguments, message):
    code, _, err = perc(*arguments)
    assert code == 1
    assert err.startswith("perc: error: ")
    assert err.count("\n") == 1
    assert re.search(message, err)


def test_remote_text_does_not_reach_the_terminal(perc, databases, caplog):
    databases.add_inactive("A4FU41", "MERGED", "\x1b[31mP1\x07")
    databases.broken["alphafold"] = Fault(status=404, body=b"{}")
    assert perc("fetch", "A4FU41")[0] == 1
    assert "merged into ?[31mP1?" in caplog.text
