"""`empiar://` as fsspec's users know filesystems: what is there, what is not, and the bytes of a slice."""

import gc

import fsspec
import pytest
from fsspec.implementations.cached import CachingFileSystem
from fsspec.implementations.local import LocalFileSystem

from builders.empiar import Entry
from builders.errors import AccessError, FolderError, FormatError, HttpError, NotFoundError, OptionError
from builders.io.net import remote
from builders.io.net.http import Client
from builders.io.net.retrying import Patience
from tests.empiar import deposit
from tests.server import Fault, serve

SHORT = "10943/data/nine.mrc"
STACK = "10943/data/particles/stack.mrcs"


@pytest.fixture
def mirror(tmp_path):
    deposit.make(tmp_path / "mirror")
    (tmp_path / "mirror" / SHORT).write_bytes(b"123456789")
    (tmp_path / "mirror" / "10943/data/empty.mrc").touch()
    return tmp_path / "mirror"


@pytest.fixture
def archive(mirror):
    with serve() as server:
        server.publish(mirror)
        yield server


@pytest.fixture(params=["http", "mirror"])
def place(request, mirror):
    return request.getfixturevalue("archive").base if request.param == "http" else str(mirror)


def files_of(place, **options):
    return fsspec.filesystem("empiar", archive=str(place), skip_instance_cache=True, **options)


@pytest.fixture
def impatient(monkeypatch):
    """A server that fails is given up at once."""
    made = Client.__init__
    monkeypatch.setattr(
        Client, "__init__", lambda self, *args, **kw: made(self, *args, **kw, patience=Patience(tries=1))
    )
    remote._clients.clear()
    yield
    remote._clients.clear()


QUESTIONS = {
    "exists": lambda fs: fs.exists("10943/data/micrographs/m_1.mrc"),
    "isfile": lambda fs: fs.isfile("10943/data/micrographs/m_1.mrc"),
    "isdir": lambda fs: fs.isdir("10943/data/micrographs/deep"),
    "glob": lambda fs: fs.glob("10943/data/*/*.mrc"),
    "glob of a name": lambda fs: fs.glob("10943/data/micrographs/m_1.mrc"),
    "find": lambda fs: fs.find("10943"),
    "find in it": lambda fs: fs.find("10943/data/micrographs"),
    "du": lambda fs: fs.du("10943"),
    "walk": lambda fs: list(fs.walk("10943/data")),
    "ls": lambda fs: fs.ls("10943/data/micrographs"),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(("status", "error"), [(403, AccessError), (500, HttpError)])
def test_only_what_is_not_there_is_absent(archive, impatient, question, status, error):
    archive.fail("/10943/data/micrographs/", *[Fault(status=status)] * 9)
    with pytest.raises(error):
        QUESTIONS[question](files_of(archive.base))


def test_what_is_not_there_is_absent(place):
    fs = files_of(place)
    for path in ("10943/nothing", "10943/data/nothing/x", "99999", f"{SHORT}/x"):
        assert not fs.exists(path)
        assert not fs.isdir(path)
        assert not fs.isfile(path)
        assert fs.glob(f"{path}/*") == fs.find(path) == fs.glob(path) == list(fs.walk(path)) == []
        with pytest.raises(NotFoundError):
            fs.ls(path)
        with pytest.raises(NotFoundError):
            list(fs.walk(path, on_error="raise"))
    assert (fs.isfile(SHORT), fs.isdir(SHORT)) == (True, False)
    assert (fs.isfile("10943/data"), fs.isdir("10943/data")) == (False, True)
    assert fs.find(SHORT) == [SHORT]


def test_a_walk_tells_of_what_fails_as_it_is_asked_to(archive):
    fs, told = files_of(archive.base), []
    for on_error, expected in (("omit", []), (told.append, [AccessError])):
        archive.fail("/10943/data/micrographs/", Fault(status=403))
        found = [folder for folder, _, _ in fs.walk("10943/data", on_error=on_error)]
        assert found == ["10943/data", "10943/data/particles"]
        assert [type(err) for err in told] == expected
    archive.files.pop("/10943/data/particles/")
    with pytest.raises(NotFoundError, match="particles"):
        list(fs.walk("10943/data"))


def test_a_walk_is_fsspecs_own(mirror):
    own, known = files_of(mirror), LocalFileSystem()
    for options in ({}, {"maxdepth": 2}, {"topdown": False}, {"maxdepth": 1, "topdown": False}):
        found = [(f.removeprefix("10943"), set(d), set(n)) for f, d, n in own.walk("10943", **options)]
        expected = known.walk(str(mirror / "10943"), **options)
        expected = [(f.removeprefix(str(mirror / "10943")), set(d), set(n)) for f, d, n in expected]
        assert {f: rest for f, *rest in found} == {f: rest for f, *rest in expected}
        last = options == {"topdown": False}
        assert found[0][0] == ("/data/micrographs/deep" if last else "")
    for folder, folders, _ in own.walk("EMPIAR-10943/data"):
        folders[:] = [name for name in folders if name == "micrographs"]
        assert "particles" not in folder
    with pytest.raises(OptionError, match="maxdepth is 0"):
        list(own.walk("10943", maxdepth=0))


SLICES = [
    *((0, 100), (0, 9), (3, 5), (5, 100), (9, 10), (100, 200), (5, 3), (4, 4), (0, 0), (None, None), (2, None)),
    *((None, 4), (-3, None), (-3, -1), (None, -2), (-100, 100), (-100, -50), (8, -1), (20, None), (0, 10**15)),
]


@pytest.mark.parametrize(("start", "end"), SLICES)
def test_a_slice_of_a_file_is_a_slice(place, start, end):
    fs = files_of(place)
    assert fs.cat_file(SHORT, start, end) == b"123456789"[start:end]
    assert fs.cat_file("10943/data/empty.mrc", start, end) == b""
    assert fs.cat_ranges([SHORT] * 2, [start, 1], [end, 3]) == [b"123456789"[start:end], b"23"]


def test_a_range_costs_one_request(archive):
    fs = files_of(archive.base)
    archive.requests.clear()
    assert fs.cat_file(SHORT, 2, 5) == fs.cat_file(SHORT, None, 5)[2:] == b"345"
    assert [request.method for request in archive.requests] == ["GET", "GET"]


def test_a_file_of_which_head_tells_no_size_comes_whole(archive):
    fs, hidden = files_of(archive.base), Fault(headers={"Content-Length": None})
    for ranges in (True, False):
        for start, end in ((None, None), (-4, -1), (2, None)):
            archive.faults.clear()
            faults = [hidden] if ranges else [Fault(whole=True, headers={"Content-Length": None})] * 9
            archive.fail(f"/{SHORT}", *faults)
            assert fs.cat_file(SHORT, start, end) == b"123456789"[start:end]


def test_a_folder_is_no_file(place):
    fs, entry = files_of(place), Entry(10943, archive=place)
    for read in (fs.cat, fs.cat_file, fs.open, fs.head, lambda path: fs.cat_file(path, 0, 10)):
        with pytest.raises(IsADirectoryError, match="a folder, expected a file") as caught:
            read("10943/data")
        assert isinstance(caught.value, FolderError)
        assert isinstance(caught.value, FormatError)
    with pytest.raises(FolderError):
        entry.open("data/particles")
    assert fs.info("10943/data")["type"] == "directory"
    for read in (fs.cat, fs.open, lambda path: fs.cat_file(path, 0, 10)):
        with pytest.raises(FileNotFoundError):
            read("10943/data/nothing")


@pytest.mark.parametrize("as_range", [True, False])
def test_a_folders_page_is_no_file_though_its_server_sends_us_there(archive, as_range):
    archive.fail("/10943/data", *[Fault(status=301, headers={"Location": "/10943/data/"})] * 9)
    if as_range:  # Apache sends ranges of the page, and HEAD tells no size
        archive.types["/10943/data/"] = "application/octet-stream"
    fs = files_of(archive.base)
    for read in (fs.cat, fs.open, lambda path: fs.cat_file(path, 0, 10)):
        with pytest.raises(IsADirectoryError, match="a folder, expected a file"):
            read("10943/data")


def test_files_have_a_size(place, tmp_path):
    fs = files_of(place)
    with fs.open(SHORT) as file:
        assert file.size == 9
        assert file.read(4) + file.read() == b"123456789"
        assert (file.seek(-2, 2), file.read(5), file.seek(50), file.read()) == (7, b"89", 50, b"")
        with pytest.raises((ValueError, OSError)):
            file.seek(-1)
    assert file.closed
    assert file._file.closed
    assert fs.read_block(SHORT, 2, 3) == b"345"
    assert fs.read_block(SHORT, 7, 30) == b"89"
    assert (fs.head(SHORT, 3), fs.tail(SHORT, 3)) == (b"123", b"789")
    with fs.open(SHORT, "r") as text:
        assert text.read() == "123456789"
    fs.get_file(STACK, str(tmp_path / "got"))
    assert (tmp_path / "got").read_bytes() == fs.cat_file(STACK)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # fsspec leaves its cache file open
def test_fsspecs_caches_of_blocks_read_them(place, tmp_path_factory):
    fs = files_of(place)
    cached = CachingFileSystem(fs=fs, cache_storage=str(tmp_path_factory.mktemp("blocks")))
    with cached.open(SHORT) as file:
        file.seek(3)
        assert file.read(3) == b"456"
    whole = fs.cat_file(STACK)
    with cached.open(STACK, block_size=65536) as file:
        assert (file.seek(100_000), file.read(70_000)) == (100_000, whole[100_000:170_000])
    del file
    gc.collect()


def test_an_instance_stays_where_it_was_made(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name / "mir/10943/data").mkdir(parents=True)
        (tmp_path / name / "mir/10943/data/x.mrc").write_text(name)
    made = []
    for name in ("a", "b", "a"):
        monkeypatch.chdir(tmp_path / name)
        made.append(fsspec.filesystem("empiar", archive="mir"))
        with fsspec.open("empiar://10943/data/x.mrc", archive="mir") as file:
            assert file.read() == name.encode()
    assert made[0] is made[2]
    assert made[0] != made[1]
    assert made[1].cat_file("10943/data/x.mrc") == b"b"
    assert type(made[1])(**made[1].storage_options).cat_file("10943/data/x.mrc") == b"b"


def test_sizes_are_the_files_own(place, mirror):
    fs = files_of(place)
    sizes = {path: (mirror / path).stat().st_size for path in fs.find("10943")}
    assert fs.du("10943", total=False) == sizes
    assert fs.du("10943") == sum(sizes.values())
    assert fs.sizes(list(sizes)) == list(sizes.values())
    for path, facts in fs.find("10943", detail=True).items():
        assert facts["size"] >= sizes[path]


def test_folders_without_an_end_are_not_walked_for_ever(archive):
    for depth in range(80):
        archive.files[f"/10943/data/{'sub/' * depth}"] = b'<html><pre><a href="sub/">s</a> <a href="x.mrc">x</a>'
    with pytest.raises(FormatError, match="more than 64 folders inside one another"):
        files_of(archive.base).find("10943/data")


@pytest.mark.parametrize("path", ["", "data/x", "../10943", "10943/../x", "10943/a\x85b"])
def test_a_path_that_is_none_is_named_as_a_path(path, mirror):
    with pytest.raises(OptionError, match=r"path is|expected an EMPIAR entry|expected empiar://ENTRY"):
        files_of(mirror).open(f"empiar://{path}")
