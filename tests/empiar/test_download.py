"""Files saved into a folder of the user's: whole or not at all, whoever else saves there."""

import dataclasses
import errno
import os
import threading
from email.utils import formatdate
from types import SimpleNamespace

import pytest

from builders.archive.archive import Archive
from builders.empiar import download, saved
from builders.empiar.download import part_of, plan, save_all
from builders.errors import ChangedError, DiskFullError, NotEmptyError
from builders.io.net.answers import RemoteFile
from tests.server import Fault, serve

DATA = bytes(range(256)) * 2000
OTHER = DATA[::-1]


@pytest.fixture
def archive():
    with serve() as server:
        yield server


def wanted(archive, folder, *names):
    for name in names:
        archive.files.setdefault(f"/10943/data/{name}", DATA)
    return plan(Archive(archive.base), [("10943", f"data/{name}") for name in names], folder)


def downloads(archive, name="x.mrc"):
    return [r for r in archive.requests if r.method == "GET" and r.path.endswith(name)]


def test_of_two_who_save_one_file_one_downloads(archive, tmp_path):
    archive.latency = 0.05
    failed = []
    items = wanted(archive, tmp_path, "x.mrc")
    savers = [threading.Thread(target=lambda: failed.extend(save_all(items))) for _ in range(4)]
    for saver in savers:
        saver.start()
    for saver in savers:
        saver.join()
    assert failed == []
    assert (tmp_path / "data" / "x.mrc").read_bytes() == DATA
    assert len(downloads(archive)) == 1
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["x.mrc"]


def test_a_file_that_changes_under_the_hand_is_not_saved(archive, tmp_path):
    (item,) = wanted(archive, tmp_path, "x.mrc")
    archive.fail("/10943/data/x.mrc", Fault(), Fault(cut=1000), *[Fault(headers={"ETag": '"other"'})] * 2)
    ((_, error),) = save_all([item])
    assert isinstance(error, ChangedError)
    assert not item.target.exists()
    assert save_all([item]) == []
    assert item.target.read_bytes() == DATA


LONG = "x" * 180


@pytest.mark.parametrize("names", [[f"{LONG}_1.mrc", f"{LONG}_2.mrc"], ["%E5%AD%97" * 80, "%E5%AD%97" * 79]])
def test_names_that_begin_alike_do_not_share_a_part(archive, tmp_path, names):
    decoded = [name.replace("%E5%AD%97", "\u5b57") for name in names]
    for name, data in zip(names, (DATA, OTHER), strict=True):
        archive.files[f"/10943/data/{name}"] = data
        same = Fault(headers={"ETag": '"same"'})
        archive.fail(f"/10943/data/{name}", same, same)
    items = plan(Archive(archive.base), [("10943", f"data/{name}") for name in decoded], tmp_path)
    assert save_all(items) == []
    assert [(tmp_path / "data" / name).read_bytes() for name in decoded] == [DATA, OTHER]


@pytest.mark.parametrize("headers", [{}, {"ETag": None}, {"ETag": None, "Last-Modified": None}])
@pytest.mark.parametrize("there", [OTHER[:1000], DATA + b"more"])
def test_a_part_of_another_version_or_of_none_is_not_gone_on_from(archive, tmp_path, headers, there):
    (item,) = wanted(archive, tmp_path, "x.mrc")
    other = RemoteFile("", len(DATA), headers.get("ETag", '"old"'), headers.get("Last-Modified", formatdate(99)))
    part = part_of(item.target, other)
    part.parent.mkdir(parents=True)
    part.write_bytes(there)
    archive.fail("/10943/data/x.mrc", Fault(headers=headers), Fault(headers=headers))
    assert save_all([item]) == []
    assert item.target.read_bytes() == DATA


def test_a_part_that_is_too_long_begins_anew(archive, tmp_path):
    (item,) = wanted(archive, tmp_path, "x.mrc")
    path = "/10943/data/x.mrc"
    part = part_of(item.target, RemoteFile("", len(DATA), archive.etag(path), formatdate(0, usegmt=True)))
    part.parent.mkdir(parents=True)
    part.write_bytes(OTHER + b"more")
    assert save_all([item]) == []
    assert item.target.read_bytes() == DATA


def test_what_was_saved_is_not_fetched_again(archive, tmp_path):
    (item,) = wanted(archive, tmp_path, "x.mrc")
    assert save_all([item]) == []
    assert item.target.stat().st_mtime == 0  # the archive's time of change
    assert save_all([item]) == []
    assert len(downloads(archive)) == 1


def test_another_version_is_an_error_and_replaced_when_asked(archive, tmp_path):
    (item,) = wanted(archive, tmp_path, "x.mrc")
    assert save_all([item]) == []
    archive.files["/10943/data/x.mrc"] = OTHER
    with pytest.raises(NotEmptyError, match=r"has other bytes than EMPIAR-10943: data/x\.mrc"):
        save_all([item])
    archive.fail("/10943/data/x.mrc", Fault(headers={"Last-Modified": formatdate(1000, usegmt=True)}))
    with pytest.raises(NotEmptyError, match=r"is another version of EMPIAR-10943: data/x\.mrc"):
        save_all([item])
    assert item.target.read_bytes() == DATA
    assert save_all([item], overwrite=True) == []
    assert item.target.read_bytes() == OTHER
    archive.files["/10943/data/x.mrc"] = OTHER
    archive.fail("/10943/data/x.mrc", Fault(headers={"ETag": '"of another server"'}))
    assert save_all([item]) == []


def test_other_entries_files_of_one_size_and_time_are_told_apart(archive, tmp_path):
    archive.files["/10996/data/x.mrc"] = OTHER
    first = wanted(archive, tmp_path, "x.mrc")
    assert save_all(first) == []
    archive.files["/10996/data/new.mrc"] = DATA
    second = plan(Archive(archive.base), [("10996", "data/new.mrc"), ("10996", "data/x.mrc")], tmp_path)
    with pytest.raises(NotEmptyError) as told:
        save_all(second)
    assert f"{first[0].target}: what is there is EMPIAR-10943: data/x.mrc, not EMPIAR-10996: data/x.mrc" in str(
        told.value
    )
    assert not second[0].target.exists()
    apart = plan(Archive(archive.base), [("10996", "data/x.mrc")], tmp_path, by_entry=True)
    assert save_all(apart) == []
    assert (first[0].target.read_bytes(), apart[0].target.read_bytes()) == (DATA, OTHER)


LARGE = bytes(600_000)


@pytest.mark.parametrize(
    ("there", "time", "told"),
    [
        (DATA[:-1], 5, "has 511,999 bytes, EMPIAR-10943: data/x.mrc has 512,000"),
        (OTHER, 5, "has other bytes than EMPIAR-10943: data/x.mrc"),
        (DATA, -9, "is older than EMPIAR-10943: data/x.mrc, which changed on Thu, 01 Jan 1970"),
        (b"1" + LARGE[1:], 5, "has other bytes"),
        (LARGE[:-1] + b"1", 5, "has other bytes"),
    ],
)
def test_a_file_of_the_users_own_stays(archive, tmp_path, there, time, told):
    (item,) = wanted(archive, tmp_path, "x.mrc")
    if len(there) == len(LARGE):
        archive.files["/10943/data/x.mrc"] = LARGE
    item.target.parent.mkdir()
    item.target.write_bytes(there)
    os.utime(item.target, (time, time))
    with pytest.raises(NotEmptyError, match=told):
        save_all([item])
    assert item.target.read_bytes() == there


@pytest.mark.parametrize("data", [DATA, LARGE, b""])
def test_the_same_file_that_came_in_another_way_is_kept(archive, tmp_path, data):
    archive.files["/10943/data/x.mrc"] = data
    (item,) = wanted(archive, tmp_path, "x.mrc")
    item.target.parent.mkdir()
    item.target.write_bytes(data)
    os.utime(item.target, (5, 5))
    assert save_all([item]) == []
    archive.requests.clear()
    assert save_all([item]) == []
    assert [request.method for request in archive.requests] == ["HEAD"]  # it has been compared once
    assert item.target.stat().st_mtime == 5


def test_what_somebody_changed_after_it_was_saved_is_theirs(archive, tmp_path):
    (item,) = wanted(archive, tmp_path, "x.mrc")
    assert save_all([item]) == []
    item.target.write_bytes(OTHER)
    with pytest.raises(NotEmptyError, match="has other bytes"):
        save_all([item])


@pytest.mark.parametrize("kind", ["folder", "link", "file on the way"])
def test_what_is_no_file_stays(archive, tmp_path, kind):
    (item,) = wanted(archive, tmp_path, "x.mrc")
    if kind == "file on the way":
        item.target.parent.write_text("mine")
    else:
        item.target.parent.mkdir()
    if kind == "folder":
        item.target.mkdir()
    elif kind == "link":
        item.target.symlink_to("nothing")
    with pytest.raises(NotEmptyError, match=r"a folder, but|a link to nothing|a file, but a folder is needed"):
        save_all([item])
    assert not archive.requests or kind == "link"
    if kind == "folder":
        with pytest.raises(NotEmptyError):
            save_all([item], overwrite=True)


def test_a_name_that_this_disk_cannot_hold_costs_that_file_alone(archive, tmp_path):
    items = wanted(archive, tmp_path, "x" * 255, "y.mrc")
    target = items[0].target.with_name("x" * 256)  # as on disks that keep names in another form
    items[0] = dataclasses.replace(items[0], target=target)
    ((item, error),) = save_all(items)
    assert item.target == target
    assert "cannot be stored" in str(error)
    assert items[1].target.is_file()
    assert [plan.action for plan in download.Saver().foresee(items)] == ["fail", "keep"]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_name_that_was_taken_meanwhile_stays_its_owners(archive, tmp_path, monkeypatch, has_links):
    (item,) = wanted(archive, tmp_path, "x.mrc")
    write = download._write

    def late(*arguments):
        write(*arguments)
        item.target.write_bytes(b"mine")

    monkeypatch.setattr(download, "_write", late)
    if not has_links:
        monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(PermissionError(errno.EPERM, "no links")))
    ((_, error),) = save_all([item])
    assert isinstance(error, NotEmptyError)
    assert item.target.read_bytes() == b"mine"


def test_names_that_are_one_on_this_disk_are_refused(archive, tmp_path, monkeypatch):
    items = wanted(archive, tmp_path, "A.mrc", "a.mrc")
    assert save_all(items) == []  # this disk tells them apart
    monkeypatch.setattr(saved, "_are_one", lambda *_: True)
    with pytest.raises(NotEmptyError, match="would have one name on this disk"):
        save_all(wanted(archive, tmp_path / "other", "A.mrc", "a.mrc"))
    assert not (tmp_path / "other").exists()


def test_a_disk_without_room_is_noticed_before_anything_is_fetched(archive, tmp_path, monkeypatch):
    items = wanted(archive, tmp_path, "x.mrc")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=10))
    ((_, error),) = save_all(items)
    assert isinstance(error, DiskFullError)
    assert str(tmp_path) in str(error)
    assert not downloads(archive)


@pytest.mark.parametrize("error", [OSError(errno.ENOLCK, "No locks available"), NotImplementedError("no flock")])
def test_a_disk_without_locks_is_written_to_all_the_same(archive, tmp_path, monkeypatch, error):
    def refused(self, **options):
        raise error

    monkeypatch.setattr("filelock.FileLock.acquire", refused)
    (item,) = wanted(archive, tmp_path, "x.mrc")
    assert save_all([item]) == []
    assert item.target.read_bytes() == DATA


def test_a_disk_that_sets_no_times_is_written_to_all_the_same(archive, tmp_path, monkeypatch):
    def refused(*arguments):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.utime", refused)
    (item,) = wanted(archive, tmp_path, "x.mrc")
    assert save_all([item]) == []
    assert save_all([item]) == []
    assert len(downloads(archive)) == 1


def test_parts_of_older_versions_go_once_a_file_is_whole(archive, tmp_path):
    items = wanted(archive, tmp_path, "x.mrc", "y.mrc")
    older = [part_of(item.target, RemoteFile("", 5, '"old"')) for item in items]
    older[0].parent.mkdir(parents=True)
    for part in older:
        part.write_bytes(b"old")
    assert save_all(items[:1]) == []
    assert sorted(p.name for p in older[0].parent.iterdir()) == sorted(["x.mrc", older[1].name])


def test_empty_files_are_saved(archive, tmp_path):
    archive.files["/10943/data/empty"] = b""
    assert save_all(wanted(archive, tmp_path, "empty")) == []
    assert (tmp_path / "data" / "empty").read_bytes() == b""
