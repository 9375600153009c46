"""`perc empiar` from the command line: lists come back as they were saved, and what fails is one line."""

import json
import os
import shutil
import sys

import pytest

from builders import load_dataset
from builders.archive.archive import Archive
from builders.cli import main
from builders.errors import PercError
from tests.empiar import deposit
from tests.server import serve

ODD = ["a b .mrc ", "b\u2028c.mrc", "c%25.mrc", "d#?&.mrc", "ü.mrc", " e.mrc", "f\udcff.mrc", "g\u3000"]


@pytest.fixture
def mirror(tmp_path):
    deposit.make(tmp_path / "mirror")
    (tmp_path / "mirror/10943/data/odd").mkdir()
    for name in ODD:
        (tmp_path / "mirror/10943/data/odd" / name).write_text(repr(name))
    return tmp_path / "mirror"


@pytest.fixture
def run(mirror, capsys):
    """A command's exit code, output and errors."""

    def run(*arguments, archive=mirror):
        code = main(["empiar", *map(str, arguments), "--archive", str(archive)])
        return code, *capsys.readouterr()

    return run


def check_error(result, *parts):
    """One line says what is wrong."""
    code, _, err = result
    errors = err.splitlines()
    assert code == 1
    assert len(errors) == 1
    assert errors[0].startswith("perc: error: ")
    for part in parts:
        assert part in errors[0]


@pytest.mark.parametrize("kind", ["http", "mirror"])
def test_a_saved_search_is_downloaded_whatever_the_names(tmp_path, mirror, run, kind):
    if kind == "mirror":
        check_round_trip(tmp_path, run, mirror, ODD)
        return
    (mirror / "10943/data/odd/f\udcff.mrc").unlink()  # the test server serves text alone
    with serve() as server:
        server.publish(mirror)
        check_round_trip(tmp_path, run, server.base, [name for name in ODD if "\udcff" not in name])


def check_round_trip(tmp_path, run, archive, names):
    saved, out = tmp_path / "list.txt", tmp_path / "out"
    code, shown, _ = run("search", 10943, "--dir", "data/odd", "--save-search", saved, archive=archive)
    assert code == 0
    assert shown.count("\n") == len(names)
    assert saved.read_bytes().count(b"\n") == len(names)
    saved.write_bytes(b"\xef\xbb\xbf# a comment\r\n\r\n" + saved.read_bytes().replace(b"\n", b"\r\n"))
    assert run("download", saved, "--save-dir", out, archive=archive)[0] == 0
    assert {path.name: path.read_text() for path in (out / "data/odd").iterdir()} == {n: repr(n) for n in names}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["list.txt", "mirror", "out"]


@pytest.mark.parametrize("archive", ["../mirror", "~/mirror", "./../mirror/.", "{}/mirror/../mirror/"])
def test_a_saved_search_of_a_mirror_is_taken_however_that_is_spelled(tmp_path, run, monkeypatch, archive):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    archive = archive.format(tmp_path)
    search = ("search", 10943, "--dir", "data/particles", "--save-search", "list.txt")
    assert run(*search, archive=archive)[0] == 0
    assert run("download", "list.txt", "--save-dir", "out", archive=archive)[0] == 0
    assert (tmp_path / "here/out/data/particles/stack.mrcs").is_file()


@pytest.mark.parametrize("target", ["none/list.txt", "folder", "file/list.txt", "x" * 300, ".", "folder/..", ""])
def test_a_list_that_cannot_be_written_is_told_in_one_line(tmp_path, run, monkeypatch, target):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    check_error(run("search", 10943, "--dir", "data/particles", "--save-search", target), "cannot be written")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_list_is_replaced_and_what_is_no_file_is_written_to(tmp_path, run):
    saved, pipe = tmp_path / "list.txt", tmp_path / "pipe"
    saved.write_text("old")
    os.mkfifo(pipe)  # stands for a device, such as /dev/null, which must not become a file
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        for target in (saved, pipe):
            assert run("search", 10943, "--dir", "data/particles", "--save-search", target)[0] == 0
        assert os.read(reader, 1000) == saved.read_bytes()
    finally:
        os.close(reader)
    assert saved.read_text().endswith("stack.mrcs\n")
    assert pipe.is_fifo()


@pytest.mark.parametrize("target", ["file", "file/deeper", "x" * 300])
def test_a_folder_to_save_into_that_cannot_be_made_is_told_in_one_line(tmp_path, run, target):
    (tmp_path / "file").touch()
    result = run("download", 10943, "--dir", "data/particles", "--save-dir", tmp_path / target)
    check_error(result, "cannot be made a folder to save into", target)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="nothing is forbidden")
def test_what_is_forbidden_is_told_in_one_line(tmp_path, run):
    (tmp_path / "shut").mkdir(mode=0o500)
    (tmp_path / "list.txt").touch(mode=0o000)
    check_error(run("search", 10943, "--dir", "data/particles", "--save-search", tmp_path / "shut/x"), "shut/x")
    check_error(run("download", 10943, "--dir", "data/particles", "--save-dir", tmp_path / "shut/x"), "shut/x")
    check_error(run("download", tmp_path / "list.txt", "--save-dir", tmp_path / "out"), "list.txt: cannot be read")


def test_what_the_system_refuses_is_told_in_one_line(run, monkeypatch):
    def refuse(*_arguments):
        raise PermissionError(13, "Permission denied", "list.txt")

    monkeypatch.setattr("builders.empiar.cli.Path.read_bytes", refuse)
    check_error(run("download", __file__, "--save-dir", "out"), "test_cli.py: cannot be read: Permission denied")
    monkeypatch.setattr("builders.empiar.cli.entry_number", refuse)
    check_error(run("download", "10943", "--save-dir", "out"), "Permission denied")


@pytest.mark.parametrize("source", ["nothing.txt", "x" * 5000, "a\0b", "folder"])
def test_a_source_that_is_none_is_told_in_one_line(tmp_path, run, monkeypatch, source):
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    check_error(run("download", source, "--save-dir", "out"))


def test_an_empty_pattern_is_a_pattern(run):
    check_error(run("search", 10943, "--dir", "data/particles", "--regex", ""), "none of 1 files", "fits ''")
    check_error(run("search", 10943, "--dir", "data/particles", "--select", ""), "fits ''")


def test_folders_are_named_where_there_are_some(run, mirror):
    advice = "; --recursive looks into its folders, --dir data/micrographs/deep into one"
    result = run("search", 10943, "--dir", "data/micrographs", "--select", "*.none")
    check_error(
        result, "none of 4 files in data/micrographs fits '*.none'; there are: m_1.mrc", f"folders deep/{advice}"
    )
    for option in ((), ("--select", "*.none")):
        result = run("search", 10943, *option)
        check_error(
            result, "only folders in data: micrographs/, odd/, particles/", "--recursive", "--dir data/micrographs"
        )
    result = run("search", 10943, "--dir", "data/particles", "--select", "*.none")
    check_error(result, "none of 1 files in data/particles fits '*.none'; there are: stack.mrcs")
    assert "--" not in result[2]
    assert "--recursive" not in run("search", 10943, "--select", "*.none", "--recursive")[2]
    (mirror / "10943/data/empty").mkdir()
    check_error(run("search", 10943, "--dir", "data/empty"), "there is nothing in data/empty")
    (mirror / "10943/data/some/two words").mkdir(parents=True)
    check_error(run("search", 10943, "--dir", "/data/some/"), "--dir 'data/some/two words' into one")


def test_show_advises_no_option_that_it_lacks(run, mirror):
    (mirror / "10943/10943.xml").write_text("no XML")
    result = run("show", 10943)
    check_error(result, "its metadata cannot be read")
    assert "directory" not in result[2]
    with pytest.raises(PercError, match="with directory="):
        load_dataset("empiar", entry=10943, archive=str(mirror))


def test_a_folder_by_entry_serves_as_a_mirror(tmp_path, mirror, run):
    out = tmp_path / "out"
    command = ("download", 10943, "--dir", "data/particles", "--save-dir", out, "--by-entry")
    assert run(*command) == (0, "", f"1 of 1 files are in {out}\n")
    ds = load_dataset("empiar", entry=10943, imageset="Particles", archive=str(out), split="train")
    assert len(ds) == 300
    assert run(*command)[0] == 0
    (mirror / "10943/10943.xml").unlink()  # a mirror without metadata is one, too
    assert run(*command[:-2], tmp_path / "bare", "--by-entry")[0] == 0


def test_entries_of_one_list_do_not_meet(tmp_path, mirror, run):
    shutil.copytree(mirror / "10943", mirror / "10996")
    out = tmp_path / "out"
    saved = tmp_path / "list.txt"
    saved.write_text("".join(f"{mirror}/{entry}/data/particles/stack.mrcs\n" for entry in (10943, 10996)))
    assert run("download", saved, "--save-dir", out)[0] == 0
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*.mrcs")) == [
        f"{entry}/data/particles/stack.mrcs" for entry in (10943, 10996)
    ]


def test_a_list_of_another_archive_is_told_how_to_name_it(tmp_path, run, mirror):
    for line, above in (
        ("https://example.org/empiar/10943/data/a.mrc", "https://example.org/empiar"),
        (f"{mirror}/10943/data/a.mrc", str(mirror)),
    ):
        (tmp_path / "found.txt").write_text(f"{line}\n")
        result = run("download", tmp_path / "found.txt", "--save-dir", tmp_path, archive=tmp_path)
        check_error(result, line, f"with --archive {above}")
    with serve() as server:
        result = run("download", tmp_path / "found.txt", "--save-dir", tmp_path, archive=server.base)
    check_error(result, f"expected the URL of a file below {server.base}", f"with --archive {mirror}")


def test_a_download_replaces_nothing_unless_it_is_told_to(tmp_path, run):
    mine = tmp_path / "out/data/particles/stack.mrcs"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    command = ("download", 10943, "--select", "**", "--save-dir", tmp_path / "out")
    check_error(run(*command), str(mine), "EMPIAR-10943: data/particles/stack.mrcs", "--overwrite", "--by-entry")
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [mine]
    assert run(*command, "--overwrite")[0] == 0
    assert mine.stat().st_size == 1024 + 300 * 64 * 64 * 4
    mine.unlink()
    mine.mkdir()
    result = run(*command, "--overwrite")
    check_error(result, f"{mine}: a folder, but EMPIAR-10943", "--overwrite replaces files, but no folders")


def test_what_is_known_of_an_entry_as_json(run):
    code, out, err = run("show", 10943, "--json")
    facts = json.loads(out)
    assert (code, err) == (0, "")
    assert (facts["entry"], facts["title"], facts["size"]) == ("EMPIAR-10943", "A made deposit", "7 MB")
    assert [(s["number"], s["name"], s["count"]) for s in facts["imagesets"]] == [
        (0, "Particles", 99),
        (1, "Micrographs", 99),
    ]


@pytest.mark.parametrize("kind", ["http", "mirror"])
def test_what_a_search_finds_as_json(run, mirror, kind):
    (mirror / "10943/data/odd/f\udcff.mrc").unlink()  # the test server serves text alone
    with serve() as server:
        server.publish(mirror)
        place = server.base if kind == "http" else str(mirror)
        _, out, err = run("search", 10943, "--select", "**/*.mrcs", "--json", archive=place)
        odd = json.loads(run("search", 10943, "--dir", "data/odd", "--json", archive=place)[1])
    facts = json.loads(out)
    (file,) = facts.pop("files")
    size = 1024 + 300 * 64 * 64 * 4
    assert file["path"] == "data/particles/stack.mrcs"
    assert file["url"] == f"{place}/10943/data/particles/stack.mrcs"
    assert file["size"] == facts["size"] == size if kind == "mirror" else size <= file["size"] < 1.1 * size
    assert facts["sizes_are_exact"] == (kind == "mirror")
    assert (facts["entry"], facts["count"]) == ("EMPIAR-10943", 1)
    assert err.startswith("1 file, 4.9 MB in all") or kind == "http"
    assert {file["path"].rpartition("/")[2] for file in odd["files"]} == set(ODD) - {"f\udcff.mrc"}


def test_sizes_and_totals_of_a_search(run, monkeypatch):
    search = ("search", 10943, "--dir", "data/micrographs", "--recursive", "--select", "**/m*.mrc")
    paths = [f"data/micrographs/{name}" for name in ("deep/m #3.mrc", "m_1.mrc", "m_2.mrc", "m_10.mrc")]
    code, out, err = run(*search)
    assert (code, out.splitlines(), err) == (0, paths, "4 files, 200.7 kB in all\n")
    long = [f"     50.2 kB  {path}" for path in paths]
    assert run(*search, "--long")[1].splitlines() == long
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert run(*search)[1].splitlines() == long


def test_a_dry_run_does_nothing_and_says_what_would_be_done(run, mirror, tmp_path):
    out = tmp_path / "out"
    command = ("download", 10943, "--dir", "data/micrographs", "--select", "m*.mrc", "--save-dir", out)
    target = out / "data/micrographs"
    code, shown, err = run(*command, "--dry-run")
    assert code == 0
    assert [line.split() for line in shown.splitlines()] == [
        ["fetch", "50.2", "kB", str(target / name)] for name in ("m_1.mrc", "m_2.mrc", "m_10.mrc")
    ]
    assert err == "would fetch 3 files, 150.5 kB, of 3; nothing was done (--dry-run)\n"
    assert not out.exists()
    assert run(*command)[0] == 0
    (target / "m_2.mrc").write_text("mine")
    (target / "m_10.mrc").unlink()
    before = {path: path.read_bytes() for path in target.iterdir()}
    code, shown, err = run(*command, "--dry-run")
    assert (code, [line.split()[0] for line in shown.splitlines()]) == (1, ["keep", "fail", "fetch"])
    assert f"failed: {target / 'm_2.mrc'}: what is there has 4 bytes" in err
    code, shown, err = run(*command, "--dry-run", "--overwrite", "--by-entry")
    assert (code, [line.split()[0] for line in shown.splitlines()]) == (0, ["fetch"] * 4)
    code, shown, _ = run(*command, "--dry-run", "--overwrite")
    assert (code, [line.split()[0] for line in shown.splitlines()]) == (0, ["keep", "replace", "fetch"])
    assert {path: path.read_bytes() for path in target.iterdir()} == before


HOSTILE = "a\x1b[31mb\x07\x85\x9b\u202ec\u200d\udcff"


def test_no_text_of_a_server_moves_the_cursor(run, mirror, monkeypatch, tmp_path):
    def fail(*_arguments, **_options):
        raise OSError(f"{HOSTILE}\nour second line")

    info = Archive(mirror).info(10943)
    for name in ("title", "size", "doi", "citation"):
        object.__setattr__(info, name, HOSTILE)
    monkeypatch.setattr(Archive, "info", lambda *_: info)
    code, out, err = run("show", 10943)
    assert code == 0
    assert printable_lines(out + err)
    monkeypatch.setattr(Archive, "info", fail)
    code, out, err = run("show", 10943)
    assert code == 1
    assert err == "perc: error: a?[31mb????c??\nour second line\n"
    monkeypatch.undo()
    saved = tmp_path / "list.txt"
    saved.write_text(f"{mirror}/10943/data/{HOSTILE}\n", errors="surrogateescape")
    code, out, err = run("download", saved, "--save-dir", tmp_path / "out")
    assert code == 1
    assert printable_lines(out + err)


def printable_lines(text):
    return all(line.isprintable() for line in text.split("\n"))
