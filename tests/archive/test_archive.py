"""What a user types: `Entry`, `empiar://`, the commands, the paper's examples; some from a real Apache."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import load_dataset
from builders.archive.archive import ARCHIVE, Archive, entry_and_path
from builders.archive.patterns import matcher
from builders.cli import main
from builders.empiar import Entry
from builders.empiar.download import part_of, plan, save_all
from builders.errors import AccessError, ChangedError, FormatError, NotFoundError, OptionError
from builders.io.net.answers import RemoteFile
from tests.empiar import deposit
from tests.server import Fault, serve

STACK = "data/particles/stack.mrcs"
MODULES = Path("/usr/lib/apache2/modules")


@pytest.fixture
def held(tmp_path):
    return deposit.make(tmp_path / "mirror")


@pytest.fixture
def mirror(tmp_path, held):
    return tmp_path / "mirror"


@pytest.fixture
def archive(tmp_path, held):
    with serve() as server:
        server.publish(tmp_path / "mirror")
        yield server


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def apache(tmp_path, held, shared):
    """A real Apache with the recorded configuration, on a free port of loopback."""
    program = shutil.which("apache2") or shutil.which("httpd")
    if program is None or not MODULES.is_dir():
        pytest.skip("no Apache is installed: apt-get install apache2")
    root, port = tmp_path / "apache", free_port()
    (root / "run").mkdir(parents=True)
    (root / "docroot").symlink_to(tmp_path / "mirror")
    text = (shared / "wire" / "empiar_ftp" / "apache_emulated" / "httpd.conf.used.txt").read_text()
    text = re.sub(r"Listen .*", f"Listen 127.0.0.1:{port}", text)
    text = text.replace("SERVER_ROOT", str(root)).replace(" modules/", f" {MODULES}/")
    (root / "httpd.conf").write_text(text)
    with (root / "log").open("wb") as log:
        process = subprocess.Popen([program, "-D", "FOREGROUND", "-f", str(root / "httpd.conf")], stderr=log)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, (root / "log").read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(params=["http", "mirror", "apache"])
def place(request, tmp_path):
    if request.param == "mirror":
        request.getfixturevalue("held")
        return str(tmp_path / "mirror")
    if request.param == "apache":
        return request.getfixturevalue("apache")
    return request.getfixturevalue("archive").base


def test_an_entry_tells_what_it_is(place):
    entry = Entry("EMPIAR-10943", archive=place)
    assert entry.title == "A made deposit"
    assert entry.size == "7 MB"
    assert [imageset.name for imageset in entry.imagesets] == ["Particles", "Micrographs"]
    assert entry.ls() == ["micrographs/", "particles/"]
    assert entry.ls("data/micrographs") == ["deep/", "m_1.mrc", "m_2.mrc", "m_10.mrc", "notes & params 1.txt"]
    assert entry.find("**/m_*.mrc") == [f"data/micrographs/m_{n}.mrc" for n in (1, 2, 10)]
    assert entry.find(r".*/m .*", regex=True, recursive=True) == ["data/micrographs/deep/m #3.mrc"]


def test_an_open_file_seeks(place, held):
    with Entry(10943, archive=place).open(STACK) as file:
        for index in (250, 3, 4, 5, 299):
            file.seek(1024 + index * 16384)
            assert file.read(16384) == held[STACK][index].tobytes()
        file.seek(-4, 2)
        assert file.read() == held[STACK].tobytes()[-4:]
        assert file.read() == b""


def test_reading_on_gives_the_whole_file(archive, held, monkeypatch):
    monkeypatch.setattr("builders.io.net.remote.PIECE", 100_000)
    with Entry(10943, archive=archive.base).open(STACK) as file:
        assert file.read()[1024:] == held[STACK].tobytes()


def test_what_is_read_on_and_on_is_read_ahead_and_of_one_version(archive, held, monkeypatch):
    with Entry(10943, archive=archive.base).open(STACK) as file:
        file.raw._piece = 200_000
        file.read(1024)
        archive.latency = 0.05
        file.read(1_000_000)
        assert archive.most_under_way > 1
        archive.fail(f"/10943/{STACK}", *[Fault(headers={"ETag": '"other"'})] * 9)
        with pytest.raises(ChangedError):
            file.read()


def test_one_particle_of_a_stack_costs_one_particle(archive, held):
    entry = Entry(10943, archive=archive.base)
    with entry.open(STACK) as file:
        archive.bytes_sent = 0
        file.seek(1024 + 100 * 16384)
        assert file.read(16384) == held[STACK][100].tobytes()
    assert archive.bytes_sent <= 16384 + 64 * 1024


def test_the_filesystem(place, held):
    fs = fsspec.filesystem("empiar", archive=place, skip_instance_cache=True)
    assert fs.ls("empiar://10943/data", detail=False) == ["10943/data/micrographs", "10943/data/particles"]
    assert fs.info(f"empiar://10943/{STACK}")["size"] == 1024 + held[STACK].nbytes
    assert fs.isdir("10943/data")
    assert not fs.exists("10943/data/nothing")
    assert fs.glob("empiar://10943/data/*/m_?.mrc") == [f"10943/data/micrographs/m_{n}.mrc" for n in (1, 2)]
    assert f"10943/{STACK}" in fs.find("empiar://10943")
    whole = held[STACK].tobytes()
    assert fs.cat_file(f"10943/{STACK}", start=1024, end=1124) == whole[:100]
    assert fs.cat_file(f"10943/{STACK}", start=-10) == whole[-10:]
    starts, ends = [1024, 5024, 2024], [1034, 5044, 2025]
    ranges = fs.cat_ranges([f"10943/{STACK}"] * 3, starts, ends)
    assert ranges == [whole[a - 1024 : b - 1024] for a, b in zip(starts, ends, strict=True)]
    assert isinstance(fs.cat_ranges(["10943/data/none"], 0, 1)[0], FileNotFoundError)
    with fs.open(f"10943/{STACK}") as file:
        file.seek(1024)
        assert file.read(8) == whole[:8]
    with pytest.raises(PermissionError):
        fs.open(f"10943/{STACK}", "wb")


def test_the_papers_examples(place, held, tmp_path, capsys):
    first = load_dataset("empiar", entry=10943, imageset=0, archive=place, streaming=True, split="train")
    np.testing.assert_array_equal(next(iter(first))["image"], held[STACK][0])

    chosen = load_dataset(
        *("empiar",),
        **{"entry": 10943, "directory": "data/particles", "pattern": r".*\.mrcs", "regex": True},
        **{"archive": place, "split": "train", "cache_dir": str(tmp_path / "cache")},
    )
    np.testing.assert_array_equal(chosen[10]["image"], held[STACK][10])

    saved, out = tmp_path / "search.txt", tmp_path / "out"
    search = ["empiar", "search", "10943", "--dir", "data/micrographs", "--select", "m_*.mrc", "--archive", place]
    assert main([*search, "--save-search", str(saved)]) == 0
    assert capsys.readouterr().out.split() == [f"data/micrographs/m_{n}.mrc" for n in (1, 2, 10)]
    assert len(saved.read_text().splitlines()) == 3
    assert main(["empiar", "download", str(saved), "--archive", place, "--save-dir", str(out)]) == 0
    for number in (1, 2, 10):
        path = f"data/micrographs/m_{number}.mrc"
        assert (out / path).read_bytes()[1024:] == held[path].tobytes()
    assert len([p for p in out.rglob("*") if p.is_file()]) == 3


def test_show(place, capsys):
    assert main(["empiar", "show", "10943", "--archive", place]) == 0
    out = capsys.readouterr().out
    assert "A made deposit" in out
    assert "1: 'Micrographs' (micrographs - single frame, MRC, 99 images) in data/micrographs" in out


def test_real_apache_streams_like_the_others(apache, held):
    stream = load_dataset("empiar", entry=10943, imageset=0, archive=apache, streaming=True, split="train")
    images = np.stack([row["image"] for row in stream])
    np.testing.assert_array_equal(images, held[STACK])


def test_a_download_that_fails_says_which_and_goes_on_later(archive, tmp_path, capsys, held):
    out = tmp_path / "out"
    command = ["empiar", "download", "10943", "--dir", "data/micrographs", "--select", "m_*.mrc"]
    command += ["--archive", archive.base, "--save-dir", str(out), "--jobs", "1"]
    path = "/10943/data/micrographs/m_2.mrc"
    archive.fail(path, Fault(), Fault(status=403))
    assert main(command) == 1
    err = capsys.readouterr().err
    assert "m_2.mrc" in err
    assert "2 of 3 files" in err
    archive.requests.clear()
    assert main(command) == 0
    assert [r.path for r in archive.requests if r.method == "GET" and r.path.endswith(".mrc")] == [path]


def test_a_download_goes_on_at_the_byte_it_stopped_at(archive, tmp_path, held):
    entry = Entry(10943, archive=archive.base)
    wanted = plan(entry.archive, [("10943", STACK)], tmp_path / "out")
    size = len(archive.files[f"/10943/{STACK}"])
    part = part_of(wanted[0].target, RemoteFile(wanted[0].location, size, archive.etag(f"/10943/{STACK}")))
    part.parent.mkdir(parents=True)
    part.write_bytes(archive.files[f"/10943/{STACK}"][: size // 2])
    archive.bytes_sent = 0
    assert save_all(wanted) == []
    assert wanted[0].target.read_bytes() == archive.files[f"/10943/{STACK}"]
    assert archive.bytes_sent == size - size // 2
    assert not part.exists()


def test_ctrl_c_ends_a_download_at_once_and_the_next_run_goes_on(archive, tmp_path, held):
    """Of two files, one of which hangs in its body, the other one before its answer."""
    url, silent, out = f"/10943/{STACK}", "/10943/data/micrographs/m_1.mrc", tmp_path / "out"
    command = ["empiar", "download", "10943", "--regex", r".*(stack\.mrcs|m_1\.mrc)", "--recursive"]
    command += ["--archive", archive.base, "--save-dir", str(out)]
    archive.fail(url, Fault(), Fault(cut=2_000_000, stall=100))
    archive.fail(silent, Fault(), Fault(silence=100))
    process = subprocess.Popen(
        [sys.executable, "-m", "builders", *command],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # it is ignored by jobs of a script
    )
    while archive.bytes_sent < 2_000_000 or archive.faults[url] or archive.faults[silent]:
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == ("perc: interrupted: what has come is kept: do the same again, and it goes on where it stopped\n")
    archive.bytes_sent = 0
    assert main(command) == 0
    folders = ("data", "data/particles", "data/micrographs", "data/micrographs/deep")
    listings = sum(len(archive.files[f"/10943/{folder}/"]) for folder in folders)
    assert archive.bytes_sent == len(archive.files[url]) - 2_000_000 + len(archive.files[silent]) + listings
    for path in (STACK, "data/micrographs/m_1.mrc"):
        assert (out / path).read_bytes()[1024:] == held[path].tobytes()


@pytest.mark.parametrize(
    "line", ["http://127.0.0.1:9/10943/data/x", "{base}/10943/../../etc/passwd", "{base}/10943/%2e%2e/x", "{base}/x/y"]
)
def test_a_list_names_only_files_of_the_archive(archive, tmp_path, line, capsys):
    saved = tmp_path / "list.txt"
    saved.write_text(line.format(base=archive.base) + "\n")
    command = ["empiar", "download", str(saved), "--archive", archive.base, "--save-dir", str(tmp_path / "out")]
    assert main(command) == 1
    assert "perc: error" in capsys.readouterr().err
    assert not archive.requests


def test_recorded_lists_are_read(shared):
    line = (shared / "wire" / "empiar_ftp" / "saved_search.txt").read_text().strip()
    entry, path = entry_and_path(line, ARCHIVE)
    assert entry == "10934"
    assert path.startswith("data/CL44-1_20201106_111915/")


def test_a_link_in_the_target_does_not_lead_out(tmp_path, archive):
    out = tmp_path / "out"
    out.mkdir()
    (out / "data").symlink_to(tmp_path)
    with pytest.raises(AccessError, match="leads out"):
        plan(Entry(10943, archive=archive.base).archive, [("10943", "data/../x".replace("../", "a/"))], out)


def test_hostile_names_are_passed_over(archive):
    links = ["../x", "%2e%2e/y", "a%2f..", "//host/x", "javascript:x", "?C=N;O=D", "x" * 4000, "b%00", "ok.mrc"]
    page = "<html><pre>" + "".join(f'<a href="{link}">x</a>\n' for link in links)
    archive.files["/10943/data/"] = page.encode()
    assert Entry(10943, archive=archive.base).ls() == ["ok.mrc"]


@pytest.mark.parametrize("path", ["", "deep/er/"])
def test_folders_without_an_end_are_an_error(archive, path):
    for depth in range(80):
        page = b'<html><pre><a href="x.mrc">x</a> 2021-01-05 14:22  5K <a href="sub/">s</a>'
        archive.files[f"/10943/data/{path}{'sub/' * depth}"] = page
    entry = Entry(10943, archive=archive.base)
    with pytest.raises(FormatError, match=r"sub/: more than 64 folders inside one another: does one of them hold"):
        entry.find(recursive=True, directory=f"data/{path}")
    assert len(entry.find("sub/" * 20 + "*", directory=f"data/{path}")) == 1


def test_folders_that_grow_in_number_are_an_error(archive, monkeypatch):
    monkeypatch.setattr("builders.archive.archive._MOST_FOLDERS", 20)
    links = "".join(f'<a href="d{number}/">d</a>\n' for number in range(30))
    archive.files["/10943/data/"] = f"<html><pre>{links}</pre>".encode()
    for number in range(30):
        archive.files[f"/10943/data/d{number}/"] = b"<html><pre>"
    with pytest.raises(FormatError, match="EMPIAR-10943: more than 20 folders in 'data': choose one"):
        Entry(10943, archive=archive.base).find(recursive=True)


def test_links_back_to_a_folder_above_are_passed_over_with_a_counted_warning(tmp_path, held, caplog):
    data = tmp_path / "mirror/10943/data"
    (data / "micrographs/up").symlink_to("..")
    (data / "micrographs/itself").symlink_to(data / "micrographs")
    (data / "micrographs/top").symlink_to(tmp_path / "mirror")
    (data / "micrographs/linked.mrc").symlink_to("m_1.mrc")
    (data / "micrographs/gone").symlink_to("nothing")
    (data / "particles/other").symlink_to("../micrographs/deep")
    (data / "micrographs/deep/back").symlink_to("../../particles")
    entry = Entry(10943, archive=tmp_path / "mirror")
    assert entry.find(recursive=True) == [
        *("data/micrographs/deep/back/stack.mrcs", "data/micrographs/deep/m #3.mrc", "data/micrographs/linked.mrc"),
        *(f"data/micrographs/m_{n}.mrc" for n in (1, 2, 10)),
        *("data/particles/other/m #3.mrc", "data/particles/stack.mrcs"),
    ]
    warnings = [record.message for record in caplog.records]
    assert f"{data / 'micrographs'}: passing over 3 links to folders that hold it" in warnings
    assert f"{data / 'micrographs/deep/back'}: passing over 1 links to folders that hold it" in warnings


def test_names_that_no_path_can_hold_are_passed_over_in_a_mirror_too(tmp_path, held, caplog):
    folder = tmp_path / "mirror/10943/data/particles"
    for name in ("a\\b.mrc", "a\x1bb.mrc", "\u202ecrm.mrc"):
        (folder / name).touch()
    assert Entry(10943, archive=tmp_path / "mirror").ls("data/particles") == ["stack.mrcs"]
    assert [r.message for r in caplog.records] == [f"{folder}: passing over 3 names that no path can hold"]


def test_folders_are_listed_concurrently(archive, tmp_path):
    for number in range(24):
        archive.files[f"/10943/data/d{number}/"] = b'<html><pre><a href="x.mrc">x</a> 2021-01-05 14:22  5K</pre>'
    links = "".join(f'<a href="d{number}/">d</a>\n' for number in range(24))
    archive.files["/10943/data/"] = f"<html><pre>{links}</pre>".encode()
    archive.latency = 0.05
    found = Entry(10943, archive=archive.base).find(recursive=True)
    assert found == [f"data/d{number}/x.mrc" for number in range(24)]
    assert 2 < archive.most_under_way <= 8


def test_an_archive_that_is_no_address_is_refused(tmp_path):
    with pytest.raises(OptionError, match="http or https"):
        Entry(10943, archive="ftp://ftp.ebi.ac.uk/empiar")
    with pytest.raises(NotFoundError, match="no such folder"):
        Entry(10943, archive=tmp_path / "none")


@pytest.mark.parametrize("archive", ["", 5, b"mirror", ["mirror"], True, "ftp://ftp.ebi.ac.uk/empiar"])
def test_what_names_no_archive_is_refused(archive):
    with pytest.raises(
        OptionError, match=re.escape(f"archive is {archive!r}: expected an http or https URL or a folder")
    ):
        Archive(archive)


@pytest.mark.parametrize("api", ["", "x", "www.ebi.ac.uk/empiar/api", "ftp://www.ebi.ac.uk", 5])
def test_what_is_no_api_is_refused(api, tmp_path):
    for archive in (None, str(tmp_path), "http://127.0.0.1:9"):
        with pytest.raises(OptionError, match=re.escape(f"api is {api!r}: expected an http or https URL")):
            Archive(archive, api)


def test_a_mirror_is_where_it_was_named(tmp_path, monkeypatch):
    (tmp_path / "home/mirror").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "home")
    names = ("mirror", Path("mirror"), "~/mirror", "../home/mirror", f"{tmp_path}/home/mirror/")
    assert {Archive(name).base for name in names} == {str(tmp_path / "home/mirror")}
    for name in ("x" * 5000, "~nobody-of-this-name/mirror"):
        with pytest.raises((NotFoundError, OptionError), match="archive"):
            Archive(name)


def test_a_folder_that_is_not_there_is_told_with_what_is(place):
    entry = Entry(10943, archive=place)
    for ask in (entry.ls, lambda path: entry.find(directory=path)):
        with pytest.raises(NotFoundError, match="no folder 'data/nope'; in data there is: micrographs/, particles/"):
            ask("data/nope")
    with pytest.raises(NotFoundError, match=r"no folder 'nope/x'; in the entry there is: 10943\.xml, data/"):
        entry.ls("nope/x")


def test_a_path_that_leads_out_is_called_what_it_is(tmp_path, held):
    entry = Entry(10943, archive=tmp_path / "mirror")
    for ask in (entry.open, entry.ls, entry.url):
        with pytest.raises(OptionError, match=r"path is '\.\./x': expected a path inside the entry"):
            ask("../x")
    with pytest.raises(OptionError, match=r"directory is '\.\./x'"):
        entry.find(directory="../x")


def test_what_was_not_looked_into_is_counted(place):
    entry = Entry(10943, archive=place)
    assert entry.search("*").folders == 2
    assert entry.search("*", recursive=True).folders == 0
    assert entry.search("*", directory="data/particles").folders == 0
    assert entry.search("micrographs/*").folders == 2


@pytest.mark.parametrize("line", ["a%FF.mrc", "a\udcff.mrc"])
def test_undecodable_names_of_a_list_stay_what_they_are(line):
    entry, path = entry_and_path(f"{ARCHIVE}/10943/data/{line}", ARCHIVE)
    assert (entry, path) == ("10943", "data/a\udcff.mrc")
    assert Entry(entry).url(path) == f"{ARCHIVE}/10943/data/a%FF.mrc"


@given(st.text(max_size=30))
def test_any_line_is_a_file_or_our_error(text):
    for line in (text, f"{ARCHIVE}/{text}", f"{ARCHIVE}/10943/{text}"):
        try:
            entry, path = entry_and_path(line, ARCHIVE)
        except OptionError:
            continue
        assert entry_and_path(Entry(entry).url(path), ARCHIVE) == (entry, path)


@pytest.mark.parametrize("pattern", [5, ["*.mrc"], b"*.mrc", True])
@pytest.mark.parametrize("regex", [True, False])
def test_a_pattern_is_text(pattern, regex):
    with pytest.raises(OptionError, match=re.escape(f"pattern is {pattern!r}: expected text")):
        matcher(pattern, regex, recursive=False)


def test_a_path_is_a_pattern():
    fits, enters = matcher(Path("a") / "*.mrcs", regex=False, recursive=False)
    assert (fits("a/x.mrcs"), fits("x.mrcs"), enters("a"), enters("b")) == (True, False, True, False)


def test_a_regular_expression_is_given_where_one_is_announced(tmp_path, held):
    with pytest.raises(OptionError, match="regex=True needs a pattern"):
        Entry(10943, archive=tmp_path / "mirror").find(regex=True)
    for pattern in ("[", "x{99999999999999999999}"):
        with pytest.raises(OptionError, match="not a regular expression"):
            matcher(pattern, regex=True, recursive=False)


@given(st.lists(st.text("ab.*?[]\\/-^!", min_size=1, max_size=6), min_size=1, max_size=4).map("/".join))
def test_any_glob_is_a_pattern(pattern):
    fits, enters = matcher(pattern, regex=False, recursive=False)
    assert fits("a/b.mrc") in range(5)
    assert enters("a") in (True, False)
    if "[" in pattern and pattern == pattern.strip("/"):
        folder = pattern.rpartition("/")[0]
        assert fits(pattern) == 1
        assert not folder or enters(folder)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a_[1].mrc", ["a_[1].mrc"]),
        ("a_[12].mrc", ["a_1.mrc", "a_2.mrc"]),
        ("a_[1]x*.mrc", ["a_[1]x.mrc"]),
        ("b[1]/*.mrc", ["b[1]/a_1.mrc", "b[1]/a_2.mrc"]),
        ("b[1]/a_[1].mrc", ["b[1]/a_1.mrc"]),
        ("b[12]/*.mrc", ["b1/z.mrc"]),
        ("*/a_[2].mrc", ["b[1]/a_2.mrc"]),
        ("**/a_[1].mrc", ["a_1.mrc", "b[1]/a_1.mrc"]),
        ("a_1[.mrc", ["a_1[.mrc"]),
    ],
)
def test_brackets_are_those_of_a_name_that_is_there(tmp_path, pattern, names):
    data = tmp_path / "mirror" / "10943" / "data"
    there = ["a_[1].mrc", "a_1.mrc", "a_2.mrc", "a_[1]x.mrc", "a_1[.mrc", "b[1]/a_1.mrc", "b[1]/a_2.mrc", "b1/z.mrc"]
    for name in there:
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(b"")
    assert Entry(10943, archive=tmp_path / "mirror").find(pattern) == [f"data/{name}" for name in names]


@given(st.text("abc.", min_size=1, max_size=5), st.text("abc.", min_size=1, max_size=5))
def test_a_star_stays_in_its_folder(folder, name):
    fits, enters = matcher("*", regex=False, recursive=False)
    assert fits(name)
    assert not fits(f"{folder}/{name}")
    assert not enters(folder)
    fits, enters = matcher("**/*", regex=False, recursive=False)
    assert fits(name)
    assert fits(f"{folder}/{name}")
    assert enters(folder)


def hide(mirror):
    """Copies of a micrograph under names that nobody means, beside it and in folders; returns how many."""
    folder = mirror / "10943" / "data" / "micrographs"
    names = (
        "._m_1.mrc",
        ".snapshot/h.0/m_1.mrc",
        "__MACOSX/m_1.mrc",
        "lost+found/m_1.mrc",
        ".git/m.mrc",
        "@eaDir/m.mrc",
    )
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((folder / "m_1.mrc").read_bytes())
    (folder / ".DS_Store").write_bytes(b"of macOS")
    return len(names)


@pytest.mark.parametrize("served", [True, False])
@pytest.mark.parametrize(
    "options", [{"recursive": True}, {"pattern": "**/*.mrc"}, {"pattern": r".*\.mrc", "regex": True}]
)
def test_hidden_names_are_passed_over_and_counted_once(mirror, archive, served, options, caplog):
    entry, recursive = Entry(10943, archive=archive.base if served else mirror), {"recursive": True} | options
    expected = entry.find(**recursive)
    count = hide(mirror)
    archive.publish(mirror)
    assert entry.find(**recursive) == expected
    assert [r.message for r in caplog.records] == [
        f"EMPIAR-10943: passing over {count} hidden names, such as data/micrographs/._m_1.mrc "
        "(directory or pattern may name them)"
    ]


def test_what_no_search_looks_into_is_not_counted(mirror, caplog):
    (mirror / "10943" / "data" / "micrographs" / ".snapshot").mkdir()
    (mirror / "10943" / "data" / "micrographs" / ".DS_Store").write_bytes(b"of macOS")
    assert len(Entry(10943, archive=mirror).find(directory="data/micrographs")) == 3
    assert not caplog.records


@pytest.mark.parametrize(
    ("directory", "pattern", "regex", "found"),
    [
        ("data/micrographs/.snapshot", "**/*.mrc", False, ".snapshot/h.0/m_1.mrc"),
        ("data/micrographs/._m_1.mrc", None, False, "._m_1.mrc"),
        ("data/micrographs", "._*", False, "._m_1.mrc"),
        ("data", "micrographs/lost+found/*", False, "lost+found/m_1.mrc"),
        ("data", "**/.snap*/**/*.mrc", False, ".snapshot/h.0/m_1.mrc"),
        ("data", r".*/__MACOSX/.*", True, "__MACOSX/m_1.mrc"),
        ("data", r"micrographs/\._m_1\.mrc", True, "._m_1.mrc"),
    ],
)
def test_what_is_named_outright_is_taken(mirror, directory, pattern, regex, found):
    hide(mirror)
    entry = Entry(10943, archive=mirror)
    assert entry.find(pattern, regex, directory=directory, recursive=regex) == [f"data/micrographs/{found}"]
    assert ".snapshot/" in entry.ls("data/micrographs")  # where one looks, one sees what is there


def test_a_snapshot_that_is_taken_does_not_change_a_search(mirror):
    entry = Entry(10943, archive=mirror)
    before = entry.search(recursive=True).version
    hide(mirror)
    assert entry.search(recursive=True).version == before
